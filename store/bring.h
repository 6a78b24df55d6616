/* bring: trees of files from the remote into a filestore, and from there to disk.
 *   bring_out(&store, tree, ref, &e)      what a task left, for who reads it
 *   bring_in(&store, tree, &e)            what a task is given; bring_to(&store, tree, dir, &limits, &e) writes it
 * Both wait. A worker waits for nothing: it starts itself once more with the words of bring_argv, so that what passes
 * through memory, and what takes time, is another process's.
 */
#ifndef BRING_H
#define BRING_H
#include "store/filestore.h"

struct bring_limits {
	int64_t mb, files;
	int64_t stored; /* bytes of files to which the tree has pointers, in whose place they are to stand; 0: whatever
			   looks like a pointer is a file as any */
	const char *store; /* the command that has them, see depot.h; NULL: none */
};
/* Everything below tree is here. Asks nobody else. */
bool bring_at_hand(const struct filestore *o, const char *tree);
/* The tree alone, by its id; where the host gives none by id, the whole ref that it stands on. ERR_NOENT: it is not at
 * the remote. */
int bring_out(const struct filestore *o, const char *tree, const char *ref, struct err *e);
/* Brings what of n trees is not here by one fetch, where the host gives objects by id; where it does not, or one is
 * gone, nothing: bring_out tells of each. */
void bring_ahead(const struct filestore *o, const char *const *trees, size_t n);
/* By its ref, as a commit: git then sends only what is new beside other inputs. It stays held by refs/in/TREE.
 * ERR_NOENT: there is no such ref at the remote; ERR_DATA: it holds another tree. */
#define BRING_HELD "refs/in"
int bring_in(const struct filestore *o, const char *tree, struct err *e);
/* What a task left, as an input: held likewise. */
int bring_left(const struct filestore *o, const char *tree, const char *ref, struct err *e);

/* Writes the tree to dir, which must not be there, whole or not at all; links stay links, nothing may be written to.
 * ERR_DATA: it is more than limits allow, or holds what no task is given (a submodule, a link that leads out), or has
 * pointers to more or less than is said. ERR_UNAVAILABLE: the store does not give the very files. */
int bring_to(const struct filestore *o, const char *tree, const char *dir, const struct bring_limits *limits,
	     struct err *e);
/* The file or folder of that path in such a folder (path NULL: the folder). NULL: there is none, or a link is in the
 * way. The caller's. */
char *bring_path(const char *dir, const char *path);
/* What brings it in and writes it: ends with 0 and "FILES ENTRIES BYTES" on stdout (entries: files and folders), or
 * with an err_class and the reason on stderr. */
/* ref: that a task's files stand on; NULL: the tree is an input with a ref of its own. The store's command is given in
 * DGRID_STORE. */
void bring_argv(const char *store_dir, const char *tree, const char *ref, const char *dir,
		const struct bring_limits *limits, struct strs *argv);
/* In main: was this process started by such words? */
bool bring_asked(int argc, char **argv);
int bring_main(int argc, char **argv, struct err *e);
#endif
