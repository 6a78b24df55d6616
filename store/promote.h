/* promote: from tasks/unapproved/ to the queue. What stands in unapproved/ on the branch was merged, and a human's
 * merge is the approval; promotion only checks it once more and notes who merged it. promote_look -> (promote_land) ->
 * staged_clear             for dgrid promote and maintain, promote_all for both promoter_due -> promoter_work for idle
 * workers, see "promote" in grid.json promote_judge is the one place where a staged task is found fit or not;
 * promote_land the one that moves them.
 */
#ifndef PROMOTE_H
#define PROMOTE_H
#include "ledger.h"
#include "store/arrival.h"
#include "store/staged.h"

/* Judges one file of unapproved/ at the ledger's head; s has its id and mode. text: NULL when it is no file of a size
 * that can be read. Fills verdict, why, doc and approver. */
void promote_judge(struct ledger *l, const struct grid_config *c, const struct staged_ids *all, const struct buf *text,
		   const struct arrival *by, struct staged *s);
/* Judges the staged tasks, all or those of ids (n of them; ERR_NOENT when one is not there). Deepens the clone as far
 * as it must to see the commits that brought them. */
int promote_look(struct ledger *l, const struct grid_config *c, const char *const *ids, size_t n,
		 struct staged_list *out, struct err *e);
/* Moves them, or the first few of them, in one commit; ERR_RETRY: somebody else pushed meanwhile, sync and look again.
 */
int promote_land(struct ledger *l, const char *who, struct staged_list *s, size_t most, struct err *e);
/* Looks and lands until it is done; dry: looks only. Where others are faster, fewer land at once, and only what changed
 * is judged anew. c becomes what the branch has when it changes. */
int promote_all(struct ledger *l, struct grid_config *c, const char *who, const char *const *ids, size_t n, bool dry,
		struct staged_list *out, struct err *e);

/* When an idle worker promotes: starts as {0}. */
struct promoter {
	int64_t at;	  /* monotonic ms; 0: nothing to do */
	uint64_t staged;  /* which ids were left the last time */
	int64_t again_at; /* they are looked at again after this */
	unsigned lost;	  /* races in a row */
};
/* After each fetch: is there something to promote, and when? */
void promoter_look(struct promoter *p, struct ledger *l, const struct grid_config *c);
/* Looks and lands once, and logs it. */
int promoter_work(struct promoter *p, struct ledger *l, const struct grid_config *c, const char *node, struct err *e);
bool promoter_soon(const struct promoter *p); /* it is worth waiting for */
#endif
