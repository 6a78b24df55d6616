#include "store/pointer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "version https://git-lfs.github.com/spec/v1\noid sha256:"
#define SIZE "\nsize "

bool pointer_of(const char *bytes, size_t len, struct pointer *p)
{
	const size_t head = strlen(HEAD), to_size = head + 64 + strlen(SIZE);
	if (len <= to_size + 1 || len > POINTER_MAX || memcmp(bytes, HEAD, head) != 0 ||
	    memcmp(bytes + head + 64, SIZE, strlen(SIZE)) != 0 || bytes[len - 1] != '\n')
		return false;
	*p = (struct pointer){.size = 0};
	memcpy(p->oid, bytes + head, 64);
	if (strspn(p->oid, "0123456789abcdef") != 64)
		return false;
	const char *digits = bytes + to_size;
	size_t n = len - 1 - to_size;
	if (n > 18 || (n > 1 && digits[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		p->size = 10 * p->size + (digits[i] - '0');
	}
	return true;
}

size_t pointer_text(const struct pointer *p, char out[POINTER_TEXT])
{
	return (size_t)snprintf(out, POINTER_TEXT, HEAD "%.64s" SIZE "%lld\n", p->oid, (long long)p->size);
}

struct finding {
	const size_t *at; /* of each blob, where in the listing */
	const struct checkout *list;
	struct pointers *out;
	int rc;
	struct err *e;
};

static void look_at(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct finding *f = ctx;
	struct pointers *out = f->out;
	struct pointer p;
	if (!f->rc && !bytes)
		f->rc = err_set(f->e, ERR_UNAVAILABLE, "'%s' is not at hand", f->list->v[f->at[i]].path);
	if (f->rc || !pointer_of(bytes, len, &p))
		return;
	if (out->n == out->room) {
		out->room = out->room ? 2 * out->room : 16;
		out->v = xrealloc(out->v, out->room * sizeof *out->v);
	}
	out->v[out->n++] = (struct found_pointer){f->at[i], p};
	out->bytes = out->bytes < INT64_MAX - p.size ? out->bytes + p.size : INT64_MAX;
}

int pointers_find(const struct git *g, const struct checkout *l, struct pointers *out, struct err *e)
{
	struct strs oids = {0};
	size_t *at = xcalloc(l->n + 1, sizeof *at);
	struct finding f = {.at = at, .list = l, .out = out, .e = e};
	struct err git_says;
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].link && l->v[i].size > (int64_t)strlen(HEAD) && l->v[i].size <= POINTER_MAX) {
			at[oids.n] = i;
			strs_add(&oids, l->v[i].oid);
		}
	if (oids.n && git_cat(g, "blob", oids.v, oids.n, POINTER_MAX, look_at, &f, &git_says) && !f.rc) {
		*e = git_says;
		f.rc = -1;
	}
	strs_clear(&oids);
	free(at);
	return f.rc;
}

void pointers_clear(struct pointers *p)
{
	free(p->v);
	*p = (struct pointers){0};
}
