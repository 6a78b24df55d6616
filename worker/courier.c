#include "worker/courier.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/places.h"
#include "worker/dayref.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MIN_MS 1000
#define WAIT_MAX_MS 60000
#define BATCH_BYTES (1LL << 30) /* of one push */
#define BATCH_MAX 500		/* tasks */
#define TIDY_BYTES (64LL << 20)
#define LEND_BYTES (256LL << 10) /* of one push: a lost race sends it again */
#define ENTRY_BYTES 100		 /* of a file's name, about */
#define APART_MAX 64

struct courier {
	const struct filestore *store;
	struct outbox *outbox;
	int64_t (*may)(void *);
	void *ctx;
	struct loop_timer *timer;
	bool busy, stopping, told;
	bool heads; /* the host takes no refs/dgrid/ */
	bool alone; /* it declined several tasks' files together: one task a push finds out whose */
	bool tried_heads;
	bool doubted;	/* before a decline is believed, the remote is asked whether its ref is as we left it */
	bool lent;	/* the commit is the exchange's, until courier_settle */
	bool no_atomic; /* the host knows no push that is all or nothing */
	unsigned apart, declined; /* so many pushes of its own first; how often in a row one with the ledger's was */
	struct push_beside beside;
	struct dayref ref;
	char commit[72];
	struct strs batch;	 /* nonces of the outcomes that the push is for */
	int64_t wait_ms, tidied; /* tidied: bytes of the store when it was tidied last; 0: not yet */
	unsigned pushes;
};

static void begin(void *ctx);
static void push(struct courier *c);

static struct outcome *find(const struct courier *c, const char *nonce)
{
	struct outcome *i = c->outbox->first;
	while (i && strcmp(i->nonce, nonce) != 0)
		i = i->next;
	return i;
}

/* What says that it left files. */
static struct json *told(const struct outcome *i)
{
	return i->result ? i->result : i->kept;
}

static const struct json *out_of(const struct outcome *i)
{
	return json_get(told(i), "out");
}

static void later(struct courier *c, int64_t ms)
{
	c->busy = false;
	if (!c->stopping && !c->timer)
		c->timer = loop_after(ms, begin, c);
}

static void trouble(struct courier *c, const char *what)
{
	if (!c->told)
		log_at(LOG_WARN, "outputs", "cannot be brought to the remote: %s; trying again", what);
	c->told = true;
	c->wait_ms = clock_longer(c->wait_ms, WAIT_MIN_MS, WAIT_MAX_MS);
	later(c, clock_jitter(c->wait_ms));
}

/* It waits no longer. why NULL: its files are at the remote. */
static void release(struct courier *c, struct outcome *i, const char *ref, const char *why)
{
	if (why) {
		json_remove(told(i), "out");
		json_set(told(i), "out_error", json_new_str(why));
		log_at(LOG_WARN, "outputs", "what %s left is lost: %s", i->id, why);
	} else {
		struct json *out = json_copy(out_of(i));
		json_set(out, "ref", json_new_str(ref));
		json_set(told(i), "out", out);
	}
	i->waits = false;
	outbox_save(c->outbox, i);
}

/* ---- one push ---- */

static void forget(struct courier *c)
{
	c->commit[0] = 0;
	strs_clear(&c->batch);
}

static void landed(struct courier *c, const char *ref)
{
	uint64_t bytes = 0;
	for (size_t k = 0; k < c->batch.n; k++) {
		struct outcome *i = find(c, c->batch.v[k]);
		if (!i || !out_of(i))
			continue;
		bytes += (uint64_t)json_int(out_of(i), "bytes", 0);
		release(c, i, ref, NULL);
	}
	log_at(LOG_DEBUG, "outputs", "%zu tasks' files are at the remote: %llu bytes", c->batch.n,
	       (unsigned long long)bytes);
	c->told = false;
	c->wait_ms = 0;
}

static void settle(void *ctx, const struct proc_result *res)
{
	struct courier *c = ctx;
	char ref[PLACE_MAX];
	place_out_name(ref, &c->ref.place, c->heads);
	if (res->end != PROC_EXITED || res->code) /* then the next process begins another ref */
		log_at(LOG_WARN, "outputs", "git update-ref: %.200s", res->err.data ? res->err.data : "");
	landed(c, ref);
	c->commit[0] = 0;
	strs_clear(&c->batch);
	later(c, 0);
}

