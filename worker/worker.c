#include "worker/worker.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sig.h"
#include "store/orders.h"
#include "worker/exchange.h"
#include "worker/health.h"
#include "worker/identity.h"
#include "worker/trial.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENCE_MS 1200	 /* after a second signal: of the two seconds that it leaves */
#define RELEASE_MS 10000 /* for what answers */
#define LEAVE_MS 30000	 /* for the last words, when there was none */

void worker_default_id(char out[65])
{
	char host[65] = "";
	gethostname(host, sizeof host - 1);
	size_t n = 0;
	for (const char *p = host; *p && *p != '.' && n < 64; p++) {
		char one[2] = {*p, 0};
		out[n++] = task_id_valid(one) ? *p : '-';
	}
	out[n] = 0;
	if (!n)
		snprintf(out, 65, "node");
}

char *worker_folder(const char *node)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *id = getenv("NODE_ID");
	char host[65];
	worker_default_id(host);
	node = node ? node : id && *id ? id : host;
	if (state && *state == '/')
		return xasprintf("%s/dgrid/%s", state, node);
	if (home && *home)
		return xasprintf("%s/.local/state/dgrid/%s", home, node);
	return xasprintf("/tmp/dgrid-%ld/%s", (long)getuid(), node);
}

/* What its own machine may know of it, see health.h. */
static void tell_health(void *ctx, struct health *p)
{
	const struct worker *w = ctx;
	snprintf(p->node, sizeof p->node, "%s", w->o->node_id);
	if (w->heart)
		snprintf(p->state, sizeof p->state, "%s", self_state(w));
	snprintf(p->trouble, sizeof p->trouble, "%s", w->fit.trouble);
	snprintf(p->remote, sizeof p->remote, "%s", w->remote.trouble);
	snprintf(p->refused, sizeof p->refused, "%s", w->remote.refused);
	p->busy = slots_busy(&w->slots);
	p->slots = w->o->slots;
	p->reached_at = w->remote.reached_at;
	p->patience = w->config.orphan_after_seconds;
}

/* ---- the loop ---- */

/* What an earlier process of this node left behind: claims without a result go back. */
static int settle_own(struct worker *w, struct err *e)
{
	struct strs kept = {0};
	struct orphans o = {0};
	for (const struct outcome *i = w->outbox.first; i; i = i->next)
		strs_add(&kept, i->nonce);
	int rc = reaper_own(&w->ledger, w->o->node_id, (const char *const *)kept.v, kept.n, &o, e);
	if (!rc)
		rc = reaper_heal(&w->ledger, w->o->node_id, &o, e);
	for (size_t i = 0; i < o.n; i++)
		if (o.v[i].landed)
			log_at(LOG_WARN, "worker", "%s (%s): left behind by an earlier run of this node", o.v[i].id,
			       fate_name(o.v[i].fate));
	if (w->outbox.n)
		log_at(LOG_INFO, "worker", "%zu results of an earlier run are still to be recorded", w->outbox.n);
	orphans_clear(&o);
	strs_clear(&kept);
	return rc;
}

/* A node that may not push cannot settle at its start; it claims nothing before it has. */
static void settle(struct worker *w)
{
	struct err e;
	if (!w->times.unsettled || w->fit.barred[0] || w->times.behind)
		return;
	w->times.unsettled = settle_own(w, &e) != 0;
	w->times.behind = true;
	if (w->times.unsettled)
		log_at(LOG_WARN, "worker", "cannot settle what an earlier run left: %s", e.msg);
}

struct told { /* what was said of the node last */
	bool draining, trouble;
	const char *state;
};

/* After a second signal scripts end now, and their claims go back; but what keeps silent is no longer waited for. Is
 * the time over? */
static bool hurry(struct worker *w)
{
	int64_t now = clock_mono_ms();
	if (sig_stops() > 1) {
		if (!w->hurried_at) {
			w->hurried_at = now;
			w->hurry_until = 0;
			log_at(LOG_WARN, "worker", "stopping at once: the claims go back to the queue");
			slots_stop(&w->slots);
		}
		if (!w->hurry_until)
			w->hurry_until = now + RELEASE_MS;
		if (proc_waited_ms() >= SILENCE_MS && now - w->hurried_at >= SILENCE_MS && w->hurry_until > now)
			w->hurry_until = now; /* nor would the rest get an answer */
	}
	return w->hurry_until && now >= w->hurry_until;
}

static struct worker *in_a_hurry; /* whom git asks while it keeps him waiting */

