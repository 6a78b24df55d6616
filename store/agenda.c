#include "store/agenda.h"
#include "base/clock.h"
#include "store/origin.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	const struct snapshot *s;
	struct agenda *a;
	struct strs oids;
};

/* "MODE TYPE OID\tPATH" */
static void take_entry(void *ctx, const char *entry)
{
	struct reading *r = ctx;
	char oid[72];
	const char *path = strchr(entry, '\t');
	size_t n = path ? strlen(path) : 0, folder = strlen(PERIODIC_FOLDER) + 1;
	if (n < folder + 6 || n > folder + 69 || strcmp(path + n - 5, ".json") != 0 ||
	    sscanf(entry, "%*s blob %71s", oid) != 1)
		return;
	struct agenda_row row = {.wrong = NULL};
	snprintf(row.name, sizeof row.name, "%.*s", (int)(n - folder - 5), path + folder);
	if (!task_id_valid(row.name))
		return;
	r->a->v = xrealloc(r->a->v, (r->a->n + 1) * sizeof *r->a->v);
	r->a->v[r->a->n++] = row;
	strs_add(&r->oids, oid);
}

/* PATH */
static void take_name(void *ctx, const char *path)
{
	size_t n = strlen(path), folder = strlen(PERIODIC_FOLDER);
	if (n > folder + 5 && !strcmp(path + n - 5, ".json"))
		strs_addf(ctx, "%.*s", (int)(n - folder - 5), path + folder);
}

int agenda_names(const struct git *g, const char *commit, struct strs *out, struct err *e)
{
	const char *tree[] = {"ls-tree", "-z", "--full-tree", "--name-only", commit, PERIODIC_FOLDER, NULL};
	return git_records(g, tree, take_name, out, e);
}

static void take_text(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct reading *r = ctx;
	struct agenda_row *row = &r->a->v[i];
	struct problems p = {0};
	if (!bytes)
		row->wrong = xstrdup("it cannot be read");
	else if (periodic_parse(&row->s, bytes, len, row->name, &r->s->config, &p))
		row->wrong = xstrdup(p.text.data);
	problems_clear(&p);
}

/* What seems to be due may be from before a person wrote the schedule. Where the history here does not tell, it is
 * taken for due. */
static void find_times(const struct snapshot *s, struct agenda *a)
{
	const char **names = xcalloc(a->n + 1, sizeof *names);
	size_t *of = xcalloc(a->n + 1, sizeof *of), n = 0;
	int64_t *since = xcalloc(a->n + 1, sizeof *since);
	struct err none;
	for (size_t i = 0; i < a->n; i++) {
		struct agenda_row *row = &a->v[i];
		if (!row->wrong && row->s.last && cron_latest(&row->s.cron, row->s.last) == row->s.last)
			row->fired = row->s.last; /* else when a person wrote it */
		if (row->wrong || row->s.paused)
			continue;
		row->next = cron_next(&row->s.cron, s->now);
		if (periodic_next(&row->s, 0) <= s->now) {
			names[n] = row->name;
			of[n++] = i;
		}
	}
	bool told = n && !origin_find(&s->git, s->commit, NULL, names, n, since, &none);
	for (size_t k = 0; k < n; k++) {
		struct agenda_row *row = &a->v[of[k]];
		int64_t first = told || row->s.last ? periodic_next(&row->s, told ? since[k] : 0) : s->now;
		row->late = first && first < s->now ? s->now - first : 0;
	}
	free(names);
	free(of);
	free(since);
}

/* ---- their tasks ---- */

/* A task that may be its newest, whose document tells. */
struct candidate {
	struct agenda_row *row;
	const struct snapshot_task *task;
};
struct newest {
	struct candidate *v;
	size_t n, taken;
};

static void take_doc(void *ctx, size_t index, const struct json *doc)
{
	struct newest *w = ctx;
	struct candidate *c = &w->v[w->taken++]; /* they come in the order asked for */
	const char *status = json_str(json_get(doc, "result"), "status"),
		   *at = json_str(json_get(doc, "schedule"), "at");
	bool ended = c->task->state == TASK_COMPLETED || c->task->state == TASK_FAILED;
	(void)index;
	if (!periodic_made(doc, c->task->id, c->row->name) || !at ||
	    (!c->row->fired && clock_parse(at, &c->row->fired)))
		return;
	snprintf(c->row->task, sizeof c->row->task, "%s", c->task->id);
	snprintf(c->row->state, sizeof c->row->state, "%s", task_state_name(c->task->state));
	snprintf(c->row->status, sizeof c->row->status, "%.23s", ended && status ? status : "");
}

/* That of the instant in `last`; where that is none, the newest before `below`, and none of a time to come. */
static const struct snapshot_task *candidate_of(const struct snapshot *s, const struct agenda_row *row,
						const struct snapshot_task *below)
{
	const struct snapshot_task *newest = NULL;
	char last[65];
	periodic_id(row->name, row->fired ? row->fired : s->now - s->now % 60, last);
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *t = &s->tasks[i];
		int order = periodic_id_of(t->id, row->name) && t->regular ? strcmp(t->id, last) : 1;
		if ((row->fired ? order == 0 : order <= 0) && (!below || strcmp(t->id, below->id) < 0) &&
		    (!newest || strcmp(newest->id, t->id) < 0))
			newest = t;
	}
	return newest;
}

/* Anybody's task may have such an id: the document counts. */
static int find_tasks(const struct snapshot *s, struct agenda *a, struct err *e)
{
	struct newest w = {.v = xcalloc(a->n + 1, sizeof *w.v)};
	size_t *which = xcalloc(a->n + 1, sizeof *which), n = 0;
	int rc = 0;
	for (size_t k = 0; k < a->n; k++)
		w.v[w.n++].row = &a->v[k];
	do {
		n = 0;
		for (size_t k = 0; k < w.n; k++) {
			struct candidate c = w.v[k];
			c.task = c.row->task[0] ? NULL : candidate_of(s, c.row, c.task);
			if (!c.task)
				continue;
			which[n] = (size_t)(c.task - s->tasks);
			w.v[n++] = c;
		}
		w.n = n;
		w.taken = 0;
		rc = n ? snapshot_stream(s, which, n, take_doc, &w, e) : 0;
	} while (n && !rc);
	free(which);
	free(w.v);
	return rc;
}

int agenda_read(const struct snapshot *s, struct agenda *out, struct err *e)
{
	struct reading r = {.s = s, .a = out};
	const char *tree[] = {"ls-tree", "-z", "--full-tree", s->commit, PERIODIC_FOLDER, NULL};
	*out = (struct agenda){0};
	int rc = git_records(&s->git, tree, take_entry, &r, e);
	if (!rc && out->n)
		rc = git_cat(&s->git, "blob", r.oids.v, r.oids.n, TASK_FILE_MAX, take_text, &r, e);
	if (!rc && out->n)
		find_times(s, out);
	if (!rc)
		rc = find_tasks(s, out, e);
	strs_clear(&r.oids);
	return rc;
}

void agenda_clear(struct agenda *a)
{
	for (size_t i = 0; i < a->n; i++) {
		periodic_clear(&a->v[i].s);
		free(a->v[i].wrong);
	}
	free(a->v);
	*a = (struct agenda){0};
}
