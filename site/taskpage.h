/* taskpage: one task as a page of HTML that needs no script to be read. It holds nothing that changes while the task
 * does not, but which others wait for it: so the page of a finished task keeps its bytes. */
#ifndef TASKPAGE_H
#define TASKPAGE_H
#include "git/forge.h"
#include "store/leftlist.h"

struct taskpage { /* all borrowed */
	const struct snapshot *s;
	const struct snapshot_task *task;
	const struct json *doc; /* NULL: its file is no valid JSON */
	const struct forge *forge;
	const char *queued, *claimed, *ended; /* commits that moved it there; "" for unknown */
	const struct json *behind;	      /* ids of tasks that wait, or waited, for it; NULL: none */
	const struct left_names *left;	      /* the names of its files; NULL: not known */
	int64_t queued_at;		      /* UTC seconds; 0: unknown */
	const struct json *tails;	      /* what the tasks of its node printed so far; NULL: not known */
};
void taskpage_body(struct buf *out, const struct taskpage *p);
/* How it ended, in words: "failed with exit code 127: command not found". Text, not HTML. */
void taskpage_words(struct buf *out, enum task_state state, const struct json *doc);
#endif
