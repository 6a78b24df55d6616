/* machine: how much of the machine that it runs on this process may use: processors by its affinity and its control
 * groups' quota, memory by their limit. */
#ifndef MACHINE_H
#define MACHINE_H
#include <stdbool.h>
#include <stdint.h>

struct machine {
	double cpus;
	int64_t memory_mb; /* 0: not known */
};
void machine_read(struct machine *m);
/* Lowers m to what control groups below root (/sys/fs/cgroup) allow, those that lines, as of /proc/self/cgroup, name.
 */
void machine_groups(struct machine *m, const char *root, const char *lines);
#endif
