#include "store/cache.h"
#include "store/checkout.h"
#include "store/places.h"
#include "verbs/left.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int bring(const struct context *ctx, const char *at, const char *id, struct left *l, struct filestore *store,
		 struct checkout *files, struct err *e)
{
	int rc = left_find(ctx, at, id, l, e);
	if (!rc)
		rc = left_store(ctx, strlen(l->tree) == 64, store, e);
	if (!rc)
		rc = bring_out(store, l->tree, l->ref, e);
	return rc ? rc : checkout_list(&store->git, l->tree, false, CHECKOUT_ENTRIES_MAX, files, e);
}

/* ---- files ---- */

static int cmd_files(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct left l = {0};
	struct filestore store = {0};
	struct checkout files = {0};
	int rc = report_options(&o, &verb_files, argc, argv, true, e);
	if (!rc)
		rc = bring(ctx, o.at, o.id, &l, &store, &files, e);
	if (!rc && o.json) {
		struct json *all = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "task_id", json_new_str(o.id));
		json_set(all, "out", json_copy(l.out));
		for (size_t i = 0; i < files.n; i++) {
			struct json *one = json_new(JSON_OBJECT);
			json_set(one, "path", json_new_str(files.v[i].path));
			json_set(one, "bytes", json_new_int(files.v[i].size));
			json_set(one, "executable", json_new_bool(files.v[i].executable));
			json_append(list, one);
		}
		json_set(all, "files", list);
		put_json(all);
		json_free(all);
	} else if (!rc) {
		for (size_t i = 0; i < files.n; i++) {
			printf("%c %12lld  ", files.v[i].executable ? 'x' : '-', (long long)files.v[i].size);
			put_clean(files.v[i].path, 4096);
			putchar('\n');
		}
		int64_t left_out = json_int(l.out, "left_out", 0);
		if (left_out)
			printf("%lld more could not be kept: links, devices, or names that Git refuses\n",
			       (long long)left_out);
	}
	left_clear(&l);
	left_close(&store);
	checkout_clear(&files);
	return rc;
}

/* ---- get ---- */

struct get {
	const char *to; /* NULL: a folder named after the task; "-": stdout */
	bool over, tasks;
};

static void print_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	(void)i;
	*(bool *)ctx = bytes && fwrite(bytes, 1, len, stdout) == len;
}

static int to_stdout(const struct filestore *store, const struct checkout *files, struct err *e)
{
	const struct checkout_file *one = NULL;
	size_t n = 0;
	for (size_t i = 0; i < files->n; i++)
		if (files->v[i].wanted) {
			one = &files->v[i];
			n++;
		}
	if (n != 1)
		return err_set(e, ERR_USAGE, "-o -: expected one file, found %zu (name it: dgrid get ID PATH -o -)", n);
	char *oid = (char *)one->oid;
	bool printed = false;
	if (git_cat(&store->git, "blob", &oid, 1, CHECKOUT_FILE_MAX, print_blob, &printed, e))
		return -1;
	return printed ? 0 : err_set(e, ERR_UNAVAILABLE, "'%s' cannot be printed", one->path);
}

static int get_one(const struct context *ctx, const struct get *o, const char *id, char **paths, size_t n,
		   struct err *e)
{
	struct left l = {0};
	struct filestore store = {0};
	struct checkout files = {0};
	int rc = bring(ctx, NULL, id, &l, &store, &files, e);
	for (size_t i = 0; i < files.n && n; i++)
		files.v[i].wanted = false;
	for (size_t i = 0; i < n && !rc; i++)
		if (!checkout_want(&files, paths[i]))
			rc = err_set(e, ERR_NOENT, "'%s' did not leave '%.200s' (dgrid files %s lists what it left)",
				     id, paths[i], id);
	char *dir = o->tasks && o->to ? xasprintf("%s/%s", o->to, id) : xstrdup(o->to ? o->to : id);
	if (!rc && o->tasks && o->to && mkdir(o->to, 0777) && errno != EEXIST)
		rc = err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", o->to, strerror(errno));
	if (!rc && o->to && !strcmp(o->to, "-"))
		rc = to_stdout(&store, &files, e);
	else if (!rc && !(rc = checkout_write(&store.git, &files, dir, o->over, e))) {
		size_t written = 0;
		for (size_t i = 0; i < files.n; i++)
			written += files.v[i].wanted;
		printf("%s: %zu file%s\n", dir, written, written == 1 ? "" : "s");
	}
	free(dir);
	left_clear(&l);
	left_close(&store);
	checkout_clear(&files);
	return rc;
}

static int cmd_get(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_get, .argc = argc, .argv = argv};
	struct get o = {0};
	int key;
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'o':
			o.to = s.value;
			break;
		case 'f':
			o.over = true;
			break;
		case 't':
			o.tasks = true;
			break;
		default:
			break;
		}
	if (key < 0 || need_repo(ctx, e))
		return -1;
	if (s.rest == argc)
		return err_set(e, ERR_USAGE, "get: expected a task's id");
	if (o.tasks && o.to && !strcmp(o.to, "-"))
		return err_set(e, ERR_USAGE, "--tasks writes to folders (expected another -o than -)");
	if (!o.tasks)
		return get_one(ctx, &o, argv[s.rest], argv + s.rest + 1, (size_t)(argc - s.rest - 1), e);
	/* One that left nothing keeps no other back. */
	int missing = 0;
	for (int i = s.rest; i < argc && !proc_given_up(); i++) {
		struct err one;
		if (!get_one(ctx, &o, argv[i], NULL, 0, &one))
			continue;
		fprintf(stderr, "dgrid: %s: %s\n", argv[i], one.msg);
		e->class = one.class;
		missing++;
	}
	return missing ? err_set(e, e->class, "the files of %d of %d tasks were not written", missing, argc - s.rest)
		       : 0;
}

