#include "worker/self.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sig.h"
#include "sandbox/machine.h"
#include "sandbox/slurm.h"
#include "schema/consent.h"
#include "schema/node.h"
#include "store/orders.h"
#include "store/registry.h"
#include "store/trust.h"
#include "worker/live.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool self_stopping(const struct worker *w)
{
	return sig_stops() > 0 || w->usurped || w->retired ||
	       (w->o->drain_after && slots_ended(&w->slots) + (uint64_t)slots_held(&w->slots) >= w->o->drain_after);
}

const char *self_state(const struct worker *w)
{
	return self_stopping(w) ? "draining" : w->fit.trouble[0] ? "paused" : self_drained(w) ? "draining" : "active";
}

bool self_drained(const struct worker *w)
{
	return w->drain != NULL;
}

/* ---- for the schedule ---- */

struct ahead_facts self_ahead(const struct worker *w)
{
	int64_t round = turns_taken(&w->turns) ? w->turns.width_ms * (int64_t)w->turns.n : 0,
		said = w->remote.saying_ms;
	/* An exchange that grows all at once fits no turn, and whoever comes first does not know the others yet. */
	size_t most = (size_t)w->o->ahead,
	       grown = (w->config.pushes_per_minute ? 8 : 2) * (w->remote.claims + (size_t)w->o->slots);
	/* Tasks that run longer than the last ones did tell it only at their end. */
	int64_t run_ms = w->slots.run_ms, running = slots_running_ms(&w->slots);
	return (struct ahead_facts){.slots = (size_t)w->o->slots,
				    .most = w->o->drain_after || w->probation.trial ? 0
					    : most < grown			    ? most
										    : grown,
				    .run_ms = run_ms && running > run_ms ? running : run_ms,
				    .exchange_ms = round > said ? round : said,
				    .lease_seconds = w->config.lease_seconds};
}

struct schedule_facts self_facts(const struct worker *w, int64_t now)
{
	const struct ahead_facts ahead = self_ahead(w);
	struct schedule_facts f = {.now = now,
				   .slots = probation_slots(&w->probation, w->o->slots + (int)ahead_claims(&ahead)),
				   .busy = slots_held(&w->slots),
				   .running = slots_running(&w->slots),
				   .results = w->outbox.n,
				   .results_wait = !outbox_due(&w->outbox, now),
				   .barred = w->fit.barred[0] || w->retired,
				   .fit = !w->fit.trouble[0] && !self_drained(w) && !builds_hold(&w->builds),
				   .building = builds_busy(&w->builds),
				   .stopping = self_stopping(w),
				   .stops = sig_stops(),
				   .hurried = w->hurry_until && now >= w->hurry_until,
				   .once = w->o->once,
				   .beating = w->heart && heartbeat_busy(w->heart),
				   .overfull = w->excess > (size_t)w->config.keep_finished,
				   .promote_at = w->promoter.at,
				   .fire_at = w->scheduler.at,
				   .fire_soon = scheduler_soon(&w->scheduler),
				   .promote_soon = promoter_soon(&w->promoter),
				   .folder = w->ledger.folder.ref,
				   .notified = notify_alive(&w->notify),
				   .poll_ms = w->o->poll_ms ? w->o->poll_ms : w->config.poll_seconds * 1000,
				   .turns = turns_taken(&w->turns),
				   .limited = w->turns.per_minute,
				   .turn_wait_ms = turns_wait(&w->turns)};
	for (int i = 0; i < w->slots.used; i++)
		f.lease_due = f.lease_due || slot_lease_due(&w->slots.v[i]) == 2;
	return f;
}

struct schedule self_schedule(const struct worker *w, int64_t now)
{
	struct schedule_facts f = self_facts(w, now);
	return schedule_decide(&w->times, &f);
}

/* ---- what the node says of itself ---- */

