#include "store/told.h"
#include "schema/task.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct told *t, enum told_kind kind, const char *path, const char *oid)
{
	const char *base = strrchr(path, '/') + 1;
	char *id = kind == TOLD_PAUSED ? xstrdup("") : xstrndup(base, strlen(base) - strlen(".json"));
	if (kind != TOLD_PAUSED && !task_id_valid(id)) {
		free(id);
		return;
	}
	t->v = xrealloc(t->v, (t->n + 1) * sizeof *t->v);
	t->v[t->n] = (struct told_order){.kind = kind, .id = id};
	snprintf(t->v[t->n++].oid, sizeof t->v->oid, "%s", oid);
}

static bool is_in(const char *path, const char *folder)
{
	size_t n = strlen(folder), len = strlen(path);
	return !strncmp(path, folder, n) && len > n + 5 && !strcmp(path + len - 5, ".json") && !strchr(path + n, '/');
}

void told_take(struct told *t, const char *path, const char *oid)
{
	if (!strcmp(path, ORDER_PAUSED))
		add(t, TOLD_PAUSED, path, oid);
	else if (is_in(path, ORDER_DRAINS))
		add(t, TOLD_DRAIN, path, oid);
	else if (is_in(path, ORDER_RETIRED))
		add(t, TOLD_RETIRED, path, oid);
}

static void take_doc(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct told *t = ctx;
	t->v[i].doc = order_parse(bytes, len);
}

int told_read(struct told *t, const struct git *g, struct err *e)
{
	struct strs oids = {0};
	for (size_t i = 0; i < t->n; i++)
		strs_add(&oids, t->v[i].oid);
	int rc = oids.n ? git_cat(g, "blob", oids.v, oids.n, TASK_FILE_MAX, take_doc, t, e) : 0;
	for (size_t i = 0; i < t->n && !rc; i++)
		if (t->v[i].kind == TOLD_PAUSED)
			t->paused = t->v[i].doc;
	strs_clear(&oids);
	return rc;
}

const struct json *told_drain(const struct told *t, const char *node)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].kind == TOLD_DRAIN && !strcmp(t->v[i].id, node))
			return t->v[i].doc;
	return NULL;
}

void told_clear(struct told *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].id);
		json_free(t->v[i].doc);
	}
	free(t->v);
	*t = (struct told){0};
}

char *told_pause(const struct told *t, size_t i)
{
	char name[ORDER_NAME], words[ORDER_WORDS];
	const struct json *one = order_pause_at(t->paused, i);
	return one ? xasprintf("%s%s", order_pause_name(one, name), order_words("", one, words)) : NULL;
}

char *told_why_paused(const struct told *t, const struct json *task)
{
	char name[ORDER_NAME], words[ORDER_WORDS];
	const struct json *one = order_pause_of(t->paused, task);
	return one ? xasprintf("%s is %s", order_pause_name(one, name), order_words("paused", one, words)) : NULL;
}
