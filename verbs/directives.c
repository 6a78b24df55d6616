#include "verbs/directives.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "#DGRID"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A line of that kind: what stands after the mark; NULL: another. */
static const char *after_mark(const char *line)
{
	const char *rest = line + strlen(MARK);
	return !strncmp(line, MARK, strlen(MARK)) && (!*rest || *rest == '\n' || blank(*rest)) ? rest : NULL;
}

/* One word, whose quotes go; *p moves behind it. NULL: a quote is not closed. */
static char *word(const char **p)
{
	struct buf b = {0};
	char open = 0;
	const char *c = *p;
	for (; *c && *c != '\n' && (open || !blank(*c)); c++) {
		if (*c == open)
			open = 0;
		else if (!open && (*c == '\'' || *c == '"'))
			open = *c;
		else if (*c == '\\' && open != '\'' && c[1] && c[1] != '\n' && (!open || strchr("\"\\$`", c[1])))
			buf_add(&b, ++c, 1);
		else
			buf_add(&b, c, 1);
	}
	*p = c;
	if (open) {
		buf_clear(&b);
		return NULL;
	}
	return buf_detach(&b);
}

/* The words of a line, up to its end or a comment. */
static int words(const char *p, struct strs *out, struct err *e)
{
	for (;;) {
		while (blank(*p))
			p++;
		if (!*p || *p == '\n' || *p == '#')
			return 0;
		char *one = word(&p);
		if (!one)
			return err_set(e, ERR_USAGE, "a quote is not closed");
		strs_add(out, one);
		free(one);
	}
}

static int read_line(const struct verb *v, const char *rest, struct strs *kept,
		     int (*take)(void *ctx, int key, struct usage_scan *s, struct err *e), void *ctx, struct err *e)
{
	size_t first = kept->n;
	strs_add(kept, v->name);
	if (words(rest, kept, e))
		return -1;
	int n = (int)(kept->n - first), key;
	char **argv = xcalloc((size_t)n + 1, sizeof *argv); /* getopt changes their order */
	memcpy(argv, kept->v + first, (size_t)n * sizeof *argv);
	struct usage_scan s = {.verb = v, .argc = n, .argv = argv};
	int rc = 0;
	while (!rc && (key = usage_next(&s, e)) != 0)
		rc = key < 0 ? -1 : take(ctx, key, &s, e);
	if (!rc && (s.rest < n || s.dashes))
		rc = err_set(e, ERR_USAGE, "unexpected '%.100s' (expected options alone)",
			     s.dashes ? "--" : argv[s.rest]);
	free(argv);
	return rc;
}

int directives_read(const struct verb *v, const char *where, const char *script, struct strs *kept,
		    int (*take)(void *ctx, int key, struct usage_scan *s, struct err *e), void *ctx, struct err *e)
{
	bool head = true;
	int number = 1;
	for (const char *line = script; *line; number++) {
		const char *rest = after_mark(line), *p = line;
		while (blank(*p))
			p++;
		head = head && (*p == '#' || *p == '\n' || !*p);
		if (rest && !head)
			fprintf(stderr, "dgrid: %s:%d: " MARK " after the first command is a comment like any other\n",
				where, number);
		else if (rest && read_line(v, rest, kept, take, ctx, e))
			return err_wrap(e, "%.200s:%d", where, number);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return 0;
}
