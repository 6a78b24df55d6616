/* rows: every task of a snapshot as a line of the dashboard's table, and what happened to tasks that somebody should
 * know of. Documents are read one after the other and not kept, so the memory is that of the lines.
 *   rows_read(&r, &snapshot, &err) -> rows_pages -> rows_close for each -> r.columns, r.v[i].json ... -> rows_clear
 */
#ifndef ROWS_H
#define ROWS_H
#include "store/snapshot.h"

struct row {
	size_t task;			/* index in the snapshot's tasks */
	int64_t when;			/* the newest of its times, UTC seconds; 0: it has none */
	int64_t created, ended, ms;	/* UTC seconds, 0: unknown; how long it ran, -1: unknown */
	bool orphan, failed, cancelled; /* a cancelled one has not failed */
	bool waiting;			/* for other tasks to end */
	bool page;			/* has a page of its own */
	char node[65];
	struct buf json; /* an array, whole after rows_close */
};
struct row_event {
	int64_t when;
	struct buf json;
};
struct rows {
	struct row *v; /* running ones first, then the newest first */
	size_t n;
	struct buf columns;	  /* their names, JSON strings with commas between them: the script reads by name */
	struct row_event *events; /* newest first, at most ROWS_EVENTS */
	size_t n_events;
	struct row **by_id;
	int64_t *done, *failed; /* a node: finished tasks on the branch that it ran */
	int64_t *cpu_ms;	/* a node: processor time of those that ended within the last day */
	size_t cancelled;
	size_t waiting;	       /* queued tasks that wait for others */
	size_t unmatched;      /* queued tasks with labels that no live node carries */
	char missing[160];     /* the labels of one of them */
	size_t short_of;       /* queued tasks that the nodes there are cannot decide by their quorum */
	size_t nodes_missing;  /* so many more nodes the neediest of them needs, at best */
	struct json *behind;   /* who waits for whom: {ID: [ID, ...]} */
	struct json *outliers; /* how often each node was one: {NODE: times} */
};
#define ROWS_EVENTS 50
#define ROWS_PAGES 500 /* the newest that get pages */
int rows_read(struct rows *r, const struct snapshot *s, struct err *e);
/* Says which of them get pages: ROWS_PAGES, and all that had one before, so that links to them hold. */
void rows_pages(struct rows *r, const struct snapshot *s, bool (*had)(void *ctx, const char *id), void *ctx);
void rows_close(struct rows *r, size_t i, int64_t queued); /* with when it was queued, UTC seconds; 0: unknown */
const struct row *rows_find(const struct rows *r, const struct snapshot *s, const char *id); /* NULL: none */
void rows_clear(struct rows *r);

const char *row_badge(const char *status); /* what its badge is called in the style sheet: s-... */
const char *row_state(enum task_state s);  /* the word for readers: queued, running, ... */
/* UTC seconds of a time in a document; 0 when it is none, or none of this age (1970 to 9999). */
int64_t row_time(const struct json *object, const char *name);
/* Why a running task stands out at that time: its node is gone, its lease ran out. "" when it does not. */
const char *row_orphan(const struct snapshot *s, const struct json *doc, char why[200]);
#endif
