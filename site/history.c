#include "site/history.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400
#define HALF_HOUR 1800

struct moves { /* of one task, newest first */
	char *id;
	size_t queued, claimed, ended; /* its commits, index + 1; 0: none */
	int64_t ended_at, claimed_at;  /* not yet matched by what came before; 0: none */
	int64_t queued_at;
	bool seen_end;
};
struct samples {
	int64_t *v;
	size_t n, room;
};
struct bucket {
	struct samples wait, run;
};
struct history_private {
	struct moves *table; /* open addressing; room is a power of two */
	size_t n, room;
	char (*commits)[72];
	size_t n_commits, room_commits;
	struct bucket *day, *month;
	struct samples hour_wait, hour_run;
};
struct walk {
	struct history *h;
	struct history_private *p;
	const struct snapshot *s;
	struct history_end (*end)(void *ctx, const char *id);
	void *ctx;
	bool shallow, boundary; /* boundary: this commit's parents are not here, so it seems to add everything */
	bool in_commit, reached_root;
	char change;	   /* of the path to come */
	int64_t now, at;   /* the commit's time, never later than that of the commit after it */
	int64_t depth;	   /* tasks queued after this commit */
	int64_t plus;	   /* what this commit added to the queue */
	size_t day, month; /* buckets whose depth is not known yet */
};

/* ---- samples ---- */

static void sample(struct samples *s, int64_t v)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->v = xrealloc(s->v, s->room * sizeof *s->v);
	}
	s->v[s->n++] = v;
}

static int by_value(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
	return (a > b) - (a < b);
}

/* The smallest value that percent of all do not exceed; sorts. */
static int64_t percentile(struct samples *s, unsigned percent)
{
	if (!s->n)
		return -1;
	qsort(s->v, s->n, sizeof *s->v, by_value);
	return s->v[(s->n * percent + 99) / 100 - 1];
}

static int64_t mean(const struct samples *s)
{
	double sum = 0;
	for (size_t i = 0; i < s->n; i++)
		sum += (double)s->v[i];
	return s->n ? (int64_t)(sum / (double)s->n) : -1;
}

/* ---- the tasks ---- */

