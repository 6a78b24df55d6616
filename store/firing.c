#include "store/firing.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/origin.h"
#include "store/registry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60	/* lost in a row */
#define ROUNDS_LANDED 5 /* so that it ends, however much was missed */
#define ROUND_WAIT_MS 500
#define WORKER_LATE_MS 3000   /* at most: so that one node does it, not all */
#define WORKER_AGAIN_MS 60000 /* after trouble */

static void forget(struct firing *f)
{
	periodic_clear(&f->s);
	strs_clear(&f->ids);
	strs_clear(&f->texts);
	free(f->note);
	free(f->wrong);
	*f = (struct firing){0};
}

void firing_clear(struct firings *f)
{
	for (size_t i = 0; i < f->n; i++)
		forget(&f->v[i]);
	free(f->v);
	*f = (struct firings){0};
}

/* ---- what is due ---- */

static struct scheduler_known *known_of(const struct scheduler *s, const char *name)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strcmp(s->known[mid].name, name);
		if (!order)
			return &s->known[mid];
		*(order < 0 ? &lo : &hi) = order < 0 ? mid + 1 : mid;
	}
	return NULL;
}

static int read_all(struct ledger *l, const struct grid_config *c, struct firings *out, struct err *e)
{
	struct strs names = {0};
	int rc = registry_schedules(l, &names, e);
	out->v = xcalloc(names.n + 1, sizeof *out->v);
	for (size_t i = 0; i < names.n && !rc; i++) {
		struct firing *f = &out->v[out->n++];
		struct buf text = {0};
		struct problems p = {0};
		snprintf(f->name, sizeof f->name, "%s", names.v[i]);
		if (registry_schedule(l, f->name, &text, e)) {
			if (ledger_answered(e))
				f->wrong = xstrdup(e->msg);
			else
				rc = -1;
		} else if (periodic_parse(&f->s, text.data ? text.data : "", text.len, f->name, c, &p))
			f->wrong = xstrdup(p.text.data);
		buf_clear(&text);
		problems_clear(&p);
	}
	strs_clear(&names);
	return rc;
}

static bool may_be_due(const struct firing *f, int64_t now)
{
	int64_t next = f->wrong || f->s.paused ? 0 : periodic_next(&f->s, 0);
	return next && next <= now && f->not_before <= now;
}

/* Since when those are as they are that may be due. */
static int find_origins(struct ledger *l, int64_t now, struct firings *f, struct err *e)
{
	const char **names = xcalloc(f->n + 1, sizeof *names);
	int64_t *since = xcalloc(f->n + 1, sizeof *since);
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++)
		if (may_be_due(&f->v[i], now))
			names[n++] = f->v[i].name;
	int rc = n ? origin_find(&l->git, l->head, l->spec, names, n, since, e) : 0;
	for (size_t i = 0, k = 0; i < f->n && !rc; i++)
		if (may_be_due(&f->v[i], now))
			f->v[i].since = since[k++];
	free(names);
	free(since);
	return rc;
}

static bool taken(const struct strs *ids, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strs_has(&ids[i], id) || strs_alike(&ids[i], id))
			return true;
	return false;
}

/* Is a task that the schedule had queued for an instant before that one queued or running? By its document: an id
 * alone is anybody's. -1: it cannot be told. */
static int busy(struct ledger *l, const struct strs *ids, const char *name, int64_t before, struct err *e)
{
	char first[65]; /* ids of one schedule are in the order of their instants */
	periodic_id(name, before, first);
	for (int s = TASK_QUEUE; s <= TASK_IN_PROGRESS; s++)
		for (size_t i = 0; i < ids[s].n; i++) {
			const char *id = ids[s].v[i];
			if (!periodic_id_of(id, name) || strcmp(id, first) >= 0)
				continue;
			struct json *doc = ledger_doc(l, (enum task_state)s, id, e);
			if (!doc && !ledger_answered(e))
				return -1;
			bool made = periodic_made(doc, id, name);
			json_free(doc);
			if (made)
				return 1;
		}
	return 0;
}

static void make_tasks(struct firing *f, struct firings *all, const struct strs *ids)
{
	char id[65];
	struct buf note = {0};
	for (size_t i = 0; i < f->plan.n; i++) {
		bool there = taken(ids, TASK_N_STATES, periodic_id(f->name, f->plan.at[i], id));
		/* Another schedule of this name but for upper and lower case. */
		for (size_t k = 0; k < all->n && !there; k++)
			there = taken(&all->v[k].ids, 1, id);
		if (there) {
			buf_addf(&note, "%s%s: the id is taken", note.len ? "\n" : "", id);
			continue;
		}
		struct json *task = periodic_task(f->s.task, f->name, f->plan.at[i]);
		char *text = task_text(task);
		strs_add(&f->ids, id);
		strs_add(&f->texts, text);
		json_free(task);
		free(text);
	}
	if (f->plan.passed)
		buf_addf(&note, "%s%s: %s%lld missed and passed by", note.len ? "\n" : "", f->name,
			 f->plan.passed < PERIODIC_COUNTED ? "" : "at least ", (long long)f->plan.passed);
	if (f->plan.overlaps)
		buf_addf(&note, "%s%s: not queued, the task of an earlier instant is not done", note.len ? "\n" : "",
			 f->name);
	f->note = note.len ? buf_detach(&note) : NULL;
}

