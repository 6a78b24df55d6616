#include "worker/series.h"
#include "base/clock.h"
#include "base/collect.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/task.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAIL_BYTES 16384		 /* of all points together, for those who follow */
#define CLIENT_BYTES 1024		 /* kept of what a shared sandbox's engine says */
#define RESULT_BYTES (TASK_FILE_MAX / 2) /* of the streams of all points, as they stand in the file */
#define LEAST_BYTES 128			 /* of each stream, however many points and however much they print */
#define ESCAPED 6			 /* bytes of JSON for one, at most */

/* A stream of a shared sandbox, cut where a turn ends. */
struct cutter {
	struct collector now;
	size_t at;	 /* turns that have ended */
	struct buf held; /* what may be the beginning of a mark */
};
struct turn {
	struct buf text[2]; /* stdout, stderr; of a stream that has come further than the other */
	uint64_t bytes[2];
	bool cut[2];
	uint8_t hash[2][32];
	int code;
};

struct series {
	struct series_spec spec;
	/* copies, for the attempts to come */
	struct strs env, made;
	char *name, *nonce, *out_dir, *gres;
	struct engine_input *inputs;

	struct point points[POINTS_MAX];
	size_t n, at; /* at: the one that runs */
	struct attempt *attempt;
	struct collector all[2]; /* what all have printed */
	struct json *results;
	struct attempt_result whole;
	int64_t began_ms, turn_ms, points_ms; /* points_ms: of all that have ended */
	size_t failed, written;		      /* written: bytes of JSON of what is noted */
	bool asked, cancelled;		      /* asked: to stop */
	/* of a shared sandbox: */
	struct cutter cutters[2];
	struct turn *turns;
	char token[33];
};

static void series_free(struct series *s)
{
	for (size_t i = 0; i < 2; i++) {
		collector_clear(&s->all[i]);
		collector_clear(&s->cutters[i].now);
		buf_clear(&s->cutters[i].held);
		for (size_t k = 0; s->turns && k < s->n; k++)
			buf_clear(&s->turns[k].text[i]);
	}
	for (size_t i = 0; i < s->spec.attempt.run.n_inputs; i++)
		free((char *)s->inputs[i].path);
	free(s->inputs);
	free(s->turns);
	free(s->name);
	free(s->nonce);
	free(s->out_dir);
	free(s->gres);
	strs_clear(&s->env);
	strs_clear(&s->made);
	json_free(s->results);
	free(s);
}

/* Bytes of each stream of the next point: the file that holds them all has an end, whatever they print. */
static size_t point_limit(const struct series *s)
{
	size_t later = (s->n - s->at - 1) * 2 * ESCAPED * LEAST_BYTES, used = s->written + later,
	       left = used < RESULT_BYTES ? (RESULT_BYTES - used) / (2 * ESCAPED) : 0;
	left = left < LEAST_BYTES ? LEAST_BYTES : left;
	return left < s->spec.point_output ? left : s->spec.point_output;
}

static void finish(struct series *s)
{
	struct attempt_result *w = &s->whole;
	w->duration_ms = s->began_ms ? clock_mono_ms() - s->began_ms : 0;
	if (w->duration_ms < s->points_ms) /* a cluster's node saw them begin sooner than we */
		w->duration_ms = s->points_ms;
	w->finished_at = clock_now();
	if (w->status != ATT_ENGINE) {
		w->status = s->cancelled ? ATT_CANCELLED : s->failed || w->over ? ATT_FAILED : ATT_SUCCESS;
		if (w->status == ATT_CANCELLED || w->over) {
			w->exit_code = -1;
			w->signal = 0;
			w->end = w->over ? END_OUT : END_CANCEL;
		}
	}
	for (; s->at < s->n; s->at++)
		json_append(s->results, result_skipped(s->points[s->at].index));
	s->spec.on_done(s->spec.ctx, w, s->results);
	series_free(s);
}

