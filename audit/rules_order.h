/* rules_order: what people have told (schema/order.h): who may say it, and that nodes go by it. */
#ifndef RULES_ORDER_H
#define RULES_ORDER_H
#include "audit/rule.h"

/* The claims of a commit by what its parent shows, and what it tells itself; before its keys and node files are
 * judged. */
void rules_order(struct rules *r, const struct rule_commit *c);
/* Of a drain, a retirement or the pauses: its file is that text now; NULL: it is gone. */
void rules_order_stands(struct rules *r, const struct rule_change *ch, const struct rule_text *text);
bool rules_is_order(const struct rule_change *ch);
#endif
