#include "worker.h"
#include "chooser.h"
#include "clock.h"
#include "file.h"
#include "heartbeat.h"
#include "log.h"
#include "node.h"
#include "outbox.h"
#include "reaper.h"
#include "result.h"
#include "sig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS 3000
#define LEASE_GRACE_SECONDS 60 /* start, removal, push */
#define LOCAL_POLL_MS 100      /* looks at a file, not at the remote */
#define CHECK_MIN_MS 500
#define CHECK_MAX_MS 30000
#define TROUBLE_MIN_MS 500
#define TROUBLE_MAX_MS 60000
#define MIN_FREE_BYTES (16 << 20) /* below that in the work directory no claims are made */
#define LEAVE_WAIT_MS 30000	  /* how long a stopping node tries to reach a dead remote */
#define DOUBTFUL_MAX 64

enum slot_state { SLOT_FREE, SLOT_CLAIMING, SLOT_RUNNING };
struct slot {
	struct worker *w;
	enum slot_state state;
	struct pick pick;
	char nonce[33];
	int64_t lease_until, attempt_number;
	struct attempt *attempt;
	bool cancel_seen, lost; /* lost: the ledger no longer shows our claim */
};
struct worker {
	const struct worker_options *o;
	struct ledger ledger;
	struct grid_config config;
	struct file_stamp config_stamp;
	struct engine engine;
	struct outbox outbox;
	struct chooser chooser;
	struct reaper reaper;
	struct heartbeat *heart;
	struct slot *slots;
	char digest[96], node_path[128], instance[17], trouble[256];
	/* Claims whose push has an unknown end, and which the ledger did not show yet: they may still land. */
	char doubtful[DOUBTFUL_MAX][33];
	unsigned n_doubtful;
	int64_t started_at, beat_ms;
	int64_t check_at, check_wait; /* self-check: monotonic ms; 0: none due */
	int64_t retry_at, retry_wait; /* remote trouble or a lost race */
	int64_t next_poll, heal_at, ready_at;
	uint64_t completed, failed;
	bool registered, stale, hungry; /* stale: fetch first; hungry: the queue may hold something for us */
	bool released, usurped, told_draining;
	char told[256]; /* the remote trouble said last */
};

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

static int64_t jitter(int64_t ms) /* from half of ms to ms */
{
	char dice[9];
	clock_nonce(dice, 4);
	return ms / 2 + (int64_t)(strtoul(dice, NULL, 16) % (unsigned long)(ms / 2 + 1));
}

static int busy_slots(const struct worker *w)
{
	int n = 0;
	for (int i = 0; i < w->o->slots; i++)
		n += w->slots[i].state != SLOT_FREE;
	return n;
}

static bool stopping(const struct worker *w)
{
	return sig_stops() > 0 || w->usurped ||
	       (w->o->drain_after && w->completed + w->failed + (uint64_t)busy_slots(w) >= w->o->drain_after);
}

/* ---- what the node says of itself ---- */

static struct node_facts facts(const struct worker *w, const char *status)
{
	return (struct node_facts){.id = w->o->node_id,
				   .instance = w->instance,
				   .status = status	     ? status
					     : stopping(w)   ? "draining"
					     : w->trouble[0] ? "paused"
							     : "active",
				   .trouble = w->trouble,
				   .engine = engine_name(w->engine.kind),
				   .engine_version = w->engine.version,
				   .work_dir = w->o->work_dir,
				   .labels = w->o->labels,
				   .n_labels = w->o->n_labels,
				   .slots = w->o->slots,
				   .busy = busy_slots(w),
				   .started_at = w->started_at,
				   .next_due = clock_now() + w->beat_ms / 1000 + 1,
				   .completed = w->completed,
				   .failed = w->failed,
				   .pushes = w->ledger.pushes + (w->heart ? heartbeat_pushes(w->heart) : 0),
				   .rejected = w->ledger.rejected};
}

static struct json *say_beat(void *ctx)
{
	struct node_facts f = facts(ctx, NULL);
	return node_beat(&f);
}

static char *node_text(struct worker *w, const char *status)
{
	struct node_facts f = facts(w, status);
	struct json *j = node_file(&f);
	char *text = task_text(j);
	json_free(j);
	return text;
}

/* ---- the node's own health ---- */