/* Of a resource without a number there are as many as it has devices; with fewer devices than that, none is given. */
static struct json *count_resources(struct worker *w)
{
	const struct worker_options *o = w->o;
	struct json *all = o->resources ? json_copy(o->resources) : json_new(JSON_OBJECT);
	for (size_t i = 0; o->devices && i < o->devices->n; i++) {
		const struct device *d = &o->devices->v[i];
		w->devices.v = xrealloc(w->devices.v, (w->devices.n + 1) * sizeof *w->devices.v);
		w->devices.v[w->devices.n++] =
		    (struct device){.resource = xstrdup(d->resource), .path = xstrdup(d->path)};
	}
	if (!o->room) /* else what this machine has is no task's */
		devices_find(&w->devices, "/dev", "/sys");
	for (size_t i = 0; i < w->devices.n; i++) {
		const char *name = w->devices.v[i].resource;
		if (!json_get(all, name))
			json_set(all, name, json_new_int((int64_t)devices_count(&w->devices, name)));
	}
	for (const struct json *v = all->child; v; v = v->next) {
		int64_t offered = json_int(all, v->name, 0), there = (int64_t)devices_count(&w->devices, v->name);
		if (there && offered > there)
			log_at(LOG_WARN, "worker",
			       "%lld %s are offered, and there are %lld devices: no task is given one",
			       (long long)offered, v->name, (long long)there);
		else if (!there && !o->room)
			log_at(LOG_INFO, "worker",
			       "%lld %s are offered by number alone: no task is given a device (--device %s=PATH)",
			       (long long)offered, v->name, v->name);
		if (offered > there)
			devices_drop(&w->devices, v->name);
	}
	return all;
}

/* What is found, and the most that one task may have of it. */
static void find_offer(const struct worker_options *o, struct machine *all, struct machine *one)
{
	machine_read(all);
	if (o->room)
		*all = (struct machine){.cpus = (double)o->room->cpus, .memory_mb = o->room->memory_mb};
	*one = !o->room ? *all : (struct machine){.cpus = (double)o->room->node_cpus, .memory_mb = o->room->node_mb};
}

void self_offer(struct worker *w)
{
	const struct worker_options *o = w->o;
	struct machine m, one;
	find_offer(o, &m, &one);
	int64_t bytes = o->disk_mb ? 0 : file_free_bytes(o->work_dir);
	struct fit_offer f = {.cpus = o->cpus > 0 ? o->cpus : m.cpus,
			      .max_cpus = o->max_cpus > 0 && o->max_cpus < one.cpus ? o->max_cpus : one.cpus,
			      .memory_mb = o->memory_mb ? o->memory_mb : m.memory_mb,
			      .max_memory_mb = one.memory_mb,
			      .disk_mb = o->disk_mb  ? o->disk_mb
					 : bytes > 0 ? (bytes >> 20) + 1
						     : 0,
			      .resources = count_resources(w)};
	if (o->cpus > m.cpus || (m.memory_mb && o->memory_mb > m.memory_mb))
		log_at(LOG_WARN, "worker",
		       "more is offered than was found here: %g processors and %lld MB of memory, found %g and %lld MB",
		       f.cpus, (long long)f.memory_mb, m.cpus, (long long)m.memory_mb);
	if (!(o->cpus > 0) && f.cpus < o->slots) /* who asks for more slots than processors means it */
		f.cpus = o->slots;
	if (o->max_memory_mb && (!f.max_memory_mb || o->max_memory_mb < f.max_memory_mb))
		f.max_memory_mb = o->max_memory_mb;
	struct json *labels = json_new(JSON_ARRAY);
	for (size_t i = 0; i < o->n_labels; i++)
		json_append(labels, json_new_str(o->labels[i]));
	w->offered = json_new(JSON_OBJECT);
	json_set(w->offered, "labels", labels);
	json_set(w->offered, "slots", json_new_int(o->slots));
	json_set(w->offered, "offer", fit_offer_doc(&f));
	if (o->store)
		json_set(w->offered, "store", json_new_bool(true));
	json_free(f.resources);
	fit_node_read(&w->node, o->node_id, w->offered);
}

static struct node_facts describe(const struct worker *w, const char *status)
{
	return (struct node_facts){.id = w->o->node_id,
				   .instance = w->instance,
				   .status = status ? status : self_state(w),
				   .trouble = w->fit.trouble[0] ? w->fit.trouble : w->fit.tight,
				   .engine = engine_name(w->engine.kind),
				   .engine_version = w->engine.version,
				   .work_dir = w->o->work_dir,
				   .limits = w->engine.limits,
				   .offer = json_get(w->offered, "offer"),
				   .store = w->o->store != NULL,
				   .images = w->fit.told,
				   .labels = w->o->labels,
				   .n_labels = w->o->n_labels,
				   .slots = w->o->slots,
				   .busy = slots_busy(&w->slots),
				   .waiting = slots_held(&w->slots) - slots_busy(&w->slots) + slots_queued(&w->slots),
				   .cluster_room = w->cluster_room,
				   .started_at = w->started_at,
				   .next_due = clock_now() + w->beat_ms / 1000 + 1,
				   .completed = w->slots.completed + w->outbox.completed,
				   .failed = w->slots.failed + w->outbox.failed,
				   .voted = w->outbox.voted,
				   .late = w->slots.late + w->outbox.late,
				   .pushes = w->ledger.pushes + (w->heart ? heartbeat_pushes(w->heart) : 0) +
					     (w->courier ? courier_pushes(w->courier) : 0),
				   .rejected = w->ledger.rejected,
				   .turns = w->turns.state,
				   .turn_ms = turns_own_width(&w->turns),
				   .spoke_ms = w->config.pushes_per_minute ? clock_wall_ms() : 0};
}

