/* lot: the tasks whose files dgrid files, get and keep are asked for, and what they left.
 *   lot_look(ctx, &options, &lot, &err) -> lot_each(&lot, one, ctx, "were not ...", &err) -> lot_clear(&lot)
 * In one: lot_bring(lot, task, &leaving, &err) -> leaving_clear(&leaving)       (both clears after an error too)
 */
#ifndef LOT_H
#define LOT_H
#include "store/pointer.h"
#include "verbs/left.h"
#include "verbs/report.h"

/* Tasks whose files are asked for: one look at the grid, one fetch of what all of them left. */
struct lot { /* starts as {0} */
	struct snapshot s;
	struct selected_list found;
	struct filestore store;
	bool open; /* the store */
};

/* What one of them left. */
struct leaving { /* starts as {0} */
	struct left l;
	struct checkout files;
	struct pointers pointers; /* to those of them that a store has */
};

typedef int lot_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e);
int lot_look(const struct context *ctx, const struct report_options *o, struct lot *lot, struct err *e);
void lot_clear(struct lot *lot);
/* One of them, its files listed. */
int lot_bring(struct lot *lot, const struct selected *one, struct leaving *v, struct err *e);
/* All of them, one after the other: one that left nothing keeps no other back. What options found passes by such as
 * left none. what: "were not ...", of how many; a single one says it itself. */
int lot_each(struct lot *lot, lot_one *one, void *ctx, const char *what, struct err *e);
/* Whether the file of that index is in a store. NULL: it is not. */
const struct pointer *leaving_stored(const struct leaving *v, size_t at);
void leaving_clear(struct leaving *v);
#endif
