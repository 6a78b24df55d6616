/* nodelist: the nodes of a snapshot for the dashboard, those that are alive first, as far as there is room for them. */
#ifndef NODELIST_H
#define NODELIST_H
#include "site/rows.h"

void nodelist_put(struct buf *b, const struct snapshot *s, const struct rows *rows); /* members of an object */
#endif
