/* outbox: how attempts ended, on disk from the moment they end until the ledger has taken or refused them. So a
 * result survives a dead remote, a kill -9 and a restart. One file NONCE.json each, written atomically.
 *   outbox_open(&o, dir, &err) -> outbox_add ... outbox_changes into a group commit ... outbox_settle -> outbox_clear
 */
#ifndef OUTBOX_H
#define OUTBOX_H
#include "ledger.h"

struct outcome {
	struct outcome *next;
	char id[65], nonce[65], status[16]; /* a result's status, "released" or "unstartable" */
	char verb[16];			    /* what became of it, for the commit's message */
	char reason[256];		    /* of a release; "" for none */
	bool engine;			    /* a release: by the engine's fault, or the disk's */
	bool held;			    /* not said before the node has checked itself: see outbox_checked */
	bool shared;			    /* other nodes run the task too, as its claim says */
	struct json *result;		    /* NULL: the claim is only given back */
	struct json *kept;		    /* what is kept of such a run, as a result has it; NULL: nothing */
	int64_t retry_at;		    /* UTC seconds; not 0: the task, when it is tried again, waits until then */
	bool waits;			    /* its files are not at the remote yet: not to be said */
	bool along;			    /* but its files go in the push that says it, see courier_lend */
	bool wanted;			    /* of a task that others run too: its files are asked for when it decides */
	unsigned refusals;		    /* how often it was refused by itself alone */
	int64_t again_at;		    /* monotonic ms; of one that was refused */
	uint64_t landed_then;		    /* the outbox's, when it was refused first */
};
struct outbox {
	char *dir, *node, *grid;
	struct outcome *first;
	size_t n;
	size_t width;	 /* at most so many in one commit; 0: all */
	uint64_t landed; /* commits that landed */
	uint64_t late;	 /* results that came when the claim was somebody else's */
	uint64_t voted, completed,
	    failed; /* runs of tasks that other nodes run too: votes, and those that decided one */
};
/* Makes dir and takes in what an earlier process of this node left there. Another node's, or another grid's, stay for
 * it and are logged, as files are that cannot be understood; one that cannot be read is an error. url: of the grid. */
int outbox_open(struct outbox *o, const char *dir, const char *node, const char *url, struct err *e);
/* Takes over item (allocated). When the disk refuses it, it is kept in memory and that is logged; returns -1 then. */
int outbox_add(struct outbox *o, struct outcome *item);
/* The node has checked itself. What could not be started here, though the node can start something, is its task's
 * fault: it costs an attempt. Otherwise its claim goes back. */
void outbox_checked(struct outbox *o, bool fit);
/* It was changed: writes its file anew. */
int outbox_save(struct outbox *o, const struct outcome *item);
bool outbox_has(const struct outbox *o, const char *nonce);
/* One that is refused must not keep the others back: when the remote declines a commit, half as much is said next, down
 * to one outcome alone; that one waits then, longer each time, and is tried by itself. Which are to be said at now
 * (monotonic ms)? */
bool outbox_due(const struct outbox *o, int64_t now);
bool outbox_narrow(const struct outbox *o, int64_t now); /* nothing else should go into the commit with them */
bool outbox_stuck(const struct outbox *o);		 /* it holds nothing but what was refused several times */
/* One change an outcome that does not wait: legal only while the ledger shows its nonce (fencing). Returns how many
 * were put into c, which has room for o->n. */
size_t outbox_changes(const struct outbox *o, int64_t now, struct ledger_change *c);
/* After ledger_commit: forgets what landed or was dropped (c as filled by outbox_changes); says what came too late. How
 * the push ended: it landed, it was declined (with claims in the same commit), or neither. True: it was declined for
 * one outcome alone, while the remote takes others. */
enum said { SAID_NOTHING, SAID_LANDED, SAID_DECLINED, SAID_DECLINED_MIXED };
bool outbox_settle(struct outbox *o, struct ledger *l, const struct ledger_change *c, size_t n, enum said said,
		   const char *why);
void outbox_clear(struct outbox *o); /* frees memory, leaves the files */
#endif
