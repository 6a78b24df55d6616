/* rules_run: what a node says of a run, against itself and against the task. */
#ifndef RULES_RUN_H
#define RULES_RUN_H
#include "audit/rule.h"

void rules_run_result(const struct rule_move *m, const struct json *result);
/* An entry of attempts: of a run that is tried again, or a vote. */
void rules_run_attempt(const struct rule_move *m, const struct json *entry, const char *outcome);
#endif
