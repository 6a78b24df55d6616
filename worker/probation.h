/* probation: a node on which tasks fail that succeed on other nodes (blame.h) makes no claims for a while, says why,
 * and tries one task then. If that succeeds it goes on, else it waits twice as long. probation_step now and then, with
 * what ended so far -> probation_slots
 */
#ifndef PROBATION_H
#define PROBATION_H
#include "ledger.h"
#include "worker/chooser.h"
#include "worker/selfcheck.h"
#include "worker/slots.h"

struct probation {		    /* starts as {0} */
	int64_t wait_ms, until;	    /* monotonic; until 0: it does not wait */
	bool trial;		    /* it runs one task at a time */
	uint64_t good, bad;	    /* what had ended how, when the trial or the last look began */
	int64_t since;		    /* UTC seconds: what ended before does not count any more */
	int64_t looked_at, look_ms; /* monotonic */
	uint64_t look_bad;	    /* it looks again when so many have failed */
	char looked[72];	    /* the head then */
};
/* True when its state changed, and others should see it. */
bool probation_step(struct probation *p, struct slots *s, struct ledger *l, const struct chooser *ch,
		    struct selfcheck *fit);
int probation_slots(const struct probation *p, int slots); /* how many may be taken */
#endif
