#include "schema/periodic.h"
#include "base/clock.h"
#include "base/text.h"
#include "schema/need.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct checking {
	struct periodic *s;
	const struct grid_config *c;
	struct problems *p;
};

static void wrong(const struct checking *k, const struct json *m, const char *expected)
{
	problem_in(k->p, m->line, m->col, m->name, "%s%.60s%s is not valid (expected %s)",
		   m->type == JSON_STRING ? "\"" : "",
		   m->type == JSON_STRING || m->type == JSON_NUMBER ? m->text : json_type_name(m->type),
		   m->type == JSON_STRING ? "\"" : "", expected);
}

static bool is_text(const struct json *m, const char *text)
{
	return m && m->type == JSON_STRING && strlen(m->text) == m->len && !strcmp(m->text, text);
}

static void check_schema(const struct checking *k, const struct json *m)
{
	int64_t n;
	if (json_to_int(m, &n) || n != 1)
		wrong(k, m, "1; a newer schedule needs a newer dgrid");
}

static void check_cron(const struct checking *k, const struct json *m)
{
	char why[CRON_WHY];
	if (m->type != JSON_STRING || strlen(m->text) != m->len)
		wrong(k, m, "a string such as \"0 2 * * 1-5\"");
	else if (cron_parse(&k->s->cron, m->text, why))
		problem_in(k->p, m->line, m->col, m->name, "%s", why);
}

static void check_missed(const struct checking *k, const struct json *m)
{
	if (!is_text(m, "latest") && !is_text(m, "skip") && !is_text(m, "all"))
		wrong(k, m, "\"latest\", \"skip\" or \"all\"");
}

static void check_overlap(const struct checking *k, const struct json *m)
{
	if (!is_text(m, "skip") && !is_text(m, "queue"))
		wrong(k, m, "\"skip\" or \"queue\"");
}

static void check_paused(const struct checking *k, const struct json *m)
{
	if (m->type != JSON_BOOL)
		wrong(k, m, "true or false");
}

static void check_task(const struct checking *k, const struct json *m)
{
	static const char *const own[] = {"task_id", "created_at"};
	struct task t;
	if (m->type != JSON_OBJECT) {
		wrong(k, m, "an object: a task without task_id");
		return;
	}
	struct json *doc = json_copy(m);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		const struct json *there = json_get(m, own[i]);
		if (there)
			problem_in(k->p, there->name_line, there->name_col, there->name,
				   "dgrid writes it into each task of a schedule (expected a task without it)");
		json_remove(doc, own[i]);
	}
	if (needs_any(m)) /* what it names may be long gone when it is queued */
		problem_in(
		    k->p, m->line, m->col, m->name,
		    "it waits for other tasks (expected one without \"needs\", \"after\" and inputs of other tasks)");
	json_set(doc, "task_id", json_new_str("x"));
	if (!task_judge(&t, doc, NULL, k->c, true, k->p))
		task_clear(&t);
}

static void check_signatures(const struct checking *k, const struct json *m)
{
	const struct json *at;
	const char *what = task_signatures_wrong(m, &at);
	if (what)
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", what);
}

static void check_last(const struct checking *k, const struct json *m)
{
	int64_t t;
	if (m->type != JSON_STRING || strlen(m->text) != m->len || clock_parse(m->text, &t))
		wrong(k, m, "a time in RFC 3339; leave it out, dgrid writes it");
}

