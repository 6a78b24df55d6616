#include "worker/saver.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/treecopy.h"
#include "store/places.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPIES "refs/ck" /* in the store: refs/ck/NONCE has the newest copy */
#define COPY_TIMEOUT_MS 600000
#define AGAIN_MS 5000
#define TIDY_BYTES (256LL << 20) /* by which the store may grow before what is old goes */
#define TIDY_AGE "10.minutes.ago"

struct saving {
	struct saving *next;
	struct saver *all;
	char nonce[33], *from, *to;
	struct tree_limits limits;
	int64_t every_ms, began; /* began: the last copy, monotonic ms */
	struct loop_timer *timer;
	struct proc *proc; /* the copy or the push; NULL: neither is under way */
	bool busy, ended, over, complained;
	uint64_t files, bytes;
	char tree[72];	   /* under way */
	struct json *news; /* that the ledger does not know; NULL: none */
	char newest[72];   /* tree of what was pushed last; "": none */
	char told[72];	   /* tree that the claim names; "": none */
	struct strs refs;  /* that may be at the remote, of this run; when it is over, of earlier ones too */
};
struct saver {
	const struct outputs *outputs;
	int64_t (*may)(void *);
	void *ctx;
	bool heads; /* the host takes no refs/dgrid/ */
	bool stopping;
	unsigned others; /* processes under way that are no run's */
	bool tidying;
	int64_t tidied; /* bytes of the store when it was tidied last */
	struct saving *first;
};

static void begin(void *ctx);
static void push(struct saving *s);

static const struct git *store_of(const struct saving *s)
{
	return &s->all->outputs->store.git;
}

static void forget(struct saving *s)
{
	struct saving **q = &s->all->first;
	while (*q != s)
		q = &(*q)->next;
	*q = s->next;
	loop_timer_stop(s->timer);
	json_free(s->news);
	strs_clear(&s->refs);
	free(s->from);
	free(s->to);
	free(s);
}

/* The copy on disk is no longer needed. */
static void drop_copy(const struct saving *s)
{
	struct err e;
	if (file_remove_tree(s->to, &e))
		log_at(LOG_WARN, "saver", "%s", e.msg);
}

static void later(struct saving *s, int64_t ms)
{
	s->busy = false;
	if (!s->ended && !s->all->stopping)
		s->timer = loop_after(ms > 0 ? ms : 0, begin, s);
}

static void wait_for_next(struct saving *s)
{
	later(s, s->began + s->every_ms - clock_mono_ms());
}

/* Not now; the next time may do. */
static void trouble(struct saving *s, const char *what)
{
	if (!s->complained && !s->ended)
		log_at(LOG_WARN, "saver", "no checkpoint of the run %s could be kept: %.300s", s->nonce, what);
	s->complained = true;
	later(s, s->every_ms < AGAIN_MS ? s->every_ms : AGAIN_MS);
}

/* ---- the push ---- */

static void name_of(const struct saving *s, const char *tree, char ref[PLACE_MAX])
{
	struct place_checkpoint p;
	snprintf(p.nonce, sizeof p.nonce, "%s", s->nonce);
	snprintf(p.tree, sizeof p.tree, "%s", tree);
	place_checkpoint_name(ref, &p, s->all->heads);
}

/* What may go: all but what the ledger names, and what it will name next. */
static bool may_go(const struct saving *s, const char *ref)
{
	struct place_checkpoint p;
	return !place_checkpoint_parse(ref, &p) ||
	       (strcmp(p.tree, s->told) != 0 && strcmp(p.tree, s->tree) != 0 && strcmp(p.tree, s->newest) != 0);
}

static void landed(struct saving *s, const char *ref)
{
	struct strs left = {0};
	char when[32];
	for (size_t i = 0; i < s->refs.n; i++)
		if (strcmp(s->refs.v[i], ref) != 0 && !may_go(s, s->refs.v[i]))
			strs_add(&left, s->refs.v[i]);
	strs_add(&left, ref);
	strs_clear(&s->refs);
	s->refs = left;
	json_free(s->news);
	s->news = json_new(JSON_OBJECT);
	json_set(s->news, "tree", json_new_str(s->tree));
	json_set(s->news, "ref", json_new_str(ref));
	json_set(s->news, "files", json_new_int((int64_t)s->files));
	json_set(s->news, "bytes", json_new_int((int64_t)s->bytes));
	json_set(s->news, "at", json_new_str(clock_format(clock_now(), when)));
	snprintf(s->newest, sizeof s->newest, "%s", s->tree);
	s->complained = false;
	log_at(LOG_DEBUG, "saver", "a checkpoint of the run %s is at the remote: %llu bytes", s->nonce,
	       (unsigned long long)s->bytes);
}

