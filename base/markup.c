#include "base/markup.h"
#include "base/utf8.h"
#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu

/* The character at s; *n: its bytes. */
static uint32_t next_char(const char *s, size_t len, size_t *n)
{
	uint32_t c = REPLACEMENT;
	*n = utf8_next(s, len, &c);
	*n += !*n;
	return c;
}

/* What is shown in its place. */
static uint32_t seemly(uint32_t c)
{
	if (c < 0x20 && c != '\t' && c != '\n')
		return 0x2400 + c; /* its picture: an escape sequence shows as one */
	if (c == 0x7F)
		return 0x2421;
	bool control = c >= 0x80 && c < 0xA0, none = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c < 0xFDF0);
	bool turns =
	    (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x61C;
	return control || none || turns ? REPLACEMENT : c;
}

static void put(struct buf *out, uint32_t c)
{
	char bytes[4];
	buf_add(out, bytes, utf8_put(bytes, c));
}

void markup_html(struct buf *out, const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		size_t plain = 0;
		while (i + plain < len && (unsigned char)s[i + plain] >= 0x20 && (unsigned char)s[i + plain] < 0x7F &&
		       !strchr("<>&\"'", s[i + plain]))
			plain++;
		if ((n = plain)) {
			buf_add(out, s + i, plain);
			continue;
		}
		uint32_t c = seemly(next_char(s + i, len - i, &n));
		switch (c) {
		case '<':
			buf_adds(out, "&lt;");
			break;
		case '>':
			buf_adds(out, "&gt;");
			break;
		case '&':
			buf_adds(out, "&amp;");
			break;
		case '"':
			buf_adds(out, "&quot;");
			break;
		case '\'':
			buf_adds(out, "&#39;");
			break;
		default:
			put(out, c);
		}
	}
}

void markup_json(struct buf *out, const char *s, size_t len)
{
	buf_add(out, "\"", 1);
	for (size_t i = 0, n; i < len; i += n) {
		size_t plain = 0;
		while (i + plain < len && (unsigned char)s[i + plain] >= 0x20 && (unsigned char)s[i + plain] < 0x7F &&
		       !strchr("<>&\"\\", s[i + plain]))
			plain++;
		if ((n = plain)) {
			buf_add(out, s + i, plain);
			continue;
		}
		uint32_t c = seemly(next_char(s + i, len - i, &n));
		if (c < 0x20 || strchr("<>&\"\\", (int)(c < 0x80 ? c : 'x')) || c == 0x2028 || c == 0x2029)
			buf_addf(out, "\\u%04x", (unsigned)c);
		else
			put(out, c);
	}
	buf_add(out, "\"", 1);
}

size_t markup_cut(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((unsigned char)s[max] & 0xC0) == 0x80)
		max--;
	return max;
}