static void pause_claims(struct worker *w, const char *why)
{
	if (strcmp(w->trouble, why) != 0) {
		log_at(LOG_ERROR, "worker", "no claims until this is mended: %s", why);
		snprintf(w->trouble, sizeof w->trouble, "%s", why);
		if (w->heart)
			heartbeat_now(w->heart);
	}
	w->check_wait = w->check_wait * 2 < CHECK_MIN_MS   ? CHECK_MIN_MS
			: w->check_wait * 2 > CHECK_MAX_MS ? CHECK_MAX_MS
							   : w->check_wait * 2;
	w->check_at = clock_mono_ms() + jitter(w->check_wait);
}

static bool disk_full(struct worker *w)
{
	char why[256];
	int64_t room = file_free_bytes(w->o->work_dir);
	if (room < 0 || room >= MIN_FREE_BYTES)
		return false;
	snprintf(why, sizeof why, "disk: %lld MB are free in '%.180s', %d MB are needed", (long long)room >> 20,
		 w->o->work_dir, MIN_FREE_BYTES >> 20);
	pause_claims(w, why);
	return true;
}

static void check_self(struct worker *w)
{
	struct err e;
	struct engine now;
	char why[256];
	w->check_at = 0;
	if (disk_full(w))
		return;
	if (engine_pick(engine_name(w->engine.kind), &now, &e) ||
	    engine_image(&w->engine, w->config.images[0], w->digest, &e)) {
		snprintf(why, sizeof why, "engine: %.240s", e.msg);
		for (char *p = why; *p; p++)
			if (*p == '\n')
				*p = ' ';
		pause_claims(w, why);
		return;
	}
	if (w->trouble[0]) {
		log_at(LOG_INFO, "worker", "mended, claiming again: %.200s", w->trouble);
		w->trouble[0] = 0;
		w->hungry = true;
		heartbeat_now(w->heart);
	}
	w->check_wait = 0;
}

/* ---- slots ---- */

static void slot_free(struct slot *s)
{
	struct worker *w = s->w;
	pick_clear(&s->pick);
	*s = (struct slot){.w = w};
}

static void attempt_done(void *ctx, struct attempt_result *a)
{
	struct slot *s = ctx;
	struct worker *w = s->w;
	struct outcome *o = xcalloc(1, sizeof *o);
	snprintf(o->id, sizeof o->id, "%s", s->pick.id);
	snprintf(o->nonce, sizeof o->nonce, "%s", s->nonce);
	snprintf(o->status, sizeof o->status, "%s", attempt_status_name(a->status));
	if (a->status == ATT_ENGINE || (a->status == ATT_CANCELLED && !s->cancel_seen)) {
		/* Not the task's fault: the claim goes back and costs no attempt. */
		snprintf(o->status, sizeof o->status, "released");
		snprintf(o->reason, sizeof o->reason, "%s",
			 a->status == ATT_ENGINE ? a->message : "the worker was told to stop at once");
		if (a->status == ATT_ENGINE) {
			char why[256];
			snprintf(why, sizeof why, "engine: %.200s", a->message);
			pause_claims(w, why);
		}
	} else {
		struct result_facts f = {.node = w->o->node_id,
					 .nonce = s->nonce,
					 .image = s->pick.task.image,
					 .image_digest = w->digest,
					 .engine = &w->engine,
					 .attempt = s->attempt_number};
		o->result = result_json(a, &f);
		if (a->status != ATT_SUCCESS && a->status != ATT_CANCELLED && s->pick.task.retry_on_failure) {
			int64_t wait = w->config.retry_backoff_seconds;
			for (int64_t n = 1; n < s->attempt_number && wait < 3600; n++)
				wait *= 2;
			o->retry_at = clock_now() + (wait < 3600 ? wait : 3600);
		}
		if (a->status == ATT_SUCCESS)
			w->completed++;
		else
			w->failed++;
		log_at(LOG_INFO, "worker", "%s ended: %s, exit code %d, %lld ms", s->pick.id, o->status, a->exit_code,
		       (long long)a->duration_ms);
	}
	if (s->lost) {
		log_at(LOG_WARN, "worker", "late: %s was given to another, its result (%s) is dropped", o->id,
		       o->status);
		json_free(o->result);
		free(o);
	} else if (outbox_add(&w->outbox, o))
		disk_full(w);
	slot_free(s);
}

