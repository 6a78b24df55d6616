#include "store/heartbeat.h"
#include "base/clock.h"
#include "base/log.h"
#include "git/clone.h"
#include "git/push.h"
#include "schema/node.h"
#include "store/tails.h"
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5000	      /* after the first failure; then twice as rarely as it beats */
#define BUSY_MS 60000	      /* where the host says that it was asked too often */
#define BEAT_MAX 65536	      /* bytes of a beat that are read */
#define TAILS_PAUSE_MS 600000 /* after the host declined them */
#define FETCHED HEARTBEAT_REF
#define FALLBACK HEARTBEAT_FALLBACK
#define FETCHED_FALLBACK "refs/dgrid/heartbeats-heads"

struct heartbeat {
	const struct git *git;
	char *node;
	struct json *(*say)(void *);
	int64_t (*may)(void *);
	struct json *(*tails)(void *);
	void *ctx;
	int64_t every_ms;
	struct loop_timer *timer;
	bool busy, again, heads, told, stopping, shown;
	bool forward;	       /* the host takes no forced pushes: each beat follows the last */
	bool followed;	       /* and one landed so */
	bool fetched;	       /* our own ref could be had from there */
	char *text;	       /* of the beat under way */
	char declined[256];    /* what the host said */
	char last[72];	       /* the beat that is there; "": none that we know of */
	struct proc *git_runs; /* NULL: none */
	bool asking;	       /* one of the owner's functions is under way */
	char tree[72], commit[72];
	char tail[72];	 /* the commit of the tails that goes along; "": none */
	bool tail_shown; /* the remote has tails of ours that are not empty */
	bool tail_known; /* and has a ref for them */
	bool tail_empty, tail_declined;
	int64_t no_tails_until;	 /* monotonic ms */
	int64_t beat_at, due_at; /* monotonic ms: when the last began, when the next will */
	int64_t shown_at;	 /* when the last that landed began */
	unsigned pushes;
};

static void beat(void *ctx);

static void schedule(struct heartbeat *h, int64_t ms)
{
	loop_timer_stop(h->timer); /* there is one next beat, never two */
	h->timer = NULL;
	h->due_at = clock_mono_ms() + ms;
	if (!h->stopping)
		h->timer = loop_after(ms, beat, h);
}

static void trouble(struct heartbeat *h, const char *what)
{
	if (!h->told)
		log_at(LOG_WARN, "heartbeat", "cannot be published: %s; trying again", what);
	int64_t busy = push_too_many(what) ? BUSY_MS : 0;
	schedule(h, busy > h->every_ms	     ? busy
		    : h->told		     ? 2 * h->every_ms
		    : h->every_ms < RETRY_MS ? h->every_ms
					     : RETRY_MS);
	h->told = true;
	h->busy = h->again = false;
}

static void start_push(struct heartbeat *h, void (*on_end)(void *, const struct proc_result *))
{
	struct err e;
	char *spec = xasprintf("%s%s:%s/%s", h->forward ? "" : "+", h->commit, h->heads ? FALLBACK : FETCHED, h->node);
	char *tail = xasprintf("+%s:%s/%s", h->tail, h->heads ? TAILS_FALLBACK : TAILS_REF, h->node);
	const char *args[] = {"push", "--porcelain", "--no-verify", "origin", spec, h->tail[0] ? tail : NULL, NULL};
	h->pushes++;
	if (!(h->git_runs = git_start(h->git, args, h, on_end, &e)))
		trouble(h, e.msg);
	free(spec);
	free(tail);
}

static void made(void *ctx, const struct proc_result *res);
static void pushed(void *ctx, const struct proc_result *res);

static void make(struct heartbeat *h)
{
	struct err e;
	const char *args[] = {"commit-tree", "-m", h->text, h->tree, h->forward ? "-p" : NULL, h->last, NULL};
	if (!(h->git_runs = git_start(h->git, args, h, made, &e)))
		trouble(h, e.msg);
}

/* The host takes nothing at refs/dgrid/: neither a forced push, nor one that follows the last. */
static void use_branch(struct heartbeat *h)
{
	log_at(LOG_INFO, "heartbeat", "the host refuses refs/dgrid/ (%s): using a branch instead", h->declined);
	h->heads = true;
	h->tail_declined = h->forward = false;
	start_push(h, pushed);
}

