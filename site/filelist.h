/* filelist: what a task left in /out, as a part of its page: names and sizes, and where the host shows them. Never
 * contents, which are a stranger's. */
#ifndef FILELIST_H
#define FILELIST_H
#include "git/forge.h"
#include "store/leftlist.h"

/* names NULL: they are not known, and nothing is put. out: as the result has it. */
void filelist_put(struct buf *b, const struct left_names *names, const struct json *out, const struct forge *f);
#endif
