#!/usr/bin/env python3
"""The documents, typed: every command in README.md, CONTRIBUTING.md, SECURITY.md and docs/*.md is run as it stands there.

  run.py [--program ./dgrid] [--jobs N] [--list] [DOCUMENT...]

A document is one scene, or several: a bash of its own in an empty folder, with a HOME that holds a name for git and nothing
else. Blocks run in order, each in the shell that the ones before it left:

  ```sh       commands; each must succeed
  ```console  commands after "$ " (or "> " where one goes on), below each what it prints; compared, see same()
  ```cron     lines of a crontab; the command of each is run
  json, yaml  must parse;   text, ini, promql: shown only, and must not look like commands

A comment on a line of its own before a block says what a reader need not see:

  <!-- not run: REASON -->    shown only; NOT_RUN_MAX holds the list of these short
  <!-- scene: NAME -->        a new scene begins here
  <!-- runs on -->            its last command stays (a worker, say): it runs until the scene ends, then gets SIGTERM
  <!-- ends with N -->        its last command is meant to end with this exit code
  <!-- before: COMMANDS -->   what the reader has done already; may be several lines

What cannot be had stands in: addresses at you/ and example.org are folders here (git's insteadOf), /srv, /mnt and the like
are folders of the scene, and bin/ has programs that check how they are called. Docker and Podman do not answer, so that
bubblewrap runs the tasks. Prints "ok NAME" or "not ok NAME" a scene, and what went wrong.
"""
import argparse, concurrent.futures, glob, json, os, re, shutil, signal, subprocess, sys, tempfile, time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md"]
RUN, DATA, SHOWN = ("sh", "console", "cron"), ("json", "yaml"), ("text", "ini", "promql")
NOT_RUN_MAX = 8  # blocks that may say "not run", in all documents
SCENE_SECONDS = 300 * int(os.environ.get("DGRID_TEST_SCALE", 100)) / 100
FOLDERS = ("srv", "mnt", "backup", "var/lib", "etc/dgrid")
HOSTS = ("https://github.com/you/", "git@github.com:you/", "https://example.org/", "https://git.example.org/",
         "https://gitlab.com/you/", "git@nas:", "git@git.example.org:", "ssh://git@git.example.org/")


class Wrong(Exception):
    pass


def crontab(block):
    """Its commands, each as cron gives it to sh: after its settings, with \\% for %."""
    settings, commands = [], []
    for line in block.text.split("\n"):
        if re.match(r"\w+ *=", line):
            settings.append("export " + line)
        elif line.strip() and line[0] != "#":
            fields = re.fullmatch(r"(?:@\w+|(?:[\d*/,-]+\s+){5})\s*(.+)", line)
            if not fields or re.search(r"(?<!\\)%", fields[1]):
                raise Wrong(f"{block.where()}: no line of a crontab (five times, a command in which % is written \\%): {line}")
            commands.append("\n".join([*settings, fields[1].replace("\\%", "%")]))
    return commands


class Block:
    def __init__(self, file, line, kind, text, notes):
        self.file, self.line, self.kind, self.text, self.notes = file, line, kind, text, notes

    def where(self):
        return f"{self.file}:{self.line}"

    def commands(self):
        """Of a console block: pairs of a command and the lines it prints."""
        pairs = []
        for line in self.text.split("\n"):
            if line.startswith("$ "):
                pairs.append([line[2:], []])
            elif line.startswith("> ") and pairs and not pairs[-1][1]:
                pairs[-1][0] += "\n" + line[2:]
            elif pairs:
                pairs[-1][1].append(line)
            else:
                raise Wrong(f"{self.where()}: a console block begins with '$ COMMAND', not: {line}")
        return pairs


