#include "git/shown.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	const char *path;
	char mode[8], type[8], oid[72];
	long long size;
	bool found;
};

/* "MODE TYPE OID SIZE\tPATH" */
static void take(void *ctx, const char *record)
{
	struct entry *f = ctx;
	const char *path = strchr(record, '\t');
	if (path && !strcmp(path + 1, f->path))
		f->found = sscanf(record, "%7s %7s %71s %lld", f->mode, f->type, f->oid, &f->size) >= 3;
}

static void take_blob(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct shown *out = ctx;
	(void)i;
	out->kind = bytes ? SHOWN_FILE : SHOWN_NOTHING;
	if (bytes)
		buf_add(&out->text, bytes, len);
}

int git_shown(const struct git *g, const char *rev, const char *path, size_t max, struct shown *out, struct err *e)
{
	struct entry f = {.path = path};
	const char *args[] = {"ls-tree", "-l", "-z", "--full-tree", rev, "--", path, NULL};
	char *oids[] = {f.oid};
	*out = (struct shown){.kind = SHOWN_NOTHING};
	if (git_records(g, args, take, &f, e))
		return -1;
	if (!f.found)
		return 0;
	memcpy(out->oid, f.oid, sizeof out->oid);
	if (strcmp(f.type, "blob") != 0 || strncmp(f.mode, "100", 3) != 0)
		out->kind = SHOWN_OTHER;
	else if (f.size > (long long)max)
		out->kind = SHOWN_LARGE;
	else if (git_cat(g, "blob", oids, 1, max, take_blob, out, e))
		return -1;
	else if (out->kind != SHOWN_FILE)
		return err_set(e, ERR_UNAVAILABLE, "the object of '%s' is missing here", path);
	return 0;
}

void shown_clear(struct shown *s)
{
	buf_clear(&s->text);
}
