/* large: files of an input that go to a store, or that stand in one already (`submit --store CMD`, store/depot.h).
 *   large_put(command, top, &list, mb, &put, &e) before a folder here becomes a tree
 *   large_count(command, &git, &listing, &how, &bytes, &e) of the tree
 */
#ifndef LARGE_H
#define LARGE_H
#include "base/tree.h"
#include "store/checkout.h"

/* Puts what is larger than so many MB to the store; in the list it is a pointer then. top: the path of the listed
 * folder. put: what it put, by SHA-256. */
int large_put(const char *command, const char *top, struct tree_list *l, int64_t mb, struct strs *put, struct err *e);

struct large_how {
	const char *spec; /* as typed, for what is told */
	bool ours;	  /* a run's: every pointer is one of dgrid's, and its file is in the store */
	const char *lfs;  /* a repository's folder lfs/objects, from which the store gets what it lacks; NULL: none */
	const struct strs *put;
};
/* bytes: of files that the store has and the tree points to. Without a command pointers that are not ours are files as
 * any, which is told. */
int large_count(const char *command, const struct git *g, const struct checkout *l, const struct large_how *how,
		int64_t *bytes, struct err *e);
#endif
