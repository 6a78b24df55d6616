#include "store/leftlist.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "store/cache.h"
#include "store/checkout.h"
#include "store/filestore.h"
#include "store/places.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_MAX 20000 /* files and folders of all tasks */
#define TREE_MAX (1u << 20)
#define FETCH_MS 30000
#define FETCH_BYTES (64LL << 20) /* contents, should they come along */
#define CACHE_BYTES (256LL << 20)
#define REFS_MAX 200
#define COMMITS "--max-count=5000"

/* ---- whose ---- */

static void take_doc(void *ctx, size_t index, const struct json *doc)
{
	struct leftlist *l = ctx;
	const struct json *out = json_get(json_get(doc, "result"), "out");
	const char *tree = json_str(out, "tree"), *ref = json_str(out, "ref");
	struct place_out place;
	struct left_names *one = &l->v[l->n];
	(void)index;
	if (!tree || !ref || !place_oid_valid(tree) || !place_out_parse(ref, &place))
		return;
	snprintf(one->tree, sizeof one->tree, "%s", tree);
	snprintf(one->ref, sizeof one->ref, "%s", ref);
	one->bytes = json_int(out, "bytes", 0);
	l->n++;
}

/* ---- what is in the trees ---- */

struct step {
	size_t of;    /* index of the task */
	char *prefix; /* "" or "a/b/" */
};
struct walk {
	struct leftlist *l;
	struct strs trees, next_trees;
	struct step *steps, *next;
	size_t n_next;
};

static void descend(struct walk *w, size_t of, char *prefix, const char *oid)
{
	if (!(w->n_next & (w->n_next + 1))) /* room for a power of two */
		w->next = xrealloc(w->next, 2 * (w->n_next + 1) * sizeof *w->next);
	w->next[w->n_next++] = (struct step){of, prefix};
	strs_add(&w->next_trees, oid);
}

static void add_name(struct left_names *one, char *path, const char *oid)
{
	if (!(one->n & (one->n + 1)))
		one->v = xrealloc(one->v, 2 * (one->n + 1) * sizeof *one->v);
	struct left_name *it = &one->v[one->n++];
	*it = (struct left_name){.path = path, .bytes = -1};
	snprintf(it->oid, sizeof it->oid, "%s", oid);
}

/* "MODE NAME\0" and the raw id, again and again. */
static void take_tree(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct walk *w = ctx;
	const struct step *at = &w->steps[i];
	struct left_names *one = &w->l->v[at->of];
	size_t raw = strlen(one->tree) / 2;
	if (!bytes)
		one->known = false;
	for (const char *p = bytes, *end = bytes + len; bytes && one->known && p < end;) {
		if (one->n >= LEFTLIST_NAMES) /* the rest is counted by its result */
			return;
		const char *nul = memchr(p, 0, (size_t)(end - p)),
			   *name = nul ? memchr(p, ' ', (size_t)(nul - p)) : NULL;
		char oid[72];
		if (!name || (size_t)(end - nul) < raw + 1 || ++w->l->entries > ENTRIES_MAX) {
			one->known = false;
			return;
		}
		text_hex(oid, nul + 1, raw);
		bool folder = !strncmp(p, "40000 ", 6), file = !strncmp(p, "100", 3);
		char *path = xasprintf("%s%s%s", at->prefix, name + 1, folder ? "/" : "");
		if (folder && strlen(path) < 4096) {
			descend(w, at->of, path, oid);
			path = NULL;
		} else if (file && checkout_path_valid(path)) {
			add_name(one, path, oid);
			path = NULL;
		}
		free(path);
		p = nul + 1 + raw;
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct left_name *)a)->path, ((const struct left_name *)b)->path);
}

static void forget_names(struct left_names *one)
{
	for (size_t i = 0; i < one->n; i++)
		free(one->v[i].path);
	free(one->v);
	one->v = NULL;
	one->n = 0;
}

static void end_level(struct walk *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(w->steps[i].prefix);
	free(w->steps);
	strs_clear(&w->trees);
}

