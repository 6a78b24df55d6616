"""Frauds with tasks that wait for others."""
from fraud import C, F, P, Q, fraud
from history import Step, stamp


def pair(h, **fields):
    """first, queued; then, which waits for it."""
    h.do(h.submit("first"))
    h.do(h.submit("then", **(fields or {"needs": ["first"]})))

def run(h, task, status="success"):
    h.do(h.claim(task))
    h.do(h.finish(task, status=status))

def skip(h, task, because="first", status="failed", by="n2"):
    doc = h.task(task)[1]
    doc["result"] = {"status": "skipped", "reason": f"it needs {because}, which ended as {status}", "finished_at": stamp(h.now + 2),
                     "because": {"task": because, "status": status}}
    return h.move(by, "skip", task, "failed", doc)

def claim_after(h, task, told):
    step = h.claim(task, "n2")
    step.doc["claim"]["after"] = told
    return step


def honest(h):
    """What an honest grid does with them."""
    for task, fields in (("build", {}), ("lint", {}), ("ship", {"needs": ["build"], "after": ["lint"]}), ("tell", {"after": ["ship"]})):
        h.do(h.submit(task, **fields))
    run(h, "build")
    run(h, "lint", "failed")
    h.do(claim_after(h, "ship", {"lint": "failed"}))
    h.do(h.finish("ship", "n2", "failed"))
    h.do(h.submit("make"))
    h.do(h.submit("use", inputs={"x": {"task": "make"}}))
    left(h, "make", "c")
    h.do(given(h, "c", "use"))
    h.do(h.finish("use", "n2"))
    h.do(h.submit("late", needs=["build"]))
    h.do(claim_after(h, "tell", {"ship": "failed"}))
    h.do(h.finish("tell", "n2"))
    h.do(h.submit("never", needs=["late"]))
    h.do(h.cancel("late"))
    h.do(skip(h, "never", because="late", status="cancelled"))


@fraud("needs.known")
def waiting_for_a_task_that_is_not_there(h):
    h.fraud(h.submit("then", needs=["nowhere"]), Q + "then.json")

@fraud("needs.known")
def coming_after_a_task_that_waits_for_approval(h):
    h.do(h.submit("offered", folder="unapproved"))
    h.fraud(h.submit("then", after=["offered"]), Q + "then.json")

@fraud("needs.known")
def two_tasks_that_wait_for_each_other(h):
    one, two = h.submit("one", needs=["two"]), h.submit("two", after=["one"])
    h.fraud(Step("alice", "2", "transitions", {**one.changes, **two.changes}), Q + "one.json", Q + "two.json")

@fraud("needs.claim")
def claimed_before_what_it_needs_has_ended(h):
    pair(h)
    h.do(h.claim("first"))
    h.fraud(h.claim("then", "n2"), P + "then.json")

@fraud("needs.claim")
def claimed_though_what_it_needs_has_failed(h):
    pair(h)
    run(h, "first", "failed")
    h.fraud(h.claim("then", "n2"), P + "then.json")

@fraud("needs.claim")
def claimed_before_what_it_comes_after_has_ended(h):
    pair(h, after=["first"])
    h.fraud(claim_after(h, "then", {"first": "success"}), P + "then.json")

@fraud("needs.claim")
def a_claim_that_calls_a_failure_success(h):
    pair(h, after=["first"])
    run(h, "first", "failed")
    h.fraud(claim_after(h, "then", {"first": "success"}), P + "then.json")

@fraud("needs.claim")
def a_claim_that_does_not_say_how_it_ended(h):
    pair(h, after=["first"])
    run(h, "first", "failed")
    h.fraud(h.claim("then", "n2"), P + "then.json")

@fraud("needs.claim")
def a_claim_that_tells_of_another_task(h):
    h.do(h.submit("alone"))
    h.fraud(claim_after(h, "alone", {"queued": "success"}), P + "alone.json")

@fraud("needs.skip")
def skipped_while_what_it_needs_is_queued(h):
    pair(h)
    h.fraud(skip(h, "then"), F + "then.json")

@fraud("needs.skip")
def skipped_though_what_it_needs_succeeded(h):
    pair(h)
    run(h, "first")
    h.fraud(skip(h, "then"), F + "then.json")

@fraud("needs.skip")
def skipped_because_of_what_it_does_not_need(h):
    h.do(h.submit("bad"))
    run(h, "bad", "failed")
    pair(h)
    h.fraud(skip(h, "then", because="bad"), F + "then.json")

@fraud("needs.skip")
def skipped_because_of_what_it_only_comes_after(h):
    pair(h, after=["first"])
    run(h, "first", "failed")
    h.fraud(skip(h, "then"), F + "then.json")

@fraud("needs.skip")
def skipped_because_of_a_success(h):
    pair(h)
    run(h, "first", "failed")
    h.fraud(skip(h, "then", status="success"), F + "then.json")