static int64_t sum_of(int64_t all, int64_t one)
{
	return all < 0 || one < 0 ? -1 : all + one;
}

/* What the sandboxes so far have used together; what one of them does not know is not known. */
static void add_use(struct account *all, const struct account *one, bool first)
{
	if (first || !one->by || !all->by) {
		bool known = first && one->by;
		*all = known ? *one : ACCOUNT_NONE;
		return;
	}
	all->user_ms += one->user_ms;
	all->system_ms += one->system_ms;
	all->peak_kb = all->peak_kb < 0 || one->peak_kb < 0 ? -1
		       : one->peak_kb > all->peak_kb	    ? one->peak_kb
							    : all->peak_kb;
	all->read_bytes = sum_of(all->read_bytes, one->read_bytes);
	all->written_bytes = sum_of(all->written_bytes, one->written_bytes);
}

/* What became of the point that ran. */
static void note(struct series *s, const struct attempt_result *r)
{
	struct attempt_result *w = &s->whole;
	s->points_ms += r->duration_ms;
	struct json *one = result_point(r, s->points[s->at].index, s->spec.digest);
	struct buf text = {0};
	json_write(&text, one, 0);
	s->written += text.len;
	buf_clear(&text);
	json_append(s->results, one);
	if (r->status != ATT_SUCCESS && !s->failed++) {
		w->exit_code = r->exit_code;
		w->signal = r->signal;
	}
	s->at++;
}

static void begin_next(struct series *s);

/* What waited for a place in a cluster did not run meanwhile. */
static void note_begin(struct series *s)
{
	int64_t began = attempt_began(s->attempt);
	s->began_ms = s->began_ms ? s->began_ms : began;
	s->turn_ms = s->turn_ms > began ? s->turn_ms : began;
}

/* Its sandbox is gone. */
static void ended(struct series *s, const struct attempt_result *r)
{
	struct attempt_result *w = &s->whole;
	if (s->attempt)
		note_begin(s);
	s->attempt = NULL;
	add_use(&w->used, &r->used, !w->started_at);
	w->started_at = w->started_at ? w->started_at : r->started_at;
	w->unenforced = w->unenforced || r->unenforced;
	w->over = r->over;
	s->cancelled = r->status == ATT_CANCELLED || (s->asked && s->at < s->n);
	if (r->status == ATT_ENGINE) {
		w->status = ATT_ENGINE;
		w->exit_code = -1;
		w->unstarted = r->unstarted;
		w->placeless = r->placeless;
		memcpy(w->message, r->message, sizeof w->message);
	}
	if (w->status == ATT_ENGINE || s->cancelled || w->over || s->at == s->n)
		finish(s);
	else
		begin_next(s);
}

/* ---- a sandbox each ---- */

static char *point_out(const struct series *s, size_t i)
{
	return s->out_dir ? xasprintf("%s/%lld", s->out_dir, (long long)s->points[i].index) : NULL;
}

/* The folders of those who left nothing. */
static void tidy(const struct series *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		char *out = point_out(s, i);
		if (out)
			rmdir(out); /* stays when something is in it */
		free(out);
	}
}

static void printed(void *ctx, bool of_stderr, const char *bytes, size_t len)
{
	struct series *s = ctx;
	collector_add(&s->all[of_stderr], bytes, len);
}

static void point_done(void *ctx, struct attempt_result *r)
{
	struct series *s = ctx;
	tidy(s, s->at, s->at + 1);
	if (r->status != ATT_ENGINE)
		note(s, r);
	ended(s, r);
}