/* Notes what the remote's ref has, and lets go what was held for it. */
static void note(struct courier *c)
{
	struct buf input = {0};
	struct err e;
	char *own = dayref_own(&c->ref);
	const char *args[] = {"update-ref", "--stdin", NULL};
	if (c->tried_heads)
		log_at(LOG_INFO, "outputs", "the host refuses refs/dgrid/: using branches instead");
	c->tried_heads = c->ref.cut = false;
	snprintf(c->ref.tip, sizeof c->ref.tip, "%s", c->commit);
	buf_addf(&input, "update %s %s\n", own, c->commit);
	for (size_t k = 0; k < c->batch.n; k++)
		buf_addf(&input, "delete " FILESTORE_HELD "/%s\n", c->batch.v[k]);
	if (!git_start_input(&c->store->git, input.data, input.len, args, c, settle, &e))
		trouble(c, e.msg);
	buf_clear(&input);
	free(own);
}

static void heard(struct courier *c, const struct proc_result *res, bool taken)
{
	if (dayref_told(&c->ref, res, taken))
		trouble(c, res->err.data && res->err.data[0] ? res->err.data : "git ls-remote failed");
	else
		later(c, 0);
}

static void heard_taken(void *ctx, const struct proc_result *res)
{
	heard(ctx, res, true);
}

static void heard_doubt(void *ctx, const struct proc_result *res)
{
	heard(ctx, res, false);
}

/* taken: a store of ours that was lost had begun this one, or it is somebody else's. Else: is it still as we left it?
 */
static void ask(struct courier *c, bool taken)
{
	struct err e;
	c->busy = true;
	forget(c);
	if (!dayref_ask(&c->ref, c, taken ? heard_taken : heard_doubt, &e))
		trouble(c, e.msg);
}

static void pushed(void *ctx, const struct proc_result *res)
{
	struct courier *c = ctx;
	struct err e = {0};
	char ref[PLACE_MAX];
	place_out_name(ref, &c->ref.place, c->heads);
	switch (git_push_outcome_of(res, ref, &e)) {
	case PUSH_LANDED:
		c->apart -= c->apart > 0;
		note(c);
		return;
	case PUSH_RACED:
		ask(c, true);
		return;
	case PUSH_UNKNOWN: /* the same commit once more: if it is there, that is fine */
		trouble(c, e.msg);
		return;
	case PUSH_DECLINED:
		break;
	}
	if (!c->heads && !c->tried_heads) {
		c->heads = c->tried_heads = true;
		push(c);
		return;
	}
	if (c->tried_heads) /* not for the name's sake */
		c->heads = false;
	c->commit[0] = 0;
	c->tried_heads = false;
	if (c->batch.n > 1) {
		c->alone = true;
		strs_clear(&c->batch);
		later(c, 0);
		return;
	}
	if (c->ref.tip[0] && !c->doubted) { /* it may be another repository now */
		c->doubted = c->ref.doubt = true;
		forget(c);
		later(c, 0);
		return;
	}
	c->doubted = false;
	struct outcome *i = c->batch.n ? find(c, c->batch.v[0]) : NULL;
	char *why = xasprintf("declined by the host: %.300s", e.msg);
	strs_clear(&c->batch);
	if (i)
		release(c, i, NULL, why);
	free(why);
	later(c, 0);
}

static void push(struct courier *c)
{
	struct err e;
	char ref[PLACE_MAX];
	place_out_name(ref, &c->ref.place, c->heads);
	char *spec = xasprintf("%s:%s", c->commit, ref);
	const char *args[] = {"push", "--porcelain", "--no-verify", "origin", spec, NULL};
	c->pushes++;
	if (!git_start(&c->store->git, args, c, pushed, &e))
		trouble(c, e.msg);
	free(spec);
}

