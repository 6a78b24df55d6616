#include "worker/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "schema/consent.h"
#include "schema/points.h"
#include "schema/result.h"
#include "store/orders.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 3000
#define LEASE_GRACE_SECONDS 60 /* start, removal, push */
#define RETRY_MAX_SECONDS 3600
#define WATCH_MS 250

void slots_init(struct slots *s, int at_once, int ahead)
{
	int n = at_once + ahead;
	*s = (struct slots){.n = n, .at_once = at_once, .v = xcalloc((size_t)n, sizeof *s->v)};
	for (int i = 0; i < n; i++)
		s->v[i].all = s;
}

void slots_clear(struct slots *s)
{
	loop_timer_stop(s->watch);
	for (int i = 0; i < s->n; i++)
		slot_free(&s->v[i]);
	free(s->v);
	*s = (struct slots){0};
}

static int count(const struct slots *s, enum slot_state from, enum slot_state to)
{
	int n = 0;
	for (int i = 0; i < s->n; i++)
		n += s->v[i].state >= from && s->v[i].state <= to;
	return n;
}

int slots_held(const struct slots *s)
{
	return count(s, SLOT_CLAIMING, SLOT_COLLECTING);
}

int slots_busy(const struct slots *s)
{
	int held = slots_held(s);
	return held < s->at_once ? held : s->at_once;
}

int slots_waiting(const struct slots *s)
{
	return count(s, SLOT_WAITING, SLOT_WAITING);
}

int slots_running(const struct slots *s)
{
	return count(s, SLOT_WAITING, SLOT_COLLECTING);
}

uint64_t slots_ended(const struct slots *s)
{
	return s->completed + s->failed + s->shared;
}

/* Nothing of the run lives any more that could read them. */
static void take_secrets(struct slot *s)
{
	if (s->secrets)
		grants_end(s->all->grants, s->nonce);
	free(s->secrets);
	s->secrets = NULL;
}

void slot_free(struct slot *s)
{
	struct slots *all = s->all;
	take_secrets(s);
	inputs_done(s->want);
	pick_clear(&s->pick);
	json_free(s->pinned);
	json_free(s->after);
	json_free(s->brief);
	buf_clear(&s->ended.out);
	buf_clear(&s->ended.err);
	json_free(s->points);
	free(s->given_devices);
	if (all->devices)
		devices_release(all->devices, s);
	*s = (struct slot){.all = all};
}

/* ---- when others may be given its claim ---- */

/* Only one of its group is to run, so it has to end before that. */
static bool exclusive(const struct slot *s)
{
	return json_get(s->pick.task.doc, "concurrency_group") != NULL;
}

static int64_t lease_seconds(const struct slot *s)
{
	const struct grid_config *c = s->all->config;
	int64_t lease = c->lease_seconds
			    ? c->lease_seconds
			    : points_seconds(s->pick.task.doc, s->pick.task.timeout_seconds) + LEASE_GRACE_SECONDS;
	lease += s->ahead ? s->all->wait_seconds : 0;
	return exclusive(s) && lease < c->orphan_after_seconds ? c->orphan_after_seconds : lease;
}

/* How long others wait for a sign of life. */
static int64_t silence_ms(const struct slots *all)
{
	int64_t patience = all->config->orphan_after_seconds * 1000, beat = all->beat_ms ? *all->beat_ms + 1000 : 0;
	return patience > beat ? patience : beat;
}

/* From the signal to end to the one to die. */
static int64_t grace_ms(const struct slot *s)
{
	int64_t quarter = silence_ms(s->all) / 4;
	return exclusive(s) && quarter < GRACE_MS ? quarter : GRACE_MS;
}

/* Monotonic ms: when it has to begin to end. Times in documents are whole seconds. */
static int64_t ends_at(const struct slot *s)
{
	const struct slots *all = s->all;
	int64_t at = s->lease_ends, shown = all->shown_at ? all->shown_at(all->ctx) : 0;
	if (shown && shown + silence_ms(all) < at)
		at = shown + silence_ms(all);
	return at - grace_ms(s) - 1000;
}

