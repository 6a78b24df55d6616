#include "runner.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "sandbox/cgroup.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MS 50
#define HELPER_TIMEOUT_MS 20000
#define REMOVE_TRIES 5
#define CLI_LINGER_MS 10000 /* how long `docker run` may take to notice that its container is gone */

/* Head and tail of a stream in bounded memory: head fills first, then tail is a ring. */
struct collector {
	struct buf head;
	char *ring;
	size_t half, at;
	uint64_t total;
	struct sha256 sum;
};

enum stop { STOP_NONE, STOP_TIMEOUT, STOP_CANCEL, STOP_OOM };
struct attempt {
	struct attempt_spec spec;
	char *name;
	struct proc *run;
	struct loop_timer *deadline, *grace, *watch, *linger, *again;
	struct collector out, err;
	struct buf status; /* bwrap's own report */
	struct cgroup group;
	bool grouped;
	long child; /* bwrap: host pid of the sandbox's init */
	enum stop stop;
	bool killed, state_known;
	struct engine_state state;
	struct attempt_result res;
	int64_t started_ms;
	int removals;
};

const char *attempt_status_name(enum attempt_status s)
{
	static const char *const names[] = {"success", "failed", "timeout", "oom", "cancelled", "engine"};
	return names[s];
}

static void collect(struct collector *c, const char *bytes, size_t len)
{
	c->total += len;
	sha256_add(&c->sum, bytes, len);
	if (c->head.len < c->half) {
		size_t n = c->half - c->head.len < len ? c->half - c->head.len : len;
		buf_add(&c->head, bytes, n);
		bytes += n;
		len -= n;
	}
	if (len > c->half) { /* only the end can survive */
		c->at = (c->at + (len - c->half)) % c->half;
		bytes += len - c->half;
		len = c->half;
	}
	while (len) {
		size_t n = c->half - c->at < len ? c->half - c->at : len;
		memcpy(c->ring + c->at, bytes, n);
		c->at = (c->at + n) % c->half;
		bytes += n;
		len -= n;
	}
}

static bool collected(struct collector *c, struct buf *out)
{
	uint64_t after = c->total - c->head.len;
	bool cut = after > c->half;
	buf_add(out, c->head.data ? c->head.data : "", c->head.len);
	if (cut) {
		buf_addf(out, "\n[... %llu bytes left out ...]\n", (unsigned long long)(after - c->half));
		buf_add(out, c->ring + c->at, c->half - c->at);
		buf_add(out, c->ring, c->at);
	} else
		buf_add(out, c->ring, (size_t)after);
	buf_clear(&c->head);
	free(c->ring);
	return cut;
}

/* Bytes at the end of a character that has begun but not ended. */
static size_t unfinished(const char *bytes, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char c = (unsigned char)bytes[len - n];
		if ((c & 0xC0) == 0x80)
			continue;
		size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
		return whole > n ? n : 0;
	}
	return 0;
}

uint64_t attempt_tail(const struct attempt *a, bool of_stderr, size_t max, struct buf *out)
{
	const struct collector *c = of_stderr ? &a->err : &a->out;
	uint64_t after = c->total - c->head.len, end = c->total;
	struct buf kept = {0}; /* what comes last, without a gap */
	buf_add(&kept, "", 0);
	if (after > c->half) {
		buf_add(&kept, c->ring + c->at, c->half - c->at);
		buf_add(&kept, c->ring, c->at);
	} else {
		buf_add(&kept, c->head.data ? c->head.data : "", c->head.len);
		buf_add(&kept, c->ring, (size_t)after);
	}
	size_t cut = unfinished(kept.data, kept.len), len = kept.len - cut, from = len > max ? len - max : 0;
	end -= cut;
	/* The rest of a character whose beginning is gone. */
	for (int i = 0; i < 3 && end - (len - from) > 0 && from < len && (kept.data[from] & 0xC0) == 0x80; i++)
		from++;
	buf_add(out, kept.data + from, len - from);
	buf_clear(&kept);
	return end;
}

uint64_t attempt_printed(const struct attempt *a)
{
	return a->out.total + a->err.total;
}

static void stop_timers(struct attempt *a)
{
	struct loop_timer **all[] = {&a->deadline, &a->grace, &a->watch, &a->linger, &a->again};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		loop_timer_stop(*all[i]);
		*all[i] = NULL;
	}
}

