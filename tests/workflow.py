#!/usr/bin/env python3
"""Runs workflows here: the `run:` steps for real, the `uses:` steps by stand-ins. For bats/once/workflows.bats.

  workflow.py github FILE CONTEXT DIR   every job of a GitHub workflow; CONTEXT is a JSON file with "github" and "vars"
  workflow.py gitlab FILE JOB CONTEXT DIR   one job of a .gitlab-ci.yml; CONTEXT is a JSON file with its CI_ variables
  workflow.py scripts FILE DIR          every script of either, as a file of its own (for shellcheck)
  workflow.py wrap FILE                 an action as a workflow that can be called (for actionlint)
  workflow.py check FILE...             what GitHub workflows must keep to

DIR gets ws/ (the workspace, made anew), temp/, summary.md, uses.log. The remote to check out from is CONTEXT's "origin".
Ends with 1 when a step failed. What it does not know (an expression, a key, an action) is an error, never skipped.
"""
import json, os, re, shutil, subprocess, sys
import yaml


class Expression:
    """GitHub's expressions, as far as the workflows use them: literals, paths, ( ) ! == != && ||, always() and such."""

    TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(==|!=|&&|\|\||[!()])|([A-Za-z_][\w.-]*))")

    def __init__(self, text, context, failed=False):
        self.context, self.failed, self.status = context, failed, False
        self.tokens, at = [], 0
        while text[at:].strip():
            m = self.TOKEN.match(text, at)
            if not m:
                raise SystemExit(f"workflow.py: cannot read the expression: {text}")
            self.tokens.append(m)
            at = m.end()
        self.at = 0
        self.value = self.either()
        if self.at != len(self.tokens):
            raise SystemExit(f"workflow.py: cannot read the expression: {text}")

    def next(self, *ops):
        if self.at < len(self.tokens) and self.tokens[self.at][2] in ops:
            self.at += 1
            return self.tokens[self.at - 1][2]

    def either(self):
        value = self.both()
        while self.next("||"):
            other = self.both()
            value = value or other
        return value

    def both(self):
        value = self.same()
        while self.next("&&"):
            other = self.same()
            value = value and other
        return value

    def same(self):
        value = self.one()
        while op := self.next("==", "!="):
            value = (str(value) == str(self.one())) == (op == "==")
        return value

    def one(self):
        if self.next("!"):
            return not self.one()
        if self.next("("):
            value = self.either()
            if not self.next(")"):
                raise SystemExit("workflow.py: ) is missing")
            return value
        m = self.tokens[self.at]
        self.at += 1
        if m[1]:
            return m[1][1:-1].replace("''", "'")
        if self.next("("):
            self.status = True
            if not self.next(")"):
                raise SystemExit(f"workflow.py: unknown function {m[3]}")
            return {"always": True, "failure": self.failed, "success": not self.failed, "cancelled": False}[m[3]]
        value = self.context
        for part in m[3].split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return value


def expand(text, context):
    if not isinstance(text, str):
        return str(text)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: str(Expression(m[1], context).value), text, flags=re.S)


def condition(step, context, failed):
    if "if" not in step:
        return not failed
    text = str(step["if"]).strip()
    m = re.fullmatch(r"\$\{\{(.*)\}\}", text, flags=re.S)
    e = Expression(m[1] if m else text, context, failed)
    return bool(e.value) and (e.status or not failed)


def known(what, allowed):
    if unknown := set(map(str, what)) - set(allowed):
        raise SystemExit(f"workflow.py: does not know {sorted(unknown)}")


def pairs(path):
    """GITHUB_OUTPUT and GITHUB_ENV, lines NAME=VALUE."""
    lines = open(path).read().splitlines() if os.path.exists(path) else []
    return dict(line.split("=", 1) for line in lines)


