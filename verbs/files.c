#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "store/cache.h"
#include "store/depot.h"
#include "store/places.h"
#include "verbs/flat.h"
#include "verbs/left.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tasks whose files are asked for: one look at the grid, one fetch of what all of them left. */
struct lot { /* starts as {0} */
	struct snapshot s;
	struct selected_list found;
	struct filestore store;
	bool open; /* the store */
};

/* What one of them left. */
struct leaving { /* starts as {0} */
	struct left l;
	struct checkout files;
	struct pointers pointers; /* to those of them that a store has */
};

static void leaving_clear(struct leaving *v)
{
	checkout_clear(&v->files);
	pointers_clear(&v->pointers);
}

/* Whether the file of that index is in a store. NULL: it is not. */
static const struct pointer *stored(const struct leaving *v, size_t at)
{
	for (size_t i = 0; i < v->pointers.n; i++)
		if (v->pointers.v[i].at == at)
			return &v->pointers.v[i].is;
	return NULL;
}

static int look(const struct context *ctx, const struct report_options *o, struct lot *lot, struct err *e)
{
	struct err none;
	struct left l = {0};
	if (open_snapshot(ctx, o->at, &lot->s, e) || select_tasks(&lot->s, &o->of, o->ids, o->n_ids, &lot->found, e))
		return -1;
	const char **trees = xcalloc(lot->found.n + 1, sizeof *trees);
	size_t n = 0;
	for (size_t i = 0; i < lot->found.n; i++)
		if (!left_of(lot->found.v[i].task->doc, "", "", &l, &none))
			trees[n++] = l.tree;
	int rc = n ? left_store(ctx, strlen(trees[0]) == 64, &lot->store, e) : 0;
	lot->open = n && !rc;
	if (lot->open)
		bring_ahead(&lot->store, trees, n);
	free(trees);
	if (!lot->found.n && !lot->found.missing.n)
		fputs("dgrid: no task matches\n", stderr);
	return rc;
}

static void lot_clear(struct lot *lot)
{
	if (lot->open)
		left_close(&lot->store);
	selected_clear(&lot->found);
	snapshot_close(&lot->s);
}

/* One of them, its files listed. */
static int bring(struct lot *lot, const struct selected *one, struct leaving *v, struct err *e)
{
	const struct json *doc = selected_doc(&lot->s, one, e), *says;
	struct left *l = &v->l;
	if (!doc || left_of(doc, one->task->id, one->state, l, e) || bring_out(&lot->store, l->tree, l->ref, e) ||
	    checkout_list(&lot->store.git, l->tree, false, CHECKOUT_ENTRIES_MAX, &v->files, e))
		return -1;
	/* Without it what looks like a pointer is a file as any: a script wrote it. */
	if (!(says = json_get(l->out, "stored")))
		return 0;
	if (pointers_find(&lot->store.git, &v->files, &v->pointers, e))
		return -1;
	if ((int64_t)v->pointers.n == json_int(says, "files", 0) && v->pointers.bytes == json_int(says, "bytes", 0))
		return 0;
	return err_set(e, ERR_DATA,
		       "its result says that a store has %lld of its files, %lld bytes, and its tree has pointers to "
		       "%zu, %lld bytes",
		       (long long)json_int(says, "files", 0), (long long)json_int(says, "bytes", 0), v->pointers.n,
		       (long long)v->pointers.bytes);
}

/* All of them, one after the other: one that left nothing keeps no other back. What options found passes by such as
 * left none. what: "were not ...", of how many; a single one says it itself. */
static int each(struct lot *lot, int (*one)(void *ctx, struct lot *lot, const struct selected *t, struct err *e),
		void *ctx, const char *what, struct err *e)
{
	size_t bad = 0, without = 0, asked = lot->found.n + lot->found.missing.n;
	struct err first = {.class = ERR_NONE}, wrong;
	for (size_t i = 0; i < lot->found.n && !proc_given_up() && !ferror(stdout) && first.class != ERR_OUTPUT; i++) {
		struct selected *t = &lot->found.v[i];
		const struct json *result = json_get(t->task->doc, "result");
		if (!t->named && !json_get(result, "out") && !json_get(result, "out_error")) {
			without++;
			continue;
		}
		if (!one(ctx, lot, t, &wrong))
			continue;
		if (asked > 1 && wrong.class != ERR_OUTPUT)
			fprintf(stderr, "dgrid: %s: %s\n", t->task->id, wrong.msg);
		if (!bad++ || wrong.class == ERR_OUTPUT) /* the disk of who asks: no other fares better */
			first = wrong;
	}
	if (without)
		fprintf(stderr, "dgrid: %zu %s no files\n", without, without == 1 ? "task has" : "tasks have");
	if (first.class == ERR_OUTPUT)
		return err_set(e, ERR_OUTPUT, "%s", first.msg);
	if (bad && asked > 1)
		return err_set(e, first.class, "the files of %zu of %zu tasks %s", bad, asked, what);
	if (bad)
		return err_set(e, first.class, "%s", first.msg);
	return select_missing(&lot->found, e);
}

