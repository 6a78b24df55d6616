/* rules_limit: how many may run at a time, once all of a commit is done. */
#ifndef RULES_LIMIT_H
#define RULES_LIMIT_H
#include "audit/rule.h"

void rules_limit(struct rules *r, const struct rule_commit *c);
#endif
