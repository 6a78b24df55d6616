/* json: see json.h. jsmn accepts far more than JSON, so the text goes through a strict validator first; after that
 * jsmn's tokens can be trusted and the tree is built from them without further checks. */
#include "json.h"
#include "base/clock.h"
#include "base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS /* without them jsmn is quadratic on wide arrays */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#include <jsmn.h>
#pragma GCC diagnostic pop

#define TOKENS 128 /* of a document that is parsed without asking for memory for them */
#define NARROW 16  /* members of an object whose names are compared each with each */

/* ---- the tree ---- */

struct build {
	const char *text;
	const jsmntok_t *tok; /* the next one */
	size_t pos;	      /* how far lines were counted: tokens come in order, so each byte is looked at once */
	unsigned line;
	size_t line_start;
	struct json *node; /* the next one's memory */
	char *room;	   /* of names and texts */
};

/* The memory of a whole document, its values first: there are many, and they live and end together. */
static struct json *take_memory(struct build *b, size_t n)
{
	size_t nodes = 0, bytes = 0;

	for (const jsmntok_t *t = b->tok; t < b->tok + n; t++) {
		nodes += t->type != JSMN_STRING || t->size == 0; /* a name has a size */
		if (t->type == JSMN_STRING || t->type == JSMN_PRIMITIVE)
			bytes += (size_t)(t->end - t->start) + 1;
	}
	b->node = xrealloc(NULL, nodes * sizeof *b->node + bytes);
	b->room = (char *)(b->node + nodes);
	return b->node;
}

static void locate(struct build *b, size_t pos, unsigned *line, unsigned *col)
{
	const char *nl;

	while (b->pos < pos && (nl = memchr(b->text + b->pos, '\n', pos - b->pos))) {
		b->pos = b->line_start = (size_t)(nl - b->text) + 1;
		b->line++;
	}
	b->pos = pos;
	*line = b->line;
	*col = (unsigned)(pos - b->line_start) + 1;
}

/* Four digits known to be good. */
static unsigned hex4(const char *s)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v * 16 + (unsigned)json_hex_digit(s[i]);
	return v;
}

/* Decodes the inside of a validated string into out; with its NUL it has at most n + 1 bytes. Returns how many without.
 */
static size_t decode(char *out, const char *s, size_t n)
{
	size_t i = 0, o = 0;

	while (i < n) {
		const char *escape = memchr(s + i, '\\', n - i);
		size_t until = escape ? (size_t)(escape - s) : n;
		unsigned u;

		memcpy(out + o, s + i, until - i);
		o += until - i;
		i = until;
		if (i == n)
			break;
		switch (s[i + 1]) {
		case 'b':
			out[o++] = '\b';
			break;
		case 'f':
			out[o++] = '\f';
			break;
		case 'n':
			out[o++] = '\n';
			break;
		case 'r':
			out[o++] = '\r';
			break;
		case 't':
			out[o++] = '\t';
			break;
		case 'u':
			u = hex4(s + i + 2);
			i += 4;
			if (u >= 0xD800 && u <= 0xDBFF) {
				u = 0x10000 + ((u - 0xD800) << 10) + (hex4(s + i + 4) - 0xDC00);
				i += 6;
			}
			o += utf8_put(out + o, u);
			break;
		default: /* the quote, the backslash, the slash */
			out[o++] = s[i + 1];
			break;
		}
		i += 2;
	}
	out[o] = 0;
	return o;
}

static size_t take_string(struct build *b, char **out, const char *s, size_t n)
{
	size_t len = decode(b->room, s, n);

	*out = b->room;
	b->room += len + 1;
	return len;
}

/* name: of the member that it is, or NULL */
static struct json *build_value(struct build *b, const jsmntok_t *name)
{
	const jsmntok_t *t = b->tok++;
	const char *s = b->text + t->start;
	size_t n = (size_t)(t->end - t->start);
	struct json *j = b->node++, **tail = &j->child;

