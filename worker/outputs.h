/* outputs: what tasks leave in /out. Each attempt gets a folder of its own; when it has ended, what stands there
 * becomes a tree in the node's store (WORK/store.git), held by a ref until it is at the remote. outputs_open ->
 * outputs_begin (a folder) -> ...the run... -> outputs_collect -> on_end; courier.h takes it on
 */
#ifndef OUTPUTS_H
#define OUTPUTS_H
#include "sandbox/engine.h"
#include "schema/task.h"
#include "store/filestore.h"

struct outputs {
	struct filestore store;
	char *run;		    /* the folder of the attempts' folders */
	struct collecting *storing; /* those whose large files are on their way */
	bool unseen;		    /* the engine does not see it: what is left is lost */
	/* borrowed: */
	const char *command; /* of a store for large files, see store/depot.h; NULL: none */
	const char *node_id;
	const struct engine *engine;
};
/* Makes the store ready, and clears away what an earlier process left of its attempts' folders. */
int outputs_open(struct outputs *o, const char *work_dir, const char *url, bool sha256, const char *name,
		 const char *email, struct err *e);
void outputs_close(struct outputs *o);

/* What an attempt of this task may leave. entries and bytes 0: nothing, it gets no folder. */
struct tree_limits outputs_limits(const struct task *t, const struct grid_config *c);
/* Makes the attempt's folder. The caller's; NULL with e filled. */
char *outputs_begin(struct outputs *o, const char *nonce, struct err *e);

struct harvest {
	char tree[72]; /* "": there was nothing */
	uint64_t files, bytes, left_out;
	uint64_t stored_files, stored_bytes; /* of which the tree has pointers */
	int64_t large_mb;		     /* what is larger went there */
	enum tree_over over;
	char what[400]; /* over: which limit, and how to raise it */
	char error[400];
	bool local; /* that is this node's trouble: what the task left may be as good as any */
};
/* Takes in what the attempt left and removes its folder. large_mb: what is larger goes to the store, or, where there is
 * none, only becomes a pointer; 0: all goes to Git. on_end is called once: now, or from the event loop. */
void outputs_collect(struct outputs *o, const char *nonce, const char *image, const struct tree_limits *limits,
		     int64_t large_mb, void *ctx, void (*on_end)(void *ctx, const struct harvest *h));
/* Large files that are on their way to the store stay behind: what the attempt left is lost, as this node's trouble. */
void outputs_hurry(struct outputs *o, const char *nonce);
/* What such a run says of its files. */
#define OUTPUTS_UNSEEN                                                                                                 \
	"this node's engine does not see the worker's folder: give both one and the same, such as "                    \
	"-v /srv/dgrid:/srv/dgrid and --work-dir /srv/dgrid"
void outputs_discard(struct outputs *o, const char *nonce); /* the folder, whatever is in it */
/* In words: which limit of these was passed, and what raises it. */
void outputs_tell_over(enum tree_over over, const struct tree_limits *l, const char *culprit, char *out, size_t room);
struct json *outputs_result(const struct harvest *h); /* the member "out" of a result, still without its ref */

#endif
