#include "worker/outputs.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/depot.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELPER_TIMEOUT_MS 60000
#define MB (1 << 20)

/* ---- the folders ---- */

struct tree_limits outputs_limits(const struct task *t, const struct grid_config *c)
{
	if (!t->out_mb)
		return (struct tree_limits){0};
	return (struct tree_limits){.entries = c->max_out_files, .bytes = t->out_mb * MB};
}

/* May anybody go through all folders above dir? */
static bool reachable(const char *dir)
{
	char *path = xstrdup(dir);
	struct stat st;
	bool open = true;
	for (char *end; open && (end = strrchr(path, '/')) && end != path;) {
		*end = 0;
		open = !stat(path, &st) && (st.st_mode & S_IXOTH);
	}
	free(path);
	return open;
}

/* bwrap of a worker that is root runs as another user, who must be able to go where its folders stand. */
static char *place_for_runs(const char *work_dir, const struct engine *g, struct err *e)
{
	bool foreign = engine_foreign(g);
	static const char *const shut[] = {"ledger", "results", "store.git"};
	char *run = xasprintf("%s/run", work_dir);
	struct stat st;
	if (!foreign)
		return file_mkdirs(run, e) ? (free(run), NULL) : run;
	for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
		char *path = xasprintf("%s/%s", work_dir, shut[i]);
		if (file_exists(path) && chmod(path, 0700))
			log_at(LOG_WARN, "outputs", "cannot shut '%s': %s", path, strerror(errno));
		free(path);
	}
	if (!reachable(work_dir) && engine_cluster(g->kind)) { /* nothing else is the same on all nodes */
		err_set(e, ERR_PERM, "'%s' is shut to the sandbox's user (try: chmod a+x on each folder above it)",
			work_dir);
		free(run);
		return NULL;
	}
	if (!reachable(work_dir)) {
		uint64_t hash = 1469598103934665603u; /* FNV-1a: a name, not a secret */
		for (const char *p = work_dir; *p; p++)
			hash = (hash ^ (unsigned char)*p) * 1099511628211u;
		free(run);
		run = xasprintf("/var/tmp/dgrid-run-%016llx", (unsigned long long)hash);
		log_at(LOG_INFO, "outputs", "'%s' is shut to the sandbox's user: tasks write to '%s'", work_dir, run);
	} else if (chmod(work_dir, 0711)) {
		err_set(e, ERR_PERM, "cannot open '%s' to the sandbox's user: %s", work_dir, strerror(errno));
		free(run);
		return NULL;
	}
	if (mkdir(run, 0711) && errno != EEXIST)
		err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", run, strerror(errno));
	else if (lstat(run, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || chmod(run, 0711))
		err_set(e, ERR_PERM, "'%s' is no folder of this user's", run);
	else
		return run;
	free(run);
	return NULL;
}

static void take_name(void *ctx, const char *name)
{
	strs_add(ctx, name);
}

static char *folder_of(const struct outputs *o, const char *nonce)
{
	return xasprintf("%s/%s", o->run, nonce);
}

int outputs_open(struct outputs *o, const char *work_dir, const char *url, bool sha256, const char *name,
		 const char *email, struct err *e)
{
	/* git runs elsewhere: a relative name would be another folder's. */
	char *whole = realpath(work_dir, NULL), *store = xasprintf("%s/store.git", whole ? whole : work_dir);
	int rc = whole ? filestore_open(&o->store, store, url, sha256, NULL, name, email, e)
		       : err_set(e, ERR_UNAVAILABLE, "cannot read '%s': %s", work_dir, strerror(errno));
	if (!rc)
		filestore_unlock(&o->store);
	if (!rc && !(o->run = place_for_runs(whole, o->engine, e)))
		rc = -1;
	struct strs left = {0};
	if (!rc && file_names(o->run, take_name, &left, e))
		rc = -1;
	for (size_t i = 0; i < left.n; i++)
		outputs_discard(o, left.v[i]);
	strs_clear(&left);
	free(store);
	free(whole);
	return rc;
}

void outputs_close(struct outputs *o)
{
	filestore_close(&o->store);
	if (o->run)
		rmdir(o->run); /* stays when something is in it */
	free(o->run);
	o->run = NULL;
}

char *outputs_begin(struct outputs *o, const char *nonce, struct err *e)
{
	char *folder = folder_of(o, nonce), *out = xasprintf("%s/out", folder);
	bool foreign = engine_foreign(o->engine);
	if (mkdir(folder, 0700) || (foreign && chmod(folder, 0711)))
		err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", folder, strerror(errno));
	else if (!engine_make_out(o->engine, out, e)) {
		free(folder);
		return out;
	}
	free(folder);
	free(out);
	return NULL;
}

