#include "worker/others.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/node.h"
#include "schema/vote.h"
#include "store/heartbeat.h"
#include "store/orders.h"
#include "store/registry.h"
#include <stdlib.h>
#include <string.h>

#define FRESH_MS 10000

void others_clear(struct others *o)
{
	for (size_t i = 0; i < o->n; i++)
		json_free(o->files[i]);
	free(o->files);
	*o = (struct others){0};
}

/* What cannot be read is no reason to wait for it. */
static bool is_drained(struct ledger *l, const char *node)
{
	struct err e;
	struct json *drain = NULL;
	bool drained = orders_of_node(l, ORDER_DRAINS, node, &drain, &e) || drain;
	json_free(drain);
	return drained;
}

static bool free_to_claim(const struct json *file, const struct json *beat, const struct grid_config *c)
{
	struct node_view own, later;
	node_read(&own, file);
	node_read(&later, beat);
	const struct node_view *last = later.seen > own.seen ? &later : &own;
	int64_t now = clock_now(), skew = c->max_clock_skew_seconds;
	return !strcmp(last->status, "active") && last->busy < last->slots &&
	       (now <= last->next_due + skew || now <= last->seen + c->heartbeat_seconds + skew);
}

static void look(struct others *o, struct ledger *l, const struct grid_config *c, const char *self)
{
	struct beats beats = {0};
	struct strs ids = {0};
	struct err e;
	others_clear(o);
	registry_ids(l, &ids);
	bool alone = ids.n == 0 || (ids.n == 1 && !strcmp(ids.v[0], self));
	if (!alone && (heartbeats_fetch(&l->git, &e) || heartbeats_read(&l->git, &beats, &e)))
		log_at(LOG_WARN, "worker", "the other nodes' heartbeats cannot be read: %s", e.msg);
	o->files = xcalloc(ids.n + 1, sizeof(struct json *));
	for (size_t i = 0; i < ids.n && !alone; i++) {
		struct json *file = strcmp(ids.v[i], self) != 0 ? registry_node(l, ids.v[i], &e) : NULL;
		if (file && free_to_claim(file, heartbeats_of(&beats, ids.v[i]), c) && !is_drained(l, ids.v[i]))
			o->files[o->n++] = file;
		else
			json_free(file);
	}
	o->looked_at = clock_mono_ms();
	heartbeats_clear(&beats);
	strs_clear(&ids);
}

static void look_again(struct others *o, struct ledger *l, const struct grid_config *c, const char *self)
{
	if (!o->looked_at || clock_mono_ms() - o->looked_at > FRESH_MS)
		look(o, l, c, self);
}

size_t others_free(struct others *o, struct ledger *l, const struct grid_config *c, const char *self)
{
	look_again(o, l, c, self);
	return o->n;
}

bool others_could(struct others *o, struct ledger *l, const struct grid_config *c, const char *self,
		  const struct json *task)
{
	look_again(o, l, c, self);
	for (size_t i = 0; i < o->n; i++) {
		const char *id = json_str(o->files[i], "node_id");
		if (node_has_labels(o->files[i], json_get(task, "labels")) && id && !vote_has(task, id))
			return true;
	}
	return false;
}
