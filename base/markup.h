/* markup: strangers' text on its way into a page. Control characters become visible ones, what is no UTF-8, no
 * character or would turn the direction of the text around or break its lines becomes U+FFFD; what has a meaning in
 * HTML is escaped. */
#ifndef MARKUP_H
#define MARKUP_H
#include "base/buf.h"

/* For HTML text and for attributes in double quotes. */
void markup_html(struct buf *out, const char *s, size_t len);
/* A JSON string with its quotes, which may stand inside <script>: no <, >, &, U+2028 or U+2029 in it. */
void markup_json(struct buf *out, const char *s, size_t len);
/* How many of the len bytes make at most max, without a character cut in two. */
size_t markup_cut(const char *s, size_t len, size_t max);
#endif
