#include "store/snapshot.h"
#include "base/clock.h"
#include "base/file.h"
#include "git/clone.h"
#include "store/archive.h"
#include "store/cache.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIT(s, out, e, ...) git_run(&(s)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

const char *node_state_name(enum node_state s)
{
	static const char *const names[] = {"active", "paused", "draining", "silent", "left"};
	return names[s];
}

/* ---- the repository to read ---- */

struct filling {
	struct snapshot *s;
	bool whole;
	int64_t since;
};

static int fill_cache(void *ctx, const struct git *g, struct err *e)
{
	const struct filling *f = ctx;
	struct snapshot *s = f->s;
	char *shallow = xasprintf("%s/shallow", g->dir);
	char *spec = xasprintf("+refs/heads/%s:refs/heads/%s", s->branch, s->branch);
	int rc = 0;
	if (!clone_there(g))
		rc = git_clone_bare(g, s->url, s->branch, e);
	if (!rc && f->whole && file_exists(shallow))
		rc = GIT(s, NULL, e, "fetch", "--quiet", "--no-tags", "--unshallow", "origin", spec);
	if (!rc)
		rc = GIT(s, NULL, e, "fetch", "--quiet", "--no-tags", "--prune", "origin", spec,
			 "+refs/dgrid/heartbeats/*:refs/dgrid/heartbeats/*",
			 "+refs/heads/dgrid-heartbeats/*:refs/heads/dgrid-heartbeats/*",
			 /* the recorded audit: a pattern, for one that is not there is no error */
			 "+refs/dgrid/audit*:refs/dgrid/audit*", "+refs/heads/dgrid-audit*:refs/heads/dgrid-audit*");
	free(shallow);
	free(spec);
	return rc;
}

/* Where to read: a view of the repository when it is a folder, else its cache. */
static int find_repository(struct snapshot *s, const char *url, struct err *e)
{
	const char *local;
	s->git.name = xstrdup("dgrid");
	s->git.email = xstrdup("dgrid@localhost");
	s->cached = !cache_needless(url, &local);
	if (!s->cached)
		return cache_view(local, &s->git.dir, e);
	s->git.dir = cache_path(url);
	return 0;
}

/* Brings the cache up to date. wait_ms: for another reader that is fetching into it. */
static int refresh(struct snapshot *s, bool whole, int64_t wait_ms, struct err *e)
{
	char *lock = xasprintf("%s.lock", s->git.dir), *slash = strrchr(lock, '/');
	*slash = 0;
	int rc = file_mkdirs(lock, e), fd = -1;
	*slash = '/';
	if (!rc && (fd = cache_lock(lock, wait_ms, e)) < 0)
		rc = -1;
	if (!rc)
		rc = cache_update(&s->git, s->branch, CACHE_PACK, fill_cache, &(struct filling){.s = s, .whole = whole},
				  e);
	if (fd >= 0)
		close(fd);
	free(lock);
	return rc;
}

/* What --at says as UTC seconds: RFC 3339, a day alone (its beginning, UTC), or what git takes for a date. git takes
 * anything, and what it does not understand for now. */
static int read_date(const struct snapshot *s, const char *at, int64_t *when)
{
	struct buf b = {0};
	struct err e;
	int y, m, d, used = 0;
	long long seconds;
	char *day = xasprintf("%sT00:00:00Z", at), *since = xasprintf("--since=%s", at);
	bool is_day = sscanf(at, "%4d-%2d-%2d%n", &y, &m, &d, &used) == 3 && used == 10;
	int rc = !clock_parse(at, when) || (is_day && !at[used] && !clock_parse(day, when)) ? 0 : -1;
	if (rc && !(is_day && (at[used] == 'T' || !at[used])) && !GIT(s, &b, &e, "rev-parse", since) && b.len &&
	    sscanf(b.data, "--max-age=%lld", &seconds) == 1) {
		*when = seconds;
		int64_t off = clock_now() - *when;
		bool now = !strcmp(at, "now") || !strcmp(at, "today") || strstr(at, "ago");
		rc = off >= -1 && off <= 1 && !now ? -1 : 0;
	}
	free(day);
	free(since);
	buf_clear(&b);
	return rc;
}