/* ---- what an attempt left ---- */

struct collecting {
	struct collecting *next; /* of all->storing */
	struct proc *proc;	 /* that stores the large ones; NULL: none */
	int64_t large_mb;
	bool hurried;
	struct outputs *all;
	char *nonce, *out;
	struct tree_limits limits;
	struct harvest h;
	void *ctx;
	void (*on_end)(void *ctx, const struct harvest *h);
};

static void collected(struct collecting *c)
{
	c->on_end(c->ctx, &c->h);
	outputs_discard(c->all, c->nonce);
	free(c->nonce);
	free(c->out);
	free(c);
}

static void lose(struct collecting *c, const struct err *e)
{
	snprintf(c->h.error, sizeof c->h.error, "cannot be stored: %.300s", e->msg);
	log_at(LOG_WARN, "outputs", "the files of a run %s", c->h.error);
	c->h.local = true;
}

static void imported(void *ctx, const char *tree, const struct err *e)
{
	struct collecting *c = ctx;
	if (tree)
		snprintf(c->h.tree, sizeof c->h.tree, "%s", tree);
	else
		lose(c, e);
	collected(c);
}

static void tell_over(struct collecting *c, const struct tree_list *l)
{
	struct harvest *h = &c->h;
	h->over = l->over;
	outputs_tell_over(l->over, &c->limits, l->culprit, h->what, sizeof h->what);
}

static void gather(struct collecting *c);

/* The large ones have become pointers, or cannot. */
static void stored(void *ctx, const struct proc_result *res)
{
	struct collecting *c = ctx, **at = &c->all->storing;
	char said[400] = "";
	unsigned long long files, bytes;
	struct err e;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->proc = NULL;
	buf_first_line(&res->err, said, sizeof said);
	const char *why = !strncmp(said, "dgrid: ", 7) ? said + 7 : said[0] ? said : "what stores it was ended";
	if (res->end == PROC_EXITED && !res->code && res->out.data &&
	    sscanf(res->out.data, "%llu %llu", &files, &bytes) == 2) {
		c->h.stored_files = files;
		c->h.stored_bytes = bytes;
		c->h.large_mb = c->large_mb;
		c->large_mb = 0;
		gather(c);
		return;
	}
	if (c->hurried || res->end != PROC_EXITED || res->code == ERR_OUTPUT) {
		err_set(&e, ERR_UNAVAILABLE, "%s", why);
		lose(c, &e);
	} else {
		snprintf(c->h.error, sizeof c->h.error, "cannot be kept: %.370s", why);
		log_at(LOG_WARN, "outputs", "the files of a run %s", c->h.error);
	}
	collected(c);
}

/* In a process of its own: it reads all of them, and waits for the store. */
static bool store_large(struct collecting *c, struct err *e)
{
	struct strs argv = {0};
	const char *command = c->all->command;
	char *folder = folder_of(c->all, c->nonce), *aside = xasprintf("%s/large", folder),
	     *store = xasprintf(DEPOT_VARIABLE "=%s", command ? command : "");
	const char *env[] = {store, NULL};
	depot_argv(c->out, aside, &c->limits, c->large_mb * MB, command != NULL, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v, .env = env, .ctx = c, .on_end = stored};
	c->proc = proc_start(&spec, e);
	if (c->proc) {
		c->next = c->all->storing;
		c->all->storing = c;
	}
	strs_clear(&argv);
	free(folder);
	free(aside);
	free(store);
	return c->proc != NULL;
}

/* Is one of them larger? */
static bool has_large(const struct tree_list *l, int64_t mb)
{
	bool large = false;
	for (size_t i = 0; i < l->n && mb && !large; i++)
		large = l->v[i].size > mb * MB;
	return large;
}

