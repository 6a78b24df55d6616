#!/usr/bin/env python3
"""Every fraud of frauds_*.py, made on an honest history and put before the audit, or pushed.

usage: tamper.py audit DGRID FOLDER [NAME...]   `dgrid audit` must name the rule, the commit and the path of each
       tamper.py push DGRID FOLDER [NAME...]    a repository with dgrid's hook must refuse each, and say the rule
       tamper.py list                           the frauds and their rules

FOLDER gets base/ (by base.py, made once) and all repositories. Says "ok ..." or "not ok ..." of each; ends with 1 when one was
not caught. That the histories the frauds are made on are honest is checked first: the base, and each kind of grid.
"""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import base
import fraud
import frauds_place  # the order is that of the list
import frauds_claim
import frauds_needs
import frauds_checkpoint
import frauds_points
import frauds_result
import frauds_grid
import frauds_limit
import frauds_room
import frauds_schedule
import frauds_orders
import frauds_signed
import frauds_consent
from history import History
from store import Store

GRIDS = {"plain": lambda h: None, "signed_tasks": frauds_signed.grid_signed_tasks, "signed": frauds_signed.grid_signed,
         "votes": frauds_signed.grid_votes, "consent": frauds_consent.grid_consent, "limits": frauds_limit.grid_limits,
         "orders": frauds_orders.grid_orders,
         "room": frauds_room.grid_room,
          "schedules": frauds_schedule.grid_schedules,
         "signed_schedules": lambda h: (frauds_schedule.grid_schedules(h, False), frauds_signed.grid_signed(h))}
FAKETIME = [f for g in ("*/faketime/", "faketime/", "") for f in glob.glob(f"/usr/lib/{g}libfaketime.so.1")]
# What git's own checks say of trees that it would not make.
ODD = re.compile(r"fsck|empty filename|full pathname|duplicate|not properly sorted|contains '\.\.'|hasDot|treeNotSorted|corrupt|malformed")
PEOPLE = ("alice", "mallory", "n1", "n2", "n3")


def git(path, *args, code=0, **how):
    done = subprocess.run(["git", "-C", path, *args], capture_output=True, **how)
    if code is not None and done.returncode != code:
        raise SystemExit(f"git {args}: {done.stderr}")
    return done.stdout.decode().strip()


