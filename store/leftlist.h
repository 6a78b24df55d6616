/* leftlist: the names of what tasks left in /out, for pages: of a remote the trees alone are fetched, to a cache beside
 * the snapshot's, and never contents. All of it is bounded, and what cannot be had is not known; that is no error.
 *   leftlist_read(&l, s, which, n, by_ref) -> leftlist_of(&l, id) ... -> leftlist_clear
 */
#ifndef LEFTLIST_H
#define LEFTLIST_H
#include "store/snapshot.h"

#define LEFTLIST_NAMES 200 /* of one task */

struct left_name {
	char *path;
	char oid[72];
	int64_t bytes; /* -1: not known */
};
struct left_names {
	char id[65], commit[72]; /* whose folder ID holds them; "": not known */
	struct left_name *v;	 /* by path */
	size_t n;
	bool known;
	/* its own */
	char tree[72], ref[176];
	int64_t bytes;
};
struct leftlist {
	struct left_names *v; /* by id */
	size_t n, entries;
};
/* Of n tasks (which: their indexes in s->tasks), the most important first. by_ref: the host sends trees without
 * contents, as the known ones do, so the whole refs may be fetched, which tells the commits; else trees by their ids,
 * as many as would do no harm with their contents. */
void leftlist_read(struct leftlist *l, const struct snapshot *s, const size_t *which, size_t n, bool by_ref);
const struct left_names *leftlist_of(const struct leftlist *l, const char *id); /* NULL: not known */
void leftlist_clear(struct leftlist *l);
#endif
