/* nodekey: a node's own key where the grid takes signed commits only: made when there is none, read again when its file
 * changed, held against nodes/keys/NODE.pub after every fetch. While it is not enrolled the node says nothing to the
 * ledger (fit->barred), tells how to enrol it, and goes on by itself when the branch has it.
 */
#ifndef NODEKEY_H
#define NODEKEY_H
#include "ledger.h"
#include "worker/selfcheck.h"

#define NODEKEY_FILE "node_key" /* in the work directory */

struct nodekey {
	const char *node;
	const char *given; /* a file; NULL: path, and commits are signed only where the grid wants it */
	char *path;	   /* owned */
	struct file_stamp stamp;
};
/* Makes the ledger sign, or not, and sets or clears fit->barred. True when that is news. */
bool nodekey_check(struct nodekey *k, struct ledger *l, const struct grid_config *c, struct selfcheck *fit);
#endif
