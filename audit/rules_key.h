/* rules_key: who is enrolled, as what (schema/keys.h). */
#ifndef RULES_KEY_H
#define RULES_KEY_H
#include "audit/rule.h"

/* All keys of one commit, whose node files have been judged; brings r->world up to date with them. */
void rules_key(struct rules *r, const struct rule_commit *c);
#endif
