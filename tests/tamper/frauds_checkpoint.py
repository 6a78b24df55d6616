"""Frauds with what attempts hand on to the next."""
import json

from fraud import P, Q, fraud
from history import sha256, stamp
from store import EMPTY_TREE

FIELDS = {"checkpoint": True, "max_attempts": 3}


def pin(h, word, node="n1"):
    """What a run left: a tree on the node's ref of the day."""
    return {"tree": sha256(word)[:40], "ref": f"refs/dgrid/out/{stamp(h.now)[:10]}/{node}/1"}

def save(h, task, word, node="n1"):
    step = h.renew(task, node)
    claim = step.doc["claim"]
    tree = sha256(word)[:40]
    claim["saved"] = {"tree": tree, "ref": f"refs/dgrid/ck/{claim['nonce']}/{tree}", "files": 2, "bytes": 10, "at": stamp(h.now + 1)}
    return step

def release(h, task, word):
    step = h.release(task)
    step.doc["attempts"][-1]["out"] = {**pin(h, word), "files": 1, "bytes": 5}
    return step

def again(h, task, node="n1"):
    """A claim, by what the last entry of attempts says."""
    step = h.claim(task, node)
    last = (step.doc.get("attempts") or [{}])[-1]
    got = last.get("out") or last.get("saved") or last.get("checkpoint")
    if got:
        step.doc["claim"]["checkpoint"] = {"tree": got["tree"], "ref": got["ref"]}
    return step

def released(h, **fields):
    h.do(h.submit("long", **{**FIELDS, **fields}))
    h.do(again(h, "long"))
    h.do(release(h, "long", "one"))

def running(h, **fields):
    h.do(h.submit("long", **{**FIELDS, **fields}))
    h.do(again(h, "long"))


def honest(h):
    """What an honest grid does with them."""
    released(h)
    h.do(again(h, "long", "n2"))
    h.do(save(h, "long", "two", "n2"))
    h.do(save(h, "long", "three", "n2"))
    h.do(h.release("long", "n2"))
    h.do(again(h, "long"))
    h.do(h.release("long"))
    h.do(again(h, "long"))
    h.do(h.finish("long", status="failed"))
    for fresh in (False, True):
        step = h.retry("long")
        if not fresh:
            step.doc["attempts"][-1]["checkpoint"] = step.doc["attempts"][-2]["checkpoint"]
        h.do(step)
        h.do(again(h, "long"))
        h.do(h.finish("long", status="failed"))


@fraud("checkpoint.pinned")
def a_run_that_is_given_other_files(h):
    released(h)
    step = again(h, "long", "n2")
    step.doc["claim"]["checkpoint"]["tree"] = sha256("mine")[:40]
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_run_that_is_not_given_what_there_is(h):
    released(h)
    h.fraud(h.claim("long", "n2"), P + "long.json")

@fraud("checkpoint.pinned")
def a_run_that_is_given_files_of_nobody(h):
    h.do(h.submit("long", **FIELDS))
    step = h.claim("long")
    step.doc["claim"]["checkpoint"] = pin(h, "mine")
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def an_old_checkpoint_in_place_of_the_newest(h):
    released(h)
    old = dict(h.task("long")[1]["attempts"][0]["out"])
    h.do(again(h, "long"))
    h.do(save(h, "long", "two"))
    h.do(h.release("long"))
    step = again(h, "long", "n2")
    step.doc["claim"]["checkpoint"] = {"tree": old["tree"], "ref": old["ref"]}
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_task_without_checkpoints_that_is_given_one(h):
    h.do(h.submit("plain"))
    step = h.claim("plain")
    step.doc["claim"]["checkpoint"] = pin(h, "mine")
    h.fraud(step, P + "plain.json")

