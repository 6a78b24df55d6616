#include "verbs/watchview.h"
#include "base/text.h"
#include "schema/result.h"
#include "store/tails.h"
#include "verbs/screen.h"
#include "verbs/taskview.h"
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PINNED 3     /* failures that stay in sight */
#define HEAD_MAX 5   /* lines above them */
#define ROOMY 16     /* lines of a terminal that has room for both */
#define POINTS 10000 /* rows of a task's points */

/* ---- which rows ---- */

/* Does text have the word in it, in whatever case? */
static bool has(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (; text && *text; text++) {
		size_t i = 0;
		while (i < n && text[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)word[i]))
			i++;
		if (i == n)
			return true;
	}
	return text && !n;
}

static bool is_failure(const struct selected *one)
{
	const char *status = json_str(json_get(one->task->doc, "result"), "status");
	return one->task->state == TASK_FAILED && !(status && !strcmp(status, "cancelled"));
}

static bool wanted(const struct watchview *v, const struct selected *one)
{
	const struct json *doc = one->task->doc, *result = json_get(doc, "result");
	if (v->failed_only && !is_failure(one))
		return false;
	return !*v->filter || has(one->task->id, v->filter) || has(one->state, v->filter) ||
	       has(json_str(doc, "group"), v->filter) || has(json_str(result, "status"), v->filter) ||
	       has(json_str(result ? result : json_get(doc, "claim"), "node"), v->filter);
}

void watchview_rows(struct watchview *v)
{
	static const unsigned parts[] = {1u << TASK_IN_PROGRESS, 1u << TASK_QUEUE, 1u << TASK_UNAPPROVED,
					 1u << TASK_COMPLETED | 1u << TASK_FAILED};
	size_t old = v->at;
	free(v->rows);
	v->rows = xcalloc(v->page.of.n + 1, sizeof(struct selected *));
	v->n_rows = 0;
	for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
		size_t n;
		const struct selected **list = statuspage_rows(&v->page.of, parts[k], &n);
		for (size_t i = 0; i < n; i++)
			if (wanted(v, list[i]))
				v->rows[v->n_rows++] = list[i];
		free(list);
	}
	for (v->at = 0; v->at < v->n_rows && strcmp(v->rows[v->at]->task->id, v->id) != 0; v->at++)
		;
	if (v->at == v->n_rows) /* it is not there any more: who took its place */
		v->at = old < v->n_rows ? old : v->n_rows ? v->n_rows - 1 : 0;
	v->stale = true;
	if (v->mode != WATCH_TASK && v->mode != WATCH_ASK && v->n_rows)
		snprintf(v->id, sizeof v->id, "%s", v->rows[v->at]->task->id);
}

const struct selected *watchview_chosen(const struct watchview *v)
{
	for (size_t i = 0; i < v->page.of.n; i++)
		if (!strcmp(v->page.of.v[i].task->id, v->id))
			return &v->page.of.v[i];
	return NULL;
}

/* ---- their lines ---- */

static void list_lines(struct watchview *v)
{
	struct table t = statuspage_table();
	struct buf out = {0};
	for (size_t i = 0; i < v->n_rows; i++)
		statuspage_row(&t, &v->page, v->rows[i]);
	table_text(&t, v->width, table_colour(), &out);
	strs_clear(&v->lines);
	for (char *p = out.data, *next; p && *p; p = next) {
		next = p + strcspn(p, "\n");
		if (*next)
			*next++ = 0;
		if (p == out.data)
			snprintf(v->title, sizeof v->title, "%s", p);
		else
			strs_add(&v->lines, p);
	}
	table_clear(&t);
	buf_clear(&out);
}

/* What it prints while it runs. */
static void add_tails(const struct watchview *v, const struct json *doc, struct buf *out)
{
	const char *nonce = json_str(json_get(doc, "claim"), "nonce");
	struct tail t;
	for (int k = 0; k < 2 && nonce && v->tails; k++) {
		if (!tails_find(v->tails, nonce, k, &t) || !t.len)
			continue;
		buf_addf(out, "\n%s so far, %lld bytes%s:\n", k ? "stderr" : "stdout", (long long)t.end,
			 t.from > 0 ? " (the last of them)" : "");
		for (size_t at = 0; at < t.len;) {
			const char *end = memchr(t.text + at, '\n', t.len - at);
			size_t n = end ? (size_t)(end - t.text) - at : t.len - at;
			buf_adds(out, "    ");
			text_clean(out, t.text + at, n, INT_MAX);
			buf_adds(out, "\n");
			at += n + 1;
		}
	}
}