static void gather(struct collecting *c)
{
	struct tree_list list;
	struct err e;
	bool listed = !tree_list(c->out, &c->limits, &list, &e), large = listed && !list.over;
	if (large && has_large(&list, c->large_mb)) {
		tree_list_clear(&list);
		if (store_large(c, &e))
			return;
		lose(c, &e);
		collected(c);
		return;
	}
	if (!listed)
		lose(c, &e);
	else if (list.over)
		tell_over(c, &list);
	else if (list.bytes > CONFIG_GIT_MB * (int64_t)MB) {
		c->h.over = TREE_BYTES;
		snprintf(c->h.what, sizeof c->h.what,
			 "it left more than %d MB for Git in /out (files over large_file_mb of grid.json may be more, "
			 "on a node with --store)",
			 CONFIG_GIT_MB);
	}
	c->h.left_out = list.left_out;
	c->h.files = list.n;
	c->h.bytes = (uint64_t)list.bytes;
	if (!list.n && list.left_out && !c->h.error[0] && !list.over)
		snprintf(c->h.error, sizeof c->h.error,
			 "nothing of it can be kept: %llu links, devices, or names that Git refuses",
			 (unsigned long long)list.left_out);
	char *ref = xasprintf(FILESTORE_HELD "/%s", c->nonce);
	bool any = list.n && !c->h.error[0] && !c->h.over;
	if (any && !filestore_import(&c->all->store, &list, ref, c, imported, &e)) {
		lose(c, &e);
		any = false;
	}
	free(ref);
	tree_list_clear(&list);
	if (!any)
		collected(c);
}

static void owned(void *ctx, const struct proc_result *res)
{
	struct collecting *c = ctx;
	if (res->end != PROC_EXITED || res->code)
		log_at(LOG_WARN, "outputs", "what %s left cannot be given to this user: %.200s", c->nonce,
		       res->err.data ? res->err.data : "");
	gather(c);
}

void outputs_collect(struct outputs *o, const char *nonce, const char *image, const struct tree_limits *limits,
		     int64_t large_mb, void *ctx, void (*on_end)(void *ctx, const struct harvest *h))
{
	struct collecting *c = xcalloc(1, sizeof *c);
	char *folder = folder_of(o, nonce);
	*c = (struct collecting){.large_mb = large_mb,
				 .all = o,
				 .nonce = xstrdup(nonce),
				 .out = xasprintf("%s/out", folder),
				 .limits = *limits,
				 .ctx = ctx,
				 .on_end = on_end};
	struct strs argv = {0}, names = {0};
	struct err e;
	static const char *const env[] = {"GIT_TOKEN", NULL};
	/* The usual case costs nothing: nothing is there. */
	if (!file_names(c->out, take_name, &names, &e) && names.n)
		engine_own_argv(o->engine, c->out, image, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = env,
				 .timeout_ms = HELPER_TIMEOUT_MS,
				 .ctx = c,
				 .on_end = owned};
	if (!argv.n || !proc_start(&spec, &e))
		gather(c);
	strs_clear(&argv);
	strs_clear(&names);
	free(folder);
}

void outputs_hurry(struct outputs *o, const char *nonce)
{
	for (struct collecting *c = o->storing; c; c = c->next)
		if (!strcmp(c->nonce, nonce)) {
			c->hurried = true;
			proc_signal(c->proc, SIGTERM);
		}
}

void outputs_discard(struct outputs *o, const char *nonce)
{
	struct err e;
	char *folder = folder_of(o, nonce);
	if (file_remove_tree(folder, &e))
		log_at(LOG_WARN, "outputs", "%s", e.msg);
	free(folder);
}

void outputs_tell_over(enum tree_over over, const struct tree_limits *l, const char *culprit, char *out, size_t room)
{
	if (over == TREE_ENTRIES)
		snprintf(out, room,
			 "it left more than %lld files and folders in /out (max_out_files of grid.json allows more)",
			 (long long)l->entries);
	else if (over == TREE_DEPTH)
		snprintf(out, room, "folders in /out are more than %d deep: %.200s", TREE_DEPTH_MAX,
			 culprit ? culprit : "");
	else
		snprintf(out, room,
			 "it left more than %lld MB in /out (out_mb of the task, at most max_out_mb of grid.json, "
			 "allows more; files over large_file_mb then go to a node's --store)",
			 (long long)(l->bytes / MB));
}

struct json *outputs_result(const struct harvest *h)
{
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "tree", json_new_str(h->tree));
	json_set(j, "files", json_new_int((int64_t)h->files));
	json_set(j, "bytes", json_new_int((int64_t)h->bytes));
	if (h->left_out)
		json_set(j, "left_out", json_new_int((int64_t)h->left_out));
	if (h->stored_files) {
		struct json *stored = json_new(JSON_OBJECT);
		json_set(stored, "files", json_new_int((int64_t)h->stored_files));
		json_set(stored, "bytes", json_new_int((int64_t)h->stored_bytes));
		json_set(stored, "over_mb", json_new_int(h->large_mb));
		json_set(j, "stored", stored);
	}
	return j;
}