static bool give_up(void)
{
	return hurry(in_a_hurry);
}

static void obey_signals(struct worker *w, struct told *told)
{
	if (self_stopping(w) && !told->draining) {
		told->draining = true;
		log_at(LOG_INFO, "worker", "draining: no new claims, %d task%s to finish", slots_busy(&w->slots),
		       slots_busy(&w->slots) == 1 ? "" : "s");
		heartbeat_now(w->heart);
	}
	hurry(w);
}

static void tell_changes(struct worker *w, struct told *told)
{
	const char *state = self_state(w);
	bool trouble = w->remote.trouble[0] || w->remote.refused[0];
	if (strcmp(told->state, state) != 0 || told->trouble != trouble)
		health_now();
	told->state = state;
	told->trouble = trouble;
}

static int end_code(const struct worker *w)
{
	if (self_stopping(w))
		return w->retired ? ERR_PERM : w->usurped ? ERR_RETRY : sig_stops() > 1 ? 128 + sig_last_stop() : 0;
	return !w->fit.trouble[0] ? 0 : w->fit.barred[0] ? ERR_PERM : ERR_UNAVAILABLE;
}

/* Returns an exit code. */
static int loop(struct worker *w)
{
	struct told told = {.state = ""};
	for (;;) {
		int64_t now = clock_mono_ms();
		obey_signals(w, &told);
		if (w->fit.check_at && now >= w->fit.check_at)
			self_check(w);
		if (probation_step(&w->probation, &w->slots, &w->ledger, &w->chooser, &w->fit))
			heartbeat_now(w->heart);
		bool idle = !slots_held(&w->slots) && !w->fit.suspect && !self_stopping(w) && !self_drained(w) &&
			    !w->times.behind;
		if (builds_step(&w->builds, idle)) {
			if (w->fit.trouble[0])
				self_check(w);
			w->times.work_waits = true;
			heartbeat_now(w->heart);
		}
		sharedssh_keep(&w->ssh);
		enum notify_news news = notify_news(&w->notify, w->ledger.head);
		if (news == NOTIFY_LOOK)
			w->times.poll_at = now;
		w->times.behind = w->times.behind || news == NOTIFY_MOVED;
		exchange_run(w, now);
		exchange_show_news(w);
		if (w->fit.trouble[0] || self_stopping(w) || self_drained(w))
			slots_return(&w->slots, SIZE_MAX,
				     w->fit.trouble[0] ? "the node is in trouble" : "the node is draining");
		settle(w);
		tell_changes(w, &told);
		if (self_stopping(w) && !slots_running(&w->slots) && !w->times.leaving_since)
			w->times.leaving_since = w->retired ? 1 : now; /* nothing of it is taken: no use in waiting */
		const struct schedule_facts f = self_facts(w, now);
		switch (schedule_end(&w->times, &f)) {
		case END_DONE:
			return end_code(w);
		case END_UNSAID:
			if (w->retired)
				return ERR_PERM;
			log_at(LOG_ERROR, "worker",
			       "left with %zu results unsaid; they are kept in %s and recorded at the next start",
			       w->outbox.n, w->outbox.dir);
			return ERR_UNAVAILABLE;
		case END_NOT_YET:
			break;
		}
		if (w->o->once && !f.busy && outbox_stuck(&w->outbox)) {
			log_at(LOG_ERROR, "worker", "left with %zu results that are refused; they are kept in %s",
			       w->outbox.n, w->outbox.dir);
			return ERR_UNAVAILABLE;
		}
		if (w->o->once && !f.busy && !f.results && w->chooser.unread >= CHOOSER_UNREAD_MAX) {
			log_at(LOG_ERROR, "worker", "left, though the queue holds what cannot be read here");
			return ERR_UNAVAILABLE;
		}
		loop_step(exchange_wait(w));
	}
}

/* ---- start and end ---- */

/* With --engine auto: the first engine that can run a task. Which were passed by, and why, is told at once, for it
 * decides what scripts see. */
static void choose_engine(struct worker *w)
{
	struct trial t[TRIAL_ENGINES];
	int taken = strcmp(w->o->engine, "auto") != 0 ? -1 : trial_choose(&w->config, &w->engine, t);
	if (taken < 0)
		return;
	w->engine = t[taken].engine;
	for (int k = 0; k < TRIAL_ENGINES && !t[taken].why[0]; k++)
		if (t[k].answers && t[k].why[0])
			log_at(LOG_WARN, "worker", "%s is passed by: %s. To insist on it: --engine %s",
			       engine_name((enum engine_kind)k), t[k].why, engine_name((enum engine_kind)k));
	if (t[taken].why[0])
		log_at(LOG_WARN, "worker", "no engine here can run a task in the grid's image (see: dgrid doctor)%s",
		       t[ENGINE_BWRAP].answers ? "; bwrap could, in this machine's own /usr: --engine bwrap" : "");
}

