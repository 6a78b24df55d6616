/* filestore: a repository of Git objects alone, beside the ledger's clone: what tasks wrote until it is pushed, and
 * what they are given. It can be had again but for what is held in it. filestore_open(&o, &how, &e) ->
 * filestore_import(&o, dir, ...) -> on_end gets the tree's id, which a ref holds
 */
#ifndef FILESTORE_H
#define FILESTORE_H
#include "base/tree.h"
#include "git/git.h"

#define FILESTORE_HELD "refs/held" /* refs/held/NONCE: a commit whose tree is what an attempt left */

struct filestore {
	struct git git; /* dir, name and email are owned */
};
/* Opens the repository in dir, or makes one. url: its origin; another's is set aside, and stands there again when that
 * is opened next. sha256: the grid's object format. borrow: a folder of objects that need not be copied, NULL: none. */
int filestore_open(struct filestore *o, const char *dir, const char *url, bool sha256, const char *borrow,
		   const char *name, const char *email, struct err *e);
/* Removes what a git that was killed left behind: locks on refs, and files that were under way. For who alone uses it.
 */
void filestore_unlock(const struct filestore *o);
void filestore_close(struct filestore *o);
/* Can anything be stored? Of a git that failed, what lay untouched for the seconds goes first: it may take all room. */
int filestore_trial(const struct filestore *o, int64_t seconds, struct err *e);

/* Makes a tree of a listed folder in the background, and ref point at a commit without parent that has it; the same
 * folder gives the same commit. list is taken over. on_end is called once from the event loop: tree is its id; NULL: e
 * tells why there is none. NULL with e filled when it cannot be begun. Memory: a piece of a file at a time. */
struct filestore_import;
struct filestore_import *filestore_import(const struct filestore *o, struct tree_list *list, const char *ref, void *ctx,
					  void (*on_end)(void *ctx, const char *tree, const struct err *e),
					  struct err *e);
/* The id of the tree of a commit or ref here; false: there is none. */
bool filestore_tree(const struct filestore *o, const char *rev, char tree[72]);
/* Packs what there is and lets go what no ref holds; of tip, a commit here, no ancestor is kept ("": none). */
int filestore_tidy(const struct filestore *o, const char *tip, struct err *e);
int filestore_drop(const struct filestore *o, const char *prefix, struct err *e); /* all refs below prefix */
/* The same for a store that several processes use at once: what is younger than an hour stays, and what refs below the
 * prefix (such as refs/got) hold goes, unless it is. */
int filestore_shrink(const struct filestore *o, const char *prefix, struct err *e);
int64_t filestore_bytes(const struct filestore *o); /* on disk, about */
#endif
