"""Frauds in what a node says of a run: parts of a result that contradict each other, the task or the settings; members that
dgrid does not write; what must not be claimed; dates."""
from fraud import C, F, P, Q, U, fraud
from frauds_signed import vclaim, vote
from history import Step, sha256, stamp

YEARS = 5 * 365 * 86400


def result(name, rules, **members):
    """A success of `running` with these members of its result changed; None takes one out."""
    def make(h):
        step = h.finish("running")
        for member, value in members.items():
            step.doc["result"][member] = value
            if value is None and member not in ("exit_code", "signal"):
                del step.doc["result"][member]
        h.fraud(step, C + "running.json")
    make.__name__ = name
    fraud(*rules)(make)


# ---- the output ----

PARTS, TASK, FORM = ("result.parts",), ("result.task",), ("doc.fields",)

result("forged_stdout_beside_true_hashes", PARTS, stdout="all is well\n")
result("forged_stdout_of_the_same_length", PARTS, stdout="no\n")
result("forged_stderr_beside_true_hashes", PARTS, stderr="warning\n", stderr_bytes=8)
result("a_stdout_of_more_bytes_than_it_has", PARTS, stdout_bytes=4000)
result("a_stdout_of_negative_length", PARTS, stdout_bytes=-3)
result("a_stdout_said_to_be_cut", PARTS, stdout_truncated=True)
result("a_cut_stdout_whose_parts_do_not_add_up", PARTS, stdout_truncated=True, stdout_bytes=20000,
       stdout="a" * 5120 + "\n[... 3 bytes left out ...]\n" + "b" * 5120)
result("a_hash_that_is_no_hash", PARTS, stdout_sha256="0" * 64)
result("a_result_without_a_hash", PARTS, stdout_sha256=None)
result("a_result_without_its_output", PARTS, stderr=None)
result("a_result_without_an_exit_code_member", PARTS, image=None)


# ---- how it ended ----

result("a_success_with_exit_code_7", PARTS, exit_code=7)
result("a_success_by_a_signal", PARTS, signal=9)
result("a_success_whose_exit_code_is_a_text", PARTS, exit_code="0")

def ended(name, rules, status, **members):
    def make(h):
        step = h.finish("running", status=status)
        step.doc["result"].update(members)
        h.fraud(step, F + "running.json")
    make.__name__ = name
    fraud(*rules)(make)

result("a_success_ended_by_a_limit", PARTS, ended_by="limit:time")
result("an_end_that_nobody_knows", PARTS, ended_by="magic")
ended("a_signal_that_was_an_exit", PARTS, "failed", exit_code=137, signal=9, ended_by="exit")
ended("an_exit_that_was_a_limit", PARTS, "failed", exit_code=1, ended_by="limit:out")
ended("a_timeout_of_processor_time_without_that_limit", PARTS, "timeout", ended_by="limit:cpu")
result("more_processor_time_than_there_was", PARTS, usage={"cpu_user_ms": 4000, "cpu_system_ms": 2000, "by": "cgroup"})
result("processor_time_beyond_all_numbers", PARTS, usage={"cpu_user_ms": 1 << 60, "cpu_system_ms": 1 << 60, "by": "cgroup"})
result("processor_time_below_nothing", FORM, usage={"cpu_user_ms": -5, "cpu_system_ms": 0, "by": "cgroup"})
result("a_usage_that_nobody_told", FORM, usage={"cpu_user_ms": 5, "cpu_system_ms": 0, "by": "the stars"})
result("a_usage_with_a_member_of_its_own", FORM, usage={"cpu_user_ms": 5, "cpu_system_ms": 0, "by": "cgroup", "gpu_ms": 7})
result("a_usage_that_is_a_number", FORM, usage=7)
ended("a_failure_with_exit_code_0", PARTS, "failed", exit_code=0)
ended("a_failure_by_a_signal_that_its_exit_code_denies", PARTS, "failed", exit_code=137, signal=15)
ended("a_failure_that_hides_its_signal", PARTS, "failed", exit_code=137)
ended("a_failure_with_exit_code_300", FORM, "failed", exit_code=300)
ended("a_timeout_after_a_second", PARTS, "timeout")
ended("a_timeout_with_an_exit_code", PARTS, "timeout", exit_code=0, duration_ms=30000)
ended("out_of_memory_with_an_exit_code", PARTS, "oom", exit_code=1)