/* All trees of a level by one process, so a page more costs none. */
static void walk(struct leftlist *l, const struct git *g)
{
	struct walk w = {.l = l};
	struct err e;
	l->entries = 0;
	for (size_t i = 0; i < l->n; i++) {
		forget_names(&l->v[i]);
		l->v[i].known = true;
		descend(&w, i, xstrdup(""), l->v[i].tree);
	}
	bool failed = false;
	while (w.n_next && !failed) {
		size_t n = w.n_next;
		w.trees = w.next_trees;
		w.steps = w.next;
		w.next_trees = (struct strs){0};
		w.next = NULL;
		w.n_next = 0;
		failed = git_cat(g, "tree", w.trees.v, n, TREE_MAX, take_tree, &w, &e) != 0;
		end_level(&w, n);
	}
	w.trees = w.next_trees;
	w.steps = w.next;
	end_level(&w, w.n_next);
	for (size_t i = 0; i < l->n; i++) {
		l->v[i].known = l->v[i].known && !failed;
		if (!l->v[i].known)
			forget_names(&l->v[i]);
		if (l->v[i].n)
			qsort(l->v[i].v, l->v[i].n, sizeof *l->v[i].v, by_path);
	}
}

/* ---- how large ---- */

struct ending {
	bool ended;
	struct buf out;
};

static void on_end(void *ctx, const struct proc_result *res)
{
	struct ending *end = ctx;
	end->ended = true;
	if (res->end == PROC_EXITED && !res->code)
		buf_add(&end->out, res->out.data ? res->out.data : "", res->out.len);
}

/* For so long and no longer; half a fetch is none. */
static void run_for(const struct git *g, int64_t until, const char *const *args, const struct buf *input,
		    struct buf *out)
{
	struct ending end = {0};
	struct err e;
	bool told = false;
	struct proc *p = git_start_input(g, input ? input->data : NULL, input ? input->len : 0, args, &end, on_end, &e);
	while (p && !end.ended) {
		int64_t left = until - clock_mono_ms();
		if (!told && (left <= 0 || proc_given_up())) {
			proc_signal(p, 15);
			told = true;
		}
		loop_step(told || left > 1000 ? 1000 : left > 1 ? left : 1);
	}
	if (out)
		buf_add(out, end.out.data ? end.out.data : "", end.out.len);
	buf_clear(&end.out);
}

/* Of a folder on this machine, where all is at hand; elsewhere a single file is as large as all of them. */
static void measure(struct leftlist *l, const struct git *g, bool at_hand)
{
	static const char *const args[] = {"cat-file", "--batch-check=%(objectsize)", NULL};
	struct buf oids = {0}, sizes = {0};
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->v[i].n; k++)
			buf_addf(&oids, "%s\n", l->v[i].v[k].oid);
	if (at_hand && oids.len)
		run_for(g, clock_mono_ms() + FETCH_MS, args, &oids, &sizes);
	const char *p = sizes.data ? sizes.data : "";
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->v[i].n; k++) {
			char *end;
			long long bytes = strtoll(p, &end, 10);
			if (end > p && *end == '\n') /* else "OID missing" */
				l->v[i].v[k].bytes = bytes;
			else if (l->v[i].n == 1)
				l->v[i].v[k].bytes = l->v[i].bytes;
			p += strcspn(p, "\n");
			p += *p == '\n';
		}
	buf_clear(&oids);
	buf_clear(&sizes);
}

/* ---- from a remote ---- */

/* refs of ls-remote: "OID<tab>REF\n" */
static bool stands(const struct buf *refs, const char *ref)
{
	char *line = xasprintf("\t%s\n", ref);
	bool there = strstr(refs->data ? refs->data : "", line) != NULL;
	free(line);
	return there;
}

