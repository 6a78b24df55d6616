/* origin: since when a schedule is as it is. A new one, and one that a person changed, looks forward only: from the
 * commit on that brought the change onto the branch's first-parent line.
 */
#ifndef ORIGIN_H
#define ORIGIN_H
#include "git/git.h"
#include <stdint.h>

/* The files schedules/NAME.json of head, n of them, each once: since[i] is when the newest commit that touches it was
 * made (UTC seconds); 0: that one moved `last` and nothing else. head, spec: as for arrival_find; a shallow clone is
 * deepened as far as it takes. */
int origin_find(const struct git *g, const char *head, const char *spec, const char *const *names, size_t n,
		int64_t *since, struct err *e);
#endif