/* As a worker found out before. */
static void set_bounds(struct ledger *l, const struct scheduler *known, struct firings *f)
{
	for (size_t i = 0; i < f->n && known; i++) {
		const struct scheduler_known *k = known_of(known, f->v[i].name);
		struct file_stamp stamp = registry_schedule_stamp(l, f->v[i].name);
		if (k && file_stamp_equal(&k->stamp, &stamp))
			f->v[i].not_before = k->next;
	}
}

int firing_look(struct ledger *l, const struct grid_config *c, const struct scheduler *known, int64_t now,
		struct firings *out, struct err *e)
{
	struct strs ids[TASK_N_STATES] = {{0}};
	*out = (struct firings){0};
	int rc = read_all(l, c, out, e);
	set_bounds(l, known, out);
	rc = rc || find_origins(l, now, out, e) ? -1 : 0;
	bool due = false;
	for (size_t i = 0; i < out->n; i++)
		due = due || may_be_due(&out->v[i], now);
	for (int s = 0; s < TASK_N_STATES && due && !rc; s++)
		rc = ledger_ids(l, (enum task_state)s, &ids[s], e);
	for (size_t i = 0; i < out->n && due && !rc; i++) {
		struct firing *f = &out->v[i];
		if (!may_be_due(f, now))
			continue;
		periodic_plan(&f->s, f->since, now, false, &f->plan);
		int waits = f->plan.n && !f->s.queues ? busy(l, ids, f->name, f->plan.last, e) : 0;
		if (waits < 0)
			rc = -1;
		else if (waits)
			periodic_plan(&f->s, f->since, now, true, &f->plan);
		if (f->plan.last && !rc)
			make_tasks(f, out, ids);
	}
	for (int s = 0; s < TASK_N_STATES; s++)
		strs_clear(&ids[s]);
	return rc;
}

/* ---- landing ---- */

int firing_land(struct ledger *l, const char *who, struct firings *f, struct err *e)
{
	size_t n = 0, room = 1;
	int rc = 0, tries = l->tries;
	char when[32];
	for (size_t i = 0; i < f->n; i++)
		room += 1 + f->v[i].ids.n;
	struct ledger_change *c = xcalloc(room, sizeof *c);
	struct strs paths = {0}, texts = {0}; /* of the schedules that are due */
	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].plan.last)
			continue;
		struct json *doc = json_copy(f->v[i].s.doc);
		json_set(doc, "last", json_new_str(clock_format(f->v[i].plan.last, when)));
		char *text = task_text(doc);
		strs_addf(&paths, PERIODIC_FOLDER "%s.json", f->v[i].name);
		strs_add(&texts, text);
		free(text);
		json_free(doc);
	}
	for (size_t i = 0, due = 0; i < f->n; i++) {
		struct firing *one = &f->v[i];
		if (!one->plan.last)
			continue;
		c[n++] = (struct ledger_change){
		    .id = one->name, .path = paths.v[due], .text = texts.v[due], .verb = "schedule", .note = one->note};
		for (size_t k = 0; k < one->ids.n; k++)
			c[n++] = (struct ledger_change){.id = one->ids.v[k],
							.to = TASK_QUEUE,
							.create = true,
							.text = one->texts.v[k],
							.verb = "fire"};
		due++;
	}
	/* What is due is what the clone shows: at another head it would have to be found anew. */
	l->tries = 1;
	if (n)
		rc = ledger_commit(l, who, c, n, NULL, NULL, e);
	l->tries = tries;
	for (size_t i = 0; i < f->n && !rc; i++)
		f->v[i].landed = f->v[i].plan.last != 0;
	strs_clear(&paths);
	strs_clear(&texts);
	free(c);
	return rc;
}

static bool any_due(const struct firings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].plan.last)
			return true;
	return false;
}

/* Moves what is worth telling over to out. */
static void keep(struct firings *f, bool wrong, struct firings *out)
{
	out->v = xrealloc(out->v, (out->n + f->n + 1) * sizeof *out->v);
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].wrong ? wrong : f->v[i].plan.last != 0)
			out->v[out->n++] = f->v[i];
		else
			forget(&f->v[i]);
	}
	free(f->v);
	*f = (struct firings){0};
}

int firing_all(struct ledger *l, const struct grid_config *c, const char *who, bool dry, struct firings *out,
	       struct err *e)
{
	*out = (struct firings){0};
	for (int lost = 0, landed = 0; lost < ROUNDS;) {
		struct firings f = {0};
		int rc = firing_look(l, c, NULL, clock_now(), &f, e);
		bool due = !rc && any_due(&f);
		if (rc || !due || dry) {
			if (!rc)
				keep(&f, true, out);
			firing_clear(&f);
			return rc;
		}
		rc = firing_land(l, who, &f, e);
		if (!rc) {
			lost = 0;
			keep(&f, false, out); /* there may be more: only so many go into one commit */
			if (++landed == ROUNDS_LANDED)
				return 0;
			continue;
		}
		firing_clear(&f);
		if (e->class != ERR_RETRY)
			return -1;
		lost++;
		proc_pause(clock_jitter(ROUND_WAIT_MS));
		if (ledger_sync(l, e))
			return -1;
	}
	return err_set(e, ERR_RETRY, "lost %d races for the branch in a row, try again", ROUNDS);
}