def use(step, context, ws, log):
    action = step["uses"].split("@")[0]
    given = {k: expand(v, context) for k, v in step.get("with", {}).items()}
    print(json.dumps({"uses": action, **given}), file=log, flush=True)
    if action == "actions/checkout":
        known(given, ["ref", "fetch-depth", "persist-credentials"])
        ref, origin = given.get("ref") or context["github"]["sha"], context["origin"]
        git = lambda *a: subprocess.run(["git", "-C", ws, *a], check=True)
        subprocess.run(["git", "init", "-q", "-b", "stand-in", ws], check=True)
        git("remote", "add", "origin", origin)
        if given.get("fetch-depth") == "0":
            git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", ref)
        else:
            git("fetch", "-q", "--depth", "1", "origin", ref)
        branch = subprocess.run(["git", "-C", ws, "rev-parse", "-q", "--verify", f"origin/{ref}"], capture_output=True)
        git("checkout", "-q", "--detach", ref if branch.returncode else f"origin/{ref}")
    elif action == "actions/upload-pages-artifact":
        if not os.path.isfile(given["path"] + "/index.html"):
            print("there is no site with an index.html in", given["path"])
            return 1
    elif action not in ("actions/configure-pages", "actions/deploy-pages"):
        raise SystemExit(f"workflow.py: no stand-in for {action}")
    return 0


def run_steps(steps, levels, context, github_env, ws, temp, log, path, default_shell, prefix):
    """The steps of a job, or of a composite action (prefix tells their files apart). Did one fail?"""
    added, failed = {}, False
    for n, step in enumerate(steps):
        n = f"{prefix}{n}"
        known(step, ["name", "id", "if", "uses", "with", "run", "env", "shell", "working-directory"])
        title = step.get("name") or step.get("uses") or step["run"].splitlines()[0]
        if not condition(step, context, failed):
            print(f"--- {title}: skipped")
            continue
        if "uses" in step and step["uses"] == context.get("action", {}).get("uses"):
            code, outputs = composite(step, context, {**github_env, **added}, ws, temp, log, path, n)
            context["steps"][step.get("id", n)] = {"outputs": outputs}
        elif "uses" in step:
            code = use(step, context, ws, log)
        else:
            if "${{" in step["run"]:
                raise SystemExit(f"workflow.py: an expression within the script of {title}")
            env = {"PATH": path, "HOME": os.environ["HOME"], "LC_ALL": "C.UTF-8", **github_env, **added}
            for level in (*levels, step.get("env", {})):
                env.update({k: expand(v, context) for k, v in level.items()})
            for key in ("OUTPUT", "ENV", "PATH"):
                env[f"GITHUB_{key}"] = f"{temp}/{key.lower()}-{n}"
                open(env[f"GITHUB_{key}"], "w").close()
            for key in os.environ:  # the tests' own: stand-ins, git without anybody's settings
                if key.startswith(("STANDIN_", "GIT_CONFIG_", "ASAN_", "UBSAN_")):
                    env[key] = os.environ[key]
            script = f"{temp}/script-{n}.sh"
            open(script, "w").write(step["run"])
            shell = step.get("shell") or default_shell
            bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if shell == "bash" else ["bash", "-e"]
            code = subprocess.run([*bash, script], cwd=os.path.join(ws, step.get("working-directory", "")),
                                  env=env, stdin=subprocess.DEVNULL).returncode
            added.update(pairs(f"{temp}/env-{n}"))
            path = ":".join([*open(f"{temp}/path-{n}").read().split("\n")[-2::-1], path])
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": pairs(f"{temp}/output-{n}")}
        print(f"--- {title}: {'ok' if code == 0 else f'failed with {code}'}", flush=True)
        failed = failed or code != 0
    return failed