def parse(file):
    """The blocks of a document, by scene: [(name, [block, ...]), ...], and what is wrong with its form."""
    lines = open(os.path.join(ROOT, file), encoding="utf-8").read().split("\n")
    scenes, notes, wrong, at, last = [(file, [])], {}, [], 0, ""
    while at < len(lines):
        line = lines[at]
        fence = re.fullmatch(r"( *)(```+)(.*)", line)
        note = re.match(r"\s*<!-- (.*)", line)
        if fence:
            indent, ticks, kind = fence.groups()
            end = at + 1
            while end < len(lines) and lines[end].strip() != ticks:
                end += 1
            text = "\n".join(l.removeprefix(indent) for l in lines[at + 1:end])
            block = Block(file, at + 1, kind.strip(), text, notes)
            if block.kind not in RUN + DATA + SHOWN:
                wrong.append(f"{block.where()}: a block of '{block.kind}' (expected one of {' '.join(RUN + DATA + SHOWN)})")
            if block.kind in SHOWN and re.search(r"^\s*(\$|dgrid|git|make|sudo|curl|docker|podman|cd|export) ", text, re.M):
                wrong.append(f"{block.where()}: shown only, but looks like commands (expected sh or console)")
            scenes[-1][1].append(block)
            at, notes = end, {}
        elif note:
            start = at
            while "-->" not in lines[at]:
                at += 1
            text = "\n".join(lines[start:at + 1]).strip().removeprefix("<!--").removesuffix("-->").strip()
            key = re.match(r"(not run|scene|runs on|ends with|before)\b:?\s*(.*)", text, re.S)
            if not key:
                wrong.append(f"{file}:{start + 1}: the comment is none that run.py knows: {text}")
            elif key[1] == "scene":
                scenes.append((f"{file}, {key[2]}", []))
            else:
                notes[key[1]] = key[2]
                if key[1] == "not run" and len(key[2]) < 15:
                    wrong.append(f"{file}:{start + 1}: 'not run' without a reason")
        elif line.startswith("    ") and not last.strip() and not re.match(r" *([-*]|\d+\.) ", line):
            wrong.append(f"{file}:{at + 1}: an indented block is not run (expected a fence)")
        elif line.strip() and notes:
            wrong.append(f"{file}:{at + 1}: a comment for run.py that stands before no block")
            notes = {}
        last = line
        at += 1
    return scenes, wrong


def plain(line):
    """What differs from run to run, by one word each: times, ages, commits, folders of the scene, the width of columns."""
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "DATE", line)
    line = re.sub(r"\b\d+(\.\d+)? ?(ms|s|min|h|d)\b", "TIME", line)
    line = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,40}\b", "HASH", line)
    line = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "FINGERPRINT", line)
    return re.sub(r"\s+", " ", line).strip()


def same(shown, printed):
    """Is what is shown what was printed? In what is shown … stands for anything in a line, alone for any lines."""
    shown = [plain(l) for l in shown if l.strip()]
    printed = [plain(l) for l in printed if l.strip()]
    patterns = [None if l == "…" else re.compile(".*".join(re.escape(p) for p in l.split("…")) + "$") for l in shown]

    def match(i, j):
        if i == len(patterns):
            return j == len(printed)
        if patterns[i] is None:
            return any(match(i + 1, k) for k in range(j, len(printed) + 1))
        return j < len(printed) and bool(patterns[i].match(printed[j])) and match(i + 1, j + 1)

    return match(0, 0)


def moved(text, root):
    """The folders of a machine's own become the scene's."""
    return re.sub(r"(?<![\w./$}:-])/(%s)(?=[/\s'\"]|$)" % "|".join(FOLDERS), lambda m: f"{root}/{m[1]}", text, flags=re.M)


