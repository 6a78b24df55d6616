/* inputs: what tasks see in /in. A tree is fetched once and written once, to a folder that all tasks which name it
 * share and none may write to; folders that no task uses go when they are more than the cache may hold.
 *   inputs_open -> inputs_want(&all, &given, &w, ctx, on_end) -> inputs_path(w, i) ... inputs_done(w)
 *   -> inputs_close
 */
#ifndef INPUTS_H
#define INPUTS_H
#include "sandbox/engine.h"
#include "schema/input.h"
#include "store/bring.h"

struct inputs { /* starts as {0} */
	const struct filestore *store;
	char *dir;	     /* of the trees' folders */
	const char *command; /* of the files' store, see depot.h; borrowed; NULL: there is none */
	int64_t cache_bytes;
	struct input_tree *trees;
	struct input_want *wants;
	struct input_wait *waits; /* trees that this node could not have */
	unsigned made;		  /* folders so far, which gives the next its name */
	bool closing;
};
/* below: a folder that the sandbox's user can go through, and that is cleared at the next start. */
int inputs_open(struct inputs *all, const struct filestore *store, const struct engine *g, const char *below,
		int64_t cache_mb, const char *command, struct err *e);
void inputs_close(struct inputs *all);	       /* ends what is being fetched */
int64_t inputs_held(const struct inputs *all); /* bytes on disk of trees that are here, about */
/* Should this node take such a task? Not while it waits, longer each time, after it could not have one of the trees:
 * another may. */
bool inputs_may(const struct inputs *all, const struct json *doc);

struct inputs_given {				      /* to a task, by its document and its claim; borrowed */
	const struct json *doc, *pinned, *checkpoint; /* other tasks' files; what an earlier attempt left; or NULL */
	struct bring_limits limits, checkpoint_limits;
};
/* Brings what the task is given. The documents stay until inputs_done. on_end is called once, now or from the event
 * loop: e NULL: all is there; ERR_DATA and ERR_NOENT: it cannot be given to anybody; else this node could not have it
 * now. The want, which is in *out before that, stays until inputs_done, and with it the folders. */
void inputs_want(struct inputs *all, const struct inputs_given *given, struct input_want **out, void *ctx,
		 void (*on_end)(void *ctx, const struct err *e));
/* Where the i-th stands; NULL: its tree has no such path. The caller's. */
char *inputs_path(const struct input_want *w, size_t i);
void inputs_done(struct input_want *w); /* also before on_end, which is not called then; NULL is fine */
#endif
