#include "worker/identity.h"
#include "base/clock.h"
#include "schema/node.h"
#include "store/heartbeat.h"
#include "store/registry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int identity_recall(const char *work_dir, char previous[32], struct err *e)
{
	struct buf b = {0};
	char *path = xasprintf("%s/instance", work_dir);
	previous[0] = 0;
	int rc = file_read(path, 64, &b, e);
	if (!rc)
		buf_first_line(&b, previous, 32);
	buf_clear(&b);
	free(path);
	return rc && e->class != ERR_NOENT ? -1 : 0;
}

int identity_remember(const char *work_dir, const char *instance, struct err *e)
{
	char *path = xasprintf("%s/instance", work_dir);
	int rc = file_write(path, instance, strlen(instance), e);
	free(path);
	return rc;
}

int identity_check(struct ledger *l, const struct grid_config *c, const char *node, const char *previous, struct err *e)
{
	struct beats beats = {0};
	struct node_view file, beat, *last;
	if (heartbeats_fetch(&l->git, e) || heartbeats_read(&l->git, &beats, e)) {
		heartbeats_clear(&beats);
		return -1;
	}
	struct json *doc = registry_node(l, node, e);
	if (!doc && !ledger_answered(e)) {
		heartbeats_clear(&beats);
		return -1;
	}
	node_read(&file, doc);
	node_read(&beat, heartbeats_of(&beats, node));
	last = beat.seen > file.seen ? &beat : &file;
	int64_t ago = clock_now() - last->seen;
	int rc = 0;
	if (heartbeats_unread(&beats, node) && file.instance[0] && strcmp(file.instance, previous) != 0 &&
	    strcmp(file.status, "left") != 0)
		rc = err_set(
		    e, ERR_RETRY,
		    "the heartbeat of node '%s' cannot be read, so another worker may live under that name; give "
		    "this one its own --node-id, or --take-over if that one is dead",
		    node);
	else if (last->instance[0] && strcmp(last->instance, previous) != 0 && strcmp(last->status, "left") != 0 &&
		 ago < c->orphan_after_seconds)
		rc = err_set(e, ERR_RETRY,
			     "a worker with the node id '%s' was alive %lld s ago in another work directory; give this "
			     "one its own --node-id, or --take-over if that one is dead",
			     node, (long long)ago);
	json_free(doc);
	heartbeats_clear(&beats);
	return rc;
}

bool identity_taken(struct ledger *l, const char *node, const char *instance)
{
	struct err e;
	struct json *doc = registry_node(l, node, &e);
	const char *holder = json_str(doc, "instance");
	bool taken = holder && strcmp(holder, instance) != 0;
	json_free(doc);
	return taken;
}
