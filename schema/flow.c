#include "schema/flow.h"
#include "schema/need.h"
#include "schema/task_edit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_TASKS_MAX 5000
#define FLOW_BYTES_MAX (32 << 20) /* that defaults become in all tasks */

bool flow_is(const struct json *doc)
{
	return json_get(doc, "tasks") != NULL;
}

static bool is_id(const struct json *m)
{
	return m && m->type == JSON_STRING && strlen(m->text) == m->len && task_id_valid(m->text);
}

/* The file's own names, sorted. */
struct names {
	const struct json **v;
	size_t n;
	const char *group;
};

static int by_text(const void *a, const void *b)
{
	return strcmp((*(const struct json *const *)a)->text, (*(const struct json *const *)b)->text);
}

static void collect(struct names *names, const struct json *tasks)
{
	size_t n = 0;
	for (const struct json *t = tasks->child; t; t = t->next)
		n++;
	names->v = xcalloc(n + 1, sizeof(const struct json *));
	for (const struct json *t = tasks->child; t; t = t->next)
		if (is_id(json_get(t, "name")))
			names->v[names->n++] = json_get(t, "name");
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, by_text);
}

static const struct json **find(const struct names *names, const struct json *name)
{
	return names->n ? bsearch(&name, names->v, names->n, sizeof *names->v, by_text) : NULL;
}

/* Is there another of that name before it in the file? */
static bool is_second(const struct names *names, const struct json *name)
{
	const struct json **at = find(names, name), **first = names->v, **last = names->v + names->n - 1;
	while (at > first && !strcmp(at[-1]->text, name->text))
		at--;
	for (; at <= last && !strcmp((*at)->text, name->text); at++)
		if (*at != name && ((*at)->line < name->line || ((*at)->line == name->line && (*at)->col < name->col)))
			return true;
	return false;
}

/* In place: the value becomes the id that it stands for. */
static void rename_one(struct json *value, const struct names *names)
{
	if (!is_id(value) || !find(names, value))
		return;
	char *id = xasprintf("%s-%s", names->group, value->text);
	free(value->text);
	value->text = id;
	value->len = strlen(id);
}

static void rename_list(struct json *doc, const char *member, const struct names *names)
{
	struct json *list = json_copy(json_get(doc, member));
	if (!list)
		return;
	for (struct json *v = list->type == JSON_ARRAY ? list->child : NULL; v; v = v->next)
		rename_one(v, names);
	json_set(doc, member, list);
}

static void rename_inputs(struct json *doc, const struct names *names)
{
	struct json *inputs = json_copy(json_get(doc, "inputs"));
	if (!inputs)
		return;
	for (struct json *i = inputs->type == JSON_OBJECT ? inputs->child : NULL; i; i = i->next)
		for (struct json *m = i->type == JSON_OBJECT ? i->child : NULL; m; m = m->next)
			if (!strcmp(m->name, "task"))
				rename_one(m, names);
	json_set(doc, "inputs", inputs);
}

/* What a task does not say itself. */
static void add_defaults(struct json *doc, const struct json *defaults)
{
	for (const struct json *d = defaults ? defaults->child : NULL; d; d = d->next) {
		const struct json *own = json_get(doc, d->name);
		if (!own) {
			json_set(doc, d->name, json_copy(d));
			continue;
		}
		if (strcmp(d->name, "env") != 0 || d->type != JSON_OBJECT || own->type != JSON_OBJECT)
			continue;
		struct json *env = json_copy(d);
		for (const struct json *v = own->child; v; v = v->next)
			json_set(env, v->name, json_copy(v));
		json_set(doc, "env", env);
	}
}

static void add_task(struct flow *out, const struct json *task, const struct names *names, const struct json *defaults,
		     struct problems *p)
{
	const char *group = names->group;
	const struct json *name = json_get(task, "name"), *id = json_get(task, "task_id");
	size_t room = strlen(group) < 63 ? 63 - strlen(group) : 0;
	if (task->type != JSON_OBJECT)
		problem_in(p, task->line, task->col, "tasks", "%s (expected an object)", json_type_name(task->type));
	else if (!name)
		problem_in(p, task->line, task->col, "name", "missing (expected in every task of a flow)");
	else if (!is_id(name))
		problem_in(p, name->line, name->col, "name", "not valid (expected 1-64 of A-Z a-z 0-9 _ -)");
	else if (name->len > room)
		problem_in(p, name->line, name->col, "name",
			   "\"%s-%s\" is longer than an id (expected at most 64 characters)", group, name->text);
	else if (id)
		problem_in(p, id->name_line, id->name_col, "task_id",
			   "not in a flow (expected \"name\" alone: the id is made of the group and that)");
	else {
		if (is_second(names, name)) {
			problem_in(p, name->line, name->col, "name", "\"%s\" is there twice (expected once)",
				   name->text);
			return;
		}
		struct flow_task *one;
		out->v = xrealloc(out->v, (out->n + 1) * sizeof *out->v);
		one = &out->v[out->n++];
		*one = (struct flow_task){xasprintf("%s-%s", group, name->text), json_copy(task)};
		add_defaults(one->doc, defaults);
		json_remove(one->doc, "name");
		rename_list(one->doc, "needs", names);
		rename_list(one->doc, "after", names);
		rename_inputs(one->doc, names);
		json_set(one->doc, "task_id", json_new_str(one->id));
		if (!json_get(one->doc, "group"))
			json_set(one->doc, "group", json_new_str(group));
	}
}

