/* rules_needs: what waits for others (schema/need.h): in the queue only beside what it waits for, claimed only when all
 * of that has ended, skipped only when one of it did not succeed, archived only when nothing waits for it. */
#ifndef RULES_NEEDS_H
#define RULES_NEEDS_H
#include "audit/rule.h"

/* All tasks of one commit; r->world is as the commit leaves it. */
void rules_needs(struct rules *r, const struct rule_commit *c);
/* What a task that stands there waits for, or how it ended, by its document; doc NULL: nothing that can be read. */
void rules_remember(struct rules *r, const char *id, enum task_state state, const struct json *doc);
#endif
