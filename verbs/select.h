/* select: which tasks a verb is about: ids, and options by which others are found. Tasks of a group are found in the
 * archive too; what the other options find stands on the branch, unless it is one of those.
 *   while ((key = usage_next(&u, e)) > 0) if (key == SELECT && select_take(&w, u.option, u.value, e)) ...
 *   select_tasks(&s, &w, ids, n, &found, e) -> found.v[i] ... -> select_missing(&found, e) -> selected_clear(&found)
 */
#ifndef SELECT_H
#define SELECT_H
#include "base/usage.h"
#include "store/snapshot.h"

#define SELECT 1001 /* the key of all its options */

struct selection { /* starts as {0} */
	struct strs groups, states, labels, nodes;
	int64_t since;	    /* UTC seconds; 0: of any time */
	bool failed, given; /* given: any of them */
};
const struct usage_option *select_option_at(size_t i);
int select_take(struct selection *w, const struct usage_option *o, const char *value, struct err *e);
/* "90m", "2h", "3d", a date or a time: UTC seconds. */
int select_since(int64_t *since, const char *value, struct err *e);
void selection_clear(struct selection *w);

struct selected {
	struct snapshot_task *task; /* of the snapshot, or of the list; an archived one's state is how it ended */
	const char *state;	    /* its folder's name, or "archived" */
	char *path;		    /* tasks/STATE/ID.json, archive:YYYY/MM/DD/ID.json */
	bool named;		    /* by its id */
};
struct selected_list {	    /* starts as {0} */
	struct selected *v; /* those that were named, as they were; then the others by id */
	size_t n;
	struct strs missing; /* ids that are nowhere */
};
/* An id that is no task's may be a group's name. Of the ids, and the members of the groups, those that the other
 * options leave; where neither are given, of all tasks on the branch. Their documents are read, as far as there are
 * any. ERR_NOENT: a group that no task is in. */
int select_tasks(struct snapshot *s, const struct selection *w, char *const *ids, size_t n, struct selected_list *out,
		 struct err *e);
/* The document of one, an object; NULL with e filled. */
struct json *selected_doc(struct snapshot *s, const struct selected *one, struct err *e);
/* ERR_NOENT when an id was nowhere. */
int select_missing(const struct selected_list *l, struct err *e);
void selected_clear(struct selected_list *l);
#endif
