#include "store/request.h"
#include "base/file.h"
#include "git/trees.h"
#include "schema/consent.h"
#include "schema/keys.h"
#include "schema/task.h"
#include "store/agenda.h"
#include "store/archive.h"
#include "store/batch.h"
#include "store/trust.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMMITS_MAX 250 /* of one request */
#define TOLD_MAX 100	/* problems told; of the rest the number */
#define FILES_READ_MAX 1000
#define FOLDER "tasks/unapproved/"

#define GIT(r, out, e, ...) git_run(&(r)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct added {
	char *path, *id;
	char oid[72];
	struct json *doc; /* of a valid task that is signed, else NULL */
};

struct judging {
	struct request *r;
	struct problems *p;
	char base[72], head[72], fork[72]; /* fork: the merge base */
	struct batch batch;		   /* what the files wait for */
	struct strs base_ids;		   /* of all folders of the base, sorted without regard to case */
	struct strs schedules;		   /* the base's */
	struct strs base_paths;		   /* FOLDER's files at the fork, sorted */
	bool has_settings;
	struct grid_config config;
	struct added *files;
	struct added key; /* the first key file it adds; its id is the node */
	size_t n_files, n_keys, untold;
	/* the record of a diff under way */
	char mode[8], oid[72], status, commit[16];
};

