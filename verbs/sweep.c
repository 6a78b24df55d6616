#include "verbs/sweep.h"
#include "base/csv.h"
#include "base/file.h"
#include "schema/points.h"
#include "schema/task.h"
#include "verbs/commands.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 << 20) /* bytes of --points */
#define TASKS_SHARED 32	    /* the same where points share sandboxes, for they are short */
#define TASKS_USUAL 256	    /* a sweep becomes at most so many, */
#define CHUNK_USUAL 64	    /* but for tasks of no more points than this, */
#define CHUNK_SECONDS 3600  /* and of no longer than this */
#define AROUND 1024	    /* bytes for the other members that each task of a sweep gets */
#define NAME_MAX_LEN 56	    /* of what ids begin with */

int sweep_take(struct sweep *w, int key, const char *value, struct err *e)
{
	switch (key) {
	case 'A':
		w->array = value;
		break;
	case 'M':
		strs_add(&w->matrix, value);
		break;
	case 'P':
		w->file = value;
		break;
	case 'F':
		w->failed_of = value;
		break;
	case 'C':
		return parse_number("--chunk", value, 1, POINTS_MAX, &w->chunk, e);
	default:
		return 1;
	}
	return 0;
}

bool sweep_wanted(const struct sweep *w)
{
	return w->array || w->file || w->failed_of || w->matrix.n;
}

void sweep_clear(struct sweep *w)
{
	for (size_t i = 0; i < w->n; i++)
		json_free(w->v[i].vars);
	free(w->v);
	strs_clear(&w->matrix);
	*w = (struct sweep){0};
}

/* Takes vars over. */
static void add(struct sweep *w, int64_t index, struct json *vars, size_t model)
{
	if (!(w->n & (w->n - 1)))
		w->v = xrealloc(w->v, (w->n ? 2 * w->n : 1) * sizeof *w->v);
	w->v[w->n++] = (struct sweep_point){.index = index, .vars = vars, .model = model};
}

static int too_many(struct err *e)
{
	return err_set(e, ERR_DATA, "more than %d points (expected fewer; several sweeps may share a --group)",
		       SWEEP_MAX);
}

/* ---- --array ---- */

static int array_wrong(const struct sweep *w, const char *at, struct err *e)
{
	return err_set(
	    e, ERR_USAGE,
	    "--array: column %d of '%.100s' (expected indexes such as 0-99, 0-99:10 or 1,5,9, rising, at most "
	    "%d)",
	    (int)(at - w->array) + 1, w->array, POINT_INDEX_MAX);
}

/* A number of at least that; past it. False: p stands where it should begin. */
static bool take_index(const char **p, int64_t least, int64_t *out)
{
	size_t n = strspn(*p, "0123456789");
	*out = n && n <= 9 ? strtol(*p, NULL, 10) : -1;
	*p += *out >= least ? n : 0;
	return *out >= least;
}

static int read_array(struct sweep *w, struct err *e)
{
	int64_t next = 0;
	for (const char *p = w->array;; p++) {
		int64_t first, last, step = 1;
		bool good = take_index(&p, next, &first);
		last = first;
		if (good && *p == '-') {
			p++;
			good = take_index(&p, first, &last);
		}
		if (good && *p == ':') {
			p++;
			good = take_index(&p, 1, &step);
		}
		if (!good || (*p && *p != ','))
			return array_wrong(w, p, e);
		for (int64_t i = first; i <= last; i += step) {
			if (w->n == SWEEP_MAX)
				return too_many(e);
			add(w, i, NULL, 0);
		}
		next = last + 1;
		if (!*p)
			return 0;
	}
}

/* ---- --matrix ---- */

static bool variable(const char *name)
{
	const struct json member = {.name = (char *)name, .name_len = strlen(name)};
	return points_variable(&member) && strcmp(name, POINT_INDEX) != 0;
}

static int read_axis(const char *spec, char **name, struct csv_row *values, struct err *e)
{
	size_t n = strcspn(spec, "=");
	*name = xstrndup(spec, n);
	if (!spec[n] || !variable(*name))
		return err_set(e, ERR_USAGE,
			       "--matrix: expected NAME=VALUE,VALUE... with a variable's name, found '%.100s'", spec);
	struct csv c = {.name = "--matrix", .text = spec + n + 1, .len = strlen(spec + n + 1)};
	int rc = csv_next(&c, values, e);
	if (rc < 0)
		return -1;
	if (!rc)
		return err_set(e, ERR_USAGE, "--matrix: %.100s has no value (expected NAME=VALUE,VALUE...)", *name);
	return 0;
}

