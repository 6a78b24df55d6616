/* Random honest histories, many a second, for tests/tamper/honest.py: nodes and people act by the program's own code
 * (what chooses, claims, renews, ends, heals, cancels, retries, promotes and counts), on a ledger in memory and by a
 * clock that jumps; each commit goes to `git fast-import` as a stream. Only ledger.c, heartbeat.c, runner.c and clock.c
 * are played here: what they would do, without git, engine and waiting.
 *
 * usage: honest COUNT SEED DIR >stream    refs/h/0/main, refs/h/0/archive, refs/h/1/main, ... DIR: for scratch files
 * The stream has "@" and 39 digits where the id of the commit with that mark is to stand. */
#include "archive.h"
#include "clock.h"
#include "heartbeat.h"
#include "node.h"
#include "promote.h"
#include "reaper.h"
#include "slots.h"
#include "verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODES 4
#define FILES 160
#define SLOTS 2
#define PEOPLE 2

struct file {
	char path[96], *text; /* text NULL: free */
};
struct actor {
	char id[16];
	int64_t skew; /* seconds that its clock is off */
};
struct sim_node {
	struct actor a;
	bool up, joined;
	int64_t started_at, next_due;
	char instance[17];
	struct selfcheck fit;
	struct slots slots;
	struct outbox outbox;
	struct chooser chooser;
	struct reaper reaper;
	struct json *beat;
	unsigned beats;
};
static struct {
	FILE *out;
	uint64_t dice;
	int64_t ms; /* the true time, since 1970 */
	unsigned history;
	unsigned long mark;
	struct file files[FILES];
	struct actor *acts; /* whose clock and name count */
	struct sim_node nodes[NODES];
	struct actor people[PEOPLE];
	struct grid_config config;
	const char *dir;
	unsigned tasks, transitions;
	bool archived;
} sim;
static const struct engine bwrap = {.kind = ENGINE_BWRAP, .version = "0.8.0"};

/* ---- clock.c: a true time that jumps, and clocks that are off ---- */

static uint64_t random64(void)
{
	sim.dice ^= sim.dice << 13;
	sim.dice ^= sim.dice >> 7;
	sim.dice ^= sim.dice << 17;
	return sim.dice * 2685821657736338717u;
}
static int64_t below(int64_t n)
{
	return (int64_t)((random64() >> 16) % (uint64_t)n);
}
static bool one_in(int64_t n)
{
	return below(n) == 0;
}

#define clock_mono_ms real_mono_ms
#define clock_wall_ms real_wall_ms
#define clock_now real_now
#define clock_nonce real_nonce
#define clock_jitter real_jitter
int64_t real_mono_ms(void);
int64_t real_wall_ms(void);
int64_t real_now(void);
void real_nonce(char *out, unsigned n_bytes);
int64_t real_jitter(int64_t ms);
#include "../clock.c" /* for clock_format and clock_parse */
#undef clock_mono_ms
#undef clock_wall_ms
#undef clock_now
#undef clock_nonce
#undef clock_jitter

int64_t clock_mono_ms(void)
{
	return sim.ms;
}
int64_t clock_wall_ms(void)
{
	return sim.ms + (sim.acts ? sim.acts->skew * 1000 : 0);
}
int64_t clock_now(void)
{
	return clock_wall_ms() / 1000;
}
void clock_nonce(char *out, unsigned n_bytes)
{
	for (unsigned i = 0; i < n_bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned)below(256));
}
int64_t clock_jitter(int64_t ms)
{
	return ms / 2 + below(ms / 2 + 1);
}

/* ---- the ledger's tree ---- */

static struct file *file_at(const char *path)
{
	for (size_t i = 0; i < FILES; i++)
		if (sim.files[i].text && !strcmp(sim.files[i].path, path))
			return &sim.files[i];
	return NULL;
}

static void put_data(const char *text)
{
	fprintf(sim.out, "data %zu\n%s\n", strlen(text), text);
}

/* To the tree and to the stream; text NULL: gone. */
static void set_file(const char *path, const char *text)
{
	struct file *f = file_at(path);
	for (size_t i = 0; i < FILES && !f; i++)
		f = sim.files[i].text ? NULL : &sim.files[i];
	if (!f)
		abort();
	char *fresh = text ? xstrdup(text) : NULL;
	free(f->text);
	f->text = fresh;
	snprintf(f->path, sizeof f->path, "%s", path);
	if (text) {
		fprintf(sim.out, "M 100644 inline %s\n", path);
		put_data(text);
	} else
		fprintf(sim.out, "D %s\n", path);
}

