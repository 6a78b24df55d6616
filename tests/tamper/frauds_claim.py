"""Frauds in claims, results, the story of attempts, orphans, cancels and promotion."""
import json

from fraud import C, day_of, F, P, Q, U, fraud
from history import Step, sha256, stamp


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
    hit = h.store.find(h.store.tree_of(h.archive), day_of(h) + "early-0.json")
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

@fraud("claim.time", "commit.time")
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

def with_files(h, **other):
    step = h.finish("running")
    out = {"tree": "4b" * 20, "files": 2, "bytes": 100, "ref": f"refs/dgrid/out/{stamp(h.now)[:10]}/n1/1"}
    out.update(other)
    step.doc["result"]["limits"] = {"out_mb": 16}
    step.doc["result"]["out"] = {k: v for k, v in out.items() if v is not None}
    return step

@fraud("out.form")
def files_on_the_ref_of_another_node(h):
    h.fraud(with_files(h, ref=f"refs/dgrid/out/{stamp(h.now)[:10]}/n2/1"), C + "running.json")

@fraud("out.form")
def files_of_a_day_long_before(h):
    h.fraud(with_files(h, ref="refs/dgrid/out/2026-01-01/n1/1"), C + "running.json")

@fraud("out.form")
def files_that_stand_nowhere(h):
    h.fraud(with_files(h, ref=None), C + "running.json")

@fraud("out.form")
def more_files_than_the_run_was_allowed(h):
    h.fraud(with_files(h, bytes=17 << 20), C + "running.json")

@fraud("out.form")
def files_by_a_name_in_place_of_an_id(h):
    h.fraud(with_files(h, tree="main"), C + "running.json")

@fraud("out.form")
def files_and_an_error_at_once(h):
    step = with_files(h)
    step.doc["result"]["out_error"] = "lost"
    h.fraud(step, C + "running.json")

@fraud("out.form")
def files_in_a_store_that_no_setting_lets_go_there(h):
    h.fraud(with_files(h, stored={"files": 1, "bytes": 3 << 20, "over_mb": 2}), C + "running.json")

@fraud("out.form")
def more_in_a_store_than_the_run_was_allowed(h):
    h.fraud(with_files(h, stored={"files": 1, "bytes": 60 << 20, "over_mb": 50}), C + "running.json")

@fraud("out.form")
def a_store_with_more_files_than_there_are(h):
    h.fraud(with_files(h, stored={"files": 3, "bytes": 60 << 20, "over_mb": 50}), C + "running.json")

@fraud("out.form", "doc.fields")
def a_store_that_is_named(h):
    h.fraud(with_files(h, stored={"files": 1, "bytes": 60 << 20, "over_mb": 50, "url": "https://example.org"}), C + "running.json")

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
def a_retry_that_makes_a_run_cheaper(h):
    step = h.retry("late-bad")
    step.doc["attempts"][-1]["usage"] = {"cpu_user_ms": 1, "cpu_system_ms": 1, "by": "samples"}
    h.fraud(step, Q + "late-bad.json")

@fraud("attempts.retry")
def a_retry_by_a_node(h):
    h.fraud(h.retry("late-bad", by="n1"), Q + "late-bad.json")

@fraud("attempts.retry", "attempts.grow", "task.fields")
def a_finished_task_replaced_by_a_node(h):
    h.fraud(h.move("n1", "submit", "late-bad", "queue", h.submit("late-bad").doc), Q + "late-bad.json")

@fraud("archive.lost")
def a_replaced_task_that_is_not_in_the_archive(h):
    h.fraud(h.archiving("late-bad")[0], F + "late-bad.json")
    h.do(h.submit("late-bad"))


# ---- orphans and cancels ----

@fraud("orphan.evidence")
def an_orphan_taken_early(h):
    h.do(h.claim("queued", "n1"))
    h.fraud(h.lose("queued", "n2"), Q + "queued.json")

@fraud("orphan.evidence", "commit.time")
def a_lease_ended_by_a_commit_from_later(h):
    h.do(h.renew("running", lease=3000))
    now = h.now
    h.now += 7200
    h.do(h.lose("running", "n2", {"lease_until": h.task("running")[1]["claim"]["lease_until"]}))
    h.also_bad = h.main  # a hook knows what time it is
    h.now = now
    h.do(h.person({"notes": "nothing\n"}))
    h.fraud(h.claim("running", "n2"), P + "running.json", Q + "running.json", "")

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

@fraud("result.claim")
def a_claim_called_unstartable_by_another(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.fraud(h.move("n2", "unstartable", "queued", "queue", h.unstartable("queued", "n1").doc), Q + "queued.json")

@fraud("place.move")
def given_up_as_unstartable_before_its_attempts_are_used_up(h):
    h.do(h.claim("queued", "n1", lease=300))
    h.do(h.unstartable("queued", "n1", wait=0))
    h.do(h.claim("queued", "n2", lease=300))
    doc = h.task("queued")[1]
    h.end_claim(doc, "unstartable", reason="too many processors")
    doc["result"] = {"status": "unstartable", "reason": "too many processors", "node": "n2", "finished_at": stamp(h.now + 2)}
    h.fraud(h.move("n2", "unstartable", "queued", "failed", doc), F + "queued.json")

@fraud("place.move")
def back_in_the_queue_as_unstartable_with_all_its_attempts_used_up(h):
    h.do(h.submit("once", max_attempts=1))
    h.do(h.claim("once", "n1", lease=300))
    h.fraud(h.unstartable("once", "n1"), Q + "once.json")

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
def an_approval_whose_signature_is_none(h):
    merged(h)
    step = h.promote("merged", h.main)
    step.doc["approved_by"] = {"author": "alice <alice@example.invalid>", "at": stamp(h.now + 2)}
    step.doc["signatures"] = [{"key": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "signature":
                               "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAA\n-----END SSH SIGNATURE-----\n"}]
    h.fraud(Step("alice", "approve", "merged", step.changes), Q + "merged.json")

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
