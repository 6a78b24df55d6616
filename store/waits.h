/* waits: what a snapshot shows of tasks that wait for others (schema/need.h). */
#ifndef WAITS_H
#define WAITS_H
#include "store/snapshot.h"

/* How many tasks a queued one still waits for, or will never have; 0: none keeps it. words: "build (running on n1),
 * lint (queued)", cut when long; NULL: nobody asks. */
size_t waits_of(const struct snapshot *s, const struct json *doc, char words[240]);
size_t waits_count(const struct snapshot *s); /* queued tasks that wait for others; documents loaded */
#endif
