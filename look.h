/* look: what the verbs that look share: their options, times in words, cells and colours. */
#ifndef LOOK_H
#define LOOK_H
#include "commands.h"

struct look {
	bool json, all;
	const char *at;
	long limit; /* rows of queued, and of finished tasks, unless --all or --limit says else */
	char **operands;
	int n_operands;
};
int look_options(struct look *o, int argc, char **argv, int operands, struct err *e);

const char *look_span(int64_t seconds, char out[24]);			    /* "4 s", "12 min", "3 h", "2 d" */
int64_t look_time(const struct json *object, const char *name);		    /* UTC seconds; 0 when absent or no time */
void look_copy(struct json *to, const struct json *from, const char *name); /* the member, when it is there */

enum { PAINT_NONE, PAINT_GREEN, PAINT_RED, PAINT_YELLOW, PAINT_DIM };
int look_paint(const char *status); /* of a task */
/* One cell, cut and padded to width bytes; what comes from the ledger is cleaned. */
void look_cell(const char *text, int width, int paint);
#endif
