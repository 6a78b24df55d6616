#include "verbs/taskfiles.h"
#include "base/clock.h"
#include "base/file.h"
#include "schema/task.h"
#include "verbs/commands.h"
#include <stdlib.h>
#include <string.h>

static void add_flow(struct taskfiles *f, struct json *doc, const char *path, const char *stem, struct strs *ids,
		     struct strs *texts, struct problems *p)
{
	struct flow flow;
	char when[32];
	if (f->group)
		json_set(doc, "group", json_new_str(f->group));
	p->file = path;
	flow_expand(doc, stem, &flow, p);
	p->file = NULL;
	for (size_t i = 0; i < flow.n; i++) {
		struct json *task = flow.v[i].doc;
		if (!json_get(task, "submitted_by"))
			json_set(task, "submitted_by", json_new_str(f->by));
		if (!json_get(task, "created_at"))
			json_set(task, "created_at", json_new_str(clock_format(clock_now(), when)));
		char *text = task_text(task);
		strs_add(ids, flow.v[i].id);
		strs_add(texts, text);
		strs_add(&f->paths, path);
		free(text);
	}
	f->flow.v = xrealloc(f->flow.v, (f->flow.n + flow.n + 1) * sizeof *flow.v);
	if (flow.n)
		memcpy(f->flow.v + f->flow.n, flow.v, flow.n * sizeof *flow.v); /* moves over */
	f->flow.n += flow.n;
	free(flow.v);
}

int taskfiles_read(struct taskfiles *f, const char *path, struct strs *ids, struct strs *texts, struct problems *p,
		   struct err *e)
{
	struct buf b = {0};
	int rc = file_read_named(path, TASK_FILE_MAX, &b, e);
	const char *dot = strrchr(path, '.');
	if (rc && e->class == ERR_NOENT && (!dot || strcmp(dot, ".json") != 0))
		err_set(e, ERR_NOENT,
			"there is no task file '%.200s' (a command goes after --: dgrid submit -- echo hi)", path);
	if (!rc && b.len > 2 && !strncmp(b.data, "#!", 2))
		rc = err_set(e, ERR_DATA,
			     "'%.200s' is a script (expected JSON; of a script: dgrid submit --script %.200s)", path,
			     path);
	if (!rc && b.len && strlen(b.data) != b.len)
		rc = err_set(e, ERR_DATA, "'%.200s' holds a NUL byte (expected JSON)", path);
	if (!rc) {
		struct json_error je;
		struct json *doc = b.data && strstr(b.data, "\"tasks\"") ? json_parse(b.data, b.len, &je) : NULL;
		char *stem = stem_of(path);
		if (doc && flow_is(doc))
			add_flow(f, doc, path, stem, ids, texts, p);
		else {
			strs_add(ids, stem);
			strs_add(texts, b.data ? b.data : "");
			strs_add(&f->paths, path);
		}
		json_free(doc);
		free(stem);
	}
	buf_clear(&b);
	return rc;
}

struct json *taskfiles_doc(const struct taskfiles *f, const char *id, const char *text, struct problems *p)
{
	for (size_t i = 0; i < f->flow.n; i++)
		if (!strcmp(f->flow.v[i].id, id))
			return json_copy(f->flow.v[i].doc);
	return task_read(text, strlen(text), p);
}

void taskfiles_clear(struct taskfiles *f)
{
	strs_clear(&f->paths);
	flow_clear(&f->flow);
}
