/* text: strangers' text on its way into a page. Control characters become visible ones, what is no UTF-8, no character
 * or would turn the direction of the text around or break its lines becomes U+FFFD; what has a meaning in HTML is
 * escaped. */
#ifndef TEXT_H
#define TEXT_H
#include "buf.h"

/* For HTML text and for attributes in double quotes. */
void text_html(struct buf *out, const char *s, size_t len);
/* A JSON string with its quotes, which may stand inside <script>: no <, >, &, U+2028 or U+2029 in it. */
void text_json(struct buf *out, const char *s, size_t len);
/* How many of the len bytes make at most max, without a character cut in two. */
size_t text_cut(const char *s, size_t len, size_t max);
#endif
