/* courier: brings to the remote what tasks left in /out, ahead of their results: in the background and by a push of its
 * own, as heartbeats are, so the ledger's exchange never waits for it. Each push is one commit more on
 * refs/dgrid/out/DAY/NODE/N (see store/places.h), however many tasks it is for. When it has landed, their outcomes no
 * longer wait. What a host declines costs the files, not the result: it says so as out_error.
 *   courier_start -> courier_recall -> courier_go after each outbox_add ... courier_stop
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
unsigned courier_pushes(const struct courier *c);
void courier_tidy(struct courier *c); /* housekeeping, when nothing runs and nothing waits */
void courier_stop(struct courier *c); /* waits for a push under way; NULL is fine */
#endif
