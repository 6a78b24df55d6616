#include "store/arrival.h"
#include "base/utf8.h"
#include "schema/task.h"
#include "store/line.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_FIRST 250 /* commits; then four times as many each time */

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct sought {
	const char *id;
	size_t at;    /* into what was asked for */
	size_t there; /* files of it, in all folders, before the commits that the walk has seen */
	bool added;   /* by the commit under way */
	bool found;
};

struct search {
	const struct git *g;
	struct sought *v; /* by id */
	size_t n, left;
	struct arrival *out;
	size_t *touched; /* by the commit under way */
	size_t n_touched;
	size_t commits;	    /* of this walk */
	char last[72];	    /* the parent of the last */
	bool at_shore;	    /* that was the end of what is here, not of the history */
	struct strs *paths; /* that are asked for */
};

static int by_id(const void *a, const void *b)
{
	const struct sought *x = a, *y = b;
	return strcmp(x->id, y->id);
}

/* "tasks/STATE/ID.json" of one that is sought, or what somebody put into a folder of that name; NULL: another. */
static struct sought *sought_at(struct search *s, const char *path)
{
	char id[65];
	for (int k = 0; k < TASK_N_STATES; k++) {
		const char *state = task_state_name((enum task_state)k);
		size_t n = strlen(state);
		if (strncmp(path, "tasks/", 6) != 0 || strncmp(path + 6, state, n) != 0 || path[6 + n] != '/')
			continue;
		const char *base = path + 7 + n;
		size_t len = strcspn(base, "/");
		if (len <= 5 || len - 5 >= sizeof id || strncmp(base + len - 5, ".json", 5) != 0)
			return NULL;
		snprintf(id, sizeof id, "%.*s", (int)(len - 5), base);
		return bsearch(&(struct sought){.id = id}, s->v, s->n, sizeof *s->v, by_id);
	}
	return NULL;
}

static void take_there(void *ctx, const char *path)
{
	struct sought *one = sought_at(ctx, path);
	if (one)
		one->there++;
}

static void on_change(void *ctx, char status, const char *path)
{
	struct search *s = ctx;
	struct sought *one = status == 'A' || status == 'D' ? sought_at(s, path) : NULL;
	if (!one || one->found)
		return;
	if (status == 'D') {
		one->there++;
		return;
	}
	one->there -= one->there > 0;
	if (!one->added)
		s->touched[s->n_touched++] = (size_t)(one - s->v);
	one->added = true;
}

static void on_commit(void *ctx, const struct line_commit *c)
{
	struct search *s = ctx;
	s->commits++;
	snprintf(s->last, sizeof s->last, "%s", c->parent);
	if (!c->parent[0])
		s->at_shore = line_at_shore(s->g, c->id);
	for (size_t i = 0; i < s->n_touched; i++) {
		struct sought *one = &s->v[s->touched[i]];
		bool came = one->added && !one->there; /* else it was there all along, somebody added a second one */
		one->added = false;
		if (!came || one->found || (!c->parent[0] && s->at_shore))
			continue;
		struct arrival *a = &s->out[one->at];
		snprintf(a->commit, sizeof a->commit, "%s", c->id);
		snprintf(a->parent, sizeof a->parent, "%s", c->parent);
		a->author = xstrdup(c->author);
		a->committer = xstrdup(c->committer);
		a->at = c->at;
		one->found = true;
		s->left--;
	}
	s->n_touched = 0;
}

/* Where the tasks stand in head. */
static int look_there(struct search *s, const char *head, struct err *e)
{
	struct strs argv = {0};
	static const char *const tree[] = {"ls-tree", "-r", "-z", "--name-only", "--full-tree"};
	for (size_t i = 0; i < sizeof tree / sizeof *tree; i++)
		strs_add(&argv, tree[i]);
	strs_add(&argv, head);
	for (size_t i = 0; i < s->paths->n; i++)
		strs_add(&argv, s->paths->v[i]);
	for (size_t i = 0; i < s->n; i++)
		s->v[i].there = 0;
	int rc = git_records(s->g, (const char *const *)argv.v, take_there, s, e);
	strs_clear(&argv);
	return rc;
}

/* As far back as the history here reaches, or until all are found. */
static int look_back(struct search *s, const char *head, struct err *e)
{
	const struct line line = {s, on_change, on_commit};
	char from[72];
	snprintf(from, sizeof from, "%s", head);
	s->at_shore = false;
	if (look_there(s, head, e))
		return -1;
	for (int max = LOOK_FIRST;; max = max > INT_MAX / 4 ? INT_MAX : 4 * max) {
		s->commits = 0;
		s->last[0] = 0;
		if (line_walk(s->g, from, NULL, max, s->paths, &line, e))
			return -1;
		if (!s->left || s->commits < (size_t)max || !s->last[0])
			return 0;
		memcpy(from, s->last, sizeof from);
	}
}

void arrival_name(const char *who, char out[ARRIVAL_NAME])
{
	size_t left = strlen(who), n = 0;
	for (size_t len; left; who += len, left -= len) {
		size_t good = utf8_next(who, left, NULL);
		len = good ? good : 1;
		if (n + len >= ARRIVAL_NAME)
			break;
		memcpy(out + n, good ? who : "?", len);
		n += len;
	}
	out[n] = 0;
}

void arrival_clear(struct arrival *a)
{
	free(a->author);
	free(a->committer);
	*a = (struct arrival){0};
}

/* 1: there is more now; 0: that was all there is. */
static int deepen(const struct git *g, const char *spec, int round, const struct search *s, struct err *e)
{
	int more = line_deepen(g, spec, round, e);
	for (size_t i = 0; i < s->n && more < 0 && !spec; i++)
		if (!s->v[i].found)
			return err_set(e, ERR_UNAVAILABLE, "the history here does not reach back to when '%s' came",
				       s->v[i].id);
	return more;
}

int arrival_find_all(const struct git *g, const char *head, const char *spec, const char *const *ids, size_t n,
		     struct arrival *out, struct err *e)
{
	struct strs paths = {0};
	struct search s = {.g = g,
			   .v = xcalloc(n + 1, sizeof *s.v),
			   .n = n,
			   .left = n,
			   .out = out,
			   .touched = xcalloc(n + 1, sizeof *s.touched),
			   .paths = &paths};
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct arrival){0};
		s.v[i] = (struct sought){.id = ids[i], .at = i};
	}
	qsort(s.v, n, sizeof *s.v, by_id);
	for (int k = 0; k < TASK_N_STATES; k++)
		if (n == 1)
			strs_addf(&paths, "tasks/%s/%s.json", task_state_name((enum task_state)k), ids[0]);
		else
			strs_addf(&paths, "tasks/%s/", task_state_name((enum task_state)k));
	int rc = n ? look_back(&s, head, e) : 0;
	for (int round = 0, more = 1; !rc && s.left && more > 0; round++) {
		more = deepen(g, spec, round, &s, e);
		rc = more < 0 || (more && look_back(&s, head, e)) ? -1 : 0;
	}
	for (size_t i = 0; i < n && rc; i++)
		arrival_clear(&out[i]);
	free(s.v);
	free(s.touched);
	strs_clear(&paths);
	return rc;
}

int arrival_find(const struct git *g, const char *head, const char *spec, const char *id, struct arrival *out,
		 struct err *e)
{
	int rc = arrival_find_all(g, head, spec, &id, 1, out, e);
	if (!rc && !out->commit[0])
		rc = err_set(e, ERR_NOENT, "the history does not show when task '%s' came", id);
	return rc;
}
