"""Frauds in the points of a result: points that nobody ran or that another task had, a whole that does not follow from them, a
commitment that covers other ones."""
from fraud import C, F, P, fraud
from frauds_signed import vclaim
from history import sha256

RULE = ("result.points",)


def point(index, out="ok\n", **other):
    return {"point": index, "status": "success", "exit_code": 0, "signal": None, "duration_ms": 10, "stdout": out, "stdout_bytes": len(out),
            "stdout_truncated": False, "stdout_sha256": sha256(out), **other}


def failed(index, code=3):
    return {"point": index, "status": "failed", "exit_code": code, "signal": None, "duration_ms": 10}


def end(h, task, points, status="success", node="n1", **result):
    """The end of a claimed task with points: as Docker's result, with those in place of streams."""
    step = h.finish(task, node, status)
    r = step.doc["result"]
    for member in [m for m in r if m.startswith("std")]:
        del r[member]
    r["limits"]["output_limit_bytes"] = 1024
    r["points_failed"] = sum(p["status"] != "success" for p in points)
    r["points"] = points
    r.update(result)
    return step


def run(h, points, status="success", **result):
    """Of a task with three points, 5 to 7."""
    h.do(h.submit("sweep", points=3, first_point=5))
    h.do(h.claim("sweep"))
    return end(h, "sweep", points, status, **result)


def honest(h):
    """What an honest grid does with them: a success, a failure, and a vote that agrees."""
    h.do(run(h, GOOD))
    h.do(h.submit("sweep2", points=[{"A": "x"}, {"DGRID_POINT": "9"}], share_sandbox=True))
    h.do(h.claim("sweep2"))
    h.do(end(h, "sweep2", [failed(0), point(9)], "failed", exit_code=3))
    voted(h, "sweep3", GOOD)
    h.do(decided(h, "sweep3", GOOD))


# ---- votes ----

def voted(h, task, points):
    """One node has run it and committed to these."""
    h.do(h.submit(task, points=3, first_point=5, replicas=3, quorum=2))
    h.do(vclaim(h, task, "n1"))
    doc = h.task(task)[1]
    claim = doc["claim"]
    told = [("dgrid-vote", claim["node"], claim["nonce"], "success", 0, "-")]
    told += [(p["point"], p["status"], "-" if p["exit_code"] is None else p["exit_code"], "-", p.get("stdout_sha256", "-"), "-") for p in points]
    h.end_claim(doc, "voted", commitment=sha256("".join(f"{x}\n" for row in told for x in row)), duration_ms=1000, engine="docker",
                image_digest="")
    h.do(h.move("n1", "vote", task, "queue", doc))


def decided(h, task, points):
    h.do(vclaim(h, task, "n2"))
    step = end(h, task, points, node="n2")
    step.doc["result"]["quorum"] = {"replicas": 3, "quorum": 2, "agreed": ["n1", "n2"], "outliers": []}
    return step


@fraud("vote.quorum")
def a_quorum_that_found_another_output_in_one_point(h):
    voted(h, "sweep", [point(5), point(6), point(7)])
    h.fraud(decided(h, "sweep", [point(5), point(6, "else\n"), point(7)]), C + "sweep.json")


@fraud(*RULE)
def a_quorums_point_with_an_output_that_no_hash_covers(h):
    """The commitments are of a point that printed nothing."""
    silent = {"point": 6, "status": "success", "exit_code": 0, "signal": None, "duration_ms": 10}
    voted(h, "sweep", [point(5), silent, point(7)])
    h.fraud(decided(h, "sweep", [point(5), silent | {"stdout": "0.99\n"}, point(7)]), C + "sweep.json")


# ---- a result ----

def fraud_of(name, points, status="success", rules=RULE, **result):
    def make(h):
        h.fraud(run(h, points, status, **result), (C if status == "success" else F) + "sweep.json")
    make.__name__ = name
    fraud(*rules)(make)


GOOD = [point(5), point(6), point(7)]
fraud_of("a_point_that_nobody_ran", GOOD[:2])
fraud_of("a_point_more_than_the_task_has", GOOD + [point(8)])
fraud_of("points_of_another_task", [point(0), point(1), point(2)])
fraud_of("points_in_another_order", [point(6), point(5), point(7)])
fraud_of("one_point_twice", [point(5), point(5), point(7)])
fraud_of("a_failed_point_in_a_success", [point(5), failed(6), point(7)])
fraud_of("a_failed_point_that_is_not_counted", [point(5), failed(6), point(7)], "failed", exit_code=3, points_failed=0)
fraud_of("a_failure_of_points_that_all_succeeded", GOOD, "failed")
fraud_of("a_failure_with_the_exit_code_of_none", [point(5), failed(6), failed(7, 4)], "failed", exit_code=4)
fraud_of("points_skipped_that_nobody_cancelled", [failed(5), {"point": 6, "status": "skipped"}, {"point": 7, "status": "skipped"}], "failed",
         exit_code=3)
fraud_of("a_points_forged_output", [point(5), point(6, stdout="no\n"), point(7)])
fraud_of("a_points_output_of_another_length", [point(5), point(6, stdout_bytes=4000), point(7)])
fraud_of("a_point_with_an_output_and_no_hash", [point(5), {k: v for k, v in point(6).items() if k != "stdout_sha256"}, point(7)])
fraud_of("a_point_with_bytes_and_no_output", [point(5), failed(6) | {"stderr_bytes": 7}, point(7)], "failed", exit_code=3)
fraud_of("a_point_with_a_stream_of_no_bytes", [point(5), point(6, ""), point(7)])
fraud_of("a_points_success_with_exit_code_7", [point(5), point(6, exit_code=7), point(7)])
fraud_of("a_point_that_timed_out_at_once", [point(5), failed(6) | {"status": "timeout", "exit_code": None}, point(7)], "failed", exit_code=None)
fraud_of("points_of_more_time_than_the_run", [point(5), point(6, duration_ms=3600000), point(7)])
fraud_of("points_of_more_processor_time_than_the_run", [point(5, cpu_ms=500), point(6, cpu_ms=500), point(7)])
fraud_of("a_point_that_succeeded_by_a_limit", [point(5), point(6, ended_by="limit:cpu"), point(7)])
fraud_of("a_point_lost_within_a_run", [point(5), {"point": 6, "status": "lost"}, point(7)], "failed", exit_code=None)
fraud_of("a_point_with_a_member_of_its_own", [point(5), point(6, note="trust me"), point(7)], rules=("doc.fields",))


@fraud("claim.task")
def a_claim_of_points_that_run_longer_than_the_grid_allows(h):
    h.do(h.submit("sweep", points=256))
    h.fraud(h.claim("sweep"), P + "sweep.json")


@fraud(*RULE)
def points_in_the_result_of_a_task_without(h):
    step = h.finish("running")
    step.doc["result"].update(points=[point(0)], points_failed=0)
    h.fraud(step, C + "running.json")


@fraud(*RULE)
def a_result_that_leaves_its_points_out(h):
    step = run(h, GOOD)
    del step.doc["result"]["points"]
    out = step.doc["result"]
    out.update(stdout="ok\n", stdout_bytes=3, stdout_truncated=False, stdout_sha256=sha256("ok\n"), stderr="", stderr_bytes=0,
               stderr_truncated=False, stderr_sha256=sha256(""))
    h.fraud(step, C + "sweep.json")


@fraud("task.fields")
def fewer_points_in_the_end_than_were_submitted(h):
    step = run(h, GOOD[:2])
    step.doc["points"] = 2
    h.fraud(step, C + "sweep.json")