/* The variables of a point and those of the task that it does not set itself. */
static void point_env(const struct series *s, const struct point *p, struct strs *env)
{
	for (size_t i = 0; i < s->env.n; i++) {
		char *name = xstrndup(s->env.v[i], strcspn(s->env.v[i], "="));
		if (!json_get(p->vars, name) && strcmp(name, POINT_INDEX) != 0)
			strs_add(env, s->env.v[i]);
		free(name);
	}
	for (const struct json *v = p->vars ? p->vars->child : NULL; v; v = v->next)
		if (strcmp(v->name, POINT_INDEX) != 0)
			strs_addf(env, "%s=%s", v->name, v->text);
	strs_addf(env, POINT_INDEX "=%lld", (long long)p->index);
}

static struct attempt *start_point(struct series *s, struct attempt_spec *a, struct err *e)
{
	struct strs env = {0};
	char *out = point_out(s, s->at);
	struct attempt *started = NULL;
	point_env(s, &s->points[s->at], &env);
	a->run.env = (const char *const *)env.v;
	a->run.out_dir = out;
	a->all_out = s->out_dir;
	a->output_limit = point_limit(s);
	a->on_output = printed;
	a->on_done = point_done;
	if (!out || !engine_make_out_of(a->engine, s->out_dir, out, e))
		started = attempt_start(a, e);
	strs_clear(&env);
	free(out);
	return started;
}

/* ---- one for all ---- */

static void next_turn(struct series *s, size_t stream)
{
	struct cutter *c = &s->cutters[stream];
	if (c->at < s->n)
		collector_init(&c->now, point_limit(s));
}

static void keep(struct series *s, size_t stream, const char *bytes, size_t len)
{
	struct cutter *c = &s->cutters[stream];
	if (!len || c->at == s->n)
		return;
	collector_add(&c->now, bytes, len);
	collector_add(&s->all[stream], bytes, len);
}

static void close_stream(struct series *s, size_t stream)
{
	struct cutter *c = &s->cutters[stream];
	struct turn *t = &s->turns[c->at];
	t->bytes[stream] = c->now.total;
	t->cut[stream] = collector_end(&c->now, &t->text[stream], t->hash[stream]);
	c->at++;
}

/* The turn of the point that runs: its streams become the result's. */
static void give_turn(struct series *s, struct attempt_result *r)
{
	struct turn *t = &s->turns[s->at];
	if (s->attempt)
		note_begin(s);
	r->out = t->text[0];
	r->err = t->text[1];
	r->out_bytes = t->bytes[0];
	r->err_bytes = t->bytes[1];
	r->out_truncated = t->cut[0];
	r->err_truncated = t->cut[1];
	memcpy(r->out_sha256, t->hash[0], sizeof r->out_sha256);
	memcpy(r->err_sha256, t->hash[1], sizeof r->err_sha256);
	r->duration_ms = clock_mono_ms() - s->turn_ms;
	s->turn_ms = clock_mono_ms();
	note(s, r);
	buf_clear(&t->text[0]);
	buf_clear(&t->text[1]);
}

static void end_turn(struct series *s, size_t stream, int code)
{
	if (s->cutters[stream].at == s->n)
		return; /* nobody's */
	if (!stream)
		s->turns[s->cutters[0].at].code = code;
	close_stream(s, stream);
	next_turn(s, stream);
	if (s->cutters[0].at <= s->at || s->cutters[1].at <= s->at)
		return;
	struct attempt_result r = {.exit_code = s->turns[s->at].code};
	r.status = r.exit_code ? ATT_FAILED : ATT_SUCCESS;
	r.end = attempt_end_of_code(r.exit_code);
	r.signal = r.end == END_EXIT_OR_SIGNAL ? r.exit_code - 128 : 0;
	give_turn(s, &r);
	if (s->attempt)
		attempt_more_time(s->attempt, s->spec.attempt.timeout_ms);
}

