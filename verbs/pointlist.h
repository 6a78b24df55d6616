/* pointlist: the points of tasks, a row each, for people and for plots. A task without points is one row.
 *   pointlist_add(&l, id, state, doc) for each task, whose doc stays the caller's and as it is
 *   -> pointlist_table, pointlist_csv, pointlist_json -> pointlist_clear
 */
#ifndef POINTLIST_H
#define POINTLIST_H
#include "base/buf.h"
#include "json.h"
#include <stdint.h>

struct pointrow {		   /* borrowed from the documents */
	const char *task, *status; /* status: of the point, or of its task, or where that waits */
	int64_t index;		   /* -1: the task has no points */
	const struct json *vars;   /* of the point; NULL: none */
	const struct json *end;	   /* its entry in the result, or the result; NULL: none yet */
};
struct pointlist { /* starts as {0} */
	struct pointrow *v;
	size_t n, room;
};
void pointlist_add(struct pointlist *l, const char *id, const char *state, const struct json *doc);
/* By index, then by task; failed_first: before them those that ended otherwise than well. */
void pointlist_sort(struct pointlist *l, bool failed_first);
/* At most limit rows (0: all), the rest is counted. */
void pointlist_table(const struct pointlist *l, size_t limit, int width, bool colour, struct buf *out);
/* A column a variable, and where all that succeeded print an object of JSON, a column a member of it. */
void pointlist_csv(const struct pointlist *l, struct buf *out);
struct json *pointlist_json(const struct pointlist *l); /* an array; the caller's */
void pointlist_clear(struct pointlist *l);
#endif
