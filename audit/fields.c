#include "audit/fields.h"
#include "base/clock.h"
#include "schema/task.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096 /* bytes of what is told in words */

enum form {
	ANY,	/* judged elsewhere */
	TEXT,	/* a string of at most TEXT_MAX bytes */
	OUTPUT, /* a string */
	WORD,	/* one of those in words */
	ID,
	IDS,	 /* an array of ids */
	STRINGS, /* an array of strings */
	TIME,
	WHOLE, /* a whole number within min and max */
	WHOLE_OR_NULL,
	NUMBER, /* not below 0 */
	YESNO,
	HEX32,
	HEX64,
	DIGEST, /* of an image: "", or 64 hexadecimal digits, with or without "sha256:" */
	OBJECT
};
static const struct {
	enum field_doc doc;
	const char *name;
	enum form form;
	int64_t min, max;
	const char *words; /* WORD: what it may be; else, in place of the form's own description, or NULL */
	const char *held;
} rows[] = {
#define SAME "`task.fields`, `claim.task`"
#define OWN "-: no rule: the node's word on itself"
#define ENDS "exit exit_or_signal limit:time limit:cpu limit:memory limit:out cancel"
    {FIELD_TASK, "task_id", ANY, 0, 0, NULL, "`file.json`, " SAME},
    {FIELD_TASK, "script", ANY, 0, 0, NULL, SAME ", `result.task` (its hash)"},
    {FIELD_TASK, "timeout_seconds", ANY, 0, 0, NULL, SAME ", `result.parts` (of a timeout), `claim.time`"},
    {FIELD_TASK, "image", ANY, 0, 0, NULL, SAME ", `result.task`"},
    {FIELD_TASK, "env", ANY, 0, 0, NULL, SAME},
    {FIELD_TASK, "cpus", ANY, 0, 0, NULL, SAME ", `result.task`, `node.room`"},
    {FIELD_TASK, "memory_mb", ANY, 0, 0, NULL, SAME ", `result.task`, `node.room`"},
    {FIELD_TASK, "pids", ANY, 0, 0, NULL, SAME ", `result.task`"},
    {FIELD_TASK, "cpu_seconds", ANY, 0, 0, NULL, SAME ", `result.task`, `result.parts` (of a timeout)"},
    {FIELD_TASK, "out_mb", ANY, 0, 0, NULL, SAME ", `out.form`"},
    {FIELD_TASK, "disk_mb", ANY, 0, 0, NULL, SAME ", `node.room`"},
    {FIELD_TASK, "resources", ANY, 0, 0, NULL, SAME ", `node.room`"},
    {FIELD_TASK, "inputs", ANY, 0, 0, NULL, SAME ", `input.pinned`; what the trees hold is in their ids"},
    {FIELD_TASK, "workdir", ANY, 0, 0, NULL, SAME},
    {FIELD_TASK, "stdin", ANY, 0, 0, NULL, SAME},
    {FIELD_TASK, "secrets", ANY, 0, 0, NULL,
     SAME ", `secret.signed`; which of them a node has, and gives to whom, only its owner knows"},
    {FIELD_TASK, "network", ANY, 0, 0, NULL, SAME ", `network.allowed`"},
    {FIELD_TASK, "output", ANY, 0, 0, NULL, SAME ", `result.task`"},
    {FIELD_TASK, "schema", ANY, 0, 0, NULL, SAME},
    {FIELD_TASK, "needs", ANY, 0, 0, NULL, SAME ", `needs.known`, `needs.claim`, `needs.skip`, `needs.kept`"},
    {FIELD_TASK, "after", ANY, 0, 0, NULL, SAME ", `needs.known`, `needs.claim`, `needs.kept`"},
    {FIELD_TASK, "points", ANY, 0, 0, NULL, SAME ", `result.points`, `claim.time`"},
    {FIELD_TASK, "first_point", ANY, 0, 0, NULL, SAME ", `result.points`"},
    {FIELD_TASK, "share_sandbox", ANY, 0, 0, NULL, SAME "; how a node ran them, only it knows"},
    {FIELD_TASK, "priority", ANY, 0, 0, NULL,
     SAME "; that the first in line is claimed first is not judged: nodes draw among the first few"},
    {FIELD_TASK, "max_attempts", ANY, 0, 0, NULL, SAME ", `claim.attempt`, `place.move`"},
    {FIELD_TASK, "retry_on_failure", ANY, 0, 0, NULL, SAME ", `place.move`"},
    {FIELD_TASK, "checkpoint", ANY, 0, 0, NULL, SAME ", `checkpoint.pinned`"},
    {FIELD_TASK, "replicas", ANY, 0, 0, NULL, SAME ", `vote.quorum`"},
    {FIELD_TASK, "quorum", ANY, 0, 0, NULL, SAME ", `vote.quorum`"},
    {FIELD_TASK, "labels", ANY, 0, 0, NULL, SAME " (the node carries them), `group.limit`"},
    {FIELD_TASK, "group", ANY, 0, 0, NULL, SAME},
    {FIELD_TASK, "concurrency_group", ANY, 0, 0, NULL, SAME ", `group.limit`"},
    {FIELD_TASK, "max_running", ANY, 0, 0, NULL, SAME ", `group.limit`"},
    {FIELD_TASK, "supersede", ANY, 0, 0, NULL, SAME "; what it cancels is held to `cancel.note`"},
    {FIELD_TASK, "start_after", ANY, 0, 0, NULL, SAME " (not claimed before)"},
    {FIELD_TASK, "deadline", ANY, 0, 0, NULL, SAME " (not claimed after), `place.move`"},
    {FIELD_TASK, "description", ANY, 0, 0, NULL, SAME "; its words are the submitter's"},
    {FIELD_TASK, "submitted_by", ANY, 0, 0, NULL,
     SAME "; a name that anyone may write, unless the task is signed; `group.limit`"},
    {FIELD_TASK, "created_at", ANY, 0, 0, NULL, SAME "; the submitter's clock, which nobody else saw"},
    {FIELD_TASK, "metadata", ANY, 0, 0, NULL, SAME "; the submitter's own"},
    {FIELD_TASK, "signatures", ANY, 0, 0, NULL, SAME ", `task.signed`"},

    {FIELD_STEP, "approved_by", OBJECT, 0, 0, NULL, "`promote.merged`"},
    {FIELD_STEP, "claim", OBJECT, 0, 0, NULL, "`claim.node`, `claim.renewal`"},
    {FIELD_STEP, "attempts", ANY, 0, 0, "array of objects", "`attempts.grow`, `attempts.retry`"},
    {FIELD_STEP, "schedule", OBJECT, 0, 0, NULL, "`schedule.fire`, " SAME},
    {FIELD_STEP, "not_before", TIME, 0, 0, NULL, "`task.fields`, `claim.task`"},
    {FIELD_STEP, "cancel", OBJECT, 0, 0, NULL, "`cancel.note`"},
    {FIELD_STEP, "result", OBJECT, 0, 0, NULL, "`result.claim`, `result.frozen`"},

    {FIELD_CLAIM, "node", ID, 0, 0, NULL, "`claim.node`"},
    {FIELD_CLAIM, "attempt", WHOLE, 1, INT64_MAX, NULL, "`claim.attempt`"},
    {FIELD_CLAIM, "nonce", HEX32, 0, 0, NULL, "`claim.nonce`"},
    {FIELD_CLAIM, "claimed_at", TIME, 0, 0, NULL, "`claim.time`"},
    {FIELD_CLAIM, "lease_until", TIME, 0, 0, NULL, "`claim.time`, `claim.renewal`"},
    {FIELD_CLAIM, "replicas", WHOLE, 1, 9, NULL, "`vote.quorum`"},
    {FIELD_CLAIM, "quorum", WHOLE, 1, 9, NULL, "`vote.quorum`"},
    {FIELD_CLAIM, "signed_by", TEXT, 0, 0, NULL, "`task.signed`, `secret.signed`, `network.allowed`"},
    {FIELD_CLAIM, "after", OBJECT, 0, 0, NULL, "`needs.claim`"},
    {FIELD_CLAIM, "inputs", OBJECT, 0, 0, NULL, "`input.pinned`"},
    {FIELD_CLAIM, "checkpoint", OBJECT, 0, 0, NULL, "`checkpoint.pinned`"},
    {FIELD_CLAIM, "saved", OBJECT, 0, 0, NULL, "`checkpoint.pinned`"},
    {FIELD_CLAIM, "ahead", WHOLE, 1, 1000000, NULL,
     "-: no rule: what else a node holds, and what it begins first, only it knows"},

    {FIELD_ATTEMPT, "node", ID, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "attempt", WHOLE, 1, INT64_MAX, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "nonce", HEX32, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "claimed_at", TIME, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "lease_until", TIME, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "replicas", WHOLE, 1, 9, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "quorum", WHOLE, 1, 9, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "signed_by", TEXT, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "after", OBJECT, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "inputs", OBJECT, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "checkpoint", OBJECT, 0, 0, NULL,
     "`attempts.grow`: as in the claim; where a person queued it again, `checkpoint.pinned`"},
    {FIELD_ATTEMPT, "saved", OBJECT, 0, 0, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "ahead", WHOLE, 1, 1000000, NULL, "`attempts.grow`: as in the claim"},
    {FIELD_ATTEMPT, "ended_at", TIME, 0, 0, NULL, "`attempts.grow`: the commit's time"},
    {FIELD_ATTEMPT, "outcome", TEXT, 0, 0, NULL, "`place.move`, `attempts.grow`: the result's status"},
    {FIELD_ATTEMPT, "reason", OUTPUT, 0, 0, NULL, "-: no rule: words for people"},
    {FIELD_ATTEMPT, "fault", WORD, 0, 0, "engine", "-: no rule: why its engine failed, only the node knows"},
    {FIELD_ATTEMPT, "evidence", OBJECT, 0, 0, NULL, "`orphan.evidence`"},
    {FIELD_ATTEMPT, "exit_code", WHOLE_OR_NULL, 0, 255, NULL, "`result.parts`, `vote.commitment`"},
    {FIELD_ATTEMPT, "signal", WHOLE_OR_NULL, 1, 64, NULL, "`result.parts`, `vote.commitment`"},
    {FIELD_ATTEMPT, "ended_by", WORD, 0, 0, ENDS, "`result.parts`"},
    {FIELD_ATTEMPT, "usage", OBJECT, 0, 0, NULL, "`doc.fields`, `attempts.retry`: as in the result that went"},
    {FIELD_ATTEMPT, "duration_ms", WHOLE, 0, INT64_MAX, NULL,
     "`result.parts`: no longer than the claim stood; `attempts.retry`: as in the result that went"},
    {FIELD_ATTEMPT, "stderr_tail", OUTPUT, 0, 0, NULL,
     "-: no rule: the run was tried again, so nothing else of its output stands anywhere; `vote.commitment` keeps it "
     "out of "
     "votes"},
    {FIELD_ATTEMPT, "out", OBJECT, 0, 0, NULL, "`out.form`"},
    {FIELD_ATTEMPT, "out_error", OUTPUT, 0, 0, NULL, "`out.form`"},
    {FIELD_ATTEMPT, "commitment", HEX64, 0, 0, NULL, "`vote.commitment`, `vote.quorum`"},
    {FIELD_ATTEMPT, "engine", WORD, 0, 0, "docker podman bwrap slurm",
     "-: no rule: which engine a node used, only it knows"},
    {FIELD_ATTEMPT, "image_digest", DIGEST, 0, 0, NULL,
     "-: no rule: 64 digits that only a registry could vouch for; two nodes that mean to tell each other need no "
     "ledger for it"},
    {FIELD_ATTEMPT, "by", OUTPUT, 0, 0, NULL, "`attempts.retry`"},
    {FIELD_ATTEMPT, "outliers", IDS, 0, 0, NULL, "`attempts.retry`: those of the result that went"},

    {FIELD_EVIDENCE, "lease_until", TIME, 0, 0, NULL, "`orphan.evidence`"},
    {FIELD_EVIDENCE, "seen_at", TIME, 0, 0, NULL, "`orphan.evidence`"},
    {FIELD_EVIDENCE, "next_due", TIME, 0, 0, NULL, "`orphan.evidence`"},
    {FIELD_EVIDENCE, "left", TIME, 0, 0, NULL, "`orphan.evidence`"},
    {FIELD_EVIDENCE, "retired", TIME, 0, 0, NULL, "`orphan.evidence`"},

    {FIELD_RESULT, "status", TEXT, 0, 0, NULL, "`result.folder`, `result.parts`, `place.move`"},
    {FIELD_RESULT, "exit_code", WHOLE_OR_NULL, 0, 255, NULL, "`result.parts`: by the status"},
    {FIELD_RESULT, "signal", WHOLE_OR_NULL, 1, 64, NULL, "`result.parts`: by the exit code"},
    {FIELD_RESULT, "ended_by", WORD, 0, 0, ENDS, "`result.parts`: by status and exit code"},
    {FIELD_RESULT, "node", OUTPUT, 0, 0, NULL, "`result.claim`"},
    {FIELD_RESULT, "attempt", WHOLE, 1, INT64_MAX, NULL, "`result.claim`"},
    {FIELD_RESULT, "nonce", HEX32, 0, 0, NULL, "`result.claim`"},
    {FIELD_RESULT, "started_at", TIME, 0, 0, NULL, "`result.time`"},
    {FIELD_RESULT, "finished_at", TIME, 0, 0, NULL, "`result.time`, `archive.day`"},
    {FIELD_RESULT, "duration_ms", WHOLE, 0, INT64_MAX, NULL,
     "`result.parts`: no longer than from start to end, a timeout no shorter than the task's; `archive.totals`"},
    {FIELD_RESULT, "engine", WORD, 0, 0, "docker podman bwrap slurm", "`result.task`: with its image"},
    {FIELD_RESULT, "image", TEXT, 0, 0, NULL, "`result.task`: the task's, or that of the settings"},
    {FIELD_RESULT, "image_digest", DIGEST, 0, 0, NULL,
     "`result.task`: none under bubblewrap in a machine's own `/usr`, one that the settings pin where they do; "
     "whether it is the image's, only a registry or who has its root files could tell, and `dgrid rerun` runs that "
     "one"},
    {FIELD_RESULT, "limits", OBJECT, 0, 0, NULL, "`result.task`"},
    {FIELD_RESULT, "usage", OBJECT, 0, 0, NULL, "`result.parts`"},
    {FIELD_RESULT, "script_sha256", HEX64, 0, 0, NULL, "`result.task`: of the task's script"},
    {FIELD_RESULT, "network", ID, 0, 0, NULL,
     "`network.allowed`; which network that is on the node, only its owner knows"},
    {FIELD_RESULT, "output", WORD, 0, 0, "digest", "`result.task`, `secret.signed`"},
    {FIELD_RESULT, "stdout", OUTPUT, 0, 0, NULL,
     "`result.parts`: its own bytes and hash; what was cut or is no UTF-8 shows only in `dgrid rerun`"},
    {FIELD_RESULT, "stdout_bytes", WHOLE, 0, INT64_MAX, NULL, "`result.parts`"},
    {FIELD_RESULT, "stdout_truncated", YESNO, 0, 0, NULL, "`result.parts`"},
    {FIELD_RESULT, "stdout_sha256", HEX64, 0, 0, NULL, "`result.parts`, `vote.quorum`"},
    {FIELD_RESULT, "stderr", OUTPUT, 0, 0, NULL, "`result.parts`: as stdout"},
    {FIELD_RESULT, "stderr_bytes", WHOLE, 0, INT64_MAX, NULL, "`result.parts`"},
    {FIELD_RESULT, "stderr_truncated", YESNO, 0, 0, NULL, "`result.parts`"},
    {FIELD_RESULT, "stderr_sha256", HEX64, 0, 0, NULL, "`result.parts`, `vote.quorum`"},
    {FIELD_RESULT, "points", ANY, 0, 0, "array of objects", "`result.points`"},
    {FIELD_RESULT, "points_failed", WHOLE, 0, 256, NULL, "`result.points`"},
    {FIELD_RESULT, "out", OBJECT, 0, 0, NULL, "`out.form`, `vote.commitment`"},
    {FIELD_RESULT, "out_error", OUTPUT, 0, 0, NULL, "`out.form`"},
    {FIELD_RESULT, "reason", OUTPUT, 0, 0, NULL, "-: no rule: words for people"},
    {FIELD_RESULT, "quorum", OBJECT, 0, 0, NULL, "`vote.quorum`"},
    {FIELD_RESULT, "because", OBJECT, 0, 0, NULL, "`needs.skip`"},

    {FIELD_BECAUSE, "task", ID, 0, 0, NULL, "`needs.skip`"},
    {FIELD_BECAUSE, "status", TEXT, 0, 0, NULL, "`needs.skip`: none is success"},

    {FIELD_POINT, "point", WHOLE, 0, INT64_MAX, NULL, "`result.points`: the task's"},
    {FIELD_POINT, "status", WORD, 0, 0, "success failed timeout oom cancelled skipped", "`result.points`"},
    {FIELD_POINT, "exit_code", WHOLE_OR_NULL, 0, 255, NULL, "`result.points`: by the status"},
    {FIELD_POINT, "signal", WHOLE_OR_NULL, 1, 64, NULL, "`result.points`: by the exit code"},
    {FIELD_POINT, "ended_by", WORD, 0, 0, ENDS, "`result.points`: by status and exit code"},
    {FIELD_POINT, "duration_ms", WHOLE, 0, INT64_MAX, NULL, "`result.points`: together no longer than the run"},
    {FIELD_POINT, "cpu_ms", WHOLE, 0, INT64_MAX, NULL, "`result.points`: together no more than the run"},
    {FIELD_POINT, "reason", OUTPUT, 0, 0, NULL, "-: no rule: words for people"},
    {FIELD_POINT, "stdout", OUTPUT, 0, 0, NULL, "`result.points`: its own bytes and hash"},
    {FIELD_POINT, "stdout_bytes", WHOLE, 1, INT64_MAX, NULL, "`result.points`"},
    {FIELD_POINT, "stdout_truncated", YESNO, 0, 0, NULL, "`result.points`"},
    {FIELD_POINT, "stdout_sha256", HEX64, 0, 0, NULL, "`result.points`, `vote.quorum`"},
    {FIELD_POINT, "stderr", OUTPUT, 0, 0, NULL, "`result.points`: as stdout"},
    {FIELD_POINT, "stderr_bytes", WHOLE, 1, INT64_MAX, NULL, "`result.points`"},
    {FIELD_POINT, "stderr_truncated", YESNO, 0, 0, NULL, "`result.points`"},
    {FIELD_POINT, "stderr_sha256", HEX64, 0, 0, NULL, "`result.points`, `vote.quorum`"},

    {FIELD_LIMITS, "cpus", NUMBER, 0, 0, NULL, "`result.task`: no more than the task asks and the settings give"},
    {FIELD_LIMITS, "memory_mb", WHOLE, 1, INT64_MAX, NULL, "`result.task`: likewise"},
    {FIELD_LIMITS, "pids", WHOLE, 1, INT64_MAX, NULL, "`result.task`: likewise"},
    {FIELD_LIMITS, "tmp_mb", WHOLE, 1, INT64_MAX, NULL, "`result.task`: no more than the settings give"},
    {FIELD_LIMITS, "output_limit_bytes", WHOLE, 1, INT64_MAX, NULL, "`result.task`: likewise"},
    {FIELD_LIMITS, "out_mb", WHOLE, 0, INT64_MAX, NULL,
     "`result.task`: no more than the task asks and the settings give"},
    {FIELD_LIMITS, "cpu_seconds", WHOLE, 1, INT64_MAX, NULL, "`result.task`: the task's"},
    {FIELD_LIMITS, "enforced", YESNO, 0, 0, NULL,
     "`claim.limits`: where the settings require them; what its machine enforces, only the node knows"},

    {FIELD_USAGE, "cpu_user_ms", WHOLE, 0, INT64_MAX / 4, NULL,
     "`result.parts`: no more than its processors give in that time, where that was enforced; else only the node "
     "knows"},
    {FIELD_USAGE, "cpu_system_ms", WHOLE, 0, INT64_MAX / 4, NULL, "`result.parts`: likewise"},
    {FIELD_USAGE, "peak_memory_kb", WHOLE, 0, INT64_MAX / 1024, NULL, OWN},
    {FIELD_USAGE, "read_bytes", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_USAGE, "written_bytes", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_USAGE, "by", WORD, 0, 0, "cgroup samples wait4", OWN},

    {FIELD_OUT, "tree", TEXT, 0, 0, NULL, "`out.form`, `out.false`, `vote.commitment`"},
    {FIELD_OUT, "files", WHOLE, 1, INT64_MAX, NULL, "`out.form`"},
    {FIELD_OUT, "bytes", WHOLE, 0, INT64_MAX, NULL, "`out.form`"},
    {FIELD_OUT, "left_out", WHOLE, 1, INT64_MAX, NULL, "`out.form`: a number, which only the node knows"},
    {FIELD_OUT, "ref", TEXT, 0, 0, NULL, "`out.form`"},
    {FIELD_OUT, "stored", OBJECT, 0, 0, NULL, "`out.form`"},

    {FIELD_STORED, "files", WHOLE, 1, INT64_MAX, NULL,
     "`out.form`: no more than there are; what the store has, its pointers' SHA-256 shows to who gets it"},
    {FIELD_STORED, "bytes", WHOLE, 1, INT64_MAX, NULL,
     "`out.form`: within the `out_mb` that the run was given; `dgrid get` holds it against the pointers"},
    {FIELD_STORED, "over_mb", WHOLE, 1, INT64_MAX, NULL, "`out.form`: a `large_file_mb` that the settings had"},

    {FIELD_QUORUM, "replicas", WHOLE, 1, 9, NULL, "`vote.quorum`"},
    {FIELD_QUORUM, "quorum", WHOLE, 1, 9, NULL, "`vote.quorum`"},
    {FIELD_QUORUM, "agreed", IDS, 0, 0, NULL, "`vote.quorum`"},
    {FIELD_QUORUM, "outliers", IDS, 0, 0, NULL, "`vote.quorum`"},
    {FIELD_QUORUM, "status", TEXT, 0, 0, NULL, "`vote.quorum`, `result.parts`"},

    {FIELD_APPROVED, "commit", TEXT, 0, 0, NULL, "`promote.merged`"},
    {FIELD_APPROVED, "author", OUTPUT, 0, 0, NULL, "`promote.merged`"},
    {FIELD_APPROVED, "committer", OUTPUT, 0, 0, NULL, "`promote.merged`"},
    {FIELD_APPROVED, "at", TIME, 0, 0, NULL, "`promote.merged`: that commit's time"},

    {FIELD_CANCEL, "by", OUTPUT, 0, 0, NULL, "`cancel.note`"},
    {FIELD_CANCEL, "requested_at", TIME, 0, 0, NULL, "`cancel.note`: the commit's time"},

    {FIELD_SCHEDULE, "name", ID, 0, 0, NULL, "`schedule.fire`"},
    {FIELD_SCHEDULE, "at", TIME, 0, 0, NULL, "`schedule.fire`: an instant of its cron, or the commit's time"},

    {FIELD_PERIODIC, "last", TIME, 0, 0, NULL, "`schedule.fire`"},

    {FIELD_INVALID, "task_id", ID, 0, 0, NULL, "`file.json`"},
    {FIELD_INVALID, "result", OBJECT, 0, 0, NULL, "`place.move`: it was no valid task"},
    {FIELD_INVALID, "x-original", OUTPUT, 0, 0, NULL, "`task.fields`: what stood there"},
    {FIELD_INVALID, "x-original-bytes", WHOLE, 0, INT64_MAX, NULL, "`task.fields`"},
    {FIELD_INVALID, "approved_by", OBJECT, 0, 0, NULL, "`promote.merged`"},

    {FIELD_NODE, "schema", WHOLE, 1, 1, NULL, "`doc.fields`"},
    {FIELD_NODE, "node_id", ID, 0, 0, NULL, "`file.json`, `node.file`"},
    {FIELD_NODE, "instance", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "status", WORD, 0, 0, "active draining paused left", "`orphan.evidence` (`left`)"},
    {FIELD_NODE, "trouble", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "last_heartbeat", TIME, 0, 0, NULL, "`node.file`: about the commit's time; `orphan.evidence`"},
    {FIELD_NODE, "next_due", TIME, 0, 0, NULL, "`orphan.evidence`: believed for an hour"},
    {FIELD_NODE, "slots", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "busy", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "waiting", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "builds", OBJECT, 0, 0, NULL, OWN},
    {FIELD_NODE, "waiting_tasks", IDS, 0, 0, NULL, OWN},
    {FIELD_NODE, "cluster_room", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "turn_ms", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "spoke_ms", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "pushes", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "rejected", WHOLE, 0, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "turns", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "started_at", TIME, 0, 0, NULL, OWN},
    {FIELD_NODE, "offer", OBJECT, 0, 0, NULL, "`node.room`: no claim goes beyond it"},
    {FIELD_NODE, "images", OBJECT, 0, 0, NULL, OWN},
    {FIELD_NODE, "labels", STRINGS, 0, 0, NULL, "`claim.task`: whoever claims carries the task's"},
    {FIELD_NODE, "store", YESNO, 0, 0, NULL, "`node.room`: without one no task is claimed whose files are in a store"},
    {FIELD_NODE, "networks", STRINGS, 0, 0, NULL, "`network.allowed`: whoever claims offers the task's"},
    {FIELD_NODE, "secrets", STRINGS, 0, 0, NULL, OWN},
    {FIELD_NODE, "engine", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "engine_version", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "limits_enforced", YESNO, 0, 0, NULL,
     "`claim.limits`: who says false claims nothing where the settings require limits; true is the node's word on "
     "itself"},
    {FIELD_NODE, "cpu_count", WHOLE, -1, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "memory_mb", WHOLE, -1, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "disk_gb", WHOLE, -1, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "os", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "os_release", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "arch", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "dgrid_version", TEXT, 0, 0, NULL, OWN},
    {FIELD_NODE, "task_level", WHOLE, 1, INT64_MAX, NULL, OWN},
    {FIELD_NODE, "tasks_completed", WHOLE, 0, INT64_MAX, NULL, OWN "; the history has the true count"},
    {FIELD_NODE, "tasks_failed", WHOLE, 0, INT64_MAX, NULL, OWN "; the history has the true count"},
    {FIELD_NODE, "tasks_voted", WHOLE, 0, INT64_MAX, NULL, OWN "; the history has the true count"},
    {FIELD_NODE, "tasks_late", WHOLE, 0, INT64_MAX, NULL, OWN},

    {FIELD_DRAIN, "schema", WHOLE, 1, 1, "1", "-: no rule: a constant"},
    {FIELD_DRAIN, "by", TEXT, 0, 0, NULL, "`order.by`"},
    {FIELD_DRAIN, "at", TIME, 0, 0, NULL, "`order.by`: the commit's time"},
    {FIELD_DRAIN, "reason", TEXT, 0, 0, NULL, "-: no rule: a person's own words"},
    {FIELD_DRAIN, "release", YESNO, 0, 0, NULL, "-: no rule: what a node gives back it may give back anyway"},

    {FIELD_RETIRED, "schema", WHOLE, 1, 1, "1", "-: no rule: a constant"},
    {FIELD_RETIRED, "by", TEXT, 0, 0, NULL, "`order.by`, `node.retired`"},
    {FIELD_RETIRED, "at", TIME, 0, 0, NULL, "`order.by`: the commit's time, `node.retired`"},
    {FIELD_RETIRED, "reason", TEXT, 0, 0, NULL, "`node.retired`; a person's own words"},
    {FIELD_RETIRED, "keys", STRINGS, 0, 0, NULL, "`node.retired`"},

    {FIELD_PAUSED, "schema", WHOLE, 1, 1, "1", "-: no rule: a constant"},
    {FIELD_PAUSED, "pauses", ANY, 0, 0, "array of pauses", "`claim.paused`"},
    {FIELD_PAUSE, "by", TEXT, 0, 0, NULL, "`order.by`"},
    {FIELD_PAUSE, "at", TIME, 0, 0, NULL, "`order.by`: the commit's time"},
    {FIELD_PAUSE, "reason", TEXT, 0, 0, NULL, "-: no rule: a person's own words"},
    {FIELD_PAUSE, "group", ID, 0, 0, NULL, "`claim.paused`"},
    {FIELD_PAUSE, "label", ID, 0, 0, NULL, "`claim.paused`"},

    {FIELD_OFFER, "cpus", NUMBER, 0, 0, NULL, "`node.room`"},
    {FIELD_OFFER, "max_cpus", NUMBER, 0, 0, NULL, "`node.room`: of one task"},
    {FIELD_OFFER, "memory_mb", WHOLE, 0, INT64_MAX, NULL, "`node.room`"},
    {FIELD_OFFER, "max_memory_mb", WHOLE, 0, INT64_MAX, NULL, "`node.room`: of one task"},
    {FIELD_OFFER, "disk_mb", WHOLE, 0, INT64_MAX, NULL, "`node.room`"},
    {FIELD_OFFER, "resources", OBJECT, 0, 0, NULL, "`node.room`"},

    {FIELD_TOTALS, "schema", ANY, 0, 0, "1", "`archive.totals`"},
    {FIELD_TOTALS, "tasks", ANY, 0, 0, "whole number", "`archive.totals`"},
    {FIELD_TOTALS, "completed", ANY, 0, 0, "whole number", "`archive.totals`"},
    {FIELD_TOTALS, "failed", ANY, 0, 0, "whole number", "`archive.totals`"},
    {FIELD_TOTALS, "retried_completed", ANY, 0, 0, "whole number", "`archive.totals`"},
    {FIELD_TOTALS, "retried_failed", ANY, 0, 0, "whole number", "`archive.totals`"},
    {FIELD_TOTALS, "outliers", ANY, 0, 0, "object of whole numbers", "`archive.totals`"},
    {FIELD_TOTALS, "days", ANY, 0, 0, "object of objects", "`archive.totals`"},
};
#define N_ROWS (sizeof rows / sizeof *rows)