def script(blocks, root):
    """One bash for the whole scene. What block N prints goes to out/N, of a console to out/N.K."""
    lines = ["set -eu", "cd ~/work", "on=()",
             'trap \'echo $? >"$SCENE/code"\' EXIT']
    for n, b in enumerate(blocks):
        out = f'exec >"$SCENE/out/{n}" 2>&1 </dev/null; echo {n} >"$SCENE/at"'
        lines.append(out)
        if "before" in b.notes:
            lines.append(moved(b.notes["before"], root))
        if b.kind not in RUN or "not run" in b.notes:
            continue
        code = b.notes.get("ends with")
        if b.kind == "cron":
            pieces = crontab(b)
        elif b.kind == "console":
            pieces = [c for c, _ in b.commands()]
        else:
            pieces = [b.text]
        for k, piece in enumerate(pieces):
            piece = moved(piece, root)
            if b.kind == "console":
                lines.append(f'exec >"$SCENE/out/{n}.{k}" 2>&1')
            if "runs on" in b.notes:
                lines.append(f"(\n{piece}\n) & on+=($!)")
            elif code is not None and k == len(pieces) - 1:
                lines.append(f'set +e\n{piece}\ncode=$?\nset -e\n[ $code = {code} ] || {{ echo "ended with $code"; exit 1; }}')
            elif b.kind == "cron":
                lines.append(f"(\n{piece}\n)")
            else:
                lines.append(piece)
    # What was started with & ends by itself, what runs on is told to.
    lines.append(f"""
echo end >"$SCENE/at"
exec >"$SCENE/out/end" 2>&1
for pid in $(jobs -p); do
  case " ${{on[*]-}} " in *" $pid "*) ;; *) wait "$pid" || true ;; esac
done
for pid in ${{on[@]+"${{on[@]}}"}}; do
  # Where the shell has become the command, the command's own children are not meant.
  meant=$pid
  if [ "$(ps -o comm= -p "$pid")" = bash ]; then meant=$(ps -o pid= --ppid "$pid" || true); fi
  kill -TERM ${{meant:-$pid}}
  wait "$pid"
done""")
    return "\n".join(lines) + "\n"


