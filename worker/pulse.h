/* pulse: what a worker says of itself to its own machine, in the file `pulse` of its work directory, so that a service
 * manager or a container engine can ask without a word to the remote. Written every few seconds by the event loop's
 * timer, also while git or the remote keeps the worker waiting: a pulse that grows old means that the loop stands.
 *   pulse_begin(dir, say, ctx) -> pulse_now after a change ... -> pulse_end("left")
 */
#ifndef PULSE_H
#define PULSE_H
#include "base/buf.h"
#include "json.h"
#include <stdbool.h>
#include <stdint.h>

struct pulse {
	char node[65], state[16]; /* starting, active, paused, draining, left */
	char trouble[256];	  /* the node's own, or why it could not start; "" for none */
	int64_t pid, busy, slots;
	int64_t at, next_due; /* UTC seconds: written, and when it will be again */
	int64_t reached_at;   /* when the remote answered last, 0: not yet */
	char remote[256];     /* trouble with the remote; "" for none */
	int64_t patience;     /* seconds without the remote after which the grid gives this node's tasks to others */
};
void pulse_begin(const char *work_dir, void (*say)(void *ctx, struct pulse *p), void *ctx);
void pulse_now(void);
void pulse_end(const char *trouble); /* the state is left; does nothing when it was not begun */

/* Reads the one in work_dir: ERR_NOENT when no worker was ever there, ERR_DATA when it is not ours. */
int pulse_read(const char *work_dir, struct pulse *p, struct err *e);
struct json *pulse_json(const struct pulse *p); /* the caller's */
/* Is the worker alive, and does it do its work? why says what is the matter, or what it does. alive_only: trouble
 * that a restart would not mend does not count. */
bool pulse_healthy(const struct pulse *p, bool alive_only, int64_t now, char why[600]);
#endif
