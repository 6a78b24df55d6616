/* others: which other nodes could take a task now, by their files and heartbeats. A task whose last attempt failed here
 * is left to them for a while (task_left_until). Looked at anew when the last look is some seconds old. */
#ifndef OTHERS_H
#define OTHERS_H
#include "ledger.h"

struct others {		     /* starts as {0} */
	struct json **files; /* of those that live, claim, and have a free slot */
	size_t n;
	int64_t looked_at; /* monotonic ms; 0: never */
};
/* Is there one but self that carries the task's labels and has not voted on it? Fetches heartbeats; may wait. */
bool others_could(struct others *o, struct ledger *l, const struct grid_config *c, const char *self,
		  const struct json *task);
/* How many nodes have a free slot and may claim, whatever for. */
size_t others_free(struct others *o, struct ledger *l, const struct grid_config *c, const char *self);
void others_clear(struct others *o);
#endif
