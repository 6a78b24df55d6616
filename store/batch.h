/* batch: tasks that come to the grid together. What any of them waits for (schema/need.h) is on the branch or comes
 * with it, and none waits for itself by way of others; so nothing in the queue waits for what will never be.
 *   struct batch b = {.state_of = batch_ledger_state, .ctx = &ledger};
 *   batch_add(&b, id, file, doc) ... -> batch_judge(&b, staged, &problems, &e)
 *   -> changes with .create and, where batch_waits, .edit = batch_edit and .ctx = &b -> batch_clear
 */
#ifndef BATCH_H
#define BATCH_H
#include "ledger.h"
#include "schema/need.h"

struct batch {
	/* The enum task_state of a task of the grid, or LEDGER_NOWHERE, or LEDGER_UNKNOWN with e filled. */
	int (*state_of)(void *ctx, const char *id, struct err *e);
	void *ctx;
	struct batch_task *v;
	size_t n;
	struct need_task *index; /* of v, by id */
	char head[72];		 /* at which batch_edit looked last */
	char gone[65];		 /* what is waited for, and is not there; "": nothing */
};
/* file: of its messages, may be NULL; doc: as it was read, with its lines; all are copied. */
void batch_add(struct batch *b, const char *id, const char *file, const struct json *doc);
bool batch_waits(const struct batch *b); /* for anything, any of them */
/* Everything that is wrong goes to p. staged: they go to unapproved/, and may wait for what is staged there. */
int batch_judge(struct batch *b, bool staged, struct problems *p, struct err *e);
int batch_ledger_state(void *ledger, const char *id, struct err *e);
/* May they be created, at the head that the ledger's work tree shows? All or none. */
enum change_verdict batch_edit(void *batch, struct json *none, enum task_state *to);
void batch_clear(struct batch *b);
#endif