static int find_commit(struct snapshot *s, const char *branch, const char *at, struct err *e)
{
	struct buf b = {0};
	struct err e2;
	char *ref = xasprintf("refs/heads/%s", branch), *asked = at ? git_rev_of(branch, at) : xstrdup(ref);
	int64_t when;
	int rc = 0;
	if (at && (at[0] == '-' || !at[0]))
		rc = err_set(e, ERR_USAGE, "--at: expected a revision or a date, found '%s'", at);
	else if (git_find(&s->git, asked, s->commit, at ? &e2 : e) && !at)
		rc = -1;
	else if (at && !s->commit[0]) {
		if (read_date(s, at, &when))
			rc = err_set(e, ERR_USAGE,
				     "--at: '%s' is neither a revision nor a date (such as 2026-11-23, "
				     "2026-11-23T09:00:00Z, \"2 hours ago\")",
				     at);
		else {
			char *before = xasprintf("--before=@%lld", (long long)when);
			rc = GIT(s, &b, e, "rev-list", "-1", "--first-parent", before, ref);
			free(before);
			if (!rc && !b.len)
				rc = err_set(e, ERR_NOENT,
					     "--at: '%s' is no revision, and the grid has no commit that old", at);
		}
	}
	if (b.len)
		buf_first_line(&b, s->commit, sizeof s->commit);
	if (!rc && !s->commit[0])
		rc = err_set(e, ERR_NOENT, "the repository has no branch '%s' (make it a grid with: dgrid init)",
			     branch);
	buf_reset(&b);
	if (!rc && !(rc = GIT(s, &b, e, "show", "-s", "--no-show-signature", "--format=%ct", s->commit)))
		s->committed_at = clock_read(b.data);
	s->past = at != NULL;
	s->now = at ? s->committed_at : clock_now();
	free(asked);
	free(ref);
	buf_clear(&b);
	return rc;
}

/* ---- the tree ---- */

static int state_of(const char *folder, size_t len)
{
	for (int k = 0; k < TASK_N_STATES; k++) {
		const char *name = task_state_name((enum task_state)k);
		if (strlen(name) == len && !strncmp(name, folder, len))
			return k;
	}
	return -1;
}

/* "MODE TYPE OID\tPATH" */
static void take_entry(void *ctx, const char *entry)
{
	struct snapshot *s = ctx;
	char mode[8], type[8], oid[72];
	const char *path = strchr(entry, '\t');
	if (!path || sscanf(entry, "%7s %7s %71s", mode, type, oid) != 3)
		return;
	told_take(&s->told, ++path, oid);
	bool regular = !strcmp(mode, "100644") || !strcmp(mode, "100755");
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t n = strlen(base);
	if (n <= 5 || strcmp(base + n - 5, ".json") != 0)
		return;
	char *id = xstrndup(base, n - 5);
	if (!strncmp(path, "nodes/", 6) && base == path + 6 && task_id_valid(id) && regular) {
		s->nodes = xrealloc(s->nodes, (s->n_nodes + 1) * sizeof *s->nodes);
		struct snapshot_node *node = &s->nodes[s->n_nodes++];
		*node = (struct snapshot_node){.id = id};
		snprintf(node->oid, sizeof node->oid, "%s", oid);
		return;
	}
	int state = !strncmp(path, "tasks/", 6) && base > path + 7 ? state_of(path + 6, (size_t)(base - path - 7)) : -1;
	if (state < 0 || !task_id_valid(id)) {
		free(id);
		return;
	}
	s->tasks = xrealloc(s->tasks, (s->n_tasks + 1) * sizeof *s->tasks);
	struct snapshot_task *t = &s->tasks[s->n_tasks++];
	*t = (struct snapshot_task){.id = id, .state = (enum task_state)state, .regular = regular};
	snprintf(t->oid, sizeof t->oid, "%s", oid);
	s->count[state]++;
}

