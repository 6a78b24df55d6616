/* rules_claim: judges a claim, and what may happen to one while it holds: a renewal, a note of a cancel. */
#ifndef RULES_CLAIM_H
#define RULES_CLAIM_H
#include "audit/rule.h"

void rules_claim(const struct rule_move *m);	/* queue to in_progress */
void rules_in_place(const struct rule_move *m); /* an edit in in_progress */
#endif
