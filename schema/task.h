/* task: the schema of a task file. struct task is the view of one that was checked; the tree it was made of is kept
 * whole, so that what dgrid does not own (metadata, x-...) is written back untouched (task_edit.h). */
#ifndef TASK_H
#define TASK_H
#include "schema/members.h"

enum task_state { TASK_UNAPPROVED, TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED, TASK_N_STATES };
const char *task_state_name(enum task_state s); /* the folder under tasks/ */
/* The ids of a folder's files ID.json, sorted; what is named otherwise is passed by. */
int task_ids_in(const char *folder, struct strs *out, struct err *e);

/* Parses and checks; file_id is the name the file has without .json (NULL: any). submitted: also refuse the fields only
 * dgrid writes (claim, attempts, result, approved_by, ...). All that is wrong goes to p; returns 0 when nothing was.
 * On success task_clear frees; on failure t holds nothing. */
int task_parse(struct task *t, const char *text, size_t len, const char *file_id, const struct grid_config *c,
	       bool submitted, struct problems *p);
/* The same in two steps, for who changes it in between: the document, an object (NULL: it is none, which goes to p);
 * then the schema, which takes doc over. What is wrong stands where the members have their places. */
struct json *task_read(const char *text, size_t len, struct problems *p);
int task_judge(struct task *t, struct json *doc, const char *file_id, const struct grid_config *c, bool submitted,
	       struct problems *p);
void task_clear(struct task *t);

#endif