static int by_state(const void *pa, const void *pb)
{
	const struct snapshot_task *a = pa, *b = pb;
	return a->state != b->state ? (a->state < b->state ? -1 : 1) : strcmp(a->id, b->id);
}

static int read_tree(struct snapshot *s, struct err *e)
{
	const char *args[] = {"ls-tree", "-r", "-z", "--full-tree", s->commit, "tasks/", "nodes/", NULL};
	int rc = git_records(&s->git, args, take_entry, s, e);
	if (s->n_tasks)
		qsort(s->tasks, s->n_tasks, sizeof *s->tasks, by_state);
	return rc;
}

/* ---- nodes ---- */

static enum node_state judge_node(const struct snapshot *s, const struct snapshot_node *n)
{
	const struct node_view *v = &n->view;
	if (!strcmp(v->status, "left"))
		return NODE_LEFT;
	int64_t late = s->config.orphan_after_seconds + s->config.max_clock_skew_seconds;
	if (!n->unread && s->now > v->seen + late && s->now > v->next_due + s->config.max_clock_skew_seconds)
		return NODE_SILENT;
	return !strcmp(v->status, "paused")		    ? NODE_PAUSED
	       : n->drain || !strcmp(v->status, "draining") ? NODE_DRAINING
							    : NODE_ACTIVE;
}

static void take_node(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct snapshot *s = ctx;
	struct json_error je;
	s->nodes[i].file = bytes ? json_parse(bytes, len, &je) : NULL;
}

static int read_nodes(struct snapshot *s, struct err *e)
{
	struct strs oids = {0};
	for (size_t i = 0; i < s->n_nodes; i++)
		strs_add(&oids, s->nodes[i].oid);
	int rc = oids.n ? git_cat(&s->git, "blob", oids.v, oids.n, TASK_FILE_MAX, take_node, s, e) : 0;
	rc = rc ? rc : told_read(&s->told, &s->git, e);
	strs_clear(&oids);
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct snapshot_node *n = &s->nodes[i];
		struct node_view beat;
		node_read(&n->view, n->file);
		n->beat = s->past ? NULL : heartbeats_of(&s->beats, n->id);
		node_read(&beat, n->beat);
		if (beat.seen > n->view.seen)
			n->view = beat;
		n->unread = !s->past && heartbeats_unread(&s->beats, n->id);
		n->drain = told_drain(&s->told, n->id);
		n->state = judge_node(s, n);
	}
	return rc;
}

void snapshot_set_now(struct snapshot *s, int64_t now)
{
	s->now = now;
	for (size_t i = 0; i < s->n_nodes; i++)
		s->nodes[i].state = judge_node(s, &s->nodes[i]);
}

static void read_settings(struct snapshot *s)
{
	struct buf b = {0};
	struct json_error je;
	config_defaults(&s->config);
	s->config_problems.file = "grid.json";
	if (!snapshot_file(s, "grid.json", &b, NULL))
		config_parse(&s->config, b.data, b.len, &s->config_problems);
	buf_reset(&b);
	if (!snapshot_file(s, "tasks/archive.json", &b, NULL))
		s->archive = json_parse(b.data, b.len, &je);
	buf_clear(&b);
}

int snapshot_open(struct snapshot *s, const char *url, const char *branch, const char *at, struct err *e)
{
	*s = (struct snapshot){.url = xstrdup(url), .branch = xstrdup(branch)};
	if (find_repository(s, url, e))
		return -1;
	if (s->cached && refresh(s, at != NULL, CACHE_WAIT_MS, e))
		return -1;
	if (find_commit(s, branch, at, e) || read_tree(s, e))
		return -1;
	if (!s->past && heartbeats_read(&s->git, &s->beats, e))
		return -1;
	read_settings(s);
	return read_nodes(s, e);
}

static int64_t patience_ends;
static bool patience_is_over(void)
{
	return clock_mono_ms() > patience_ends;
}

