#include "schema/points.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool points_variable(const struct json *name)
{
	size_t n = strspn(name->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	return n && n == name->name_len && !(name->name[0] >= '0' && name->name[0] <= '9');
}

/* Always false. */
static bool wrong(char why[240], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(char why[240], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, 240, fmt, ap);
	va_end(ap);
	return false;
}

/* The index that a point sets itself; -1: it sets none, -2: what it sets is none. */
static int64_t own_index(const struct json *vars)
{
	const struct json *v = json_get(vars, POINT_INDEX);
	char *end;
	if (!v)
		return -1;
	if (v->type != JSON_STRING || !v->len || v->len > 9 || strspn(v->text, "0123456789") != v->len ||
	    (v->len > 1 && v->text[0] == '0'))
		return -2;
	return strtol(v->text, &end, 10);
}

static bool variables_valid(const struct json *vars, size_t *all, const struct json **at, char why[240])
{
	size_t bytes = 0, n = 0;
	for (const struct json *v = vars->child; v; v = v->next) {
		*at = v;
		if (++n > POINT_VARIABLES)
			return wrong(why, "more than %d variables (expected fewer in a point)", POINT_VARIABLES);
		if (!points_variable(v))
			return wrong(why,
				     "\"%.80s\" is no variable name (expected letters, digits and _, no digit first)",
				     v->name);
		if (v->type != JSON_STRING || strlen(v->text) != v->len)
			return wrong(why, "%.80s is not valid (expected a string without NUL)", v->name);
		bytes += v->name_len + v->len + 2;
	}
	*at = vars;
	*all += bytes;
	if (bytes > POINT_BYTES)
		return wrong(why, "a point of %zu bytes (expected at most %d)", bytes, POINT_BYTES);
	return *all <= POINTS_BYTES ||
	       wrong(why, "points of more than %d bytes together (expected fewer in one task)", POINTS_BYTES);
}

bool points_valid(const struct json *points, int64_t first, const struct json **at, char why[240])
{
	int64_t n, next = first, own;
	size_t count = 0, bytes = 0;
	*at = points;
	if (points->type == JSON_NUMBER)
		return (!json_to_int(points, &n) && n >= 1 && n <= POINTS_MAX) ||
		       wrong(why, "%.40s is not valid (expected a whole number from 1 to %d, or an array of objects)",
			     points->text, POINTS_MAX);
	if (points->type != JSON_ARRAY || !points->child)
		return wrong(why, "%s is not valid (expected a whole number from 1 to %d, or an array of objects)",
			     points->type == JSON_ARRAY ? "an empty array" : json_type_name(points->type), POINTS_MAX);
	for (const struct json *p = points->child; p; p = p->next, count++) {
		*at = p;
		if (count == POINTS_MAX)
			return wrong(why, "more than %d points (expected fewer in one task)", POINTS_MAX);
		if (p->type != JSON_OBJECT)
			return wrong(why, "point %zu: %s (expected an object of variables)", count,
				     json_type_name(p->type));
		if (!variables_valid(p, &bytes, at, why))
			return false;
		own = own_index(p);
		if (own == -2 || (own >= 0 && own < next))
			return wrong(why,
				     POINT_INDEX " of point %zu is not valid (expected digits, and more than before)",
				     count);
		next = (own >= 0 ? own : next) + 1;
	}
	return true;
}

size_t points_of(const struct json *task, struct point out[POINTS_MAX])
{
	const struct json *points = json_get(task, "points");
	int64_t index = json_int(task, "first_point", 0), n;
	size_t count = 0;
	if (!points)
		return 0;
	if (points->type == JSON_NUMBER && !json_to_int(points, &n))
		for (; count < POINTS_MAX && (int64_t)count < n; count++)
			out[count] = (struct point){.index = index + (int64_t)count};
	if (points->type != JSON_ARRAY)
		return count;
	for (const struct json *p = points->child; p && count < POINTS_MAX; p = p->next) {
		int64_t own = own_index(p);
		index = own >= 0 ? own : index;
		out[count++] = (struct point){.index = index++, .vars = p->type == JSON_OBJECT ? p : NULL};
	}
	return count;
}

size_t points_count(const struct json *task)
{
	struct point all[POINTS_MAX];
	return points_of(task, all);
}

int64_t points_seconds(const struct json *task, int64_t timeout_seconds)
{
	size_t n = points_count(task);
	int64_t each = timeout_seconds < 0 || timeout_seconds > RUN_SECONDS_MAX ? RUN_SECONDS_MAX : timeout_seconds;
	return each * (n ? (int64_t)n : 1);
}

const char *points_words(const struct json *task, int64_t done, char out[64])
{
	size_t n = points_count(task);
	const char *s = n == 1 ? "" : "s";
	const struct json *result = json_get(task, "result");
	int64_t failed = json_int(result, "points_failed", -1);
	out[0] = 0;
	if (n && failed >= 0 && failed <= (int64_t)n)
		snprintf(out, 64, "%lld of %zu point%s succeeded", (long long)((int64_t)n - failed), n, s);
	else if (n && done >= 0 && done <= (int64_t)n && !result)
		snprintf(out, 64, "%lld of %zu point%s done", (long long)done, n, s);
	else if (n)
		snprintf(out, 64, "%zu point%s", n, s);
	return out;
}
