#!/usr/bin/env python3
"""No false alarm: random honest histories (tests/honest.c: the program's own code by a clock that jumps) pass the audit.

usage: honest.py DGRID HONEST FOLDER [COUNT [SEED]]

All histories go into one repository by one `git fast-import`; each is audited in a repository of its own that borrows its
objects. What is promoted names the commit that brought it, so the stream has marks where ids are to stand: fast-import is
asked for them on the way.
"""
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

from store import Store

MARK = re.compile(rb"@(\d{39})")


def load(stream, repository):
    """Feeds the stream to fast-import, with ids in place of marks."""
    importer = subprocess.Popen(["git", "-C", repository, "fast-import", "--quiet", "--date-format=raw"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    known = {}

    def oid(match):
        mark = int(match[1])
        if mark not in known:
            importer.stdin.write(b"get-mark :%d\n" % mark)
            importer.stdin.flush()
            known[mark] = importer.stdout.readline().strip()
        return known[mark]

    # Lines are enough: an id stands within a document, never in what counts its bytes, and is as long as its mark's stand-in.
    commit = []
    for line in stream:
        if line.startswith(b"commit refs/h/"):
            importer.stdin.write(b"".join(commit))
            commit = []
        commit.append(MARK.sub(oid, line) if b"@0" in line else line)
    importer.stdin.write(b"".join(commit))
    importer.stdin.close()
    importer.stdout.close()
    if importer.wait():
        raise SystemExit("honest: fast-import failed")


def main():
    dgrid, honest, folder = (os.path.abspath(p) for p in sys.argv[1:4])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.randrange(1 << 30)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/scratch")
    os.makedirs(folder + "/grids")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder + "/store.git"], check=True)
    with open(folder + "/log", "wb") as log:
        player = subprocess.Popen([honest, str(count), str(seed), folder + "/scratch"], stdout=subprocess.PIPE, stderr=log)
        load(player.stdout, folder + "/store.git")
        if player.wait():
            raise SystemExit(f"honest: the player ended with {player.returncode}: see {folder}/log")
    said = open(folder + "/log").read().strip().split("\n")[-1]
    listed = subprocess.run(["git", "-C", folder + "/store.git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/h"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    refs = {}
    for line in listed[:-1]:
        oid, name = line.split()
        _, _, number, branch = name.split("/")
        refs.setdefault(int(number), {})[f"refs/heads/{branch}"] = oid
    store = Store(folder + "/store.git")
    env = {**os.environ, "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", "TZ": "UTC"}
    env.pop("DGRID_REPO_URL", None)

    def audit(number):
        path = store.grid(f"{folder}/grids/{number}", refs[number])
        done = subprocess.run([dgrid, "-C", path, "audit", "--json"], capture_output=True, text=True, env=env)
        try:
            verdict = json.loads(done.stdout)
        except ValueError:
            return number, 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        if done.returncode or verdict["violations"]:
            return number, verdict["commits"], f"exit code {done.returncode}: {json.dumps(verdict['violations'][:3], indent=1)}"
        shutil.rmtree(path)
        return number, verdict["commits"], None

    began, wrong, commits = time.monotonic(), 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, n, trouble in pool.map(audit, sorted(refs)):
            commits += n
            if trouble:
                wrong += 1
                if wrong <= 5:
                    print(f"WRONG history {number} of seed {seed}, in {folder}/grids/{number}: {trouble}")
    store.close()
    if len(refs) != count or commits < 10 * count:
        print(f"WRONG {len(refs)} histories with {commits} commits were audited, of {count}")
        wrong += 1
    print(f"honest: seed {seed}: {said}; {wrong} false alarms; audited in {time.monotonic() - began:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
