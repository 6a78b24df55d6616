/* text: a stranger's text for a terminal and for Markdown: no control byte of theirs, no markup, and columns as a
 * terminal counts them. Bytes that are no UTF-8 are taken for control characters. */
#ifndef TEXT_H
#define TEXT_H
#include "base/buf.h"
#include <stdbool.h>

/* Appends s, at most len bytes and up to its NUL, in at most max columns: control characters (also U+0080 to U+009F,
 * and those that turn the direction of writing) become blanks; what does not fit is cut at a character, marked by "..".
 * Returns how many columns it took. */
int text_clean(struct buf *out, const char *s, size_t len, int max);
int text_columns(const char *s); /* of clean text */
/* So many bytes of clean text take at most max columns; one character at least. */
size_t text_fit(const char *s, size_t len, int max);
/* Bytes as hexadecimal digits; out has room for 2 * n + 1. */
void text_hex(char *out, const void *bytes, size_t n);
/* A value for a cell of GitHub's Markdown: as numeric character references, so that nothing in it is markup, and inside
 * <code> unless ours, so that no mention or link is made of it. */
void text_markdown(struct buf *out, const char *s, bool ours);
void text_quote(struct buf *out, const char *word); /* within single quotes, as sh reads it back */
/* A stranger's output for a terminal: lines and tabs stay, other control characters become U+FFFD. */
void text_output(struct buf *out, const char *s, size_t len);
/* The same of what a script prints as it runs: with colour its colours stay, other escape sequences go, and of a line
 * that it wrote over again and again (carriage returns) what stood there last. */
void text_stream(struct buf *out, const char *s, size_t len, bool colour);
/* Lines of clean text, which may be painted, at most width columns wide where their words allow; 0: as they are. What
 * goes on in the next line is indented. */
void text_wrap(struct buf *out, const char *text, int width);
/* How many letters of two names differ, are missing, too many or swapped; 3 for three or more: no typing mistake. */
size_t text_differences(const char *a, const char *b);
/* For a loop over the names that typed may have meant: name if it is nearer than *off, which it makes less, else best.
 */
const char *text_nearer(const char *typed, const char *name, const char *best, size_t *off);
#endif
