/* The filter of system calls, carried out here as the kernel would: what it refuses, what it lets through, and in how
 * many steps. */
#include "sandbox/seccomp.h"
#include "test.h"
#include <string.h>
#if defined __linux__ && (defined __x86_64__ || defined __aarch64__)
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define MACHINE 0xc000003eu
#else
#define MACHINE 0xc00000b7u
#endif
#define STEPS_MAX 64
enum { ALLOWED = 0, BROKEN = -1 };

struct instruction { /* of BPF */
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t k;
};
struct call { /* as a filter sees it */
	uint32_t number, machine;
	uint64_t at, arguments[6];
};
static struct buf filter;
static unsigned steps;

/* The error that the call ends with, ALLOWED or BROKEN. */
static int run(const struct call *c)
{
	const struct instruction *code = (const struct instruction *)(const void *)filter.data;
	size_t n = filter.len / sizeof *code;
	uint32_t a = 0;
	steps = 0;
	for (size_t i = 0; i < n; i++) {
		const struct instruction *x = &code[i];
		steps++;
		bool yes = false;
		switch (x->code) {
		case 0x20:
			if (x->k + sizeof a > sizeof *c)
				return BROKEN;
			memcpy(&a, (const char *)c + x->k, sizeof a);
			continue;
		case 0x15:
			yes = a == x->k;
			break;
		case 0x25:
			yes = a > x->k;
			break;
		case 0x35:
			yes = a >= x->k;
			break;
		case 0x45:
			yes = a & x->k;
			break;
		case 0x06:
			return x->k == 0x7fff0000 ? ALLOWED : x->k >> 16 == 5 ? (int)(x->k & 0xffff) : BROKEN;
		default:
			return BROKEN;
		}
		i += yes ? x->if_true : x->if_false;
	}
	return BROKEN;
}

static int ask(uint32_t number, uint64_t first, uint64_t second)
{
	struct call c = {.number = number, .machine = MACHINE, .arguments = {first, second}};
	return run(&c);
}

static void numbers(void)
{
	static const uint32_t refused[] = {SYS_unshare,
					   SYS_setns,
					   SYS_mount,
					   SYS_umount2,
					   SYS_pivot_root,
					   SYS_chroot,
					   SYS_add_key,
					   SYS_keyctl,
					   SYS_bpf,
					   SYS_perf_event_open,
					   SYS_reboot,
					   SYS_swapoff,
					   SYS_acct,
					   SYS_vhangup,
					   SYS_request_key,
					   SYS_kcmp,
					   SYS_quotactl,
					   SYS_mbind,
					   SYS_userfaultfd,
					   SYS_clock_settime,
					   425,
					   428,
					   433,
					   438,
					   442,
					   443,
					   447,
					   450};
	static const uint32_t allowed[] = {SYS_read,
					   SYS_write,
					   SYS_openat,
					   SYS_execve,
					   SYS_exit_group,
					   SYS_mmap,
					   SYS_kill,
					   SYS_ptrace,
					   SYS_process_vm_readv,
					   SYS_prctl,
					   SYS_seccomp,
					   424,
					   434,
					   436,
					   437,
					   439,
					   441,
					   444,
					   446,
					   448,
					   449,
					   451,
					   466};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		int got = ask(refused[i], 0, 0);
		CHECK(got == EPERM, "refused");
		if (got != EPERM)
			printf("  system call %u: %d\n", refused[i], got);
	}
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
		int got = ask(allowed[i], 0, 0);
		CHECK(got == ALLOWED, "let through");
		if (got != ALLOWED)
			printf("  system call %u: %d\n", allowed[i], got);
	}
	CHECK(ask(467, 0, 0) == ENOSYS && ask(0x3fffffff, 0, 0) == ENOSYS && ask(435, 0, 0) == ENOSYS,
	      "what is newer, and clone3, is not there");
	struct call foreign = {.number = SYS_read, .machine = 0x40000003};
	CHECK(run(&foreign) == ENOSYS, "nor are another machine's calls");
#ifdef __x86_64__
	CHECK(ask(0x40000000u | SYS_read, 0, 0) == ENOSYS, "nor those of another calling convention");
#endif
}

static void arguments(void)
{
	CHECK(ask(SYS_clone, 17, 0) == ALLOWED && ask(SYS_clone, CLONE_VM | CLONE_THREAD, 0) == ALLOWED, "threads");
	CHECK(ask(SYS_clone, CLONE_NEWUSER | 17, 0) == EPERM && ask(SYS_clone, CLONE_NEWNS, 0) == EPERM, "namespaces");
	CHECK(ask(SYS_socket, AF_UNIX, 0) == ALLOWED && ask(SYS_socket, AF_INET6, 0) == ALLOWED, "sockets");
	CHECK(ask(SYS_socket, 40, 0) == EAFNOSUPPORT && ask(SYS_socket, 38, 0) == EAFNOSUPPORT, "of the host");
	CHECK(ask(SYS_ioctl, 0, TIOCSTI) == EPERM && ask(SYS_ioctl, 0, TIOCGWINSZ) == ALLOWED, "a terminal's input");
	CHECK(ask(SYS_personality, 0, 0) == ALLOWED && ask(SYS_personality, 0xffffffff, 0) == ALLOWED &&
		  ask(SYS_personality, 0x40000, 0) == EPERM,
	      "personality");
}

/* Where the kernel does not note what always passes, every call of a script pays for each step. */
static void quick(void)
{
	unsigned most = 0;
	int broken = 0;
	for (uint32_t n = 0; n < 500; n++) {
		broken += ask(n, 0, 0) == BROKEN;
		most = steps > most ? steps : most;
	}
	CHECK(!broken, "every call has an answer");
	CHECK(most <= STEPS_MAX, "in a few steps");
	ask(SYS_read, 0, 0);
	CHECK(steps <= STEPS_MAX / 2, "what all programs do in fewer");
	if (most > STEPS_MAX || steps > STEPS_MAX / 2)
		printf("  %u steps at most, read %u, %zu instructions\n", most, steps,
		       filter.len / sizeof(struct instruction));
}

int main(void)
{
	CHECK(seccomp_filter(&filter) && filter.len % sizeof(struct instruction) == 0, "there is one");
	numbers();
	arguments();
	quick();
	buf_clear(&filter);
	return test_end("test_seccomp");
}
#else
int main(void)
{
	struct buf none = {0};
	CHECK(!seccomp_filter(&none) && !none.len, "there is none");
	return test_end("test_seccomp");
}
#endif