int snapshot_glance(struct snapshot *s, const char *url, const char *branch, int64_t fresh_ms, int64_t patience_ms,
		    struct err *e)
{
	*s = (struct snapshot){.url = xstrdup(url), .branch = xstrdup(branch)};
	if (find_repository(s, url, e))
		return -1;
	char *head = xasprintf("%s/HEAD", s->git.dir), *fetched = xasprintf("%s/FETCH_HEAD", s->git.dir);
	/* git writes it when it begins to fetch, so a remote that is away is not asked again and again either. */
	int64_t age = clock_now() * 1000 - file_stamp(fetched).mtime_ns / 1000000;
	int rc = 0;
	if (s->cached && !file_exists(head))
		rc = err_set(e, ERR_NOENT, "nobody on this machine has looked at '%s' yet", url);
	else if (s->cached && (age < -1000 || age > fresh_ms)) {
		patience_ends = clock_mono_ms() + patience_ms;
		proc_asked *before = proc_give_up_when(patience_is_over);
		refresh(s, false, 0, e); /* where it does not succeed, the cache is as it was */
		proc_give_up_when(before);
	}
	free(head);
	free(fetched);
	return rc || find_commit(s, branch, NULL, e) || read_tree(s, e) ? -1 : 0;
}

int snapshot_file(const struct snapshot *s, const char *path, struct buf *out, struct err *e)
{
	char *name = xasprintf("%s:%s", s->commit, path);
	struct err unused;
	int rc = GIT(s, out, e ? e : &unused, "cat-file", "blob", name);
	if (rc && e)
		e->class = ERR_NOENT;
	if (!rc)
		buf_add(out, "", 0); /* an empty file is a string too */
	free(name);
	return rc;
}

/* ---- documents ---- */

struct loading {
	struct snapshot *s;
	size_t *which; /* task index of each object asked for */
};

static void take_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct loading *l = ctx;
	struct json_error je;
	l->s->tasks[l->which[i]].doc = bytes ? json_parse(bytes, len, &je) : NULL;
}

int snapshot_load(struct snapshot *s, unsigned states, struct err *e)
{
	size_t *which = xcalloc(s->n_tasks + 1, sizeof *which), n = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (states & (1u << s->tasks[i].state))
			which[n++] = i;
	int rc = snapshot_load_these(s, which, n, e);
	free(which);
	return rc;
}

int snapshot_load_these(struct snapshot *s, const size_t *which, size_t n, struct err *e)
{
	struct strs oids = {0};
	struct loading l = {.s = s, .which = xcalloc(n + 1, sizeof *l.which)};
	for (size_t i = 0; i < n; i++)
		if (s->tasks[which[i]].regular && !s->tasks[which[i]].doc) {
			l.which[oids.n] = which[i];
			strs_add(&oids, s->tasks[which[i]].oid);
		}
	int rc = oids.n ? git_cat(&s->git, "blob", oids.v, oids.n, TASK_FILE_MAX, take_blob, &l, e) : 0;
	strs_clear(&oids);
	free(l.which);
	return rc;
}

struct streaming {
	const size_t *which;
	void (*on_doc)(void *ctx, size_t index, const struct json *doc);
	void *ctx;
};

static void stream_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct streaming *st = ctx;
	struct json_error je;
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL;
	st->on_doc(st->ctx, st->which[i], doc);
	json_free(doc);
}

int snapshot_stream(const struct snapshot *s, const size_t *which, size_t n,
		    void (*on_doc)(void *ctx, size_t index, const struct json *doc), void *ctx, struct err *e)
{
	struct strs oids = {0};
	size_t *regular = xcalloc(n + 1, sizeof *regular);
	struct streaming st = {.which = regular, .on_doc = on_doc, .ctx = ctx};
	for (size_t i = 0; i < n; i++)
		if (s->tasks[which[i]].regular) {
			regular[oids.n] = which[i];
			strs_add(&oids, s->tasks[which[i]].oid);
		} else
			on_doc(ctx, which[i], NULL);
	int rc = oids.n ? git_cat(&s->git, "blob", oids.v, oids.n, TASK_FILE_MAX, stream_blob, &st, e) : 0;
	strs_clear(&oids);
	free(regular);
	return rc;
}

