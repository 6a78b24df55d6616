/* slots: the tasks a node holds, from the claim to the end of the attempt. What ends goes to the outbox and frees its
 * slot at once.
 *   slots_init -> slot_free_one and a pick -> slot_edit_claim in a group commit -> slot_start when it landed
 *   slots_watch after every fetch; slots_stop to give all back
 */
#ifndef SLOTS_H
#define SLOTS_H
#include "schema/vote.h"
#include "worker/chooser.h"
#include "worker/courier.h"
#include "worker/grants.h"
#include "worker/inputs.h"
#include "worker/outbox.h"
#include "worker/outputs.h"
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
#define DOUBTFUL_MAX 64
struct slots {
	struct slot *v;
	int n, at_once;	      /* how many may be held; how many of them run at a time */
	uint64_t turns;	      /* given to claims so far */
	int64_t wait_seconds; /* what a lease allows for the wait of a claim that has no seat yet */
	int64_t run_ms;	      /* how long a task has its seat, as the last ones had it; 0: none has ended */
	bool filling;
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
/* ahead: how many more than run may be held. The other members are the caller's to set. */
void slots_init(struct slots *s, int at_once, int ahead);
void slots_clear(struct slots *s);
int slots_held(const struct slots *s);	     /* claims, those that wait and those under way too */
int slots_busy(const struct slots *s);	     /* seats that are taken, or will be */
int slots_waiting(const struct slots *s);    /* held and not begun */
int slots_running(const struct slots *s);    /* held, without those whose claim's end is unknown */
uint64_t slots_ended(const struct slots *s); /* all attempts that ended */
/* Briefs of what runs here although its claim is gone, into v, which has a place for each slot; how many. */
size_t slots_gone(const struct slots *s, const struct json **v);
void slots_stop(struct slots *s); /* cancels every attempt; the claims go back */
/* Of those that wait the last n go back; why is kept. */
void slots_return(struct slots *s, size_t n, const char *why);
/* The same, but only what any node may run. */
void slots_share(struct slots *s, size_t n, const char *why);
/* After a fetch: is each claim still ours, is it to be cancelled, did a doubtful one land? */
void slots_watch(struct slots *s, struct ledger *l);

/* The claim landed: as soon as there is a seat, bring what it is given, then run it. */
void slot_start(struct slot *s);
void slot_free(struct slot *s);
/* How urgent the lease is: 2 renew now, 1 renew when there is something else to say, 0 not yet. */
int slot_lease_due(const struct slot *s);
void slot_renewed(struct slot *s);
/* Edits for ledger_change; ctx is the slot. */
enum change_verdict slot_edit_claim(void *ctx, struct json *doc, enum task_state *to);
enum change_verdict slot_edit_renew(void *ctx, struct json *doc, enum task_state *to);
#endif