static size_t slot_of(const struct history_private *p, const char *id)
{
	uint64_t hash = 1469598103934665603u;
	for (const char *c = id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	size_t i = (size_t)(hash ^ hash >> 32) & (p->room - 1);
	while (p->table[i].id && strcmp(p->table[i].id, id) != 0)
		i = (i + 1) & (p->room - 1);
	return i;
}

static void grow(struct history_private *p)
{
	struct moves *old = p->table;
	size_t n = p->room;
	p->room = n ? 2 * n : 1024;
	p->table = xcalloc(p->room, sizeof *p->table);
	for (size_t i = 0; i < n; i++)
		if (old[i].id)
			p->table[slot_of(p, old[i].id)] = old[i];
	free(old);
}

static struct moves *moves_of(struct history_private *p, const char *id)
{
	if (2 * (p->n + 1) > p->room)
		grow(p);
	struct moves *m = &p->table[slot_of(p, id)];
	if (!m->id) {
		*m = (struct moves){.id = xstrdup(id)};
		p->n++;
	}
	return m;
}

/* ---- buckets ---- */

static long bucket_of(const struct history_range *r, int64_t t)
{
	return t < r->start || t >= r->start + r->step * (int64_t)r->n ? -1 : (long)((t - r->start) / r->step);
}

static void count_end(struct history_range *r, int64_t t, bool failed)
{
	long b = bucket_of(r, t);
	if (b >= 0)
		(failed ? r->failed : r->done)[b]++;
}

static void add_sample(struct walk *w, int64_t t, int64_t ms, bool run)
{
	struct history *h = w->h;
	long d = bucket_of(&h->day, t), m = bucket_of(&h->month, t);
	if (d >= 0)
		sample(run ? &w->p->day[d].run : &w->p->day[d].wait, ms);
	if (m >= 0)
		sample(run ? &w->p->month[m].run : &w->p->month[m].wait, ms);
	if (t > w->now - 3600)
		sample(run ? &w->p->hour_run : &w->p->hour_wait, ms);
}

/* From this commit on the queue had that many tasks, until what we saw before. left: buckets still without a depth. */
static void set_depth(struct history_range *r, size_t *left, int64_t from, int64_t depth)
{
	for (size_t i = *left; i-- > 0;) {
		int64_t begins = r->start + r->step * (int64_t)i;
		if (begins + r->step <= from)
			break;
		r->depth[i] = depth > r->depth[i] ? depth : r->depth[i];
		if (begins >= from)
			*left = i;
	}
}

/* ---- the walk ---- */

static void end_commit(struct walk *w)
{
	if (!w->in_commit)
		return;
	w->in_commit = false;
	set_depth(&w->h->day, &w->day, w->at, w->depth);
	set_depth(&w->h->month, &w->month, w->at, w->depth);
	w->depth -= w->plus;
	if (w->depth < 0)
		w->depth = 0;
}

/* "@COMMIT TIME PARENT..." */
static void begin_commit(struct walk *w, const char *record)
{
	char oid[72];
	long long t;
	int used = 0;
	end_commit(w);
	if (sscanf(record, "@%71s %lld %n", oid, &t, &used) < 2)
		return;
	bool parents = used && record[used];
	w->in_commit = true;
	w->boundary = !parents && w->shallow;
	w->reached_root = !parents && !w->shallow;
	w->plus = 0;
	if (t < w->at)
		w->at = t;
	if (!w->boundary)
		w->h->since = w->at;
	w->h->commits++;
	struct history_private *p = w->p;
	if (p->n_commits == p->room_commits) {
		p->room_commits = p->room_commits ? 2 * p->room_commits : 256;
		p->commits = xrealloc(p->commits, p->room_commits * sizeof *p->commits);
	}
	snprintf(p->commits[p->n_commits++], sizeof *p->commits, "%s", oid);
}

static void entered(struct walk *w, const char *id, enum task_state state)
{
	struct moves *m = moves_of(w->p, id);
	if (state == TASK_COMPLETED || state == TASK_FAILED) {
		if (m->ended || state != TASK_FAILED || !w->end(w->ctx, id).cancelled) {
			count_end(&w->h->day, w->at, state == TASK_FAILED);
			count_end(&w->h->month, w->at, state == TASK_FAILED);
		}
		m->ended_at = w->at;
		m->ended = m->ended ? m->ended : w->p->n_commits;
	} else if (state == TASK_IN_PROGRESS) {
		int64_t ms = m->ended_at && !m->seen_end ? w->end(w->ctx, id).ms : -1;
		if (m->ended_at)
			add_sample(w, m->ended_at, ms >= 0 ? ms : (m->ended_at - w->at) * 1000, true);
		m->seen_end = m->seen_end || m->ended_at;
		m->ended_at = 0;
		m->claimed_at = w->at;
		m->claimed = m->claimed ? m->claimed : w->p->n_commits;
	} else if (state == TASK_QUEUE) {
		if (m->claimed_at)
			add_sample(w, m->claimed_at, (m->claimed_at - w->at) * 1000, false);
		m->claimed_at = m->ended_at = 0;
		m->queued_at = m->queued ? m->queued_at : w->at;
		m->queued = m->queued ? m->queued : w->p->n_commits;
		long half_hour = bucket_of(&w->h->day, w->at);
		if (half_hour >= 0)
			w->h->day.arrivals[half_hour]++;
	}
}

static void take_path(struct walk *w, const char *path)
{
	for (int k = 0; k < TASK_N_STATES; k++) {
		const char *name = task_state_name((enum task_state)k);
		size_t n = strlen(name);
		if (strncmp(path, "tasks/", 6) != 0 || strncmp(path + 6, name, n) != 0 || path[6 + n] != '/')
			continue;
		const char *base = path + 7 + n;
		size_t len = strlen(base);
		if (len <= 5 || len > 69 || strcmp(base + len - 5, ".json") != 0)
			return;
		char id[65];
		snprintf(id, sizeof id, "%.*s", (int)(len - 5), base);
		if (!task_id_valid(id))
			return;
		if (k == TASK_QUEUE)
			w->plus += w->change == 'A' ? 1 : -1;
		if (w->change == 'A')
			entered(w, id, (enum task_state)k);
		return;
	}
}

static void take(void *ctx, const char *record)
{
	struct walk *w = ctx;
	if (w->change) {
		if (!w->boundary && (w->change == 'A' || w->change == 'D'))
			take_path(w, record);
		w->change = 0;
		return;
	}
	record += *record == '\n';
	if (*record == '@')
		begin_commit(w, record);
	else if (*record == ':') {
		const char *last = strrchr(record, ' ');
		w->change = last && last[1] ? last[1] : '?';
	}
}

/* ---- the outside ---- */

static void start_range(struct history_range *r, int64_t now, int64_t step, size_t n)
{
	int64_t end = now - ((now % step) + step) % step + step;
	r->step = step;
	r->n = n;
	r->start = end - step * (int64_t)n;
	int64_t **all[] = {&r->depth, &r->done, &r->failed, &r->arrivals, &r->wait50, &r->wait95, &r->run50, &r->run95};
	for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
		*all[k] = xcalloc(n, sizeof **all[k]);
		for (size_t i = 0; i < n; i++)
			(*all[k])[i] = k >= 1 && k <= 3 ? 0 : -1;
	}
}

static void add_all(struct samples *to, const struct samples *from)
{
	for (size_t i = 0; i < from->n; i++)
		sample(to, from->v[i]);
}

