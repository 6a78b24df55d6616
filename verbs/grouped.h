/* grouped: the tasks of groups, as the branch has them, for who names a group where tasks are meant.
 *   struct grouped g = {.l = &ledger}; -> grouped_expand(&g, doc, &batch, &e) ... -> grouped_clear(&g)
 */
#ifndef GROUPED_H
#define GROUPED_H
#include "ledger.h"

struct grouped {
	struct ledger *l;
	bool read;		 /* it was looked at, at need */
	struct strs ids, groups; /* a row a task that is in a group */
};
/* What needs and after of the document name that is no task, neither on the branch nor of the batch, but a group:
 * becomes its tasks. */
int grouped_expand(struct grouped *g, struct json *doc, const struct strs *batch, struct err *e);
/* The first task of a group that is not of the batch; "": there is none. */
int grouped_other(struct grouped *g, const char *group, const struct strs *batch, char id[65], struct err *e);
void grouped_clear(struct grouped *g);
#endif
