/* outbox: how attempts ended, on disk from the moment they end until the ledger has taken or refused them. So a
 * result survives a dead remote, a kill -9 and a restart. One file NONCE.json each, written atomically.
 *   outbox_open(&o, dir, &err) -> outbox_add ... outbox_changes into a group commit ... outbox_settle -> outbox_clear
 */
#ifndef OUTBOX_H
#define OUTBOX_H
#include "ledger.h"

struct outcome {
	struct outcome *next;
	char id[65], nonce[65], status[16]; /* a result's status, or "released" */
	char verb[16];			    /* what became of it, for the commit's message */
	char reason[256];		    /* of a release; "" for none */
	bool shared;			    /* other nodes run the task too, as its claim says */
	struct json *result;		    /* NULL: the claim is only given back */
	int64_t retry_at;		    /* UTC seconds; not 0: try the task again then, while attempts remain */
};
struct outbox {
	char *dir;
	struct outcome *first;
	size_t n;
	uint64_t late; /* results that came when the claim was somebody else's */
	uint64_t voted, completed,
	    failed; /* runs of tasks that other nodes run too: votes, and those that decided one */
};
/* Makes dir and takes in what an earlier process left there; files that cannot be understood stay and are logged. */
int outbox_open(struct outbox *o, const char *dir, struct err *e);
/* Takes over item (allocated). When the disk refuses it, it is kept in memory and that is logged; returns -1 then. */
int outbox_add(struct outbox *o, struct outcome *item);
bool outbox_has(const struct outbox *o, const char *nonce);
/* One change an outcome: legal only while the ledger shows its nonce (fencing). Returns how many were put into c,
 * which has room for o->n. */
size_t outbox_changes(const struct outbox *o, struct ledger_change *c);
/* After ledger_commit: forgets what landed or was dropped (c as filled by outbox_changes); says what came too late. */
void outbox_settle(struct outbox *o, struct ledger *l, const struct ledger_change *c, size_t n);
void outbox_clear(struct outbox *o); /* frees memory, leaves the files */
#endif
