#include "worker/lease.h"
#include "schema/points.h"

#define GRACE_MS 3000

bool lease_exclusive(const struct slot *s)
{
	return json_get(s->pick.task.doc, "concurrency_group") != NULL;
}

int64_t lease_seconds(const struct slot *s)
{
	const struct grid_config *c = s->all->config;
	int64_t lease = c->lease_seconds
			    ? c->lease_seconds
			    : points_seconds(s->pick.task.doc, s->pick.task.timeout_seconds) + LEASE_GRACE_SECONDS;
	lease += s->ahead ? s->all->wait_seconds : 0;
	return lease_exclusive(s) && lease < c->orphan_after_seconds ? c->orphan_after_seconds : lease;
}

/* How long others wait for a sign of life. */
static int64_t silence_ms(const struct slots *all)
{
	int64_t patience = all->config->orphan_after_seconds * 1000, beat = all->beat_ms ? *all->beat_ms + 1000 : 0;
	return patience > beat ? patience : beat;
}

int64_t lease_grace_ms(const struct slot *s)
{
	int64_t quarter = silence_ms(s->all) / 4;
	return lease_exclusive(s) && quarter < GRACE_MS ? quarter : GRACE_MS;
}

/* Times in documents are whole seconds. */
int64_t lease_end(const struct slot *s)
{
	const struct slots *all = s->all;
	int64_t at = s->lease_ends, shown = all->shown_at ? all->shown_at(all->ctx) : 0;
	if (shown && shown + silence_ms(all) < at)
		at = shown + silence_ms(all);
	return at - lease_grace_ms(s) - 1000;
}