def composite(step, context, github_env, ws, temp, log, path, n):
    """The action under test (CONTEXT's "action": "uses" as the workflow names it, "path" of its checkout)."""
    action = yaml.safe_load(open(context["action"]["path"] + "/action.yml"))
    known(action, ["name", "description", "branding", "inputs", "outputs", "runs"])
    if action["runs"]["using"] != "composite":
        raise SystemExit("workflow.py: no composite action")
    given = {k: expand(v, context) for k, v in step.get("with", {}).items()}
    known(given, action["inputs"])
    inputs = {}
    for name, about in action["inputs"].items():
        known(about, ["description", "required", "default"])
        if about.get("required") and not given.get(name):
            raise SystemExit(f"workflow.py: the action needs {name}")
        inputs[name] = given.get(name, str(about.get("default", "")))
    inner = {**context, "inputs": inputs, "steps": {}}
    for one in action["runs"]["steps"]:
        if "run" in one and "shell" not in one:
            raise SystemExit("workflow.py: a composite action names the shell of each step")
    env = {**github_env, "GITHUB_ACTION_PATH": context["action"]["path"]}
    failed = run_steps(action["runs"]["steps"], (), inner, env, ws, temp, log, path, "", f"{n}-")
    return int(failed), {k: expand(v["value"], inner) for k, v in action["outputs"].items()}


def github(file, context_file, out):
    flow, context = yaml.safe_load(open(file)), json.load(open(context_file))
    known(flow, ["name", "True", "permissions", "concurrency", "env", "defaults", "jobs"])
    failed_jobs, ran = set(), 0
    for name, job in flow["jobs"].items():
        known(job, ["name", "if", "needs", "runs-on", "container", "timeout-minutes", "permissions", "env", "environment", "steps"])
        if job.get("needs") in failed_jobs or not condition(job, context, False):
            print(f"--- job {name}: skipped")
            failed_jobs.add(name)
            continue
        ran += 1
        ws, temp = f"{out}/ws", f"{out}/temp"
        for folder in (ws, temp):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        context = {**context, "runner": {"temp": temp}, "steps": {}, "job": name}
        github_env = {k: str(v) for k, v in {
            "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": ws, "RUNNER_TEMP": temp,
            "GITHUB_STEP_SUMMARY": f"{out}/summary.md", "GITHUB_EVENT_NAME": context["github"]["event_name"],
            "GITHUB_REPOSITORY": context["github"]["repository"], "GITHUB_SHA": context["github"]["sha"],
            "GITHUB_SERVER_URL": context["github"].get("server_url", "https://github.com")}.items()}
        path = os.environ["PATH"]
        log = open(f"{out}/uses.log", "a")
        failed = run_steps(job["steps"], (flow.get("env", {}), job.get("env", {})), context, github_env, ws, temp, log, path,
                           flow.get("defaults", {}).get("run", {}).get("shell") or "", "")
        if failed:
            failed_jobs.add(name)
    print(f"{ran} jobs ran")
    return 1 if failed_jobs and ran else 0


class Reference(list):
    pass


def load_gitlab(file):
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!reference", lambda l, n: Reference(l.construct_sequence(n)))
    return yaml.load(open(file), Loader)


def gitlab_scripts(flow, job):
    whole = {**flow[job["extends"]], **job} if "extends" in job else job

    def lines(key):
        for item in whole.get(key, []):
            if isinstance(item, Reference):
                yield from flow[item[0]][item[1]]
            else:
                yield item

    return list(lines("before_script")) + list(lines("script"))


