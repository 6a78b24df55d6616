/* world: what a replay has to know of the grid to judge its next commit: where each task stands, which nodes are
 * registered and when they last spoke, the settings, and every claim's nonce. It grows with the grid's live state, not
 * with the history: of half a million claims the nonces are kept in memory, those of more in a temporary file.
 *   struct world w; world_init(&w) -> world_task, world_node, ... -> world_clear(&w)
 */
#ifndef WORLD_H
#define WORLD_H
#include "schema/limit.h"
#include "schema/need.h"
#include "schema/task.h"
#include <stdio.h>

struct world_task {
	struct world_task *next;
	char id[65];
	unsigned states;	  /* bits 1u << TASK_...; 0: it stands nowhere */
	char commit[72];	  /* which brought it; "": it was there when the replay began */
	char *author, *committer; /* of that commit; NULL: not known */
	int64_t at;		  /* when that was committed, UTC seconds */
	/* Of one that has ended, as far as the replay has seen it: how (NULL: not known), and of one that completed
	 * "TREE REF" of its files (NULL: it left none). */
	char *status, *out;
	bool seen;  /* its document has been read: by the replay, or as it stood when that began */
	bool fired; /* its document says that a schedule of its id's name had it queued; of one that has not ended */
	struct needs needs; /* what it waits for, of one that has not ended and that the replay has seen */
};
struct world_node {
	struct world_node *next;
	char id[65];
	int64_t seen, next_due;		/* as its file says, UTC seconds; 0: it does not */
	bool left;			/* its file says so */
	bool unenforced;		/* likewise: its limits are not enforced */
	struct json *labels, *networks; /* as its file has them; NULL: none */
	struct json *offer;		/* {"offer": ..., "store": ...} of its file; NULL: none */
};
struct world_schedule {
	char name[65];
	struct json *doc; /* NULL: nothing that can be read */
	int64_t since;	  /* when a person wrote it, UTC seconds; 0: the newest commit moved `last` alone */
	bool known;	  /* since is; else it was there when the replay began */
};
#define WORLD_PAST 16
struct world_past { /* settings that held until then, UTC seconds */
	struct grid_config config;
	int64_t until;
};
struct world_orders { /* of nodes, see order.h */
	struct world_order {
		char id[65];
		struct json *doc; /* never NULL */
	} * v;
	size_t n;
};
struct world_key {
	struct world_key *next;
	bool there;
	char holder[65]; /* of a key itself, whose "TYPE BASE64" path is then: whose name it stands under */
	char path[];
};
struct world_running {
	char id[65];
	struct json *brief; /* what limits ask of it, see limit_brief */
};
struct world_run { /* sorted hashes */
	size_t at, n;
	uint64_t *fences; /* the first hash of every page */
};
struct world {
	struct grid_config config;
	struct world_past past[WORLD_PAST]; /* the newest first; a node may work by settings that held a while ago */
	size_t n_past;
	bool unread;  /* the newest grid.json is not valid: what was before holds, as far as nodes saw it */
	bool unknown; /* and what that was is not known */
	struct world_running *running; /* what is claimed */
	size_t n_running;
	int64_t newest; /* the latest date of a commit so far that a commit may have; UTC seconds, 0: none */
	char newest_id[72];
	struct world_task **tasks;	       /* chains */
	size_t n_tasks, room_tasks, n_waiting; /* n_waiting: those with needs */
	struct world_node **nodes;
	size_t n_nodes, room_nodes;
	struct world_schedule *schedules; /* in no order */
	size_t n_schedules;
	struct world_orders drains, retired;
	struct world_key **keys; /* chains: paths below nodes/keys and nodes/people */
	size_t n_keys, room_keys, n_people;
	bool apart;	     /* something stands, or stood, below nodes/people: in nodes/keys are nodes only */
	struct json *paused; /* NULL: nothing is */
	uint64_t *nonces;    /* hashes, open addressing; 0: empty */
	size_t n_nonces, room_nonces;
	size_t nonces_max;	/* when so many are in memory they move to the file */
	struct world_run *runs; /* of the file */
	size_t n_runs;
	FILE *file; /* unlinked; NULL: none is needed, or none can be had */
	/* The last claim that was taken from its node because a time had passed: when that was, as its commit had to
	 * wait for it (UTC seconds, 0: none yet), the commit, and the task. */
	int64_t waited_until;
	char waited_by[72], waited_for[65];
};
void world_init(struct world *w);
void world_clear(struct world *w);
struct world_task *world_task(const struct world *w, const char *id); /* NULL: never seen, or forgotten */
struct world_task *world_task_add(struct world *w, const char *id);   /* the same, made when there is none */
void world_task_waits(struct world *w, struct world_task *t, struct needs *needs); /* needs moves over */
void world_task_remove(struct world *w, const char *id);			   /* forgets it */
/* Another live task whose id a file system may take for this one's; NULL: none. */
const struct world_task *world_task_like(const struct world *w, const char *id);
void world_runs(struct world *w, const char *id, const struct json *doc); /* claimed, with this document; NULL: none */
void world_rests(struct world *w, const char *id);			  /* no longer */
struct world_node *world_node(const struct world *w, const char *id);
struct world_node *world_node_add(struct world *w, const char *id);
void world_node_remove(struct world *w, const char *id);
/* What the node's file says of when it spoke; doc NULL: nothing that can be read. */
void world_node_read(struct world_node *n, const struct json *doc);
/* A file below nodes/keys or nodes/people stands there now, or no longer. */
void world_key(struct world *w, const char *path, bool there);
/* The keys that such a file holds (len bytes; NULL: none that count), there or no longer. */
void world_key_texts(struct world *w, const char *path, const char *bytes, size_t len, bool there);
const char *world_key_holder(const struct world *w, const char *text); /* "TYPE BASE64"; NULL: nobody has it */
/* Is that the name of a node, as far as the grid says it: by its file, by its retirement, by its key? */
bool world_is_node(const struct world *w, const char *who);
bool world_is_person(const struct world *w, const char *who);			  /* by his key */
bool world_is_keyed(const struct world *w, const char *who);			  /* has it a file in nodes/keys? */
const struct json *world_order(const struct world_orders *o, const char *node);	  /* NULL: there is none of it */
void world_order_set(struct world_orders *o, const char *node, struct json *doc); /* doc moves over; NULL: none */
struct world_schedule *world_schedule(const struct world *w, const char *name);
/* Of a file as it is now: doc is copied, NULL where it cannot be read. */
struct world_schedule *world_schedule_set(struct world *w, const char *name, const struct json *doc);
void world_schedule_remove(struct world *w, const char *name);
/* Is a task that the schedule had queued for an instant before that one queued or running? */
bool world_schedule_busy(const struct world *w, const char *name, int64_t before);
/* Of a task's document, while the task has not ended. */
void world_task_read(struct world_task *t, const struct json *doc);
bool world_nonce_new(struct world *w, const char *nonce); /* false: it was used before; now it is */
/* The settings of a commit; what cannot be read stays as it was, as with workers. text NULL: the defaults. The ones
 * before go to the past, which they became at that time (UTC seconds); 0: there were none. */
void world_settings(struct world *w, const char *text, size_t len, int64_t at);
/* The last that were valid, where those of now are not. False: these are none. */
bool world_settings_hold(struct world *w, const char *text, size_t len);
void world_past_add(struct world *w, const char *text, size_t len, int64_t until); /* older than all that is known */
/* The settings that held at that time or later: the nth, 0 is those of now. NULL: no more. */
const struct grid_config *world_config(const struct world *w, size_t n, int64_t since);
#endif