/* The product of all, the last varying fastest, as nested loops would. */
static int read_matrix(struct sweep *w, struct err *e)
{
	size_t n = w->matrix.n, all = 1;
	char **names = xcalloc(n, sizeof *names);
	struct csv_row *axes = xcalloc(n, sizeof *axes);
	int rc = 0;
	for (size_t i = 0; i < n && !rc; i++) {
		rc = read_axis(w->matrix.v[i], &names[i], &axes[i], e);
		for (size_t k = 0; k < i && !rc; k++)
			if (!strcmp(names[i], names[k]))
				rc = err_set(e, ERR_USAGE, "--matrix: %.100s is given twice", names[i]);
		all *= rc ? 1 : axes[i].cells.n;
		if (!rc && all > SWEEP_MAX)
			rc = too_many(e);
	}
	for (size_t at = 0; at < all && !rc; at++) {
		struct json *vars = json_new(JSON_OBJECT);
		size_t below = all;
		for (size_t i = 0; i < n; i++) {
			below /= axes[i].cells.n;
			json_set(vars, names[i], json_new_str(axes[i].cells.v[at / below % axes[i].cells.n]));
		}
		add(w, (int64_t)at, vars, 0);
	}
	for (size_t i = 0; i < n; i++) {
		free(names[i]);
		csv_clear(&axes[i]);
	}
	free(names);
	free(axes);
	return rc;
}

/* ---- --points ---- */

/* A point of a file may set its index; else it is the next. */
static int add_from_file(struct sweep *w, struct json *vars, const char *name, long line, struct err *e)
{
	const char *own = json_str(vars, POINT_INDEX);
	int64_t next = w->n ? w->v[w->n - 1].index + 1 : 0, index = next;
	const char *p = own;
	int rc = w->n == SWEEP_MAX ? too_many(e) : 0;
	if (!rc && own && (!take_index(&p, next, &index) || *p))
		rc = err_set(e, ERR_DATA,
			     "%.200s:%ld:1: " POINT_INDEX " is '%.40s' (expected digits, and more than before)", name,
			     line, own);
	json_remove(vars, POINT_INDEX);
	if (rc)
		json_free(vars);
	else
		add(w, index, vars, 0);
	return rc;
}

static int check_header(const char *name, const struct csv_row *head, struct err *e)
{
	for (size_t i = 0; i < head->cells.n; i++) {
		const char *is = head->cells.v[i];
		bool twice = false;
		for (size_t k = 0; k < i && !twice; k++)
			twice = !strcmp(is, head->cells.v[k]);
		if (twice || (!variable(is) && strcmp(is, POINT_INDEX) != 0))
			return err_set(
			    e, ERR_DATA,
			    "%.200s:%ld:%ld: '%.80s' %s (expected a header of variables' names: letters, digits and "
			    "_, no digit first)",
			    name, head->line, head->cols[i], is, twice ? "stands there twice" : "is none");
	}
	return 0;
}

static int read_csv(struct sweep *w, const char *name, const struct buf *text, struct err *e)
{
	struct csv c = {.name = name, .text = text->data, .len = text->len};
	struct csv_row head = {0}, row = {0};
	int rc = csv_next(&c, &head, e);
	if (rc > 0)
		rc = check_header(name, &head, e) ? -1 : 1;
	while (rc > 0 && (rc = csv_next(&c, &row, e)) > 0) {
		if (row.cells.n != head.cells.n) {
			rc = err_set(e, ERR_DATA, "%.200s:%ld:%ld: %zu cells, and the header has %zu", name, row.line,
				     row.cols[row.cells.n < head.cells.n ? row.cells.n - 1 : head.cells.n], row.cells.n,
				     head.cells.n);
			break;
		}
		struct json *vars = json_new(JSON_OBJECT);
		for (size_t i = 0; i < head.cells.n; i++)
			json_set(vars, head.cells.v[i], json_new_str(row.cells.v[i]));
		rc = add_from_file(w, vars, name, row.line, e) ? -1 : 1;
	}
	csv_clear(&head);
	csv_clear(&row);
	return rc;
}