static void stop(struct slot *s);

static void watch(void *ctx)
{
	struct slots *all = ctx;
	bool more = false;
	all->watch = NULL;
	for (int i = 0; i < all->n; i++) {
		struct slot *s = &all->v[i];
		bool runs = s->state == SLOT_RUNNING || s->state == SLOT_FETCHING;
		if (!runs || s->overdue || !exclusive(s))
			continue;
		if (clock_mono_ms() < ends_at(s))
			more = true;
		else if (!s->lost) {
			log_at(LOG_WARN, "worker",
			       "%s is ended: the grid is out of reach, and another node may be given its claim",
			       s->pick.id);
			s->overdue = true;
			stop(s);
		}
	}
	if (more && !all->watch)
		all->watch = loop_after(WATCH_MS, watch, all);
}

/* What the task asks for; one that does not say gets no more than this node gives a task. */
static struct engine_run limits_of(const struct slot *s)
{
	const struct slots *all = s->all;
	const struct task *t = &s->pick.task;
	double cpus = all->node->offers ? (double)all->node->max_cpus / 1000 : t->cpus;
	int64_t memory_mb = all->node->offers ? all->node->max_memory_mb : t->memory_mb;
	return (struct engine_run){.cpus = cpus < t->cpus ? cpus : t->cpus,
				   .memory_mb = (int)(memory_mb < t->memory_mb ? memory_mb : t->memory_mb),
				   .pids = (int)t->pids,
				   .cpu_seconds = t->cpu_seconds,
				   .tmp_mb = (int)all->config->tmp_mb};
}

static size_t output_limit(const struct slot *s)
{
	const struct grid_config *c = s->all->config;
	return (size_t)(json_get(s->pick.task.doc, "points") ? c->point_output_bytes : c->output_limit_bytes);
}

/* When a task is tried again that has just used an attempt. */
static int64_t next_try(const struct slot *s)
{
	int64_t wait = s->all->config->retry_backoff_seconds;
	for (int64_t n = 1; n < s->attempt_number && wait < RETRY_MAX_SECONDS; n++)
		wait *= 2;
	return clock_now() + (wait < RETRY_MAX_SECONDS ? wait : RETRY_MAX_SECONDS);
}

/* The claim goes back. What the engine could not start waits until the node knows whether it can start anything. */
static void give_back(struct slot *s, const struct attempt_result *a, struct outcome *o)
{
	struct slots *all = s->all;
	char why[256];
	o->engine = a->status == ATT_ENGINE && s->given == GIVEN;
	snprintf(o->status, sizeof o->status, s->given == GIVEN_BY_NONE ? "unstartable" : "released");
	snprintf(o->reason, sizeof o->reason, "%s",
		 a->status == ATT_ENGINE ? a->message
		 : s->returned		 ? s->returned
		 : s->overdue	    ? "it was ended before another could be given the claim: the grid was out of reach"
		 : all->given_up[0] ? all->given_up
				    : "the worker was told to stop at once");
	if (s->given == GIVEN_BY_NONE)
		o->retry_at = next_try(s);
	if (!o->engine)
		return;
	o->held = a->unstarted && !s->lost;
	all->unstarted += o->held;
	o->retry_at = next_try(s);
	all->fit->suspect = all->fit->suspect || o->held;
	snprintf(why, sizeof why, "engine: %.200s", a->message);
	selfcheck_pause(all->fit, why);
}

/* Does the engine not see the folder of secrets? Then this node offers none from now on. */
static bool secrets_unseen(struct slot *s, const struct attempt_result *a)
{
	struct grants *g = s->all->grants;
	if (a->status != ATT_ENGINE || !json_get(s->pick.task.doc, "secrets") || !g || !g->dir.root ||
	    !engine_sees_nothing(a->message) || !strstr(a->message, g->dir.root))
		return false;
	g->unseen = true;
	log_at(LOG_WARN, "worker", "tasks with secrets are left to others: the engine does not see this worker's '%s'",
	       g->dir.root);
	return true;
}

