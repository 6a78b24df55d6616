/* notify: a command that prints a line whenever it is worth looking at the remote (`worker --notify CMD`): `ssh HOST
 * dgrid notify`, or whatever waits for a host's message. A line that is an object id says where the branch stands: what
 * is known already is no news, so a worker's own pushes cause no look, and anything else is fetched without asking
 * first. Any other line is worth a look. Whoever can print lines can cause looks, and no more than one a second on
 * average. The worker polls all the same, but less often while it is being told.
 * struct notify n = {.command = cmd}; -> in each turn of the loop: notify_news(&n, head that is known) -> notify_stop
 */
#ifndef NOTIFY_H
#define NOTIFY_H
#include "base/proc.h"

struct notify {
	const char *command; /* borrowed; NULL: nobody tells */
	struct proc *proc;   /* NULL: it does not run */
	bool told, line;     /* line: one came since it was last asked; told: since the command was started */
	bool asked;	     /* the last line's head is being fetched */
	int64_t look_at,
	    again_at; /* monotonic ms: when the next look would come, one a second; when it is started again */
	int64_t wait_ms;
	char part[80], head[72]; /* of the line under way; the last whole one, "" if it is no object id */
	size_t n_part;
	char known[4][72]; /* where the branch stood, as we knew it last: told late, it is no news */
	size_t n_known;
	char said[200]; /* what it complained of last, so that it is logged once */
};
enum notify_news { NOTIFY_NOTHING, NOTIFY_LOOK, NOTIFY_MOVED };
/* Starts the command where it does not run. known: where the branch stands, as far as the worker knows. */
enum notify_news notify_news(struct notify *n, const char *known);
bool notify_alive(const struct notify *n); /* it runs, and has told something */
void notify_stop(struct notify *n);
#endif
