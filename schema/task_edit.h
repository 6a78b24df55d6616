/* task_edit: what dgrid itself writes into the document of a task, and reads there again: its claim, the attempts there
 * were, how it ended. Whether the rest of the document is valid is task.h's question. */
#ifndef TASK_EDIT_H
#define TASK_EDIT_H
#include "json.h"

#define TASK_MAX_ATTEMPTS 3 /* when the task does not say */

bool task_id_valid(const char *id); /* 1-64 of A-Za-z0-9_- */
/* Nonce of the claim in doc, or NULL. */
const char *task_claim_nonce(const struct json *doc);
int64_t task_attempts_used(const struct json *doc); /* attempts that count towards max_attempts: no votes */
#define TASK_AHEAD_SECONDS 600 /* so much longer may the lease of a claim be that waits for a slot in its node */
void task_set_claim(struct json *doc, const char *node, const char *nonce, int64_t lease_seconds);
void task_renew_claim(struct json *doc, int64_t lease_seconds);
int64_t task_lease_until(const struct json *doc); /* UTC seconds; 0: no claim with a lease */
/* Ends the claim: takes it out of doc and adds it to attempts with how it ended (result status, "released", "lost").
 * result (may be NULL): exit code, signal, duration and the end of stderr go into the attempt's story. */
void task_end_claim(struct json *doc, const char *outcome, const char *reason, const struct json *result);
/* Sets the result of a task that ends without a run of its own (lost, cancelled); ends its claim, if any. */
void task_set_verdict(struct json *doc, const char *status, const char *reason);
/* Adds to the result of one that ends as skipped which task that is because of, and how that ended. */
void task_set_because(struct json *doc, const char *id, const char *status);
/* Into the claim: a member of it, such as how those ended that it comes after. value becomes its. */
void task_claim_add(struct json *doc, const char *name, struct json *value);
/* Notes in the story that somebody queues the task again: its attempts and votes count from there. Takes the result
 * out; its outliers stay in the note. */
void task_retried(struct json *doc, const char *by);
/* How often the task had completed, and failed, before it was queued again by hand. */
void task_retried_ends(const struct json *doc, int64_t *completed, int64_t *failed);
/* Notes in the last entry of attempts, which has just ended the claim, that the node's engine was the reason. */
void task_fault_engine(struct json *doc);
/* How often, since it was queued by hand, a claim was given back for that reason without costing an attempt. */
int64_t task_engine_faults(const struct json *doc);
/* Whose last attempt failed on the node is left to others for so long: until then (UTC seconds); 0: it did not. */
int64_t task_left_until(const struct json *doc, const char *node);
#define TASK_LEFT_SECONDS 60
void task_set_not_before(struct json *doc, int64_t utc_seconds);
int64_t task_not_before(const struct json *doc); /* 0: none */
/* Before that it is not claimed: not_before or start_after, the later; 0: at once. */
int64_t task_ready_at(const struct json *doc);
/* Still queued then, it ends as expired; 0: never, also once somebody has queued it again by hand. */
int64_t task_deadline(const struct json *doc);
bool task_expire(struct json *doc, int64_t now); /* ends a queued one whose deadline has passed; false: it has not */
void task_note_cancel(struct json *doc, const char *who);
int64_t task_max_attempts(const struct json *doc);
/* What stands in failed/ for a file that is not a valid task: the reasons and (head of) the original text. */
struct json *task_invalid_doc(const char *id, const char *reasons, const char *text, size_t len, const char *node);
char *task_text(const struct json *doc); /* as written in the ledger; the caller's */
#endif
