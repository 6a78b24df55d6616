#include "store/rooms.h"
#include "base/clock.h"
#include "schema/input.h"
#include "schema/limit.h"
#include "schema/vote.h"
#include "store/waits.h"
#include <stdlib.h>
#include <string.h>

void rooms_node(const struct snapshot_node *n, struct fit_node *out)
{
	struct fit_node beat;
	fit_node_read(out, n->id, n->file);
	if (!n->beat || n->view.doc != n->beat)
		return;
	fit_node_read(&beat, n->id, n->beat);
	beat.labels = out->labels;
	beat.store = out->store;
	beat.images = beat.images ? beat.images : out->images;
	if (beat.offers)
		*out = beat;
	else
		out->images = beat.images;
}

struct fit_turn rooms_turn(const struct snapshot_task *t, struct fit_want *want)
{
	fit_want_read(want, t->doc);
	return (struct fit_turn){.priority = json_int(t->doc, "priority", 5),
				 .created = json_time(t->doc, "created_at"),
				 .want = want,
				 .id = t->id};
}

bool rooms_stored(const struct snapshot *s, const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	for (size_t i = 0; i < n; i++) {
		const struct snapshot_task *t = in[i].task ? snapshot_find(s, in[i].task) : NULL;
		const struct json *out = json_get(json_get(t ? t->doc : NULL, "result"), "out");
		if (json_int(json_get(out, "stored"), "bytes", 0) > 0)
			return true;
	}
	return false;
}

bool rooms_able(const struct snapshot *s, const struct snapshot_node *n, const struct json *doc)
{
	struct fit_node node;
	struct fit_want w;
	rooms_node(n, &node);
	fit_want_read(&w, doc);
	w.store = w.store || rooms_stored(s, doc);
	return !fit_never(&node, &s->config, doc, &w, NULL);
}

/* ---- for whom room is kept ---- */

struct waiting_one {
	const struct snapshot_task *t;
	struct fit_want want;
	int64_t since;
};

static int by_turn(const void *pa, const void *pb)
{
	const struct waiting_one *a = pa, *b = pb;
	struct fit_want mine, theirs;
	const struct fit_turn x = rooms_turn(a->t, &mine), y = rooms_turn(b->t, &theirs);
	return fit_turns(&x, &y);
}

/* Those that wait for nothing but a node, and have waited long enough, in their order. The caller frees. */
static struct waiting_one *line_of(const struct snapshot *s, size_t *n)
{
	struct waiting_one *line = xcalloc(s->n_tasks + 1, sizeof *line);
	const struct json **running = xcalloc(s->n_tasks + 1, sizeof(const struct json *));
	size_t n_running = 0;
	*n = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].state == TASK_IN_PROGRESS && s->tasks[i].doc)
			running[n_running++] = s->tasks[i].doc;
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *t = &s->tasks[i];
		int64_t deadline = task_deadline(t->doc), since = fit_ready_since(t->doc);
		if (t->state != TASK_QUEUE || !t->doc || !fit_is_due(since, s->now) ||
		    (deadline && deadline <= s->now) || waits_of(s, t->doc, NULL) ||
		    !limit_room(&s->config, t->doc, running, n_running, NULL))
			continue;
		line[*n] = (struct waiting_one){.t = t, .since = since};
		fit_want_read(&line[(*n)++].want, t->doc);
	}
	if (*n)
		qsort(line, *n, sizeof *line, by_turn);
	free(running);
	return line;
}

static void keep(struct room *r, const struct snapshot *s, const struct waiting_one *line, size_t n)
{
	struct fit_node node = r->node;
	for (size_t i = 0; i < n && !r->kept_for; i++) {
		const struct waiting_one *w = &line[i];
		if (!fit_room(&node, &s->config, &w->want, &r->load, NULL) ||
		    fit_never(&node, &s->config, w->t->doc, &w->want, NULL) || vote_has(w->t->doc, node.id))
			continue;
		r->kept_for = w->t;
		r->kept_want = w->want;
		r->kept_since = w->since;
		r->kept_until = fit_free_at(&node, &s->config, &w->want, &r->load, s->now);
	}
}

void rooms_open(struct rooms *r, const struct snapshot *s)
{
	size_t n;
	struct waiting_one *line = line_of(s, &n);
	*r = (struct rooms){.s = s, .v = xcalloc(s->n_nodes + 1, sizeof *r->v)};
	for (size_t i = 0; i < s->n_nodes; i++) {
		rooms_node(&s->nodes[i], &r->v[i].node);
		for (size_t k = 0; k < s->n_tasks; k++)
			if (s->tasks[k].state == TASK_IN_PROGRESS && s->tasks[k].doc)
				fit_load_add(&r->v[i].load, &r->v[i].node, &s->config, s->tasks[k].doc);
		keep(&r->v[i], s, line, n);
	}
	free(line);
}

void rooms_close(struct rooms *r)
{
	for (size_t i = 0; r->v && i < r->s->n_nodes; i++)
		fit_load_clear(&r->v[i].load);
	free(r->v);
	*r = (struct rooms){0};
}

bool rooms_judge(const struct rooms *r, size_t node, const struct snapshot_task *t, struct rooms_found *found)
{
	const struct room *room = &r->v[node];
	const struct grid_config *c = &r->s->config;
	struct fit_want want, other;
	const struct fit_turn turn = rooms_turn(t, &want);
	want.store = want.store || rooms_stored(r->s, t->doc);
	found->n_never = fit_never(&room->node, c, t->doc, &want, found->never);
	found->n_now = found->n_never ? 0 : fit_room(&room->node, c, &want, &room->load, found->now);
	found->free_at = found->n_now ? fit_free_at(&room->node, c, &want, &room->load, r->s->now) : 0;
	found->kept = false;
	if (found->n_never || found->n_now || !room->kept_for || room->kept_for == t)
		return !found->n_never && !found->n_now;
	const struct fit_turn first = rooms_turn(room->kept_for, &other);
	found->kept = fit_turns(&turn, &first) > 0 &&
		      !fit_passes(&room->node, c, &want, &room->kept_want, room->kept_until, &room->load, r->s->now);
	return !found->kept;
}
