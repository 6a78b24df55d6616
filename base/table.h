/* table: rows of cells as aligned columns, or as a table of GitHub's Markdown.
 *   struct table t = {.columns = columns, .n = n}; table_cell(&t, text, paint) for each cell, row by row;
 *   table_note(&t, text) between rows -> table_text or table_markdown -> table_clear
 */
#ifndef TABLE_H
#define TABLE_H
#include "base/buf.h"
#include <stdbool.h>

enum paint { PAINT_NONE, PAINT_GREEN, PAINT_RED, PAINT_YELLOW, PAINT_DIM };
struct column {
	const char *title;
	int max, min; /* columns of the screen; min: it may be narrowed to that on a narrow terminal, 0: never */
	bool right;   /* aligned to the right */
	bool ours;    /* made by dgrid alone, not by a stranger */
};
struct table {
	const struct column *columns; /* borrowed */
	size_t n;
	struct table_cell *cells;
	size_t n_cells, room;
};
void table_cell(struct table *t, const char *text, enum paint p); /* cleaned, see text_clean */
void table_note(struct table *t, const char *text);		  /* a line of its own; only between rows */
/* width: of the terminal, 0: any; the titles come first. */
void table_text(const struct table *t, int width, bool colour, struct buf *out);
void table_markdown(const struct table *t, struct buf *out);
void table_clear(struct table *t);

const char *paint_code(enum paint p); /* the escape sequence that begins it; "\033[0m" ends */
/* What stdout is: colour on a terminal without NO_COLOR, unless it is dumb; columns and rows, 0: no terminal. */
bool table_colour(void);
bool table_colour_on(int fd); /* the same of another file */
void table_terminal(int *columns, int *rows);
#endif
