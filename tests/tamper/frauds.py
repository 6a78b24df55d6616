"""Frauds, each a function of an honest history h that adds one fraud to it. The rule that must catch it first stands with it;
where several ways to see the same fraud are right, all of them do."""
import copy
import json
import subprocess

from history import OURS, TOTALS, Step, seconds_of, sha256, stamp, text_of
from store import EMPTY_TREE

ALL = []
Q, P, C, F, U = (f"tasks/{f}/" for f in ("queue", "in_progress", "completed", "failed", "unapproved"))


class Fraud:
    def __init__(self, make, rules, grid, **how):
        self.make, self.rules, self.grid, self.how = make, rules, grid, how
        self.name = make.__name__


def fraud(*rules, grid="plain", **how):
    def note(make):
        ALL.append(Fraud(make, rules, grid, **how))
        return make
    return note


# ---- where tasks stand ----

@fraud("place.one")
def an_id_a_second_time(h):
    h.fraud(h.submit("queued", folder="unapproved"))

@fraud("place.one")
def an_id_in_two_folders_by_one_commit(h):
    doc = h.submit("twin").doc
    h.fraud(h.person({U + "twin.json": doc, Q + "twin.json": doc}))

@fraud("place.one")
def a_claim_that_leaves_the_task_in_the_queue(h):
    step = h.claim("queued")
    del step.changes[Q + "queued.json"]
    h.fraud(step)

@fraud("place.one")
def a_result_that_leaves_the_claim(h):
    step = h.finish("running")
    del step.changes[P + "running.json"]
    h.fraud(step)

@fraud("place.one", "place.path")
def an_id_that_differs_by_case(h):
    h.fraud(h.submit("QUEUED"))

@fraud("place.move")
def a_result_out_of_nothing(h):
    doc = h.finish("running").doc
    doc["task_id"] = "conjured"
    h.fraud(Step("n1", "success", "conjured", {C + "conjured.json": doc}))

@fraud("place.move")
def a_claim_out_of_nothing(h):
    doc = h.claim("queued").doc
    doc["task_id"] = "conjured"
    h.fraud(Step("n1", "claim", "conjured", {P + "conjured.json": doc}))

@fraud("place.move")
def a_result_without_a_claim(h):
    doc = h.task("queued")[1]
    doc["result"] = {**h.finish("running").doc["result"], "nonce": h.nonce()}
    h.fraud(h.move("n1", "success", "queued", "completed", doc), C + "queued.json", Q + "queued.json")

@fraud("place.move")
def a_claim_of_what_nobody_approved(h):
    h.fraud(h.claim("staged"), P + "staged.json", U + "staged.json")

@fraud("place.move")
def a_queued_task_removed_by_a_node(h):
    h.fraud(Step("n1", "success", "queued", {Q + "queued.json": None}))

@fraud("place.move")
def a_running_task_removed(h):
    h.fraud(h.person({P + "running.json": None}))

@fraud("place.move", "result.frozen")
def a_completed_task_back_to_unapproved(h):
    h.fraud(h.move("alice", "retry", "late-0", "unapproved", h.task("late-0")[1]), U + "late-0.json", C + "late-0.json")

@fraud("place.move", "result.frozen")
def a_failure_called_a_success(h):
    doc = h.task("late-bad")[1]
    doc["result"].update(status="success", exit_code=0)
    h.fraud(h.move("n1", "success", "late-bad", "completed", doc), C + "late-bad.json", F + "late-bad.json")

@fraud("place.move")
def a_rename_that_hides_a_change(h):
    doc = h.claim("queued").doc
    doc["task_id"] = "renamed"
    h.fraud(Step("n1", "claim", "renamed", {Q + "queued.json": None, P + "renamed.json": doc, **h.node("n1")}),
            P + "renamed.json", Q + "queued.json")

@fraud("place.move", "task.fields")
def two_tasks_change_places(h):
    one, two = h.claim("queued"), h.claim("also-queued")
    one.doc["task_id"], two.doc["task_id"] = "also-queued", "queued"
    h.fraud(Step("n1", "2", "transitions", {Q + "queued.json": None, U + "queued.json": two.doc, Q + "also-queued.json": None,
                                            P + "also-queued.json": one.doc}), U + "queued.json", Q + "queued.json", P + "also-queued.json")


# ---- what stands there ----

@fraud("place.path")
def a_folder_that_is_no_state(h):
    h.fraud(h.person({"tasks/quueue/x.json": h.submit("x").doc}))

@fraud("place.path")
def a_folder_within_the_queue(h):
    h.fraud(h.person({Q + "deep/x.json": h.submit("x").doc}))

@fraud("place.path")
def a_task_that_is_a_folder(h):
    h.fraud(h.person({Q + "x.json/task.json": h.submit("x").doc}))

@fraud("place.path")
def a_name_with_a_newline(h):
    h.fraud(h.person({Q + "x\nn1: success y.json": h.submit("x").doc}))

@fraud("place.path")
def a_name_with_control_bytes(h):
    h.fraud(h.person({Q + "\x1b[2J\x07x.json": h.submit("x").doc}))