static void finish(struct attempt *a)
{
	struct attempt_result *r = &a->res;
	stop_timers(a);
	r->finished_at = clock_now();
	r->out_bytes = a->out.total;
	r->err_bytes = a->err.total;
	sha256_end(&a->out.sum, r->out_sha256);
	sha256_end(&a->err.sum, r->err_sha256);
	r->out_truncated = collected(&a->out, &r->out);
	r->err_truncated = collected(&a->err, &r->err);
	r->exit_code = -1;
	if (!a->state_known || !a->state.ran) {
		r->status = a->stop == STOP_CANCEL ? ATT_CANCELLED : ATT_ENGINE;
		const char *said = a->state.error[0] ? a->state.error : r->err.data ? r->err.data : "";
		snprintf(r->message, sizeof r->message, "%.*s",
			 (int)strcspn(said, "\n") > 250 ? 250 : (int)strcspn(said, "\n"),
			 *said ? said : "the engine did not say how the container ended");
	} else if (a->stop == STOP_OOM || (a->state.oom && a->stop == STOP_NONE && a->state.exit_code != 0))
		r->status = ATT_OOM;
	else if (a->stop == STOP_TIMEOUT)
		r->status = ATT_TIMEOUT;
	else if (a->stop == STOP_CANCEL)
		r->status = ATT_CANCELLED;
	else {
		r->exit_code = a->state.exit_code;
		r->status = r->exit_code == 0 ? ATT_SUCCESS : ATT_FAILED;
		if (r->exit_code > 128 && r->exit_code <= 192)
			r->signal = r->exit_code - 128;
	}
	a->spec.on_done(a->spec.ctx, r);
	buf_clear(&r->out);
	buf_clear(&r->err);
	buf_clear(&a->status);
	free(a->name);
	free(a);
}

static void helper_start(struct attempt *a, void (*make)(const struct engine *, const char *, struct strs *),
			 void (*on_end)(void *, const struct proc_result *), void *ctx)
{
	static const char *const env[] = {"GIT_TOKEN", NULL};
	struct strs argv = {0};
	struct err e;
	make(a->spec.engine, a->name, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = env,
				 .timeout_ms = HELPER_TIMEOUT_MS,
				 .ctx = ctx,
				 .on_end = on_end};
	if (!proc_start(&spec, &e)) {
		log_at(LOG_ERROR, "runner", "%s", e.msg);
		struct proc_result none = {.end = PROC_NOT_STARTED};
		if (on_end)
			on_end(ctx, &none);
	}
	strs_clear(&argv);
}

static void remove_again(void *ctx);

static void removed(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	bool gone = (res->end == PROC_EXITED && res->code == 0) || (res->err.data && strstr(res->err.data, "No such"));
	if (!gone && ++a->removals < REMOVE_TRIES) {
		a->again = loop_after(500 << a->removals, remove_again, a);
		return;
	}
	if (!gone)
		log_at(LOG_ERROR, "runner", "container %s cannot be removed: %.200s", a->name,
		       res->err.data ? res->err.data : "");
	finish(a);
}

static void remove_again(void *ctx)
{
	struct attempt *a = ctx;
	a->again = NULL;
	helper_start(a, engine_remove_argv, removed, a);
}

static void state_read(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	if (res->end == PROC_EXITED && res->code == 0 && res->out.data)
		a->state_known = !engine_parse_state(res->out.data, res->out.len, &a->state);
	else if (!a->err.total) /* else the client said why */
		snprintf(a->state.error, sizeof a->state.error, "the container is gone: %.200s",
			 res->err.data ? res->err.data : "");
	remove_again(a);
}

static void run_ended(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	a->run = NULL;
	stop_timers(a);
	a->res.duration_ms = clock_mono_ms() - a->started_ms;
	if (a->spec.engine->kind != ENGINE_BWRAP) {
		helper_start(a, engine_state_argv, state_read, a);
		return;
	}
	a->state.oom = cgroup_hit_memory(&a->group);
	cgroup_remove(&a->group);
	/* bwrap reports "exit-code" only when the script was started; a killed sandbox reports nothing more. */
	const char *code = a->status.data ? strstr(a->status.data, "\"exit-code\":") : NULL;
	a->state_known = true;
	a->state.ran = code || (a->child && a->killed);
	a->state.exit_code = code		       ? (int)strtol(code + 12, NULL, 10)
			     : res->end == PROC_EXITED ? res->code
						       : 128 + res->code;
	finish(a);
}

static void took(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct attempt *a = ctx;
	if (s == PROC_OUT)
		collect(&a->out, bytes, len);
	else if (s == PROC_ERR)
		collect(&a->err, bytes, len);
	else if (a->status.len < 4096) {
		buf_add(&a->status, bytes, len);
		const char *pid = strstr(a->status.data, "\"child-pid\":");
		if (pid)
			a->child = strtol(pid + 12, NULL, 10);
	}
}

