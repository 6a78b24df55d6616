#include "sandbox/enter.h"
#include "base/proc.h"
#include "sandbox/seccomp.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#endif

#define WORD "sandbox-enter"
#define NOT_ENTERED 125
#define STACK_BYTES (8 << 20)
#define KEYCTL_JOIN_SESSION_KEYRING 1

/* Soft and hard alike, so that a script can't tell, or undo, what the worker's shell had set. */
static const struct {
	int which;
	const char *name;
	rlim_t most;
	bool required; /* what is lower than this is told */
} limits[] = {
    {RLIMIT_NOFILE, "open files", ENTER_FILES, true},
    {RLIMIT_CORE, "core", 0, false},
    {RLIMIT_FSIZE, "file size", RLIM_INFINITY, true},
    {RLIMIT_CPU, "CPU time", RLIM_INFINITY, true},
    {RLIMIT_DATA, "data", RLIM_INFINITY, true},
    {RLIMIT_STACK, "stack", STACK_BYTES, true},
    {RLIMIT_AS, "address space", RLIM_INFINITY, true},
    {RLIMIT_NPROC, "processes", RLIM_INFINITY, false}, /* "pids" holds instead */
    {RLIMIT_MEMLOCK, "locked memory", 8 << 20, false},
#ifdef RLIMIT_RTPRIO
    {RLIMIT_RTPRIO, "real-time priority", 0, false},
    {RLIMIT_NICE, "nice", 0, false},
    {RLIMIT_MSGQUEUE, "message queues", 819200, false},
    {RLIMIT_SIGPENDING, "pending signals", 1024, false},
    {RLIMIT_LOCKS, "file locks", RLIM_INFINITY, false},
#endif
};
#define N_LIMITS (sizeof limits / sizeof *limits)

void enter_argv(const struct enter *e, struct strs *argv)
{
	strs_add(argv, proc_again());
	strs_add(argv, WORD);
	for (size_t i = 0; e->groups && i < e->groups->n; i++)
		strs_addf(argv, "group=%s", e->groups->v[i]);
	if (e->user)
		strs_addf(argv, "user=%d", e->user);
	if (e->user && e->also)
		strs_addf(argv, "also=%d", e->also);
	if (e->memory_mb)
		strs_addf(argv, "memory_mb=%d", e->memory_mb);
	if (e->file_mb)
		strs_addf(argv, "file_mb=%lld", (long long)e->file_mb);
	if (e->cpu_seconds)
		strs_addf(argv, "cpu_seconds=%lld", (long long)e->cpu_seconds);
	if (e->reap)
		strs_add(argv, "reap");
	if (e->names)
		strs_add(argv, "names=1");
	strs_add(argv, "--");
}

bool enter_filters(void)
{
	struct buf b = {0};
	bool any = seccomp_filter(&b);
	buf_clear(&b);
	return any;
}

void enter_short(struct buf *why)
{
	struct rlimit now;
	for (size_t i = 0; i < N_LIMITS; i++)
		if (limits[i].required && !getrlimit(limits[i].which, &now) && now.rlim_max < limits[i].most &&
		    geteuid())
			buf_addf(why, "%s%s at most %llu", why->len ? ", " : "", limits[i].name,
				 (unsigned long long)now.rlim_max);
}

static int cannot(const char *what)
{
	fprintf(stderr, "dgrid: sandbox: cannot %s: %s\n", what, strerror(errno));
	return NOT_ENTERED;
}

static int join_group(const char *dir)
{
	/* A thread that moves itself needs no lock that all forks of the machine wait for; version 1 has a file for
	 * that. */
	char *path = xasprintf("%s/tasks", dir);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		free(path);
		path = xasprintf("%s/cgroup.procs", dir);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	bool in = fd >= 0 && write(fd, "0", 1) == 1;
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	int rc = in ? 0 : cannot(path);
	free(path);
	return rc;
}

static void set_limits(int memory_mb, int64_t file_mb, int64_t cpu_seconds)
{
	for (size_t i = 0; i < N_LIMITS; i++) {
		struct rlimit now, want = {.rlim_cur = limits[i].most, .rlim_max = limits[i].most};
		if (limits[i].which == RLIMIT_AS && memory_mb)
			want.rlim_cur = want.rlim_max = (rlim_t)memory_mb << 20;
		if (limits[i].which == RLIMIT_FSIZE && file_mb)
			want.rlim_cur = want.rlim_max = (rlim_t)file_mb << 20;
		if (limits[i].which == RLIMIT_CPU && cpu_seconds) { /* a signal of its own, and then the end */
			want.rlim_cur = (rlim_t)cpu_seconds + 1;
			want.rlim_max = (rlim_t)cpu_seconds + 2;
		}
		if (!setrlimit(limits[i].which, &want) || getrlimit(limits[i].which, &now))
			continue;
		/* Not root, and given less: the most that is left. */
		want.rlim_cur = want.rlim_max = now.rlim_max < want.rlim_max ? now.rlim_max : want.rlim_max;
		setrlimit(limits[i].which, &want);
	}
}

/* The C library does this for all but the two or so that it keeps for itself, which may be ignored as well. */
static void reset_signals(void)
{
#if defined __linux__ && defined SYS_rt_sigaction
	static const unsigned long as_usual[8]; /* the kernel's own structure, all zero: SIG_DFL */
	for (int n = 32; n <= 64; n++)
		syscall(SYS_rt_sigaction, n, as_usual, NULL, sizeof(uint64_t));
#endif
}

