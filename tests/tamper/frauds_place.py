"""Frauds in where tasks stand, what stands there, and what was submitted."""
from fraud import C, F, P, Q, U, fraud
from history import Step, text_of


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


# ---- the commit itself ----

def formed(name, **how):
    def make(h):
        step = h.submit("x", folder="unapproved")
        for member, value in how.items():
            setattr(step, member, value)
        h.fraud(step, "")
    make.__name__ = name
    fraud("commit.form", odd=True)(make)

formed("an_author_who_reads_as_another_in_utf_7", ident="+AGEAbABpAGMAZQ- <m@example.invalid>", encoding="UTF-7")
formed("a_commit_in_an_encoding_that_nobody_knows", encoding="x-own")
formed("a_commit_by_nobody", ident=" <>")


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


# ---- names that look like the grid's ----

def look_alike(name, path):
    def make(h):
        h.fraud(h.person({path: "{}\n"}))
    make.__name__ = name
    fraud("place.path", odd=True)(make)

look_alike("schedules_as_a_file", "schedules")
look_alike("schedules_for_file_systems_without_case", "Schedules/x.json")
look_alike("schedules_in_full_width", "\uff53\uff43\uff48\uff45\uff44\uff55\uff4c\uff45\uff53/x.json")
look_alike("a_folder_for_a_schedule", "schedules/x.json/y")
look_alike("nodes_as_a_file", "nodes")
look_alike("a_folder_of_nodes_as_a_file", "nodes/people")
look_alike("keys_of_nodes_as_a_file", "nodes/keys")
look_alike("drains_in_another_case", "nodes/Drain/n1.json")
look_alike("a_folder_of_tasks_as_a_file", "tasks/paused")
look_alike("a_folder_for_the_settings", "grid.json/x")
look_alike("tasks_with_a_long_s", "ta\u017fks/queue/x.json")
look_alike("tasks_with_a_kelvin_sign", "tas\u212as/queue/x.json")
look_alike("tasks_with_a_joiner_that_nobody_sees", "ta\u200dsks/queue/x.json")
look_alike("tasks_with_a_mark_behind", "tasks\ufeff/queue/x.json")
look_alike("tasks_with_a_dot_behind", "tasks./queue/x.json")
look_alike("tasks_with_a_blank_behind", "tasks /queue/x.json")
look_alike("tasks_in_full_width", "\uff54\uff41\uff53\uff4b\uff53/queue/x.json")
look_alike("tasks_with_a_cyrillic_a", "t\u0430sks/queue/x.json")
look_alike("nodes_with_an_accent_apart", "no\u0301des/n9.json")
look_alike("settings_with_a_long_s", "grid.j\u017fon")
look_alike("settings_by_their_short_name", "GRID~1.JSO")
look_alike("signers_with_a_stream_behind", "allowed_signers::$DATA")

@fraud("place.path", odd=True)
def schedules_as_a_link(h):
    h.fraud(h.person({"schedules": ("120000", h.store.blob("tasks"))}))

@fraud("place.path", odd=True)
def the_queue_as_a_link(h):
    step = h.person({})
    root = h.tree()
    tasks = [e for e in h.store.tree(h.store.find(root, "tasks")[1]) if e[1] != b"unapproved"]
    tasks = h.store.put_tree([*tasks, ("120000", b"unapproved", h.store.blob("queue"))])
    step.tree = h.store.tree_with(root, {"tasks": ("40000", tasks)})
    h.fraud(step, "tasks/unapproved")


# ---- lines ----

def swapped(h, tree):
    """A merge whose first parent leaves the grid's line behind: the results since then are off the line."""
    since = h.main
    h.do(h.claim("also-queued", "n2"))
    h.do(h.finish("also-queued", "n2"))
    line, own = h.main, h.person({"notes": "my line\n"})
    own.parents = [since]
    own.tree = h.store.tree_with(h.store.tree_of(since), {"notes": ("100644", h.store.blob("my line\n"))})
    h.main = since
    mine = h.do(own)
    step = h.person({}, "Merge\n")
    step.parents = [mine, line]
    step.tree = h.store.tree_of(tree(mine, line))
    h.fraud(step, "", "tasks/completed/also-queued.json")

@fraud("history.aside", "history.rewritten")
def a_merge_with_its_parents_swapped_that_erases_results(h):
    swapped(h, lambda mine, line: mine)

@fraud("history.aside", "history.rewritten")
def a_merge_of_a_line_that_never_was_the_grids(h):
    since = h.main
    h.do(h.claim("also-queued", "n2"))
    side = h.do(h.finish("also-queued", "n2"))
    h.main = since
    step = h.person({}, "Merge\n")
    step.parents = [since, side]
    step.tree = h.store.tree_of(since)
    h.fraud(step, "")