char *self_text(const struct worker *w, const char *status)
{
	struct node_facts f = describe(w, status);
	struct json *networks = grants_networks(w->o->grants), *secrets = grants_secrets(w->o->grants);
	f.networks = networks;
	f.secrets = secrets;
	struct json *waiting = live_waiting(&w->slots);
	f.waiting_tasks = waiting;
	struct json *builds = builds_doc(&w->builds);
	f.builds = builds;
	struct json *j = node_file(&f);
	json_free(builds);
	json_free(waiting);
	char *text = task_text(j);
	json_free(networks);
	json_free(secrets);
	json_free(j);
	return text;
}

/* ---- the heartbeat's questions: none of them may push, wait, or move the next beat ---- */

static struct json *beat_text(void *ctx)
{
	const struct worker *w = ctx;
	struct node_facts f = describe(w, NULL);
	struct json *points = live_points_done(&w->slots);
	f.points_done = points->child ? points : NULL;
	struct json *waiting = live_waiting(&w->slots);
	f.waiting_tasks = waiting;
	struct json *builds = builds_doc(&w->builds);
	f.builds = builds;
	struct json *beat = node_beat(&f);
	json_free(builds);
	json_free(waiting);
	json_free(points);
	return beat;
}

static struct json *tails(void *ctx)
{
	return live_tails(&((struct worker *)ctx)->slots);
}

/* When the last sign of life that stands at the remote was made, monotonic ms. */
static int64_t shown_at(void *ctx)
{
	const struct worker *w = ctx;
	int64_t beat = w->heart ? heartbeat_shown_at(w->heart) : 0;
	return beat > w->remote.said_at ? beat : w->remote.said_at;
}

/* Where pushes are scarce a beat takes a turn of this node, and not one that is needed for more. */
static int64_t may_beat(void *ctx)
{
	struct worker *w = ctx;
	if (!w->turns.per_minute)
		return 0;
	int64_t wait = turns_wait(&w->turns);
	/* What is pushed first registers the node too. */
	if (!wait && !w->remote.trouble[0] && self_schedule(w, clock_mono_ms()).pending)
		wait = w->turns.width_ms;
	if (!wait)
		turns_beat(&w->turns);
	return wait;
}

void self_start_heart(struct worker *w)
{
	w->heart = heartbeat_start(&w->ledger.git, w->o->node_id, beat_text, may_beat, w, w->beat_ms);
	heartbeat_tails(w->heart, tails);
	w->slots.courier = w->courier = courier_start(&w->outputs.store, w->o->node_id, &w->outbox, may_beat, w);
	courier_recall(w->courier);
	w->slots.saver = w->saver = saver_start(&w->outputs, may_beat, w);
}

/* ---- the chooser's questions ---- */

/* Room for what it may leave: in its folder, and in the store. */
static bool has_room(struct worker *w, const struct task *t)
{
	return selfcheck_room(&w->fit, w->o->work_dir, t->out_mb) &&
	       (w->outputs.unseen || selfcheck_room(&w->fit, w->outputs.run, t->out_mb));
}

/* Its image; and where the engine sees none of the worker's folders, a task's files cannot be shown to it. */
static bool can_run(void *ctx, const struct task *t)
{
	struct worker *w = ctx;
	char digest[96], ref[320];
	if (!has_room(w, t) || (consent_asked(t->doc) && !grants_ready(w->o->grants, t, digest, ref)))
		return false;
	bool has = (!w->outputs.unseen || !json_get(t->doc, "inputs")) && inputs_may(&w->inputs, t->doc) &&
		   selfcheck_image(&w->fit, &w->engine, &w->config, t->image) != NULL &&
		   (!consent_asked(t->doc) || selfcheck_means(&w->fit, &w->config, t->image, digest));
	if (!has && config_build(&w->config, t->image))
		builds_wanted(&w->builds);
	int64_t left_ms = selfcheck_again_at(&w->fit, t->image) - clock_mono_ms();
	if (left_ms > 0) /* also where the queue stands still until then */
		chooser_again(&w->chooser, clock_now() + 1 + left_ms / 1000);
	if (w->fit.news && w->heart) /* so that others see why it leaves them */
		heartbeat_now(w->heart);
	w->fit.news = false;
	return has;
}

