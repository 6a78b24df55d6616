#include "base/treecopy.h"
#include "base/file.h"
#include "base/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD "copy-tree"
#define PIECE 65536

static int broken(struct err *e, const char *what, const char *path)
{
	return err_set(e, ERR_UNAVAILABLE, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* left: bytes that may still be copied. */
static int copy_bytes(int from, int to, const char *path, int64_t *left, struct err *e)
{
	char piece[PIECE];
	ssize_t n;
	while ((n = read(from, piece, sizeof piece)) > 0) {
		*left -= n;
		if (*left < 0)
			return err_set(e, ERR_DATA, "it is more than may be left in /out");
		for (ssize_t at = 0, k; at < n; at += k)
			if ((k = write(to, piece + at, (size_t)(n - at))) < 0)
				return broken(e, "write", path);
	}
	return n < 0 ? broken(e, "read", path) : 0;
}

static int copy_file(const struct tree_list *l, const struct tree_file *f, const char *to, int64_t *left, struct err *e)
{
	struct stat st;
	int in = tree_open(l->fd, f->path, e);
	if (in < 0) /* gone, or a folder on its way, or the file itself, is something else now */
		return fstatat(l->fd, f->path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ? 0 : -1;
	char *path = xasprintf("%s/%s", to, f->path), *slash = strrchr(path, '/');
	*slash = 0;
	int rc = file_mkdirs(path, e);
	*slash = '/';
	int out =
	    rc ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, f->executable ? 0700 : 0600);
	if (!rc && out < 0)
		rc = broken(e, "make", path);
	if (!rc)
		rc = copy_bytes(in, out, path, left, e);
	if (out >= 0 && close(out) && !rc)
		rc = broken(e, "write", path);
	close(in);
	free(path);
	return rc;
}

int treecopy(const char *from, const char *to, const struct tree_limits *limits, struct err *e)
{
	struct tree_limits how = *limits;
	struct tree_list list = {.fd = -1};
	int64_t left = limits->bytes;
	how.moving = how.foreign = true;
	int rc = tree_list(from, &how, &list, e);
	if (!rc && list.over)
		rc = err_set(e, ERR_DATA, "it is more than may be left in /out");
	if (!rc && mkdir(to, 0700))
		rc = broken(e, "make", to);
	for (size_t i = 0; i < list.n && !rc; i++)
		rc = copy_file(&list, &list.v[i], to, &left, e);
	tree_list_clear(&list);
	return rc;
}

void treecopy_argv(const char *from, const char *to, const struct tree_limits *limits, struct strs *argv)
{
	strs_add(argv, proc_again());
	strs_add(argv, WORD);
	strs_add(argv, from);
	strs_add(argv, to);
	strs_addf(argv, "%lld", (long long)limits->entries);
	strs_addf(argv, "%lld", (long long)limits->bytes);
}

bool treecopy_asked(int argc, char **argv)
{
	return argc == 6 && !strcmp(argv[1], WORD);
}

int treecopy_main(char **argv, struct err *e)
{
	const struct tree_limits limits = {.entries = strtoll(argv[4], NULL, 10), .bytes = strtoll(argv[5], NULL, 10)};
	return treecopy(argv[2], argv[3], &limits, e);
}
