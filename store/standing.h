/* standing: the limits of a grid (schema/limit.h) as a snapshot shows them: how many run under each, and how many wait.
 * Documents of the queue and of what runs must be loaded. Who signed a queued task is not known here: it counts as that
 * of who it says submitted it.
 *   standing_of(&s, &all) -> all.v ... -> standing_clear(&all)
 */
#ifndef STANDING_H
#define STANDING_H
#include "schema/limit.h"
#include "store/snapshot.h"

struct standing {
	char name[LIMIT_NAME];
	int64_t most; /* the largest that any of its tasks is under */
	size_t running, waiting;
	bool set; /* grid.json names it */
};
struct standings {
	struct standing *v; /* by name */
	size_t n;
};
/* Every limit that grid.json names, or a task is under that runs or waits. */
void standing_of(const struct snapshot *s, struct standings *out);
void standing_clear(struct standings *all);
/* Is there a limit that keeps this queued task waiting? "1 of 1 of deploy-db runs (migrate-7 on n2)" */
bool standing_full(const struct snapshot *s, const struct json *task, char words[320]);
#endif
