#!/usr/bin/env python3
"""Reads the history of a grid, and nothing else, and says whether the promises were kept.

usage: check.py REPOSITORY BRANCH TASKS SINCE
Every commit, in order: each task in exactly one state; only legal moves; a result only under the nonce of the claim before
it; attempts only grow; what ended stays as it is; nothing is claimed before what it waits for has ended as it must, or beyond
its concurrency group's limit, nothing is skipped without a reason, and a result has all the task's points. At the end: every task that was ever queued has ended, with one result; of
those that several nodes ran, no node voted twice, and the result opens as many commitments as its quorum wants. Three schedules
have had a task queued for each minute after SINCE (seconds since 1970), none left out and none twice.
"""
import datetime
import hashlib
import json
import re
import subprocess
import sys

LEGAL = {
    (None, "queue"), ("queue", "in_progress"), ("in_progress", "in_progress"), ("in_progress", "queue"),
    ("in_progress", "completed"), ("in_progress", "failed"), ("queue", "failed"),
}


def git(repository, *args, text=None):
    return subprocess.run(["git", "-C", repository, *args], input=text, capture_output=True, check=True).stdout


def documents(repository, oids):
    """The blobs, by one cat-file --batch."""
    out, at, docs = git(repository, "cat-file", "--batch", text="\n".join(oids).encode() + b"\n"), 0, {}
    for oid in oids:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        docs[oid] = json.loads(out[end + 1:end + 1 + size])
        at = end + 1 + size + 1
    return docs


def steps(repository, branch):
    """(commit, [(old path or None, new path or None, new oid)]) of every commit, the oldest first."""
    log = git(repository, "log", "--reverse", "--first-parent", "--no-renames", "--raw", "-z", "--no-abbrev",
              "--format=%x01%H", branch, "--", "tasks/").decode()
    for part in log.split("\x01")[1:]:
        commit, _, rest = part.partition("\0")
        commit = commit.strip()
        fields = [f for f in rest.strip("\n\0").split("\0") if f]
        changes = []
        for meta, path in zip(fields[0::2], fields[1::2]):
            words = meta.strip().lstrip(":").split()
            changes.append((path, words[3] if words[4] != "D" else None))
        yield commit, changes


def commitment(vote, result):
    """What a voter had to commit to who found that result, by docs/TASK_FORMAT.md."""
    told = lambda n: "-" if result.get(n) is None else str(result[n])
    status = result["quorum"].get("status", result["status"])
    words = ["dgrid-vote", vote["node"], vote["nonce"], status, told("exit_code"), told("signal"),
             result["stdout_sha256"], result["stderr_sha256"]]
    if "out" in result:
        words.append(result["out"]["tree"])
    return hashlib.sha256("".join(w + "\n" for w in words).encode()).hexdigest()


def votes_wrong(doc):
    """What is wrong with the votes on a task that ended; [] for nothing."""
    attempts, result = doc.get("attempts", []), doc.get("result", {})
    votes = [a for a in attempts if a.get("outcome") == "voted"]
    terms = attempts[-1] if attempts else {}
    if terms.get("replicas", 1) == 1 or result.get("status") in ("lost", "cancelled", "invalid", "unstartable", "skipped"):
        return ["a quorum that nobody asked for"] if "quorum" in result else []
    wrong, told = [], result.get("quorum", {})
    nodes = [v["node"] for v in votes] + [result["node"]]
    if len(set(nodes)) != len(nodes):
        wrong.append(f"a node voted twice: {nodes}")
    agreed = [v["node"] for v in votes if v["commitment"] == commitment(v, result)] + [result["node"]]
    decided = len(agreed) >= terms["quorum"]
    if (result["status"] == "disputed") == decided or (not decided and len(nodes) < terms["replicas"]):
        wrong.append(f"{result['status']} by {agreed} of {nodes}")
    if decided and (told["agreed"] != agreed or sorted(told["outliers"]) != sorted(set(nodes) - set(agreed))):
        wrong.append(f"the result tells of another quorum than {agreed}")
    return wrong


LIMITS = {"few": 2}


def waiting_wrong(task, old, state, last):
    """What is wrong with a task that moved just now, beside the others as the commit leaves them."""
    doc, now = last[task], state[task]
    needs, after = doc.get("needs", []), doc.get("after", [])
    result = doc.get("result", {})
    if (old, now) == ("queue", "in_progress"):
        early = [n for n in needs if state.get(n) != "completed"] + [a for a in after if state.get(a) not in ("completed", "failed")]
        if early:
            yield f"claimed before {early}"
        group = doc.get("concurrency_group")
        running = [t for t, s in state.items() if s == "in_progress" and last[t].get("concurrency_group") == group]
        if group and len(running) > LIMITS[group]:
            yield f"claimed as one of {running}, all of {group}"
    if result.get("status") == "skipped" and not any(state.get(n) == "failed" for n in needs):
        yield "skipped, though none that it needs has failed"
    if now in ("completed", "failed") and result.get("nonce") and result.get("status") in ("success", "failed") and "points" in doc:
        if [p["point"] for p in result.get("points", [])] != list(range(doc["points"])):
            yield f"the result has other points than {doc['points']}"


