#include "honest_orders.h"
#include "schema/order.h"
#include <stdlib.h>

static void commit(const struct actor *a, const char *verb, const char *of)
{
	char *message = xasprintf("%s: %s %s\n", a->id, verb, of);
	stage_commit("main", a->id, message);
	free(message);
}

static void put(const char *path, struct json *doc)
{
	char *text = task_text(doc);
	stage_set(path, text);
	free(text);
	json_free(doc);
}

/* A drain comes or goes; a drain that lasts is rare, for somebody has to work. */
static void drain(const struct actor *a)
{
	char *node = xasprintf("n%lld", (long long)below(NODES) + 1), *path = xasprintf(ORDER_DRAINS "%s.json", node);
	bool drained = stage_file(path) != NULL;
	if (drained || one_in(3)) {
		commit(a, drained ? "undrain" : "drain", node);
		if (drained)
			stage_set(path, NULL);
		else
			put(path, order_drain(a->id, one_in(2) ? "new disk" : NULL, one_in(3)));
	}
	free(path);
	free(node);
}

static void pause_queue(const struct actor *a)
{
	struct json *list = json_new(JSON_ARRAY);
	json_append(list, one_in(6) ? order_pause(a->id, "all", NULL, NULL)
				    : order_pause(a->id, NULL, one_in(2) ? "group" : "label", "g0"));
	if (one_in(2))
		json_append(list, order_pause(a->id, "licences", "group", "g1"));
	commit(a, "pause", "queue");
	put(ORDER_PAUSED, order_pauses(list));
	json_free(list);
}

void play_orders(const struct actor *a)
{
	if (one_in(2))
		drain(a);
	else if (!stage_file(ORDER_PAUSED))
		pause_queue(a);
	else {
		commit(a, "resume", "queue");
		stage_set(ORDER_PAUSED, NULL);
	}
}

void play_retire(const struct actor *a, const char *node)
{
	const struct strs none = {0};
	char *mark = xasprintf(ORDER_RETIRED "%s.json", node), *file = xasprintf("nodes/%s.json", node),
	     *order = xasprintf(ORDER_DRAINS "%s.json", node);
	commit(a, "retire", node);
	put(mark, order_retirement(a->id, NULL, &none));
	stage_set(file, NULL);
	if (stage_file(order))
		stage_set(order, NULL);
	free(mark);
	free(file);
	free(order);
}
