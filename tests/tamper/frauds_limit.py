"""Frauds about how many run at a time and about times that a task sets, on a grid that has limits."""
from fraud import F, P, Q, U, fraud
from history import Step, stamp

LIMITS = {"two": 2, "label:big": 1, "submitter:ann": 3}


def settings(h, **more):
    return h.person({"grid.json": {**h.doc("grid.json"), **more}}, "settings\n")

def expire(h, task, by="n1"):
    doc = h.task(task)[1]
    doc["result"] = {"status": "expired", "reason": "it was still queued at its deadline", "finished_at": stamp(h.now + 2)}
    return h.move(by, "expired", task, "failed", doc)

def both(who, one, two):
    return Step(who, "2", "transitions", {**one.changes, **two.changes})

def grid_limits(h):
    """What is allowed: up to each limit and no further, a limit that is lowered beneath what runs, one that ends and one
    that begins in one commit, a queued one that is superseded, a task's own limit, and times that have come."""
    h.do(settings(h, concurrency=LIMITS))
    h.do(h.submit("first", concurrency_group="lock"))
    h.do(h.claim("first"))
    for name in ("next", "waits"):
        h.do(h.submit(name, concurrency_group="lock"))
    ends, begins = h.finish("first"), h.claim("next")
    h.do(both("n1", ends, begins))
    for i in range(4):
        h.do(h.submit(f"pair-{i}", concurrency_group="two", submitted_by=f"p{i}"))
    h.do(both("n1", h.claim("pair-0"), h.claim("pair-1")))
    h.do(settings(h, concurrency={**LIMITS, "two": 1}))
    h.do(settings(h, concurrency=LIMITS))
    for i in range(4):
        h.do(h.submit(f"own-{i}", concurrency_group="mine", max_running=2))
    h.do(h.claim("own-0", "n2"))
    h.do(h.claim("own-1", "n2"))
    for i in range(4):
        h.do(h.submit(f"ann-{i}", submitted_by="ann"))
    for i in range(3):
        h.do(h.claim(f"ann-{i}", "n2"))
    h.do(h.submit("gpu-0", labels=["big"]))
    h.do(h.submit("gpu-1", labels=["big"]))
    h.do(h.claim("gpu-0"))
    h.do(h.submit("old", concurrency_group="deploy"))
    new, doc = h.submit("new", concurrency_group="deploy", supersede=True), h.task("old")[1]
    doc["cancel"] = {"by": "alice", "requested_at": stamp(h.now + 2)}
    doc["result"] = {"status": "cancelled", "reason": "superseded by new", "finished_at": stamp(h.now + 2)}
    h.do(both("alice", new, h.move("alice", "cancel", "old", "failed", doc)))
    h.do(h.submit("timely", start_after=stamp(h.now - 10), deadline=stamp(h.now + 600)))
    h.do(h.claim("timely"))
    h.do(h.finish("timely"))
    h.do(h.submit("missed", deadline=stamp(h.now - 10)))
    h.do(expire(h, "missed"))
    h.do(h.retry("missed"))
    h.do(h.claim("missed"))
    h.do(h.submit("later", start_after=stamp(h.now + 3000)))
    h.do(h.submit("soon-over", deadline=stamp(h.now + 3000)))
    h.do(h.submit("over", deadline=stamp(h.now - 3000)))


@fraud("group.limit", grid="limits")
def a_second_of_a_concurrency_group(h):
    h.fraud(h.claim("waits", "n2"), P + "waits.json")

@fraud("group.limit", grid="limits")
def two_of_a_concurrency_group_in_one_commit(h):
    h.do(h.finish("next"))
    h.do(h.submit("waits-too", concurrency_group="lock"))
    h.fraud(both("n1", h.claim("waits"), h.claim("waits-too")), P + "waits.json", P + "waits-too.json")

@fraud("group.limit", grid="limits")
def a_third_of_two(h):
    h.fraud(h.claim("pair-2", "n2"), P + "pair-2.json")

@fraud("group.limit", grid="limits")
def a_claim_by_the_limit_that_was(h):
    h.do(h.finish("pair-0"))
    h.do(settings(h, concurrency={**LIMITS, "two": 1}))
    h.fraud(h.claim("pair-2", "n2"), P + "pair-2.json")

@fraud("group.limit", grid="limits")
def a_claim_where_none_may_run(h):
    h.do(h.submit("frozen", concurrency_group="freeze"))
    h.do(settings(h, concurrency={**LIMITS, "freeze": 0}))
    h.fraud(h.claim("frozen", "n2"), P + "frozen.json")

@fraud("group.limit", grid="limits")
def one_more_than_its_own_max_running(h):
    h.fraud(h.claim("own-2", "n2"), P + "own-2.json")

@fraud("group.limit", grid="limits")
def one_more_of_a_submitter(h):
    h.fraud(h.claim("ann-3", "n2"), P + "ann-3.json")

@fraud("group.limit", grid="limits")
def one_more_with_a_label(h):
    h.fraud(h.claim("gpu-1", "n2"), P + "gpu-1.json")

@fraud("task.fields", grid="limits")
def a_claim_that_leaves_its_group(h):
    step = h.claim("waits", "n2")
    del step.doc["concurrency_group"]
    h.fraud(step, P + "waits.json")

@fraud("task.fields", grid="limits")
def one_that_runs_is_taken_out_of_its_group(h):
    step = h.renew("next")
    step.doc["concurrency_group"] = "another"
    h.fraud(step, P + "next.json")

@fraud("claim.task", grid="limits")
def a_claim_before_start_after(h):
    h.fraud(h.claim("later", "n2"), P + "later.json")

@fraud("claim.task", grid="limits")
def a_claim_after_the_deadline(h):
    h.fraud(h.claim("over", "n2"), P + "over.json")

@fraud("place.move", grid="limits")
def expired_before_its_deadline(h):
    h.fraud(expire(h, "soon-over"), F + "soon-over.json", Q + "soon-over.json")

@fraud("place.move", grid="limits")
def expired_without_a_deadline(h):
    h.fraud(expire(h, "queued"), F + "queued.json", Q + "queued.json")

@fraud("place.move", grid="limits")
def expired_while_it_runs(h):
    h.do(h.submit("runs-on", deadline=stamp(h.now + 20)))
    h.do(h.claim("runs-on"))
    h.now += 60
    step = expire(h, "runs-on")
    h.end_claim(step.doc, "expired")
    h.fraud(step, F + "runs-on.json", P + "runs-on.json")

@fraud("place.move", grid="limits")
def expired_while_nobody_had_approved_it(h):
    h.do(h.submit("unseen", folder="unapproved", deadline=stamp(h.now - 10)))
    h.fraud(expire(h, "unseen"), F + "unseen.json", U + "unseen.json")

@fraud("cancel.note", grid="limits")
def superseded_by_a_node(h):
    doc = h.task("waits")[1]
    doc["cancel"] = {"by": "n1", "requested_at": stamp(h.now + 2)}
    doc["result"] = {"status": "cancelled", "reason": "superseded by next", "finished_at": stamp(h.now + 2)}
    h.fraud(h.move("n1", "cancel", "waits", "failed", doc), F + "waits.json", Q + "waits.json")