static void task_lines(struct watchview *v)
{
	const struct selected *one = watchview_chosen(v);
	struct buf out = {0};
	if (!one)
		return; /* what was seen last */
	struct err e = {0};
	const struct json *doc = selected_doc(&v->page.s, one, &e);
	const struct taskview how = {
	    .s = &v->page.s, .state = one->state, .path = one->path, .points = POINTS, .width = v->width};
	if (doc) {
		taskview_text(&how, doc, &out);
		add_tails(v, doc, &out);
	} else
		text_clean(&out, e.msg, SIZE_MAX, INT_MAX);
	strs_clear(&v->text);
	for (const char *p = out.data ? out.data : ""; *p;) {
		size_t line = strcspn(p, "\n"), at = 0;
		do { /* what is too long goes on in the next */
			size_t n = text_fit(p + at, line - at, v->width > 2 ? v->width : 2);
			strs_addf(&v->text, "%.*s", (int)n, p + at);
			at += n;
		} while (at < line);
		p += line + (p[line] != 0);
	}
	buf_clear(&out);
}

/* ---- the page ---- */

static bool shows_task(const struct watchview *v)
{
	return v->mode == WATCH_TASK || (v->mode == WATCH_ASK && v->under == WATCH_TASK);
}

static bool roomy(const struct watchview *v)
{
	return v->height >= ROOMY;
}

/* What stands above the rows: a line each. */
static void head(const struct watchview *v, struct strs *out)
{
	struct buf text = {0};
	size_t n, most = roomy(v) ? HEAD_MAX : 1;
	statuspage_head(&v->page, v->width, &text);
	for (char *p = text.data, *next; p && *p && out->n < most; p = next) {
		next = p + strcspn(p, "\n");
		if (*next)
			*next++ = 0;
		strs_add(out, p);
	}
	buf_clear(&text);
	if (!roomy(v) || v->failed_only)
		return;
	const struct selected **list = statuspage_rows(&v->page.of, 1u << TASK_FAILED, &n);
	size_t shown = 0;
	for (size_t i = 0; i < n && shown < PINNED; i++) {
		const struct json *result = json_get(list[i]->task->doc, "result");
		const char *status = json_str(result, "status"), *reason = json_str(result, "reason");
		if (!is_failure(list[i]))
			continue;
		char *said = result_line(result, true),
		     *line = xasprintf("! %s: %s%s%s", list[i]->task->id, status ? status : "failed",
				       *said || reason ? ": " : "",
				       *said	? said
				       : reason ? reason
						: "");
		text_clean(&text, line, SIZE_MAX, v->width);
		strs_addf(out, "%s%s%s", table_colour() ? paint_code(PAINT_RED) : "", text.data,
			  table_colour() ? "\033[0m" : "");
		buf_clear(&text);
		free(said);
		free(line);
		shown++;
	}
	free(list);
}

static void make_lines(struct watchview *v)
{
	v->stale = false;
	table_terminal(&v->width, &v->height);
	list_lines(v);
	strs_clear(&v->above);
	head(v, &v->above);
	if (shows_task(v))
		task_lines(v);
}

size_t watchview_body(const struct watchview *v)
{
	/* The title of the table, or of the task, and the last line. */
	size_t taken = (shows_task(v) ? 0 : v->above.n) + 2 + (v->trouble[0] != 0),
	       height = v->height > 0 ? (size_t)v->height : 24;
	return height > taken ? height - taken : 1;
}

void watchview_move(struct watchview *v, long by)
{
	if (v->stale)
		make_lines(v);
	size_t body = watchview_body(v), n = shows_task(v) ? v->text.n : v->n_rows,
	       most = shows_task(v) ? (n > body ? n - body : 0) : (n ? n - 1 : 0),
	       *at = shows_task(v) ? &v->from : &v->at;
	*at = by < 0 && (size_t)-by > *at ? 0 : *at + (size_t)by;
	*at = *at > most ? most : *at;
	if (shows_task(v))
		v->at_end = v->from == most;
	else if (v->n_rows)
		snprintf(v->id, sizeof v->id, "%s", v->rows[v->at]->task->id);
}

