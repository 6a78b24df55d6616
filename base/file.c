#include "base/file.h"
#include "base/sig.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int errno_err(struct err *e, const char *what, const char *path)
{
	enum err_class c = errno == ENOENT || errno == ENOTDIR ? ERR_NOENT
			   : errno == EACCES || errno == EPERM ? ERR_PERM
							       : ERR_UNAVAILABLE;
	return err_set(e, c, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* Until there is something to read, or somebody wants us to stop. */
static int wait_for_input(int fd, struct err *e)
{
	struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = sig_fd(), .events = POLLIN}};
	while (!sig_stops() && !ready[0].revents) {
		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			break; /* the read tells */
		if (ready[1].revents)
			sig_drain();
	}
	return sig_stops() ? err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted") : 0;
}

static int read_all(int fd, const char *path, size_t max, bool slow, struct buf *out, struct err *e)
{
	char chunk[8192];
	for (size_t got = 0;;) {
		if (slow && wait_for_input(fd, e))
			return -1;
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && (errno == EINTR || (slow && errno == EAGAIN)))
			continue;
		if (n < 0)
			return errno_err(e, "read", path);
		if (n == 0)
			return 0;
		got += (size_t)n;
		if (got > max)
			return err_set(e, ERR_DATA, "'%s' is larger than %zu bytes", path, max);
		buf_add(out, chunk, (size_t)n);
	}
}

int file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
	struct stat st;
	/* O_NONBLOCK: a fifo in the way must not hang us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ELOOP ? err_set(e, ERR_DATA, "'%s' is a symbolic link", path)
				      : errno_err(e, "open", path);
	int rc = fstat(fd, &st)		? errno_err(e, "look at", path)
		 : !S_ISREG(st.st_mode) ? err_set(e, ERR_DATA, "'%s' is not a regular file", path)
					: read_all(fd, path, max, false, out, e);
	close(fd);
	return rc;
}

int file_read_named(const char *path, size_t max, struct buf *out, struct err *e)
{
	struct stat st;
	if (!strcmp(path, "-"))
		return read_all(STDIN_FILENO, "stdin", max, true, out, e);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno_err(e, "open", path);
	int rc = !fstat(fd, &st) && S_ISDIR(st.st_mode) ? err_set(e, ERR_DATA, "'%s' is a folder", path)
							: read_all(fd, path, max, true, out, e);
	close(fd);
	return rc;
}

static int write_all(int fd, const char *path, const char *p, size_t len, struct err *e)
{
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno_err(e, "write", path);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A new name is on the disk when its folder is. */
static int sync_folder(const char *path, struct err *e)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* EINVAL: a file system that knows nothing of it. */
	int rc = fd < 0 || (fsync(fd) && errno != EINVAL) ? errno_err(e, "write", slash ? dir : ".") : 0;
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

static int replace(const char *path, const void *bytes, size_t len, bool durable, struct err *e)
{
	int rc = -1;
	char *tmp = xasprintf("%s.tmp.%ld", path, (long)getpid());
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		errno_err(e, "write", tmp);
	else if (!write_all(fd, tmp, bytes, len, e)) {
		if (durable && fsync(fd))
			errno_err(e, "write", tmp);
		else if (rename(tmp, path))
			errno_err(e, "write", path);
		else
			rc = durable ? sync_folder(path, e) : 0;
	}
	if (fd >= 0)
		close(fd);
	if (rc)
		unlink(tmp);
	free(tmp);
	return rc;
}

int file_write(const char *path, const void *bytes, size_t len, struct err *e)
{
	return replace(path, bytes, len, true, e);
}

int file_write_scratch(const char *path, const void *bytes, size_t len, struct err *e)
{
	return replace(path, bytes, len, false, e);
}

int file_write_in_place(const char *path, const void *bytes, size_t len, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno_err(e, "write", path);
	int rc = write_all(fd, path, bytes, len, e);
	close(fd);
	return rc;
}

char *file_temp_dir(struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/dgrid-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (mkdtemp(dir))
		return dir;
	err_set(e, ERR_UNAVAILABLE, "cannot make a temporary folder '%s'", dir);
	free(dir);
	return NULL;
}

/* In a folder that everybody may write to, such as /tmp, a name is whose it is first: what another made there may be a
 * trap. */
static bool is_trap(const char *path)
{
	struct stat st, up;
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	bool trap = !lstat(path, &st) && !stat(slash ? dir : ".", &up) && (up.st_mode & S_IWOTH) &&
		    st.st_uid != geteuid() && st.st_uid != 0;
	free(dir);
	return trap;
}

/* Like mkdir -p: make is called for each step, the last one too. */
static int make_steps(const char *path, int (*make)(const char *step, struct err *e), struct err *e)
{
	char *copy = xstrdup(path);
	struct stat st;
	int rc = 0;
	for (char *p = copy + 1; !rc; p++) {
		if (*p && *p != '/')
			continue;
		char kept = *p;
		*p = 0;
		rc = make(copy, e);
		*p = kept;
		if (!kept)
			break;
	}
	free(copy);
	if (!rc && (stat(path, &st) || !S_ISDIR(st.st_mode)))
		rc = err_set(e, ERR_DATA, "'%s' is not a folder", path);
	return rc;
}

