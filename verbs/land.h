/* land: a commit that a verb makes by itself, of other files than tasks (settings, keys), pushed until it lands.
 *   land(&l, build, ctx, &changed, &e)
 * build is asked at every new head: 1: a commit is made on top of it, 0: there is nothing to change, -1: e is filled.
 */
#ifndef LAND_H
#define LAND_H
#include "ledger.h"

int land(struct ledger *l, int (*build)(struct ledger *l, void *ctx, struct err *e), void *ctx, bool *changed,
	 struct err *e);
/* To be called by build before it changes a file, where a repository judges pushes: who commits is enrolled, or does
 * not sign. */
void land_sign_if_enrolled(struct ledger *l);
#endif
