/* site: a folder of files that are written only when they differ, and removed only when we wrote them. All files are
 * collected first, so that a run that fails before site_write changes nothing; what goes beyond 64 MB waits in a
 * temporary file.
 *   struct site s = {0}; site_add(&s, "t/a.html", &bytes) ... site_write(&s, dir, &err) -> site_clear
 */
#ifndef SITE_H
#define SITE_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdio.h>

#define SITE_MANIFEST ".dgrid-dashboard" /* the names of what we wrote, a line each */

struct site_file {
	char *name;
	struct buf bytes;
	bool spilled; /* bytes are in the temporary file instead: */
	long offset;
	size_t len;
};
struct site {
	struct site_file *v;
	size_t n, room;
	size_t in_memory, memory_max; /* bytes; 0: 64 MB */
	FILE *spill;
	char *dir; /* after site_open */
	struct strs old, kept;
	size_t written, same, removed; /* after site_write */
};
/* Takes over bytes. name: NAME or FOLDER/NAME. */
void site_add(struct site *s, const char *name, struct buf *bytes);
/* Makes dir when it is not there. ERR_DATA, and nothing is written, when a file of that name is there that is not ours.
 */
int site_write(struct site *s, const char *dir, struct err *e);
/* Looks at what an earlier run wrote there, before anything is added. What it cannot read, site_write fails on. */
void site_open(struct site *s, const char *dir);
bool site_had(const struct site *s, const char *name);
/* Does that file of an earlier run begin with the text? false also when it is gone. */
bool site_begins(const struct site *s, const char *name, const char *text);
/* Lets it stand as it is, unless one of its name is added. */
void site_keep(struct site *s, const char *name);
void site_keep_folder(struct site *s, const char *folder); /* "t/": all in there */
void site_clear(struct site *s);
#endif
