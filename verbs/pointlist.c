#include "verbs/pointlist.h"
#include "base/csv.h"
#include "base/table.h"
#include "schema/points.h"
#include "schema/result.h"
#include "verbs/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64	/* of variables, and of what points print */
#define SHOWN_VARS 8	/* in a table for people */
#define TEXT_COLUMNS 24 /* of the screen, for a value */

static const char *state_word(const char *state)
{
	return !strcmp(state, "in_progress") ? "running" : !strcmp(state, "queue") ? "queued" : state;
}

static void add(struct pointlist *l, struct pointrow row)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->v = xrealloc(l->v, l->room * sizeof *l->v);
	}
	l->v[l->n++] = row;
}

void pointlist_add(struct pointlist *l, const char *id, const char *state, const struct json *doc)
{
	struct point all[POINTS_MAX];
	const struct json *result = json_get(doc, "result"), *points = json_get(result, "points");
	const struct json *end = points && points->type == JSON_ARRAY ? points->child : NULL;
	const char *whole = json_str(result, "status") ? json_str(result, "status") : state_word(state);
	size_t n = points_of(doc, all);
	if (!n)
		add(l, (struct pointrow){.task = id, .status = whole, .index = -1, .end = result});
	for (size_t i = 0; i < n; i++, end = end ? end->next : NULL) {
		const char *own = json_str(end, "status");
		add(l, (struct pointrow){.task = id,
					 .status = own ? own : whole,
					 .index = all[i].index,
					 .vars = all[i].vars,
					 .end = end});
	}
}

void pointlist_clear(struct pointlist *l)
{
	free(l->v);
	*l = (struct pointlist){0};
}

static bool good(const struct pointrow *r)
{
	return !strcmp(r->status, "success");
}

static bool bad(const struct pointrow *r)
{
	return !good(r) && result_status_index(r->status) < RESULT_N_STATUSES;
}

static int by_index(const void *pa, const void *pb)
{
	const struct pointrow *a = pa, *b = pb;
	return a->index != b->index ? (a->index < b->index ? -1 : 1) : strcmp(a->task, b->task);
}

static int failed_first(const void *pa, const void *pb)
{
	const struct pointrow *a = pa, *b = pb;
	return bad(a) != bad(b) ? (bad(a) ? -1 : 1) : by_index(pa, pb);
}

void pointlist_sort(struct pointlist *l, bool first)
{
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, first ? failed_first : by_index);
}

/* ---- columns ---- */

/* The names of members (of variables such alone as are valid), each once, in the order in which they come. */
static void add_names(struct strs *names, const struct json *object, bool variables)
{
	for (const struct json *v = object ? object->child : NULL; v && names->n < COLUMNS_MAX; v = v->next) {
		bool known = !strcmp(v->name, POINT_INDEX) || (variables && !points_variable(v));
		for (size_t i = 0; i < names->n && !known; i++)
			known = !strcmp(names->v[i], v->name);
		if (!known)
			strs_add(names, v->name);
	}
}

static struct strs variables(const struct pointlist *l)
{
	struct strs names = {0};
	for (size_t i = 0; i < l->n; i++)
		add_names(&names, l->v[i].vars, true);
	return names;
}

/* The first line of what it printed that is an object of JSON; the caller's, NULL: none is. */
static struct json *printed_object(const struct json *end)
{
	const struct json *out = json_get(end, "stdout");
	const char *p = out && out->type == JSON_STRING ? out->text : NULL;
	for (struct json_error je; p && *p; p += *p == '\n') {
		size_t n = strcspn(p, "\n");
		struct json *j = *p == '{' ? json_parse(p, n, &je) : NULL;
		if (j)
			return j;
		p += n;
	}
	return NULL;
}

/* Do all that succeeded, and at least one, print one? Then names gets what its members are called. */
static bool all_print_objects(const struct pointlist *l, struct strs *names)
{
	bool any = false;
	for (size_t i = 0; i < l->n; i++) {
		if (!good(&l->v[i]))
			continue;
		struct json *j = printed_object(l->v[i].end);
		if (!j) {
			strs_clear(names);
			return false;
		}
		any = true;
		add_names(names, j, false);
		json_free(j);
	}
	return any;
}

static char *said_by(const struct pointrow *r)
{
	return result_line(r->end, bad(r));
}

/* ---- for people ---- */

static void cell_number(struct table *t, int64_t n)
{
	char text[24] = "-";
	if (n >= 0)
		snprintf(text, sizeof text, "%lld", (long long)n);
	table_cell(t, text, PAINT_NONE);
}

