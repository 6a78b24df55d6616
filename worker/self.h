/* self: a node as its own parts know it: what it was told to be, what it holds, and what it says of itself in its file
 * and its heartbeat.
 *   self_init -> (open engine, ledger, outbox) -> self_load_config -> self_check_key, self_check ... -> self_clear
 */
#ifndef SELF_H
#define SELF_H
#include "git/sharedssh.h"
#include "ledger.h"
#include "store/firing.h"
#include "store/heartbeat.h"
#include "store/promote.h"
#include "worker/ahead.h"
#include "worker/builds.h"
#include "worker/nodekey.h"
#include "worker/notify.h"
#include "worker/others.h"
#include "worker/probation.h"
#include "worker/reaper.h"
#include "worker/schedule.h"
#include "worker/slots.h"
#include "worker/turns.h"

struct worker_options { /* all borrowed */
	const char *url, *branch, *node_id, *work_dir, *engine, *name, *email;
	const char *signing_key; /* NULL: WORK_DIR/node_key, and only where the grid takes signed commits only */
	int slots, ahead;	 /* ahead: so many more may be claimed before they can run, at most */
	char *const *labels;
	size_t n_labels;
	bool once;	       /* leave when nothing in the queue is left that this node could run */
	bool take_over;	       /* use the node id although another worker with it was alive a moment ago */
	uint64_t drain_after;  /* drain after so many finished tasks; 0: never */
	int poll_ms;	       /* 0: from grid.json */
	int heartbeat_seconds; /* 0: from grid.json */
	/* What it offers: all tasks together; 0 or NULL: what is found. */
	double cpus;
	int64_t memory_mb, disk_mb;
	struct json *resources;
	const struct devices *devices; /* of some of the resources */
	double max_cpus;	       /* no task that asks for more is claimed; 0: what the machine has */
	int64_t max_memory_mb;
	const char *notify; /* a command, see notify.h; NULL: none */
	const char *store;  /* a command, see depot.h; NULL: none */
	int64_t cache_mb;   /* of inputs that no task uses any more */
	struct grants *grants;
	bool allow_build;
	const char *build_network;	 /* of what builds run; NULL: none */
	const struct rootfs_list *roots; /* root files of images, for bwrap */
	/* of a cluster: */
	const struct slurm_room *room; /* what it has; NULL: this machine runs the tasks */
	const struct cluster *cluster;
};

struct worker {
	const struct worker_options *o;
	char node_path[128], instance[17];
	int64_t started_at, beat_ms;
	struct json *offered; /* what of its file says what it can run; node is a view of it */
	struct fit_node node;
	struct devices devices;
	/* its parts */
	struct ledger ledger;
	struct grid_config config;
	struct file_stamp config_stamp, signers_stamp;
	struct nodekey key;
	struct engine engine;
	struct outbox outbox;
	struct chooser chooser;
	struct reaper reaper;
	struct promoter promoter;
	struct scheduler scheduler;
	struct notify notify;
	struct sharedssh ssh;
	struct turns turns;
	struct heartbeat *heart;
	struct outputs outputs;
	struct inputs inputs;
	struct courier *courier;
	struct saver *saver;
	struct slots slots;
	struct selfcheck fit;
	struct probation probation;
	struct builds builds;
	/* what people have told, see order.h */
	struct json *drain, *paused; /* NULL: it is not drained; nothing is paused */
	bool retired;
	struct others others;
	int64_t cluster_room; /* how many tasks it would claim for its cluster, when it looked last; -1: not known, or
				 none */
	/* what it does next */
	struct schedule_times times;
	size_t excess;	     /* finished tasks beyond keep_finished when the branch was read */
	int64_t hurried_at;  /* a second signal came, monotonic ms; 0: it did not */
	int64_t hurry_until; /* when everything ends: after a second signal, or once the last words are said; monotonic
				ms, 0: not yet */
	bool usurped;	     /* another worker has taken the node id */
	bool signed_off;     /* its file says that it left */
	/* the remote */
	struct {
		int64_t said_at;     /* when its file was made that stands there, monotonic ms; 0: none does */
		int64_t reached_at;  /* when it answered last, UTC seconds */
		char trouble[256];   /* that with it now; "" for none */
		unsigned lost_races; /* in a row */
		char refused[256];   /* why it refuses what this node pushes; "" when it does not */
		int64_t refused_at;  /* since when, UTC seconds */
		int64_t queued_at;   /* since when another holds the remote's folder, monotonic ms; 0: nobody does */
		int64_t moved_at;    /* when it moved last meanwhile */
		int64_t pending_at;  /* since when there is something to say, monotonic ms; 0: there is nothing */
		int64_t
		    saying_ms; /* how long it takes from then until it is said, as the last ones took; 0: none yet */
		size_t claims; /* in the last exchange */
		int64_t exchange_ms; /* how long our last push took, with all that belongs to it; 0: none yet */
		struct file_stamp queued_ref;
		int64_t young_until; /* until then others may be new too, monotonic ms */
		char told_turns[48];
	} remote;
};
void self_init(struct worker *w, const struct worker_options *o);
void self_clear(struct worker *w);
void self_offer(struct worker *w);	 /* once its work folder is there: what it offers, by what is found */
void self_load_config(struct worker *w); /* grid.json of the ledger's work tree, when it changed */
void self_load_orders(struct worker *w); /* what people have told, as the ledger's work tree has it */
bool self_drained(const struct worker *w);
void self_check_key(struct worker *w); /* may the node sign as the grid wants it? See nodekey.h */
void self_check(struct worker *w);     /* is it fit? See selfcheck.h */
void self_start_heart(struct worker *w);

bool self_stopping(const struct worker *w);	/* no new claims */
const char *self_state(const struct worker *w); /* active, paused or draining (it ends, or is drained) */
/* The node's file; status NULL: what it is. The caller's. */
char *self_text(const struct worker *w, const char *status);
struct ahead_facts self_ahead(const struct worker *w);
/* What the schedule has to know, at now (monotonic ms). Changes nothing. */
struct schedule_facts self_facts(const struct worker *w, int64_t now);
struct schedule self_schedule(const struct worker *w, int64_t now); /* what it decides on them */
#endif