@fraud("place.path")
def a_name_with_a_backslash(h):
    h.fraud(h.person({"tasks/queue\\x.json": h.submit("x").doc}))

@fraud("place.path")
def a_name_that_is_not_utf_8(h):
    tree = raw_queue(h, [("100644", b"x\xff\xfe.json", h.store.blob(text_of(h.submit("x").doc)))])
    step = h.person({}); step.tree = tree
    h.fraud(step, Q + "x\n")

@fraud("place.path")
def a_name_for_file_systems_without_case(h):
    h.fraud(h.person({"Tasks/Queue/x.json": h.submit("x").doc}))

@fraud("place.path")
def a_name_too_long_for_an_id(h):
    h.fraud(h.submit("x" * 65))

@fraud("place.path", odd=True)
def a_git_folder_in_the_queue(h):
    h.fraud(h.person({Q + ".GIT/config": "[core]\n\tfsmonitor = touch pwned\n"}))

def raw_queue(h, more, sort=True):
    """The tree with entries put into tasks/queue as they are."""
    root = h.tree()
    queue = h.store.put_tree([*h.store.tree(h.store.find(root, "tasks/queue")[1]), *more], sort)
    return h.store.tree_with(root, {"tasks/queue": ("40000", queue)})

@fraud("place.path", odd=True)
def two_entries_of_one_name(h):
    doc = h.task("queued")[1]
    doc["script"] = "echo other"
    step = h.person({})
    step.tree = raw_queue(h, [("100644", b"queued.json", h.store.blob(text_of(doc)))])
    h.fraud(step, Q + "queued.json")

@fraud("place.path", odd=True)
def entries_out_of_order(h):
    step = h.person({})
    step.tree = raw_queue(h, [("100644", b"aaa.json", h.store.blob(text_of(h.submit("aaa").doc)))], sort=False)
    h.fraud(step, Q + "aaa.json")
    h.bad = None  # git shows what is out of order as it likes, here or in the next commit

@fraud("place.path", odd=True)
def a_slash_within_a_name(h):
    root = h.tree()
    tasks = h.store.put_tree([*h.store.tree(h.store.find(root, "tasks")[1]),
                              ("100644", b"queue/x.json", h.store.blob(text_of(h.submit("x").doc)))])
    step = h.person({})
    step.tree = h.store.tree_with(root, {"tasks": ("40000", tasks)})
    h.fraud(step, Q + "x.json")

@fraud("place.path", odd=True)
def a_folder_without_a_name(h):
    root = h.tree()
    inner = h.store.put_tree([("100644", b"x.json", h.store.blob(text_of(h.submit("x").doc)))])
    tasks = h.store.put_tree([("40000", b"", inner), *h.store.tree(h.store.find(root, "tasks")[1])], sort=False)
    step = h.person({})
    step.tree = h.store.tree_with(root, {"tasks": ("40000", tasks)})
    h.fraud(step, "tasks//x.json")

@fraud("place.path", odd=True)
def a_folder_called_dot_dot(h):
    step = h.person({})
    step.tree = raw_queue(h, [("40000", b"..", h.store.put_tree([("100644", b"x.json", h.store.blob(text_of(h.submit("x").doc)))]))])
    h.fraud(step, Q + "../x.json")

@fraud("file.mode")
def a_link_in_the_queue(h):
    h.fraud(h.person({Q + "x.json": ("120000", h.store.blob("/etc/passwd"))}))

@fraud("file.mode")
def a_claimed_task_made_executable(h):
    step = h.claim("queued")
    step.changes[P + "queued.json"] = ("100755", h.store.blob(text_of(step.doc)))
    h.fraud(step)

@fraud("file.mode")
def a_submodule_for_a_task(h):
    h.fraud(h.person({Q + "x.json": ("160000", h.main)}))

@fraud("file.mode")
def the_settings_as_a_link(h):
    h.fraud(h.person({"grid.json": ("120000", h.store.blob("tasks/queue/queued.json"))}))

@fraud("file.mode")
def a_node_file_as_a_link(h):
    h.fraud(Step("n1", "0", "transitions", {"nodes/n1.json": ("120000", h.store.blob("n2.json"))}))

@fraud("file.mode")
def a_result_with_its_mode_alone_changed(h):
    h.fraud(h.person({C + "late-0.json": ("100755", h.entry(C + "late-0.json")[1])}))

@fraud("file.json")
def a_result_that_is_no_json(h):
    step = h.finish("running")
    step.changes[C + "running.json"] = "{\"task_id\": \"running\", "
    h.fraud(step, C + "running.json")

@fraud("file.json")
def a_claim_that_is_a_list(h):
    step = h.claim("queued")
    step.changes[P + "queued.json"] = "[]\n"
    h.fraud(step, P + "queued.json")

@fraud("file.json")
def a_claim_with_a_member_twice(h):
    step = h.claim("queued")
    step.changes[P + "queued.json"] = text_of(step.doc).replace('"task_id"', '"script": "echo evil", "task_id"', 1)
    h.fraud(step, P + "queued.json")