def survivors(mark):
    """Processes that the scene left behind: they still have its mark in their environment."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if mark.encode() in open(path, "rb").read():
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return [p for p in found if p != os.getpid()]


def end(mark):
    for sig in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 5
        for pid in survivors(mark):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        while survivors(mark) and time.monotonic() < deadline:
            time.sleep(0.05)


def command_line(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
    except OSError:
        return ""


def tail(path, n=30):
    try:
        return "".join(f"#   {l}" for l in open(path, errors="replace").readlines()[-n:])
    except OSError:
        return ""


def play(name, blocks, program, shared):
    """Runs a scene; returns what is wrong with it, or None."""
    root = tempfile.mkdtemp(prefix="scene.", dir=shared)
    os.chmod(root, 0o711)
    mark = f"DGRID_DOCS_SCENE={root}"
    for d in ("out", "home/work", "home/.ssh", "remote", "tmp", "bin", *FOLDERS):
        os.makedirs(f"{root}/{d}")
    os.symlink(program, f"{root}/bin/dgrid")
    git = lambda *a: subprocess.run(["git", *a], check=True, env={**os.environ, "HOME": f"{root}/home", "GIT_CONFIG_NOSYSTEM": "1"})
    git("init", "-q", "--bare", "-b", "main", f"{root}/remote/grid.git")
    git("clone", "-q", "--bare", f"{shared}/source", f"{root}/remote/dgrid.git")
    git("config", "--global", "user.name", "Ann")
    git("config", "--global", "user.email", "ann@example.org")
    git("config", "--global", "init.defaultBranch", "main")
    git("config", "--global", "advice.detachedHead", "false")
    for host in HOSTS:
        git("config", "--global", "--add", f"url.file://{root}/remote/.insteadOf", host)
    env = {"PATH": f"{root}/bin:{ROOT}/tests/docs/bin:{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": f"{root}/home", "SCENE": root,
           "DGRID_DOCS_SCENE": root, "TMPDIR": f"{root}/tmp", "LC_ALL": "C.UTF-8", "TZ": "UTC", "GIT_CONFIG_NOSYSTEM": "1",
           "PULL_INTERVAL": "1", "DOCS_ROOT": ROOT, "DOCS_TARBALL": f"{shared}/release.tar.gz", "USER": "ann"}
    with open(f"{root}/scene.sh", "w") as f:
        f.write(script(blocks, root))
    child = subprocess.Popen(["bash", f"{root}/scene.sh"], env=env, stdin=subprocess.DEVNULL, start_new_session=True,
                             stdout=open(f"{root}/stdout", "w"), stderr=subprocess.STDOUT)
    late = False
    try:
        child.wait(SCENE_SECONDS)
    except subprocess.TimeoutExpired:
        late = True
    # What is about to end may.
    deadline = time.monotonic() + 3
    while (left := survivors(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [c for c in map(command_line, left) if c]
    end(mark)
    child.wait()
    try:
        at = open(f"{root}/at").read().strip()
    except OSError:
        at = "0"
    block = blocks[int(at)].where() if at.isdigit() else "the end"
    logs = tail(f"{root}/stdout") + "".join(tail(f) for f in sorted(glob.glob(f"{root}/out/{at}*")))
    if late:
        return f"{block}: not done within {SCENE_SECONDS} s\n{logs}"
    if child.returncode or at != "end":
        return f"{block}: ended with {child.returncode}\n{logs}"
    if left:
        return "left running: " + "; ".join(left)
    for n, b in enumerate(blocks):
        if b.kind == "console" and "not run" not in b.notes:
            for k, (command, shown) in enumerate(b.commands()):
                printed = open(f"{root}/out/{n}.{k}", errors="replace").read().replace(root, "").split("\n")
                if any(l.strip() for l in shown) and not same(shown, printed):
                    return (f"{b.where()}: $ {command}\n# shown:\n" + "".join(f"#   {l}\n" for l in shown) + "# printed:\n" +
                            "".join(f"#   {l}\n" for l in printed))
    shutil.rmtree(root)
    return None


def spoken(file, program, known):
    """Verbs and options named in the running text: `dgrid VERB --option`."""
    wrong = []
    text = re.sub(r"^( *)```.*?^\1```$", "", open(os.path.join(ROOT, file), encoding="utf-8").read(), flags=re.S | re.M)
    for code in re.findall(r"`dgrid ([^`]+)`", text):
        words = code.split()
        while words and words[0] in ("--repo", "--branch", "-C"):
            words = words[2:]
        if not words or not re.fullmatch(r"[a-z]+", words[0]):
            continue
        if words[0] not in known:
            known[words[0]] = subprocess.run([program, words[0], "--help"], capture_output=True, text=True).stdout
        if not known[words[0]]:
            wrong.append(f"{file}: `dgrid {code}`: there is no such verb")
            continue
        before = words[:words.index("--")] if "--" in words else words
        for option in re.findall(r"--[a-z][a-z-]+", " ".join(before)):
            if option not in known[words[0]] and option not in ("--help", "--repo", "--branch"):
                wrong.append(f"{file}: `dgrid {code}`: {words[0]} has no {option}")
    return wrong


def source(shared):
    """This tree as the repository that people clone, and as the release that they fetch."""
    src = f"{shared}/source"
    os.makedirs(src)
    run = lambda *a, **k: subprocess.run(a, check=True, **k)
    if os.path.exists(f"{ROOT}/.git"):
        names = run("git", "-C", ROOT, "ls-files", "-zco", "--exclude-standard", stdout=subprocess.PIPE).stdout
        names = b"\0".join(n for n in names.split(b"\0") if n and os.path.lexists(os.path.join(ROOT.encode(), n)))
        pack = subprocess.Popen(["tar", "-C", ROOT, "--null", "-T", "-", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        unpack = subprocess.Popen(["tar", "-C", src, "-x"], stdin=pack.stdout)
        pack.stdin.write(names)
        pack.stdin.close()
        if pack.wait() or unpack.wait():
            raise SystemExit("run.py: the tree cannot be copied")
    else:
        run("sh", "-c", 'tar -C "$1" --exclude=./build --exclude=./dgrid --exclude=./dgrid-static -c . | tar -x -C "$2"', "-", ROOT, src)
    git = ["git", "-C", src, "-c", "user.name=dgrid", "-c", "user.email=dgrid@example.org"]
    run("git", "init", "-q", "-b", "main", src)
    run(*git, "add", "-A")
    run(*git, "commit", "-qm", "dgrid")
    run(*git, "tag", "v" + version())
    release = f"{shared}/release.tar.gz"
    run("make", "-s", "--no-print-directory", "-C", src, "dist", stdout=subprocess.DEVNULL)
    shutil.move(f"{src}/build/dist/dgrid-{version()}.tar.gz", release)


def version():
    return re.search(r'DGRID_VERSION "(.*)"', open(f"{ROOT}/base/version.h").read())[1]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = argparse.ArgumentParser()
    args.add_argument("--program", default=f"{ROOT}/dgrid")
    args.add_argument("--jobs", type=int, default=2)
    args.add_argument("--list", action="store_true", help="the scenes and how many blocks each has")
    args.add_argument("documents", nargs="*")
    args = args.parse_args()
    program = os.path.realpath(args.program)
    files = args.documents or sorted(os.path.relpath(f, ROOT) for d in DOCUMENTS for f in glob.glob(os.path.join(ROOT, d)))
    scenes, wrong, not_run, known = [], [], [], {}
    for file in files:
        found, bad = parse(file)
        wrong += bad + spoken(file, program, known)
        for name, blocks in found:
            for b in blocks:
                if b.kind == "json":
                    try:
                        json.loads(b.text)
                    except ValueError as e:
                        wrong.append(f"{b.where()}: {e}")
                elif b.kind == "yaml":
                    import yaml
                    try:
                        yaml.safe_load(b.text)
                    except yaml.YAMLError as e:
                        wrong.append(f"{b.where()}: {e}")
            not_run += [b for b in blocks if "not run" in b.notes]
            if any(b.kind in RUN and "not run" not in b.notes for b in blocks):
                scenes.append((name, blocks))
    if args.list:
        for name, blocks in scenes:
            print(f"{name}: {sum(b.kind in RUN for b in blocks)} blocks")
        return 0
    for b in not_run:
        print(f"# not run: {b.where()}: {b.notes['not run']}")
    if len(not_run) > NOT_RUN_MAX:
        wrong.append(f"{len(not_run)} blocks are not run (expected at most {NOT_RUN_MAX})")
    for w in wrong:
        print(f"# {w}")
    print("not ok docs: form" if wrong else "ok docs: form", flush=True)
    failed = bool(wrong)
    shared = tempfile.mkdtemp(prefix="dgrid-docs.")
    os.chmod(shared, 0o711)  # the sandbox's user may go through
    try:
        source(shared)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            begun = {}

            def one(name, blocks):
                begun[name] = time.monotonic()
                return play(name, blocks, program, shared)

            futures = {pool.submit(one, *s): s for s in scenes}
            try:
                for future in concurrent.futures.as_completed(futures):
                    name, blocks = futures[future]
                    why = future.result()
                    took = time.monotonic() - begun[name]
                    if why:
                        print("".join(f"# {l.removeprefix('# ')}\n" for l in why.rstrip("\n").split("\n")), end="")
                    print(f"{'not ' if why else ''}ok docs: {name}  # {took:.1f} s, {sum(b.kind in RUN for b in blocks)} blocks",
                          flush=True)
                    failed = failed or bool(why)
            except BaseException:  # told to stop: no scene goes on by itself
                for future in futures:
                    future.cancel()
                end(f"DGRID_DOCS_SCENE={shared}")
                raise
        if not scenes and not args.documents:
            print("not ok docs: there are no scenes")
            failed = True
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as e:
        print(f"# {e}\nnot ok docs: form")
        sys.exit(1)
