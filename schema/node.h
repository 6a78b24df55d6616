/* node: the registry file nodes/NODE.json, and the heartbeat, which says the same things in short.
 * A node's last sign of life is the newest of the two; "next_due" is when it promised the next. */
#ifndef NODE_H
#define NODE_H
#include "json.h"

#define NODE_WAITING_MAX 256 /* of the claims that wait in a node so many are named */

/* What a node says of itself; all borrowed. */
struct node_facts {
	const char *id, *instance; /* instance: random, one a process */
	const char *status;	   /* "active", "draining", "paused", "left" */
	const char *trouble;	   /* why it is paused; "" for none */
	const char *engine, *engine_version, *work_dir;
	bool limits;			   /* its engine holds tasks to their limits */
	const struct json *offer, *images; /* see fit.h; NULL: nothing is said */
	char *const *labels;
	size_t n_labels;
	bool store;			       /* it has one for files that are too large for Git */
	const struct json *networks, *secrets; /* names that tasks may ask for; NULL: it says none */
	int slots, busy, waiting;	       /* waiting: claimed beyond its slots, or in a cluster's queue */
	int64_t started_at, next_due;	       /* UTC seconds */
	uint64_t completed, failed, pushes, rejected;
	uint64_t voted;	   /* votes on tasks that other nodes run too; completed and failed count those it decided */
	uint64_t late;	   /* results that nobody wanted any more: the task had been given to another */
	const char *turns; /* how pushes are scheduled: "free" or "turns of N ms, K of M" */
	int64_t turn_ms;   /* how long an exchange with the remote takes this node, rounded up; 0: not known */
	const struct json *points_done;	  /* of tasks with points that run: {ID: how many}; NULL: none do */
	const struct json *builds;	  /* of images, {IMAGE: {"build", "state", ...}}; NULL: none is allowed */
	const struct json *waiting_tasks; /* ids of claims that wait for a slot or in a cluster; NULL: none does */
	int64_t cluster_room; /* how many tasks it would claim for its cluster now; -1: none, or not known */
	int64_t spoke_ms;     /* under pushes_per_minute: when this was said, ms since 1970; else 0 */
};
/* Adds this machine's specs (cores, memory, disk, os, arch, dgrid's version). The caller frees. */
struct json *node_file(const struct node_facts *f);
struct json *node_beat(const struct node_facts *f);
/* What of a stranger's document is a beat, copied; NULL when it is no object. The caller frees. */
struct json *node_beat_of(const struct json *doc);

#define NODE_PROMISE_MAX                                                                                               \
	3600 /* seconds from a beat to the next that it promises: nobody puts off being found dead for ever */
/* Reads either; missing members give "" and 0, so that older registries can be read. doc is borrowed by the view. */
struct node_view {
	const struct json *doc;
	const char *id, *instance, *status, *trouble;
	int64_t seen, next_due; /* UTC seconds; 0: unknown */
	int64_t slots, busy, waiting;
};
void node_read(struct node_view *v, const struct json *doc);
bool node_unenforced(const struct json *node_doc); /* it says that it does not hold tasks to their limits */
bool node_has_labels(const struct json *node_doc, const struct json *wanted); /* wanted: a task's labels or NULL */
#endif