/* Of the branch's next commit, by whoever acts; its changes are to follow. */
static void begin_commit(const char *branch, const char *name, const char *message)
{
	int64_t now = clock_now();
	fprintf(sim.out, "commit refs/h/%u/%s\nmark :%lu\nauthor %s <%s@localhost> %lld +0000\n", sim.history, branch,
		++sim.mark, name, name, (long long)now);
	fprintf(sim.out, "committer %s <%s@localhost> %lld +0000\n", name, name, (long long)now);
	put_data(message);
}

static char *task_path(enum task_state s, const char *id)
{
	return xasprintf("tasks/%s/%s.json", task_state_name(s), id);
}

/* ---- ledger.c ---- */

int ledger_open(struct ledger *l, const char *url, const char *branch, const char *dir, const char *name,
		const char *email, struct err *e)
{
	(void)dir, (void)e;
	*l = (struct ledger){.url = xstrdup(url), .branch = xstrdup(branch), .tries = 1};
	l->git.dir = xstrdup(sim.dir);
	l->git.name = xstrdup(name);
	l->git.email = xstrdup(email);
	return 0;
}
void ledger_close(struct ledger *l)
{
	free(l->url);
	free(l->branch);
	free(l->git.dir);
	free(l->git.name);
	free(l->git.email);
	*l = (struct ledger){0};
}
int ledger_sync(struct ledger *l, struct err *e)
{
	(void)l, (void)e;
	return 0;
}
int ledger_moved(struct ledger *l, bool *moved, struct err *e)
{
	(void)l, (void)e;
	*moved = false;
	return 0;
}
int ledger_config(struct ledger *l, struct grid_config *c, struct err *e)
{
	struct problems p = {0};
	struct file *f = file_at("grid.json");
	(void)l, (void)e;
	config_defaults(c);
	config_parse(c, f->text, strlen(f->text), &p);
	if (p.n)
		abort();
	problems_clear(&p);
	return 0;
}
static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
static void ids_in(const char *folder, struct strs *out)
{
	size_t n = strlen(folder);
	for (size_t i = 0; i < FILES; i++) {
		const char *base = sim.files[i].path + n, *dot = strstr(base, ".json");
		if (!sim.files[i].text || strncmp(sim.files[i].path, folder, n) != 0 || !dot)
			continue;
		char *id = xstrndup(base, (size_t)(dot - base));
		strs_add(out, id);
		free(id);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_text);
}
void ledger_ids(struct ledger *l, enum task_state s, struct strs *out)
{
	(void)l;
	char *folder = xasprintf("tasks/%s/", task_state_name(s));
	ids_in(folder, out);
	free(folder);
}
void ledger_nodes(struct ledger *l, struct strs *out)
{
	(void)l;
	ids_in("nodes/", out);
}
int ledger_read(struct ledger *l, enum task_state s, const char *id, struct buf *out, struct err *e)
{
	(void)l;
	char *path = task_path(s, id);
	struct file *f = file_at(path);
	free(path);
	if (!f)
		return err_set(e, ERR_NOENT, "no such file");
	buf_adds(out, f->text);
	return 0;
}
struct file_stamp ledger_stamp(const struct ledger *l, enum task_state s, const char *id)
{
	(void)l, (void)s, (void)id;
	return (struct file_stamp){.mtime_ns = (int64_t)random64()}; /* always news */
}
bool ledger_elsewhere(struct ledger *l, enum task_state s, const char *id)
{
	int found = 0;
	(void)l, (void)s;
	for (int k = 0; k < TASK_N_STATES; k++) {
		char *path = task_path((enum task_state)k, id);
		found += file_at(path) != NULL;
		free(path);
	}
	return found > 1;
}
static struct json *parsed(const char *path)
{
	struct file *f = file_at(path);
	struct json_error je;
	return f ? json_parse(f->text, strlen(f->text), &je) : NULL;
}
struct json *ledger_doc(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	(void)l;
	char *path = task_path(s, id);
	struct json *doc = parsed(path);
	free(path);
	if (!doc)
		err_set(e, ERR_NOENT, "no such file");
	return doc;
}
struct json *ledger_node(struct ledger *l, const char *node)
{
	(void)l;
	char *path = xasprintf("nodes/%s.json", node);
	struct json *doc = parsed(path);
	free(path);
	return doc;
}
int ledger_find(struct ledger *l, const char *id)
{
	int found = -1;
	(void)l;
	for (int k = 0; k < TASK_N_STATES; k++) {
		char *path = task_path((enum task_state)k, id);
		found = file_at(path) ? k : found;
		free(path);
	}
	return found;
}

