/* pointmap: what became of each point of a task, as a map in which the eye finds the odd ones, and as a table. */
#ifndef POINTMAP_H
#define POINTMAP_H
#include "schema/points.h"

/* points: the result's, an end each, in the order of the task's. */
void pointmap_put(struct buf *b, const struct json *doc, const struct json *points);
#endif
