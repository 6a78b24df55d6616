/* unneeded: inputs at the remote that no task needs any more. One is needed while a task that has not ended, a
 * schedule, or an image to be built names it, and for keep_out_days after the last task on the branch that named it has
 * ended. One that nothing on the branch names is noted in refs/dgrid/idle (or refs/heads/dgrid-idle: the message of a
 * commit without parent,
 * {"schema": 1, "inputs": {TREE: since when}}), and goes when it has stood there for keep_out_days.
 */
#ifndef UNNEEDED_H
#define UNNEEDED_H
#include "ledger.h"

/* gone (also after an error): how many were deleted; dry: would be, and nothing is noted. Fetches the branch when there
 * are any inputs. */
int unneeded_inputs(struct ledger *l, const struct grid_config *c, bool dry, size_t *gone, struct err *e);
#endif
