#include "store/checkout.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_MAX_BYTES 4096
#define TREE_BYTES_MAX (16u << 20) /* of one folder */
#define AT_ONCE 256		   /* folders that are read before it is looked whether they are too many */

/* ---- what is in it ---- */

struct listing {
	struct checkout *list;
	bool links;
	const char *why;
	char *wrong; /* the first path that cannot be written; NULL: none */
};

bool checkout_path_valid(const char *path)
{
	char *copy = xstrdup(path);
	bool valid = true;
	int depth = 0;
	for (char *part = copy, *next; part && valid; part = next) {
		next = strchr(part, '/');
		if (next)
			*next++ = 0;
		valid = tree_name_valid(part) && ++depth <= TREE_DEPTH_MAX + 1;
	}
	free(copy);
	return valid;
}

/* "MODE TYPE OID SIZE<tab>PATH" */
static void take(void *ctx, const char *record)
{
	struct listing *l = ctx;
	struct checkout_file f = {.wanted = true};
	char mode[8] = "", type[8];
	long long size = 0;
	const char *tab = strchr(record, '\t');
	if (!tab || l->wrong)
		return;
	bool read = sscanf(record, "%7s %7s %71s %lld", mode, type, f.oid, &size) == 4;
	f.link = read && l->links && !strcmp(mode, "120000");
	if (!read || (strcmp(mode, "100644") != 0 && strcmp(mode, "100755") != 0 && !f.link) ||
	    !checkout_path_valid(tab + 1)) {
		l->wrong = xstrdup(tab + 1);
		l->why = !strcmp(mode, "160000") ? "a submodule"
			 : read && !strcmp(mode, "120000") && !l->links
			     ? "a link"
			     : "no plain file with a name that every disk takes, "
			       "or too many folders deep";
		return;
	}
	f.executable = !strcmp(mode, "100755");
	f.size = size;
	f.path = xstrdup(tab + 1);
	if (!(l->list->n & (l->list->n + 1))) /* room for a power of two */
		l->list->v = xrealloc(l->list->v, 2 * (l->list->n + 1) * sizeof *l->list->v);
	l->list->v[l->list->n++] = f;
	l->list->bytes += size;
}

/* ---- how much is in it ---- */

struct survey {
	struct strs next; /* trees of the next level */
	size_t raw;	  /* bytes of an object id */
	int64_t entries, most;
	int rc;
	struct err *e;
};

/* "MODE NAME\0" and the raw id, again and again. */
static void survey_tree(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct survey *s = ctx;
	(void)i;
	if (!s->rc && !bytes)
		s->rc = err_set(s->e, ERR_UNAVAILABLE, "a folder of it is not at hand, or very large");
	for (const char *p = bytes, *end = bytes + len; !s->rc && p < end;) {
		const char *nul = memchr(p, 0, (size_t)(end - p));
		if (!nul || (size_t)(end - nul) < s->raw + 1) {
			s->rc = err_set(s->e, ERR_DATA, "a folder of it is no tree of Git's");
			break;
		}
		if (!strncmp(p, "40000 ", 6)) {
			char oid[72];
			text_hex(oid, nul + 1, s->raw);
			strs_add(&s->next, oid);
		}
		if (++s->entries > s->most)
			s->rc = err_set(s->e, ERR_DATA, "more than %lld files and folders", (long long)s->most);
		p = nul + 1 + s->raw;
	}
}

/* Level by level, so that nothing is followed any more once it is too much. */
static int survey(const struct git *g, const char *tree, int64_t most, int64_t *entries, struct err *e)
{
	struct survey s = {.raw = strlen(tree) / 2, .most = most, .e = e};
	struct strs level = {0};
	strs_add(&level, tree);
	for (int depth = 0; level.n && !s.rc; depth++) {
		if (depth > TREE_DEPTH_MAX + 1)
			s.rc = err_set(e, ERR_DATA, "folders are more than %d deep", TREE_DEPTH_MAX);
		for (size_t from = 0; from < level.n && !s.rc; from += AT_ONCE) {
			struct err git_says;
			size_t n = level.n - from < AT_ONCE ? level.n - from : AT_ONCE;
			if (git_cat(g, "tree", level.v + from, n, TREE_BYTES_MAX, survey_tree, &s, &git_says) &&
			    !s.rc) {
				*e = git_says;
				s.rc = -1;
			}
		}
		strs_clear(&level);
		level = s.next;
		s.next = (struct strs){0};
	}
	strs_clear(&level);
	*entries = s.entries;
	return s.rc;
}