/* Bytes that a pipe holds whole, to be read from at. */
static int offer(const void *bytes, size_t len, int at, const char *what)
{
	int pair[2];
	if (pipe(pair))
		return cannot("make a pipe");
	bool whole = write(pair[1], bytes, len) == (ssize_t)len;
	close(pair[1]);
	if (whole && pair[0] != at) {
		whole = dup2(pair[0], at) == at;
		close(pair[0]);
	}
	return whole ? 0 : cannot(what);
}

static int offer_filter(void)
{
	struct buf b = {0};
	if (!seccomp_filter(&b))
		return 0;
	int rc = offer(b.data, b.len, ENTER_FILTER_FD, "hand over the filter of system calls");
	buf_clear(&b);
	return rc;
}

static int offer_names(void)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
				     "dgrid:x:1000:1000:dgrid:/tmp:/bin/sh\n"
				     "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
			  group[] = "root:x:0:\ndgrid:x:1000:\nnogroup:x:65534:\n";
	int rc = offer(passwd, sizeof passwd - 1, ENTER_PASSWD_FD, "hand over /etc/passwd");
	return rc ? rc : offer(group, sizeof group - 1, ENTER_GROUP_FD, "hand over /etc/group");
}

static int become(int user, int also)
{
	gid_t group = (gid_t)also;
	if (user && geteuid() == 0 && (setgroups(also ? 1 : 0, &group) || setgid((gid_t)user) || setuid((uid_t)user)))
		return cannot("become the sandbox's user");
	return 0;
}

/* The path of a program, as execvp would find it; the caller frees. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	if (strchr(name, '/'))
		return xstrdup(name);
	for (path = path && *path ? path : "/usr/bin:/bin"; *path; path += path[strcspn(path, ":")] == ':') {
		int len = (int)strcspn(path, ":");
		char *file = xasprintf("%.*s/%s", len, path, name);
		if (len && !access(file, X_OK))
			return file;
		free(file);
		path += len;
	}
	return NULL;
}

/* Forks, and returns in the child alone. bwrap's outer process does not wait for its inner one, which takes the account
 * of all that ran with it; it becomes ours then. */
static int stay_as_parent(void)
{
#if defined __linux__ && defined PR_SET_CHILD_SUBREAPER
	pid_t parent = getppid(), ended, child;
	int status = 0, how = 0;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return cannot("wait for the sandbox");
	child = fork();
	if (child <= 0)
		return child ? cannot("fork") : 0;
	for (int fd = 0; fd <= ENTER_FILTER_FD; fd++)
		close(fd);
	while ((ended = wait(&status)) > 0 || errno == EINTR)
		how = ended == child ? status : how;
	if (WIFSIGNALED(how)) {
		signal(WTERMSIG(how), SIG_DFL);
		raise(WTERMSIG(how));
	}
	_exit(WEXITSTATUS(how));
#else
	return 0;
#endif
}

int enter_asked(int argc, char **argv)
{
	int i = 2, user = 0, also = 0, memory_mb = 0, rc = 0;
	bool reap = false;
	int64_t file_mb = 0, cpu_seconds = 0;
	bool names = false;
	if (argc < 4 || strcmp(argv[1], WORD) != 0)
		return -1;
	for (; i < argc && strcmp(argv[i], "--") != 0 && !rc; i++)
		if (!strncmp(argv[i], "group=", 6))
			rc = join_group(argv[i] + 6);
		else if (!strncmp(argv[i], "user=", 5))
			user = (int)strtol(argv[i] + 5, NULL, 10);
		else if (!strncmp(argv[i], "also=", 5))
			also = (int)strtol(argv[i] + 5, NULL, 10);
		else if (!strncmp(argv[i], "memory_mb=", 10))
			memory_mb = (int)strtol(argv[i] + 10, NULL, 10);
		else if (!strncmp(argv[i], "file_mb=", 8))
			file_mb = strtoll(argv[i] + 8, NULL, 10);
		else if (!strcmp(argv[i], "reap"))
			reap = true;
		else if (!strncmp(argv[i], "cpu_seconds=", 12))
			cpu_seconds = strtoll(argv[i] + 12, NULL, 10);
		else if (!strcmp(argv[i], "names=1"))
			names = true;
	if (rc || i + 1 >= argc)
		return rc ? rc : NOT_ENTERED;
	char *program = find_program(argv[i + 1]);
	if (!program) {
		fprintf(stderr, "dgrid: sandbox: %s is not installed\n", argv[i + 1]);
		return NOT_ENTERED;
	}
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char *const env[] = {path, NULL};
	umask(022);
	reset_signals();
#if defined __linux__ && defined SYS_keyctl
	/* One that nobody else has. Where the kernel has no keys this fails, and there is none to be seen. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
#endif
	if (chdir("/"))
		return cannot("go to /");
	rc = offer_filter();
	if (!rc && names)
		rc = offer_names();
	if (!rc) {
		/* late, for it binds this process too; before the right to raise them is gone */
		set_limits(memory_mb, file_mb, cpu_seconds);
		rc = become(user, also);
	}
	if (!rc && reap)
		rc = stay_as_parent();
	if (!rc) {
		execve(program, argv + i + 1, env);
		rc = cannot(program);
	}
	free(program);
	return rc;
}
