/* level: which members of a task a program knows. What a task asks of its node grows; a node that knows less must pass
 * such a task by and not call it invalid, so nodes say what they know (`task_level` of nodes/NODE.json), `submit` looks
 * at that, and a task may say what it needs (`schema`).
 */
#ifndef LEVEL_H
#define LEVEL_H
#include "json.h"

#define TASK_LEVEL 2	  /* of this program. 1: 0.1.0, whose nodes do not say */
#define LEVEL_ORDERS 2	  /* from that on nodes go by drains and pauses */
#define LEVEL_SCHEDULES 2 /* from that on nodes know the tasks of schedules */

int64_t level_of_task(const struct json *doc);		 /* by its members, and by what it says */
int64_t level_of_node(const struct json *node_doc);	 /* of a node's file */
bool level_newer(const struct json *doc, int64_t *says); /* does it say that it needs more than this program knows? */
#endif
