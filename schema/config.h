/* config: grid.json, the settings all nodes of a grid share. Every key is optional. */
#ifndef CONFIG_H
#define CONFIG_H
#include "base/problem.h"
#include "json.h"

#define CONFIG_CONCURRENCY_MAX 100000
#define CONFIG_FILES_MB 1048576 /* the most that a task may leave or be given, where files stand in a store */
#define CONFIG_GIT_MB 2048	/* the most of it that Git is given, whatever is set */

struct grid_config {
	char *branch;
	char *images[16];	 /* NULL-terminated; the first is the default */
	struct json *builds[16]; /* of each: the order to build it, {"image", "build", "signatures"}; or NULL */
	char *pins[16]; /* of each: the digests of which it has to have one, 64 digits each, a space between; or NULL */
	int64_t min_timeout_seconds, max_timeout_seconds, output_limit_bytes, heartbeat_seconds, orphan_after_seconds,
	    max_clock_skew_seconds, poll_seconds, keep_finished, max_memory_mb, max_pids, tmp_mb,
	    point_output_bytes,	       /* of each stream of a point */
	    max_points_seconds,	       /* all points of a task together */
	    pushes_per_minute,	       /* for the whole grid; 0: no limit */
	    lease_seconds,	       /* a claim's lease, renewed while the task runs; 0: its timeout and a grace */
	    live_tail_bytes,	       /* of each running task's streams, shown to who follows; 0: none */
	    retry_backoff_seconds,     /* wait before the second attempt after a failure; doubles with each */
	    max_files_per_request,     /* task files that one pull request may add */
	    max_out_mb, max_out_files, /* what a task may leave in /out; max_out_mb 0: no /out */
	    max_in_mb, max_in_files,   /* what a task may be given in /in; max_in_mb 0: nothing */
	    large_file_mb,	       /* a file that is larger goes to a store, where there is one */
	    keep_out_days,	       /* how long that is kept */
	    checkpoint_seconds,	       /* between two checkpoints of a running task */
	    default_memory_mb,	       /* 0: as max_memory_mb */
	    replicas, quorum;	       /* of tasks that do not say, see vote.h; quorum 0: a majority */
	int64_t max_pids_once;	       /* by programs whose default was another; the same where the file says */
	bool workers_promote;	 /* "promote": idle workers move approved tasks to the queue, else a workflow does */
	bool maintain_schedules; /* "schedule": a workflow queues what is due, else workers do */
	char *networks[17];	 /* NULL-terminated: names of networks that tasks may ask for */
	double max_cpus, default_cpus; /* default_cpus 0: as max_cpus */
	bool require_signed_tasks;     /* workers run only what somebody in allowed_signers has signed */
	bool require_limits;	       /* only nodes whose engine holds tasks to their limits claim any */
	bool require_signed_nodes;     /* what nodes commit is signed with a key of nodes/keys/NODE.pub */
	bool fair_share;	       /* among equal priority the submitter with the fewest running tasks first */
	struct config_concurrency {
		char *name;
		int64_t most;
	} * concurrency; /* how many tasks may run at a time, see limit.h */
	size_t n_concurrency;
	char *title; /* of the dashboard; NULL: none */
	struct config_link {
		char *text, *url;
	} links[10]; /* shown on the dashboard; ends with the first without text */
};
void config_defaults(struct grid_config *c); /* then config_clear frees */
/* Overlays text on c. Everything wrong is added to p; c is usable only when p->n stayed the same. */
void config_parse(struct grid_config *c, const char *text, size_t len, struct problems *p);
void config_clear(struct grid_config *c);

/* The digests that an image of the grid is pinned to, see pins; NULL: none. */
const char *config_pins(const struct grid_config *c, const char *image);
/* Is an image with that digest, with or without "sha256:", the one that the grid means? */
bool config_pinned(const char *pins, const char *digest);

/* The tree (an object id) that an image of the grid is built from, on its nodes; NULL: it is had otherwise. */
const char *config_build(const struct grid_config *c, const char *image);
const struct json *config_build_order(const struct grid_config *c, const char *image);

/* What a task gets that does not say: the default, else the most. */
double config_cpus(const struct grid_config *c);
int64_t config_memory_mb(const struct grid_config *c);

/* Setting i, in the order of the manual; false behind the last. */
struct config_setting {
	const char *name, *about;
	char kind[80], dflt[48]; /* what it may be; its default as JSON, "" for none */
	bool text;		 /* a string */
};
bool config_setting(size_t i, struct config_setting *out);
extern const char config_template[]; /* the grid.json that init writes */
#endif