/* What one change would write: 1; 0: no longer legal. */
static int apply(struct ledger *l, struct ledger_change *c, char **text)
{
	char *src = task_path(c->from, c->id);
	bool there = c->create ? ledger_find(l, c->id) >= 0 : file_at(src) == NULL;
	free(src);
	if (there)
		return 0;
	if (c->text) {
		*text = xstrdup(c->text);
		return 1;
	}
	struct json *doc = ledger_doc(l, c->from, c->id, NULL);
	bool yes = c->edit(c->ctx, doc, &c->to) == CHANGE_APPLY;
	*text = yes ? task_text(doc) : NULL;
	json_free(doc);
	return yes;
}

int ledger_commit(struct ledger *l, const char *who, struct ledger_change *c, size_t n, const char *extra_path,
		  const char *extra_text, struct err *e)
{
	char **texts = xcalloc(n + 1, sizeof *texts), nonce[17];
	struct buf body = {0};
	size_t said = 0;
	(void)e;
	for (size_t i = 0; i < n; i++) {
		if (c[i].outcome != CHANGE_PENDING)
			continue;
		if (!apply(l, &c[i], &texts[i])) {
			c[i].outcome = CHANGE_DROPPED;
			continue;
		}
		c[i].outcome = CHANGE_LANDED;
		said++;
		buf_addf(&body, "%s %s\n", c[i].verb, c[i].id);
	}
	if (said || (!n && extra_path)) {
		clock_nonce(nonce, 8);
		char *message = said == 1 ? xasprintf("%s: %s\ndgrid-nonce: %s\n", who, body.data, nonce)
					  : xasprintf("%s: %zu transitions\n\n%s\ndgrid-nonce: %s\n", who, said,
						      body.data ? body.data : "", nonce);
		begin_commit("main", l->git.name, message);
		for (size_t i = 0; i < n; i++) {
			if (!texts[i])
				continue;
			char *src = task_path(c[i].from, c[i].id), *dst = task_path(c[i].to, c[i].id);
			if (!c[i].create && c[i].from != c[i].to)
				set_file(src, NULL);
			set_file(dst, texts[i]);
			free(src);
			free(dst);
		}
		if (extra_path)
			set_file(extra_path, extra_text);
		sim.transitions += (unsigned)said;
		free(message);
	}
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
	buf_clear(&body);
	return 0;
}

/* ---- heartbeat.c ---- */

int heartbeats_fetch(const struct git *g, struct err *e)
{
	(void)g, (void)e;
	return 0;
}
int heartbeats_read(const struct git *g, struct beats *out, struct err *e)
{
	(void)g, (void)e;
	*out = (struct beats){.v = xcalloc(NODES, sizeof *out->v)};
	for (int i = 0; i < NODES; i++)
		if (sim.nodes[i].beat) {
			struct beat *b = &out->v[out->n++];
			snprintf(b->node, sizeof b->node, "%s", sim.nodes[i].a.id);
			snprintf(b->oid, sizeof b->oid, "%040u", sim.nodes[i].beats);
			b->doc = json_copy(sim.nodes[i].beat);
		}
	return 0;
}
void heartbeats_clear(struct beats *b)
{
	for (size_t i = 0; i < b->n; i++)
		json_free(b->v[i].doc);
	free(b->v);
	*b = (struct beats){0};
}
const struct json *heartbeats_of(const struct beats *b, const char *node)
{
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->v[i].node, node))
			return b->v[i].doc;
	return NULL;
}

/* ---- runner.c: scripts whose end is drawn ---- */

