#include "audit/rules_fire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct json *object(const struct rule_text *t)
{
	const struct json *doc = rule_doc(t);
	return doc && doc->type == JSON_OBJECT ? doc : NULL;
}

bool rules_moves_last(const struct rule_change *ch)
{
	const struct json *was = ch->kind == RULE_SCHEDULE ? object(&ch->old) : NULL,
			  *is = was ? object(&ch->new) : NULL;
	return is && ch->old_mode == ch->new_mode && periodic_moved(was, is);
}

/* What one schedule's new `last` gives. */
struct given {
	const struct rule_change *ch;
	struct periodic s; /* as it was */
	int64_t since, last;
	struct periodic_plan must, may; /* by the commit's time, and by as much before as clocks may differ */
	char why[200];			/* what is wrong with `last` itself; "": nothing */
};
struct fire {
	struct rules *r;
	const struct rule_commit *c;
	struct given *v;
	size_t n;
};

/* Which commit wrote it: the replay has seen that, or has to ask, once for all of a commit. -1: it cannot be told. */
static int find_since(struct fire *f)
{
	const char **names = xcalloc(f->n + 1, sizeof *names);
	int64_t *since = xcalloc(f->n + 1, sizeof *since);
	size_t n = 0, *of = xcalloc(f->n + 1, sizeof *of);
	for (size_t i = 0; i < f->n; i++) {
		const struct world_schedule *s = world_schedule(&f->r->world, f->v[i].ch->id);
		f->v[i].since = s ? s->since : 0;
		if (s && s->known)
			continue;
		of[n] = i;
		names[n++] = f->v[i].ch->id;
	}
	int rc = n && f->r->origins ? f->r->origins(f->r->ctx, f->c, names, n, since) : 0;
	for (size_t k = 0; k < n && !rc; k++)
		f->v[of[k]].since = since[k];
	free(names);
	free(since);
	free(of);
	return rc;
}

/* Fills must, may and why. */
static void find_given(const struct fire *f, struct given *g)
{
	const struct periodic *s = &g->s;
	int64_t slack = rule_tolerance(f->r), skew = f->r->world.config.max_clock_skew_seconds,
		from = s->last > g->since ? s->last : g->since, early = g->last - f->c->at;
	bool busy = world_schedule_busy(&f->r->world, g->ch->id, g->last);
	if (s->paused)
		snprintf(g->why, sizeof g->why, "it is paused");
	else if (!g->last || g->last <= s->last)
		snprintf(g->why, sizeof g->why, "last was not moved forward");
	else if (early > skew)
		snprintf(g->why, sizeof g->why, "last is %lld s later than the commit", (long long)early);
	else if (g->last <= from)
		snprintf(g->why, sizeof g->why, "last is an instant from before it was written or changed");
	else if (!periodic_given(s, g->since, g->last, f->c->at, busy, &g->must) ||
		 (!periodic_given(s, g->since, g->last, f->c->at - slack, busy, &g->may) && !g->may.over))
		snprintf(g->why, sizeof g->why, "last is no instant of its cron, or more are due than a commit queues");
	else if ((s->missed != MISSED_ALL || g->may.n < PERIODIC_MOST) &&
		 cron_latest(&s->cron, f->c->at - slack) > g->last)
		snprintf(g->why, sizeof g->why, "last is not the newest instant that had come");
}

static bool is_new(const struct fire *f, const struct rule_change *ch)
{
	const struct world_task *t = ch->kind == RULE_TASK ? world_task(&f->r->world, ch->id) : NULL;
	return ch->kind == RULE_TASK && ch->new_mode && !ch->old_mode && (!t || !t->states);
}

static bool among(const struct periodic_plan *p, int64_t at)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i] == at)
			return true;
	return false;
}

/* Is this new document the task that the schedule has for that instant, all of it? */
static bool is_firing(const struct given *g, int64_t at, const struct rule_change *ch)
{
	struct json *made = periodic_task(g->s.task, g->ch->id, at);
	const struct json *doc = object(&ch->new);
	bool same = doc && rule_same(made, doc);
	json_free(made);
	return same;
}

static bool queued(const struct fire *f, const struct given *g, int64_t at, const char *id)
{
	for (size_t i = 0; i < f->c->n; i++) {
		const struct rule_change *ch = &f->c->changes[i];
		if (ch->kind == RULE_TASK && !strcmp(ch->id, id) && ch->state == TASK_QUEUE && is_new(f, ch) &&
		    is_firing(g, at, ch))
			return true;
	}
	return false;
}

/* An id that stands somewhere already is left alone, and one that differs from it in upper and lower case alone and
 * comes with this commit from another schedule. */
static bool taken(const struct fire *f, const struct given *g, int64_t at, const char *id)
{
	const struct world_task *t = world_task(&f->r->world, id);
	char other[65];
	if ((t && t->states) || world_task_like(&f->r->world, id))
		return true;
	for (size_t i = 0; i < f->n; i++) {
		const struct given *o = &f->v[i];
		if (o != g && !o->why[0] && !strcasecmp(o->ch->id, g->ch->id) && among(&o->may, at) &&
		    queued(f, o, at, periodic_id(o->ch->id, at, other)))
			return true;
	}
	return false;
}

/* Does it queue what it must? What it queues beyond that is told where the task is judged. */
static const char *missing(const struct fire *f, const struct given *g, char id[65])
{
	for (size_t i = 0; i < g->must.n; i++)
		if (!queued(f, g, g->must.at[i], periodic_id(g->ch->id, g->must.at[i], id)) &&
		    !taken(f, g, g->must.at[i], id))
			return id;
	return NULL;
}

