#include "base/problem.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SHOWN 300
#define MESSAGE_MAX 900

static bool harmless(uint32_t u)
{
	return u >= 0x20 && !(u >= 0x7F && u < 0xA0) && u != 0xAD && u != 0x61C && !(u >= 0x200B && u <= 0x200F) &&
	       !(u >= 0x2028 && u <= 0x202E) && !(u >= 0x2060 && u <= 0x206F) && u != 0xFEFF &&
	       !(u >= 0xE0000 && u <= 0xE0FFF);
}

void problem_escape(struct buf *out, const char *s, size_t len, size_t max, bool name)
{
	size_t from = out->len;
	for (size_t i = 0, n; i < len; i += n) {
		const unsigned char *c = (const unsigned char *)s + i;
		uint32_t u = 0;
		if (out->len - from >= max) {
			buf_addf(out, "... (%zu bytes)", len);
			return;
		}
		n = utf8_next(s + i, len - i, &u);
		/* "::" begins a workflow command at the start of a line, "##[" anywhere in it. */
		bool command = (len - i > 1 && c[0] == ':' && c[1] == ':') || (len - i > 2 && !memcmp(c, "##[", 3));
		if (!n || command || (u < 0x80 && !harmless(u))) {
			buf_addf(out, "\\x%02X", c[0]);
			n = 1;
		} else if (!harmless(u))
			buf_addf(out, "\\u{%04X}", (unsigned)u);
		else if (u == '\\' && name)
			buf_adds(out, "\\\\");
		else
			buf_add(out, c, n);
	}
	buf_adds(out, "");
}

static char *escaped(const char *s, size_t max, bool name)
{
	struct buf b = {0};
	problem_escape(&b, s, strlen(s), max, name);
	return buf_detach(&b);
}

static void add(struct problems *p, unsigned line, unsigned col, const char *field, const char *fmt, va_list ap)
{
	char said[4 * MESSAGE_MAX];
	p->n++;
	if (p->told > PROBLEMS_TOLD_MAX)
		return;
	if (p->told == PROBLEMS_TOLD_MAX) {
		snprintf(said, sizeof said, "and more, which are not told");
		field = NULL;
	} else
		vsnprintf(said, sizeof said, fmt, ap);
	p->v = xrealloc(p->v, (p->told + 1) * sizeof *p->v);
	struct problem *one = &p->v[p->told++];
	*one = (struct problem){.file = escaped(p->file ? p->file : "", NAME_MAX_SHOWN, true),
				.line = line,
				.col = col,
				.field = escaped(field ? field : "", NAME_MAX_SHOWN, true),
				.message = escaped(said, MESSAGE_MAX, false)};
	char place[32] = "";
	if (!p->made)
		snprintf(place, sizeof place, "%u:%u", line, col);
	buf_addf(&p->text, "%s%s%s: %s%s%s\n", one->file, *one->file && *place ? ":" : "", place, one->field,
		 *one->field ? ": " : "", one->message);
}

void problem_in(struct problems *p, unsigned line, unsigned col, const char *field, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(p, line, col, field, fmt, ap);
	va_end(ap);
}

void problem_at(struct problems *p, unsigned line, unsigned col, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(p, line, col, NULL, fmt, ap);
	va_end(ap);
}

void problems_clear(struct problems *p)
{
	for (size_t i = 0; i < p->told; i++) {
		free(p->v[i].file);
		free(p->v[i].field);
		free(p->v[i].message);
	}
	free(p->v);
	buf_clear(&p->text);
	*p = (struct problems){0};
}

/* As GitHub's toolkit escapes data and, with property, what stands before the second "::". */
static void annotate(struct buf *out, const char *s, bool property)
{
	for (; *s; s++)
		if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ',')))
			buf_addf(out, "%%%02X", (unsigned char)*s);
		else
			buf_add(out, s, 1);
}

void problems_annotate(const struct problems *p, struct buf *out)
{
	for (size_t i = 0; i < p->told; i++) {
		const struct problem *one = &p->v[i];
		buf_adds(out, "::error file=");
		annotate(out, one->file, true);
		buf_addf(out, ",line=%u,col=%u::", one->line, one->col);
		annotate(out, one->field, false);
		buf_adds(out, *one->field ? ": " : "");
		annotate(out, one->message, false);
		buf_adds(out, "\n");
	}
}
