/* secretdir: folders in memory (a tmpfs), in which secrets are handed to a sandbox. None but this worker and the
 * sandbox go through them. Each attempt has its own, which is removed right after it, and what a killed worker left at
 * its next start: the path stands in a file of its work folder. secretdir_sweep(record) at each start -> secretdir_open
 * -> secretdir_begin, secretdir_put ..., the run, secretdir_end
 */
#ifndef SECRETDIR_H
#define SECRETDIR_H
#include "sandbox/engine_kind.h"

#define SECRETDIR_MAX 65536 /* bytes of a secret */
struct secretdir {	    /* starts as {0} */
	char *root, *record;
	const struct engine *engine;
};
/* Removes what record (a file) says that an earlier process left, and record. */
int secretdir_sweep(const char *record, struct err *e);
/* Makes the folder of all, and record. ERR_UNAVAILABLE: there is no place for it here. */
int secretdir_open(struct secretdir *d, const struct engine *g, const char *record, struct err *e);
void secretdir_close(struct secretdir *d);
/* A new folder, engine_run's secrets. The caller's; NULL with e filled. */
char *secretdir_begin(const struct secretdir *d, const char *nonce, struct err *e);
/* Copies all that fd has yet to read to the folder's file name. ERR_DATA: that is nothing, or too much. */
int secretdir_put(const struct secretdir *d, const char *folder, const char *name, int fd, struct err *e);
void secretdir_end(const struct secretdir *d, const char *nonce);
/* The last step before a run is started: it becomes the run's user's. */
int secretdir_give(const struct engine *g, const struct engine_run *r, struct err *e);
#endif
