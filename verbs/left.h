/* left: what a task left in /out, found by the task's id; and the repository of this reader's own that files of the
 * grid pass through.
 */
#ifndef LEFT_H
#define LEFT_H
#include "store/bring.h"
#include "verbs/commands.h"

struct left {			/* starts as {0} */
	struct json *doc;	/* NULL: it is another's */
	const struct json *out; /* of its result */
	const char *tree, *ref;
};
/* What the ledger says of it, at a revision or date (NULL: now). ERR_NOENT: it left none, or they were not kept;
 * ERR_RETRY: it has not ended. left_clear also after an error. */
int left_find(const struct context *ctx, const char *at, const char *id, struct left *l, struct err *e);
/* The same of a task that was found; its document stays where it is, as long as l is used. */
int left_of(const struct json *doc, const char *id, const char *state, struct left *l, struct err *e);
void left_clear(struct left *l);
/* Of a remote a copy in the cache; of a folder it is the view that is read, and whose objects are borrowed. */
int left_store(const struct context *ctx, bool sha256, struct filestore *store, struct err *e);
/* Closes it; one that has grown large is made smaller. */
void left_close(struct filestore *store);
#endif
