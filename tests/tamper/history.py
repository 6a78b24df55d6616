"""A grid's history, one commit at a time, as dgrid writes it: History(store, main, archive, now). Each verb returns a Step,
which do() commits; a fraud changes the step before, or makes one of its own, and commits it with fraud(). This is a
second, small telling of what docs/TASK_FORMAT.md says, made from that page and not from the program."""
import copy
import hashlib
import json
import time

TOTALS = "tasks/archive.json"
OURS = ("approved_by", "attempts", "cancel", "claim", "not_before", "result", "signatures")
FOLDERS = ("unapproved", "queue", "in_progress", "completed", "failed")


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text):
    return int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))) - time.timezone


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(what):
    if isinstance(what, dict):
        return json.dumps(what, indent=2, ensure_ascii=False) + "\n"
    return what


ENDS = {"success": "exit", "failed": "exit", "timeout": "limit:time", "oom": "limit:memory", "cancelled": "cancel"}

class Step:
    def __init__(self, who, verb, task, changes, doc=None):
        self.who, self.verb, self.task, self.changes, self.doc = who, verb, task, changes, doc
        self.message = self.email = self.authored = self.when = self.parents = self.tree = None
        self.ident = self.encoding = None  # the author, as it stands in the commit; the encoding that its header names
        self.key = "own"  # sign with the key of who, where the grid's commits are signed


