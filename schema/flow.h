/* flow: a file that holds a whole pipeline: {"group": ..., "defaults": {...}, "tasks": [{"name": ..., ...}, ...]}. Each
 * task has the members of a task file, those of defaults where it has none of its own (of env both), and names others
 * of the file by their names; its id is GROUP-NAME.
 *   if (flow_is(doc)) { flow_expand(doc, stem, &flow, &problems) ... flow.v[i].doc ... flow_clear(&flow) }
 */
#ifndef FLOW_H
#define FLOW_H
#include "base/problem.h"
#include "json.h"

struct flow { /* starts as {0} */
	struct flow_task {
		char *id;
		struct json *doc; /* as a task file has it, with the lines of the flow's */
	} * v;
	size_t n;
};
bool flow_is(const struct json *doc); /* an object with tasks */
/* group: its name where the file says none. What is wrong goes to p; the tasks themselves are not judged. */
void flow_expand(const struct json *doc, const char *group, struct flow *out, struct problems *p);
/* Does any of them wait for itself, by way of others? */
void flow_judge_circle(const struct flow *f, struct problems *p);
void flow_clear(struct flow *f);
#endif