/* A new task that says it was queued by a schedule. */
static void judge_task(const struct fire *f, const struct rule_change *ch, const struct json *doc)
{
	const struct json *of = json_get(doc, "schedule");
	const char *name = json_str(of, "name");
	const struct world_schedule *s = name ? world_schedule(&f->r->world, name) : NULL;
	int64_t at = json_time(of, "at"), off = at - f->c->at;
	char what[160], id[65];
	struct json *made = s && json_get(s->doc, "task") ? periodic_task(json_get(s->doc, "task"), name, at) : NULL;
	const struct given *g = NULL;
	for (size_t i = 0; i < f->n && name; i++)
		if (!strcmp(f->v[i].ch->id, name) && !f->v[i].why[0] && among(&f->v[i].may, at))
			g = &f->v[i];
	if (field_wrong(FIELD_SCHEDULE, of, what))
		rule_tell(f->r, RULE_DOC_FIELDS, f->c, ch->path, "%s", what);
	else if (ch->state != TASK_QUEUE)
		rule_tell(f->r, RULE_SCHEDULE_FIRE, f->c, ch->path, "a submission says that a schedule had it queued");
	else if (!made)
		rule_tell(f->r, RULE_SCHEDULE_FIRE, f->c, ch->path, "there is no schedule %.64s", name ? name : "");
	else if (!rule_same(made, doc))
		rule_tell(f->r, RULE_SCHEDULE_FIRE, f->c, ch->path, "it is not the task that schedule %.64s has for %s",
			  name, json_str(of, "at") ? json_str(of, "at") : "no time");
	else if (periodic_id_of(periodic_id(name, at, id), name)
		     ? !g
		     : f->c->node || off > rule_tolerance(f->r) || -off > rule_tolerance(f->r))
		rule_tell(
		    f->r, RULE_SCHEDULE_FIRE, f->c, ch->path,
		    "schedule %.64s has none for %s in this commit: it is not due, was queued already, or overlaps",
		    name, json_str(of, "at"));
	json_free(made);
}

/* A new task that does not say so: while a schedule stands, the ids of instants that are yet to come are its own. One
 * that it has dealt with may be run again with another script. */
static void judge_plain(const struct fire *f, const struct rule_change *ch)
{
	const struct world *w = &f->r->world;
	int64_t at = ch->state == TASK_QUEUE ? periodic_instant(ch->id) : 0; /* nobody promotes the others */
	for (size_t i = 0; i < w->n_schedules && at; i++)
		if (periodic_owns(w->schedules[i].name, ch->id) && at > json_time(w->schedules[i].doc, "last") &&
		    at > w->schedules[i].since)
			rule_tell(f->r, RULE_SCHEDULE_FIRE, f->c, ch->path,
				  "it has the id of a task of schedule %.64s and is not one", w->schedules[i].name);
}

/* last was moved. What a person does so by hand is no firing, and shown. */
static void judge_last(const struct fire *f, const struct given *g)
{
	char id[65];
	const char *lacks = g->why[0] ? NULL : missing(f, g, id);
	const char *why = g->why[0] ? g->why : lacks ? "it does not queue the task that is due: " : NULL;
	if (why && f->c->node)
		rule_tell(f->r, RULE_SCHEDULE_FIRE, f->c, g->ch->path, "%s%s", why, lacks ? lacks : "");
	else if (why)
		rule_tell(f->r, NOTICE_SCHEDULE, f->c, g->ch->path, "last was moved by %s: %s%s", f->c->who, why,
			  lacks ? lacks : "");
}

/* The world after it. */
static void settle(struct rules *r, const struct rule_commit *c, const struct rule_change *ch, bool moves)
{
	if (!ch->new_mode) {
		world_schedule_remove(&r->world, ch->id);
		return;
	}
	struct world_schedule *s = world_schedule_set(&r->world, ch->id, object(&ch->new));
	s->since = moves ? 0 : c->at;
	s->known = true;
}

void rules_fire(struct rules *r, const struct rule_commit *c)
{
	struct fire f = {.r = r, .c = c};
	bool begin = !c->parent[0];
	for (size_t i = 0; i < c->n && !begin; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (!rules_moves_last(ch))
			continue;
		f.v = xrealloc(f.v, (f.n + 1) * sizeof *f.v);
		struct given *g = &f.v[f.n++];
		*g = (struct given){.ch = ch, .last = json_time(object(&ch->new), "last")};
		if (!periodic_read(&g->s, object(&ch->old)))
			snprintf(g->why, sizeof g->why, "it is no schedule");
	}
	bool told = !f.n || !find_since(&f);
	for (size_t i = 0; i < f.n && told; i++)
		if (!f.v[i].why[0])
			find_given(&f, &f.v[i]);
	for (size_t i = 0; i < f.n && told; i++)
		judge_last(&f, &f.v[i]);
	for (size_t i = 0; i < c->n && !begin && told; i++) {
		const struct rule_change *ch = &c->changes[i];
		const struct json *doc = is_new(&f, ch) ? object(&ch->new) : NULL;
		if (json_get(doc, "schedule"))
			judge_task(&f, ch, doc);
		else if (is_new(&f, ch))
			judge_plain(&f, ch);
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		bool moves = rules_moves_last(ch);
		if (ch->kind != RULE_SCHEDULE)
			continue;
		if (!moves && !c->node && !begin)
			rule_tell(r, NOTICE_SCHEDULE, c, ch->path, "%s by %s",
				  !ch->new_mode	 ? "removed"
				  : ch->old_mode ? "changed"
						 : "added",
				  c->who);
		settle(r, c, ch, moves);
	}
	free(f.v);
}
