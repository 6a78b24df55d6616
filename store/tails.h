/* tails: the end of what running tasks have printed so far. A node publishes it with its beats on a ref of its own,
 * refs/dgrid/tails/NODE (a commit without parent whose message is JSON), so that only who follows a task fetches it.
 * Where a host takes heads only it is refs/heads/dgrid-tails/NODE.
 *   {"schema": 1, "at": TIME, "tasks": [{"task_id", "nonce": of the claim,
 *     "stdout": TEXT, "stdout_from": its first byte's place in the stream, "stdout_bytes": its end's; stderr
 * likewise}]} tails_ask -> when the answer changed: tails_read -> tails_find -> tails_at
 */
#ifndef TAILS_H
#define TAILS_H
#include "git/git.h"
#include "json.h"

#define TAILS_REF "refs/dgrid/tails"
#define TAILS_FALLBACK "refs/heads/dgrid-tails"

/* Asks the remote: the heads of the branch and of the node's tails, which are fetched; "" for none. from: "origin", or
 * "." for the repository in g->dir itself. node: NULL for the branch alone. */
int tails_ask(const struct git *g, const char *from, const char *branch, const char *node, char head[72], char tail[72],
	      struct err *e);
/* The node's tails, as tails_ask told them. The caller's; NULL with e filled. */
struct json *tails_read(const struct git *g, const char *node, const char *oid, struct err *e);

struct tail { /* borrowed from the document */
	const char *text;
	size_t len;
	int64_t from, end; /* places in the stream, in bytes as printed */
};
bool tails_find(const struct json *doc, const char *nonce, bool of_stderr, struct tail *t);
/* Where in text the byte stands that was printed as number n of the raw bytes which text stands for: each byte that was
 * no UTF-8 became U+FFFD. raw: how many bytes were printed. */
size_t tails_at(const char *text, size_t len, int64_t raw, int64_t n);
#endif
