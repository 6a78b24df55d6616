/* series: the run of a task. Of a task without points it is one attempt. The points of another run one after the other:
 * each is an attempt in a sandbox of its own, or all are turns of one, until it ends; what is left then begins in the
 * next. One that fails does not keep the others back. */
#ifndef SERIES_H
#define SERIES_H
#include "json.h"
#include "runner.h"

struct series;
struct series_spec {
	struct attempt_spec attempt; /* of the whole; what it borrows is copied, but for the engine, image and script */
	const struct json *task;     /* borrowed until the end */
	bool share;		     /* one sandbox for all points */
	size_t point_output;	     /* kept of each stream of a point */
	bool digest;		     /* of those the length and hash alone */
	void *ctx;
	/* Once, from the event loop. points: what became of each, for result_json; NULL: it has none. Both are freed
	 * after the call. Of points r has no output. */
	void (*on_done)(void *ctx, struct attempt_result *r, struct json *points);
};
struct series *series_start(const struct series_spec *spec, struct err *e);
/* As attempt_tail and attempt_printed, of all points together. */
uint64_t series_tail(const struct series *s, bool of_stderr, size_t max, struct buf *out);
uint64_t series_printed(const struct series *s);
size_t series_points(const struct series *s, size_t *done); /* how many it has; 0: it is no sweep */
bool series_queued(const struct series *s);		    /* it waits for a place in a cluster */
void series_cancel(struct series *s);
#endif