/* ---- files ---- */

struct listing {
	const struct report_options *o;
	struct json *all;
	size_t told;
};

static int list_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	struct listing *k = ctx;
	struct leaving v = {0};
	const struct checkout *files = &v.files;
	int rc = bring(lot, t, &v, e);
	if (!rc && k->all) {
		struct json *task = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
		json_set(task, "task_id", json_new_str(t->task->id));
		json_set(task, "out", json_copy(v.l.out));
		for (size_t i = 0; i < files->n; i++) {
			const struct pointer *p = stored(&v, i);
			struct json *one = json_new(JSON_OBJECT);
			json_set(one, "path", json_new_str(files->v[i].path));
			json_set(one, "bytes", json_new_int(p ? p->size : files->v[i].size));
			json_set(one, "executable", json_new_bool(files->v[i].executable));
			if (p) {
				json_set(one, "stored", json_new_bool(true));
				json_set(one, "sha256", json_new_str(p->oid));
			}
			json_append(list, one);
		}
		json_set(task, "files", list);
		json_append(k->all, task);
	} else if (!rc) {
		if (k->o->of.given || k->o->n_ids > 1)
			printf("%s==> %s <==\n", k->told ? "\n" : "", t->task->id);
		for (size_t i = 0; i < files->n; i++) {
			const struct pointer *p = stored(&v, i);
			printf("%c%c%12lld  ", files->v[i].executable ? 'x' : '-', p ? 's' : ' ',
			       (long long)(p ? p->size : files->v[i].size));
			put_clean(files->v[i].path, 4096);
			putchar('\n');
		}
		int64_t left_out = json_int(v.l.out, "left_out", 0);
		if (left_out)
			printf("%lld more could not be kept: links, devices, or names that Git refuses\n",
			       (long long)left_out);
	}
	k->told += !rc;
	leaving_clear(&v);
	return rc;
}

static int cmd_files(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct lot lot = {0};
	struct listing k = {.o = &o};
	int rc = report_options(&o, &verb_files, argc, argv, REPORT_MANY, e) || look(ctx, &o, &lot, e) ? -1 : 0;
	k.all = o.json ? json_new(JSON_ARRAY) : NULL;
	if (!rc)
		rc = each(&lot, list_one, &k, "cannot be listed", e);
	if (o.json && (k.told || (!rc && o.of.given)))
		report_list(&o, k.all);
	json_free(k.all);
	lot_clear(&lot);
	report_clear(&o);
	return rc;
}

/* ---- get ---- */

struct get {
	const char *to;	   /* NULL: a folder named after the task; "-": stdout */
	const char *store; /* a command, see store/depot.h; NULL: none */
	bool over, tasks, flat, quiet;
	char **paths; /* of the one task; none: all that it left */
	size_t n_paths;
	struct flat side_by_side;
	size_t n_tasks, n_files; /* written */
};

static void print_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	(void)i;
	*(bool *)ctx = bytes;
	if (bytes)
		fwrite(bytes, 1, len, stdout); /* what fails is told at the end, as of all output */
}

static int print_file(const char *path, struct err *e)
{
	char piece[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0 && !ferror(stdout) && !proc_given_up())
		fwrite(piece, 1, (size_t)n, stdout);
	if (fd >= 0)
		close(fd);
	return fd < 0 || n < 0 ? err_set(e, ERR_OUTPUT, "cannot read '%s': %s", path, strerror(errno)) : 0;
}

