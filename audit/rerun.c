#include "audit/rerun.h"
#include "base/sha256.h"
#include "schema/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SHOWN_MAX 200

const char *rerun_verdict_name(enum rerun_verdict v)
{
	static const char *const names[] = {"reproducible", "differs", "cannot"};
	return names[v];
}

const char *rerun_status(const struct json *result)
{
	const char *status = json_str(result, "status"), *own = json_str(json_get(result, "quorum"), "status");
	return status && !strcmp(status, "disputed") && own ? own : status;
}

char *rerun_refusal(const struct json *doc, const char *state)
{
	static const char *const ran[] = {"success", "failed", "timeout", "oom", NULL};
	const struct json *result = json_get(doc, "result");
	const char *status = rerun_status(result), *script = json_str(doc, "script");
	if (!result)
		return xasprintf("it has not ended yet, it is in %s", state);
	for (int i = 0; status && ran[i]; i++)
		if (!strcmp(status, ran[i]))
			return script && *script ? NULL : xasprintf("its file holds no script");
	return xasprintf("it never ran to an end of its own: its result is '%.40s'", status ? status : "?");
}

bool rerun_script_changed(const struct json *doc)
{
	const char *ran = json_str(json_get(doc, "result"), "script_sha256");
	const struct json *script = json_get(doc, "script");
	uint8_t hash[32];
	char hex[SHA256_HEX];
	if (!ran || !script || script->type != JSON_STRING)
		return false;
	sha256(script->text, script->len, hash);
	sha256_hex(hash, hex);
	return strcmp(ran, hex) != 0;
}

static struct json *differs(struct json *list, const char *what, struct json *recorded, struct json *now)
{
	struct json *one = json_new(JSON_OBJECT);
	json_set(one, "what", json_new_str(what));
	json_set(one, "recorded", recorded);
	json_set(one, "rerun", now);
	json_append(list, one);
	return one;
}

static struct json *copy_or_null(const struct json *j)
{
	return j ? json_copy(j) : json_new(JSON_NULL);
}

/* A whole number or nothing. */
static void compare_number(const struct json *a, const struct json *b, const char *name, struct json *list)
{
	const struct json *x = json_get(a, name), *y = json_get(b, name);
	int64_t n = 0, m = 0;
	bool has_n = x && !json_to_int(x, &n), has_m = y && !json_to_int(y, &m);
	if (has_n != has_m || n != m)
		differs(list, name, copy_or_null(x), copy_or_null(y));
}

static struct json *line_at(const char *text, size_t len, size_t from)
{
	if (from >= len)
		return json_new(JSON_NULL); /* it had ended */
	const char *end = memchr(text + from, '\n', len - from);
	size_t n = end ? (size_t)(end - text) - from : len - from;
	return json_new_strn(text + from, n < LINE_SHOWN_MAX ? n : LINE_SHOWN_MAX);
}

/* Where two kept texts part. */
static void tell_line(const struct json *a, const struct json *b, const char *name, struct json *list)
{
	const struct json *x = json_get(a, name), *y = json_get(b, name);
	size_t from = 0, at = 0;
	int64_t line = 1;
	bool texts = x && y && x->type == JSON_STRING && y->type == JSON_STRING;
	while (texts && at < x->len && at < y->len && x->text[at] == y->text[at])
		if (x->text[at++] == '\n') {
			from = at;
			line++;
		}
	bool seen = texts && (at < x->len || at < y->len);
	struct json *one = differs(list, name, seen ? line_at(x->text, x->len, from) : json_new(JSON_NULL),
				   seen ? line_at(y->text, y->len, from) : json_new(JSON_NULL));
	if (seen)
		json_set(one, "line", json_new_int(line));
}

