#include "worker/unneeded.h"
#include "base/clock.h"
#include "base/file.h"
#include "schema/input.h"
#include "schema/periodic.h"
#include "schema/task.h"
#include "store/places.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKS_MAX 1000 /* they are an argument of one command; the rest is noted later */
#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct tree {
	const char *id; /* borrowed from ref */
	char *ref;
	bool needed;
	int64_t ended; /* the last task on the branch that names it, UTC seconds; 0: none does */
};
struct look {
	struct tree *v;
	size_t n;
	char marks[72]; /* the commit with the notes; "": there is none */
	bool heads;	/* which is a branch */
};

static void take_lines(struct look *k, const char *lines)
{
	for (const char *line = lines; *line; line += *line == '\n') {
		char oid[72] = "", ref[PLACE_MAX] = "";
		const char *id;
		if (sscanf(line, "%71s %175s", oid, ref) == 2 && place_in_parse(ref, &id)) {
			k->v = xrealloc(k->v, (k->n + 1) * sizeof *k->v);
			k->v[k->n] = (struct tree){.ref = xstrdup(ref)};
			k->v[k->n].id = k->v[k->n].ref + (id - ref);
			k->n++;
		} else if (!strcmp(ref, PLACE_IDLE) || !strcmp(ref, PLACE_HEADS "idle")) {
			k->heads = !strcmp(ref, PLACE_HEADS "idle");
			memcpy(k->marks, oid, sizeof oid);
		}
		line += strcspn(line, "\n");
	}
}

/* ended 0: whoever names them needs them still. */
static void name(struct look *k, const struct json *doc, int64_t ended)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < k->n && in[i].tree; t++)
			if (!strcmp(k->v[t].id, in[i].tree)) {
				k->v[t].needed = k->v[t].needed || !ended;
				k->v[t].ended = ended > k->v[t].ended ? ended : k->v[t].ended;
			}
}

static int name_tasks(struct look *k, struct ledger *l, struct err *e)
{
	int rc = 0;
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		struct strs ids = {0};
		rc = ledger_ids(l, (enum task_state)s, &ids, e);
		for (size_t i = 0; i < ids.n && !rc; i++) {
			struct json *doc = ledger_doc(l, (enum task_state)s, ids.v[i], e);
			bool over = s == TASK_COMPLETED || s == TASK_FAILED;
			int64_t ended = json_time(json_get(doc, "result"), "finished_at");
			rc = doc || ledger_answered(e) ? 0 : -1;
			name(k, doc, !over ? 0 : ended ? ended : 1);
			json_free(doc);
		}
		strs_clear(&ids);
	}
	return rc;
}

static void take_name(void *ctx, const char *file)
{
	strs_add(ctx, file);
}

static int name_schedules(struct look *k, struct ledger *l, struct err *e)
{
	char *dir = xasprintf("%s/" PERIODIC_FOLDER, l->git.dir);
	struct strs names = {0};
	int rc = file_exists(dir) ? file_names(dir, take_name, &names, e) : 0;
	for (size_t i = 0; i < names.n && !rc; i++) {
		char *path = xasprintf("%s%s", dir, names.v[i]);
		struct buf b = {0};
		struct json_error je;
		rc = file_read(path, TASK_FILE_MAX, &b, e);
		struct json *doc = rc ? NULL : json_parse(b.data ? b.data : "", b.len, &je);
		name(k, json_get(doc, "task"), 0);
		json_free(doc);
		buf_clear(&b);
		free(path);
	}
	strs_clear(&names);
	free(dir);
	return rc;
}

/* Of images that nodes may still have to build. */
static int name_builds(struct look *k, struct ledger *l, struct err *e)
{
	struct grid_config c = {0};
	int rc = ledger_config(l, &c, e);
	for (int i = 0; !rc && c.images[i]; i++)
		for (size_t t = 0; t < k->n && c.builds[i]; t++)
			k->v[t].needed = k->v[t].needed || !strcmp(k->v[t].id, json_str(c.builds[i], "build"));
	config_clear(&c);
	return rc;
}

/* ---- the notes ---- */