/* By way of a file: nothing is printed of what is not whole and right. */
static int print_stored(const char *command, const struct pointer *p, struct err *e)
{
	struct err left;
	char *dir = file_temp_dir(e), *file = dir ? xasprintf("%s/file", dir) : NULL;
	int rc = dir ? depot_get(command, p, file, e) : -1;
	if (!rc)
		rc = print_file(file, e);
	if (dir && file_remove_tree(dir, &left))
		fprintf(stderr, "dgrid: %s\n", left.msg);
	free(dir);
	free(file);
	return rc;
}

static int tell_pointers(const char *id, size_t n, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE,
		       "%zu of the files of '%s' %s in a store, and Git has %s: get --store CMD brings %s, with the "
		       "command that its node has",
		       n, id, n == 1 ? "is" : "are", n == 1 ? "a pointer to it" : "pointers to them",
		       n == 1 ? "it" : "them");
}

static int to_stdout(const struct filestore *store, const struct leaving *v, const char *command, const char *id,
		     struct err *e)
{
	const struct checkout *files = &v->files;
	const struct checkout_file *one = NULL;
	const struct pointer *p = NULL;
	size_t n = 0;
	for (size_t i = 0; i < files->n; i++)
		if (files->v[i].wanted) {
			one = &files->v[i];
			p = stored(v, i);
			n++;
		}
	if (n != 1)
		return err_set(e, ERR_USAGE, "-o -: expected one file, found %zu (name it: dgrid get ID PATH -o -)", n);
	if (p && command)
		return print_stored(command, p, e);
	char *oid = (char *)one->oid;
	bool read = false;
	if (git_cat(&store->git, "blob", &oid, 1, CHECKOUT_FILE_MAX, print_blob, &read, e))
		return -1;
	return !read ? err_set(e, ERR_UNAVAILABLE, "'%s' is not at hand, or larger than 2 GB", one->path)
	       : p   ? tell_pointers(id, 1, e)
		     : 0;
}

/* How it stands where the file is to be: 1: it is there; 0: nothing is, or the pointer to it, which may be replaced
 * (*mode then says so); -1: another. */
static int look_there(const char *dir, const struct checkout_file *f, const struct pointer *p, enum checkout_mode *mode,
		      struct err *e)
{
	char bytes[POINTER_MAX];
	struct pointer is;
	struct err none;
	int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), there = 0;
	int fd = top < 0 ? -1 : tree_open(top, f->path, &none);
	if (top >= 0)
		close(top);
	if (fd < 0) /* what keeps it from being written is told then */
		return 0;
	ssize_t n = read(fd, bytes, sizeof bytes);
	if (n > 0 && n < (ssize_t)sizeof bytes && pointer_of(bytes, (size_t)n, &is) && !strcmp(is.oid, p->oid) &&
	    is.size == p->size)
		*mode = CHECKOUT_OVER;
	else if (lseek(fd, 0, SEEK_SET) == 0 && !depot_read(fd, &is) && is.size == p->size && !strcmp(is.oid, p->oid))
		there = 1;
	else if (*mode == CHECKOUT_SAME)
		there = err_set(e, ERR_PERM, "cannot write '%s': another file stands there (--force replaces files)",
				f->path);
	close(fd);
	return there;
}

static int get_stored(const char *command, const char *dir, const struct checkout_file *f, const struct pointer *p,
		      enum checkout_mode mode, struct err *e)
{
	char nonce[17];
	int there = look_there(dir, f, p, &mode, e);
	if (there)
		return there < 0 ? -1 : 0;
	clock_nonce(nonce, 8);
	char *whole = realpath(dir, NULL), *made = xasprintf("%s/.dgrid-%s", whole ? whole : dir, nonce);
	int rc = depot_get(command, p, made, e);
	rc = rc ? rc : checkout_place(f, made, dir, mode, e);
	unlink(made);
	free(made);
	free(whole);
	return rc;
}

/* What is wanted, and files from the store in place of pointers to them. */
static int write_files(const struct lot *lot, struct leaving *v, const char *dir, const struct get *o, const char *id,
		       struct err *e)
{
	enum checkout_mode mode = o->over ? CHECKOUT_OVER : CHECKOUT_SAME;
	size_t wanted = 0;
	bool *large = xcalloc(v->pointers.n + 1, sizeof *large);
	for (size_t i = 0; i < v->pointers.n; i++) {
		struct checkout_file *f = &v->files.v[v->pointers.v[i].at];
		large[i] = f->wanted;
		wanted += f->wanted;
		if (o->store)
			f->wanted = false;
	}
	int rc = checkout_write(&lot->store.git, &v->files, dir, mode, e);
	for (size_t i = 0; i < v->pointers.n && o->store; i++) {
		struct checkout_file *f = &v->files.v[v->pointers.v[i].at];
		if (!rc && large[i] && (rc = get_stored(o->store, dir, f, &v->pointers.v[i].is, mode, e)))
			err_wrap(e, "'%.200s'", f->path);
		f->wanted = large[i];
	}
	free(large);
	return rc ? rc : wanted && !o->store ? tell_pointers(id, wanted, e) : 0;
}

