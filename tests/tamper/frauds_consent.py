"""Frauds with what needs a node owner's consent: secrets and networks, on a grid that asks for no signatures else."""
from fraud import C, F, P, fraud
from frauds_signed import public, sign_task
from history import sha256


def digest(step, network=None):
    """The result as a task with secrets has it: of what it printed the length and hash."""
    result = step.doc["result"]
    for stream in ("stdout", "stderr"):
        del result[stream], result[stream + "_truncated"]
    result["output"] = "digest"
    return with_network(step, network)

def with_network(step, network):
    if network:
        step.doc["result"]["network"] = network
    return step

def signed(h, task, **fields):
    step = h.submit(task, **fields)
    sign_task(h, step.doc, "alice")
    h.do(step)

def claim(h, task, node="n1", networks=("egress",)):
    step = h.claim(task, node)
    step.changes.update(h.node(node, networks=list(networks)))
    return step

def grid_consent(h):
    """alice's tasks may have a network that the settings name, on nodes that offer it, and secrets."""
    h.do(h.person({"allowed_signers": f"alice {public(h, 'alice')}\n", "grid.json": {**h.doc("grid.json"), "network": ["egress"]}}))
    h.sign = sign_task
    for task, fields in (("backup", {"secrets": ["db-password"], "network": "egress"}), ("fetch", {"network": "egress"}),
                         ("private", {"secrets": ["db-password"], "retry_on_failure": True}), ("quiet", {"output": "digest"})):
        signed(h, task, **fields)
        signed(h, "next-" + task, **fields)
    h.do(claim(h, "backup"))
    h.do(digest(h.finish("backup"), "egress"))
    h.do(claim(h, "fetch"))
    h.do(with_network(h.finish("fetch"), "egress"))
    h.do(h.claim("private", "n2"))
    h.do(digest(h.finish("private", "n2")))
    h.do(h.claim("quiet", "n2"))
    h.do(digest(h.finish("quiet", "n2")))
    h.do(claim(h, "next-backup"))

@fraud("secret.signed", grid="consent")
def secrets_that_nobody_signed(h):
    h.do(h.submit("odd", secrets=["db-password"]))
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("secret.signed", grid="consent")
def secrets_that_a_stranger_signed(h):
    step = h.submit("odd", secrets=["db-password"])
    sign_task(h, step.doc, "mallory")
    h.do(step)
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("secret.signed", grid="consent")
def secrets_put_into_a_signed_task(h):
    step = h.submit("odd")
    sign_task(h, step.doc, "alice")
    step.doc["secrets"] = ["db-password"]
    h.do(step)
    h.fraud(h.claim("odd"), P + "odd.json")

@fraud("secret.signed", grid="consent")
def a_claim_with_secrets_that_names_no_signer(h):
    step = h.claim("next-private")
    del step.doc["claim"]["signed_by"]
    h.fraud(step, P + "next-private.json")

@fraud("secret.signed", grid="consent")
def what_a_task_with_secrets_printed(h):
    h.do(h.claim("next-private"))
    h.fraud(h.finish("next-private"), C + "next-private.json")

@fraud("secret.signed", grid="consent")
def what_a_task_with_secrets_printed_before_the_next_try(h):
    h.do(h.claim("next-private"))
    doc = h.task("next-private")[1]
    h.end_claim(doc, "failed", exit_code=3, signal=None, duration_ms=10, stderr_tail="hunter2")
    h.fraud(h.move("n1", "failed", "next-private", "queue", doc))

@fraud("result.parts", grid="consent")
def a_text_beside_the_digest(h):
    step = digest(h.finish("next-backup"), "egress")
    step.doc["result"]["stdout"] = "hunter2"
    h.fraud(step, C + "next-backup.json")

@fraud("result.parts", grid="consent")
def a_digest_without_a_hash(h):
    step = digest(h.finish("next-backup"), "egress")
    del step.doc["result"]["stdout_sha256"]
    h.fraud(step, C + "next-backup.json")

@fraud("result.parts", grid="consent")
def a_digest_of_nothing_that_counts_bytes(h):
    step = digest(h.finish("next-backup"), "egress")
    step.doc["result"]["stdout_sha256"] = sha256("")
    h.fraud(step, C + "next-backup.json")

@fraud("result.task", grid="consent")
def output_that_was_to_be_kept_and_is_not(h):
    h.do(h.claim("queued"))
    h.fraud(digest(h.finish("queued")), C + "queued.json")

@fraud("out.form", "result.task", grid="consent")
def files_of_a_task_with_secrets_that_asked_for_none(h):
    step = digest(h.finish("next-backup"), "egress")
    step.doc["result"]["limits"]["out_mb"] = 16
    h.fraud(step, C + "next-backup.json")

@fraud("network.allowed", grid="consent")
def a_network_that_nobody_signed(h):
    h.do(h.submit("odd", network="egress"))
    h.fraud(claim(h, "odd"), P + "odd.json")

@fraud("network.allowed", "claim.task", grid="consent")
def a_network_that_the_settings_do_not_name(h):
    signed(h, "odd", network="lan")
    h.fraud(claim(h, "odd", networks=("lan",)), P + "odd.json")

@fraud("network.allowed", "claim.task", grid="consent")
def a_network_that_the_settings_name_no_more(h):
    h.do(h.person({"grid.json": {**h.doc("grid.json"), "network": []}}))
    h.fraud(claim(h, "next-fetch"), P + "next-fetch.json")

@fraud("network.allowed", grid="consent")
def a_network_that_its_node_does_not_offer(h):
    h.fraud(claim(h, "next-fetch", "n2", ()), P + "next-fetch.json")

@fraud("network.allowed", grid="consent")
def a_network_that_the_task_did_not_ask_for(h):
    h.do(h.claim("queued"))
    h.fraud(with_network(h.finish("queued"), "egress"), C + "queued.json")

@fraud("network.allowed", grid="consent")
def a_result_that_is_silent_on_its_network(h):
    h.do(claim(h, "next-fetch"))
    h.fraud(h.finish("next-fetch"), C + "next-fetch.json")

@fraud("network.allowed", grid="consent")
def a_failure_with_another_network(h):
    h.do(claim(h, "next-fetch"))
    h.fraud(with_network(h.finish("next-fetch", status="failed"), "lan"), F + "next-fetch.json")
