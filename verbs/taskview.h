/* taskview: all about one task as text, as show prints it and watch shows it. */
#ifndef TASKVIEW_H
#define TASKVIEW_H
#include "store/snapshot.h"

struct taskview {
	const struct snapshot *s;
	const char *state, *path; /* where it stands */
	size_t points;		  /* rows of its points at most */
	int width;		  /* columns of the terminal; 0: none */
	bool colour;
};
void taskview_text(const struct taskview *v, const struct json *doc, struct buf *out); /* an object */
#endif
