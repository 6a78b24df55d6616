/* honest_orders: what people tell the grid in honest histories (schema/order.h). */
#ifndef HONEST_ORDERS_H
#define HONEST_ORDERS_H
#include "honest_stage.h"

void play_orders(const struct actor *a);
/* Retires the node, which is down and holds nothing. */
void play_retire(const struct actor *a, const char *node);
#endif
