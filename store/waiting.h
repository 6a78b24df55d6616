/* waiting: queued tasks that wait for others (schema/need.h), and those that never run because one that they need did
 * not succeed. Waiting costs no commit: a task waits in tasks/queue/ like any other.
 *   ended_read(&l, &ended, &e) -> waiting_judge(&ended, v, n, &skips) -> ledger_commit of waiting_edit_skip
 *   waiting_met in the edit of a claim: at the very head that it lands on
 */
#ifndef WAITING_H
#define WAITING_H
#include "ledger.h"
#include "schema/need.h"

struct ended_ids {		       /* starts as {0} */
	struct strs completed, failed; /* sorted */
};
int ended_read(struct ledger *l, struct ended_ids *out, struct err *e);
void ended_clear(struct ended_ids *x);

enum waiting { WAITING_NOT, WAITING_FOR, WAITING_NEVER };
struct waiting_task {
	const char *id;		   /* borrowed, as needs is */
	const struct needs *needs; /* of tasks in the queue */
	enum waiting state;	   /* as it was found */
};
/* Sets the state of each; v is sorted by id. skips gets those that never run, each after those it needs. */
void waiting_judge(const struct ended_ids *ended, struct waiting_task *v, size_t n, struct strs *skips);
/* The edit that ends one of them as skipped, from queue to failed; ctx is the ledger. Several go into one commit, in
 * the order of waiting_judge. */
enum change_verdict waiting_edit_skip(void *ledger, struct json *doc, enum task_state *to);
#define WAITING_SKIP(l, of)                                                                                            \
	(struct ledger_change)                                                                                         \
	{                                                                                                              \
		.id = (of), .from = TASK_QUEUE, .to = TASK_FAILED, .edit = waiting_edit_skip, .ctx = (l),              \
		.verb = "skip"                                                                                         \
	}
/* The edit that ends a queued one whose deadline has passed as expired; ctx is not looked at. */
enum change_verdict waiting_edit_expire(void *ctx, struct json *doc, enum task_state *to);
/* The same of all there are, for grids in which no worker does; dry: of none. ids: which they were. */
int waiting_expire_all(struct ledger *l, const char *who, bool dry, struct strs *ids, struct err *e);
/* All there are, in one commit; dry: none. ids: which they were. */
int waiting_skip_all(struct ledger *l, const char *who, bool dry, struct strs *ids, struct err *e);
/* Adds to ids the queued tasks that wait for any of them; and those that wait for these, and so on. */
int waiting_behind(struct ledger *l, struct strs *ids, struct err *e);
/* The same of those that were skipped, as far as what they need may succeed once ids are queued again. */
int waiting_skipped(struct ledger *l, struct strs *ids, struct err *e);
/* What keeps the document from ever running when it is queued again, beside ids. "": nothing. gone: it waits for this,
 * which is no longer on the branch; failed: it needs this, which has failed, or what that was skipped because of. */
struct waiting_obstacle {
	char gone[65], failed[65];
};
int waiting_obstacle(struct ledger *l, const struct json *doc, const struct strs *ids, struct waiting_obstacle *out,
		     struct err *e);
/* For an edit that queues a skipped task again: has all that the document waits for a place on the branch, or in the
 * commit that is being made, and what it needs one outside failed/? */
bool waiting_may_again(struct ledger *l, const struct json *doc);
/* What tasks that have not ended wait for, sorted: none of that is archived. */
int waiting_named(struct ledger *l, struct strs *ids, struct err *e);
bool waiting_among(const struct strs *ids, const char *id); /* ids are sorted */
/* Has all ended that the document waits for, as the work tree shows it? after: how those did that may end in any way,
 * {"id": "status"}; NULL where there are none; the caller's. */
bool waiting_met(struct ledger *l, const struct json *doc, struct json **after);
/* What tasks left that the document is given (schema/input.h), by their results in the work tree: for claim.inputs.
 * NULL: it is given none. The caller's. */
struct json *waiting_inputs(struct ledger *l, const struct json *doc);
/* Is it given all that it asks for of others? Else -1 with the first of which there is nothing, and why. */
int waiting_given(struct ledger *l, const struct json *doc, const struct json *pinned, struct err *e);
#endif
