/* talk: what a node says to the ledger, and when: one exchange with the remote carries all there is to say (results,
 * renewed leases, claims, the node's file), when this node's turn has come; and what a quiet node does for the grid
 * besides (heals, promotes, archives, tidies up).
 *   talk_init -> (open engine, ledger, outbox) -> talk_load_config -> talk_hello -> talk_converse,
 * loop_step(talk_wait)...
 */
#ifndef TALK_H
#define TALK_H
#include "ledger.h"
#include "store/heartbeat.h"
#include "store/promote.h"
#include "worker/nodekey.h"
#include "worker/reaper.h"
#include "worker/slots.h"
#include "worker/turns.h"

struct worker_options { /* all borrowed */
	const char *url, *branch, *node_id, *work_dir, *engine, *name, *email;
	const char *signing_key; /* NULL: WORK_DIR/node_key, and only where the grid takes signed commits only */
	int slots;
	char *const *labels;
	size_t n_labels;
	bool once;	       /* leave when nothing in the queue is left that this node could run */
	bool take_over;	       /* use the node id although another worker with it was alive a moment ago */
	uint64_t drain_after;  /* drain after so many finished tasks; 0: never */
	int poll_ms;	       /* 0: from grid.json */
	int heartbeat_seconds; /* 0: from grid.json */
	double max_cpus;       /* this node's own ceilings below grid.json's; 0: none */
	int max_memory_mb;
};

struct worker {
	const struct worker_options *o;
	struct ledger ledger;
	struct grid_config config;
	struct file_stamp config_stamp;
	struct nodekey key;
	struct engine engine;
	struct outbox outbox;
	struct chooser chooser;
	struct reaper reaper;
	struct promoter promoter;
	struct turns turns;
	int64_t young_until; /* monotonic ms */
	struct heartbeat *heart;
	struct slots slots;
	char node_path[128], instance[17];
	struct selfcheck fit;
	int64_t started_at, beat_ms;
	unsigned lost_races;	      /* in a row */
	int64_t retry_at, retry_wait; /* remote trouble or a lost race */
	int64_t next_poll, heal_at, ready_at, archive_at, tidy_at;
	struct file_stamp queued_ref;
	int64_t reached_at; /* when the remote answered last, UTC seconds */
	int64_t queued_at;  /* since when another holds the remote's folder; 0: nobody does */
	int64_t began;	    /* the exchange with the remote under way: when its fetch began */
	int idle_polls;
	bool registered, stale, hungry; /* stale: fetch first; hungry: the queue may hold something for us */
	bool released, usurped, told_draining, signed_off;
	bool unsettled; /* what an earlier process left is still to be settled */
	char told_turns[48];
	char told[256]; /* the remote trouble said last */
};
void talk_init(struct worker *w);	 /* wires chooser and slots; w->o and w->instance are set */
void talk_load_config(struct worker *w); /* grid.json of the ledger's work tree, when it changed */
void talk_check_key(struct worker *w);	 /* may the node sign as the grid wants it? See nodekey.h */
void talk_hello(struct worker *w);	 /* begins the heartbeat, meets the others, checks the node */
/* One exchange with the remote, as far as one is due at now (monotonic ms). Serves the loop while git works. */
void talk_converse(struct worker *w, int64_t now);
void talk_show_news(struct worker *w); /* what tasks printed, before the next beat, where that is cheap */
int64_t talk_wait(struct worker *w);   /* ms until there is something to do */
void talk_check_self(struct worker *w);
bool talk_stopping(const struct worker *w);	/* no new claims */
const char *talk_state(const struct worker *w); /* active, paused or draining */
/* The node's file; status NULL: what it is. The caller's. */
char *talk_node_text(struct worker *w, const char *status);
#endif
