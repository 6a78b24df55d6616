/* sending: what `submit --input` names, made trees of Git's and brought to the remote.
 *   sending_make(&s, ctx, &grid, sha256, specs, n, &e) -> s.member goes into each task -> sending_push(&s, &e)
 *   -> sending_clear(&s), also after an error
 */
#ifndef SENDING_H
#define SENDING_H
#include "store/filestore.h"
#include "verbs/commands.h"

struct sending {		    /* starts as {0} */
	struct filestore files;	    /* this reader's */
	struct json *member;	    /* `inputs` of a task; NULL: there are none */
	struct strs trees, commits; /* one row an input */
	const char *to;		    /* the remote; borrowed */
	/* The caller's to set: */
	bool pointers;	   /* pointers of Git LFS are not just files as any; see large.h */
	const char *store; /* a command, see store/depot.h; NULL: none; borrowed */
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
/* How a task uses its inputs. */
struct sending_use {
	const char *workdir; /* --workdir; NULL: none */
	bool checkout;	     /* a task without one begins in that of --checkout */
	const char *reads;   /* --stdin: the name of an input, or of a file in one; NULL: none */
};
/* --stdin FILE: what is the name of none of the sources, and a file here, becomes a source, and is read. */
int sending_take_stdin(struct sending_use *u, const struct sending_tree *checkout, struct strs *sources, struct err *e);
int sending_read_file(struct sending_use *u, const char *path, struct strs *sources, struct err *e); /* this file */
/* Puts the inputs into a task, beside those that it has itself, and how it uses them. What is wrong goes to p. */
void sending_add(const struct sending *s, const struct sending_use *u, struct json *doc, const struct grid_config *c,
		 struct problems *p);
/* ERR_PERM: the host declines. What is there already is not sent again. */
int sending_push(const struct sending *s, struct err *e);
void sending_clear(struct sending *s);
#endif
