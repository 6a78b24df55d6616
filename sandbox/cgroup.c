#include "sandbox/cgroup.h"
#ifdef __linux__
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_US 100000
#define REMOVE_TRIES 50

static int put(const char *dir, const char *file, const char *text)
{
	char *path = xasprintf("%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	free(path);
	return n < 0 ? -1 : 0;
}

static int put_number(const char *dir, const char *file, long long n)
{
	char *text = xasprintf("%lld", n);
	int rc = put(dir, file, text);
	free(text);
	return rc;
}

static void get(const char *dir, const char *file, struct buf *out)
{
	char *path = xasprintf("%s/%s", dir, file), chunk[4096];
	FILE *f = fopen(path, "re");
	for (size_t n; f && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
		buf_add(out, chunk, n);
	buf_add(out, "", 0);
	if (f)
		fclose(f);
	free(path);
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || strchr(", \n:", p[-1])) && (!p[n] || strchr(", \n:", p[n])))
			return true;
	return false;
}

/* Where a hierarchy is mounted, and where in it this process is; NULL when there is none. controller "": version 2. */
static char *own_group(const char *controller)
{
	struct buf mounts = {0}, self = {0};
	char *at = NULL, *found = NULL;
	get("/proc", "mounts", &mounts);
	get("/proc/self", "cgroup", &self);
	for (char *line = mounts.data, *next; line && *line && !at; line = next) {
		char dir[1024], type[64], options[1024];
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (sscanf(line, "%*s %1023s %63s %1023s", dir, type, options) == 3 &&
		    (*controller ? !strcmp(type, "cgroup") && has_word(options, controller) : !strcmp(type, "cgroup2")))
			at = xstrdup(dir);
	}
	/* "ID:CONTROLLERS:PATH", version 2: "0::PATH" */
	for (char *line = self.data, *next; line && *line && at && !found; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = 0;
		if (*controller ? has_word(names + 1, controller) : !names[1])
			found = xasprintf("%s%s", at, strcmp(path, "/") ? path : "");
	}
	if (found && access(found, F_OK)) { /* a path of the host's, seen from inside a container */
		free(found);
		found = xstrdup(at);
	}
	free(at);
	buf_clear(&mounts);
	buf_clear(&self);
	return found;
}

static bool make_in(struct cgroup *c, const char *parent, const char *name)
{
	char *dir = xasprintf("%s/%s", parent, name);
	bool made = !mkdir(dir, 0755);
	if (made)
		strs_add(&c->dirs, dir);
	free(dir);
	return made;
}

static bool make_v1(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus)
{
	static const char *const controllers[] = {"memory", "pids", "cpu"};
	bool ok = true;
	for (int i = 0; i < 3 && ok; i++) {
		char *parent = own_group(controllers[i]);
		ok = parent && make_in(c, parent, name);
		free(parent);
	}
	if (!ok)
		return false;
	long long bytes = (long long)memory_mb << 20;
	ok = !put_number(c->dirs.v[0], "memory.limit_in_bytes", bytes) && !put_number(c->dirs.v[1], "pids.max", pids) &&
	     !put_number(c->dirs.v[2], "cpu.cfs_quota_us", (long long)(cpus * PERIOD_US));
	put_number(c->dirs.v[0], "memory.memsw.limit_in_bytes", bytes); /* not there without swap accounting */
	return ok;
}

