#include "sandbox/machine.h"
#include "base/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#define AFFINITY_MAX 16384 /* processors */

/* The first line of a file, "" for none. */
static bool line_of(const char *path, char *line, size_t room)
{
	FILE *f = fopen(path, "re");
	line[0] = 0;
	bool is = f && fgets(line, (int)room, f);
	if (f)
		fclose(f);
	return is;
}

static bool group_line(const char *group, const char *file, char line[128])
{
	char *path = xasprintf("%s/%s", group, file);
	bool is = line_of(path, line, 128);
	free(path);
	return is;
}

static void lower_cpus(struct machine *m, double quota, double period)
{
	if (quota > 0 && period > 0 && quota / period < m->cpus)
		m->cpus = quota / period;
}

static void lower_memory(struct machine *m, const char *text)
{
	char *end;
	long long bytes = strtoll(text, &end, 10);
	if (end != text && bytes > 0 && (!m->memory_mb || bytes >> 20 < m->memory_mb))
		m->memory_mb = bytes >> 20;
}

static void look_at(struct machine *m, const char *group, bool v2, bool cpu)
{
	char line[128], period[128];
	double quota, each;
	if (!cpu && group_line(group, v2 ? "memory.max" : "memory.limit_in_bytes", line))
		lower_memory(m, line);
	if (cpu && v2 && group_line(group, "cpu.max", line) && sscanf(line, "%lf %lf", &quota, &each) == 2)
		lower_cpus(m, quota, each);
	if (cpu && !v2 && group_line(group, "cpu.cfs_quota_us", line) && group_line(group, "cpu.cfs_period_us", period))
		lower_cpus(m, strtod(line, NULL), strtod(period, NULL));
}

/* A group and all above it. hierarchy "": version 2. */
static void climb(struct machine *m, const char *root, const char *hierarchy, const char *path, bool cpu)
{
	char *group = xasprintf("%s%s%s", root, hierarchy, path), *slash;
	size_t top = strlen(root) + strlen(hierarchy);
	do {
		look_at(m, group, !*hierarchy, cpu);
		slash = strrchr(group + top, '/');
		if (slash)
			*slash = 0;
	} while (slash);
	free(group);
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

void machine_groups(struct machine *m, const char *root, const char *lines)
{
	/* "N:CONTROLLERS:/PATH"; version 2 has no controllers. A container sees its own group as the root. */
	for (const char *p = lines; *p;) {
		size_t n = strcspn(p, "\n");
		char *line = xstrndup(p, n), *controllers = strchr(line, ':'),
		     *at = controllers ? strchr(controllers + 1, ':') : NULL;
		p += n + (p[n] == '\n');
		if (at) {
			*at++ = 0;
			controllers++;
			bool v2 = !*controllers;
			if (v2 || has_word(controllers, "cpu"))
				climb(m, root, v2 ? "" : "/cpu", at, true);
			if (v2 || has_word(controllers, "memory"))
				climb(m, root, v2 ? "" : "/memory", at, false);
		}
		free(line);
	}
}

static double processors(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	double n = online > 0 ? (double)online : 1;
#ifdef __linux__
	cpu_set_t *set = CPU_ALLOC(AFFINITY_MAX);
	size_t size = CPU_ALLOC_SIZE(AFFINITY_MAX);
	if (set && !sched_getaffinity(0, size, set) && CPU_COUNT_S(size, set) < n)
		n = CPU_COUNT_S(size, set);
	if (set)
		CPU_FREE(set);
#endif
	return n;
}

void machine_read(struct machine *m)
{
	struct buf lines = {0};
	char chunk[1024];
	*m = (struct machine){.cpus = processors()};
#ifdef _SC_PHYS_PAGES
	/* In megabytes first: pages times page size overflows a 32-bit long. */
	m->memory_mb = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20;
#endif
	FILE *f = fopen("/proc/self/cgroup", "re");
	for (size_t n; f && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
		buf_add(&lines, chunk, n);
	if (f)
		fclose(f);
	if (lines.len) {
		buf_add(&lines, "", 0);
		machine_groups(m, "/sys/fs/cgroup", lines.data);
	}
	buf_clear(&lines);
}
