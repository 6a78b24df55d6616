#include "base/csv.h"
#include "base/utf8.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

static int wrong(const struct csv *c, long line, long col, struct err *e, const char *what)
{
	return err_set(e, ERR_DATA, "%.200s:%ld:%ld: %s", c->name, line, col, what);
}

static long column(const struct csv *c)
{
	return (long)(c->at - c->start) + 1;
}

static bool ends_row(const struct csv *c, size_t at)
{
	return at == c->len || c->text[at] == '\n' ||
	       (c->text[at] == '\r' && at + 1 < c->len && c->text[at + 1] == '\n');
}

/* From the quote on; at stands behind the closing one after it. */
static int quoted(struct csv *c, long line, struct buf *cell, struct err *e)
{
	long col = column(c);
	for (c->at++;; c->at++) {
		if (c->at == c->len)
			return wrong(c, line, col, e, "a quote that is not closed (expected \" before the end)");
		if (c->text[c->at] == '"' && (c->at + 1 == c->len || c->text[c->at + 1] != '"'))
			break;
		c->at += c->text[c->at] == '"';
		if (c->text[c->at] == '\n') {
			c->line++;
			c->start = c->at + 1;
		}
		buf_add(cell, c->text + c->at, 1);
	}
	c->at++;
	if (!ends_row(c, c->at) && c->text[c->at] != ',')
		return wrong(c, line, col, e,
			     "more behind a closed quote (expected a comma; a quote in quotes is two)");
	return 0;
}

static int plain(struct csv *c, struct buf *cell, struct err *e)
{
	for (; !ends_row(c, c->at) && c->text[c->at] != ','; c->at++) {
		if (c->text[c->at] == '"')
			return wrong(c, c->line, column(c), e,
				     "a quote within a cell (expected the whole cell in quotes, and two for one)");
		buf_add(cell, c->text + c->at, 1);
	}
	return 0;
}

static int cell(struct csv *c, struct csv_row *row, struct err *e)
{
	struct buf b = {0};
	long col = column(c), line = c->line;
	buf_add(&b, "", 0);
	int rc = c->at < c->len && c->text[c->at] == '"' ? quoted(c, line, &b, e) : plain(c, &b, e);
	if (!rc && strlen(b.data) != b.len)
		rc = wrong(c, line, col, e, "a NUL in a cell (expected text)");
	else if (!rc && utf8_valid(b.data, b.len) != b.len)
		rc = wrong(c, line, col, e, "a cell that is not UTF-8 (expected text in UTF-8)");
	if (!rc) {
		row->cols = xrealloc(row->cols, (row->cells.n + 1) * sizeof *row->cols);
		row->cols[row->cells.n] = col;
		strs_add(&row->cells, b.data);
	}
	buf_clear(&b);
	return rc;
}

static void end_row(struct csv *c)
{
	c->at += c->at < c->len && c->text[c->at] == '\r';
	c->at += c->at < c->len;
}

int csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
	csv_clear(row);
	if (!c->at && c->len >= 3 && !memcmp(c->text, BYTE_ORDER_MARK, 3))
		c->at = 3;
	for (; c->at < c->len && ends_row(c, c->at); c->line++)
		end_row(c);
	if (c->at == c->len)
		return 0;
	c->start = c->at;
	row->line = ++c->line;
	while (!cell(c, row, e)) {
		if (ends_row(c, c->at)) {
			end_row(c);
			return 1;
		}
		c->at++; /* the comma */
	}
	return -1;
}

void csv_clear(struct csv_row *row)
{
	strs_clear(&row->cells);
	free(row->cols);
	*row = (struct csv_row){0};
}

void csv_put(struct buf *out, const char *text)
{
	bool bare = !strpbrk(text, "\",\r\n");
	buf_adds(out, bare ? text : "\"");
	for (; !bare && *text; text++)
		buf_addf(out, *text == '"' ? "\"\"" : "%c", *text);
	buf_adds(out, bare ? "" : "\"");
}
