#include "verbs/select.h"
#include "base/clock.h"
#include "store/archive.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a task stands or ended, by any name that people have for it. */
#define STATES                                                                                                         \
	"unapproved queue queued in_progress running completed failed archived success timeout oom lost cancelled "    \
	"invalid unstartable disputed skipped"

static const struct usage_option rows[] = {
    {SELECT, "--group", "G", NULL, "the tasks of this group, archived ones too; may be repeated"},
    {SELECT, "--state", "S", STATES,
     "only tasks in this state (queued, running, completed, failed, unapproved, archived), or that ended like this "
     "(success, timeout, cancelled ...); repeated: any of them"},
    {SELECT, "--label", "L", NULL, "only tasks that ask for this label"},
    {SELECT, "--node", "N", "@nodes", "only tasks that this node runs, or ran last"},
    {SELECT, "--since", "T", NULL,
     "only tasks that were submitted, claimed or ended since then: 90m, 2h, 3d, or a date"},
    {SELECT, "--failed", NULL, NULL, "only tasks that failed; not those that were cancelled"}};
#define N_ROWS (sizeof rows / sizeof *rows)

const struct usage_option *select_option_at(size_t i)
{
	return i < N_ROWS ? &rows[i] : NULL;
}

static bool is_word(const char *word, const char *words)
{
	size_t n = strlen(word);
	for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (n && strcspn(p, " ") == n && !strncmp(p, word, n))
			return true;
	return false;
}

int select_since(int64_t *since, const char *value, struct err *e)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	size_t digits = strspn(value, "0123456789"), n = strlen(value);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (digits && digits < 7 && n == digits + 1 && value[digits] == units[i].unit) {
			*since = clock_now() - strtol(value, NULL, 10) * units[i].seconds;
			return 0;
		}
	char *day = xasprintf("%sT00:00:00Z", value);
	int rc = clock_parse(n == 10 ? day : value, since);
	free(day);
	return rc ? err_set(e, ERR_USAGE,
			    "--since: expected a time such as 90m, 2h, 3d, 2026-01-31 or 2026-01-31T09:00:00Z, found "
			    "'%.100s'",
			    value)
		  : 0;
}

int select_take(struct selection *w, const struct usage_option *o, const char *value, struct err *e)
{
	const char *name = o->name + 2;
	w->given = true;
	if (!strcmp(name, "failed"))
		w->failed = true;
	else if (!strcmp(name, "since"))
		return select_since(&w->since, value, e);
	else if (!strcmp(name, "state") && !is_word(value, STATES))
		return err_set(e, ERR_USAGE, "--state: expected one of %s, found '%.100s'", STATES, value);
	else if (strcmp(name, "state") != 0 && !task_id_valid(value))
		return err_set(e, ERR_USAGE, "%s: expected 1-64 of A-Z a-z 0-9 _ -, found '%.100s'", o->name, value);
	else
		strs_add(!strcmp(name, "group")	  ? &w->groups
			 : !strcmp(name, "state") ? &w->states
			 : !strcmp(name, "label") ? &w->labels
						  : &w->nodes,
			 value);
	return 0;
}

void selection_clear(struct selection *w)
{
	strs_clear(&w->groups);
	strs_clear(&w->states);
	strs_clear(&w->labels);
	strs_clear(&w->nodes);
	*w = (struct selection){0};
}

/* ---- is it one of them? ---- */

static bool among(const struct strs *l, const char *text)
{
	size_t i = 0;
	while (i < l->n && (!text || strcmp(l->v[i], text) != 0))
		i++;
	return i < l->n;
}

static bool in_state(const struct strs *states, const struct selected *one)
{
	static const char *const folders[][2] = {{"queued", "queue"}, {"running", "in_progress"}};
	const char *status = json_str(json_get(one->task->doc, "result"), "status");
	for (size_t i = 0; i < states->n; i++) {
		const char *state = states->v[i];
		for (size_t k = 0; k < sizeof folders / sizeof *folders; k++)
			state = !strcmp(state, folders[k][0]) ? folders[k][1] : state;
		if (!strcmp(state, one->state) || !strcmp(state, task_state_name(one->task->state)) ||
		    (status && !strcmp(state, status)))
			return true;
	}
	return !states->n;
}

static bool has_labels(const struct strs *wanted, const struct json *labels)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL;
		while (v && (v->type != JSON_STRING || strcmp(v->text, wanted->v[i]) != 0))
			v = v->next;
		if (!v)
			return false;
	}
	return true;
}