@fraud("checkpoint.pinned")
def a_claim_that_has_saved_before_it_ran(h):
    h.do(h.submit("long", **FIELDS))
    step = h.claim("long")
    tree = sha256("mine")[:40]
    step.doc["claim"]["saved"] = {"tree": tree, "ref": f"refs/dgrid/ck/{step.doc['claim']['nonce']}/{tree}", "files": 1, "bytes": 1,
                                  "at": stamp(h.now)}
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_checkpoint_on_the_ref_of_another_claim(h):
    running(h)
    step = save(h, "long", "one")
    step.doc["claim"]["saved"]["ref"] = f"refs/dgrid/ck/{sha256('other')[:32]}/{step.doc['claim']['saved']['tree']}"
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_checkpoint_larger_than_the_task_may_leave(h):
    running(h, out_mb=1)
    step = save(h, "long", "one")
    step.doc["claim"]["saved"]["bytes"] = 2 << 20
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_checkpoint_with_a_word_of_ones_own(h):
    running(h)
    step = save(h, "long", "one")
    step.doc["claim"]["saved"]["note"] = "x"
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_checkpoint_of_next_week(h):
    running(h)
    step = save(h, "long", "one")
    step.doc["claim"]["saved"]["at"] = stamp(h.now + 7 * 86400)
    h.fraud(step, P + "long.json")

@fraud("checkpoint.pinned")
def a_task_without_checkpoints_that_saves(h):
    h.do(h.submit("plain"))
    h.do(h.claim("plain"))
    h.fraud(save(h, "plain", "one"), P + "plain.json")

@fraud("checkpoint.pinned")
def a_checkpoint_that_is_taken_back(h):
    running(h)
    h.do(save(h, "long", "one"))
    step = h.renew("long", lease=90)
    del step.doc["claim"]["saved"]
    h.fraud(step, P + "long.json")

@fraud("claim.renewal")
def a_checkpoint_that_another_node_saved(h):
    running(h)
    step = save(h, "long", "one")
    step.who = "n2"
    step.changes = {p: c for p, c in step.changes.items() if not p.startswith("nodes/")}
    h.fraud(step, P + "long.json")

@fraud("attempts.grow")
def an_end_that_tells_of_another_checkpoint(h):
    running(h)
    h.do(save(h, "long", "one"))
    step = h.release("long")
    step.doc["attempts"][-1]["saved"]["tree"] = sha256("mine")[:40]
    h.fraud(step, Q + "long.json")

@fraud("checkpoint.pinned")
def files_of_a_claim_that_went_back_of_a_task_without_checkpoints(h):
    h.do(h.submit("plain"))
    h.do(h.claim("plain"))
    h.fraud(release(h, "plain", "one"), Q + "plain.json")

@fraud("checkpoint.pinned")
def queued_again_with_files_that_nobody_left(h):
    running(h)
    h.do(h.finish("long", status="failed"))
    step = h.retry("long")
    step.doc["attempts"][-1]["checkpoint"] = pin(h, "mine")
    h.fraud(step, Q + "long.json")

@fraud("checkpoint.pinned")
def begun_from_a_checkpoint_though_a_person_wanted_none(h):
    running(h)
    h.do(save(h, "long", "one"))
    h.do(h.finish("long", status="failed"))
    saved = h.task("long")[1]["attempts"][-1]["saved"]
    h.do(h.retry("long"))
    step = h.claim("long")
    step.doc["claim"]["checkpoint"] = {"tree": saved["tree"], "ref": saved["ref"]}
    h.fraud(step, P + "long.json")


# ---- files at the remote ----

def shown(h, says, has, nonce=None):
    """A result that says that its run left a tree, and a ref that has another of that run."""
    h.do(h.submit("leaves"))
    h.do(h.claim("leaves"))
    step = h.finish("leaves")
    ref = f"refs/dgrid/out/{stamp(h.now)[:10]}/n1/1"
    trees = [h.store.tree_with(EMPTY_TREE, {"file": ("100644", h.store.blob(word.encode()))}) for word in (says, has)]
    step.doc["result"]["limits"]["out_mb"] = 16
    step.doc["result"]["out"] = {"tree": trees[0], "files": 1, "bytes": len(says), "ref": ref}
    h.do(step)
    told = {"leaves": {"nonce": nonce or step.doc["result"]["nonce"], "tree": trees[1]}}
    root = h.store.tree_with(EMPTY_TREE, {"leaves/file": ("100644", h.store.blob(has.encode()))})
    h.refs = {ref: h.store.commit(root, [], "n1", h.now, json.dumps({"schema": 1, "tasks": told}))}
    h.bad = None

@fraud("out.false", push=False, objects=True)
def a_ref_that_has_other_files_than_the_result_says(h):
    shown(h, "one", "two")

@fraud("out.false", push=False, objects=True)
def a_ref_that_has_the_files_of_another_run(h):
    shown(h, "one", "one", "0" * 32)
