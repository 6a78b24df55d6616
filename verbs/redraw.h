/* redraw: a page of text on the terminal, looked at again and again, drawn in place on a screen of its own until q or a
 * signal; then the terminal is as it was. */
#ifndef REDRAW_H
#define REDRAW_H
#include "base/buf.h"
#include <stdint.h>

struct redraw {
	int64_t every_ms; /* between two looks */
	void *ctx;
	int (*look)(void *ctx, struct err *e);		       /* fetches what is to be shown; may take long */
	void (*draw)(void *ctx, int columns, struct buf *out); /* as it was seen last */
};
/* 0 when the user ended it; ERR_USAGE without a terminal; the first look's error; 128+N after another signal. */
int redraw_run(const struct redraw *w, struct err *e);
#endif
