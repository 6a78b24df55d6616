#include "honest_stage.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "schema/periodic.h"
#include "store/origin.h"
#include "store/registry.h"
#include "worker/inputs.h"
#include <stdlib.h>
#include <string.h>

struct stage stage;

/* ---- clock.c: a true time that jumps, and clocks that are off ---- */

static uint64_t random64(void)
{
	stage.dice ^= stage.dice << 13;
	stage.dice ^= stage.dice >> 7;
	stage.dice ^= stage.dice << 17;
	return stage.dice * 2685821657736338717u;
}
int64_t below(int64_t n)
{
	return (int64_t)((random64() >> 16) % (uint64_t)n);
}
bool one_in(int64_t n)
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
#include "base/clock.c" /* for clock_format and clock_parse */
#undef clock_mono_ms
#undef clock_wall_ms
#undef clock_now
#undef clock_nonce
#undef clock_jitter

int64_t clock_mono_ms(void)
{
	return stage.ms;
}
int64_t clock_wall_ms(void)
{
	return stage.ms + (stage.acts ? stage.acts->skew * 1000 : 0);
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

struct file *stage_file(const char *path)
{
	for (size_t i = 0; i < FILES; i++)
		if (stage.files[i].text && !strcmp(stage.files[i].path, path))
			return &stage.files[i];
	return NULL;
}

void stage_data(const char *text)
{
	fprintf(stage.out, "data %zu\n%s\n", strlen(text), text);
}

/* To the tree and to the stream; text NULL: gone. */
void stage_set(const char *path, const char *text)
{
	struct file *f = stage_file(path);
	for (size_t i = 0; i < FILES && !f; i++)
		f = stage.files[i].text ? NULL : &stage.files[i];
	if (!f)
		abort();
	char *fresh = text ? xstrdup(text) : NULL;
	free(f->text);
	f->text = fresh;
	snprintf(f->path, sizeof f->path, "%s", path);
	f->since = clock_now();
	if (text) {
		fprintf(stage.out, "M 100644 inline %s\n", path);
		stage_data(text);
	} else
		fprintf(stage.out, "D %s\n", path);
}

/* Of the branch's next commit, by whoever acts; its changes are to follow. */
void stage_commit(const char *branch, const char *name, const char *message)
{
	int64_t now = clock_now();
	fprintf(stage.out, "commit refs/h/%u/%s\nmark :%lu\nauthor %s <%s@localhost> %lld +0000\n", stage.history,
		branch, ++stage.mark, name, name, (long long)now);
	fprintf(stage.out, "committer %s <%s@localhost> %lld +0000\n", name, name, (long long)now);
	stage_data(message);
}

char *stage_path(enum task_state s, const char *id)
{
	return xasprintf("tasks/%s/%s.json", task_state_name(s), id);
}

/* ---- ledger.c ---- */

int ledger_open(struct ledger *l, const char *url, const char *branch, const char *dir, const char *name,
		const char *email, struct err *e)
{
	(void)dir, (void)e;
	*l = (struct ledger){.url = xstrdup(url), .branch = xstrdup(branch), .tries = 1};
	l->git.dir = xstrdup(stage.dir);
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
void ledger_sign_with(struct ledger *l, const char *key, const char *public_half, const char *why)
{
	(void)l, (void)key, (void)public_half, (void)why;
}
int ledger_may_sign(struct ledger *l, const char *who, struct err *e)
{
	(void)l, (void)who, (void)e;
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
	struct file *f = stage_file("grid.json");
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
		const char *base = stage.files[i].path + n, *dot = strstr(base, ".json");
		if (!stage.files[i].text || strncmp(stage.files[i].path, folder, n) != 0 || !dot || strchr(base, '/'))
			continue;
		char *id = xstrndup(base, (size_t)(dot - base));
		strs_add(out, id);
		free(id);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_text);
}
int ledger_ids(struct ledger *l, enum task_state s, struct strs *out, struct err *e)
{
	(void)l, (void)e;
	char *folder = xasprintf("tasks/%s/", task_state_name(s));
	ids_in(folder, out);
	free(folder);
	return 0;
}
bool ledger_answered(const struct err *e)
{
	return e->class == ERR_NONE || e->class == ERR_NOENT || e->class == ERR_DATA;
}
void registry_ids(struct ledger *l, struct strs *out)
{
	(void)l;
	ids_in("nodes/", out);
}
int registry_ids_in(struct ledger *l, const char *folder, struct strs *out, struct err *e)
{
	(void)l, (void)e;
	ids_in(folder, out);
	return 0;
}
int registry_schedules(struct ledger *l, struct strs *out, struct err *e)
{
	return registry_ids_in(l, PERIODIC_FOLDER, out, e);
}
int registry_file(struct ledger *l, const char *path, struct buf *out, struct err *e)
{
	(void)l;
	struct file *f = stage_file(path);
	if (!f)
		return err_set(e, ERR_NOENT, "no such file");
	buf_adds(out, f->text);
	return 0;
}
int registry_schedule(struct ledger *l, const char *name, struct buf *out, struct err *e)
{
	(void)l;
	char *path = xasprintf(PERIODIC_FOLDER "%s.json", name);
	struct file *f = stage_file(path);
	free(path);
	if (!f)
		return err_set(e, ERR_NOENT, "no such file");
	buf_adds(out, f->text);
	return 0;
}
struct file_stamp registry_schedule_stamp(const struct ledger *l, const char *name)
{
	(void)l, (void)name;
	return (struct file_stamp){.mtime_ns = (int64_t)random64()}; /* always news */
}
int origin_find(const struct git *g, const char *head, const char *spec, const char *const *names, size_t n,
		int64_t *since, struct err *e)
{
	(void)g, (void)head, (void)spec, (void)e;
	for (size_t i = 0; i < n; i++) {
		char *path = xasprintf(PERIODIC_FOLDER "%s.json", names[i]);
		since[i] = stage_file(path)->since;
		free(path);
	}
	return 0;
}
int ledger_read(struct ledger *l, enum task_state s, const char *id, struct buf *out, struct err *e)
{
	(void)l;
	char *path = stage_path(s, id);
	struct file *f = stage_file(path);
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
int ledger_true(struct ledger *l, enum task_state s, const char *id, const struct buf *bytes, struct err *e)
{
	(void)l, (void)s, (void)id, (void)bytes, (void)e;
	return 1;
}
int ledger_shown(struct ledger *l, enum task_state s, const char *id, struct shown *out, struct err *e)
{
	*out = (struct shown){.kind = SHOWN_FILE};
	if (ledger_read(l, s, id, &out->text, e))
		out->kind = SHOWN_NOTHING;
	return 0;
}
int ledger_elsewhere(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	int found = 0;
	(void)l, (void)s, (void)e;
	for (int k = 0; k < TASK_N_STATES; k++) {
		char *path = stage_path((enum task_state)k, id);
		found += stage_file(path) != NULL;
		free(path);
	}
	return found > 1;
}
struct json *stage_json(const char *path)
{
	struct file *f = stage_file(path);
	struct json_error je;
	return f ? json_parse(f->text, strlen(f->text), &je) : NULL;
}
struct json *ledger_doc(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	(void)l;
	char *path = stage_path(s, id);
	struct json *doc = stage_json(path);
	free(path);
	if (!doc)
		err_set(e, ERR_NOENT, "no such file");
	return doc;
}
struct json *registry_node(struct ledger *l, const char *node, struct err *e)
{
	(void)l;
	char *path = xasprintf("nodes/%s.json", node);
	struct json *doc = stage_json(path);
	free(path);
	if (!doc)
		err_set(e, ERR_NOENT, "no such file");
	return doc;
}
int ledger_find(struct ledger *l, const char *id, struct err *e)
{
	int found = -1;
	(void)l, (void)e;
	for (int k = 0; k < TASK_N_STATES; k++) {
		char *path = stage_path((enum task_state)k, id);
		found = stage_file(path) ? k : found;
		free(path);
	}
	return found;
}

/* What one change would write: 1; 0: no longer legal. */
static int apply(struct ledger *l, struct ledger_change *c, char **text)
{
	if (c->path) {
		*text = xstrdup(c->text);
		return 1;
	}
	char *src = stage_path(c->from, c->id);
	bool there = c->create ? ledger_find(l, c->id, NULL) >= 0 : stage_file(src) == NULL;
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
	bool *applied = xcalloc(n + 1, sizeof *applied);
	struct buf body = {0};
	size_t said = 0;
	(void)e;
	for (size_t i = 0; i < n; i++) {
		if (c[i].outcome != CHANGE_PENDING)
			continue;
		l->draft = (struct ledger_draft){c, applied, i};
		applied[i] = apply(l, &c[i], &texts[i]);
		l->draft.n = 0;
		if (!applied[i]) {
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
		stage_commit("main", l->git.name, message);
		for (size_t i = 0; i < n; i++) {
			if (!texts[i])
				continue;
			if (c[i].path) {
				stage_set(c[i].path, texts[i]);
				stage_file(c[i].path)->since = 0;
				continue;
			}
			char *src = stage_path(c[i].from, c[i].id), *dst = stage_path(c[i].to, c[i].id);
			if (!c[i].create && c[i].from != c[i].to)
				stage_set(src, NULL);
			stage_set(dst, texts[i]);
			free(src);
			free(dst);
		}
		if (extra_path)
			stage_set(extra_path, extra_text);
		stage.transitions += (unsigned)said;
		free(message);
	}
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
	free(applied);
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
		if (stage.beats[i].doc) {
			struct beat *b = &out->v[out->n++];
			*b = stage.beats[i];
			b->doc = json_copy(stage.beats[i].doc);
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

bool heartbeats_unread(const struct beats *b, const char *node)
{
	(void)b, (void)node;
	return false;
}

/* ---- runner.c: scripts whose end is drawn ---- */

const char *attempt_status_name(enum attempt_status s)
{
	static const char *const names[] = {"success", "failed", "timeout", "oom", "cancelled", "engine"};
	return names[s];
}
static struct attempt *running;
struct attempt *attempt_start(const struct attempt_spec *spec, struct err *e)
{
	struct attempt *a = xcalloc(1, sizeof *a);
	if (spec->limited && !spec->engine->limits) {
		err_set(e, ERR_UNAVAILABLE, "no control group");
		free(a);
		return NULL;
	}
	*a = (struct attempt){.spec = *spec, .began = clock_now(), .began_ms = clock_mono_ms(), .next = running};
	if (spec->run.turns) {
		snprintf(a->token, sizeof a->token, "%s", spec->run.turns->token);
		a->turns = spec->run.turns->each->n;
	}
	running = a;
	return a;
}
struct attempt *stage_attempt(const void *owner)
{
	struct attempt **link = &running;
	while (*link && (*link)->spec.ctx != owner)
		link = &(*link)->next;
	struct attempt *found = *link;
	if (found)
		*link = found->next;
	return found;
}
bool stage_cancelled(const void *owner)
{
	struct attempt *a = running;
	while (a && a->spec.ctx != owner)
		a = a->next;
	return a && a->cancelled;
}
void attempt_more_time(struct attempt *a, int64_t ms)
{
	a->began = clock_now();
	(void)ms;
}
/* Each with an end of its own; what ends the sandbox ends it in the midst. */
static void end_turns(struct attempt *a, enum attempt_status status)
{
	size_t n = status == ATT_SUCCESS ? a->turns : status == ATT_TIMEOUT ? 0 : (size_t)below((int64_t)a->turns);
	for (size_t i = 0; i < n; i++) {
		int code = one_in(3) ? (int)below(256) : 0;
		for (int stream = 0; stream < 2; stream++) {
			char *text = xasprintf("%s" SCRIPT_MARK "%s %d\n", one_in(3) ? "" : "7\n", a->token, code);
			a->spec.on_output(a->spec.ctx, stream, text, strlen(text));
			free(text);
		}
	}
}
uint64_t attempt_tail(const struct attempt *a, bool of_stderr, size_t max, struct buf *out)
{
	(void)a, (void)of_stderr, (void)max, (void)out;
	return 0;
}
int64_t attempt_began(const struct attempt *a)
{
	return a->began_ms;
}
bool attempt_queued(const struct attempt *a)
{
	(void)a;
	return false;
}

uint64_t attempt_printed(const struct attempt *a)
{
	(void)a;
	return 0;
}
void attempt_cancel(struct attempt *a)
{
	a->cancelled = true;
}
void stage_end(struct attempt *a)
{
	static const enum attempt_status ends[] = {ATT_SUCCESS, ATT_SUCCESS, ATT_SUCCESS, ATT_FAILED,
						   ATT_FAILED,	ATT_FAILED,  ATT_OOM,	  ATT_ENGINE};
	struct attempt_result r = {.status = a->cancelled ? ATT_CANCELLED : ends[below(8)],
				   .exit_code = -1,
				   .started_at = a->began,
				   .finished_at = clock_now()};
	int64_t limit = a->began + a->spec.timeout_ms / 1000;
	if (r.finished_at > limit) { /* it ended long ago, and the node did not come to say so */
		r.finished_at = limit;
		r.status = r.status == ATT_CANCELLED ? ATT_CANCELLED : ATT_TIMEOUT;
	}
	r.duration_ms = clock_mono_ms() - a->began_ms;
	if (r.finished_at == limit && r.duration_ms > a->spec.timeout_ms)
		r.duration_ms = a->spec.timeout_ms;
	if (a->turns)
		end_turns(a, r.status);
	if (r.status <= ATT_FAILED)
		r.exit_code = r.status == ATT_SUCCESS ? 0 : (int)below(255) + 1;
	r.unstarted = one_in(2);
	r.unenforced = !a->spec.limited && (!a->spec.engine->limits || one_in(9));
	r.signal = r.exit_code > 128 && r.exit_code <= 192 ? r.exit_code - 128 : 0;
	r.end = r.status == ATT_TIMEOUT	    ? (a->spec.run.cpu_seconds && one_in(2) ? END_CPU : END_TIME)
		: r.status == ATT_OOM	    ? END_MEMORY
		: r.status == ATT_CANCELLED ? END_CANCEL
		: r.exit_code >= 0	    ? attempt_end_of_code(r.exit_code)
					    : END_UNKNOWN;
	if (one_in(3))
		snprintf(r.reason, sizeof r.reason,
			 "it ran into its limit of %d processes (pids; the grid allows up to max_pids)",
			 a->spec.run.pids);
	r.used = (struct account){.by = one_in(2) ? "cgroup" : "samples",
				  .user_ms = (int64_t)((double)r.duration_ms * a->spec.run.cpus) + below(900),
				  .system_ms = below(100),
				  .peak_kb = below(1 << 19),
				  .read_bytes = one_in(2) ? -1 : (int64_t)below(1 << 20),
				  .written_bytes = one_in(2) ? -1 : 0};
	if (one_in(4))
		r.used.by = NULL;
	snprintf(r.message, sizeof r.message, "no space left");
	buf_addf(&r.out, "%lld\n", (long long)(one_in(4) ? below(1000) : 7)); /* so that votes mostly agree */
	r.out_bytes = r.out.len;
	buf_adds(&r.err, one_in(2)   ? ""
			 : one_in(2) ? "a word\n"
				     : "no UTF-8: \xff\xfe\xc3, and U+FFFD: \xEF\xBF\xBD\n");
	r.err_bytes = r.err.len;
	sha256(r.out.data, r.out.len, r.out_sha256);
	sha256(r.err.data, r.err.len, r.err_sha256);
	if (one_in(5)) { /* cut, as runner.c does it */
		buf_reset(&r.err);
		buf_addf(&r.err, "%s\n[... %d bytes left out ...]\n%s", "the head\xc3", 4000,
			 one_in(2) ? "\xa9 the tail" : "end");
		r.err_bytes = 4000 + 9 + (strstr(r.err.data, "tail") ? 10 : 3);
		r.err_truncated = true;
		sha256(r.err.data, r.err.len, r.err_sha256); /* of more bytes than none */
	}
	a->spec.on_done(a->spec.ctx, &r);
	buf_clear(&r.out);
	buf_clear(&r.err);
	free(a);
}

/* ---- what tasks are given: it is there at once ---- */

int inputs_open(struct inputs *all, const struct filestore *store, const struct engine *g, const char *below,
		int64_t cache_mb, const char *command, struct err *e)
{
	(void)command;
	(void)all;
	(void)store;
	(void)g;
	(void)below;
	(void)cache_mb;
	(void)e;
	return 0;
}

void inputs_close(struct inputs *all)
{
	(void)all;
}

int64_t inputs_held(const struct inputs *all)
{
	(void)all;
	return 0;
}

bool inputs_may(const struct inputs *all, const struct json *doc)
{
	(void)all;
	(void)doc;
	return true;
}

void inputs_want(struct inputs *all, const struct inputs_given *given, struct input_want **out, void *ctx,
		 void (*on_end)(void *ctx, const struct err *e))
{
	(void)all;
	(void)given;
	*out = NULL;
	on_end(ctx, NULL);
}

char *inputs_path(const struct input_want *w, size_t i)
{
	(void)w;
	return xasprintf("/given/%zu", i);
}

void inputs_done(struct input_want *w)
{
	(void)w;
}
