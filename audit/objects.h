/* objects: what one running `git cat-file --batch` answers: blobs and trees by name, in the order they were asked for.
 * Small blobs that will be asked for again are kept, with the JSON that was made of them.
 *   o = objects_open(&g, &to) -> b = objects_want(o, oid, max, again); objects_tree(o, name, look, ctx, folder) ->
 * loop_step until objects_answered(o) >= b->seq -> read b->bytes -> object_drop(o, b) -> objects_close(o)
 */
#ifndef OBJECTS_H
#define OBJECTS_H
#include "git/git.h"
#include "json.h"

/* What git keeps of unpacked objects to build others on. Here they come in the order that they were made in, so the
 * last few are enough; with the 96 MB of its own it is a fifth slower, for it touches ever new memory. */
#define OBJECTS_SMALL_DELTA_CACHE "core.deltaBaseCacheLimit=8m"

struct object {
	uint64_t seq; /* of its question; objects_answered says how far the answers came */
	char *bytes;  /* NULL: no answer yet, no blob, or too large */
	size_t len;
	struct json *doc; /* whoever parses bytes may leave here what he made of them */
	/* objects.c's own: */
	unsigned refs;
	bool keep;
	size_t max;
	char oid[80];								    /* or "TREE:tasks" */
	void (*look)(void *ctx, const char *folder, const char *bytes, size_t len); /* NULL: a blob */
	void *ctx;
	const char *folder;
	struct object *next_asked;
};
struct objects;
/* Where it tells that it can't go on, at any time between open and close; said is what git said of it, or NULL. */
struct objects_fail {
	void (*tell)(void *ctx, enum err_class class, const char *what, const struct buf *said);
	void *ctx;
};
struct objects *objects_open(const struct git *g, struct objects_fail fail, struct err *e); /* NULL: git didn't start */
/* The blob, of which at most max bytes are wanted; again: what one commit writes, and another will take away. A blob
 * that is not in the repository is a failure. The caller drops it. */
struct object *objects_want(struct objects *o, const char *oid, size_t max, bool again);
/* Shows a tree's bytes once, when they have come; a tree that is not there is never shown. folder is borrowed and is
 * passed on. Returns the question's number. */
uint64_t objects_tree(struct objects *o, const char *name,
		      void (*look)(void *ctx, const char *folder, const char *bytes, size_t len), void *ctx,
		      const char *folder);
void object_drop(struct objects *o, struct object *b); /* NULL is fine */
uint64_t objects_asked(const struct objects *o);
uint64_t objects_answered(const struct objects *o);
size_t objects_bytes(const struct objects *o); /* of all blobs that are held */
bool objects_running(const struct objects *o); /* git still runs */
void objects_stop(struct objects *o);  /* ends git; what was asked is answered with nothing, and no tree is shown */
void objects_close(struct objects *o); /* after the last drop */
#endif