/* Looks at what it left, before anything of any is written. */
static int look_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	struct get *o = ctx;
	struct leaving v = {0};
	int rc = bring(lot, t, &v, e);
	if (!rc)
		flat_add(&o->side_by_side, t->task->id, &v.files);
	leaving_clear(&v);
	return rc;
}

static int get_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	struct get *o = ctx;
	const char *id = t->task->id;
	struct leaving v = {0};
	struct checkout *files = &v.files;
	int rc = bring(lot, t, &v, e);
	for (size_t i = 0; i < files->n && o->n_paths; i++)
		files->v[i].wanted = false;
	for (size_t i = 0; i < o->n_paths && !rc; i++)
		if (!checkout_want(files, o->paths[i]))
			rc = err_set(e, ERR_NOENT, "'%s' did not leave '%.200s' (dgrid files %s lists what it left)",
				     id, o->paths[i], id);
	char *dir = o->tasks && o->to && !o->flat ? xasprintf("%s/%s", o->to, id)
						  : xstrdup(o->to     ? o->to
							    : o->flat ? "."
								      : id);
	if (!rc && o->to && !strcmp(o->to, "-"))
		rc = to_stdout(&lot->store, &v, o->store, id, e);
	else if (!rc && !(rc = write_files(lot, &v, dir, o, id, e))) {
		size_t written = 0;
		for (size_t i = 0; i < files->n; i++)
			written += files->v[i].wanted;
		o->n_tasks++;
		o->n_files += written;
		if (!o->quiet)
			printf("%s: %zu file%s\n", o->flat ? id : dir, written, written == 1 ? "" : "s");
	}
	free(dir);
	leaving_clear(&v);
	return rc;
}

static int read_get(struct get *o, struct report_options *r, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_get, .argc = argc, .argv = argv};
	int key;
	while ((key = usage_next(&s, e)) > 0)
		if (key == 'o')
			o->to = s.value;
		else if (key == 'G')
			o->store = s.value;
		else if (key == SELECT && select_take(&r->of, s.option, s.value, e))
			return -1;
		else {
			o->over = o->over || key == 'f';
			o->tasks = o->tasks || key == 't' || key == 'F';
			o->flat = o->flat || key == 'F';
			o->quiet = o->quiet || key == 'q';
		}
	if (key < 0)
		return -1;
	o->store = depot_command(o->store);
	o->tasks = o->tasks || r->of.given;
	r->ids = argv + s.rest;
	if (o->tasks && o->to && !strcmp(o->to, "-"))
		return err_set(e, ERR_USAGE, "several tasks are written to folders (expected another -o than -)");
	if (s.rest == argc && !r->of.given)
		return err_set(e, ERR_USAGE, "get: expected a task's id");
	if (o->tasks)
		r->n_ids = (size_t)usage_distinct(&s);
	else {
		r->n_ids = 1;
		o->paths = argv + s.rest + 1;
		o->n_paths = (size_t)(argc - s.rest - 1);
	}
	return 0;
}

static int cmd_get(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options r = {0};
	struct lot lot = {0};
	struct get o = {0};
	int rc = read_get(&o, &r, argc, argv, e) || look(ctx, &r, &lot, e) ||
			 (o.flat && (each(&lot, look_one, &o, "cannot be had, and nothing is written", e) ||
				     flat_judge(&o.side_by_side, e))) ||
			 (o.tasks && o.to && lot.found.n && file_make_folder(o.to, e)) ||
			 each(&lot, get_one, &o, "were not written", e)
		     ? -1
		     : 0;
	if (o.n_tasks && !o.quiet && lot.found.n > 1)
		printf("in all: %zu file%s of %zu task%s\n", o.n_files, o.n_files == 1 ? "" : "s", o.n_tasks,
		       o.n_tasks == 1 ? "" : "s");
	flat_clear(&o.side_by_side);
	lot_clear(&lot);
	report_clear(&r);
	return rc;
}

