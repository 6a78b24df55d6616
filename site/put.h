/* put: members of a JSON object for a page's script, one after the other. */
#ifndef PUT_H
#define PUT_H
#include "base/buf.h"
#include <stdint.h>

void put_sep(struct buf *b); /* a comma, unless something has just begun */
void put_key(struct buf *b, const char *name);
void put_int(struct buf *b, const char *name, int64_t n); /* no larger than JavaScript keeps exactly */
void put_str(struct buf *b, const char *name, const char *text, size_t max);
void put_series(struct buf *b, const char *name, const int64_t *v, size_t n); /* below 0: null */
#endif