	*j = (struct json){.type = JSON_NULL, .within = true, .text_within = true, .name_within = true};
	if (name) {
		locate(b, (size_t)name->start - 1, &j->name_line, &j->name_col);
		j->name_len = take_string(b, &j->name, b->text + name->start, (size_t)(name->end - name->start));
	}
	/* jsmn's strings start after the quote */
	locate(b, (size_t)t->start - (t->type == JSMN_STRING ? 1 : 0), &j->line, &j->col);
	switch (t->type) {
	case JSMN_STRING:
		j->type = JSON_STRING;
		j->len = take_string(b, &j->text, s, n);
		break;
	case JSMN_ARRAY:
	case JSMN_OBJECT:
		j->type = t->type == JSMN_ARRAY ? JSON_ARRAY : JSON_OBJECT;
		for (int i = 0; i < t->size; i++) {
			const jsmntok_t *its = j->type == JSON_OBJECT ? b->tok++ : NULL;

			*tail = build_value(b, its);
			tail = &(*tail)->next;
		}
		break;
	default:
		if (*s == 'n') {
			j->type = JSON_NULL;
		} else if (*s == 't' || *s == 'f') {
			j->type = JSON_BOOL;
			j->boolean = *s == 't';
		} else {
			j->type = JSON_NUMBER;
			j->len = take_string(b, &j->text, s, n);
		}
	}
	return j;
}

static bool before(const struct json *a, const struct json *b)
{
	return a->name_line != b->name_line ? a->name_line < b->name_line : a->name_col < b->name_col;
}

static int name_cmp(const struct json *a, const struct json *b)
{
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return memcmp(a->name, b->name, a->name_len);
}

static int name_order(const void *va, const void *vb)
{
	const struct json *a = *(const struct json *const *)va, *b = *(const struct json *const *)vb;
	int c = name_cmp(a, b);

	if (c)
		return c;
	return before(a, b) ? -1 : before(b, a);
}

/* Is a small object's every name another one? */
static bool names_differ(const struct json *object)
{
	for (const struct json *a = object->child; a; a = a->next)
		for (const struct json *b = a->next; b; b = b->next)
			if (a->name_len == b->name_len && name_cmp(a, b) == 0)
				return false;
	return true;
}

/* The first member in the text whose name its object had already, or NULL. Sorts, as objects may be wide. */
static const struct json *find_duplicate(const struct json *j, const struct json *best)
{
	const struct json **v;
	size_t n = 0;

	for (const struct json *c = j->child; c; c = c->next, n++)
		best = find_duplicate(c, best);
	if (j->type != JSON_OBJECT || (n <= NARROW && names_differ(j)))
		return best;
	v = xcalloc(n, sizeof *v);
	n = 0;
	for (const struct json *c = j->child; c; c = c->next)
		v[n++] = c;
	qsort(v, n, sizeof *v, name_order);
	for (size_t i = 1; i < n; i++)
		if (name_cmp(v[i - 1], v[i]) == 0 && (!best || before(v[i], best)))
			best = v[i];
	free(v);
	return best;
}

static void put_string(struct buf *out, const char *s, size_t len);

struct json *json_parse(const char *text, size_t len, struct json_error *e)
{
	struct json_error ignored;
	struct build b = {.text = text, .line = 1};
	const struct json *dup;
	struct json *root;
	jsmntok_t few[TOKENS], *many = NULL;
	jsmn_parser p;
	unsigned count;

	if (!e)
		e = &ignored;
	if (len > INT_MAX - 1) { /* jsmn counts in int */
		json_error_set(e, 1, 1, "the document is too large, expected less than 2 GiB");
		return NULL;
	}
	if (!json_grammar(text, len, &count, e))
		return NULL;
	if (count > TOKENS)
		many = xcalloc(count, sizeof *many);
	b.tok = many ? many : few;
	jsmn_init(&p);
	if (jsmn_parse(&p, text, len, many ? many : few, count) != (int)count || p.toknext != count) {
		free(many);
		json_error_set(e, 1, 1, "bug: jsmn does not agree that this document is valid");
		return NULL;
	}
	root = take_memory(&b, count);
	build_value(&b, NULL);
	root->within = false; /* it begins the memory */
	free(many);
	dup = find_duplicate(root, NULL);
	if (dup) {
		struct buf name = {0};

		put_string(&name, dup->name, dup->name_len);
		if (name.len > 100) /* leaves a whole message; a long name is found by its position */
			json_error_set(e, dup->name_line, dup->name_col,
				       "duplicate member name, expected each name once in an object");
		else
			json_error_set(e, dup->name_line, dup->name_col, "duplicate member name %s, expected it once",
				       name.data);
		buf_clear(&name);
		json_free(root);
		return NULL;
	}
	return root;
}

