/* What a packed static program begins with: unpacks the program that it carries and becomes it, in the same process.
 * That keeps what others see and rely on: the name, /proc/self/exe, the arguments, the environment. The program is an
 * ELF file of fixed addresses without interpreter; it goes through a file in memory, because hardened services
 * (systemd's MemoryDenyWriteExecute) forbid memory that was written to be executed, and what is mapped from a file
 * never was.
 *
 * scripts/static.sh compiles it, with PACKED the .lzma file's name and UNPACKED_LEN the length of what is in it, and
 * links it at an address that the program does not use. The program's exit status is its own; 69 says that it never
 * began. Sources: elf(5), getauxval(3), and for what a process finds on its stack the System V ABI of the processor. */
#include "lzma.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern const unsigned char packed[], packed_end[];
__asm__(".section .rodata\n"
	".globl packed, packed_end\n"
	"packed: .incbin \"" PACKED "\"\n"
	"packed_end:\n"
	".previous\n");

/* Leaves this program for good: the stack is as the kernel made it, so that the other finds its arguments there. */
static _Noreturn void enter(uint64_t entry, void *stack)
{
	/* In registers that are not cleared on the way. */
#if defined __x86_64__
	__asm__ volatile("mov %1, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%0"
			 :
			 : "a"(entry), "D"(stack)
			 : "memory");
#elif defined __aarch64__
	register uint64_t to __asm__("x16") = entry;
	register void *at __asm__("x17") = stack;
	__asm__ volatile("mov sp, %1\n\tmov x29, xzr\n\tmov x30, xzr\n\tbr %0" : : "r"(to), "r"(at) : "memory");
#else
#error "packed programs are for x86_64 and aarch64: make static PACKED=no"
#endif
	__builtin_unreachable();
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* there is nobody to tell */
}

static _Noreturn void fail(const char *what, const char *why)
{
	say("dgrid: this packed program cannot be unpacked: ");
	say(what);
	say(": ");
	say(why);
	say("\ndgrid: the Debian package and what `make` or `make static PACKED=no` builds are not packed\n");
	_exit(69);
}

static void *mapped(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(at, len, prot, flags, fd, offset);
	if (p == MAP_FAILED)
		fail("mmap", strerror(errno));
	return p;
}

/* The program as a file in memory, which nobody can change any more. Its name is what proc_again (base/proc.c) looks
 * for. */
static int unpacked(void)
{
	int fd = memfd_create("dgrid-unpacked", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		fail("memfd_create", strerror(errno));
	void (*was)(int) = signal(SIGXFSZ, SIG_IGN); /* a small `ulimit -f` would end it without a word */
	if (ftruncate(fd, UNPACKED_LEN))
		fail("ftruncate", strerror(errno));
	signal(SIGXFSZ, was);
	size_t len = (size_t)(packed_end - packed);
	unsigned char *out = mapped(NULL, UNPACKED_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (lzma_unpack(packed, len, out, UNPACKED_LEN) != LZMA_WHOLE)
		fail("its content", "damaged; fetch it again and compare SHA256SUMS");
	munmap(out, UNPACKED_LEN);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		fail("fcntl", strerror(errno));
	return fd;
}

/* One part of the file at its place, and zeros after it as far as it says. A linker puts what is
 * only zeros behind the data, so there is always something of the file. */
static void load(const Elf64_Phdr *part, int fd, uint64_t page)
{
	int prot = (part->p_flags & PF_R ? PROT_READ : 0) | (part->p_flags & PF_W ? PROT_WRITE : 0) |
		   (part->p_flags & PF_X ? PROT_EXEC : 0);
	uint64_t lead = part->p_vaddr % page, begin = part->p_vaddr - lead;
	uint64_t of_file = part->p_vaddr + part->p_filesz, end = part->p_vaddr + part->p_memsz;
	uint64_t file_pages = (of_file + page - 1) / page * page;
	mapped((void *)begin, of_file - begin, prot, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(part->p_offset - lead));
	if (end > file_pages)
		mapped((void *)file_pages, end - file_pages, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	if (end > of_file) /* the rest of the last page shows what follows in the file */
		memset((void *)of_file, 0, (end < file_pages ? end : file_pages) - of_file);
}

static void replace(Elf64_auxv_t *aux, uint64_t type, uint64_t value)
{
	for (; aux->a_type != AT_NULL; aux++)
		if (aux->a_type == type)
			aux->a_un.a_val = value;
}

int main(int argc, char **argv, char **env)
{
	(void)argc;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd = unpacked();
	const Elf64_Ehdr *head = mapped(NULL, UNPACKED_LEN, PROT_READ, MAP_SHARED, fd, 0);
	const Elf64_Phdr *parts = (const Elf64_Phdr *)((const char *)head + head->e_phoff);
	uint64_t parts_at = 0, entry = head->e_entry;
	unsigned count = head->e_phnum;
	for (const Elf64_Phdr *p = parts; p < parts + count; p++) {
		if (p->p_type != PT_LOAD)
			continue;
		load(p, fd, page);
		if (head->e_phoff >= p->p_offset && head->e_phoff < p->p_offset + p->p_filesz)
			parts_at = p->p_vaddr + head->e_phoff - p->p_offset;
	}
	munmap((void *)head, UNPACKED_LEN); /* fd stays open: who starts the program again need not unpack it again */
	/* What was read to unpack need not stay. */
	uintptr_t from = ((uintptr_t)packed + page - 1) / page * page, to = (uintptr_t)packed_end / page * page;
	if (to > from)
		madvise((void *)from, to - from, MADV_DONTNEED);

	/* After the environment comes what the kernel says of the program: where it begins, and where its parts are. */
	while (*env)
		env++;
	Elf64_auxv_t *aux = (Elf64_auxv_t *)(env + 1);
	replace(aux, AT_PHDR, parts_at);
	replace(aux, AT_PHNUM, count);
	replace(aux, AT_PHENT, sizeof(Elf64_Phdr));
	replace(aux, AT_ENTRY, entry);
	enter(entry, argv - 1); /* before the arguments stands their number, and that is where the stack began */
}
