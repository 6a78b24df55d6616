/* lease: how long a slot's claim holds, and when its run has to end because others may be given it. */
#ifndef LEASE_H
#define LEASE_H
#include "worker/slot.h"

#define LEASE_GRACE_SECONDS 60 /* start, removal, push */

bool lease_exclusive(const struct slot *s); /* only one of its group is to run, so it has to end before that */
int64_t lease_seconds(const struct slot *s);
int64_t lease_grace_ms(const struct slot *s); /* from the signal to end to the one to die */
int64_t lease_end(const struct slot *s);      /* monotonic ms: when an exclusive run has to begin to end */
#endif