static void own_read(void *ctx, const struct proc_result *res)
{
	struct heartbeat *h = ctx;
	const char *out = res->out.data ? res->out.data : "";
	size_t n = strcspn(out, "\n");
	h->git_runs = NULL;
	if (!h->heads && (!h->fetched || res->end != PROC_EXITED || res->code || !n)) {
		use_branch(h);
		return;
	}
	if (res->end != PROC_EXITED || res->code || !n || n >= sizeof h->last) {
		trouble(h, h->declined);
		return;
	}
	snprintf(h->last, sizeof h->last, "%.*s", (int)n, out);
	h->forward = true;
	log_at(LOG_INFO, "heartbeat", "the host refuses forced pushes (%s): each beat follows the last", h->declined);
	make(h);
}

static void own_fetched(void *ctx, const struct proc_result *res)
{
	struct heartbeat *h = ctx;
	struct err e;
	char *ref = xasprintf("%s/%s", h->heads ? FETCHED_FALLBACK : FETCHED, h->node);
	const char *args[] = {"rev-parse", "--verify", "--quiet", ref, NULL};
	h->fetched = res->end == PROC_EXITED && !res->code; /* else it may be there from before */
	if (!(h->git_runs = git_start(h->git, args, h, own_read, &e)))
		trouble(h, e.msg);
	free(ref);
}

/* Where each beat has to follow the last, which may be another process's: what is there? */
static void go_forward(struct heartbeat *h, const char *declined)
{
	struct err e;
	char *spec = xasprintf("+%s/%s:%s/%s", h->heads ? FALLBACK : FETCHED, h->node,
			       h->heads ? FETCHED_FALLBACK : FETCHED, h->node);
	const char *args[] = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", spec, NULL};
	snprintf(h->declined, sizeof h->declined, "%.*s", (int)sizeof h->declined - 1, declined);
	if (!(h->git_runs = git_start(h->git, args, h, own_fetched, &e)))
		trouble(h, e.msg);
	free(spec);
}

static void pushed(void *ctx, const struct proc_result *res)
{
	struct heartbeat *h = ctx;
	struct err e;
	h->git_runs = NULL;
	enum push_outcome got = git_push_outcome(res, &e);
	if (got == PUSH_DECLINED && h->tail[0]) { /* the sign of life is worth more */
		h->tail[0] = 0;
		h->tail_declined = true;
		start_push(h, pushed);
		return;
	}
	if (got == PUSH_DECLINED && !h->forward) {
		go_forward(h, e.msg);
		return;
	}
	if (got == PUSH_DECLINED && !h->heads && !h->followed) {
		use_branch(h);
		return;
	}
	if (got == PUSH_DECLINED)
		h->forward = h->followed = false; /* what is there is not what we think: looked at with the next */
	if (got != PUSH_LANDED) {
		trouble(h, e.msg);
		return;
	}
	if (h->tail_declined) {
		h->no_tails_until = clock_mono_ms() + TAILS_PAUSE_MS;
		log_at(LOG_WARN, "heartbeat",
		       "the host declined the tails of running tasks; they are left out for a while");
	}
	if (h->tail[0]) {
		h->tail_shown = !h->tail_empty;
		h->tail_known = true;
	}
	h->tail_declined = false;
	h->told = false;
	h->busy = false;
	h->shown = true;
	h->shown_at = h->beat_at;
	h->followed = h->forward;
	snprintf(h->last, sizeof h->last, "%s", h->commit);
	/* A little early and late, so that a grid started at once does not beat at once. */
	char dice[9];
	clock_nonce(dice, 4);
	int64_t jitter = h->every_ms / 10 + 1;
	schedule(h, h->again ? 0 : h->every_ms - (int64_t)(strtoul(dice, NULL, 16) % (unsigned long)jitter));
	h->again = false;
}

static void made_tail(void *ctx, const struct proc_result *res)
{
	struct heartbeat *h = ctx;
	h->git_runs = NULL;
	const char *out = res->out.data ? res->out.data : "";
	size_t n = strcspn(out, "\n");
	if (res->end == PROC_EXITED && !res->code && n < sizeof h->tail)
		snprintf(h->tail, sizeof h->tail, "%.*s", (int)n, out);
	start_push(h, pushed);
}