/* A mark at the beginning of these bytes? Its length, and *code; 0: none; -1: it may become one. */
static int mark_length(const struct series *s, const char *bytes, size_t len, int *code)
{
	char mark[64];
	int n = snprintf(mark, sizeof mark, SCRIPT_MARK "%s ", s->token);
	if (memcmp(bytes, mark, len < (size_t)n ? len : (size_t)n) != 0)
		return 0;
	*code = 0;
	for (size_t i = (size_t)n; i < len && i < (size_t)n + 4; i++) {
		if (bytes[i] == '\n' && i > (size_t)n && *code <= 255)
			return (int)i + 1;
		if (bytes[i] < '0' || bytes[i] > '9')
			return 0;
		*code = *code * 10 + bytes[i] - '0';
	}
	return len < (size_t)n + 4 ? -1 : 0;
}

static void cut(void *ctx, bool of_stderr, const char *bytes, size_t len)
{
	struct series *s = ctx;
	struct buf *held = &s->cutters[of_stderr].held;
	size_t from = 0;
	int code, n;
	buf_add(held, bytes, len);
	while (from < held->len) {
		const char *at = memchr(held->data + from, SCRIPT_MARK[0], held->len - from);
		size_t upto = at ? (size_t)(at - held->data) : held->len;
		keep(s, of_stderr, held->data + from, upto - from);
		from = upto;
		if (!at || (n = mark_length(s, at, held->len - from, &code)) < 0)
			break;
		if (n)
			end_turn(s, of_stderr, code);
		else
			keep(s, of_stderr, at, 1);
		from += n ? (size_t)n : 1;
	}
	memmove(held->data, held->data + from, held->len - from);
	held->len -= from;
}

static void sandbox_done(void *ctx, struct attempt_result *r)
{
	struct series *s = ctx;
	tidy(s, 0, s->n);
	note_begin(s);
	s->attempt = NULL;
	for (size_t i = 0; i < 2; i++)
		keep(s, i, s->cutters[i].held.data, s->cutters[i].held.len);
	if (s->at < s->n && r->status != ATT_ENGINE) { /* it ended in the midst of a point */
		struct attempt_result one = {
		    .status = r->status, .exit_code = r->exit_code, .signal = r->signal, .end = r->end};
		for (size_t i = 0; i < 2; i++)
			if (s->cutters[i].at == s->at)
				close_stream(s, i);
		if (one.status == ATT_SUCCESS) {
			one.status = ATT_FAILED;
			one.exit_code = -1;
			one.end = END_UNKNOWN;
		}
		give_turn(s, &one);
	}
	ended(s, r);
}

/* What each turn sets; all folders in /out are made in one go. */
static void write_turns(const struct series *s, bool out, struct strs *each, struct buf *first)
{
	buf_adds(first, out ? "mkdir -p" : ":");
	for (size_t i = s->at; i < s->n; i++) {
		const struct point *p = &s->points[i];
		struct buf b = {0};
		char index[24];
		snprintf(index, sizeof index, "%lld", (long long)p->index);
		for (const struct json *v = p->vars ? p->vars->child : NULL; v; v = v->next)
			script_export(&b, v->name, v->text);
		script_export(&b, POINT_INDEX, index);
		if (out) {
			char *dir = xasprintf("/out/%s", index);
			script_export(&b, "DGRID_OUT", dir);
			buf_addf(first, " %s", dir);
			free(dir);
		}
		strs_add(each, b.data);
		buf_clear(&b);
	}
}

static struct attempt *start_shared(struct series *s, struct attempt_spec *a, struct err *e)
{
	struct strs each = {0};
	struct buf first = {0};
	clock_nonce(s->token, 16);
	write_turns(s, s->out_dir || a->run.out_lost_mb, &each, &first);
	const struct script_turns turns = {.each = &each, .first = first.data, .token = s->token};
	a->run.turns = &turns;
	a->run.env = (const char *const *)s->env.v;
	a->run.out_dir = s->out_dir;
	a->output_limit = CLIENT_BYTES;
	a->on_output = cut;
	a->on_done = sandbox_done;
	s->turn_ms = clock_mono_ms();
	for (size_t i = 0; i < 2; i++) {
		collector_clear(&s->cutters[i].now);
		buf_reset(&s->cutters[i].held);
		s->cutters[i].at = s->at;
		next_turn(s, i);
	}
	struct attempt *started = attempt_start(a, e);
	strs_clear(&each);
	buf_clear(&first);
	return started;
}