static bool others(void *ctx, const struct task *t)
{
	struct worker *w = ctx;
	return others_could(&w->others, &w->ledger, &w->config, w->o->node_id, t->doc);
}

/* Signed by somebody this grid knows? */
static int trusted(void *ctx, const struct task *t, char signer[128], struct buf *why)
{
	struct worker *w = ctx;
	struct trust_verdict v;
	struct err e;
	char not [200];
	if (!consent_signed(&w->config, t->doc))
		return 1;
	int rc = trust_judge(&w->ledger.git, w->ledger.head, w->ledger.spec, t->id, t->doc, &v, &e);
	if (rc) {
		log_at(LOG_WARN, "worker", "%s: its signature cannot be checked now: %s", t->id, e.msg);
		if (w->config.require_signed_tasks && trust_available(&e))
			selfcheck_pause(&w->fit, e.msg);
		return -1;
	}
	memcpy(signer, v.signer, sizeof v.signer);
	if (!v.ok)
		buf_adds(why, v.why);
	else if (!grants_signer(w->o->grants, t->doc, &v, not )) {
		grants_tell(w->o->grants, t->id, not );
		return CHOOSER_OTHERS;
	}
	return v.ok;
}

/* What its owner lets tasks have. */
static bool offers(void *ctx, const struct task *t)
{
	return grants_offer(((struct worker *)ctx)->o->grants, t->doc);
}

/* ---- is it fit? ---- */

void self_check(struct worker *w)
{
	if (w->fit.barred[0])
		self_check_key(w);
	bool mended = selfcheck_run(&w->fit, &w->engine, &w->config, w->o->work_dir);
	outbox_checked(&w->outbox, !w->fit.suspect);
	if (mended) {
		w->times.work_waits = true;
		heartbeat_now(w->heart);
	}
}

void self_check_key(struct worker *w)
{
	if (nodekey_check(&w->key, &w->ledger, &w->config, &w->fit) && w->heart)
		heartbeat_now(w->heart);
}

/* ---- settings ---- */

static void load_config(struct worker *w)
{
	struct grid_config fresh = {0};
	struct err e;
	char *path = xasprintf("%s/grid.json", w->ledger.git.dir);
	struct file_stamp now = file_stamp(path);
	free(path);
	if (w->config.branch && file_stamp_equal(&now, &w->config_stamp))
		return;
	w->config_stamp = now;
	if (ledger_config(&w->ledger, &fresh, &e)) {
		log_at(LOG_ERROR, "worker", "grid.json is not valid, the settings stay as they were: %s", e.msg);
		config_clear(&fresh);
		return;
	}
	config_clear(&w->config);
	w->config = fresh;
	bool more = (fresh.require_signed_tasks && !w->fit.signatures) || (fresh.require_limits && !w->fit.limits);
	if (more && !w->fit.check_at)
		w->fit.check_at = clock_mono_ms();
	w->fit.signatures = fresh.require_signed_tasks;
	w->fit.limits = fresh.require_limits;
	chooser_forget(&w->chooser); /* what is valid may have changed */
}

/* ---- what people have told ---- */

static bool same_text(const struct json *a, const struct json *b)
{
	char *x = a ? task_text(a) : NULL, *y = b ? task_text(b) : NULL;
	bool same = x && y ? !strcmp(x, y) : x == y;
	free(x);
	free(y);
	return same;
}

static void take_drain(struct worker *w, struct json *drain)
{
	char words[ORDER_WORDS];
	bool news = !same_text(drain, w->drain);
	json_free(w->drain);
	w->drain = drain;
	if (!news)
		return;
	if (drain)
		log_at(LOG_WARN, "worker", "no claims: this node is %s", order_words("drained", drain, words));
	else
		log_at(LOG_INFO, "worker", "no longer drained, claiming again");
	w->times.work_waits = true;
	if (w->heart)
		heartbeat_now(w->heart);
}

static void take_retired(struct worker *w, const struct json *retired)
{
	char words[ORDER_WORDS];
	if (retired && !w->retired)
		log_at(LOG_ERROR, "worker", "this node is %s; it stops, and what it holds goes to others",
		       order_words("retired", retired, words));
	w->retired = retired != NULL;
}