static void drop_name(struct json *j)
{
	if (!j->name_within)
		free(j->name);
	j->name = NULL;
	j->name_within = false;
}

void json_free(struct json *j)
{
	if (!j)
		return;
	for (struct json *c = j->child, *next; c; c = next) {
		next = c->next;
		json_free(c);
	}
	if (!j->text_within)
		free(j->text);
	drop_name(j);
	if (!j->within)
		free(j);
}

/* ---- reading ---- */

static bool name_is(const struct json *j, const char *name, size_t len)
{
	return j->name_len == len && j->name && j->name[0] == name[0] && memcmp(j->name, name, len) == 0;
}

const struct json *json_get(const struct json *object, const char *name)
{
	size_t len = strlen(name);

	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *c = object->child; c; c = c->next)
		if (name_is(c, name, len))
			return c;
	return NULL;
}

const char *json_str(const struct json *object, const char *name)
{
	const struct json *j = json_get(object, name);

	return j && j->type == JSON_STRING ? j->text : NULL;
}

int json_to_int(const struct json *j, int64_t *out)
{
	long long n;

	if (!j || j->type != JSON_NUMBER || strpbrk(j->text, ".eE"))
		return -1;
	errno = 0;
	n = strtoll(j->text, NULL, 10);
	if (errno)
		return -1;
	*out = n;
	return 0;
}

int64_t json_int(const struct json *object, const char *name, int64_t dflt)
{
	int64_t n;

	return json_to_int(json_get(object, name), &n) == 0 ? n : dflt;
}

int64_t json_time(const struct json *object, const char *name)
{
	int64_t t;
	const char *text = json_str(object, name);
	return text && !clock_parse(text, &t) ? t : 0;
}

const char *json_type_name(enum json_type t)
{
	switch (t) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "boolean";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
		return "array";
	case JSON_OBJECT:
		return "object";
	}
	return "unknown";
}

/* ---- building ---- */

/* An owned copy in which each byte that is not part of valid UTF-8 became U+FFFD. */
static char *clean_utf8(const char *s, size_t len, size_t *out_len)
{
	struct buf b = {0};

	for (size_t i = 0; i < len;) {
		size_t start = i, n = 1;

		while (i < len && (n = utf8_next(s + i, len - i, NULL)) > 0)
			i += n;
		if (i > start)
			buf_add(&b, s + start, i - start);
		if (n == 0) {
			buf_adds(&b, "\xEF\xBF\xBD");
			i++;
		}
	}
	*out_len = b.len;
	return buf_detach(&b);
}

struct json *json_new(enum json_type t)
{
	struct json *j = xcalloc(1, sizeof *j);

	j->type = t;
	/* text is never NULL where it has a meaning */
	if (t == JSON_STRING) {
		j->text = xstrdup("");
	} else if (t == JSON_NUMBER) {
		j->text = xstrdup("0");
		j->len = 1;
	}
	return j;
}

struct json *json_new_strn(const char *bytes, size_t len)
{
	struct json *j = xcalloc(1, sizeof *j);

	j->type = JSON_STRING;
	j->text = clean_utf8(bytes, len, &j->len);
	return j;
}

struct json *json_new_str(const char *utf8)
{
	return json_new_strn(utf8, strlen(utf8));
}

struct json *json_new_int(int64_t n)
{
	struct json *j = xcalloc(1, sizeof *j);

	j->type = JSON_NUMBER;
	j->text = xasprintf("%lld", (long long)n);
	j->len = strlen(j->text);
	return j;
}

struct json *json_new_bool(bool b)
{
	struct json *j = json_new(JSON_BOOL);

	j->boolean = b;
	return j;
}