static void add_tails(struct heartbeat *h)
{
	bool may = h->tails && clock_mono_ms() >= h->no_tails_until;
	h->asking = true;
	struct json *doc = may ? h->tails(h->ctx) : NULL;
	h->asking = false;
	struct buf text = {0};
	struct err e;
	h->tail[0] = 0;
	h->tail_empty = !doc;
	if (doc)
		json_write(&text, doc, 0);
	else
		buf_adds(&text, "{\"schema\":1,\"tasks\":[]}"); /* what has ended is in the ledger */
	json_free(doc);
	/* By stdin: what a task prints shows in no list of processes. */
	const char *args[] = {"commit-tree", "-F", "-", h->tree, NULL};
	if (h->tail_empty && !h->tail_shown)
		start_push(h, pushed);
	else if (!(h->git_runs = git_start_input(h->git, text.data, text.len, args, h, made_tail, &e)))
		trouble(h, e.msg);
	buf_clear(&text);
}

static void made(void *ctx, const struct proc_result *res)
{
	struct heartbeat *h = ctx;
	h->git_runs = NULL;
	const char *out = res->out.data ? res->out.data : "";
	if (res->end != PROC_EXITED || res->code || strcspn(out, "\n") >= sizeof h->commit) {
		trouble(h, res->err.data ? res->err.data : "git commit-tree failed");
		return;
	}
	snprintf(h->commit, sizeof h->commit, "%.*s", (int)strcspn(out, "\n"), out);
	add_tails(h);
}

static void beat(void *ctx)
{
	struct heartbeat *h = ctx;
	struct buf text = {0};
	h->timer = NULL;
	h->asking = true;
	int64_t wait = h->may ? h->may(h->ctx) : 0;
	struct json *doc = wait > 0 ? NULL : h->say(h->ctx);
	h->asking = false;
	if (wait > 0) {
		schedule(h, wait);
		return;
	}
	h->beat_at = clock_mono_ms();
	h->busy = true;
	json_write(&text, doc, 0);
	json_free(doc);
	free(h->text);
	h->text = buf_detach(&text);
	make(h);
}

struct heartbeat *heartbeat_start(const struct git *g, const char *node, struct json *(*say)(void *ctx),
				  int64_t (*may)(void *ctx), void *ctx, int64_t every_ms)
{
	struct heartbeat *h = xcalloc(1, sizeof *h);
	struct buf b = {0};
	struct err e;
	*h = (struct heartbeat){
	    .git = g, .node = xstrdup(node), .say = say, .may = may, .ctx = ctx, .every_ms = every_ms};
	const char *mktree[] = {"mktree", NULL}; /* of nothing: the empty tree */
	if (git_run(g, &b, &e, mktree))
		log_at(LOG_ERROR, "heartbeat", "%s", e.msg);
	snprintf(h->tree, sizeof h->tree, "%.*s", (int)strcspn(b.data ? b.data : "", "\n"), b.data ? b.data : "");
	buf_clear(&b);
	schedule(h, 0);
	return h;
}

void heartbeat_tails(struct heartbeat *h, struct json *(*tails)(void *ctx))
{
	h->tails = tails;
}

void heartbeat_every(struct heartbeat *h, int64_t every_ms)
{
	h->every_ms = every_ms;
}

void heartbeat_now(struct heartbeat *h)
{
	assert(!h->asking);
	if (h->busy) {
		h->again = true;
		return;
	}
	schedule(h, 0);
}

void heartbeat_news(struct heartbeat *h, int64_t least_ms)
{
	int64_t now = clock_mono_ms(), at = h->beat_at + least_ms;
	assert(!h->asking);
	if (h->busy || h->told || at >= h->due_at || now < h->no_tails_until)
		return;
	schedule(h, at > now ? at - now : 0);
}

void heartbeat_put_off(struct heartbeat *h)
{
	assert(!h->asking);
	if (h->busy || h->again)
		return;
	schedule(h, h->every_ms);
}

bool heartbeat_shown(const struct heartbeat *h)
{
	return h->shown;
}

int64_t heartbeat_shown_at(const struct heartbeat *h)
{
	return h->shown_at;
}

bool heartbeat_busy(const struct heartbeat *h)
{
	return h->busy;
}

unsigned heartbeat_pushes(const struct heartbeat *h)
{
	return h->pushes;
}

void heartbeat_quiet(struct heartbeat *h, bool (*given_up)(void))
{
	if (!h)
		return;
	h->stopping = true;
	loop_timer_stop(h->timer);
	h->timer = NULL;
	while (h->busy) {
		if (given_up && given_up() && h->git_runs)
			proc_signal(h->git_runs, SIGKILL);
		loop_step(100);
	}
}

