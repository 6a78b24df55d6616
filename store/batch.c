#include "store/batch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct batch_task {
	char *id, *file;
	struct needs needs;
	struct place { /* where it names each of them */
		const char *member;
		unsigned line, col;
	} * places;
};

void batch_add(struct batch *b, const char *id, const char *file, const struct json *doc)
{
	b->v = xrealloc(b->v, (b->n + 1) * sizeof *b->v);
	struct batch_task *t = &b->v[b->n++];
	*t = (struct batch_task){.id = xstrdup(id), .file = file ? xstrdup(file) : NULL};
	needs_of(doc, &t->needs);
	t->places = xcalloc(t->needs.n + 1, sizeof *t->places);
	for (size_t i = 0; i < t->needs.n; i++) {
		const struct json *at = need_at(doc, t->needs.v[i].id, &t->places[i].member);
		t->places[i].line = at ? at->line : 1;
		t->places[i].col = at ? at->col : 1;
	}
}

bool batch_waits(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].needs.n)
			return true;
	return false;
}

static void wrong(struct problems *p, const struct batch_task *t, size_t i, const char *what)
{
	p->file = t->file;
	problem_in(p, t->places[i].line, t->places[i].col, t->places[i].member, "%s", what);
	p->file = NULL;
}

/* One id that a task names and that does not come with it. */
static int judge_one(const struct batch *b, const struct batch_task *t, size_t i, bool staged, struct problems *p,
		     struct err *e)
{
	const struct need *need = &t->needs.v[i];
	int state = b->state_of(b->ctx, need->id, e);
	char *what = NULL;
	if (state == LEDGER_UNKNOWN)
		return -1;
	if (state == LEDGER_NOWHERE)
		what = xasprintf(
		    "there is no task and no group '%s' in this grid (expected one that is there, or that is submitted "
		    "with this one; of a task that has moved to the archive, leave it out)",
		    need->id);
	else if (state == TASK_UNAPPROVED && !staged)
		what =
		    xasprintf("'%s' waits for approval (expected a task that is queued, runs or has ended)", need->id);
	else if (state == TASK_FAILED && need->success)
		what = xasprintf("'%s' has failed, so this would never run (expected one that may still succeed; see: "
				 "dgrid retry %s)",
				 need->id, need->id);
	if (what)
		wrong(p, t, i, what);
	free(what);
	return 0;
}

static void judge_circle(struct batch *b, struct problems *p)
{
	const struct need_task *first;
	char *circle = needs_circle(b->index, b->n, &first);
	for (size_t k = 0; circle && k < b->n; k++)
		if (!strcmp(b->v[k].id, first->id)) {
			char *what = xasprintf("it waits for itself: %s (expected no circle)", circle);
			wrong(p, &b->v[k], 0, what);
			free(what);
			break;
		}
	free(circle);
}

int batch_judge(struct batch *b, bool staged, struct problems *p, struct err *e)
{
	int rc = 0;
	if (!batch_waits(b))
		return 0;
	b->index = xcalloc(b->n, sizeof *b->index);
	for (size_t k = 0; k < b->n; k++)
		b->index[k] = (struct need_task){.id = b->v[k].id, .needs = b->v[k].needs};
	judge_circle(b, p);
	for (size_t k = 0; k < b->n && !rc; k++)
		for (size_t i = 0; i < b->v[k].needs.n && !rc; i++)
			if (!need_task_of(b->index, b->n, b->v[k].needs.v[i].id))
				rc = judge_one(b, &b->v[k], i, staged, p, e);
	return rc;
}

int batch_ledger_state(void *ledger, const char *id, struct err *e)
{
	return ledger_find(ledger, id, e);
}

enum change_verdict batch_edit(void *batch, struct json *none, enum task_state *to)
{
	struct batch *b = batch;
	const struct ledger *l = b->ctx;
	(void)none;
	if (strcmp(b->head, l->head) != 0) {
		struct err e;
		snprintf(b->head, sizeof b->head, "%s", l->head);
		b->gone[0] = 0;
		for (size_t k = 0; k < b->n && !b->gone[0]; k++)
			for (size_t i = 0; i < b->v[k].needs.n && !b->gone[0]; i++) {
				const char *id = b->v[k].needs.v[i].id;
				int state = need_task_of(b->index, b->n, id) ? TASK_QUEUE : b->state_of(b->ctx, id, &e);
				if (state < 0 || (state == TASK_UNAPPROVED && *to != TASK_UNAPPROVED))
					snprintf(b->gone, sizeof b->gone, "%.64s", id);
			}
	}
	return b->gone[0] ? CHANGE_DROP : CHANGE_APPLY;
}

void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		needs_clear(&b->v[i].needs);
		free(b->v[i].places);
		free(b->v[i].file);
		free(b->v[i].id);
	}
	free(b->index);
	free(b->v);
	*b = (struct batch){0};
}