static bool make_v2(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus)
{
	char *own = own_group(""), *top = NULL;
	bool ok = false;
	c->v2 = true;
	/* A group with processes of its own gives no controllers to its children, except at the very top. */
	if (own && !put(own, "cgroup.subtree_control", "+memory +pids +cpu"))
		ok = make_in(c, own, name);
	if (own && !ok) {
		top = xstrdup("/sys/fs/cgroup/dgrid");
		mkdir(top, 0755);
		put("/sys/fs/cgroup", "cgroup.subtree_control", "+memory +pids +cpu");
		ok = !put(top, "cgroup.subtree_control", "+memory +pids +cpu") && make_in(c, top, name);
	}
	if (ok) {
		char *quota = xasprintf("%lld %d", (long long)(cpus * PERIOD_US), PERIOD_US);
		ok = !put_number(c->dirs.v[0], "memory.max", (long long)memory_mb << 20) &&
		     !put_number(c->dirs.v[0], "pids.max", pids) && !put(c->dirs.v[0], "cpu.max", quota);
		put(c->dirs.v[0], "memory.swap.max", "0");
		free(quota);
	}
	free(own);
	free(top);
	return ok;
}

bool cgroup_make(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus)
{
	*c = (struct cgroup){0};
	if (make_v1(c, name, memory_mb, pids, cpus))
		return true;
	cgroup_remove(c);
	if (make_v2(c, name, memory_mb, pids, cpus))
		return true;
	cgroup_remove(c);
	return false;
}

void cgroup_enter_argv(const struct cgroup *c, struct strs *argv)
{
	strs_add(argv, "sh");
	strs_add(argv, "-c");
	strs_addf(argv,
		  "n=%zu; while [ $n -gt 0 ]; do echo $$ >\"$1/cgroup.procs\" || exit 125; shift; n=$((n - 1)); done; "
		  "exec \"$@\"",
		  c->dirs.n);
	strs_add(argv, "sh");
	for (size_t i = 0; i < c->dirs.n; i++)
		strs_add(argv, c->dirs.v[i]);
}

bool cgroup_hit_memory(const struct cgroup *c)
{
	struct buf b = {0};
	long long kills = 0;
	if (c->dirs.n)
		get(c->dirs.v[0], c->v2 ? "memory.events" : "memory.oom_control", &b);
	const char *at = b.data ? strstr(b.data, "oom_kill ") : NULL;
	if (at)
		kills = strtoll(at + 9, NULL, 10);
	buf_clear(&b);
	return kills > 0;
}

void cgroup_remove(struct cgroup *c)
{
	for (size_t i = 0; i < c->dirs.n; i++) {
		/* What was killed leaves the group a moment later. */
		for (int try = 0; rmdir(c->dirs.v[i]) && try < REMOVE_TRIES; try++) {
			struct buf b = {0};
			get(c->dirs.v[i], "cgroup.procs", &b);
			for (char *p = b.data; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
				kill((pid_t)strtol(p, NULL, 10), SIGKILL);
			buf_clear(&b);
			usleep(1000);
		}
	}
	strs_clear(&c->dirs);
}

void cgroup_sweep(const char *prefix)
{
	static const char *const controllers[] = {"memory", "pids", "cpu", "", NULL};
	for (int i = 0; i < 5; i++) {
		char *parent = controllers[i] ? own_group(controllers[i]) : xstrdup("/sys/fs/cgroup/dgrid");
		DIR *d = parent ? opendir(parent) : NULL;
		for (struct dirent *de; d && (de = readdir(d));)
			if (!strncmp(de->d_name, prefix, strlen(prefix))) {
				struct cgroup left = {0};
				strs_addf(&left.dirs, "%s/%s", parent, de->d_name);
				cgroup_remove(&left);
			}
		if (d)
			closedir(d);
		free(parent);
	}
}
#else
bool cgroup_make(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus)
{
	(void)name;
	(void)memory_mb;
	(void)pids;
	(void)cpus;
	*c = (struct cgroup){0};
	return false;
}
void cgroup_enter_argv(const struct cgroup *c, struct strs *argv)
{
	(void)c;
	(void)argv;
}
bool cgroup_hit_memory(const struct cgroup *c)
{
	(void)c;
	return false;
}
void cgroup_remove(struct cgroup *c)
{
	(void)c;
}
void cgroup_sweep(const char *prefix)
{
	(void)prefix;
}
#endif
