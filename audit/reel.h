/* reel: the commits of a grid's branches as they come, oldest first along the first-parent line, with the documents
 * that their judges want to see. Two kinds of git run at once: a `git log --raw` for each branch, and one `cat-file
 * --batch`, which is fed with the names of blobs while it runs. What waits for its turn is bounded: a log is not read
 * on while enough of it is here. r = reel_open(&g, &err) -> reel_read(r, REEL_LEDGER, from, to) -> while ((c =
 * reel_head(r, REEL_LEDGER, 0)) || !reel_ended(r, REEL_LEDGER)) if (c) ..., reel_drop(r, REEL_LEDGER); else
 * reel_wait(r);  -> reel_close(r)
 */
#ifndef REEL_H
#define REEL_H
#include "audit/rule.h"
#include "git/git.h"

enum reel_branch { REEL_LEDGER, REEL_ARCHIVE, REEL_N }; /* of the archive no document is read */
struct reel;
/* e gets what goes wrong later, too: see reel_failed. NULL: git could not be started. */
struct reel *reel_open(const struct git *g, struct err *e);
int reel_read(struct reel *r, enum reel_branch b, const char *from, const char *to); /* (from, to]; from NULL: all */
/* The nth commit that waits; NULL: it has not come yet, or not with its documents. */
struct rule_commit *reel_head(struct reel *r, enum reel_branch b, size_t n);
void reel_drop(struct reel *r, enum reel_branch b);	   /* frees the first */
bool reel_ended(const struct reel *r, enum reel_branch b); /* all was read and dropped, or it was never begun */
void reel_wait(struct reel *r);				   /* until something comes, a second at most */
/* Something cannot be told (git, a missing object); e says what. fail: for who judges, too. */
bool reel_failed(const struct reel *r);
void reel_fail(struct reel *r, enum err_class class, const char *what);
void reel_close(struct reel *r); /* ends what runs; NULL is fine */
#endif
