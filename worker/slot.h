/* slot: one task that a node holds, and all of them: the data that slots.h, run.h and lease.h share. */
#ifndef SLOT_H
#define SLOT_H
#include "schema/vote.h"
#include "worker/chooser.h"
#include "worker/courier.h"
#include "worker/grants.h"
#include "worker/inputs.h"
#include "worker/outbox.h"
#include "worker/outputs.h"
#include "worker/saver.h"
#include "worker/selfcheck.h"
#include "worker/series.h"

/* WAITING: claimed, until one that runs ends. */
enum slot_state { SLOT_FREE, SLOT_CLAIMING, SLOT_WAITING, SLOT_FETCHING, SLOT_RUNNING, SLOT_COLLECTING };
enum slot_given { GIVEN, GIVEN_BY_NONE, GIVEN_NOT_NOW }; /* could inputs be had? by no node; not now by this one */
struct slot {
	struct slots *all;
	enum slot_state state;
	struct pick pick;
	char nonce[33], digest[96];	     /* digest: of the image it runs in */
	char ref[320];			     /* that image, by its digest; "": by the task's name for it */
	char *secrets;			     /* the folder with those that it is given; NULL: none */
	int64_t lease_until, attempt_number; /* UTC seconds; from 1 */
	uint64_t turn;			     /* of those that wait, at the same priority, the lowest goes first */
	int ahead;     /* how many stood before it beyond the seats when it was claimed, and it; 0: it had one */
	int64_t began; /* monotonic ms: when it took its seat */
	int64_t lease_ends, renewed_at; /* monotonic ms; renewed_at: when the renewal was made that is under way */
	struct vote_terms terms;	/* of its claim */
	struct json *pinned;		/* of its claim: other tasks' files that it is given; NULL: none */
	struct json *checkpoint;	/* of its claim: what an earlier attempt left; NULL: nothing */
	struct saving *saving;		/* NULL: nothing of it is kept while it runs */
	char saying[72];		/* the tree that the renewal under way names as saved; "": none */
	struct json *after;		/* of its claim: how those ended that it comes after; NULL: it is alone */
	struct input_want *want;	/* NULL: it has no inputs */
	enum slot_given given;
	struct series *run;	      /* NULL: not begun, or ended: then ended tells how */
	struct attempt_result ended;  /* while what it left in /out is taken in */
	struct json *points;	      /* the same of each point; NULL: it has none */
	struct tree_limits out;	      /* of what it may leave; bytes 0: it has no /out */
	uint64_t told;		      /* bytes printed when its tails were taken last */
	struct device *given_devices; /* borrows what they have */
	size_t n_devices;
	struct json *brief;	/* of its claim, as limits and fit.h ask */
	bool cancel_seen, lost; /* lost: the ledger no longer shows our claim */
	bool overdue;		/* it is ended, for another may be given its claim */
	const char *returned;	/* why it goes back although nothing is wrong with it; NULL: it does not */
};
#define DOUBTFUL_MAX 1280 /* all that one exchange may claim, and more */
struct slots {
	struct slot *v;
	int n, at_once;	      /* how many may be held; how many of them run at a time */
	int used;	      /* those behind are free, and mostly were never used: no loop looks at them */
	uint64_t turns;	      /* given to claims so far */
	int64_t wait_seconds; /* what a lease allows for the wait of a claim that has no seat yet */
	int64_t run_ms;	      /* how long a task has its seat, as the last ones had it; 0: none has ended */
	bool filling;
	void (*freed)(struct slots *s); /* after each end */
	/* borrowed: */
	const char *node_id, *instance, *work_dir;
	const struct engine *engine;
	const struct grid_config *config;
	struct outbox *outbox;
	struct outputs *outputs;
	struct inputs *inputs;
	struct grants *grants;
	struct ledger *ledger;
	struct seats *seats;
	const int64_t *beat_ms;		/* between two signs of life */
	int64_t (*shown_at)(void *ctx); /* when the last that others saw was made, monotonic ms; NULL: no matter */
	void *ctx;
	struct loop_timer *watch; /* NULL: nothing runs that has to end when others may be given its claim */
	struct saver *saver;	  /* NULL: nothing is saved yet */
	struct courier *courier;  /* NULL: what is left is not brought anywhere yet */
	struct selfcheck *fit;
	char given_up[256]; /* why claims are given back that the node gives up; "": it was told to stop at once */
	const struct fit_node *node; /* what it offers */
	struct devices *devices;     /* of that; NULL: none */

	uint64_t completed, failed; /* attempts that ended */
	uint64_t shared;	    /* of tasks that other nodes run too: how they ended is nobody's business yet */
	uint64_t unstarted;	    /* claims given back that could not be started here */
	uint64_t late;		    /* of them: whose claim was given to another meanwhile */
	/* Claims whose push has an unknown end, and which the ledger did not show yet: they may still land. */
	char doubtful[DOUBTFUL_MAX][33];
	unsigned n_doubtful;
};
#endif
