/* history: what the commits of the last 30 days tell: how long the queue was, how many tasks ended and how, how long
 * they waited and ran. One pass over the first-parent history, newest first; times are those of the commits, so a wait
 * is from the commit that queued a task to the one that claimed it.
 *   history_read(&h, &snapshot, end, ctx) -> h.day.depth[...] ... history_task(&h, id) -> history_clear
 */
#ifndef HISTORY_H
#define HISTORY_H
#include "store/snapshot.h"

#define HISTORY_DAYS 30
#define HISTORY_COMMITS 20000 /* newest commits that are looked at */

struct history_range { /* n buckets of step seconds, the last one holds the present */
	int64_t start, step;
	size_t n;
	int64_t *depth;				  /* most tasks queued at once; -1: not known */
	int64_t *done, *failed;			  /* tasks that ended */
	int64_t *arrivals;			  /* tasks queued */
	int64_t *wait50, *wait95, *run50, *run95; /* ms; -1: no task to tell of */
	int64_t all[4];				  /* the same four of the whole time */
};
struct history_task { /* the newest commit that moved it into each state; "" for none in the time looked at */
	const char *id, *queued, *claimed, *ended;
	int64_t queued_at; /* UTC seconds; 0: none */
};
struct history {
	struct history_range day, month; /* 48 half hours; 30 days by UTC */
	size_t commits;
	int64_t since;			    /* all commits since then were seen, UTC seconds */
	bool whole;			    /* up to the grid's first commit */
	const char *limit;		    /* why they do not go back 30 days, or NULL */
	int64_t hour_wait95, hour_run_mean; /* of the last hour, ms; -1: not known */
	struct history_private *private;
};
struct history_end {	/* of a task, as its document tells */
	int64_t ms;	/* how long it ran; -1: it does not say, then the commits tell */
	bool cancelled; /* neither done nor failed */
};
/* A history that cannot be had is no error: limit says why. */
void history_read(struct history *h, const struct snapshot *s, struct history_end (*end)(void *ctx, const char *id),
		  void *ctx);
/* Days that were not seen get their totals from elsewhere: the larger number counts. day: UTC seconds. */
void history_day_total(struct history *h, int64_t day, int64_t done, int64_t failed);
struct history_task history_task(const struct history *h, const char *id);
void history_clear(struct history *h);
#endif
