#include "store/archive.h"
#include "base/clock.h"
#include "base/file.h"
#include "schema/spent.h"
#include "schema/task.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIP "refs/heads/" ARCHIVE_BRANCH
#define NEW_ARCHIVE "refs/dgrid/new-archive"
#define NEW_LEDGER "refs/dgrid/new-ledger"
/* What another repository has, seen through alternates, is no history of ours. */
#define NO_ALTERNATE_REFS "core.alternateRefsCommand=true"

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the repository ---- */

/* Shallow where the clone is or where we are: its boundary commits have parents that nobody has here. */
static int join_shallow(const struct git *g, const char *clone, struct err *e)
{
	char *own = xasprintf("%s/shallow", g->dir), *theirs = xasprintf("%s/shallow", clone);
	struct buf all = {0}, more = {0};
	struct err none;
	int rc = 0;
	if (file_read(own, 1 << 24, &all, &none))
		buf_reset(&all);
	if (!file_read(theirs, 1 << 24, &more, &none))
		for (const char *p = more.data; p && *p;) {
			size_t len = strcspn(p, "\n") + 1;
			char *line = xstrndup(p, len);
			if (!all.len || !strstr(all.data, line))
				buf_adds(&all, line);
			p += len < strlen(p) ? len : strlen(p);
			free(line);
		}
	if (all.len)
		rc = file_write(own, all.data, all.len, e);
	free(own);
	free(theirs);
	buf_clear(&all);
	buf_clear(&more);
	return rc;
}

static int make(struct git *g, const char *url, const char *clone, struct err *e)
{
	struct git in = {.dir = (char *)".", .name = g->name, .email = g->email};
	struct buf format = {0};
	char as[32] = "sha1";
	if (clone) {
		in.dir = (char *)clone;
		if (GIT(&in, &format, e, "rev-parse", "--show-object-format"))
			return -1;
		buf_first_line(&format, as, sizeof as);
		in.dir = (char *)".";
	}
	char *option = xasprintf("--object-format=%s", as);
	int rc = GIT(&in, NULL, e, "init", "--quiet", "--bare", "--template=", option, "--", g->dir);
	if (!rc)
		rc = GIT(g, NULL, e, "remote", "add", "origin", url);
	free(option);
	buf_clear(&format);
	return rc;
}

static int see_objects_of(const struct git *g, const char *clone, struct err *e)
{
	char *path = xasprintf("%s/objects/info/alternates", g->dir), *info = xasprintf("%s/objects/info", g->dir);
	char *full = realpath(clone, NULL); /* git takes a relative one as from its own objects */
	char *text = xasprintf("%s/objects\n", full ? full : clone);
	int rc = file_mkdirs(info, e);
	if (!rc)
		rc = file_write(path, text, strlen(text), e);
	free(path);
	free(info);
	free(full);
	free(text);
	return rc ? rc : join_shallow(g, clone, e);
}

int archive_open(struct git *g, const char *dir, const char *url, const char *clone, struct err *e)
{
	char *head = xasprintf("%s/HEAD", dir), remote[72], here[72] = "";
	*g = (struct git){.dir = xstrdup(dir), .name = xstrdup("dgrid"), .email = xstrdup("dgrid@localhost")};
	int rc = file_exists(head) ? GIT(g, NULL, e, "remote", "set-url", "origin", url) : make(g, url, clone, e);
	if (!rc)
		rc = git_remote_head(g, ARCHIVE_BRANCH, remote, e);
	if (!rc)
		git_resolve(g, TIP, here);
	if (!rc && !remote[0] && here[0])
		rc = GIT(g, NULL, e, "update-ref", "-d", TIP);
	else if (!rc && strcmp(remote, here) != 0)
		/* --depth only where there is no history to cut off. */
		rc = GIT(g, NULL, e, "-c", NO_ALTERNATE_REFS, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
			 "--filter=blob:none", here[0] ? "--no-auto-gc" : "--depth=1", "origin", "+" TIP ":" TIP);
	if (!rc && clone)
		rc = see_objects_of(g, clone, e);
	free(head);
	return rc;
}

void archive_close(struct git *g)
{
	free(g->dir);
	free(g->name);
	free(g->email);
	*g = (struct git){0};
}

/* ---- reading ---- */

struct search {
	const char *id;
	size_t len;
	char *found; /* paths sort by day, so the last is the newest */
};