static void start_slot(struct slot *s)
{
	struct worker *w = s->w;
	const struct worker_options *o = w->o;
	const struct task *t = &s->pick.task;
	struct strs env = {0};
	struct err e;
	const struct json *vars = json_get(t->doc, "env");
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		strs_addf(&env, "%s=%s", v->name, v->text);
	char *name = xasprintf("dgrid-%s-%s-%s", o->node_id, s->pick.id, s->nonce);
	struct attempt_spec spec = {.engine = &w->engine,
				    .run = {.name = name,
					    .node = o->node_id,
					    .task = s->pick.id,
					    .nonce = s->nonce,
					    .image = t->image,
					    .script = t->script,
					    .env = (const char *const *)env.v,
					    .cpus = o->max_cpus > 0 && o->max_cpus < t->cpus ? o->max_cpus : t->cpus,
					    .memory_mb = o->max_memory_mb && o->max_memory_mb < t->memory_mb
							     ? o->max_memory_mb
							     : (int)t->memory_mb,
					    .pids = (int)t->pids,
					    .tmp_mb = (int)w->config.tmp_mb},
				    .timeout_ms = t->timeout_seconds * 1000,
				    .grace_ms = GRACE_MS,
				    .output_limit = (size_t)w->config.output_limit_bytes,
				    .ctx = s,
				    .on_done = attempt_done};
	s->state = SLOT_RUNNING;
	s->attempt_number = task_attempts_used(t->doc) + 1;
	log_at(LOG_INFO, "worker", "claimed %s, attempt %lld", s->pick.id, (long long)s->attempt_number);
	s->attempt = attempt_start(&spec, &e);
	if (!s->attempt) {
		struct attempt_result r = {.status = ATT_ENGINE};
		snprintf(r.message, sizeof r.message, "%.250s", e.msg);
		attempt_done(s, &r);
	}
	free(name);
	strs_clear(&env);
}

static int64_t lease_seconds(const struct worker *w, const struct task *t)
{
	return w->config.lease_seconds ? w->config.lease_seconds : t->timeout_seconds + LEASE_GRACE_SECONDS;
}

/* How urgent a slot's lease is: 2 renew now, 1 renew when there is something else to say, 0 not yet. */
static int lease_due(const struct slot *s)
{
	if (s->state != SLOT_RUNNING || s->lost)
		return 0;
	int64_t whole = lease_seconds(s->w, &s->pick.task), left = s->lease_until - clock_now();
	if (!s->w->config.lease_seconds) /* such a lease outlives the task, unless its end hangs */
		return left < LEASE_GRACE_SECONDS / 3 ? 2 : 0;
	return left <= whole / 3 ? 2 : left <= whole / 2;
}

static enum change_verdict edit_claim(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	int64_t lease = lease_seconds(s->w, &s->pick.task);
	(void)to;
	task_set_claim(doc, s->w->o->node_id, s->nonce, lease);
	s->lease_until = clock_now() + lease;
	return CHANGE_APPLY;
}

static enum change_verdict edit_renew(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	const char *nonce = task_claim_nonce(doc);
	(void)to;
	if (!nonce || strcmp(nonce, s->nonce) != 0)
		return CHANGE_DROP;
	task_renew_claim(doc, lease_seconds(s->w, &s->pick.task));
	return CHANGE_APPLY;
}

