/* claims: what an exchange says of the claims of a node: which are renewed, which are made, which go back because
 * others idle; and what becomes of them when it landed.
 *   claims_share, then into the exchange's changes claims_renew, claims_make, claims_skip -> ledger_commit ->
 *   claims_settle
 * Each of the three gives how many changes it added.
 */
#ifndef CLAIMS_H
#define CLAIMS_H
#include "worker/self.h"

#define SKIPS_MAX 500 /* in one commit */

size_t claims_renew(struct worker *w, struct ledger_change *c);
/* said: the first of the commit's changes, which end claims. */
size_t claims_make(struct worker *w, struct ledger_change *c, const struct ledger_change *said, size_t n_said);
size_t claims_skip(struct worker *w, struct ledger_change *c); /* what the chooser found never to run */
/* The queue is empty: what waits here others may begin sooner. */
void claims_share(struct worker *w);
/* What landed runs. Of a push with an unknown end the claims stay: the next fetch shows whether they landed. */
void claims_settle(const struct ledger_change *made, size_t n, bool unknown);
#endif