static int make_own(const char *step, struct err *e)
{
	if (mkdir(step, 0700) && errno != EEXIST)
		return errno_err(e, "make folder", step);
	return is_trap(step)
		   ? err_set(e, ERR_PERM, "'%s' belongs to another user, in a folder that everybody may write to", step)
		   : 0;
}

int file_mkdirs(const char *path, struct err *e)
{
	return make_steps(path, make_own, e);
}

static int make_asked(const char *step, struct err *e)
{
	return !mkdir(step, 0777) || errno == EEXIST
		   ? 0
		   : err_set(e,
			     errno == EACCES || errno == EPERM || errno == EROFS || errno == ENOTDIR || errno == ELOOP
				 ? ERR_PERM
				 : ERR_OUTPUT,
			     "cannot make the folder '%s': %s", step, strerror(errno));
}

int file_make_folder(const char *path, struct err *e)
{
	int rc = make_steps(path, make_asked, e);
	if (rc && e->class == ERR_DATA)
		e->class = ERR_PERM;
	return rc;
}

#define DEEP 64 /* each step down takes a descriptor: what is deeper is brought up first */

struct removal {
	int top;
	unsigned moved;
	bool again; /* something was brought up */
	const char *path;
	struct err *e;
};

static int empty_at(struct removal *r, int fd, int depth);

static int remove_at(struct removal *r, int dirfd, const char *name, int depth)
{
	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return errno_err(r->e, "remove", r->path);
	if (depth == DEEP) {
		char up[32];
		snprintf(up, sizeof up, ".deep-%u", r->moved++);
		r->again = true;
		return renameat(dirfd, name, r->top, up) ? errno_err(r->e, "remove", r->path) : 0;
	}
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && !fchmodat(dirfd, name, 0700, 0)) /* it is a folder, and no link */
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno_err(r->e, "remove", r->path);
	if (empty_at(r, fd, depth))
		return -1;
	return unlinkat(dirfd, name, AT_REMOVEDIR) ? errno_err(r->e, "remove", r->path) : 0;
}

/* Takes fd. */
static int empty_at(struct removal *r, int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	int rc = 0;
	if (!d) {
		close(fd);
		return errno_err(r->e, "remove", r->path);
	}
	fchmod(fd, 0700); /* a folder that may not be written to keeps what is in it */
	if (depth == 0)
		r->top = fd;
	do {
		r->again = depth ? r->again : false;
		while (!rc && (de = readdir(d)))
			if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
				rc = remove_at(r, fd, de->d_name, depth + 1);
		rewinddir(d);
	} while (!rc && depth == 0 && r->again);
	closedir(d);
	return rc;
}

int file_remove_tree(const char *path, struct err *e)
{
	struct removal r = {.top = -1, .path = path, .e = e};
	return remove_at(&r, AT_FDCWD, path, 0);
}

int file_empty_folder(const char *path, struct err *e)
{
	struct stat st;
	if (!lstat(path, &st) && !S_ISDIR(st.st_mode) && file_remove_tree(path, e))
		return -1;
	if (file_mkdirs(path, e))
		return -1;
	struct removal r = {.top = -1, .path = path, .e = e};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? errno_err(e, "open", path) : empty_at(&r, fd, 0);
}

bool file_exists(const char *path)
{
	struct stat st;
	return !lstat(path, &st);
}

int file_there(const char *path, struct err *e)
{
	struct stat st;
	if (!lstat(path, &st))
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : errno_err(e, "look at", path);
}

int file_names(const char *dir, void (*on_name)(void *ctx, const char *name), void *ctx, struct err *e)
{
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0 : errno_err(e, "read", dir);
	int rc = 0;
	struct dirent *de;
	while ((errno = 0, de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			on_name(ctx, de->d_name);
	if (errno)
		rc = errno_err(e, "read", dir);
	closedir(d);
	return rc;
}

int file_lock(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno_err(e, "open", path);
	/* The file is never unlinked: a second process could otherwise lock a name that is already gone. */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return err_set(e, ERR_RETRY, "'%s' is locked by another process", path);
	}
	return fd;
}

struct file_stamp file_stamp(const char *path)
{
	struct stat st;
	if (lstat(path, &st))
		return (struct file_stamp){0};
#ifdef __APPLE__
	const struct timespec *m = &st.st_mtimespec;
#else
	const struct timespec *m = &st.st_mtim;
#endif
	return (struct file_stamp){
	    .size = st.st_size, .mtime_ns = (int64_t)m->tv_sec * 1000000000 + m->tv_nsec, .inode = (int64_t)st.st_ino};
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->inode == b->inode;
}

int64_t file_free_bytes(const char *path)
{
	struct statvfs v;
	return statvfs(path, &v) ? -1 : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}
