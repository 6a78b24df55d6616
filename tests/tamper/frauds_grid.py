"""Frauds in the archive, the nodes' own files, merges, and by other tricks of git."""
import json

from fraud import C, day_of, F, P, Q, U, fraud
from frauds_claim import a_result_rewritten
from history import TOTALS, Step, text_of
from store import EMPTY_TREE


# ---- the archive ----

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

@fraud("archive.lost")
def an_archive_that_got_nothing(h):
    h.fraud(h.archiving("late-0", "late-1")[0], C + "late-0.json", C + "late-1.json")

@fraud("archive.frozen")
def an_archived_task_edited(h):
    path = day_of(h) + "fails.json"
    doc = json.loads(h.store.get(h.store.find(h.store.tree_of(h.archive), path)[1])[1])
    doc["result"].update(status="success", exit_code=0)
    h.bad, h.bad_paths = h.into_archive({path: ("100644", h.store.blob(text_of(doc)))}), (path,)

@fraud("archive.frozen")
def an_archived_task_removed(h):
    path = day_of(h) + "early-0.json"
    h.bad, h.bad_paths = h.into_archive({path: None}), (path,)

@fraud("archive.frozen")
def an_archived_task_replaced_while_archiving(h):
    step, added = h.archiving("late-0")
    path = day_of(h) + "early-0.json"
    h.bad = h.into_archive({**added, path: added[next(iter(added))]})
    h.do(step)
    h.bad_paths = (path,)

@fraud("archive.lost", "archive.frozen")
def a_task_in_the_archive_that_never_was(h):
    path = day_of(h) + "conjured.json"
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

@fraud("archive.day")
def an_archived_task_under_a_number_of_ones_choice(h):
    """The highest is taken for the newest."""
    step, added = h.archiving("late-0")
    path = day_of(h) + "late-0.9999.json"
    h.bad = h.into_archive({path: added[next(iter(added))]})
    h.do(step)
    h.bad_paths = (path,)

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
def processor_time_that_was_none(h):
    step, added = h.archiving("late-0")
    day = step.doc["days"][next(iter(step.doc["days"]))]
    day["cpu_ms"] = day.get("cpu_ms", 0) + 3600000
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
    path = day_of(h) + "fails.json"
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
