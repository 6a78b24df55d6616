/* folder: a remote in a folder on this machine, whose refs are files: its head is read without git, its objects are
 * borrowed, and those who write to it can queue up.
 *   folder_open(&f, url, branch); f.ref is NULL when the remote is none -> ... -> folder_close(&f)
 */
#ifndef FOLDER_H
#define FOLDER_H
#include "base/file.h"

struct folder {
	char *ref;     /* where the branch's ref stands as a file (it may also be packed); NULL: no folder */
	char *objects; /* its object store, absolute; NULL: none that can be borrowed */
	int lock;      /* of folder_lock; -1: not held */
	struct file_stamp stamp[2]; /* that file and packed-refs, when last looked at */
};
void folder_open(struct folder *f, const char *url, const char *branch);
void folder_close(struct folder *f);
bool folder_touched(struct folder *f);			/* did its refs change since the last look? */
void folder_look_again(struct folder *f);		/* that look came to nothing */
bool folder_head(const struct folder *f, char out[72]); /* the branch's head; false: ask git */
bool folder_read_ref(const char *path, char out[72]);	/* the same of any ref that may stand as a file there */
/* Locks it against others on this machine. Only a courtesy. False: another holds it, try again soon. True: go on,
 * locked or not (no folder, or no right to write there). */
bool folder_lock(struct folder *f);
void folder_unlock(struct folder *f);
#endif