/* A long run leaves many copies, and the store is tidied as a whole only when nothing runs. */
static void pruned(void *ctx, const struct proc_result *res)
{
	struct saver *all = ctx;
	(void)res;
	all->others--;
	all->tidying = false;
	all->tidied = filestore_bytes(&all->outputs->store);
}

static void repacked(void *ctx, const struct proc_result *res)
{
	struct saver *all = ctx;
	struct err e;
	static const char *const args[] = {"prune", "--expire=" TIDY_AGE, NULL};
	if (res->end != PROC_EXITED || res->code || all->stopping ||
	    !git_start(&all->outputs->store.git, args, all, pruned, &e))
		pruned(all, res);
}

static void tidy(struct saver *all)
{
	struct err e;
	static const char *const args[] = {"repack", "-A", "-d", "-l", "--quiet", "--unpack-unreachable=" TIDY_AGE,
					   NULL};
	if (all->tidying || filestore_bytes(&all->outputs->store) < all->tidied + TIDY_BYTES ||
	    !git_start(&all->outputs->store.git, args, all, repacked, &e))
		return;
	all->tidying = true;
	all->others++;
}

static void pushed(void *ctx, const struct proc_result *res)
{
	struct saving *s = ctx;
	struct err e = {0};
	char ref[PLACE_MAX];
	s->proc = NULL;
	name_of(s, s->tree, ref);
	enum push_outcome got = git_push_outcome_of(res, ref, &e);
	if (got == PUSH_LANDED) {
		landed(s, ref);
		tidy(s->all);
		wait_for_next(s);
	} else if (got == PUSH_DECLINED && !s->all->heads) {
		s->all->heads = true;
		push(s);
	} else
		trouble(s, e.msg);
}

static void push(struct saving *s)
{
	struct err e;
	struct strs args = {0};
	char ref[PLACE_MAX];
	static const char *const words[] = {"push", "--porcelain", "--no-verify", "origin"};
	name_of(s, s->tree, ref);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		strs_add(&args, words[i]);
	strs_addf(&args, COPIES "/%s:%s", s->nonce, ref);
	strs_add(&s->refs, ref); /* whatever we hear of it */
	for (size_t i = 0; i < s->refs.n; i++)
		if (may_go(s, s->refs.v[i]))
			strs_addf(&args, ":%s", s->refs.v[i]);
	if (!(s->proc = git_start(store_of(s), (const char *const *)args.v, s, pushed, &e)))
		trouble(s, e.msg);
	strs_clear(&args);
}

static void push_in_turn(void *ctx)
{
	struct saving *s = ctx;
	struct saver *all = s->all;
	int64_t wait = all->may ? all->may(all->ctx) : 0;
	s->timer = NULL;
	if (s->ended || all->stopping)
		s->busy = false;
	else if (wait > 0)
		s->timer = loop_after(wait, push_in_turn, s);
	else
		push(s);
}

/* ---- the copy ---- */

static void imported(void *ctx, const char *tree, const struct err *e)
{
	struct saving *s = ctx;
	drop_copy(s);
	if (!tree)
		trouble(s, e->msg);
	else if (s->ended || !strcmp(tree, s->newest)) /* nothing new */
		wait_for_next(s);
	else {
		snprintf(s->tree, sizeof s->tree, "%s", tree);
		push_in_turn(s);
	}
}

static void copied(void *ctx, const struct proc_result *res)
{
	struct saving *s = ctx;
	struct tree_list list = {.fd = -1};
	struct err e;
	char said[400] = "", *ref = xasprintf(COPIES "/%s", s->nonce);
	s->proc = NULL;
	buf_first_line(&res->err, said, sizeof said);
	bool there = res->end == PROC_EXITED && !res->code, begun = false;
	if (there && !s->ended && tree_list(s->to, &s->limits, &list, &e))
		snprintf(said, sizeof said, "%.390s", e.msg);
	else if (there && !s->ended && list.bytes > CONFIG_GIT_MB * INT64_C(1048576))
		snprintf(said, sizeof said, "it is more than the %d MB that Git is given", CONFIG_GIT_MB);
	else if (there && !s->ended && list.n && !list.over) {
		s->files = list.n;
		s->bytes = (uint64_t)list.bytes;
		begun = filestore_import(&s->all->outputs->store, &list, ref, s, imported, &e) != NULL;
		if (!begun)
			snprintf(said, sizeof said, "%.390s", e.msg);
	}
	bool nothing = there && !begun && !said[0];
	tree_list_clear(&list);
	free(ref);
	if (begun)
		return;
	drop_copy(s);
	if (nothing || s->ended)
		wait_for_next(s);
	else
		trouble(s, said[0] ? said : "what copies it was ended");
}