result("a_run_of_nine_quintillion_milliseconds", PARTS, duration_ms=9 * 10**18)
result("a_run_of_an_hour_within_a_second", PARTS, duration_ms=3600000)
result("a_run_of_negative_length", FORM, duration_ms=-5)
result("a_run_of_half_a_millisecond", FORM, duration_ms=0.5)


# ---- by the task ----

result("another_scripts_hash", TASK, script_sha256=sha256("echo else"))
result("an_image_that_is_not_in_the_grid", TASK, image="evil.example/miner:1")
result("an_image_that_the_task_does_not_name", TASK, image="debian:12")
result("bubblewrap_with_an_image_without_a_digest", TASK, engine="bwrap", image_digest="")
result("bubblewrap_with_an_image_that_the_task_does_not_name", TASK, engine="bwrap", image="debian:12")
result("bubblewrap_with_a_digest", TASK, engine="bwrap", image="host:/usr")
result("an_engine_that_nobody_knows", FORM, engine="qemu")
result("a_digest_that_tells_a_story", FORM, image_digest="it printed 42")

def limits(name, **members):
    def make(h):
        step = h.finish("running")
        step.doc["result"]["limits"].update(members)
        h.fraud(step, C + "running.json")
    make.__name__ = name
    fraud("result.task")(make)

limits("a_thousand_processors", cpus=1000)
limits("a_terabyte_of_memory", memory_mb=1 << 20)
limits("a_million_processes", pids=1000000)
limits("a_limit_of_processor_time_that_nobody_asked_for", cpu_seconds=5)
limits("a_tmp_beyond_the_grids", tmp_mb=65536)
limits("an_output_limit_beyond_the_grids", output_limit_bytes=1 << 20)

@fraud("result.task")
def a_run_without_the_limit_of_processor_time_that_its_task_has(h):
    h.do(h.submit("brief", cpu_seconds=5))
    h.do(h.claim("brief"))
    h.fraud(h.finish("brief"), C + "brief.json")

@fraud("result.task")
def more_memory_than_the_task_asks_for(h):
    h.do(h.submit("small", memory_mb=16))
    h.do(h.claim("small"))
    h.fraud(h.finish("small"), C + "small.json")

@fraud("result.task")
def the_default_image_where_the_task_names_another(h):
    h.do(h.submit("other", image="debian:12"))
    h.do(h.claim("other"))
    h.fraud(h.finish("other"), C + "other.json")


# ---- members that dgrid does not write ----

result("a_member_of_its_own_in_a_result", FORM, note="trust me")
result("a_member_with_a_look_alike_name_in_a_result", FORM, **{"exit\u200bcode": 7})

@fraud("doc.fields")
def a_member_of_its_own_in_a_claim(h):
    step = h.claim("queued")
    step.doc["claim"]["note"] = "mine"
    h.fraud(step, P + "queued.json")

@fraud("doc.fields")
def a_member_of_its_own_in_the_limits(h):
    step = h.finish("running")
    step.doc["result"]["limits"]["disks"] = 3
    h.fraud(step, C + "running.json")

@fraud("doc.fields")
def a_member_of_its_own_in_the_story(h):
    step = h.release("running")
    step.doc["attempts"][-1]["cost"] = 12
    h.fraud(step, Q + "running.json")

@fraud("doc.fields")
def a_member_of_its_own_in_a_node_file(h):
    h.fraud(Step("n1", "0", "transitions", h.node("n1", owner="bob")))

@fraud("doc.fields")
def a_node_with_a_status_of_its_own(h):
    h.fraud(Step("n1", "0", "transitions", {"nodes/n1.json": {**h.doc("nodes/n1.json"), "status": "immortal"}}))

@fraud("doc.fields")
def a_node_whose_slots_are_a_poem(h):
    h.fraud(Step("n1", "0", "transitions", h.node("n1", slots="roses are red")))

@fraud("doc.fields")
def a_member_of_its_own_in_a_cancel_note(h):
    step = h.cancel("queued")
    step.doc["cancel"]["because"] = "x"
    h.fraud(step, F + "queued.json")

@fraud("doc.fields")
def a_member_of_its_own_in_approved_by(h):
    came = h.do(h.person({U + "merged.json": h.submit("merged").doc}, "Merge an offer\n"))
    step = h.promote("merged", came)
    step.doc["approved_by"]["board"] = "unanimous"
    h.fraud(step, Q + "merged.json")

@fraud("doc.fields")
def a_member_of_its_own_in_the_evidence(h):
    lease = h.task("running")[1]["claim"]["lease_until"]
    h.now += 60
    h.fraud(h.lose("running", "n2", {"lease_until": lease, "feeling": "sure"}), Q + "running.json")

