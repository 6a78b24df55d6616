#include "worker/inputs.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "schema/checkpoint.h"
#include "store/depot.h"
#include "store/places.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (1 << 20)
#define ENTRY_BYTES 4096 /* what a file or folder takes beside its bytes */
#define WAIT_FIRST_MS 5000
#define WAIT_MOST_MS 600000

struct input_tree {
	struct input_tree *next;
	struct inputs *all;
	char id[72], *dir;
	struct proc *proc; /* that brings it; NULL: none */
	bool there;
	unsigned users;
	int64_t stored;				/* see bring.h: the same tree with its pointers is another folder */
	int64_t files, entries, bytes, used_at; /* entries: files and folders */
};
struct input_wait {
	struct input_wait *next;
	char tree[72];
	int64_t until, ms; /* monotonic */
};
struct input_want {
	struct input_want *next;
	struct inputs *all;
	struct input inputs[INPUTS_GIVEN];
	struct input_tree *trees[INPUTS_GIVEN]; /* that are there, each held once for each input */
	size_t n, had;
	struct bring_limits limits, checkpoint_limits;
	void *ctx;
	void (*on_end)(void *ctx, const struct err *e); /* NULL: it was told */
};

/* What an earlier process held stays for the next task, but where it is more than may be kept. */
static void clear_store(const struct inputs *all)
{
	struct err e;
	if (filestore_bytes(all->store) > all->cache_bytes && filestore_drop(all->store, BRING_HELD, &e))
		log_at(LOG_WARN, "inputs", "%s", e.msg);
}

int inputs_open(struct inputs *all, const struct filestore *store, const struct engine *g, const char *below,
		int64_t cache_mb, const char *command, struct err *e)
{
	char nonce[33];
	clock_nonce(nonce, 16);
	*all = (struct inputs){.store = store,
			       .dir = xasprintf("%s/in-%s", below, nonce),
			       .command = command,
			       .cache_bytes = cache_mb * MB};
	clear_store(all);
	return engine_make_in(g, all->dir, e);
}

int64_t inputs_held(const struct inputs *all)
{
	int64_t sum = 0;
	for (const struct input_tree *t = all->trees; t; t = t->next)
		sum += t->there ? t->bytes + t->entries * ENTRY_BYTES : 0;
	return sum;
}

/* However much there is in it: nobody waits for that. */
static void remove_later(const char *dir)
{
	struct err e;
	char *half = xasprintf("%s.new", dir), *aside = xasprintf("%s.get", dir);
	const char *argv[] = {"rm", "-rf", "--", dir, half, aside, NULL};
	struct proc_spec spec = {.argv = argv};
	if (!proc_start(&spec, &e))
		log_at(LOG_WARN, "inputs", "cannot remove '%s': %s", dir, e.msg);
	free(half);
	free(aside);
}

static void forget(struct input_tree *t)
{
	struct input_tree **q = &t->all->trees;
	while (*q != t)
		q = &(*q)->next;
	*q = t->next;
	free(t->dir);
	free(t);
}

/* What is longest unused goes first, from the disk and from what the store holds. */
static void make_room(struct inputs *all)
{
	while (inputs_held(all) > all->cache_bytes) {
		struct input_tree *oldest = NULL;
		for (struct input_tree *t = all->trees; t; t = t->next)
			if (t->there && !t->users && (!oldest || t->used_at < oldest->used_at))
				oldest = t;
		if (!oldest)
			return;
		struct err e;
		char *ref = xasprintf(BRING_HELD "/%s", oldest->id);
		const char *args[] = {"update-ref", "-d", ref, NULL};
		if (!git_start(&all->store->git, args, NULL, NULL, &e))
			log_at(LOG_WARN, "inputs", "%s", e.msg);
		free(ref);
		remove_later(oldest->dir);
		forget(oldest);
	}
}

void inputs_close(struct inputs *all)
{
	all->closing = true;
	for (struct input_tree *t = all->trees; t; t = t->next)
		proc_end_now(&t->proc);
	while (all->trees)
		forget(all->trees);
	struct err e;
	if (all->dir && file_remove_tree(all->dir, &e))
		log_at(LOG_WARN, "inputs", "%s", e.msg);
	while (all->waits) {
		struct input_wait *next = all->waits->next;
		free(all->waits);
		all->waits = next;
	}
	free(all->dir);
	all->dir = NULL;
}

static void let_go(struct input_want *w)
{
	for (size_t i = 0; i < w->had; i++) {
		w->trees[i]->users--;
		w->trees[i]->used_at = clock_mono_ms();
	}
	w->had = 0;
}

