/* slots: the tasks a node holds, from the claim to the end of the attempt. What ends goes to the outbox and frees its
 * slot at once.
 *   slots_init -> slot_take and a pick -> slot_edit_claim in a group commit -> slot_start when it landed
 *   slots_watch after every fetch; slots_stop to give all back
 */
#ifndef SLOTS_H
#define SLOTS_H
#include "worker/run.h"

/* ahead: how many more than run may be held. The other members are the caller's to set. */
void slots_init(struct slots *s, int at_once, int ahead);
void slots_clear(struct slots *s);
int slots_held(const struct slots *s);		 /* claims, those that wait and those under way too */
int slots_busy(const struct slots *s);		 /* seats that are taken, or will be */
int slots_waiting(const struct slots *s);	 /* held and not begun */
bool slot_queued(const struct slot *s);		 /* its job waits in a cluster's queue */
int slots_queued(const struct slots *s);	 /* how many do */
int slots_running(const struct slots *s);	 /* held, without those whose claim's end is unknown */
int64_t slots_running_ms(const struct slots *s); /* how long the youngest run has its seat; 0: a seat is free */
uint64_t slots_ended(const struct slots *s);	 /* all attempts that ended */
/* Briefs of what runs here although its claim is gone, into v, which has a place for each slot; how many. */
size_t slots_gone(const struct slots *s, const struct json **v);
void slots_stop(struct slots *s); /* cancels every attempt; the claims go back */
/* Of those that wait the last n go back; why is kept. */
void slots_return(struct slots *s, size_t n, const char *why);
/* The same, but only what any node may run. */
void slots_share(struct slots *s, size_t n, const char *why);
/* After a fetch: is each claim still ours, is it to be cancelled, did a doubtful one land? */
void slots_watch(struct slots *s, struct ledger *l);

struct slot *slot_take(struct slots *s); /* one that is free, for a claim with a nonce of its own; NULL: none is */
/* The claim landed: as soon as there is a seat, bring what it is given, then run it. */
void slot_start(struct slot *s);
/* How urgent the lease is: 2 renew now, 1 renew when there is something else to say, 0 not yet. */
int slot_lease_due(const struct slot *s);
void slot_renewed(struct slot *s);
/* Edits for ledger_change; ctx is the slot. */
enum change_verdict slot_edit_claim(void *ctx, struct json *doc, enum task_state *to);
enum change_verdict slot_edit_renew(void *ctx, struct json *doc, enum task_state *to);
#endif
