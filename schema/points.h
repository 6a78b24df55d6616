/* points: a task that runs its script once for each of several points, and what becomes of each. Pure: documents in,
 * facts out. Whether a task's points are valid is asked by task_parse; the others read what was found valid, or what
 * anyone may have written, and then see none. */
#ifndef POINTS_H
#define POINTS_H
#include "json.h"

#define POINTS_MAX 256
#define POINTS_BYTES 262144 /* of all names and values together */
/* One word of the command that a shared sandbox runs, quoted, has to stay below Linux' 128 KiB. */
#define POINT_BYTES 32000
#define POINT_VARIABLES 256 /* of a point: bubblewrap takes no more beside those of env */
#define POINT_INDEX_MAX 999999999
#define RUN_SECONDS_MAX 1000000000LL /* some other hand may write anything: no sum of times overflows */
#define POINT_INDEX "DGRID_POINT"    /* the script finds its index there; a point that has such a variable sets it */

/* May a variable be called so? name: a member of an object. */
bool points_variable(const struct json *name);
/* The members `points` and `first_point` of a task. What is wrong is told with the value that is in *at. */
bool points_valid(const struct json *points, int64_t first, const struct json **at, char why[240]);

struct point { /* borrowed from the document */
	int64_t index;
	const struct json *vars; /* an object, NULL: it has none; POINT_INDEX among them is no variable but the index */
};
/* Into out; how many. 0: the script runs once, and there are none. */
size_t points_of(const struct json *task, struct point out[POINTS_MAX]);
size_t points_count(const struct json *task);
/* "40 points", "12 of 40 points done", "38 of 40 points succeeded"; "" of a task without. done: how many of a running
 * one, -1: unknown. */
const char *points_words(const struct json *task, int64_t done, char out[64]);
/* How long all its points together may run; of a task without points its own timeout_seconds. */
int64_t points_seconds(const struct json *task, int64_t timeout_seconds);
#endif
