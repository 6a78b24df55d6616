/* file: bounded reads, atomic writes, folders, the lock. */
#ifndef FILE_H
#define FILE_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>
/* Appends the whole regular file to out; never follows a symlink in the last place. Errors: ERR_NOENT (not there),
 * ERR_DATA (larger than max, or not a regular file), ERR_PERM. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);
/* Tells whether a file changed since; all zero when it is not there. */
struct file_stamp {
	int64_t size, mtime_ns, inode;
};
struct file_stamp file_stamp(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);
int64_t file_free_bytes(const char *path); /* room on its file system for us; -1: unknown */
/* Writes a temporary file beside path, fsyncs, renames over it. */
int file_write(const char *path, const void *bytes, size_t len, struct err *e);
/* The same without waiting for the disk. */
int file_write_scratch(const char *path, const void *bytes, size_t len, struct err *e);
/* Neither atomic nor durable, but it makes no new file where there is one: for what can be had again after a crash. */
int file_write_in_place(const char *path, const void *bytes, size_t len, struct err *e);
char *file_temp_dir(struct err *e); /* a new folder under $TMPDIR or /tmp, the caller's to remove; NULL with e filled */
int file_mkdirs(const char *path, struct err *e);      /* like mkdir -p, mode 0700 */
int file_remove_tree(const char *path, struct err *e); /* fine when it is not there; never follows symlinks */
bool file_exists(const char *path);
/* Takes an exclusive lock for as long as the process lives. Returns the descriptor, or -1: ERR_RETRY when another holds
 * it. */
int file_lock(const char *path, struct err *e);
#endif
