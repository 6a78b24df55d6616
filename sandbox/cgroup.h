/* cgroup: memory, process and processor limits by Linux control groups, version 1 or 2, where this process may make
 * them. Elsewhere cgroup_make says no, and the caller has to do with resource limits.
 *   if (cgroup_make(&c, "name", 512, 10, 1.0)) { ...a command that enters c.dirs, see enter.h... }
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
bool cgroup_hit_memory(const struct cgroup *c); /* the kernel ended something in it for want of memory */
void cgroup_remove(struct cgroup *c); /* kills what is left in it, tries again from the loop and at exit; fine on {0} */
bool cgroup_possible(void);	      /* tries whether cgroup_make would say yes */
/* Removes groups whose names begin so, and what still lives in them: what a killed process of ours left. */
void cgroup_sweep(const char *prefix);
#endif
