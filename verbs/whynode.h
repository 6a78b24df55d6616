/* whynode: for why: the reasons as they are collected, and what keeps a queued task from each node. */
#ifndef WHYNODE_H
#define WHYNODE_H
#include "schema/keys.h"
#include "store/rooms.h"

/* Why a task is where it is: reasons collected as {code, text}, the strongest first. */
struct reasons {
	struct json *list;
	bool waits;	     /* it is to wait, whoever has a free slot */
	bool signed_only;    /* nodes have to sign what they commit: */
	struct keyring keys; /* who may */
	struct rooms rooms;  /* opened when first asked */
};
void because(struct reasons *r, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Has node no key that counts, where it needs one? Its worker can then neither claim nor record anything. what: why. */
bool not_enrolled(const struct reasons *r, const char *node, char what[160]);
/* The nodes, one by one: who could take the queued task, and what keeps each from it. */
void why_nodes(const struct snapshot *s, const struct snapshot_task *t, struct reasons *r);
/* Could no node that lives ever run such a task, which may be still to be queued? Then the reasons say what keeps each
 * from it, and what to do comes last. False: one could, or none lives. */
bool why_never_runs(const struct snapshot *s, const struct json *doc, struct reasons *r);
#endif