/* What cannot be read stays as it was; a claim's edit asks again. */
void self_load_orders(struct worker *w)
{
	struct err e;
	struct json *drain = NULL, *retired = NULL, *paused = NULL;
	if (orders_of_node(&w->ledger, ORDER_DRAINS, w->o->node_id, &drain, &e) ||
	    orders_of_node(&w->ledger, ORDER_RETIRED, w->o->node_id, &retired, &e) ||
	    orders_file(&w->ledger, ORDER_PAUSED, &paused, &e)) {
		log_at(LOG_WARN, "worker", "what is drained or paused cannot be read: %s", e.msg);
		json_free(drain);
		json_free(retired);
		return;
	}
	take_drain(w, drain);
	take_retired(w, retired);
	json_free(retired);
	if (!same_text(paused, w->paused))
		chooser_forget(&w->chooser);
	json_free(w->paused);
	w->chooser.paused = w->paused = paused;
}

/* Where pushes are scarce, all heartbeats together take at most half of them. */
static void set_pace(struct worker *w)
{
	int64_t seconds = w->o->heartbeat_seconds ? w->o->heartbeat_seconds : w->config.heartbeat_seconds;
	int64_t scarce = w->config.pushes_per_minute;
	if (scarce) {
		int64_t nodes = (int64_t)registry_active(&w->ledger), least;
		least = (2 * 60 * (nodes ? nodes : 1) + scarce - 1) / scarce;
		seconds = seconds > least ? seconds : least;
	}
	w->beat_ms = seconds * 1000;
	if (w->heart)
		heartbeat_every(w->heart, w->beat_ms);
}

/* Whom the list did not have it may have now. */
static void look_at_signers(struct worker *w)
{
	char *path = xasprintf("%s/" TRUST_LIST, w->ledger.git.dir);
	struct file_stamp now = file_stamp(path);
	free(path);
	if (!file_stamp_equal(&now, &w->signers_stamp))
		chooser_forget(&w->chooser);
	w->signers_stamp = now;
}

void self_load_config(struct worker *w)
{
	load_config(w);
	look_at_signers(w);
	set_pace(w);
}

/* ---- begin and end ---- */

void self_init(struct worker *w, const struct worker_options *o)
{
	*w = (struct worker){.o = o,
			     .started_at = clock_now(),
			     .reaper = {.patient = true},
			     .times = {.behind = true},
			     .cluster_room = -1};
	clock_nonce(w->instance, 8);
	snprintf(w->node_path, sizeof w->node_path, "nodes/%s.json", o->node_id);
	w->chooser = (struct chooser){
	    .node = &w->node, .can_run = can_run, .offers = offers, .trusted = trusted, .others = others, .ctx = w};
	slots_init(&w->slots, o->slots, o->ahead);
	w->slots.node_id = o->node_id;
	w->slots.instance = w->instance;
	w->slots.work_dir = o->work_dir;
	w->slots.engine = &w->engine;
	w->slots.config = &w->config;
	w->slots.ledger = &w->ledger;
	w->slots.outbox = &w->outbox;
	w->slots.outputs = &w->outputs;
	w->slots.inputs = &w->inputs;
	w->slots.grants = o->grants;
	w->builds = (struct builds){.allowed = o->allow_build,
				    .network = o->build_network,
				    .config = &w->config,
				    .engine = &w->engine,
				    .ledger = &w->ledger,
				    .inputs = &w->inputs,
				    .fit = &w->fit};
	w->outputs.node_id = o->node_id;
	w->outputs.engine = &w->engine;
	w->outputs.command = o->store;
	w->slots.fit = &w->fit;
	w->fit.store = &w->outputs.store;
	w->slots.seats = &w->chooser.seats;
	w->slots.beat_ms = &w->beat_ms;
	w->slots.shown_at = shown_at;
	w->slots.ctx = w;
	w->slots.node = &w->node;
	w->slots.devices = &w->devices;
	w->key = (struct nodekey){
	    .node = o->node_id, .given = o->signing_key, .path = xasprintf("%s/" NODEKEY_FILE, o->work_dir)};
}

void self_clear(struct worker *w)
{
	if (w->ledger.url)
		ledger_close(&w->ledger);
	slots_clear(&w->slots);
	outbox_clear(&w->outbox);
	builds_clear(&w->builds);
	inputs_close(&w->inputs);
	outputs_close(&w->outputs);
	chooser_clear(&w->chooser);
	scheduler_clear(&w->scheduler);
	selfcheck_clear(&w->fit);
	free(w->key.path);
	reaper_clear(&w->reaper);
	others_clear(&w->others);
	json_free(w->drain);
	json_free(w->paused);
	json_free(w->offered);
	devices_clear(&w->devices);
	config_clear(&w->config);
}
