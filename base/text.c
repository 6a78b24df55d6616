#include "base/text.h"
#include "base/utf8.h"
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BAD 0x80 /* a byte that is no UTF-8, or not the whole character: as a control character */

/* The character at s; *n: its bytes. */
static uint32_t decode(const char *s, size_t len, size_t *n)
{
	uint32_t c = BAD;
	*n = utf8_next(s, len, &c);
	*n += !*n;
	return c;
}

/* Control characters, line separators, and what turns the direction of writing (it hides what stands there). */
static bool harmful(uint32_t c)
{
	return c < 32 || (c >= 127 && c < 160) || c == 0x061C || (c >= 0x200E && c <= 0x200F) ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || (c >= 0xE0000 && c <= 0xE007F);
}

static bool within(uint32_t c, const uint32_t (*ranges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

static int columns_of(uint32_t c)
{
	static const uint32_t none[][2] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
					   {0x064B, 0x065F}, {0x200B, 0x200D}, {0x20D0, 0x20F0},
					   {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}},
			      wide[][2] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
					   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
					   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
					   {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};
	if (c < 0x300)
		return 1;
	if (within(c, none, sizeof none / sizeof *none))
		return 0;
	return within(c, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

int text_clean(struct buf *out, const char *s, size_t len, int max)
{
	int used = 0, fit = 0;
	size_t begin = out->len, fit_len = begin, n;
	len = strnlen(s, len);
	for (size_t i = 0; i < len; i += n) {
		uint32_t c = decode(s + i, len - i, &n);
		bool bad = harmful(c);
		int width = bad ? 1 : columns_of(c);
		if (used + width > max) {
			int dots = max - fit < 2 ? max - fit : 2;
			out->len = fit_len;
			buf_add(out, "..", (size_t)dots);
			return fit + dots;
		}
		if (bad)
			buf_add(out, " ", 1);
		else
			buf_add(out, s + i, n);
		used += width;
		if (used <= max - 2) {
			fit = used;
			fit_len = out->len;
		}
	}
	buf_add(out, "", 0);
	return used;
}

int text_columns(const char *s)
{
	int used = 0;
	size_t len = strlen(s), n;
	for (size_t i = 0; i < len; i += n)
		used += columns_of(decode(s + i, len - i, &n));
	return used;
}

void text_markdown(struct buf *out, const char *s, bool ours)
{
	struct buf clean = {0};
	text_clean(&clean, s, SIZE_MAX, INT_MAX);
	if (clean.len && !ours)
		buf_adds(out, "<code>");
	for (size_t i = 0; i < clean.len; i++) {
		unsigned char c = (unsigned char)clean.data[i];
		if (c < 128 && !isalnum(c) && c != ' ' && !(ours && strchr(".,;-/", c)))
			buf_addf(out, "&#%u;", c);
		else
			buf_add(out, &clean.data[i], 1);
	}
	if (clean.len && !ours)
		buf_adds(out, "</code>");
	buf_clear(&clean);
}

void text_output(struct buf *out, const char *s, size_t len)
{
	size_t n;
	for (size_t i = 0; i < len; i += n) {
		uint32_t c = decode(s + i, len - i, &n);
		if (harmful(c) && c != '\n' && c != '\t')
			buf_adds(out, "\xEF\xBF\xBD");
		else
			buf_add(out, s + i, n);
	}
}

size_t text_differences(const char *a, const char *b)
{
	size_t d[3][40], la = strlen(a), lb = strlen(b);
	if (la > 39 || lb > 39)
		return 3;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = d[i % 3], *last = d[(i + 2) % 3], *before = d[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (now[j] > last[j] + 1)
				now[j] = last[j] + 1;
			if (now[j] > now[j - 1] + 1)
				now[j] = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    now[j] > before[j - 2] + 1)
				now[j] = before[j - 2] + 1;
		}
	}
	return d[la % 3][lb] < 3 ? d[la % 3][lb] : 3;
}
