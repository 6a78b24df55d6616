#include "worker/builds.h"
#include "base/clock.h"
#include "base/collect.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "schema/dockerfile.h"
#include "store/trust.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_MS 1800000    /* the longest that one may take */
#define BUILD_MAX_MB 10240  /* the largest image that one may make */
#define WAIT_FIRST_MS 60000 /* after a failure, then twice as long each time */
#define WAIT_MOST_MS 21600000
#define PATIENCE_MS 60000
#define KEPT 8192 /* bytes of what a build says */
#define SAID 300  /* of them are told */

struct build_try {
	char tree[72];
	char *image;
	bool built;
	int64_t at, until, wait_ms; /* at: UTC seconds; until: monotonic, not before */
	char said[SAID + 100];	    /* why it failed; its digest */
};
enum build_state { BUILD_FETCHING, BUILD_FETCHED, BUILD_RUNNING, BUILD_ENDED };
struct build {
	enum build_state state;
	char tree[72];
	char *image, *dir, *file;
	struct json *doc; /* names its input as a task does */
	struct input_want *want;
	struct proc *proc;
	struct collector out;
	int64_t began; /* UTC seconds */
	bool failed;
	char why[SAID + 100];
};

static bool allows(const struct builds *b)
{
	return b->allowed && engine_builds(b->engine);
}

static struct build_try *try_of(struct builds *b, const char *tree, const char *image)
{
	for (size_t i = 0; i < b->n_tried; i++)
		if (!strcmp(b->tried[i].tree, tree) && !strcmp(b->tried[i].image, image))
			return &b->tried[i];
	b->tried = xrealloc(b->tried, (b->n_tried + 1) * sizeof *b->tried);
	struct build_try *t = &b->tried[b->n_tried++];
	*t = (struct build_try){.image = xstrdup(image)};
	snprintf(t->tree, sizeof t->tree, "%s", tree);
	return t;
}

/* ---- one build ---- */

static void fail(struct build *n, const char *why)
{
	n->state = BUILD_ENDED;
	n->failed = true;
	snprintf(n->why, sizeof n->why, "%.*s", SAID, why);
}

static void fetched(void *ctx, const struct err *e)
{
	struct build *n = ctx;
	n->state = BUILD_FETCHED;
	if (e)
		fail(n, e->msg);
}

static void takes_output(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	(void)s;
	collector_add(&((struct build *)ctx)->out, bytes, len);
}

/* The end of what it said is why it failed. */
static void tell_failure(struct build *n, const struct proc_result *res)
{
	struct buf tail = {0}, clean = {0};
	char why[SAID + 100];
	collector_tail(&n->out, SAID - 60, &tail);
	while (tail.len && strchr(" \r\n", tail.data[tail.len - 1]))
		tail.len--;
	text_clean(&clean, tail.data ? tail.data : "", tail.len, SAID - 60);
	if (res->end == PROC_TIMED_OUT)
		snprintf(why, sizeof why, "it took longer than %d minutes", BUILD_MS / 60000);
	else
		snprintf(why, sizeof why, "%s", clean.len ? clean.data : "the engine's client was ended");
	fail(n, why);
	buf_clear(&tail);
	buf_clear(&clean);
}

static void ended(void *ctx, const struct proc_result *res)
{
	struct build *n = ctx;
	n->proc = NULL;
	n->state = BUILD_ENDED;
	if (res->end != PROC_EXITED || res->code)
		tell_failure(n, res);
}

static void run(struct builds *b, struct build *n)
{
	struct strs argv = {0}, bases = {0};
	struct err e;
	n->dir = inputs_path(n->want, 0);
	int rc = n->dir ? dockerfile_of(n->dir, b->config, &n->file, &bases, &e)
			: err_set(&e, ERR_DATA, "its tree is no folder");
	for (size_t i = 0; i < bases.n && !rc; i++)
		rc = engine_base(b->engine, bases.v[i], &e);
	strs_clear(&bases);
	if (rc) {
		fail(n, e.msg);
		return;
	}
	const struct engine_build build = {.tree = n->tree, .dir = n->dir, .file = n->file, .network = b->network};
	engine_build_argv(b->engine, &build, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .timeout_ms = BUILD_MS,
				 .ctx = n,
				 .on_output = takes_output,
				 .on_end = ended};
	n->state = BUILD_RUNNING;
	n->proc = proc_start(&spec, &e);
	if (!n->proc)
		fail(n, e.msg);
	strs_clear(&argv);
}

static void begin(struct builds *b, const char *image, const char *tree)
{
	struct build *n = xcalloc(1, sizeof *n);
	struct json *inputs = json_new(JSON_OBJECT), *one = json_new(JSON_OBJECT);
	*n = (struct build){.image = xstrdup(image), .doc = json_new(JSON_OBJECT), .began = clock_now()};
	snprintf(n->tree, sizeof n->tree, "%s", tree);
	json_set(one, "tree", json_new_str(tree));
	json_set(inputs, "build", one);
	json_set(n->doc, "inputs", inputs);
	collector_init(&n->out, KEPT);
	b->now = n;
	log_at(LOG_INFO, "builds", "building image %s from the tree %.12s; nothing is claimed meanwhile", image, tree);
	const struct inputs_given given = {.doc = n->doc,
					   .limits = {.mb = b->config->max_in_mb, .files = b->config->max_in_files}};
	inputs_want(b->inputs, &given, &n->want, n, fetched);
}

static void drop(struct builds *b)
{
	struct build *n = b->now;
	b->now = NULL;
	inputs_done(n->want);
	collector_clear(&n->out);
	json_free(n->doc);
	free(n->image);
	free(n->dir);
	free(n->file);
	free(n);
}