@fraud("result.parts")
def a_cancelled_task_with_an_output(h):
    step = h.cancel("queued")
    step.doc["result"]["stdout"] = "x"
    h.fraud(step, F + "queued.json")

@fraud("result.parts", "doc.fields")
def a_lost_task_with_an_exit_code(h):
    h.do(h.submit("once", max_attempts=1))
    h.do(h.claim("once", "n1", lease=10))
    h.now += 60
    doc = h.task("once")[1]
    doc["result"] = {"status": "lost", "reason": "gone", "node": "n1", "finished_at": stamp(h.now + 2), "exit_code": 0}
    h.end_claim(doc, "lost", reason="gone", evidence={"lease_until": doc["claim"]["lease_until"]})
    h.fraud(h.move("n2", "lost", "once", "failed", doc, node=False), F + "once.json")

@fraud("result.claim")
def a_lost_task_of_another_node(h):
    h.do(h.submit("once", max_attempts=1))
    h.do(h.claim("once", "n1", lease=10))
    h.now += 60
    doc = h.task("once")[1]
    doc["result"] = {"status": "lost", "reason": "gone", "node": "n3", "finished_at": stamp(h.now + 2)}
    h.end_claim(doc, "lost", reason="gone", evidence={"lease_until": doc["claim"]["lease_until"]})
    h.fraud(h.move("n2", "lost", "once", "failed", doc, node=False), F + "once.json")


# ---- times that people and nodes write down ----

@fraud("cancel.note")
def a_cancel_asked_for_last_year(h):
    step = h.cancel("queued")
    step.doc["cancel"]["requested_at"] = stamp(h.now - 365 * 86400)
    h.fraud(step, F + "queued.json")

@fraud("attempts.retry")
def a_retry_of_last_year(h):
    step = h.retry("late-bad")
    step.doc["attempts"][-1]["ended_at"] = stamp(h.now - 365 * 86400)
    h.fraud(step, Q + "late-bad.json")

@fraud("promote.merged")
def an_approval_of_last_year(h):
    came = h.do(h.person({U + "merged.json": h.submit("merged").doc}, "Merge an offer\n"))
    step = h.promote("merged", came)
    step.doc["approved_by"]["at"] = stamp(h.now - 365 * 86400)
    h.fraud(step, Q + "merged.json")

@fraud("node.file")
def a_node_alive_next_year(h):
    h.fraud(Step("n1", "0", "transitions", h.node("n1", last_heartbeat=stamp(h.now + 365 * 86400))))

@fraud("node.file")
def a_node_last_seen_a_year_ago(h):
    h.fraud(Step("n1", "0", "transitions", h.node("n1", last_heartbeat=stamp(h.now - 365 * 86400))))


# ---- what must not be claimed ----

@fraud("claim.task")
def a_claim_of_a_file_that_is_no_task(h):
    h.do(h.person({Q + "typo.json": {"task_id": "typo", "scirpt": "echo x", "script": "echo y", "timeout_seconds": 30}}))
    h.fraud(h.claim("typo"), P + "typo.json")

@fraud("claim.task")
def a_claim_of_a_task_in_an_image_that_the_grid_does_not_have(h):
    h.do(h.submit("odd", image="evil.example/miner:1"))
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("claim.task")
def a_claim_without_the_labels(h):
    h.do(h.submit("gpu", labels=["gpu"]))
    h.fraud(h.claim("gpu"), P + "gpu.json")

@fraud("claim.task")
def a_claim_before_its_time(h):
    h.do(h.submit("again", retry_on_failure=True))
    h.do(h.claim("again"))
    doc = h.task("again")[1]
    h.end_claim(doc, "failed", exit_code=1)
    doc["not_before"] = stamp(h.now + 900)
    h.do(h.move("n1", "failed", "again", "queue", doc))
    h.fraud(h.claim("again"), P + "again.json")

@fraud("claim.time", "claim.task")
def a_lease_of_eleven_days_by_the_tasks_own_timeout(h):
    h.do(h.person({"grid.json": {k: v for k, v in h.doc("grid.json").items() if k != "lease_seconds"}}))
    h.do(h.submit("long", timeout_seconds=11 * 86400))
    h.fraud(h.claim("long", lease=11 * 86400), P + "long.json")

def limits_required(h):
    """For two hours already: what held an hour ago may still be what a node goes by."""
    step = h.person({"grid.json": {**h.doc("grid.json"), "require_limits": True}}, "Limits are enforced\n")
    step.when = h.now - 7200
    h.do(step)

