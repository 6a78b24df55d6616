#include "runner.h"
#include "base/clock.h"
#include "base/collect.h"
#include "base/log.h"
#include "base/proc.h"
#include "sandbox/cgroup.h"
#include "sandbox/meter.h"
#include "sandbox/secretdir.h"
#include "sandbox/watch.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAID_BYTES 4096	  /* of stderr, that are looked through for why it failed */
#define SAMPLE_MIN_MS 15  /* between two looks at what a container has used so far, */
#define SAMPLE_MAX_MS 100 /* which nobody can tell any more when it has ended */
#define LOOK_MS 200	  /* between two looks at what it writes to /out */
#define HELPER_TIMEOUT_MS 20000
#define REMOVE_TRIES 5
#define REMOVE_LATER_MS 30000
#define STATE_TRIES 8 /* an engine may need a moment to note an end that its client has seen */
#define STATE_PAUSE_MS 250
#define CLIENT_FAILED 125 /* the client's exit code for troubles of its own */
#define OUTSIDE_LINGER_MS 1000
#define QUEUE_MS 1800000    /* how long a cluster may let an attempt wait */
#define CLI_LINGER_MS 10000 /* how long `docker run` may take to notice that its container is gone */

static bool user_taken[ENGINE_USERS];

enum stop { STOP_NONE, STOP_TIMEOUT, STOP_CPU, STOP_CANCEL, STOP_OOM, STOP_OUT };
struct attempt {
	struct attempt_spec spec;
	char *name, *out_dir, *all_out;
	struct proc *run;
	struct loop_timer *deadline, *grace, *look, *linger, *again, *sample;
	struct watch *watch; /* bwrap without control groups: its memory */
	struct collector out, err;
	struct buf status; /* bwrap's own report */
	struct cgroup group;
	bool grouped;
	struct meter meter;
	int64_t sample_ms, cpu_from; /* cpu_from: ms of processor time from which its limit counts */
	int user;		     /* bwrap as root: its user id on this machine; else 0 */
	long child;		     /* bwrap: host pid of the sandbox's init */
	enum stop stop;
	bool queued;			/* of a cluster: it has not begun */
	bool killed, state_known, gone; /* gone: the engine knows no such container */
	struct engine_state state;
	bool exited;	 /* the engine's client came to an end of its own, and not by a signal */
	int client_code; /* its exit code, or the signal */
	struct attempt_result res;
	int64_t started_ms;
	int looks, removals;
};

const char *attempt_status_name(enum attempt_status s)
{
	static const char *const names[] = {"success", "failed", "timeout", "oom", "cancelled", "engine"};
	return names[s];
}

uint64_t attempt_tail(const struct attempt *a, bool of_stderr, size_t max, struct buf *out)
{
	return collector_tail(of_stderr ? &a->err : &a->out, max, out);
}

uint64_t attempt_printed(const struct attempt *a)
{
	return a->out.total + a->err.total;
}

bool attempt_queued(const struct attempt *a)
{
	return a->queued;
}

int64_t attempt_began(const struct attempt *a)
{
	return a->started_ms;
}

static void stop_timers(struct attempt *a)
{
	struct loop_timer **all[] = {&a->deadline, &a->grace, &a->look, &a->linger, &a->again, &a->sample};
	watch_stop(a->watch);
	a->watch = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		loop_timer_stop(*all[i]);
		*all[i] = NULL;
	}
}

/* Did the script end, and did all that it printed arrive? A client that went away, or that lost its daemon, tells
 * neither: only one that brought the script's own exit code was there until the end. */
static bool ended_whole(const struct attempt *a)
{
	return a->state_known && a->state.ended &&
	       (!engine_client(a->spec.engine) || (a->exited && a->client_code == a->state.exit_code));
}

