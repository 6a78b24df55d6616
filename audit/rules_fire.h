/* rules_fire: schedules and the tasks that they have queued. */
#ifndef RULES_FIRE_H
#define RULES_FIRE_H
#include "audit/rule.h"

/* Does it change a schedule's `last` and nothing else? */
bool rules_moves_last(const struct rule_change *ch);
/* Before the commit's tasks are judged: what is queued then is what was there before. */
void rules_fire(struct rules *r, const struct rule_commit *c);
#endif