static const struct field {
	struct task_field told;
	void (*check)(const struct checking *k, const struct json *m);
} fields[] = {
    {{"schema", "integer", "1", "1", false}, check_schema},
    {{"cron", "string",
      "required; minute, hour, day of the month, month, weekday, **in UTC**: lists, ranges, steps and names as cron "
      "has "
      "them, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`; where both days are restricted either is enough",
      "", true},
     check_cron},
    {{"task", "object",
      "required; a task without `task_id` and `created_at`, which each run gets, and which waits for no other", "",
      true},
     check_task},
    {{"missed", "string",
      "what becomes of instants at which nobody was there: `latest` queues one task for the newest of them, `skip` "
      "none "
      "for what is older than 10 minutes, `all` one for each",
      "`latest`", false},
     check_missed},
    {{"overlap", "string",
      "`skip` queues none while the task of an earlier instant is queued or runs, `queue` does; `missed` `all` wants "
      "`queue`",
      "`skip`", false},
     check_overlap},
    {{"paused", "boolean", "nothing is queued, and nothing of that time later", "`false`", false}, check_paused},
    {{"signatures", "array of objects", "as in a task; set by `dgrid schedule sign`", "none", false}, check_signatures},
    {{"last", "string", "the newest instant that was dealt with; dgrid writes it", "none", false}, check_last},
};
#define N_FIELDS (sizeof fields / sizeof *fields)

const struct task_field *periodic_field_at(size_t i)
{
	return i < N_FIELDS ? &fields[i].told : NULL;
}

bool periodic_name_valid(const char *name)
{
	return task_id_valid(name) && strlen(name) <= PERIODIC_NAME_MAX && name[0] != '-';
}

static void check_member(const struct checking *k, const struct json *m)
{
	const char *near = NULL;
	size_t best = 3;
	for (size_t i = 0; i < N_FIELDS && strlen(m->name) == m->name_len; i++) {
		near = text_nearer(m->name, fields[i].told.name, near, &best);
		if (!best) {
			fields[i].check(k, m);
			return;
		}
	}
	if (!strncmp(m->name, "x-", 2))
		return;
	problem_in(k->p, m->name_line, m->name_col, m->name,
		   "unknown field of a schedule (expected %s%s%s; names of your own begin with x-)", near ? "\"" : "",
		   near ? near : "one of docs/TASK_FORMAT.md", near ? "\"" : "");
}

bool periodic_read(struct periodic *s, const struct json *doc)
{
	char why[CRON_WHY];
	const char *missed = json_str(doc, "missed"), *overlap = json_str(doc, "overlap"),
		   *last = json_str(doc, "last");
	const struct json *paused = json_get(doc, "paused");
	*s = (struct periodic){.cron_text = json_str(doc, "cron"), .task = json_get(doc, "task")};
	s->missed = missed && !strcmp(missed, "all") ? MISSED_ALL : missed && !strcmp(missed, "skip") ? MISSED_SKIP : 0;
	s->queues = overlap && !strcmp(overlap, "queue");
	s->paused = paused && paused->type == JSON_BOOL && paused->boolean;
	if (last && clock_parse(last, &s->last))
		s->last = 0;
	return s->cron_text && s->task && s->task->type == JSON_OBJECT && !cron_parse(&s->cron, s->cron_text, why);
}

int periodic_parse(struct periodic *s, const char *text, size_t len, const char *name, const struct grid_config *c,
		   struct problems *p)
{
	struct json_error je;
	size_t before = p->n;
	*s = (struct periodic){0};
	struct json *doc = len <= TASK_FILE_MAX ? json_parse(text, len, &je) : NULL;
	if (len > TASK_FILE_MAX)
		problem_at(p, 1, 1, "%zu bytes (expected at most %d)", len, TASK_FILE_MAX);
	else if (!doc)
		problem_at(p, je.line, je.col, "%s", je.msg);
	else if (doc->type != JSON_OBJECT)
		problem_at(p, doc->line, doc->col, "%s (expected an object)", json_type_name(doc->type));
	else {
		const struct checking k = {.s = s, .c = c, .p = p};
		for (const struct json *m = doc->child; m; m = m->next)
			check_member(&k, m);
		for (size_t i = 0; i < N_FIELDS; i++)
			if (fields[i].told.required && !json_get(doc, fields[i].told.name))
				problem_in(p, doc->line, doc->col, fields[i].told.name,
					   "missing (expected in every schedule)");
		const struct json *missed = json_get(doc, "missed");
		if (is_text(missed, "all") && !is_text(json_get(doc, "overlap"), "queue"))
			problem_in(
			    p, missed->line, missed->col, "missed",
			    "\"all\" needs \"overlap\": \"queue\" (or each would keep the next from being queued)");
	}
	if (name && !periodic_name_valid(name))
		problem_at(p, 1, 1, "the name \"%.80s\" is not valid (expected 1-%d of A-Z a-z 0-9 _ -, no - first)",
			   name, PERIODIC_NAME_MAX);
	if (p->n == before && periodic_read(s, doc)) {
		s->doc = doc;
		return 0;
	}
	json_free(doc);
	*s = (struct periodic){0};
	return -1;
}

