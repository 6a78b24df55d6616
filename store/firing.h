/* firing: schedules whose time has come put their tasks into the queue: an idle worker, a full one, a person with dgrid
 * schedule run or maintain, whoever is first. Exactly once, however many try: one commit moves `last` in the schedule's
 * file and makes the tasks, and it is made on the very head at which it was found due; whoever pushes second is
 * refused, looks again, and finds nothing.
 *   firing_all for the verbs; scheduler_look -> scheduler_work for workers, see "schedule" in grid.json.
 */
#ifndef FIRING_H
#define FIRING_H
#include "ledger.h"
#include "schema/periodic.h"

struct firing {
	char name[65];
	struct periodic s;
	int64_t not_before; /* it is not due before; 0: nothing is known */
	int64_t since;	    /* when a person wrote it, see origin.h; asked only of what may be due */
	struct periodic_plan plan;
	struct strs ids, texts; /* of the tasks that are made */
	char *note;		/* what the commit says besides; NULL: nothing */
	char *wrong;		/* why it is no schedule, a line each; NULL: it is one */
	bool landed;
};
struct firings {
	struct firing *v;
	size_t n;
};
struct scheduler;
/* All schedules at the ledger's head, and what each gives at a time (UTC seconds). known: what of them cannot be due,
 * so that the history is not asked of it; NULL: nothing is known. */
int firing_look(struct ledger *l, const struct grid_config *c, const struct scheduler *known, int64_t now,
		struct firings *out, struct err *e);
/* What is due goes into the ledger in one commit, or none of it. ERR_RETRY: somebody else pushed meanwhile, sync and
 * look again. */
int firing_land(struct ledger *l, const char *who, struct firings *f, struct err *e);
/* Looks and lands until nothing is due, a few commits at most; dry: looks only. out: what is no schedule, and what was
 * (or would be) queued.
 */
int firing_all(struct ledger *l, const struct grid_config *c, const char *who, bool dry, struct firings *out,
	       struct err *e);
void firing_clear(struct firings *f);

/* When a worker fires: starts as {0}. */
struct scheduler_known {
	char *name;
	struct file_stamp stamp;
	int64_t next; /* nothing is due before, UTC seconds; 0: never */
	bool told;    /* that it is no schedule */
};
struct scheduler {
	int64_t at;	   /* monotonic ms; 0: nothing will be due as far as is known */
	int64_t due, late; /* the instant, UTC seconds, and how much later this node comes, ms: others may be first */
	int64_t again_at;  /* after trouble, not before */
	struct scheduler_known *known; /* by name */
	size_t n;
};
/* After each fetch: what will be due, and when? */
void scheduler_look(struct scheduler *s, struct ledger *l, const struct grid_config *c);
/* Looks and lands once, and logs it. */
int scheduler_work(struct scheduler *s, struct ledger *l, const struct grid_config *c, const char *node, struct err *e);
bool scheduler_soon(const struct scheduler *s); /* within the time that this node may be late */
void scheduler_clear(struct scheduler *s);
#endif
