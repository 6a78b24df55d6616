#include "store/agenda.h"
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

/* The newest task of each, and what became of it. */
struct newest {
	struct agenda *a;
	size_t *row; /* of the documents that are read */
	size_t n;
};

static void take_doc(void *ctx, size_t index, const struct json *doc)
{
	struct newest *w = ctx;
	const char *status = json_str(json_get(doc, "result"), "status");
	(void)index; /* they come in the order asked for */
	snprintf(w->a->v[w->row[w->n++]].status, sizeof w->a->v->status, "%.23s", status ? status : "");
}

static int find_tasks(const struct snapshot *s, struct agenda *a, struct err *e)
{
	struct newest w = {.a = a, .row = xcalloc(a->n + 1, sizeof *w.row)};
	size_t *which = xcalloc(a->n + 1, sizeof *which), n = 0;
	for (size_t k = 0; k < a->n; k++) {
		const struct snapshot_task *newest = NULL;
		for (size_t i = 0; i < s->n_tasks; i++)
			if (periodic_id_of(s->tasks[i].id, a->v[k].name) &&
			    (!newest || strcmp(newest->id, s->tasks[i].id) < 0))
				newest = &s->tasks[i];
		if (!newest)
			continue;
		snprintf(a->v[k].task, sizeof a->v[k].task, "%s", newest->id);
		snprintf(a->v[k].state, sizeof a->v[k].state, "%s", task_state_name(newest->state));
		if ((newest->state == TASK_COMPLETED || newest->state == TASK_FAILED) && newest->regular) {
			w.row[n] = k;
			which[n++] = (size_t)(newest - s->tasks);
		}
	}
	int rc = n ? snapshot_stream(s, which, n, take_doc, &w, e) : 0;
	free(which);
	free(w.row);
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
