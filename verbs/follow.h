/* follow: a task's output while it runs, from its node's tails (tails.h), and the rest from its result. Waits for a
 * task that is queued, stays through remote trouble, goes on with the next attempt when one is lost. */
#ifndef FOLLOW_H
#define FOLLOW_H
#include "verbs/commands.h"

/* stdout to stdout, stderr to stderr, what there is to say besides to stderr. 0 when the task succeeded, else as wait:
 * ERR_NO, ERR_CANCELLED; ERR_NOENT, ERR_UNAVAILABLE (the remote stays away), 128+N. */
int follow_task(const struct context *ctx, const char *id, struct err *e);
/* The task's document, from the branch, else from the archive; the caller's. state gets its folder's name, or
 * "archived", path where it stands. */
int follow_find(const struct context *ctx, struct snapshot *s, const char *at, const char *id, struct json **doc,
		const char **state, char path[256], struct err *e);
/* A stream of a result; what was not kept of it is told on stderr, not in its midst. */
void follow_stream(bool to_stderr, const struct json *result);
/* A stream as it is; harmless, but with its colours, when it goes to a terminal. */
void follow_print(bool to_stderr, const char *text, size_t len);
#endif
