/* saver: brings to the remote what stands in /out of running tasks that are to be gone on with: every
 * checkpoint_seconds a copy is made, by another process, becomes a tree in the node's store, and is pushed to
 * refs/dgrid/ck/NONCE/TREE, a new ref each time, so that what the ledger names stays until it names the next. The one
 * before that goes with the same push. No copy is ever half: a ref is there when all its files are.
 *   saver_start -> saver_begin with the run -> saver_news? it goes into the claim -> saver_told when that landed
 *   -> saver_end with the run -> saver_look after outcomes were recorded ... saver_stop
 */
#ifndef SAVER_H
#define SAVER_H
#include "worker/outbox.h"
#include "worker/outputs.h"

struct saver;
struct saving; /* one run's */
/* may: as courier_start has it. All is borrowed. */
struct saver *saver_start(const struct outputs *outputs, int64_t (*may)(void *ctx), void *ctx);
struct saving *saver_begin(struct saver *all, const char *nonce, const struct tree_limits *limits, int64_t every_s);
/* {"tree", "ref", "files", "bytes", "at"}: the newest at the remote, while the ledger does not know of it; NULL: there
 * is none. Borrowed. */
const struct json *saver_news(const struct saving *s);
void saver_told(struct saving *s, const char *tree); /* the claim names that one now */
/* Nothing more is saved. over: the task needs none any more, once that stands in the ledger: neither these nor those
 * that earlier attempts saved, as doc names them; but the one that its run was given stays for who runs it again. */
void saver_end(struct saving *s, bool over, const struct json *doc, const struct json *given);
void saver_look(struct saver *all, const struct outbox *outbox); /* what is over and recorded goes from the remote */
void saver_stop(struct saver *all, const struct outbox *outbox); /* looks once more; NULL is fine */
#endif
