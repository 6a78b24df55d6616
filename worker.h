/* worker: the claim-run-record loop of one node; the only place where ledger and runner meet. */
#ifndef WORKER_H
#define WORKER_H
#include "buf.h"
#include <stdbool.h>
struct worker_options { /* all borrowed */
	const char *url, *branch, *node_id, *work_dir, *engine, *name, *email;
	int slots;
	char *const *labels;
	size_t n_labels;
	bool once;
	int poll_ms; /* 0: from grid.json */
};
/* Runs until the queue is empty (once) or a stop signal drained it. Returns an exit code; errors are logged. */
int worker_run(const struct worker_options *o);
/* Writes the default node id (this host's name, cleaned) into out. */
void worker_default_id(char out[65]);
#endif
