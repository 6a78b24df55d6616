/* advice: what somebody should do for the grid, from its state and its last hour: more slots, a first node, labels that
 * nobody carries, orphans, nodes in trouble, settings that are not valid. */
#ifndef ADVICE_H
#define ADVICE_H
#include "site/history.h"
#include "site/rows.h"

/* Appends a JSON array of [kind, text]; kind is "bad", "scale" or "note". */
void advice_put(struct buf *b, const struct snapshot *s, const struct rows *rows, const struct history *history);
#endif