struct attempt {
	struct attempt_spec spec;
	int64_t began;
	bool cancelled;
};
const char *attempt_status_name(enum attempt_status s)
{
	static const char *const names[] = {"success", "failed", "timeout", "oom", "cancelled", "engine"};
	return names[s];
}
struct attempt *attempt_start(const struct attempt_spec *spec, struct err *e)
{
	(void)e;
	struct attempt *a = xcalloc(1, sizeof *a);
	*a = (struct attempt){.spec = *spec, .began = clock_now()};
	return a;
}
uint64_t attempt_tail(const struct attempt *a, bool of_stderr, size_t max, struct buf *out)
{
	(void)a, (void)of_stderr, (void)max, (void)out;
	return 0;
}
void attempt_cancel(struct attempt *a)
{
	a->cancelled = true;
}
static void end_attempt(struct attempt *a)
{
	static const enum attempt_status ends[] = {ATT_SUCCESS, ATT_SUCCESS, ATT_SUCCESS, ATT_FAILED,
						   ATT_FAILED,	ATT_TIMEOUT, ATT_OOM,	  ATT_ENGINE};
	struct attempt_result r = {.status = a->cancelled ? ATT_CANCELLED : ends[below(8)],
				   .exit_code = -1,
				   .started_at = a->began,
				   .finished_at = clock_now()};
	int64_t limit = a->began + a->spec.timeout_ms / 1000;
	if (r.finished_at > limit) { /* it ended long ago, and the node did not come to say so */
		r.finished_at = limit;
		r.status = r.status == ATT_CANCELLED ? ATT_CANCELLED : ATT_TIMEOUT;
	}
	r.duration_ms = (r.finished_at - r.started_at) * 1000;
	if (r.status <= ATT_FAILED)
		r.exit_code = r.status == ATT_SUCCESS ? 0 : (int)below(255) + 1;
	snprintf(r.message, sizeof r.message, "no space left");
	buf_addf(&r.out, "%lld\n", (long long)below(1000));
	r.out_bytes = r.out.len;
	buf_adds(&r.err, one_in(2) ? "" : "a word\n");
	r.err_bytes = r.err.len;
	a->spec.on_done(a->spec.ctx, &r);
	buf_clear(&r.out);
	buf_clear(&r.err);
	free(a);
}

/* ---- nodes ---- */

static struct node_facts facts(struct sim_node *n, const char *status)
{
	n->next_due = clock_now() + sim.config.heartbeat_seconds + 1;
	return (struct node_facts){.id = n->a.id,
				   .instance = n->instance,
				   .status = status,
				   .trouble = "",
				   .engine = "bwrap",
				   .engine_version = "0.8.0",
				   .work_dir = "/",
				   .slots = SLOTS,
				   .busy = slots_busy(&n->slots),
				   .started_at = n->started_at,
				   .next_due = n->next_due,
				   .completed = n->slots.completed,
				   .failed = n->slots.failed,
				   .turns = "free"};
}

static void beat(struct sim_node *n)
{
	struct node_facts f = facts(n, "active");
	json_free(n->beat);
	n->beat = node_beat(&f);
	n->beats++;
}

static struct ledger open_as(const struct actor *a, const char *name)
{
	struct ledger l;
	(void)a;
	ledger_open(&l, "/nowhere", "main", NULL, name, "x@localhost", NULL);
	return l;
}