struct snapshot_task *snapshot_find(const struct snapshot *s, const char *id)
{
	size_t n = strlen(id);
	/* What is staged must not hide a task of the same id. */
	for (int k = TASK_UNAPPROVED + 1; k <= TASK_N_STATES && s->n_tasks; k++) {
		struct snapshot_task key = {.id = (char *)id, .state = (enum task_state)(k % TASK_N_STATES)},
				     *found = bsearch(&key, s->tasks, s->n_tasks, sizeof *s->tasks, by_state);
		if (found)
			return found;
	}
	/* A ledger of the well-known attempt: in_progress/NODE-ID.json. */
	for (size_t i = 0; i < s->n_tasks; i++) {
		size_t len = strlen(s->tasks[i].id);
		if (s->tasks[i].state == TASK_IN_PROGRESS && len > n + 1 && s->tasks[i].id[len - n - 1] == '-' &&
		    !strcmp(s->tasks[i].id + len - n, id))
			return &s->tasks[i];
	}
	return NULL;
}

int snapshot_doc(struct snapshot *s, struct snapshot_task *t, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	char *path = xasprintf("tasks/%s/%s.json", task_state_name(t->state), t->id);
	int rc = 0;
	if (!t->doc && !t->regular)
		rc = err_set(e, ERR_DATA, "%s is not a regular file", path);
	else if (!t->doc && !(rc = snapshot_file(s, path, &b, e)) && !(t->doc = json_parse(b.data, b.len, &je)))
		rc = err_set(e, ERR_DATA, "%s:%u:%u: %s", path, je.line, je.col, je.msg);
	buf_clear(&b);
	free(path);
	return rc;
}

/* The archive beside the cache, brought up to date; *lock is to be closed after. */
static int open_archive(const struct snapshot *s, struct git *archive, int *lock, struct err *e)
{
	char *dir = xasprintf("%.*s-archive.git", (int)(strlen(s->git.dir) - strlen(".git")), s->git.dir);
	char *path = xasprintf("%s.lock", dir);
	*archive = (struct git){0};
	*lock = cache_lock(path, CACHE_WAIT_MS, e);
	int rc = *lock < 0 ? -1 : archive_open(archive, dir, s->url, NULL, e);
	free(dir);
	free(path);
	return rc;
}

struct json *snapshot_archived(const struct snapshot *s, const char *id, char path[128], struct err *e)
{
	if (!s->cached)
		return archive_find(&s->git, id, path, e);
	struct git archive;
	int lock;
	struct json *doc = NULL;
	if (!open_archive(s, &archive, &lock, e))
		doc = archive_find(&archive, id, path, e);
	archive_close(&archive);
	if (lock >= 0)
		close(lock);
	return doc;
}

int snapshot_archive(const struct snapshot *s, void (*on_path)(void *ctx, const char *path), void *ctx, struct err *e)
{
	if (!s->cached)
		return archive_list(&s->git, s->committed_at, on_path, ctx, e);
	struct git archive;
	int lock, rc = open_archive(s, &archive, &lock, e);
	if (!rc)
		rc = archive_list(&archive, s->committed_at, on_path, ctx, e);
	archive_close(&archive);
	if (lock >= 0)
		close(lock);
	return rc;
}

int snapshot_archive_look(const struct snapshot *s, const struct archive_query *q,
			  void (*on_found)(void *ctx, const struct archive_found *f), void *ctx, struct err *e)
{
	struct archive_query then = *q;
	struct git archive = {0};
	int lock = -1;
	then.until = s->past ? s->committed_at : 0;
	if (!s->cached)
		return archive_look(&s->git, &then, on_found, ctx, e);
	int rc = open_archive(s, &archive, &lock, e);
	if (!rc)
		rc = archive_look(&archive, &then, on_found, ctx, e);
	archive_close(&archive);
	if (lock >= 0)
		close(lock);
	return rc;
}