static void made_commit(void *ctx, const struct proc_result *res)
{
	struct courier *c = ctx;
	size_t n = strcspn(res->out.data ? res->out.data : "", "\n");
	if (res->end != PROC_EXITED || res->code || !n || n >= sizeof c->commit) {
		strs_clear(&c->batch);
		trouble(c, res->err.data ? res->err.data : "git commit-tree failed");
		return;
	}
	snprintf(c->commit, sizeof c->commit, "%.*s", (int)n, res->out.data);
	if (!c->lent)
		push(c);
}

/* {"schema": 1, "tasks": {"ID": {"nonce", "tree"}}} */
static void made_tree(void *ctx, const struct proc_result *res)
{
	struct courier *c = ctx;
	char tree[72] = "";
	size_t n = strcspn(res->out.data ? res->out.data : "", "\n");
	if (res->end == PROC_EXITED && !res->code && n && n < sizeof tree)
		snprintf(tree, sizeof tree, "%.*s", (int)n, res->out.data);
	struct json *doc = json_new(JSON_OBJECT), *tasks = json_new(JSON_OBJECT);
	struct buf text = {0};
	struct err e;
	for (size_t k = 0; k < c->batch.n; k++) {
		const struct outcome *i = find(c, c->batch.v[k]);
		struct json *one = json_new(JSON_OBJECT);
		json_set(one, "nonce", json_new_str(c->batch.v[k]));
		json_set(one, "tree", json_new_str(i ? json_str(out_of(i), "tree") : ""));
		json_set(tasks, i ? i->id : "", one);
	}
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "tasks", tasks);
	json_write(&text, doc, 0);
	const char *args[] = {"commit-tree", "-F", "-", tree, c->ref.tip[0] ? "-p" : NULL, c->ref.tip, NULL};
	if (!tree[0]) {
		strs_clear(&c->batch);
		trouble(c, res->err.data ? res->err.data : "git mktree failed");
	} else if (!git_start_input(&c->store->git, text.data, text.len, args, c, made_commit, &e)) {
		strs_clear(&c->batch);
		trouble(c, e.msg);
	}
	json_free(doc);
	buf_clear(&text);
}

/* The outcomes that wait, as many as one push is for: each task once. */
static void choose(struct courier *c, struct buf *entries)
{
	int64_t bytes = 0;
	for (struct outcome *i = c->outbox->first; i; i = i->next) {
		const char *tree = json_str(out_of(i), "tree");
		bool twice = false;
		for (size_t k = 0; k < c->batch.n; k++) {
			const struct outcome *other = find(c, c->batch.v[k]);
			twice = twice || (other && !strcmp(other->id, i->id));
		}
		if (!i->waits || !tree || twice || (c->batch.n && (c->alone || c->batch.n == BATCH_MAX)))
			continue;
		bytes += json_int(out_of(i), "bytes", 0);
		if (c->batch.n && bytes > BATCH_BYTES)
			break;
		strs_add(&c->batch, i->nonce);
		buf_addf(entries, "040000 tree %s\t%s\n", tree, i->id);
	}
	if (!c->batch.n)
		c->alone = false;
}

static void make(struct courier *c, const struct buf *entries)
{
	static const char *const args[] = {"mktree", NULL};
	struct err e;
	c->busy = true;
	if (!git_start_input(&c->store->git, entries->data, entries->len, args, c, made_tree, &e))
		trouble(c, e.msg);
}

/* Does all that waits go along with the results? */
static bool offer(struct courier *c)
{
	int64_t bytes = 0;
	bool any = false,
	     may = !c->busy && !c->commit[0] && !c->alone && !c->apart && !c->no_atomic && !c->ref.cut && !c->ref.doubt;
	for (const struct outcome *i = c->outbox->first; i; i = i->next) {
		const struct json *out = i->waits ? out_of(i) : NULL;
		any = any || out;
		bytes += json_int(out, "bytes", 0) + ENTRY_BYTES * json_int(out, "files", 0);
	}
	may = may && any && bytes <= LEND_BYTES;
	for (struct outcome *i = c->outbox->first; i; i = i->next)
		i->along = may && i->waits && json_str(out_of(i), "tree");
	return may;
}

