#include "worker/ahead.h"
#include "schema/task_edit.h"

#define SPARE 5 / 4   /* an exchange may take longer than the last ones */
#define LEASE_TURNS 3 /* a claim that waits is renewed with one of the next exchanges */
#define LONG_RUN 4    /* exchanges: tasks that take longer are worth no wait in one node */

/* How many tasks all slots begin in the time of one exchange. */
static size_t begun(const struct ahead_facts *f)
{
	if (!f->run_ms || !f->exchange_ms || f->run_ms > f->exchange_ms * LONG_RUN)
		return 0;
	int64_t n = ((int64_t)f->slots * f->exchange_ms * SPARE + f->run_ms - 1) / f->run_ms;
	return n > AHEAD_MAX ? AHEAD_MAX : (size_t)n;
}

size_t ahead_claims(const struct ahead_facts *f)
{
	size_t n = begun(f);
	if (f->lease_seconds && f->lease_seconds * 1000 < f->exchange_ms * LEASE_TURNS)
		return 0;
	return n > f->most ? f->most : n;
}

int64_t ahead_lease(const struct ahead_facts *f)
{
	int64_t s = f->exchange_ms * LEASE_TURNS / 1000 + 1;
	return f->lease_seconds ? 0 : s > TASK_AHEAD_SECONDS ? TASK_AHEAD_SECONDS : s;
}

size_t ahead_surplus(const struct ahead_facts *f, size_t waiting, size_t idle_nodes)
{
	size_t keep = begun(f), share = waiting / (idle_nodes + 1);
	if (!idle_nodes || waiting <= keep)
		return 0;
	return waiting - (share > keep ? share : keep);
}
