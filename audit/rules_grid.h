/* rules_grid: what a commit changes beside tasks: node files, keys, settings, and what does not belong to the grid. */
#ifndef RULES_GRID_H
#define RULES_GRID_H
#include "audit/rule.h"

void rules_form(struct rules *r, const struct rule_commit *c); /* of the commit itself */
void rules_grid(struct rules *r, const struct rule_commit *c, const struct rule_change *ch);
/* They hold from the next commit on, so this comes last. */
void rules_settings(struct rules *r, const struct rule_commit *c, const struct rule_change *ch);
#endif