/* One exchange, as talk.c has it: results, renewals, claims, the node's file. */
static void speak(struct sim_node *n, bool claims, bool leaves)
{
	struct ledger l = open_as(&n->a, "dgrid");
	struct ledger_change c[64];
	struct err e;
	memset(c, 0, sizeof c);
	slots_watch(&n->slots, &l);
	size_t out = outbox_changes(&n->outbox, c), k = out;
	for (int i = 0; i < SLOTS; i++)
		if (slot_lease_due(&n->slots.v[i]) == 2 || (slot_lease_due(&n->slots.v[i]) && out))
			c[k++] = (struct ledger_change){.id = n->slots.v[i].pick.id,
							.from = TASK_IN_PROGRESS,
							.to = TASK_IN_PROGRESS,
							.edit = slot_edit_renew,
							.ctx = &n->slots.v[i],
							.verb = "renew"};
	size_t first = k, want = claims ? (size_t)(SLOTS - slots_busy(&n->slots)) : 0;
	struct pick picks[SLOTS];
	memset(picks, 0, sizeof picks);
	size_t got = want ? choose(&n->chooser, &l, &sim.config, n->a.id, clock_now(), want, 8, picks) : 0;
	for (int i = 0; i < SLOTS && k - first < got; i++) {
		struct slot *s = &n->slots.v[i];
		if (s->state != SLOT_FREE)
			continue;
		s->pick = picks[k - first];
		s->state = SLOT_CLAIMING;
		clock_nonce(s->nonce, 16);
		c[k] = (struct ledger_change){.id = s->pick.id,
					      .from = TASK_QUEUE,
					      .to = s->pick.invalid_text ? TASK_FAILED : TASK_IN_PROGRESS,
					      .text = s->pick.invalid_text,
					      .edit = slot_edit_claim,
					      .ctx = s,
					      .verb = s->pick.invalid_text ? "invalid" : "claim"};
		k++;
	}
	if (k || !n->joined || leaves) {
		struct node_facts f = facts(n, leaves ? "left" : "active");
		struct json *j = node_file(&f);
		char *text = task_text(j), *path = xasprintf("nodes/%s.json", n->a.id);
		ledger_commit(&l, n->a.id, c, k, path, text, &e);
		n->joined = true;
		json_free(j);
		free(text);
		free(path);
	}
	outbox_settle(&n->outbox, &l, c, out);
	for (size_t i = out; i < k; i++) {
		struct slot *s = c[i].ctx;
		if (i < first) {
			if (c[i].outcome == CHANGE_LANDED)
				slot_renewed(s);
		} else if (c[i].outcome == CHANGE_LANDED && !s->pick.invalid_text)
			slot_start(s);
		else
			slot_free(s);
	}
	ledger_close(&l);
}

static void heal(struct sim_node *n)
{
	struct ledger l = open_as(&n->a, "dgrid");
	struct orphans o = {0};
	struct err e;
	if (!reaper_look(&n->reaper, &l, &sim.config, n->a.id, &o, &e) && o.n)
		reaper_heal(&l, n->a.id, &o, &e);
	orphans_clear(&o);
	ledger_close(&l);
}

static void forget_runs(struct sim_node *n)
{
	for (int i = 0; i < SLOTS; i++) {
		free(n->slots.v[i].attempt);
		slot_free(&n->slots.v[i]);
	}
}

static void start(struct sim_node *n)
{
	struct ledger l = open_as(&n->a, "dgrid");
	struct orphans o = {0};
	struct strs kept = {0};
	struct err e;
	n->up = true;
	n->started_at = clock_now();
	clock_nonce(n->instance, 8);
	for (const struct outcome *i = n->outbox.first; i; i = i->next)
		strs_add(&kept, i->nonce);
	reaper_own(&l, n->a.id, (const char *const *)kept.v, kept.n, &o);
	reaper_heal(&l, n->a.id, &o, &e);
	orphans_clear(&o);
	strs_clear(&kept);
	ledger_close(&l);
	beat(n);
	speak(n, false, false);
}

/* Stopped at once: the claims go back; or drained: what runs may end first. */
static void stop(struct sim_node *n, bool drain)
{
	for (int i = 0; i < SLOTS; i++)
		if (n->slots.v[i].attempt) {
			if (!drain)
				attempt_cancel(n->slots.v[i].attempt);
			sim.ms += 1000 * below(3);
			end_attempt(n->slots.v[i].attempt);
		}
	speak(n, false, true);
	json_free(n->beat);
	n->beat = NULL;
	n->up = false;
}

static void node_acts(struct sim_node *n)
{
	sim.acts = &n->a;
	if (!n->up) {
		if (one_in(2))
			start(n);
		return;
	}
	switch (below(20)) {
	case 0:
		forget_runs(n); /* kill -9 */
		n->up = false;
		return;
	case 1:
		stop(n, one_in(2));
		return;
	case 2:
		return; /* cut off for a while: no beat, no exchange */
	case 3:
	case 4:
		beat(n);
		heal(n);
		return;
	default:
		break;
	}
	for (int i = 0; i < SLOTS; i++)
		if (n->slots.v[i].attempt && (n->slots.v[i].attempt->cancelled || one_in(2)))
			end_attempt(n->slots.v[i].attempt);
	if (one_in(3))
		sim.ms += 1000 * below(4); /* the exchange takes its time */
	speak(n, !one_in(4), false);
	beat(n);
}

/* ---- people ---- */

