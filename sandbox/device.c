#include "sandbox/device.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VENDOR_AMD "0x1002"
#define NAME_MAX_LEN 64

static struct device *add(struct devices *d, const char *resource, const char *path)
{
	d->v = xrealloc(d->v, (d->n + 1) * sizeof *d->v);
	struct device *one = &d->v[d->n++];
	*one = (struct device){.resource = xstrdup(resource), .path = xstrdup(path)};
	return one;
}

/* NAMEnumber: the number; else NULL. */
static const char *number_of(const char *file, const char *name)
{
	size_t n = strlen(name);
	const char *rest = strncmp(file, name, n) ? "" : file + n;
	return *rest && !rest[strspn(rest, "0123456789")] ? rest : NULL;
}

static int by_number(const void *pa, const void *pb)
{
	const char *a = *(char *const *)pa, *b = *(char *const *)pb;
	size_t x = strlen(a), y = strlen(b);
	return x != y ? (x < y ? -1 : 1) : strcmp(a, b);
}

/* The numbers of what is called NAMEnumber there, in order. */
static void numbers_in(const char *folder, const char *name, struct strs *out)
{
	DIR *d = opendir(folder);
	for (const struct dirent *entry; d && (entry = readdir(d));)
		if (number_of(entry->d_name, name))
			strs_add(out, number_of(entry->d_name, name));
	if (d)
		closedir(d);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_number);
}

static bool is_amd(const char *sys, const char *number)
{
	char *path = xasprintf("%s/class/drm/renderD%s/device/vendor", sys, number), line[16] = "";
	FILE *f = fopen(path, "re");
	bool amd = f && fgets(line, sizeof line, f) && !strncmp(line, VENDOR_AMD, strlen(VENDOR_AMD));
	if (f)
		fclose(f);
	free(path);
	return amd;
}

void devices_find(struct devices *d, const char *dev, const char *sys)
{
	struct strs found = {0};
	char *kfd = xasprintf("%s/kfd", dev), *dri = xasprintf("%s/dri", dev);
	numbers_in(dev, "nvidia", &found);
	for (size_t i = 0; i < found.n; i++) {
		char *path = xasprintf("%s/nvidia%s", dev, found.v[i]);
		add(d, "gpu", path)->nvidia = xstrdup(found.v[i]);
		free(path);
	}
	strs_clear(&found);
	if (!access(kfd, F_OK))
		numbers_in(dri, "renderD", &found);
	for (size_t i = 0; i < found.n; i++) {
		char *path = xasprintf("%s/renderD%s", dri, found.v[i]);
		if (is_amd(sys, found.v[i]))
			add(d, "gpu", path)->also = xstrdup(kfd);
		free(path);
	}
	strs_clear(&found);
	free(kfd);
	free(dri);
}

int devices_add(struct devices *d, const char *text, struct err *e)
{
	size_t n = strcspn(text, "="),
	       named = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	const char *path = text[n] ? text + n + 1 : "";
	struct stat st;
	if (!n || named != n || n > NAME_MAX_LEN || strncmp(path, "/dev/", 5) != 0 || strstr(path, "/../") ||
	    strpbrk(path, ":,\""))
		return err_set(e, ERR_USAGE, "expected NAME=/dev/... such as fpga=/dev/xdma0, found '%.100s'", text);
	if (stat(path, &st) || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return err_set(e, ERR_USAGE, "'%.100s' is no device of this machine", path);
	char *name = xstrndup(text, n);
	add(d, name, path);
	free(name);
	return 0;
}

size_t devices_count(const struct devices *d, const char *resource)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		n += !strcmp(d->v[i].resource, resource);
	return n;
}

static void clear(struct device *one)
{
	free(one->resource);
	free(one->path);
	free(one->also);
	free(one->nvidia);
}

void devices_drop(struct devices *d, const char *resource)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->v[i].resource, resource))
			clear(&d->v[i]);
		else
			d->v[n++] = d->v[i];
	d->n = n;
}

bool devices_take(struct devices *d, const char *resource, size_t n, const void *holder)
{
	size_t left = 0;
	for (size_t i = 0; i < d->n; i++)
		left += !d->v[i].holder && !strcmp(d->v[i].resource, resource);
	if (left < n)
		return false;
	for (size_t i = 0; i < d->n && n; i++)
		if (!d->v[i].holder && !strcmp(d->v[i].resource, resource)) {
			d->v[i].holder = holder;
			n--;
		}
	return true;
}

bool devices_take_asked(struct devices *d, const struct json *asks, const void *holder)
{
	for (const struct json *v = asks ? asks->child : NULL; v; v = v->next) {
		int64_t n = json_int(asks, v->name, 0);
		if (n > 0 && devices_count(d, v->name) && !devices_take(d, v->name, (size_t)n, holder)) {
			devices_release(d, holder);
			return false;
		}
	}
	return true;
}

struct device *devices_of(const struct devices *d, const void *holder, size_t *n)
{
	struct device *own = xcalloc(d->n + 1, sizeof *own);
	*n = 0;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].holder == holder)
			own[(*n)++] = d->v[i];
	return own;
}

void devices_release(struct devices *d, const void *holder)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].holder == holder)
			d->v[i].holder = NULL;
}

void devices_clear(struct devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		clear(&d->v[i]);
	free(d->v);
	*d = (struct devices){0};
}

void devices_env(const struct device *given, size_t n, struct strs *env)
{
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};
		bool told = false;
		for (size_t k = 0; k < i; k++)
			told = told || !strcmp(given[k].resource, given[i].resource);
		if (told)
			continue;
		buf_adds(&b, "DGRID_RESOURCE_");
		for (const char *p = given[i].resource; *p; p++)
			buf_addf(&b, "%c", *p == '-' ? '_' : toupper((unsigned char)*p));
		const char *between = "=";
		for (size_t k = i; k < n; k++) {
			if (strcmp(given[k].resource, given[i].resource) != 0)
				continue;
			buf_addf(&b, "%s%s", between, given[k].nvidia ? given[k].nvidia : given[k].path);
			between = ",";
		}
		strs_add(env, b.data);
		buf_clear(&b);
	}
}