/* After a fetch: is each claim still ours, is it to be cancelled, did a doubtful one land? */
static void watch_claims(struct worker *w)
{
	for (int i = 0; i < w->o->slots; i++) {
		struct slot *s = &w->slots[i];
		if (s->state == SLOT_FREE)
			continue;
		struct json *doc = ledger_doc(&w->ledger, TASK_IN_PROGRESS, s->pick.id, NULL);
		const char *nonce = task_claim_nonce(doc);
		bool ours = nonce && !strcmp(nonce, s->nonce), cancel = ours && json_get(doc, "cancel");
		json_free(doc);
		if (s->state == SLOT_CLAIMING) {
			if (ours)
				start_slot(s);
			else {
				snprintf(w->doubtful[w->n_doubtful++ % DOUBTFUL_MAX], 33, "%s", s->nonce);
				slot_free(s);
			}
		} else if (!ours && !s->lost) {
			log_at(LOG_WARN, "worker", "the claim on %s is gone from the ledger: stopping it", s->pick.id);
			s->lost = true;
			attempt_cancel(s->attempt);
		} else if (cancel && !s->cancel_seen) {
			s->cancel_seen = true;
			attempt_cancel(s->attempt);
		}
	}
	if (!w->n_doubtful)
		return;
	struct strs ids = {0};
	ledger_ids(&w->ledger, TASK_IN_PROGRESS, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct json *doc = ledger_doc(&w->ledger, TASK_IN_PROGRESS, ids.v[i], NULL);
		const char *nonce = task_claim_nonce(doc);
		bool found = false;
		for (unsigned k = 0; nonce && k < w->n_doubtful && k < DOUBTFUL_MAX; k++)
			found = found || !strcmp(nonce, w->doubtful[k]);
		if (found && !outbox_has(&w->outbox, nonce)) {
			struct outcome *o = xcalloc(1, sizeof *o);
			snprintf(o->id, sizeof o->id, "%s", ids.v[i]);
			snprintf(o->nonce, sizeof o->nonce, "%s", nonce);
			snprintf(o->status, sizeof o->status, "released");
			snprintf(o->reason, sizeof o->reason, "the claim landed after it was given up");
			outbox_add(&w->outbox, o);
		}
		json_free(doc);
	}
	strs_clear(&ids);
}

/* ---- talking to the ledger ---- */

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
	chooser_forget(&w->chooser); /* what is valid may have changed */
	int64_t seconds = w->o->heartbeat_seconds ? w->o->heartbeat_seconds : fresh.heartbeat_seconds;
	w->beat_ms = seconds * 1000;
	if (w->heart)
		heartbeat_every(w->heart, w->beat_ms);
}

static struct json *own_node_file(struct worker *w)
{
	char *path = xasprintf("%s/%s", w->ledger.git.dir, w->node_path);
	struct buf b = {0};
	struct json_error je;
	struct json *doc =
	    file_read(path, TASK_FILE_MAX, &b, NULL) ? NULL : json_parse(b.data ? b.data : "", b.len, &je);
	buf_clear(&b);
	free(path);
	return doc;
}

static int fetch(struct worker *w, struct err *e)
{
	if (ledger_sync(&w->ledger, e))
		return -1;
	w->stale = false;
	w->hungry = true;
	load_config(w);
	watch_claims(w);
	struct json *doc = w->registered ? own_node_file(w) : NULL;
	const char *instance = json_str(doc, "instance");
	if (instance && strcmp(instance, w->instance) != 0 && !w->usurped) {
		log_at(LOG_ERROR, "worker",
		       "another worker has taken the node id %s; this one stops (give each its own --node-id)",
		       w->o->node_id);
		w->usurped = true;
	}
	json_free(doc);
	return 0;
}

static size_t add_claims(struct worker *w, struct ledger_change *c)
{
	struct pick *picks = xcalloc((size_t)w->o->slots, sizeof *picks);
	size_t want = (size_t)(w->o->slots - busy_slots(w)), next = 0, n = 0;
	uint64_t ended = w->completed + w->failed + (uint64_t)busy_slots(w);
	if (w->o->drain_after && want > w->o->drain_after - ended)
		want = (size_t)(w->o->drain_after - ended);
	/* Alone, a node takes the oldest; where others race, they should not all want the same. */
	size_t spread = w->ledger.rejected ? 4 * (size_t)w->o->slots + 16 : 1;
	size_t got = choose(&w->chooser, &w->ledger, &w->config, w->o->node_id, clock_now(), want, spread, picks);
	w->hungry = got == want && got > 0;
	w->ready_at = 0;
	if (w->chooser.next_ready)
		w->ready_at = clock_mono_ms() + (w->chooser.next_ready - clock_now()) * 1000 + 200;
	for (int i = 0; i < w->o->slots && next < got; i++) {
		struct slot *s = &w->slots[i];
		if (s->state != SLOT_FREE)
			continue;
		s->pick = picks[next++]; /* moves over */
		s->state = SLOT_CLAIMING;
		clock_nonce(s->nonce, 16);
		c[n] = (struct ledger_change){.id = s->pick.id,
					      .from = TASK_QUEUE,
					      .to = TASK_IN_PROGRESS,
					      .edit = edit_claim,
					      .ctx = s,
					      .verb = "claim"};
		if (s->pick.invalid_text) {
			c[n].to = TASK_FAILED;
			c[n].text = s->pick.invalid_text;
			c[n].verb = "invalid";
		}
		n++;
	}
	free(picks);
	return n;
}

