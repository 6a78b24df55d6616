#include "schema/need.h"
#include "schema/task_edit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_id(const struct json *m)
{
	return m && m->type == JSON_STRING && strlen(m->text) == m->len && task_id_valid(m->text);
}

bool need_list_valid(const struct json *m, const char *own_id, const struct json **at, char why[160])
{
	size_t n = 0;
	*at = m;
	if (m->type != JSON_ARRAY) {
		snprintf(why, 160, "expected an array of task ids");
		return false;
	}
	for (const struct json *v = m->child; v; v = v->next) {
		*at = v;
		if (!is_id(v))
			snprintf(why, 160, "expected the id of a task, 1-64 of A-Z a-z 0-9 _ -");
		else if (++n > NEEDS_MAX)
			snprintf(why, 160, "expected at most %d", NEEDS_MAX);
		else if (own_id && !strcmp(v->text, own_id))
			snprintf(why, 160, "\"%s\" is the task itself (expected another)", v->text);
		else {
			const struct json *before = m->child;
			while (before != v && strcmp(before->text, v->text) != 0)
				before = before->next;
			if (before == v)
				continue;
			snprintf(why, 160, "\"%s\" is named twice (expected each once)", v->text);
		}
		return false;
	}
	return true;
}

static void add(struct needs *out, const struct json *id, bool success)
{
	if (!is_id(id))
		return;
	for (size_t i = 0; i < out->n; i++)
		if (!strcmp(out->v[i].id, id->text)) {
			out->v[i].success = out->v[i].success || success;
			return;
		}
	out->v = xrealloc(out->v, (out->n + 1) * sizeof *out->v);
	out->v[out->n++] = (struct need){xstrdup(id->text), success};
}

static void add_list(struct needs *out, const struct json *list, bool success)
{
	for (const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL; v; v = v->next)
		add(out, v, success);
}

void needs_of(const struct json *doc, struct needs *out)
{
	const struct json *inputs = json_get(doc, "inputs");
	*out = (struct needs){0};
	add_list(out, json_get(doc, "needs"), true);
	add_list(out, json_get(doc, "after"), false);
	for (const struct json *i = inputs && inputs->type == JSON_OBJECT ? inputs->child : NULL; i; i = i->next)
		add(out, json_get(i, "task"), true);
}

bool needs_any(const struct json *doc)
{
	struct needs all;
	needs_of(doc, &all);
	bool any = all.n > 0;
	needs_clear(&all);
	return any;
}

void needs_clear(struct needs *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->v[i].id);
	free(n->v);
	*n = (struct needs){0};
}

void need_add_after(struct strs *env, const struct json *after)
{
	struct buf b = {0};
	for (const struct json *one = after ? after->child : NULL; one; one = one->next)
		buf_addf(&b, "%s%s=%s", b.len ? " " : "", one->name, one->type == JSON_STRING ? one->text : "?");
	if (b.len)
		strs_addf(env, "DGRID_AFTER=%s", b.data);
	buf_clear(&b);
}

static const struct json *named(const struct json *list, const char *id)
{
	const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL;
	while (v && !(is_id(v) && !strcmp(v->text, id)))
		v = v->next;
	return v;
}

const struct json *need_at(const struct json *doc, const char *id, const char **member)
{
	static const char *const lists[] = {"needs", "after"};
	const struct json *at = NULL, *inputs = json_get(doc, "inputs");
	for (size_t i = 0; i < sizeof lists / sizeof *lists && !at; i++) {
		*member = lists[i];
		at = named(json_get(doc, lists[i]), id);
	}
	for (const struct json *i = inputs && !at ? inputs->child : NULL; i && !at; i = i->next) {
		const char *task = json_str(i, "task");
		*member = "inputs";
		at = task && !strcmp(task, id) ? json_get(i, "task") : NULL;
	}
	return at;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct need_task *)a)->id, ((const struct need_task *)b)->id);
}

const struct need_task *need_task_of(const struct need_task *v, size_t n, const char *id)
{
	const struct need_task key = {.id = id};
	return n ? bsearch(&key, v, n, sizeof *v, by_id) : NULL;
}

/* The way from a task to what it waits for, and so on. */
struct way {
	struct step {
		size_t task, next; /* next: of its needs, to be looked at */
	} * v;
	size_t n;
};

static char *tell_circle(const struct need_task *v, const struct way *way, size_t closes)
{
	struct buf b = {0};
	size_t at = 0;
	while (way->v[at].task != closes)
		at++;
	for (; at < way->n; at++)
		if (b.len < 600)
			buf_addf(&b, "%s%s needs %s", b.len ? ", " : "", v[way->v[at].task].id,
				 v[at + 1 < way->n ? way->v[at + 1].task : closes].id);
	return buf_detach(&b);
}

char *needs_circle(struct need_task *v, size_t n, const struct need_task **first)
{
	enum { NEW, ON_THE_WAY, DONE } *marks = xcalloc(n + 1, sizeof *marks);
	struct way way = {.v = xcalloc(n + 1, sizeof *way.v)};
	char *told = NULL;
	if (n)
		qsort(v, n, sizeof *v, by_id);
	for (size_t begin = 0; begin < n && !told; begin++) {
		if (marks[begin] == NEW)
			way.v[way.n++] = (struct step){.task = begin};
		while (way.n && !told) {
			struct step *top = &way.v[way.n - 1];
			marks[top->task] = ON_THE_WAY;
			if (top->next == v[top->task].needs.n) {
				marks[top->task] = DONE;
				way.n--;
				continue;
			}
			const struct need_task *to = need_task_of(v, n, v[top->task].needs.v[top->next++].id);
			if (to && marks[to - v] == ON_THE_WAY) {
				*first = to;
				told = tell_circle(v, &way, (size_t)(to - v));
			} else if (to && marks[to - v] == NEW)
				way.v[way.n++] = (struct step){.task = (size_t)(to - v)};
		}
	}
	free(way.v);
	free(marks);
	return told;
}
