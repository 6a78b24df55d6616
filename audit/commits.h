/* commits: what one running `git log --raw` tells of a branch: the commits of its first-parent line, oldest first, each
 * with the paths it changes. No document is read here.
 *   c = commits_read(&g, from, to, &sink, &err) -> loop_step, which calls sink.take for each -> commits_stop(c)
 */
#ifndef COMMITS_H
#define COMMITS_H
#include "audit/rule.h"
#include "git/git.h"

struct commits_sink {
	/* A whole commit and the name of its tree. What c points to now belongs to the callee (commits_clear). */
	void (*take)(void *ctx, struct rule_commit *c, const char *tree);
	void (*fail)(void *ctx, enum err_class class, const char *what, const struct buf *said);
	void *ctx;
};
struct commits;
/* (from, to]; from NULL: from the very first. NULL: git could not be started. */
struct commits *commits_read(const struct git *g, const char *from, const char *to, struct commits_sink sink,
			     struct err *e);
bool commits_ended(const struct commits *c);	    /* everything was handed out; NULL: yes */
void commits_hold(struct commits *c, bool waiting); /* true: what comes waits in git's pipe */
void commits_close(struct commits *c);		    /* ends git when it still runs; NULL is fine */
void commits_clear(struct rule_commit *c);	    /* frees what one commit points to */
#endif
