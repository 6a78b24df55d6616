/* stream: the commits of a grid's branches as they come, oldest first along the first-parent line, with the documents
 * that their judges want to see: a `git log --raw` for each branch (commits.h) and one `cat-file --batch` (objects.h),
 * which is fed with the names of blobs while it runs. What waits for its turn is bounded: a log is not read on while
 * enough of it is here.
 *   s = stream_open(&g, &err) -> stream_read(s, STREAM_LEDGER, from, to) -> while ((c = stream_head(s,
 * STREAM_LEDGER, 0)) || !stream_ended(s, STREAM_LEDGER)) if (c) ..., stream_drop(s, STREAM_LEDGER); else
 * stream_wait(s);  -> stream_close(s)
 */
#ifndef STREAM_H
#define STREAM_H
#include "audit/rule.h"
#include "git/git.h"

enum stream_branch { STREAM_LEDGER, STREAM_ARCHIVE, STREAM_N }; /* of the archive no document is read */
struct stream;
/* e gets what goes wrong later, too: see stream_failed. NULL: git could not be started. */
struct stream *stream_open(const struct git *g, struct err *e);
int stream_read(struct stream *s, enum stream_branch b, const char *from,
		const char *to); /* (from, to]; from NULL: all */
/* The nth commit that waits; NULL: it has not come yet, or not with its documents. */
struct rule_commit *stream_head(struct stream *s, enum stream_branch b, size_t n);
void stream_drop(struct stream *s, enum stream_branch b);	 /* frees the first */
bool stream_ended(const struct stream *s, enum stream_branch b); /* all was read and dropped, or it was never begun */
void stream_wait(struct stream *s);				 /* until something comes, a second at most */
/* Something cannot be told (git, a missing object); e says what. fail: for who judges, too. */
bool stream_failed(const struct stream *s);
void stream_fail(struct stream *s, enum err_class class, const char *what);
void stream_close(struct stream *s); /* ends what runs; NULL is fine */
#endif
