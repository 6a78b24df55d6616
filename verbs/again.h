/* again: ended tasks queued again with another script: as new ones of the same id, for what ran was another.
 */
#ifndef AGAIN_H
#define AGAIN_H
#include "ledger.h"

struct again {
	const char *script;	    /* the file, - is stdin */
	const char *key;	    /* to sign with; NULL: do not */
	bool force;		    /* also those that succeeded */
	struct ledger_change *also; /* further changes of the same commit (verbs/queueing.h) */
	size_t n_also;
};
/* All in one commit, or none; prints their ids. The old ones, with their results, go to the archive before. */
int again_with(struct ledger *l, const struct grid_config *c, const struct again *a, const struct strs *ids,
	       struct err *e);
#endif
