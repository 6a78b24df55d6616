#include "base/table.h"
#include "base/text.h"
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2
#define COLUMNS_MAX 16
#define CELL_MAX 1000 /* columns of a cell that are kept: a stranger may have written a megabyte */

struct table_cell {
	char *text; /* clean */
	enum paint paint;
	bool note; /* stands for a whole row */
};

static void add(struct table *t, const char *text, enum paint p, bool note)
{
	struct buf b = {0};
	if (t->n_cells == t->room) {
		t->room = t->room ? 2 * t->room : 256;
		t->cells = xrealloc(t->cells, t->room * sizeof *t->cells);
	}
	text_clean(&b, text, SIZE_MAX, CELL_MAX);
	t->cells[t->n_cells++] = (struct table_cell){.text = buf_detach(&b), .paint = p, .note = note};
}

void table_cell(struct table *t, const char *text, enum paint p)
{
	add(t, text, p, false);
}

void table_note(struct table *t, const char *text)
{
	add(t, text, PAINT_DIM, true);
}

const char *paint_code(enum paint p)
{
	static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[33m", "\033[2m"};
	return codes[p];
}

bool table_colour(void)
{
	return table_colour_on(STDOUT_FILENO);
}

bool table_colour_on(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(fd) && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

void table_terminal(int *columns, int *rows)
{
	struct winsize w;
	*columns = *rows = 0;
	if (!isatty(STDOUT_FILENO))
		return;
	bool known = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	*columns = known && w.ws_col ? w.ws_col : 80;
	*rows = known && w.ws_row ? w.ws_row : 24;
}

/* How wide each column becomes: as its widest cell, within its limits; on a narrow terminal the last give way first. */
static void measure(const struct table *t, int width, int *widths)
{
	int all = GAP * ((int)t->n - 1);
	for (size_t k = 0; k < t->n; k++)
		widths[k] = text_columns(t->columns[k].title);
	for (size_t i = 0, k = 0; i < t->n_cells; i++) {
		if (t->cells[i].note)
			continue;
		int w = text_columns(t->cells[i].text);
		widths[k] = w > widths[k] ? w : widths[k];
		k = (k + 1) % t->n;
	}
	for (size_t k = 0; k < t->n; k++) {
		int max = t->columns[k].max;
		/* On a terminal the last column takes what is there. */
		if (max && widths[k] > max && !(width && k + 1 == t->n))
			widths[k] = max;
		all += widths[k];
	}
	for (size_t k = t->n; width && k-- > 0 && all > width;) {
		int min = t->columns[k].min, spare = min && widths[k] > min ? widths[k] - min : 0;
		spare = spare < all - width ? spare : all - width;
		widths[k] -= spare;
		all -= spare;
	}
}

static void put(struct buf *out, const char *text, int width, const struct column *c, enum paint p, bool last)
{
	struct buf b = {0};
	int used = text_clean(&b, text, SIZE_MAX, width), pad = width - used;
	for (int i = 0; c->right && i < pad; i++)
		buf_add(out, " ", 1);
	if (p && used) {
		buf_adds(out, paint_code(p));
		buf_add(out, b.data, b.len);
		buf_adds(out, "\033[0m");
	} else
		buf_add(out, b.data ? b.data : "", b.len);
	for (int i = 0; !last && i < (c->right ? 0 : pad) + GAP; i++)
		buf_add(out, " ", 1);
	buf_clear(&b);
}

void table_text(const struct table *t, int width, bool colour, struct buf *out)
{
	int widths[COLUMNS_MAX];
	measure(t, width, widths);
	for (size_t k = 0; k < t->n; k++)
		put(out, t->columns[k].title, widths[k], &t->columns[k], PAINT_NONE, k + 1 == t->n);
	buf_adds(out, "\n");
	for (size_t i = 0, k = 0; i < t->n_cells; i++) {
		const struct table_cell *c = &t->cells[i];
		enum paint p = colour ? c->paint : PAINT_NONE;
		if (c->note) {
			put(out, c->text, width ? width : INT_MAX, &(struct column){0}, p, true);
			buf_adds(out, "\n");
			continue;
		}
		put(out, c->text, widths[k], &t->columns[k], p, k + 1 == t->n);
		if ((k = (k + 1) % t->n) == 0)
			buf_adds(out, "\n");
	}
}

void table_markdown(const struct table *t, struct buf *out)
{
	for (size_t k = 0; k < t->n; k++)
		buf_addf(out, "| %s ", t->columns[k].title);
	buf_adds(out, "|\n");
	for (size_t k = 0; k < t->n; k++)
		buf_adds(out, t->columns[k].right ? "| ---: " : "| --- ");
	buf_adds(out, "|\n");
	for (size_t i = 0, k = 0; i < t->n_cells; i++) {
		if (t->cells[i].note) {
			buf_adds(out, "| ");
			text_markdown(out, t->cells[i].text, true);
			for (size_t m = 0; m < t->n; m++)
				buf_adds(out, m ? " |" : "");
			buf_adds(out, " |\n");
			continue;
		}
		/* A cut cell stays one: the cut comes before the escapes. */
		struct buf b = {0};
		int max = t->columns[k].max;
		text_clean(&b, t->cells[i].text, SIZE_MAX, max ? max : INT_MAX);
		buf_adds(out, "| ");
		text_markdown(out, b.data ? b.data : "", t->columns[k].ours);
		buf_adds(out, " ");
		buf_clear(&b);
		if ((k = (k + 1) % t->n) == 0)
			buf_adds(out, "|\n");
	}
}

void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){.columns = t->columns, .n = t->n};
}
