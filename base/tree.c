#include "base/tree.h"
#include "base/utf8.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512 /* st_blocks counts in it, whatever the file system's own */

/* ---- names ---- */

/* Characters that Apple's file system does not see. */
static bool unseen(uint32_t c)
{
	return (c >= 0x200C && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x206A && c <= 0x206F) ||
	       c == 0xFEFF;
}

/* Windows' file system drops dots and blanks at the end, takes what follows a colon for a part of the file, and knows
 * ".git" by a short name too. */
static bool windows_git(const char *part, size_t len)
{
	static const char *const names[] = {".git", "git~1"};
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(names[i]);
		if (len < n || strncasecmp(part, names[i], n) != 0)
			continue;
		while (n < len && (part[n] == ' ' || part[n] == '.'))
			n++;
		if (n == len || part[n] == ':')
			return true;
	}
	return false;
}

bool tree_name_valid(const char *name)
{
	char seen[8] = "";
	size_t len = strlen(name), n = 0, from = 0;
	if (!len || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t step = utf8_next(name + at, len - at, &c);
		if (!step || c < 32 || (c >= 127 && c < 160) || c == '/')
			return false;
		if (!unseen(c) && n < sizeof seen - 1)
			seen[n++] = c < 128 ? (char)c : '?';
		at += step;
	}
	if (!strcasecmp(seen, ".git"))
		return false;
	for (size_t at = 0; at <= len; at++)
		if (at == len || name[at] == '\\') {
			if (windows_git(name + from, at - from))
				return false;
			from = at + 1;
		}
	return true;
}

/* ---- the walk ---- */

struct walk {
	const struct tree_limits *limits;
	struct tree_list *list;
	bool keep;  /* list the files, and read all; else only measure */
	char *path; /* of the folder under way, with a slash; "" at the top */
	int depth;
	struct err *e;
};

static int broken(struct walk *w, const char *what, const char *name)
{
	if (!w->keep || (w->limits->moving && errno == ENOENT))
		return 0; /* it may have gone meanwhile */
	return err_set(w->e, errno == EACCES || errno == EPERM ? ERR_PERM : ERR_UNAVAILABLE, "cannot %s '%s%s': %s",
		       what, w->path, name, strerror(errno));
}

/* Opens what stands at name and is no link. What its owner shut is opened first: only he, or root, can. */
static int open_at(int folder, const char *name, bool is_folder, bool mend)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (is_folder ? O_DIRECTORY : O_NONBLOCK);
	int fd = openat(folder, name, flags);
	/* Whoever may still write there must not make us change what a link leads to. */
	if (fd < 0 && errno == EACCES && mend && !fchmodat(folder, name, is_folder ? 0700 : 0600, AT_SYMLINK_NOFOLLOW))
		fd = openat(folder, name, flags);
	return fd;
}

bool tree_link_stays(int depth, const char *text, size_t len)
{
	char target[4096];
	if (!len || len >= sizeof target || text[0] == '/' || memchr(text, 0, len))
		return false;
	memcpy(target, text, len);
	target[len] = 0;
	for (char *part = target, *next; part; part = next) {
		next = strchr(part, '/');
		if (next)
			*next++ = 0;
		if (!strcmp(part, ".."))
			depth--;
		else if (*part && strcmp(part, ".") != 0)
			depth++;
		if (depth < 0)
			return false;
	}
	return true;
}

static bool stays_inside(const struct walk *w, int folder, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(folder, name, target, sizeof target);
	return n > 0 && tree_link_stays(w->depth, target, (size_t)n);
}

static void list_file(struct walk *w, const char *name, const struct stat *st)
{
	struct tree_list *l = w->list;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->v = xrealloc(l->v, l->room * sizeof *l->v);
	}
	l->v[l->n++] = (struct tree_file){.path = xasprintf("%s%s", w->path, name),
					  .size = st->st_size,
					  .executable = (st->st_mode & S_IXUSR) != 0,
					  .link = S_ISLNK(st->st_mode)};
	l->bytes += st->st_size;
}

static void pass(struct walk *w, enum tree_over over, const char *name)
{
	w->list->over = over;
	free(w->list->culprit);
	w->list->culprit = xasprintf("%s%s", w->path, name);
}

static void count_bytes(struct walk *w, const char *name, const struct stat *st)
{
	struct tree_list *l = w->list;
	int64_t size = st->st_size, held = (int64_t)st->st_blocks * BLOCK;
	l->taken += size > held ? size : held;
	if (w->limits->file_bytes && size > w->limits->file_bytes)
		pass(w, TREE_FILE, name);
	else if (l->taken > w->limits->bytes)
		l->over = TREE_BYTES;
}

static int walk(struct walk *w, int fd);

