#include "sandbox/seccomp.h"
#if defined __linux__ && (defined __x86_64__ || defined __aarch64__)
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* What <linux/filter.h>, <linux/seccomp.h> and <linux/audit.h> define: not every compiler has the kernel's headers. */
struct instruction {
	uint16_t code;
	uint8_t if_true, if_false; /* instructions to pass over */
	uint32_t k;
};
enum { LOAD_AT = 0x20, IF_EQUAL = 0x15, IF_ABOVE = 0x25, IF_AT_LEAST = 0x35, IF_ANY_BIT = 0x45, RETURN = 0x06 };
enum { AT_NUMBER = 0, AT_MACHINE = 4, AT_ARGUMENTS = 16 }; /* each is 64 bits; the lower half comes first */
#define ALLOW 0x7fff0000u
#define WITH_ERROR 0x00050000u
#ifdef __x86_64__
#define MACHINE 0xc000003eu
#define X32_BIT 0x40000000u /* numbers of x86_64's other calling convention */
#else
#define MACHINE 0xc00000b7u
#endif
/* What is newer than this list is not there (ENOSYS), so that programs fall back to what they used before. From 424 on
 * the numbers are the same on all machines; older headers do not name them. */
#define NEWEST_KNOWN 466
#define REFUSE(e)                                                                                                      \
	{                                                                                                              \
		RETURN, 0, 0, WITH_ERROR | (e)                                                                         \
	}
#define LOAD(at)                                                                                                       \
	{                                                                                                              \
		LOAD_AT, 0, 0, (at)                                                                                    \
	}
#define ARGUMENT(i) (AT_ARGUMENTS + 8 * (i))
/* The next n instructions are for this value only. */
#define WHEN(value, n)                                                                                                 \
	{                                                                                                              \
		IF_EQUAL, 0, (n), (value)                                                                              \
	}
/* For this value the next n instructions are passed over. */
#define UNLESS(value, n)                                                                                               \
	{                                                                                                              \
		IF_EQUAL, (n), 0, (value)                                                                              \
	}
#define NEW_NAMESPACES                                                                                                 \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |                     \
	 0x02000000 /* cgroup */)

static const unsigned refused[] = {
    /* namespaces, mounts, the root */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    428 /* open_tree */,
    429 /* move_mount */,
    430 /* fsopen */,
    431 /* fsconfig */,
    432 /* fsmount */,
    433 /* fspick */,
    442 /* mount_setattr */,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_quotactl,
    443 /* quotactl_fd */,
    SYS_fanotify_init,
    /* keys outlive the sandbox: they belong to a user id */
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    /* parts of the kernel that a script has no use for and that had holes */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    425 /* io_uring_setup */,
    426 /* io_uring_enter */,
    427 /* io_uring_register */,
    447 /* memfd_secret */,
    SYS_lookup_dcookie,
    SYS_vhangup,
    SYS_syslog,
    SYS_acct,
    /* other processes, and where memory lies */
    SYS_kcmp,
    438 /* pidfd_getfd */,
    SYS_process_vm_writev,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_mbind,
    SYS_get_mempolicy,
    SYS_set_mempolicy,
    450 /* set_mempolicy_home_node */,
    /* the machine */
    SYS_reboot,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
    SYS_query_module,
    SYS_get_kernel_syms,
    SYS_nfsservctl,
#endif
};

static void add(struct buf *out, const struct instruction *code, size_t n)
{
	buf_add(out, (const char *)code, n * sizeof *code);
}

struct span {
	unsigned from, to;
};

/* Looks the number up, by halves: the kernel tries each number there is when it takes the filter, and an older one each
 * call. What is in no span goes on behind the last of these instructions, left of which are still to come. */
static void search(struct buf *out, const struct span *s, size_t n, size_t left)
{
	size_t half = n / 2, before = 4 * half - 1;
	if (n == 1) {
		const struct instruction one[] = {{IF_AT_LEAST, 0, (uint8_t)(left - 1), s->from},
						  {IF_ABOVE, (uint8_t)(left - 2), 0, s->to},
						  REFUSE(EPERM)};
		add(out, one, 3);
		return;
	}
	const struct instruction which = {IF_AT_LEAST, (uint8_t)before, 0, s[half].from};
	add(out, &which, 1);
	search(out, s, half, left - 1);
	search(out, s + half, n - half, left - 1 - before);
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}

static void refuse(struct buf *out)
{
	unsigned sorted[sizeof refused / sizeof *refused];
	struct span spans[sizeof refused / sizeof *refused];
	_Static_assert(4 * sizeof refused / sizeof *refused <= 256, "a jump is 8 bits");
	size_t n = 0;
	memcpy(sorted, refused, sizeof refused);
	qsort(sorted, sizeof sorted / sizeof *sorted, sizeof *sorted, by_number);
	for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
		if (n && spans[n - 1].to + 1 == sorted[i])
			spans[n - 1].to++;
		else
			spans[n++] = (struct span){sorted[i], sorted[i]};
	search(out, spans, n, 4 * n - 1);
}

bool seccomp_filter(struct buf *out)
{
	static const struct instruction begin[] = {
	    LOAD(AT_MACHINE),
	    UNLESS(MACHINE, 1),
	    REFUSE(ENOSYS), /* 32-bit programs have numbers of their own */
	    LOAD(AT_NUMBER),
#ifdef X32_BIT
	    {IF_AT_LEAST, 0, 1, X32_BIT},
	    REFUSE(ENOSYS),
#endif
	    {IF_ABOVE, 0, 1, NEWEST_KNOWN},
	    REFUSE(ENOSYS),
	    /* Its flags lie in memory, where no filter can look: the C library then takes clone. */
	    WHEN(435 /* clone3 */, 1),
	    REFUSE(ENOSYS),
	};
	static const struct instruction end[] = {
	    /* Processes and threads, but no namespaces. */
	    WHEN(SYS_clone, 4),
	    LOAD(ARGUMENT(0)),
	    {IF_ANY_BIT, 0, 1, NEW_NAMESPACES},
	    REFUSE(EPERM),
	    {RETURN, 0, 0, ALLOW},
	    /* Sockets within the sandbox and of its own network, none of the host's (AF_VSOCK) or of the kernel's. */
	    WHEN(SYS_socket, 7),
	    LOAD(ARGUMENT(0)),
	    UNLESS(AF_UNIX, 4),
	    UNLESS(AF_INET, 3),
	    UNLESS(AF_INET6, 2),
	    UNLESS(AF_NETLINK, 1),
	    REFUSE(EAFNOSUPPORT),
	    {RETURN, 0, 0, ALLOW},
	    /* A terminal's input is its owner's. */
	    WHEN(SYS_ioctl, 4),
	    LOAD(ARGUMENT(1)),
	    WHEN(TIOCSTI, 1),
	    REFUSE(EPERM),
	    {RETURN, 0, 0, ALLOW},
	    /* Linux as it is, as 32 bits would see it, or the question which: nothing that weakens where memory lies.
	     */
	    WHEN(SYS_personality, 6),
	    LOAD(ARGUMENT(0)),
	    UNLESS(0, 3),
	    UNLESS(0x0008, 2),
	    UNLESS(0xffffffffu, 1),
	    REFUSE(EPERM),
	    {RETURN, 0, 0, ALLOW},
	    {RETURN, 0, 0, ALLOW},
	};
	add(out, begin, sizeof begin / sizeof *begin);
	refuse(out);
	add(out, end, sizeof end / sizeof *end);
	return true;
}
#else
bool seccomp_filter(struct buf *out)
{
	(void)out;
	return false;
}
#endif
