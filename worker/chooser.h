/* chooser: which queued tasks a node takes next. Higher priority first, then (with fair_share) those of the submitter
 * with the fewest running, then the oldest; among the `spread` first of those at random, so that racing nodes do not
 * all want the same ones, but the first of them is passed by a few times at most. What may not run beside what runs, or
 * does not fit, is passed by, but not for long: for what has waited a minute for room here, room is kept. Remembers
 * what it read: a queue file is parsed again only after it changed. n = choose(&ch, &ledger, &config, now, want,
 * spread, picks) ... chooser_clear
 */
#ifndef CHOOSER_H
#define CHOOSER_H
#include "schema/fit.h"
#include "store/waiting.h"
#include "worker/seats.h"

#define CHOOSER_OTHERS -2
#define CHOOSER_UNREAD_MAX 10	     /* in a row: a worker that is to run once gives up */
struct chooser {		     /* starts as {0}, node set */
	const struct fit_node *node; /* what it offers, and its labels; images are asked for by can_run */
	/* NULL, or: has this node what the task needs, such as its image? May wait and serve the loop. */
	bool (*can_run)(void *ctx, const struct task *t);
	bool (*offers)(void *ctx, const struct task *t); /* the same of what stays as it is; does not wait */
	/* NULL, or: is it signed as this grid wants it? 1 yes; 0 no, with the reason in why; -1 it cannot be told now;
	 * CHOOSER_OTHERS: it is, but not for this node. May wait and serve the loop. */
	int (*trusted)(void *ctx, const struct task *t, char signer[128], struct buf *why);
	/* NULL, or: is there another node that could take a task now whose last attempt failed here? May wait. */
	bool (*others)(void *ctx, const struct task *t);
	void *ctx;
	/* What the commit says before the claims: these end some. The caller sets it before each choose. */
	const struct ledger_change *said;
	size_t n_said;
	size_t ahead; /* of the picks the last so many wait for a free slot: they are no more than this node's share of
			 the queue, and hold no place that a limit gives */
	size_t sharers;		   /* nodes that take from the queue, this one too; 0: as 1 */
	const struct json *paused; /* tasks/paused.json, NULL: nothing is; borrowed, chooser_forget after it changed */
	/* What runs here although its claim is gone from the branch: briefs, borrowed. The caller sets it likewise. */
	const struct json *const *gone;
	size_t n_gone;
	struct seats seats;
	struct fit_load load; /* of this node, with what was chosen so far */
	/* For whom this node keeps its room, and by when it has enough; "": nobody. */
	char kept_for[65];
	int64_t kept_until;
	char passed_id[65]; /* who was the first and not chosen, and how often in a row */
	unsigned passed;
	struct chooser_known *known; /* sorted by id */
	bool told_unread;
	unsigned unread; /* so many times in a row something of the queue could not be read, by this machine's fault */
	size_t n_known;
	size_t ready;	    /* after choose: how many this node could have taken or ended */
	struct strs skips;  /* after choose: those that never run, see waiting.h; in that order */
	int64_t next_ready; /* after choose: UTC seconds when a task that waits for a time becomes ready, or one's
			       deadline passes, or can_run said; 0: none */
	bool tries_wait;    /* and one of them waits for its next attempt, or cannot be read now */
};
struct pick {
	char id[65];
	struct task task;   /* the caller clears it; empty when invalid */
	char signer[128];   /* whose signature it bears; "": nobody asked */
	bool expired;	    /* its deadline has passed: it is to be ended */
	char *invalid_text; /* not NULL: the file is no valid task; what to put into failed/ instead (owned) */
};
/* Fills at most want picks from the queue in the ledger's work tree. node: who judges invalid files. */
size_t choose(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node, int64_t now,
	      size_t want, size_t spread, struct pick *picks);
void pick_clear(struct pick *p);
bool pick_runs(const struct pick *p);		    /* false: it goes to failed/ at once */
void chooser_again(struct chooser *ch, int64_t at); /* for can_run: a task that cannot run now may run then */
void chooser_tried(const struct chooser *ch,
		   struct strs *ids);	 /* queued tasks that have attempts, at the last choose */
void chooser_forget(struct chooser *ch); /* after the settings changed: read all anew */
void chooser_clear(struct chooser *ch);
#endif
