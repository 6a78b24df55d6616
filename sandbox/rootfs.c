#include "sandbox/rootfs.h"
#include "base/proc.h"
#include "base/sha256.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD "rootfs-digest"
#define LOOK_MS 600000
#define DEPTH_MAX 100
#define LINKS_MAX 40

bool rootfs_shows(const char *name)
{
	static const char *const own[] = {"dev", "in", "out", "proc", "run", "sys", "tmp"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (!strcmp(name, own[i]))
			return false;
	return true;
}

/* ---- is it fit? ---- */

/* Under a root's worker sandboxes run as other users, who have to get there. */
static bool foreign(void)
{
	return geteuid() == 0;
}

/* A folder on the way, or the folder itself: who may replace what stands in it? */
static int check_step(const char *path, bool last, struct err *e)
{
	struct stat st;
	if (stat(path, &st))
		return err_set(e, ERR_USAGE, "'%s': %s", path, strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, ERR_USAGE, "'%s' is another user's (expected a folder of root's or of this user's)",
			       path);
	bool group = (st.st_mode & S_IWGRP) && st.st_gid != 0 && st.st_gid != getegid();
	if ((group || (st.st_mode & S_IWOTH)) && (last || !(st.st_mode & S_ISVTX)))
		return err_set(e, ERR_USAGE, "others may write to '%s' (try: chmod go-w '%s')", path, path);
	if (foreign() && !(st.st_mode & S_IXOTH))
		return err_set(e, ERR_USAGE,
			       "sandboxes, which run as another user, cannot enter '%s' (try: chmod o+x '%s')", path,
			       path);
	return 0;
}

static int check_way(const char *dir, struct err *e)
{
	char *way = xstrdup(dir);
	int rc = 0;
	for (char *slash = strchr(way + 1, '/'); slash && !rc; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		rc = check_step(way, false, e);
		*slash = '/';
	}
	free(way);
	return rc ? rc : check_step(dir, true, e);
}

/* Where path leads with dir as the root, as the sandbox will see it. st gets what is there; -1: nothing. */
static int resolve(const char *dir, const char *path, struct stat *st)
{
	char *at = xstrdup(""), *rest = xstrdup(path);
	int links = 0, rc = -1;
	while (*rest) {
		char *p = rest + strspn(rest, "/");
		size_t len = strcspn(p, "/");
		char *name = xstrndup(p, len), *more = xstrdup(p + len), *there = xasprintf("%s/%s", at, name),
		     *full = xasprintf("%s%s", dir, there), target[PATH_MAX];
		free(rest);
		rest = more;
		rc = 0;
		if (!len || !strcmp(name, "."))
			free(there);
		else if (!strcmp(name, "..")) {
			free(there);
			char *slash = strrchr(at, '/');
			if (slash)
				*slash = 0;
		} else if ((!*at && !rootfs_shows(name)) || lstat(full, st)) {
			free(there);
			rc = -1;
		} else if (S_ISLNK(st->st_mode)) {
			ssize_t n = readlink(full, target, sizeof target - 1);
			target[n > 0 ? n : 0] = 0;
			free(there);
			rc = n > 0 && ++links <= LINKS_MAX ? 0 : -1;
			more = xasprintf("%s/%s", target, rest);
			free(rest);
			rest = more;
			if (*target == '/')
				*at = 0;
		} else {
			free(at);
			at = there;
			if (!S_ISDIR(st->st_mode) && rest[strspn(rest, "/")])
				rc = -1;
		}
		free(name);
		free(full);
		if (rc)
			break;
	}
	free(at);
	free(rest);
	return rc;
}

static int check_folder(const char *dir, struct err *e)
{
	struct stat st;
	if (check_way(dir, e))
		return -1;
	if (resolve(dir, "bin/sh", &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE,
			       "'%s' has no bin/sh (expected the root files of an image, such as docker export "
			       "gives)",
			       dir);
	if ((st.st_mode & 0111) == 0 || (foreign() && (st.st_mode & S_IXOTH) == 0))
		return err_set(e, ERR_USAGE, "'%s/bin/sh' cannot be executed by the sandbox's user", dir);
	return 0;
}

/* ---- what it holds ---- */

struct reading {
	struct sha256 stamp, digest;
	bool contents;
	struct err *e;
	struct buf path; /* of the entry at hand, below the folder */
};

static int unreadable(struct reading *r)
{
	return err_set(r->e, ERR_UNAVAILABLE, "cannot read '%s': %s%s", r->path.len ? r->path.data : ".",
		       strerror(errno),
		       errno == EACCES ? " (expected files that this user may read: unpack them as this user)" : "");
}

static int add_contents(struct reading *r, int folder, const char *name, int64_t size)
{
	static char block[65536];
	ssize_t n;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return unreadable(r);
	while ((n = read(fd, block, sizeof block)) > 0) {
		sha256_add(&r->digest, block, (size_t)n);
		size -= n;
	}
	int rc = n < 0 ? unreadable(r) : 0;
	close(fd);
	return rc || !size ? rc : err_set(r->e, ERR_UNAVAILABLE, "'%s' changes while it is read", r->path.data);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(struct reading *r, DIR *d, struct strs *names)
{
	const struct dirent *one;
	for (errno = 0; (one = readdir(d)) != NULL; errno = 0)
		if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0 &&
		    (r->path.len || rootfs_shows(one->d_name)))
			strs_add(names, one->d_name);
	if (errno)
		return unreadable(r);
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, by_name);
	return 0;
}

static int add_folder(struct reading *r, int fd, int depth);

static int add_entry(struct reading *r, int folder, const char *name, int depth)
{
	struct stat st;
	char line[160], target[PATH_MAX] = "";
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return unreadable(r);
	bool link = S_ISLNK(st.st_mode), dir = S_ISDIR(st.st_mode), file = S_ISREG(st.st_mode);
	ssize_t n = link ? readlinkat(folder, name, target, sizeof target - 1) : 0;
	if (n < 0)
		return unreadable(r);
	target[n] = 0;
#ifdef __APPLE__
	const struct timespec *m = &st.st_mtimespec, *c = &st.st_ctimespec;
#else
	const struct timespec *m = &st.st_mtim, *c = &st.st_ctim;
#endif
	int len = snprintf(line, sizeof line, "%jd %jo %jd %jd.%ld %jd.%ld", (intmax_t)st.st_ino, (uintmax_t)st.st_mode,
			   (intmax_t)st.st_size, (intmax_t)m->tv_sec, (long)m->tv_nsec, (intmax_t)c->tv_sec,
			   (long)c->tv_nsec);
	sha256_add(&r->stamp, line, (size_t)len + 1);
	sha256_add(&r->stamp, r->path.data, r->path.len + 1);
	len = snprintf(line, sizeof line, "%c %jo %jd",
		       link   ? 'l'
		       : dir  ? 'd'
		       : file ? 'f'
			      : 'o',
		       link ? 0 : (uintmax_t)(st.st_mode & 07777), file ? (intmax_t)st.st_size : 0);
	sha256_add(&r->digest, line, (size_t)len + 1);
	sha256_add(&r->digest, r->path.data, r->path.len + 1);
	sha256_add(&r->digest, target, strlen(target) + 1);
	if (file && r->contents)
		return add_contents(r, folder, name, st.st_size);
	if (!dir)
		return 0;
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? unreadable(r) : add_folder(r, fd, depth + 1);
}

/* Closes fd. */
static int add_folder(struct reading *r, int fd, int depth)
{
	struct strs names = {0};
	DIR *d = fdopendir(fd);
	size_t len = r->path.len;
	if (!d) {
		close(fd);
		return unreadable(r);
	}
	int rc = depth > DEPTH_MAX ? err_set(r->e, ERR_UNAVAILABLE, "'%s': folders are too deep", r->path.data)
				   : list(r, d, &names);
	for (size_t i = 0; i < names.n && !rc; i++) {
		buf_addf(&r->path, "%s%s", len ? "/" : "", names.v[i]);
		rc = add_entry(r, dirfd(d), names.v[i], depth);
		r->path.len = len;
		r->path.data[len] = 0;
	}
	strs_clear(&names);
	closedir(d);
	return rc;
}

/* With contents the digest is whole, else only the stamp. */
static int read_folder(const char *dir, bool contents, char stamp[65], char digest[65], struct err *e)
{
	struct reading r = {.contents = contents, .e = e};
	uint8_t hash[32];
	sha256_init(&r.stamp);
	sha256_init(&r.digest);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? unreadable(&r) : add_folder(&r, fd, 0);
	buf_clear(&r.path);
	sha256_end(&r.stamp, hash);
	sha256_hex(hash, stamp);
	sha256_end(&r.digest, hash);
	sha256_hex(hash, digest);
	return rc ? err_wrap(e, "%s", dir) : 0;
}

/* ---- the other process ---- */

/* dgrid rootfs-digest DIR STAMP prints the stamp now and, where it is another, the digest. */
int rootfs_asked(int argc, char **argv)
{
	char now[65], after[65], digest[65];
	struct err e;
	if (argc != 4 || strcmp(argv[1], WORD) != 0)
		return -1;
	int rc = check_folder(argv[2], &e) || read_folder(argv[2], false, now, digest, &e);
	if (!rc && !strcmp(now, argv[3]))
		return printf("%s -\n", now) < 0 || fflush(stdout);
	if (!rc && !(rc = read_folder(argv[2], true, after, digest, &e)) && strcmp(now, after) != 0)
		rc = err_set(&e, ERR_UNAVAILABLE, "'%s' changes while it is read", argv[2]);
	if (rc) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return printf("%s sha256:%s\n", now, digest) < 0 || fflush(stdout);
}

int rootfs_look(struct rootfs *r, struct err *e)
{
	char stamp[65] = "", digest[96] = "";
	const char *argv[] = {proc_again(), WORD, r->dir, *r->stamp ? r->stamp : "-", NULL};
	struct proc_spec spec = {.argv = argv, .timeout_ms = LOOK_MS};
	struct proc_result res;
	if (proc_run(&spec, &res, e))
		return -1;
	const char *said = res.err.data ? res.err.data : "";
	bool whole = res.end == PROC_EXITED && !res.code && res.out.data &&
		     sscanf(res.out.data, "%64[0-9a-f] %95s", stamp, digest) == 2 && strlen(stamp) == 64;
	int rc = whole ? 0
		       : err_set(e, ERR_UNAVAILABLE, "the root files of image '%s' cannot be had: %.*s", r->image,
				 *said ? (int)strcspn(said, "\n") : 40, *said ? said : "no answer");
	memcpy(r->stamp, whole ? stamp : "", whole ? sizeof stamp : 1);
	if (!whole)
		*r->digest = 0;
	else if (strcmp(digest, "-") != 0)
		memcpy(r->digest, digest, sizeof digest);
	proc_result_clear(&res);
	return rc;
}

/* ---- the list ---- */

struct rootfs *rootfs_of(const struct rootfs_list *all, const char *image)
{
	for (size_t i = 0; all && image && i < all->n; i++)
		if (!strcmp(all->v[i].image, image))
			return &all->v[i];
	return NULL;
}

int rootfs_add(struct rootfs_list *all, const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	struct rootfs one = {.stamp = ""};
	int rc = -1;
	if (!eq || eq == text || *text == '-' || eq[1] != '/')
		return err_set(e, ERR_USAGE, "--rootfs: expected IMAGE=DIR with the whole path of a folder, found '%s'",
			       text);
	one.image = xstrndup(text, (size_t)(eq - text));
	one.dir = realpath(eq + 1, NULL);
	if (rootfs_of(all, one.image))
		err_set(e, ERR_USAGE, "--rootfs: image '%s' is there twice", one.image);
	else if (!one.dir)
		err_set(e, ERR_USAGE, "--rootfs: '%s': %s", eq + 1, strerror(errno));
	else if (!strcmp(one.dir, "/"))
		err_set(e, ERR_USAGE, "--rootfs: '%s' is this machine's own root (expected the root files of an image)",
			eq + 1);
	else if (check_folder(one.dir, e))
		err_wrap(e, "--rootfs");
	else
		rc = 0;
	if (rc) {
		free(one.image);
		free(one.dir);
		return rc;
	}
	all->v = xrealloc(all->v, (all->n + 1) * sizeof *all->v);
	all->v[all->n++] = one;
	return 0;
}

void rootfs_clear(struct rootfs_list *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->v[i].image);
		free(all->v[i].dir);
	}
	free(all->v);
	*all = (struct rootfs_list){0};
}
