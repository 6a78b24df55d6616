/* rules_checkpoint: judges what attempts of a task with `checkpoint` hand on (see schema/checkpoint.h). */
#ifndef RULES_CHECKPOINT_H
#define RULES_CHECKPOINT_H
#include "audit/rule.h"

void rules_checkpoint_given(const struct rule_move *m, const struct json *claim); /* a new claim */
void rules_checkpoint_saved(const struct rule_move *m, const struct json *claim); /* one that was renewed */
void rules_checkpoint_left(const struct rule_move *m, const struct json *entry);  /* one that went back to the queue */
void rules_checkpoint_again(const struct rule_move *m, const struct json *entry); /* a person queued it again */
#endif