static void fill(struct slots *all);

static int64_t took(const struct slot *s)
{
	return clock_mono_ms() - s->began;
}

/* The attempt is over, and what it left is taken in. */
static void conclude(void *ctx, const struct harvest *h)
{
	struct slot *s = ctx;
	struct slots *all = s->all;
	struct attempt_result *a = &s->ended;
	struct outcome *o = xcalloc(1, sizeof *o);
	bool over = h->over && (a->status == ATT_SUCCESS || a->status == ATT_FAILED);
	if (over) { /* half of what it left would look like the whole; how the script itself ended is no matter */
		a->status = ATT_FAILED;
		a->end = END_OUT;
		a->exit_code = -1;
		a->signal = 0;
	}
	snprintf(o->id, sizeof o->id, "%s", s->pick.id);
	snprintf(o->nonce, sizeof o->nonce, "%s", s->nonce);
	snprintf(o->status, sizeof o->status, "%s", attempt_status_name(a->status));
	if (a->status == ATT_ENGINE || (a->status == ATT_CANCELLED && !s->cancel_seen)) {
		if (secrets_unseen(s, a)) {
			snprintf(o->status, sizeof o->status, "released");
			snprintf(o->reason, sizeof o->reason, "%s", a->message);
		} else if (a->status == ATT_ENGINE && (s->out.bytes || s->want) && !all->outputs->unseen &&
			   engine_sees_nothing(a->message)) {
			all->outputs->unseen = true; /* the next run does without */
			log_at(LOG_WARN, "worker",
			       "tasks with inputs are left to others, and what tasks leave in /out is lost: %s",
			       OUTPUTS_UNSEEN);
			snprintf(o->status, sizeof o->status, "released");
			snprintf(o->reason, sizeof o->reason, "%s", a->message);
		} else
			give_back(s, a, o);
	} else {
		const struct engine_run run = limits_of(s);
		struct json *out = h->tree[0] ? outputs_result(h) : NULL;
		struct result_facts f = {.node = all->node_id,
					 .nonce = s->nonce,
					 .image = s->pick.task.image,
					 .image_digest = s->digest,
					 .script = s->pick.task.script,
					 .engine = all->engine,
					 .run = &run,
					 .output_limit = output_limit(s),
					 .points = s->points,
					 .out_mb = s->out.bytes ? s->pick.task.out_mb : 0,
					 .attempt = s->attempt_number,
					 .out = out,
					 .out_error = over	? NULL
						      : h->over ? h->what
								: h->error,
					 .reason = over ? h->what : NULL,
					 .network = s->pick.task.network,
					 .digest = consent_digest(s->pick.task.doc)};
		o->result = result_json(a, &f);
		o->waits = out && s->terms.replicas < 2; /* who votes shows nothing before the end */
		json_free(out);
		if (a->status != ATT_SUCCESS && a->status != ATT_CANCELLED && s->pick.task.retry_on_failure)
			o->retry_at = next_try(s);
		if (s->terms.replicas > 1)
			all->shared++;
		else if (a->status == ATT_SUCCESS)
			all->completed++;
		else
			all->failed++;
		char code[32] = "", left[48] = "";
		if (a->exit_code >= 0)
			snprintf(code, sizeof code, ", exit code %d", a->exit_code);
		if (h->tree[0])
			snprintf(left, sizeof left, ", left %llu file%s", (unsigned long long)h->files,
				 h->files == 1 ? "" : "s");
		log_at(LOG_INFO, "worker", "%s ended: %s%s, %lld ms%s", s->pick.id, o->status, code,
		       (long long)a->duration_ms, left);
	}
	if (s->lost) {
		all->late++;
		log_at(LOG_WARN, "worker", "late: %s was given to another, its result (%s) is dropped", o->id,
		       o->status);
		json_free(o->result);
		free(o);
	} else if (outbox_add(all->outbox, o))
		selfcheck_disk(all->fit, all->work_dir);
	if (all->courier)
		courier_go(all->courier);
	if (s->began)
		all->run_ms = (3 * (all->run_ms ? all->run_ms : took(s)) + took(s) + 3) / 4;
	slot_free(s);
	fill(all);
}

