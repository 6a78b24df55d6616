/* worker: the claim-run-record loop of one node; the only place where ledger and runner meet. */
#ifndef WORKER_H
#define WORKER_H
#include "worker/self.h"

/* Runs until a stop signal drained it (or as the options say). Returns an exit code; errors are logged. */
int worker_run(const struct worker_options *o);
/* Writes the default node id (this host's name, cleaned) into out. */
void worker_default_id(char out[65]);
/* Where a node of this name works unless --work-dir says else; node NULL: $NODE_ID or the default id. The caller's. */
char *worker_folder(const char *node);
#endif
