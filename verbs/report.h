/* report: what the verbs that show the grid share: their options, times in words, rows of tasks. */
#ifndef REPORT_H
#define REPORT_H
#include "base/table.h"
#include "base/usage.h"
#include "verbs/commands.h"
#include "verbs/select.h"

struct report_options {
	bool json, all, markdown, follow, table, csv;
	const char *at;
	const char *atom; /* base URL of the feed, "" for none; NULL: no feed is asked for */
	long limit;	  /* rows of queued, and of finished tasks, unless --all or --limit says else */
	long watch;	  /* seconds between two looks; 0: look once */
	long every;	  /* the same of dgrid watch */
	const char *id;	  /* of the task, for the verbs that look at one */
	char **ids;	  /* of those that look at many */
	size_t n_ids;
	struct selection of;
};
enum report_operands { REPORT_NONE, REPORT_ANY, REPORT_ONE, REPORT_MANY };
/* The options of such a verb, by these keys: j --json, t --at, a --all, m --markdown, l --limit, w --watch, E --every,
 * f --follow, A --atom, T --table, V --csv, and those of select.h. REPORT_MANY: ids, or one of the latter; REPORT_ANY:
 * if any. report_clear also after an error.
 */
int report_options(struct report_options *o, const struct verb *v, int argc, char **argv, enum report_operands takes,
		   struct err *e);
void report_clear(struct report_options *o);

/* Prints {"schema": 1, "tasks": LIST}; where one task was named, and nothing else, that one alone with its schema. */
void report_list(const struct report_options *o, const struct json *list);

const char *report_span(int64_t seconds, char out[24]);			      /* "4 s", "12 min", "3 h", "2 d" */
char *report_names(const struct json *list);				      /* of strings: "n1, n2"; the caller's */
void report_copy(struct json *to, const struct json *from, const char *name); /* the member, when it is there */
enum paint report_paint(const char *status);				      /* of a task */
int report_nodes(const struct snapshot *s, struct json **nodes,
		 struct err *e);		      /* a list of what is known of each, the caller's */
struct json *report_counts(const struct snapshot *s); /* tasks by state, and "archived" */

/* How fast the grid works lately. Archived tasks are not seen, so where tasks are archived fast the time looked at is
 * shorter. */
struct pace {
	size_t finished; /* within the last seconds */
	int64_t seconds;
	double per_minute;
	int64_t oldest_queued; /* seconds since it was created; -1: none */
};
struct pace report_pace(const struct snapshot *s); /* documents loaded */
#endif
