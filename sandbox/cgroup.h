/* cgroup: memory, process and processor limits by Linux control groups, version 1 or 2, where this process may make
 * them. Elsewhere cgroup_make says no, and the caller has to do with resource limits. And what groups have counted,
 * ours or a container's. if (cgroup_make(&c, "name", 512, 10, 1.0)) { ...a command that enters c.dirs, see enter.h... }
 *   ... after its end: cgroup_hit_memory(&c); cgroup_remove(&c);
 */
#ifndef CGROUP_H
#define CGROUP_H
#include "base/buf.h"
#include "sandbox/account.h"
#include <stdbool.h>

struct cgroup { /* starts as {0} */
	struct strs dirs;
	bool v2;
};
bool cgroup_make(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus);
bool cgroup_hit_memory(const struct cgroup *c); /* the kernel ended something in it for want of memory */
/* Puts into a what the groups have counted so far; what they do not count stays as it is there. False: the processor
 * time could not be read. */
bool cgroup_account(const struct cgroup *c, struct account *a);
/* The groups that docker or podman made for the container with this id, where they can be seen from here; then
 * cgroup_forget, for they are not ours to remove. False: there are none now. */
bool cgroup_find(struct cgroup *c, const char *id);
void cgroup_forget(struct cgroup *c); /* frees; fine on {0} */
void cgroup_remove(struct cgroup *c); /* kills what is left in it, tries again from the loop and at exit; fine on {0} */
bool cgroup_possible(void);	      /* tries whether cgroup_make would say yes */
/* Removes groups whose names begin so, and what still lives in them: what a killed process of ours left. */
void cgroup_sweep(const char *prefix);
#endif
