/* What the kernel answers to a script in a sandbox: a program without libraries, small enough to travel in the script
 * (bats/sandbox.bash). A line each: a name and the error's number, 0 where it was allowed.
 *   probe            asks everything
 *   probe inotify N  opens N instances, says how many it got, and holds them
 *   probe files /tmp/x  makes empty files beside that name, for ever */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

static long call(long n, long a, long b, long c, long d, long e, long f)
{
#if defined __x86_64__
	long r;
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
#elif defined __aarch64__
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
			 x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "x86_64 or aarch64"
#endif
}
#define CALL(n, a, b, c, d) call((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static void put(const char *s)
{
	long n = 0;
	while (s[n])
		n++;
	CALL(SYS_write, 1, s, n, 0);
}

static void put_number(long n)
{
	char text[24], *p = text + sizeof text - 1;
	*p = 0;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	put(p);
}

static void say(const char *name, long r)
{
	put(name);
	put(" ");
	put_number(r < 0 ? -r : 0);
	put("\n");
}

/* A new process in namespaces of its own; it ends at once. */
static long fork_into(long flags)
{
	long r = CALL(SYS_clone, flags | 17 /* SIGCHLD */, 0, 0, 0);
	if (!r)
		CALL(SYS_exit, 0, 0, 0, 0);
	return r;
}

static void everything(void)
{
	static const struct {
		const char *name;
		long n, a, b, c;
	} calls[] = {
	    {"unshare", SYS_unshare, CLONE_NEWUSER, 0, 0},
	    {"setns", SYS_setns, 0, CLONE_NEWNET, 0},
	    {"mount-cgroup", SYS_mount, (long)"cgroup", (long)"/tmp", (long)"cgroup"},
	    {"pivot_root", SYS_pivot_root, (long)"/tmp", (long)"/tmp", 0},
	    {"keyctl", SYS_keyctl, 0 /* the id of */, -3 /* the session's keyring */, 0},
	    {"add_key", SYS_add_key, (long)"user", (long)"dgrid", (long)"x"},
	    {"bpf", SYS_bpf, 0, 0, 0},
	    {"perf_event_open", SYS_perf_event_open, 0, 0, 0},
	    {"userfaultfd", SYS_userfaultfd, 0, 0, 0},
	    {"io_uring", 425, 1, 0, 0},
	    {"open_by_handle", SYS_open_by_handle_at, 0, 0, 0},
	    {"vsock", SYS_socket, 40, 1, 0},
	    {"af_alg", SYS_socket, 38, 5, 0},
	    {"af_inet", SYS_socket, 2, 1, 0},
	    {"personality", SYS_personality, 0x0040000, 0, 0},
	    {"swapoff", SYS_swapoff, (long)"/tmp", 0, 0},
	    {"reboot", SYS_reboot, 0, 0, 0},
	    {"dev", SYS_openat, -100, (long)"/dev/new", O_CREAT | O_WRONLY},
	    {"shm", SYS_openat, -100, (long)"/dev/shm/new", O_CREAT | O_WRONLY},
	};
	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
		say(calls[i].name, CALL(calls[i].n, calls[i].a, calls[i].b, calls[i].c, i == 2 ? 0 : 0600));
	say("clone-user", fork_into(CLONE_NEWUSER));
	say("clone-cgroup", fork_into(CLONE_NEWCGROUP));
	say("fork", fork_into(0));
	say("clone3", CALL(435, 0, 0, 0, 0));
	say("tomorrow", CALL(600, 0, 0, 0, 0));
}

static void hold_inotify(const char *count)
{
	long n = 0, got = 0, hold[2] = {3, 0};
	while (*count)
		n = n * 10 + (*count++ - '0');
	while (got < n && CALL(SYS_inotify_init1, 0, 0, 0, 0) >= 0)
		got++;
	put("inotify ");
	put_number(got);
	put("\n");
	CALL(SYS_nanosleep, hold, 0, 0, 0);
}

/* It is itself so small that the kernel, out of memory, ends somebody else first. */
static void make_files(const char *path)
{
	char name[64];
	for (unsigned long n = 0;; n++) {
		unsigned long k = 0, m = n;
		for (; path[k] && k < 40; k++)
			name[k] = path[k];
		do
			name[k++] = (char)('a' + m % 16);
		while (m /= 16);
		name[k] = 0;
		long fd = CALL(SYS_openat, -100, name, O_CREAT | O_WRONLY, 0600);
		if (fd >= 0)
			CALL(SYS_close, fd, 0, 0, 0);
	}
}

__attribute__((noreturn, used)) void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	if (*stack > 2 && argv[1][0] == 'f')
		make_files(argv[2]);
	else if (*stack > 2)
		hold_inotify(argv[2]);
	else
		everything();
	CALL(SYS_exit_group, 0, 0, 0, 0);
	for (;;)
		;
}

#if defined __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall begin\n");
#else
__asm__(".globl _start\n_start: mov x0, sp\nbl begin\n");
#endif