/* ---- all ---- */

static struct attempt *start(struct series *s, struct err *e)
{
	struct attempt_spec a = s->spec.attempt;
	/* What an attempt leaves behind, a control group, say, is not in the way of the next. */
	char *name = xasprintf("%s-%lld", s->name, (long long)s->points[s->at].index),
	     *nonce = xasprintf("%s-%lld", s->nonce, (long long)s->points[s->at].index);
	a.run.name = name;
	a.run.nonce = nonce;
	a.run.inputs = s->inputs;
	a.run.gres = s->gres;
	a.ctx = s;
	struct attempt *started = s->spec.share ? start_shared(s, &a, e) : start_point(s, &a, e);
	free(name);
	free(nonce);
	return started;
}

static void begin_next(struct series *s)
{
	struct err e;
	s->attempt = start(s, &e);
	if (s->attempt)
		return;
	s->whole.status = ATT_ENGINE;
	s->whole.exit_code = -1;
	s->whole.unstarted = true;
	snprintf(s->whole.message, sizeof s->whole.message, "%.250s", e.msg);
	finish(s);
}

static void alone_done(void *ctx, struct attempt_result *r)
{
	struct series *s = ctx;
	s->attempt = NULL;
	s->spec.on_done(s->spec.ctx, r, NULL);
	series_free(s);
}

static struct attempt *start_alone(struct series *s, struct err *e)
{
	struct attempt_spec a = s->spec.attempt;
	a.ctx = s;
	a.on_done = alone_done;
	return attempt_start(&a, e);
}

static void copy_spec(struct series *s, const struct series_spec *spec)
{
	const struct engine_run *run = &spec->attempt.run;
	s->spec = *spec;
	for (size_t i = 0; run->env && run->env[i]; i++)
		strs_add(&s->env, run->env[i]);
	s->name = xstrdup(run->name);
	s->nonce = xstrdup(run->nonce);
	s->out_dir = run->out_dir ? xstrdup(run->out_dir) : NULL;
	s->gres = run->gres ? xstrdup(run->gres) : NULL;
	s->inputs = xcalloc(run->n_inputs + 1, sizeof *s->inputs);
	for (size_t i = 0; i < run->n_inputs; i++)
		s->inputs[i] = (struct engine_input){.name = run->inputs[i].name, .path = xstrdup(run->inputs[i].path)};
}

struct series *series_start(const struct series_spec *spec, struct err *e)
{
	struct series *s = xcalloc(1, sizeof *s);
	copy_spec(s, spec);
	s->n = points_of(spec->task, s->points);
	if (s->n) {
		s->results = json_new(JSON_ARRAY);
		s->turns = xcalloc(s->n, sizeof *s->turns);
		collector_init(&s->all[0], TAIL_BYTES);
		collector_init(&s->all[1], TAIL_BYTES);
	}
	s->attempt = s->n ? start(s, e) : start_alone(s, e);
	if (s->attempt)
		return s;
	series_free(s);
	return NULL;
}

uint64_t series_tail(const struct series *s, bool of_stderr, size_t max, struct buf *out)
{
	return s->n ? collector_tail(&s->all[of_stderr], max, out) : attempt_tail(s->attempt, of_stderr, max, out);
}

uint64_t series_printed(const struct series *s)
{
	return s->n ? s->all[0].total + s->all[1].total : attempt_printed(s->attempt);
}

size_t series_points(const struct series *s, size_t *done)
{
	*done = s->at;
	return s->n;
}

bool series_queued(const struct series *s)
{
	return s->attempt && attempt_queued(s->attempt);
}

void series_cancel(struct series *s)
{
	s->asked = true;
	attempt_cancel(s->attempt);
}