static void kill_cli(void *ctx)
{
	struct attempt *a = ctx;
	a->linger = NULL;
	if (a->run)
		proc_signal(a->run, SIGKILL);
}

static void signal_container(struct attempt *a, const char *name)
{
	struct strs argv = {0};
	struct err e;
	static const char *const env[] = {"GIT_TOKEN", NULL};
	engine_kill_argv(a->spec.engine, a->name, name, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v, .env = env, .timeout_ms = HELPER_TIMEOUT_MS};
	if (!proc_start(&spec, &e))
		log_at(LOG_ERROR, "runner", "%s", e.msg);
	strs_clear(&argv);
}

static void kill_now(void *ctx)
{
	struct attempt *a = ctx;
	a->grace = NULL;
	a->killed = true;
	if (!a->run)
		return;
	if (a->spec.engine->kind == ENGINE_BWRAP) {
		/* The end of its init takes the whole pid namespace along, daemons too. */
		if (a->child)
			kill((pid_t)a->child, SIGKILL);
		proc_signal(a->run, SIGKILL);
		return;
	}
	signal_container(a, "KILL");
	a->linger = loop_after(CLI_LINGER_MS, kill_cli, a);
}

static void stop(struct attempt *a, enum stop why)
{
	if (!a->run || a->stop != STOP_NONE)
		return;
	a->stop = why;
	if (why == STOP_OOM) {
		kill_now(a);
		return;
	}
	if (a->spec.engine->kind == ENGINE_BWRAP) {
		if (a->child)
			engine_bwrap_signal(a->child, SIGTERM);
	} else
		signal_container(a, "TERM");
	a->grace = loop_after(a->spec.grace_ms, kill_now, a);
}

static void deadline(void *ctx)
{
	struct attempt *a = ctx;
	a->deadline = NULL;
	stop(a, STOP_TIMEOUT);
}

static void watch_memory(void *ctx)
{
	struct attempt *a = ctx;
	a->watch = loop_after(WATCH_MS, watch_memory, a);
	if (a->child && engine_bwrap_rss_kb(a->child) > (long)a->spec.run.memory_mb * 1024)
		stop(a, STOP_OOM);
}

struct attempt *attempt_start(const struct attempt_spec *spec, struct err *e)
{
	struct attempt *a = xcalloc(1, sizeof *a);
	struct strs argv = {0};
	char *path = xasprintf("PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	bool bwrap = spec->engine->kind == ENGINE_BWRAP;
	/* The engine's client needs its own variables (DOCKER_HOST, HOME), never the token. */
	const char *const bare[] = {path, NULL}, *const scrubbed[] = {"GIT_TOKEN", NULL};
	a->spec = *spec;
	a->name = xstrdup(spec->run.name);
	sha256_init(&a->out.sum);
	sha256_init(&a->err.sum);
	a->out.half = a->err.half = spec->output_limit / 2;
	a->out.ring = xcalloc(1, a->out.half);
	a->err.ring = xcalloc(1, a->err.half);
	struct engine_run run = spec->run;
	if (bwrap) {
		/* One process more than the script may have: the sandbox's outer half. */
		char *group = xasprintf("dgrid-%s-%s", run.instance, run.nonce);
		a->grouped = run.limits_outside = cgroup_make(&a->group, group, run.memory_mb, run.pids + 1, run.cpus);
		free(group);
		if (a->grouped)
			cgroup_enter_argv(&a->group, &argv);
	}
	engine_start_argv(spec->engine, &run, &argv);
	struct proc_spec p = {.argv = (const char *const *)argv.v,
			      .env = bwrap ? bare : scrubbed,
			      .clean_env = bwrap,
			      .status_pipe = bwrap,
			      .ctx = a,
			      .on_output = took,
			      .on_end = run_ended};
	a->res.started_at = clock_now();
	a->started_ms = clock_mono_ms();
	a->run = proc_start(&p, e);
	strs_clear(&argv);
	free(path);
	if (!a->run) {
		cgroup_remove(&a->group);
		free(a->out.ring);
		free(a->err.ring);
		free(a->name);
		free(a);
		return NULL;
	}
	a->deadline = loop_after(spec->timeout_ms, deadline, a);
	if (bwrap && !a->grouped)
		a->watch = loop_after(WATCH_MS, watch_memory, a);
	return a;
}

void attempt_cancel(struct attempt *a)
{
	stop(a, STOP_CANCEL);
}