/* Why an attempt ended without a result of its script. */
static void tell_trouble(const struct attempt *a, char message[256])
{
	struct buf last = {0};
	attempt_tail(a, true, 200, &last);
	while (last.len && (last.data[last.len - 1] == '\n' || last.data[last.len - 1] == '\r'))
		last.data[--last.len] = 0;
	const char *line = last.len && strrchr(last.data, '\n') ? strrchr(last.data, '\n') + 1
			   : last.len				? last.data
								: "",
		   *first = a->err.head.data ? a->err.head.data : "", *name = engine_name(a->spec.engine->kind);
	/* What a client says of a container that there never was is its own; anything else may be the script's. */
	bool own = !a->spec.quiet ||
		   (a->state_known ? !a->state.ran && !a->child : a->gone && a->client_code >= CLIENT_FAILED);
	int len = own ? (int)strcspn(first, "\n") : 0;
	line = own ? line : "what it printed is not told";
	if (a->state.error[0])
		snprintf(message, 256, "%.*s", (int)strcspn(a->state.error, "\n"), a->state.error);
	else if (a->state_known && a->state.ran && engine_client(a->spec.engine))
		snprintf(message, 256, "%s run ended with %s%d %s, its output is not whole: %.120s", name,
			 a->exited ? "" : "signal ", a->client_code,
			 a->state.ended ? "and not as the script did" : "while the script still ran", line);
	else if (len)
		snprintf(message, 256, "%.*s", len > 250 ? 250 : len, first);
	else
		snprintf(message, 256, "the engine did not say how the container ended");
	buf_clear(&last);
}

static void attempt_free(struct attempt *a)
{
	if (a->user)
		user_taken[a->user - ENGINE_USER] = false;
	free(a->name);
	free(a->out_dir);
	free(a->all_out);
	meter_clear(&a->meter);
	free(a);
}

static void stop(struct attempt *a, enum stop why);

static bool is_over_cpu(const struct attempt *a)
{
	int64_t most = a->spec.run.cpu_seconds * 1000;
	return most && meter_cpu_ms(&a->meter) - a->cpu_from >= most;
}

static void sample(void *ctx)
{
	struct attempt *a = ctx;
	a->sample = NULL;
	meter_look(&a->meter, a->watch);
	a->sample_ms = a->sample_ms * 2 < SAMPLE_MAX_MS ? a->sample_ms * 2 : SAMPLE_MAX_MS;
	if (is_over_cpu(a))
		stop(a, STOP_CPU);
	else
		a->sample = loop_after(a->sample_ms, sample, a);
}

/* A script that cannot start a process mostly fails at something else, and says so in its own words. */
static void tell_short(struct attempt *a)
{
	struct buf tail = {0};
	attempt_tail(a, true, SAID_BYTES, &tail);
	enum meter_short is = meter_short(&a->meter, tail.data ? tail.data : "");
	buf_clear(&tail);
	if (is != METER_ENOUGH)
		snprintf(a->res.reason, sizeof a->res.reason,
			 "it %sran into its limit of %d processes (pids; the grid allows up to max_pids)",
			 is == METER_SHORT ? "" : "most likely ", a->spec.run.pids);
}

/* The limit of processor time that each process has, where the whole could not be looked at in time. */
static bool ended_by_backstop(const struct attempt *a)
{
	return a->stop == STOP_NONE && a->spec.run.cpu_seconds && a->state.exit_code == 128 + SIGXCPU;
}

