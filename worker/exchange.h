/* exchange: one exchange with the remote carries all a node has to record (results, renewed leases, claims, its file);
 * and what a quiet node does for the grid besides (heals, promotes, archives, tidies up). When there is one is said by
 * schedule.h.
 *   exchange_begin -> exchange_run, loop_step(exchange_wait) ... -> exchange_sign_off
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H
#include "worker/self.h"

void exchange_begin(struct worker *w); /* begins the heartbeat, meets the others */
/* One exchange, as far as one is due at now (monotonic ms). Serves the loop while git works. */
void exchange_run(struct worker *w, int64_t now);
int64_t exchange_wait(const struct worker *w); /* ms until there is something to do */
void exchange_show_news(struct worker *w);     /* what tasks printed, before the next beat, where that is cheap */
/* Says that the node has left, unless it said so already or may not. Waits for its turn, until hurry_until. */
void exchange_sign_off(struct worker *w);
#endif