def schedules_wrong(queued, since):
    """Of the ids that came to the queue, in their order: each schedule's minutes, one after the other. How many, and what is wrong."""
    wrong, of = [], {}
    for task in queued:
        m = re.fullmatch(r"(every\d)-(\d{8}T\d{4}Z)", task)
        if m:
            at = datetime.datetime.strptime(m[2], "%Y%m%dT%H%MZ").replace(tzinfo=datetime.timezone.utc).timestamp()
            of.setdefault(m[1], []).append(int(at))
    for name in ("every1", "every2", "every3"):
        got = of.get(name, [])
        if len(got) < 8 or got != [since + 60 * (i + 1) for i in range(len(got))]:
            wrong.append(f"end {name}: queued for {[(at - since) / 60 for at in got]}, minutes after the one that was dealt with")
    return sum(len(got) for got in of.values()), wrong


def main():
    repository, branch, expected, since = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    history = list(steps(repository, branch))
    docs = documents(repository, sorted({oid for _, c in history for p, oid in c if oid and p.endswith(".json")}))
    state, last, wrong, commits, results, queued = {}, {}, [], 0, {}, []
    waited = 0
    for commit, changes in history:
        commits += 1
        gone, came, moved = {}, {}, []
        for path, oid in changes:
            parts = path.split("/")
            if len(parts) != 3 or not parts[2].endswith(".json"):
                continue
            task = parts[2][:-5]
            if oid:
                if task in came:
                    wrong.append(f"{commit[:10]} {task}: in two states at once")
                came[task] = (parts[1], docs[oid])
            else:
                gone.setdefault(task, set()).add(parts[1])
        queued += sorted(t for t in came if t not in state)
        for task in set(gone) | set(came):
            old = state.get(task)
            if task not in came:
                wrong.append(f"{commit[:10]} {task}: lost from {old}")
                continue
            new, doc = came[task]
            if old and old != new and gone.get(task) != {old}:
                wrong.append(f"{commit[:10]} {task}: copied, not moved, from {old} to {new}")
            if (old, new) not in LEGAL:
                wrong.append(f"{commit[:10]} {task}: illegal move from {old} to {new}")
            before = last.get(task, {})
            if len(doc.get("attempts", [])) < len(before.get("attempts", [])):
                wrong.append(f"{commit[:10]} {task}: attempts were taken away")
            if doc.get("attempts", [])[:len(before.get("attempts", []))] != before.get("attempts", []):
                wrong.append(f"{commit[:10]} {task}: the story was rewritten")
            for name in ("task_id", "script", "timeout_seconds"):
                if before and before.get(name) != doc.get(name):
                    wrong.append(f"{commit[:10]} {task}: {name} was changed")
            result = doc.get("result")
            if result:
                results[task] = results.get(task, 0) + 1
                claim = before.get("claim", {})
                if result.get("nonce") and result["nonce"] != claim.get("nonce"):
                    wrong.append(f"{commit[:10]} {task}: a result under a foreign nonce")
            for attempt in doc.get("attempts", [])[len(before.get("attempts", [])):]:
                if attempt.get("nonce") != before.get("claim", {}).get("nonce"):
                    wrong.append(f"{commit[:10]} {task}: an attempt ended that was not the claim's")
            state[task], last[task] = new, doc
            moved.append((task, old))
        wrong += [f"{commit[:10]} {task}: {what}" for task, old in moved for what in waiting_wrong(task, old, state, last)]
    for task, where in state.items():
        if where not in ("completed", "failed"):
            wrong.append(f"end {task}: still in {where}")
        else:
            wrong += [f"end {task}: {what}" for what in votes_wrong(last[task])]
        if results.get(task, 0) != 1:
            wrong.append(f"end {task}: {results.get(task, 0)} results")
    fired, missed = schedules_wrong(queued, since)
    wrong += missed
    if len(state) - fired != expected:
        wrong.append(f"end: {len(state) - fired} tasks in the history, {expected} were submitted")
    parse = lambda s: datetime.datetime.strptime(s, "%Y-%m-%dT%H:%M:%SZ")
    for doc in last.values():
        for a in doc.get("attempts", []):
            if a.get("outcome") == "lost" and a.get("claimed_at"):
                waited = max(waited, (parse(a["ended_at"]) - parse(a["claimed_at"])).total_seconds())
    lost = sum(1 for d in last.values() if d.get("result", {}).get("status") == "lost")
    healed = sum(1 for d in last.values() for a in d.get("attempts", []) if a.get("outcome") == "lost")
    released = sum(1 for d in last.values() for a in d.get("attempts", []) if a.get("outcome") == "released")
    print(f"history: {commits} commits, {len(state)} tasks, {sum(s == 'completed' for s in state.values())} completed, "
          f"{sum(s == 'failed' for s in state.values())} failed (of them {lost} out of attempts), {healed} claims healed, "
          f"{released} released")
    print(f"lost: {expected + fired - len(state)}; duplicate results: {sum(n > 1 for n in results.values())}; "
          f"longest from a claim to its healing: {waited:.0f} s")
    shared = [d["result"] for d in last.values() if "quorum" in d.get("result", {})]
    print(f"votes: {sum(a.get('outcome') == 'voted' for d in last.values() for a in d.get('attempts', []))}; "
          f"tasks ended by a quorum: {sum(r['status'] != 'disputed' for r in shared)}; "
          f"disputed: {sum(r['status'] == 'disputed' for r in shared)}")
    statuses = [d.get("result", {}).get("status") for d in last.values()]
    print(f"queued by schedules: {fired}")
    print(f"waited: {sum(bool(d.get('needs') or d.get('after')) for d in last.values())}; skipped: {statuses.count('skipped')}; "
          f"points: {sum(len(d.get('result', {}).get('points', [])) for d in last.values())}")
    for line in wrong[:50]:
        print("WRONG " + line)
    return 1 if wrong else 0


sys.exit(main())
