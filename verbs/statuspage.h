/* statuspage: the grid at a glance, as status prints it: counts, and a row a task. */
#ifndef STATUSPAGE_H
#define STATUSPAGE_H
#include "store/record.h"
#include "verbs/report.h"

/* What is looked at: the grid, and of it all tasks or those that were asked for. */
struct page {
	const struct context *ctx;
	const struct report_options *o;
	struct snapshot s; /* as seen last */
	struct selected_list of;
	struct record r;
};

bool statuspage_is_part(const struct page *p);
/* Tasks by state; ended gets how many ended how. The caller's. */
struct json *statuspage_counts(const struct page *p, struct json *ended);
void statuspage_text(const struct page *p, int width, struct buf *out); /* width: columns of a terminal, 0: none */
void statuspage_markdown(const struct page *p, struct buf *out);	/* for the summary of a job */
#endif
