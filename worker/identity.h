/* identity: one worker a node id. Each process is an instance with a random name, which stands in its node file and
 * heartbeat; the work directory remembers the last one, so that a restart is known from a stranger.
 */
#ifndef IDENTITY_H
#define IDENTITY_H
#include "ledger.h"

/* The instance that used this work directory last, "" for none; its containers are removed before it is forgotten. */
int identity_recall(const char *work_dir, char previous[32], struct err *e);
int identity_remember(const char *work_dir, const char *instance, struct err *e);
/* ERR_RETRY when another instance than previous showed life under this node id within orphan_after_seconds. */
int identity_check(struct ledger *l, const struct grid_config *c, const char *node, const char *previous,
		   struct err *e);
/* The ledger's work tree shows that another instance than ours registered itself under this node id. */
bool identity_taken(struct ledger *l, const char *node, const char *instance);
#endif
