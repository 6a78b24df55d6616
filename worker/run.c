#include "worker/run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "schema/consent.h"
#include "schema/points.h"
#include "schema/result.h"
#include "store/waiting.h"
#include "worker/lease.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MAX_SECONDS 3600

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
	if (s->state == SLOT_FREE)
		return;
	take_secrets(s);
	inputs_done(s->want);
	pick_clear(&s->pick);
	json_free(s->pinned);
	json_free(s->checkpoint);
	json_free(s->after);
	json_free(s->brief);
	buf_clear(&s->ended.out);
	buf_clear(&s->ended.err);
	json_free(s->points);
	free(s->given_devices);
	if (all->devices)
		devices_release(all->devices, s);
	*s = (struct slot){.all = all};
	while (all->used && all->v[all->used - 1].state == SLOT_FREE)
		all->used--;
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

/* Of what the task asks for, what Slurm counts: "gpu:2,license:1". NULL: nothing; the caller's. */
static char *gres_of(const struct engine *g, const struct json *asks)
{
	struct buf b = {0};
	for (const struct json *v = g->cluster && asks ? asks->child : NULL; v; v = v->next)
		if (strs_has(g->cluster->gres, v->name))
			buf_addf(&b, "%s%s:%lld", b.len ? "," : "", v->name, (long long)json_int(asks, v->name, 0));
	return b.data;
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
	o->engine = a->status == ATT_ENGINE && s->given == GIVEN && !a->placeless; /* no trouble of the node's, nor of
											the task's */
	snprintf(o->status, sizeof o->status, s->given == GIVEN_BY_NONE ? "unstartable" : "released");
	snprintf(o->reason, sizeof o->reason, "%s",
		 a->status == ATT_ENGINE ? a->message
		 : s->returned		 ? s->returned
		 : s->overdue	    ? "it was ended before another could be given the claim: the grid was out of reach"
		 : all->given_up[0] ? all->given_up
				    : "the worker was told to stop at once");
	if (s->given == GIVEN_BY_NONE || a->placeless)
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

/* What it left cannot be stored here: its claim goes back, as if the engine had failed. One that was cancelled is over
 * all the same. */
static bool unstored(struct slot *s, const struct attempt_result *a, const struct harvest *h, struct outcome *o)
{
	if (!h->local || a->status == ATT_ENGINE || a->status == ATT_CANCELLED)
		return false;
	snprintf(o->reason, sizeof o->reason, "what it left %.240s", h->error);
	snprintf(o->status, sizeof o->status, "released");
	o->engine = true;
	o->retry_at = next_try(s);
	log_at(LOG_WARN, "worker", "%s ended: %s, and its claim goes back: %s", s->pick.id,
	       attempt_status_name(a->status), o->reason);
	selfcheck_unstored(s->all->fit, s->pick.id, h->error);
	return true;
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
	const bool over_with_it = a->status == ATT_SUCCESS && !over && !s->lost && !h->local;
	if (over) { /* half of what it left would look like the whole; how the script itself ended is no matter */
		a->status = ATT_FAILED;
		a->end = END_OUT;
		a->exit_code = -1;
		a->signal = 0;
	}
	snprintf(o->id, sizeof o->id, "%s", s->pick.id);
	snprintf(o->nonce, sizeof o->nonce, "%s", s->nonce);
	snprintf(o->status, sizeof o->status, "%s", attempt_status_name(a->status));
	if (unstored(s, a, h, o))
		;
	else if (a->status == ATT_ENGINE || (a->status == ATT_CANCELLED && !s->cancel_seen)) {
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
		if (h->tree[0]) { /* the next attempt goes on with it */
			struct json *out = outputs_result(h);
			o->kept = json_new(JSON_OBJECT);
			json_set(o->kept, "out", out);
			o->waits = true;
		}
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
	saver_end(s->saving, over_with_it, s->pick.task.doc, s->checkpoint);
	if (s->began)
		all->run_ms = (3 * (all->run_ms ? all->run_ms : took(s)) + took(s) + 3) / 4;
	slot_free(s);
	all->freed(all);
}

/* Of tasks that several nodes run Git is given all: they have to find the same, with a store or without. */
static int64_t large_mb(const struct slot *s)
{
	const struct slots *all = s->all;
	return all->outputs->command && s->terms.replicas < 2 ? all->config->large_file_mb : 0;
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
	bool lost = s->lost || a->status == ATT_ENGINE ||
		    (a->status == ATT_CANCELLED && !s->cancel_seen && !(s->saving && !s->overdue));
	if (!s->out.bytes || lost || a->over || none.error[0]) {
		if (s->out.bytes)
			outputs_discard(s->all->outputs, s->nonce);
		conclude(s, &none);
	} else
		outputs_collect(s->all->outputs, s->nonce, s->pick.task.image, &s->out, large_mb(s), s, conclude);
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
	struct input inputs[INPUTS_GIVEN];
	size_t all = s->want ? inputs_given(s->pick.task.doc, s->pinned, s->checkpoint, inputs) : 0;
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
	struct engine_input seen[INPUTS_GIVEN];
	size_t n_seen = 0;
	struct strs env = {0};
	struct err e;
	const struct json *vars = json_get(t->doc, "env");
	const struct engine_run limits = limits_of(s);
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		strs_addf(&env, "%s=%s", v->name, v->text);
	need_add_after(&env, s->after);
	char *name = xasprintf("dgrid-%s-%s-%s", all->node_id, s->pick.id, s->nonce), *out = NULL,
	     *gres = gres_of(all->engine, json_get(t->doc, "resources"));
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
					    .gres = gres,
					    .out_dir = out,
					    .out_lost_mb = unseen ? (int)t->out_mb : 0,
					    .out_mb = out ? t->out_mb : 0},
				    .limited = all->config->require_limits,
				    .quiet = consent_digest(t->doc),
				    .out = s->out,
				    .id_dir = all->outputs ? all->outputs->run : NULL,
				    .timeout_ms = t->timeout_seconds * 1000,
				    .grace_ms = lease_grace_ms(s),
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
	if (s->run && out && t->checkpoint && s->terms.replicas < 2 && all->saver)
		s->saving = saver_begin(all->saver, s->nonce, &s->out, all->config->checkpoint_seconds);
	if (!s->run)
		end_early(s, ATT_ENGINE, true, e.msg);
	for (size_t i = 0; i < n_seen; i++)
		free((char *)seen[i].path);
	free(name);
	free(out);
	free(gres);
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

void run_refuse(struct slot *s, const char *why)
{
	s->given = GIVEN_NOT_NOW;
	end_early(s, ATT_ENGINE, true, why);
}

/* It has a seat. */
void run_begin(struct slot *s)
{
	struct slots *all = s->all;
	const struct task *t = &s->pick.task;
	const struct bring_limits limits = {.mb = all->config->max_in_mb, .files = all->config->max_in_files};
	const struct selfcheck_image *image = selfcheck_known(all->fit, all->config, t->image);
	s->state = SLOT_FETCHING;
	s->began = clock_mono_ms();
	bool exact = config_pins(all->config, t->image) || config_build(all->config, t->image) ||
		     rootfs_of(all->engine->roots, t->image);
	if (!s->digest[0] && !image && exact) {
		run_refuse(s, "its image is not here any more");
		return;
	}
	/* What its secrets are for is what runs, else what was last found here. */
	if (!s->digest[0] && image) {
		memcpy(s->digest, image->digest, sizeof s->digest);
		memcpy(s->ref, image->ref, sizeof s->ref);
	}
	const struct inputs_given given = {
	    .doc = t->doc,
	    .pinned = s->pinned,
	    .checkpoint = s->checkpoint,
	    .limits = limits,
	    .checkpoint_limits = {.mb = all->config->max_out_mb, .files = all->config->max_out_files}};
	struct err e;
	if (waiting_given(all->ledger, t->doc, s->pinned, &e))
		brought(s, &e);
	else if (json_get(t->doc, "inputs") || s->checkpoint)
		inputs_want(all->inputs, &given, &s->want, s, brought);
	else
		run(s);
}

/* Secrets are for an image that is known by its digest: that one is what runs, wherever its name points meanwhile. */
bool run_pin_image(struct slot *s)
{
	return grants_ready(s->all->grants, &s->pick.task, s->digest, s->ref) &&
	       selfcheck_means(s->all->fit, s->all->config, s->pick.task.image, s->digest);
}

/* Its claim goes, or it is no longer wanted. */
void run_stop(struct slot *s)
{
	if (s->run)
		series_cancel(s->run);
	else if (s->state == SLOT_COLLECTING && (!s->cancel_seen || s->lost || s->all->filling))
		outputs_hurry(s->all->outputs, s->nonce);
	else if (s->state == SLOT_FETCHING || s->state == SLOT_WAITING)
		end_early(s, ATT_CANCELLED, false, "");
}
