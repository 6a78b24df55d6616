#include "git/changeset.h"
#include "git/clone.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 65536 /* bytes of one command; the least that systems of today give is four times that */

void changeset_wrote(struct changeset *s, const char *path)
{
	strs_add(&s->written, path);
	strs_add(&s->all, path);
}

void changeset_moves(struct changeset *s, const char *from, const char *folder)
{
	size_t i = 0;
	while (i < s->n_moves && strcmp(s->moves[i].folder, folder) != 0)
		i++;
	if (i == s->n_moves) {
		s->moves = xrealloc(s->moves, (s->n_moves + 1) * sizeof *s->moves);
		s->moves[s->n_moves++] = (struct changeset_move){.folder = xstrdup(folder)};
	}
	struct changeset_move *m = &s->moves[i];
	strs_add(&m->from, from);
	const char *base = strrchr(from, '/');
	char *to = xasprintf("%s%s", folder, base ? base + 1 : from);
	strs_add(&s->written, to);
	strs_add(&s->all, to);
	strs_add(&s->all, from);
	free(to);
}

void changeset_removed(struct changeset *s, const char *path)
{
	strs_add(&s->removed, path);
	strs_add(&s->all, path);
}

void changeset_clear(struct changeset *s)
{
	for (size_t i = 0; i < s->n_moves; i++) {
		free(s->moves[i].folder);
		strs_clear(&s->moves[i].from);
	}
	free(s->moves);
	strs_clear(&s->written);
	strs_clear(&s->removed);
	strs_clear(&s->all);
	*s = (struct changeset){0};
}

/* git mv takes no list from a file: as many at once as fit. */
static int move_all(const struct git *g, const struct changeset_move *m, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < m->from.n && !rc;) {
		struct strs argv = {0};
		strs_add(&argv, "mv");
		strs_add(&argv, "--");
		size_t bytes = 0;
		do
			bytes += strlen(m->from.v[i]) + 1 + sizeof(char *);
		while (bytes <= ARGUMENTS_MAX && (strs_add(&argv, m->from.v[i]), ++i < m->from.n));
		strs_add(&argv, m->folder);
		rc = git_run(g, NULL, e, (const char *const *)argv.v);
		strs_clear(&argv);
	}
	return rc;
}

static int give_all(const struct git *g, const struct strs *files, const char *const *args, struct err *e)
{
	struct buf paths = {0};
	for (size_t i = 0; i < files->n; i++)
		buf_add(&paths, files->v[i], strlen(files->v[i]) + 1);
	int rc = paths.len ? git_run_input(g, paths.data, paths.len, e, args) : 0;
	buf_clear(&paths);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct strs *s)
{
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, by_name);
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

/* A commit must change what its message says and nothing else, whatever became of the clone underneath (a disk or a
 * folder that went away in the middle of a checkout): the last look before others can see it. */
static int check(const struct git *g, struct changeset *s, char made[72], struct err *e)
{
	static const char *const show[] = {"diff-tree",	  "--root", "-r",   "--no-renames",
					   "--name-only", "-z",	    "HEAD", NULL};
	struct changed c = {0};
	int rc = git_records(g, show, take_changed, &c, e);
	sort(&s->all);
	sort(&c.paths);
	for (size_t i = 0; i < c.paths.n && !rc; i++)
		if (!named(&s->all, c.paths.v[i]))
			rc = err_set(e, ERR_RETRY, "the commit would also change '%s'", c.paths.v[i]);
	for (size_t k = 0; k < s->n_moves && !rc; k++)
		for (size_t i = 0; i < s->moves[k].from.n && !rc; i++)
			if (!listed(&c.paths, s->moves[k].from.v[i]))
				rc = err_set(e, ERR_RETRY, "the commit would leave '%s' where it is",
					     s->moves[k].from.v[i]);
	if (!rc)
		memcpy(made, c.id, sizeof c.id);
	else {
		clone_forget_index(g);
		err_wrap(e, "the clone in '%s' was damaged; nothing was pushed, it is checked out anew", g->dir);
	}
	strs_clear(&c.paths);
	return rc;
}

int changeset_commit(const struct git *g, struct changeset *s, const char *message, char made[72], struct err *e)
{
	static const char *const rm[] = {
	    "rm", "-r", "--cached", "--force", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", NULL};
	/* Unlike `git add` this looks at nothing but the files named, however long the queue is. */
	static const char *const add[] = {"update-index", "--add", "--replace", "-z", "--stdin", NULL};
	static const char *const commit[] = {"commit", "--quiet", "--no-verify", "--allow-empty", "--cleanup=verbatim",
					     "-F",     "-",	  NULL};
	int rc = give_all(g, &s->removed, rm, e);
	for (size_t i = 0; i < s->n_moves && !rc; i++)
		rc = move_all(g, &s->moves[i], e);
	if (rc || give_all(g, &s->written, add, e) || git_run_input(g, message, strlen(message), e, commit))
		return -1;
	return check(g, s, made, e);
}
