#!/usr/bin/env python3
"""Makes the honest history that all frauds start from, with the real program: base.py DGRID FOLDER -> FOLDER/grid.git.

Three nodes on a fake docker, two people; a merged submission that is promoted, runs that succeed, fail and are tried
again, a lease renewed, a node killed and its claim healed, cancels of queued and of running tasks, a retry by hand, and
two rounds of the archive. At the end one task stands in each folder, and one is claimed by a node that still lives.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

SETTINGS = {"schema": 1, "branch": "main", "images": ["alpine:3.20", "debian:12"], "heartbeat_seconds": 1,
            "orphan_after_seconds": 5, "max_clock_skew_seconds": 1, "lease_seconds": 5, "min_timeout_seconds": 1,
            "retry_backoff_seconds": 1, "keep_finished": 5, "poll_seconds": 1}
ROOM = ("--cpus", "64", "--memory", "64g")  # so that other frauds are caught by other rules
HERE = os.path.dirname(os.path.abspath(__file__))


class Base:
    def __init__(self, dgrid, folder):
        self.dgrid, self.folder, self.origin = dgrid, folder, folder + "/grid.git"
        for name in ("bin", "fake", "home", "tasks"):
            os.makedirs(f"{folder}/{name}")
        shutil.copy(f"{HERE}/../../bats/fake-docker", f"{folder}/bin/docker")
        self.env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": f"{folder}/home", "TZ": "UTC",
                    "GIT_CONFIG_NOSYSTEM": "1", "FAKE_DOCKER": f"{folder}/fake", "DGRID_REPO_URL": self.origin,
                    "GIT_USER_NAME": "alice", "GIT_USER_EMAIL": "alice@example.invalid"}
        self.running = []

    def run(self, *args, code=0, **env):
        done = subprocess.run(args, env={**self.env, **env}, capture_output=True, text=True)
        if code is not None and done.returncode != code:
            raise SystemExit(f"base: {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def tgit(self, *args):
        return self.run("git", "-c", "user.name=bob", "-c", "user.email=bob@example.invalid", "-C", self.folder + "/clone", *args)

    def submit(self, name, script, **more):
        path = f"{self.folder}/tasks/{name}.json"
        with open(path, "w") as f:
            json.dump({"task_id": name, "script": script, "timeout_seconds": 30, **more}, f)
        self.run(self.dgrid, "submit", path)

    def worker(self, node, *args):
        log = open(f"{self.folder}/{node}.log", "a")
        w = subprocess.Popen([self.dgrid, "worker", "--node-id", node, "--engine", "docker", "--work-dir",
                              f"{self.folder}/{node}", *ROOM, *args], env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.running.append(w)
        return w

    def once(self, node):
        self.run(self.dgrid, "worker", "--node-id", node, "--engine", "docker", "--once", "--slots", "2", "--work-dir",
                 f"{self.folder}/{node}", *ROOM)

    def until(self, seconds, what, good):
        end = time.monotonic() + seconds
        while not good():
            if time.monotonic() > end:
                raise SystemExit(f"base: not within {seconds} s: {what}\n" + self.log())
            time.sleep(0.05)

    def log(self):
        return self.run("git", "-C", self.origin, "log", "--format=%s%n%b", "main")

    def said(self, line):
        return lambda: line in re.sub(r"(?m)^[\w-]+: ", "", self.log()).split("\n")

    def slow(self, on):
        path = f"{self.folder}/fake/slow"
        open(path, "w").close() if on else os.unlink(path)

    def make(self):
        self.run("git", "init", "-q", "--bare", "-b", "main", self.origin)
        self.run(self.dgrid, "init")
        self.run("git", "clone", "-q", self.origin, self.folder + "/clone")
        with open(self.folder + "/clone/grid.json", "w") as f:
            json.dump(SETTINGS, f, indent=2)
        self.tgit("commit", "-qam", "settings")
        self.tgit("push", "-q", "origin", "HEAD:main")
        # a request, merged and promoted
        self.tgit("checkout", "-q", "-b", "offer")
        with open(self.folder + "/clone/tasks/unapproved/offer.json", "w") as f:
            json.dump({"task_id": "offer", "script": "echo offered", "timeout_seconds": 30}, f)
        self.tgit("add", "-A")
        self.tgit("commit", "-qm", "offer a task")
        self.tgit("checkout", "-q", "main")
        self.tgit("merge", "-q", "--no-ff", "-m", "Merge the offer", "offer")
        self.tgit("push", "-q", "origin", "main")
        self.run(self.dgrid, "promote")
        for i in range(4):
            self.submit(f"early-{i}", f"echo early {i}", labels=[], priority=i)
        self.submit("fails", "echo bad >&2; exit 3", env={"A": "1"}, metadata={"of": ["alice"]})
        self.submit("tries", "exit 4", retry_on_failure=True, max_attempts=2)
        self.once("n1")
        self.until(20, "the second try", lambda: self.once("n1") or self.log().count("failed tries") == 2)
        # a lease renewed, and a cancel of what runs
        self.slow(True)
        self.submit("renewed", "echo renewed")
        self.submit("stopped", "echo stopped")
        n2 = self.worker("n2", "--slots", "2", "--poll-ms", "100")
        self.until(20, "claims by n2", lambda: self.said("claim renewed")() and self.said("claim stopped")())
        # a node dies with a claim
        self.submit("orphan", "echo orphan")
        n3 = self.worker("n3")
        self.until(20, "claim by n3", self.said("claim orphan"))
        n3.kill()
        n3.wait()
        self.run(self.dgrid, "cancel", "stopped")
        self.until(20, "a renewal", self.said("renew renewed"))
        self.slow(False)
        self.until(30, "the end of renewed", self.said("success renewed"))
        self.until(30, "healing", self.said("requeue orphan"))
        self.until(30, "the end of orphan", self.said("success orphan"))
        n2.terminate()
        n2.wait()
        # cancelled in the queue, tried again by hand
        self.submit("unwanted", "echo unwanted")
        self.run(self.dgrid, "cancel", "unwanted")
        self.run(self.dgrid, "retry", "fails")
        self.once("n2")
        self.run(self.dgrid, "maintain")
        for i in range(4):
            self.submit(f"late-{i}", f"echo late {i}")
        self.once("n1")
        self.submit("late-bad", "echo late; exit 5")
        self.once("n2")
        self.run(self.dgrid, "maintain")
        # what is open at the end
        self.slow(True)
        self.submit("running", "echo running")
        n1 = self.worker("n1")
        self.until(20, "claim by n1", self.said("claim running"))
        n1.kill()
        n1.wait()
        self.submit("queued", "echo queued", env={"A": "1"}, image="alpine:3.20", labels=["big"], metadata={"of": "alice"})
        self.submit("also-queued", "echo also")
        self.tgit("pull", "-q", "origin", "main")
        with open(self.folder + "/clone/tasks/unapproved/staged.json", "w") as f:
            json.dump({"task_id": "staged", "script": "echo staged", "timeout_seconds": 30}, f)
        self.tgit("add", "-A")
        self.tgit("commit", "-qm", "stage a task")
        self.tgit("push", "-q", "origin", "HEAD:main")

    def end(self):
        if os.path.exists(f"{self.folder}/fake/slow"):
            self.slow(False)
        for w in self.running:
            if w.poll() is None:
                w.kill()
                w.wait()


def make(dgrid, folder):
    base = Base(dgrid, folder)
    try:
        base.make()
    finally:
        base.end()
    return base.origin


if __name__ == "__main__":
    print(make(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])))
