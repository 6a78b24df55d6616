/* shown: what a commit has at a path, asked of Git's objects. Where something is to be judged for good, this is asked
 * and not a work tree, in which a file may be missing, cut or unreadable for reasons of this machine.
 */
#ifndef SHOWN_H
#define SHOWN_H
#include "git/git.h"

enum shown_kind { SHOWN_NOTHING, SHOWN_FILE, SHOWN_LARGE, SHOWN_OTHER };
struct shown {
	enum shown_kind kind;
	char oid[72];	 /* of whatever it is; "" for SHOWN_NOTHING */
	struct buf text; /* of a SHOWN_FILE, whole; SHOWN_LARGE: larger than max; SHOWN_OTHER: a folder, a link */
};
/* -1: it cannot be told. */
int git_shown(const struct git *g, const char *rev, const char *path, size_t max, struct shown *out, struct err *e);
void shown_clear(struct shown *s);
#endif