/* ---- keep ---- */

struct keep {
	const struct context *ctx;
	const char *as; /* NULL: by its id */
};

/* What stands under that name: 1: the same files, by whomever; -1: others, and e says whose. Its commit alone is
 * fetched, where the host gives that. */
static int kept_before(const char *url, const char *ref, const char *name, const char *tree, struct err *e)
{
	struct git g = {.dir = file_temp_dir(e), .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char *spec = xasprintf("+%s:refs/heads/kept", ref), there[72] = "", whose[300] = "nobody could say whose";
	const char *init[] = {"init",
			      "--quiet",
			      "--bare",
			      "--template=",
			      strlen(tree) == 64 ? "--object-format=sha256" : "--object-format=sha1",
			      NULL},
		   *fetch[] = {"fetch",	    "--quiet",
			       "--no-tags", "--no-write-fetch-head",
			       "--depth=1", "--filter=tree:0",
			       "--",	    url,
			       spec,	    NULL},
		   *log[] = {
		       "log", "-1", "--no-show-signature", "--format=%T%n'%s' of %an <%ae>, %cI", "refs/heads/kept",
		       NULL};
	struct buf said = {0}, clean = {0};
	struct err none;
	if (g.dir && !git_run(&g, NULL, &none, init) && !git_run(&g, NULL, &none, fetch) &&
	    !git_run(&g, &said, &none, log) && said.data && strchr(said.data, '\n')) {
		const char *rest = strchr(said.data, '\n') + 1;
		buf_first_line(&said, there, sizeof there);
		text_clean(&clean, rest, strcspn(rest, "\n"), 250);
		snprintf(whose, sizeof whose, "%s", clean.data ? clean.data : "");
	}
	int rc = !strcmp(there, tree) ? 1 : -1;
	if (rc < 0)
		err_set(e, ERR_PERM, "'%s' is kept already: %s has other files: %s (choose another name with --as)",
			name, ref, whose);
	if (g.dir)
		file_remove_tree(g.dir, NULL);
	free(g.dir);
	free(spec);
	buf_clear(&said);
	buf_clear(&clean);
	return rc;
}

static int keep_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	const struct keep *k = ctx;
	const char *name = k->as ? k->as : t->task->id;
	struct leaving v = {0};
	struct buf commit = {0};
	char oid[72], ref[PLACE_MAX];
	const char *local, *to = cache_needless(k->ctx->url, &local) ? local : k->ctx->url;
	int rc = bring(lot, t, &v, e);
	char *subject = xasprintf("outputs of %s, kept", t->task->id);
	const char *make[] = {"commit-tree", "-m", subject, v.l.tree, NULL};
	if (!rc)
		rc = git_run(&lot->store.git, &commit, e, make);
	enum push_outcome got = PUSH_UNKNOWN;
	for (int heads = 0; heads < 2 && !rc && got != PUSH_LANDED; heads++) {
		buf_first_line(&commit, oid, sizeof oid);
		place_keep_name(ref, name, heads);
		char *spec = xasprintf("%s:%s", oid, ref);
		const char *push[] = {"push", "--porcelain", "--no-verify", to, spec, NULL};
		got = git_push_ref(&lot->store.git, push, ref, e);
		free(spec);
		if (got == PUSH_RACED && (rc = kept_before(to, ref, name, v.l.tree, e)) > 0) {
			rc = 0;
			got = PUSH_LANDED;
		} else if (got == PUSH_UNKNOWN)
			rc = -1;
	}
	if (!rc && got != PUSH_LANDED)
		rc = -1;
	if (!rc)
		printf("kept as %s\n", ref);
	free(subject);
	buf_clear(&commit);
	leaving_clear(&v);
	return rc;
}