int checkout_list(const struct git *g, const char *tree, bool links, int64_t most, struct checkout *l, struct err *e)
{
	struct listing ls = {.list = l, .links = links};
	const char *args[] = {"ls-tree", "-r", "-z", "-l", "--full-tree", tree, NULL};
	int rc = survey(g, tree, most, &l->entries, e);
	if (!rc)
		rc = git_records(g, args, take, &ls, e);
	if (!rc && ls.wrong)
		rc = err_set(e, ERR_DATA, "'%.200s' in it is %s: it is not written", ls.wrong, ls.why);
	free(ls.wrong);
	return rc;
}

struct looking {
	const struct checkout_file *const *links;
	int rc;
	struct err *e;
};

static int count_steps(const char *path)
{
	int n = 0;
	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int judge_link(const struct checkout_file *f, const char *text, size_t len, struct err *e)
{
	return tree_link_stays(count_steps(f->path), text, len)
		   ? 0
		   : err_set(e, ERR_DATA, "'%s' is a link that leads out of the folder", f->path);
}

static void look_at(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct looking *k = ctx;
	if (!k->rc && !bytes)
		k->rc = err_set(k->e, ERR_UNAVAILABLE, "the link '%s' cannot be read", k->links[i]->path);
	else if (!k->rc)
		k->rc = judge_link(k->links[i], bytes, len, k->e);
}

int checkout_links(const struct git *g, const struct checkout *l, struct err *e)
{
	struct strs oids = {0};
	const struct checkout_file **links = xcalloc(l->n + 1, sizeof *links);
	struct looking k = {.links = links, .e = e};
	struct err git_says;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].link) {
			links[oids.n] = &l->v[i];
			strs_add(&oids, l->v[i].oid);
		}
	if (oids.n && git_cat(g, "blob", oids.v, oids.n, LINK_MAX_BYTES, look_at, &k, &git_says) && !k.rc) {
		*e = git_says;
		k.rc = -1;
	}
	strs_clear(&oids);
	free(links);
	return k.rc;
}

size_t checkout_want(struct checkout *l, const char *path)
{
	size_t len = strlen(path), n = 0;
	while (len > 1 && path[len - 1] == '/')
		len--;
	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->v[i].path, path, len) && (!l->v[i].path[len] || l->v[i].path[len] == '/')) {
			l->v[i].wanted = true;
			n++;
		}
	return n;
}

void checkout_clear(struct checkout *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct checkout){0};
}

/* ---- to disk ---- */

struct writing {
	const struct checkout_file *const *files;
	int top;
	enum checkout_mode mode;
	int rc;
	struct err *e;
};

static int trouble(struct writing *w, const char *path)
{
	const char *why = strerror(errno);
	enum err_class c = ERR_OUTPUT;
	switch (errno) {
	case EEXIST: /* in a new folder only what the tree has twice */
		c = w->mode == CHECKOUT_NEW ? ERR_DATA : ERR_PERM;
		why = "another file stands there (--force replaces files)";
		break;
	case EISDIR:
		c = ERR_PERM;
		why = "a folder stands there";
		break;
	case ENOTDIR:
	case ELOOP:
		c = w->mode == CHECKOUT_NEW ? ERR_DATA : ERR_PERM;
		why = "something that is no folder stands there";
		break;
	case ENAMETOOLONG:
		c = ERR_DATA;
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		c = ERR_PERM;
	}
	return w->rc = err_set(w->e, c, "cannot write '%s': %s", path, why);
}

/* The folder of path, made step by step without following a link; *name: what comes after it. */
static int enter(struct writing *w, char *path, char **name)
{
	int at = w->top;
	*name = path;
	for (char *slash; (slash = strchr(*name, '/')); *name = slash + 1) {
		*slash = 0;
		if (mkdirat(at, *name, 0777) && errno != EEXIST) {
			trouble(w, path);
			goto failed;
		}
		int fd = openat(at, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			trouble(w, path);
			goto failed;
		}
		if (at != w->top)
			close(at);
		at = fd;
		*slash = '/';
	}
	return at;
failed:
	if (at != w->top)
		close(at);
	return -1;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Is it there already, just so? */
static bool same(const struct checkout_file *f, int folder, const char *name, const char *bytes, size_t len)
{
	char piece[65536];
	struct stat st;
	size_t at = 0;
	ssize_t n = 0;
	if (f->link)
		return len < sizeof piece && readlinkat(folder, name, piece, sizeof piece) == (ssize_t)len &&
		       !memcmp(piece, bytes, len);
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool equal = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len &&
		     f->executable == ((st.st_mode & S_IXUSR) != 0);
	while (equal && (n = read(fd, piece, sizeof piece)) > 0) {
		equal = (size_t)n <= len - at && !memcmp(piece, bytes + at, (size_t)n);
		at += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return equal && !n && at == len;
}

static int make_link(int folder, const char *name, const char *bytes, size_t len)
{
	char *target = xstrndup(bytes, len);
	int rc = symlinkat(target, folder, name);
	free(target);
	return rc;
}

/* Whole, or not there. */
static int make_file(int folder, const char *name, bool executable, const char *bytes, size_t len)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0777 : 0666);
	if (fd < 0)
		return -1;
	int rc = write_all(fd, bytes, len), why = errno;
	if (close(fd) && !rc) {
		rc = -1;
		why = errno;
	}
	if (rc) {
		unlinkat(folder, name, 0);
		errno = why;
	}
	return rc;
}

