/* rooms: what a snapshot shows of the room on its nodes: what each offers, what runs there, and for whom it keeps room,
 * as a chooser there would find (schema/fit.h).
 *   rooms_open(&r, &s) (queue and in_progress loaded) -> rooms_judge(&r, i, &task, &found) ... -> rooms_close
 */
#ifndef ROOMS_H
#define ROOMS_H
#include "schema/fit.h"
#include "store/snapshot.h"

struct room { /* of the node at the same place in the snapshot */
	struct fit_node node;
	struct fit_load load;
	const struct snapshot_task *kept_for; /* NULL: nobody */
	struct fit_want kept_want;
	int64_t kept_since, kept_until; /* it waits since, and the room is free by; UTC seconds */
};
struct rooms { /* starts as {0} */
	const struct snapshot *s;
	struct room *v;
};
void rooms_open(struct rooms *r, const struct snapshot *s);
void rooms_close(struct rooms *r);
/* The node as its file and its heartbeat say, whichever is the newer. */
void rooms_node(const struct snapshot_node *n, struct fit_node *out);
/* Have tasks that it is given files of, and whose documents are loaded, left some in a store? */
bool rooms_stored(const struct snapshot *s, const struct json *doc);
/* Could the node ever run it? Labels, what a task gets there at most, images, a store. */
bool rooms_able(const struct snapshot *s, const struct snapshot_node *n, const struct json *doc);

struct rooms_found {
	struct fit_obstacle never[FIT_OBSTACLES], now[FIT_OBSTACLES];
	size_t n_never, n_now;
	int64_t free_at; /* with n_now: by when it fits at the latest, UTC seconds */
	bool kept;	 /* it would fit, but the room is kept for another */
};
/* Of a queued task: what keeps it from that node. Slots, states and limits are not looked at. True: nothing does. */
bool rooms_judge(const struct rooms *r, size_t node, const struct snapshot_task *t, struct rooms_found *found);
/* A task's place in the queue; want is filled too. */
struct fit_turn rooms_turn(const struct snapshot_task *t, struct fit_want *want);
#endif
