/* honest_stage: what honest.c plays on: a true time that jumps and clocks that are off (clock.h), a ledger in memory
 * whose commits go to a stream for `git fast-import` (ledger.h), beats (heartbeat.h) and scripts whose end is drawn
 * (runner.h). The program's other rooms are linked as they are. */
#ifndef HONEST_STAGE_H
#define HONEST_STAGE_H
#include "ledger.h"
#include "runner.h"
#include "store/heartbeat.h"
#include <stdio.h>

#define NODES 4
#define FILES 160

struct file {
	char path[96], *text; /* text NULL: free */
	int64_t since;	      /* when it was set; 0: by a firing */
};
struct actor {
	char id[16];
	int64_t skew; /* seconds that its clock is off */
};
struct stage {
	FILE *out; /* the stream */
	uint64_t dice;
	int64_t ms;	  /* the true time, since 1970 */
	unsigned history; /* which one; its refs are refs/h/HISTORY/... */
	unsigned long mark;
	struct file files[FILES]; /* the tree of the ledger's branch */
	const struct actor *acts; /* whose clock counts */
	struct beat beats[NODES]; /* doc NULL: none */
	const char *dir;	  /* for what the rooms want to see on a disk */
	unsigned transitions;
};
extern struct stage stage;

int64_t below(int64_t n); /* 0 to n - 1 */
bool one_in(int64_t n);

struct file *stage_file(const char *path); /* NULL: none */
struct json *stage_json(const char *path);
char *stage_path(enum task_state s, const char *id);
/* Begins a commit of refs/h/HISTORY/BRANCH by whoever acts; stage_set's changes follow. */
void stage_commit(const char *branch, const char *name, const char *message);
void stage_set(const char *path, const char *text); /* to tree and stream; text NULL: gone */
void stage_data(const char *text);		    /* to the stream alone */

struct attempt {
	struct attempt *next;
	struct attempt_spec spec;
	int64_t began, began_ms;
	bool cancelled;
	char token[40]; /* of turns in one sandbox, and how many there are; 0: the script runs once */
	size_t turns;
};
struct attempt *stage_attempt(const void *owner); /* that runs for it, which forgets it; NULL: none */
bool stage_cancelled(const void *owner);
void stage_end(struct attempt *a); /* calls on_done and frees */
#endif
