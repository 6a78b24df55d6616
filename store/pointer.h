/* pointer: what stands in a tree of Git's for a file that is kept elsewhere, as Git LFS writes it
 * (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md): its SHA-256 and its size.
 *   pointer_of(bytes, len, &p)   is it one?          pointer_text(&p, text)
 *   pointers_find(&git, &listing, &found, &e)        which files of a tree are -> pointers_clear
 */
#ifndef POINTER_H
#define POINTER_H
#include "store/checkout.h"

#define POINTER_MAX 1024 /* bytes; a larger file is none */
#define POINTER_TEXT 160

struct pointer {
	char oid[65]; /* SHA-256, 64 hex digits */
	int64_t size;
};
/* Exactly the form without extensions: those would change the file on its way. */
bool pointer_of(const char *bytes, size_t len, struct pointer *p);
size_t pointer_text(const struct pointer *p, char out[POINTER_TEXT]);

struct pointers { /* starts as {0} */
	struct found_pointer {
		size_t at; /* in the listing */
		struct pointer is;
	} * v;
	size_t n, room;
	int64_t bytes; /* of all; INT64_MAX: more than can be counted */
};
int pointers_find(const struct git *g, const struct checkout *l, struct pointers *out, struct err *e);
void pointers_clear(struct pointers *p);
#endif
