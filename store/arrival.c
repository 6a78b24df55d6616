#include "store/arrival.h"
#include "base/clock.h"
#include "schema/task.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEN_FIRST 50
#define DEEPEN_ROUNDS 12 /* doubling: 200,000 commits; then all the rest */

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct walk {
	struct strs paths; /* of the task, in every folder */
	struct arrival now;
	bool added, removed;
	struct strs births; /* "COMMIT PARENT TIME" of commits that only add the task, newest first */
};

static void end_of_commit(struct walk *w)
{
	if (w->now.commit[0] && w->added && !w->removed)
		strs_addf(&w->births, "%s %s %lld", w->now.commit, w->now.parent[0] ? w->now.parent : "-",
			  (long long)w->now.at);
	w->added = w->removed = false;
}

static void take_line(struct walk *w, const char *line)
{
	if (line[0] == '@') {
		const char *at = strchr(line, '|'), *parents = at ? strchr(at + 1, '|') : NULL;
		end_of_commit(w);
		w->now = (struct arrival){0};
		sscanf(line + 1, "%71[0-9a-f]", w->now.commit);
		w->now.at = at ? clock_read(at + 1) : 0; /* a commit may lack its date */
		if (parents)
			sscanf(parents + 1, "%71[0-9a-f]", w->now.parent);
	} else if (line[0] == 'A')
		w->added = true;
	else if (line[0] == 'D')
		w->removed = true;
}

/* A shallow clone's last commit looks as if it had no parent. So does one that cannot be read, as far as we know. */
static bool at_the_shore(const struct git *g, const char *commit)
{
	struct buf b = {0};
	bool read = !GIT(g, &b, NULL, "cat-file", "commit", commit) && b.data;
	char *parent = read ? strstr(b.data, "\nparent ") : NULL, *end = read ? strstr(b.data, "\n\n") : NULL;
	bool has = !read || (parent && end && parent < end);
	buf_clear(&b);
	return has;
}

/* Was the task anywhere in that commit? */
static bool stands_in(const struct git *g, const char *commit, const struct strs *paths)
{
	struct strs argv = {0};
	struct buf b = {0};
	static const char *const head[] = {"ls-tree", "--name-only", "-z", "--full-tree"};
	for (size_t i = 0; i < sizeof head / sizeof *head; i++)
		strs_add(&argv, head[i]);
	strs_add(&argv, commit);
	for (size_t i = 0; i < paths->n; i++)
		strs_add(&argv, paths->v[i]);
	bool stands = git_run(g, &b, NULL, (const char *const *)argv.v) || b.len;
	strs_clear(&argv);
	buf_clear(&b);
	return stands;
}

/* 1: found, 0: the history here does not reach back that far, -1: error. */
static int look_back(const struct git *g, const char *head, struct walk *w, struct arrival *out, struct err *e)
{
	struct strs argv = {0};
	struct buf b = {0};
	static const char *const log[] = {"log",
					  "--first-parent",
					  "-m",
					  "--no-renames",
					  "--name-status",
					  "--no-color",
					  "--no-show-signature",
					  "--format=@%H|%ct|%P"};
	for (size_t i = 0; i < sizeof log / sizeof *log; i++)
		strs_add(&argv, log[i]);
	strs_add(&argv, head);
	strs_add(&argv, "--");
	for (size_t i = 0; i < w->paths.n; i++)
		strs_add(&argv, w->paths.v[i]);
	int rc = git_run(g, &b, e, (const char *const *)argv.v);
	for (char *line = rc ? NULL : b.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		take_line(w, line);
	}
	end_of_commit(w);
	strs_clear(&argv);
	buf_clear(&b);
	if (rc)
		return -1;
	for (size_t i = 0; i < w->births.n; i++) {
		long long at = 0;
		*out = (struct arrival){0};
		sscanf(w->births.v[i], "%71s %71s %lld", out->commit, out->parent, &at);
		out->at = at;
		if (out->parent[0] == '-') {
			if (at_the_shore(g, out->commit))
				return 0;
			out->parent[0] = 0;
			return 1;
		}
		if (!stands_in(g, out->parent,
			       &w->paths)) /* else it was there all along, somebody added a second one */
			return 1;
	}
	return 0;
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

/* Who made it, and who put it onto the branch. */
static int names(const struct git *g, struct arrival *a, struct err *e)
{
	struct buf b = {0};
	if (GIT(g, &b, e, "show", "-s", "--no-show-signature", "--format=%an <%ae>%x00%cn <%ce>", a->commit) || !b.data)
		return -1;
	b.data[b.len - 1] = 0; /* the newline */
	a->author = xstrdup(b.data);
	a->committer = xstrdup(strlen(b.data) < b.len - 1 ? b.data + strlen(b.data) + 1 : "");
	buf_clear(&b);
	return 0;
}

void arrival_clear(struct arrival *a)
{
	free(a->author);
	free(a->committer);
	*a = (struct arrival){0};
}

/* Only ever deepens: a clone that is made shallow again no longer knows its own landed commits. */
int arrival_find(const struct git *g, const char *head, const char *spec, const char *id, struct arrival *out,
		 struct err *e)
{
	int rc = 0;
	*out = (struct arrival){0};
	for (int round = 0; !rc; round++) {
		struct walk w = {0};
		for (int s = 0; s < TASK_N_STATES; s++)
			strs_addf(&w.paths, "tasks/%s/%s.json", task_state_name((enum task_state)s), id);
		rc = look_back(g, head, &w, out, e);
		strs_clear(&w.paths);
		strs_clear(&w.births);
		if (rc)
			break;
		int cut_off = is_shallow(g, e);
		if (cut_off < 0)
			return -1;
		if (!cut_off)
			return err_set(e, ERR_NOENT, "the history does not show when task '%s' came", id);
		if (!spec)
			return err_set(e, ERR_UNAVAILABLE, "the history here does not reach back to when '%s' came",
				       id);
		char *more =
		    round < DEEPEN_ROUNDS ? xasprintf("--deepen=%d", DEEPEN_FIRST << round) : xstrdup("--unshallow");
		rc = GIT(g, NULL, e, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", more, "origin", spec);
		free(more);
	}
	return rc < 0 ? -1 : names(g, out, e);
}
