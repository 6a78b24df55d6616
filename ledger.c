#include "ledger.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "git/clone.h"
#include "schema/keys.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RACE_TRIES 60
#define BACKOFF_FIRST_MS 20
#define BACKOFF_MAX_MS 2000
#define UNKNOWN_WAIT_MS 1000

#define GIT(l, out, e, ...) git_run(&(l)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

static char *task_path(const struct ledger *l, enum task_state s, const char *id)
{
	return xasprintf("%s/tasks/%s/%s.json", l->git.dir, task_state_name(s), id);
}

static int refresh(struct ledger *l, struct err *e)
{
	char *remote = xasprintf("refs/remotes/origin/%s", l->branch);
	struct buf b = {0};
	int rc = GIT(l, &b, e, "rev-parse", "--verify", "--quiet", remote);
	if (!rc) {
		snprintf(l->head, sizeof l->head, "%.*s", (int)strcspn(b.data, "\n"), b.data);
		rc = GIT(l, NULL, e, "reset", "--hard", "--quiet", remote);
	}
	if (!rc && l->dirty)
		rc = GIT(l, NULL, e, "clean", "-ffdxq"); /* half-made files of an interrupted change */
	l->dirty = l->dirty && rc;
	free(remote);
	buf_clear(&b);
	return rc;
}

static int fetch(struct ledger *l, struct err *e)
{
	struct strs argv = {0};
	static const char *const head[] = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", NULL};
	for (int i = 0; head[i]; i++)
		strs_add(&argv, head[i]);
	strs_add(&argv, l->spec);
	for (const char *const *spec = l->also; spec && *spec; spec++)
		strs_add(&argv, *spec);
	int rc = git_run(&l->git, NULL, e, (const char *const *)argv.v);
	strs_clear(&argv);
	return rc;
}

static void sleep_ms(int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms, now; (now = clock_mono_ms()) < until;)
		loop_step(until - now);
}

bool ledger_lock(struct ledger *l)
{
	return folder_lock(&l->folder);
}

void ledger_unlock(struct ledger *l)
{
	folder_unlock(&l->folder);
}

static int make_clone(struct ledger *l, struct err *e)
{
	l->dirty = true;
	return clone_make(&l->git, l->url, l->branch, l->folder.objects, e);
}

void ledger_tidy(struct ledger *l)
{
	struct err e;
	bool anew = false;
	if (!clone_cluttered(&l->git, l->folder.objects != NULL, &anew))
		return;
	int rc = anew ? make_clone(l, &e) : clone_pack(&l->git, &e);
	if (!rc && anew)
		rc = ledger_sync(l, &e);
	if (rc)
		log_at(LOG_WARN, "ledger", "cannot tidy up %s: %s", l->git.dir, e.msg);
}

int ledger_sync(struct ledger *l, struct err *e)
{
	char there[72];
	clone_clear_locks(&l->git, l->branch);
	int rc = fetch(l, e);
	if (rc && clone_forget_lost(&l->git))
		rc = fetch(l, e);
	if (rc && clone_damaged(&l->git) && !git_remote_head(&l->git, l->branch, there, NULL) && there[0]) {
		log_at(LOG_WARN, "ledger", "the clone %s is damaged (%s); making it anew", l->git.dir, e->msg);
		rc = make_clone(l, e);
	}
	if (rc)
		return err_wrap(e, "cannot read branch '%s' of the grid (is it made with `dgrid init`?)", l->branch);
	return refresh(l, e);
}

int ledger_open(struct ledger *l, const char *url, const char *branch, const char *dir, const char *name,
		const char *email, struct err *e)
{
	*l = (struct ledger){.url = xstrdup(url), .branch = xstrdup(branch), .tries = RACE_TRIES, .dirty = true};
	l->spec = xasprintf("+refs/heads/%s:refs/remotes/origin/%s", branch, branch);
	folder_open(&l->folder, url, branch);
	l->git.name = xstrdup(name);
	l->git.email = xstrdup(email);
	if (dir)
		l->git.dir = xstrdup(dir);
	else if (!(l->git.dir = file_temp_dir(e)))
		return -1;
	else
		l->temporary = true;
	char *dotgit = xasprintf("%s/.git/HEAD", l->git.dir);
	int rc = -1;
	if (file_exists(dotgit)) {
		clone_clear_locks(&l->git, branch);
		rc = clone_adopt(&l->git, url, l->folder.objects, e);
	}
	if (rc)
		rc = make_clone(l, e);
	free(dotgit);
	return rc;
}

