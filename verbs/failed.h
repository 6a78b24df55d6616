/* failed: the points of a group that were no success, as the documents of a new sweep.
 *   struct failed f = {0}; failed_read(&f, &ledger, group, &sweep, &e) -> sweep_cut(&sweep, f.docs, ...)
 *   -> failed_clear(&f), also after an error
 */
#ifndef FAILED_H
#define FAILED_H
#include "ledger.h"
#include "verbs/sweep.h"

struct failed {
	struct json **docs; /* each different task of the group without its points, as it may be submitted again */
	size_t n;
	char *group; /* GROUP-r1, or the next that nobody has */
};
/* Archived tasks too. ERR_RETRY: the group has not ended; ERR_NOENT: there is none of that name, or nothing failed. */
int failed_read(struct failed *f, struct ledger *l, const char *group, struct sweep *points, struct err *e);
void failed_clear(struct failed *f);
#endif
