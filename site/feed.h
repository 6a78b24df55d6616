/* feed: the newest failures as an Atom feed (RFC 4287). */
#ifndef FEED_H
#define FEED_H
#include "store/snapshot.h"

/* From a snapshot whose failed tasks are loaded. base_url: where the dashboard stands (its pages of tasks are
 * t/ID.html), for links and the feed's own address; NULL or "": no links. The bytes depend on the snapshot's commit
 * alone. Cancelled tasks are no failures. */
void feed_failures(const struct snapshot *s, const char *base_url, struct buf *out);
#endif
