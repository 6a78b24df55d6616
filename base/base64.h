/* base64: RFC 4648, with its padding. */
#ifndef BASE64_H
#define BASE64_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define BASE64_MOST(len) ((len) / 4 * 3) /* bytes that so many characters give at most */

void base64_add(struct buf *out, const void *bytes, size_t len);
/* Returns the bytes written to out, which has room for BASE64_MOST(len); -1 when text is not base64 as it is made: one
 * text for the same bytes. url: the alphabet with - and _ is taken, too. */
long base64_decode(const char *text, size_t len, bool url, uint8_t *out);
#endif
