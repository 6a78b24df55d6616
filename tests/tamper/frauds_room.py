"""Frauds about what nodes offer and tasks ask for, on a grid whose nodes offer little."""
from fraud import P, fraud
from history import Step

OFFER = {"cpus": 3, "max_cpus": 1.5, "memory_mb": 2000, "max_memory_mb": 600, "disk_mb": 100, "resources": {"gpu": 1, "licence": 2}}


def offers(h, node="n1", **more):
    return Step(node, "renew", "offer", h.node(node, offer={**OFFER, **more}))

def ask(h, name, **asks):
    return h.do(h.submit(name, **{"cpus": 0.25, "memory_mb": 64, **asks}))

def end(h, name):
    step = h.finish(name)
    step.doc["result"]["limits"].update({k: step.doc[k] for k in ("cpus", "memory_mb")})
    return step

def together(*steps):
    changes = {}
    for s in steps:
        changes.update(s.changes)
    return Step(steps[0].who, "2", "transitions", changes)

def grid_room(h):
    """What is allowed: all that a node has and no more, what ends making room for what begins in the same commit, an offer
    that is lowered beneath what runs, one that a commit raises and claims by, and a task that does not say what it needs."""
    h.do(offers(h))
    ask(h, "half", cpus=1, memory_mb=512, resources={"gpu": 1})
    ask(h, "rest", cpus=1, memory_mb=512, resources={"licence": 2}, disk_mb=100)
    h.do(together(h.claim("half"), h.claim("rest")))
    ask(h, "next", cpus=1, resources={"gpu": 1})
    ends = end(h, "half")
    h.do(together(ends, h.claim("next")))
    h.do(offers(h, cpus=0.5))
    h.do(end(h, "next"))
    h.do(end(h, "rest"))
    ask(h, "grown", cpus=1)
    step = h.claim("grown")
    step.changes.update(h.node("n1", offer=OFFER))
    h.do(step)
    h.do(end(h, "grown"))
    ask(h, "one", cpus=1, memory_mb=500, resources={"gpu": 1})
    h.do(h.claim("one"))
    h.do(h.submit("usual"))
    h.do(offers(h, "n2", cpus=2))
    h.do(h.claim("usual", "n2"))
    for node in ("n1", "n2"):
        h.do(offers(h, node, cpus=64, memory_mb=65536))


@fraud("node.room", grid="room")
def a_claim_for_which_a_processor_lacks(h):
    h.do(offers(h))
    ask(h, "large", cpus=0.51)
    ask(h, "small", cpus=0.5)
    h.do(h.claim("small"))
    h.fraud(h.claim("large"), P + "large.json")

@fraud("node.room", grid="room")
def two_claims_of_which_one_fits(h):
    h.do(offers(h))
    for name in ("a", "b"):
        ask(h, name, memory_mb=512)
    h.fraud(together(h.claim("a"), h.claim("b")), P + "a.json", P + "b.json")

@fraud("node.room", grid="room")
def more_of_a_resource_than_is_left(h):
    h.do(offers(h))
    ask(h, "second", resources={"gpu": 1})
    h.fraud(h.claim("second"), P + "second.json")

@fraud("node.room", grid="room")
def a_resource_that_it_has_not(h):
    h.do(offers(h))
    ask(h, "other", resources={"tpu": 1})
    h.fraud(h.claim("other"), P + "other.json")

@fraud("node.room", grid="room")
def more_than_one_task_gets(h):
    h.do(offers(h))
    h.do(end(h, "one"))
    h.do(h.person({"grid.json": {**h.doc("grid.json"), "max_memory_mb": 2048}}, "settings\n"))
    ask(h, "greedy", memory_mb=601)
    h.fraud(h.claim("greedy"), P + "greedy.json")

@fraud("node.room", grid="room")
def more_disk_than_there_is(h):
    h.do(offers(h))
    ask(h, "disk", disk_mb=101)
    h.fraud(h.claim("disk"), P + "disk.json")

@fraud("node.room", grid="room")
def files_in_a_store_that_it_has_not(h):
    h.do(offers(h))
    ask(h, "stored", inputs={"x": {"tree": "4b" * 20, "files": 1, "bytes": 130, "stored": 2000000}})
    h.fraud(h.claim("stored"), P + "stored.json")

@fraud("node.room", grid="room")
def what_does_not_say_counts_too(h):
    h.do(offers(h, "n2", cpus=2))
    ask(h, "a", cpus=1)
    h.do(h.claim("a", "n2"))
    ask(h, "b", cpus=0.01)
    h.fraud(h.claim("b", "n2"), P + "b.json")

@fraud("doc.fields", grid="room")
def an_offer_of_another_form(h):
    h.fraud(offers(h, cpus="many"), "nodes/n1.json")

@fraud("task.fields", grid="room")
def a_claim_that_asks_for_less(h):
    h.do(offers(h))
    ask(h, "large", cpus=1, resources={"gpu": 1})
    step = h.claim("large")
    del step.doc["resources"]
    h.fraud(step, P + "large.json")