const char *field_doc_name(enum field_doc d)
{
	static const char *const names[FIELD_N] = {[FIELD_TASK] = "task",
						   [FIELD_STEP] = "task",
						   [FIELD_CLAIM] = "claim",
						   [FIELD_ATTEMPT] = "attempts[]",
						   [FIELD_EVIDENCE] = "evidence",
						   [FIELD_RESULT] = "result",
						   [FIELD_LIMITS] = "limits",
						   [FIELD_USAGE] = "usage",
						   [FIELD_QUORUM] = "quorum",
						   [FIELD_BECAUSE] = "because",
						   [FIELD_APPROVED] = "approved_by",
						   [FIELD_POINT] = "points[]",
						   [FIELD_OUT] = "out",
						   [FIELD_STORED] = "stored",
						   [FIELD_CANCEL] = "cancel",
						   [FIELD_SCHEDULE] = "schedule",
						   [FIELD_PERIODIC] = "schedules/NAME",
						   [FIELD_INVALID] = "invalid",
						   [FIELD_NODE] = "node",
						   [FIELD_DRAIN] = "nodes/drain/NODE",
						   [FIELD_RETIRED] = "nodes/retired/NODE",
						   [FIELD_PAUSED] = "paused",
						   [FIELD_PAUSE] = "pauses[]",
						   [FIELD_OFFER] = "offer",
						   [FIELD_TOTALS] = "archive"};
	return names[d];
}

