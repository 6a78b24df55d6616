/* members: the table of a task's members: what each is, in words, and how its value is checked. task.h reads whole
 * tasks.
 */
#ifndef MEMBERS_H
#define MEMBERS_H
#include "base/problem.h"
#include "schema/config.h"
#include "schema/signatures.h"
#include "schema/task_edit.h"

#define TASK_FILE_MAX (1 << 20)	  /* bytes of a task file */
#define TASK_SUBMIT_MAX (1 << 18) /* of one that is submitted, as dgrid writes it: its story and result come to it */
#define TASK_SCRIPT_MAX 65536
/* Linux hands a program no string beyond 128 KiB; the rest is for what an engine's command puts around a variable. And
 * bubblewrap takes no more than 9,000 arguments, three a variable. */
#define TASK_ENV_BYTES 131000
#define TASK_ENV_MAX 2000

#define MEMBER_DISK_MAX (1 << 24) /* MB */

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
	const char *network;	/* by the grid's name; NULL: none */
	int64_t cpu_seconds;	/* of processor time; 0: no limit */
	const char *stdin_path; /* "NAME" or "NAME/PATH" of an input; NULL: nothing */
	const char *workdir;	/* the input that it begins in a copy of; NULL: none */
	int64_t out_mb;		/* what it may leave in /out; 0: there is none */
	double cpus;
	bool retry_on_failure, share_sandbox, checkpoint;
	int64_t replicas, quorum; /* as the task has them; 0: it does not say */
	int64_t not_before;	  /* UTC seconds, of its start_after and what dgrid wrote the later; 0: at once */
	int64_t deadline;	  /* UTC seconds; 0: none, or none any more */
	int64_t max_running;
	bool supersede;
};
struct members { /* borrowed; t->doc is set, and its members are read into t */
	struct task *t;
	const struct grid_config *c;
	const char *file_id;
	struct problems *p;
};

void member_check(const struct members *k, const struct json *m, bool submitted);
void members_required(const struct members *k); /* what must be in every task is */
#endif
