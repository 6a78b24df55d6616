/* line: the branch's first-parent line as git log tells it, newest commit first: one process for any number of paths.
 */
#ifndef LINE_H
#define LINE_H
#include "git/git.h"
#include <stdbool.h>
#include <stdint.h>

struct line_commit {
	char id[72], parent[72];  /* parent: the first one; "": none, as far as is known here */
	int64_t at;		  /* when it was committed, UTC seconds; 0: it does not say */
	char *author, *committer; /* "Name <email>" */
};
struct line {
	void *ctx;
	/* status: 'A', 'M', 'D' or 'T', against the first parent. */
	void (*on_change)(void *ctx, char status, const char *path);
	/* After its changes; c is borrowed. */
	void (*on_commit)(void *ctx, const struct line_commit *c);
};
/* Commits from head back to before (NULL: as far as there are any), at most max of them; only those that change one of
 * paths (none: all). */
int line_walk(const struct git *g, const char *head, const char *before, int max, const struct strs *paths,
	      const struct line *l, struct err *e);
/* Of a commit without a known parent: a shallow clone's last commit looks as if it had none. So does one that cannot be
 * read, as far as we know. */
bool line_at_shore(const struct git *g, const char *commit);
/* Fetches more of a history that is cut off here, each round twice as much; it is never made shallow again, for such a
 * clone no longer knows its own landed commits. 1: it did; 0: it was all here; -1, also where spec (what to fetch) is
 * NULL. */
int line_deepen(const struct git *g, const char *spec, int round, struct err *e);
/* The latest date of head and all before it, UTC seconds; a history that is cut off here is fetched whole. */
int line_newest(const struct git *g, const char *head, const char *spec, int64_t *at, struct err *e);
#endif
