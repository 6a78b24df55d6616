/* json_grammar: whether a text is one JSON document (RFC 8259, strictly: UTF-8, numbers, escapes, surrogates, control
 * characters, no trailing bytes, nesting up to JSON_MAX_DEPTH), and where it is not. Duplicate names are json_parse's.
 */
#ifndef JSON_GRAMMAR_H
#define JSON_GRAMMAR_H
#include <stdbool.h>
#include <stddef.h>
#define JSON_MAX_DEPTH 64

struct json_error {
	unsigned line, col; /* from 1; columns count bytes */
	char msg[160];	    /* what is wrong and what was expected */
};
void json_error_set(struct json_error *e, unsigned line, unsigned col, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* True, and in *tokens how many values and member names there are; or false and *e filled. */
bool json_grammar(const char *text, size_t len, unsigned *tokens, struct json_error *e);

int json_hex_digit(int c); /* its value, or -1 */
#endif
