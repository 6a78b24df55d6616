/* courier: brings to the remote what tasks left in /out. Each push is one commit more on refs/dgrid/out/DAY/NODE/N (see
 * store/places.h), however many tasks it is for.
 * What is small goes in the ledger's own push, all or nothing: the outcomes are marked `along`, and the exchange
 * borrows the commit. Everything else, and what was declined so, goes ahead of the results: in the background and by a
 * push of its own, as heartbeats are, so the ledger's exchange never waits for it. When it has landed, their outcomes
 * no longer wait. What a host declines there costs the files, not the result: it says so as out_error. courier_start ->
 * courier_recall -> courier_go after each outbox_add ... courier_stop in an exchange: outbox_changes -> courier_lend ->
 * ledger_commit -> courier_settle -> outbox_settle -> courier_go
 */
#ifndef COURIER_H
#define COURIER_H
#include "store/filestore.h"
#include "worker/outbox.h"
#include <stdbool.h>

struct courier;
/* may: ms that a push has to wait, 0: none (NULL: never any). All is borrowed. */
struct courier *courier_start(const struct filestore *store, const char *node, struct outbox *outbox,
			      int64_t (*may)(void *ctx), void *ctx);
void courier_recall(struct courier *c); /* outcomes of an earlier process: those whose files are gone wait no more */
void courier_go(struct courier *c);	/* there may be something to bring */
/* Of the n changes that outbox_changes made: makes the commit with the files of those that go along, and tells each
 * result where they will be. Returns how many changes stand; when the commit cannot be made, those are taken out.
 * beside: borrowed until courier_settle, for one push; NULL: nothing goes along. */
size_t courier_lend(struct courier *c, struct ledger_change *v, size_t n, struct push_beside **beside);
/* The push is over, or there was none. True: the host declined it, maybe for the files' sake; they go by themselves
 * now, and their results wait for that. */
bool courier_settle(struct courier *c);
unsigned courier_pushes(const struct courier *c);
void courier_tidy(struct courier *c); /* housekeeping, when nothing runs and nothing waits */
void courier_stop(struct courier *c); /* waits for a push under way; NULL is fine */
#endif