@fraud("task.fields")
def a_claim_that_adds_a_name_which_ends_early(h):
    step = h.claim("queued")
    step.doc["script\0"] = "echo evil"
    h.fraud(step, P + "queued.json")

@fraud("file.json")
def a_claim_with_a_nul_byte(h):
    step = h.claim("queued")
    step.changes[P + "queued.json"] = text_of(step.doc).encode() + b"\0{}"
    h.fraud(step, P + "queued.json")

@fraud("file.json")
def a_task_under_the_name_of_another(h):
    step = h.claim("queued")
    step.doc["task_id"] = "other"
    h.fraud(step, P + "queued.json")

@fraud("file.json")
def a_claim_of_two_megabytes(h):
    step = h.claim("queued")
    step.doc["claim"]["x-ballast"] = "x" * (2 << 20)
    h.fraud(step, P + "queued.json")

@fraud("file.json")
def a_node_file_that_is_no_json(h):
    h.fraud(Step("n1", "0", "transitions", {"nodes/n1.json": "nonsense"}))


# ---- what was submitted ----

def altered(name, change, verb="claim", path=None):
    def make(h):
        if verb == "queue":
            doc = h.task("queued")[1]
            change(doc)
            h.fraud(h.person({Q + "queued.json": doc}))
            return
        task = {"claim": "queued", "retry": "late-bad"}.get(verb, "running")
        step = {"claim": h.claim, "finish": h.finish, "release": h.release, "renew": h.renew, "retry": h.retry}[verb](task)
        change(step.doc)
        h.fraud(step, *[p for p in step.changes if p.startswith("tasks/")])
    make.__name__ = name
    fraud("task.fields")(make)

def setter(name, value):
    return lambda doc: doc.__setitem__(name, value)

altered("the_script_changed_in_the_queue", setter("script", "echo evil"), "queue")
altered("the_script_changed_by_the_claim", setter("script", "echo evil"))
altered("a_space_added_to_the_script", setter("script", "echo queued "))
altered("the_timeout_changed", setter("timeout_seconds", 31))
altered("a_variable_changed", lambda d: d["env"].update(A="2"))
altered("a_variable_added", lambda d: d["env"].update(LD_PRELOAD="/tmp/x.so"))
altered("the_image_changed", setter("image", "debian:12"))
altered("the_labels_dropped", lambda d: d.pop("labels"))
altered("metadata_changed", setter("metadata", {"of": "mallory"}))
altered("a_priority_added", setter("priority", 9))
altered("a_member_of_ones_own_added", setter("x-note", "by nobody"))
altered("the_script_changed_by_the_result", setter("script", "echo what ran"), "finish")
altered("the_script_changed_by_the_release", setter("script", "echo evil"), "release")
altered("the_script_changed_by_the_retry", setter("script", "echo evil"), "retry")
altered("max_attempts_raised_by_the_node", setter("max_attempts", 9), "finish")


# ---- claims ----

@fraud("claim.node")
def a_claim_without_a_node(h):
    step = h.claim("queued")
    del step.doc["claim"]["node"]
    h.fraud(step, P + "queued.json")

@fraud("claim.node")
def a_claim_by_a_node_that_nobody_knows(h):
    step = h.claim("queued", "n9")
    h.fraud(step, P + "queued.json", Q + "queued.json")

@fraud("claim.node")
def a_claim_in_the_name_of_another(h):
    step = h.claim("queued", "n1")
    step.who = "n2"
    step.changes = {p: c for p, c in step.changes.items() if not p.startswith("nodes/")}
    h.fraud(step, P + "queued.json")

@fraud("claim.node")
def a_claim_by_hand(h):
    step = h.claim("queued", "n1")
    step.changes = {p: c for p, c in step.changes.items() if not p.startswith("nodes/")}
    step.message = "I just take it\n"
    h.fraud(step, P + "queued.json")

@fraud("claim.node")
def a_claim_that_is_no_object(h):
    step = h.claim("queued")
    step.doc["claim"] = "n1"
    h.fraud(step, P + "queued.json")

@fraud("claim.node")
def a_move_to_in_progress_without_a_claim(h):
    step = h.claim("queued")
    del step.doc["claim"]
    h.fraud(step, P + "queued.json")

@fraud("claim.nonce")
def a_nonce_of_the_tasks_own_past(h):
    h.do(h.claim("queued"))
    nonce = h.task("queued")[1]["claim"]["nonce"]
    h.do(h.release("queued"))
    step = h.claim("queued")
    step.doc["claim"]["nonce"] = nonce
    h.fraud(step, P + "queued.json")

@fraud("claim.nonce", push=False)  # a hook does not read the whole history
def a_nonce_of_a_task_long_archived(h):
    step = h.claim("queued")
    hit = h.store.find(h.store.tree_of(h.archive), DAY(h) + "early-0.json")
    step.doc["claim"]["nonce"] = json.loads(h.store.get(hit[1])[1])["result"]["nonce"]
    h.fraud(step, P + "queued.json")