static struct json *new_task(const char *id)
{
	static const char *const odd[] = {"\"\\u00e9\\ud83d\\ude00\"", "{\"deep\": [1, 2.50, {\"a\": null}]}", "1e3",
					  "\"\""};
	struct json_error je;
	struct buf b = {0};
	buf_addf(&b, "{\"script\": \"echo %lld\", \"task_id\": \"%s\", \"timeout_seconds\": %lld", (long long)below(99),
		 id, (long long)(10 + below(100)));
	if (one_in(2))
		buf_addf(&b, ", \"metadata\": %s", odd[below(4)]);
	if (one_in(3))
		buf_addf(&b, ", \"max_attempts\": %lld", (long long)(1 + below(3)));
	if (one_in(3))
		buf_adds(&b, ", \"retry_on_failure\": true");
	if (one_in(4))
		buf_addf(&b, ", \"priority\": %lld, \"env\": {\"A\": \"b\"}, \"x-of\": 1.0", (long long)below(10));
	buf_adds(&b, "}");
	struct json *doc = json_parse(b.data, b.len, &je);
	buf_clear(&b);
	return doc;
}

static void submit(struct actor *a)
{
	struct ledger l = open_as(a, a->id);
	struct ledger_change c[3];
	char ids[3][16], *texts[3];
	struct err e;
	size_t n = 1 + (size_t)below(3);
	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof ids[i], "t%u", sim.tasks++);
		struct json *doc = new_task(ids[i]);
		if (one_in(12))
			json_set(doc, "timeout_seconds", json_new_str("soon")); /* by hand, and wrong */
		texts[i] = task_text(doc);
		c[i] = (struct ledger_change){
		    .id = ids[i], .to = TASK_QUEUE, .create = true, .text = texts[i], .verb = "submit"};
		json_free(doc);
	}
	ledger_commit(&l, a->id, c, n, NULL, NULL, &e);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	ledger_close(&l);
}

/* A merged request, some time, and then its promotion, by a person or by a node. */
static void offer(struct actor *a)
{
	struct ledger l = open_as(a, a->id);
	struct staged_ids all = {0};
	struct staged one = {.verdict = STAGED_LEFT};
	struct err e;
	char *path, name[64];
	snprintf(one.id, sizeof one.id, "offer%u", sim.tasks++);
	struct json *doc = new_task(one.id);
	if (one_in(6))
		json_set(doc, "scirpt", json_new_str("x")); /* nobody looked */
	char *text = task_text(doc);
	path = task_path(TASK_UNAPPROVED, one.id);
	begin_commit("main", a->id, "Merge an offer\n");
	set_file(path, text);
	snprintf(name, sizeof name, "%s <%s@localhost>", a->id, a->id);
	struct arrival by = {.author = name, .committer = name, .at = clock_now()};
	snprintf(by.commit, sizeof by.commit, "@%039lu", sim.mark);
	sim.ms += 1000 * below(60);
	if (one_in(8)) { /* withdrawn */
		begin_commit("main", a->id, "Not that one\n");
		set_file(path, NULL);
	} else {
		const char *who = a->id;
		struct sim_node *n = &sim.nodes[below(NODES)];
		if (n->up && one_in(2)) {
			sim.acts = &n->a;
			who = n->a.id;
		}
		for (int k = 0; k < TASK_N_STATES; k++)
			ledger_ids(&l, (enum task_state)k, &all.in[k]);
		promote_judge(&l, &sim.config, &all, "100644", &by, &one);
		struct staged_list list = {.v = &one, .n = 1};
		promote_land(&l, who, &list, &e);
		for (int k = 0; k < TASK_N_STATES; k++)
			strs_clear(&all.in[k]);
		free(one.why);
		free(one.approver);
		json_free(one.doc);
	}
	json_free(doc);
	free(text);
	free(path);
	ledger_close(&l);
}

/* `dgrid cancel` or `dgrid retry`, of any task that it may be said of. */
static void act(struct actor *a, bool retry)
{
	struct context ctx = {.url = "/nowhere", .branch = "main", .name = a->id, .email = "x@localhost"};
	struct strs ids = {0};
	struct err e;
	for (int s = TASK_UNAPPROVED; s < TASK_N_STATES; s++)
		if (retry == (s == TASK_COMPLETED || s == TASK_FAILED))
			ledger_ids(NULL, (enum task_state)s, &ids);
	if (ids.n) {
		char verb[8], *argv[] = {verb, ids.v[below((int64_t)ids.n)], NULL};
		snprintf(verb, sizeof verb, "%s", retry ? "retry" : "cancel");
		(retry ? cmd_retry : cmd_cancel)(&ctx, 2, argv, &e);
	}
	strs_clear(&ids);
}