/* False: it cannot be told. */
static bool compare_stream(const struct json *a, const struct json *b, const char *name, bool digest, struct json *list)
{
	char *hash = xasprintf("%s_sha256", name), *cut = xasprintf("%s_truncated", name),
	     *bytes = xasprintf("%s_bytes", name);
	const char *was = json_str(a, hash), *is = json_str(b, hash);
	const struct json *x = json_get(a, name), *y = json_get(b, name), *truncated = json_get(a, cut);
	bool told = true, same = false;
	char why[200];
	if (was && is)
		same = !strcmp(was, is);
	else if (x && y && x->type == JSON_STRING && y->type == JSON_STRING && !(truncated && truncated->boolean))
		/* Before results had hashes: the text, as far as it is text. */
		same = x->len == y->len && !memcmp(x->text, y->text, x->len);
	else
		told = false;
	if (told && !same)
		tell_line(a, b, name, list);
	else if (was && is && json_get(a, bytes) &&
		 !result_stream_sound(a, name, digest, why)) { /* true hashes beside a forged text */
		char *what = xasprintf("text of %s", name);
		differs(list, what, json_new_str(why), json_new_str("the output that its hash is of"));
		free(what);
	}
	free(hash);
	free(cut);
	free(bytes);
	return told;
}

/* What was left in /out, by the tree's id. What could not be kept cannot be compared. */
static void compare_files(const struct json *a, const struct json *b, struct json *list)
{
	const char *was = json_str(json_get(a, "out"), "tree"), *is = json_str(json_get(b, "out"), "tree");
	if (json_get(a, "out_error") || json_get(b, "out_error") || strcmp(was ? was : "", is ? is : "") == 0)
		return;
	differs(list, "files", was ? json_new_str(was) : json_new(JSON_NULL),
		is ? json_new_str(is) : json_new(JSON_NULL));
}

static void compare_status(const char *was, const char *is, struct json *list)
{
	if (strcmp(was ? was : "", is ? is : "") != 0)
		differs(list, "status", was ? json_new_str(was) : json_new(JSON_NULL),
			is ? json_new_str(is) : json_new(JSON_NULL));
}

/* A stream without a byte stands nowhere. */
static void compare_point_stream(const struct json *a, const struct json *b, const char *name, bool digest,
				 struct json *list)
{
	char *bytes = xasprintf("%s_bytes", name);
	bool was = json_get(a, bytes), is = json_get(b, bytes);
	free(bytes);
	if (was && is)
		compare_stream(a, b, name, digest, list);
	else if (was || is)
		tell_line(a, b, name, list);
}

/* Point by point: what differs says which. */
static void compare_points(const struct json *was, const struct json *is, bool digest, struct json *list)
{
	const struct json *a = was ? was->child : NULL, *b = is ? is->child : NULL;
	for (; a || b; a = a ? a->next : NULL, b = b ? b->next : NULL) {
		struct json *one = json_new(JSON_ARRAY);
		int64_t index = json_int(a ? a : b, "point", 0);
		compare_status(json_str(a, "status"), json_str(b, "status"), one);
		compare_number(a, b, "exit_code", one);
		compare_number(a, b, "signal", one);
		compare_point_stream(a, b, "stdout", digest, one);
		compare_point_stream(a, b, "stderr", digest, one);
		for (const struct json *d = one->child; d; d = d->next) {
			struct json *copy = json_copy(d);
			char *what = xasprintf("point %lld: %s", (long long)index, json_str(d, "what"));
			json_set(copy, "what", json_new_str(what));
			json_append(list, copy);
			free(what);
		}
		json_free(one);
	}
}

enum rerun_verdict rerun_compare(const struct json *recorded, const struct json *now, struct json *differences,
				 char why[256])
{
	const struct json *points = json_get(recorded, "points");
	compare_status(rerun_status(recorded), json_str(now, "status"), differences);
	compare_number(recorded, now, "exit_code", differences);
	compare_number(recorded, now, "signal", differences);
	bool digest = result_digest(recorded),
	     out = points || compare_stream(recorded, now, "stdout", digest, differences),
	     err = points || compare_stream(recorded, now, "stderr", digest, differences);
	if (points)
		compare_points(points, json_get(now, "points"), digest, differences);
	compare_files(recorded, now, differences);
	why[0] = 0;
	if (differences->child)
		return RERUN_DIFFERS;
	if (!out || !err)
		snprintf(why, 256, "the result has no hash of its %s, and not all of it was kept",
			 out   ? "stderr"
			 : err ? "stdout"
			       : "output");
	return out && err ? RERUN_SAME : RERUN_CANNOT;
}
