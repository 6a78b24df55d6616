/* task: the schema of a task file, and the edits that dgrid makes to one. A task file is a JSON tree that is kept
 * whole, so that what dgrid does not own (metadata, x-...) is written back untouched; struct task is the view that was
 * checked. */
#ifndef TASK_H
#define TASK_H
#include "schema/config.h"

#define TASK_FILE_MAX (1 << 20) /* bytes of a task file */
#define TASK_SCRIPT_MAX 65536
#define TASK_SIGNATURES_MAX 8
#define TASK_SIGNATURE_MAX 4096 /* bytes */
#define TASK_MAX_ATTEMPTS 3	/* when the task does not say */

enum task_state { TASK_UNAPPROVED, TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED, TASK_N_STATES };
const char *task_state_name(enum task_state s); /* the folder under tasks/ */
bool task_id_valid(const char *id);		/* 1-64 of A-Za-z0-9_- */

/* The schema as docs/TASK_FORMAT.md tells it, in its order. */
struct task_field {
	const char *name, *type, *rule;
	const char *dflt; /* NULL: a field that only dgrid writes; then type is where it stands */
	bool required;
};
const struct task_field *task_field_at(size_t i); /* NULL after the last */

struct task {
	struct json *doc; /* owned; everything below is borrowed from it */
	const char *id, *script, *image;
	int64_t timeout_seconds, priority, max_attempts, memory_mb, pids;
	double cpus;
	bool retry_on_failure;
	int64_t replicas, quorum; /* as the task has them; 0: it does not say */
	int64_t not_before;	  /* UTC seconds; 0: at once */
};
/* Parses and checks; file_id is the name the file has without .json (NULL: any). submitted: also refuse the fields only
 * dgrid writes (claim, attempts, result, approved_by, ...). All that is wrong goes to p; returns 0 when nothing was.
 * On success task_clear frees; on failure t holds nothing. */
int task_parse(struct task *t, const char *text, size_t len, const char *file_id, const struct grid_config *c,
	       bool submitted, struct problems *p);
void task_clear(struct task *t);
bool task_runs_on(const struct task *t, char *const *labels, size_t n_labels); /* the node carries all its labels */

/* Is `signatures` an array of objects with `signature` (armored) and at most `key`? NULL: yes; else what is wrong, with
 * the value that is in *at. */
const char *task_signatures_wrong(const struct json *signatures, const struct json **at);
size_t task_signatures(const struct json *doc); /* how many there are */
bool task_armored(const char *text);		/* looks like an SSH signature */

/* Nonce of the claim in doc, or NULL. */
const char *task_claim_nonce(const struct json *doc);
int64_t task_attempts_used(const struct json *doc); /* attempts that count towards max_attempts: no votes */
void task_set_claim(struct json *doc, const char *node, const char *nonce, int64_t lease_seconds);
void task_set_signer(struct json *doc, const char *signer); /* into the claim: whose signature was good */
void task_renew_claim(struct json *doc, int64_t lease_seconds);
int64_t task_lease_until(const struct json *doc); /* UTC seconds; 0: no claim with a lease */
/* Ends the claim: takes it out of doc and adds it to attempts with how it ended (result status, "released", "lost").
 * result (may be NULL): exit code, signal, duration and the end of stderr go into the attempt's story. */
void task_end_claim(struct json *doc, const char *outcome, const char *reason, const struct json *result);
/* Sets the result of a task that ends without a run of its own (lost, cancelled); ends its claim, if any. */
void task_set_verdict(struct json *doc, const char *status, const char *reason);
/* Notes in the story that somebody queues the task again: its attempts and votes count from there. Takes the result
 * out; its outliers stay in the note. */
void task_retried(struct json *doc, const char *by);
/* How often the task had completed, and failed, before it was queued again by hand. */
void task_retried_ends(const struct json *doc, int64_t *completed, int64_t *failed);
void task_set_not_before(struct json *doc, int64_t utc_seconds);
int64_t task_not_before(const struct json *doc); /* 0: none */
int64_t task_max_attempts(const struct json *doc);
/* What stands in failed/ for a file that is not a valid task: the reasons and (head of) the original text. */
struct json *task_invalid_doc(const char *id, const char *reasons, const char *text, size_t len, const char *node);
char *task_text(const struct json *doc); /* as written in the ledger; the caller's */
#endif