static void finish_range(struct history_range *r, struct bucket *b)
{
	struct samples wait = {0}, run = {0};
	for (size_t i = 0; i < r->n; i++) {
		add_all(&wait, &b[i].wait);
		add_all(&run, &b[i].run);
	}
	r->all[0] = percentile(&wait, 50);
	r->all[1] = percentile(&wait, 95);
	r->all[2] = percentile(&run, 50);
	r->all[3] = percentile(&run, 95);
	free(wait.v);
	free(run.v);
	for (size_t i = 0; i < r->n; i++) {
		r->wait50[i] = percentile(&b[i].wait, 50);
		r->wait95[i] = percentile(&b[i].wait, 95);
		r->run50[i] = percentile(&b[i].run, 50);
		r->run95[i] = percentile(&b[i].run, 95);
	}
}

/* What lies before the oldest commit that was seen. */
static void finish_depth(struct walk *w, int64_t since)
{
	struct history *h = w->h;
	end_commit(w);
	h->whole = w->reached_root;
	if (h->whole)
		h->since = since;
	else if (!w->boundary && h->commits < HISTORY_COMMITS)
		h->since = since; /* the next older commit is older than that */
	if (h->whole)
		w->depth = 0;
	set_depth(&h->day, &w->day, h->since, w->depth);
	set_depth(&h->month, &w->month, h->since, w->depth);
	if (h->commits >= HISTORY_COMMITS)
		h->limit = "only the newest 20,000 commits are looked at";
	else if (h->since > since)
		h->limit = "this copy of the repository holds no older commits";
}

void history_read(struct history *h, const struct snapshot *s, struct history_end (*end)(void *ctx, const char *id),
		  void *ctx)
{
	*h = (struct history){.private = xcalloc(1, sizeof *h->private), .hour_wait95 = -1, .hour_run_mean = -1};
	struct history_private *p = h->private;
	start_range(&h->day, s->now, HALF_HOUR, 48);
	start_range(&h->month, s->now, DAY, HISTORY_DAYS);
	p->day = xcalloc(h->day.n, sizeof *p->day);
	p->month = xcalloc(h->month.n, sizeof *p->month);
	struct walk w = {.h = h, .p = p, .s = s, .end = end, .ctx = ctx, .now = s->now, .at = s->now};
	w.day = h->day.n;
	w.month = h->month.n;
	w.depth = (int64_t)s->count[TASK_QUEUE];
	h->since = s->now;
	struct git g = {0};
	char *since = xasprintf("--since=%lld", (long long)h->month.start);
	char *max = xasprintf("--max-count=%d", HISTORY_COMMITS);
	const char *log[] = {"log",
			     "--first-parent",
			     "-m",
			     "--raw",
			     "-z",
			     "--no-renames",
			     "--no-abbrev",
			     "--no-show-signature",
			     "--format=%x00@%H %ct %P",
			     since,
			     max,
			     s->commit,
			     "--",
			     "tasks/",
			     NULL};
	struct err why;
	grow(p);
	int rc = snapshot_history(s, h->month.start, &g, &w.shallow, &why);
	if (!rc)
		rc = git_records(&g, log, take, &w, &why);
	if (rc) {
		h->limit = "the history could not be read";
		end_commit(&w);
	} else
		finish_depth(&w, h->month.start);
	finish_range(&h->day, p->day);
	finish_range(&h->month, p->month);
	h->hour_wait95 = percentile(&p->hour_wait, 95);
	h->hour_run_mean = mean(&p->hour_run);
	free(since);
	free(max);
	free(g.dir);
	free(g.name);
	free(g.email);
}

void history_day_total(struct history *h, int64_t day, int64_t done, int64_t failed)
{
	long b = bucket_of(&h->month, day);
	if (b < 0)
		return;
	if (done > h->month.done[b])
		h->month.done[b] = done;
	if (failed > h->month.failed[b])
		h->month.failed[b] = failed;
}

struct history_task history_task(const struct history *h, const char *id)
{
	const struct history_private *p = h->private;
	const struct moves *m = &p->table[slot_of(p, id)];
	return (struct history_task){.id = id,
				     .queued_at = m->queued_at,
				     .queued = m->queued ? p->commits[m->queued - 1] : "",
				     .claimed = m->claimed ? p->commits[m->claimed - 1] : "",
				     .ended = m->ended ? p->commits[m->ended - 1] : ""};
}

static void clear_buckets(struct bucket *b, size_t n)
{
	for (size_t i = 0; b && i < n; i++) {
		free(b[i].wait.v);
		free(b[i].run.v);
	}
	free(b);
}

static void clear_range(struct history_range *r)
{
	int64_t *all[] = {r->depth, r->done, r->failed, r->arrivals, r->wait50, r->wait95, r->run50, r->run95};
	for (size_t k = 0; k < sizeof all / sizeof *all; k++)
		free(all[k]);
}

void history_clear(struct history *h)
{
	struct history_private *p = h->private;
	if (!p)
		return;
	for (size_t i = 0; i < p->room; i++)
		free(p->table[i].id);
	free(p->table);
	free(p->commits);
	clear_buckets(p->day, h->day.n);
	clear_buckets(p->month, h->month.n);
	free(p->hour_wait.v);
	free(p->hour_run.v);
	free(p);
	clear_range(&h->day);
	clear_range(&h->month);
	*h = (struct history){0};
}
