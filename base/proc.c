#include "base/proc.h"
#include "base/clock.h"
#include "base/sig.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

extern char **environ;

#define BLOCK_BYTES 512 /* of those that wait4 counts */
#define KILL_GRACE_MS 2000
#define GIVE_UP_MS 100
#define DEAF_MS 400	    /* who has not ended so long after SIGTERM is killed */
#define WIDE_PIPE (1 << 20) /* what Linux gives to anybody */
#define PIPE_READ 65536	    /* as much as a pipe holds */
#define FDS_MAX 65536	    /* where nothing tells which descriptors are open, so many are looked at */
#define LINGER_MS 1000	    /* a daemon left behind may hold our pipes: do not wait for it longer than this */
enum { FD_OUT, FD_ERR, FD_STATUS, FD_IN, N_FDS };

struct proc {
	struct proc *next;
	struct proc_spec spec;
	struct buf input;
	size_t input_sent;
	pid_t pid;
	int fd[N_FDS];
	bool reaped, timed_out, finished, waited_for;
	bool held;		   /* nobody reads its output for now */
	bool fed_all;		   /* no more input will come */
	void (*hungry)(void *ctx); /* asked for more input; NULL: it comes by itself */
	int status;
	int64_t deadline, linger_until; /* monotonic ms, 0: none */
	struct proc_result res;
};
struct loop_timer {
	struct loop_timer *next;
	int64_t at;
	uint64_t number; /* in the order in which they were made */
	void (*fire)(void *);
	void *ctx;
};
static struct proc *procs;
static struct loop_timer *timers;
static uint64_t timers_made;
static bool (*give_up)(void);
static int64_t waits_since; /* proc_run, monotonic ms; 0: nobody waits */
static bool calling;	    /* a callback is under way */

const char *proc_self(void)
{
	static char path[4096];
	if (!path[0]) {
		ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
		if (n <= 0)
			snprintf(path, sizeof path, "dgrid"); /* no /proc: found through PATH */
	}
	return path;
}

static bool dumpable(void)
{
#ifdef __linux__
	return prctl(PR_GET_DUMPABLE) == 1;
#else
	return false;
#endif
}

const char *proc_again(void)
{
	static const char unpacked[] = "/memfd:dgrid-unpacked"; /* by packaging/packed/unpack.c */
	static char path[64];
	static bool looked;
	DIR *d = looked ? NULL : opendir("/proc/self/fd");
	for (struct dirent *de; d && !path[0] && (de = readdir(d));) {
		char target[64] = "";
		if (readlinkat(dirfd(d), de->d_name, target, sizeof target - 1) > 0 &&
		    !strncmp(target, unpacked, sizeof unpacked - 1))
			snprintf(path, sizeof path, "/proc/%ld/fd/%.20s", (long)getpid(), de->d_name);
	}
	if (d)
		closedir(d);
	/* It may be forbidden to run what lies in memory, or to look into a process whose program cannot be read. */
	if (path[0] && !looked && (access(path, X_OK) || !dumpable()))
		path[0] = 0;
	looked = true;
	return path[0] ? path : proc_self();
}

/* Every descriptor above 2 becomes close-on-exec: by one call, else by the list of those that are open, else one by
 * one. */