void ledger_close(struct ledger *l)
{
	folder_close(&l->folder);
	if (l->temporary)
		file_remove_tree(l->git.dir, NULL);
	free(l->git.dir);
	free(l->git.name);
	free(l->git.email);
	free(l->url);
	free(l->branch);
	free(l->spec);
	ledger_sign_with(l, NULL, NULL, NULL);
	*l = (struct ledger){0};
}

void ledger_sign_with(struct ledger *l, const char *key, const char *public_half, const char *why)
{
	char *old[] = {l->sign_key, l->sign_public, l->no_key};
	l->sign_key = key ? xstrdup(key) : NULL;
	l->sign_public = public_half ? xstrdup(public_half) : NULL;
	l->no_key = why ? xstrdup(why) : NULL;
	l->git.sign_with = l->sign_key;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		free(old[i]);
}

int ledger_may_sign(struct ledger *l, const char *who, struct err *e)
{
	struct grid_config c = {0};
	struct err none;
	int rc = 0;
	/* Settings that are not valid change nothing: what held before holds. */
	if (!ledger_config(l, &c, &none))
		l->signed_only = c.require_signed_nodes;
	if (l->signed_only) {
		if (!l->sign_key)
			rc = err_set(e, ERR_PERM, "this grid takes signed commits only: %s",
				     l->no_key ? l->no_key : "there is no key to sign with");
		else if ((rc = keys_enrolled(l->git.dir, who, l->sign_public, e)) != 0 && task_id_valid(who)) {
			char *text = xasprintf("%s; to enrol it, somebody who may push to the branch types: dgrid "
					       "enroll %s '%s'",
					       e->msg, who, l->sign_public);
			err_set(e, ERR_PERM, "%s", text);
			free(text);
		}
	}
	config_clear(&c);
	return rc;
}

int ledger_moved(struct ledger *l, bool *moved, struct err *e)
{
	char now[72];
	*moved = false;
	if (l->folder.ref && !folder_touched(&l->folder))
		return 0;
	if (!folder_head(&l->folder, now) && git_remote_head(&l->git, l->branch, now, e)) {
		folder_look_again(&l->folder);
		return -1;
	}
	*moved = strcmp(now, l->head) != 0;
	return 0;
}

int ledger_config(struct ledger *l, struct grid_config *c, struct err *e)
{
	char *path = xasprintf("%s/grid.json", l->git.dir);
	struct buf b = {0};
	struct problems p = {.file = "grid.json"};
	int rc = 0;
	config_defaults(c);
	struct err missing;
	if (file_read(path, 1 << 16, &b, &missing)) {
		if (missing.class != ERR_NOENT)
			rc = err_set(e, ERR_DATA, "%s", missing.msg);
	} else
		config_parse(c, b.data ? b.data : "", b.len, &p);
	if (p.n)
		rc = err_set(e, ERR_DATA, "%s", p.text.data);
	free(path);
	buf_clear(&b);
	problems_clear(&p);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void ids_in(struct ledger *l, const char *folder, struct strs *out)
{
	char *path = xasprintf("%s/%s", l->git.dir, folder);
	DIR *d = opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		size_t n = strlen(de->d_name);
		if (n <= 5 || strcmp(de->d_name + n - 5, ".json") != 0)
			continue;
		char *id = xstrndup(de->d_name, n - 5);
		if (task_id_valid(id))
			strs_add(out, id);
		free(id);
	}
	if (d)
		closedir(d);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_name);
	free(path);
}

void ledger_ids(struct ledger *l, enum task_state s, struct strs *out)
{
	char *folder = xasprintf("tasks/%s", task_state_name(s));
	ids_in(l, folder, out);
	free(folder);
}

void ledger_nodes(struct ledger *l, struct strs *out)
{
	ids_in(l, "nodes", out);
}

size_t ledger_active_nodes(struct ledger *l)
{
	struct strs ids = {0};
	size_t n = 0;
	ledger_nodes(l, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct json *doc = ledger_node(l, ids.v[i]);
		const char *status = json_str(doc, "status");
		n += status && strcmp(status, "left") != 0;
		json_free(doc);
	}
	strs_clear(&ids);
	return n;
}

int ledger_read(struct ledger *l, enum task_state s, const char *id, struct buf *out, struct err *e)
{
	char *path = task_path(l, s, id);
	int rc = file_read(path, TASK_FILE_MAX, out, e);
	free(path);
	return rc;
}

struct file_stamp ledger_stamp(const struct ledger *l, enum task_state s, const char *id)
{
	char *path = task_path(l, s, id);
	struct file_stamp stamp = file_stamp(path);
	free(path);
	return stamp;
}