/* What is whole gets its name: over what stands there, or not. */
static int give_name(struct writing *w, int from, const char *made, int folder, const char *name)
{
	struct stat st;
	if (w->mode == CHECKOUT_OVER)
		return renameat(from, made, folder, name);
	if (!linkat(from, made, folder, name, 0))
		return unlinkat(from, made, 0);
	if (errno == EEXIST || !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from, made, folder, name); /* a file system without hard links */
}

/* name in folder: the text of a link, or what a file holds. Where something may stand, it has another name until it is
 * whole. */
static void write_one(struct writing *w, const struct checkout_file *f, int folder, const char *name, const char *bytes,
		      size_t len)
{
	bool fresh = w->mode == CHECKOUT_NEW;
	struct stat st;
	if (w->mode == CHECKOUT_SAME && same(f, folder, name, bytes, len))
		return;
	if (f->link && (w->rc = judge_link(f, bytes, len, w->e)))
		return;
	if (!fresh && !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    (S_ISDIR(st.st_mode) || w->mode == CHECKOUT_SAME)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EEXIST;
		trouble(w, f->path);
		return;
	}
	char own[32] = ".dgrid-";
	if (!fresh)
		clock_nonce(own + strlen(own), 8);
	const char *made = fresh ? name : own;
	if (f->link ? make_link(folder, made, bytes, len) : make_file(folder, made, f->executable, bytes, len))
		trouble(w, f->path);
	else if (!fresh && give_name(w, folder, made, folder, name)) {
		trouble(w, f->path);
		unlinkat(folder, made, 0);
	}
}

int checkout_place(const struct checkout_file *f, const char *made, const char *dir, enum checkout_mode mode,
		   struct err *e)
{
	struct writing w = {.top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .mode = mode, .e = e};
	if (w.top < 0)
		return err_set(e, ERR_PERM, "cannot open the folder '%s': %s", dir, strerror(errno));
	char *path = xstrdup(f->path), *name;
	mode_t mask = umask(0);
	umask(mask);
	int folder = enter(&w, path, &name);
	if (folder >= 0 &&
	    (chmod(made, (f->executable ? 0777 : 0666) & ~mask) || give_name(&w, AT_FDCWD, made, folder, name)))
		trouble(&w, f->path);
	if (folder >= 0 && folder != w.top)
		close(folder);
	close(w.top);
	free(path);
	return w.rc;
}

static void take_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct writing *w = ctx;
	const struct checkout_file *f = w->files[i];
	if (w->rc)
		return;
	if (!bytes) {
		w->rc = err_set(w->e, ERR_UNAVAILABLE, "'%s' is not at hand, or larger than 2 GB", f->path);
		return;
	}
	char *path = xstrdup(f->path), *name;
	int folder = enter(w, path, &name);
	if (folder >= 0)
		write_one(w, f, folder, name, bytes, len);
	if (folder >= 0 && folder != w->top)
		close(folder);
	free(path);
}

int checkout_write(const struct git *g, const struct checkout *l, const char *dir, enum checkout_mode mode,
		   struct err *e)
{
	struct strs oids = {0};
	const struct checkout_file **files = xcalloc(l->n + 1, sizeof *files);
	struct writing w = {.files = files, .top = -1, .mode = mode, .e = e};
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].wanted) {
			files[oids.n] = &l->v[i];
			strs_add(&oids, l->v[i].oid);
		}
	int rc = file_make_folder(dir, e);
	if (!rc && (w.top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = err_set(e, ERR_PERM, "cannot open the folder '%s': %s", dir, strerror(errno));
	struct err git_says;
	if (!rc && oids.n && git_cat(g, "blob", oids.v, oids.n, CHECKOUT_FILE_MAX, take_blob, &w, &git_says) && !w.rc) {
		*e = git_says;
		rc = -1;
	}
	if (w.top >= 0)
		close(w.top);
	strs_clear(&oids);
	free(files);
	return rc ? rc : w.rc;
}
