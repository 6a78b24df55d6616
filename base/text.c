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
	/* Wide: what Unicode 14 calls wide or full-width, emoji among them. */
	static const uint32_t none[][2] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},	  {0x610, 0x61A},
					   {0x64B, 0x65F},   {0x6D6, 0x6DC},   {0x6DF, 0x6E4},	  {0x900, 0x902},
					   {0x93C, 0x93C},   {0x941, 0x948},   {0x94D, 0x94D},	  {0xE31, 0xE31},
					   {0xE34, 0xE3A},   {0xE47, 0xE4E},   {0x1AB0, 0x1AFF},  {0x1DC0, 0x1DFF},
					   {0x200B, 0x200D}, {0x2060, 0x2060}, {0x20D0, 0x20F0},  {0xFE00, 0xFE0F},
					   {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}},
			      wide[][2] = {
				  {0x1100, 0x115F},   {0x231A, 0x231B},	  {0x2329, 0x232A},   {0x23E9, 0x23EC},
				  {0x23F0, 0x23F0},   {0x23F3, 0x23F3},	  {0x25FD, 0x25FE},   {0x2614, 0x2615},
				  {0x2648, 0x2653},   {0x267F, 0x267F},	  {0x2693, 0x2693},   {0x26A1, 0x26A1},
				  {0x26AA, 0x26AB},   {0x26BD, 0x26BE},	  {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
				  {0x26D4, 0x26D4},   {0x26EA, 0x26EA},	  {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
				  {0x26FA, 0x26FA},   {0x26FD, 0x26FD},	  {0x2705, 0x2705},   {0x270A, 0x270B},
				  {0x2728, 0x2728},   {0x274C, 0x274C},	  {0x274E, 0x274E},   {0x2753, 0x2755},
				  {0x2757, 0x2757},   {0x2795, 0x2797},	  {0x27B0, 0x27B0},   {0x27BF, 0x27BF},
				  {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},	  {0x2B55, 0x2B55},   {0x2E80, 0x303E},
				  {0x3041, 0x3247},   {0x3250, 0x4DBF},	  {0x4E00, 0xA4C6},   {0xA960, 0xA97C},
				  {0xAC00, 0xD7A3},   {0xF900, 0xFAD9},	  {0xFE10, 0xFE19},   {0xFE30, 0xFE6B},
				  {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},	  {0x16FE0, 0x18D08}, {0x1AFF0, 0x1B2FB},
				  {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A},
				  {0x1F200, 0x1F320}, {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393},
				  {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3}, {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4},
				  {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D},
				  {0x1F54B, 0x1F54E}, {0x1F550, 0x1F567}, {0x1F57A, 0x1F57A}, {0x1F595, 0x1F596},
				  {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5}, {0x1F6CC, 0x1F6CC},
				  {0x1F6D0, 0x1F6D2}, {0x1F6D5, 0x1F6DF}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC},
				  {0x1F7E0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1F9FF},
				  {0x1FA70, 0x1FAF6}, {0x20000, 0x2EBE0}, {0x2F800, 0x3FFFD}};
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

size_t text_fit(const char *s, size_t len, int max)
{
	size_t at = 0, n;
	for (int used = 0; at < len; at += n) {
		used += columns_of(decode(s + at, len - at, &n));
		if (used > max && at)
			break;
	}
	return at;
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

/* A sequence that sets colours or weight, ESC [ digits ; m: its bytes; 0: none begins here. */
static size_t paint_at(const char *s, size_t len)
{
	size_t n = 2;
	if (len < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (n < len && n < 40 && (isdigit((unsigned char)s[n]) || s[n] == ';' || s[n] == ':'))
		n++;
	return n < len && s[n] == 'm' ? n + 1 : 0;
}

/* Any other that a terminal would take for one, ESC [ ... letter: it moves the cursor, or erases. */
static size_t sequence_at(const char *s, size_t len)
{
	size_t n = 2;
	if (len < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (n < len && s[n] >= 0x20 && s[n] <= 0x3F)
		n++;
	return n < len && s[n] >= 0x40 && s[n] <= 0x7E ? n + 1 : 0;
}

/* One line, or of what it wrote over its colours only. True: it ends painted. */
static bool stream_part(struct buf *out, const char *s, size_t len, bool colour, bool text, bool painted)
{
	size_t n;
	for (size_t i = 0; i < len; i += n) {
		size_t paint = paint_at(s + i, len - i), other = sequence_at(s + i, len - i);
		n = paint ? paint : other;
		if (paint && colour) {
			buf_add(out, s + i, n);
			painted = !(n == 3 || (n == 4 && s[i + 2] == '0'));
		} else if (!n) {
			decode(s + i, len - i, &n);
			if (text)
				text_output(out, s + i, n);
		}
	}
	return painted;
}

void text_stream(struct buf *out, const char *s, size_t len, bool colour)
{
	bool painted = false;
	if (len && *s == '\r' && !(len > 1 && s[1] == '\n'))
		buf_adds(out, "\r\033[K"); /* of a line that is there already */
	for (size_t i = 0; i < len;) {
		size_t end = i;
		while (end < len && s[end] != '\n')
			end++;
		size_t part = i, last = end;
		while (last > i && s[last - 1] == '\r')
			last--;
		for (size_t k = i; k < last; k++)
			part = s[k] == '\r' ? k + 1 : part;
		painted = stream_part(out, s + i, part - i, colour, false, painted);
		painted = stream_part(out, s + part, last - part, colour, true, painted);
		if (end < len)
			buf_adds(out, "\n");
		else if (last < end)
			buf_adds(out, "\r");
		i = end + 1;
	}
	buf_adds(out, painted ? "\033[0m" : "");
}

void text_wrap(struct buf *out, const char *text, int width)
{
	int at = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n");
		struct buf word = {0};
		for (size_t i = 0, k; i < n; i += k)
			if ((k = paint_at(p + i, n - i)) == 0)
				buf_add(&word, p + i, k = 1);
		buf_adds(&word, "");
		int columns = text_columns(word.data);
		buf_clear(&word);
		if (at && width && at + 1 + columns > width) {
			buf_adds(out, "\n  ");
			at = 2;
		} else if (at) {
			buf_adds(out, " ");
			at++;
		}
		buf_add(out, p, n);
		at += columns;
		p += n;
		if (*p == '\n') {
			buf_adds(out, "\n");
			at = 0;
		}
		p += *p != 0;
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

const char *text_nearer(const char *typed, const char *name, const char *best, size_t *off)
{
	size_t is = text_differences(typed, name);
	if (is >= *off)
		return best;
	*off = is;
	return name;
}

void text_quote(struct buf *out, const char *word)
{
	buf_adds(out, "'");
	for (; *word; word++)
		buf_addf(out, *word == '\'' ? "'\\''" : "%c", *word);
	buf_adds(out, "'");
}

void text_hex(char *out, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = bytes;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * n] = 0;
}
