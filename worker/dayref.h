/* dayref: the ref that a node's files of today go to, refs/dgrid/out/DAY/NODE/N: which N is ours, and what it has
 * there. dayref_take before each use -> dayref_go_on when the remote's ref has what we did not bring
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
	bool cut;     /* its parents are not here: git cannot tell from elsewhere that a commit follows it */
};
/* Today's. look: what an earlier process pushed there is looked up; it takes git. */
void dayref_take(struct dayref *r, bool look);
char *dayref_own(const struct dayref *r); /* the store's ref that has the tip; the caller's */
/* Asks the remote which numbers are taken; on_end hands the answer to dayref_went_on, which takes the first that is
 * free. NULL: git could not be started. */
struct proc *dayref_go_on(struct dayref *r, void *ctx, void (*on_end)(void *ctx, const struct proc_result *res),
			  struct err *e);
void dayref_went_on(struct dayref *r, const struct proc_result *res);
#endif
