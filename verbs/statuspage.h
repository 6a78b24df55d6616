/* statuspage: the grid at a glance, as status prints it: counts, and a row a task. */
#ifndef STATUSPAGE_H
#define STATUSPAGE_H
#include "store/record.h"
#include "verbs/report.h"

/* What is looked at: the grid, and of it all tasks or those that were asked for. */
struct statuspage {
	const struct context *ctx;
	const struct report_options *o;
	struct snapshot s; /* as seen last */
	struct selected_list of;
	struct record r;
};

/* Looks at the grid; what was seen before goes only when that succeeds. */
int statuspage_look(struct statuspage *p, struct err *e);
bool statuspage_is_part(const struct statuspage *p);
/* Tasks by state; ended gets how many ended how. The caller's. */
struct json *statuspage_counts(const struct statuspage *p, struct json *ended);
/* width: columns of a terminal, 0: none */
void statuspage_head(const struct statuspage *p, int width, struct buf *out); /* all above the table */
void statuspage_text(const struct statuspage *p, int width, struct buf *out);
void statuspage_markdown(const struct statuspage *p, struct buf *out); /* for the summary of a job */
/* Those whose state is in states (1 << TASK_...): what has ended newest first, others as they run. The caller frees the
 * list. */
const struct selected **statuspage_rows(const struct selected_list *of, unsigned states, size_t *n);
struct table statuspage_table(void);
void statuspage_row(struct table *t, const struct statuspage *p, const struct selected *one);
#endif
