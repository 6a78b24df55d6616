/* request: a pull request judged as data. Everything is read from Git objects (diff-tree, ls-tree, cat-file); nothing
 * of the request is checked out, and the rules (grid.json) are those of the base, never its own.
 *
 * Right is a request that only adds files tasks/unapproved/ID.json: regular, mode 100644, at most so many, each a valid
 * task of a new id; and of which no single commit touches anything else, even if a later one undoes it. Or one that
 * adds the key of a new node, a file nodes/keys/NODE.pub, and nothing else: whether it is that node's, a human says. */
#ifndef REQUEST_H
#define REQUEST_H
#include "git/git.h"
#include "schema/config.h"

struct request {
	struct git git; /* dir is borrowed: a clone or a bare repository that has the objects of both ends */
	const char *base, *head;
	long max_files; /* 0: max_files_per_request of the base's grid.json */
	size_t files;	/* out: how many task files it adds */
	char enrols[65],
	    key[64]; /* out: the node whose key it adds, and that key's fingerprint; "" for no such request */
};
/* All that is wrong goes to p. 0 when it was judged; -1 when it could not be: ERR_NOENT (a revision that is not here),
 * ERR_UNAVAILABLE (history that is not here), ERR_DATA (the base's own grid.json is not valid). */
int request_judge(struct request *r, struct problems *p, struct err *e);
#endif
