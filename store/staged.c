#include "store/staged.h"
#include "schema/need.h"
#include <stdlib.h>
#include <string.h>

void staged_forget(struct staged *s)
{
	free(s->why);
	free(s->approver);
	json_free(s->doc);
	*s = (struct staged){0};
}

void staged_clear(struct staged_list *s)
{
	for (size_t i = 0; i < s->n; i++)
		staged_forget(&s->v[i]);
	free(s->v);
	*s = (struct staged_list){0};
}

const struct staged *staged_of(const struct staged_list *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].id, id))
			return &s->v[i];
	return NULL;
}

/* ---- what they wait for ---- */

static bool on_branch(const struct staged_ids *all, const char *id)
{
	for (int s = TASK_QUEUE; s < TASK_N_STATES; s++)
		for (size_t i = 0; i < all->in[s].n; i++)
			if (!strcmp(all->in[s].v[i], id))
				return true;
	return false;
}

static void leave(struct staged *s, char *why)
{
	bool settled = s->settled, landed = s->landed;
	s->verdict = STAGED_LEFT;
	free(s->why);
	free(s->approver);
	json_free(s->doc);
	s->why = why;
	s->approver = NULL;
	s->doc = NULL;
	s->settled = settled;
	s->landed = landed;
}

/* The first of its needs that neither is on the branch nor comes along; NULL: none. */
static const char *misses(const struct staged_ids *all, const struct staged_list *list, const struct need_task *t)
{
	for (size_t i = 0; i < t->needs.n; i++) {
		const char *id = t->needs.v[i].id;
		const struct staged *other = staged_of(list, id);
		if (!(other && other->verdict == STAGED_READY) && !on_branch(all, id))
			return id;
	}
	return NULL;
}

/* Who waits for what is not there stays, and so does who waits for him, and who waits for himself. False: none did. */
static bool leave_some(const struct staged_ids *all, struct staged_list *list, struct need_task *v, size_t n)
{
	const struct need_task *first = NULL;
	bool some = false;
	char *circle = needs_circle(v, n, &first);
	for (size_t k = 0; k < n; k++) {
		struct staged *s = (struct staged *)staged_of(list, v[k].id);
		const char *id = s->verdict == STAGED_READY ? misses(all, list, &v[k]) : NULL;
		bool closes = circle && &v[k] == first;
		if (id || closes) {
			leave(s, closes ? xasprintf("it waits for itself: %s", circle)
					: xasprintf("it waits for %s, which is not on the branch", id));
			needs_clear(&v[k].needs);
			some = true;
		}
	}
	free(circle);
	return some;
}

/* Each behind those that it waits for, for they may land a few at a time. There is a way: circles were left. */
static void put_in_order(struct staged_list *list, const struct need_task *v, size_t n)
{
	struct staged *sorted = xcalloc(list->n + 1, sizeof *sorted);
	bool *placed = xcalloc(list->n + 1, sizeof *placed);
	for (size_t at = 0, before = 1; at != before;) {
		before = at;
		for (size_t i = 0; i < list->n; i++) {
			const struct need_task *t = placed[i] ? NULL : need_task_of(v, n, list->v[i].id);
			bool ready = !placed[i];
			for (size_t k = 0; t && k < t->needs.n && ready; k++) {
				const struct staged *other = staged_of(list, t->needs.v[k].id);
				ready = !other || placed[other - list->v];
			}
			if (ready) {
				sorted[at++] = list->v[i];
				placed[i] = true;
			}
		}
	}
	memcpy(list->v, sorted, list->n * sizeof *sorted);
	free(sorted);
	free(placed);
}

void staged_judge_needs(const struct staged_ids *all, struct staged_list *list)
{
	struct need_task *v = xcalloc(list->n + 1, sizeof *v);
	size_t n = 0;
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].verdict == STAGED_READY && !list->v[i].settled) {
			needs_of(list->v[i].doc, &v[n].needs);
			v[n].id = list->v[i].id;
			n += v[n].needs.n > 0;
		}
	while (n && leave_some(all, list, v, n))
		;
	if (n)
		put_in_order(list, v, n);
	for (size_t i = 0; i < n; i++)
		needs_clear(&v[i].needs);
	free(v);
}