/* What a script is given elsewhere and not here. */
static void tell_limits(const struct worker *w)
{
	struct buf less = {0};
	engine_lacks(&w->engine, &less);
	if (!w->engine.limits)
		log_at(LOG_WARN, "worker",
		       "limits of memory, processes and processors are not enforced here, only watched (see: "
		       "dgrid doctor)");
	if (less.len)
		log_at(LOG_WARN, "worker", "this process was started with lower limits than scripts have elsewhere: %s",
		       less.data);
	buf_clear(&less);
}

struct start { /* what the steps of a start know */
	int lock;
	char previous[32]; /* the instance that worked here before; "": none */
};

static int take_folder(struct worker *w, struct start *s, struct err *e)
{
	char *path = xasprintf("%s/lock", w->o->work_dir);
	int rc = file_mkdirs(w->o->work_dir, e);
	if (!rc && (s->lock = file_lock(path, e)) < 0)
		rc = e->class != ERR_RETRY
			 ? -1
			 : err_set(e, ERR_RETRY,
				   "another worker uses the work directory '%s'; give this one its own with "
				   "--work-dir or another --node-id",
				   w->o->work_dir);
	free(path);
	if (rc)
		return rc;
	self_offer(w);
	health_begin(w->o->work_dir, tell_health, w);
	return 0;
}

static int find_engine(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	if (engine_pick(w->o->engine, &w->engine, e))
		return -1;
	w->engine.cluster = w->o->cluster;
	return w->engine.cluster ? file_mkdirs(w->engine.cluster->folder, e) : 0;
}

static int open_ledger(struct worker *w, struct start *s, struct err *e)
{
	char *clone = xasprintf("%s/ledger", w->o->work_dir);
	int rc = ledger_open(&w->ledger, w->o->url, w->o->branch, clone, w->o->name, w->o->email, e);
	int64_t began = clock_mono_ms();
	(void)s;
	free(clone);
	if (rc || ledger_sync(&w->ledger, e))
		return -1;
	w->remote.reached_at = clock_now();
	turns_guess(&w->turns, clock_mono_ms() - began);
	return 0;
}

static int read_settings(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	if (ledger_config(&w->ledger, &w->config, e))
		return -1;
	config_clear(&w->config);
	self_load_config(w);
	return 0;
}

static int open_results(struct worker *w, struct start *s, struct err *e)
{
	char *results = xasprintf("%s/results", w->o->work_dir);
	int rc = outbox_open(&w->outbox, results, w->o->node_id, w->o->url, e);
	(void)s;
	free(results);
	return rc;
}

static int be_the_only_one(struct worker *w, struct start *s, struct err *e)
{
	if (identity_recall(w->o->work_dir, s->previous, e))
		return -1;
	return w->o->take_over ? 0 : identity_check(&w->ledger, &w->config, w->o->node_id, s->previous, e);
}

static int not_retired(struct worker *w, struct start *s, struct err *e)
{
	char words[ORDER_WORDS];
	struct json *retired;
	(void)s;
	int rc = orders_of_node(&w->ledger, ORDER_RETIRED, w->o->node_id, &retired, e);
	if (retired)
		rc = err_set(e, ERR_PERM, "node '%s' is %s; give this one another --node-id", w->o->node_id,
			     order_words("retired", retired, words));
	json_free(retired);
	return rc;
}

static int remove_leftovers(struct worker *w, struct start *s, struct err *e)
{
	choose_engine(w);
	int left = s->previous[0] ? engine_remove_leftovers(&w->engine, s->previous, e) : 0;
	if (left > 0)
		log_at(LOG_WARN, "worker", "removed %d container%s of an earlier run of this node", left,
		       left == 1 ? "" : "s");
	return left < 0 ? -1 : 0;
}

/* What its images are is told at once, for it stands in results; and a folder that cannot be read ends the start. */
static int open_roots(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	w->engine.roots = w->o->roots;
	for (size_t i = 0; w->o->roots && i < w->o->roots->n; i++) {
		struct rootfs *r = &w->o->roots->v[i];
		if (rootfs_look(r, e))
			return -1;
		log_at(LOG_INFO, "worker", "image %s is the folder %s, %s", r->image, r->dir, r->digest);
		selfcheck_image(&w->fit, &w->engine, &w->config, r->image); /* so that the node says so */
	}
	return 0;
}

