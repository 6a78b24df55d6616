"""Frauds on grids with signed tasks, with signed nodes, and with votes."""
import json
import subprocess

from fraud import C, F, P, Q, U, fraud
from history import OURS, Step, sha256, stamp


# ---- signed tasks ----

def ssh_sign(key, text, namespace):
    return subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key], input=text.encode(), capture_output=True,
                          check=True).stdout.decode()


def sign_task(h, doc, who):
    text = json.dumps({k: v for k, v in doc.items() if k not in OURS}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    doc["signatures"] = [{"signature": ssh_sign(h.keys[who], text, "dgrid-task")}]
    return doc


def public(h, who):
    return " ".join(open(h.keys[who] + ".pub").read().split()[:2])


def grid_signed_tasks(h):
    """alice's tasks count."""
    h.do(h.person({"allowed_signers": f"alice {public(h, 'alice')}\n", "grid.json": {**h.doc("grid.json"), "require_signed_tasks": True}}))
    step = h.submit("sealed")
    sign_task(h, step.doc, "alice")
    h.do(step)
    step = h.submit("sealed-too")
    sign_task(h, step.doc, "alice")
    h.do(step)
    h.sign = sign_task
    h.do(h.claim("sealed-too"))
    h.do(h.finish("sealed-too"))

def ordered(h, tree, at, signed=True):
    order = {"image": "own:1", "build": tree * 40, **({"ordered_at": stamp(at)} if at else {})}
    settings = {**h.doc("grid.json"), "images": ["alpine:3.20", "debian:12", sign_task(h, order, "alice") if signed else order]}
    return h.person({"grid.json": settings})

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_that_was_signed_long_ago(h):
    h.fraud(ordered(h, "a", h.now - 2 * 86400))

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_of_a_time_to_come(h):
    h.fraud(ordered(h, "a", h.now + 86400))

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_that_says_no_time(h):
    h.fraud(ordered(h, "a", None))

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_put_back(h):
    was = h.now
    h.do(ordered(h, "a", was))
    h.now += 60
    h.do(ordered(h, "b", h.now))
    h.fraud(ordered(h, "a", was))

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_put_back_after_it_was_taken_out(h):
    was = h.now
    h.do(ordered(h, "a", was))
    h.now += 60
    h.do(ordered(h, "b", h.now))
    h.now += 60
    h.do(h.person({"grid.json": {**h.doc("grid.json"), "images": ["alpine:3.20", "debian:12"]}}))
    h.now += 60
    h.fraud(ordered(h, "a", was))

@fraud("build.order", grid="signed_tasks")
def an_order_to_build_of_days_ago_in_a_commit_that_is_dated_back(h):
    h.do(h.claim("sealed"))
    at, h.now = h.now, h.now - 2 * 86400
    h.fraud(ordered(h, "a", h.now - 60))
    h.now = at

@fraud("task.signed", grid="signed_tasks")
def a_task_that_nobody_signed(h):
    h.fraud(h.claim("queued"), P + "queued.json")

@fraud("task.signed", grid="signed_tasks")
def a_submission_that_nobody_signed_promoted(h):
    h.do(h.submit("waiting", folder="unapproved"))
    came, at = h.main, h.now
    h.now += 3600
    doc = h.task("waiting")[1]
    doc["approved_by"] = {"commit": came, "author": "alice <alice@example.invalid>", "committer": "alice <alice@example.invalid>", "at": stamp(at)}
    h.fraud(h.move("mallory", "promote", "waiting", "queue", doc), Q + "waiting.json")

@fraud("place.move", grid="signed_tasks")
def a_submission_that_waits_for_its_signature_ended_as_invalid(h):
    h.do(h.submit("waiting", folder="unapproved"))
    text = h.text(U + "waiting.json")
    doc = {"task_id": "waiting", "x-original": text, "x-original-bytes": len(text),
           "result": {"status": "invalid", "reason": "no", "finished_at": stamp(h.now + 2)}}
    h.fraud(h.move("bob", "invalid", "waiting", "failed", doc), F + "waiting.json")

@fraud("task.signed", grid="signed_tasks")
def a_task_signed_by_a_stranger(h):
    step = h.submit("odd")
    sign_task(h, step.doc, "mallory")
    h.do(step)
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("task.signed", grid="signed_tasks")
def a_signature_of_another_task(h):
    step = h.submit("odd")
    step.doc["signatures"] = h.task("sealed")[1]["signatures"]
    h.do(step)
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("task.signed", grid="signed_tasks")
def a_signer_enrolled_along_with_the_task(h):
    step = h.submit("odd")
    sign_task(h, step.doc, "mallory")
    step.changes["allowed_signers"] = h.text("allowed_signers") + f"mallory {public(h, 'mallory')}\n"
    h.do(step)
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("task.signed", grid="signed_tasks")
def a_signer_struck_off_before_the_claim(h):
    h.do(h.person({"allowed_signers": "# nobody\n"}))
    h.fraud(h.claim("sealed"), P + "sealed.json")

@fraud("task.fields", grid="signed_tasks")
def a_signed_script_changed_by_the_claim(h):
    step = h.claim("sealed")
    step.doc["script"] = "echo evil"
    h.fraud(step, P + "sealed.json")


# ---- signed nodes ----

def grid_signed(h):
    """n1, n2 and alice are enrolled; all they write is signed."""
    keys = {f"nodes/{'people' if who == 'alice' else 'keys'}/{who}.pub": public(h, who) + "\n" for who in ("n1", "n2", "alice")}
    h.do(h.person(keys, "Merge the keys\n"))
    h.do(h.person({"grid.json": {**h.doc("grid.json"), "require_signed_nodes": True}}, "Nodes sign\n"))
    h.signed = True

def enrol_n3(h):
    """A node that never ran: it has a key and no node file."""
    h.do(h.person({"nodes/keys/n3.pub": public(h, "n3") + "\n"}, "A key\n", "alice"))

def by_hand(h, changes, who, key=None):
    step = h.person(changes, "tidy up\n", who)
    step.key = key or who
    return step

def open_to_all(h):
    return {"grid.json": {**h.doc("grid.json"), "require_signed_nodes": False}}

@fraud("node.scope", grid="signed")
def settings_by_a_node_that_never_ran(h):
    enrol_n3(h)
    h.fraud(by_hand(h, open_to_all(h), "n3"))
    h.quiet = True

@fraud("node.scope", grid="signed")
def settings_by_a_node_in_the_name_of_a_person(h):
    enrol_n3(h)
    h.fraud(by_hand(h, open_to_all(h), "alice", "n3"))
    h.quiet = True

@fraud("node.scope", grid="signed")
def settings_by_a_node_whose_file_was_removed(h):
    h.do(h.person({"nodes/n2.json": None}, "n2 is gone\n", "alice"))
    h.fraud(by_hand(h, open_to_all(h), "n2"))
    h.quiet = True

@fraud("node.scope", grid="signed")
def a_pause_by_a_node_that_never_ran(h):
    enrol_n3(h)
    pause = {"schema": 1, "pauses": [{"by": "n3", "at": stamp(h.now + 2)}]}
    h.fraud(Step("n3", "pause", "queue", {"tasks/paused.json": pause}))
    h.do(Step("alice", "resume", "queue", {"tasks/paused.json": None}))

@fraud("cancel.note", grid="signed")
def a_cancel_by_a_node_that_never_ran(h):
    enrol_n3(h)
    step = h.cancel("queued", by="n3")
    del step.changes["nodes/n3.json"]
    h.fraud(step, F + "queued.json")

@fraud("signed.key", grid="signed")
def a_key_enrolled_by_a_node_that_never_ran(h):
    enrol_n3(h)
    h.fraud(by_hand(h, {"nodes/people/mallory.pub": public(h, "mallory") + "\n"}, "n3"))

@fraud("signed.key", grid="signed")
def a_node_that_becomes_a_person(h):
    enrol_n3(h)
    h.fraud(h.person({"nodes/keys/n3.pub": None, "nodes/people/n3.pub": public(h, "n3") + "\n"}, "n3\n", "alice"), "nodes/people/n3.pub")

@fraud("signed.key", grid="signed")
def a_nodes_key_under_a_persons_name(h):
    h.fraud(h.person({"nodes/people/dave.pub": public(h, "n1") + "\n"}, "dave\n", "alice"))

@fraud("signed.key", grid="signed")
def a_nodes_key_that_becomes_a_persons_in_one_commit(h):
    h.fraud(h.person({"nodes/keys/n2.pub": None, "nodes/people/dave.pub": public(h, "n2") + "\n"}, "dave\n", "alice"), "nodes/people/dave.pub")
    h.quiet = True

@fraud("signed.key", grid="signed")
def a_person_that_becomes_a_node(h):
    h.fraud(h.person({"nodes/keys/alice.pub": public(h, "n3") + "\n"}, "alice\n", "alice"))
    h.quiet = True

@fraud("signed.key", "signed.commit", grid="signed")
def a_node_file_by_a_person(h):
    h.fraud(Step("alice", "0", "transitions", h.node("alice")), "nodes/alice.json")
    h.quiet = True

@fraud("signed.key", grid="signed")
def a_folder_of_people_that_is_emptied(h):
    h.fraud(h.person({p: None for p in ("nodes/people/alice.pub", "nodes/people/.gitkeep") if h.entry(p)}, "bye\n", "alice"))
    h.quiet = True

@fraud("signed.commit", grid="signed")
def a_claim_without_a_signature(h):
    step = h.claim("queued")
    step.key = None
    h.fraud(step, P + "queued.json", "nodes/n1.json")

@fraud("signed.commit", grid="signed")
def a_claim_signed_by_another_node(h):
    step = h.claim("queued")
    step.key = "n2"
    h.fraud(step, P + "queued.json", "nodes/n1.json")

@fraud("signed.commit", grid="signed")
def a_result_signed_by_a_stranger(h):
    step = h.finish("running")
    step.key = "mallory"
    h.fraud(step, C + "running.json", "nodes/n1.json")

@fraud("signed.commit", grid="signed")
def a_result_under_a_signature_of_another_commit(h):
    h.do(h.renew("running"))
    body = h.store.get(h.main)[1].decode()
    signature = body[body.index("\ngpgsig ") + 1:body.index("-----END SSH SIGNATURE-----")] + "-----END SSH SIGNATURE-----\n"
    step = h.finish("running")
    step.key = None
    h.do(step)
    head, _, message = h.store.get(h.main)[1].decode().partition("\n\n")
    h.main = h.bad = h.store.put("commit", f"{head}\n{signature}\n{message}")
    h.bad_paths = (C + "running.json", P + "running.json", "nodes/n1.json")

@fraud("signed.commit", grid="signed")
def a_cancel_without_a_signature(h):
    step = h.cancel("queued")
    step.key = None
    h.fraud(step, F + "queued.json", Q + "queued.json")

@fraud("cancel.note", grid="signed")
def a_cancel_that_a_node_signs_as_if_by_hand(h):
    step = h.cancel("queued")
    step.who = step.key = "n2"
    step.message, step.email = "tidy up\n", "n2@example.invalid"
    h.fraud(step, F + "queued.json")

@fraud("attempts.retry", grid="signed")
def a_retry_that_a_node_signs_as_if_by_hand(h):
    step = h.retry("late-0")
    step.who = step.key = "n2"
    step.message, step.email = "once more\n", "n2@example.invalid"
    h.fraud(step, Q + "late-0.json")

@fraud("cancel.note", grid="signed")
def a_cancel_by_hand_in_the_name_of_another(h):
    step = h.cancel("queued", by="carol")
    step.who = step.key = "alice"
    step.message, step.email = "tidy up\n", "alice@example.invalid"
    h.fraud(step, F + "queued.json")

@fraud("signed.commit", "signed.key", grid="signed")
def a_key_used_by_the_commit_that_enrols_it(h):
    step = h.claim("queued", "n3")
    step.changes["nodes/keys/n3.pub"] = public(h, "n3") + "\n"
    step.key = "n3"
    h.fraud(step, P + "queued.json", Q + "queued.json", "nodes/n3.json", "nodes/keys/n3.pub")

@fraud("signed.commit", grid="signed")
def a_key_that_was_revoked(h):
    h.do(h.person({"nodes/keys/n1.pub": None}, "n1 is gone\n", "alice"))
    h.fraud(h.finish("running"), C + "running.json", P + "running.json", "nodes/n1.json")
    h.quiet = True  # n1's own later commits are frauds too

@fraud("signed.commit", grid="signed")
def a_goodbye_that_nobody_signed(h):
    step = Step("n1", "0", "transitions", h.node("n1", status="left"))
    step.key = None
    h.fraud(step)

@fraud("signed.commit", grid="signed")
def an_archive_that_nobody_signed(h):
    step, added = h.archiving("late-0")
    h.bad = h.into_archive(added, key=None)
    h.also_bad = h.do(step)
    h.bad_paths = (*added, C + "late-0.json")

@fraud("signed.commit", grid="signed")
def an_archiving_that_nobody_signed(h):
    step, added = h.archiving("late-0")
    h.into_archive(added)
    step.key = None
    h.fraud(step)

@fraud("signed.key", grid="signed")
def a_node_that_enrols_another(h):
    h.fraud(Step("n1", "0", "transitions", {"nodes/keys/n3.pub": public(h, "mallory") + "\n", **h.node("n1")}), "nodes/keys/n3.pub")

@fraud("signed.key", grid="signed")
def a_node_that_exchanges_its_own_key(h):
    h.fraud(Step("n1", "0", "transitions", {"nodes/keys/n1.pub": public(h, "mallory") + "\n"}))
    h.quiet = True

@fraud("file.mode", grid="signed")
def a_key_as_a_link(h):
    h.fraud(h.person({"nodes/keys/n3.pub": ("120000", h.store.blob("n1.pub"))}))


# ---- votes ----

def commitment(claim, result):
    parts = ("dgrid-vote", claim["node"], claim["nonce"], result["status"], result["exit_code"], "-", result["stdout_sha256"],
             result["stderr_sha256"])
    return sha256("".join(f"{p}\n" for p in parts))


def vclaim(h, task, node):
    step = h.claim(task, node)
    step.doc["claim"].update(replicas=3, quorum=2)
    return step


def vote(h, task, node, out="ok\n"):
    result = h.finish(task, node, out=out).doc["result"]
    doc = h.task(task)[1]
    h.end_claim(doc, "voted", commitment=commitment(doc["claim"], result), duration_ms=1000, engine="docker",
                image_digest=result["image_digest"])
    return h.move(node, "vote", task, "queue", doc)


def decide(h, task, node, agreed, outliers, out="ok\n", **more):
    step = h.finish(task, node, out=out)
    step.doc["result"]["quorum"] = {"replicas": 3, "quorum": 2, "agreed": agreed, "outliers": outliers, **more}
    return step


def dispute(h, task, node, out):
    step = decide(h, task, node, [], [], out, status="success")
    step.doc["result"]["status"] = step.doc["attempts"][-1]["outcome"] = "disputed"
    return h.move(node, "disputed", task, "failed", step.doc)


def votes(h, *outs, task="voted"):
    for node, out in zip(("n1", "n2", "n3"), outs):
        h.do(vclaim(h, task, node))
        h.do(vote(h, task, node, out))


def grid_votes(h):
    """agreed: two of two; doubted: an outlier; undone: all differ; and voted waits for the frauds."""
    for task in ("agreed", "doubted", "undone", "voted"):
        h.do(h.submit(task, replicas=3, quorum=2))
    votes(h, "ok\n", task="agreed")
    h.do(vclaim(h, "agreed", "n2"))
    h.do(decide(h, "agreed", "n2", ["n1", "n2"], []))
    votes(h, "ok\n", "else\n", task="doubted")
    h.do(vclaim(h, "doubted", "n3"))
    h.do(decide(h, "doubted", "n3", ["n1", "n3"], ["n2"]))
    votes(h, "one\n", "two\n", task="undone")
    h.do(vclaim(h, "undone", "n3"))
    h.do(dispute(h, "undone", "n3", "three\n"))

@fraud("vote.node", grid="votes")
def a_second_vote_of_one_node(h):
    votes(h, "ok\n")
    h.fraud(vclaim(h, "voted", "n1"), P + "voted.json")

@fraud("vote.commitment", grid="votes")
def a_vote_without_a_commitment(h):
    h.do(vclaim(h, "voted", "n1"))
    step = vote(h, "voted", "n1")
    del step.doc["attempts"][-1]["commitment"]
    h.fraud(step, Q + "voted.json")

@fraud("vote.commitment", grid="votes")
def a_commitment_that_is_none(h):
    h.do(vclaim(h, "voted", "n1"))
    step = vote(h, "voted", "n1")
    step.doc["attempts"][-1]["commitment"] = "yes"
    h.fraud(step, Q + "voted.json")

@fraud("vote.commitment", grid="votes")
def a_vote_that_tells_its_output(h):
    h.do(vclaim(h, "voted", "n1"))
    step = vote(h, "voted", "n1")
    step.doc["attempts"][-1].update(exit_code=0, stderr_tail="psst")
    h.fraud(step, Q + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_vote_where_none_is_asked_for(h):
    h.fraud(vote(h, "running", "n1"), Q + "running.json")

@fraud("vote.quorum", grid="votes")
def a_forged_quorum(h):
    votes(h, "ok\n")
    h.do(vclaim(h, "voted", "n2"))
    h.fraud(decide(h, "voted", "n2", ["n1", "n2"], [], "mine\n"), C + "voted.json")

@fraud("attempts.grow", grid="votes")
def a_vote_that_came_with_the_promotion(h):
    step = h.submit("offer", folder="unapproved", replicas=3, quorum=2)
    came = h.do(h.person(step.changes, "Merge an offer\n"))
    step = h.promote("offer", came)
    claim = {"node": "n1", "attempt": 1, "nonce": h.nonce(), "claimed_at": stamp(h.now), "lease_until": stamp(h.now + 30), "replicas": 3,
             "quorum": 2}
    found = {"status": "success", "exit_code": 0, "stdout_sha256": sha256("mine\n"), "stderr_sha256": sha256("")}
    step.doc["attempts"] = [{**claim, "ended_at": stamp(h.now), "outcome": "voted", "commitment": commitment(claim, found)}]
    h.fraud(step, Q + "offer.json")
    h.do(vclaim(h, "offer", "n3"))
    h.do(decide(h, "offer", "n3", ["n1", "n3"], [], "mine\n"))

@fraud("vote.quorum", grid="votes")
def a_result_without_a_quorum(h):
    votes(h, "ok\n")
    h.do(vclaim(h, "voted", "n2"))
    h.fraud(h.finish("voted", "n2", out="mine\n"), C + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_node_that_never_voted_among_the_agreed(h):
    h.do(vclaim(h, "voted", "n1"))
    h.fraud(decide(h, "voted", "n1", ["n1", "n2"], []), C + "voted.json")

@fraud("vote.quorum", grid="votes")
def an_honest_node_called_an_outlier(h):
    votes(h, "ok\n", "ok\n")
    h.do(vclaim(h, "voted", "n3"))
    h.fraud(decide(h, "voted", "n3", ["n2", "n3"], ["n1"]), C + "voted.json")

@fraud("vote.quorum", grid="votes")
def an_outlier_left_out(h):
    votes(h, "ok\n", "else\n")
    h.do(vclaim(h, "voted", "n3"))
    h.fraud(decide(h, "voted", "n3", ["n1", "n3"], []), C + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_dispute_where_all_agree(h):
    votes(h, "ok\n")
    h.do(vclaim(h, "voted", "n2"))
    h.fraud(dispute(h, "voted", "n2", "ok\n"), F + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_dispute_before_all_have_voted(h):
    votes(h, "ok\n")
    h.do(vclaim(h, "voted", "n2"))
    h.fraud(dispute(h, "voted", "n2", "mine\n"), F + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_last_vote_that_does_not_decide(h):
    votes(h, "ok\n", "else\n")
    h.do(vclaim(h, "voted", "n3"))
    h.fraud(vote(h, "voted", "n3", "third\n"), Q + "voted.json")

@fraud("vote.quorum", grid="votes")
def a_claim_that_lowers_the_quorum(h):
    step = vclaim(h, "voted", "n1")
    step.doc["claim"].update(replicas=1, quorum=1)
    h.fraud(step, P + "voted.json")