static const char *form_of(size_t i)
{
	static const char *const words[] = {[ANY] = "as submitted",
					    [TEXT] = "text, at most 4096 bytes",
					    [OUTPUT] = "text",
					    [ID] = "id",
					    [IDS] = "array of ids",
					    [STRINGS] = "array of texts",
					    [TIME] = "time (RFC 3339)",
					    [WHOLE] = "whole number",
					    [WHOLE_OR_NULL] = "whole number or null",
					    [NUMBER] = "number",
					    [YESNO] = "true or false",
					    [HEX32] = "32 hex digits",
					    [HEX64] = "64 hex digits",
					    [DIGEST] = "`sha256:` and 64 hex digits, or empty",
					    [OBJECT] = "object"};
	return rows[i].words ? rows[i].words : words[rows[i].form];
}

bool field_at(size_t i, struct field_row *out)
{
	if (i >= N_ROWS)
		return false;
	*out = (struct field_row){rows[i].doc, rows[i].name, form_of(i), rows[i].held};
	return true;
}

/* ---- forms ---- */

static bool clean(const struct json *v)
{
	return v->type == JSON_STRING && strlen(v->text) == v->len;
}

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static bool is_word(const char *text, const char *words)
{
	size_t n = strlen(text);
	for (const char *at = n ? strstr(words, text) : NULL; at; at = strstr(at + 1, text))
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

static bool all_are(const struct json *v, bool ids)
{
	if (v->type != JSON_ARRAY)
		return false;
	for (const struct json *x = v->child; x; x = x->next)
		if (!clean(x) || x->len > TEXT_MAX || (ids && !task_id_valid(x->text)))
			return false;
	return true;
}

static bool whole(const struct json *v, int64_t min, int64_t max)
{
	int64_t n;
	return !json_to_int(v, &n) && n >= min && n <= max && v->len < 21;
}

static bool fits(size_t row, const struct json *v)
{
	int64_t t;
	switch (rows[row].form) {
	case ANY:
		return true;
	case TEXT:
		return clean(v) && v->len <= TEXT_MAX;
	case OUTPUT:
		return v->type == JSON_STRING;
	case WORD:
		return clean(v) && is_word(v->text, rows[row].words);
	case ID:
		return clean(v) && task_id_valid(v->text);
	case IDS:
	case STRINGS:
		return all_are(v, rows[row].form == IDS);
	case TIME:
		return clean(v) && v->len < 40 && !clock_parse(v->text, &t);
	case WHOLE_OR_NULL:
		return v->type == JSON_NULL || whole(v, rows[row].min, rows[row].max);
	case WHOLE:
		return whole(v, rows[row].min, rows[row].max);
	case NUMBER:
		return v->type == JSON_NUMBER && v->text[0] != '-' && v->len < 32;
	case YESNO:
		return v->type == JSON_BOOL;
	case HEX32:
		return clean(v) && is_hex(v->text, 32);
	case HEX64:
		return clean(v) && is_hex(v->text, 64);
	case DIGEST:
		return clean(v) && (!v->len || is_hex(strncmp(v->text, "sha256:", 7) ? v->text : v->text + 7, 64));
	case OBJECT:
		break;
	}
	return v->type == JSON_OBJECT;
}

/* Looks from *at on, and from the first again. */
static bool row_of(size_t first, size_t end, const struct json *v, size_t *at)
{
	if (strlen(v->name) != v->name_len)
		return false;
	for (size_t i = 0; i < end - first; i++, ++*at) {
		if (*at >= end)
			*at = first;
		if (rows[*at].name[0] == v->name[0] && !strcmp(rows[*at].name, v->name))
			return true;
	}
	return false;
}

bool field_wrong(enum field_doc d, const struct json *doc, char what[160])
{
	size_t first = 0, end;
	while (first < N_ROWS && rows[first].doc != d)
		first++;
	for (end = first; end < N_ROWS && rows[end].doc == d;)
		end++;
	size_t at = first; /* mostly they stand in the table's order */
	for (const struct json *v = doc && doc->type == JSON_OBJECT ? doc->child : NULL; v; v = v->next) {
		bool known = row_of(first, end, v, &at);
		if (known && fits(at++, v))
			continue;
		snprintf(what, 160,
			 known ? "%s.%.64s is not as dgrid writes it (expected %s)"
			       : "%s.%.64s is no member that dgrid writes",
			 field_doc_name(d), v->name, known ? form_of(at - 1) : "");
		return true;
	}
	return false;
}
