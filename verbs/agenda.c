/* What schedule list and schedule show print. */
#include "store/agenda.h"
#include "base/clock.h"
#include "base/text.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of its newest task: a result, a state; of one that is archived, what the archive has. */
static void find_last(const struct snapshot *s, struct agenda_row *row)
{
	char path[128], id[65];
	struct err none;
	if (row->task[0] || !row->fired)
		return;
	struct json *old = snapshot_archived(s, periodic_id(row->name, row->fired, id), path, &none);
	const char *status = json_str(json_get(old, "result"), "status");
	snprintf(row->status, sizeof row->status, "%.23s", status ? status : "");
	snprintf(row->task, sizeof row->task, "%s", old ? id : "");
	snprintf(row->state, sizeof row->state, "%s", old ? "archived" : "");
	json_free(old);
}

static void set_time(struct json *row, const char *name, int64_t t)
{
	char when[32];
	json_set(row, name, t ? json_new_str(clock_format(t, when)) : json_new(JSON_NULL));
}

static struct json *row_json(const struct agenda_row *r)
{
	static const char *const missed[] = {"latest", "skip", "all"};
	struct json *row = json_new(JSON_OBJECT);
	json_set(row, "name", json_new_str(r->name));
	json_set(row, "valid", json_new_bool(!r->wrong));
	if (r->wrong) {
		json_set(row, "problem", json_new_str(r->wrong));
		return row;
	}
	json_set(row, "cron", json_new_str(r->s.cron_text));
	json_set(row, "missed", json_new_str(missed[r->s.missed]));
	json_set(row, "overlap", json_new_str(r->s.queues ? "queue" : "skip"));
	json_set(row, "paused", json_new_bool(r->s.paused));
	json_set(row, "signed", json_new_bool(task_signatures(r->s.doc) > 0));
	set_time(row, "next", r->next);
	set_time(row, "last", r->fired);
	json_set(row, "late_seconds", json_new_int(r->late));
	json_set(row, "last_task", r->task[0] ? json_new_str(r->task) : json_new(JSON_NULL));
	json_set(row, "last_state", r->state[0] ? json_new_str(r->state) : json_new(JSON_NULL));
	json_set(row, "last_result", r->status[0] ? json_new_str(r->status) : json_new(JSON_NULL));
	return row;
}

static struct json *head_json(const struct snapshot *s)
{
	struct json *all = json_new(JSON_OBJECT);
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	return all;
}

static struct json *as_json(const struct snapshot *s, const struct agenda *a)
{
	struct json *all = head_json(s), *rows = json_new(JSON_ARRAY);
	for (size_t i = 0; i < a->n; i++)
		json_append(rows, row_json(&a->v[i]));
	json_set(all, "schedules", rows);
	return all;
}

/* When it comes next, in words of ours. */
static const char *coming(const struct agenda_row *r, char out[64])
{
	char when[32], span[24];
	if (!r->wrong && r->s.paused)
		return "paused";
	if (r->late)
		snprintf(out, 64, "due since %s", report_span(r->late, span));
	else
		snprintf(out, 64, "%s", r->next ? clock_format(r->next, when) : "-");
	return out;
}

static void print_table(const struct agenda *a)
{
	static const struct column columns[] = {{.title = "NAME", .max = 48, .min = 8},
						{.title = "CRON (UTC)", .max = 60, .min = 8},
						{.title = "NEXT", .max = 40, .ours = true},
						{.title = "LAST", .max = 24, .ours = true},
						{.title = "RESULT", .max = 30}};
	struct table t = {.columns = columns, .n = sizeof columns / sizeof *columns};
	struct buf out = {0};
	int width, rows;
	for (size_t i = 0; i < a->n; i++) {
		const struct agenda_row *r = &a->v[i];
		char when[32], next[64];
		const char *status = r->status[0] ? r->status : r->state;
		table_cell(&t, r->name, PAINT_NONE);
		table_cell(&t, r->wrong ? "not valid" : r->s.cron_text, r->wrong ? PAINT_RED : PAINT_NONE);
		table_cell(&t, coming(r, next), r->late || (!r->wrong && r->s.paused) ? PAINT_YELLOW : PAINT_NONE);
		table_cell(&t, r->fired ? clock_format(r->fired, when) : "-", PAINT_NONE);
		table_cell(&t, *status ? status : "-", report_paint(status));
		if (r->wrong) {
			char *first = xasprintf("  %.*s", (int)strcspn(r->wrong, "\n"), r->wrong);
			table_note(&t, first);
			free(first);
		}
	}
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
	table_clear(&t);
}

