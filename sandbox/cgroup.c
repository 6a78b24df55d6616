#include "sandbox/cgroup.h"
#ifdef __linux__
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_US 100000
#define REMOVE_MS 50
#define REMOVE_TRIES 600
#define EXIT_US 10000
#define EXIT_TRIES 200
#define LEAF "/dgrid-worker"

/* Groups that could not be removed yet. */
static struct strs left;
static struct loop_timer *left_timer;
static int left_tries;

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

/* Where a hierarchy is mounted; NULL when there is none. controller "": version 2. */
static char *mounted_at(const char *controller)
{
	struct buf mounts = {0};
	char *at = NULL;
	get("/proc", "mounts", &mounts);
	for (char *line = mounts.data, *next; line && *line && !at; line = next) {
		char dir[1024], type[64], options[1024];
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (sscanf(line, "%*s %1023s %63s %1023s", dir, type, options) == 3 &&
		    (*controller ? !strcmp(type, "cgroup") && has_word(options, controller) : !strcmp(type, "cgroup2")))
			at = xstrdup(dir);
	}
	buf_clear(&mounts);
	return at;
}

/* And where in it this process is. */
static char *own_group(const char *controller)
{
	struct buf self = {0};
	char *at = mounted_at(controller), *found = NULL;
	get("/proc/self", "cgroup", &self);
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
	/* Mostly mounted together with cpu, and then made already. It is for accounts alone. */
	char *parent = own_group("cpuacct");
	if (parent && ok)
		make_in(c, parent, name);
	free(parent);
	return ok;
}

/* Version 2: the group that this process was started in. A group with processes of its own gives no controllers to its
 * children. Where an ordinary user was given one (Delegate=), the worker moves into a leaf of it, and makes the others
 * beside. */
static char *started_in(void)
{
	char *own = own_group("");
	size_t len = own ? strlen(own) : 0, leaf = sizeof LEAF - 1;
	struct stat st;
	if (len > leaf && !strcmp(own + len - leaf, LEAF)) {
		own[len - leaf] = 0;
		return own;
	}
	if (own && geteuid() && !stat(own, &st) && st.st_uid == geteuid()) {
		char *dir = xasprintf("%s" LEAF, own);
		mkdir(dir, 0755);
		put(dir, "cgroup.procs", "0");
		free(dir);
	}
	return own;
}

