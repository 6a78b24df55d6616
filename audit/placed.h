/* placed: do the files that results name stand where they say? The refs of outputs that stand at a remote are read, but
 * for the files themselves where the host can leave them out, and held against every result on the branch and in the
 * archive that names one of them. What is gone with its ref is no matter.
 *   placed_look(&git, head, archive, url, &p, &e)   p.tell is called for each that is false
 */
#ifndef PLACED_H
#define PLACED_H
#include "git/git.h"

struct placed {
	void *ctx;
	void (*tell)(void *ctx, const char *path, const char *text);
	size_t looked, gone; /* results; gone: their ref is no longer there */
};
/* git: a copy with all of the branch and the archive (archive NULL: there is none). url: where the refs are; borrowed.
 * Makes a repository in a temporary folder, which is gone afterwards. */
int placed_look(const struct git *g, const char *head, const char *archive, const char *url, struct placed *p,
		struct err *e);
#endif