static int cmd_keep(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_keep, .argc = argc, .argv = argv};
	struct report_options r = {0};
	struct lot lot = {0};
	struct keep k = {.ctx = ctx};
	int key, rc = 0;
	while (!rc && (key = usage_next(&s, e)) != 0)
		if (key == 'a')
			k.as = s.value;
		else
			rc = key < 0 || select_take(&r.of, s.option, s.value, e) ? -1 : 0;
	r.n_ids = rc ? 0 : (size_t)usage_distinct(&s);
	r.ids = argv + s.rest;
	if (!rc && !r.n_ids && !r.of.given)
		rc = err_set(e, ERR_USAGE, "keep: expected a task's id");
	else if (!rc && k.as && (r.n_ids > 1 || r.of.given))
		rc = err_set(e, ERR_USAGE, "--as names the files of one task (expected one id)");
	else if (!rc && k.as && !task_id_valid(k.as))
		rc = err_set(e, ERR_USAGE, "--as: expected 1-64 of A-Z a-z 0-9 _ -, found '%.100s'", k.as);
	rc = rc || look(ctx, &r, &lot, e) || each(&lot, keep_one, &k, "were not kept", e) ? -1 : 0;
	lot_clear(&lot);
	report_clear(&r);
	return rc;
}

const struct verb verb_files = {
    .name = "files",
    .args = "[--json] [--at REV|DATE] [SELECTION]... [ID]...",
    .summary = "the files that tasks left in /out",
    .about =
	"Lists what a task's script left in /out: an x for what may be executed, an s for what a store has (worker "
	"--store), bytes, name. Whatever way the task "
	"ended, its files are kept for keep_out_days of grid.json; `dgrid keep` keeps them for good.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid files hello", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "listed"},
					 {"66", "no such task, or it left no files, or they are gone"},
					 {"75", "it has not ended yet"},
					 {0}},
    .run = cmd_files,
};
const struct verb verb_get = {
    .name = "get",
    .args = "[-o DIR] [--force] [--store CMD] [--quiet] ID [PATH]... | get [-o DIR] [--force] [--store CMD] [--quiet] "
	    "[--flat] [--tasks | "
	    "SELECTION]... [ID]...",
    .summary = "fetches the files that tasks left in /out",
    .about = "Writes what a task left in /out to a folder named after it, or to DIR; with PATHs only those files and "
	     "folders. Only this task's files are fetched, where the host gives objects by id, as most do. Files that "
	     "stand there with other content are not replaced without --force, and no link in the folder is followed.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'o', "-o, --output", "DIR", "@folders",
	     "write to DIR, those of several tasks below DIR/ID; -: the one file named, to stdout"},
	    {'f', "--force", NULL, NULL, "replace files that stand there"},
	    {'G', "--store", "CMD", NULL,
	     "the command that has the files that are too large for Git (worker --store); what it brings is checked; "
	     "without it pointers are written in their place; default: $DGRID_STORE"},
	    {'t', "--tasks", NULL, NULL, "all operands are tasks, and get a folder each; so it is with a selection"},
	    {'F', "--flat", NULL, NULL,
	     "as --tasks, but the files of all go side by side into DIR, or into this folder; where two tasks have "
	     "different files of one name nothing is written"},
	    {'q', "-q, --quiet", NULL, NULL, "say nothing of what is written"},
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples =
	(const struct usage_note[]){
	    {"dgrid get fit", "into ./fit"},
	    {"dgrid get fit model.bin -o - >model.bin", "one file"},
	    {"dgrid get --tasks -o results fit-1 fit-2", "into results/fit-1 and results/fit-2"},
	    {"dgrid get --group fits -o results", "of each that left some"},
	    {"dgrid get --group fits --flat -o results", "results/FILE, without folders"},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "written"},
					 {"66", "no such task or file, or it is gone"},
					 {"69", "pointers were written in place of files that a store has; or it does "
						"not give them, or others"},
					 {"75", "the task has not ended yet"},
					 {"77", "another file stands there"},
					 {0}},
    .environment = (const struct usage_note[]){{"DGRID_STORE", "--store"}, {0}},
    .run = cmd_get,
};
const struct verb verb_keep = {
    .name = "keep",
    .args = "[--as NAME] [SELECTION]... [ID]...",
    .summary = "keeps the files that tasks left for good",
    .about =
	"Makes the ref refs/dgrid/keep/NAME, whose files are those that the task left in /out: it is not deleted when "
	"they are older than keep_out_days. Whoever no longer wants them deletes the ref.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){{'a', "--as", "NAME", NULL, "the ref's name; default: the task's id"}, {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid keep fit --as best-so-far", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "kept"},
					 {"66", "no such task, or it left no files, or they are gone"},
					 {"75", "it has not ended yet"},
					 {"77", "the remote declines, or the name is taken"},
					 {0}},
    .run = cmd_keep,
};
