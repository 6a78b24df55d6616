/* Read errors on demand, for tests: preloaded into dgrid (and there only), it lets calls fail as the file that FAILING
 * names says. Lines "CALL ERROR TEXT": CALL is open, list (a folder), look (lstat) or read; ERROR an errno's number, or
 * 0 for the end of the file; TEXT stands in the path. What failed is noted in that file's .hits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

/* The error that this call is to meet; -1: none. Uses system calls alone: what it calls could be what it replaces. */
static int fault(const char *call, const char *path)
{
	const char *rules = getenv("FAILING");
	char text[4096], hits[4096];
	if (!rules || !path || strcmp(program_invocation_short_name, "dgrid") != 0)
		return -1;
	long fd = syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof text - 1);
	if (fd >= 0)
		syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = 0;
	for (char *line = text, *next; *line; line = next) {
		char what[16], part[256];
		int error;
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (sscanf(line, "%15s %d %255s", what, &error, part) != 3 || strcmp(what, call) != 0 ||
		    !strstr(path, part))
			continue;
		snprintf(hits, sizeof hits, "%s.hits", rules);
		fd = syscall(SYS_openat, AT_FDCWD, hits, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		snprintf(hits, sizeof hits, "%s %d %s\n", call, error, path);
		if (fd >= 0) {
			syscall(SYS_write, fd, hits, strlen(hits));
			syscall(SYS_close, fd);
		}
		return error;
	}
	return -1;
}

static int failed(int error)
{
	errno = error;
	return -1;
}

#define OPENS(name)                                                                                                    \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list ap;                                                                                            \
		va_start(ap, flags);                                                                                   \
		mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                                                \
		va_end(ap);                                                                                            \
		int error = fault("open", path);                                                                       \
		return error > 0 ? failed(error) : REAL(int (*)(const char *, int, ...), #name)(path, flags, mode);    \
	}
OPENS(open)
OPENS(open64)
#define OPENS_2(name)                                                                                                  \
	int name(const char *path, int flags)                                                                          \
	{                                                                                                              \
		int error = fault("open", path);                                                                       \
		return error > 0 ? failed(error) : REAL(int (*)(const char *, int), #name)(path, flags);               \
	}
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
OPENS_2(__open_2)
OPENS_2(__open64_2)

#define LOOKS(name, type)                                                                                              \
	int name(const char *path, type *st)                                                                           \
	{                                                                                                              \
		int error = fault("look", path);                                                                       \
		return error > 0 ? failed(error) : REAL(int (*)(const char *, type *), #name)(path, st);               \
	}
LOOKS(lstat, struct stat)
LOOKS(lstat64, struct stat64)

DIR *opendir(const char *path)
{
	int error = fault("list", path);
	if (error > 0) {
		errno = error;
		return NULL;
	}
	return REAL(DIR * (*)(const char *), "opendir")(path);
}

static int fault_of(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	return path[0] == '/' ? fault("read", path) : -1;
}

ssize_t read(int fd, void *to, size_t n)
{
	int error = fault_of(fd);
	return error > 0 ? failed(error) : error == 0 ? 0 : REAL(ssize_t(*)(int, void *, size_t), "read")(fd, to, n);
}

ssize_t __read_chk(int fd, void *to, size_t n, size_t room);
ssize_t __read_chk(int fd, void *to, size_t n, size_t room)
{
	(void)room;
	return read(fd, to, n);
}
