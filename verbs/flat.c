#include "verbs/flat.h"
#include <stdlib.h>
#include <string.h>

void flat_add(struct flat *f, const char *id, const struct checkout *files)
{
	f->v = xrealloc(f->v, (f->n + files->n + 1) * sizeof *f->v);
	for (size_t i = 0; i < files->n; i++) {
		struct flat_file *one = &f->v[f->n++];
		*one = (struct flat_file){
		    .path = xstrdup(files->v[i].path), .id = xstrdup(id), .executable = files->v[i].executable};
		memcpy(one->oid, files->v[i].oid, sizeof one->oid);
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct flat_file *)a)->path, ((const struct flat_file *)b)->path);
}

static int clash(const struct flat_file *a, const struct flat_file *b, struct err *e)
{
	return err_set(e, ERR_DATA,
		       "'%.300s' of %s and '%.300s' of %s cannot be in one folder: nothing is written (without --flat "
		       "each task gets its own folder)",
		       a->path, a->id, b->path, b->id);
}

/* Is one of the folders that it is in a file of another's? */
static const struct flat_file *above(const struct flat *f, const struct flat_file *one)
{
	char *path = xstrdup(one->path);
	const struct flat_file *found = NULL;
	for (char *slash; !found && (slash = strrchr(path, '/'));) {
		*slash = 0;
		found = bsearch(&(struct flat_file){.path = path}, f->v, f->n, sizeof *f->v, by_path);
	}
	free(path);
	return found;
}

int flat_judge(struct flat *f, struct err *e)
{
	if (f->n)
		qsort(f->v, f->n, sizeof *f->v, by_path);
	for (size_t i = 0; i < f->n; i++) {
		const struct flat_file *one = &f->v[i], *next = i + 1 < f->n ? one + 1 : NULL, *file = above(f, one);
		if (file)
			return clash(file, one, e);
		if (next && !strcmp(one->path, next->path) &&
		    (strcmp(one->oid, next->oid) != 0 || one->executable != next->executable))
			return clash(one, next, e);
	}
	return 0;
}

void flat_clear(struct flat *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].path);
		free(f->v[i].id);
	}
	free(f->v);
	*f = (struct flat){0};
}