static void tell(struct input_want *w, const struct err *e)
{
	void (*on_end)(void *ctx, const struct err *e) = w->on_end;
	w->on_end = NULL;
	if (e)
		let_go(w);
	on_end(w->ctx, e);
}

/* All who wait for the tree hear what became of it; those who have it go on. */
static void go_on(struct input_want *w);

static bool waits_for(const struct input_want *w, const char *tree, int64_t stored)
{
	return w->had < w->n && w->inputs[w->had].tree && !strcmp(w->inputs[w->had].tree, tree) &&
	       w->inputs[w->had].stored == stored;
}

static bool is_checkpoint(const struct input *in)
{
	return !strcmp(in->name, INPUT_CHECKPOINT);
}

static void tell_all(struct inputs *all, const char *tree, int64_t stored, const struct err *e)
{
	bool again = true;
	while (again) { /* who is told may take the list apart */
		again = false;
		for (struct input_want *w = all->wants; w && !again; w = w->next)
			if (w->on_end && waits_for(w, tree, stored)) {
				struct err why;
				if (e) {
					why = *e;
					if (is_checkpoint(&w->inputs[w->had]))
						err_wrap(&why, "the checkpoint that it was to begin from (to begin "
							       "anew: dgrid retry --fresh)");
					else
						err_wrap(&why, "input '%s'", w->inputs[w->had].name);
					tell(w, &why);
				} else
					go_on(w);
				again = true;
			}
	}
}

static struct input_wait *wait_of(const struct inputs *all, const char *tree)
{
	struct input_wait *w = all->waits;
	while (w && strcmp(w->tree, tree) != 0)
		w = w->next;
	return w;
}

static void wait_for(struct inputs *all, const char *tree)
{
	struct input_wait *w = wait_of(all, tree);
	if (!w) {
		w = xcalloc(1, sizeof *w);
		*w = (struct input_wait){.next = all->waits, .ms = WAIT_FIRST_MS / 2};
		snprintf(w->tree, sizeof w->tree, "%s", tree);
		all->waits = w;
	}
	w->ms = w->ms < WAIT_MOST_MS / 2 ? 2 * w->ms : WAIT_MOST_MS;
	w->until = clock_mono_ms() + w->ms;
	log_at(LOG_WARN, "inputs", "tasks with the tree %.12s are left to others for %lld s", tree,
	       (long long)w->ms / 1000);
}

bool inputs_may(const struct inputs *all, const struct json *doc)
{
	struct input in[INPUTS_GIVEN];
	struct json *checkpoint = checkpoint_next(doc);
	size_t n = inputs_given(doc, NULL, checkpoint, in);
	bool may = true;
	for (size_t i = 0; i < n && may; i++) {
		const struct input_wait *w = in[i].tree ? wait_of(all, in[i].tree) : NULL;
		may = !w || w->until <= clock_mono_ms();
	}
	json_free(checkpoint);
	return may;
}

static void brought(void *ctx, const struct proc_result *res)
{
	struct input_tree *t = ctx;
	struct inputs *all = t->all;
	struct err e = {0};
	long long files = 0, entries = 0, bytes = 0;
	t->proc = NULL;
	if (all->closing)
		return;
	t->there = res->end == PROC_EXITED && !res->code && res->out.data &&
		   sscanf(res->out.data, "%lld %lld %lld", &files, &entries, &bytes) == 3;
	t->files = files;
	t->entries = entries;
	t->bytes = bytes;
	if (t->there) {
		log_at(LOG_INFO, "inputs", "%.12s is here: %lld file%s, %lld bytes", t->id, files,
		       files == 1 ? "" : "s", bytes);
		struct input_wait *w = wait_of(all, t->id);
		if (w)
			w->ms = WAIT_FIRST_MS / 2;
		t->users++; /* stays while it is handed out */
		make_room(all);
		tell_all(all, t->id, t->stored, NULL);
		t->users--;
		return;
	}
	char said[900] = "";
	buf_first_line(&res->err, said, sizeof said);
	err_set(&e, res->end == PROC_EXITED && res->code ? (enum err_class)res->code : ERR_UNAVAILABLE, "%s",
		!strncmp(said, "dgrid: ", 7) ? said + 7
		: said[0]		     ? said
					     : "what fetches it was ended");
	char tree[72];
	snprintf(tree, sizeof tree, "%s", t->id);
	int64_t stored = t->stored;
	remove_later(t->dir);
	if (e.class != ERR_DATA && e.class != ERR_NOENT && tree[0])
		wait_for(all, tree);
	forget(t); /* who asks for it from now on has it fetched anew */
	tell_all(all, tree, stored, &e);
}

