/* file: bounded reads, atomic writes, folders, the lock. */
#ifndef FILE_H
#define FILE_H
#include "buf.h"
#include <stdbool.h>
/* Appends the whole regular file to out; never follows a symlink in the last place. Errors: ERR_NOENT (not there),
 * ERR_DATA (larger than max, or not a regular file), ERR_PERM. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);
/* Writes a temporary file beside path, fsyncs, renames over it. */
int file_write(const char *path, const void *bytes, size_t len, struct err *e);
int file_mkdirs(const char *path, struct err *e);      /* like mkdir -p, mode 0700 */
int file_remove_tree(const char *path, struct err *e); /* fine when it is not there; never follows symlinks */
bool file_exists(const char *path);
/* Takes an exclusive lock for as long as the process lives. Returns the descriptor, or -1: ERR_RETRY when another holds
 * it. */
int file_lock(const char *path, struct err *e);
#endif
