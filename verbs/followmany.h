/* followmany: several tasks' output while they run, a line at a time behind the task's id. */
#ifndef FOLLOWMANY_H
#define FOLLOWMANY_H
#include "verbs/commands.h"

#define FOLLOW_MAX 16 /* each of them asks the remote */
/* As follow_task for each; ERR_NO or ERR_CANCELLED as wait for all of them. */
int follow_many(const struct context *ctx, const struct strs *ids, struct err *e);
#endif
