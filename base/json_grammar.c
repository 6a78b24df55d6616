#include "base/json_grammar.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The value of a hexadecimal digit, or -1. Not isxdigit: the locale has no say. */
int json_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

struct check {
	const unsigned char *s;
	size_t len, pos;
	unsigned line;
	size_t line_start;
	unsigned depth;
	unsigned tokens; /* values and member names so far */
	struct json_error *e;
};

void json_error_set(struct json_error *e, unsigned line, unsigned col, const char *fmt, ...)
{
	va_list ap;

	e->line = line;
	e->col = col;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
}

/* The byte at the cursor, -1 at the end. */
static int peek(const struct check *k)
{
	return k->pos < k->len ? k->s[k->pos] : -1;
}

static unsigned column(const struct check *k)
{
	return (unsigned)(k->pos - k->line_start) + 1;
}

static bool fail(struct check *k, const char *what)
{
	json_error_set(k->e, k->line, column(k), "%s", what);
	return false;
}

static bool fail_expected(struct check *k, const char *expected)
{
	int c = peek(k);

	if (c < 0)
		json_error_set(k->e, k->line, column(k), "expected %s, found the end of the text", expected);
	else if (c > 0x20 && c < 0x7F)
		json_error_set(k->e, k->line, column(k), "expected %s, found '%c'", expected, c);
	else
		json_error_set(k->e, k->line, column(k), "expected %s, found byte 0x%02X", expected, (unsigned)c);
	return false;
}

static void skip_space(struct check *k)
{
	for (;; k->pos++) {
		int c = peek(k);

		if (c == '\n') {
			k->line++;
			k->line_start = k->pos + 1;
		} else if (c != ' ' && c != '\t' && c != '\r') {
			return;
		}
	}
}

/* The four digits from pos on, or -1. */
static long hex4_at(const struct check *k, size_t pos)
{
	long v = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = pos + i < k->len ? json_hex_digit(k->s[pos + i]) : -1;

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* Errors point at the backslash. */
static bool check_escape(struct check *k)
{
	int c = k->pos + 1 < k->len ? k->s[k->pos + 1] : -1;
	long u;

	if (c != 'u') {
		if (c <= 0 || !strchr("\"\\/bfnrt", c))
			return fail(k, "invalid escape, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
		k->pos += 2;
		return true;
	}
	u = hex4_at(k, k->pos + 2);
	if (u < 0)
		return fail(k, "invalid escape, expected four hexadecimal digits after \\u");
	if (u >= 0xDC00 && u <= 0xDFFF)
		return fail(k, "low surrogate without a high surrogate before it");
	if (u >= 0xD800 && u <= 0xDBFF) {
		size_t second = k->pos + 6;
		long low = second + 1 < k->len && k->s[second] == '\\' && k->s[second + 1] == 'u'
			       ? hex4_at(k, second + 2)
			       : -1;

		if (low < 0xDC00 || low > 0xDFFF)
			return fail(k, "high surrogate without a low surrogate after it");
		k->pos += 6;
	}
	k->pos += 6;
	return true;
}

/* It stands for itself in a string. */
static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static bool check_string(struct check *k)
{
	unsigned start = column(k);

	k->tokens++;
	k->pos++;
	for (;;) {
		int c;

		while (k->pos < k->len && plain(k->s[k->pos]))
			k->pos++;
		c = peek(k);
		if (c < 0) {
			json_error_set(k->e, k->line, column(k),
				       "the text ends inside the string that starts in column %u, expected '\"'",
				       start);
			return false;
		}
		if (c == '"') {
			k->pos++;
			return true;
		}
		if (c == '\\') {
			if (!check_escape(k))
				return false;
		} else if (c < 0x20) {
			json_error_set(k->e, k->line, column(k),
				       "control character 0x%02X in a string, expected it as an escape", (unsigned)c);
			return false;
		} else {
			size_t n = utf8_next((const char *)k->s + k->pos, k->len - k->pos, NULL);

			if (n == 0) {
				json_error_set(k->e, k->line, column(k), "invalid UTF-8 in a string, at byte 0x%02X",
					       (unsigned)c);
				return false;
			}
			k->pos += n;
		}
	}
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool check_digits(struct check *k)
{
	if (!is_digit(peek(k)))
		return fail_expected(k, "a digit");
	while (is_digit(peek(k)))
		k->pos++;
	return true;
}

static bool check_number(struct check *k)
{
	k->tokens++;
	if (peek(k) == '-')
		k->pos++;
	if (peek(k) == '0') {
		k->pos++;
		if (is_digit(peek(k)))
			return fail(k, "a number must not have leading zeros");
	} else if (!check_digits(k)) {
		return false;
	}
	if (peek(k) == '.') {
		k->pos++;
		if (!check_digits(k))
			return false;
	}
	if (peek(k) == 'e' || peek(k) == 'E') {
		k->pos++;
		if (peek(k) == '+' || peek(k) == '-')
			k->pos++;
		if (!check_digits(k))
			return false;
	}
	return true;
}

static bool check_word(struct check *k, const char *word)
{
	size_t n = strlen(word);

	if (k->len - k->pos < n || memcmp(k->s + k->pos, word, n) != 0) {
		json_error_set(k->e, k->line, column(k), "expected a value, found a word that is not \"%s\"", word);
		return false;
	}
	k->tokens++;
	k->pos += n;
	return true;
}

static bool check_value(struct check *k);

/* Array or object, from its bracket on. */
static bool check_container(struct check *k, bool object)
{
	int close = object ? '}' : ']';

	if (k->depth == JSON_MAX_DEPTH) {
		json_error_set(k->e, k->line, column(k), "nested too deeply, expected at most %d levels",
			       JSON_MAX_DEPTH);
		return false;
	}
	k->depth++;
	k->tokens++;
	k->pos++;
	skip_space(k);
	if (peek(k) == close)
		goto closed;
	for (;;) {
		if (object) {
			if (peek(k) != '"')
				return fail_expected(k, "a member name in double quotes");
			if (!check_string(k))
				return false;
			skip_space(k);
			if (peek(k) != ':')
				return fail_expected(k, "':' after the member name");
			k->pos++;
			skip_space(k);
		}
		if (!check_value(k))
			return false;
		skip_space(k);
		if (peek(k) == close)
			goto closed;
		if (peek(k) != ',')
			return fail_expected(k, object ? "',' or '}'" : "',' or ']'");
		k->pos++;
		skip_space(k);
	}
closed:
	k->pos++;
	k->depth--;
	return true;
}

static bool check_value(struct check *k)
{
	int c = peek(k);

	switch (c) {
	case '{':
		return check_container(k, true);
	case '[':
		return check_container(k, false);
	case '"':
		return check_string(k);
	case 't':
		return check_word(k, "true");
	case 'f':
		return check_word(k, "false");
	case 'n':
		return check_word(k, "null");
	default:
		if (c == '-' || is_digit(c))
			return check_number(k);
		return fail_expected(k, "a value");
	}
}

static bool check_document(struct check *k)
{
	if (k->len >= 3 && memcmp(k->s, "\xEF\xBB\xBF", 3) == 0)
		return fail(k, "byte order mark, expected UTF-8 without one");
	skip_space(k);
	if (!check_value(k))
		return false;
	skip_space(k);
	if (k->pos < k->len)
		return fail_expected(k, "the end of the text after the document");
	return true;
}

bool json_grammar(const char *text, size_t len, unsigned *tokens, struct json_error *e)
{
	struct check k = {.s = (const unsigned char *)text, .len = len, .line = 1, .e = e};

	if (!check_document(&k))
		return false;
	*tokens = k.tokens;
	return true;
}
