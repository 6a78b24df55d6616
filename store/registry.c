#include "store/registry.h"
#include "base/log.h"
#include "schema/periodic.h"
#include <stdlib.h>
#include <string.h>

void registry_ids(struct ledger *l, struct strs *out)
{
	char *folder = xasprintf("%s/nodes", l->git.dir);
	struct err e;
	if (task_ids_in(folder, out, &e))
		log_at(LOG_WARN, "ledger", "%s", e.msg);
	free(folder);
}

struct json *registry_node(struct ledger *l, const char *node, struct err *e)
{
	char *path = xasprintf("%s/nodes/%s.json", l->git.dir, node);
	struct buf b = {0};
	struct json_error je;
	struct json *doc = NULL;
	if (!file_read(path, TASK_FILE_MAX, &b, e) && !(doc = json_parse(b.data ? b.data : "", b.len, &je)))
		err_set(e, ERR_DATA, "nodes/%s.json:%u:%u: %s", node, je.line, je.col, je.msg);
	buf_clear(&b);
	free(path);
	return doc;
}

int registry_file(struct ledger *l, const char *path, struct buf *out, struct err *e)
{
	char *full = xasprintf("%s/%s", l->git.dir, path);
	int rc = file_read(full, TASK_FILE_MAX, out, e);
	free(full);
	return rc;
}

int registry_ids_in(struct ledger *l, const char *folder, struct strs *out, struct err *e)
{
	char *full = xasprintf("%s/%s", l->git.dir, folder);
	int rc = task_ids_in(full, out, e);
	free(full);
	return rc;
}

size_t registry_active(struct ledger *l)
{
	struct strs ids = {0};
	size_t n = 0;
	registry_ids(l, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct err e;
		struct json *doc = registry_node(l, ids.v[i], &e);
		const char *status = json_str(doc, "status");
		n += status && strcmp(status, "left") != 0;
		json_free(doc);
	}
	strs_clear(&ids);
	return n;
}

int registry_schedules(struct ledger *l, struct strs *out, struct err *e)
{
	return registry_ids_in(l, PERIODIC_FOLDER, out, e);
}

int registry_schedule(struct ledger *l, const char *name, struct buf *out, struct err *e)
{
	char *path = xasprintf(PERIODIC_FOLDER "%s.json", name);
	int rc = registry_file(l, path, out, e);
	free(path);
	return rc;
}

struct file_stamp registry_schedule_stamp(const struct ledger *l, const char *name)
{
	char *path = xasprintf("%s/" PERIODIC_FOLDER "%s.json", l->git.dir, name);
	struct file_stamp stamp = file_stamp(path);
	free(path);
	return stamp;
}