/* Whoever has nothing that can be read is left out as soon as something is asked of it. */
static bool fits(const struct selection *w, const struct selected *one)
{
	const struct json *doc = one->task->doc, *result = json_get(doc, "result"), *claim = json_get(doc, "claim");
	const char *status = json_str(result, "status");
	bool failed = status && strcmp(status, "success") != 0 && strcmp(status, "cancelled") != 0;
	if (!in_state(&w->states, one) || !has_labels(&w->labels, json_get(doc, "labels")) || (w->failed && !failed))
		return false;
	if (w->nodes.n && !among(&w->nodes, json_str(claim ? claim : result, "node")))
		return false;
	return !w->since || json_time(doc, "created_at") >= w->since || json_time(claim, "claimed_at") >= w->since ||
	       json_time(result, "finished_at") >= w->since;
}

/* ---- the list ---- */

static struct selected *add(struct selected_list *l, struct snapshot_task *t, const char *state, const char *folder,
			    bool named)
{
	if (!(l->n & (l->n - 1))) /* a power of two: it is full */
		l->v = xrealloc(l->v, (l->n ? 2 * l->n : 1) * sizeof *l->v);
	struct selected *one = &l->v[l->n++];
	*one = (struct selected){.task = t, .state = state, .named = named};
	one->path = folder ? xasprintf("archive:%s", folder) : xasprintf("tasks/%s/%s.json", state, t->id);
	return one;
}

static void take_away(struct selected *one)
{
	if (!strcmp(one->state, "archived")) {
		free(one->task->id);
		json_free(one->task->doc);
		free(one->task);
	}
	free(one->path);
}

struct archived {
	struct selected_list *l;
	struct snapshot_task **at; /* of the ids that were asked for */
	char **paths;
	const char *group; /* NULL: those ids */
	size_t named;	   /* so many at the list's head were found by their ids */
	const struct snapshot *s;
};

static bool is_named(const struct selected_list *l, size_t n, const char *id)
{
	size_t i = 0;
	while (i < n && strcmp(l->v[i].task->id, id) != 0)
		i++;
	return i < n;
}

static struct snapshot_task *archived_task(const struct archive_found *f)
{
	const char *status = json_str(json_get(f->doc, "result"), "status");
	struct snapshot_task *t = xcalloc(1, sizeof *t);
	t->id = xstrdup(f->id);
	t->doc = f->doc;
	t->regular = true;
	t->state = status && !strcmp(status, "success") ? TASK_COMPLETED : TASK_FAILED;
	return t;
}

static void take_archived(void *ctx, const struct archive_found *f)
{
	struct archived *a = ctx;
	if (!a->group) {
		a->at[f->asked] = archived_task(f);
		a->paths[f->asked] = xstrdup(f->path);
		return;
	}
	/* An id that is used again: the newer is the task. */
	const char *group = json_str(f->doc, "group");
	if (!group || strcmp(group, a->group) != 0 || is_named(a->l, a->named, f->id) || snapshot_find(a->s, f->id)) {
		json_free(f->doc);
		return;
	}
	add(a->l, archived_task(f), "archived", f->path, false);
}

/* Those that are named, from the branch or the archive. */
static int take_named(struct snapshot *s, char *const *ids, size_t n, struct selected_list *out, struct err *e)
{
	struct strs gone = {0};
	size_t *which = xcalloc(n + 1, sizeof *which), n_which = 0;
	struct snapshot_task **found = xcalloc(n + 1, sizeof(struct snapshot_task *));
	struct archived a = {.at = xcalloc(n + 1, sizeof(struct snapshot_task *)),
			     .paths = xcalloc(n + 1, sizeof(char *))};
	for (size_t i = 0; i < n; i++) {
		found[i] = task_id_valid(ids[i]) ? snapshot_find(s, ids[i]) : NULL;
		if (found[i])
			which[n_which++] = (size_t)(found[i] - s->tasks);
		else
			strs_add(&gone, ids[i]);
	}
	const struct archive_query q = {.ids = gone.v, .n = gone.n, .docs = true};
	int rc = snapshot_load_these(s, which, n_which, e);
	if (!rc && gone.n)
		rc = snapshot_archive_look(s, &q, take_archived, &a, e);
	for (size_t i = 0, k = 0; i < n && !rc; i++) {
		if (found[i])
			add(out, found[i], task_state_name(found[i]->state), NULL, true);
		else if (a.at[k])
			add(out, a.at[k], "archived", a.paths[k], true);
		else
			strs_add(&out->missing, ids[i]);
		k += !found[i];
	}
	for (size_t k = 0; k < gone.n; k++)
		free(a.paths[k]);
	strs_clear(&gone);
	free(which);
	free(found);
	free(a.at);
	free(a.paths);
	return rc;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct selected *)a)->task->id, ((const struct selected *)b)->task->id);
}