bool ledger_elsewhere(struct ledger *l, enum task_state s, const char *id)
{
	bool found = false;
	for (int k = 0; k < TASK_N_STATES && !found; k++) {
		char *path = k == (int)s ? NULL : task_path(l, (enum task_state)k, id);
		found = path && file_exists(path);
		free(path);
	}
	return found;
}

struct json *ledger_doc(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	struct json *doc = NULL;
	if (!ledger_read(l, s, id, &b, e)) {
		doc = json_parse(b.data ? b.data : "", b.len, &je);
		if (!doc)
			err_set(e, ERR_DATA, "tasks/%s/%s.json:%u:%u: %s", task_state_name(s), id, je.line, je.col,
				je.msg);
		else if (doc->type != JSON_OBJECT) { /* nothing can be written into it */
			err_set(e, ERR_DATA, "tasks/%s/%s.json:%u:%u: expected an object, found %s", task_state_name(s),
				id, doc->line, doc->col, json_type_name(doc->type));
			json_free(doc);
			doc = NULL;
		}
	}
	buf_clear(&b);
	return doc;
}

struct json *ledger_node(struct ledger *l, const char *node)
{
	char *path = xasprintf("%s/nodes/%s.json", l->git.dir, node);
	struct buf b = {0};
	struct json_error je;
	struct json *doc =
	    file_read(path, TASK_FILE_MAX, &b, NULL) ? NULL : json_parse(b.data ? b.data : "", b.len, &je);
	buf_clear(&b);
	free(path);
	return doc;
}

int ledger_find(struct ledger *l, const char *id)
{
	int found = -1;
	/* unapproved last: a file that was staged under the id of a task must not hide the task. */
	for (int k = 1; k <= TASK_N_STATES && found < 0; k++) {
		int s = k % TASK_N_STATES;
		char *path = task_path(l, (enum task_state)s, id);
		if (file_exists(path))
			found = s;
		free(path);
	}
	return found;
}

/* The paths of one commit, as git is told of them. */
struct paths {
	struct strs moves[TASK_N_STATES]; /* sources, by the folder they go to */
	struct strs adds;		  /* files written */
	struct strs all;		  /* every path that may change, sources too */
};

static void paths_clear(struct paths *p)
{
	for (int s = 0; s < TASK_N_STATES; s++)
		strs_clear(&p->moves[s]);
	strs_clear(&p->adds);
	strs_clear(&p->all);
}

/* Puts one change into the work tree. 1: applied, 0: no longer legal, -1: error. */
static int apply(struct ledger *l, struct ledger_change *c, struct paths *p, struct err *e)
{
	char *src = task_path(l, c->from, c->id), *dst = NULL, *made = NULL, *folder = NULL, *rel_dst = NULL;
	char *rel_src = xasprintf("tasks/%s/%s.json", task_state_name(c->from), c->id);
	int rc = 0;
	if (c->create ? ledger_find(l, c->id) >= 0 : !file_exists(src))
		goto out;
	if (!c->text) {
		struct json *doc = ledger_doc(l, c->from, c->id, NULL);
		enum change_verdict v = doc ? c->edit(c->ctx, doc, &c->to) : CHANGE_DROP;
		made = v == CHANGE_APPLY ? task_text(doc) : NULL;
		json_free(doc);
		if (!made)
			goto out;
	}
	dst = task_path(l, c->to, c->id);
	rel_dst = xasprintf("tasks/%s/%s.json", task_state_name(c->to), c->id);
	folder = xasprintf("%s/tasks/%s", l->git.dir, task_state_name(c->to));
	if (!c->create && c->from != c->to && file_exists(dst))
		goto out;
	rc = file_mkdirs(folder, e);
	if (!rc && c->text && !c->create) {
		/* What is replaced whole may be a folder or worse; git rm takes any of them, and with the last
		 * file its folder. */
		rc = GIT(l, NULL, e, "rm", "-r", "-f", "--quiet", "--", rel_src);
		if (!rc)
			rc = file_mkdirs(folder, e);
	}
	/* An edited file is written where it stands; git mv then carries it along. */
	const char *text = made ? made : c->text;
	if (!rc)
		rc = file_write_in_place(made ? src : dst, text, strlen(text), e);
	if (!rc) {
		if (made && c->from != c->to)
			strs_add(&p->moves[c->to], rel_src);
		strs_add(&p->adds, rel_dst);
		strs_add(&p->all, rel_dst);
		if (!c->create && c->from != c->to)
			strs_add(&p->all, rel_src);
		rc = 1;
	}
out:
	free(src);
	free(dst);
	free(rel_src);
	free(rel_dst);
	free(folder);
	free(made);
	return rc;
}