static bool may_claim(struct worker *w)
{
	return busy_slots(w) < w->o->slots && !stopping(w) && !w->trouble[0] && !disk_full(w);
}

/* One group commit: everything this node has to say. 0: said (or nothing to say), -1: e tells why not. */
static int speak(struct worker *w, struct err *e)
{
	size_t n_out = 0, n = 0, room = w->outbox.n + 2 * (size_t)w->o->slots;
	struct ledger_change *c = xcalloc(room + 1, sizeof *c);
	int rc = 0;
	n = n_out = outbox_changes(&w->outbox, c);
	size_t renewed = n;
	for (int i = 0; i < w->o->slots; i++)
		if (lease_due(&w->slots[i]))
			c[n++] = (struct ledger_change){.id = w->slots[i].pick.id,
							.from = TASK_IN_PROGRESS,
							.to = TASK_IN_PROGRESS,
							.edit = edit_renew,
							.ctx = &w->slots[i],
							.verb = "renew"};
	size_t claims = n;
	if (may_claim(w))
		n += add_claims(w, &c[n]);
	else
		w->hungry = false;
	if (n || !w->registered) {
		char *node = node_text(w, NULL);
		rc = ledger_commit(&w->ledger, w->o->node_id, c, n, w->node_path, node, e);
		free(node);
		w->registered = w->registered || !rc;
		w->hungry = w->hungry || (!rc && n); /* what moved may be in the queue again */
	}
	outbox_settle(&w->outbox, &w->ledger, c, n_out);
	for (size_t i = renewed; i < claims; i++)
		if (c[i].outcome == CHANGE_LANDED)
			((struct slot *)c[i].ctx)->lease_until =
			    clock_now() + lease_seconds(w, &((struct slot *)c[i].ctx)->pick.task);
	/* Of a push with an unknown end the claims stay: the next fetch shows whether they landed. */
	bool unknown = rc && e->class != ERR_RETRY && e->class != ERR_PERM;
	for (size_t i = claims; i < n; i++) {
		struct slot *s = c[i].ctx ? c[i].ctx : NULL;
		if (c[i].outcome == CHANGE_LANDED && !s->pick.invalid_text)
			start_slot(s);
		else if (c[i].outcome != CHANGE_PENDING || !unknown || s->pick.invalid_text)
			slot_free(s);
	}
	free(c);
	return rc;
}

static bool has_to_speak(struct worker *w)
{
	bool lease = false;
	for (int i = 0; i < w->o->slots; i++)
		lease = lease || lease_due(&w->slots[i]) == 2;
	return !w->registered || w->outbox.n || lease || (w->hungry && may_claim(w));
}

static void remote_trouble(struct worker *w, const struct err *e)
{
	w->stale = true;
	if (e->class == ERR_RETRY) { /* a lost race is no trouble */
		w->retry_wait = w->retry_wait * 2 < 20 ? 20 : w->retry_wait * 2 > 2000 ? 2000 : w->retry_wait * 2;
		w->retry_at = clock_mono_ms() + jitter(w->retry_wait);
		return;
	}
	if (strncmp(w->told, e->msg, sizeof w->told - 1) != 0)
		log_at(LOG_ERROR, "worker", "remote trouble: %s; nothing is lost, trying again", e->msg);
	snprintf(w->told, sizeof w->told, "%.*s", (int)sizeof w->told - 1, e->msg);
	w->retry_wait = w->retry_wait * 2 < TROUBLE_MIN_MS   ? TROUBLE_MIN_MS
			: w->retry_wait * 2 > TROUBLE_MAX_MS ? TROUBLE_MAX_MS
							     : w->retry_wait * 2;
	w->retry_at = clock_mono_ms() + jitter(w->retry_wait);
}