static int read_marks(const struct look *k, const struct git *g, struct json **marks, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	char *spec = xasprintf("+%s:" PLACE_IDLE, k->heads ? PLACE_HEADS "idle" : PLACE_IDLE);
	int rc =
	    !k->marks[0] ? 0
	    : GIT(g, NULL, e, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "origin", spec) ||
		    GIT(g, &b, e, "for-each-ref", "--format=%(contents:subject)", PLACE_IDLE)
		? -1
		: 0;
	struct json *doc = b.len ? json_parse(b.data, b.len, &je) : NULL; /* anyone may push a ref */
	const struct json *inputs = json_get(doc, "inputs");
	*marks = inputs && inputs->type == JSON_OBJECT ? json_copy(inputs) : json_new(JSON_OBJECT);
	json_free(doc);
	buf_clear(&b);
	free(spec);
	return rc;
}

static int write_marks(const struct git *g, const struct json *marks, struct err *e)
{
	struct json *doc = json_new(JSON_OBJECT);
	struct buf text = {0}, tree = {0}, made = {0};
	char oid[72] = "", empty[72] = "";
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "inputs", json_copy(marks));
	json_write(&text, doc, 0);
	json_free(doc);
	int rc = GIT(g, &tree, e, "mktree"); /* of nothing: the empty tree */
	buf_first_line(&tree, empty, sizeof empty);
	if (!rc)
		rc = GIT(g, &made, e, "commit-tree", "-m", text.data, empty);
	buf_first_line(&made, oid, sizeof oid);
	enum push_outcome got = PUSH_DECLINED;
	for (int heads = 0; heads < 2 && !rc && got == PUSH_DECLINED; heads++) {
		char *spec = xasprintf("+%s:%s", oid, heads ? PLACE_HEADS "idle" : PLACE_IDLE);
		const char *args[] = {"push", "--porcelain", "--no-verify", "origin", spec, NULL};
		got = git_push_with(g, args, e);
		free(spec);
	}
	buf_clear(&text);
	buf_clear(&tree);
	buf_clear(&made);
	return !rc && got == PUSH_LANDED ? 0 : -1;
}

/* ---- all of it ---- */

/* Those that go, into refs; and the notes as they are to be, without those. */
static struct json *settle(const struct look *k, const struct json *marks, int64_t keep, struct strs *refs)
{
	struct json *next = json_new(JSON_OBJECT);
	int64_t now = clock_now(), noted = 0;
	for (size_t i = 0; i < k->n; i++) {
		const struct tree *t = &k->v[i];
		char when[32];
		int64_t since = t->ended ? t->ended : json_time(marks, t->id);
		if (t->needed)
			continue;
		if (since && since + keep < now)
			strs_add(refs, t->ref);
		else if (!t->ended && noted++ < MARKS_MAX)
			json_set(next, t->id, json_new_str(clock_format(since && since < now ? since : now, when)));
	}
	return next;
}

int unneeded_inputs(struct ledger *l, const struct grid_config *c, bool dry, size_t *gone, struct err *e)
{
	const char *list[] = {"ls-remote", "origin",	       PLACE_IN "/*", PLACE_HEADS "in/*",
			      PLACE_IDLE,  PLACE_HEADS "idle", NULL};
	struct buf lines = {0}, was = {0}, is = {0};
	struct strs refs = {0};
	struct look k = {0};
	struct json *marks = NULL, *next = NULL;
	int rc = git_run(&l->git, &lines, e, list);
	*gone = 0;
	if (!rc)
		take_lines(&k, lines.data ? lines.data : "");
	if (rc || !k.n)
		goto out;
	/* The branch after the refs: what is queued now was sent before. */
	rc = ledger_sync(l, e) || name_tasks(&k, l, e) || name_schedules(&k, l, e) || name_builds(&k, l, e) ||
		     read_marks(&k, &l->git, &marks, e)
		 ? -1
		 : 0;
	if (rc)
		goto out;
	next = settle(&k, marks, c->keep_out_days * 86400, &refs);
	json_write(&was, marks, 0);
	json_write(&is, next, 0);
	rc = upkeep_delete(&l->git, &refs, dry, gone, e);
	if (!rc && !dry && strcmp(was.data, is.data) != 0)
		rc = write_marks(&l->git, next, e);
out:
	for (size_t i = 0; i < k.n; i++)
		free(k.v[i].ref);
	free(k.v);
	json_free(marks);
	json_free(next);
	strs_clear(&refs);
	buf_clear(&lines);
	buf_clear(&was);
	buf_clear(&is);
	return rc;
}
