/* json: RFC 8259, strictly, in and out. json_parse holds the text against the grammar (see json_grammar.h), builds a
 * tree from jsmn's tokens, and refuses duplicate names.
 * Numbers keep their text, so what is not understood is written back untouched. Trees are owned by the caller. */
#ifndef JSON_H
#define JSON_H
#include "base/buf.h"
#include "base/json_grammar.h"
#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
struct json {
	enum json_type type;
	unsigned line, col; /* of the value, from 1; columns count bytes */
	bool boolean;
	bool within, text_within, name_within; /* json_parse: it, its text, its name stand in the document's memory,
						* which the root begins */
	char *text; /* string: decoded UTF-8, NUL-terminated, may hold NULs; number: its literal */
	size_t len; /* bytes in text */
	char *name; /* member name inside an object, else NULL */
	size_t name_len;
	unsigned name_line, name_col;
	struct json *child, *next; /* first element/member; next sibling */
	struct json *last;	   /* json_append's: the element that it added last; NULL: none yet */
};
/* NULL and *e filled when text is not one valid JSON document. */
struct json *json_parse(const char *text, size_t len, struct json_error *e);
void json_free(struct json *j); /* NULL is fine */

const struct json *json_get(const struct json *object, const char *name); /* NULL if absent or not an object */
const char *json_str(const struct json *object, const char *name);	  /* NULL if absent or not a string */
int64_t json_int(const struct json *object, const char *name,
		 int64_t dflt);					/* dflt if absent or not an integer that fits */
int64_t json_time(const struct json *object, const char *name); /* RFC 3339, in UTC seconds; 0: it is none */
/* 0 and *out when j is a number that is an integer (no fraction or exponent) within int64; else -1. */
int json_to_int(const struct json *j, int64_t *out);
const char *json_type_name(enum json_type t); /* "string", "object", ... */

/* Builders. json_set replaces or appends a member and takes over value. */
struct json *json_new(enum json_type t);
struct json *json_new_str(const char *utf8); /* invalid UTF-8 becomes U+FFFD */
struct json *json_new_strn(const char *bytes, size_t len);
struct json *json_new_int(int64_t n);
struct json *json_new_bool(bool b);
void json_set(struct json *object, const char *name, struct json *value);
void json_remove(struct json *object, const char *name);
void json_append(struct json *array, struct json *value);
struct json *json_copy(const struct json *j);

/* Appends the document; indent 0: one line, else spaces a level (2 in ledger files, with a final newline from the
 * caller). */
void json_write(struct buf *out, const struct json *j, int indent);
#endif
