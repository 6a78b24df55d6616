/* problem: all that is wrong with documents, in one list; text, JSON and annotations are made from it.
 *   struct problems p = {.file = "x.json"};  problem_in(&p, line, col, "script", "missing (expected ...)");
 *   ... p.n, p.v, p.text.data, problems_annotate ...  problems_clear(&p);
 * Names and values in a message come from strangers: whatever goes in, what comes out is valid UTF-8 on one line
 * without control characters, and nothing in it can begin a command of a build service's log. */
#ifndef PROBLEM_H
#define PROBLEM_H
#include "base/buf.h"
#include <stdbool.h>

#define PROBLEMS_TOLD_MAX 500

struct problem {
	char *file; /* "" for none */
	unsigned line, col;
	char *field; /* "" for the document as a whole */
	char *message;
};
struct problems {
	struct buf text;  /* "FILE:LINE:COL: FIELD: MESSAGE\n" a problem; data is NULL when there is none */
	size_t n;	  /* all there were */
	const char *file; /* borrowed; of the problems told from now on. NULL: none */
	bool made;	  /* what is judged stands in no file, file is its name: no place is told */
	struct problem *v;
	size_t told; /* how many stand in v and text: a stranger's file may hold a hundred thousand */
};
/* field NULL: the document as a whole. A message says what is wrong (and what is expected). */
void problem_in(struct problems *p, unsigned line, unsigned col, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void problem_at(struct problems *p, unsigned line, unsigned col, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void problems_clear(struct problems *p);

/* Appends one GitHub workflow command a problem: "::error file=F,line=L,col=C::FIELD: MESSAGE\n". */
void problems_annotate(const struct problems *p, struct buf *out);

/* Appends at most max bytes of a stranger's text as it may be shown: control characters (also U+0080-U+009F, the
 * line separators and what turns the direction of writing) and bytes that are no UTF-8 as \xHH or \u{HHHH}, "::" and
 * "##[" broken up. name: also backslashes, so that two names never look the same. */
void problem_escape(struct buf *out, const char *s, size_t len, size_t max, bool name);
#endif
