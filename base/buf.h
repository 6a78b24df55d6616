/* buf: growing byte buffers, string lists, errors. Out of memory ends the program.
 * A buf starts as {0}; data is NUL-terminated once anything was added; buf_clear frees. */
#ifndef BUF_H
#define BUF_H
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len, cap;
};
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(struct buf *b); /* empties, keeps the memory */
void buf_clear(struct buf *b);
char *buf_detach(struct buf *b); /* the caller owns the string (never NULL); b is empty after */

/* NULL-terminated list of owned strings: an argv in the making. Starts as {0}. */
struct strs {
	char **v;
	size_t n;
};
void strs_add(struct strs *l, const char *s);
void strs_addf(struct strs *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool strs_has(const struct strs *l, const char *s); /* the same bytes; looks at all of them, in turn */
/* One that differs from s in upper and lower case alone, and so is the same file to some file systems; NULL: none. */
const char *strs_alike(const struct strs *l, const char *s);
void strs_clear(struct strs *l);

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What went wrong; the value is the exit code a verb ends with. */
enum err_class {
	ERR_NONE = 0,
	ERR_NO = 1, /* the answer is no */
	ERR_CANCELLED = 3,
	ERR_USAGE = 64,
	ERR_DATA = 65,	      /* invalid task, JSON or settings */
	ERR_NOENT = 66,	      /* no such task or file */
	ERR_UNAVAILABLE = 69, /* remote or engine does not answer */
	ERR_BUG = 70,
	ERR_OUTPUT = 74, /* what was to be printed could not be written */
	ERR_RETRY = 75,	 /* lost a race for good or timed out: try again */
	ERR_PERM = 77
};
struct err {
	enum err_class class;
	char msg[1024];
};
/* Both return -1, so that a caller can `return err_set(...)`. err_wrap puts text before the message. */
int err_set(struct err *e, enum err_class c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first line, without its end, as far as there is room; "" of an empty buffer. */
void buf_first_line(const struct buf *b, char *to, size_t room);
#endif