static void close_all_on_exec(void)
{
#if defined __linux__ && defined SYS_close_range
	const unsigned cloexec = 4; /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */
	if (!syscall(SYS_close_range, 3u, ~0u, cloexec))
		return;
#endif
	DIR *d = opendir("/proc/self/fd");
	if (!d)
		d = opendir("/dev/fd");
	if (d) {
		for (struct dirent *de; (de = readdir(d));) {
			int fd = (int)strtol(de->d_name, NULL, 10);
			if (fd > 2)
				fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
		closedir(d);
		return;
	}
	struct rlimit most;
	bool known = !getrlimit(RLIMIT_NOFILE, &most) && most.rlim_cur < FDS_MAX;
	for (int fd = 3; fd < (known ? (int)most.rlim_cur : FDS_MAX); fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* what is not open says so */
}

int proc_begin(struct err *e)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return err_set(e, ERR_UNAVAILABLE,
				       "descriptor %d is closed, and /dev/null cannot take its place: %s", fd,
				       strerror(errno));
	close_all_on_exec();
	return 0;
}

void proc_result_clear(struct proc_result *r)
{
	buf_clear(&r->out);
	buf_clear(&r->err);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static char **build_env(const struct proc_spec *spec)
{
	size_t n = 0, cap = 0;
	for (char **p = environ; p && *p; p++)
		cap++;
	for (const char *const *p = spec->env; p && *p; p++)
		cap++;
	char **env = xcalloc(cap + 1, sizeof *env);
	for (char **p = environ; !spec->clean_env && p && *p; p++) {
		size_t name = strcspn(*p, "=");
		bool replaced = false;
		for (const char *const *q = spec->env; q && *q && !replaced; q++)
			replaced = strcspn(*q, "=") == name && !strncmp(*p, *q, name);
		if (!replaced)
			env[n++] = *p;
	}
	for (const char *const *q = spec->env; q && *q; q++)
		if (strchr(*q, '='))
			env[n++] = (char *)*q;
	return env;
}

static int pipe_cloexec(int p[2])
{
	if (pipe(p))
		return -1;
	fcntl(p[0], F_SETFD, FD_CLOEXEC);
	fcntl(p[1], F_SETFD, FD_CLOEXEC);
	return 0;
}

/* The pipes of a child, and what it is given of them: theirs[], which the caller closes. The originals are moved out of
 * the way of 0-3, which the child's copies take. Returns 0 or an errno. */
static int open_ends(struct proc *p, int theirs[N_FDS])
{
	const struct proc_spec *spec = &p->spec;
	for (int i = 0; i < N_FDS; i++) {
		int pair[2];
		if (i == FD_STATUS && !spec->status_pipe)
			continue;
		if (i == FD_IN && !spec->input && !spec->feed)
			theirs[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		else if (!pipe_cloexec(pair)) {
			p->fd[i] = pair[i == FD_IN];
			theirs[i] = pair[i != FD_IN];
			fcntl(p->fd[i], F_SETFL, O_NONBLOCK);
		}
		if (theirs[i] < 0)
			return errno;
#ifdef F_SETPIPE_SZ
		if (i == FD_OUT && spec->wide)
			fcntl(p->fd[i], F_SETPIPE_SZ, WIDE_PIPE);
#endif
		if (theirs[i] > 3)
			continue;
		int up = fcntl(theirs[i], F_DUPFD_CLOEXEC, 10), why = errno;
		close(theirs[i]);
		theirs[i] = up;
		if (up < 0)
			return why;
	}
	return 0;
}

/* Returns 0 or an errno. */
static int spawn(struct proc *p, const int theirs[N_FDS])
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	/* dup2 clears close-on-exec on the copies; every other descriptor of ours closes by itself. */
	posix_spawn_file_actions_adddup2(&fa, theirs[FD_IN], 0);
	posix_spawn_file_actions_adddup2(&fa, theirs[FD_OUT], 1);
	posix_spawn_file_actions_adddup2(&fa, theirs[FD_ERR], 2);
	if (theirs[FD_STATUS] >= 0)
		posix_spawn_file_actions_adddup2(&fa, theirs[FD_STATUS], 3);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	char **env = build_env(&p->spec);
	int rc = posix_spawnp(&p->pid, p->spec.argv[0], &fa, &at, (char *const *)p->spec.argv, env);
	free(env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	return rc;
}

struct proc *proc_start(const struct proc_spec *spec, struct err *e)
{
	sig_init();
	struct proc *p = xcalloc(1, sizeof *p);
	int theirs[N_FDS] = {-1, -1, -1, -1};
	p->spec = *spec;
	if (!p->spec.cap)
		p->spec.cap = 1 << 20;
	for (int i = 0; i < N_FDS; i++)
		p->fd[i] = -1;
	if (spec->input)
		buf_add(&p->input, spec->input, spec->input_len);
	p->fed_all = !spec->feed;
	int rc = open_ends(p, theirs);
	if (!rc)
		rc = spawn(p, theirs);
	for (int i = 0; i < N_FDS; i++)
		close_fd(&theirs[i]);
	if (rc) {
		for (int i = 0; i < N_FDS; i++)
			close_fd(&p->fd[i]);
		buf_clear(&p->input);
		free(p);
		err_set(e, ERR_UNAVAILABLE, "cannot start '%s': %s", spec->argv[0], strerror(rc));
		return NULL;
	}
	p->spec.quiet_ms = spec->timeout_ms ? 0 : spec->quiet_ms;
	if (spec->timeout_ms || spec->quiet_ms)
		p->deadline = clock_mono_ms() + (spec->timeout_ms ? spec->timeout_ms : spec->quiet_ms);
	p->next = procs;
	procs = p;
	return p;
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

void proc_signal(struct proc *p, int sig)
{
	if (!p->reaped)
		kill(-p->pid, sig);
}

static void keep(struct proc *p, int which, const char *bytes, size_t len)
{
	if (p->spec.on_output) {
		calling = true;
		p->spec.on_output(p->spec.ctx, (enum proc_stream)which, bytes, len);
		calling = false;
		return;
	}
	struct buf *b = which == FD_OUT ? &p->res.out : &p->res.err;
	bool *cut = which == FD_OUT ? &p->res.out_cut : &p->res.err_cut;
	size_t room = p->spec.cap > b->len ? p->spec.cap - b->len : 0;
	if (len > room) {
		*cut = true;
		len = room;
	}
	buf_add(b, bytes, len);
}

static void serve_fd(struct proc *p, int which)
{
	char chunk[PIPE_READ];
	if (which == FD_IN) {
		size_t left = p->input.len - p->input_sent;
		ssize_t n = left ? write(p->fd[FD_IN], p->input.data + p->input_sent, left) : 0;
		if (n > 0)
			p->input_sent += (size_t)n;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			close_fd(&p->fd[FD_IN]);
		else if (p->input_sent == p->input.len) {
			buf_reset(&p->input);
			p->input_sent = 0;
			if (p->fed_all)
				close_fd(&p->fd[FD_IN]);
			else if (p->hungry)
				p->hungry(p->spec.ctx);
		}
		return;
	}
	ssize_t n = read(p->fd[which], chunk, sizeof chunk);
	if (n > 0 && p->spec.quiet_ms && !p->timed_out)
		p->deadline = clock_mono_ms() + p->spec.quiet_ms;
	if (n > 0)
		keep(p, which, chunk, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&p->fd[which]);
}

/* What a child had written when it ended is in the pipe, however long we were kept from reading it. */
static void drain(struct proc *p, int which)
{
	for (int reads = WIDE_PIPE / PIPE_READ + 1; reads && p->fd[which] >= 0; reads--) {
		struct pollfd pfd = {.fd = p->fd[which], .events = POLLIN};
		if (poll(&pfd, 1, 0) <= 0)
			return;
		serve_fd(p, which);
	}
}

/* told: some child may have ended. */
static void check_child(struct proc *p, int64_t now, bool told)
{
	struct rusage used, own;
	if (!p->reaped && told && wait4(p->pid, &p->status, WNOHANG, &used) == p->pid) {
		p->reaped = true;
		if (!getrusage(RUSAGE_SELF, &own) && used.ru_maxrss > own.ru_maxrss)
			p->res.peak_kb = used.ru_maxrss;
		p->res.user_ms = (int64_t)used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000;
		p->res.system_ms = (int64_t)used.ru_stime.tv_sec * 1000 + used.ru_stime.tv_usec / 1000;
		p->res.read_bytes = (int64_t)used.ru_inblock * BLOCK_BYTES;
		p->res.written_bytes = (int64_t)used.ru_oublock * BLOCK_BYTES;
		p->linger_until = now + LINGER_MS;
	}
	if (!p->reaped && p->deadline && now >= p->deadline) {
		kill(-p->pid, p->timed_out ? SIGKILL : SIGTERM);
		p->timed_out = true;
		p->deadline = now + KILL_GRACE_MS;
	}
	if (!p->reaped)
		return;
	bool open = p->fd[FD_OUT] >= 0 || p->fd[FD_ERR] >= 0 || p->fd[FD_STATUS] >= 0;
	if (open && (p->held || now < p->linger_until))
		return;
	for (int i = FD_OUT; i <= FD_STATUS && open; i++)
		drain(p, i);
	for (int i = 0; i < N_FDS; i++)
		close_fd(&p->fd[i]);
	p->res.end = p->timed_out ? PROC_TIMED_OUT : WIFSIGNALED(p->status) ? PROC_SIGNALLED : PROC_EXITED;
	p->res.code = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
	p->finished = true;
}

static void proc_free(struct proc *p)
{
	for (struct proc **q = &procs; *q; q = &(*q)->next)
		if (*q == p) {
			*q = p->next;
			break;
		}
	buf_clear(&p->input);
	free(p);
}

void proc_feed(struct proc *p, const void *bytes, size_t len)
{
	if (p->fd[FD_IN] >= 0)
		buf_add(&p->input, bytes, len);
}

void proc_feed_end(struct proc *p)
{
	p->fed_all = true;
	if (p->input_sent == p->input.len)
		close_fd(&p->fd[FD_IN]);
}

void proc_when_hungry(struct proc *p, void (*hungry)(void *ctx))
{
	p->hungry = hungry;
}

void proc_hold(struct proc *p, bool held)
{
	if (p->held && !held && p->reaped)
		p->linger_until = clock_mono_ms() + LINGER_MS;
	p->held = held;
}

void proc_end_now(struct proc *const *p)
{
	if (*p)
		proc_signal(*p, SIGTERM);
	while (*p) {
		proc_hold(*p, false);
		loop_step(100);
	}
}

/* Callbacks may start and end children and timers, so after each callback the scan starts over. */
static bool end_one(void)
{
	for (struct proc *p = procs; p; p = p->next)
		if (p->finished && !p->waited_for) {
			struct proc_result res = p->res;
			void (*on_end)(void *, const struct proc_result *) = p->spec.on_end;
			void *ctx = p->spec.ctx;
			proc_free(p);
			calling = true;
			if (on_end)
				on_end(ctx, &res);
			calling = false;
			proc_result_clear(&res);
			return true;
		}
	return false;
}

/* Fires what is due longest among the timers up to the one numbered last. What callbacks set meanwhile waits for the
 * next turn, even when it is due at once: pipes, children and signals come first. */
static bool fire_one(int64_t now, uint64_t last)
{
	struct loop_timer **due = NULL;
	for (struct loop_timer **q = &timers; *q; q = &(*q)->next)
		if ((*q)->at <= now && (*q)->number <= last &&
		    (!due || (*q)->at < (*due)->at || ((*q)->at == (*due)->at && (*q)->number < (*due)->number)))
			due = q;
	if (!due)
		return false;
	struct loop_timer *t = *due;
	*due = t->next;
	calling = true;
	t->fire(t->ctx);
	calling = false;
	free(t);
	return true;
}

static int64_t sooner(int64_t wait, int64_t at, int64_t now)
{
	int64_t left = at > now ? at - now : 0;
	return left < wait ? left : wait;
}

void loop_step(int64_t max_wait_ms)
{
	assert(!calling); /* what a callback waits for could be served by nobody but itself */
	sig_init();
	int64_t now = clock_mono_ms(), wait = max_wait_ms;
	size_t n = 1, cap = 1;
	for (struct proc *p = procs; p; p = p->next)
		cap += N_FDS;
	struct pollfd *pfd = xcalloc(cap, sizeof *pfd);
	pfd[0] = (struct pollfd){.fd = sig_fd(), .events = POLLIN};
	for (struct loop_timer *t = timers; t; t = t->next)
		wait = sooner(wait, t->at, now);
	for (struct proc *p = procs; p; p = p->next) {
		if (!p->reaped && p->deadline)
			wait = sooner(wait, p->deadline, now);
		if (p->reaped && !p->held)
			wait = sooner(wait, p->linger_until, now);
		for (int i = 0; i < N_FDS; i++) {
			bool fed = p->input_sent == p->input.len && !p->fed_all && !p->hungry;
			bool idle = i == FD_IN ? fed : i == FD_OUT && p->held;
			pfd[n++] = (struct pollfd){.fd = idle ? -1 : p->fd[i], .events = i == FD_IN ? POLLOUT : POLLIN};
		}
	}
	int got = poll(pfd, (nfds_t)n, (int)wait);
	bool told = got <= 0 || pfd[0].revents;
	if (got > 0 && told)
		sig_drain();
	n = 1;
	if (got > 0)
		for (struct proc *p = procs; p; p = p->next)
			for (int i = 0; i < N_FDS; i++, n++)
				if (pfd[n].revents && p->fd[i] == pfd[n].fd && p->fd[i] >= 0)
					serve_fd(p, i);
	free(pfd);
	now = clock_mono_ms();
	for (struct proc *p = procs; p; p = p->next)
		if (!p->finished)
			check_child(p, now, told);
	uint64_t last = timers_made;
	while (end_one())
		;
	while (fire_one(now, last))
		;
}

proc_asked *proc_give_up_when(proc_asked *asked)
{
	proc_asked *before = give_up;
	give_up = asked;
	return before;
}

void proc_pause(int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms, now; (now = clock_mono_ms()) < until && !proc_given_up();)
		loop_step(until - now);
}

int64_t proc_waited_ms(void)
{
	return waits_since ? clock_mono_ms() - waits_since : 0;
}

bool proc_given_up(void)
{
	return give_up && give_up();
}

int proc_run(const struct proc_spec *spec, struct proc_result *res, struct err *e)
{
	*res = (struct proc_result){.end = PROC_NOT_STARTED};
	struct proc *p = proc_start(spec, e);
	if (!p)
		return -1;
	p->waited_for = true;
	waits_since = clock_mono_ms();
	int64_t told_at = 0;
	while (!p->finished) {
		loop_step(give_up ? GIVE_UP_MS : 60000);
		if (!give_up || p->finished || !give_up())
			continue;
		if (!told_at) {
			proc_signal(p, SIGTERM);
			told_at = clock_mono_ms();
		} else if (clock_mono_ms() - told_at > DEAF_MS)
			proc_signal(p, SIGKILL);
	}
	waits_since = 0;
	*res = p->res;
	proc_free(p);
	return 0;
}

struct loop_timer *loop_after(int64_t ms, void (*fire)(void *), void *ctx)
{
	struct loop_timer *t = xcalloc(1, sizeof *t);
	*t = (struct loop_timer){
	    .next = timers, .at = clock_mono_ms() + ms, .number = ++timers_made, .fire = fire, .ctx = ctx};
	timers = t;
	return t;
}

void loop_timer_stop(struct loop_timer *t)
{
	for (struct loop_timer **q = &timers; t && *q; q = &(*q)->next)
		if (*q == t) {
			*q = t->next;
			free(t);
			return;
		}
}
