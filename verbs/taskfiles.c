#include "verbs/taskfiles.h"
#include "base/file.h"
#include "schema/task.h"
#include "verbs/commands.h"
#include "verbs/making.h"
#include <stdlib.h>
#include <string.h>

static void add_flow(struct taskfiles *f, struct json *doc, const char *path, const char *stem, struct strs *ids,
		     struct strs *texts, struct problems *p)
{
	struct flow flow;
	if (f->group)
		json_set(doc, "group", json_new_str(f->group));
	p->file = path;
	flow_expand(doc, stem, &flow, p);
	p->file = NULL;
	for (size_t i = 0; i < flow.n; i++) {
		struct json *task = flow.v[i].doc;
		making_by(task, f->by);
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

static void insert(struct buf *b, const struct json *doc, const char *name)
{
	buf_addf(b, ", \"%s\": ", name);
	json_write(b, json_get(doc, name), 0);
}

void taskfiles_stamp(const struct taskfiles *f, struct json *doc, char **text)
{
	bool by = !json_get(doc, "submitted_by"), at = !json_get(doc, "created_at");
	const char *end = strrchr(*text, '}');
	struct buf b = {0};
	if (json_get(doc, "signatures") || !end || !doc->child || (!by && !at))
		return;
	making_by(doc, f->by);
	while (end > *text && strchr(" \t\r\n", end[-1]))
		end--;
	buf_add(&b, *text, (size_t)(end - *text));
	if (by)
		insert(&b, doc, "submitted_by");
	if (at)
		insert(&b, doc, "created_at");
	buf_adds(&b, end);
	free(*text);
	*text = buf_detach(&b);
}

void taskfiles_clear(struct taskfiles *f)
{
	strs_clear(&f->paths);
	flow_clear(&f->flow);
}
