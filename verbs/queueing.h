/* queueing: tasks put into the queue by a person: made, checked, and now to land.
 */
#ifndef QUEUEING_H
#define QUEUEING_H
#include "store/batch.h"
#include "verbs/commands.h"

struct queueing { /* starts as {0}; one row a task */
	struct strs ids, texts;
	struct batch batch;	    /* the same tasks, judged */
	struct strs ended;	    /* ids that finished tasks have, which go to the archive before */
	bool unapproved;	    /* they are staged, not queued */
	bool pass_by;		    /* an id that somebody else takes meanwhile is no error */
	struct ledger_change *also; /* further changes of the same commit, made after those; their outcome is set */
	size_t n_also;
	struct strs landed; /* set: the ids that came, in order */
};
/* Signs doc, and makes text anew of it, with key (NULL: does not). Where only signed tasks run (required), one that
 * would end as invalid is a problem now; or: what else could be done, in the words that follow on --sign. */
int queue_sign(struct ledger *l, bool required, char **text, const struct json *doc, const char *key, const char * or,
	       struct problems *p, struct err *e);
/* 0: nothing is wrong; else all of it is told, on stderr where it is more than an error holds. */
int queue_refused(const struct problems *p, struct err *e);
/* All in one commit, or none. What ended before stands in the archive then, also after an error. */
int queue_tasks(struct ledger *l, struct queueing *q, struct err *e);
/* where[i]: the folder that ids[i] stands in, or "the archive"; NULL: nowhere yet. */
int queue_known(struct ledger *l, const struct strs *ids, const char **where, struct err *e);
/* Do all living nodes know what the tasks ask for (schema/level.h)? ERR_DATA, with the nodes' names: not all. */
int queue_nodes_know(const struct context *ctx, struct ledger *l, int64_t level, struct err *e);
/* Does the remote have what the tasks are given by id, but for these trees, which are sent with them? ERR_DATA: not all
 * of it; e names the first. */
int queue_inputs_there(struct ledger *l, const struct queueing *q, const struct strs *sent, struct err *e);
/* Tells on stderr of tasks that no live node could ever run, by what why would say of them. Where the remote is not
 * on this machine its heartbeats are fetched only if no node of the branch could. */
void queue_tell_unable(const struct context *ctx, struct ledger *l, const struct grid_config *c,
		       const struct queueing *q);
void queueing_clear(struct queueing *q);
#endif