static int open_grants(struct worker *w, struct start *s, struct err *e)
{
	char *record = xasprintf("%s/secrets-folder", w->o->work_dir);
	(void)s;
	int rc = grants_check(w->o->grants, &w->engine, record, e);
	free(record);
	return rc;
}

static int open_files(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	int rc = outputs_open(&w->outputs, w->o->work_dir, w->ledger.url, strlen(w->ledger.head) == 64, w->o->name,
			      w->o->email, e);
	return rc ? rc
		  : inputs_open(&w->inputs, &w->outputs.store, &w->engine, w->outputs.run, w->o->cache_mb, w->o->store,
				e);
}

/* A cluster's nodes may see nothing of what this machine has: told at once, and not by the first task. */
static int try_cluster(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	if (!w->engine.cluster)
		return 0;
	char *image = trial_image(&w->engine, &w->config, e);
	int rc = trial_run(&w->engine, &w->config, image ? image : w->config.images[0], e);
	free(image);
	if (!rc)
		return 0;
	if (e->class != ERR_RETRY)
		return -1;
	log_at(LOG_WARN, "worker", "%s", e->msg);
	return 0;
}

static int settle_start(struct worker *w, struct start *s, struct err *e)
{
	(void)s;
	self_check_key(w);
	w->times.unsettled = w->fit.barred[0];
	if (!w->times.unsettled && settle_own(w, e))
		return -1;
	/* Not sooner: after a start that failed the next one has to know the instance that the grid saw. */
	return identity_remember(w->o->work_dir, w->instance, e);
}

static int start(struct worker *w, struct start *s, struct err *e)
{
	static int (*const steps[])(struct worker *, struct start *, struct err *) = {
	    take_folder,      find_engine, open_ledger, read_settings, open_results, not_retired, be_the_only_one,
	    remove_leftovers, open_roots,  open_grants, open_files,    try_cluster,  settle_start};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (steps[i](w, s, e))
			return -1;
	return 0;
}

static int work(struct worker *w)
{
	log_at(LOG_INFO, "worker", "node %s: engine %s %s, %d slot%s", w->o->node_id, engine_name(w->engine.kind),
	       w->engine.version, w->o->slots, w->o->slots == 1 ? "" : "s");
	tell_limits(w);
	in_a_hurry = w;
	proc_give_up_when(give_up);
	w->notify.command = w->o->notify;
	sharedssh_begin(&w->ssh, w->o->url, w->o->work_dir);
	exchange_begin(w);
	self_check(w);
	int code = loop(w);
	if (!w->hurry_until)
		w->hurry_until = clock_mono_ms() + LEAVE_MS;
	notify_stop(&w->notify);
	courier_stop(w->courier);
	w->courier = w->slots.courier = NULL;
	saver_stop(w->saver, &w->outbox);
	w->saver = w->slots.saver = NULL;
	heartbeat_quiet(w->heart, give_up);
	exchange_sign_off(w); /* before its ref goes: a node that has not left and has none looks as if robbed of it */
	heartbeat_stop(w->heart, !w->usurped && !w->config.pushes_per_minute && !give_up(), give_up);
	w->heart = NULL;
	sharedssh_end(&w->ssh);
	proc_give_up_when(NULL);
	char voted[40] = "";
	if (w->outbox.voted)
		snprintf(voted, sizeof voted, "%llu voted, ", (unsigned long long)w->outbox.voted);
	log_at(LOG_INFO, "worker", "left: %llu completed, %llu failed, %s%u pushes, %u rejected",
	       (unsigned long long)(w->slots.completed + w->outbox.completed),
	       (unsigned long long)(w->slots.failed + w->outbox.failed), voted, w->ledger.pushes, w->ledger.rejected);
	return code;
}

int worker_run(const struct worker_options *o)
{
	struct worker w;
	struct start s = {.lock = -1};
	struct err e = {0};
	int code;
	sig_init();
	self_init(&w, o);
	if (start(&w, &s, &e)) {
		log_at(LOG_ERROR, "worker", "%s", e.msg);
		code = (int)e.class;
		health_end(e.msg);
	} else
		code = work(&w);
	health_end("");
	self_clear(&w);
	if (s.lock >= 0)
		close(s.lock);
	return code;
}