static void heal(struct worker *w)
{
	struct orphans o = {0};
	struct err e;
	int64_t every = w->config.orphan_after_seconds * 1000 / 4;
	w->heal_at = clock_mono_ms() + jitter(every < 60000 ? every : 60000);
	if (reaper_look(&w->reaper, &w->ledger, &w->config, w->o->node_id, &o, &e) == 0 && o.n) {
		reaper_heal(&w->ledger, w->o->node_id, &o, &e);
		w->stale = true;
		for (size_t i = 0; i < o.n; i++)
			if (o.v[i].landed)
				log_at(LOG_WARN, "worker", "healed %s (%s): %s", o.v[i].id, fate_name(o.v[i].fate),
				       o.v[i].why);
	}
	orphans_clear(&o);
}

/* ---- the loop ---- */

static void obey_signals(struct worker *w)
{
	if (stopping(w) && !w->told_draining) {
		w->told_draining = true;
		log_at(LOG_INFO, "worker", "draining: no new claims, %d task%s to finish", busy_slots(w),
		       busy_slots(w) == 1 ? "" : "s");
		heartbeat_now(w->heart);
	}
	if (sig_stops() < 2 || w->released)
		return;
	w->released = true;
	log_at(LOG_WARN, "worker", "stopping at once: the claims go back to the queue");
	for (int i = 0; i < w->o->slots; i++)
		if (w->slots[i].attempt)
			attempt_cancel(w->slots[i].attempt);
}

/* One exchange with the remote, as far as one is due. */
static void converse(struct worker *w, int64_t now)
{
	struct err e;
	int rc = 0;
	if (now < w->retry_at)
		return;
	if (!w->stale && now >= w->next_poll) {
		rc = ledger_moved(&w->ledger, &w->stale, &e);
		int64_t poll = w->ledger.ref_file ? LOCAL_POLL_MS
			       : w->o->poll_ms	  ? w->o->poll_ms
						  : w->config.poll_seconds * 1000;
		w->next_poll = now + (w->ledger.ref_file ? poll : jitter(poll * 4 / 3));
	}
	bool spoke = false;
	if (!rc && w->stale)
		rc = fetch(w, &e);
	if (w->ready_at && now >= w->ready_at) {
		w->ready_at = 0;
		w->hungry = true;
	}
	if (!rc && has_to_speak(w)) {
		rc = speak(w, &e);
		spoke = true;
	}
	if (rc)
		remote_trouble(w, &e);
	else {
		if (w->told[0])
			log_at(LOG_INFO, "worker", "the remote answers again");
		w->told[0] = 0;
		if (spoke || !w->outbox.n)
			w->retry_wait = 0;
		if (now >= w->heal_at && !stopping(w) && busy_slots(w) < w->o->slots)
			heal(w);
	}
}

static int64_t until(int64_t at, int64_t now, int64_t wait)
{
	int64_t left = at > now ? at - now : 0;
	return left < wait ? left : wait;
}

/* Returns an exit code. */
static int loop(struct worker *w)
{
	int64_t stop_began = 0;
	for (;;) {
		int64_t now = clock_mono_ms();
		obey_signals(w);
		if (w->check_at && now >= w->check_at)
			check_self(w);
		converse(w, now);
		bool idle = busy_slots(w) == 0 && !w->outbox.n;
		if (stopping(w) && idle)
			return w->usurped ? ERR_RETRY : sig_stops() > 1 ? 128 + sig_last_stop() : 0;
		if (stopping(w) && busy_slots(w) == 0) {
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
			if (w->trouble[0])
				return ERR_UNAVAILABLE;
			if (!w->hungry && !w->ready_at)
				return 0;
		}
		now = clock_mono_ms();
		int64_t wait = 1000;
		if (now < w->retry_at)
			wait = until(w->retry_at, now, wait);
		else if (w->stale || has_to_speak(w))
			wait = 0;
		else
			wait = until(w->next_poll, now, wait);
		if (w->check_at)
			wait = until(w->check_at, now, wait);
		loop_step(wait);
	}
}

/* ---- start and end ---- */

