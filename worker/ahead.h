/* ahead: how many tasks a node claims before it has a free slot for them, so that its slots have work until its next
 * exchange. Pure functions: they read no clock and no ledger.
 *   n = ahead_claims(&facts) -> the chooser takes no more than this node's share of the queue -> the rest waits
 *   ahead_surplus(&facts, waiting, idle): how many of those that wait go back, because other nodes idle
 */
#ifndef AHEAD_H
#define AHEAD_H
#include <stddef.h>
#include <stdint.h>

#define AHEAD_MAX 1000 /* claims that wait in one node */
struct ahead_facts {
	size_t slots, most;    /* most: as the worker was told */
	int64_t run_ms;	       /* how long one task takes a slot; 0: not known yet */
	int64_t exchange_ms;   /* from having something to say to having said it; 0: not known yet */
	int64_t lease_seconds; /* the grid's setting; 0: a lease is as long as the task may take */
};
size_t ahead_claims(const struct ahead_facts *f);
/* How long its lease is to allow for the wait, in seconds; at most TASK_AHEAD_SECONDS. */
int64_t ahead_lease(const struct ahead_facts *f);
/* The queue has nothing for the nodes that idle: of those that wait here, what is more than these slots begin until the
 * next exchange is shared out. */
size_t ahead_surplus(const struct ahead_facts *f, size_t waiting, size_t idle_nodes);
#endif
