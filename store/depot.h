/* depot: files that are too large for Git, kept by a command of the user's (`--store CMD`): a folder, the host's own
 * Git LFS, or whatever stores a file under a name. In their place stand pointers (pointer.h). The command is run as
 *   CMD put SHA256 FILE     FILE is to be kept under that name; it may be there already
 *   CMD get SHA256 FILE     is to be written to FILE, which is not there
 * by /bin/sh, with the file's size in DGRID_STORE_SIZE and paths that dgrid chose, and ends with 0, or else says why on
 * stderr. It is bounded by its silence (DGRID_SILENCE_SECONDS), however long it takes. What it brings counts by its
 * SHA-256 alone: it need not be trusted. All of this waits; a worker starts itself once more with the words of
 * depot_argv.
 */
#ifndef DEPOT_H
#define DEPOT_H
#include "base/tree.h"
#include "store/pointer.h"

#define DEPOT_VARIABLE "DGRID_STORE"
const char *depot_command(const char *said); /* said, or else what DGRID_STORE has; NULL: neither */

/* What a file is, by its content: a regular one, and no link to one. */
int depot_read(int fd, struct pointer *p); /* the same of an open one, from where it is read next; -1 with errno */
int depot_look(const char *file, struct pointer *p, struct err *e);
/* patience_ms: so long a put that failed is tried again, with growing waits. */
int depot_put(const char *command, const struct pointer *p, const char *file, int64_t patience_ms, struct err *e);
/* Whole and right, or not there. */
int depot_get(const char *command, const struct pointer *p, const char *file, struct err *e);

struct depot_taken {
	int64_t files, bytes;
};
/* Puts what in dir is larger than over to the store and writes pointers in its place. Where there is any, what else
 * looks like a pointer is put there too, so that every pointer is one of ours. aside: a folder on the same file system,
 * made here. command NULL: only the pointers are made. ERR_OUTPUT: this machine's trouble. */
int depot_take(const char *command, const char *dir, const char *aside, const struct tree_limits *limits, int64_t over,
	       struct depot_taken *taken, struct err *e);
/* The same by a process of its own, which is given the command, where there is one, by DGRID_STORE. It ends with 0 and
 * "FILES BYTES" on stdout, or with an err_class and the reason on stderr. */
void depot_argv(const char *dir, const char *aside, const struct tree_limits *limits, int64_t over, bool keep,
		struct strs *argv);
bool depot_asked(int argc, char **argv); /* in main: was this process started by such words? */
int depot_main(char **argv, struct err *e);

/* Of a tree that was written to dir: replaces its pointers with the files. aside: a path that is not there, on the same
 * file system. */
int depot_fill(const char *command, const struct checkout *l, const struct pointers *p, const char *dir,
	       const char *aside, struct err *e);
#endif