void periodic_clear(struct periodic *s)
{
	json_free(s->doc);
	*s = (struct periodic){0};
}

/* ---- its tasks ---- */

const char *periodic_id(const char *name, int64_t at, char out[65])
{
	char when[32], stamp[24];
	clock_format(at, when); /* 2026-11-29T02:00:00Z */
	const char *parts[] = {when, when + 5, when + 8, when + 11, when + 14, at % 60 ? when + 17 : ""};
	snprintf(stamp, sizeof stamp, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", parts[0], parts[1], parts[2], parts[3], parts[4],
		 parts[5]);
	snprintf(out, 65, "%.*s-%.16s", PERIODIC_NAME_MAX, name, stamp);
	return out;
}

bool periodic_id_of(const char *id, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(id, name, n) != 0 || id[n] != '-' || strlen(id + n + 1) != PERIODIC_STAMP)
		return false;
	for (size_t i = 0; i < PERIODIC_STAMP; i++) {
		char c = id[n + 1 + i];
		if (i == 8 ? c != 'T' : i == PERIODIC_STAMP - 1 ? c != 'Z' : c < '0' || c > '9')
			return false;
	}
	return true;
}

bool periodic_made(const struct json *doc, const char *id, const char *name)
{
	const char *of = json_str(json_get(doc, "schedule"), "name");
	return of && !strcmp(of, name) && periodic_id_of(id, name);
}

size_t periodic_stem(const char *id)
{
	char stamp[PERIODIC_STAMP + 3] = "s-";
	size_t n = strlen(id);
	if (n < PERIODIC_STAMP + 2)
		return 0;
	for (size_t i = 0; i < PERIODIC_STAMP; i++) {
		char c = id[n - PERIODIC_STAMP + i];
		stamp[2 + i] = c;
		if (c == 't' || c == 'z')
			stamp[2 + i] = c == 't' ? 'T' : 'Z';
	}
	return id[n - PERIODIC_STAMP - 1] == '-' && periodic_id_of(stamp, "s") ? n - PERIODIC_STAMP - 1 : 0;
}

int64_t periodic_instant(const char *id)
{
	size_t n = periodic_stem(id);
	const char *at = id + n + 1;
	char when[32];
	int64_t utc;
	if (!n)
		return 0;
	snprintf(when, sizeof when, "%.4s-%.2s-%.2sT%.2s:%.2s:00Z", at, at + 4, at + 6, at + 9, at + 11);
	return clock_parse(when, &utc) ? 0 : utc;
}

bool periodic_owns(const char *name, const char *id)
{
	size_t n = periodic_stem(id);
	return n && strlen(name) == n && !strncasecmp(name, id, n);
}

const char *periodic_owner(const struct strs *names, const char *id)
{
	for (size_t i = 0; i < names->n; i++)
		if (periodic_owns(names->v[i], id))
			return names->v[i];
	return NULL;
}

struct json *periodic_task(const struct json *template, const char *name, int64_t at)
{
	char id[65], when[32];
	struct json *task = json_new(JSON_OBJECT), *of = json_new(JSON_OBJECT);
	json_set(task, "task_id", json_new_str(periodic_id(name, at, id)));
	for (const struct json *m = template->child; m; m = m->next)
		json_set(task, m->name, json_copy(m));
	clock_format(at, when);
	json_set(task, "created_at", json_new_str(when));
	json_set(of, "name", json_new_str(name));
	json_set(of, "at", json_new_str(when));
	json_set(task, "schedule", of);
	return task;
}

