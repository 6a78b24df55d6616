#include "store/orders.h"
#include "base/log.h"
#include "store/registry.h"
#include <stdlib.h>

int orders_file(struct ledger *l, const char *path, struct json **out, struct err *e)
{
	struct buf b = {0};
	*out = NULL;
	int rc = registry_file(l, path, &b, e);
	if (!rc || e->class == ERR_DATA) /* a link or worse stands there: something was said */
		*out = order_parse(b.data, b.len);
	buf_clear(&b);
	return *out || e->class == ERR_NOENT ? 0 : -1;
}

int orders_of_node(struct ledger *l, const char *folder, const char *node, struct json **out, struct err *e)
{
	char *path = xasprintf("%s%s.json", folder, node);
	int rc = orders_file(l, path, out, e);
	free(path);
	return rc;
}

bool orders_let(struct ledger *l, const char *node, const struct json *task)
{
	struct err e;
	struct json *drain = NULL, *retired = NULL, *paused = NULL;
	int rc = orders_of_node(l, ORDER_DRAINS, node, &drain, &e) ||
			 orders_of_node(l, ORDER_RETIRED, node, &retired, &e) ||
			 orders_file(l, ORDER_PAUSED, &paused, &e)
		     ? -1
		     : 0;
	if (rc)
		log_at(LOG_WARN, "worker", "nothing is claimed: what is drained or paused cannot be read: %s", e.msg);
	bool let = !rc && !drain && !retired && !order_pause_of(paused, task);
	json_free(drain);
	json_free(retired);
	json_free(paused);
	return let;
}

int orders_key_of(struct ledger *l, const char *key, char **node, struct err *e)
{
	struct strs ids = {0};
	*node = NULL;
	int rc = registry_ids_in(l, ORDER_RETIRED, &ids, e);
	for (size_t i = 0; i < ids.n && !rc && !*node; i++) {
		struct json *retired;
		rc = orders_of_node(l, ORDER_RETIRED, ids.v[i], &retired, e);
		if (order_had_key(retired, key))
			*node = xstrdup(ids.v[i]);
		json_free(retired);
	}
	strs_clear(&ids);
	return rc;
}
