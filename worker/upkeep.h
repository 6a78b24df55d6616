/* upkeep: what a grid needs done now and then, by `dgrid maintain` or by any worker with time to spare. */
#ifndef UPKEEP_H
#define UPKEEP_H
#include "ledger.h"

/* How many finished tasks there are beyond keep_finished. */
size_t upkeep_excess(struct ledger *l, const struct grid_config *c);
/* Moves the oldest finished tasks beyond keep_finished to the archive branch, and the ledger to the new head. moved
 * (also after an error): how many. ERR_RETRY: somebody else pushed meanwhile. */
int upkeep_archive(struct ledger *l, const struct grid_config *c, const char *who, size_t *moved, struct err *e);
/* Moves these, as far as they have ended, whatever keep_finished says. 0 also when none of them is there. */
int upkeep_archive_these(struct ledger *l, const char *who, const struct strs *ids, struct err *e);
/* Deletes those refs at the remote. gone (also after an error): how many; dry: how many there are, and none is deleted.
 * What the host declines is told in the log and keeps no other back. */
int upkeep_delete(const struct git *g, const struct strs *refs, bool dry, size_t *gone, struct err *e);
/* Deletes the refs at the remote that hold what tasks left in /out more than keep_out_days ago. gone (also after an
 * error): how many; dry: how many there are. A host that deletes none of them is no error. */
int upkeep_outputs(const struct git *g, const struct grid_config *c, bool dry, size_t *gone, struct err *e);
/* The same of checkpoints that no task goes on with any more: none on the branch names them, or one does that ended
 * keep_out_days ago. Fetches the branch when there are any. */
int upkeep_checkpoints(struct ledger *l, const struct grid_config *c, bool dry, size_t *gone, struct err *e);
#endif