struct json *periodic_signed(const struct json *doc, const char *name)
{
	static const char *const others[] = {"last", "paused", "name", "schedule"};
	struct json *part = json_copy(doc);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		json_remove(part, others[i]);
	json_set(part, "name", json_new_str(name));
	return part;
}

bool periodic_moved(const struct json *a, const struct json *b)
{
	const char *from = json_str(a, "last"), *to = json_str(b, "last");
	if (!to || (from && !strcmp(from, to)))
		return false;
	struct json *x = json_copy(a), *y = json_copy(b);
	struct buf was = {0}, is = {0};
	json_remove(x, "last");
	json_remove(y, "last");
	json_write(&was, x, 0);
	json_write(&is, y, 0);
	bool same = was.len == is.len && !memcmp(was.data, is.data, was.len);
	json_free(x);
	json_free(y);
	buf_clear(&was);
	buf_clear(&is);
	return same;
}

/* ---- when ---- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t periodic_next(const struct periodic *s, int64_t since)
{
	return cron_next(&s->cron, later(s->last, since));
}

/* Instants after from, up to to; no more than are counted. */
static int64_t count(const struct cron *c, int64_t from, int64_t to)
{
	int64_t n = 0;
	for (int64_t t = cron_next(c, from); t && t <= to && n < PERIODIC_COUNTED; t = cron_next(c, t))
		n++;
	return n;
}

/* Of all that are missed, what is as old as this is passed by. */
static int64_t floor_of_all(const struct periodic *s, int64_t from, int64_t now)
{
	int64_t t = cron_latest(&s->cron, now);
	for (int i = 0; i < PERIODIC_BACK && t > from; i++)
		t = cron_latest(&s->cron, t - 1);
	return later(from, t);
}

bool periodic_given(const struct periodic *s, int64_t since, int64_t last, int64_t now, bool busy,
		    struct periodic_plan *out)
{
	int64_t from = later(s->last, since), fresh = now - PERIODIC_FRESH_SECONDS, begin = from;
	*out = (struct periodic_plan){.last = last};
	if (last <= from || cron_latest(&s->cron, last) != last)
		return false;
	if (s->missed != MISSED_ALL) /* what is older gets no task, unless it is the last */
		begin = later(from, (last < fresh ? last : fresh) - 1);
	else
		begin = floor_of_all(s, from, now);
	out->passed = count(&s->cron, from, begin);
	for (int64_t t = cron_next(&s->cron, begin); t && t <= last; t = cron_next(&s->cron, t)) {
		bool one = t == last;
		if (s->missed == MISSED_ALL || (s->missed == MISSED_SKIP && s->queues))
			one = s->missed == MISSED_ALL || t >= fresh;
		else if (s->missed == MISSED_SKIP)
			one = one && t >= fresh;
		if (one && out->n == PERIODIC_MOST) {
			memmove(&out->at[0], &out->at[1], --out->n * sizeof out->at[0]);
			out->over = true;
		}
		if (one)
			out->at[out->n++] = t;
		else
			out->passed += out->passed < PERIODIC_COUNTED;
	}
	if (out->n && !s->queues && busy) {
		out->n = 0;
		out->overlaps = true;
	}
	return !out->over;
}

/* The 24th instant after the one, or the newest up to now. */
static int64_t last_of_all(const struct periodic *s, int64_t from, int64_t now)
{
	int64_t last = 0, t = cron_next(&s->cron, floor_of_all(s, from, now));
	for (int i = 0; i < PERIODIC_MOST && t && t <= now; i++, t = cron_next(&s->cron, t))
		last = t;
	return last;
}

void periodic_plan(const struct periodic *s, int64_t since, int64_t now, bool busy, struct periodic_plan *out)
{
	int64_t from = later(s->last, since),
		last = s->missed == MISSED_ALL ? last_of_all(s, from, now) : cron_latest(&s->cron, now);
	*out = (struct periodic_plan){0};
	if (s->paused || !last || last <= from || !periodic_given(s, since, last, now, busy, out))
		*out = (struct periodic_plan){0};
}
