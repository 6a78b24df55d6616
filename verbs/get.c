#include "base/clock.h"
#include "base/file.h"
#include "store/depot.h"
#include "verbs/flat.h"
#include "verbs/lot.h"
#include "verbs/verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
			p = leaving_stored(v, i);
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
	return !read ? err_set(e, ERR_UNAVAILABLE, "'%s' cannot be read here, or is larger than 2 GB", one->path)
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
		enum checkout_mode any = CHECKOUT_OVER;
		/* The file itself, from an earlier time, is not given up for a pointer to it. */
		bool there = f->wanted && !o->store && look_there(dir, f, &v->pointers.v[i].is, &any, e) > 0;
		large[i] = f->wanted;
		wanted += f->wanted && !there;
		if (o->store || there)
			f->wanted = false;
	}
	int rc = checkout_write(&lot->store.git, &v->files, dir, mode, e);
	for (size_t i = 0; i < v->pointers.n; i++) {
		struct checkout_file *f = &v->files.v[v->pointers.v[i].at];
		if (!rc && o->store && large[i] && (rc = get_stored(o->store, dir, f, &v->pointers.v[i].is, mode, e)))
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
	int rc = lot_bring(lot, t, &v, e);
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
	int rc = lot_bring(lot, t, &v, e);
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
		int64_t left_out = json_int(v.l.out, "left_out", 0);
		if (left_out && !o->quiet)
			fprintf(stderr,
				"dgrid: %s: %lld more could not be kept: links, devices, or names that Git refuses\n",
				id, (long long)left_out);
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
	int rc = read_get(&o, &r, argc, argv, e) || lot_look(ctx, &r, &lot, e) ||
			 (o.flat && (lot_each(&lot, look_one, &o, "cannot be had, and nothing is written", e) ||
				     flat_judge(&o.side_by_side, e))) ||
			 (o.tasks && o.to && lot.found.n && file_make_folder(o.to, e)) ||
			 lot_each(&lot, get_one, &o, "were not all written", e)
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

const struct verb verb_get = {
    .name = "get",
    .args = "[-o DIR] [--force] [--store CMD] [--quiet] ID [PATH]... | get [-o DIR] [--force] [--store CMD] [--quiet] "
	    "[--flat] [--tasks | "
	    "SELECTION]... [ID]...",
    .summary = "fetch the files that tasks left in /out",
    .about =
	"Writes the files that a task left in /out to a folder named after it, or to DIR; with PATHs only those files "
	"and folders. Only this task's files are fetched, if the host serves objects by id, as most do. Existing files "
	"with other content are not replaced without --force, and links in the folder are not followed.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'o', "-o, --output", "DIR", "@folders",
	     "write to DIR, or for several tasks to DIR/ID; -: write the one named file to stdout"},
	    {'f', "--force", NULL, NULL, "replace existing files"},
	    {'G', "--store", "CMD", NULL,
	     "the command that has the files too large for Git (worker --store); what it returns is verified; without "
	     "it, pointers are written instead; default: $DGRID_STORE"},
	    {'t', "--tasks", NULL, NULL, "all operands are tasks, with a folder each; implied by a selection"},
	    {'F', "--flat", NULL, NULL,
	     "as --tasks, but all files go directly into DIR, or the current folder; if two tasks have different files "
	     "of the same name, nothing is written"},
	    {'q', "-q, --quiet", NULL, NULL, "do not print what is written"},
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples =
	(const struct usage_note[]){
	    {"dgrid get fit", "into ./fit"},
	    {"dgrid get fit model.bin -o - >model.bin", "one file"},
	    {"dgrid get --tasks -o results fit-1 fit-2", "into results/fit-1 and results/fit-2"},
	    {"dgrid get --group fits -o results", "of each task that left files"},
	    {"dgrid get --group fits --flat -o results", "results/FILE, without folders"},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "written"},
					 {"65", "different files of the same name with --flat"},
					 {"66", "no such task or file, or it is gone"},
					 {"69", "pointers were written instead of files that are in a store; or the "
						"store does not return them, or not as recorded"},
					 {"74", "they could not be written: the disk is full, for example"},
					 {"75", "the task has not ended yet"},
					 {"77", "something else is there already, or writing there is not permitted"},
					 {0}},
    .environment = (const struct usage_note[]){{"DGRID_STORE", "--store"}, {0}},
    .run = cmd_get,
};
