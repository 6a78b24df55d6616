/* utf8: one character at a time, by RFC 3629 and no more: nothing overlong, no surrogates, nothing above U+10FFFF. */
#ifndef UTF8_H
#define UTF8_H
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at s (len bytes are there) and, where c is not NULL, the character; 0: none begins
 * here, or it is cut short. */
size_t utf8_next(const char *s, size_t len, uint32_t *c);
size_t utf8_valid(const char *s, size_t len); /* so many bytes from the start are UTF-8: len when all are */
size_t utf8_put(char out[4], uint32_t c);     /* its bytes, and how many */
#endif
