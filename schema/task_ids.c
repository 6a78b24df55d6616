#include "base/file.h"
#include "schema/task.h"
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void take_id(void *ctx, const char *name)
{
	size_t n = strlen(name);
	if (n <= 5 || strcmp(name + n - 5, ".json") != 0)
		return;
	char *id = xstrndup(name, n - 5);
	if (task_id_valid(id))
		strs_add(ctx, id);
	free(id);
}

int task_ids_in(const char *folder, struct strs *out, struct err *e)
{
	int rc = file_names(folder, take_id, out, e);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_name);
	return rc;
}
