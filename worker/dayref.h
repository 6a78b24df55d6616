/* dayref: the ref that a node's files of today go to, refs/dgrid/out/DAY/NODE/N: which N is ours, and what it has
 * there. dayref_take before each use -> dayref_ask, dayref_told when in doubt, or when the ref has what we did not
 * bring
 */
#ifndef DAYREF_H
#define DAYREF_H
#include "store/filestore.h"
#include "store/places.h"
#include <stdbool.h>

struct dayref { /* starts as {.store, .node}, borrowed */
	const struct filestore *store;
	const char *node;
	struct place_out place;
	char tip[72]; /* what the remote's ref had when we pushed last; "": nothing */
	bool doubt;   /* whether it still has that: another repository may stand there now. See dayref_ask */
	bool cut;     /* the tip's parents are not here: git cannot tell from elsewhere that a commit follows it */
};
/* Today's. look: what an earlier process pushed there is looked up; it takes git, and is in doubt. */
void dayref_take(struct dayref *r, bool look);
char *dayref_own(const struct dayref *r); /* the store's ref that has the tip; the caller's */
/* Asks the remote what its refs of the day have; on_end hands the answer to dayref_told. NULL: git could not be
 * started. */
struct proc *dayref_ask(const struct dayref *r, void *ctx, void (*on_end)(void *ctx, const struct proc_result *res),
			struct err *e);
/* Where the ref has the tip, it goes on from there (unless taken: it has what we did not bring); else the first number
 * that is free is ours. -1: the remote did not answer; nothing is changed. */
int dayref_told(struct dayref *r, const struct proc_result *res, bool taken);
#endif