/* Is path DAY/ID.json or DAY/ID.N.json? */
static bool is_of(const char *path, const char *id, size_t len)
{
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (strncmp(base, id, len) != 0 || base[len] != '.')
		return false;
	const char *rest = base + len;
	if (!strcmp(rest, ".json"))
		return true;
	size_t digits = strspn(rest + 1, "0123456789");
	return digits && !strcmp(rest + 1 + digits, ".json");
}

static void look_at(void *ctx, const char *path)
{
	struct search *s = ctx;
	if (!is_of(path, s->id, s->len))
		return;
	/* ID.2.json sorts before ID.json, and is newer. */
	if (s->found && !strncmp(s->found, path, strlen("YYYY/MM/DD/")) && strlen(s->found) > strlen(path))
		return;
	free(s->found);
	s->found = xstrdup(path);
}

int archive_lists(const struct git *g, const char *ref, const char *id, char path[128], struct err *e)
{
	struct search s = {.id = id, .len = strlen(id)};
	const char *args[] = {"ls-tree", "-r", "-z", "--name-only", "--full-tree", ref, NULL};
	char tip[72];
	if (!git_resolve(g, ref, tip))
		return 0;
	int rc = git_records(g, args, look_at, &s, e);
	if (!rc && s.found)
		snprintf(path, 128, "%s", s.found);
	rc = rc ? -1 : s.found != NULL;
	free(s.found);
	return rc;
}

int archive_lists_here(const struct git *g, const char *id, char path[128], struct err *e)
{
	static const char *const refs[] = {"refs/heads/" ARCHIVE_BRANCH, "refs/remotes/origin/" ARCHIVE_BRANCH};
	int found = 0;
	for (size_t i = 0; i < sizeof refs / sizeof *refs && !found; i++)
		found = archive_lists(g, refs[i], id, path, e);
	return found;
}

struct json *archive_find(const struct git *g, const char *id, char path[128], struct err *e)
{
	struct buf text = {0};
	struct json_error je;
	struct json *doc = NULL;
	int found = archive_lists(g, TIP, id, path, e);
	if (found <= 0) {
		if (!found)
			err_set(e, ERR_NOENT, "no task '%s' in the archive", id);
		return NULL;
	}
	char *name = xasprintf(TIP ":%s", path);
	if (!GIT(g, &text, e, "cat-file", "blob", name) &&
	    !(doc = json_parse(text.data ? text.data : "", text.len, &je)))
		err_set(e, ERR_DATA, "archive:%s:%u:%u: %s", path, je.line, je.col, je.msg);
	free(name);
	buf_clear(&text);
	return doc;
}

/* What the archive was at that time (UTC seconds), 0: is; "" when there was none. */
static int tip_at(const struct git *g, int64_t until, char tip[72], struct err *e)
{
	struct buf b = {0};
	char *before = xasprintf("--before=%lld", (long long)until);
	int rc = 0;
	if (git_resolve(g, TIP, tip) && until) {
		rc = GIT(g, &b, e, "rev-list", "-1", "--first-parent", before, TIP);
		buf_first_line(&b, tip, 72);
	}
	free(before);
	buf_clear(&b);
	return rc;
}

int archive_list(const struct git *g, int64_t until, void (*on_path)(void *ctx, const char *path), void *ctx,
		 struct err *e)
{
	char tip[72];
	int rc = tip_at(g, until, tip, e);
	const char *args[] = {"ls-tree", "-r", "-z", "--name-only", "--full-tree", tip, NULL};
	return rc || !tip[0] ? rc : git_records(g, args, on_path, ctx, e);
}

struct asked {
	const char *id;
	size_t at;
};
struct row {
	char id[65], oid[72];
	char *path;
	size_t asked;
};
struct looking {
	const struct archive_query *q;
	char first[16];	     /* day; "": any */
	struct asked *asked; /* by id */
	struct row *v;
	size_t n, room;
	void (*on_found)(void *ctx, const struct archive_found *f);
	void *ctx;
};

static int by_asked(const void *a, const void *b)
{
	return strcmp(((const struct asked *)a)->id, ((const struct asked *)b)->id);
}

