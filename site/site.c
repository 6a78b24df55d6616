#include "site/site.h"
#include "base/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)
#define MEMORY_MAX (64u << 20)
#define MANIFEST_MAX (16u << 20)

/* Where the disk has no room for it, it stays in memory. */
static void spill(struct site *s, struct site_file *f)
{
	if (!s->spill)
		s->spill = tmpfile();
	if (!s->spill || fseek(s->spill, 0, SEEK_END) || (f->offset = ftell(s->spill)) < 0 ||
	    fwrite(f->bytes.data, 1, f->bytes.len, s->spill) != f->bytes.len || fflush(s->spill))
		return;
	f->spilled = true;
	f->len = f->bytes.len;
	buf_clear(&f->bytes);
}

static int fetch(struct site *s, struct site_file *f, struct err *e)
{
	char chunk[65536];
	if (fseek(s->spill, f->offset, SEEK_SET))
		return err_set(e, ERR_UNAVAILABLE, "the temporary file cannot be read again");
	while (f->bytes.len < f->len) {
		size_t want = f->len - f->bytes.len,
		       n = fread(chunk, 1, want < sizeof chunk ? want : sizeof chunk, s->spill);
		if (!n)
			return err_set(e, ERR_UNAVAILABLE, "the temporary file cannot be read again");
		buf_add(&f->bytes, chunk, n);
	}
	return 0;
}

void site_add(struct site *s, const char *name, struct buf *bytes)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->v = xrealloc(s->v, s->room * sizeof *s->v);
	}
	s->v[s->n++] = (struct site_file){.name = xstrdup(name), .bytes = *bytes};
	*bytes = (struct buf){0};
	struct site_file *f = &s->v[s->n - 1];
	if (f->bytes.len && s->in_memory + f->bytes.len > (s->memory_max ? s->memory_max : MEMORY_MAX))
		spill(s, f);
	s->in_memory += f->bytes.len;
}

void site_clear(struct site *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		buf_clear(&s->v[i].bytes);
	}
	free(s->v);
	if (s->spill)
		fclose(s->spill);
	free(s->dir);
	strs_clear(&s->old);
	strs_clear(&s->kept);
	*s = (struct site){0};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct site_file *)a)->name, ((const struct site_file *)b)->name);
}

