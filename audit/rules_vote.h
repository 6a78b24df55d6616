/* rules_vote: judges votes of tasks that several nodes run (see vote.h). */
#ifndef RULES_VOTE_H
#define RULES_VOTE_H
#include "audit/rule.h"

void rules_vote_claim(const struct rule_move *m, const struct json *claim); /* who claims, and on which terms */
void rules_vote_cast(const struct rule_move *m, const struct json *entry);  /* a claim that ended as a vote */
void rules_vote_end(const struct rule_move *m, const struct json *result);  /* a result: has a quorum found it? */
#endif
