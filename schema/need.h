/* need: what a task waits for. `needs` names tasks that must have ended in success, else it is skipped; `after` names
 * tasks that must have ended, however; an input that is what another task left (`task`) needs that one. All of them
 * are ids of tasks on the branch.
 *   need_list_valid(member, own_id, &at, why) -> needs_of(doc, &list) ... needs_clear(&list)
 */
#ifndef NEED_H
#define NEED_H
#include "base/buf.h"
#include "json.h"
#include <stdbool.h>
#include <stddef.h>

#define NEEDS_MAX 256 /* of one task, in each list; as many as a sweep has files */

struct need {
	char *id;
	bool success; /* it must end in success */
};
struct needs { /* starts as {0} */
	struct need *v;
	size_t n;
};
/* Is the member a list of ids, each once, and not the task's own (NULL: not known)? Else false: *at is the value, why
 * what is wrong with it and what was expected. */
bool need_list_valid(const struct json *m, const char *own_id, const struct json **at, char why[160]);
/* All that the document waits for, each id once; of a document that is not valid, what can be read. */
void needs_of(const struct json *doc, struct needs *out);
bool needs_any(const struct json *doc); /* would that be any? */
void needs_clear(struct needs *n);
/* What its script sees of claim.after (NULL: nothing): DGRID_AFTER="ID=STATUS ID=STATUS". */
void need_add_after(struct strs *env, const struct json *after);
/* Where the document names that id, for a message: the value, and in *member what it stands in. NULL: it does not. */
const struct json *need_at(const struct json *doc, const char *id, const char **member);

/* Tasks that come together may wait for each other, but not in a circle. Sorts v by id. NULL: there is none; else
 * "a needs b, b needs a", the caller's, and in *first one of them. */
struct need_task {
	const char *id;	    /* borrowed */
	struct needs needs; /* the caller clears it */
};
char *needs_circle(struct need_task *v, size_t n, const struct need_task **first);
const struct need_task *need_task_of(const struct need_task *v, size_t n, const char *id); /* v sorted; NULL: none */
#endif
