#include "worker/worker.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sig.h"
#include "worker/identity.h"
#include "worker/pulse.h"
#include "worker/trial.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAVE_WAIT_MS 30000 /* how long a stopping node tries to reach a dead remote */
#define LEAVE_POLL_MS 15

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
	return state && *state == '/' ? xasprintf("%s/dgrid/%s", state, node)
				      : xasprintf("%s/.local/state/dgrid/%s", home && *home ? home : "/tmp", node);
}

/* What its own machine may know of it, see pulse.h. */
static void say_pulse(void *ctx, struct pulse *p)
{
	const struct worker *w = ctx;
	snprintf(p->node, sizeof p->node, "%s", w->o->node_id);
	if (w->heart)
		snprintf(p->state, sizeof p->state, "%s", talk_state(w));
	snprintf(p->trouble, sizeof p->trouble, "%s", w->fit.trouble);
	snprintf(p->remote, sizeof p->remote, "%s", w->told);
	p->busy = slots_busy(&w->slots);
	p->slots = w->o->slots;
	p->reached_at = w->reached_at;
	p->patience = w->config.orphan_after_seconds;
}

/* ---- the loop ---- */

static void obey_signals(struct worker *w)
{
	if (talk_stopping(w) && !w->told_draining) {
		w->told_draining = true;
		log_at(LOG_INFO, "worker", "draining: no new claims, %d task%s to finish", slots_busy(&w->slots),
		       slots_busy(&w->slots) == 1 ? "" : "s");
		heartbeat_now(w->heart);
	}
	if (sig_stops() < 2 || w->released)
		return;
	w->released = true;
	log_at(LOG_WARN, "worker", "stopping at once: the claims go back to the queue");
	slots_stop(&w->slots);
}