/* "MODE blob OID\tYYYY/MM/DD/ID.json", or ID.2.json */
static void take_row(void *ctx, const char *record)
{
	struct looking *k = ctx;
	struct row row = {.path = NULL};
	char mode[8];
	const char *path = strchr(record, '\t'), *base = path ? strrchr(path, '/') : NULL;
	if (!base || sscanf(record, "%7s blob %71s", mode, row.oid) != 2 || strcspn(base + 1, ".") >= sizeof row.id)
		return;
	if (strncmp(path + 1, k->first, strlen(k->first)) < 0)
		return;
	snprintf(row.id, sizeof row.id, "%.*s", (int)strcspn(base + 1, "."), base + 1);
	if (k->q->ids) {
		const struct asked *one =
		    bsearch(&(struct asked){.id = row.id}, k->asked, k->q->n, sizeof *one, by_asked);
		if (!one)
			return;
		row.asked = one->at;
	}
	row.path = xstrdup(path + 1);
	if (k->n == k->room) {
		k->room = k->room ? 2 * k->room : 64;
		k->v = xrealloc(k->v, k->room * sizeof *k->v);
	}
	k->v[k->n++] = row;
}

/* By id, and then the newer last: by day, and within a day ID.json before ID.2.json. */
static int by_age(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	int order = strcmp(a->id, b->id);
	if (!order)
		order = strncmp(a->path, b->path, strlen("YYYY/MM/DD/"));
	size_t x = strlen(a->path), y = strlen(b->path);
	return order ? order : x != y ? (x < y ? -1 : 1) : strcmp(a->path, b->path);
}

