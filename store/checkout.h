/* checkout: a tree of Git's written to disk by our own hands: links only where that is asked for and none that leads
 * out, no attributes, no filters, and never over or through what stands there. checkout_list(&git, tree, &l, &e) ->
 * checkout_write(&git, &l, folder, how, &e) -> checkout_clear
 */
#ifndef CHECKOUT_H
#define CHECKOUT_H
#include "git/git.h"
#include <stdint.h>

#define CHECKOUT_FILE_MAX ((size_t)2 << 30)

struct checkout_file {
	char *path;
	char oid[72];
	bool executable, link;
	bool wanted; /* checkout_write leaves out the others; checkout_list wants all */
	int64_t size;
};
struct checkout { /* starts as {0} */
	struct checkout_file *v;
	size_t n;
	int64_t bytes, entries; /* of all files; files and folders */
};
#define CHECKOUT_ENTRIES_MAX 250000 /* for who only reads */
/* most: files and folders that it may have; few objects can name very many. ERR_DATA: it has more, or something in it
 * is neither file nor folder (nor, with links, a symbolic link), or has a name that no disk should see. */
int checkout_list(const struct git *g, const char *tree, bool links, int64_t most, struct checkout *l, struct err *e);
/* ERR_DATA: one of the links leads out of the folder, by its text alone. */
int checkout_links(const struct git *g, const struct checkout *l, struct err *e);
bool checkout_path_valid(const char *path); /* each step is a name that every disk takes, and they are not too many */
/* Wants the file of that path, or all below a folder of that path, besides what is wanted. How many that are. */
size_t checkout_want(struct checkout *l, const char *path);
/* What becomes of files that stand there: NEW: none do, but for a name that the tree has twice (ERR_DATA); SAME: that
 * is an error (ERR_PERM), unless they are what would be written, which is not touched; OVER: they are replaced. */
enum checkout_mode { CHECKOUT_NEW, CHECKOUT_SAME, CHECKOUT_OVER };
/* Writes what is wanted below dir, which is made. A file is whole or not there. A link that leads out of dir, by its
 * text alone: ERR_DATA. ERR_OUTPUT, ERR_PERM: the disk. On an error the files that were written stay. */
int checkout_write(const struct git *g, const struct checkout *l, const char *dir, enum checkout_mode mode,
		   struct err *e);
/* Moves a file that is whole to where f belongs below dir, which is there; made is on the same file system. Links in
 * the folder are not followed; SAME replaces nothing. */
int checkout_place(const struct checkout_file *f, const char *made, const char *dir, enum checkout_mode mode,
		   struct err *e);
void checkout_clear(struct checkout *l);
#endif