class Suite:
    def __init__(self, dgrid, folder):
        self.dgrid, self.folder = os.path.abspath(dgrid), os.path.abspath(folder)
        self.base = f"{self.folder}/base/grid.git"
        if not os.path.exists(self.base):
            os.makedirs(f"{self.folder}/base")
            base.make(self.dgrid, f"{self.folder}/base")
        for name in ("store.git", "grids", "keys", "clients", "hook"):
            shutil.rmtree(f"{self.folder}/{name}", ignore_errors=True)
        git(self.folder, "init", "-q", "--bare", "-b", "main", "store.git")
        shutil.copytree(self.base + "/objects", self.folder + "/store.git/objects", dirs_exist_ok=True)
        self.store = Store(f"{self.folder}/store.git")
        for name in ("grids", "keys", "clients"):
            os.makedirs(f"{self.folder}/{name}")
        self.keys = {}
        for who in PEOPLE:
            self.keys[who] = f"{self.folder}/keys/{who}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", self.keys[who]], check=True)
        self.main, self.archive = (git(self.base, "rev-parse", r) for r in ("main", "archive"))
        self.now = int(git(self.base, "log", "-1", "--format=%ct", "main"))
        self.env = {**os.environ, "HOME": f"{self.folder}/base/home", "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC", "LC_ALL": "C"}
        for name in ("DGRID_REPO_URL", "DGRID_BRANCH"):
            self.env.pop(name, None)
        self.heads, self.lock = {}, threading.Lock()

    def history(self, grid):
        """Honest, up to where the fraud begins."""
        if grid not in self.heads:
            h = History(self.store, self.main, self.archive, self.now)
            h.keys = self.keys
            GRIDS[grid](h)
            self.heads[grid] = (h.main, h.archive, h.now, h.signed, h.sign)
        h = History(self.store, *self.heads[grid][:3])
        h.keys, h.signed, h.sign = self.keys, *self.heads[grid][3:]
        h.also_bad, h.quiet = None, False
        return h

    def repository(self, name, h):
        path = self.store.grid(f"{self.folder}/grids/{name}", {"refs/heads/main": h.main, "refs/heads/archive": h.archive, **getattr(h, "refs", {})})
        self.tricks(path, h)
        return path

    def tricks(self, path, h):
        """What a repository's own settings would make of the history."""
        if hasattr(h, "replace"):
            os.makedirs(f"{path}/refs/replace")
            with open(f"{path}/refs/replace/{h.bad}", "w") as f:
                f.write(h.replace + "\n")
        if hasattr(h, "graft"):
            os.makedirs(f"{path}/info")
            with open(f"{path}/info/grafts", "w") as f:
                f.write(h.graft())

    def audit(self, path, *args):
        done = subprocess.run([self.dgrid, "-C", path, "audit", "--json", *args], capture_output=True, env=self.env, text=True,
                              errors="replace", timeout=120)
        try:
            said = json.loads(done.stdout)
        except ValueError:
            said = None
        return done.returncode, said, done.stderr

    # ---- what must hold ----

    def honest(self, grid):
        h = self.history(grid)
        h.go_on()
        if not h.sign:
            frauds_needs.honest(h)
            frauds_checkpoint.honest(h)
            frauds_points.honest(h)
        code, said, err = self.audit(self.repository(f"honest-{grid}", h))
        if code or not said or said["violations"] or said["commits"] < 40:
            return f"exit code {code}, {json.dumps(said, indent=1) if said else ''}{err}"
        if grid == "plain":
            with open(f"{self.folder}/checkpoint", "w") as f:
                f.write(json.dumps(self.audit(self.repository("start", self.history("plain")))[1]))
        return None

    def make(self, f):
        h = self.history(f.grid)
        f.make(h)
        h.after = h.main
        if not h.quiet:
            h.after = h.do(h.person({"notes": "nothing\n"}))
            h.go_on()
        return h

    def caught(self, f, h):
        path = self.repository(f.name, h)
        if f.how.get("config") == "shallow":
            with open(f"{path}/shallow", "w") as out:
                out.write(h.after + "\n")
            code, _, err = self.audit(path)
            return None if code in (65, 69) and "shallow" in err else f"exit code {code}: {err}"
        code, said, err = self.audit(path, *(["--since", f"{self.folder}/checkpoint"] if f.how.get("since") else ["--objects"] if f.how.get("objects") else []))
        if f.how.get("odd") and code in (65, 69) and ODD.search(err):
            return None
        if code != 1 or not said or not said["violations"]:
            return f"exit code {code}: {json.dumps(said)[:2000]} {err}"
        first = said["violations"][0]
        if first["rule"] not in f.rules:
            return f"caught by {first['rule']}, not by {' or '.join(f.rules)}: {json.dumps(said['violations'][:4], indent=1)}"
        if h.bad and first["commit"] not in (h.bad, h.also_bad):
            return f"caught in {first['commit']}, the fraud is {h.bad}: {json.dumps(said['violations'][:4], indent=1)}"
        if h.bad and not any(self.same_path(first["path"] or "", p) for p in h.bad_paths):
            return f"the path is {first['path']!r}, not one of {h.bad_paths}"
        if not first.get("author") and not f.how.get("objects") or not first.get("text"):
            return f"no author or no words: {json.dumps(first)}"
        return None

    @staticmethod
    def same_path(shown, path):
        """What is odd in a name may be shown in another way: up to there."""
        plain = re.match(r"[A-Za-z0-9_./-]*", path)[0]
        return shown == path if plain == path and path else shown.startswith(plain)

    def push(self, path, h, name, was):
        """All of h in one push; what git said, and whether the repository is still as it was."""
        client = self.store.grid(f"{self.folder}/clients/{name}", {"refs/heads/main": h.main, "refs/heads/archive": h.archive})
        # What is pushed is pushed as it is made, by the history's own clock.
        now = time.strftime("@%Y-%m-%d %H:%M:%S", time.gmtime(h.now + 1))
        env = {**self.env, "LD_PRELOAD": FAKETIME[0], "FAKETIME": now, "TZ": "UTC", "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        done = subprocess.run(["git", "-C", client, "push", "--atomic", "--force", path, "main", "archive"], capture_output=True,
                              env=env, text=True, errors="replace", timeout=120)
        shutil.rmtree(client)
        same = [git(path, "rev-parse", r) for r in ("main", "archive")] == list(was)
        return done.returncode, done.stderr, same

    def hooked(self, name, at, objects):
        """A repository with the hook, as it was at (main, archive): it borrows those objects."""
        path = self.store.grid(f"{self.folder}/grids/{name}", dict(zip(("refs/heads/main", "refs/heads/archive"), at)), borrow=objects)
        if not os.path.exists(f"{self.folder}/hook"):
            subprocess.run([self.dgrid, "init", "--hook", path], check=True, capture_output=True, env=self.env)
            shutil.copytree(f"{path}/hooks", f"{self.folder}/hook")
            shutil.copy(f"{path}/config", f"{self.folder}/hook/config")
        else:
            shutil.copytree(f"{self.folder}/hook", f"{path}/hooks")
            shutil.copy(f"{self.folder}/hook/config", f"{path}/config")
        return path

    def taken(self, grid):
        h = self.history(grid)
        h.go_on()
        if not h.sign:
            frauds_needs.honest(h)
            frauds_checkpoint.honest(h)
            frauds_points.honest(h)
        base = self.main, self.archive
        code, said, same = self.push(self.hooked(f"hooked-{grid}", base, self.base), h, f"honest-{grid}", base)
        return f"an honest push was not taken: {said}" if code or same else None

    def refused(self, f, h):
        # The fraud comes first in its push where it can: what was before must be known from the repository alone.
        alone = h.bad and not h.also_bad and hasattr(h, "before")
        was = h.before if alone else (self.main, self.archive)
        path = self.hooked(f"hooked-{f.name}", was, self.store.path if alone else self.base)
        self.tricks(path, h)
        code, said, same = self.push(path, h, f.name, was)
        if code == 0 or not same:
            return f"the push was taken (exit code {code}): {said}"
        if f.how.get("odd") and ODD.search(said):
            return None
        rule = re.search(r"remote: dgrid: ([a-z]+\.[a-z]+): ", said)
        if not rule or rule[1] not in f.rules:
            return f"refused by {rule and rule[1]}, not by {' or '.join(f.rules)}: {said}"
        return None

    def every_rule(self):
        """The table of rules, and each of them caught by some fraud."""
        table = subprocess.run([self.dgrid, "audit", "--rules"], check=True, capture_output=True, text=True, env=self.env).stdout
        rules = {m for m in re.findall(r"(?m)^\| `([a-z]+\.[a-z]+)` \|", table) if not m.startswith("notice.")}
        caught = {f.rules[0] for f in fraud.ALL}
        if len(rules) < 33 or rules - caught:
            return f"{len(rules)} rules; no fraud is for {sorted(rules - caught)}"
        return None

    def each(self, names, what):
        chosen = [f for f in fraud.ALL if not names or f.name in names]
        if what == self.refused:
            chosen = [f for f in chosen if f.how.get("push", True)]
        failed = 0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            made = [(f, pool.submit(what, f, self.make(f))) for f in chosen]
            for f, future in made:
                wrong = future.result()
                failed += wrong is not None
                print(f"{'not ok' if wrong else 'ok'} {sys.argv[1]} {f.rules[0]}: {f.name.replace('_', ' ')}" + (f"\n# {wrong}" if wrong else ""), flush=True)
        return failed


def main():
    what = sys.argv[1]
    if what == "list":
        for f in fraud.ALL:
            print(f"{f.rules[0]:20} {f.name.replace('_', ' ')}")
        print(f"{len(fraud.ALL)} frauds")
        return 0
    if what == "push" and not FAKETIME:
        print("not ok push: libfaketime.so.1 is not installed")
        return 1
    suite, names, failed = Suite(*sys.argv[2:4]), sys.argv[4:], 0
    good, each = {"audit": (suite.honest, suite.caught), "push": (suite.taken, suite.refused)}[what]
    for grid in GRIDS:
        wrong = good(grid)
        failed += wrong is not None
        print(f"{'not ok' if wrong else 'ok'} {what}: an honest grid, {grid}" + (f"\n# {wrong}" if wrong else ""), flush=True)
    if what == "audit":
        wrong = suite.every_rule()
        failed += wrong is not None
        print(f"{'not ok' if wrong else 'ok'} audit: every rule has its frauds" + (f"\n# {wrong}" if wrong else ""), flush=True)
    failed += suite.each(names, each)
    suite.store.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