static void begin(void *ctx)
{
	struct saving *s = ctx;
	struct strs argv = {0};
	struct err e;
	s->timer = NULL;
	s->busy = true;
	s->began = clock_mono_ms();
	drop_copy(s);
	treecopy_argv(s->from, s->to, &s->limits, &argv);
	struct proc_spec spec = {
	    .argv = (const char *const *)argv.v, .timeout_ms = COPY_TIMEOUT_MS, .ctx = s, .on_end = copied};
	if (!(s->proc = proc_start(&spec, &e)))
		trouble(s, e.msg);
	strs_clear(&argv);
}

/* ---- begin and end ---- */

struct saver *saver_start(const struct outputs *outputs, int64_t (*may)(void *ctx), void *ctx)
{
	struct saver *all = xcalloc(1, sizeof *all);
	struct err e;
	*all = (struct saver){.outputs = outputs, .may = may, .ctx = ctx, .tidied = filestore_bytes(&outputs->store)};
	if (filestore_drop(&outputs->store, COPIES, &e)) /* of an earlier process */
		log_at(LOG_WARN, "saver", "%s", e.msg);
	return all;
}

struct saving *saver_begin(struct saver *all, const char *nonce, const struct tree_limits *limits, int64_t every_s)
{
	struct saving *s = xcalloc(1, sizeof *s);
	*s = (struct saving){.next = all->first,
			     .all = all,
			     .from = xasprintf("%s/%s/out", all->outputs->run, nonce),
			     .to = xasprintf("%s/ck-%s", all->outputs->run, nonce),
			     .limits = *limits,
			     .every_ms = every_s * 1000,
			     .began = clock_mono_ms()};
	snprintf(s->nonce, sizeof s->nonce, "%s", nonce);
	all->first = s;
	wait_for_next(s);
	return s;
}

const struct json *saver_news(const struct saving *s)
{
	return s ? s->news : NULL;
}

void saver_told(struct saving *s, const char *tree)
{
	const char *newest = json_str(s->news, "tree");
	snprintf(s->told, sizeof s->told, "%s", tree);
	if (newest && !strcmp(newest, tree)) {
		json_free(s->news);
		s->news = NULL;
	}
}

void saver_end(struct saving *s, bool over, const struct json *doc, const struct json *given)
{
	const struct json *list = json_get(doc, "attempts");
	const char *stays = json_str(given, "ref");
	if (!s)
		return;
	for (const struct json *a = over && list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next) {
		const char *ref = json_str(json_get(a, "saved"), "ref");
		struct place_checkpoint p;
		if (ref && place_checkpoint_parse(ref, &p) && !(stays && !strcmp(ref, stays)))
			strs_add(&s->refs, ref);
	}
	s->ended = true;
	s->over = over;
	loop_timer_stop(s->timer);
	if (s->timer) /* none of the callbacks is under way */
		s->busy = false;
	s->timer = NULL;
}

static void deleted(void *ctx, const struct proc_result *res)
{
	struct saver *all = ctx;
	(void)res; /* what stays goes with dgrid maintain */
	all->others--;
}

static void clear_up(struct saving *s)
{
	struct saver *all = s->all;
	struct strs args = {0};
	struct err e;
	char *here = xasprintf(COPIES "/%s", s->nonce);
	const char *local[] = {"update-ref", "-d", here, NULL};
	static const char *const words[] = {"push", "--quiet", "--no-verify", "origin"};
	if (!git_start(store_of(s), local, NULL, NULL, &e))
		log_at(LOG_WARN, "saver", "%s", e.msg);
	free(here);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		strs_add(&args, words[i]);
	for (size_t i = 0; i < s->refs.n && s->over; i++)
		strs_addf(&args, ":%s", s->refs.v[i]);
	if (s->refs.n && s->over && git_start(store_of(s), (const char *const *)args.v, all, deleted, &e))
		all->others++;
	strs_clear(&args);
	forget(s);
}

void saver_look(struct saver *all, const struct outbox *outbox)
{
	struct saving *next;
	for (struct saving *s = all ? all->first : NULL; s; s = next) {
		next = s->next;
		if (s->ended && !s->busy && !outbox_has(outbox, s->nonce))
			clear_up(s);
	}
}

void saver_stop(struct saver *all, const struct outbox *outbox)
{
	if (!all)
		return;
	all->stopping = true;
	for (struct saving *s = all->first; s; s = s->next)
		if (!s->ended)
			saver_end(s, false, NULL, NULL);
	for (struct saving *s = all->first; s; s = s->next)
		while (s->busy) {
			if (s->proc)
				proc_signal(s->proc, SIGTERM);
			loop_step(1000);
		}
	saver_look(all, outbox);
	while (all->others)
		loop_step(1000);
	while (all->first)
		forget(all->first);
	free(all);
}