static void begin(void *ctx)
{
	struct courier *c = ctx;
	struct buf entries = {0};
	c->timer = NULL;
	if (offer(c))
		return;
	int64_t wait = c->may ? c->may(c->ctx) : 0;
	if (wait > 0) {
		later(c, wait);
		return;
	}
	if (c->commit[0]) { /* pushed before, without an answer */
		c->busy = true;
		push(c);
		return;
	}
	dayref_take(&c->ref, false);
	strs_clear(&c->batch);
	choose(c, &entries);
	if (c->batch.n && c->ref.doubt)
		ask(c, false);
	else if (c->batch.n)
		make(c, &entries);
	buf_clear(&entries);
}

void courier_go(struct courier *c)
{
	bool any = c->commit[0] != 0;
	for (const struct outcome *i = c->outbox->first; i && !any; i = i->next)
		any = i->waits;
	if (any && !c->busy && !c->timer && !offer(c))
		c->timer = loop_after(0, begin, c);
}

/* ---- in the ledger's push ---- */

static void set_ref(struct outcome *i, const char *ref)
{
	struct json *out = json_copy(out_of(i));
	json_remove(out, "ref");
	if (ref)
		json_set(out, "ref", json_new_str(ref));
	json_set(told(i), "out", out);
}

/* They wait as before; in memory alone did they not. along: until the next exchange. */
static void take_back(struct courier *c, bool along)
{
	for (size_t k = 0; k < c->batch.n; k++) {
		struct outcome *i = find(c, c->batch.v[k]);
		if (!i || !i->waits)
			continue;
		set_ref(i, NULL);
		i->along = along;
	}
}

/* Without those that wait for their files. */
static size_t without(struct ledger_change *v, size_t n)
{
	size_t left = 0;
	for (size_t k = 0; k < n; k++) {
		struct outcome *i = v[k].ctx;
		i->along = false;
		if (!i->waits)
			v[left++] = v[k];
	}
	return left;
}

/* The changes that bring files, as a batch. False: two are of one task, which can have one place in a commit. */
static bool gather(struct courier *c, struct ledger_change *v, size_t n, struct buf *entries)
{
	bool twice = false;
	strs_clear(&c->batch);
	for (size_t k = 0; k < n; k++) {
		struct outcome *i = v[k].ctx;
		if (!i->waits)
			continue;
		for (size_t m = 0; m < c->batch.n; m++)
			twice = twice || !strcmp(find(c, c->batch.v[m])->id, i->id);
		strs_add(&c->batch, i->nonce);
		buf_addf(entries, "040000 tree %s\t%s\n", json_str(out_of(i), "tree"), i->id);
		v[k].brings = true;
	}
	return !twice;
}

/* Where the store's objects are, for a git elsewhere. */
static bool know_objects(struct courier *c)
{
	char *here = xasprintf("%s/objects", c->store->git.dir);
	if (!c->beside.objects)
		c->beside.objects = realpath(here, NULL);
	free(here);
	return c->beside.objects != NULL;
}

size_t courier_lend(struct courier *c, struct ledger_change *v, size_t n, struct push_beside **beside)
{
	struct buf entries = {0};
	struct push_beside *b = &c->beside;
	char ref[PLACE_MAX];
	*beside = NULL;
	if (c->busy || c->commit[0]) /* a push of its own is under way: its batch stays */
		return without(v, n);
	bool good = gather(c, v, n, &entries);
	if (!c->batch.n)
		goto out;
	if (good && know_objects(c)) {
		dayref_take(&c->ref, false);
		c->lent = true;
		make(c, &entries);
		while (c->busy && !c->commit[0])
			loop_step(1000);
	} else
		c->apart = 1;
	if (!c->busy) {
		c->lent = false;
		forget(c);
		n = without(v, n);
		courier_go(c);
		goto out;
	}
	place_out_name(ref, &c->ref.place, c->heads);
	for (size_t k = 0; k < c->batch.n; k++)
		set_ref(find(c, c->batch.v[k]), ref);
	b->sent = false;
	snprintf(b->commit, sizeof b->commit, "%s", c->commit);
	snprintf(b->ref, sizeof b->ref, "%s", ref);
	*beside = b;
out:
	buf_clear(&entries);
	return n;
}

