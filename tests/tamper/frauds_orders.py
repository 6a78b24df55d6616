"""Frauds with what people tell the grid: drained nodes, paused tasks, retired nodes."""
from fraud import P, Q, fraud
from history import Step, stamp

PAUSED = "tasks/paused.json"


def said(h, by, **more):
    return {"schema": 1, "by": by, "at": stamp(h.now + 2), **more}

def drain(h, node, by="alice"):
    return Step(by, "drain", node, {f"nodes/drain/{node}.json": said(h, by, reason="new disk", release=True)})

def undrain(h, node, by="alice"):
    return Step(by, "undrain", node, {f"nodes/drain/{node}.json": None})

def pause(h, *pauses, by="alice"):
    one = said(h, by)
    del one["schema"]
    old = (h.doc(PAUSED) or {"pauses": []})["pauses"]
    return Step(by, "pause", "queue", {PAUSED: {"schema": 1, "pauses": old + [{**one, **p} for p in pauses]}})

def resume(h, by="alice"):
    return Step(by, "resume", "queue", {PAUSED: None})

def retire(h, node, by="alice", **more):
    return Step(by, "retire", node, {f"nodes/retired/{node}.json": said(h, by, **more), f"nodes/{node}.json": None})

def grid_orders(h):
    """What is allowed: claims beside a drained node and a paused group, and again after both; a node that is retired."""
    h.do(h.submit("grouped", group="sweep"))
    h.do(h.submit("labelled", labels=["big"]))
    h.do(h.submit("free"))
    h.do(h.submit("kept"))
    h.do(h.claim("kept", "n2"))
    h.do(drain(h, "n2"))
    h.do(h.renew("kept", "n2"))
    h.do(h.finish("kept", node="n2"))
    h.do(pause(h, {"group": "sweep", "reason": "licences"}))
    h.do(pause(h, {"label": "big"}))
    h.do(h.claim("free", "n1"))
    h.do(h.finish("free"))
    h.do(undrain(h, "n2"))
    h.do(h.submit("again"))
    h.do(h.claim("again", "n2"))
    h.do(h.finish("again", node="n2"))
    h.do(h.submit("gone"))
    h.do(h.claim("gone", "n3"))
    h.do(h.finish("gone", node="n3"))
    for task in "held", "left", "dated":
        h.do(h.submit(task))
        h.do(h.claim(task, "n3"))
    step = retire(h, "n3")
    doc = h.task("held")[1]
    h.end_claim(doc, "lost", evidence={"retired": step.changes["nodes/retired/n3.json"]["at"]})
    step.changes.update({P + "held.json": None, Q + "held.json": doc})
    h.do(step)
    h.do(h.lose("left", "n2", {"retired": step.changes["nodes/retired/n3.json"]["at"]}, reason="retired"))
    h.do(h.submit("waits"))


@fraud("claim.drained", grid="orders")
def a_claim_of_a_drained_node(h):
    h.do(drain(h, "n2"))
    h.fraud(h.claim("waits", "n2"), P + "waits.json")
    h.do(undrain(h, "n2"))

@fraud("claim.drained", grid="orders")
def a_claim_in_the_commit_that_ends_its_own_drain(h):
    h.do(drain(h, "n2"))
    step = h.claim("waits", "n2")
    step.changes["nodes/drain/n2.json"] = None
    h.fraud(step, P + "waits.json")

@fraud("node.scope", grid="orders")
def a_node_that_ends_its_own_drain(h):
    h.do(drain(h, "n2"))
    h.fraud(undrain(h, "n2", by="n2"), "nodes/drain/n2.json")

@fraud("node.scope", grid="orders")
def a_node_that_drains_another(h):
    h.fraud(drain(h, "n1", by="n2"), "nodes/drain/n1.json")
    h.do(undrain(h, "n1"))

@fraud("claim.paused", grid="orders")
def a_claim_of_a_paused_group(h):
    h.fraud(h.claim("grouped"), P + "grouped.json")

@fraud("claim.paused", grid="orders")
def a_claim_of_a_paused_label(h):
    h.fraud(h.claim("labelled"), P + "labelled.json")

@fraud("claim.paused", grid="orders")
def a_claim_of_a_queue_that_is_paused_as_a_whole(h):
    h.do(pause(h, {}))
    h.fraud(h.claim("waits"), P + "waits.json")
    h.do(resume(h))

@fraud("node.scope", grid="orders")
def a_node_that_resumes_the_queue(h):
    h.fraud(resume(h, by="n1"), PAUSED)

@fraud("order.by", grid="orders")
def a_drain_in_the_name_of_another(h):
    step = drain(h, "n1")
    step.changes["nodes/drain/n1.json"]["by"] = "bob"
    h.fraud(step)
    h.do(undrain(h, "n1"))

@fraud("order.by", grid="orders")
def a_pause_that_is_dated_back(h):
    step = pause(h, {"group": "other"})
    step.changes[PAUSED]["pauses"][-1]["at"] = stamp(h.now - 86400)
    h.fraud(step)

@fraud("doc.fields", grid="orders")
def a_drain_with_more_than_dgrid_writes(h):
    step = drain(h, "n1")
    step.changes["nodes/drain/n1.json"]["until"] = "monday"
    h.fraud(step)
    h.do(undrain(h, "n1"))

@fraud("orphan.evidence", grid="orders")
def a_claim_taken_from_a_node_that_is_not_retired(h):
    h.do(h.claim("waits", "n1"))
    h.fraud(h.lose("waits", "n2", {"retired": stamp(h.now)}), Q + "waits.json")

@fraud("orphan.evidence", grid="orders")
def a_claim_taken_by_a_retirement_of_another_time(h):
    h.fraud(h.lose("dated", "n2", {"retired": stamp(h.now - 3600)}), Q + "dated.json")

@fraud("node.retired", grid="orders")
def a_node_that_comes_back_under_a_retired_name(h):
    h.fraud(Step("n3", "claim", "waits", h.claim("waits", "n3").changes))

@fraud("node.retired", grid="orders")
def a_retired_name_that_is_taken_back(h):
    h.fraud(Step("alice", "retire", "n3", {"nodes/retired/n3.json": None}))

@fraud("node.retired", grid="orders")
def a_cancel_by_a_retired_node(h):
    doc = h.task("waits")[1]
    doc["cancel"] = {"by": "n3", "requested_at": stamp(h.now + 2)}
    doc["result"] = {"status": "cancelled", "finished_at": stamp(h.now + 2)}
    h.fraud(h.move("n3", "cancel", "waits", "failed", doc, node=False))

@fraud("node.retired", grid="orders")
def a_key_of_a_retired_node_for_a_person(h):
    with open(h.keys["n3"] + ".pub") as f:
        key = " ".join(f.read().split()[:2])
    h.do(Step("alice", "retire", "n4", {"nodes/retired/n4.json": said(h, "alice", keys=[key])}))
    h.fraud(h.person({"nodes/keys/mallory.pub": key + " mallory\n"}, "A key\n", who="mallory"))