static struct input_tree *find(struct inputs *all, const char *id, int64_t stored)
{
	struct input_tree *t = all->trees;
	while (t && (t->stored != stored || strcmp(t->id, id) != 0))
		t = t->next;
	return t;
}

static int fetch(struct inputs *all, const struct input *in, const struct bring_limits *limits, struct err *e)
{
	struct input_tree *t = xcalloc(1, sizeof *t);
	struct strs argv = {0};
	struct bring_limits how = *limits;
	how.stored = in->stored;
	*t = (struct input_tree){
	    .next = all->trees, .all = all, .dir = xasprintf("%s/%u", all->dir, all->made++), .stored = in->stored};
	snprintf(t->id, sizeof t->id, "%s", in->tree);
	all->trees = t;
	bring_argv(all->store->git.dir, in->tree, in->ref, t->dir, &how, &argv);
	char *store = xasprintf(DEPOT_VARIABLE "=%s", all->command ? all->command : "");
	const char *env[] = {store, NULL};
	struct proc_spec spec = {.argv = (const char *const *)argv.v, .env = env, .ctx = t, .on_end = brought};
	t->proc = proc_start(&spec, e);
	free(store);
	strs_clear(&argv);
	if (t->proc)
		return 0;
	forget(t);
	return -1;
}

/* Together they must be within the limits, too. */
static bool within(const struct input_want *w, struct err *e)
{
	int64_t files = 0, bytes = 0;
	for (size_t i = 0; i < w->n; i++) {
		files += is_checkpoint(&w->inputs[i]) ? 0 : w->trees[i]->files;
		bytes += is_checkpoint(&w->inputs[i]) ? 0 : w->trees[i]->bytes;
	}
	if (bytes > w->limits.mb * MB)
		err_set(e, ERR_DATA, "its inputs have %lld bytes (at most %lld MB: max_in_mb of grid.json)",
			(long long)bytes, (long long)w->limits.mb);
	else if (files > w->limits.files)
		err_set(e, ERR_DATA, "its inputs have %lld files (at most %lld: max_in_files of grid.json)",
			(long long)files, (long long)w->limits.files);
	else
		return true;
	return false;
}

static void go_on(struct input_want *w)
{
	struct err e = {0};
	for (; w->had < w->n; w->had++) {
		const struct input *in = &w->inputs[w->had];
		if (!place_oid_valid(in->tree)) {
			err_set(&e, ERR_NOENT, "input '%s': task %s left no files", in->name,
				in->task ? in->task : "?");
			tell(w, &e);
			return;
		}
		struct input_tree *t = find(w->all, in->tree, in->stored);
		if (!t && fetch(w->all, in, is_checkpoint(in) ? &w->checkpoint_limits : &w->limits, &e)) {
			tell(w, &e);
			return;
		}
		if (!t || !t->there)
			return;
		t->users++;
		t->used_at = clock_mono_ms();
		w->trees[w->had] = t;
	}
	bool fits = within(w, &e);
	tell(w, fits ? NULL : &e);
}

void inputs_want(struct inputs *all, const struct inputs_given *given, struct input_want **out, void *ctx,
		 void (*on_end)(void *ctx, const struct err *e))
{
	struct input_want *w = xcalloc(1, sizeof *w);
	*w = (struct input_want){.next = all->wants,
				 .all = all,
				 .limits = given->limits,
				 .checkpoint_limits = given->checkpoint_limits,
				 .ctx = ctx,
				 .on_end = on_end};
	w->n = inputs_given(given->doc, given->pinned, given->checkpoint, w->inputs);
	all->wants = *out = w;
	go_on(w);
}

char *inputs_path(const struct input_want *w, size_t i)
{
	return bring_path(w->trees[i]->dir, w->inputs[i].path);
}

/* What nobody waits for any more need not be brought. Who asks for it from now on has it fetched anew. */
static void give_up(struct inputs *all, const char *tree, int64_t stored)
{
	struct input_tree *t = find(all, tree, stored);
	for (const struct input_want *w = all->wants; w; w = w->next)
		if (w->on_end && waits_for(w, tree, stored))
			return;
	if (t && t->proc) {
		t->id[0] = 0;
		proc_signal(t->proc, SIGTERM);
	}
}

void inputs_done(struct input_want *w)
{
	if (!w)
		return;
	if (w->on_end) {
		w->on_end = NULL;
		give_up(w->all, w->inputs[w->had].tree, w->inputs[w->had].stored);
	}
	let_go(w);
	struct input_want **q = &w->all->wants;
	while (*q != w)
		q = &(*q)->next;
	*q = w->next;
	struct inputs *all = w->all;
	free(w);
	if (!all->closing)
		make_room(all);
}