static void run_done(void *ctx, struct attempt_result *a, struct json *points)
{
	struct slot *s = ctx;
	struct harvest none = {0};
	s->run = NULL;
	take_secrets(s);
	s->points = points ? json_copy(points) : NULL;
	s->ended = *a; /* moves over */
	a->out = a->err = (struct buf){0};
	s->state = SLOT_COLLECTING;
	if (a->over)
		none.over = a->over;
	if (a->over)
		outputs_tell_over(a->over, &s->out, NULL, none.what, sizeof none.what);
	if (s->out.bytes && s->all->outputs->unseen)
		snprintf(none.error, sizeof none.error, "%s", OUTPUTS_UNSEEN);
	bool lost = s->lost || a->status == ATT_ENGINE || (a->status == ATT_CANCELLED && !s->cancel_seen);
	if (!s->out.bytes || lost || a->over || none.error[0]) {
		if (s->out.bytes)
			outputs_discard(s->all->outputs, s->nonce);
		conclude(s, &none);
	} else
		outputs_collect(s->all->outputs, s->nonce, s->pick.task.image, &s->out, s, conclude);
}

/* It ends before its script began. */
static void end_early(struct slot *s, enum attempt_status status, bool unstarted, const char *why)
{
	struct attempt_result r = {.status = status, .exit_code = -1, .unstarted = unstarted};
	r.started_at = r.finished_at = status == ATT_CANCELLED ? clock_now() : 0;
	r.end = status == ATT_CANCELLED ? END_CANCEL : END_UNKNOWN;
	sha256("", 0, r.out_sha256);
	sha256("", 0, r.err_sha256);
	struct point points[POINTS_MAX];
	size_t n = points_of(s->pick.task.doc, points);
	struct json *none = n ? json_new(JSON_ARRAY) : NULL;
	for (size_t i = 0; i < n; i++)
		json_append(none, result_skipped(points[i].index));
	snprintf(r.message, sizeof r.message, "%.250s", why);
	run_done(s, &r, none);
	json_free(none);
}

/* The folders that its script sees in /in. false: one of them is not what the task says. */
static bool find_inputs(struct slot *s, struct engine_input *seen, size_t *n, struct err *e)
{
	struct input inputs[INPUTS_MAX];
	size_t all = s->want ? inputs_of(s->pick.task.doc, inputs) : 0;
	inputs_pin(inputs, all, s->pinned);
	for (*n = 0; *n < all; (*n)++) {
		seen[*n] = (struct engine_input){.name = inputs[*n].name, .path = inputs_path(s->want, *n)};
		if (!seen[*n].path)
			return err_set(e, ERR_DATA, "input '%s': its tree %.12s has no '%.100s'", inputs[*n].name,
				       inputs[*n].tree, inputs[*n].path) == 0;
	}
	return true;
}