/* ---- keep ---- */

static int keep(const struct context *ctx, const char *id, const char *name, struct err *e)
{
	struct left l = {0};
	struct filestore store = {0};
	struct checkout files = {0};
	struct buf commit = {0};
	char oid[72], ref[PLACE_MAX];
	const char *local, *to = cache_needless(ctx->url, &local) ? local : ctx->url;
	int rc = bring(ctx, NULL, id, &l, &store, &files, e);
	char *subject = xasprintf("outputs of %s, kept", id);
	const char *make[] = {"commit-tree", "-m", subject, l.tree, NULL};
	if (!rc)
		rc = git_run(&store.git, &commit, e, make);
	enum push_outcome got = PUSH_UNKNOWN;
	for (int heads = 0; heads < 2 && !rc && got != PUSH_LANDED; heads++) {
		buf_first_line(&commit, oid, sizeof oid);
		place_keep_name(ref, name, heads);
		char *spec = xasprintf("%s:%s", oid, ref);
		const char *push[] = {"push", "--porcelain", "--no-verify", to, spec, NULL};
		got = git_push_ref(&store.git, push, ref, e);
		free(spec);
		if (got == PUSH_RACED)
			rc = err_set(e, ERR_PERM, "'%s' is kept already: %s stands (choose another name with --as)",
				     name, ref);
		else if (got == PUSH_UNKNOWN)
			rc = -1;
	}
	if (!rc && got != PUSH_LANDED)
		rc = -1;
	if (!rc)
		printf("kept as %s\n", ref);
	free(subject);
	buf_clear(&commit);
	left_clear(&l);
	left_close(&store);
	checkout_clear(&files);
	return rc;
}

static int cmd_keep(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_keep, .argc = argc, .argv = argv};
	const char *name = NULL;
	int key;
	while ((key = usage_next(&s, e)) > 0)
		if (key == 'a')
			name = s.value;
	if (key < 0 || need_repo(ctx, e) || usage_operands(&s, 1, e))
		return -1;
	if (s.rest == argc)
		return err_set(e, ERR_USAGE, "keep: expected a task's id");
	name = name ? name : argv[s.rest];
	if (!task_id_valid(name))
		return err_set(e, ERR_USAGE, "--as: expected 1-64 of A-Z a-z 0-9 _ -, found '%.100s'", name);
	return keep(ctx, argv[s.rest], name, e);
}

const struct verb verb_files = {
    .name = "files",
    .args = "[--json] [--at REV|DATE] ID",
    .summary = "the files that a task left in /out",
    .about =
	"Lists what a task's script left in /out: an x for what may be executed, bytes, name. Whatever way the task "
	"ended, its files are kept for keep_out_days of grid.json; `dgrid keep` keeps them for good.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
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
    .args = "[-o DIR] [--force] ID [PATH...] | get --tasks [-o DIR] ID...",
    .summary = "fetches the files that a task left in /out",
    .about = "Writes what a task left in /out to a folder named after it, or to DIR; with PATHs only those files and "
	     "folders. Only this task's files are fetched, where the host gives objects by id, as most do. Files that "
	     "stand there are not replaced without --force, and no link in the folder is followed.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){{'o', "-o, --output", "DIR", "@folders",
				       "write to DIR; with --tasks below DIR/ID; -: the one file named, to stdout"},
				      {'f', "--force", NULL, NULL, "replace files that stand there"},
				      {'t', "--tasks", NULL, NULL, "all operands are tasks, and get a folder each"},
				      {0}},
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid get fit", "into ./fit"},
					    {"dgrid get fit model.bin -o - >model.bin", "one file"},
					    {"dgrid get --tasks -o results fit-1 fit-2",
					     "into results/fit-1 and results/fit-2"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "written"},
					 {"66", "no such task or file, or it is gone"},
					 {"75", "the task has not ended yet"},
					 {"77", "a file stands there already"},
					 {0}},
    .run = cmd_get,
};
const struct verb verb_keep = {
    .name = "keep",
    .args = "[--as NAME] ID",
    .summary = "keeps the files that a task left for good",
    .about =
	"Makes the ref refs/dgrid/keep/NAME, whose files are those that the task left in /out: it is not deleted when "
	"they are older than keep_out_days. Whoever no longer wants them deletes the ref.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){{'a', "--as", "NAME", NULL, "the ref's name; default: the task's id"}, {0}},
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid keep fit --as best-so-far", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "kept"},
					 {"66", "no such task, or it left no files, or they are gone"},
					 {"75", "it has not ended yet"},
					 {"77", "the remote declines, or the name is taken"},
					 {0}},
    .run = cmd_keep,
};