/* ---- workers ---- */

void scheduler_clear(struct scheduler *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->known[i].name);
	free(s->known);
	*s = (struct scheduler){0};
}

/* Before when nothing of it is due; 0: never. */
static int64_t next_of(struct ledger *l, const char *name)
{
	struct buf text = {0};
	struct json_error je;
	struct periodic s;
	struct err e;
	struct json *doc =
	    registry_schedule(l, name, &text, &e) ? NULL : json_parse(text.data ? text.data : "", text.len, &je);
	int64_t next = 1; /* what cannot be read is looked at, and told */
	if (doc && periodic_read(&s, doc))
		next = s.paused ? 0 : periodic_next(&s, 0);
	json_free(doc);
	buf_clear(&text);
	return next;
}

static void refresh(struct scheduler *s, struct ledger *l, const struct strs *names)
{
	struct scheduler fresh = {.known = xcalloc(names->n + 1, sizeof *fresh.known)};
	for (size_t i = 0; i < names->n; i++) {
		struct scheduler_known *k = &fresh.known[fresh.n++], *was = known_of(s, names->v[i]);
		struct file_stamp stamp = registry_schedule_stamp(l, names->v[i]);
		bool same = was && file_stamp_equal(&was->stamp, &stamp);
		*k = (struct scheduler_known){.name = xstrdup(names->v[i]), .stamp = stamp};
		k->next = same ? was->next : next_of(l, k->name);
		k->told = same && was->told;
	}
	for (size_t i = 0; i < s->n; i++)
		free(s->known[i].name);
	free(s->known);
	s->known = fresh.known;
	s->n = fresh.n;
}

/* By the instant that comes first. */
static void set_time(struct scheduler *s)
{
	int64_t due = 0, now = clock_mono_ms();
	for (size_t i = 0; i < s->n; i++)
		if (s->known[i].next && (!due || s->known[i].next < due))
			due = s->known[i].next;
	if (due != s->due) {
		s->late = clock_jitter(WORKER_LATE_MS);
		/* What is due already waits from now on. */
		s->due = due;
		if (due && due * 1000 < clock_wall_ms())
			s->late += clock_wall_ms() - due * 1000;
	}
	s->at = due ? now + due * 1000 - clock_wall_ms() + s->late : 0;
	if (s->at && s->at < s->again_at)
		s->at = s->again_at;
	if (due && s->at <= 0) /* of a machine that has just been started */
		s->at = 1;
}

void scheduler_look(struct scheduler *s, struct ledger *l, const struct grid_config *c)
{
	struct strs names = {0};
	struct err e;
	if (!c->maintain_schedules && !registry_schedules(l, &names, &e)) {
		refresh(s, l, &names);
		set_time(s);
	} else if (c->maintain_schedules)
		s->at = 0;
	strs_clear(&names);
}

static void tell(struct scheduler_known *k, const struct firing *f)
{
	if (f->wrong && !k->told)
		log_at(LOG_WARN, "schedule", "%s is no schedule, nothing is queued: %s", f->name, f->wrong);
	k->told = f->wrong != NULL;
	for (size_t i = 0; i < f->ids.n && f->landed; i++)
		log_at(LOG_INFO, "schedule", "%s is queued", f->ids.v[i]);
	if (f->note && f->landed)
		log_at(LOG_INFO, "schedule", "%s", f->note);
}

int scheduler_work(struct scheduler *s, struct ledger *l, const struct grid_config *c, const char *node, struct err *e)
{
	struct firings f = {0};
	int64_t now = clock_now();
	int rc = firing_look(l, c, s, now, &f, e);
	if (!rc)
		rc = firing_land(l, node, &f, e);
	for (size_t i = 0; i < f.n && !rc; i++) {
		struct scheduler_known *k = known_of(s, f.v[i].name);
		struct firing *one = &f.v[i];
		if (!k)
			continue;
		tell(k, one);
		one->s.last = one->plan.last ? one->plan.last : one->s.last;
		k->next = one->wrong				   ? now + WORKER_AGAIN_MS / 1000
			  : one->s.paused			   ? 0
			  : one->plan.last || may_be_due(one, now) ? periodic_next(&one->s, one->since)
								   : k->next;
		k->stamp = registry_schedule_stamp(l, k->name);
	}
	s->again_at = rc && e->class != ERR_RETRY ? clock_mono_ms() + WORKER_AGAIN_MS : 0;
	s->due = 0;
	set_time(s);
	firing_clear(&f);
	return rc;
}

bool scheduler_soon(const struct scheduler *s)
{
	return s->at && s->at <= clock_mono_ms() + WORKER_LATE_MS;
}
