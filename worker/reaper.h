/* reaper: which claims are orphans, and what becomes of them.
 *   reaper_look(&r, &ledger, &config, "n1", &orphans, &err) -> reaper_heal(&ledger, "n1", &orphans, &err)
 * A claim is an orphan when its node has left or is retired, when its lease has run out, or when its node gave no sign
 * of life for too long and is past the beat it announced; always with max_clock_skew_seconds to spare. A reaper that is
 * kept sees heartbeats and leases change by its own monotonic clock: while a node's heart beats, its claims are safe
 * until it has let one lease's length pass without renewal by that clock, however wrong its own may be. A patient one
 * watches a claim for a few beats before it believes any clock.
 *
 * What ends another's claim says by what: the entry of attempts gets `evidence`, {"lease_until"}, {"seen_at",
 * "next_due"}, {"left"} or {"retired"}, times of the ledger and of heartbeats, which an audit holds against the
 * history.
 */
#ifndef REAPER_H
#define REAPER_H
#include "ledger.h"

struct reaper_sight {
	char node[65], oid[72];
	int64_t file_seen;  /* what its node file said last, UTC seconds */
	int64_t changed_ms; /* monotonic; when beat or file was last seen to change; 0: not yet */
	bool skew_told, unread_told;
};
struct reaper_lease {
	char *nonce;		 /* as long as its writer made it */
	int64_t until, since_ms; /* as the claim says, UTC seconds; monotonic, when it was first seen to say so */
	bool present;
};
struct reaper {	      /* starts as {0}; patient is the caller's to set */
	bool patient; /* will look again: judge no claim before it was watched for a few beats of its node */
	struct reaper_sight *seen;
	struct reaper_lease *leases;
	size_t n, n_leases;
};
void reaper_clear(struct reaper *r);

enum fate { FATE_REQUEUE, FATE_LOST, FATE_CANCELLED };
struct orphan {
	char id[65], node[65];
	char *nonce; /* whole: it is compared with the claim's */
	enum fate fate;
	int64_t lease_until;
	struct orphan_evidence {
		int64_t lease_until, seen_at, next_due, left, retired; /* UTC seconds; 0: not by this */
	} evidence; /* nothing: the claim is none, or the node's own */
	char why[256];
	bool landed; /* after reaper_heal: it was we who moved it */
};
struct orphans {
	struct orphan *v;
	size_t n;
};
void orphans_clear(struct orphans *o);
/* Judges every claim in the ledger's work tree but self's own (NULL: nobody's), with freshly fetched heartbeats.
 * A clock that is off by more than the tolerance is logged once a node. */
int reaper_look(struct reaper *r, struct ledger *l, const struct grid_config *c, const char *self, struct orphans *out,
		struct err *e);
/* All claims of node itself whose nonce is not among kept: what a restarted node left behind. */
int reaper_own(struct ledger *l, const char *node, const char *const *kept, size_t n_kept, struct orphans *out,
	       struct err *e);
/* All claims of a node that people retire by that order, whoever else thinks it alive. */
int reaper_retired(struct ledger *l, const char *node, const struct json *order, struct orphans *out, struct err *e);
/* Moves them: back to queue, or to failed when the attempts are used up or a cancel was asked for. */
int reaper_heal(struct ledger *l, const char *who, struct orphans *o, struct err *e);
/* Where such a task goes, and what it says then; doc: as it stands in in_progress. */
enum task_state reaper_end(struct json *doc, const struct orphan *o);
/* Writes the evidence into the last entry of attempts, which has just ended the claim. */
void reaper_note(struct json *doc, const struct orphan *o);
const char *fate_name(enum fate f); /* "requeue", "lost", "cancelled" */
#endif
