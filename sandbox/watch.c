#include "sandbox/watch.h"
#ifdef __linux__
#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOOK_MIN_MS 50
#define LOOK_MAX_MS 2000
#define COST_SHARE 50	 /* a pass takes at most one part in so many of the time */
#define INODE_BYTES 1024 /* what an empty file costs the kernel, about */

struct watch {
	struct watch *next;
	long init;
	uint64_t limit;
	void (*over)(void *);
	void *ctx;
	int64_t cpu_ms;
	uint64_t seen;	/* CPU ticks and bytes at the last look, added up: the same means that nothing happened */
	bool told, due; /* over was called; is to be called */
};
struct process {
	long pid, parent;
	uint64_t rss, ticks; /* ticks: with those of the children that it waited for */
	long init;	     /* the sandbox's first process that it descends from; 0: none; -1: not looked for yet */
};
static struct watch *watches;
static struct loop_timer *timer;
static int64_t wait_ms, next_at, not_before; /* not_before: a pass then would cost more than its share */

static size_t slurp(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, room - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

static int by_pid(const void *a, const void *b)
{
	long x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;
	return (x > y) - (x < y);
}

/* All processes, by pid. A snapshot: what forks meanwhile is seen next time. */
static struct process *census(size_t *n)
{
	size_t count = 0, cap = 0;
	struct process *all = NULL;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	DIR *d = opendir("/proc");
	struct dirent *de;
	while (d && (de = readdir(d))) {
		char path[64], text[512];
		unsigned long user, sys;
		long pid = strtol(de->d_name, NULL, 10), parent, rss, waited_user, waited_sys;
		if (pid <= 0)
			continue;
		snprintf(path, sizeof path, "/proc/%ld/stat", pid);
		char *rest =
		    slurp(path, text, sizeof text) ? strrchr(text, ')') : NULL; /* the name may hold anything */
		if (!rest ||
		    sscanf(rest + 1,
			   " %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld",
			   &parent, &user, &sys, &waited_user, &waited_sys, &rss) != 6)
			continue;
		if (count == cap) {
			cap = cap ? cap * 2 : 256;
			all = xrealloc(all, cap * sizeof *all);
		}
		all[count++] =
		    (struct process){.pid = pid,
				     .parent = parent,
				     .rss = (uint64_t)rss * page,
				     .ticks = user + sys + (unsigned long)waited_user + (unsigned long)waited_sys,
				     .init = -1};
	}
	if (d)
		closedir(d);
	if (count)
		qsort(all, count, sizeof *all, by_pid);
	*n = count;
	return all;
}

static struct process *find(struct process *all, size_t n, long pid)
{
	struct process key = {.pid = pid};
	return n ? bsearch(&key, all, n, sizeof *all, by_pid) : NULL;
}

/* Whose sandbox each process is in. A parent is asked once, however many children it has; a pid that was used again
 * meanwhile could make a circle, so the way up has an end. */
static void settle(struct process *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct process *up = &all[i];
		long init = -1;
		for (size_t steps = 0; init < 0; steps++) {
			init = up->init;
			if (init < 0 && (up->parent <= 1 || steps > n || !(up = find(all, n, up->parent))))
				init = 0;
		}
		for (up = &all[i]; up && up->init < 0; up = find(all, n, up->parent))
			up->init = init;
	}
}

