/* live: what running tasks print, and how far they are, for who follows them. */
#ifndef LIVE_H
#define LIVE_H
#include "worker/slots.h"

/* The end of what each running task has printed, for heartbeat_tails (see tails.h); NULL when there is none or the grid
 * wants none. Not of tasks that other nodes run too: they could copy it. The caller's. */
struct json *live_tails(struct slots *s);
/* How far those with points are, {ID: points done}; as for tails, not of tasks that other nodes run too. The caller's.
 */
struct json *live_points_done(const struct slots *s);
/* The ids of claims that wait for a slot, or in a cluster's queue, the first NODE_WAITING_MAX of them. NULL: none does.
 * The caller's. */
struct json *live_waiting(const struct slots *s);
bool live_news(const struct slots *s); /* has one that is shown printed anything since? */
#endif
