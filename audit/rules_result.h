/* rules_result: judges how a task ends: a result, a claim that goes back, a cancel, a retry. */
#ifndef RULES_RESULT_H
#define RULES_RESULT_H
#include "audit/rule.h"

void rules_back(const struct rule_move *m);   /* in_progress to the queue */
void rules_end(const struct rule_move *m);    /* in_progress to completed or failed */
void rules_refuse(const struct rule_move *m); /* unapproved or queue to failed: cancelled, or no valid task */
void rules_retry(const struct rule_move *m);  /* completed or failed to the queue */
/* What a run left in /out: told (a result, or an entry of attempts) has it as `out`, or why not as `out_error`. */
void rules_out(const struct rule_move *m, const struct json *told, const char *ended);
#endif