def gitlab(file, name, context_file, out):
    flow, context = load_gitlab(file), json.load(open(context_file))
    job, origin = flow[name], context.pop("origin")
    known(job, ["extends", "stage", "rules", "variables", "before_script", "script", "resource_group", "needs", "artifacts"])
    ws, temp = f"{out}/ws", f"{out}/temp"
    shutil.rmtree(ws, ignore_errors=True)
    os.makedirs(ws)
    os.makedirs(temp, exist_ok=True)
    # A job's container is thrown away, with all that it left in its folder for what is temporary.
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TMPDIR": temp, "CI": "true", "GITLAB_CI": "true", **context}
    for level in (flow, job):
        for key, value in level.get("variables", {}).items():
            env[key] = re.sub(r"\$\{?(\w+)\}?", lambda m: env.get(m[1], ""), value)
    for key in os.environ:
        if key.startswith(("STANDIN_", "GIT_CONFIG_", "ASAN_", "UBSAN_")):
            env[key] = os.environ[key]
    # What GitLab's runner does before: fetch the commit of the pipeline, check it out unless told not to.
    git = lambda *a: subprocess.run(["git", "-C", ws, *a], check=True)
    git("init", "-q", "-b", "stand-in")
    git("remote", "add", "origin", origin)
    git("fetch", "-q", "origin", context["CI_COMMIT_SHA"])
    if env.get("GIT_CHECKOUT") != "false":
        git("checkout", "-q", "--detach", context["CI_COMMIT_SHA"])
    script = f"{out}/script.sh"
    open(script, "w").write("set -e\n" + "\n".join(gitlab_scripts(flow, job)) + "\n")
    code = subprocess.run(["sh", script], cwd=ws, env=env, stdin=subprocess.DEVNULL).returncode
    for path in job.get("artifacts", {}).get("paths", []):
        if code == 0 and not os.path.exists(f"{ws}/{path}"):
            print("no artifact", path)
            code = 1
    print(f"--- {name}: {'ok' if code == 0 else f'failed with {code}'}")
    return 1 if code else 0


def scripts(file, out):
    flow, n = load_gitlab(file), 0
    base = os.path.basename(file).removesuffix(".yml")

    def write(head, text):
        nonlocal n
        n += 1
        open(f"{out}/{base}-{n}.sh", "w").write(head + text + "\n")

    if "jobs" in flow or "runs" in flow:
        for job in flow["jobs"].values() if "jobs" in flow else [flow["runs"]]:
            for step in job["steps"]:
                if "run" in step:
                    write("#!/bin/bash\n", step["run"])
    else:
        for job in flow.values():
            if isinstance(job, dict) and ("script" in job or "before_script" in job):
                write("#!/bin/sh\n", "\n".join(gitlab_scripts(flow, job)))
    return 0 if n else 1


def wrap(file):
    """An action as a workflow that could be called, so that what lints workflows lints it too."""
    action = yaml.safe_load(open(file))
    inputs = {k: {"description": v["description"], "type": "string", "required": v.get("required", False)}
              for k, v in action["inputs"].items()}
    job = {"runs-on": "ubuntu-24.04", "steps": action["runs"]["steps"],
           "outputs": {k: v["value"] for k, v in action["outputs"].items()}}
    outputs = {k: {"description": v["description"], "value": "${{ jobs.action.outputs.%s }}" % k} for k, v in action["outputs"].items()}
    print(yaml.safe_dump({"on": {"workflow_call": {"inputs": inputs, "outputs": outputs}}, "jobs": {"action": job}}, sort_keys=False))
    return 0


def check(*files):
    """The rules that no linter checks. Says each breach."""
    wrong = []
    for file in files:
        text, flow = open(file).read(), yaml.safe_load(open(file))
        say = lambda what: wrong.append(f"{file}: {what}")
        if "pull_request_target" in text or "workflow_run" in text:
            say("runs strangers' requests with the repository's rights")
        if flow.get("permissions") != {}:
            say("permissions of the workflow as a whole are not {}")
        for name, job in flow["jobs"].items():
            if "permissions" not in job:
                say(f"job {name} has no permissions of its own")
            if "timeout-minutes" not in job:
                say(f"job {name} has no timeout")
            for step in job["steps"]:
                if "${{" in step.get("run", ""):
                    say(f"job {name} has an expression within a script")
        for line in re.findall(r"uses:.*", text):
            # The action of this very tree needs no pin.
            if line != "uses: ./" and not re.fullmatch(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line):
                say(f"is not pinned by commit, with its version as a comment: {line}")
    print("\n".join(wrong) or f"{len(files)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    verb = {"github": github, "gitlab": gitlab, "scripts": scripts, "wrap": wrap, "check": check}[sys.argv[1]]
    sys.exit(verb(*sys.argv[2:]))
