/* builds: images that this node builds itself, from trees that the grid's settings name, where its owner allows that
 * (worker --allow-build). One at a time, and nothing is claimed meanwhile: a build starts when nothing runs here, and
 * for one that a queued task has wanted for a minute no more is claimed until then. Where the grid takes signed tasks
 * only, an order has to be signed too. builds_init -> builds_step, over and over -> builds_clear
 */
#ifndef BUILDS_H
#define BUILDS_H
#include "ledger.h"
#include "worker/inputs.h"
#include "worker/selfcheck.h"

struct builds {		     /* starts as {0}; all but the last rows are the caller's, borrowed */
	bool allowed;	     /* by its owner */
	const char *network; /* of a build's commands; NULL: they have none */
	const struct grid_config *config;
	struct engine *engine;
	struct ledger *ledger;
	struct inputs *inputs;
	struct selfcheck *fit;
	struct build_try *tried; /* one a tree */
	size_t n_tried;
	struct build *now; /* NULL: none is being built */
	bool due;	   /* one waits until this node is idle */
	int64_t wanted_at; /* since when a queued task wants one, monotonic ms; 0: none does */
};
void builds_wanted(struct builds *b); /* a queued task would run here with an image that is to be built */
/* Goes on with a build; begins one where it is due and idle, the node holds no tasks and is fit. True: there is news
 * for others. Waits for the engine, serving the event loop. */
bool builds_step(struct builds *b, bool idle);
bool builds_hold(const struct builds *b); /* nothing is to be claimed now */
bool builds_busy(const struct builds *b); /* one is being built, or is due */
/* For the node's file: {IMAGE: {"build", "state", ...}}; NULL: its owner or its engine allows
 * none. The caller's. */
struct json *builds_doc(const struct builds *b);
void builds_clear(struct builds *b); /* ends what is being built */
#endif