int schedule_list(const struct context *ctx, const char *at, bool json, struct err *e)
{
	struct snapshot s = {0};
	struct agenda agenda = {0};
	int rc = open_snapshot(ctx, at, &s, e);
	if (!rc)
		rc = agenda_read(&s, &agenda, e);
	for (size_t i = 0; i < agenda.n && !rc; i++)
		find_last(&s, &agenda.v[i]);
	if (!rc && json) {
		struct json *all = as_json(&s, &agenda);
		put_json(all);
		json_free(all);
	} else if (!rc && !agenda.n)
		puts("no schedules (see: dgrid schedule --help)");
	else if (!rc)
		print_table(&agenda);
	agenda_clear(&agenda);
	snapshot_close(&s);
	return rc;
}

/* ---- one of them ---- */

#define SHOWN 10 /* tasks */
#define COMING 3 /* instants */

/* Its tasks on the branch, those that a person asked for too. */
struct runs {
	size_t at[SHOWN], kept; /* of the snapshot's tasks, the newest first, with their documents */
	size_t n;
	const struct snapshot *s;
};

/* NAME-YYYYMMDDTHHMM[SS]Z */
static bool looks_like(const char *id, const char *name)
{
	size_t n = strlen(name), digits;
	if (strncmp(id, name, n) != 0 || id[n] != '-' || strspn(id + n + 1, "0123456789") != 8 || id[n + 9] != 'T')
		return false;
	digits = strspn(id + n + 10, "0123456789");
	return (digits == 4 || digits == 6) && !strcmp(id + n + 10 + digits, "Z");
}

static int find_runs(struct snapshot *s, const char *name, struct runs *out, struct err *e)
{
	*out = (struct runs){.s = s};
	for (size_t i = 0; i < s->n_tasks; i++) {
		if (!looks_like(s->tasks[i].id, name))
			continue;
		size_t at = out->kept;
		while (at && strcmp(s->tasks[out->at[at - 1]].id, s->tasks[i].id) < 0)
			at--;
		out->n++;
		out->kept += out->kept < SHOWN;
		if (at == SHOWN)
			continue;
		memmove(&out->at[at + 1], &out->at[at], (out->kept - at - 1) * sizeof *out->at);
		out->at[at] = i;
	}
	return snapshot_load_these(s, out->at, out->kept, e);
}

static struct json *instants(const struct agenda_row *r)
{
	struct json *list = json_new(JSON_ARRAY);
	char when[32];
	int64_t at = r->wrong || r->s.paused ? 0 : r->next;
	for (int i = 0; i < COMING && at; i++, at = cron_next(&r->s.cron, at))
		json_append(list, json_new_str(clock_format(at, when)));
	return list;
}

static const char *result_of(const struct snapshot_task *t)
{
	const char *status = json_str(json_get(t->doc, "result"), "status");
	return status ? status : "";
}

static const char *node_of(const struct snapshot_task *t)
{
	const char *node = json_str(json_get(t->doc, t->state == TASK_IN_PROGRESS ? "claim" : "result"), "node");
	return node ? node : "";
}