static int git_with(struct ledger *l, const char *const *head, const struct strs *files, const char *last,
		    struct err *e)
{
	struct strs argv = {0};
	for (; *head; head++)
		strs_add(&argv, *head);
	for (size_t i = 0; i < files->n; i++)
		strs_add(&argv, files->v[i]);
	if (last)
		strs_add(&argv, last);
	int rc = git_run(&l->git, NULL, e, (const char *const *)argv.v);
	strs_clear(&argv);
	return rc;
}

/* Unlike `git add` this looks at nothing but the files named, however long the queue is. */
static int add_files(struct ledger *l, const struct strs *files, struct err *e)
{
	static const char *const add[] = {"update-index", "--add", "--replace", "-z", "--stdin", NULL};
	struct buf paths = {0};
	for (size_t i = 0; i < files->n; i++)
		buf_add(&paths, files->v[i], strlen(files->v[i]) + 1);
	int rc = git_run_input(&l->git, paths.data, paths.len, e, add);
	buf_clear(&paths);
	return rc;
}

struct changed {
	char id[72]; /* of the commit */
	struct strs paths;
};

static void take_changed(void *ctx, const char *record)
{
	struct changed *c = ctx;
	if (!c->id[0])
		snprintf(c->id, sizeof c->id, "%s", record);
	else
		strs_add(&c->paths, record);
}

static bool listed(const struct strs *sorted, const char *path)
{
	return sorted->n && bsearch(&path, sorted->v, sorted->n, sizeof *sorted->v, by_name);
}

/* The path or a folder above it: what is no task file is removed whole. */
static bool named(const struct strs *sorted, const char *path)
{
	bool found = listed(sorted, path);
	char *up = xstrdup(path);
	for (char *slash; !found && (slash = strrchr(up, '/'));) {
		*slash = 0;
		found = listed(sorted, up);
	}
	free(up);
	return found;
}

/* A commit must change what its message says and nothing else, whatever became of the clone underneath (a disk or a
 * folder that went away in the middle of a checkout): the last look before others can see it. */
static int check_commit(struct ledger *l, struct paths *p, struct err *e)
{
	static const char *const show[] = {"diff-tree",	  "--root", "-r",   "--no-renames",
					   "--name-only", "-z",	    "HEAD", NULL};
	struct changed c = {0};
	int rc = git_records(&l->git, show, take_changed, &c, e);
	if (p->all.n)
		qsort(p->all.v, p->all.n, sizeof *p->all.v, by_name);
	if (c.paths.n)
		qsort(c.paths.v, c.paths.n, sizeof *c.paths.v, by_name);
	for (size_t i = 0; i < c.paths.n && !rc; i++)
		if (!named(&p->all, c.paths.v[i]))
			rc = err_set(e, ERR_RETRY, "the commit would also change '%s'", c.paths.v[i]);
	for (int s = 0; s < TASK_N_STATES && !rc; s++)
		for (size_t i = 0; i < p->moves[s].n && !rc; i++)
			if (!listed(&c.paths, p->moves[s].v[i]))
				rc = err_set(e, ERR_RETRY, "the commit would leave '%s' where it is", p->moves[s].v[i]);
	if (!rc)
		snprintf(l->made, sizeof l->made, "%s", c.id);
	else {
		char *index = xasprintf("%s/.git/index", l->git.dir);
		unlink(index); /* the next checkout looks at every file anew */
		free(index);
		err_wrap(e, "the clone in '%s' was damaged; nothing was pushed, it is checked out anew", l->git.dir);
	}
	strs_clear(&c.paths);
	return rc;
}

/* What only enrolled keys may change, where the grid says so: all but what anyone may submit, and what was merged and
 * is promoted, be it fit to run or not. */
static bool is_bound(const struct ledger_change *c)
{
	bool staged = c->from == TASK_UNAPPROVED && !c->create;
	return c->to == TASK_IN_PROGRESS || c->to == TASK_COMPLETED || (c->to == TASK_FAILED && !staged) ||
	       (!c->create && !staged && c->from != TASK_QUEUE);
}