static void fetch(struct leftlist *l, const struct git *g, bool by_ref)
{
	static const char *const head[] = {
	    "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "origin"};
	static const char *const list[] = {"ls-remote", "origin", PLACE_OUT "/*", PLACE_HEADS "out/*", NULL};
	int64_t until = clock_mono_ms() + FETCH_MS, bytes = 0;
	struct strs args = {0}, wanted = {0};
	struct buf refs = {0};
	run_for(g, until, list, NULL, &refs);
	for (size_t i = 0; i < sizeof head / sizeof *head; i++)
		strs_add(&args, head[i]);
	for (size_t i = 0; i < l->n && wanted.n < (by_ref ? REFS_MAX : l->n); i++) {
		const struct left_names *one = &l->v[i];
		const char *want = by_ref ? one->ref : one->tree;
		if (one->known || strs_has(&wanted, want) || !stands(&refs, one->ref))
			continue;
		bytes += one->bytes;
		if (!by_ref && bytes > FETCH_BYTES)
			break;
		strs_add(&wanted, want);
		if (by_ref)
			strs_addf(&args, "+%s:%s", want, want);
		else
			strs_add(&args, want);
	}
	if (wanted.n)
		run_for(g, until, (const char *const *)args.v, NULL, NULL);
	strs_clear(&args);
	strs_clear(&wanted);
	buf_clear(&refs);
}

/* "COMMIT\nMESSAGE", which says whose files came with it. */
static void take_commit(void *ctx, const char *record)
{
	struct leftlist *l = ctx;
	struct json_error je;
	record += strspn(record, "\n");
	size_t n = strcspn(record, "\n");
	struct json *doc = record[n] ? json_parse(record + n, strlen(record + n), &je) : NULL;
	const struct json *tasks = json_get(doc, "tasks");
	for (size_t i = 0; tasks && tasks->type == JSON_OBJECT && i < l->n; i++) {
		const char *tree = json_str(json_get(tasks, l->v[i].id), "tree");
		if (tree && !strcmp(tree, l->v[i].tree))
			snprintf(l->v[i].commit, sizeof l->v[i].commit, "%.*s", (int)n, record);
	}
	json_free(doc);
}

/* The reader's own repository of trees; made anew when it has grown large. Its lock, or -1. */
static int open_store(const struct leftlist *l, const struct snapshot *s, struct filestore *store)
{
	struct err e;
	char *dir = xasprintf("%.*s-names.git", (int)(strlen(s->git.dir) - strlen(".git")), s->git.dir);
	char *path = xasprintf("%s.lock", dir);
	struct filestore old = {.git = {.dir = dir}};
	int lock = cache_lock(path, CACHE_WAIT_MS, &e);
	if (lock >= 0 && filestore_bytes(&old) > CACHE_BYTES)
		file_remove_tree(dir, &e);
	if (lock >= 0 &&
	    filestore_open(store, dir, s->url, strlen(l->v[0].tree) == 64, NULL, s->git.name, s->git.email, &e)) {
		close(lock);
		lock = -1;
	}
	free(dir);
	free(path);
	return lock;
}

/* Through the snapshot's repository: one that was fetched without contents would fetch each that it is asked for. */
static void read_remote(struct leftlist *l, const struct snapshot *s, bool by_ref)
{
	static const char *const log[] = {"log", "--all", COMMITS, "--format=%H%n%B%x00", NULL};
	struct filestore store = {0};
	struct err e;
	struct git with = s->git;
	int lock = open_store(l, s, &store);
	char *objects = lock < 0 ? NULL : xasprintf("%s/objects", store.git.dir), *whole = NULL;
	bool missing = false;
	if (objects && (whole = realpath(objects, NULL))) {
		with.lent = whole;
		walk(l, &with);
		for (size_t i = 0; i < l->n; i++)
			missing = missing || !l->v[i].known;
		if (missing) {
			fetch(l, &store.git, by_ref);
			filestore_unlock(&store);
			walk(l, &with);
		}
		if (by_ref)
			git_records(&store.git, log, take_commit, l, &e);
		measure(l, &with, false);
	}
	free(objects);
	free(whole);
	filestore_close(&store);
	if (lock >= 0)
		close(lock);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct left_names *)a)->id, ((const struct left_names *)b)->id);
}

struct taking {
	struct leftlist *l;
	const struct snapshot *s;
};

static void take(void *ctx, size_t index, const struct json *doc)
{
	struct taking *t = ctx;
	size_t before = t->l->n;
	if (task_id_valid(t->s->tasks[index].id))
		take_doc(t->l, index, doc);
	if (t->l->n > before)
		snprintf(t->l->v[before].id, sizeof t->l->v[before].id, "%s", t->s->tasks[index].id);
}

void leftlist_read(struct leftlist *l, const struct snapshot *s, const size_t *which, size_t n, bool by_ref)
{
	struct taking t = {l, s};
	struct err e;
	*l = (struct leftlist){.v = xcalloc(n + 1, sizeof *l->v)};
	if (snapshot_stream(s, which, n, take, &t, &e) || !l->n)
		return;
	if (s->cached)
		read_remote(l, s, by_ref);
	else {
		walk(l, &s->git);
		measure(l, &s->git, true);
	}
	qsort(l->v, l->n, sizeof *l->v, by_id);
}

const struct left_names *leftlist_of(const struct leftlist *l, const char *id)
{
	struct left_names key = {.known = false};
	snprintf(key.id, sizeof key.id, "%s", id);
	const struct left_names *found = l->n ? bsearch(&key, l->v, l->n, sizeof *l->v, by_id) : NULL;
	return found && found->known ? found : NULL;
}

void leftlist_clear(struct leftlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		forget_names(&l->v[i]);
	free(l->v);
	*l = (struct leftlist){0};
}
