/* sending: what `submit --input` names, made trees of Git's and brought to the remote.
 *   sending_make(&s, ctx, &grid, sha256, specs, n, &e) -> s.member goes into each task -> sending_push(&s, &e)
 *   -> sending_clear(&s), also after an error
 */
#ifndef SENDING_H
#define SENDING_H
#include "store/filestore.h"
#include "verbs/commands.h"

struct sending {		    /* starts as {0} */
	struct filestore store;	    /* this reader's */
	struct json *member;	    /* `inputs` of a task; NULL: there are none */
	struct strs trees, commits; /* one row an input */
	const char *to;		    /* the remote; borrowed */
};
/* Each spec is [NAME=]SOURCE: a file or folder here; REV:PATH of the grid's repository; task:ID[:PATH], what a task
 * left in /out. What has no NAME gets its own. checkout: the tree of a commit of the Git repository that one stands in,
 * with dirty also what is changed there, of files that Git knows. Pushes nothing yet. */
struct sending_tree { /* --checkout */
	bool wanted, dirty;
	const char *rev; /* NULL: HEAD */
};
#define SENDING_CHECKOUT "src" /* its name in /in */
int sending_make(struct sending *s, const struct context *ctx, const struct grid_config *c, bool sha256,
		 const struct sending_tree *checkout, char *const *specs, size_t n, struct err *e);
/* ERR_PERM: the host declines. What is there already is not sent again. */
int sending_push(const struct sending *s, struct err *e);
void sending_clear(struct sending *s);
#endif