static bool make_v2(struct cgroup *c, const char *name, int memory_mb, int pids, double cpus)
{
	char *own = started_in(), *top = NULL;
	bool ok = false;
	c->v2 = true;
	if (own && !put(own, "cgroup.subtree_control", "+memory +pids +cpu")) {
		put(own, "cgroup.subtree_control", "+io"); /* for accounts alone; not everybody is given it */
		ok = make_in(c, own, name);
	}
	if (own && !ok) { /* root's, at the very top, which may have processes too */
		top = xstrdup("/sys/fs/cgroup/dgrid");
		mkdir(top, 0755);
		put("/sys/fs/cgroup", "cgroup.subtree_control", "+memory +pids +cpu");
		put("/sys/fs/cgroup", "cgroup.subtree_control", "+io");
		ok = !put(top, "cgroup.subtree_control", "+memory +pids +cpu");
		put(top, "cgroup.subtree_control", "+io");
		ok = ok && make_in(c, top, name);
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

/* ---- what was used ---- */

/* The file of that name in any of the groups. False: none has it. */
static bool get_any(const struct cgroup *c, const char *file, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < c->dirs.n && !out->len; i++)
		get(c->dirs.v[i], file, out);
	return out->len > 0;
}

/* The number behind a word at the beginning of a line; word "": the first. -1: there is none. */
static int64_t number_of(const struct cgroup *c, const char *file, const char *word)
{
	struct buf b = {0};
	size_t n = strlen(word);
	int64_t found = -1;
	for (const char *p = get_any(c, file, &b) ? b.data : NULL; p && *p && found < 0;
	     p += strcspn(p, "\n"), p += *p == '\n')
		if (!n || (!strncmp(p, word, n) && p[n] == ' '))
			found = strtoll(p + n, NULL, 10);
	buf_clear(&b);
	return found;
}

/* io.stat has a line a device: "8:0 rbytes=90112 wbytes=0 ...". An empty one: it used none. */
static int64_t sum_of(const struct cgroup *c, const char *file, const char *word)
{
	struct buf b = {0};
	int64_t sum = 0;
	for (const char *p = get_any(c, file, &b) ? b.data : ""; (p = strstr(p, word)); p += strlen(word))
		sum += strtoll(p + strlen(word), NULL, 10);
	buf_clear(&b);
	return sum;
}

static bool has_file(const struct cgroup *c, const char *file)
{
	char *path = xasprintf("%s/%s", c->dirs.v[0], file);
	bool there = !access(path, R_OK);
	free(path);
	return there;
}

static bool time_v1(const struct cgroup *c, struct account *a)
{
	int64_t all = number_of(c, "cpuacct.usage", ""), user = number_of(c, "cpuacct.usage_user", ""),
		system = number_of(c, "cpuacct.usage_sys", "");
	if (all < 0)
		return false;
	/* The sum is exact, its parts are told in ticks of the clock. */
	double share = user >= 0 && system > 0 ? (double)system / (double)(user + system) : 0;
	a->system_ms = (int64_t)((double)all * share) / 1000000;
	a->user_ms = all / 1000000 - a->system_ms;
	return true;
}

bool cgroup_account(const struct cgroup *c, struct account *a)
{
	int64_t n;
	bool told;
	if (!c->dirs.n)
		return false;
	if (c->v2) {
		int64_t user = number_of(c, "cpu.stat", "user_usec"), system = number_of(c, "cpu.stat", "system_usec");
		told = user >= 0 && system >= 0;
		if (told) {
			a->user_ms = user / 1000;
			a->system_ms = system / 1000;
		}
		if (has_file(c, "io.stat")) {
			a->read_bytes = sum_of(c, "io.stat", "rbytes=");
			a->written_bytes = sum_of(c, "io.stat", "wbytes=");
		}
	} else
		told = time_v1(c, a);
	n = number_of(c, c->v2 ? "memory.peak" : "memory.max_usage_in_bytes", "");
	if (n >= 0)
		a->peak_kb = n / 1024;
	for (size_t i = 0; i < c->dirs.n; i++) {
		struct cgroup one = {.dirs = {.v = &c->dirs.v[i], .n = 1}};
		n = number_of(&one, "pids.events", "max");
		if (n > a->refused)
			a->refused = n;
	}
	if (told)
		a->by = "cgroup";
	return told;
}

/* Where engines put a container, below where a hierarchy is mounted: with cgroupfs, with systemd, and an ordinary
 * user's. */
static char *place_of(const char *controller, const char *id)
{
	unsigned long user = (unsigned long)geteuid();
	char *at = mounted_at(controller), *found = NULL;
	struct strs places = {0};
	if (at) {
		strs_addf(&places, "%s/docker/%s", at, id);
		strs_addf(&places, "%s/system.slice/docker-%s.scope", at, id);
		strs_addf(&places, "%s/libpod_parent/libpod-%s", at, id);
		strs_addf(&places, "%s/machine.slice/libpod-%s.scope", at, id);
		strs_addf(&places, "%s/user.slice/user-%lu.slice/user@%lu.service/user.slice/libpod-%s.scope", at, user,
			  user, id);
		strs_addf(&places, "%s/user.slice/user-%lu.slice/user@%lu.service/user.slice/docker-%s.scope", at, user,
			  user, id);
	}
	for (size_t i = 0; i < places.n && !found; i++)
		if (!access(places.v[i], F_OK))
			found = xstrdup(places.v[i]);
	strs_clear(&places);
	free(at);
	return found;
}

bool cgroup_find(struct cgroup *c, const char *id)
{
	static const char *const controllers[] = {"memory", "pids", "cpu", "cpuacct"};
	*c = (struct cgroup){0};
	for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
		char *place = place_of(controllers[i], id);
		if (place)
			strs_add(&c->dirs, place);
		free(place);
	}
	if (c->dirs.n)
		return true;
	char *place = place_of("", id);
	c->v2 = place != NULL;
	if (place) {
		strs_add(&c->dirs, place);
		strs_addf(&c->dirs, "%s/container", place); /* crun's, where it counts what it refused */
	}
	free(place);
	return c->v2;
}

