#include "base/base64.h"
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buf *out, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t w =
		    (uint32_t)b[i] << 16 | (uint32_t)(i + 1 < len ? b[i + 1] : 0) << 8 | (i + 2 < len ? b[i + 2] : 0);
		char four[4] = {alphabet[w >> 18], alphabet[w >> 12 & 63], i + 1 < len ? alphabet[w >> 6 & 63] : '=',
				i + 2 < len ? alphabet[w & 63] : '='};
		buf_add(out, four, 4);
	}
	buf_add(out, "", 0);
}

static int value_of(char c, bool url)
{
	c = url && c == '-' ? '+' : url && c == '_' ? '/' : c;
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

long base64_decode(const char *text, size_t len, bool url, uint8_t *out)
{
	size_t body = len, n = 0;
	uint32_t bits = 0;
	while (body && body > len - 2 && text[body - 1] == '=')
		body--;
	if (!len || len % 4)
		return -1;
	for (size_t i = 0; i < body; i++) {
		int v = value_of(text[i], url);
		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* Bits that nobody reads have to be 0. */
	if (body % 4 == 1 || (body % 4 == 2 && (bits & 15)) || (body % 4 == 3 && (bits & 3)))
		return -1;
	return (long)n;
}
