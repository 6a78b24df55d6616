/* orders: what the verbs share by which people tell the grid something (schema/order.h): a change is files of the
 * branch, written or taken away in one commit, in a person's name. */
#ifndef VERBS_ORDERS_H
#define VERBS_ORDERS_H
#include "schema/order.h"
#include "verbs/commands.h"

struct order_change { /* starts as {0}, verb set */
	const char *verb;
	struct strs done;  /* what the message names: "drain attic" without the verb */
	struct strs also;  /* whole lines of it: "requeue a" */
	struct strs notes; /* its lines below */
};
/* Before anything is changed: may who commits say such things? ERR_PERM: he goes by a node's name, or cannot sign. */
int order_may(struct ledger *l, struct err *e);
int order_write(struct ledger *l, const char *path, const struct json *doc, struct err *e);
int order_remove(struct ledger *l, const char *path, struct err *e);		 /* fine when it is not there */
int order_commit(struct ledger *l, const struct order_change *c, struct err *e); /* 1, or -1 */
/* Opens the grid, lands what build makes of what. The caller closes, also after an error. */
int order_land(const struct context *ctx, struct ledger *l, struct grid_config *c,
	       int (*build)(struct ledger *l, void *ctx, struct err *e), void *what, struct err *e);
void order_tell(const char *said, const struct strs *of); /* "drained attic", a line each */
void order_change_clear(struct order_change *c);
int order_check_reason(const char *reason, struct err *e);
#endif
