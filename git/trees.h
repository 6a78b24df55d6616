/* trees: are the folders that a range of commits brings well-formed? Git reads more than it writes: a folder may name
 * an entry twice, out of order, by an odd mode, or hold an empty folder, which no diff shows and a merge acts on. Hosts
 * that check what they are given refuse such objects (git fsck --strict); not all do.
 */
#ifndef TREES_H
#define TREES_H
#include "git/git.h"

/* wrong is called for each tree of base..head that git itself would not have made, with what is wrong with it; oid is
 * the tree's. Reads Git objects only. */
int trees_check(const struct git *g, const char *base, const char *head,
		void (*wrong)(void *ctx, const char *oid, const char *what), void *ctx, struct err *e);
#endif
