/* clone: a clone on disk, a worker's of the ledger or a reader's copy: made, adopted after a restart, mended, kept
 * small. It is ours alone, git writes to it one at a time, and it can be had again: nothing in it is worth more than
 * the time to make it anew.
 */
#ifndef CLONE_H
#define CLONE_H
#include "git/git.h"

/* Makes g->dir anew. borrow: an object store on this machine whose objects need not be copied
 * (gitrepository-layout(5), objects/info/alternates), or NULL. Should they vanish there (a branch replaced by force,
 * then gc), the clone is damaged. */
int clone_make(const struct git *g, const char *url, const char *branch, const char *borrow, struct err *e);
/* The same in the place of one that may be there. That one stays until the new one stands, for what runs beside us, a
 * sign of life, goes on in it. */
int clone_renew(const struct git *g, const char *url, const char *branch, const char *borrow, struct err *e);
int clone_adopt(const struct git *g, const char *url, const char *borrow, struct err *e); /* one that is there */
bool clone_there(const struct git *g); /* is there one in g->dir, by its HEAD? */
/* What a killed git left: locks, and, where no other git is at work in it, packs that were never finished. */
void clone_clear_locks(const struct git *g, const char *branch);
void clone_clear_leftovers(const struct git *g);
/* After an error: is it the clone's own, because a crash left it half-written or what it borrows has gone? ref: of the
 * remote's branch, as the clone has it. */
bool clone_damaged(const struct git *g, const char *ref);
/* The work tree becomes what rev has. clean: what Git does not know goes too, half-made files of a change that was cut
 * off. */
int clone_checkout(const struct git *g, const char *rev, bool clean, struct err *e);
void clone_forget_index(const struct git *g); /* the next checkout looks at every file anew */
/* Beats and the like (refs/dgrid/) are as short-lived where they are borrowed from: gc takes what is an hour old there,
 * and a ref that leads to nothing stops every fetch. Forgets all of them when one does; true: it did, fetch again. */
bool clone_forget_lost(const struct git *g);
/* Has it gathered so many loose objects and packs that git gets slow? anew: better made anew than packed. */
bool clone_cluttered(const struct git *g, bool borrows, bool *anew);
int clone_pack(const struct git *g, struct err *e);
#endif
