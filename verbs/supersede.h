/* supersede: tasks that, when they are queued, end what is queued of their concurrency group. */
#ifndef SUPERSEDE_H
#define SUPERSEDE_H
#include "ledger.h"

bool supersede_any(const struct strs *texts); /* of tasks: does one? */
/* ledger_commit of n changes, the first of which queue the tasks of texts; with them go those that these supersede, as
 * they stand at the head that it lands on. Says on stderr which they were. */
int supersede_commit(struct ledger *l, struct ledger_change *c, size_t n, const struct strs *texts, struct err *e);
#endif
