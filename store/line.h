/* line: the branch's first-parent line as git log tells it, newest commit first: one process for any number of paths.
 */
#ifndef LINE_H
#define LINE_H
#include "git/git.h"
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
#endif