/* Numbers and truths as they are written. */
static int read_object(struct sweep *w, const char *name, long line, const struct json *object, struct err *e)
{
	struct json *vars = json_new(JSON_OBJECT);
	for (const struct json *v = object->child; v; v = v->next) {
		const char *text = v->type == JSON_BOOL ? (v->boolean ? "true" : "false") : v->text;
		bool scalar = v->type == JSON_STRING || v->type == JSON_NUMBER || v->type == JSON_BOOL;
		if (!points_variable(v) || !scalar || (v->type == JSON_STRING && strlen(v->text) != v->len)) {
			json_free(vars);
			return err_set(
			    e, ERR_DATA,
			    "%.200s:%ld:%d: %.80s: %s (expected variables' names, and texts, numbers, true or false)",
			    name, line, (int)v->name_col, v->name, scalar ? "not valid" : json_type_name(v->type));
		}
		json_set(vars, v->name, json_new_str(text));
	}
	return add_from_file(w, vars, name, line, e);
}

static int read_lines(struct sweep *w, const char *name, const struct buf *text, struct err *e)
{
	long line = 0;
	for (size_t at = 0; at < text->len; line++) {
		const char *from = text->data + at, *end = memchr(from, '\n', text->len - at);
		size_t n = end ? (size_t)(end - from) : text->len - at;
		struct json_error je;
		at += n + 1;
		if (strspn(from, " \t\r") >= n)
			continue;
		struct json *one = json_parse(from, n, &je);
		int rc = !one ? err_set(e, ERR_DATA, "%.200s:%ld:%d: %.200s", name, line + 1, (int)je.col, je.msg)
			 : one->type != JSON_OBJECT
			     ? err_set(e, ERR_DATA, "%.200s:%ld:1: %s (expected an object a line)", name, line + 1,
				       json_type_name(one->type))
			     : read_object(w, name, line + 1, one, e);
		json_free(one);
		if (rc)
			return -1;
	}
	return 0;
}

static int read_file(struct sweep *w, struct err *e)
{
	struct buf text = {0};
	const char *name = strcmp(w->file, "-") ? w->file : "stdin";
	int rc = file_read_named(w->file, FILE_MAX, &text, e);
	size_t blank = rc || !text.len ? 0 : strspn(text.data, " \t\r\n");
	if (!rc && blank < text.len)
		rc = text.data[blank] == '{' ? read_lines(w, name, &text, e) : read_csv(w, name, &text, e);
	if (!rc && !w->n)
		rc = err_set(e, ERR_DATA, "%.200s has no points (expected a header and a line a point, or JSON lines)",
			     name);
	buf_clear(&text);
	return rc;
}

int sweep_read(struct sweep *w, struct err *e)
{
	if ((w->array != NULL) + (w->file != NULL) + (w->matrix.n > 0) > 1)
		return err_set(e, ERR_USAGE, "expected one of --array, --matrix and --points");
	return w->array ? read_array(w, e) : w->file ? read_file(w, e) : read_matrix(w, e);
}

/* ---- --failed-of ---- */

static bool succeeded(const struct json *result, size_t place, int64_t index)
{
	const struct json *points = json_get(result, "points");
	const struct json *p = points && points->type == JSON_ARRAY ? points->child : NULL;
	const char *status = json_str(result, "status");
	if (!points)
		return status && !strcmp(status, "success");
	for (; p && place; place--)
		p = p->next;
	status = json_str(p, "status");
	return status && !strcmp(status, "success") && json_int(p, "point", -1) == index;
}

void sweep_add_failed(struct sweep *w, const struct json *doc, size_t model)
{
	struct point all[POINTS_MAX];
	size_t n = points_of(doc, all);
	for (size_t i = 0; i < n; i++)
		if (!succeeded(json_get(doc, "result"), i, all[i].index)) {
			struct json *vars = all[i].vars ? json_copy(all[i].vars) : NULL;
			json_remove(vars, POINT_INDEX);
			add(w, all[i].index, vars, model);
		}
}

/* ---- tasks ---- */

