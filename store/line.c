#include "store/line.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEN_FIRST 50
#define DEEPEN_ROUNDS 12 /* doubling: 200,000 commits; then all the rest */
#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct walk {
	const struct line *line;
	struct line_commit now;
	int field;   /* of a commit's head; 0: a change or the next head comes */
	char status; /* of the path that comes; 0: none */
};

static void end_of_commit(struct walk *w)
{
	if (w->now.id[0])
		w->line->on_commit(w->line->ctx, &w->now);
	free(w->now.author);
	free(w->now.committer);
	w->now = (struct line_commit){0};
}

/* "@ID|TIME|PARENTS", author, committer, then "STATUS" and "PATH" for each change. */
static void take(void *ctx, const char *text)
{
	struct walk *w = ctx;
	if (w->field == 1) {
		w->now.author = xstrdup(text);
		w->field = 2;
	} else if (w->field == 2) {
		w->now.committer = xstrdup(text);
		w->field = 0;
	} else if (w->status) {
		w->line->on_change(w->line->ctx, w->status, text);
		w->status = 0;
	} else if (*text == '@') {
		const char *at = strchr(text, '|'), *parents = at ? strchr(at + 1, '|') : NULL;
		end_of_commit(w);
		sscanf(text + 1, "%71[0-9a-f]", w->now.id);
		w->now.at = at ? clock_read(at + 1) : 0; /* a commit may lack its date */
		if (parents)
			sscanf(parents + 1, "%71[0-9a-f]", w->now.parent);
		w->field = 1;
	} else {
		text += *text == '\n';
		w->status = *text;
	}
}

int line_walk(const struct git *g, const char *head, const char *before, int max, const struct strs *paths,
	      const struct line *l, struct err *e)
{
	static const char *const log[] = {"log",
					  "-z",
					  "--first-parent",
					  "-m",
					  "--no-renames",
					  "--name-status",
					  "--no-color",
					  "--no-show-signature",
					  "--no-notes",
					  "--format=@%H|%ct|%P%x00%an <%ae>%x00%cn <%ce>"};
	struct walk w = {.line = l};
	struct strs argv = {0};
	for (size_t i = 0; i < sizeof log / sizeof *log; i++)
		strs_add(&argv, log[i]);
	strs_addf(&argv, "--max-count=%d", max);
	strs_add(&argv, head);
	if (before)
		strs_addf(&argv, "^%s", before);
	strs_add(&argv, "--");
	for (size_t i = 0; paths && i < paths->n; i++)
		strs_add(&argv, paths->v[i]);
	int rc = git_records(g, (const char *const *)argv.v, take, &w, e);
	if (!rc)
		end_of_commit(&w);
	free(w.now.author);
	free(w.now.committer);
	strs_clear(&argv);
	return rc;
}

bool line_at_shore(const struct git *g, const char *commit)
{
	struct buf b = {0};
	bool read = !GIT(g, &b, NULL, "cat-file", "commit", commit) && b.data;
	char *parent = read ? strstr(b.data, "\nparent ") : NULL, *end = read ? strstr(b.data, "\n\n") : NULL;
	bool has = !read || (parent && end && parent < end);
	buf_clear(&b);
	return has;
}

/* 1, 0, or -1. */
static int is_shallow(const struct git *g, struct err *e)
{
	struct buf b = {0};
	int rc = GIT(g, &b, e, "rev-parse", "--is-shallow-repository");
	int yes = rc ? -1 : b.data && !strncmp(b.data, "true", 4);
	buf_clear(&b);
	return yes;
}

int line_deepen(const struct git *g, const char *spec, int round, struct err *e)
{
	int cut_off = is_shallow(g, e);
	if (cut_off <= 0)
		return cut_off;
	if (!spec)
		return err_set(e, ERR_UNAVAILABLE, "the history here is cut off");
	char *more = round < DEEPEN_ROUNDS ? xasprintf("--deepen=%d", DEEPEN_FIRST << round) : xstrdup("--unshallow");
	int rc = GIT(g, NULL, e, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", more, "origin", spec);
	free(more);
	return rc ? -1 : 1;
}

int line_newest(const struct git *g, const char *head, const char *spec, int64_t *at, struct err *e)
{
	const char *args[] = {"log", "--first-parent", "--no-show-signature", "--format=%ct %H", head, "--", NULL};
	struct buf b = {0};
	char last[72];
	int rc = 0, more = 1;
	for (int round = 0; !rc && more > 0; round++) {
		buf_reset(&b);
		*at = 0;
		last[0] = 0;
		rc = git_run(g, &b, e, args);
		for (const char *p = b.data; p && *p && !rc; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n')) {
			int64_t one = clock_read(p);
			*at = one > *at ? one : *at;
			sscanf(p, "%*s %71s", last);
		}
		more = !rc && last[0] && line_at_shore(g, last) ? line_deepen(g, spec, round, e) : 0;
	}
	buf_clear(&b);
	return rc || more < 0 ? -1 : 0;
}
