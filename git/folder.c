#include "git/folder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFS "refs/heads/"

/* A file beside the refs. */
static char *beside(const struct folder *f, const char *name)
{
	return xasprintf("%.*s%s", (int)(strstr(f->ref, REFS) - f->ref), f->ref, name);
}

void folder_open(struct folder *f, const char *url, const char *branch)
{
	const char *dir = !strncmp(url, "file://", 7) ? url + 7 : url;
	static const char *const inside[] = {"", "/.git"};
	*f = (struct folder){.lock = -1};
	for (int i = 0; i < 2 && (*dir == '/' || *dir == '.') && !f->ref; i++) {
		char *head = xasprintf("%s%s/HEAD", dir, inside[i]), *refs = xasprintf("%s%s/" REFS, dir, inside[i]),
		     *tables = xasprintf("%s%s/reftable", dir, inside[i]);
		if (file_exists(head) && file_exists(refs) && !file_exists(tables))
			f->ref = xasprintf("%s%s", refs, branch);
		free(head);
		free(refs);
		free(tables);
	}
	if (!f->ref)
		return;
	char *objects = beside(f, "objects");
	f->objects = realpath(objects, NULL);
	free(objects);
	if (f->objects && strpbrk(f->objects, "\n\"")) { /* git would not understand it */
		free(f->objects);
		f->objects = NULL;
	}
}

void folder_close(struct folder *f)
{
	folder_unlock(f);
	free(f->ref);
	free(f->objects);
	*f = (struct folder){.lock = -1};
}

bool folder_touched(struct folder *f)
{
	char *packed = beside(f, "packed-refs");
	struct file_stamp now[2] = {file_stamp(f->ref), file_stamp(packed)};
	bool same = file_stamp_equal(&now[0], &f->stamp[0]) && file_stamp_equal(&now[1], &f->stamp[1]);
	free(packed);
	memcpy(f->stamp, now, sizeof now);
	return !same;
}

void folder_look_again(struct folder *f)
{
	f->stamp[0] = (struct file_stamp){0};
}

bool folder_read_ref(const char *path, char out[72])
{
	struct buf b = {0};
	struct err e;
	bool ok = !file_read(path, 100, &b, &e) && b.len > 40;
	size_t n = ok ? strspn(b.data, "0123456789abcdef") : 0;
	ok = n && (n == 40 || n == 64) && b.data[n] == '\n';
	if (ok)
		snprintf(out, 72, "%.*s", (int)n, b.data);
	buf_clear(&b);
	return ok;
}

bool folder_head(const struct folder *f, char out[72])
{
	return f->ref && folder_read_ref(f->ref, out);
}

bool folder_lock(struct folder *f)
{
	if (!f->ref || f->lock >= 0)
		return true;
	struct err e;
	char *path = beside(f, "dgrid.lock");
	f->lock = file_lock(path, &e);
	free(path);
	return f->lock >= 0 || e.class != ERR_RETRY;
}

void folder_unlock(struct folder *f)
{
	if (f->lock >= 0)
		close(f->lock);
	f->lock = -1;
}
