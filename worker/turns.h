/* turns: when a node may push. Alone, or while nobody is in its way: at once. When pushes keep colliding, the nodes
 * that were active lately take turns on the wall clock, in the order of their ids: each may begin a push only at the
 * begin of its own slot, and carries everything it has to say. Under pushes_per_minute the slots are so wide that the
 * whole grid, heartbeats included, stays within the limit; and nobody pushes right after another, whoever knows of
 * whom. Only a schedule: safety is the compare-and-swap alone, so clocks and views that differ cost pushes, never a
 * task. t = {0}; turns_look after every fetch, turns_pushed after every push; push when turns_wait says 0
 */
#ifndef TURNS_H
#define TURNS_H
#include "ledger.h"
#include "store/heartbeat.h"

#define TURNS_KEPT 64
#define TURNS_TOOK 8
struct turns {
	int64_t per_minute;	  /* 0: no limit */
	int64_t width_ms;	  /* of a slot, as all active nodes agree */
	size_t rank, n;		  /* our place among the active nodes; 1: alone */
	int64_t until;		  /* monotonic ms: turns are taken until then */
	int64_t took[TURNS_TOOK]; /* ms of the last exchanges: fetch, build, push */
	unsigned n_took;
	int64_t pushed[TURNS_KEPT]; /* monotonic ms of our last pushes of any kind, a ring */
	unsigned n_pushed;
	int64_t rejected_at[2]; /* monotonic ms of the last two */
	/* Under a limit: when we began, when another node was last heard to push (what it says, ms since 1970; and in
	 * monotonic ms), and a random wait after that. */
	int64_t began, heard_ms, heard_at, pause_ms;
	char head[72];	/* at the last look */
	char state[48]; /* for node files and logs: "free", "turns of 400 ms, 3 of 8", … */
};
/* After a fetch: who is active, how wide is a slot. newcomers: heartbeats that were just fetched (NULL: none); a node
 * with a fresh one counts although it has no file yet. */
void turns_look(struct turns *t, struct ledger *l, const struct beats *newcomers, const char *self,
		int64_t pushes_per_minute);
/* A push to the ledger ended: landed, or rejected in a race. took_ms: from the begin of the fetch before it. */
void turns_pushed(struct turns *t, int64_t took_ms, bool rejected);
void turns_guess(struct turns *t, int64_t fetch_ms); /* before the first push: how long a fetch took */
void turns_beat(struct turns *t);		     /* a push that cannot collide */
void turns_expect(struct turns *t);		     /* others begin now too: take turns for a while */
int64_t turns_wait(const struct turns *t);	     /* ms until this node may push; 0: now */
int64_t turns_own_width(const struct turns *t);	     /* what our own exchanges need; 0: not known yet */
bool turns_taken(const struct turns *t);	     /* are turns in use? */
#endif
