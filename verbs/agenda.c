/* What schedule list shows. */
#include "store/agenda.h"
#include "base/clock.h"
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

static struct json *as_json(const struct snapshot *s, const struct agenda *a)
{
	static const char *const missed[] = {"latest", "skip", "all"};
	struct json *all = json_new(JSON_OBJECT), *rows = json_new(JSON_ARRAY);
	for (size_t i = 0; i < a->n; i++) {
		const struct agenda_row *r = &a->v[i];
		struct json *row = json_new(JSON_OBJECT);
		json_set(row, "name", json_new_str(r->name));
		json_set(row, "valid", json_new_bool(!r->wrong));
		if (r->wrong)
			json_set(row, "problem", json_new_str(r->wrong));
		else {
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
		}
		json_append(rows, row);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "schedules", rows);
	return all;
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
		char when[32], span[24], next[64];
		const char *status = r->status[0] ? r->status : r->state;
		if (r->late)
			snprintf(next, sizeof next, "due since %s", report_span(r->late, span));
		else
			snprintf(next, sizeof next, "%s", r->next ? clock_format(r->next, when) : "-");
		table_cell(&t, r->name, PAINT_NONE);
		table_cell(&t, r->wrong ? "not valid" : r->s.cron_text, r->wrong ? PAINT_RED : PAINT_NONE);
		table_cell(&t, !r->wrong && r->s.paused ? "paused" : next,
			   r->late || (!r->wrong && r->s.paused) ? PAINT_YELLOW : PAINT_NONE);
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
