/* worker: the claim-run-record loop of one node; the only place where ledger and runner meet. */
#ifndef WORKER_H
#define WORKER_H
#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

struct worker_options { /* all borrowed */
	const char *url, *branch, *node_id, *work_dir, *engine, *name, *email;
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
/* Runs until a stop signal drained it (or as the options say). Returns an exit code; errors are logged. */
int worker_run(const struct worker_options *o);
/* Writes the default node id (this host's name, cleaned) into out. */
void worker_default_id(char out[65]);
#endif
