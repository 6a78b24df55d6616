/* schedule: what a node does next, and when: whether an exchange with the remote may begin, what it reads, whether it
 * pushes, what this node does for the grid besides, and how long there is nothing to do. A decision and nothing else:
 * it reads no clock, no file and no remote, so a test walks through it as a table.
 *   struct schedule s = schedule_decide(&times, &facts);
 * exchange.h carries it out, and asks again after each step, for a step changes the facts.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a node remembers from one exchange to the next. Times are monotonic ms; 0: none. */
struct schedule_times {
	int64_t retry_at, retry_wait_ms;      /* nothing before: trouble, a lost race, or others are first */
	int64_t push_at, push_wait_ms;	      /* no push before: the host refused the last without a race */
	int64_t poll_at;		      /* when the remote is asked whether the branch moved */
	int64_t ready_at;		      /* when a queued task that waits for its time becomes ready */
	bool tries_wait;		      /* for one that waits for its next attempt --once waits too */
	int64_t heal_at, archive_at, tidy_at; /* archive_at 0: there is nothing to archive */
	int64_t sweep_at;		      /* with a tidying after that, old outputs are deleted */
	int64_t leaving_since;		      /* a stopping node has nothing left to run */
	int idle_polls;			      /* in a row that found nothing new */
	bool behind;			      /* the branch moved, or was not read yet */
	bool work_waits;		      /* the queue may hold something for this node */
	bool registered;		      /* the branch has this node's file */
	bool unsettled;			      /* what an earlier process left is still to be settled */
};

/* What is so at one moment. */
struct schedule_facts {
	int64_t now;
	int slots, busy,
	    running;	    /* tasks it wants to hold, holds; running: without those whose claim's end is unknown */
	size_t results;	    /* not recorded yet */
	bool results_wait;  /* and none of them is to be recorded now */
	bool lease_due;	    /* one has to be renewed now */
	bool barred;	    /* the node may not push to the branch */
	bool fit;	    /* no trouble of its own: it may claim */
	bool building;	    /* an image is being built, or is to be */
	bool stopping;	    /* no new claims */
	unsigned stops;	    /* signals that said so */
	bool hurried;	    /* and the time that a second one leaves is over */
	bool once;	    /* leave when there is nothing left to do */
	bool beating;	    /* git is at work for the heartbeat */
	bool overfull;	    /* so many tasks have ended that to archive them comes first */
	int64_t promote_at; /* 0: nothing is staged */
	bool promote_soon;
	int64_t fire_at;      /* a schedule is due then; 0: none */
	bool fire_soon;	      /* who would leave waits for it */
	bool folder;	      /* the remote is a folder on this machine: to look costs nothing */
	bool notified;	      /* somebody tells when there is something new */
	int64_t poll_ms;      /* between two looks at any other */
	bool turns, limited;  /* the nodes take turns; pushes a minute are counted */
	int64_t turn_wait_ms; /* until this node may push; 0: now */
};

enum schedule_read { READ_NOTHING, READ_HEAD, READ_BRANCH };
struct schedule {
	bool begin;   /* an exchange may begin; without it the rest says what there is to do */
	bool pending; /* there is something to push, whoever's turn it is */
	bool claim;   /* a push may bring claims */
	enum schedule_read read;
	bool push;
	bool heal, promote, fire, archive, tidy;
	int64_t wait_ms; /* until there is something to do, at most a second */
};
struct schedule schedule_decide(const struct schedule_times *t, const struct schedule_facts *f);
int64_t schedule_poll_ms(const struct schedule_times *t, const struct schedule_facts *f); /* between two looks, now */

/* Whether the node is at its end. */
enum schedule_end {
	END_NOT_YET,
	END_DONE,   /* nothing is left to do or to record */
	END_UNSAID, /* the remote cannot be reached for too long, or nobody wants to wait: results stay on disk */
};
enum schedule_end schedule_end(const struct schedule_times *t, const struct schedule_facts *f);

/* After an exchange that failed once more, where the last wait was last_ms (0: none): the next, on the average (a node
 * waits from half to one and a half of it). REFUSED: a push, by a host whose branch had not moved. The first is tried
 * again soon, and then never more than twice in any minute. BUSY: the host says that it was asked too often. */
enum schedule_setback { SETBACK_RACE, SETBACK_TROUBLE, SETBACK_REFUSED, SETBACK_BUSY };
int64_t schedule_backoff(enum schedule_setback why, int64_t last_ms);
#endif
