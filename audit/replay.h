/* replay: a history as git has it, commit by commit, to the judges (rules.h). Two streams run at once: `git log --raw`
 * along the first-parent line, and `cat-file --batch`, which is fed with the blobs that the judges want to see. The
 * branch archive is read beside the ledger's, in step with it. What waits for its turn is bounded, whatever the
 * history. struct replay p = {.git = &g, .to = commit, .tell = ..., .ctx = ...}; replay_run(&p, &err)
 */
#ifndef REPLAY_H
#define REPLAY_H
#include "audit/rules.h"

struct replay {
	/* The question; all borrowed. */
	const struct git *git;		       /* as_is should be set, and its history must not be shallow */
	const char *from, *to;		       /* commits: (from, to]; from NULL: from the very first */
	const char *archive_from, *archive_to; /* the same of the branch archive; archive_to NULL: there is none */
	size_t archive_skip;		       /* commits of the archive that belong before the range */
	int64_t now;			       /* what is judged comes now: UTC seconds; 0: it may be of any time */
	bool archive_all;		       /* whatever the archive has must be accounted for */
	void *ctx;
	/* A violation, or a notice (rule >= RULE_NOTICES). c and its texts are gone after the call. */
	void (*tell)(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text);
	/* A tree that a new task of somebody's is to be given as an input. NULL: nobody asks. */
	void (*given)(void *ctx, const char *tree);
	void (*progress)(void *ctx, size_t commits); /* now and then; NULL: nobody looks */
	/* The answer. */
	size_t commits, archive_commits, violations, notices;
	bool stopped; /* by a signal, before the end */
	bool enough;  /* tell may set it: nothing more needs to be judged */
};
/* -1: it could not be judged to its end, e says why; what was told until then holds. */
int replay_run(struct replay *p, struct err *e);
#endif
