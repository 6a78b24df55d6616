/* task: the schema of a task file, and the edits that dgrid makes to one. A task file is a JSON tree that is kept
 * whole, so that what dgrid does not own (metadata, x-...) is written back untouched; struct task is the view that was
 * checked. */
#ifndef TASK_H
#define TASK_H
#include "config.h"

#define TASK_FILE_MAX (1 << 20) /* bytes of a task file */
#define TASK_SCRIPT_MAX 65536

enum task_state { TASK_UNAPPROVED, TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED, TASK_N_STATES };
const char *task_state_name(enum task_state s); /* the folder under tasks/ */
bool task_id_valid(const char *id);		/* 1-64 of A-Za-z0-9_- */

struct task {
	struct json *doc; /* owned; everything below is borrowed from it */
	const char *id, *script, *image;
	int64_t timeout_seconds, priority, max_attempts, memory_mb, pids;
	double cpus;
};
/* Parses and checks; file_id is the name the file has without .json (NULL: any). submitted: also refuse the fields only
 * dgrid writes (claim, attempts, result, cancel). All that is wrong goes to p; returns 0 when nothing was.
 * On success task_clear frees; on failure t holds nothing. */
int task_parse(struct task *t, const char *text, size_t len, const char *file_id, const struct grid_config *c,
	       bool submitted, struct problems *p);
void task_clear(struct task *t);
bool task_runs_on(const struct task *t, char *const *labels, size_t n_labels); /* the node carries all its labels */

/* Nonce of the claim in doc, or NULL. */
const char *task_claim_nonce(const struct json *doc);
int64_t task_attempts_used(const struct json *doc); /* attempts that count towards max_attempts */
void task_set_claim(struct json *doc, const char *node, const char *nonce, int64_t lease_seconds);
/* Ends the claim: takes it out of doc and adds it to attempts with how it ended (result status, "released", "lost"). */
void task_end_claim(struct json *doc, const char *outcome, const char *reason);
/* What stands in failed/ for a file that is not a valid task: the reasons and (head of) the original text. */
struct json *task_invalid_doc(const char *id, const char *reasons, const char *text, size_t len, const char *node);
char *task_text(const struct json *doc); /* as written in the ledger; the caller's */
#endif
