#include "audit/placed.h"
#include "base/file.h"
#include "base/text.h"
#include "json.h"
#include "schema/task.h"
#include "store/filestore.h"
#include "store/places.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_BYTES_MAX (16u << 20)
#define AT_ONCE 512

/* What a ref shows: under which task's name which tree, by which run. */
struct shown {
	char *ref, *id, nonce[33], tree[72];
};
struct looking {
	struct placed *p;
	const struct git *history;
	struct git *store;
	char *ref; /* under way */
	struct strs refs, commits, messages;
	struct shown *v;
	size_t n, raw; /* raw: bytes of an object id */
	struct strs paths, oids;
};

/* ---- the refs ---- */

static void take_ref(void *ctx, const char *record)
{
	struct place_out place;
	record += strspn(record, "\n"); /* of the record before */
	if (place_out_parse(record, &place))
		strs_add(&((struct looking *)ctx)->refs, record);
}

/* "COMMIT\nMESSAGE" */
static void take_commit(void *ctx, const char *record)
{
	struct looking *l = ctx;
	size_t n = strcspn(record, "\n");
	char *tree = xasprintf("%.*s^{tree}", (int)n, record);
	strs_add(&l->commits, tree);
	strs_add(&l->messages, record[n] ? record + n + 1 : "");
	free(tree);
}

static void add(struct looking *l, const char *id, const char *nonce, const unsigned char *raw)
{
	if (!(l->n & (l->n + 1))) /* room for a power of two */
		l->v = xrealloc(l->v, 2 * (l->n + 1) * sizeof *l->v);
	struct shown *s = &l->v[l->n++];
	*s = (struct shown){.ref = l->ref, .id = xstrdup(id)};
	snprintf(s->nonce, sizeof s->nonce, "%s", nonce ? nonce : "");
	text_hex(s->tree, raw, l->raw);
}

/* The tree of a commit: "MODE NAME\0" and the raw id, again and again; its message tells whose runs they are of. */
static void take_tree(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct looking *l = ctx;
	struct json_error je;
	const char *message = l->messages.v[i];
	struct json *doc = json_parse(message, strlen(message), &je);
	const struct json *tasks = json_get(doc, "tasks");
	for (const char *at = bytes, *end = bytes ? bytes + len : NULL; bytes && at < end;) {
		const char *nul = memchr(at, 0, (size_t)(end - at)), *name = strchr(at, ' ');
		if (!nul || !name || (size_t)(end - nul) < l->raw + 1)
			break;
		add(l, name + 1, json_str(json_get(tasks, name + 1), "nonce"), (const unsigned char *)nul + 1);
		at = nul + 1 + l->raw;
	}
	json_free(doc);
}

static int by_name(const void *pa, const void *pb)
{
	const struct shown *a = pa, *b = pb;
	int order = strcmp(a->ref, b->ref);
	order = order ? order : strcmp(a->id, b->id);
	return order ? order : strcmp(a->nonce, b->nonce);
}

static int read_refs(struct looking *l, struct err *e)
{
	const char *fetch[] = {"fetch",
			       "--quiet",
			       "--no-tags",
			       "--no-write-fetch-head",
			       "--filter=tree:1",
			       "origin",
			       "+" PLACE_OUT "/*:" PLACE_OUT "/*",
			       "+" PLACE_HEADS "out/*:" PLACE_HEADS "out/*",
			       NULL},
		   *list[] = {"for-each-ref", "--format=%(refname)%00", PLACE_OUT, PLACE_HEADS "out", NULL};
	int rc = git_run_long(l->store, e, fetch);
	if (!rc)
		rc = git_records(l->store, list, take_ref, l, e);
	for (size_t i = 0; i < l->refs.n && !rc; i++) {
		const char *log[] = {"log", "-z", "--format=%H%n%B", l->refs.v[i], "--", NULL};
		l->ref = l->refs.v[i];
		rc = git_records(l->store, log, take_commit, l, e);
		for (size_t from = 0; from < l->commits.n && !rc; from += AT_ONCE) {
			size_t n = l->commits.n - from < AT_ONCE ? l->commits.n - from : AT_ONCE;
			struct strs messages = l->messages;
			l->messages.v += from;
			rc = git_cat(l->store, "tree", l->commits.v + from, n, TREE_BYTES_MAX, take_tree, l, e);
			l->messages = messages;
		}
		strs_clear(&l->commits);
		strs_clear(&l->messages);
	}
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_name);
	return rc;
}

/* ---- the results ---- */

static bool stands(const struct looking *l, const char *ref)
{
	for (size_t i = 0; i < l->refs.n; i++)
		if (!strcmp(l->refs.v[i], ref))
			return true;
	return false;
}

