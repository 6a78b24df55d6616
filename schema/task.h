/* task: the schema of a task file. struct task is the view of one that was checked; the tree it was made of is kept
 * whole, so that what dgrid does not own (metadata, x-...) is written back untouched (task_edit.h). */
#ifndef TASK_H
#define TASK_H
#include "schema/config.h"
#include "schema/signatures.h"
#include "schema/task_edit.h"

#define TASK_FILE_MAX (1 << 20) /* bytes of a task file */
#define TASK_SCRIPT_MAX 65536
/* Linux hands a program no string beyond 128 KiB; the rest is for what an engine's command puts around a variable. And
 * bubblewrap takes no more than 9,000 arguments, three a variable. */
#define TASK_ENV_BYTES 131000
#define TASK_ENV_MAX 2000

enum task_state { TASK_UNAPPROVED, TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED, TASK_N_STATES };
const char *task_state_name(enum task_state s); /* the folder under tasks/ */
/* The ids of a folder's files ID.json, sorted; what is named otherwise is passed by. */
int task_ids_in(const char *folder, struct strs *out, struct err *e);

/* The schema as docs/TASK_FORMAT.md tells it, in its order. */
struct task_field {
	const char *name, *type, *rule;
	const char *dflt; /* NULL: a field that only dgrid writes; then type is where it stands */
	bool required;
};
const struct task_field *task_field_at(size_t i); /* NULL after the last */

struct task {
	struct json *doc;  /* owned; everything below is borrowed from it */
	char *usual_image; /* owned, too: the grid's, which may have other settings before this task has ended */
	const char *id, *script, *image;
	int64_t timeout_seconds, priority, max_attempts, memory_mb, pids;
	const char *workdir; /* the input that it begins in a copy of; NULL: none */
	int64_t out_mb;	     /* what it may leave in /out; 0: there is none */
	double cpus;
	bool retry_on_failure, share_sandbox;
	int64_t replicas, quorum; /* as the task has them; 0: it does not say */
	int64_t not_before;	  /* UTC seconds, of its start_after and what dgrid wrote the later; 0: at once */
	int64_t deadline;	  /* UTC seconds; 0: none, or none any more */
	int64_t max_running;
	bool supersede;
};
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
bool task_runs_on(const struct task *t, char *const *labels, size_t n_labels); /* the node carries all its labels */

#endif