static void refuse(struct build_try *t, const char *why)
{
	t->built = false;
	t->at = clock_now();
	t->wait_ms = clock_longer(t->wait_ms, WAIT_FIRST_MS, WAIT_MOST_MS);
	t->until = clock_mono_ms() + t->wait_ms;
	snprintf(t->said, sizeof t->said, "%s", why);
	log_at(LOG_ERROR, "builds", "image %s is not built: %s; it is tried again in %lld min", t->image, why,
	       (long long)(t->wait_ms / 60000));
}

static void conclude(struct builds *b)
{
	struct build *n = b->now;
	struct build_try *t = try_of(b, n->tree, n->image);
	char id[96] = "";
	int64_t mb = 0;
	struct err e;
	if (!n->failed && engine_built(b->engine, n->tree, id, &mb, &e))
		fail(n, e.msg);
	if (!n->failed && mb > BUILD_MAX_MB) {
		snprintf(n->why, sizeof n->why, "it has %lld MB (at most %d)", (long long)mb, BUILD_MAX_MB);
		n->failed = true;
		if (engine_drop_built(b->engine, n->tree, &e))
			log_at(LOG_WARN, "builds", "%s", e.msg);
	}
	if (n->failed)
		refuse(t, n->why);
	else {
		t->built = true;
		t->at = clock_now();
		t->wait_ms = 0;
		snprintf(t->said, sizeof t->said, "%s", id);
		log_at(LOG_INFO, "builds", "image %s is built from the tree %.12s: %s, %lld MB", n->image, n->tree, id,
		       (long long)mb);
	}
	selfcheck_look_again(b->fit, n->image);
	selfcheck_image(b->fit, b->engine, b->config, n->image);
	b->wanted_at = 0;
	drop(b);
}

/* ---- which ---- */

/* Where only signed tasks run, whoever may write to grid.json alone may not have commands run here. */
static bool may(struct builds *b, const struct json *order, struct build_try *t)
{
	struct trust_verdict v;
	struct err e;
	if (!b->config->require_signed_tasks)
		return true;
	if (!json_time(order, "ordered_at"))
		refuse(t, "its order does not say when it was made (order it again: dgrid image --build --sign)");
	else if (trust_judge_new(&b->ledger->git, b->ledger->head, order, &v, &e))
		refuse(t, e.msg);
	else if (!v.ok)
		refuse(t, v.why);
	else
		return true;
	return false;
}

/* The first that is not here, and may be tried now. */
static const char *next(struct builds *b)
{
	for (int i = 0; b->config->images[i]; i++) {
		const char *image = b->config->images[i], *tree = config_build(b->config, image);
		if (tree && try_of(b, tree, image)->until <= clock_mono_ms() &&
		    !selfcheck_image(b->fit, b->engine, b->config, image))
			return image;
	}
	return NULL;
}

bool builds_step(struct builds *b, bool idle)
{
	if (!allows(b))
		return false;
	if (b->now && b->now->state == BUILD_FETCHED)
		run(b, b->now);
	if (b->now && b->now->state == BUILD_ENDED) {
		conclude(b);
		return true;
	}
	if (b->now)
		return false;
	const char *found = next(b);
	char *image = found ? xstrdup(found) : NULL; /* the settings may be others once the engine was asked */
	const struct json *order = image ? config_build_order(b->config, image) : NULL;
	bool was = b->due;
	b->due = order != NULL;
	b->wanted_at = b->due ? b->wanted_at : 0;
	bool begins = b->due && idle;
	if (begins) {
		char *tree = xstrdup(json_str(order, "build"));
		if (may(b, order, try_of(b, tree, image)))
			begin(b, image, tree);
		free(tree);
	}
	free(image);
	return begins || b->due != was;
}

void builds_wanted(struct builds *b)
{
	if (allows(b) && !b->wanted_at)
		b->wanted_at = clock_mono_ms();
}

bool builds_hold(const struct builds *b)
{
	return b->now || (b->due && b->wanted_at && clock_mono_ms() - b->wanted_at >= PATIENCE_MS);
}

bool builds_busy(const struct builds *b)
{
	return b->now || b->due;
}

/* ---- told ---- */

static void set_time(struct json *to, const char *name, int64_t utc_seconds)
{
	char when[32];
	json_set(to, name, json_new_str(clock_format(utc_seconds, when)));
}

struct json *builds_doc(const struct builds *b)
{
	if (!allows(b))
		return NULL;
	struct json *all = json_new(JSON_OBJECT);
	for (size_t i = 0; i < b->n_tried; i++) {
		const struct build_try *t = &b->tried[i];
		const char *tree = config_build(b->config, t->image);
		if (!t->at || !tree || strcmp(tree, t->tree) != 0)
			continue;
		struct json *one = json_new(JSON_OBJECT);
		json_set(one, "build", json_new_str(t->tree));
		json_set(one, "state", json_new_str(t->built ? "built" : "failed"));
		set_time(one, "at", t->at);
		json_set(one, t->built ? "digest" : "why", json_new_str(t->said));
		if (!t->built)
			set_time(one, "again_at", t->at + t->wait_ms / 1000);
		json_set(all, t->image, one);
	}
	if (b->now) {
		struct json *one = json_new(JSON_OBJECT);
		json_set(one, "build", json_new_str(b->now->tree));
		json_set(one, "state", json_new_str("building"));
		set_time(one, "at", b->now->began);
		json_set(all, b->now->image, one);
	}
	return all;
}

void builds_clear(struct builds *b)
{
	if (b->now) {
		proc_end_now(&b->now->proc);
		drop(b);
	}
	for (size_t i = 0; i < b->n_tried; i++)
		free(b->tried[i].image);
	free(b->tried);
	b->tried = NULL;
	b->n_tried = 0;
}