static void show_json(const struct runs *runs, const struct agenda_row *r)
{
	const struct snapshot *s = runs->s;
	struct json *all = head_json(s), *row = row_json(r), *list = json_new(JSON_ARRAY);
	for (const struct json *m = row->child; m; m = m->next)
		json_set(all, m->name, json_copy(m));
	json_free(row);
	json_set(all, "instants", instants(r));
	json_set(all, "tasks_on_branch", json_new_int((int64_t)runs->n));
	for (size_t i = 0; i < runs->kept; i++) {
		const struct snapshot_task *t = &s->tasks[runs->at[i]];
		struct json *one = json_new(JSON_OBJECT);
		const char *status = result_of(t), *node = node_of(t);
		json_set(one, "task_id", json_new_str(t->id));
		json_set(one, "state", json_new_str(task_state_name(t->state)));
		json_set(one, "status", *status ? json_new_str(status) : json_new(JSON_NULL));
		json_set(one, "node", *node ? json_new_str(node) : json_new(JSON_NULL));
		json_append(list, one);
	}
	json_set(all, "tasks", list);
	if (!r->wrong)
		json_set(all, "task", json_copy(r->s.task));
	put_json(all);
	json_free(all);
}

static void line(const char *title, const char *value)
{
	printf("%-10s", title);
	put_clean(value, SIZE_MAX);
	putchar('\n');
}

static void show_tasks(const struct runs *runs, const struct agenda_row *r)
{
	size_t n = runs->n;
	for (size_t i = 0; i < runs->kept; i++) {
		const struct snapshot_task *t = &runs->s->tasks[runs->at[i]];
		const char *status = result_of(t), *node = node_of(t);
		char *text = xasprintf("%s  %s%s%s", t->id, *status ? status : task_state_name(t->state),
				       *node ? "  " : "", node);
		line(i ? "" : "tasks", text);
		free(text);
	}
	if (n > SHOWN)
		printf("%10sand %zu older\n", "", n - SHOWN);
	if (!n && r->task[0]) {
		char *text = xasprintf("%s  %s  archived", r->task, r->status);
		line("tasks", text);
		free(text);
	} else if (!n)
		line("tasks", "none on the branch");
}

static void show_text(const struct runs *runs, const struct agenda_row *r)
{
	static const char *const missed[] = {"latest: one task for the latest instant",
					     "skip: none for instants older than 10 minutes",
					     "all: a task for every instant"};
	char when[32], next[64];
	struct buf text = {0}, out = {0};
	line("schedule", r->name);
	if (r->wrong) {
		for (const char *p = r->wrong; *p; p += strcspn(p, "\n"), p += *p == '\n') {
			char *one = xasprintf("%.*s", (int)strcspn(p, "\n"), p);
			line(p == r->wrong ? "not valid" : "", one);
			free(one);
		}
		show_tasks(runs, r);
		return;
	}
	printf("%-10s%s (UTC)\n", "cron", r->s.cron_text);
	line("next", coming(r, next));
	struct json *list = instants(r);
	for (const struct json *at = list->child ? list->child->next : NULL; at && !r->late; at = at->next)
		line("", at->text);
	json_free(list);
	line("last", r->fired ? clock_format(r->fired, when) : "-");
	line("missed", missed[r->s.missed]);
	line("overlap", r->s.queues ? "queue: beside an earlier one" : "skip: while an earlier one is not done");
	line("signed", task_signatures(r->s.doc) > 0 ? "yes" : "no");
	show_tasks(runs, r);
	json_write(&text, r->s.task, 2);
	text_output(&out, text.data, text.len);
	printf("\ntask:\n%s\n", out.data);
	buf_clear(&text);
	buf_clear(&out);
}

int schedule_show(const struct context *ctx, const char *at, const char *name, bool json, struct err *e)
{
	struct snapshot s = {0};
	struct agenda agenda = {0};
	struct agenda_row *row = NULL;
	struct runs runs;
	int rc = open_snapshot(ctx, at, &s, e);
	if (!rc)
		rc = agenda_read(&s, &agenda, e);
	for (size_t i = 0; i < agenda.n && !rc && !row; i++)
		if (!strcmp(agenda.v[i].name, name))
			row = &agenda.v[i];
	if (!rc && !row)
		rc = err_set(e, ERR_NOENT, "there is no schedule '%s' (see: dgrid schedule list)", name);
	if (!rc && !(rc = find_runs(&s, name, &runs, e))) {
		find_last(&s, row);
		(json ? show_json : show_text)(&runs, row);
	}
	agenda_clear(&agenda);
	snapshot_close(&s);
	return rc;
}