@fraud("claim.nonce")
def one_nonce_for_two_claims_of_one_commit(h):
    one, two = h.claim("queued"), h.claim("also-queued")
    two.doc["claim"]["nonce"] = one.doc["claim"]["nonce"]
    h.fraud(Step("n1", "2", "transitions", {**one.changes, **two.changes}), P + "queued.json", P + "also-queued.json")

@fraud("claim.nonce")
def a_nonce_that_can_be_guessed(h):
    step = h.claim("queued")
    step.doc["claim"]["nonce"] = "1"
    h.fraud(step, P + "queued.json")

@fraud("claim.attempt")
def a_claim_that_skips_an_attempt(h):
    step = h.claim("queued")
    step.doc["claim"]["attempt"] = 2
    h.fraud(step, P + "queued.json")

@fraud("claim.attempt")
def a_claim_that_forgets_an_attempt(h):
    h.do(h.submit("again", retry_on_failure=True))
    h.do(h.claim("again"))
    doc = h.task("again")[1]
    h.end_claim(doc, "failed", exit_code=1)
    h.do(h.move("n1", "failed", "again", "queue", doc))
    step = h.claim("again")
    step.doc["claim"]["attempt"] = 1
    h.fraud(step, P + "again.json")

@fraud("place.move", "claim.attempt")
def an_attempt_beyond_max_attempts(h):
    h.do(h.submit("once", retry_on_failure=True, max_attempts=1))
    h.do(h.claim("once"))
    doc = h.task("once")[1]
    h.end_claim(doc, "failed", exit_code=1)
    h.fraud(h.move("n1", "failed", "once", "queue", doc), Q + "once.json")

@fraud("claim.time")
def a_claim_dated_yesterday(h):
    step = h.claim("queued")
    step.doc["claim"].update(claimed_at=stamp(h.now - 86400), lease_until=stamp(h.now + 30))
    h.fraud(step, P + "queued.json")

@fraud("claim.time")
def a_claim_dated_tomorrow(h):
    step = h.claim("queued")
    step.doc["claim"].update(claimed_at=stamp(h.now + 86400), lease_until=stamp(h.now + 86430))
    h.fraud(step, P + "queued.json")

@fraud("claim.time")
def a_lease_for_a_year(h):
    step = h.claim("queued")
    step.doc["claim"]["lease_until"] = stamp(h.now + 365 * 86400)
    h.fraud(step, P + "queued.json")

@fraud("claim.time")
def a_lease_that_ended_before_it_began(h):
    step = h.claim("queued")
    step.doc["claim"]["lease_until"] = stamp(h.now - 30)
    h.fraud(step, P + "queued.json")

@fraud("claim.time")
def a_lease_that_is_no_time(h):
    step = h.claim("queued")
    step.doc["claim"]["lease_until"] = "soon"
    h.fraud(step, P + "queued.json")

@fraud("claim.time")
def a_commit_dated_last_year(h):
    step = h.claim("queued")
    step.when = h.now - 365 * 86400
    h.fraud(step, P + "queued.json")

@fraud("claim.renewal")
def a_lease_moved_back(h):
    step = h.renew("running", lease=-600)
    h.fraud(step, P + "running.json")

@fraud("claim.renewal")
def a_renewal_by_another_node(h):
    h.fraud(h.move("n2", "renew", "running", "in_progress", h.renew("running").doc), P + "running.json")

@fraud("claim.renewal")
def a_stolen_claim(h):
    step = h.renew("running", "n1")
    step.doc["claim"].update(node="n2", nonce=h.nonce())
    h.fraud(h.move("n2", "renew", "running", "in_progress", step.doc), P + "running.json")

@fraud("claim.renewal")
def a_claim_with_a_new_nonce(h):
    step = h.renew("running")
    step.doc["claim"]["nonce"] = h.nonce()
    h.fraud(step, P + "running.json")

@fraud("claim.renewal")
def a_claim_made_older(h):
    step = h.renew("running")
    step.doc["claim"]["claimed_at"] = stamp(h.now - 3600)
    h.fraud(step, P + "running.json")


# ---- results ----

@fraud("result.claim")
def a_result_by_another_node(h):
    doc = h.finish("running", "n1").doc
    doc["result"]["node"] = "n2"
    h.fraud(h.move("n2", "success", "running", "completed", doc), C + "running.json")

@fraud("result.claim")
def a_result_in_the_name_of_another(h):
    h.fraud(h.move("n2", "success", "running", "completed", h.finish("running", "n1").doc), C + "running.json")

@fraud("result.claim")
def a_result_by_hand(h):
    step = h.finish("running")
    step.changes = {p: c for p, c in step.changes.items() if not p.startswith("nodes/")}
    step.message = "it is done\n"
    h.fraud(step, C + "running.json")

@fraud("result.claim")
def a_result_under_another_nonce(h):
    step = h.finish("running")
    step.doc["result"]["nonce"] = h.nonce()
    h.fraud(step, C + "running.json")

@fraud("result.claim")
def a_result_of_another_attempt(h):
    step = h.finish("running")
    step.doc["result"]["attempt"] = 2
    h.fraud(step, C + "running.json")

