/* voters: tasks that several nodes run, as a snapshot shows them: how far a vote is, who can go on, and how often each
 * node found something else than the quorum. */
#ifndef VOTERS_H
#define VOTERS_H
#include "schema/vote.h"
#include "store/snapshot.h"

struct voters {
	struct vote_terms terms; /* replicas 1: no vote is needed, the rest is 0 */
	size_t votes;
	char names[160]; /* who has voted, "n1, n2"; cut when long */
	size_t able;	 /* living nodes that carry its labels and have not voted */
	/* Of a queued task: so many more nodes are needed before it can be decided, at best. 0: there are enough. */
	size_t missing;
};
void voters_of(const struct snapshot *s, const struct json *doc, bool queued, struct voters *v);
/* "1 of 3 nodes has voted (n1), 2 must find the same" */
const char *voters_words(const struct voters *v, char out[256]);

/* How often each node was an outlier: {NODE: times}, of all tasks on the branch and of those that were archived. Reads
 * the documents that are not loaded. The caller's; NULL: e tells why not. */
struct json *voters_outliers(const struct snapshot *s, struct err *e);
/* What the archive says of it, added to counts. */
void voters_archived(const struct snapshot *s, struct json *counts);
#endif
