#include "verbs/large.h"
#include "base/file.h"
#include "store/depot.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (1 << 20)

/* The command is given the name of a link of ours: what the file is called is somebody else's choice. */
static int put_one(const char *command, const char *top, int folder, struct tree_file *f, const char *link,
		   struct pointer *p, struct err *e)
{
	struct pointer after;
	char *path = xasprintf("%s/%s", top, f->path), text[POINTER_TEXT];
	int fd = tree_open(folder, f->path, e), rc = fd < 0 ? -1 : 0; /* through no link */
	if (fd >= 0)
		close(fd);
	unlink(link);
	if (!rc && symlink(path, link))
		rc = err_set(e, ERR_UNAVAILABLE, "cannot make the link '%s': %s", link, strerror(errno));
	rc = rc ? rc : depot_look(path, p, e);
	rc = rc ? rc : depot_put(command, p, link, 0, e);
	if (!rc && !(rc = depot_look(path, &after, e)) && strcmp(after.oid, p->oid) != 0)
		rc = err_set(e, ERR_RETRY, "it was changed while it was read");
	if (rc)
		err_wrap(e, "'%.200s'", f->path);
	else {
		size_t n = pointer_text(p, text);
		f->text = xstrndup(text, n);
	}
	free(path);
	return rc;
}

int large_put(const char *command, const char *top, struct tree_list *l, int64_t mb, struct strs *put, struct err *e)
{
	char *dir = NULL, *link = NULL;
	int rc = 0;
	for (size_t i = 0; i < l->n && !rc; i++) {
		struct tree_file *f = &l->v[i];
		struct pointer p;
		if (f->link || f->size <= mb * MB)
			continue;
		if (!dir && !(dir = file_temp_dir(e)))
			return -1;
		link = link ? link : xasprintf("%s/file", dir);
		rc = put_one(command, top, l->fd, f, link, &p, e);
		if (rc)
			break;
		l->bytes += (int64_t)strlen(f->text) - f->size;
		strs_add(put, p.oid);
	}
	struct err left;
	if (dir && file_remove_tree(dir, &left))
		fprintf(stderr, "dgrid: %s\n", left.msg);
	free(dir);
	free(link);
	return rc;
}

/* From the repository that one stands in, where it has them. missing: how many it has not. */
static int put_known(const char *command, const struct pointers *found, const struct large_how *how, size_t *missing,
		     struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < found->n && !rc; i++) {
		const struct pointer *p = &found->v[i].is;
		struct pointer is;
		struct err none;
		if (how->put && strs_has(how->put, p->oid))
			continue;
		char *file =
		    how->lfs ? xasprintf("%s/%.2s/%.2s/%s", how->lfs, p->oid, p->oid + 2, p->oid) : xstrdup("");
		if (*file && !depot_look(file, &is, &none) && is.size == p->size && !strcmp(is.oid, p->oid))
			rc = depot_put(command, p, file, 0, e);
		else
			++*missing;
		free(file);
	}
	return rc;
}

int large_count(const char *command, const struct git *g, const struct checkout *l, const struct large_how *how,
		int64_t *bytes, struct err *e)
{
	struct pointers found = {0};
	size_t missing = 0;
	int rc = pointers_find(g, l, &found, e);
	*bytes = 0;
	if (!rc && found.n && !how->ours && command)
		rc = put_known(command, &found, how, &missing, e);
	if (!rc && (how->ours || command))
		*bytes = found.bytes;
	else if (!rc && found.n)
		fprintf(stderr,
			"dgrid: %s: warning: %zu %s of Git LFS, and the script will see %s (--store CMD gives it the "
			"content)\n",
			how->spec, found.n, found.n == 1 ? "file of it is a pointer" : "files of it are pointers",
			found.n == 1 ? "that" : "these");
	if (!rc && missing)
		fprintf(stderr,
			"dgrid: %s: pointers of Git LFS whose files are not here: %zu; the store has to "
			"have them (git lfs fetch brings them)\n",
			how->spec, missing);
	pointers_clear(&found);
	return rc;
}