/* Refuses a node id that another worker holds. previous: the instance that used this work directory last. */
static int check_identity(struct worker *w, const char *previous, struct err *e)
{
	struct beats beats = {0};
	struct json *doc = own_node_file(w);
	struct node_view file, beat, *last;
	if (heartbeats_fetch(&w->ledger.git, e) || heartbeats_read(&w->ledger.git, &beats, e)) {
		json_free(doc);
		heartbeats_clear(&beats);
		return -1;
	}
	node_read(&file, doc);
	node_read(&beat, heartbeats_of(&beats, w->o->node_id));
	last = beat.seen > file.seen ? &beat : &file;
	int64_t ago = clock_now() - last->seen;
	int rc = 0;
	if (last->instance[0] && strcmp(last->instance, previous) != 0 && strcmp(last->status, "left") != 0 &&
	    ago < w->config.orphan_after_seconds && !w->o->take_over)
		rc = err_set(e, ERR_RETRY,
			     "a worker with the node id '%s' was alive %lld s ago in another work directory; give this "
			     "one its own --node-id, or --take-over if that one is dead",
			     w->o->node_id, (long long)ago);
	json_free(doc);
	heartbeats_clear(&beats);
	return rc;
}

static void remember_instance(struct worker *w, char previous[32])
{
	struct buf b = {0};
	struct err e;
	char *path = xasprintf("%s/instance", w->o->work_dir);
	if (!file_read(path, 64, &b, NULL))
		snprintf(previous, 32, "%.*s", (int)strcspn(b.data ? b.data : "", "\n"), b.data ? b.data : "");
	if (file_write(path, w->instance, strlen(w->instance), &e))
		log_at(LOG_WARN, "worker", "%s", e.msg);
	buf_clear(&b);
	free(path);
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
		rc = engine_pick(w->o->engine, &w->engine, e);
	if (!rc)
		rc = ledger_open(&w->ledger, w->o->url, w->o->branch, clone, w->o->name, w->o->email, e);
	if (!rc)
		rc = ledger_sync(&w->ledger, e);
	if (!rc)
		rc = ledger_config(&w->ledger, &w->config, e);
	if (!rc) {
		config_clear(&w->config);
		load_config(w);
		rc = outbox_open(&w->outbox, results, e);
	}
	if (!rc) {
		remember_instance(w, previous);
		rc = check_identity(w, previous, e);
	}
	if (!rc)
		rc = settle_own(w, e);
	free(lock_path);
	free(clone);
	free(results);
	return rc;
}

int worker_run(const struct worker_options *o)
{
	struct worker w = {.o = o, .stale = true, .started_at = clock_now()};
	struct err e = {0};
	int lock = -1, code = 0;
	sig_init();
	clock_nonce(w.instance, 8);
	snprintf(w.node_path, sizeof w.node_path, "nodes/%s.json", o->node_id);
	w.chooser = (struct chooser){.labels = o->labels, .n_labels = o->n_labels};
	w.slots = xcalloc((size_t)o->slots, sizeof *w.slots);
	for (int i = 0; i < o->slots; i++)
		w.slots[i].w = &w;
	if (start(&w, &lock, &e)) {
		log_at(LOG_ERROR, "worker", "%s", e.msg);
		code = (int)e.class;
	} else {
		log_at(LOG_INFO, "worker", "node %s: engine %s %s, %d slot%s", o->node_id, engine_name(w.engine.kind),
		       w.engine.version, o->slots, o->slots == 1 ? "" : "s");
		w.ledger.tries = 1; /* between two tries there may be more to say */
		w.heal_at = clock_mono_ms() + jitter(w.config.orphan_after_seconds * 250);
		w.heart = heartbeat_start(&w.ledger.git, o->node_id, say_beat, &w, w.beat_ms);
		check_self(&w);
		code = loop(&w);
		heartbeat_stop(w.heart, !w.usurped);
		w.heart = NULL;
		if (!w.usurped && code != ERR_UNAVAILABLE) {
			char *node = node_text(&w, "left");
			w.ledger.tries = 10;
			if (ledger_sync(&w.ledger, &e) ||
			    ledger_commit(&w.ledger, o->node_id, NULL, 0, w.node_path, node, &e))
				log_at(LOG_WARN, "worker", "could not sign off: %s", e.msg);
			free(node);
		}
		log_at(LOG_INFO, "worker", "left: %llu completed, %llu failed, %u pushes, %u rejected",
		       (unsigned long long)w.completed, (unsigned long long)w.failed, w.ledger.pushes,
		       w.ledger.rejected);
	}
	if (w.ledger.url)
		ledger_close(&w.ledger);
	outbox_clear(&w.outbox);
	chooser_clear(&w.chooser);
	reaper_clear(&w.reaper);
	config_clear(&w.config);
	free(w.slots);
	if (lock >= 0)
		close(lock);
	return code;
}
