/* cgroup: memory, process and processor limits by Linux control groups, version 1 or 2, where this process may make
 * them. Elsewhere cgroup_make says no, and the caller has to do with resource limits.
 *   if (cgroup_make(&c, "name", 512, 10, 1.0)) { cgroup_enter_argv(&c, &argv); ...the command... }
 *   ... after its end: cgroup_hit_memory(&c); cgroup_remove(&c);
 */
#ifndef CGROUP_H
#define CGROUP_H
#include "base/buf.h"
#include <stdbool.h>

struct cgroup { /* starts as {0} */
	struct strs dirs;
	bool v2;
};
bool cgroup_make(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus);
/* Words that go before a command: a shell that enters the groups and becomes the command. */
void cgroup_enter_argv(const struct cgroup *c, struct strs *argv);
bool cgroup_hit_memory(const struct cgroup *c); /* the kernel ended something in it for want of memory */
void cgroup_remove(struct cgroup *c);		/* kills what is left in it; fine on {0} */
/* Removes groups whose names begin so, and what still lives in them: what a killed process of ours left. */
void cgroup_sweep(const char *prefix);
#endif