class History:
    def __init__(self, store, main, archive, now):
        self.store, self.main, self.archive, self.now = store, main, archive, now
        self.archive_was = None  # before what the next commit archives
        self.start, self.start_archive = main, archive  # what a host has before the fraud is pushed
        self.bad = self.bad_paths = None
        self.keys, self.signed, self.nonces = {}, False, 0
        self.sign = None  # of what go_on submits: sign(h, doc, who)

    # ---- reading ----

    def tree(self):
        return self.store.tree_of(self.main)

    def text(self, path, commit=None):
        hit = self.store.find(self.store.tree_of(commit or self.main), path)
        return self.store.get(hit[1])[1].decode() if hit else None

    def entry(self, path):
        return self.store.find(self.tree(), path)

    def doc(self, path):
        text = self.text(path)
        return json.loads(text) if text else None

    def where(self, task):
        for folder in FOLDERS:
            if self.entry(f"tasks/{folder}/{task}.json"):
                return folder
        raise KeyError(task)

    def task(self, task):
        folder = self.where(task)
        return folder, self.doc(f"tasks/{folder}/{task}.json")

    def nonce(self):
        self.nonces += 1
        return sha256(f"{self.main} {self.nonces}")[:32]

    # ---- writing ----

    def do(self, step):
        self.now += 2
        if step.tree is None:
            entries = {}
            for path, what in step.changes.items():
                if isinstance(what, (dict, str, bytes)):
                    what = ("100644", self.store.blob(text_of(what)))
                entries[path] = what
            step.tree = self.store.tree_with(self.tree(), entries)
        subject = f"{step.who}: {step.verb} {step.task}\n\ndgrid-nonce: {self.nonce()[:16]}\n"
        key = None
        if self.signed and step.key:
            key = self.keys.get(step.who if step.key == "own" else step.key)
        self.archive_was = None
        self.main = self.store.commit(step.tree, step.parents or [self.main], "alice" if step.email is None else step.who,
                                      step.when or self.now, subject if step.message is None else step.message,
                                      step.email or "alice@example.invalid", step.authored, key, step.ident, step.encoding)
        return self.main

    def fraud(self, step, *paths):
        """The commit that is to be caught; paths: where (any of them), by default the step's own."""
        self.before = self.main, self.archive_was or self.archive
        self.bad = self.do(step)
        self.bad_paths = paths or tuple(p for p in step.changes)
        return self.bad

    def person(self, changes, message="a commit by hand\n", who="bob"):
        step = Step(who, "", "", changes)
        step.message, step.email = message, who + "@example.invalid"
        return step

    def node(self, node, **more):
        """The node file as its next commit has it."""
        path = f"nodes/{node}.json"
        try:
            doc = self.doc(path)
        except ValueError:  # a fraud's
            doc = None
        doc = doc or {"schema": 1, "node_id": node, "status": "active", "labels": [], "slots": 1, "busy": 0}
        return {path: {**doc, "labels": ["big"], "status": "active", "last_heartbeat": stamp(self.now + 2), "next_due": stamp(self.now + 4), **more}}

    def move(self, who, verb, task, to, doc, node=True):
        was = self.where(task)
        changes = {f"tasks/{was}/{task}.json": None} if was != to else {}
        changes[f"tasks/{to}/{task}.json"] = doc
        if node and who in ("n1", "n2", "n3"):
            changes.update(self.node(who))
        return Step(who, verb, task, changes, doc)

    def submit(self, task, by="alice", folder="queue", **fields):
        doc = {"task_id": task, "script": f"echo {task}", "timeout_seconds": 30, **fields}
        return Step(by, "submit", task, {f"tasks/{folder}/{task}.json": doc}, doc)

    def used(self, doc):
        n = 0
        for a in doc.get("attempts", []):
            n = 0 if a["outcome"] == "retried" else n + (a["outcome"] not in ("released", "voted"))
        return n

    def claim(self, task, node="n1", lease=30):
        doc = self.task(task)[1]
        at = self.now + 2
        doc.pop("not_before", None)
        doc["claim"] = {"node": node, "attempt": self.used(doc) + 1, "nonce": self.nonce(), "claimed_at": stamp(at),
                        "lease_until": stamp(at + lease)}
        if self.sign and "signatures" in doc:
            doc["claim"]["signed_by"] = "alice"
        return self.move(node, "claim", task, "in_progress", doc)

    def renew(self, task, node="n1", lease=60):
        doc = self.task(task)[1]
        doc["claim"]["lease_until"] = stamp(self.now + 2 + lease)
        return self.move(node, "renew", task, "in_progress", doc)

    def end_claim(self, doc, outcome, **more):
        claim = doc.pop("claim")
        doc["attempts"] = doc.get("attempts", []) + [{**claim, "ended_at": stamp(self.now + 2), "outcome": outcome, **more}]
        return claim

    def finish(self, task, node="n1", status="success", out="ok\n", code=None):
        doc = self.task(task)[1]
        claim = self.end_claim(doc, status)
        at = stamp(self.now + 1)
        doc["result"] = {
            "status": status, "exit_code": {"success": 0, "failed": 1}.get(status) if code is None else code, "signal": None, "node": node,
            "attempt": claim["attempt"], "nonce": claim["nonce"], "started_at": claim["claimed_at"], "finished_at": at,
            "ended_by": ENDS[status], "usage": {"cpu_user_ms": 700, "cpu_system_ms": 100, "peak_memory_kb": 4000, "by": "samples"},
            "duration_ms": 1000, "engine": "docker", "image": "alpine:3.20", "image_digest": "sha256:" + "0" * 64,
            "limits": {"cpus": 1, "memory_mb": 512, "pids": 10, "tmp_mb": 64, "output_limit_bytes": 10240},
            "script_sha256": sha256(doc["script"]), "stdout": out, "stdout_bytes": len(out), "stdout_truncated": False,
            "stdout_sha256": sha256(out), "stderr": "", "stderr_bytes": 0, "stderr_truncated": False, "stderr_sha256": sha256("")}
        return self.move(node, status, task, "completed" if status == "success" else "failed", doc)

    def release(self, task, node="n1"):
        doc = self.task(task)[1]
        self.end_claim(doc, "released", reason="the worker was told to stop at once")
        return self.move(node, "release", task, "queue", doc)

    def unstartable(self, task, node="n1", wait=30):
        doc = self.task(task)[1]
        self.end_claim(doc, "unstartable", reason="too many processors")
        doc["not_before"] = stamp(self.now + wait)
        return self.move(node, "unstartable", task, "queue", doc)

    def lose(self, task, by="n2", evidence=None, reason="the lease ran out"):
        doc = self.task(task)[1]
        self.end_claim(doc, "lost", reason=reason, **({"evidence": evidence} if evidence else {}))
        return self.move(by, "requeue", task, "queue", doc, node=False)

    def cancel(self, task, by="alice"):
        doc = self.task(task)[1]
        doc["cancel"] = {"by": by, "requested_at": stamp(self.now + 2)}
        if "claim" in doc:
            return self.move(by, "cancel", task, "in_progress", doc)
        doc["result"] = {"status": "cancelled", "finished_at": stamp(self.now + 2)}
        return self.move(by, "cancel", task, "failed", doc)

    def retry(self, task, by="alice"):
        doc = self.task(task)[1]
        doc.pop("result", None)
        doc.pop("cancel", None)
        doc["attempts"] = doc.get("attempts", []) + [{"ended_at": stamp(self.now + 2), "outcome": "retried", "by": by}]
        return self.move(by, "retry", task, "queue", doc)

    def promote(self, task, merged, by="alice"):
        doc = self.task(task)[1]
        doc["approved_by"] = {"commit": merged, "author": "bob <bob@example.invalid>",
                              "committer": "bob <bob@example.invalid>", "at": stamp(self.now)}
        return self.move(by, "promote", task, "queue", doc)

    def archiving(self, *tasks, by="alice"):
        """Step of the ledger, and what the archive's commit adds: {path: (mode, oid)}."""
        totals, gone, added = copy.deepcopy(self.doc(TOTALS) or {"schema": 1, "tasks": 0, "completed": 0, "days": {}}), {}, {}
        for task in tasks:
            folder, doc = self.task(task)
            path, day = f"tasks/{folder}/{task}.json", doc["result"]["finished_at"][:10]
            gone[path], added[f"{day.replace('-', '/')}/{task}.json"] = None, self.entry(path)
            one = totals["days"].setdefault(day, {})
            totals["tasks"] += 1
            for where in (totals, one):
                where[folder] = where.get(folder, 0) + 1
            one["run_ms"] = one.get("run_ms", 0) + doc["result"].get("duration_ms", 0)
            used = doc["result"].get("usage", {})
            if used:
                one["cpu_ms"] = one.get("cpu_ms", 0) + used["cpu_user_ms"] + used["cpu_system_ms"]
            retried = [a for a in doc.get("attempts", [])]
            for i, a in enumerate(retried):
                if a["outcome"] == "retried":
                    name = "retried_completed" if i and retried[i - 1]["outcome"] == "success" else "retried_failed"
                    totals[name] = totals.get(name, 0) + 1
        return Step(by, "archive", f"{len(tasks)} tasks", {**gone, TOTALS: totals}, totals), added

    def into_archive(self, changes, who="alice", key="own", verb="archive 1 task"):
        tree = self.store.tree_with(self.store.tree_of(self.archive), changes)
        sign = self.keys.get(who if key == "own" else key) if self.signed and key else None
        self.archive_was = self.archive_was or self.archive
        self.archive = self.store.commit(tree, [self.archive], "alice", self.now + 2, f"{who}: {verb}\n\ndgrid-nonce: {self.nonce()[:16]}\n",
                                         "alice@example.invalid", None, sign)
        return self.archive

    # ---- what honest people and nodes do before and after ----

    def go_on(self, name="after"):
        for task, node, status in ((name, "n2", "success"), (name + "-bad", "n1", "failed")):
            step = self.submit(task)
            if self.sign:
                self.sign(self, step.doc, "alice")
            self.do(step)
            self.do(self.claim(task, node))
            self.do(self.finish(task, node, status))
