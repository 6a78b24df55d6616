#include "verbs/failed.h"
#include "base/clock.h"
#include "schema/points.h"
#include "schema/task.h"
#include "store/archive.h"
#include "verbs/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct member { /* of the group, with points */
	struct json *doc;
	int64_t first;
};
struct gathering {
	const char *group;
	size_t stem; /* bytes of the group's name without -rN */
	struct member *v;
	size_t n, open, others; /* open: not ended; others: members without points */
	long last;		/* the highest N of a group STEM-rN */
	struct strs ids;	/* of what stands on the branch: an archived one of that id is older */
};

/* N of "-rN" at the end of a name, and how long the name is before it; 0: it has none. */
static long round_of(const char *name, size_t *stem)
{
	const char *at = strrchr(name, '-');
	size_t digits = at && at[1] == 'r' ? strspn(at + 2, "0123456789") : 0;
	*stem = strlen(name);
	if (!digits || digits > 6 || at[2 + digits] || at == name)
		return 0;
	*stem = (size_t)(at - name);
	return strtol(at + 2, NULL, 10);
}

/* Takes doc over. */
static void take(struct gathering *g, struct json *doc, enum task_state state)
{
	const char *group = json_str(doc, "group");
	struct point all[POINTS_MAX];
	size_t stem;
	long round = group ? round_of(group, &stem) : 0;
	if (group && stem == g->stem && !strncmp(group, g->group, stem) && round > g->last)
		g->last = round;
	bool own = group && !strcmp(group, g->group);
	size_t points = own ? points_of(doc, all) : 0;
	g->open += own && state != TASK_COMPLETED && state != TASK_FAILED;
	g->others += own && !points;
	if (!points) {
		json_free(doc);
		return;
	}
	g->v = xrealloc(g->v, (g->n + 1) * sizeof *g->v);
	g->v[g->n++] = (struct member){doc, all[0].index};
}

static int take_branch(struct gathering *g, struct ledger *l, struct err *e)
{
	int rc = 0;
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		struct strs ids = {0};
		rc = ledger_ids(l, (enum task_state)s, &ids, e);
		for (size_t i = 0; i < ids.n; i++) {
			struct err none;
			struct json *doc = ledger_doc(l, (enum task_state)s, ids.v[i], &none);
			strs_add(&g->ids, ids.v[i]);
			take(g, doc, (enum task_state)s);
		}
		strs_clear(&ids);
	}
	return rc;
}

static void take_archived(void *ctx, const struct archive_found *found)
{
	struct gathering *g = ctx;
	bool newer = false;
	for (size_t i = 0; i < g->ids.n && !newer; i++)
		newer = !strcmp(g->ids.v[i], found->id);
	if (newer)
		json_free(found->doc);
	else
		take(g, found->doc, TASK_COMPLETED);
}

static int take_archive(struct gathering *g, struct ledger *l, struct err *e)
{
	struct git archive = {0};
	char *word = xasprintf("\"%.*s", (int)g->stem, g->group);
	int rc = open_archive(l, &archive, e);
	if (!rc)
		rc = archive_look(&archive, &(struct archive_query){.docs = true, .word = word}, take_archived, g, e);
	archive_close(&archive);
	free(word);
	return rc;
}

static int by_first(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	return a->first != b->first ? (a->first < b->first ? -1 : 1)
				    : strcmp(json_str(a->doc, "task_id"), json_str(b->doc, "task_id"));
}

/* What of a task's document its submitter wrote, but for what a sweep writes anew. */
static struct json *submitted_part(const struct json *doc, const char *by)
{
	static const char *const anew[] = {"signatures",  "submitted_by", "created_at", "points",
					   "first_point", "task_id",	  "group"};
	char when[32];
	struct json *again = json_copy(doc);
	const struct task_field *f;
	for (size_t i = 0; (f = task_field_at(i)); i++)
		if (!f->dflt)
			json_remove(again, f->name);
	for (size_t i = 0; i < sizeof anew / sizeof *anew; i++)
		json_remove(again, anew[i]);
	json_set(again, "submitted_by", json_new_str(by));
	json_set(again, "created_at", json_new_str(clock_format(clock_now(), when)));
	return again;
}

/* Which of the documents it is; mostly all tasks of a sweep are one but for their points. Takes doc over. */
static size_t model_of(struct failed *f, struct json *doc)
{
	size_t i = 0;
	char *text = task_text(doc);
	for (bool same = false; i < f->n; i++) {
		char *other = task_text(f->docs[i]);
		same = !strcmp(text, other);
		free(other);
		if (same)
			break;
	}
	free(text);
	if (i < f->n) {
		json_free(doc);
		return i;
	}
	f->docs = xrealloc(f->docs, (f->n + 1) * sizeof(struct json *));
	f->docs[f->n] = doc;
	return f->n++;
}

static int judge(const struct gathering *g, const struct sweep *points, struct err *e)
{
	if (!g->n && !g->others)
		return err_set(e, ERR_NOENT, "no task of a group '%s' is in the grid or its archive", g->group);
	if (!g->n)
		return err_set(e, ERR_NOENT, "group '%s' has no points (to run its failed tasks again: dgrid retry)",
			       g->group);
	if (g->open)
		return err_set(e, ERR_RETRY, "group '%s' has not ended: %zu of its tasks wait or run", g->group,
			       g->open);
	return points->n ? 0 : err_set(e, ERR_NOENT, "no point of group '%s' failed", g->group);
}

int failed_read(struct failed *f, struct ledger *l, const char *group, struct sweep *points, struct err *e)
{
	struct gathering g = {.group = group};
	round_of(group, &g.stem);
	int rc = task_id_valid(group)
		     ? 0
		     : err_set(e, ERR_USAGE, "--failed-of: expected a group's name, found '%.100s'", group);
	if (!rc && !(rc = take_branch(&g, l, e)))
		rc = take_archive(&g, l, e);
	if (!rc && g.n)
		qsort(g.v, g.n, sizeof *g.v, by_first);
	for (size_t i = 0; i < g.n && !rc; i++)
		sweep_add_failed(points, g.v[i].doc, model_of(f, submitted_part(g.v[i].doc, l->git.name)));
	if (!rc)
		rc = judge(&g, points, e);
	f->group = xasprintf("%.*s-r%ld", (int)g.stem, group, g.last + 1);
	for (size_t i = 0; i < g.n; i++)
		json_free(g.v[i].doc);
	free(g.v);
	strs_clear(&g.ids);
	return rc;
}

void failed_clear(struct failed *f)
{
	for (size_t i = 0; i < f->n; i++)
		json_free(f->docs[i]);
	free(f->docs);
	free(f->group);
	*f = (struct failed){0};
}