/* One problem a path, and not more than anybody reads. */
__attribute__((format(printf, 3, 4))) static void tell(struct judging *j, const char *path, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	if (j->p->n >= TOLD_MAX) {
		j->untold++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	j->p->file = path;
	problem_at(j->p, 1, 1, "%s", text);
}

static int by_case(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *find(const struct strs *l, const char *s, int (*cmp)(const void *, const void *))
{
	char **found = l->n ? bsearch(&s, l->v, l->n, sizeof *l->v, cmp) : NULL;
	return found ? *found : NULL;
}

static void sort(struct strs *l, int (*cmp)(const void *, const void *))
{
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, cmp);
}

/* The id of a file that may be added; NULL with what is wrong with its path. */
static char *id_of(const char *path, const char **why)
{
	size_t n = strlen(path), at = strlen(FOLDER);
	if (strncmp(path, FOLDER, at) != 0) {
		*why = strncmp(path, "schedules/", 10) ? "lies outside " FOLDER
						       : "is a schedule, which runs again and again: only who may push "
							 "adds or changes one";
		return NULL;
	}
	char *id = n > at + 5 && !strcmp(path + n - 5, ".json") ? xstrndup(path + at, n - at - 5) : NULL;
	/* A leading dash is an option to every tool that a name is handed to. */
	if (id && task_id_valid(id) && id[0] != '-')
		return id;
	free(id);
	*why = strchr(path + at, '/') ? "lies in a folder of its own" : "has a name that is no task id and .json";
	return NULL;
}

/* The node of a file that may enrol one; NULL: it is no such file. */
static char *node_of(const char *path)
{
	size_t n = strlen(path), at = strlen(KEYS_FOLDER);
	char *node = NULL;
	if (!strncmp(path, KEYS_FOLDER, at) && n > at + 4 && !strcmp(path + n - 4, ".pub"))
		node = xstrndup(path + at, n - at - 4);
	if (node && (!task_id_valid(node) || node[0] == '-')) {
		free(node);
		node = NULL;
	}
	return node;
}

static const char *kind_of(const char *mode)
{
	return !strcmp(mode, "120000")	 ? "is a symbolic link"
	       : !strcmp(mode, "160000") ? "is a submodule"
	       : !strcmp(mode, "100755") ? "is executable"
					 : "is no plain file";
}

/* ---- what changed ---- */

/* ":OLDMODE NEWMODE OLDOID NEWOID STATUS", of a merge with a colon and an old mode and id a parent. */
static void take_header(struct judging *j, const char *record)
{
	size_t parents = strspn(record, ":");
	const char *p = record + parents;
	for (size_t i = 0; i < parents; i++)
		p += strcspn(p, " ") + 1;
	size_t n = strcspn(p, " ");
	snprintf(j->mode, sizeof j->mode, "%.*s", (int)n, p);
	p += n + (p[n] != 0);
	for (size_t i = 0; i < parents && *p; i++) {
		n = strcspn(p, " ");
		p += n + (p[n] != 0);
	}
	n = strcspn(p, " ");
	snprintf(j->oid, sizeof j->oid, "%.*s", (int)(n < 71 ? n : 71), p);
	p += n + (p[n] != 0);
	j->status = *p ? *p : '?';
}

/* The request as a whole. */
static void take_change(void *ctx, const char *record)
{
	struct judging *j = ctx;
	const char *why = NULL;
	if (!j->status) {
		take_header(j, record);
		return;
	}
	char *id = node_of(record);
	bool key = id != NULL;
	if (!key)
		id = id_of(record, &why);
	if (!id)
		tell(j, record,
		     "%s (expected only new files " FOLDER "ID.json, ID 1-64 of A-Z a-z 0-9 _ -, no - first)", why);
	else if (j->status != 'A')
		tell(j, record, "%s (expected only new files; what is in the ledger is changed by dgrid alone)",
		     j->status == 'D'	? "is deleted"
		     : j->status == 'T' ? "becomes another kind of file"
					: "is changed");
	else if (strcmp(j->mode, "100644") != 0)
		tell(j, record, "%s, mode %s (expected a plain file, mode 100644)", kind_of(j->mode), j->mode);
	else if (key) {
		if (!j->n_keys++) {
			j->key = (struct added){.path = xstrdup(record), .id = id};
			snprintf(j->key.oid, sizeof j->key.oid, "%s", j->oid);
			id = NULL;
		}
	} else {
		j->files = xrealloc(j->files, (j->n_files + 1) * sizeof *j->files);
		struct added *a = &j->files[j->n_files++];
		*a = (struct added){.path = xstrdup(record), .id = id};
		snprintf(a->oid, sizeof a->oid, "%s", j->oid);
		id = NULL;
	}
	free(id);
	j->status = 0;
}

/* One commit: it may touch what the request may add, and nothing that was there. */
static void take_step(void *ctx, const char *record)
{
	struct judging *j = ctx;
	const char *why = NULL;
	if (!j->status) {
		if (*record == ':') /* else the commit's own id */
			take_header(j, record);
		return;
	}
	char *id = node_of(record);
	/* A key counts from the commit that brings it, whatever becomes of it. */
	bool passing = id && (!j->key.path || strcmp(j->key.path, record) != 0 || strcmp(j->key.oid, j->oid) != 0);
	id = id ? id : id_of(record, &why);
	if (passing)
		tell(j, record,
		     "commit %s touches it, and the request does not end with that key (expected one commit that adds "
		     "the "
		     "key; undone is not enough)",
		     j->commit);
	else if (!id || find(&j->base_paths, record, by_name))
		tell(j, record, "commit %s touches it, and it %s (expected no commit that does; undone is not enough)",
		     j->commit, id ? "was there before" : why);
	else if (strcmp(j->mode, "100644") != 0 && strcmp(j->mode, "000000") != 0)
		tell(j, record, "in commit %s it %s, mode %s (expected a plain file, mode 100644, in every commit)",
		     j->commit, kind_of(j->mode), j->mode);
	free(id);
	j->status = 0;
}

/* ---- where it starts and what is there ---- */

static int resolve(struct judging *j, const char *rev, char out[72], struct err *e)
{
	if (!git_resolve(&j->r->git, rev, out))
		return err_set(e, ERR_NOENT, "--pr: '%.200s' is no commit of this repository (fetch it first)", rev);
	return 0;
}

/* Where history was cut off, nothing can be said of what lies beyond. */
static int shallow(struct judging *j, struct buf *cut, struct err *e)
{
	struct buf b = {0};
	char line[4096];
	struct err none;
	int rc = GIT(j->r, &b, e, "rev-parse", "--git-path", "shallow");
	buf_first_line(&b, line, sizeof line);
	char *path = line[0] == '/' ? xstrdup(line) : xasprintf("%s/%s", j->r->git.dir, line);
	if (!rc && file_exists(path) && file_read(path, 1 << 24, cut, &none))
		rc = err_set(e, ERR_UNAVAILABLE, "cannot read '%s'", path);
	buf_adds(cut, "");
	free(path);
	buf_clear(&b);
	return rc;
}

static int find_fork(struct judging *j, const char *cut, struct err *e)
{
	struct buf b = {0};
	struct err none;
	int rc = 0;
	if (GIT(j->r, &b, &none, "merge-base", "--all", j->base, j->head)) {
		buf_reset(&b);
		if (none.class != ERR_NO)
			rc = err_set(e, none.class, "%s", none.msg);
	}
	buf_first_line(&b, j->fork, sizeof j->fork);
	if (rc)
		;
	else if (!j->fork[0] && *cut)
		rc = err_set(e, ERR_UNAVAILABLE,
			     "--pr: the history here is too short to see where the branch starts (fetch it whole: git "
			     "fetch --unshallow, or fetch-depth: 0)");
	else if (!j->fork[0])
		tell(j, "", "the branch has no history in common with its base (expected a branch made from it)");
	else if (strchr(b.data, '\n') != strrchr(b.data, '\n'))
		tell(j, "",
		     "base and branch are merged crosswise (expected a branch that starts at one commit: rebase "
		     "it)");
	buf_clear(&b);
	return rc;
}

/* "MODE TYPE OID\tPATH" of the base */
static void take_base(void *ctx, const char *entry)
{
	struct judging *j = ctx;
	const char *path = strchr(entry, '\t'), *base;
	if (!path)
		return;
	j->has_settings = j->has_settings || !strcmp(path + 1, "grid.json");
	base = strrchr(path, '/');
	size_t n = base ? strlen(base + 1) : 0;
	if (n > 5 && !strcmp(base + 1 + n - 5, ".json")) {
		char *id = xstrndup(base + 1, n - 5);
		strs_add(&j->base_ids, id);
		free(id);
	}
}

static void take_path(void *ctx, const char *path)
{
	strs_add(&((struct judging *)ctx)->base_paths, path);
}

static void take_text(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct buf *b = ctx;
	(void)i;
	if (bytes)
		buf_add(b, bytes, len);
}

static int read_base(struct judging *j, struct err *e)
{
	const char *tree[] = {"ls-tree", "-r", "-z", "--full-tree", j->base, "grid.json", "tasks/", NULL};
	const char *at_fork[] = {"ls-tree", "-r",   "-z",	 "--full-tree", "--name-only",
				 j->fork,   FOLDER, KEYS_FOLDER, NULL};
	struct problems wrong = {.file = "grid.json"};
	struct buf text = {0};
	int rc = git_records(&j->r->git, tree, take_base, j, e);
	if (!rc)
		rc = agenda_names(&j->r->git, j->base, &j->schedules, e);
	if (!rc)
		rc = git_records(&j->r->git, at_fork, take_path, j, e);
	sort(&j->base_ids, by_case);
	sort(&j->base_paths, by_name);
	if (!rc && j->has_settings) {
		char *name = xasprintf("%s:grid.json", j->base);
		rc = git_cat(&j->r->git, "blob", &name, 1, 1 << 16, take_text, &text, e);
		free(name);
		if (!rc)
			config_parse(&j->config, text.data ? text.data : "", text.len, &wrong);
		if (!rc && wrong.n)
			rc = err_set(e, ERR_DATA, "the base's own settings are not valid:\n%s", wrong.text.data);
	}
	buf_clear(&text);
	problems_clear(&wrong);
	return rc;
}

/* ---- every commit of it ---- */

/* What differs between two trees, or (to NULL) between a commit and its parents. how: one more option. */
static int read_diff(struct judging *j, const char *how, const char *from, const char *to,
		     void (*take)(void *ctx, const char *record), struct err *e)
{
	const char *show[] = {"diff-tree",
			      "--root",
			      "-r",
			      "-z",
			      "--raw",
			      "--no-renames",
			      "--no-abbrev",
			      "--no-ext-diff",
			      "--ignore-submodules=none",
			      how,
			      from,
			      to,
			      NULL};
	j->status = 0;
	return git_records(&j->r->git, show, take, j, e);
}

static int read_steps(struct judging *j, const char *cut, struct err *e)
{
	struct buf list = {0};
	char *range = xasprintf("%s..%s", j->base, j->head), limit[32];
	snprintf(limit, sizeof limit, "--max-count=%d", COMMITS_MAX + 1);
	int rc = GIT(j->r, &list, e, "rev-list", "--parents", limit, range), n = 0;
	for (const char *p = list.data ? list.data : ""; *p && !rc;) {
		char oid[72], first[72] = "", other[72];
		int at = 0, took;
		size_t len = strcspn(p, "\n");
		char *parents = xstrndup(p, len);
		sscanf(parents, "%71s %71s%n", oid, first, &at);
		p += len + (p[len] == '\n');
		snprintf(j->commit, sizeof j->commit, "%.10s", oid);
		/* Such a merge brings nothing but a state of old, which it may pass off as its own. */
		for (; !rc && at && sscanf(parents + at, " %71s%n", other, &took) == 1; at += took)
			if (!GIT(j->r, NULL, e, "merge-base", "--is-ancestor", other, first))
				tell(
				    j, "",
				    "commit %s merges what it had already (expected merges of newer states of the base "
				    "alone)",
				    j->commit);
			else if (e->class != ERR_NO)
				rc = -1;
		free(parents);
		if (++n > COMMITS_MAX) {
			tell(j, "", "more than %d commits (expected fewer: squash them)", COMMITS_MAX);
			break;
		}
		if (strstr(cut, oid)) {
			rc = err_set(e, ERR_UNAVAILABLE,
				     "--pr: the history here is cut off within the request (fetch it whole: git fetch "
				     "--unshallow, or fetch-depth: 0)");
			break;
		}
		/* -c: of a merge, what differs from all its parents. What it took from the base as it is there, it does
		 * not change. */
		rc = read_diff(j, "-c", oid, NULL, take_step, e);
	}
	free(range);
	buf_clear(&list);
	return rc;
}

/* What no diff shows. */
static void malformed(void *ctx, const char *oid, const char *what)
{
	tell(ctx, "", "folder object %.10s has %s (expected what git add and git commit make)", oid, what);
}

static int read_whole(struct judging *j, struct err *e)
{
	return read_diff(j, "--no-renames", j->fork, j->head, take_change, e);
}

/* ---- the files ---- */

static void take_file(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct judging *j = ctx;
	const struct added *a = &j->files[i];
	struct task t;
	if (!bytes)
		return; /* told below */
	j->p->file = a->path;
	if (!task_parse(&t, bytes, len, a->id, &j->config, true, j->p)) {
		if (consent_signed(&j->config, t.doc) && json_get(t.doc, "signatures"))
			j->files[i].doc = json_copy(t.doc);
		batch_add(&j->batch, a->id, a->path, t.doc);
		task_clear(&t);
	}
	memset(j->files[i].oid, 0, sizeof j->files[i].oid);
}

static int judge_ids(struct judging *j, struct err *e)
{
	for (size_t i = 0; i < j->n_files; i++) {
		const struct added *a = &j->files[i];
		const char *there = find(&j->base_ids, a->id, by_case), *owner = periodic_owner(&j->schedules, a->id);
		char path[128];
		for (size_t k = 0; k < i && !there; k++)
			if (!strcasecmp(j->files[k].id, a->id))
				there = j->files[k].id;
		int archived = there ? 0 : archive_lists_here(&j->r->git, a->id, path, e);
		if (archived < 0)
			return -1;
		if (there && !strcmp(there, a->id))
			tell(j, a->path, "task_id \"%s\" is already in this grid (expected a new one)", a->id);
		else if (there)
			tell(
			    j, a->path,
			    "task_id \"%s\" differs from \"%s\" in this grid by upper and lower case alone (expected a "
			    "new one)",
			    a->id, there);
		else if (archived)
			tell(j, a->path, "task_id \"%s\" is already in the archive, %s (expected a new one)", a->id,
			     path);
		else if (owner)
			tell(j, a->path,
			     "task_id \"%s\" is one that schedule \"%s\" gives its own tasks (expected another)", a->id,
			     owner);
	}
	return 0;
}

/* Any folder will do: what is staged, or has failed, may yet succeed. */
static int state_in_base(void *ctx, const char *id, struct err *e)
{
	(void)e;
	return strs_has(&((struct judging *)ctx)->base_ids, id) ? TASK_UNAPPROVED : LEDGER_NOWHERE;
}

/* A task without a signature may still be approved; one with a signature that does not count is a mistake, or worse. */
static int judge_signatures(struct judging *j, struct err *e)
{
	for (size_t i = 0; i < j->n_files; i++) {
		struct trust_verdict v;
		if (!j->files[i].doc)
			continue;
		if (trust_judge_new(&j->r->git, j->base, j->files[i].doc, &v, e))
			return -1;
		j->p->file = j->files[i].path;
		if (!v.ok)
			trust_tell(j->p, j->files[i].doc, &v);
	}
	return 0;
}

static int judge_files(struct judging *j, struct err *e)
{
	struct strs oids = {0};
	int64_t max = j->r->max_files ? j->r->max_files : j->config.max_files_per_request;
	size_t n = j->n_files < FILES_READ_MAX ? j->n_files : FILES_READ_MAX;
	if ((int64_t)j->n_files > max)
		tell(j, j->files[max].path, "%zu task files in one request (expected at most %lld)", j->n_files,
		     (long long)max);
	for (size_t i = 0; i < n; i++)
		strs_add(&oids, j->files[i].oid);
	int rc = n ? git_cat(&j->r->git, "blob", oids.v, n, TASK_FILE_MAX, take_file, j, e) : 0;
	for (size_t i = 0; i < n && !rc; i++)
		if (j->files[i].oid[0]) {
			struct buf size = {0};
			rc = GIT(j->r, &size, e, "cat-file", "-s", j->files[i].oid);
			if (!rc)
				tell(j, j->files[i].path, "%.*s bytes (expected at most %d)",
				     (int)strcspn(size.data, "\n"), size.data, TASK_FILE_MAX);
			buf_clear(&size);
		}
	strs_clear(&oids);
	return rc || judge_ids(j, e) || batch_judge(&j->batch, true, j->p, e) || judge_signatures(j, e) ? -1 : 0;
}

/* ---- a key ---- */

/* One key of one new node. Nobody can tell from here whether it is that node's own: a human compares fingerprints. */
static int judge_key(struct judging *j, struct err *e)
{
	struct keyring ring;
	struct keys keys = {0};
	struct buf text = {0};
	char *oid = j->key.oid;
	const char *path = j->key.path, *node = j->key.id;
	if (j->n_keys > 1)
		tell(j, path, "%zu keys in one request (expected one " KEYS_FOLDER "NODE.pub)", j->n_keys);
	if (j->n_files)
		tell(j, path, "a key and tasks in one request (expected a request of its own for the key)");
	if (keyring_read(&j->r->git, j->base, &ring, e))
		return -1;
	int rc = git_cat(&j->r->git, "blob", &oid, 1, KEYS_FILE_MAX, take_text, &text, e);
	j->p->file = path;
	bool good = !rc && !keys_parse(&keys, text.data ? text.data : "", text.len, j->p);
	if (good && keys.n != 1)
		tell(j, path, "%zu keys (expected one)", keys.n);
	for (size_t i = 0; i < ring.n && good; i++)
		if (!strcasecmp(ring.v[i].name, node))
			tell(j, path,
			     "\"%s\" is enrolled already, as \"%s\" (expected a new node; whoever may push changes the "
			     "keys "
			     "of an old one: dgrid enroll)",
			     node, ring.v[i].name);
		else if (keys_find(&ring.v[i].keys, keys.v[0].text))
			tell(j, path, "the key %s is that of \"%s\" already (expected a key of its own)",
			     keys.v[0].print, ring.v[i].name);
	if (good && !j->p->n) {
		snprintf(j->r->enrols, sizeof j->r->enrols, "%s", node);
		snprintf(j->r->key, sizeof j->r->key, "%s", keys.v[0].print);
	}
	keys_clear(&keys);
	keyring_clear(&ring);
	buf_clear(&text);
	return rc;
}

static int judge(struct judging *j, struct buf *cut, struct err *e)
{
	if (resolve(j, j->r->base, j->base, e) || resolve(j, j->r->head, j->head, e) || shallow(j, cut, e) ||
	    find_fork(j, cut->data, e))
		return -1;
	if (!j->p->n && read_base(j, e))
		return -1;
	if (j->p->n)
		return 0;
	if (read_whole(j, e) || trees_check(&j->r->git, j->base, j->head, malformed, j, e))
		return -1;
	/* What the whole shows is not told again a commit. */
	if (!j->p->n && read_steps(j, cut->data, e))
		return -1;
	if (judge_files(j, e) || (j->n_keys && judge_key(j, e)))
		return -1;
	if (!j->n_files && !j->n_keys && !j->p->n)
		tell(j, "", "no task file (expected a new file " FOLDER "ID.json)");
	return 0;
}

int request_judge(struct request *r, struct problems *p, struct err *e)
{
	struct judging j = {.r = r, .p = p, .batch = {.state_of = state_in_base, .ctx = &j}};
	struct buf cut = {0};
	r->enrols[0] = r->key[0] = 0;
	const char *file = p->file;
	config_defaults(&j.config);
	int rc = judge(&j, &cut, e);
	if (!rc && j.untold) {
		p->file = "";
		problem_at(p, 1, 1, "and %zu more", j.untold);
	}
	r->files = j.n_files;
	p->file = file;
	for (size_t i = 0; i < j.n_files; i++) {
		free(j.files[i].path);
		free(j.files[i].id);
		json_free(j.files[i].doc);
	}
	free(j.files);
	free(j.key.path);
	free(j.key.id);
	strs_clear(&j.base_ids);
	strs_clear(&j.schedules);
	strs_clear(&j.base_paths);
	batch_clear(&j.batch);
	config_clear(&j.config);
	buf_clear(&cut);
	return rc;
}
