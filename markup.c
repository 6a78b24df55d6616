#include "markup.h"
#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu

/* The code point at s; *n gets its bytes (1 for a byte that is no UTF-8). */
static unsigned next_char(const char *s, size_t len, size_t *n)
{
	const unsigned char *p = (const unsigned char *)s;
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need = p[0] < 0x80		    ? 1
		      : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
		      : (p[0] & 0xF0) == 0xE0	    ? 3
		      : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
						    : 0;
	unsigned c = need == 1 ? p[0] : need ? p[0] & (0xFFu >> (need + 1)) : 0;
	*n = 1;
	if (!need || need > len)
		return REPLACEMENT;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return REPLACEMENT;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (need > 1 && (c < least[need] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)))
		return REPLACEMENT;
	*n = need;
	return c;
}

/* What is shown in its place. */
static unsigned seemly(unsigned c)
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

static void put(struct buf *out, unsigned c)
{
	unsigned char b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
	for (size_t i = n; i-- > 1; c >>= 6)
		b[i] = (unsigned char)(0x80 | (c & 0x3F));
	b[0] = (unsigned char)(lead[n] | c);
	buf_add(out, b, n);
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
		unsigned c = seemly(next_char(s + i, len - i, &n));
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
		unsigned c = seemly(next_char(s + i, len - i, &n));
		if (c < 0x20 || strchr("<>&\"\\", (int)(c < 0x80 ? c : 'x')) || c == 0x2028 || c == 0x2029)
			buf_addf(out, "\\u%04x", c);
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