static size_t size_of(const struct json *defaults)
{
	struct buf b = {0};
	if (defaults)
		json_write(&b, defaults, 0);
	size_t n = b.len;
	buf_clear(&b);
	return n;
}

void flow_expand(const struct json *doc, const char *group, struct flow *out, struct problems *p)
{
	const struct json *tasks = json_get(doc, "tasks"), *defaults = json_get(doc, "defaults"),
			  *named = json_get(doc, "group");
	size_t before = p->n;
	*out = (struct flow){0};
	for (const struct json *m = doc->child; m; m = m->next)
		if (strcmp(m->name, "tasks") != 0 && strcmp(m->name, "defaults") != 0 &&
		    strcmp(m->name, "group") != 0 && strcmp(m->name, "description") != 0 &&
		    strncmp(m->name, "x-", 2) != 0)
			problem_in(p, m->name_line, m->name_col, m->name,
				   "unknown field of a flow (expected \"group\", \"description\", \"defaults\" and "
				   "\"tasks\")");
	if (named && !is_id(named))
		problem_in(p, named->line, named->col, "group", "not valid (expected 1-64 of A-Z a-z 0-9 _ -)");
	if (defaults && defaults->type != JSON_OBJECT)
		problem_in(p, defaults->line, defaults->col, "defaults", "%s (expected an object)",
			   json_type_name(defaults->type));
	for (const struct json *m = defaults && defaults->type == JSON_OBJECT ? defaults->child : NULL; m; m = m->next)
		if (!strcmp(m->name, "name") || !strcmp(m->name, "task_id"))
			problem_in(p, m->name_line, m->name_col, m->name,
				   "not in defaults (expected a \"name\" in each task, of which its id is made)");
	if (tasks->type != JSON_ARRAY || !tasks->child)
		problem_in(p, tasks->line, tasks->col, "tasks", "%s (expected an array of tasks)",
			   tasks->type == JSON_ARRAY ? "empty" : json_type_name(tasks->type));
	if (p->n != before)
		return;
	struct names names = {.group = named ? named->text : group};
	size_t n = 0;
	for (const struct json *t = tasks->child; t; t = t->next)
		n++;
	if (n > FLOW_TASKS_MAX || n * size_of(defaults) > FLOW_BYTES_MAX)
		problem_in(p, tasks->line, tasks->col, "tasks",
			   "%zu tasks, each with %zu bytes of defaults (expected at most %d, and %d MB in all)", n,
			   size_of(defaults), FLOW_TASKS_MAX, FLOW_BYTES_MAX >> 20);
	collect(&names, tasks);
	for (const struct json *t = p->n == before ? tasks->child : NULL; t; t = t->next)
		add_task(out, t, &names, defaults, p);
	free(names.v);
}

void flow_judge_circle(const struct flow *f, struct problems *p)
{
	struct need_task *v = xcalloc(f->n + 1, sizeof *v);
	const struct need_task *first;
	const char *member = NULL;
	for (size_t i = 0; i < f->n; i++) {
		v[i].id = f->v[i].id;
		needs_of(f->v[i].doc, &v[i].needs);
	}
	char *circle = needs_circle(v, f->n, &first);
	for (size_t i = 0; i < f->n && circle; i++)
		if (f->v[i].id == first->id) {
			const struct json *at = need_at(f->v[i].doc, first->needs.v[0].id, &member);
			problem_in(p, at ? at->line : 1, at ? at->col : 1, member,
				   "it waits for itself: %s (expected no circle)", circle);
		}
	free(circle);
	for (size_t i = 0; i < f->n; i++)
		needs_clear(&v[i].needs);
	free(v);
}

void flow_clear(struct flow *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].id);
		json_free(f->v[i].doc);
	}
	free(f->v);
	*f = (struct flow){0};
}
