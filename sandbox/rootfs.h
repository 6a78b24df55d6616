/* rootfs: folders of root files. bubblewrap runs an image's tasks in one, read-only, in place of this machine's /usr.
 *   rootfs_add(&all, "IMAGE=DIR", &e) ... -> rootfs_of(&all, image) -> rootfs_look(r, &e) -> r->digest ... rootfs_clear
 * What stands at the top as dev, in, out, proc, run, sys or tmp is the sandbox's own: of the folder it is neither shown
 * nor read.
 */
#ifndef ROOTFS_H
#define ROOTFS_H
#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

struct rootfs {
	char *image, *dir; /* dir: without links */
	char stamp[65];	   /* of all that stands in it, without the contents; "": nobody looked */
	char digest[96];   /* sha256: and 64 digits, over names, modes, links and contents; not over owners and times */
};
struct rootfs_list { /* starts as {0} */
	struct rootfs *v;
	size_t n;
};
/* text: IMAGE=DIR. The folder has to have a shell, and nobody but its owner, who is root or this user, may write to it
 * or replace it. ERR_USAGE says what is wrong. */
int rootfs_add(struct rootfs_list *all, const char *text, struct err *e);
struct rootfs *rootfs_of(const struct rootfs_list *all, const char *image); /* NULL: it has none; all may be NULL */
/* Is the folder still fit, and what is its digest? The contents are read only where something changed since the last
 * look, by another process: this one serves the event loop meanwhile. -1: stamp and digest are "". */
int rootfs_look(struct rootfs *r, struct err *e);
bool rootfs_shows(const char *name); /* of what stands at the top of a folder */
void rootfs_clear(struct rootfs_list *all);
/* In main: was this process started by rootfs_look? Then its exit code, else -1. */
int rootfs_asked(int argc, char **argv);
#endif
