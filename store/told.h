/* told: what people have told the grid (schema/order.h), as one commit shows it.
 *   told_take for each file of its tree -> told_read -> told_drain ... -> told_clear
 */
#ifndef TOLD_H
#define TOLD_H
#include "git/git.h"
#include "schema/order.h"

enum told_kind { TOLD_DRAIN, TOLD_RETIRED, TOLD_PAUSED };
struct told_order {
	enum told_kind kind;
	char *id; /* the node; "" of a pause */
	char oid[72];
	struct json *doc; /* never NULL once read */
};
struct told { /* starts as {0} */
	struct told_order *v;
	size_t n;
	const struct json *paused; /* tasks/paused.json; NULL: nothing is */
};
void told_take(struct told *t, const char *path, const char *oid);
int told_read(struct told *t, const struct git *g, struct err *e);
const struct json *told_drain(const struct told *t, const char *node); /* NULL: it is not drained */
void told_clear(struct told *t);
/* "the whole queue by ann since ...: reason": the ith pause; NULL: no more. The caller's. */
char *told_pause(const struct told *t, size_t i);
/* "the group G is paused by ann since ...: reason": what keeps this task; NULL: nothing does. The caller's. */
char *told_why_paused(const struct told *t, const struct json *task);
#endif
