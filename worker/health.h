/* health: what a worker says of itself to its own machine, in the file `health.json` of its work directory, so that a
 * service manager or a container engine can ask without a word to the remote. Written every few seconds by the event
 * loop's timer, also while git or the remote keeps the worker waiting: a file that grows old means that the loop
 * stands. health_begin(dir, say, ctx) -> health_now after a change ... -> health_end("left")
 */
#ifndef HEALTH_H
#define HEALTH_H
#include "base/buf.h"
#include "json.h"
#include <stdbool.h>
#include <stdint.h>

struct health {
	char node[65], state[16]; /* starting, active, paused, draining, left */
	char trouble[256];	  /* the node's own, or why it could not start; "" for none */
	int64_t pid, busy, slots;
	int64_t at, next_due; /* UTC seconds: written, and when it will be again */
	int64_t reached_at;   /* when the remote answered last, 0: not yet */
	char remote[256];     /* trouble with the remote; "" for none */
	char refused[256];    /* why the remote refuses what it pushes; "" when it does not */
	int64_t patience;     /* seconds without the remote after which the grid gives this node's tasks to others */
};
void health_begin(const char *work_dir, void (*say)(void *ctx, struct health *p), void *ctx);
void health_now(void);
void health_end(const char *trouble); /* the state is left; does nothing when it was not begun */

/* Reads the one in work_dir: ERR_NOENT when no worker was ever there, ERR_DATA when it is not ours. */
int health_read(const char *work_dir, struct health *p, struct err *e);
struct json *health_json(const struct health *p); /* the caller's */
/* Is the worker alive, and does it do its work? why says what is the matter, or what it does. alive_only: trouble
 * that a restart would not mend does not count. */
bool health_good(const struct health *p, bool alive_only, int64_t now, char why[600]);
#endif