void cgroup_forget(struct cgroup *c)
{
	strs_clear(&c->dirs);
	*c = (struct cgroup){0};
}

/* ---- removal ---- */

/* True: it is gone. Else what still lives in it is on its way out, and leaves the group a moment later. */
static bool remove_dir(const char *dir)
{
	struct buf b = {0};
	if (!rmdir(dir) || errno == ENOENT)
		return true;
	get(dir, "cgroup.procs", &b);
	for (char *p = b.data; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
		kill((pid_t)strtol(p, NULL, 10), SIGKILL);
	buf_clear(&b);
	return !rmdir(dir) || errno == ENOENT;
}

static void try_left(void)
{
	struct strs still = {0};
	for (size_t i = 0; i < left.n; i++)
		if (!remove_dir(left.v[i]))
			strs_add(&still, left.v[i]);
	strs_clear(&left);
	left = still;
}

static void tell_left(void)
{
	for (size_t i = 0; i < left.n; i++)
		log_at(LOG_WARN, "sandbox", "the control group %s cannot be removed: something in it does not end",
		       left.v[i]);
	strs_clear(&left);
}

static void left_due(void *ctx)
{
	(void)ctx;
	left_timer = NULL;
	try_left();
	if (left.n && ++left_tries < REMOVE_TRIES)
		left_timer = loop_after(REMOVE_MS, left_due, NULL);
	else
		tell_left();
}

static void left_at_exit(void)
{
	for (int i = 0; i < EXIT_TRIES && left.n; i++) {
		usleep(EXIT_US);
		try_left();
	}
	tell_left();
}

void cgroup_remove(struct cgroup *c)
{
	static bool minded;
	for (size_t i = 0; i < c->dirs.n; i++)
		if (!remove_dir(c->dirs.v[i]))
			strs_add(&left, c->dirs.v[i]);
	strs_clear(&c->dirs);
	if (!left.n)
		return;
	left_tries = 0;
	if (!left_timer)
		left_timer = loop_after(REMOVE_MS, left_due, NULL);
	if (!minded)
		atexit(left_at_exit);
	minded = true;
}

bool cgroup_possible(void)
{
	struct cgroup c;
	char nonce[17], *name;
	clock_nonce(nonce, 8);
	name = xasprintf("dgrid-trial-%s", nonce);
	bool can = cgroup_make(&c, name, 64, 16, 1.0);
	cgroup_remove(&c);
	free(name);
	return can;
}

void cgroup_sweep(const char *prefix)
{
	static const char *const controllers[] = {"memory", "pids", "cpu", "cpuacct", "", NULL};
	for (int i = 0; i < 6; i++) {
		char *parent = !controllers[i]	 ? xstrdup("/sys/fs/cgroup/dgrid")
			       : *controllers[i] ? own_group(controllers[i])
						 : started_in();
		DIR *d = parent ? opendir(parent) : NULL;
		for (struct dirent *de; d && (de = readdir(d));)
			if (!strncmp(de->d_name, prefix, strlen(prefix))) {
				struct cgroup one = {0};
				strs_addf(&one.dirs, "%s/%s", parent, de->d_name);
				cgroup_remove(&one);
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
bool cgroup_hit_memory(const struct cgroup *c)
{
	(void)c;
	return false;
}
bool cgroup_account(const struct cgroup *c, struct account *a)
{
	(void)c;
	(void)a;
	return false;
}
bool cgroup_find(struct cgroup *c, const char *id)
{
	(void)id;
	*c = (struct cgroup){0};
	return false;
}
void cgroup_forget(struct cgroup *c)
{
	(void)c;
}
void cgroup_remove(struct cgroup *c)
{
	(void)c;
}
bool cgroup_possible(void)
{
	return false;
}
void cgroup_sweep(const char *prefix)
{
	(void)prefix;
}
#endif