void json_set(struct json *object, const char *name, struct json *value)
{
	struct json **link = &object->child;
	size_t len;
	char *clean =
	    clean_utf8(name, strlen(name), &len); /* before the search: names must stay distinct when written */

	assert(object->type == JSON_OBJECT && value && !value->next);
	while (*link && !name_is(*link, clean, len))
		link = &(*link)->next;
	drop_name(value);
	value->name = clean;
	value->name_len = len;
	value->name_line = value->name_col = 0;
	if (*link) {
		struct json *old = *link;

		value->next = old->next;
		/* a replaced member stands where the old one stood */
		value->name_line = old->name_line;
		value->name_col = old->name_col;
		json_free(old);
	}
	*link = value;
}

void json_remove(struct json *object, const char *name)
{
	size_t len = strlen(name);

	if (!object || object->type != JSON_OBJECT)
		return;
	for (struct json **link = &object->child; *link; link = &(*link)->next) {
		struct json *old = *link;

		if (!name_is(old, name, len))
			continue;
		*link = old->next;
		json_free(old);
		return;
	}
}

void json_append(struct json *array, struct json *value)
{
	struct json **link = array->last ? &array->last->next : &array->child;

	assert(array->type == JSON_ARRAY && value && !value->next);
	while (*link)
		link = &(*link)->next;
	/* it may have been a member elsewhere */
	drop_name(value);
	value->name_len = 0;
	value->name_line = value->name_col = 0;
	*link = value;
	array->last = value;
}

/* len bytes and a NUL; xstrndup would stop at a NUL inside. */
static char *dup_bytes(const char *s, size_t len)
{
	char *p = xcalloc(len + 1, 1);

	memcpy(p, s, len);
	return p;
}

static struct json *copy_node(const struct json *j, bool with_name)
{
	struct json *n = xcalloc(1, sizeof *n);
	struct json **tail = &n->child;

	n->type = j->type;
	n->line = j->line;
	n->col = j->col;
	n->boolean = j->boolean;
	if (j->text) {
		n->text = dup_bytes(j->text, j->len);
		n->len = j->len;
	}
	if (with_name && j->name) {
		n->name = dup_bytes(j->name, j->name_len);
		n->name_len = j->name_len;
		n->name_line = j->name_line;
		n->name_col = j->name_col;
	}
	for (const struct json *c = j->child; c; c = c->next) {
		*tail = copy_node(c, true);
		tail = &(*tail)->next;
	}
	return n;
}

/* The copy stands alone: no name, no siblings. */
struct json *json_copy(const struct json *j)
{
	return j ? copy_node(j, false) : NULL;
}

/* ---- writing ---- */

static void put_string(struct buf *out, const char *s, size_t len)
{
	static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	size_t plain = 0; /* start of what needs no escape, added in one go */

	buf_add(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (i > plain)
			buf_add(out, s + plain, i - plain);
		plain = i + 1;
		if (c >= 0x20)
			buf_addf(out, "\\%c", c);
		else if (letters[c])
			buf_addf(out, "\\%c", letters[c]);
		else
			buf_addf(out, "\\u%04x", c);
	}
	if (len > plain)
		buf_add(out, s + plain, len - plain);
	buf_add(out, "\"", 1);
}

static void put_newline(struct buf *out, int indent, int level)
{
	if (indent > 0)
		buf_addf(out, "\n%*s", indent * level, "");
}

static void put_value(struct buf *out, const struct json *j, int indent, int level)
{
	bool object = j->type == JSON_OBJECT;

	switch (j->type) {
	case JSON_NULL:
		buf_adds(out, "null");
		break;
	case JSON_BOOL:
		buf_adds(out, j->boolean ? "true" : "false");
		break;
	case JSON_NUMBER:
		buf_add(out, j->text, j->len);
		break;
	case JSON_STRING:
		put_string(out, j->text, j->len);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_adds(out, object ? "{" : "[");
		for (const struct json *c = j->child; c; c = c->next) {
			put_newline(out, indent, level + 1);
			if (object) {
				put_string(out, c->name, c->name_len);
				buf_adds(out, indent > 0 ? ": " : ":");
			}
			put_value(out, c, indent, level + 1);
			if (c->next)
				buf_adds(out, ",");
		}
		if (j->child)
			put_newline(out, indent, level);
		buf_adds(out, object ? "}" : "]");
		break;
	}
}

void json_write(struct buf *out, const struct json *j, int indent)
{
	put_value(out, j, indent, 0);
}