/* How many points each has, where nobody says. */
static size_t usual_chunk(size_t points, const struct json *doc, int64_t most_seconds)
{
	const struct json *share = json_get(doc, "share_sandbox");
	size_t tasks = share && share->type == JSON_BOOL && share->boolean ? TASKS_SHARED : TASKS_USUAL,
	       n = (points + tasks - 1) / tasks, most = CHUNK_USUAL;
	int64_t seconds = json_int(doc, "timeout_seconds", 0);
	int64_t together = most_seconds < CHUNK_SECONDS ? most_seconds : CHUNK_SECONDS;
	if (seconds > 0 && (size_t)(together / seconds) < most)
		most = (size_t)(together / seconds);
	n = n < most ? n : most;
	return n ? n : 1;
}

/* Of its text in the task's file. */
static size_t written_of(const struct sweep_point *p)
{
	struct buf b = {0};
	size_t n = 64; /* for its index, and what stands around it */
	for (const struct json *v = p->vars ? p->vars->child : NULL; v; v = v->next)
		n += 8; /* indented as deep as it stands */
	if (p->vars)
		json_write(&b, p->vars, 2);
	n += b.len;
	buf_clear(&b);
	return n;
}

static size_t bytes_of(const struct sweep_point *p)
{
	size_t n = 32; /* for its index */
	for (const struct json *v = p->vars ? p->vars->child : NULL; v; v = v->next)
		n += v->name_len + v->len + 2;
	return n;
}

/* Points from..to as the member of a task: where there are no variables and no gaps a number will do. */
static struct json *members(const struct sweep *w, size_t from, size_t to)
{
	bool bare = w->v[to - 1].index - w->v[from].index == (int64_t)(to - 1 - from);
	for (size_t i = from; i < to && bare; i++)
		bare = !w->v[i].vars || !w->v[i].vars->child;
	if (bare)
		return json_new_int((int64_t)(to - from));
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = from; i < to; i++) {
		struct json *one = w->v[i].vars ? json_copy(w->v[i].vars) : json_new(JSON_OBJECT);
		char index[24];
		snprintf(index, sizeof index, "%lld", (long long)w->v[i].index);
		if (i > from && w->v[i].index != w->v[i - 1].index + 1)
			json_set(one, POINT_INDEX, json_new_str(index));
		json_append(list, one);
	}
	return list;
}

/* Where the task ends that begins at from; doc: what it has beside its points. */
static size_t end_of(const struct sweep *w, size_t from, size_t chunk, const struct json *doc)
{
	char *text = task_text(doc);
	size_t to = from + 1, bytes = bytes_of(&w->v[from]), all = strlen(text) + AROUND + written_of(&w->v[from]);
	free(text);
	while (to < w->n && to - from < chunk && w->v[to].model == w->v[from].model &&
	       w->v[to].index > w->v[to - 1].index && (bytes += bytes_of(&w->v[to])) <= POINTS_BYTES &&
	       (all += written_of(&w->v[to])) <= TASK_SUBMIT_MAX)
		to++;
	return to;
}

int sweep_cut(const struct sweep *w, struct json *const *docs, const struct grid_config *c, const char *name,
	      const char *group, struct strs *ids, struct strs *texts, struct err *e)
{
	if (strlen(name) > NAME_MAX_LEN)
		return err_set(e, ERR_USAGE, "'%.80s' is too long for the ids of a sweep (expected at most %d)", name,
			       NAME_MAX_LEN);
	for (size_t from = 0, to; from < w->n; from = to) {
		struct json *doc = json_copy(docs[w->v[from].model]);
		to = end_of(w, from, w->chunk ? (size_t)w->chunk : usual_chunk(w->n, doc, c->max_points_seconds), doc);
		char *id = xasprintf("%s-%04zu", name, ids->n);
		json_set(doc, "task_id", json_new_str(id));
		json_set(doc, "group", json_new_str(group));
		json_set(doc, "points", members(w, from, to));
		json_set(doc, "first_point", json_new_int(w->v[from].index));
		if (!w->v[from].index)
			json_remove(doc, "first_point");
		char *text = task_text(doc);
		strs_add(ids, id);
		strs_add(texts, text);
		free(text);
		free(id);
		json_free(doc);
	}
	return 0;
}
