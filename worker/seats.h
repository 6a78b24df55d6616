/* seats: what runs in the grid, as far as limits ask (schema/limit.h): the claims that stand on the branch, read once
 * each, less those that a commit ends, and those that it adds.
 *   seats_look(&s, &ledger, &e) -> seats_take(&s, said, n) -> limit_room(&config, task, s.v, s.n, &full) -> seats_add
 */
#ifndef SEATS_H
#define SEATS_H
#include "ledger.h"
#include "schema/fit.h"
#include "schema/limit.h"

struct seats { /* starts as {0} */
	struct seat {
		char *id;
		struct file_stamp stamp;
		struct json *brief; /* see limit_brief */
	} * known;		    /* sorted by id */
	size_t n_known;
	char head[72];	       /* of the branch, when it was looked at whole; "": not known */
	const struct json **v; /* after seats_take: what runs */
	size_t n, room;
};
int seats_look(struct seats *s, struct ledger *l, struct err *e); /* at what the ledger's work tree has */
/* Fills v, without the claims that changes of c end. applied: those of them that count; NULL: all. */
void seats_take(struct seats *s, const struct ledger_change *c, const bool *applied, size_t n);
void seats_add(struct seats *s, const struct json *brief); /* one more runs; borrowed until the next seats_take */
/* What of that stands on one node, into load. */
void seats_load(const struct seats *s, const struct fit_node *n, const struct grid_config *c, struct fit_load *load);
/* Does a task fit on the node beside that (NULL: nothing) and also, which runs there too? */
bool seats_fit(const struct seats *s, const struct fit_node *n, const struct grid_config *c, const struct json *task,
	       const struct json *const *also, size_t n_also);
void seats_clear(struct seats *s);
#endif