static void person_heals(struct actor *a)
{
	struct context ctx = {.url = "/nowhere", .branch = "main", .name = a->id, .email = "x@localhost"};
	char verb[] = "heal", *argv[] = {verb, NULL};
	struct err e;
	cmd_heal(&ctx, 1, argv, &e);
}

static int64_t ended(const struct json *doc)
{
	const char *when = json_str(json_get(doc, "result"), "finished_at");
	int64_t at = clock_now();
	if (when)
		clock_parse(when, &at);
	return at;
}

/* Both commits of upkeep.c: the oldest finished tasks, their totals, and the archive's own. */
static void archive(const char *who, const char *name)
{
	struct strs ids = {0}, failed = {0};
	struct archive_item items[8] = {{.failed = false}};
	char paths[8][96], *texts[8], *message;
	size_t n = 0, excess;
	ledger_ids(NULL, TASK_COMPLETED, &ids);
	size_t completed = ids.n;
	ledger_ids(NULL, TASK_FAILED, &failed);
	for (size_t i = 0; i < failed.n; i++)
		strs_add(&ids, failed.v[i]);
	strs_clear(&failed);
	excess = ids.n > (size_t)sim.config.keep_finished ? ids.n - (size_t)sim.config.keep_finished : 0;
	struct json *totals = parsed(ARCHIVE_TOTALS);
	totals = totals ? totals : json_new(JSON_OBJECT);
	for (size_t i = 0; i < ids.n && n < excess && n < 8; i++) {
		struct archive_item *a = &items[n];
		a->failed = i >= completed;
		char *path = task_path(a->failed ? TASK_FAILED : TASK_COMPLETED, ids.v[i]);
		struct json *doc = parsed(path);
		snprintf(a->id, sizeof a->id, "%s", ids.v[i]);
		a->finished_at = ended(doc);
		a->duration_ms = json_int(json_get(doc, "result"), "duration_ms", 0);
		task_retried_ends(doc, &a->retried_completed, &a->retried_failed);
		snprintf(paths[n], sizeof paths[n], "%s", path);
		texts[n++] = xstrdup(file_at(path)->text);
		archive_count(totals, a);
		json_free(doc);
		free(path);
	}
	if (n) {
		message =
		    xasprintf("%s: archive %zu task%s\n\ndgrid-nonce: 0123456789abcdef\n", who, n, n == 1 ? "" : "s");
		begin_commit("archive", name, message);
		for (size_t i = 0; i < n; i++) {
			char when[32];
			clock_format(items[i].finished_at, when);
			fprintf(sim.out, "M 100644 inline %.4s/%.2s/%.2s/%s.json\n", when, when + 5, when + 8,
				items[i].id);
			put_data(texts[i]);
		}
		begin_commit("main", name, message);
		for (size_t i = 0; i < n; i++)
			set_file(paths[i], NULL);
		char *text = task_text(totals);
		set_file(ARCHIVE_TOTALS, text);
		free(text);
		free(message);
		sim.transitions += (unsigned)n;
	}
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	json_free(totals);
	strs_clear(&ids);
}

static void person_acts(struct actor *a)
{
	sim.acts = a;
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		submit(a);
		break;
	case 3:
		offer(a);
		break;
	case 4:
		act(a, false);
		break;
	case 5:
		act(a, true);
		break;
	case 6:
		person_heals(a);
		break;
	default:
		archive(a->id, a->id);
	}
}

/* ---- one history ---- */

