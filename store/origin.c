#include "store/origin.h"
#include "schema/periodic.h"
#include "store/line.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct touched { /* one schedule, by the newest commit that touches it */
	const char *path;
	char commit[72], parent[72]; /* parent "": it came with the branch's first commit */
	int64_t at;
	bool now, added; /* by the commit under way; and it was not there before */
	bool found;
};
struct search {
	const struct git *g;
	struct touched **v; /* by path */
	size_t n, left, commits;
	char last[72]; /* the parent of the last */
	bool at_shore;
};

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct touched *const *)a)->path, (*(struct touched *const *)b)->path);
}

static void on_change(void *ctx, char status, const char *path)
{
	struct search *s = ctx;
	struct touched like = {.path = path}, *key = &like;
	struct touched **hit = bsearch(&key, s->v, s->n, sizeof *s->v, by_path);
	if (!hit || (*hit)->found)
		return;
	(*hit)->now = true;
	(*hit)->added = status == 'A';
}

static void on_commit(void *ctx, const struct line_commit *c)
{
	struct search *s = ctx;
	s->commits++;
	snprintf(s->last, sizeof s->last, "%s", c->parent);
	s->at_shore = !c->parent[0] && line_at_shore(s->g, c->id);
	for (size_t i = 0; i < s->n; i++) {
		struct touched *t = s->v[i];
		if (!t->now)
			continue;
		t->now = false;
		if (s->at_shore) /* what it looks like to have added, may have been there before */
			continue;
		snprintf(t->commit, sizeof t->commit, "%s", c->id);
		snprintf(t->parent, sizeof t->parent, "%s", t->added ? "" : c->parent);
		t->at = c->at;
		t->found = true;
		s->left--;
	}
}

/* As far back as the history here reaches, or until all are found: mostly the newest commits are it. */
static int look_back(struct search *s, const char *head, const struct strs *paths, struct err *e)
{
	const struct line line = {s, on_change, on_commit};
	char from[72];
	snprintf(from, sizeof from, "%s", head);
	for (int max = (int)s->n;; max = max > INT_MAX / 4 ? INT_MAX : 4 * max) {
		s->commits = 0;
		s->last[0] = 0;
		if (line_walk(s->g, from, NULL, max, paths, &line, e))
			return -1;
		if (!s->left || s->commits < (size_t)max || !s->last[0])
			return 0;
		memcpy(from, s->last, sizeof from);
	}
}

struct texts {
	struct json **doc;
};

static void take_doc(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct texts *t = ctx;
	struct json_error je;
	t->doc[i] = bytes ? json_parse(bytes, len, &je) : NULL;
}

/* What each commit made of its schedule. */
static int compare(const struct git *g, const struct touched *t, size_t n, int64_t *since, struct err *e)
{
	struct texts texts = {xcalloc(2 * n + 1, sizeof *texts.doc)};
	char **names = xcalloc(2 * n + 1, sizeof *names);
	size_t *of = xcalloc(n + 1, sizeof *of), k = 0;
	for (size_t i = 0; i < n; i++) {
		since[i] = t[i].at;
		if (!t[i].parent[0])
			continue;
		names[2 * k] = xasprintf("%s:%s", t[i].parent, t[i].path);
		names[2 * k + 1] = xasprintf("%s:%s", t[i].commit, t[i].path);
		of[k++] = i;
	}
	int rc = k ? git_cat(g, "blob", names, 2 * k, TASK_FILE_MAX, take_doc, &texts, e) : 0;
	for (size_t i = 0; i < k; i++) {
		const struct json *was = texts.doc[2 * i], *is = texts.doc[2 * i + 1];
		if (was && is && was->type == JSON_OBJECT && is->type == JSON_OBJECT && periodic_moved(was, is))
			since[of[i]] = 0;
	}
	for (size_t i = 0; i < 2 * k; i++) {
		json_free(texts.doc[i]);
		free(names[i]);
	}
	free(texts.doc);
	free(names);
	free(of);
	return rc;
}

int origin_find(const struct git *g, const char *head, const char *spec, const char *const *names, size_t n,
		int64_t *since, struct err *e)
{
	struct strs paths = {0};
	struct touched *t = xcalloc(n + 1, sizeof *t);
	struct search s = {.g = g, .v = xcalloc(n + 1, sizeof(struct touched *)), .n = n, .left = n};
	for (size_t i = 0; i < n; i++)
		strs_addf(&paths, PERIODIC_FOLDER "%s.json", names[i]);
	for (size_t i = 0; i < n; i++) {
		t[i].path = paths.v[i];
		s.v[i] = &t[i];
	}
	qsort(s.v, n, sizeof(struct touched *), by_path);
	int rc = n ? look_back(&s, head, &paths, e) : 0;
	for (int round = 0, more = 1; !rc && s.left && more > 0; round++) {
		more = line_deepen(g, spec, round, e);
		rc = more < 0 || (more && look_back(&s, head, &paths, e)) ? -1 : 0;
	}
	for (size_t i = 0; i < n && !rc; i++)
		if (!t[i].found)
			rc = err_set(e, ERR_NOENT, "the history does not show when %s came", t[i].path);
	if (!rc)
		rc = compare(g, t, n, since, e);
	free(t);
	free(s.v);
	strs_clear(&paths);
	return rc;
}
