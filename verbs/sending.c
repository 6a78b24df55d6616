#include "verbs/sending.h"
#include "base/clock.h"
#include "base/file.h"
#include "schema/input.h"
#include "store/cache.h"
#include "store/checkout.h"
#include "store/places.h"
#include "verbs/large.h"
#include "verbs/left.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (1 << 20)
#define LOCKED_TRIES 5
#define LOCKED_PAUSE_MS 100
/* The name of an input that is one file: whatever it was called, the same bytes are the same tree. */
#define THE_FILE "file"
#define GIT(s, out, e, ...) git_run(&(s)->files.git, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* One input on its way to be a tree. */
struct source {
	struct sending *s;
	const struct context *ctx;
	const struct grid_config *c;
	const char *spec, *text; /* as typed; the part after NAME= */
	char *name, *from;	 /* from: what it was made of, for people */
	char *file;		 /* its name in the tree; NULL: the whole tree is meant */
	char *ref;		 /* of a commit here that has the tree */
	char *task, *path;	 /* of a task that has not ended: what it will leave, and where in that; else NULL */
	int64_t files, bytes, stored;
	struct strs put;   /* what went to the store, by SHA-256 */
	bool ours;	   /* every pointer in it is one of dgrid's */
	char *lfs;	   /* where files of Git LFS are; NULL: nowhere */
	bool done, failed; /* of the import */
	struct err why;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* ---- a file or folder here ---- */

static void imported(void *ctx, const char *tree, const struct err *e)
{
	struct source *src = ctx;
	src->done = true;
	src->failed = !tree;
	if (!tree)
		src->why = *e;
}

static int tell_over(const struct source *src, const struct tree_list *l, struct err *e)
{
	const struct grid_config *c = src->c;
	if (l->over == TREE_ENTRIES)
		return err_set(e, ERR_DATA, "more than %lld files and folders (max_in_files of grid.json)",
			       (long long)c->max_in_files);
	if (l->over == TREE_DEPTH)
		return err_set(e, ERR_DATA, "'%s': folders are more than %d deep", l->culprit, TREE_DEPTH_MAX);
	return err_set(e, ERR_DATA, "more than %lld MB (max_in_mb of grid.json; %s)", (long long)c->max_in_mb,
		       src->s->store ? "it counts what goes to the store, too"
				     : "where that is raised, large files can go to a --store, and not to Git");
}

/* A folder that has one file: the one that was named. */
static int list_file(const struct source *src, const char *path, const struct stat *st, struct tree_list *l,
		     struct err *e)
{
	char *folder = xstrndup(path, (size_t)(last_part(path) - path));
	*l = (struct tree_list){.v = xcalloc(1, sizeof *l->v), .n = 1, .room = 1, .bytes = st->st_size};
	l->v[0] = (struct tree_file){
	    .path = xstrdup(last_part(path)), .size = st->st_size, .executable = (st->st_mode & S_IXUSR) != 0};
	l->entries = 1;
	l->v[0].name = xstrdup(THE_FILE);
	l->over = st->st_size > src->c->max_in_mb * MB ? TREE_BYTES : TREE_FITS;
	l->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = l->fd < 0 ? err_set(e, ERR_UNAVAILABLE, "cannot read '%s': %s", folder, strerror(errno)) : 0;
	free(folder);
	return rc;
}

static int measure(struct source *src, struct err *e);

static int take_local(struct source *src, const char *path, const struct stat *st, struct err *e)
{
	struct tree_limits limits = {
	    .entries = src->c->max_in_files, .bytes = src->c->max_in_mb * MB, .links = true, .foreign = true};
	struct tree_list l = {.fd = -1};
	bool folder = S_ISDIR(st->st_mode);
	int rc = folder			? tree_list(path, &limits, &l, e)
		 : S_ISREG(st->st_mode) ? list_file(src, path, st, &l, e)
					: err_set(e, ERR_DATA, "it is neither a file nor a folder");
	if (!rc && l.over)
		rc = tell_over(src, &l, e);
	if (!rc && !l.n)
		rc = err_set(e, ERR_DATA, "there is no file in it");
	if (!rc && l.left_out)
		fprintf(stderr,
			"dgrid: --input %s: %llu left out, first '%s': links that lead out, devices, .git, or names "
			"that Git refuses\n",
			src->spec, (unsigned long long)l.left_out, l.left ? l.left : "");
	char *above = xstrndup(path, (size_t)(last_part(path) - path));
	if (!rc && src->s->store)
		rc = large_put(src->s->store, folder ? path : above, &l, src->c->large_file_mb, &src->put, e);
	free(above);
	src->from = xstrdup(last_part(path));
	src->file = folder ? NULL : xstrdup(THE_FILE);
	if (!rc && !filestore_import(&src->s->files, &l, src->ref, src, imported, e))
		rc = -1;
	while (!rc && !src->done)
		loop_step(1000);
	if (!rc && src->failed) {
		*e = src->why;
		rc = -1;
	}
	tree_list_clear(&l);
	return rc ? rc : measure(src, e);
}

/* ---- what the repository has ---- */

/* A commit of our own that has the object as its tree, or as its one file. mode: of the object. */
static int make_commit(struct source *src, const char *mode, const char *oid, struct err *e)
{
	const char *args[] = {"fast-import", "--quiet", "--force", NULL};
	struct buf b = {0};
	buf_addf(&b, "commit %s\ncommitter dgrid <dgrid@localhost> 0 +0000\ndata 6\nfiles\n\nM %s %s \"%s\"\n",
		 src->ref, mode, oid, src->file ? src->file : "");
	int rc = git_run_input(&src->s->files.git, b.data, b.len, e, args);
	buf_clear(&b);
	return rc;
}

/* What is in it counts for the limits, and must be what a task can be given. */
static int measure(struct source *src, struct err *e)
{
	struct checkout l = {0};
	char tree[72];
	if (!filestore_tree(&src->s->files, src->ref, tree))
		return err_set(e, ERR_UNAVAILABLE, "its tree cannot be read");
	int rc = checkout_list(&src->s->files.git, tree, true, src->c->max_in_files, &l, e);
	if (!rc)
		rc = checkout_links(&src->s->files.git, &l, e);
	const struct large_how how = {
	    .spec = src->spec ? src->spec : "--checkout", .ours = src->ours, .lfs = src->lfs, .put = &src->put};
	if (!rc && (src->s->pointers || src->ours))
		rc = large_count(src->s->store, &src->s->files.git, &l, &how, &src->stored, e);
	src->files = (int64_t)l.n;
	src->bytes = l.bytes;
	checkout_clear(&l);
	return rc;
}

/* path of a tree that is here; "": all of it. */
static int take_object(struct source *src, const char *tree, const char *path, struct err *e)
{
	struct buf listed = {0};
	char mode[8] = "040000", type[8] = "tree", oid[72];
	int rc = 0;
	snprintf(oid, sizeof oid, "%s", tree);
	if (*path && !checkout_path_valid(path))
		return err_set(e, ERR_NOENT, "it has no '%.200s'", path);
	if (*path && ((rc = GIT(src->s, &listed, e, "ls-tree", "-z", "--full-tree", tree, path)) != 0 || !listed.len ||
		      sscanf(listed.data, "%7s %7s %71s", mode, type, oid) != 3))
		rc = rc ? rc : err_set(e, ERR_NOENT, "it has no '%.200s'", path);
	buf_clear(&listed);
	bool file = !strcmp(type, "blob") && strcmp(mode, "120000") != 0;
	if (!rc && !file && strcmp(type, "tree") != 0)
		rc = err_set(e, ERR_DATA, "'%.200s' is neither a file nor a folder", path);
	src->file = file ? xstrdup(THE_FILE) : NULL;
	if (!rc)
		rc = make_commit(src, mode, oid, e);
	return rc ? rc : measure(src, e);
}

/* A branch, a tag or a commit of the grid's repository. */
static int take_revision(struct source *src, const char *rev, const char *path, struct err *e)
{
	char *here = xasprintf("refs/got/%s", last_part(src->ref)), *spec = xasprintf("+%s:%s", rev, here), tree[72];
	const char *local;
	bool shallow = !cache_needless(src->ctx->url, &local);
	const char *args[] = {
	    "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", spec, shallow ? "--depth=1" : NULL,
	    NULL};
	int rc =
	    *rev && *rev != '-' && !strpbrk(rev, "~^:?*[\\ ")
		? git_run_long(&src->s->files.git, e, args)
		: err_set(e, ERR_USAGE, "expected a branch, a tag or a commit before the colon, found '%.100s'", rev);
	if (rc && strstr(e->msg, "find remote ref"))
		rc = err_set(
		    e, ERR_NOENT,
		    "there is no such file or folder here, and the grid's repository has no branch or tag '%.100s'",
		    rev);
	if (!rc && !filestore_tree(&src->s->files, here, tree))
		rc = err_set(e, ERR_DATA, "'%.100s' is no commit", rev);
	if (!rc)
		rc = take_object(src, tree, path, e);
	GIT(src->s, NULL, NULL, "update-ref", "-d", here);
	src->from = xasprintf("%.200s:%.800s", rev, path);
	free(here);
	free(spec);
	return rc;
}

static int take_outputs(struct source *src, const char *id, const char *path, struct err *e)
{
	struct left l = {0};
	int rc = left_find(src->ctx, NULL, id, &l, e);
	if (rc && e->class == ERR_RETRY) {
		left_clear(&l);
		src->task = xstrdup(id);
		src->path = *path ? xstrdup(path) : NULL;
		return 0;
	}
	bool pointers = src->s->pointers;
	src->ours = json_get(l.out, "stored") != NULL;
	src->s->pointers = false; /* else they are files as any: a script wrote them */
	if (!rc)
		rc = bring_out(&src->s->files, l.tree, l.ref, e);
	if (!rc)
		rc = take_object(src, l.tree, path, e);
	src->s->pointers = pointers;
	src->from = xasprintf("task:%.100s%s%.800s", id, *path ? ":" : "", path);
	left_clear(&l);
	return rc;
}

/* ---- the repository that one stands in ---- */

/* The commit that is meant: HEAD's, or one that has what is not committed yet as well. */
static int find_commit(const struct sending_tree *want, const struct git *here, char commit[72], struct err *e)
{
	struct buf said = {0};
	const char *changed[] = {"status", "--porcelain", "--untracked-files=no", NULL};
	const char *stash[] = {"stash", "create", NULL};
	if (git_find(here, want->rev ? want->rev : "HEAD", commit, e))
		return -1;
	if (!commit[0])
		return err_set(e, ERR_NOENT, "there is no commit '%.100s' here", want->rev ? want->rev : "HEAD");
	int rc = want->rev ? 0 : git_run(here, &said, e, changed);
	if (!rc && said.len && !want->dirty)
		rc =
		    err_set(e, ERR_DATA,
			    "there are changes that are not committed (see: git status): --checkout=HEAD sends what is "
			    "committed, --dirty the changes, too");
	else if (!rc && said.len) {
		buf_reset(&said);
		rc = git_run(here, &said, e, stash);
		if (!rc && said.len)
			buf_first_line(&said, commit, 72);
	}
	buf_clear(&said);
	return rc;
}

/* Where a repository keeps files of Git LFS. The caller's. */
static char *lfs_of(const struct git *here)
{
	struct buf said = {0};
	char line[4096] = "";
	git_run(here, &said, NULL,
		(const char *const[]){"rev-parse", "--path-format=absolute", "--git-common-dir", NULL});
	buf_first_line(&said, line, sizeof line);
	buf_clear(&said);
	return line[0] == '/' ? xasprintf("%s/lfs/objects", line) : NULL;
}

static int take_checkout(struct source *src, const struct sending_tree *want, struct err *e)
{
	char commit[72], tree[72], *spec = NULL, *here_ref = xasprintf("refs/got/%s", last_part(src->ref));
	struct git here = {
	    .dir = (char *)".", .name = src->s->files.git.name, .email = src->s->files.git.email, .theirs = true};
	struct buf top = {0};
	char root[4096] = "";
	int rc = git_run(&here, &top, e, (const char *const[]){"rev-parse", "--show-toplevel", NULL});
	if (rc && strstr(e->msg, "not a git repository"))
		rc = err_set(e, ERR_NOENT, "this folder is no work tree of Git's");
	buf_first_line(&top, root, sizeof root);
	buf_clear(&top);
	here.dir = root;
	if (!rc)
		rc = find_commit(want, &here, commit, e);
	if (!rc) {
		spec = xasprintf("+%s:%s", commit, here_ref);
		rc = git_run_long(&src->s->files.git, e,
				  (const char *const[]){"fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
							"--depth=1", root, spec, NULL});
	}
	if (!rc && !filestore_tree(&src->s->files, here_ref, tree))
		rc = err_set(e, ERR_UNAVAILABLE, "its tree cannot be had");
	if (!rc)
		src->lfs = lfs_of(&here);
	if (!rc)
		rc = take_object(src, tree, "", e);
	GIT(src->s, NULL, NULL, "update-ref", "-d", here_ref);
	src->from = rc ? NULL : xasprintf("%.100s %.12s%s", last_part(root), commit, want->dirty ? " and changes" : "");
	src->name = xstrdup(SENDING_CHECKOUT);
	free(spec);
	free(here_ref);
	return rc;
}

/* ---- all of them ---- */

/* Without slashes at the end. */
static char *trimmed(const char *path)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

/* A path ends as it was typed, in a link's name say; only one that ends in no name has that of what it leads to. */
static const char *usual_name(const char *typed, const char *real)
{
	const char *last = last_part(typed);
	return !*last || !strcmp(last, ".") || !strcmp(last, "..") ? real : typed;
}

static int take(struct source *src, struct err *e)
{
	struct stat st;
	char *path = realpath(src->text, NULL), *text = trimmed(src->text);
	const char *colon, *usual = usual_name(text, path);
	int rc;
	if (path && !stat(path, &st))
		rc = take_local(src, path, &st, e);
	else if (!strncmp(text, "task:", 5)) {
		colon = strchr(text + 5, ':');
		char *id = xstrndup(text + 5, strcspn(text + 5, ":"));
		rc = take_outputs(src, id, colon ? colon + 1 : "", e);
		usual = colon ? colon + 1 : text + 5;
		free(id);
	} else if ((colon = strchr(text, ':')) != NULL) {
		char *rev = xstrndup(text, (size_t)(colon - text));
		rc = take_revision(src, rev, colon + 1, e);
		usual = colon[1] ? colon + 1 : NULL;
		free(rev);
	} else if (!src->name && strchr(text, '='))
		rc = err_set(
		    e, ERR_USAGE,
		    "'%.*s' is no name for it in /in (expected 1-64 of A-Z a-z 0-9 . _ -, no dot first), and there is "
		    "no file '%.200s'",
		    (int)(strcspn(text, "=") < 100 ? strcspn(text, "=") : 100), text, text);
	else
		rc = err_set(
		    e, ERR_NOENT,
		    "there is no such file or folder here (of the repository: REV:PATH; of a task: task:ID:PATH)");
	if (!rc && !src->name && usual)
		src->name = xstrdup(last_part(usual));
	if (!rc && (!src->name || !input_name_valid(src->name)))
		rc = err_set(
		    e, ERR_USAGE,
		    "'%.100s' cannot be its name in /in (expected NAME=SOURCE, 1-64 of A-Z a-z 0-9 . _ -, no dot "
		    "first)",
		    src->name ? src->name : "");
	free(path);
	free(text);
	return rc;
}

static int add(struct source *src, struct err *e)
{
	struct sending *s = src->s;
	char tree[72];
	struct buf commit = {0};
	char line[72] = "";
	if (json_get(s->member, src->name))
		return err_set(e, ERR_USAGE, "'%s' is given twice", src->name);
	struct json *one = json_new(JSON_OBJECT);
	json_set(s->member, src->name, one);
	if (src->task) {
		json_set(one, "task", json_new_str(src->task));
		if (src->path)
			json_set(one, "path", json_new_str(src->path));
		return 0;
	}
	if (!filestore_tree(&s->files, src->ref, tree) || GIT(s, &commit, e, "rev-parse", "--verify", src->ref))
		return err_set(e, ERR_UNAVAILABLE, "its tree cannot be made");
	buf_first_line(&commit, line, sizeof line);
	buf_clear(&commit);
	json_set(one, "tree", json_new_str(tree));
	if (src->file)
		json_set(one, "path", json_new_str(src->file));
	json_set(one, "files", json_new_int(src->files));
	json_set(one, "bytes", json_new_int(src->bytes));
	if (src->stored)
		json_set(one, "stored", json_new_int(src->stored));
	if (src->from && *src->from)
		json_set(one, "from", json_new_str(src->from));
	strs_add(&s->trees, tree);
	strs_add(&s->commits, line);
	return 0;
}

/* spec NULL: the checkout. */
static int make_one(struct sending *s, const struct context *ctx, const struct grid_config *c,
		    const struct sending_tree *checkout, const char *spec, struct err *e)
{
	char nonce[17], *name = spec ? xstrndup(spec, strcspn(spec, "=")) : NULL;
	clock_nonce(nonce, 8);
	bool named = spec && strchr(spec, '=') && input_name_valid(name);
	struct source src = {.s = s,
			     .ctx = ctx,
			     .c = c,
			     .spec = spec,
			     .text = named ? strchr(spec, '=') + 1 : spec,
			     .name = named ? xstrdup(name) : NULL,
			     .ref = xasprintf("refs/sent/%s", nonce)};
	int rc = spec ? take(&src, e) : take_checkout(&src, checkout, e);
	if (!rc)
		rc = add(&src, e);
	if (rc && spec)
		err_wrap(e, "--input %.200s", spec);
	else if (rc)
		err_wrap(e, "--checkout");
	free(name);
	free(src.name);
	free(src.from);
	free(src.file);
	free(src.lfs);
	strs_clear(&src.put);
	free(src.task);
	free(src.path);
	GIT(s, NULL, NULL, "update-ref", "-d", src.ref);
	free(src.ref);
	return rc;
}

int sending_make(struct sending *s, const struct context *ctx, const struct grid_config *c, bool sha256,
		 const struct sending_tree *checkout, char *const *specs, size_t n, struct err *e)
{
	const char *local;
	const struct json *bad;
	char why[240];
	if (!n && !checkout->wanted)
		return 0;
	if (!c->max_in_mb)
		return err_set(e, ERR_DATA, "this grid gives tasks no files (max_in_mb of grid.json is 0)");
	s->to = cache_needless(ctx->url, &local) ? local : ctx->url;
	s->member = json_new(JSON_OBJECT);
	int rc = left_store(ctx, sha256, &s->files, e);
	if (!rc && checkout->wanted)
		rc = make_one(s, ctx, c, checkout, NULL, e);
	for (size_t i = 0; i < n && !rc; i++)
		rc = make_one(s, ctx, c, checkout, specs[i], e);
	if (!rc && !inputs_valid(s->member, c->max_in_mb, c->max_in_files, &bad, why))
		rc = err_set(e, ERR_DATA, "--input: %s", why);
	return rc;
}

/* ---- in a task ---- */

#define STDIN_INPUT "stdin" /* the name of the input that --stdin FILE makes */

/* Is it the name that this source will have? */
static bool has_name(const char *source, const char *name, size_t len)
{
	size_t n = strcspn(source, "=");
	char *given = xstrndup(source, n);
	bool named = source[n] && input_name_valid(given);
	free(given);
	if (named)
		return n == len && !strncmp(source, name, len);
	char *text = trimmed(source);
	const char *last = last_part(text), *colon = strrchr(last, ':');
	last = colon ? colon + 1 : last;
	bool same = strlen(last) == len && !strncmp(last, name, len);
	free(text);
	return same;
}

int sending_read_file(struct sending_use *u, const char *path, struct strs *sources, struct err *e)
{
	for (size_t i = 0; i < sources->n; i++)
		if (has_name(sources->v[i], STDIN_INPUT, strlen(STDIN_INPUT)))
			return err_set(e, ERR_USAGE,
				       "--stdin %.200s and --input %.200s would both be the input '" STDIN_INPUT
				       "' (give that one another name: --input NAME=SOURCE)",
				       u->reads, sources->v[i]);
	strs_addf(sources, STDIN_INPUT "=%s", path);
	u->reads = STDIN_INPUT;
	return 0;
}

int sending_take_stdin(struct sending_use *u, const struct sending_tree *checkout, struct strs *sources, struct err *e)
{
	struct stat st;
	size_t len = u->reads ? strcspn(u->reads, "/") : 0;
	bool known = checkout->wanted && len == strlen(SENDING_CHECKOUT) && !strncmp(u->reads, SENDING_CHECKOUT, len);
	for (size_t i = 0; i < sources->n && u->reads && !known; i++)
		known = has_name(sources->v[i], u->reads, len);
	if (!u->reads || known || stat(u->reads, &st) || S_ISDIR(st.st_mode))
		return 0;
	return sending_read_file(u, u->reads, sources, e);
}

/* What can be told of it before it runs: is it a file? Of what another task leaves nothing can. */
static void judge_stdin(const struct sending *s, const char *reads, const struct json *inputs, struct problems *p)
{
	size_t n = strcspn(reads, "/");
	char *name = xstrndup(reads, n), type[8] = "";
	const struct json *input = json_get(inputs, name), *file = json_get(input, "path");
	const char *tree = json_str(input, "tree");
	struct buf listed = {0};
	if (!input_names(inputs, reads))
		problem_in(p, 1, 1, "stdin",
			   "\"%s\" is no file here, and not the name of an input (expected one of them, or NAME/PATH)",
			   reads);
	else if (!tree || !json_get(s->member, name))
		;
	else if (!reads[n] && !file)
		problem_in(p, 1, 1, "stdin", "\"%s\" is a folder (expected a file: %s/PATH)", reads, name);
	else if (reads[n] && (file || GIT(s, &listed, NULL, "ls-tree", "-z", "--full-tree", tree, reads + n + 1) ||
			      !listed.len || sscanf(listed.data, "%*s %7s", type) != 1 || strcmp(type, "blob") != 0))
		problem_in(p, 1, 1, "stdin", "input \"%s\" has no file \"%s\"", name, reads + n + 1);
	buf_clear(&listed);
	free(name);
}

void sending_add(const struct sending *s, const struct sending_use *u, struct json *doc, const struct grid_config *c,
		 struct problems *p)
{
	const struct json *own = json_get(doc, "inputs"), *at;
	struct json *all = own ? json_copy(own) : json_new(JSON_OBJECT);
	char why[240];
	for (const struct json *i = s->member ? s->member->child : NULL; i; i = i->next) {
		if (json_get(all, i->name))
			problem_in(p, 1, 1, "inputs", "\"%s\" is in the file and given by --input (expected one)",
				   i->name);
		else
			json_set(all, i->name, json_copy(i));
	}
	if (s->member && !inputs_valid(all, c->max_in_mb, c->max_in_files, &at, why))
		problem_in(p, 1, 1, "inputs", "%s", why);
	bool usual = u->checkout && !u->workdir && !json_get(doc, "workdir");
	const char *in = usual ? SENDING_CHECKOUT : s->member ? u->workdir : NULL;
	const struct json *is = json_get(s->member, in ? in : "");
	if (in && json_get(is, "path") && !json_get(is, "task")) /* only files have one there */
		problem_in(p, 1, 1, "workdir", "\"%s\" is a file (expected a folder)", in);
	if (in && !json_get(all, in))
		problem_in(p, 1, 1, "workdir", "\"%s\" is not valid (expected the name of one of its inputs)", in);
	int64_t copied = json_int(is, "bytes", 0) + input_stored(is);
	if (in && copied > c->tmp_mb * MB)
		problem_in(
		    p, 1, 1, "workdir",
		    "\"%s\" has %lld bytes, and the script begins in a copy of it in /tmp (expected at most %lld MB, "
		    "tmp_mb of grid.json)",
		    in, (long long)copied, (long long)c->tmp_mb);
	if (u->reads)
		judge_stdin(s, u->reads, all, p);
	if (s->member)
		json_set(doc, "inputs", json_copy(all));
	if (in)
		json_set(doc, "workdir", json_new_str(in));
	if (u->reads)
		json_set(doc, "stdin", json_new_str(u->reads));
	json_free(all);
}

/* ---- to the remote ---- */

static enum push_outcome push_to(const struct sending *s, const char *commit, const char *ref, struct err *e)
{
	char *spec = xasprintf("%s:%s", commit, ref);
	const char *args[] = {"push", "--porcelain", "--no-verify", s->to, spec, NULL};
	enum push_outcome got = git_push_ref(&s->files.git, args, ref, e);
	free(spec);
	return got;
}

static bool is_there(const struct sending *s, const char *ref)
{
	struct buf out = {0};
	bool there = !GIT(s, &out, NULL, "ls-remote", s->to, ref) && out.len;
	buf_clear(&out);
	return there;
}

/* The name says which tree it is: where there is such a ref, it is there, whoever was quicker. Who makes it just now
 * has it locked. */
static int push_one(const struct sending *s, const char *commit, const char *tree, struct err *e)
{
	char ref[PLACE_MAX];
	for (int heads = 0; heads < 2; heads++) {
		place_in_name(ref, tree, heads);
		bool locked = true;
		for (int tries = 0; tries < LOCKED_TRIES && locked; tries++) {
			proc_pause(tries * LOCKED_PAUSE_MS);
			enum push_outcome got = push_to(s, commit, ref, e);
			if (got == PUSH_LANDED || got == PUSH_RACED || (got == PUSH_DECLINED && is_there(s, ref)))
				return 0;
			if (got != PUSH_DECLINED)
				return err_wrap(e, "the inputs cannot be sent");
			locked = strstr(e->msg, "lock ref") != NULL;
		}
	}
	return err_wrap(e, "the inputs cannot be sent");
}

int sending_push(const struct sending *s, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < s->trees.n && !rc; i++)
		rc = push_one(s, s->commits.v[i], s->trees.v[i], e);
	return rc;
}

void sending_clear(struct sending *s)
{
	json_free(s->member);
	strs_clear(&s->trees);
	strs_clear(&s->commits);
	left_close(&s->files);
	*s = (struct sending){0};
}