/* Members of the groups, or all where there are none, behind the first n of the list. */
static int take_others(struct snapshot *s, const struct selection *w, struct selected_list *out, struct err *e)
{
	size_t named = out->n;
	if (snapshot_load(s, ~0u, e))
		return -1;
	for (size_t i = 0; i < s->n_tasks; i++) {
		struct snapshot_task *t = &s->tasks[i];
		if ((!w->groups.n || among(&w->groups, json_str(t->doc, "group"))) && !is_named(out, named, t->id))
			add(out, t, task_state_name(t->state), NULL, false);
	}
	for (size_t i = 0; i < w->groups.n && snapshot_total(s, "tasks"); i++) {
		struct archived a = {.l = out, .group = w->groups.v[i], .named = named, .s = s};
		const struct archive_query q = {.docs = true, .word = w->groups.v[i]};
		if (snapshot_archive_look(s, &q, take_archived, &a, e))
			return -1;
	}
	if (out->n > named && w->given)
		qsort(out->v + named, out->n - named, sizeof *out->v, by_id);
	for (size_t g = 0; g < w->groups.n; g++) {
		size_t i = 0;
		while (i < out->n && (!json_str(out->v[i].task->doc, "group") ||
				      strcmp(json_str(out->v[i].task->doc, "group"), w->groups.v[g]) != 0))
			i++;
		if (i == out->n)
			return err_set(e, ERR_NOENT, "no task of group '%s' in this grid", w->groups.v[g]);
	}
	return 0;
}

/* What is no task may be a group: submit prints the name of a sweep's, so that is what is at hand. */
static int take_groups(struct snapshot *s, struct selected_list *out, struct err *e)
{
	struct strs names = out->missing;
	int rc = 0;
	out->missing = (struct strs){0};
	for (size_t i = 0; i < names.n; i++) {
		struct selection group = {.given = true};
		struct err none;
		if (!rc && task_id_valid(names.v[i])) {
			strs_add(&group.groups, names.v[i]);
			rc = take_others(s, &group, out, &none);
			strs_clear(&group.groups);
			if (!rc)
				continue;
			if (none.class != ERR_NOENT)
				*e = none;
			rc = none.class == ERR_NOENT ? 0 : -1;
		}
		strs_add(&out->missing, names.v[i]);
	}
	strs_clear(&names);
	return rc;
}

int select_tasks(struct snapshot *s, const struct selection *w, char *const *ids, size_t n, struct selected_list *out,
		 struct err *e)
{
	size_t kept = 0;
	if ((n && take_named(s, ids, n, out, e)) || (out->missing.n && take_groups(s, out, e)) ||
	    ((w->groups.n || !n) && take_others(s, w, out, e)))
		return -1;
	for (size_t i = 0; i < out->n; i++)
		if (w->given && !fits(w, &out->v[i]))
			take_away(&out->v[i]);
		else
			out->v[kept++] = out->v[i];
	out->n = kept;
	return 0;
}

struct json *selected_doc(struct snapshot *s, const struct selected *one, struct err *e)
{
	struct snapshot_task *t = one->task;
	bool archived = !strcmp(one->state, "archived");
	if (!t->doc && archived)
		err_set(e, ERR_DATA, "%s is no JSON", one->path);
	else if (!t->doc && snapshot_doc(s, t, e))
		return NULL;
	else if (t->doc->type == JSON_OBJECT)
		return t->doc;
	else
		err_set(e, ERR_DATA, "%s:%u:%u: expected an object, found %s", one->path, t->doc->line, t->doc->col,
			json_type_name(t->doc->type));
	return NULL;
}

int select_missing(const struct selected_list *l, struct err *e)
{
	if (!l->missing.n)
		return 0;
	if (l->missing.n == 1)
		return err_set(e, ERR_NOENT, "no task and no group '%s' in this grid", l->missing.v[0]);
	return err_set(e, ERR_NOENT, "no task '%s' in this grid, and %zu other%s not there either", l->missing.v[0],
		       l->missing.n - 1, l->missing.n == 2 ? " is" : "s are");
}

void selected_clear(struct selected_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		take_away(&l->v[i]);
	free(l->v);
	strs_clear(&l->missing);
	*l = (struct selected_list){0};
}
