/* supersede: tasks that, when they are queued, end what is queued of their concurrency group. */
#ifndef SUPERSEDE_H
#define SUPERSEDE_H
#include "ledger.h"

bool supersede_any(const struct strs *texts); /* of tasks: does one? */
/* ledger_commit of n changes, each of which queues the task of one of texts; with them go those that they supersede,
 * as they stand at the head that it lands on. Says on stderr which they were. */
int supersede_commit(struct ledger *l, struct ledger_change *c, const struct strs *texts, struct err *e);
#endif
