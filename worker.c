#include "worker.h"
#include "clock.h"
#include "file.h"
#include "ledger.h"
#include "log.h"
#include "runner.h"
#include "sig.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define GRACE_MS 3000
#define LEASE_GRACE_SECONDS 60 /* image, start, push */
#define ENGINE_PAUSE_MS 30000  /* no claims after the engine failed */
#define REMOTE_RETRY_MS 5000
#define NODE_REFRESH_MS 600000 /* idle nodes still show a sign of life */
#define LOCAL_POLL_MS 200

enum slot_state { SLOT_FREE, SLOT_CLAIMING, SLOT_RUNNING, SLOT_DONE };
struct slot {
	struct worker *w;
	enum slot_state state;
	struct task task; /* as claimed */
	char id[65], nonce[33], *invalid_text;
	struct attempt *attempt;
	struct json *result; /* SLOT_DONE: what finish writes; NULL: give the claim back */
	const char *outcome;
	char reason[256];
	bool cancel_seen;
};
struct worker {
	const struct worker_options *o;
	struct ledger ledger;
	struct grid_config config;
	struct engine engine;
	struct slot *slots;
	char digest[96], node_path[128], started_at[32];
	int64_t engine_pause_until, last_said;
	uint64_t done, failed;
	bool registered;
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

static int busy_slots(const struct worker *w)
{
	int n = 0;
	for (int i = 0; i < w->o->slots; i++)
		n += w->slots[i].state != SLOT_FREE;
	return n;
}

static char *node_text(struct worker *w, const char *status)
{
	char when[32];
	struct utsname u;
	struct statvfs disk;
	struct json *j = json_new(JSON_OBJECT), *labels = json_new(JSON_ARRAY);
	uname(&u);
	json_set(j, "schema", json_new_int(1));
	json_set(j, "node_id", json_new_str(w->o->node_id));
	json_set(j, "status", json_new_str(status));
	json_set(j, "last_heartbeat", json_new_str(clock_format(clock_now(), when)));
	json_set(j, "started_at", json_new_str(w->started_at));
	json_set(j, "slots", json_new_int(w->o->slots));
	for (size_t i = 0; i < w->o->n_labels; i++)
		json_append(labels, json_new_str(w->o->labels[i]));
	json_set(j, "labels", labels);
	json_set(j, "engine", json_new_str(engine_name(w->engine.kind)));
	json_set(j, "engine_version", json_new_str(w->engine.version));
	json_set(j, "cpu_count", json_new_int(sysconf(_SC_NPROCESSORS_ONLN)));
	json_set(j, "memory_gb", json_new_int(sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024 / 1024));
	if (!statvfs(w->o->work_dir, &disk))
		json_set(j, "disk_gb", json_new_int((int64_t)(disk.f_bavail / 1024 * disk.f_frsize / 1024 / 1024)));
	json_set(j, "os", json_new_str(u.sysname));
	json_set(j, "arch", json_new_str(u.machine));
	json_set(j, "dgrid_version", json_new_str(DGRID_VERSION));
	json_set(j, "tasks_completed", json_new_int((int64_t)w->done));
	json_set(j, "tasks_failed", json_new_int((int64_t)w->failed));
	char *text = task_text(j);
	json_free(j);
	return text;
}

static void set_stream(struct json *r, const char *name, const struct buf *b, uint64_t total, bool cut)
{
	char *bytes = xasprintf("%s_bytes", name), *truncated = xasprintf("%s_truncated", name);
	json_set(r, name, json_new_strn(b->data ? b->data : "", b->len));
	json_set(r, bytes, json_new_int((int64_t)total));
	json_set(r, truncated, json_new_bool(cut));
	free(bytes);
	free(truncated);
}

static void attempt_done(void *ctx, struct attempt_result *a)
{
	struct slot *s = ctx;
	struct worker *w = s->w;
	char when[32];
	s->attempt = NULL;
	s->state = SLOT_DONE;
	s->outcome = attempt_status_name(a->status);
	if (a->status == ATT_ENGINE || (a->status == ATT_CANCELLED && !s->cancel_seen)) {
		/* Not the task's fault: the claim goes back and costs no attempt. */
		snprintf(s->reason, sizeof s->reason, "%s", a->status == ATT_ENGINE ? a->message : "worker stopped");
		s->outcome = "released";
		if (a->status == ATT_ENGINE) {
			w->engine_pause_until = clock_mono_ms() + ENGINE_PAUSE_MS;
			log_at(LOG_ERROR, "worker", "engine %s failed on %s: %s; no claims for %d s",
			       engine_name(w->engine.kind), s->id, a->message, ENGINE_PAUSE_MS / 1000);
		}
		return;
	}
	struct json *r = json_new(JSON_OBJECT);
	json_set(r, "status", json_new_str(s->outcome));
	json_set(r, "exit_code", a->exit_code < 0 ? json_new(JSON_NULL) : json_new_int(a->exit_code));
	json_set(r, "signal", a->signal ? json_new_int(a->signal) : json_new(JSON_NULL));
	json_set(r, "node", json_new_str(w->o->node_id));
	json_set(r, "attempt", json_new_int(task_attempts_used(s->task.doc) + 1));
	json_set(r, "nonce", json_new_str(s->nonce));
	json_set(r, "started_at", json_new_str(clock_format(a->started_at, when)));
	json_set(r, "finished_at", json_new_str(clock_format(a->finished_at, when)));
	json_set(r, "duration_ms", json_new_int(a->duration_ms));
	json_set(r, "engine", json_new_str(engine_name(w->engine.kind)));
	json_set(r, "image", json_new_str(w->engine.kind == ENGINE_BWRAP ? "host:/usr" : s->task.image));
	json_set(r, "image_digest", json_new_str(w->digest));
	set_stream(r, "stdout", &a->out, a->out_bytes, a->out_truncated);
	set_stream(r, "stderr", &a->err, a->err_bytes, a->err_truncated);
	s->result = r;
	if (a->status == ATT_SUCCESS)
		w->done++;
	else
		w->failed++;
	log_at(LOG_INFO, "worker", "%s ended: %s, exit code %d, %lld ms", s->id, s->outcome, a->exit_code,
	       (long long)a->duration_ms);
}

static void slot_free(struct slot *s)
{
	struct worker *w = s->w;
	task_clear(&s->task);
	json_free(s->result);
	free(s->invalid_text);
	*s = (struct slot){.w = w};
}

static void start_slot(struct slot *s)
{
	struct worker *w = s->w;
	struct strs env = {0};
	struct err e;
	const struct json *vars = json_get(s->task.doc, "env");
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		strs_addf(&env, "%s=%s", v->name, v->text);
	char *name = xasprintf("dgrid-%s-%s-%s", w->o->node_id, s->id, s->nonce);
	struct attempt_spec spec = {.engine = &w->engine,
				    .run = {.name = name,
					    .node = w->o->node_id,
					    .task = s->id,
					    .nonce = s->nonce,
					    .image = s->task.image,
					    .script = s->task.script,
					    .env = (const char *const *)env.v,
					    .cpus = s->task.cpus,
					    .memory_mb = (int)s->task.memory_mb,
					    .pids = (int)s->task.pids,
					    .tmp_mb = (int)w->config.tmp_mb},
				    .timeout_ms = s->task.timeout_seconds * 1000,
				    .grace_ms = GRACE_MS,
				    .output_limit = (size_t)w->config.output_limit_bytes,
				    .ctx = s,
				    .on_done = attempt_done};
	s->state = SLOT_RUNNING;
	s->attempt = attempt_start(&spec, &e);
	if (!s->attempt && s->state == SLOT_RUNNING) {
		struct attempt_result r = {.status = ATT_ENGINE};
		snprintf(r.message, sizeof r.message, "%.250s", e.msg);
		attempt_done(s, &r);
	}
	free(name);
	strs_clear(&env);
}

static enum change_verdict edit_claim(void *ctx, struct json *doc)
{
	struct slot *s = ctx;
	task_set_claim(doc, s->w->o->node_id, s->nonce, s->task.timeout_seconds + LEASE_GRACE_SECONDS);
	return CHANGE_APPLY;
}

static enum change_verdict edit_finish(void *ctx, struct json *doc)
{
	struct slot *s = ctx;
	const char *nonce = task_claim_nonce(doc);
	if (!nonce || strcmp(nonce, s->nonce) != 0)
		return CHANGE_DROP; /* fencing: the claim is no longer ours */
	task_end_claim(doc, s->outcome, s->reason[0] ? s->reason : NULL);
	if (s->result)
		json_set(doc, "result", json_copy(s->result));
	return CHANGE_APPLY;
}

/* A claim under our name whose nonce no slot holds is from before a crash. */
static enum change_verdict edit_settle(void *ctx, struct json *doc)
{
	struct worker *w = ctx;
	const char *node = json_str(json_get(doc, "claim"), "node"), *nonce = task_claim_nonce(doc);
	if (!node || !nonce || strcmp(node, w->o->node_id) != 0)
		return CHANGE_DROP;
	for (int i = 0; i < w->o->slots; i++)
		if (w->slots[i].state != SLOT_FREE && !strcmp(w->slots[i].nonce, nonce))
			return CHANGE_DROP;
	task_end_claim(doc, "lost", "the node was restarted");
	return CHANGE_APPLY;
}

struct candidate {
	struct task task;
	char *id, *invalid; /* invalid: the reasons */
	struct buf text;
	uint32_t dice;
};

static int by_turn(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;
	if (a->task.priority != b->task.priority)
		return a->task.priority > b->task.priority ? -1 : 1;
	const char *x = json_str(a->task.doc, "created_at"), *y = json_str(b->task.doc, "created_at");
	int age = strcmp(x ? x : "", y ? y : "");
	return age ? age : a->dice < b->dice ? -1 : a->dice > b->dice;
}

static struct candidate *queue_read(struct worker *w, size_t *count)
{
	struct strs ids = {0};
	ledger_ids(&w->ledger, TASK_QUEUE, &ids);
	struct candidate *all = xcalloc(ids.n + 1, sizeof *all);
	size_t n = 0;
	for (size_t i = 0; i < ids.n; i++) {
		struct candidate *c = &all[n];
		struct problems p = {0};
		struct err e;
		char dice[9];
		if (ledger_read(&w->ledger, TASK_QUEUE, ids.v[i], &c->text, &e)) {
			if (e.class != ERR_DATA) {
				buf_clear(&c->text);
				continue;
			}
			c->invalid = xstrdup(e.msg);
		} else if (task_parse(&c->task, c->text.data ? c->text.data : "", c->text.len, ids.v[i], &w->config,
				      false, &p))
			c->invalid = xstrdup(p.text.data);
		else if (!task_runs_on(&c->task, w->o->labels, w->o->n_labels)) {
			task_clear(&c->task);
			buf_clear(&c->text);
			continue;
		}
		if (!c->invalid)
			buf_clear(&c->text);
		buf_clear(&p.text);
		clock_nonce(dice, 4);
		c->dice = (uint32_t)strtoul(dice, NULL, 16);
		c->id = xstrdup(ids.v[i]);
		if (c->invalid)
			c->task.priority = 10; /* out of the way first */
		n++;
	}
	strs_clear(&ids);
	qsort(all, n, sizeof *all, by_turn);
	*count = n;
	return all;
}

static void watch_cancels(struct worker *w)
{
	for (int i = 0; i < w->o->slots; i++) {
		struct slot *s = &w->slots[i];
		if (s->state != SLOT_RUNNING || s->cancel_seen)
			continue;
		struct json *doc = ledger_doc(&w->ledger, TASK_IN_PROGRESS, s->id, NULL);
		if (doc && json_get(doc, "cancel")) {
			s->cancel_seen = true;
			attempt_cancel(s->attempt);
		}
		json_free(doc);
	}
}

/* One group commit: all finished results, all new claims, the node file. 2: tasks moved, 1: only the node file landed,
 * 0: nothing to say. */
static int transact(struct worker *w, bool may_claim, bool force_node, const char *status, struct err *e)
{
	size_t n = 0, n_cand = 0;
	struct candidate *cand = may_claim ? queue_read(w, &n_cand) : NULL;
	struct strs own = {0};
	if (!w->registered)
		ledger_ids(&w->ledger, TASK_IN_PROGRESS, &own);
	struct ledger_change *c = xcalloc((size_t)w->o->slots + own.n + 1, sizeof *c);
	struct slot **owner = xcalloc((size_t)w->o->slots + own.n + 1, sizeof *owner);
	size_t next = 0;
	for (int i = 0; i < w->o->slots; i++) {
		struct slot *s = &w->slots[i];
		if (s->state == SLOT_DONE)
			c[n] = (struct ledger_change){.id = s->id,
						      .from = TASK_IN_PROGRESS,
						      .to = !s->result			     ? TASK_QUEUE
							    : !strcmp(s->outcome, "success") ? TASK_COMPLETED
											     : TASK_FAILED,
						      .edit = edit_finish,
						      .ctx = s,
						      .verb = s->result ? s->outcome : "release"};
		else if (s->state == SLOT_FREE && next < n_cand) {
			struct candidate *k = &cand[next++];
			snprintf(s->id, sizeof s->id, "%s", k->id);
			clock_nonce(s->nonce, 16);
			s->state = SLOT_CLAIMING;
			c[n] = (struct ledger_change){.id = s->id,
						      .from = TASK_QUEUE,
						      .to = TASK_IN_PROGRESS,
						      .edit = edit_claim,
						      .ctx = s,
						      .verb = "claim"};
			if (k->invalid) {
				struct json *doc = task_invalid_doc(s->id, k->invalid, k->text.data ? k->text.data : "",
								    k->text.len, w->o->node_id);
				s->invalid_text = task_text(doc);
				json_free(doc);
				c[n].to = TASK_FAILED;
				c[n].text = s->invalid_text;
				c[n].verb = "invalid";
			} else {
				s->task = k->task; /* moves over */
				k->task = (struct task){0};
			}
		} else
			continue;
		owner[n++] = s;
	}
	for (size_t i = 0; i < own.n; i++)
		c[n++] = (struct ledger_change){.id = own.v[i],
						.from = TASK_IN_PROGRESS,
						.to = TASK_QUEUE,
						.edit = edit_settle,
						.ctx = w,
						.verb = "requeue"};
	int rc = 0;
	if (n || force_node) {
		char *node = node_text(w, status);
		rc = ledger_commit(&w->ledger, w->o->node_id, c, force_node && !n ? 0 : n, w->node_path, node, e);
		free(node);
		if (!rc) {
			rc = n ? 2 : 1;
			w->last_said = clock_mono_ms();
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct slot *s = owner[i];
		if (!s)
			continue;
		if (s->state == SLOT_CLAIMING) {
			if (c[i].outcome == CHANGE_LANDED && !s->invalid_text) {
				log_at(LOG_INFO, "worker", "claimed %s", s->id);
				start_slot(s);
			} else
				slot_free(s);
		} else if (c[i].outcome != CHANGE_PENDING) {
			if (c[i].outcome == CHANGE_DROPPED)
				log_at(LOG_WARN, "worker", "late: %s is no longer ours, its result is dropped", s->id);
			slot_free(s);
		}
	}
	for (size_t i = 0; i < n_cand; i++) {
		task_clear(&cand[i].task);
		free(cand[i].id);
		free(cand[i].invalid);
		buf_clear(&cand[i].text);
	}
	free(cand);
	strs_clear(&own);
	free(c);
	free(owner);
	return rc;
}

static int start(struct worker *w, int *lock, struct err *e)
{
	char *lock_path = xasprintf("%s/lock", w->o->work_dir), *clone = xasprintf("%s/ledger", w->o->work_dir);
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
	if (!rc)
		rc = engine_image(&w->engine, w->config.images[0], w->digest, e);
	free(lock_path);
	free(clone);
	return rc;
}

static bool any_done(const struct worker *w)
{
	for (int i = 0; i < w->o->slots; i++)
		if (w->slots[i].state == SLOT_DONE)
			return true;
	return false;
}

static void loop(struct worker *w)
{
	bool local = w->o->url[0] == '/' || w->o->url[0] == '.' || !strncmp(w->o->url, "file://", 7);
	int64_t poll_ms = w->o->poll_ms ? w->o->poll_ms : local ? LOCAL_POLL_MS : w->config.poll_seconds * 1000;
	int64_t next_poll = 0, retry_at = 0;
	bool stale = true, told_trouble = false, released = false;
	struct err e;
	for (;;) {
		int64_t now = clock_mono_ms();
		bool stopping = sig_stops() > 0;
		if (sig_stops() > 1 && !released) {
			released = true;
			for (int i = 0; i < w->o->slots; i++)
				if (w->slots[i].attempt)
					attempt_cancel(w->slots[i].attempt);
		}
		bool room = busy_slots(w) < w->o->slots && !stopping && now >= w->engine_pause_until;
		int rc = 0;
		if (now >= retry_at) {
			if (!stale && now >= next_poll) {
				rc = ledger_moved(&w->ledger, &stale, &e);
				next_poll = now + poll_ms;
			}
			if (!rc && stale && !(rc = ledger_sync(&w->ledger, &e)))
				watch_cancels(w);
			if (!rc && (stale || any_done(w) || !w->registered)) {
				stale = false;
				bool first = !w->registered;
				bool node = first || now - w->last_said > NODE_REFRESH_MS;
				rc = transact(w, room || (any_done(w) && !stopping), node, "active", &e);
				if (rc >= 0)
					w->registered = true;
				/* Something landed: there may be more to claim at once. */
				stale = rc == 2 || first;
			}
			if (rc < 0) {
				/* What a task looks like after trouble is unknown: look again before saying anything.
				 */
				stale = true;
				retry_at = now + REMOTE_RETRY_MS;
				if (!told_trouble)
					log_at(LOG_ERROR, "worker", "remote trouble: %s; trying again", e.msg);
				told_trouble = true;
			} else if (told_trouble) {
				log_at(LOG_INFO, "worker", "the remote answers again");
				told_trouble = false;
			}
		}
		if (busy_slots(w) == 0 && rc >= 0 && (stopping || (w->o->once && !stale)))
			return;
		if (rc >= 0 && !stale)
			loop_step(any_done(w) ? 0 : 100);
		else if (rc < 0)
			loop_step(100);
	}
}

int worker_run(const struct worker_options *o)
{
	struct worker w = {.o = o};
	struct err e = {0};
	int lock = -1, code = 0;
	sig_init();
	config_defaults(&w.config);
	clock_format(clock_now(), w.started_at);
	snprintf(w.node_path, sizeof w.node_path, "nodes/%s.json", o->node_id);
	w.slots = xcalloc((size_t)o->slots, sizeof *w.slots);
	for (int i = 0; i < o->slots; i++)
		w.slots[i].w = &w;
	config_clear(&w.config);
	if (start(&w, &lock, &e)) {
		log_at(LOG_ERROR, "worker", "%s", e.msg);
		code = (int)e.class;
	} else {
		log_at(LOG_INFO, "worker", "node %s: engine %s %s, %d slots", o->node_id, engine_name(w.engine.kind),
		       w.engine.version, o->slots);
		loop(&w);
		/* No claim is left; say so. */
		char *node = node_text(&w, "left");
		if (ledger_commit(&w.ledger, o->node_id, NULL, 0, w.node_path, node, &e))
			log_at(LOG_WARN, "worker", "could not sign off: %s", e.msg);
		free(node);
		log_at(LOG_INFO, "worker", "left: %llu completed, %llu failed, %u pushes, %u rejected",
		       (unsigned long long)w.done, (unsigned long long)w.failed, w.ledger.pushes, w.ledger.rejected);
		if (w.engine_pause_until)
			code = ERR_UNAVAILABLE;
		if (sig_stops() > 1)
			code = 128 + sig_last_stop();
	}
	if (w.ledger.url)
		ledger_close(&w.ledger);
	config_clear(&w.config);
	free(w.slots);
	if (lock >= 0)
		close(lock);
	return code;
}
