/* fit: what keeps a task from a node: labels, an image, or room. A node offers processors, memory, disk and named
 * resources (`offer` of its file); a task asks for some; what runs there holds what it asked for. Documents alone are
 * asked, so the chooser, the claim's edit, the audit and whoever tells why a task waits come to the same answer.
 *   fit_node_read(&node, id, file); fit_load_add(&load, &node, &config, claimed, now) for each claim in the grid
 *   fit_want_read(&want, task); fit_never(...) fit_room(...)  ->  fit_load_clear
 */
#ifndef FIT_H
#define FIT_H
#include "base/problem.h"
#include "schema/config.h"

#define FIT_RESOURCES 16	/* that a task may ask for */
#define FIT_OFFERED 64		/* that a node may offer */
#define FIT_MOST 1000000	/* of one resource */
#define FIT_PATIENCE_SECONDS 60 /* so long a task is passed by before a node keeps its room for it */

/* What a node offers, as its worker found or was told. */
struct fit_offer {
	double cpus, max_cpus;			   /* all tasks together; one task */
	int64_t memory_mb, max_memory_mb, disk_mb; /* 0: not known, and no limit */
	struct json *resources;			   /* {NAME: how many}; NULL: none */
};
struct json *fit_offer_doc(const struct fit_offer *o); /* for the node's file; the caller's */
struct json *fit_offer_of(const struct json *doc);     /* what of a stranger's `offer` is one, copied; NULL: nothing */

/* What of a node's file or heartbeat says it, for people: "8 cpus, 31.3 GB, 50.1 GB disk, 2 gpu"; nothing without one.
 */
void fit_offer_words(const struct json *doc, struct buf *out);

struct fit_node { /* borrows the documents */
	const char *id;
	bool store;		/* it has one, for files that are too large for Git */
	bool offers;		/* else labels and slots alone are known, as of nodes of 0.1.0 */
	int64_t cpus, max_cpus; /* thousandths of a processor */
	int64_t memory_mb, max_memory_mb, disk_mb, slots;
	const struct json *resources, *labels,
	    *images; /* images: {NAME: its digest there, or whether it is there}, as far as the node knows */
};
void fit_node_read(struct fit_node *n, const char *id, const struct json *file);

struct fit_want { /* 0: it does not say */
	int64_t cpus, memory_mb, disk_mb;
	int64_t seconds;	      /* the longest that it may run */
	const struct json *resources; /* borrowed from the task; NULL: none */
	bool store;		      /* it is given files that a store has, or may leave more than Git is given */
};
/* What other tasks leave, and it is given, is known once they have ended; see store/waiting.h and store/rooms.h. */
void fit_want_read(struct fit_want *w, const struct json *task);
/* What of a task fit_want_read needs, and of its claim fit_load_add, into a document that is kept. */
void fit_brief(struct json *brief, const struct json *task);
/* Who goes first: by priority, then the oldest, then who wants more, then by id. As strcmp. */
struct fit_turn {
	int64_t priority, created; /* created: UTC seconds */
	const struct fit_want *want;
	const char *id;
};
int fit_turns(const struct fit_turn *a, const struct fit_turn *b);
int fit_size(const struct fit_want *a, const struct fit_want *b); /* below 0: a wants more; 0: as much of everything */

/* What runs on one node. */
struct fit_load { /* starts as {0} */
	struct fit_held {
		struct fit_want want;
		int64_t until; /* UTC seconds: it has ended by then */
	} * v;
	size_t n, room;
	int64_t cpus, memory_mb, disk_mb; /* of all */
};
/* A claimed task; it is counted where its claim is the node's. */
void fit_load_add(struct fit_load *l, const struct fit_node *n, const struct grid_config *c, const struct json *task);
void fit_load_put(struct fit_load *l, const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		  int64_t until);
void fit_load_clear(struct fit_load *l);

enum fit_kind {
	FIT_LABEL, /* the node does not carry it */
	FIT_NEVER, /* more than the node gives one task, or has in all */
	FIT_IMAGE, /* not there, and could not be had */
	FIT_STORE, /* it has none, and the task's files need one */
	FIT_PIN,   /* the one of that name is another than the settings pin */
	FIT_ROOM,  /* too little is free now */
};
struct fit_obstacle {
	enum fit_kind kind;
	const char *what; /* "processors", "memory", "disk", or a resource's, a label's, an image's name; borrowed */
	bool ours;	  /* what is one of the first three */
	int64_t wanted, free, most; /* as fit_want has them */
};
#define FIT_OBSTACLES 40 /* as many are told */
/* What always keeps the task from the node, in the order in which a chooser asks; how many there are. out may be NULL.
 */
size_t fit_never(const struct fit_node *n, const struct grid_config *c, const struct json *task,
		 const struct fit_want *w, struct fit_obstacle *out);
/* False: the node has found that it cannot have the image, or has another than the settings pin. NULL: the usual one.
 */
bool fit_has_image(const struct fit_node *n, const struct grid_config *c, const char *image);
bool fit_suits(const struct fit_node *n, const struct grid_config *c, const struct json *task); /* but for its image */
/* What keeps it from there now; slots are not counted. 0: it fits. */
size_t fit_room(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		const struct fit_load *l, struct fit_obstacle *out);
/* By when it fits at the latest, a slot included, if nothing else is claimed there; UTC seconds. */
int64_t fit_free_at(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		    const struct fit_load *l, int64_t now);
/* A task that has waited for room since then has the node's room kept for it; 0: nobody knows how long it has. */
bool fit_is_due(int64_t ready_since, int64_t now);
/* May w, which fits now, go first on a node whose room is kept for first until at? It may where it has ended by then,
 * or leaves enough. */
bool fit_passes(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		const struct fit_want *first, int64_t at, const struct fit_load *l, int64_t now);
/* "2 of 8 processors free, 4 wanted", "one task gets at most 256 MB of memory, 2048 wanted", "has no image etl:3". */
const char *fit_words(const struct fit_obstacle *o, char words[240]);
int64_t fit_ready_since(const struct json *task); /* UTC seconds; 0: it does not say when it was made */

/* Is it an object of names and whole numbers? Else why, and the value that is wrong. */
bool fit_resources_valid(const struct json *resources, const struct json **at, char why[160]);
void fit_judge(const struct json *task, struct problems *p); /* do its members agree that ask for disk? */
#endif