void pointlist_table(const struct pointlist *l, size_t limit, int width, bool colour, struct buf *out)
{
	struct strs names = variables(l);
	struct column columns[5 + SHOWN_VARS];
	size_t vars = names.n < SHOWN_VARS ? names.n : SHOWN_VARS, n = 0, plain = 0;
	for (size_t i = 0; i < l->n; i++)
		plain += l->v[i].index < 0;
	if (plain)
		columns[n++] = (struct column){.title = "TASK", .max = 64, .min = 8};
	columns[n++] = (struct column){.title = "POINT", .max = 9, .right = true, .ours = true};
	columns[n++] = (struct column){.title = "STATUS", .max = 11, .min = 4};
	columns[n++] = (struct column){.title = "EXIT", .max = 4, .right = true, .ours = true};
	for (size_t i = 0; i < vars; i++)
		columns[n++] = (struct column){.title = names.v[i], .max = TEXT_COLUMNS, .min = 4};
	columns[n++] = (struct column){.title = "OUTPUT", .max = 64, .min = 6};
	struct table t = {.columns = columns, .n = n};
	size_t shown = limit && l->n > limit ? limit : l->n;
	for (size_t i = 0; i < shown; i++) {
		const struct pointrow *r = &l->v[i];
		char *said = said_by(r);
		if (plain)
			table_cell(&t, r->task, PAINT_NONE);
		cell_number(&t, r->index);
		table_cell(&t, r->status, report_paint(strcmp(r->status, "queued") ? r->status : "-"));
		cell_number(&t, json_int(r->end, "exit_code", -1));
		for (size_t k = 0; k < vars; k++) {
			const char *value = json_str(r->vars, names.v[k]);
			table_cell(&t, value ? value : "-", PAINT_NONE);
		}
		table_cell(&t, said, PAINT_NONE);
		free(said);
	}
	if (shown < l->n) {
		char *note = xasprintf("... and %zu more", l->n - shown);
		table_note(&t, note);
		free(note);
	}
	table_text(&t, width, colour, out);
	table_clear(&t);
	strs_clear(&names);
}

/* ---- for plots ---- */

static const char *const ours[] = {"task", "point", "status", "exit_code", "duration_ms", "output"};

static bool is_in(const char *name, char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* A name that is another column's too begins with what it is. */
static void put_title(struct buf *out, const char *name, const char *kind, bool taken)
{
	char *title = xasprintf("%s%s", taken ? kind : "", name);
	buf_adds(out, ",");
	csv_put(out, title);
	free(title);
}

static bool is_ours(const char *name)
{
	return is_in(name, (char *const *)ours, sizeof ours / sizeof *ours);
}

static void put_number(struct buf *out, const struct json *end, const char *name)
{
	const struct json *v = json_get(end, name);
	buf_addf(out, ",%s", v && v->type == JSON_NUMBER ? v->text : "");
}

static void put_value(struct buf *out, const struct json *v)
{
	struct buf text = {0};
	if (v && (v->type == JSON_ARRAY || v->type == JSON_OBJECT))
		json_write(&text, v, 0);
	else if (v && v->type != JSON_NULL)
		buf_adds(&text, v->type == JSON_BOOL ? (v->boolean ? "true" : "false") : v->text);
	buf_adds(out, ",");
	csv_put(out, text.data ? text.data : "");
	buf_clear(&text);
}

void pointlist_csv(const struct pointlist *l, struct buf *out)
{
	struct strs names = variables(l), members = {0};
	bool objects = all_print_objects(l, &members);
	buf_adds(out, "task,point,status,exit_code,duration_ms");
	for (size_t i = 0; i < names.n; i++)
		put_title(out, names.v[i], "var_", is_ours(names.v[i]));
	for (size_t i = 0; i < members.n; i++)
		put_title(out, members.v[i], "out_", is_ours(members.v[i]) || is_in(members.v[i], names.v, names.n));
	buf_adds(out, objects ? "\n" : ",output\n");
	for (size_t i = 0; i < l->n; i++) {
		const struct pointrow *r = &l->v[i];
		struct json *printed = objects ? printed_object(r->end) : NULL;
		csv_put(out, r->task);
		buf_adds(out, ",");
		if (r->index >= 0)
			buf_addf(out, "%lld", (long long)r->index);
		buf_adds(out, ",");
		csv_put(out, r->status);
		put_number(out, r->end, "exit_code");
		put_number(out, r->end, "duration_ms");
		for (size_t k = 0; k < names.n; k++)
			put_value(out, json_get(r->vars, names.v[k]));
		for (size_t k = 0; k < members.n; k++)
			put_value(out, json_get(printed, members.v[k]));
		if (!objects) {
			char *said = said_by(r);
			buf_adds(out, ",");
			csv_put(out, said);
			free(said);
		}
		buf_adds(out, "\n");
		json_free(printed);
	}
	strs_clear(&names);
	strs_clear(&members);
}

struct json *pointlist_json(const struct pointlist *l)
{
	static const char *const kept[] = {"exit_code", "signal",	"duration_ms",
					   "stdout",	"stdout_bytes", "stdout_truncated",
					   "stderr",	"stderr_bytes", "stderr_truncated"};
	struct json *all = json_new(JSON_ARRAY), **link = &all->child;
	for (size_t i = 0; i < l->n; i++) {
		const struct pointrow *r = &l->v[i];
		struct json *one = json_new(JSON_OBJECT), *printed = printed_object(r->end);
		json_set(one, "task_id", json_new_str(r->task));
		json_set(one, "point", r->index < 0 ? json_new(JSON_NULL) : json_new_int(r->index));
		json_set(one, "status", json_new_str(r->status));
		struct json *vars = r->vars ? json_copy(r->vars) : json_new(JSON_OBJECT);
		json_remove(vars, POINT_INDEX);
		json_set(one, "variables", vars);
		for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
			report_copy(one, r->end, kept[k]);
		if (printed)
			json_set(one, "printed", printed);
		*link = one; /* there may be very many */
		link = &one->next;
	}
	return all;
}