static void begin(void)
{
	static const char *const names[PEOPLE] = {"alice", "bob"};
	int64_t skew = below(61);
	char text[256];
	for (size_t i = 0; i < FILES; i++) {
		free(sim.files[i].text);
		sim.files[i].text = NULL;
	}
	for (int i = 0; i < PEOPLE; i++) {
		sim.people[i] = (struct actor){.skew = below(2 * skew + 1) - skew};
		snprintf(sim.people[i].id, sizeof sim.people[i].id, "%s", names[i]);
	}
	sim.tasks = sim.transitions = 0;
	sim.archived = false;
	sim.acts = &sim.people[0];
	/* Somewhere in the two years before 2026-11. */
	sim.ms = 1000 * (1730000000 + below(63000000));
	snprintf(text, sizeof text,
		 "{\"schema\": 1, \"heartbeat_seconds\": %lld, \"orphan_after_seconds\": %lld, "
		 "\"max_clock_skew_seconds\": %lld, "
		 "\"keep_finished\": %lld, \"retry_backoff_seconds\": %lld%s}\n",
		 (long long)(1 + below(60)), (long long)(5 + below(300)), (long long)skew, (long long)(1 + below(4)),
		 (long long)(1 + below(20)), one_in(2) ? ", \"lease_seconds\": 30" : "");
	begin_commit("main", "alice", "Make this repository a dgrid grid\n");
	set_file("grid.json", text);
	for (int s = 0; s < TASK_N_STATES; s++) {
		char *keep = xasprintf("tasks/%s/.gitkeep", task_state_name((enum task_state)s));
		set_file(keep, "");
		free(keep);
	}
	set_file("nodes/.gitkeep", "");
	ledger_config(NULL, &sim.config, NULL);
	for (int i = 0; i < NODES; i++) {
		struct sim_node *n = &sim.nodes[i];
		*n = (struct sim_node){.a = {.skew = below(2 * skew + 1) - skew}, .reaper = {.patient = true}};
		snprintf(n->a.id, sizeof n->a.id, "n%d", i + 1);
		slots_init(&n->slots, SLOTS);
		n->slots.node_id = n->a.id;
		n->slots.instance = n->instance;
		n->slots.work_dir = "/";
		n->slots.engine = &bwrap;
		n->slots.config = &sim.config;
		n->slots.outbox = &n->outbox;
		n->slots.fit = &n->fit;
		n->outbox.dir = xasprintf("%s/outbox", sim.dir);
	}
}

static void end(void)
{
	for (int i = 0; i < NODES; i++) {
		struct sim_node *n = &sim.nodes[i];
		forget_runs(n);
		for (const struct outcome *o = n->outbox.first; o; o = o->next) {
			char *path = xasprintf("%s/%s.json", n->outbox.dir, o->nonce);
			unlink(path);
			free(path);
		}
		slots_clear(&n->slots);
		outbox_clear(&n->outbox);
		chooser_clear(&n->chooser);
		reaper_clear(&n->reaper);
		selfcheck_clear(&n->fit);
		json_free(n->beat);
	}
	config_clear(&sim.config);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: honest COUNT SEED DIR >stream\n", stderr);
		return 64;
	}
	unsigned count = (unsigned)strtoul(argv[1], NULL, 10), commits = 0, transitions = 0;
	sim.dice = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
	sim.dir = argv[3];
	/* The verbs print to stdout; the stream is another. */
	int fd = dup(1);
	sim.out = fdopen(fd, "w");
	char *tasks = xasprintf("%s/tasks", sim.dir), *outbox = xasprintf("%s/outbox", sim.dir);
	if (!sim.out || !freopen("/dev/null", "w", stdout) || mkdir(tasks, 0700) || mkdir(outbox, 0700)) {
		perror("honest");
		return 70;
	}
	for (sim.history = 0; sim.history < count; sim.history++) {
		begin();
		unsigned long before = sim.mark;
		unsigned least = 10 + (unsigned)below(21);
		for (int turn = 0; sim.transitions < least && turn < 400; turn++) {
			sim.ms += 1000 * (one_in(25) ? below(900) : below(9)) + below(1000);
			if (one_in(4))
				person_acts(&sim.people[below(PEOPLE)]);
			else
				node_acts(&sim.nodes[below(NODES)]);
			if (one_in(10)) { /* an idle node keeps house */
				struct sim_node *n = &sim.nodes[below(NODES)];
				sim.acts = &n->a;
				if (n->up)
					archive(n->a.id, "dgrid");
			}
		}
		end();
		commits += (unsigned)(sim.mark - before);
		transitions += sim.transitions;
	}
	fputs("done\n", sim.out);
	if (fclose(sim.out))
		return 70;
	rmdir(tasks);
	rmdir(outbox);
	free(tasks);
	free(outbox);
	for (size_t i = 0; i < FILES; i++)
		free(sim.files[i].text);
	fprintf(stderr, "%u histories, %u commits, %u transitions\n", count, commits, transitions);
	return 0;
}
