/* notify: a command that prints a line whenever it is worth looking at the remote (`worker --notify CMD`): `ssh HOST
 * dgrid notify`, or whatever waits for a host's message. What the line says does not matter, so whoever can print one
 * can cause a look, and no more than one a second on average. The worker polls all the same, but less often while it is
 * being told. struct notify n = {.command = cmd}; -> in each turn of the loop: if (notify_news(&n)) look now ... ->
 * notify_stop
 */
#ifndef NOTIFY_H
#define NOTIFY_H
#include "base/proc.h"

struct notify {
	const char *command; /* borrowed; NULL: nobody tells */
	struct proc *proc;   /* NULL: it does not run */
	bool told, line;     /* line: one came since it was last asked; told: since the command was started */
	int64_t look_at,
	    again_at; /* monotonic ms: when the next look would come, one a second; when it is started again */
	int64_t wait_ms;
	char said[200]; /* what it complained of last, so that it is logged once */
};
bool notify_news(struct notify *n);	   /* starts the command where it does not run; is there anything new? */
bool notify_alive(const struct notify *n); /* it runs, and has told something */
void notify_stop(struct notify *n);
#endif