@fraud("needs.skip")
def skipped_because_of_nothing(h):
    h.do(h.submit("alone"))
    step = skip(h, "alone")
    del step.doc["result"]["because"]
    h.fraud(step, F + "alone.json")

@fraud("place.move")
def skipped_while_it_ran(h):
    pair(h)
    run(h, "first")
    h.do(h.claim("then", "n2"))
    doc = h.task("then")[1]
    h.end_claim(doc, "skipped")
    doc["result"] = {"status": "skipped", "node": "n2", "finished_at": stamp(h.now + 2), "because": {"task": "first", "status": "failed"}}
    h.fraud(h.move("n2", "skip", "then", "failed", doc), F + "then.json")

@fraud("needs.kept")
def what_is_waited_for_is_archived(h):
    pair(h)
    run(h, "first")
    step, added = h.archiving("first")
    h.into_archive(added)
    h.fraud(step, "tasks/completed/first.json")

@fraud("needs.kept")
def what_is_waited_for_is_taken_away_in_the_same_push(h):
    pair(h)
    h.fraud(h.person({Q + "first.json": None}), Q + "first.json")


# ---- what others left ----

def left(h, task, tree):
    h.do(h.claim(task))
    step = h.finish(task)
    step.doc["result"]["limits"]["out_mb"] = 16
    step.doc["result"]["out"] = {"tree": tree * 40, "files": 1, "bytes": 3, "ref": f"refs/dgrid/out/{stamp(h.now)[:10]}/n1/1"}
    h.do(step)

def given(h, tree, task="then"):
    step = h.claim(task, "n2")
    step.doc["claim"]["inputs"] = {"x": {"tree": tree * 40, "ref": f"refs/dgrid/out/{stamp(h.now)[:10]}/n1/1"}}
    return step

@fraud("input.pinned")
def given_other_files_than_the_task_left(h):
    pair(h, inputs={"x": {"task": "first"}})
    left(h, "first", "a")
    h.fraud(given(h, "b"), P + "then.json")

@fraud("input.pinned")
def given_files_of_a_task_that_left_none(h):
    pair(h, inputs={"x": {"task": "first"}})
    run(h, "first")
    h.fraud(given(h, "a"), P + "then.json")

@fraud("input.pinned")
def given_nothing_though_the_task_left_files(h):
    pair(h, inputs={"x": {"task": "first"}})
    left(h, "first", "a")
    h.fraud(h.claim("then", "n2"), P + "then.json")

@fraud("input.pinned")
def given_files_that_it_does_not_ask_for(h):
    h.do(h.submit("alone"))
    h.fraud(given(h, "a", "alone"), P + "alone.json")

@fraud("needs.claim")
def claimed_before_the_task_whose_files_it_is_given_has_ended(h):
    pair(h, inputs={"x": {"task": "first"}})
    h.fraud(given(h, "a"), P + "then.json")


@fraud("input.pinned")
def given_files_on_another_ref(h):
    pair(h, inputs={"x": {"task": "first"}})
    left(h, "first", "a")
    step = given(h, "a")
    step.doc["claim"]["inputs"]["x"]["ref"] = "refs/heads/archive"
    h.fraud(step, P + "then.json")

@fraud("input.pinned")
def given_files_and_more_words(h):
    pair(h, inputs={"x": {"task": "first"}})
    left(h, "first", "a")
    step = given(h, "a")
    step.doc["claim"]["inputs"]["x"]["note"] = "--upload-pack=touch pwned"
    h.fraud(step, P + "then.json")

@fraud("input.pinned", "node.room")
def given_files_of_a_store_that_the_task_did_not_leave_there(h):
    pair(h, inputs={"x": {"task": "first"}})
    left(h, "first", "a")
    step = given(h, "a")
    step.doc["claim"]["inputs"]["x"]["stored"] = 2000000
    h.fraud(step, P + "then.json")

@fraud("out.form")
def files_whose_id_is_an_option(h):
    h.do(h.submit("first"))
    h.do(h.claim("first"))
    step = h.finish("first")
    step.doc["result"]["limits"]["out_mb"] = 16
    step.doc["result"]["out"] = {"tree": "--upload-pack=touch pwned; git-upload-pack", "files": 1, "bytes": 3,
                                 "ref": f"refs/dgrid/out/{stamp(h.now)[:10]}/n1/1"}
    h.fraud(step, C + "first.json")

@fraud("needs.claim")
def a_claim_that_calls_one_failure_another(h):
    pair(h, after=["first"])
    run(h, "first", "failed")
    h.fraud(claim_after(h, "then", {"first": "timeout"}), P + "then.json")

@fraud("needs.skip")
def skipped_because_of_another_end_than_there_was(h):
    pair(h)
    run(h, "first", "failed")
    h.fraud(skip(h, "then", status="oom"), F + "then.json")