static void run(struct slot *s)
{
	struct slots *all = s->all;
	const struct task *t = &s->pick.task;
	struct engine_input seen[INPUTS_MAX];
	size_t n_seen = 0;
	struct strs env = {0};
	struct err e;
	const struct json *vars = json_get(t->doc, "env");
	const struct engine_run limits = limits_of(s);
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		strs_addf(&env, "%s=%s", v->name, v->text);
	need_add_after(&env, s->after);
	char *name = xasprintf("dgrid-%s-%s-%s", all->node_id, s->pick.id, s->nonce), *out = NULL;
	s->out = outputs_limits(t, all->config);
	bool unseen = all->outputs && all->outputs->unseen, given = find_inputs(s, seen, &n_seen, &e);
	bool has = given && (!all->devices || devices_take_asked(all->devices, json_get(t->doc, "resources"), s));
	if (given && !has) /* which nobody expects */
		err_set(&e, ERR_UNAVAILABLE, "too few of the devices that it asks for are free");
	s->given_devices = all->devices ? devices_of(all->devices, s, &s->n_devices) : NULL;
	devices_env(s->given_devices, s->n_devices, &env);
	bool fit = has && (!s->out.bytes || unseen || (out = outputs_begin(all->outputs, s->nonce, &e)) != NULL);
	bool shown = !fit || !json_get(t->doc, "secrets") ||
		     (s->secrets = grants_begin(all->grants, t->doc, s->nonce, &e)) != NULL;
	const char *network = t->network ? grants_engines_network(all->grants, t->network) : NULL;
	struct attempt_spec spec = {.engine = all->engine,
				    .run = {.name = name,
					    .node = all->node_id,
					    .instance = all->instance,
					    .task = s->pick.id,
					    .nonce = s->nonce,
					    .image = s->ref[0] ? s->ref : t->image,
					    .script = t->script,
					    .secrets = s->secrets,
					    .network = network,
					    .env = (const char *const *)env.v,
					    .cpus = limits.cpus,
					    .memory_mb = limits.memory_mb,
					    .pids = limits.pids,
					    .tmp_mb = limits.tmp_mb,
					    .inputs = seen,
					    .n_inputs = n_seen,
					    .devices = s->given_devices,
					    .n_devices = s->n_devices,
					    .workdir = t->workdir,
					    .cpu_seconds = limits.cpu_seconds,
					    .stdin_path = t->stdin_path,
					    .out_dir = out,
					    .out_lost_mb = unseen ? (int)t->out_mb : 0,
					    .out_mb = out ? t->out_mb : 0},
				    .limited = all->config->require_limits,
				    .quiet = consent_digest(t->doc),
				    .out = s->out,
				    .id_dir = all->outputs ? all->outputs->run : NULL,
				    .timeout_ms = t->timeout_seconds * 1000,
				    .grace_ms = grace_ms(s),
				    .output_limit = (size_t)all->config->output_limit_bytes};
	const struct series_spec whole = {.attempt = spec,
					  .task = t->doc,
					  .share = t->share_sandbox,
					  .digest = consent_digest(t->doc),
					  .point_output = (size_t)all->config->point_output_bytes,
					  .ctx = s,
					  .on_done = run_done};
	s->state = SLOT_RUNNING;
	s->given = given ? GIVEN : GIVEN_BY_NONE;
	s->run = fit && shown ? series_start(&whole, &e) : NULL;
	if (!s->run)
		end_early(s, ATT_ENGINE, true, e.msg);
	for (size_t i = 0; i < n_seen; i++)
		free((char *)seen[i].path);
	free(name);
	free(out);
	strs_clear(&env);
}

/* What the task is given is here, or cannot be had: by nobody, or not now by this node. */
static void brought(void *ctx, const struct err *e)
{
	struct slot *s = ctx;
	if (!e) {
		run(s);
		return;
	}
	s->given = e->class == ERR_DATA || e->class == ERR_NOENT ? GIVEN_BY_NONE : GIVEN_NOT_NOW;
	log_at(LOG_WARN, "worker", "%s cannot be started: %s", s->pick.id, e->msg);
	end_early(s, ATT_ENGINE, true, e->msg);
}

/* It has a seat. */
static void begin(struct slot *s)
{
	struct slots *all = s->all;
	const struct task *t = &s->pick.task;
	const struct bring_limits limits = {.mb = all->config->max_in_mb, .files = all->config->max_in_files};
	const char *digest = selfcheck_image(all->fit, all->engine, t->image);
	if (!s->ref[0])
		snprintf(s->digest, sizeof s->digest, "%s", digest ? digest : "");
	s->state = SLOT_FETCHING;
	s->began = clock_mono_ms();
	if (exclusive(s) && !all->watch)
		all->watch = loop_after(WATCH_MS, watch, all);
	if (json_get(t->doc, "inputs"))
		inputs_want(all->inputs, t->doc, s->pinned, &limits, &s->want, s, brought);
	else
		run(s);
}