@fraud("claim.limits")
def a_claim_by_a_node_that_does_not_enforce_limits(h):
    limits_required(h)
    step = h.claim("queued")
    step.changes.update(h.node("n1", limits_enforced=False))
    h.fraud(step, P + "queued.json")

@fraud("claim.limits")
def a_claim_by_a_node_that_said_before_that_it_does_not_enforce_limits(h):
    limits_required(h)
    h.do(Step("n1", "0", "transitions", h.node("n1", limits_enforced=False)))
    doc = h.claim("queued").doc
    h.fraud(h.move("n1", "claim", "queued", "in_progress", doc, node=False), P + "queued.json")

@fraud("claim.limits")
def a_run_that_nothing_held_to_its_limits(h):
    limits_required(h)
    step = h.finish("running")
    step.doc["result"]["limits"]["enforced"] = False
    h.fraud(step, C + "running.json")

@fraud("task.signed", grid="signed_tasks")
def a_claim_that_names_another_signer(h):
    step = h.claim("sealed")
    step.doc["claim"]["signed_by"] = "the board"
    h.fraud(step, P + "sealed.json")

@fraud("task.signed", grid="signed_tasks")
def a_claim_that_names_no_signer(h):
    step = h.claim("sealed")
    del step.doc["claim"]["signed_by"]
    h.fraud(step, P + "sealed.json")

@fraud("task.signed")
def a_signer_where_nobody_signs(h):
    step = h.claim("queued")
    step.doc["claim"]["signed_by"] = "alice"
    h.fraud(step, P + "queued.json")


# ---- the story of runs that are tried again, and votes ----

def again(name, rules, outcome, **members):
    def make(h):
        h.do(h.submit("again", retry_on_failure=True))
        h.do(h.claim("again"))
        doc = h.task("again")[1]
        h.end_claim(doc, outcome, **members)
        doc["not_before"] = stamp(h.now + 2)
        h.fraud(h.move("n1", outcome, "again", "queue", doc), Q + "again.json")
    make.__name__ = name
    fraud(*rules)(make)

again("a_failure_with_exit_code_0_tried_again", PARTS, "failed", exit_code=0, signal=None, duration_ms=1)
again("a_timeout_after_a_second_tried_again", PARTS, "timeout", exit_code=None, signal=None, duration_ms=1000)
again("a_run_of_a_year_tried_again", PARTS, "failed", exit_code=1, signal=None, duration_ms=365 * 86400000)

def voted(name, rules, **members):
    def make(h):
        h.do(vclaim(h, "voted", "n1"))
        step = vote(h, "voted", "n1")
        step.doc["attempts"][-1].update(members)
        h.fraud(step, Q + "voted.json")
    make.__name__ = name
    fraud(*rules, grid="votes")(make)

voted("a_vote_whose_engine_gives_the_output_away", FORM, engine="it printed 42")
voted("a_vote_whose_digest_gives_the_output_away", FORM, image_digest="it printed 42")
voted("a_vote_whose_duration_gives_the_output_away", FORM, duration_ms=1.4242424242)
voted("a_vote_that_took_longer_than_its_claim", PARTS, duration_ms=42424242424242)


# ---- dates ----

@fraud("commit.time", "orphan.evidence")
def a_claim_and_its_result_of_five_years_ago(h):
    now = h.now
    empty = h.person({})
    empty.when = now - YEARS
    h.do(empty)
    h.now = now - YEARS
    step = h.claim("queued")
    h.fraud(step, P + "queued.json", "")
    h.do(h.finish("queued"))
    h.now = now

@fraud("commit.time", "orphan.evidence")
def a_release_of_five_years_ago(h):
    now = h.now
    h.now -= YEARS
    h.fraud(h.release("running"), "")
    h.now = now

@fraud("commit.time", "orphan.evidence")
def a_node_that_speaks_from_five_years_ago(h):
    now = h.now
    h.now -= YEARS
    h.fraud(Step("n1", "0", "transitions", h.node("n1")), "")
    h.now = now

@fraud("commit.time", "orphan.evidence")
def a_commit_from_2036(h):
    step = h.person({"notes": "hello\n"})
    step.when = 2090000000
    h.fraud(step, "")

@fraud("commit.time", "orphan.evidence")
def an_empty_commit_from_the_end_of_time(h):
    step = h.person({})
    step.when = (1 << 62)
    h.fraud(step, "")