static void went_apart(struct courier *c)
{
	c->no_atomic = c->no_atomic || c->beside.apart;
	c->declined++;
	c->apart = c->declined < 7 ? 1U << (c->declined - 1) : APART_MAX;
	log_at(LOG_INFO, "outputs", "%s: they go ahead, by pushes of their own",
	       c->no_atomic ? "the host cannot take results and their files all or nothing"
			    : "the host declined results together with their files");
}

bool courier_settle(struct courier *c)
{
	const struct push_beside *b = &c->beside;
	if (!c->lent)
		return false;
	c->lent = c->busy = false;
	if (b->sent && b->push == PUSH_LANDED) {
		c->declined = 0;
		c->busy = true;
		for (size_t k = 0; k < c->batch.n; k++) { /* of one that was not said with it after all */
			struct outcome *i = find(c, c->batch.v[k]);
			if (i)
				i->along = false;
		}
		if (b->landed)
			note(c);
		else /* the answer was lost: if it is there, that is fine */
			push(c);
		return false;
	}
	bool apart = b->sent && b->push == PUSH_DECLINED && !b->busy;
	if (b->sent && b->push == PUSH_UNKNOWN) { /* the same commit once more, by itself */
		take_back(c, false);
		later(c, clock_jitter(WAIT_MIN_MS));
		return false;
	}
	bool taken = b->sent && b->taken;
	take_back(c, !apart && !taken);
	forget(c);
	if (taken) {
		c->busy = true;
		ask(c, true);
	}
	if (apart)
		went_apart(c);
	return apart;
}

/* ---- begin and end ---- */

struct courier *courier_start(const struct filestore *store, const char *node, struct outbox *outbox,
			      int64_t (*may)(void *ctx), void *ctx)
{
	struct courier *c = xcalloc(1, sizeof *c);
	*c = (struct courier){
	    .store = store, .ref = {.store = store, .node = node}, .outbox = outbox, .may = may, .ctx = ctx};
	return c;
}

struct unheld {
	const struct courier *c;
	struct buf input;
};

/* "NONCE": what is held for no outcome on disk, another node's there too. */
static void take_held(void *ctx, const char *record)
{
	struct unheld *u = ctx;
	record += strspn(record, "\n");
	char *path = xasprintf("%s/%s.json", u->c->outbox->dir, record);
	if (*record && !find(u->c, record) && !file_exists(path))
		buf_addf(&u->input, "delete " FILESTORE_HELD "/%s\n", record);
	free(path);
}

/* Of outcomes that were recorded while nobody noted it, and of votes. */
static void let_go(const struct courier *c)
{
	static const char *const list[] = {"for-each-ref", "--format=%(refname:lstrip=2)%00", FILESTORE_HELD, NULL},
				 *const update[] = {"update-ref", "--stdin", NULL};
	struct unheld u = {.c = c};
	struct err e;
	if (!git_records(&c->store->git, list, take_held, &u, &e) && u.input.len)
		git_run_input(&c->store->git, u.input.data, u.input.len, &e, update);
	buf_clear(&u.input);
}

void courier_recall(struct courier *c)
{
	dayref_take(&c->ref, true);
	for (struct outcome *i = c->outbox->first; i; i = i->next) {
		char *held = xasprintf(FILESTORE_HELD "/%s", i->nonce), tree[72];
		const char *said = json_str(out_of(i), "tree");
		if (i->waits && (!said || !filestore_tree(c->store, held, tree) || strcmp(tree, said) != 0))
			release(c, i, NULL, "the node lost them before they were at the remote");
		free(held);
	}
	let_go(c);
	courier_go(c);
}

unsigned courier_pushes(const struct courier *c)
{
	return c->pushes;
}

void courier_tidy(struct courier *c)
{
	struct err e;
	if (c->busy || c->commit[0] || filestore_bytes(c->store) < c->tidied + TIDY_BYTES)
		return;
	if (filestore_tidy(c->store, c->ref.tip, &e))
		log_at(LOG_WARN, "outputs", "%s", e.msg);
	c->ref.cut = c->ref.tip[0] != 0;
	c->tidied = filestore_bytes(c->store);
}

void courier_stop(struct courier *c)
{
	if (!c)
		return;
	c->stopping = true;
	while (c->busy)
		loop_step(1000);
	loop_timer_stop(c->timer);
	strs_clear(&c->batch);
	free(c->beside.objects);
	free(c);
}