/* How it ended, and so what it is to be called. whole: with all that it printed; ran: it was started. */
static void judge_end(struct attempt *a, bool whole, bool ran)
{
	struct attempt_result *r = &a->res;
	r->exit_code = -1;
	if (a->queued && a->stop == STOP_TIMEOUT)
		snprintf(r->message, sizeof r->message, "it waited %lld s for a place in the cluster, and got none",
			 (long long)(a->res.duration_ms / 1000));
	else if (!ran || (!whole && a->stop == STOP_NONE))
		tell_trouble(a, r->message);
	if (r->message[0]) {
		r->status = a->stop == STOP_CANCEL ? ATT_CANCELLED : ATT_ENGINE;
		r->end = a->stop == STOP_CANCEL ? END_CANCEL : END_UNKNOWN;
		/* An engine that cannot even say whether there is a container may have started it. */
		r->unstarted = !ran && (a->state_known || (a->gone && a->exited && a->client_code >= CLIENT_FAILED));
	} else if (a->stop == STOP_OOM || (a->state.oom && a->stop == STOP_NONE && a->state.exit_code != 0)) {
		r->status = ATT_OOM;
		r->end = END_MEMORY;
	} else if (a->stop == STOP_TIMEOUT) {
		r->status = ATT_TIMEOUT;
		r->end = END_TIME;
	} else if (a->stop == STOP_CPU || a->state.over_cpu || ended_by_backstop(a)) {
		r->status = ATT_TIMEOUT;
		r->end = END_CPU;
	} else if (a->stop == STOP_CANCEL) {
		r->status = ATT_CANCELLED;
		r->end = END_CANCEL;
	} else if (a->stop == STOP_OUT) {
		r->status = ATT_FAILED;
		r->end = END_OUT;
	} else {
		r->exit_code = a->state.exit_code;
		r->status = r->exit_code == 0 ? ATT_SUCCESS : ATT_FAILED;
		r->end = attempt_end_of_code(r->exit_code);
		if (r->end == END_EXIT_OR_SIGNAL)
			r->signal = r->exit_code - 128;
		if (r->status == ATT_FAILED)
			tell_short(a);
	}
}

/* A cluster holds its jobs to whole processors. */
static bool is_held(const struct attempt *a)
{
	double cpus = a->spec.run.cpus;
	return a->spec.engine->limits && (double)(int64_t)cpus == cpus;
}

static void forget(struct collector *c)
{
	collector_clear(c);
	collector_init(c, 2);
}

static void finish(struct attempt *a)
{
	struct attempt_result *r = &a->res;
	stop_timers(a);
	r->finished_at = clock_now();
	if (a->state.ended && a->state.duration_ms && a->stop == STOP_NONE)
		r->duration_ms = a->state.duration_ms;
	if (a->state.used.by)
		a->meter.used = a->state.used;
	r->used = a->meter.used;
	r->placeless = a->queued && (a->stop == STOP_TIMEOUT || (a->state_known && a->state.withdrawn));
	r->unenforced = r->unenforced || (a->state.unenforced && !is_held(a));
	r->out_bytes = a->out.total;
	r->err_bytes = a->err.total;
	bool whole = ended_whole(a);
	judge_end(a, whole, a->state_known && a->state.ran);
	bool never = a->state_known && !a->state.ran;
	if (never) { /* what an engine's client said is no script's */
		forget(&a->out);
		forget(&a->err);
		r->out_bytes = r->err_bytes = 0;
		r->started_at = r->finished_at;
		r->duration_ms = 0;
	}
	r->out_truncated = collector_end(&a->out, &r->out, r->out_sha256);
	r->err_truncated = collector_end(&a->err, &r->err, r->err_sha256);
	if (!whole && !never) /* we ended it, and its client did not see the end */
		r->out_truncated = r->err_truncated = true;
	a->spec.on_done(a->spec.ctx, r);
	buf_clear(&r->out);
	buf_clear(&r->err);
	buf_clear(&a->status);
	attempt_free(a);
}

