/* file: bounded reads, atomic writes, folders, the lock. */
#ifndef FILE_H
#define FILE_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>
/* Appends the whole regular file to out; never follows a symlink in the last place. Errors: ERR_NOENT (not there),
 * ERR_DATA (larger than max, or not a regular file), ERR_PERM. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);
/* The same of what a person named, as any tool reads it: links are followed, pipes read to their end, "-" is stdin. A
 * signal that stops us ends it. */
int file_read_named(const char *path, size_t max, struct buf *out, struct err *e);
/* Tells whether a file changed since; all zero when it is not there. */
struct file_stamp {
	int64_t size, mtime_ns, inode;
};
struct file_stamp file_stamp(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);
int64_t file_free_bytes(const char *path); /* room on its file system for us; -1: unknown */
/* Writes a temporary file beside path, fsyncs, renames over it, fsyncs the folder. */
int file_write(const char *path, const void *bytes, size_t len, struct err *e);
/* The same without waiting for the disk. */
int file_write_scratch(const char *path, const void *bytes, size_t len, struct err *e);
/* Neither atomic nor durable, but it makes no new file where there is one: for what can be had again after a crash. */
int file_write_in_place(const char *path, const void *bytes, size_t len, struct err *e);
char *file_temp_dir(struct err *e); /* a new folder under $TMPDIR or /tmp, the caller's to remove; NULL with e filled */
/* Like mkdir -p, mode 0700. ERR_PERM: one of them is another user's, in a folder that everybody may write to. */
int file_mkdirs(const char *path, struct err *e);
/* The same for what somebody asked to be written there: for everyone to read, as far as the umask allows. ERR_PERM:
 * something else stands there, or it is not permitted; ERR_OUTPUT: anything else (the disk is full, for one). */
int file_make_folder(const char *path, struct err *e);
int file_empty_folder(const char *path, struct err *e); /* made when it is not there; the name is ours all the time */
int file_remove_tree(const char *path, struct err *e);	/* fine when it is not there; never follows symlinks */
bool file_exists(const char *path); /* what cannot be asked counts as not there: only where that does no harm */
int file_there(const char *path,
	       struct err *e); /* 1: something is there, a dead link too; 0: nothing; -1: it cannot be told */
/* Calls on_name for all in the folder but . and .., in no order; nothing when it is not there. */
int file_names(const char *dir, void (*on_name)(void *ctx, const char *name), void *ctx, struct err *e);
/* Takes an exclusive lock for as long as the process lives. Returns the descriptor, or -1: ERR_RETRY when another holds
 * it. */
int file_lock(const char *path, struct err *e);
#endif