void heartbeat_stop(struct heartbeat *h, bool remove, bool (*given_up)(void))
{
	if (!h)
		return;
	heartbeat_quiet(h, given_up);
	if (remove && h->commit[0]) {
		struct err e;
		char *spec = xasprintf(":%s/%s", h->heads ? FALLBACK : FETCHED, h->node);
		char *tail = xasprintf(":%s/%s", h->heads ? TAILS_FALLBACK : TAILS_REF, h->node);
		const char *args[] = {"push", "--quiet", "--no-verify", "origin", spec, h->tail_known ? tail : NULL,
				      NULL};
		if (git_run(h->git, NULL, &e, args))
			log_at(LOG_DEBUG, "heartbeat", "its ref stays: %s", e.msg);
		free(spec);
		free(tail);
	}
	free(h->node);
	free(h->text);
	free(h);
}

const char *const heartbeat_specs[] = {"+" FETCHED "/*:" FETCHED "/*", "+" FALLBACK "/*:" FETCHED_FALLBACK "/*", NULL};

int heartbeats_fetch(const struct git *g, struct err *e)
{
	const char *args[] = {"fetch",	"--quiet",	    "--prune",		"--no-tags", "--no-write-fetch-head",
			      "origin", heartbeat_specs[0], heartbeat_specs[1], NULL};
	int rc = git_run(g, NULL, e, args);
	return rc && clone_forget_lost(g) ? git_run(g, NULL, e, args) : rc;
}

/* The message of a commit as git keeps it. */
static const char *message_of(const char *commit, size_t len)
{
	const char *blank = memmem(commit, len, "\n\n", 2);
	return blank ? blank + 2 : commit + len;
}

struct reading {
	struct beats *out;
	struct strs oids; /* to be read: */
	size_t *at;	  /* into out */
};

/* "OID TYPE SIZE NODE": sizes first, so that no memory is needed for what is too large. */
static void take_ref(void *ctx, const char *record)
{
	struct reading *r = ctx;
	struct beat one = {0};
	char type[16];
	unsigned long long size;
	record += strspn(record, "\n"); /* of the record before */
	if (sscanf(record, "%71s %15s %llu %64s", one.oid, type, &size, one.node) != 4)
		return;
	struct beats *out = r->out;
	if (!(out->n & (out->n - 1))) { /* full at each power of two */
		size_t room = out->n ? 2 * out->n : 1;
		out->v = xrealloc(out->v, room * sizeof *out->v);
		r->at = xrealloc(r->at, room * sizeof *r->at);
	}
	if (!strcmp(type, "commit") && size <= BEAT_MAX) {
		r->at[r->oids.n] = out->n;
		strs_add(&r->oids, one.oid);
	}
	out->v[out->n++] = one;
}

struct json *heartbeat_of_commit(const char *commit, size_t len)
{
	struct json_error je;
	const char *text = commit ? message_of(commit, len) : NULL;
	struct json *doc = text && len <= BEAT_MAX ? json_parse(text, len - (size_t)(text - commit), &je) : NULL,
		    *beat = doc ? node_beat_of(doc) : NULL;
	json_free(doc);
	return beat;
}

static void take_beat(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct reading *r = ctx;
	r->out->v[r->at[i]].doc = heartbeat_of_commit(bytes, len);
}

int heartbeats_read(const struct git *g, struct beats *out, struct err *e)
{
	const char *args[] = {
	    "for-each-ref", "--format=%(objectname) %(objecttype) %(objectsize) %(refname:lstrip=3)%00",
	    FETCHED "/",    FETCHED_FALLBACK "/",
	    FALLBACK "/",   NULL};
	struct reading r = {.out = out};
	*out = (struct beats){0};
	int rc = git_records(g, args, take_ref, &r, e);
	if (!rc && r.oids.n)
		rc = git_cat(g, "commit", r.oids.v, r.oids.n, BEAT_MAX, take_beat, &r, e);
	strs_clear(&r.oids);
	free(r.at);
	return rc;
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
		if (b->v[i].doc && !strcmp(b->v[i].node, node))
			return b->v[i].doc;
	return NULL;
}

bool heartbeats_unread(const struct beats *b, const char *node)
{
	bool there = false;
	for (size_t i = 0; i < b->n; i++)
		there = there || !strcmp(b->v[i].node, node);
	return there && !heartbeats_of(b, node);
}
