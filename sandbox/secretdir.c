#include "sandbox/secretdir.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/engine.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#define NAME "dgrid-secrets-"
#define TMPFS 0x01021994L
#define RAMFS 0x858458f6L

/* Is all that stands there in memory alone? */
static bool in_memory(const char *dir)
{
#ifdef __linux__
	struct statfs fs;
	return !statfs(dir, &fs) && ((unsigned long)fs.f_type == TMPFS || (unsigned long)fs.f_type == RAMFS);
#else
	(void)dir;
	return false;
#endif
}

static bool is_own(const char *dir)
{
	struct stat st;
	return !lstat(dir, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* Sandboxes under users of their own have to go through what is above. */
static const char *place(const struct engine *g)
{
	const char *own = getenv("XDG_RUNTIME_DIR");
	if (own && *own == '/' && !engine_foreign(g) && is_own(own) && in_memory(own) && !access(own, W_OK | X_OK))
		return own;
	return in_memory("/dev/shm") && !access("/dev/shm", W_OK | X_OK) ? "/dev/shm" : NULL;
}

int secretdir_sweep(const char *record, struct err *e)
{
	struct buf path = {0};
	struct err none;
	int rc = 0;
	if (file_read(record, 4096, &path, &none)) {
		buf_clear(&path);
		return none.class == ERR_NOENT ? 0 : (*e = none, err_wrap(e, "'%s'", record));
	}
	const char *dir = path.data ? path.data : "", *base = strrchr(dir, '/');
	if (*dir == '/' && base && !strncmp(base + 1, NAME, strlen(NAME)) && is_own(dir))
		rc = file_remove_tree(dir, e);
	if (!rc && unlink(record) && errno != ENOENT)
		rc = err_set(e, ERR_PERM, "cannot remove '%s': %s", record, strerror(errno));
	buf_clear(&path);
	return rc;
}

int secretdir_open(struct secretdir *d, const struct engine *g, const char *record, struct err *e)
{
	char nonce[33];
	const char *where = place(g);
	*d = (struct secretdir){.engine = g};
	if (!where)
		return err_set(e, ERR_UNAVAILABLE,
			       "secrets are handed over in memory, and there is no tmpfs that this worker can write to "
			       "(expected one at $XDG_RUNTIME_DIR or /dev/shm)");
	clock_nonce(nonce, 16);
	d->root = xasprintf("%s/" NAME "%s", where, nonce);
	d->record = xstrdup(record);
	/* First the note, so that nothing can be left of which nobody knows. */
	if (file_write(record, d->root, strlen(d->root), e) || engine_make_in(g, d->root, e)) {
		secretdir_close(d);
		return -1;
	}
	return 0;
}

void secretdir_close(struct secretdir *d)
{
	struct err e;
	if (d->record && secretdir_sweep(d->record, &e))
		log_at(LOG_ERROR, "secrets", "%s", e.msg);
	free(d->root);
	free(d->record);
	*d = (struct secretdir){0};
}

char *secretdir_begin(const struct secretdir *d, const char *nonce, struct err *e)
{
	char *folder = xasprintf("%s/%s", d->root, nonce);
	/* A container's user 1000 is whoever the engine makes of it; the folder above shuts out everybody else. */
	if (!mkdir(folder, 0700) && !chmod(folder, engine_client(d->engine) ? 0755 : 0700))
		return folder;
	err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", folder, strerror(errno));
	free(folder);
	return NULL;
}

/* What passes through here does not stay in this process. */
static void wipe(char *bytes, size_t n)
{
	for (volatile char *p = bytes; n--; p++)
		*p = 0;
}

static int copy(int from, int to, const char *name, struct err *e)
{
	char bytes[4096];
	size_t all = 0;
	ssize_t n = 0, put = 0;
	while (all <= SECRETDIR_MAX && put >= 0 && (n = read(from, bytes, sizeof bytes)) > 0) {
		all += (size_t)n;
		for (ssize_t at = 0; at < n && put >= 0; at += put)
			put = write(to, bytes + at, (size_t)(n - at));
	}
	int why = errno;
	wipe(bytes, sizeof bytes);
	if (n < 0 || put < 0)
		return err_set(e, ERR_UNAVAILABLE, "the secret %s cannot be %s: %s", name, n < 0 ? "read" : "written",
			       strerror(why));
	if (!all || all > SECRETDIR_MAX)
		return err_set(e, ERR_DATA, "the secret %s %s (expected 1 to %d bytes)", name,
			       all ? "is too large" : "is empty", SECRETDIR_MAX);
	return 0;
}

int secretdir_put(const struct secretdir *d, const char *folder, const char *name, int fd, struct err *e)
{
	char *path = xasprintf("%s/%s", folder, name);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), rc;
	if (to < 0)
		rc = err_set(e, ERR_UNAVAILABLE, "cannot make '%s': %s", path, strerror(errno));
	else
		rc = copy(fd, to, name, e);
	if (!rc && fchmod(to, engine_client(d->engine) ? 0444 : 0400))
		rc = err_set(e, ERR_UNAVAILABLE, "cannot open '%s' to its reader: %s", path, strerror(errno));
	if (to >= 0)
		close(to);
	free(path);
	return rc;
}

void secretdir_end(const struct secretdir *d, const char *nonce)
{
	struct err e;
	char *folder = xasprintf("%s/%s", d->root, nonce);
	if (file_remove_tree(folder, &e))
		log_at(LOG_ERROR, "secrets", "%s", e.msg);
	free(folder);
}

struct giving {
	const char *dir;
	int user, failed;
};

static void give_one(void *ctx, const char *name)
{
	struct giving *g = ctx;
	char *path = xasprintf("%s/%s", g->dir, name);
	if (lchown(path, (uid_t)g->user, (gid_t)g->user))
		g->failed = errno;
	free(path);
}

int secretdir_give(const struct engine *g, const struct engine_run *r, struct err *e)
{
	struct giving all = {.dir = r->secrets, .user = r->user};
	if (!engine_foreign(g))
		return 0;
	if (file_names(r->secrets, give_one, &all, e))
		return -1;
	if (!all.failed && lchown(r->secrets, (uid_t)r->user, (gid_t)r->user))
		all.failed = errno;
	return all.failed ? err_set(e, ERR_UNAVAILABLE, "cannot give '%s' to the sandbox's user: %s", r->secrets,
				    strerror(all.failed))
			  : 0;
}
