/* orders: what people have told the grid (schema/order.h), as the ledger's work tree has it. */
#ifndef ORDERS_H
#define ORDERS_H
#include "ledger.h"
#include "schema/order.h"

/* One file's document, the caller's: NULL with rc 0: it is not there. */
int orders_file(struct ledger *l, const char *path, struct json **out, struct err *e);
int orders_of_node(struct ledger *l, const char *folder, const char *node, struct json **out, struct err *e);
/* May the node claim this task, at the head that the work tree is? What cannot be read says no. */
bool orders_let(struct ledger *l, const char *node, const struct json *task);
/* NULL: nobody retired that had it; else who, the caller's. */
int orders_key_of(struct ledger *l, const char *key, char **node, struct err *e);
#endif
