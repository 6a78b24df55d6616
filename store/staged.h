/* staged: tasks of unapproved/ as they were judged (promote.h), and which of them may go on together where some wait
 * for others (schema/need.h). */
#ifndef STAGED_H
#define STAGED_H
#include "ledger.h"

enum staged_verdict {
	STAGED_READY,	/* goes to queue/ with approved_by */
	STAGED_INVALID, /* goes to failed/ with the reasons: its submitter sees them, and nobody trips over it again */
	STAGED_LEFT	/* stays: its id is elsewhere in the ledger, or nothing says who approved it */
};
struct staged {
	char id[65];
	enum staged_verdict verdict;
	char *why;	       /* INVALID: "line:col: field: message" a line; LEFT: one line; else NULL */
	struct json *doc;      /* what will stand in the ledger; NULL when LEFT */
	char *approver;	       /* the commit that brought it, short, and its author, fit to be shown; NULL when LEFT */
	char mode[8], oid[72]; /* as the tree has it */
	long long size;
	bool judged, settled; /* settled: it was to land, and the ledger's answer is there: */
	bool landed;
};
struct staged_list {
	struct staged *v;
	size_t n;
};
struct staged_ids { /* all ids of the ledger */
	struct strs in[TASK_N_STATES];
};
const struct staged *staged_of(const struct staged_list *s, const char *id); /* NULL: it is not in the list */
/* Who waits for what neither is on the branch nor comes along is left, and so is who waits for himself; the others are
 * put behind those that they wait for. */
void staged_judge_needs(const struct staged_ids *all, struct staged_list *list);
void staged_forget(struct staged *s); /* frees what it owns */
void staged_clear(struct staged_list *s);
#endif