static int enter(struct walk *w, int folder, const char *name)
{
	char *before = w->path;
	int fd = open_at(folder, name, true, !w->limits->foreign);
	if (fd < 0)
		return broken(w, "read", name);
	w->path = xasprintf("%s%s/", before, name);
	w->depth++;
	int rc = walk(w, fd);
	w->depth--;
	free(w->path);
	w->path = before;
	return rc;
}

static int visit(struct walk *w, int folder, const char *name)
{
	struct tree_list *l = w->list;
	struct stat st;
	if (++l->entries > w->limits->entries) {
		l->over = TREE_ENTRIES;
		return 0;
	}
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return broken(w, "look at", name);
	bool is_folder = S_ISDIR(st.st_mode), link = S_ISLNK(st.st_mode);
	if (S_ISREG(st.st_mode))
		count_bytes(w, name, &st);
	else if (link && w->limits->links && !stays_inside(w, folder, name))
		link = false;
	bool wanted = is_folder || S_ISREG(st.st_mode) || (link && w->limits->links);
	if (is_folder && w->depth == TREE_DEPTH_MAX) {
		pass(w, TREE_DEPTH, name);
		return 0;
	}
	if (w->keep && (!wanted || !tree_name_valid(name))) {
		if (!l->left_out++)
			l->left = xasprintf("%s%s", w->path, name);
		return 0;
	}
	if (is_folder)
		return enter(w, folder, name);
	if (!w->keep || l->over)
		return 0;
	int fd = S_ISREG(st.st_mode) ? open_at(folder, name, false, !w->limits->foreign) : -1;
	if (S_ISREG(st.st_mode) && fd < 0)
		return broken(w, "read", name);
	if (fd >= 0)
		close(fd);
	list_file(w, name, &st);
	return 0;
}

/* Takes over fd. */
static int walk(struct walk *w, int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	int rc = 0;
	if (!d) {
		close(fd);
		return broken(w, "read", "");
	}
	for (errno = 0; !rc && !w->list->over && (de = readdir(d)); errno = 0)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			rc = visit(w, fd, de->d_name);
	if (!rc && !w->list->over && errno)
		rc = broken(w, "read", "");
	closedir(d);
	return rc;
}

static int begin(const char *dir, const struct tree_limits *limits, bool keep, struct tree_list *out, struct err *e)
{
	struct walk w = {.limits = limits, .list = out, .keep = keep, .path = xstrdup(""), .e = e};
	*out = (struct tree_list){.fd = open(dir, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY)};
	int again = out->fd < 0 ? -1 : openat(out->fd, ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY), rc = 0;
	if (again < 0)
		rc = err_set(e, errno == EACCES ? ERR_PERM : ERR_NOENT, "cannot read the folder '%s': %s", dir,
			     strerror(errno));
	else
		rc = walk(&w, again);
	free(w.path);
	return rc;
}

int tree_list(const char *dir, const struct tree_limits *limits, struct tree_list *out, struct err *e)
{
	return begin(dir, limits, true, out, e);
}

enum tree_over tree_measure(const char *dir, const struct tree_limits *limits)
{
	struct tree_list l;
	struct err none;
	begin(dir, limits, false, &l, &none);
	enum tree_over over = l.over;
	tree_list_clear(&l);
	return over;
}

void tree_list_clear(struct tree_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].name);
		free(l->v[i].text);
	}
	free(l->v);
	free(l->culprit);
	free(l->left);
	if (l->fd >= 0)
		close(l->fd);
	*l = (struct tree_list){.fd = -1};
}

int tree_folder(int folder, const char *path, const char **name, struct err *e)
{
	int at = openat(folder, ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	char *copy = xstrdup(path), *part = copy;
	for (char *next; at >= 0 && (next = strchr(part, '/')); part = next) {
		*next++ = 0;
		int below = open_at(at, part, true, false), why = errno;
		close(at);
		at = below;
		errno = why;
	}
	*name = path + (part - copy);
	free(copy);
	return at >= 0 ? at : err_set(e, ERR_UNAVAILABLE, "cannot read '%s': %s", path, strerror(errno));
}

int tree_open(int folder, const char *path, struct err *e)
{
	const char *name;
	struct stat st;
	int at = tree_folder(folder, path, &name, e), fd = at < 0 ? -1 : open_at(at, name, false, false);
	if (at < 0)
		return -1;
	if (fd < 0)
		err_set(e, errno == EACCES ? ERR_PERM : ERR_UNAVAILABLE, "cannot read '%s': %s", path, strerror(errno));
	close(at);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		err_set(e, ERR_UNAVAILABLE, "'%s' is no regular file any more", path);
		close(fd);
		fd = -1;
	}
	return fd;
}