static void keep_newest(struct looking *k)
{
	size_t kept = 0;
	if (k->n)
		qsort(k->v, k->n, sizeof *k->v, by_age);
	for (size_t i = 0; i < k->n; i++)
		if (i + 1 < k->n && !strcmp(k->v[i].id, k->v[i + 1].id))
			free(k->v[i].path);
		else
			k->v[kept++] = k->v[i];
	k->n = kept;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where the repository has no contents, all that is needed comes at once: one by one, as cat-file would fetch them, is
 * a connection each. */
static int fill(const struct git *g, const char *tip, const struct looking *k, struct err *e)
{
	struct buf b = {0}, want = {0};
	struct strs missing = {0};
	int rc = 0;
	if (GIT(g, &b, NULL, "config", "--get-regexp", "^remote\\..*\\.promisor$"))
		goto out; /* it has everything */
	buf_reset(&b);
	rc = GIT(g, &b, e, "rev-list", "-n", "1", "--objects", "--missing=print", tip);
	for (char *line = rc ? NULL : b.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (*line == '?')
			strs_add(&missing, line + 1);
	}
	if (missing.n)
		qsort(missing.v, missing.n, sizeof *missing.v, by_text);
	for (size_t i = 0; i < k->n; i++) {
		const char *oid = k->v[i].oid;
		if (missing.n && bsearch(&oid, missing.v, missing.n, sizeof *missing.v, by_text))
			buf_addf(&want, "%s\n", oid);
	}
	const char *fetch[] = {"-c",
			       "fetch.negotiationAlgorithm=noop",
			       "fetch",
			       "--quiet",
			       "origin",
			       "--no-tags",
			       "--no-write-fetch-head",
			       "--recurse-submodules=no",
			       "--filter=blob:none",
			       "--stdin",
			       NULL};
	if (want.len) /* what it cannot bring, cat-file asks for itself, and tells */
		git_run_input(g, want.data, want.len, NULL, fetch);
out:
	strs_clear(&missing);
	buf_clear(&b);
	buf_clear(&want);
	return rc;
}

static void take_doc(void *ctx, size_t i, const char *bytes, size_t len)
{
	const struct looking *k = ctx;
	const struct row *row = &k->v[i];
	struct json_error je;
	struct archive_found f = {.id = row->id, .path = row->path, .asked = row->asked};
	if (k->q->word && (!bytes || !strstr(bytes, k->q->word)))
		return;
	f.doc = bytes ? json_parse(bytes, len, &je) : NULL;
	k->on_found(k->ctx, &f);
}

int archive_look(const struct git *g, const struct archive_query *q,
		 void (*on_found)(void *ctx, const struct archive_found *f), void *ctx, struct err *e)
{
	struct looking k = {.q = q, .asked = xcalloc(q->n + 1, sizeof *k.asked), .on_found = on_found, .ctx = ctx};
	struct strs oids = {0};
	char tip[72];
	if (q->since)
		archive_day(q->since, '/', k.first);
	for (size_t i = 0; i < q->n; i++)
		k.asked[i] = (struct asked){q->ids[i], i};
	qsort(k.asked, q->n, sizeof *k.asked, by_asked);
	int rc = tip_at(g, q->until, tip, e);
	const char *args[] = {"ls-tree", "-r", "-z", "--full-tree", tip, NULL};
	if (!rc && tip[0])
		rc = git_records(g, args, take_row, &k, e);
	keep_newest(&k);
	if (!rc && q->docs && k.n && !(rc = fill(g, tip, &k, e))) {
		for (size_t i = 0; i < k.n; i++)
			strs_add(&oids, k.v[i].oid);
		rc = git_cat(g, "blob", oids.v, oids.n, TASK_FILE_MAX, take_doc, &k, e);
	}
	for (size_t i = 0; i < k.n; i++) {
		struct archive_found f = {.id = k.v[i].id, .path = k.v[i].path, .asked = k.v[i].asked};
		if (!rc && !q->docs)
			on_found(ctx, &f);
		free(k.v[i].path);
	}
	strs_clear(&oids);
	free(k.v);
	free(k.asked);
	return rc;
}

/* ---- moving ---- */

void archive_day(int64_t utc_seconds, char sep, char out[16])
{
	time_t t = (time_t)utc_seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	snprintf(out, 16, "%04d%c%02d%c%02d", (tm.tm_year + 1900) % 10000, sep, (tm.tm_mon + 1) % 100, sep,
		 tm.tm_mday % 100);
}

static void bump(struct json *doc, const char *name, int64_t by)
{
	int64_t n = json_int(doc, name, 0);
	/* Anyone may have written these numbers: they do not wrap. */
	json_set(doc, name, json_new_int(by > 0 && n > INT64_MAX - by ? INT64_MAX : n + (by > 0 ? by : 0)));
}

void archive_read(struct archive_item *item, const struct json *doc, int64_t now)
{
	const struct json *result = json_get(doc, "result");
	const char *when = json_str(result, "finished_at");
	if (!when || clock_parse(when, &item->finished_at) || item->finished_at < 0 || item->finished_at > now + 86400)
		item->finished_at = now; /* some other hand wrote it: it ends today */
	item->duration_ms = json_int(result, "duration_ms", 0);
	item->cpu_ms = spent_of(result).cpu_ms;
	task_retried_ends(doc, &item->retried_completed, &item->retried_failed);
	item->outliers = json_new(JSON_OBJECT);
	vote_outliers(doc, item->outliers);
	if (item->outliers->child)
		return;
	json_free(item->outliers);
	item->outliers = NULL;
}

void archive_count(struct json *totals, const struct archive_item *item)
{
	char day[16];
	archive_day(item->finished_at, '-', day);
	struct json *days = (struct json *)json_get(totals, "days"), *one;
	if (item->retried_completed || json_get(totals, "retried_completed"))
		bump(totals, "retried_completed", item->retried_completed);
	if (item->retried_failed || json_get(totals, "retried_failed"))
		bump(totals, "retried_failed", item->retried_failed);
	for (const struct json *n = item->outliers ? item->outliers->child : NULL; n; n = n->next) {
		if (!json_get(totals, "outliers"))
			json_set(totals, "outliers", json_new(JSON_OBJECT));
		bump((struct json *)json_get(totals, "outliers"), n->name, json_int(item->outliers, n->name, 0));
	}
	if (!json_get(totals, "schema"))
		json_set(totals, "schema", json_new_int(1));
	bump(totals, "tasks", 1);
	bump(totals, item->failed ? "failed" : "completed", 1);
	if (!days)
		json_set(totals, "days", json_new(JSON_OBJECT));
	days = (struct json *)json_get(totals, "days");
	if (!json_get(days, day))
		json_set(days, day, json_new(JSON_OBJECT));
	one = (struct json *)json_get(days, day);
	bump(one, item->failed ? "failed" : "completed", 1);
	bump(one, "run_ms", item->duration_ms);
	if (item->cpu_ms > 0)
		bump(one, "cpu_ms", item->cpu_ms);
}

struct taken { /* the names that the archive has in the days we add to */
	struct strs names;
};

static void take_name(void *ctx, const char *path)
{
	strs_add(&((struct taken *)ctx)->names, path);
}

/* Which of the paths we want are there already. */
static int taken_paths(const struct git *g, const struct archive_item *items, size_t n, struct taken *out,
		       struct err *e)
{
	struct strs args = {0};
	char tip[72];
	static const char *const head[] = {"ls-tree", "-z", "--name-only", "--full-tree", TIP};
	if (!git_resolve(g, TIP, tip))
		return 0;
	for (size_t i = 0; i < sizeof head / sizeof *head; i++)
		strs_add(&args, head[i]);
	for (size_t i = 0; i < n; i++) {
		char day[16];
		archive_day(items[i].finished_at, '/', day);
		strs_addf(&args, "%s/%s.json", day, items[i].id);
	}
	int rc = git_records(g, (const char *const *)args.v, take_name, out, e);
	strs_clear(&args);
	return rc;
}

/* A path nobody has: what is archived is never written over. NULL: it cannot be told. */
static char *free_path(const struct git *g, const struct archive_item *item, const struct strs *taken, bool first,
		       struct err *e)
{
	char day[16];
	struct buf b = {0};
	archive_day(item->finished_at, '/', day);
	char *path = xasprintf("%s/%s.json", day, item->id);
	for (int k = 2; k == 2 ? strs_has(taken, path) : b.len > 0; k++) {
		free(path);
		path = xasprintf("%s/%s.%d.json", day, item->id, k);
		buf_reset(&b);
		if (first)
			break;
		if (GIT(g, &b, e, "ls-tree", "--full-tree", TIP, path)) {
			free(path);
			path = NULL;
			break;
		}
	}
	buf_clear(&b);
	return path;
}

static void start_commit(struct buf *b, const struct git *g, const char *ref, const char *message, const char *from)
{
	buf_addf(b, "commit %s\ncommitter %s <%s> now\ndata %zu\n%s\n", ref, g->name, g->email, strlen(message),
		 message);
	if (from[0])
		buf_addf(b, "from %s\n", from);
}

/* fast-import does not sign: the commit it made is made once more, signed. */
static int sign(const struct git *g, const char *ref, const char *parent, const char *message, struct err *e)
{
	struct buf b = {0};
	char *tree = xasprintf("%s^{tree}", ref), made[72];
	const char *root[] = {"commit-tree", "-S", "-m", message, tree, NULL};
	const char *next[] = {"commit-tree", "-S", "-m", message, "-p", parent, tree, NULL};
	int rc = git_run(g, &b, e, parent[0] ? next : root);
	buf_first_line(&b, made, sizeof made);
	if (!rc)
		rc = GIT(g, NULL, e, "update-ref", ref, made);
	free(tree);
	buf_clear(&b);
	return rc;
}

enum push_outcome archive_push(const struct git *g, const char *who, const char *branch, const char *head,
			       const struct archive_item *items, size_t n, const char *totals, char made[72],
			       struct err *e)
{
	char nonce[17], tip[72] = "";
	struct taken taken = {{0}};
	struct buf b = {0}, script = {0};
	struct err none;
	enum push_outcome got = PUSH_DECLINED;
	made[0] = 0;
	clock_nonce(nonce, 8);
	char *message = xasprintf("%s: archive %zu task%s\n\ndgrid-nonce: %s\n", who, n, n == 1 ? "" : "s", nonce);
	if (taken_paths(g, items, n, &taken, e))
		goto out;
	git_resolve(g, TIP, tip);
	start_commit(&script, g, NEW_ARCHIVE, message, tip);
	for (size_t i = 0; i < n; i++) {
		char *path = free_path(g, &items[i], &taken.names, !tip[0], e);
		if (!path)
			goto out;
		buf_addf(&script, "M 100644 %s %s\n", items[i].oid, path);
		free(path);
	}
	start_commit(&script, g, NEW_LEDGER, message, head);
	for (size_t i = 0; i < n; i++)
		buf_addf(&script, "D tasks/%s/%s.json\n", items[i].failed ? "failed" : "completed", items[i].id);
	buf_addf(&script, "M 100644 inline %s\ndata %zu\n%s\n", ARCHIVE_TOTALS, strlen(totals), totals);
	const char *import[] = {"fast-import", "--quiet", "--force", "--date-format=now", NULL};
	if (git_run_input(g, script.data, script.len, e, import))
		goto out;
	if (g->sign_with && (sign(g, NEW_ARCHIVE, tip, message, e) || sign(g, NEW_LEDGER, head, message, e)))
		goto out;
	git_resolve(g, NEW_LEDGER, made);
	char *ledger = xasprintf(NEW_LEDGER ":refs/heads/%s", branch);
	const char *push[] = {"push",	"--porcelain", "--atomic",	    "--no-verify",
			      "origin", ledger,	       NEW_ARCHIVE ":" TIP, NULL};
	got = git_push_with(g, push, e);
	free(ledger);
	if (got == PUSH_LANDED)
		GIT(g, NULL, &none, "update-ref", TIP, NEW_ARCHIVE);
out:
	free(message);
	strs_clear(&taken.names);
	buf_clear(&b);
	buf_clear(&script);
	return got;
}