static int by_string(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool in_list(const struct strs *l, const char *name)
{
	return l->n && bsearch(&name, l->v, l->n, sizeof *l->v, by_string);
}

static bool in_site(const struct site *s, const char *name)
{
	struct site_file key = {.name = (char *)name};
	return s->n && bsearch(&key, s->v, s->n, sizeof *s->v, by_name);
}

/* Such names as we give; a manifest that somebody else wrote must not lead out of the folder. */
static bool our_kind(const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
	size_t a = strspn(name, plain), b = name[a] == '/' ? strspn(name + a + 1, plain) : 0;
	return a && name[0] != '.' && (name[a] ? b && name[a + 1] != '.' && !name[a + 1 + b] : true);
}

static int read_manifest(const char *dir, struct strs *out, struct err *e)
{
	struct buf b = {0};
	char *path = xasprintf("%s/%s", dir, SITE_MANIFEST);
	int rc = file_read(path, MANIFEST_MAX, &b, e);
	if (rc && e->class == ERR_NOENT)
		rc = 0;
	for (char *p = b.data; p && *p;) {
		size_t n = strcspn(p, "\n");
		char *name = xstrndup(p, n);
		if (our_kind(name))
			strs_add(out, name);
		free(name);
		p += n + (p[n] == '\n');
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_string);
	buf_clear(&b);
	free(path);
	return rc;
}

static int put(const char *path, const struct buf *b, struct err *e)
{
	int rc = file_write_scratch(path, b->data ? b->data : "", b->len, e);
	if (rc && e->class != ERR_PERM)
		e->class = ERR_OUTPUT;
	return rc;
}

/* both: also what the old manifest has, so that a run that is cut off leaves no file behind that nobody owns. */
static int write_manifest(const struct site *s, const char *dir, const struct strs *old, bool both, struct err *e)
{
	struct buf b = {0}, was = {0};
	char *path = xasprintf("%s/%s", dir, SITE_MANIFEST);
	struct err none;
	for (size_t i = 0; i < s->n; i++)
		buf_addf(&b, "%s\n", s->v[i].name);
	for (size_t i = 0; !both && i < s->kept.n; i++)
		if (!in_site(s, s->kept.v[i]))
			buf_addf(&b, "%s\n", s->kept.v[i]);
	for (size_t i = 0; both && i < old->n; i++)
		if (!in_site(s, old->v[i]))
			buf_addf(&b, "%s\n", old->v[i]);
	bool same = !file_read(path, MANIFEST_MAX, &was, &none) && was.len == b.len && !memcmp(was.data, b.data, b.len);
	int rc = same ? 0 : put(path, &b, e);
	buf_clear(&b);
	buf_clear(&was);
	free(path);
	return rc;
}

static int write_one(struct site *s, const struct site_file *f, const char *dir, struct err *e)
{
	struct buf was = {0};
	struct err none;
	struct stat st;
	char *path = xasprintf("%s/%s", dir, f->name), *slash = strrchr(f->name, '/');
	int rc = 0;
	bool same = !stat(path, &st) && (size_t)st.st_size == f->bytes.len && !file_read(path, FILE_MAX, &was, &none) &&
		    was.len == f->bytes.len && (!was.len || !memcmp(was.data, f->bytes.data, was.len));
	if (same)
		s->same++;
	else {
		if (slash) {
			char *folder = xasprintf("%s/%.*s", dir, (int)(slash - f->name), f->name);
			rc = file_make_folder(folder, e);
			free(folder);
		}
		if (!rc)
			rc = put(path, &f->bytes, e);
		s->written += !rc;
	}
	buf_clear(&was);
	free(path);
	return rc;
}

static void remove_old(struct site *s, const char *dir, const struct strs *old)
{
	for (size_t i = 0; i < old->n; i++) {
		if (in_site(s, old->v[i]) || in_list(&s->kept, old->v[i]))
			continue;
		char *path = xasprintf("%s/%s", dir, old->v[i]);
		s->removed += !unlink(path);
		free(path);
	}
}

void site_open(struct site *s, const char *dir)
{
	struct err later;
	s->dir = xstrdup(dir);
	(void)read_manifest(dir, &s->old, &later);
}

bool site_had(const struct site *s, const char *name)
{
	return in_list(&s->old, name);
}

bool site_begins(const struct site *s, const char *name, const char *text)
{
	char head[128];
	char *path = xasprintf("%s/%s", s->dir, name);
	FILE *f = fopen(path, "re");
	size_t n = strlen(text), got = f ? fread(head, 1, n < sizeof head ? n : sizeof head, f) : 0;
	if (f)
		fclose(f);
	free(path);
	return got == n && !memcmp(head, text, n);
}

void site_keep(struct site *s, const char *name)
{
	if (site_had(s, name))
		strs_add(&s->kept, name);
}

void site_keep_folder(struct site *s, const char *folder)
{
	for (size_t i = 0; i < s->old.n; i++)
		if (!strncmp(s->old.v[i], folder, strlen(folder)))
			strs_add(&s->kept, s->old.v[i]);
}

static int refuse_strangers(const struct site *s, const char *dir, const struct strs *old, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < s->n && !rc; i++) {
		struct stat st;
		char *path = xasprintf("%s/%s", dir, s->v[i].name);
		if (!in_list(old, s->v[i].name) && !lstat(path, &st))
			rc = err_set(
			    e, ERR_PERM,
			    "'%s' is there and was not written by dgrid: move it away or choose another folder", path);
		free(path);
	}
	return rc;
}

int site_write(struct site *s, const char *dir, struct err *e)
{
	struct strs old = {0};
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, by_name);
	if (s->kept.n)
		qsort(s->kept.v, s->kept.n, sizeof *s->kept.v, by_string);
	int rc = file_make_folder(dir, e);
	if (!rc)
		rc = read_manifest(dir, &old, e);
	if (!rc)
		rc = refuse_strangers(s, dir, &old, e);
	if (!rc)
		rc = write_manifest(s, dir, &old, true, e);
	for (size_t i = 0; i < s->n && !rc; i++) {
		if (s->v[i].spilled)
			rc = fetch(s, &s->v[i], e);
		if (!rc)
			rc = write_one(s, &s->v[i], dir, e);
		buf_clear(&s->v[i].bytes);
	}
	if (!rc) {
		remove_old(s, dir, &old);
		rc = write_manifest(s, dir, &old, false, e);
	}
	strs_clear(&old);
	return rc;
}