/* What an earlier process of this node left behind: claims without a result go back. */
static int settle_own(struct worker *w, struct err *e)
{
	struct strs kept = {0};
	struct orphans o = {0};
	for (const struct outcome *i = w->outbox.first; i; i = i->next)
		strs_add(&kept, i->nonce);
	reaper_own(&w->ledger, w->o->node_id, (const char *const *)kept.v, kept.n, &o);
	int rc = reaper_heal(&w->ledger, w->o->node_id, &o, e);
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

/* A node that may not speak cannot settle at its start; it claims nothing before it has. */
static void settle(struct worker *w)
{
	struct err e;
	if (!w->unsettled || w->fit.barred[0] || w->stale)
		return;
	w->unsettled = settle_own(w, &e) != 0;
	w->stale = true;
	if (w->unsettled)
		log_at(LOG_WARN, "worker", "cannot settle what an earlier run left: %s", e.msg);
}

/* Returns an exit code. */
static int loop(struct worker *w)
{
	int64_t stop_began = 0;
	const char *said = "";
	bool trouble = false; /* with the remote */
	for (;;) {
		int64_t now = clock_mono_ms();
		obey_signals(w);
		if (w->fit.check_at && now >= w->fit.check_at)
			talk_check_self(w);
		talk_converse(w, now);
		talk_show_news(w);
		settle(w);
		if (said != talk_state(w) || trouble != (w->told[0] != 0))
			pulse_now();
		said = talk_state(w);
		trouble = w->told[0] != 0;
		bool idle = slots_busy(&w->slots) == 0 && !w->outbox.n;
		if (talk_stopping(w) && idle)
			return w->usurped ? ERR_RETRY : sig_stops() > 1 ? 128 + sig_last_stop() : 0;
		if (talk_stopping(w) && slots_running(&w->slots) == 0) {
			stop_began = stop_began ? stop_began : now;
			if (now - stop_began > LEAVE_WAIT_MS || sig_stops() > 2) {
				log_at(
				    LOG_ERROR, "worker",
				    "left with %zu results unsaid; they are kept in %s and recorded at the next start",
				    w->outbox.n, w->outbox.dir);
				return ERR_UNAVAILABLE;
			}
		}
		if (w->o->once && idle && !w->stale && now >= w->retry_at) {
			if (w->fit.trouble[0])
				return w->fit.barred[0] ? ERR_PERM : ERR_UNAVAILABLE;
			if (!w->hungry && !w->ready_at && !promoter_soon(&w->promoter))
				return 0;
		}
		loop_step(talk_wait(w));
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

static int start(struct worker *w, int *lock, struct err *e)
{
	char previous[32] = "", *clone = xasprintf("%s/ledger", w->o->work_dir);
	char *lock_path = xasprintf("%s/lock", w->o->work_dir), *results = xasprintf("%s/results", w->o->work_dir);
	int rc = file_mkdirs(w->o->work_dir, e);
	if (!rc && (*lock = file_lock(lock_path, e)) < 0) {
		rc = -1;
		if (e->class == ERR_RETRY)
			err_set(e, ERR_RETRY,
				"another worker uses the work directory '%s'; give this one its own with "
				"--work-dir or another --node-id",
				w->o->work_dir);
	}
	if (!rc)
		pulse_begin(w->o->work_dir, say_pulse, w);
	if (!rc)
		rc = engine_pick(w->o->engine, &w->engine, e);
	if (!rc)
		rc = ledger_open(&w->ledger, w->o->url, w->o->branch, clone, w->o->name, w->o->email, e);
	int64_t began = clock_mono_ms();
	if (!rc)
		rc = ledger_sync(&w->ledger, e);
	if (!rc)
		w->reached_at = clock_now();
	if (!rc)
		turns_guess(&w->turns, clock_mono_ms() - began);
	if (!rc)
		rc = ledger_config(&w->ledger, &w->config, e);
	if (!rc) {
		config_clear(&w->config);
		talk_load_config(w);
		rc = outbox_open(&w->outbox, results, e);
	}
	if (!rc) {
		identity_recall(w->o->work_dir, previous);
		if (!w->o->take_over)
			rc = identity_check(&w->ledger, &w->config, w->o->node_id, previous, e);
	}
	if (!rc)
		choose_engine(w);
	int left = 0;
	if (!rc && previous[0] && (left = engine_remove_leftovers(&w->engine, previous, e)) < 0)
		rc = -1;
	if (left > 0)
		log_at(LOG_WARN, "worker", "removed %d container%s of an earlier run of this node", left,
		       left == 1 ? "" : "s");
	if (!rc)
		rc = identity_remember(w->o->work_dir, w->instance, e);
	if (!rc)
		talk_check_key(w);
	if (!rc && w->fit.barred[0])
		w->unsettled = true;
	else if (!rc)
		rc = settle_own(w, e);
	free(lock_path);
	free(clone);
	free(results);
	return rc;
}

int worker_run(const struct worker_options *o)
{
	struct worker w = {.o = o, .stale = true, .started_at = clock_now(), .reaper = {.patient = true}};
	struct err e = {0};
	int lock = -1, code = 0;
	sig_init();
	clock_nonce(w.instance, 8);
	snprintf(w.node_path, sizeof w.node_path, "nodes/%s.json", o->node_id);
	talk_init(&w);
	if (start(&w, &lock, &e)) {
		log_at(LOG_ERROR, "worker", "%s", e.msg);
		code = (int)e.class;
		pulse_end(e.msg);
	} else {
		log_at(LOG_INFO, "worker", "node %s: engine %s %s, %d slot%s", o->node_id, engine_name(w.engine.kind),
		       w.engine.version, o->slots, o->slots == 1 ? "" : "s");
		talk_hello(&w);
		code = loop(&w);
		heartbeat_stop(w.heart, !w.usurped && !w.config.pushes_per_minute);
		w.heart = NULL;
		if (!w.usurped && !w.signed_off && !w.told[0] &&
		    !w.fit.barred[0]) { /* told: the remote does not answer */
			int64_t patience = clock_mono_ms() + LEAVE_WAIT_MS;
			while ((turns_wait(&w.turns) || !ledger_lock(&w.ledger)) && clock_mono_ms() < patience &&
			       sig_stops() < 2)
				loop_step(clock_jitter(LEAVE_POLL_MS));
			char *node = talk_node_text(&w, "left");
			w.ledger.tries = 10;
			if (ledger_sync(&w.ledger, &e) ||
			    ledger_commit(&w.ledger, o->node_id, NULL, 0, w.node_path, node, &e))
				log_at(LOG_WARN, "worker", "could not sign off: %s", e.msg);
			free(node);
		}
		char voted[40] = "";
		if (w.outbox.voted)
			snprintf(voted, sizeof voted, "%llu voted, ", (unsigned long long)w.outbox.voted);
		log_at(LOG_INFO, "worker", "left: %llu completed, %llu failed, %s%u pushes, %u rejected",
		       (unsigned long long)(w.slots.completed + w.outbox.completed),
		       (unsigned long long)(w.slots.failed + w.outbox.failed), voted, w.ledger.pushes,
		       w.ledger.rejected);
	}
	pulse_end("");
	if (w.ledger.url)
		ledger_close(&w.ledger);
	outbox_clear(&w.outbox);
	chooser_clear(&w.chooser);
	selfcheck_clear(&w.fit);
	free(w.key.path);
	reaper_clear(&w.reaper);
	config_clear(&w.config);
	slots_clear(&w.slots);
	if (lock >= 0)
		close(lock);
	return code;
}
