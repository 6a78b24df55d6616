/* commands: every verb but worker's loop. Each takes the arguments after the verb and returns 0 or -1 with e filled;
 * data goes to stdout. */
#ifndef COMMANDS_H
#define COMMANDS_H
#include "buf.h"
#include <stdbool.h>
struct context { /* borrowed; from flags and environment */
	const char *url, *branch, *name, *email;
};
struct verb {
	const char *name, *args, *summary, *example;
	int (*run)(const struct context *ctx, int argc, char **argv, struct err *e);
};
extern const struct verb verbs[]; /* ends with a NULL name */
#endif