@fraud("result.claim", "result.folder")
def a_move_to_completed_without_a_result(h):
    step = h.finish("running")
    del step.doc["result"]
    h.fraud(step, C + "running.json")

@fraud("result.time")
def a_result_before_its_claim(h):
    step = h.finish("running")
    step.doc["result"].update(started_at=stamp(h.now - 7200), finished_at=stamp(h.now - 7000))
    h.fraud(step, C + "running.json")

@fraud("result.time")
def a_result_from_tomorrow(h):
    step = h.finish("running")
    step.doc["result"]["finished_at"] = stamp(h.now + 86400)
    h.fraud(step, C + "running.json")

@fraud("result.time")
def a_result_without_a_time(h):
    step = h.finish("running")
    step.doc["result"]["finished_at"] = "2026-02-31T00:00:00Z"
    h.fraud(step, C + "running.json")

@fraud("result.folder")
def a_success_among_the_failed(h):
    doc = h.finish("running").doc
    h.fraud(h.move("n1", "success", "running", "failed", doc), F + "running.json")

@fraud("result.folder")
def a_failure_among_the_completed(h):
    doc = h.finish("running", status="failed").doc
    h.fraud(h.move("n1", "failed", "running", "completed", doc), C + "running.json")

@fraud("result.folder")
def a_status_that_does_not_exist(h):
    doc = h.finish("running", status="success").doc
    doc["result"]["status"] = doc["attempts"][-1]["outcome"] = "splendid"
    h.fraud(h.move("n1", "splendid", "running", "completed", doc), C + "running.json")

@fraud("result.frozen")
def a_result_rewritten(h):
    doc = h.task("late-0")[1]
    doc["result"]["stdout"] = "what it should have said\n"
    h.fraud(h.person({C + "late-0.json": doc}))

@fraud("result.frozen")
def a_result_rewritten_by_its_node(h):
    doc = h.task("late-0")[1]
    doc["result"]["stdout_sha256"] = sha256("else")
    h.fraud(Step("n1", "success", "late-0", {C + "late-0.json": doc, **h.node("n1")}), C + "late-0.json")

@fraud("result.frozen")
def an_exit_code_rewritten(h):
    doc = h.task("late-bad")[1]
    doc["result"]["exit_code"] = 6
    h.fraud(h.person({F + "late-bad.json": doc}))

@fraud("result.frozen", "archive.lost")
def a_failure_deleted(h):
    h.fraud(h.person({F + "late-bad.json": None}, "tidy up\n"))

@fraud("result.frozen", "archive.lost")
def a_result_deleted_by_a_node(h):
    h.fraud(Step("n1", "0", "transitions", {C + "late-0.json": None, **h.node("n1")}), C + "late-0.json")

@fraud("result.frozen")
def the_story_of_a_finished_task_rewritten(h):
    doc = h.task("late-bad")[1]
    doc["attempts"] = []
    h.fraud(h.person({F + "late-bad.json": doc}))


# ---- the story ----

def retried(h):
    """queued with two attempts in its story."""
    for _ in range(2):
        h.do(h.claim("queued"))
        h.do(h.release("queued"))

@fraud("attempts.grow")
def the_story_cut_by_a_claim(h):
    retried(h)
    step = h.claim("queued")
    step.doc["attempts"].pop()
    h.fraud(step, P + "queued.json")

@fraud("attempts.grow")
def the_story_dropped_by_a_result(h):
    retried(h)
    h.do(h.claim("queued"))
    step = h.finish("queued")
    step.doc["attempts"] = step.doc["attempts"][-1:]
    h.fraud(step, C + "queued.json")

@fraud("attempts.grow")
def an_old_attempt_changed(h):
    retried(h)
    step = h.claim("queued")
    step.doc["attempts"][0]["reason"] = "all was well"
    h.fraud(step, P + "queued.json")

@fraud("attempts.grow")
def two_attempts_change_places(h):
    retried(h)
    step = h.claim("queued")
    step.doc["attempts"].reverse()
    h.fraud(step, P + "queued.json")

@fraud("attempts.grow")
def a_release_that_leaves_no_trace(h):
    step = h.release("running")
    step.doc["attempts"] = []
    h.fraud(step, Q + "running.json")

@fraud("attempts.grow")
def a_release_told_of_another_claim(h):
    step = h.release("running")
    step.doc["attempts"][-1]["nonce"] = h.nonce()
    h.fraud(step, Q + "running.json")

@fraud("attempts.grow")
def an_attempt_that_nobody_made(h):
    step = h.claim("queued")
    step.doc["attempts"] = [{"node": "n2", "attempt": 1, "nonce": h.nonce(), "claimed_at": stamp(h.now - 60),
                             "lease_until": stamp(h.now - 30), "ended_at": stamp(h.now - 20), "outcome": "released"}]
    h.fraud(step, P + "queued.json")

@fraud("attempts.retry", "attempts.grow")
def a_retry_that_leaves_no_trace(h):
    step = h.retry("late-bad")
    step.doc["attempts"].pop()
    h.fraud(step, Q + "late-bad.json")