static uint64_t field_kb(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* What a file system of the sandbox holds; before it has one of its own there, it sees the worker's, which does not
 * count. The worker owns the sandbox's user namespace, so it may look. */
static uint64_t held(long init, const char *dir)
{
	char path[64];
	struct stat theirs, ours;
	struct statvfs f;
	snprintf(path, sizeof path, "/proc/%ld/root%s", init, dir);
	return stat(path, &theirs) || (!stat(dir, &ours) && ours.st_dev == theirs.st_dev) || statvfs(path, &f)
		   ? 0
		   : (uint64_t)(f.f_blocks - f.f_bfree) * f.f_frsize + (uint64_t)(f.f_files - f.f_ffree) * INODE_BYTES;
}

struct inodes {
	uint64_t *v;
	size_t n;
};

/* Memory files without a name that a process holds open; each counts once. */
static uint64_t memory_files(long pid, struct inodes *known)
{
	char dir[64], path[128], target[16];
	uint64_t sum = 0;
	struct dirent *de;
	struct stat st;
	snprintf(dir, sizeof dir, "/proc/%ld/fd", pid);
	DIR *d = opendir(dir);
	while (d && (de = readdir(d))) {
		snprintf(path, sizeof path, "%s/%.20s", dir, de->d_name);
		if (readlink(path, target, sizeof target) < 7 || memcmp(target, "/memfd:", 7) != 0 || stat(path, &st))
			continue;
		bool again = false;
		for (size_t i = 0; i < known->n && !again; i++)
			again = known->v[i] == st.st_ino;
		if (again)
			continue;
		known->v = xrealloc(known->v, (known->n + 1) * sizeof *known->v);
		known->v[known->n++] = st.st_ino;
		sum += (uint64_t)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	return sum;
}

/* Looks at one sandbox. The sum of what each process has in memory counts shared pages once for each, so it only says
 * that more has to be asked. */
static void look(struct watch *w, const struct process *all, size_t n)
{
	uint64_t rss = 0, ticks = 0, own = 0, shared = 0, files = held(w->init, "/tmp") + held(w->init, "/dev/shm");
	struct inodes known = {0};
	for (size_t i = 0; i < n; i++)
		if (all[i].init == w->init) {
			rss += all[i].rss;
			ticks += all[i].ticks;
			files += memory_files(all[i].pid, &known);
		}
	free(known.v);
	int64_t ms = (int64_t)(ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
	w->cpu_ms = ms > w->cpu_ms ? ms : w->cpu_ms;
	if (rss + files > w->limit) {
		for (size_t i = 0; i < n; i++) {
			char path[64], text[2048];
			if (all[i].init != w->init)
				continue;
			snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", all[i].pid);
			if (!slurp(path, text, sizeof text)) {
				own += all[i].rss; /* an old kernel */
				continue;
			}
			own += field_kb(text, "Pss_Anon:");
			shared += field_kb(text, "Pss_Shmem:");
		}
		w->due = own + (shared > files ? shared : files) > w->limit && !w->told;
	}
	uint64_t seen = ticks * 4096 + rss + files;
	if (seen != w->seen)
		wait_ms = LOOK_MIN_MS;
	w->seen = seen;
}

static void pass(void *ctx);

static void look_in(int64_t ms)
{
	int64_t now = clock_mono_ms();
	next_at = now + ms > not_before ? now + ms : not_before;
	timer = loop_after(next_at - now, pass, NULL);
}

static void pass(void *ctx)
{
	size_t n;
	int64_t began = clock_mono_ms();
	(void)ctx;
	timer = NULL;
	struct process *all = census(&n);
	for (struct watch *w = watches; w; w = w->next) {
		struct process *first = find(all, n, w->init);
		if (first)
			first->init = w->init;
	}
	settle(all, n);
	wait_ms = clock_longer(wait_ms, LOOK_MIN_MS, LOOK_MAX_MS);
	for (struct watch *w = watches; w; w = w->next)
		look(w, all, n);
	free(all);
	int64_t now = clock_mono_ms(), rest = (now - began) * COST_SHARE;
	not_before = now + (rest < LOOK_MAX_MS ? rest : LOOK_MAX_MS);
	if (watches)
		look_in(wait_ms);
	for (struct watch *w = watches; w;) { /* over may stop watches */
		struct watch *one = w->due ? w : NULL;
		w = one ? watches : w->next;
		if (one) {
			one->due = false;
			one->told = true;
			one->over(one->ctx);
		}
	}
}

struct watch *watch_start(long init, int memory_mb, void (*over)(void *ctx), void *ctx)
{
	struct watch *w = xcalloc(1, sizeof *w);
	*w =
	    (struct watch){.next = watches, .init = init, .limit = (uint64_t)memory_mb << 20, .over = over, .ctx = ctx};
	watches = w;
	wait_ms = LOOK_MIN_MS;
	if (!timer || next_at > clock_mono_ms() + LOOK_MIN_MS) { /* the others sleep, so it may be far off */
		loop_timer_stop(timer);
		look_in(wait_ms);
	}
	return w;
}

void watch_stop(struct watch *w)
{
	for (struct watch **q = &watches; w && *q; q = &(*q)->next)
		if (*q == w) {
			*q = w->next;
			free(w);
			break;
		}
	if (!watches) {
		loop_timer_stop(timer);
		timer = NULL;
	}
}

int64_t watch_cpu_ms(const struct watch *w)
{
	return w ? w->cpu_ms : 0;
}

void watch_signal(long init, int sig)
{
	size_t n;
	struct process *all = census(&n), *first = find(all, n, init);
	if (first)
		first->init = init;
	settle(all, n);
	for (size_t i = 0; i < n; i++)
		if (all[i].init == init && all[i].pid != init)
			kill((pid_t)all[i].pid, sig);
	free(all);
}
#else
#include <stddef.h>
struct watch *watch_start(long init, int memory_mb, void (*over)(void *ctx), void *ctx)
{
	(void)init;
	(void)memory_mb;
	(void)over;
	(void)ctx;
	return NULL;
}
void watch_stop(struct watch *w)
{
	(void)w;
}
int64_t watch_cpu_ms(const struct watch *w)
{
	(void)w;
	return 0;
}
void watch_signal(long init, int sig)
{
	(void)init;
	(void)sig;
}
#endif