/* of: a result, or an entry of attempts. */
static void judge(struct looking *l, const char *path, const char *id, const struct json *of)
{
	const struct json *out = json_get(of, "out");
	const char *tree = json_str(out, "tree"), *ref = json_str(out, "ref"), *nonce = json_str(of, "nonce");
	if (!tree || !ref || !nonce || strlen(nonce) > 32)
		return;
	l->p->looked++;
	if (!stands(l, ref)) {
		l->p->gone++;
		return;
	}
	struct shown key = {.ref = (char *)ref, .id = (char *)id};
	snprintf(key.nonce, sizeof key.nonce, "%s", nonce);
	const struct shown *found = l->n ? bsearch(&key, l->v, l->n, sizeof *l->v, by_name) : NULL;
	const struct shown *last = found;
	for (; found && found > l->v && !by_name(found - 1, &key); found--)
		;
	for (; found && found < l->v + l->n && !by_name(found, &key); found++) {
		if (!strcmp(found->tree, tree))
			return;
		last = found;
	}
	char *text =
	    last ? xasprintf("its result says that it left %.12s, %s has %.12s of that run", tree, ref, last->tree)
		 : xasprintf("its result says that it left %.12s, %s has nothing of that run", tree, ref);
	l->p->tell(l->p->ctx, path, text);
	free(text);
}

/* "MODE blob OID<tab>PATH" */
static void take_path(void *ctx, const char *record)
{
	struct looking *l = ctx;
	char oid[72];
	const char *tab = strchr(record, '\t');
	size_t len = tab ? strlen(tab + 1) : 0;
	if (!tab || sscanf(record, "%*s blob %71s", oid) != 1 || len < 6 || strcmp(tab + 1 + len - 5, ".json") != 0)
		return;
	strs_add(&l->paths, tab + 1);
	strs_add(&l->oids, oid);
}

static void take_task(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct looking *l = ctx;
	struct json_error je;
	const char *path = l->paths.v[i], *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char id[65];
	snprintf(id, sizeof id, "%.*s", (int)(strlen(base) - 5 < 64 ? strlen(base) - 5 : 64), base);
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL;
	const struct json *list = json_get(doc, "attempts");
	judge(l, path, id, json_get(doc, "result"));
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next)
		judge(l, path, id, a);
	json_free(doc);
}

/* Of what is archived only what stands under the days of the refs, and the two after. */
static bool wanted(const struct looking *l, const char *path)
{
	char day[11] = "", next[11];
	struct place_out place;
	if (!strncmp(path, "tasks/", 6))
		return true;
	if (strlen(path) > 11)
		snprintf(day, sizeof day, "%.4s-%.2s-%.2s", path, path + 5, path + 8);
	for (size_t i = 0; i < l->refs.n; i++)
		for (int k = 0; k < 3 && place_out_parse(l->refs.v[i], &place); k++) {
			place_day(place.day_at + k * 86400, next);
			if (!strcmp(next, day))
				return true;
		}
	return false;
}

static int read_tasks(struct looking *l, const char *commit, struct err *e)
{
	const char *list[] = {"ls-tree", "-r", "-z", "--full-tree", commit, NULL};
	int rc = git_records(l->history, list, take_path, l, e);
	size_t kept = 0;
	for (size_t i = 0; i < l->paths.n; i++)
		if (wanted(l, l->paths.v[i])) { /* what is passed by goes to the end */
			char *path = l->paths.v[i], *oid = l->oids.v[i];
			l->paths.v[i] = l->paths.v[kept];
			l->oids.v[i] = l->oids.v[kept];
			l->paths.v[kept] = path;
			l->oids.v[kept++] = oid;
		}
	for (size_t from = 0; from < kept && !rc; from += AT_ONCE) {
		struct strs paths = l->paths;
		size_t n = kept - from < AT_ONCE ? kept - from : AT_ONCE;
		l->paths.v += from;
		rc = git_cat(l->history, "blob", l->oids.v + from, n, TASK_FILE_MAX, take_task, l, e);
		l->paths = paths;
	}
	strs_clear(&l->paths);
	strs_clear(&l->oids);
	return rc;
}

int placed_look(const struct git *g, const char *head, const char *archive, const char *url, struct placed *p,
		struct err *e)
{
	struct filestore store = {0};
	struct looking l = {.p = p, .history = g, .raw = strlen(head) / 2};
	struct err none;
	char *dir = file_temp_dir(e), *in = dir ? xasprintf("%s/out.git", dir) : NULL;
	int rc = dir ? filestore_open(&store, in, url, l.raw == 32, NULL, "dgrid", "dgrid@localhost", e) : -1;
	l.store = &store.git;
	if (!rc)
		rc = read_refs(&l, e);
	if (!rc)
		rc = read_tasks(&l, head, e);
	if (!rc && archive)
		rc = read_tasks(&l, archive, e);
	for (size_t i = 0; i < l.n; i++)
		free(l.v[i].id);
	free(l.v);
	strs_clear(&l.refs);
	strs_clear(&l.commits);
	strs_clear(&l.messages);
	filestore_close(&store);
	if (dir && file_remove_tree(dir, &none))
		fprintf(stderr, "dgrid: %s\n", none.msg);
	free(in);
	free(dir);
	return rc;
}