@fraud("attempts.retry")
def a_retry_by_nobody(h):
    step = h.retry("late-bad")
    del step.doc["attempts"][-1]["by"]
    h.fraud(step, Q + "late-bad.json")

@fraud("attempts.retry")
def a_retry_by_a_node(h):
    h.fraud(h.retry("late-bad", by="n1"), Q + "late-bad.json")


# ---- orphans and cancels ----

@fraud("orphan.evidence")
def an_orphan_taken_early(h):
    h.do(h.claim("queued", "n1"))
    h.fraud(h.lose("queued", "n2"), Q + "queued.json")

@fraud("orphan.evidence")
def a_lease_ended_by_a_commit_from_later(h):
    h.do(h.renew("running", lease=3000))
    now = h.now
    h.now += 7200
    h.do(h.lose("running", "n2", {"lease_until": h.task("running")[1]["claim"]["lease_until"]}))
    h.also_bad = h.main  # a hook knows what time it is
    h.now = now
    h.do(h.person({"notes": "nothing\n"}))
    h.fraud(h.claim("running", "n2"), P + "running.json", Q + "running.json")

@fraud("orphan.evidence")
def evidence_of_a_lease_that_still_runs(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.fraud(h.lose("queued", "n2", {"lease_until": stamp(h.now - 600)}), Q + "queued.json")

@fraud("orphan.evidence")
def evidence_of_a_silence_that_was_none(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.fraud(h.lose("queued", "n2", {"seen_at": stamp(h.now - 600), "next_due": stamp(h.now - 590)}), Q + "queued.json")

@fraud("orphan.evidence")
def evidence_of_a_node_that_never_left(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.fraud(h.lose("queued", "n2", {"left": stamp(h.now)}), Q + "queued.json")

@fraud("orphan.evidence")
def a_claim_released_by_another(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.fraud(h.move("n2", "release", "queued", "queue", h.release("queued", "n1").doc), Q + "queued.json")

@fraud("orphan.evidence")
def a_running_task_called_lost(h):
    h.do(h.submit("once", max_attempts=1))
    h.do(h.claim("once", "n1", lease=300))
    doc = h.task("once")[1]
    doc["result"] = {"status": "lost", "reason": "no sign of life", "node": "n1", "finished_at": stamp(h.now + 2)}
    h.end_claim(doc, "lost", reason="no sign of life")
    h.fraud(h.move("n2", "lost", "once", "failed", doc), F + "once.json")

@fraud("cancel.note")
def a_task_cancelled_by_its_node(h):
    doc = h.task("running")[1]
    h.end_claim(doc, "cancelled")
    doc["result"] = {"status": "cancelled", "node": "n1", "finished_at": stamp(h.now + 2)}
    h.fraud(h.move("n1", "cancelled", "running", "failed", doc), F + "running.json")

@fraud("cancel.note")
def a_cancel_note_forged_by_the_node(h):
    doc = h.task("running")[1]
    h.end_claim(doc, "cancelled")
    doc["cancel"] = {"by": "alice", "requested_at": stamp(h.now)}
    doc["result"] = {"status": "cancelled", "node": "n1", "finished_at": stamp(h.now + 2)}
    h.fraud(h.move("n1", "cancelled", "running", "failed", doc), F + "running.json")

@fraud("cancel.note")
def a_queued_task_cancelled_by_a_node(h):
    h.fraud(h.cancel("queued", by="n1"), F + "queued.json")

@fraud("cancel.note")
def a_cancel_that_names_nobody(h):
    step = h.cancel("queued")
    step.doc["cancel"] = {}
    h.fraud(step, F + "queued.json")

@fraud("cancel.note", "claim.renewal")
def a_cancel_note_taken_back(h):
    h.do(h.cancel("running"))
    doc = h.task("running")[1]
    del doc["cancel"]
    h.fraud(h.move("n1", "renew", "running", "in_progress", doc), P + "running.json")


# ---- promotion ----

def merged(h, task="merged"):
    h.do(h.person({U + f"{task}.json": h.submit(task).doc}, "Merge an offer\n"))
    return h.main

@fraud("promote.merged")
def approved_by_a_commit_that_did_not_bring_it(h):
    before = h.main
    merged(h)
    h.fraud(h.promote("merged", before), Q + "merged.json")

@fraud("promote.merged")
def approved_by_a_commit_that_does_not_exist(h):
    merged(h)
    h.fraud(h.promote("merged", "f" * 40), Q + "merged.json")

@fraud("attempts.grow")
def a_promotion_that_brings_a_story(h):
    came = merged(h)
    step = h.promote("merged", came)
    step.doc["attempts"] = [{"ended_at": stamp(h.now), "outcome": "retried", "by": "bob"}]
    h.fraud(step, Q + "merged.json")

@fraud("promote.merged")
def approved_by_nobody(h):
    step = h.promote("merged", merged(h))
    del step.doc["approved_by"]
    h.fraud(step, Q + "merged.json")

@fraud("promote.merged")
def approved_by_the_merge_of_another(h):
    other = merged(h, "other")
    merged(h)
    h.fraud(h.promote("merged", other), Q + "merged.json")

@fraud("promote.merged", "task.fields")
def the_script_changed_by_the_promotion(h):
    step = h.promote("merged", merged(h))
    step.doc["script"] = "echo evil"
    h.fraud(step, Q + "merged.json")

@fraud("promote.merged")
def a_task_that_says_it_was_approved(h):
    doc = h.submit("never").doc
    doc["approved_by"] = {"commit": h.main, "author": "bob", "committer": "bob", "at": stamp(h.now)}
    h.fraud(Step("alice", "submit", "never", {Q + "never.json": doc}))

@fraud("promote.merged", "task.fields", "attempts.grow")
def a_task_submitted_with_a_story(h):
    doc = h.submit("never").doc
    doc["attempts"] = [{"ended_at": stamp(h.now), "outcome": "retried", "by": "bob"}]
    h.fraud(Step("alice", "submit", "never", {Q + "never.json": doc}))


# ---- the archive ----

def DAY(h):
    path = next(p for _, n, o in h.store.tree(h.store.tree_of(h.archive)) for p in [n.decode()])
    year = h.store.find(h.store.tree_of(h.archive), path)[1]
    month = h.store.tree(year)[0]
    return f"{path}/{month[1].decode()}/{h.store.tree(month[2])[0][1].decode()}/"

@fraud("archive.lost")
def an_archived_task_dropped(h):
    step, added = h.archiving("late-0", "late-bad")
    dropped = next(p for p in added if "late-bad" in p)
    del added[dropped]
    h.into_archive(added)
    h.fraud(step, F + "late-bad.json", dropped)

@fraud("archive.lost")
def an_archived_task_changed_on_the_way(h):
    step, added = h.archiving("late-0")
    doc = h.task("late-0")[1]
    doc["result"]["stdout"] = "else\n"
    for path in added:
        added[path] = ("100644", h.store.blob(text_of(doc)))
    h.into_archive(added)
    h.fraud(step, C + "late-0.json", *added)

@fraud("archive.lost", archive=False)
def an_archive_that_got_nothing(h):
    h.fraud(h.archiving("late-0", "late-1")[0], C + "late-0.json", C + "late-1.json")

@fraud("archive.frozen")
def an_archived_task_edited(h):
    path = DAY(h) + "fails.json"
    doc = json.loads(h.store.get(h.store.find(h.store.tree_of(h.archive), path)[1])[1])
    doc["result"].update(status="success", exit_code=0)
    h.bad, h.bad_paths = h.into_archive({path: ("100644", h.store.blob(text_of(doc)))}), (path,)

@fraud("archive.frozen")
def an_archived_task_removed(h):
    path = DAY(h) + "early-0.json"
    h.bad, h.bad_paths = h.into_archive({path: None}), (path,)

@fraud("archive.frozen")
def an_archived_task_replaced_while_archiving(h):
    step, added = h.archiving("late-0")
    path = DAY(h) + "early-0.json"
    h.bad = h.into_archive({**added, path: added[next(iter(added))]})
    h.do(step)
    h.bad_paths = (path,)

@fraud("archive.lost", "archive.frozen")
def a_task_in_the_archive_that_never_was(h):
    path = DAY(h) + "conjured.json"
    doc = h.task("late-0")[1]
    doc["task_id"] = "conjured"
    h.bad, h.bad_paths = h.into_archive({path: ("100644", h.store.blob(text_of(doc)))}), (path,)

@fraud("archive.day")
def an_archived_task_under_another_day(h):
    step, added = h.archiving("late-0")
    path = "2020/01/01/late-0.json"
    h.bad = h.into_archive({path: added[next(iter(added))]})
    h.do(step)
    h.bad_paths = (path, C + "late-0.json")
    h.also_bad = h.main

@fraud("archive.totals")
def wrong_totals(h):
    step, added = h.archiving("late-0")
    step.doc["completed"] += 1
    h.into_archive(added)
    h.fraud(step, TOTALS)

@fraud("archive.totals")
def a_failure_not_counted(h):
    step, added = h.archiving("late-bad")
    for where in (step.doc, step.doc["days"][next(iter(step.doc["days"]))]):
        where["failed"] -= 1
    h.into_archive(added)
    h.fraud(step, TOTALS)

@fraud("archive.totals")
def hours_of_work_that_were_none(h):
    step, added = h.archiving("late-0")
    step.doc["days"][next(iter(step.doc["days"]))]["run_ms"] += 3600000
    h.into_archive(added)
    h.fraud(step, TOTALS)

@fraud("archive.totals")
def totals_changed_by_hand(h):
    totals = h.doc(TOTALS)
    totals["completed"] += 1000
    h.fraud(h.person({TOTALS: totals}))


# ---- nodes ----

@fraud("node.file")
def a_node_file_of_another(h):
    h.fraud(Step("n2", "0", "transitions", h.node("n1", status="left")))

@fraud("node.file")
def a_node_registered_by_another(h):
    h.fraud(Step("n2", "0", "transitions", {"nodes/n7.json": {"schema": 1, "node_id": "n7", "status": "active"}}))

@fraud("node.file")
def a_node_said_to_have_left_by_hand(h):
    h.fraud(h.person(h.node("n1", status="left")))

@fraud("node.file", "file.json")
def a_node_file_that_names_another(h):
    h.fraud(Step("n1", "0", "transitions", h.node("n1", node_id="n2")))

@fraud("node.scope")
def a_node_that_changes_the_settings(h):
    h.fraud(Step("n1", "0", "transitions", {"grid.json": {**h.doc("grid.json"), "max_timeout_seconds": 86400}, **h.node("n1")}), "grid.json")

@fraud("node.scope")
def a_node_that_writes_a_workflow(h):
    h.fraud(Step("n1", "0", "transitions", {".github/workflows/x.yml": "on: push\n"}))

@fraud("node.scope")
def a_node_that_lists_a_signer(h):
    h.fraud(Step("n1", "0", "transitions", {"allowed_signers": "mallory ssh-ed25519 AAAA\n"}))

@fraud("node.scope")
def a_node_that_changes_the_readme(h):
    step = h.claim("queued")
    step.changes["README.md"] = "pwned\n"
    h.fraud(step, "README.md")


# ---- merges, and other tricks of git ----

@fraud("result.frozen")
def an_evil_merge(h):
    side = h.store.commit(h.tree(), [h.main], "bob", h.now + 1, "nothing\n")
    doc = h.task("late-bad")[1]
    doc["result"]["exit_code"] = 0
    step = h.person({F + "late-bad.json": doc}, "Merge a branch\n")
    step.parents = [h.main, side]
    h.fraud(step)

@fraud("result.frozen")
def a_merge_that_smuggles(h):
    doc = h.task("late-0")[1]
    doc["result"]["stdout"] = "else\n"
    tree = h.store.tree_with(h.tree(), {C + "late-0.json": ("100644", h.store.blob(text_of(doc))),
                                        U + "gift.json": ("100644", h.store.blob(text_of(h.submit("gift").doc)))})
    side = h.store.commit(tree, [h.main], "bob", h.now + 1, "offer a gift\n")
    step = h.person({}, "Merge the gift\n")
    step.parents, step.tree = [h.main, side], tree
    h.fraud(step, C + "late-0.json")

@fraud("result.frozen", "place.move", "archive.lost")
def a_merge_that_drops_what_happened(h):
    side = h.main
    before = h.store.tree_of(side)
    h.do(h.finish("running"))
    step = h.person({}, "Merge\n")
    step.parents, step.tree = [h.main, h.store.commit(before, [side], "bob", h.now, "old\n")], before
    h.fraud(step, C + "running.json", P + "running.json")

@fraud("history.rewritten", since=True)
def a_foxtrot_merge(h):
    old = h.main
    for _ in range(3):
        parent = h.store.get(h.main)[1].decode().split("\nparent ")[1][:40]
        h.main = parent
    h.do(h.submit("fox"))
    step = h.person({}, "Merge branch 'main'\n")
    step.tree = h.store.tree_with(h.store.tree_of(old), {Q + "fox.json": h.entry(Q + "fox.json")})
    step.parents = [h.main, old]
    h.fraud(step)
    h.bad = None

@fraud("history.rewritten", since=True)
def a_forced_push_behind_a_checkpoint(h):
    parent = h.store.get(h.main)[1].decode().split("\nparent ")[1][:40]
    h.main = parent
    h.do(h.submit("instead"))

@fraud("history.rewritten", since=True)
def an_archive_rewritten_behind_a_checkpoint(h):
    old = h.archive
    body = h.store.get(old)[1].decode()
    parent = body.split("\nparent ")[1][:40]
    path = DAY(h) + "fails.json"
    h.archive = h.store.commit(h.store.tree_with(h.store.tree_of(old), {path: None}), [parent], "alice", h.now, "alice: archive 5 tasks\n")

@fraud("history.rewritten", since=True)
def the_branch_taken_back(h):
    h.main = h.store.get(h.main)[1].decode().split("\nparent ")[1][:40]

@fraud("result.frozen", "place.move", "archive.lost", "archive.totals", "node.file")
def everything_gone_and_back_again(h):
    tree = h.tree()
    step = h.person({})
    step.tree = EMPTY_TREE
    h.store.put("tree", b"")
    h.fraud(step, "")
    step = h.person({})
    step.tree = tree
    h.do(step)

@fraud("result.frozen", config="graft")
def a_graft_that_hides_a_commit(h):
    before = h.main
    a_result_rewritten(h)
    h.graft = lambda: f"{h.after} {before}\n"

@fraud("result.frozen", config="replace")
def a_replace_ref_that_hides_a_commit(h):
    before = h.tree()
    a_result_rewritten(h)
    body = h.store.get(h.bad)[1].decode()
    h.replace = h.store.put("commit", body.replace(body.split("\n")[0], "tree " + before, 1))

@fraud("shallow", config="shallow", push=False)
def a_shallow_file_that_cuts_history_off(h):
    a_result_rewritten(h)
    h.fraud(h.person({"notes": "x\n"}))