/* Builds the commit on the current head. 1: made, 0: nothing left to say, -1: error. */
static int build(struct ledger *l, const char *who, struct ledger_change *c, size_t n, bool *applied,
		 const char *extra_path, const char *extra_text, struct err *e)
{
	struct paths p = {0};
	struct buf body = {0};
	char nonce[17], *message = NULL, *path = NULL;
	size_t said = 0;
	bool bound = extra_path != NULL; /* is it something that nodes write? */
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		applied[i] = false;
		if (c[i].outcome != CHANGE_PENDING)
			continue;
		rc = apply(l, &c[i], &p, e);
		if (rc < 0)
			goto out;
		if (!rc) {
			c[i].outcome = CHANGE_DROPPED;
			continue;
		}
		applied[i] = true;
		bound = bound || is_bound(&c[i]);
		said++;
		buf_addf(&body, "%s %s\n", c[i].verb, c[i].id);
	}
	rc = 0;
	if (!said && (n || !extra_path))
		goto out;
	if (bound && (rc = ledger_may_sign(l, who, e)) != 0)
		goto out;
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		char *to = xasprintf("tasks/%s/", task_state_name((enum task_state)s));
		const char *mv[] = {"mv", "--", NULL};
		if (p.moves[s].n)
			rc = git_with(l, mv, &p.moves[s], to, e);
		free(to);
	}
	if (!rc && extra_path) {
		path = xasprintf("%s/%s", l->git.dir, extra_path);
		char *slash = strrchr(path, '/');
		*slash = 0;
		rc = file_mkdirs(path, e);
		*slash = '/';
		if (!rc)
			rc = file_write_in_place(path, extra_text, strlen(extra_text), e);
		strs_add(&p.adds, extra_path);
		strs_add(&p.all, extra_path);
	}
	if (!rc)
		rc = add_files(l, &p.adds, e);
	if (!rc) {
		/* The nonce makes the commit one that only we can have made, whatever the clock and the author. */
		clock_nonce(nonce, 8);
		if (said == 1)
			message = xasprintf("%s: %sdgrid-nonce: %s\n", who, body.data, nonce);
		else
			message = xasprintf("%s: %zu transitions\n\n%s\ndgrid-nonce: %s\n", who, said,
					    body.data ? body.data : "", nonce);
		char *blank = said == 1 ? strchr(message, '\n') : NULL;
		if (blank) {
			char *two = xasprintf("%.*s\n\n%s", (int)(blank - message), message, blank + 1);
			free(message);
			message = two;
		}
		rc = GIT(l, NULL, e, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", message);
	}
	if (!rc)
		rc = check_commit(l, &p, e);
	if (!rc)
		rc = 1;
out:
	paths_clear(&p);
	buf_clear(&body);
	free(message);
	free(path);
	return rc;
}

static void landed(struct ledger *l, struct ledger_change *c, size_t n, const bool *applied)
{
	for (size_t i = 0; i < n; i++)
		if (applied[i])
			c[i].outcome = CHANGE_LANDED;
	memcpy(l->head, l->made, sizeof l->head);
}

int ledger_commit(struct ledger *l, const char *who, struct ledger_change *c, size_t n, const char *extra_path,
		  const char *extra_text, struct err *e)
{
	bool *applied = xcalloc(n + 1, sizeof *applied);
	int64_t backoff = BACKOFF_FIRST_MS;
	int rc = -1;
	for (int try = 1; try <= l->tries; try++) {
		int64_t began = clock_mono_ms();
		int made = build(l, who, c, n, applied, extra_path, extra_text, e);
		l->dirty = l->dirty || made < 0;
		if (made <= 0) {
			rc = made;
			break;
		}
		enum push_outcome got = git_push(&l->git, l->branch, l->folder.ref != NULL, e);
		l->pushes++;
		l->push_ms = clock_mono_ms() - began;
		if (got == PUSH_UNKNOWN) {
			/* It may still land after the connection is gone: wait, then look for our commit. */
			sleep_ms(UNKNOWN_WAIT_MS);
			if (fetch(l, e))
				break;
			char *remote = xasprintf("refs/remotes/origin/%s", l->branch);
			got = GIT(l, NULL, NULL, "merge-base", "--is-ancestor", "HEAD", remote) ? PUSH_RACED
												: PUSH_LANDED;
			free(remote);
		}
		if (got == PUSH_LANDED) {
			landed(l, c, n, applied);
			rc = 0;
			break;
		}
		if (got == PUSH_DECLINED)
			break;
		l->rejected++;
		e->class = ERR_RETRY;
		err_wrap(e, "lost %d race%s for the branch in a row, try again", try, try == 1 ? "" : "s");
		if (try == l->tries)
			break;
		/* Full jitter, so that losers do not meet again. */
		char dice[9];
		clock_nonce(dice, 4);
		sleep_ms((int64_t)(strtoul(dice, NULL, 16) % (unsigned long)backoff));
		backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff * 2;
		if (ledger_sync(l, e)) {
			e->class = ERR_RETRY; /* nothing of ours is under way: the last push was refused */
			break;
		}
	}
	free(applied);
	if (rc) /* leave nothing half-made behind */
		refresh(l, NULL);
	return rc;
}