/* Commits and trees since a date, beside the cache. What it has once it keeps: only the first fetch is cut off. */
static int fill_history(void *ctx, const struct git *g, struct err *e)
{
	const struct filling *f = ctx;
	const struct snapshot *s = f->s;
	char *cut = xasprintf("--shallow-since=%lld", (long long)f->since);
	char *spec = xasprintf("+refs/heads/%s:refs/heads/%s", s->branch, s->branch);
	struct git in = {.dir = (char *)".", .name = g->name, .email = g->email};
	struct buf format = {0};
	bool first = !clone_there(g);
	int rc = 0;
	if (first && !(rc = GIT(s, &format, e, "rev-parse", "--show-object-format"))) {
		char *as = xasprintf("--object-format=%.*s", (int)strcspn(format.data, "\n"), format.data);
		const char *init[] = {"init", "--quiet", "--bare", "--template=", as, "--", g->dir, NULL};
		const char *remote[] = {"remote", "add", "origin", s->url, NULL};
		rc = git_run(&in, NULL, e, init) || git_run(g, NULL, e, remote) ? -1 : 0;
		free(as);
	}
	const char *fetch[] = {"fetch",
			       "--quiet",
			       "--no-tags",
			       "--no-write-fetch-head",
			       "--filter=blob:none",
			       first ? cut : "--no-auto-gc",
			       "origin",
			       spec,
			       NULL};
	if (!rc && (rc = git_run(g, NULL, e, fetch)) && first) {
		/* Nothing happened since: the tip alone is all there is to see. */
		fetch[5] = "--depth=1";
		rc = git_run(g, NULL, e, fetch);
	}
	free(cut);
	free(spec);
	buf_clear(&format);
	return rc;
}

int snapshot_history(const struct snapshot *s, int64_t since, struct git *g, bool *shallow, struct err *e)
{
	*g = (struct git){.dir = xstrdup(s->git.dir), .name = xstrdup(s->git.name), .email = xstrdup(s->git.email)};
	int rc = 0;
	if (s->cached && !s->past) { /* for a look at the past the cache was made whole */
		free(g->dir);
		g->dir = xasprintf("%.*s-history.git", (int)(strlen(s->git.dir) - strlen(".git")), s->git.dir);
		char *lock = xasprintf("%s.lock", g->dir);
		int fd = cache_lock(lock, CACHE_WAIT_MS, e);
		rc = fd < 0 ? -1
			    : cache_update(g, s->branch, CACHE_ANEW, fill_history,
					   &(struct filling){.s = (struct snapshot *)s, .since = since}, e);
		if (fd >= 0)
			close(fd);
		free(lock);
	}
	struct buf b = {0};
	if (!rc)
		rc = GIT(&(struct snapshot){.git = *g}, &b, e, "rev-parse", "--is-shallow-repository");
	*shallow = !rc && !strncmp(b.data, "true", 4);
	buf_clear(&b);
	return rc;
}

void snapshot_close(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_tasks; i++) {
		free(s->tasks[i].id);
		json_free(s->tasks[i].doc);
	}
	for (size_t i = 0; i < s->n_nodes; i++) {
		free(s->nodes[i].id);
		json_free(s->nodes[i].file);
	}
	free(s->tasks);
	free(s->nodes);
	heartbeats_clear(&s->beats);
	told_clear(&s->told);
	config_clear(&s->config);
	problems_clear(&s->config_problems);
	json_free(s->archive);
	free(s->url);
	free(s->branch);
	free(s->git.dir);
	free(s->git.name);
	free(s->git.email);
	*s = (struct snapshot){0};
}

int64_t snapshot_total(const struct snapshot *s, const char *name)
{
	int64_t n = json_int(s->archive, name, 0);
	return n < 0 ? 0 : n > (1LL << 53) ? 1LL << 53 : n;
}

int64_t snapshot_points_done(const struct snapshot *s, const char *id, const struct json *doc)
{
	const char *node = json_str(json_get(doc, "claim"), "node");
	for (size_t i = 0; node && id && i < s->n_nodes; i++)
		if (!strcmp(s->nodes[i].id, node))
			return json_int(json_get(s->nodes[i].beat, "points_done"), id, -1);
	return -1;
}