static void helper_start(const struct engine *g, const char *name,
			 void (*make)(const struct engine *, const char *, struct strs *),
			 void (*on_end)(void *, const struct proc_result *), void *ctx)
{
	static const char *const env[] = {"GIT_TOKEN", NULL};
	struct strs argv = {0};
	struct err e;
	make(g, name, &argv);
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

/* A container that could not be removed while its attempt waited for it. What this process does not get to is removed
 * at the node's next start. */
struct leftover {
	struct engine engine;
	char *name;
};

/* Does the engine say that there is no such container? */
static bool knows_none(const struct proc_result *res)
{
	return res->err.data && (strstr(res->err.data, "No such") || strstr(res->err.data, "no such"));
}

static bool is_gone(const struct proc_result *res)
{
	return (res->end == PROC_EXITED && res->code == 0) || knows_none(res);
}

static void remove_leftover(void *ctx);

static void leftover_removed(void *ctx, const struct proc_result *res)
{
	struct leftover *l = ctx;
	if (!is_gone(res)) {
		loop_after(REMOVE_LATER_MS, remove_leftover, l);
		return;
	}
	log_at(LOG_INFO, "runner", "container %s is removed now", l->name);
	free(l->name);
	free(l);
}

static void remove_leftover(void *ctx)
{
	struct leftover *l = ctx;
	helper_start(&l->engine, l->name, engine_remove_argv, leftover_removed, l);
}

static void remove_again(void *ctx);

static void removed(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	bool gone = is_gone(res);
	if (!gone && ++a->removals < REMOVE_TRIES) {
		a->again = loop_after(500 << a->removals, remove_again, a);
		return;
	}
	if (!gone) {
		struct leftover *l = xcalloc(1, sizeof *l);
		*l = (struct leftover){.engine = *a->spec.engine, .name = xstrdup(a->name)};
		log_at(LOG_ERROR, "runner", "container %s cannot be removed yet: %.200s", a->name,
		       res->err.data ? res->err.data : "");
		loop_after(REMOVE_LATER_MS, remove_leftover, l);
	}
	finish(a);
}

static void remove_again(void *ctx)
{
	struct attempt *a = ctx;
	a->again = NULL;
	helper_start(a->spec.engine, a->name, engine_remove_argv, removed, a);
}

static void look(void *ctx);

static void state_read(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	if (res->end == PROC_EXITED && res->code == 0 && res->out.data)
		a->state_known = !engine_parse_state(a->spec.engine, res->out.data, res->out.len, &a->state);
	else if (!a->err.total) /* else the client said why */
		snprintf(a->state.error, sizeof a->state.error, "the container is gone: %.200s",
			 res->err.data ? res->err.data : "");
	a->gone = !a->state_known && knows_none(res);
	/* No answer is none to go by, and who saw the end may be quicker than the daemon. */
	bool unsettled = a->state_known
			     ? a->state.ran && !a->state.ended && a->exited && a->client_code != CLIENT_FAILED
			     : !a->gone && res->end == PROC_EXITED;
	if (unsettled && ++a->looks < STATE_TRIES)
		a->again = loop_after(STATE_PAUSE_MS, look, a);
	else
		remove_again(a);
}

static void look(void *ctx)
{
	struct attempt *a = ctx;
	a->again = NULL;
	helper_start(a->spec.engine, a->name, engine_state_argv, state_read, a);
}

static void run_ended(void *ctx, const struct proc_result *res)
{
	struct attempt *a = ctx;
	a->run = NULL;
	meter_look(&a->meter, a->watch);
	stop_timers(a);
	a->res.duration_ms = clock_mono_ms() - a->started_ms;
	a->exited = res->end == PROC_EXITED;
	a->client_code = res->code;
	if (engine_client(a->spec.engine)) {
		look(a);
		return;
	}
	meter_charge(&a->meter, res);
	a->state.oom = cgroup_hit_memory(&a->group);
	cgroup_remove(&a->group);
	/* bwrap reports "exit-code" only when the script was started; a killed sandbox reports nothing more. */
	const char *code = a->status.data ? strstr(a->status.data, "\"exit-code\":") : NULL;
	a->state_known = true;
	/* The kernel may have ended the sandbox's own first process, when what the script made can't be given back by
	 * ending the script: full memory file systems, other children. Nothing but this attempt is in the group. */
	a->state.ran = a->state.ended = code || (a->child && (a->killed || a->state.oom));
	a->state.exit_code = code		       ? (int)strtol(code + 12, NULL, 10)
			     : res->end == PROC_EXITED ? res->code
						       : 128 + res->code;
	/* Without a group the watch comes too late for who runs into the limit of address space at once. */
	if (!a->grouped && code && a->state.exit_code && res->peak_kb > (long)a->spec.run.memory_mb * 1024)
		a->state.oom = true;
	if (!code && a->state.oom && !a->state.exit_code)
		a->state.exit_code = 128 + SIGKILL;
	finish(a);
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
	if (!engine_client(a->spec.engine)) {
		/* The end of its init takes the whole pid namespace along, daemons too. */
		if (a->child) /* those outside then end by themselves, and tell what it all took */
			kill((pid_t)a->child, SIGKILL);
		a->linger = loop_after(a->child ? OUTSIDE_LINGER_MS : 0, kill_cli, a);
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
	if (why == STOP_OOM || why == STOP_OUT) {
		kill_now(a);
		return;
	}
	if (!engine_client(a->spec.engine)) {
		if (a->child)
			watch_signal(a->child, SIGTERM);
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

static void over_memory(void *ctx)
{
	stop(ctx, STOP_OOM);
}

static void start_deadline(struct attempt *a, int64_t ms)
{
	loop_timer_stop(a->deadline);
	a->deadline = loop_after(ms, deadline, a);
}

/* What a cluster's client tells, a line each. Its attempt begins now, wherever it waited before. */
static void take_report(struct attempt *a, const char *bytes, size_t len)
{
	buf_add(&a->status, bytes, len);
	size_t from = 0;
	for (char *end; (end = memchr(a->status.data + from, '\n', a->status.len - from));
	     from = (size_t)(end - a->status.data) + 1) {
		const char *line = a->status.data + from;
		if (!strncmp(line, "cpu ", 4))
			a->meter.watched_ms = strtoll(line + 4, NULL, 10);
		if (strncmp(line, "began", 5) != 0 || !a->queued)
			continue;
		a->queued = false;
		a->res.started_at = clock_now();
		a->started_ms = clock_mono_ms();
		if (a->stop == STOP_NONE)
			start_deadline(a, a->spec.timeout_ms);
	}
	memmove(a->status.data, a->status.data + from, a->status.len - from);
	a->status.len -= from;
}

static void took(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct attempt *a = ctx;
	if (s == PROC_STATUS && engine_cluster(a->spec.engine->kind)) {
		take_report(a, bytes, len);
		return;
	}
	if (s != PROC_STATUS && a->spec.on_output)
		a->spec.on_output(a->spec.ctx, s == PROC_ERR, bytes, len);
	if (s == PROC_OUT)
		collector_add(&a->out, bytes, len);
	else if (s == PROC_ERR)
		collector_add(&a->err, bytes, len);
	else if (a->status.len < 4096) {
		buf_add(&a->status, bytes, len);
		const char *pid = a->child ? NULL : strstr(a->status.data, "\"child-pid\":");
		if (pid)
			a->child = strtol(pid + 12, NULL, 10);
		if (pid && !a->grouped)
			a->watch = watch_start(a->child, a->spec.run.memory_mb, over_memory, a);
	}
}

/* A user id that no other attempt of this process has. Another worker on the machine most likely begins elsewhere. */
static int take_user(const char *instance)
{
	char head[7];
	snprintf(head, sizeof head, "%.6s", instance);
	int from = (int)(strtoul(head, NULL, 16) % ENGINE_USERS), i = 0;
	while (i < ENGINE_USERS - 1 && user_taken[(from + i) % ENGINE_USERS])
		i++;
	user_taken[(from + i) % ENGINE_USERS] = true;
	return ENGINE_USER + (from + i) % ENGINE_USERS;
}

static void look_at_out(void *ctx)
{
	struct attempt *a = ctx;
	a->look = NULL;
	a->res.over = tree_measure(a->all_out ? a->all_out : a->out_dir, &a->spec.out);
	if (a->res.over)
		stop(a, STOP_OUT);
	else
		a->look = loop_after(LOOK_MS, look_at_out, a);
}

static int may_start(const struct attempt *a, const struct engine_run *run, struct err *e)
{
	if (a->spec.limited && a->res.unenforced)
		return err_set(e, ERR_UNAVAILABLE,
			       "no control group can be made now, and the grid's require_limits asks for it");
	if (run->secrets && secretdir_give(a->spec.engine, run, e))
		return -1;
	return a->out_dir ? engine_give_out(a->spec.engine, run, e) : 0;
}

struct attempt *attempt_start(const struct attempt_spec *spec, struct err *e)
{
	struct attempt *a = xcalloc(1, sizeof *a);
	struct strs argv = {0};
	char *path = xasprintf("PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	bool direct = !engine_client(spec->engine), cluster = engine_cluster(spec->engine->kind);
	/* The engine's client needs its own variables (DOCKER_HOST, HOME), never the token. */
	const char *const bare[] = {path, NULL}, *const scrubbed[] = {"GIT_TOKEN", NULL};
	a->spec = *spec;
	a->name = xstrdup(spec->run.name);
	collector_init(&a->out, spec->output_limit);
	collector_init(&a->err, spec->output_limit);
	struct engine_run run = spec->run;
	meter_init(&a->meter, direct ? &a->group : NULL, direct || cluster ? NULL : spec->id_dir, run.nonce);
	run.id_file = a->meter.id_file;
	run.grace_ms = spec->grace_ms;
	run.seconds = (spec->timeout_ms + 999) / 1000 * (int64_t)(run.turns ? run.turns->each->n : 1);
	a->queued = cluster;
	if (direct) {
		/* One process more than the script may have: the sandbox's outer half. */
		char *group = xasprintf("dgrid-%s-%s", run.instance, run.nonce);
		a->grouped = cgroup_make(&a->group, group, run.memory_mb, run.pids + 1, run.cpus);
		a->res.unenforced = !a->grouped;
		free(group);
		run.groups = a->grouped ? &a->group.dirs : NULL;
		run.user = a->user = take_user(run.instance);
	}
	a->spec.run.out_dir = a->out_dir = run.out_dir ? xstrdup(run.out_dir) : NULL;
	a->all_out = spec->all_out ? xstrdup(spec->all_out) : NULL;
	int rc = may_start(a, &run, e);
	engine_start_argv(spec->engine, &run, &argv);
	struct proc_spec p = {.argv = (const char *const *)argv.v,
			      .env = direct ? bare : scrubbed,
			      .clean_env = direct,
			      .status_pipe = direct || cluster,
			      .ctx = a,
			      .on_output = took,
			      .on_end = run_ended};
	a->res.started_at = clock_now();
	a->started_ms = clock_mono_ms();
	a->run = rc ? NULL : proc_start(&p, e);
	strs_clear(&argv);
	free(path);
	if (!a->run) {
		cgroup_remove(&a->group);
		collector_clear(&a->out);
		collector_clear(&a->err);
		attempt_free(a);
		return NULL;
	}
	start_deadline(a, !cluster ? spec->timeout_ms : spec->queue_ms ? spec->queue_ms : QUEUE_MS);
	if (a->out_dir && spec->out.bytes)
		a->look = loop_after(LOOK_MS, look_at_out, a);
	a->sample_ms = direct ? SAMPLE_MAX_MS / 2 : SAMPLE_MIN_MS;
	if ((!direct && !cluster) || run.cpu_seconds) /* a group of ours stays until the end is seen */
		a->sample = loop_after(a->sample_ms, sample, a);
	return a;
}

void attempt_cancel(struct attempt *a)
{
	stop(a, STOP_CANCEL);
}

void attempt_end_now(struct attempt *a)
{
	stop(a, STOP_CANCEL);
	loop_timer_stop(a->grace);
	a->grace = NULL;
	if (a->run && !a->killed)
		kill_now(a);
}

int64_t attempt_cpu_ms(struct attempt *a)
{
	meter_look(&a->meter, a->watch);
	return meter_cpu_ms(&a->meter);
}

void attempt_more_time(struct attempt *a, int64_t ms)
{
	if (!a->deadline)
		return;
	if (a->spec.run.cpu_seconds)
		meter_look(&a->meter, a->watch);
	a->cpu_from = meter_cpu_ms(&a->meter);
	start_deadline(a, ms);
}
