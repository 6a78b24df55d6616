/* hookrefs: of a push to a bare repository the refs whose judgement takes what the repository has: signs of life, and
 * outputs that are begun. They are noted one by one and judged together, with a few processes for however many.
 *   hookrefs_life, hookrefs_begun -> hookrefs_judge -> hookrefs_clear
 */
#ifndef HOOKREFS_H
#define HOOKREFS_H
#include "git/git.h"
#include "schema/config.h"
#include "store/places.h"

struct hookrefs {				/* starts as {0} */
	struct strs gone, gone_refs;		/* nodes whose sign of life is to go, and its ref */
	struct strs old, new, changed;		/* signs of life that are replaced, commit by commit, and the refs */
	struct strs begun, needed, needed_also; /* outputs, and what has to stand before, in either form */
};
/* old, new: as git gives them, zeros for none. node: what ref ends with. */
void hookrefs_life(struct hookrefs *r, const char *ref, const char *node, const char *old, const char *new);
void hookrefs_begun(struct hookrefs *r, const char *ref, const struct place_out *out);
/* head: the ledger's as it will be, "": there is none. c: asked of what is in changed alone. */
int hookrefs_judge(const struct hookrefs *r, const struct git *g, const char *head, const struct grid_config *c,
		   void (*refuse)(void *ctx, const char *rule, const char *ref, const char *text), void *ctx,
		   struct err *e);
void hookrefs_clear(struct hookrefs *r);
#endif
