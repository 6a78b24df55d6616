/* csv: comma-separated values by RFC 4180, read row by row, and written.
 *   struct csv c = {.name = "points.csv", .text = text, .len = len};
 *   while ((rc = csv_next(&c, &row, &e)) > 0) ... row.cells.v[i], row.cols[i] ...     csv_clear(&row)
 */
#ifndef CSV_H
#define CSV_H
#include "base/buf.h"

struct csv {
	const char *name;      /* of the file, for errors */
	const char *text;      /* borrowed */
	size_t len, at, start; /* start: of the line */
	long line;	       /* of what comes next, less one */
};
struct csv_row {
	struct strs cells;
	long line;  /* where it begins, from 1 */
	long *cols; /* where each cell begins, in its line: one in quotes may span several */
};
/* 1: a row (lines without anything are passed by), 0: no more, -1: e names file, line and column. */
int csv_next(struct csv *c, struct csv_row *row, struct err *e);
void csv_clear(struct csv_row *row);
void csv_put(struct buf *out, const char *cell); /* in quotes where it needs them */
#endif
