/* claimed: what a snapshot shows of tasks that are claimed. */
#ifndef CLAIMED_H
#define CLAIMED_H
#include "store/snapshot.h"

/* Does a claimed task wait in its node, which had no slot for it when it claimed it, or in its cluster? What it waits
 * for ("for a slot"), by the node's last word; a claim ahead that is newer than that waits. NULL: it does not. */
const char *claimed_waits(const struct snapshot *s, const char *id, const struct json *doc);
/* How many do, as living nodes say. */
size_t claimed_count(const struct snapshot *s);
#endif
