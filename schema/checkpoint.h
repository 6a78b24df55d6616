/* checkpoint: what attempts of a task with `checkpoint` hand on. A claim names what its run is given (`checkpoint`)
 * and, while it runs, the newest that it has brought to the remote (`saved`); the entry of attempts that ends it has
 * both, and `out` where the run left files in time. So the last entry alone tells what the next run is given.
 */
#ifndef TASK_CHECKPOINT_H
#define TASK_CHECKPOINT_H
#include "json.h"
#include <stdbool.h>

bool checkpoint_asked(const struct json *doc);
/* {"tree", "ref"} of the task as it stands, without a claim; NULL: nothing. The caller's. */
struct json *checkpoint_next(const struct json *doc);
/* Of a task that a person has queued again: its newest entry of attempts names checkpoint, which moves over. */
void checkpoint_hand_on(struct json *doc, struct json *checkpoint);
/* For people: what its run began from and has saved, or what the next goes on with. NULL: it has no checkpoints. The
 * caller's. */
char *checkpoint_words(const struct json *doc);
#endif