/* Who waits for a seat, and goes first: NULL: nobody does. */
static struct slot *next_to_begin(struct slots *all)
{
	struct slot *first = NULL;
	for (int i = 0; i < all->n; i++) {
		struct slot *s = &all->v[i];
		if (s->state == SLOT_WAITING &&
		    (!first || s->pick.task.priority > first->pick.task.priority ||
		     (s->pick.task.priority == first->pick.task.priority && s->turn < first->turn)))
			first = s;
	}
	return first;
}

/* Beside what runs: those that were claimed ahead of it begin in their turn, whatever they need. */
static bool has_space(const struct slot *s)
{
	const struct slots *all = s->all;
	const struct json **running = xcalloc((size_t)all->n, sizeof(const struct json *));
	size_t n = 0;
	for (int i = 0; i < all->n; i++)
		if (all->v[i].state > SLOT_WAITING && all->v[i].brief)
			running[n++] = all->v[i].brief;
	bool fits = !s->brief || seats_fit(NULL, all->node, all->config, s->brief, running, n);
	free(running);
	return fits;
}

/* Free seats are taken. What begins may end at once, and ask again. */
static void fill(struct slots *all)
{
	struct slot *s;
	if (all->filling)
		return;
	all->filling = true;
	while (!(all->fit && all->fit->trouble[0]) && count(all, SLOT_FETCHING, SLOT_COLLECTING) < all->at_once &&
	       (s = next_to_begin(all)) != NULL && has_space(s))
		begin(s);
	all->filling = false;
}

/* Secrets are for an image that is known by its digest: that one is what runs, wherever its name points meanwhile. */
static bool pin_image(struct slot *s)
{
	char digest[96];
	if (!grants_ready(s->all->grants, &s->pick.task, digest, s->ref))
		return false;
	if (s->ref[0])
		memcpy(s->digest, digest, sizeof s->digest);
	return true;
}

void slot_start(struct slot *s)
{
	/* It waits for the engine, so not when a seat becomes free: that is in a callback. */
	bool granted = !consent_asked(s->pick.task.doc) || pin_image(s);
	s->attempt_number = task_attempts_used(s->pick.task.doc) + 1;
	log_at(LOG_INFO, "worker", "claimed %s, attempt %lld", s->pick.id, (long long)s->attempt_number);
	s->state = SLOT_WAITING;
	s->turn = ++s->all->turns;
	if (granted) {
		fill(s->all);
		return;
	}
	s->given = GIVEN_NOT_NOW;
	end_early(s, ATT_ENGINE, true, "what its secrets or its network need is not here any more");
}

/* Its claim goes, or it is no longer wanted. */
static void stop(struct slot *s)
{
	if (s->run)
		series_cancel(s->run);
	else if (s->state == SLOT_FETCHING || s->state == SLOT_WAITING)
		end_early(s, ATT_CANCELLED, false, "");
}

void slots_stop(struct slots *s)
{
	s->filling = true; /* nothing begins */
	for (int i = 0; i < s->n; i++)
		stop(&s->v[i]);
	s->filling = false;
}

static bool for_anybody(const struct slot *s)
{
	const struct json *labels = json_get(s->pick.task.doc, "labels");
	return !labels || !labels->child;
}

static void give_last(struct slots *all, size_t n, bool (*may)(const struct slot *), const char *why)
{
	size_t given = 0;
	struct slot *last;
	do {
		last = NULL;
		for (int i = 0; i < all->n; i++)
			if (all->v[i].state == SLOT_WAITING && (!may || may(&all->v[i])) &&
			    (!last || all->v[i].turn > last->turn))
				last = &all->v[i];
		if (last && given < n) {
			last->returned = why;
			stop(last);
			given++;
		} else
			last = NULL;
	} while (last);
	if (given)
		log_at(LOG_INFO, "worker", "gave back %zu claim%s that had not begun: %s", given, given == 1 ? "" : "s",
		       why);
}