/* What the last line says. */
static void last_line(const struct watchview *v, struct buf *out)
{
	if (v->mode == WATCH_ASK && !strcmp(v->ask, "cancel"))
		buf_addf(out, "Cancel %s? (y/n)", v->id);
	else if (v->mode == WATCH_ASK)
		buf_addf(out, "Queue %s again? (y/n)", v->id);
	else if (v->mode == WATCH_FILTER)
		buf_addf(out, "/%s_   (Enter keeps the filter, Esc clears it)", v->filter);
	else if (v->said[0])
		buf_adds(out, v->said);
	else if (v->mode == WATCH_TASK)
		buf_addf(out, "lines %zu-%zu of %zu   Esc back  c cancel  r retry  q quit", v->from + 1,
			 v->from + watchview_body(v) < v->text.n ? v->from + watchview_body(v) : v->text.n, v->text.n);
	else
		buf_addf(out, "%zu of %zu%s%s%s   Enter show  / filter  f failed  c cancel  r retry  q quit",
			 v->n_rows ? v->at + 1 : 0, v->n_rows, v->failed_only ? " failed" : "",
			 *v->filter ? " with " : "", v->filter);
}

static void put_clean_line(struct buf *page, const char *text, int width, const char *paint, bool last)
{
	struct buf b = {0};
	buf_adds(&b, table_colour() ? paint : "");
	text_clean(&b, text, SIZE_MAX, width);
	buf_adds(&b, table_colour() && *paint ? "\033[0m" : "");
	screen_line(page, b.data, b.len, last);
	buf_clear(&b);
}

static void put_list(struct watchview *v, struct buf *page)
{
	size_t body = watchview_body(v);
	for (size_t i = 0; i < v->above.n; i++)
		screen_line(page, v->above.v[i], strlen(v->above.v[i]), false);
	screen_line(page, v->title, strlen(v->title), false);
	v->top = v->at < v->top ? v->at : v->at >= v->top + body ? v->at - body + 1 : v->top;
	if (v->top + body > v->lines.n)
		v->top = v->lines.n > body ? v->lines.n - body : 0;
	for (size_t i = 0; i < body; i++) {
		const char *line = v->top + i < v->lines.n ? v->lines.v[v->top + i] : "";
		if (v->top + i == v->at && v->at < v->lines.n) { /* the one that is chosen stands out, in one colour */
			struct buf plain = {0};
			buf_adds(&plain, "\033[7m");
			text_stream(&plain, line, strlen(line), false);
			buf_adds(&plain, "\033[0m");
			screen_line(page, plain.data, plain.len, false);
			buf_clear(&plain);
		} else
			screen_line(page, line, strlen(line), false);
	}
}

static void put_task(struct watchview *v, struct buf *page)
{
	size_t body = watchview_body(v), most = v->text.n > body ? v->text.n - body : 0;
	v->from = v->at_end || v->from > most ? most : v->from;
	put_clean_line(page, watchview_chosen(v) ? v->id : "(this task has left the branch)", v->width, "\033[7m",
		       false);
	for (size_t i = 0; i < body; i++) {
		const char *line = v->from + i < v->text.n ? v->text.v[v->from + i] : "";
		screen_line(page, line, strlen(line), false);
	}
}

void watchview_draw(struct watchview *v)
{
	struct buf page = {0}, last = {0};
	if (v->stale)
		make_lines(v);
	if (v->trouble[0])
		put_clean_line(&page, v->trouble, v->width, "\033[31m", false);
	if (shows_task(v))
		put_task(v, &page);
	else
		put_list(v, &page);
	last_line(v, &last);
	put_clean_line(&page, last.data, v->width, v->mode == WATCH_ASK ? "\033[33m" : "\033[2m", true);
	screen_put(&page);
	buf_clear(&page);
	buf_clear(&last);
}

void watchview_clear(struct watchview *v)
{
	free(v->rows);
	strs_clear(&v->lines);
	strs_clear(&v->above);
	strs_clear(&v->text);
	json_free(v->tails);
	selected_clear(&v->page.of);
	snapshot_close(&v->page.s);
}