void slots_return(struct slots *s, size_t n, const char *why)
{
	give_last(s, n, NULL, why);
}

void slots_share(struct slots *s, size_t n, const char *why)
{
	give_last(s, n, for_anybody, why);
}

int slot_lease_due(const struct slot *s)
{
	if (s->state <= SLOT_CLAIMING || s->lost)
		return 0;
	int64_t whole = lease_seconds(s), left = s->lease_until - clock_now();
	if (s->state == SLOT_WAITING && !s->all->config->lease_seconds) /* the wait should not use up the run's time */
		return left < whole / 3 ? 2 : left < whole - s->all->wait_seconds - 10;
	if (!s->all->config->lease_seconds) /* such a lease outlives the task, unless its end hangs */
		return left < LEASE_GRACE_SECONDS / 3 ? 2 : 0;
	return left <= whole / 3 ? 2 : left <= whole / 2;
}

void slot_renewed(struct slot *s)
{
	s->lease_until = clock_now() + lease_seconds(s);
	s->lease_ends = s->renewed_at + lease_seconds(s) * 1000;
}

size_t slots_gone(const struct slots *s, const struct json **v)
{
	size_t n = 0;
	for (int i = 0; i < s->n; i++)
		if (s->v[i].state > SLOT_WAITING && s->v[i].lost && s->v[i].brief)
			v[n++] = s->v[i].brief;
	return n;
}

/* Is there room for it beside what runs, with what this commit ends and claims so far? */
static bool has_room(struct slot *s, const struct json *doc)
{
	struct slots *all = s->all;
	const struct ledger_draft *d = &all->ledger->draft;
	struct limit l;
	struct err e;
	json_free(s->brief);
	s->brief = limit_brief(doc, s->pick.signer);
	if (s->ahead && !limit_at(all->config, s->brief, 0, &l)) /* there are many of them, and they need no room yet */
		return fit_suits(all->node, all->config, doc);
	if (seats_look(all->seats, all->ledger, &e)) {
		log_at(LOG_WARN, "worker", "%s is not claimed: what runs cannot be read: %s", s->pick.id, e.msg);
		return false;
	}
	seats_take(all->seats, d->c, d->applied, d->n);
	/* And what still runs here, though its claim is gone. */
	const struct json **also = xcalloc((size_t)all->n + d->n + 1, sizeof(const struct json *));
	size_t gone = slots_gone(all, also), n = gone;
	for (size_t i = 0; i < d->n; i++)
		if (d->applied[i] && d->c[i].edit == slot_edit_claim && !d->c[i].text)
			also[n++] = ((const struct slot *)d->c[i].ctx)->brief;
	bool fits = s->ahead || seats_fit(all->seats, all->node, all->config, doc, also, n);
	for (size_t i = gone; i < n; i++)
		seats_add(all->seats, also[i]);
	free(also);
	return fits && fit_suits(all->node, all->config, doc) &&
	       limit_room(all->config, s->brief, all->seats->v, all->seats->n, NULL);
}

enum change_verdict slot_edit_claim(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	int64_t lease = lease_seconds(s), now = clock_now(), deadline = task_deadline(doc);
	(void)to;
	s->lease_ends = clock_mono_ms() + lease * 1000;
	json_free(s->after);
	json_free(s->pinned);
	s->after = s->pinned = NULL;
	if (!orders_let(s->all->ledger, s->all->node_id, doc))
		return CHANGE_DROP;
	if (task_ready_at(doc) > now || (deadline && now >= deadline) || !waiting_met(s->all->ledger, doc, &s->after) ||
	    !has_room(s, doc))
		return CHANGE_DROP;
	if (vote_has(doc, s->all->node_id) || (s->all->config->require_limits && !s->all->engine->limits))
		return CHANGE_DROP;
	s->terms = vote_terms(doc, s->all->config);
	task_set_claim(doc, s->all->node_id, s->nonce, lease);
	if (s->ahead)
		task_claim_add(doc, "ahead", json_new_int(s->ahead));
	vote_set_terms(doc, s->terms);
	if (s->after)
		task_claim_add(doc, "after", json_copy(s->after));
	s->pinned = waiting_inputs(s->all->ledger, doc);
	if (s->pinned)
		task_claim_add(doc, "inputs", json_copy(s->pinned));
	if (s->pick.signer[0])
		task_claim_add(doc, "signed_by", json_new_str(s->pick.signer));
	s->lease_until = clock_now() + lease;
	return CHANGE_APPLY;
}

enum change_verdict slot_edit_renew(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	const char *nonce = task_claim_nonce(doc);
	(void)to;
	if (!nonce || strcmp(nonce, s->nonce) != 0)
		return CHANGE_DROP;
	s->renewed_at = clock_mono_ms();
	task_renew_claim(doc, lease_seconds(s));
	return CHANGE_APPLY;
}

/* There is no document in in_progress: is that so on the branch too? What cannot be read here may well be there. */
static bool gone(struct ledger *l, const char *id, const struct err *why)
{
	struct shown shown;
	struct err e;
	bool none = ledger_answered(why) && !ledger_shown(l, TASK_IN_PROGRESS, id, &shown, &e);
	if (none) {
		struct json_error je;
		struct json *doc = shown.kind == SHOWN_FILE
				       ? json_parse(shown.text.data ? shown.text.data : "", shown.text.len, &je)
				       : NULL;
		none = !doc;
		json_free(doc);
		shown_clear(&shown);
	}
	if (!none)
		log_at(LOG_WARN, "worker", "the claim on %s cannot be read here: %s", id, why->msg);
	return none;
}

void slots_watch(struct slots *all, struct ledger *l)
{
	for (int i = 0; i < all->n; i++) {
		struct slot *s = &all->v[i];
		if (s->state == SLOT_FREE)
			continue;
		struct err e = {0};
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, s->pick.id, &e);
		const char *nonce = task_claim_nonce(doc);
		bool ours = nonce && !strcmp(nonce, s->nonce), cancel = ours && json_get(doc, "cancel");
		bool told = doc || gone(l, s->pick.id, &e);
		json_free(doc);
		if (!told) /* the next look may tell */
			continue;
		if (s->state == SLOT_CLAIMING) {
			if (ours)
				slot_start(s);
			else {
				snprintf(all->doubtful[all->n_doubtful++ % DOUBTFUL_MAX], 33, "%s", s->nonce);
				slot_free(s);
			}
		} else if (!ours && !s->lost) {
			log_at(LOG_WARN, "worker", "the claim on %s is gone from the ledger: stopping it", s->pick.id);
			s->lost = true;
			stop(s);
		} else if (cancel && !s->cancel_seen) {
			s->cancel_seen = true;
			stop(s);
		}
	}
	if (!all->n_doubtful)
		return;
	struct strs ids = {0};
	struct err e;
	if (ledger_ids(l, TASK_IN_PROGRESS, &ids, &e))
		log_at(LOG_WARN, "worker", "%s", e.msg);
	for (size_t i = 0; i < ids.n; i++) {
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], &e);
		const char *nonce = task_claim_nonce(doc);
		bool found = false;
		for (unsigned k = 0; nonce && k < all->n_doubtful && k < DOUBTFUL_MAX; k++)
			found = found || !strcmp(nonce, all->doubtful[k]);
		if (found && !outbox_has(all->outbox, nonce)) {
			struct outcome *o = xcalloc(1, sizeof *o);
			snprintf(o->id, sizeof o->id, "%s", ids.v[i]);
			snprintf(o->nonce, sizeof o->nonce, "%s", nonce);
			snprintf(o->status, sizeof o->status, "released");
			snprintf(o->reason, sizeof o->reason, "the claim landed after it was given up");
			outbox_add(all->outbox, o);
		}
		json_free(doc);
	}
	strs_clear(&ids);
}
