#include "store/standing.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <string.h>

static const struct column columns[] = {{.title = "LIMIT", .max = 135, .min = 8},
					{.title = "MOST", .max = 6, .right = true, .ours = true},
					{.title = "RUNNING", .max = 9, .right = true, .ours = true},
					{.title = "WAITING", .max = 9, .right = true, .ours = true}};

static void add_number(struct table *t, int64_t n, enum paint p)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)n);
	table_cell(t, text, p);
}

static void print_table(const struct standings *all)
{
	struct buf out = {0};
	int width, rows;
	struct table t = {.columns = columns, .n = sizeof columns / sizeof *columns};
	for (size_t i = 0; i < all->n; i++) {
		const struct standing *one = &all->v[i];
		bool full = (int64_t)one->running >= one->most;
		table_cell(&t, one->name, PAINT_NONE);
		add_number(&t, one->most, PAINT_NONE);
		add_number(&t, (int64_t)one->running, full ? PAINT_YELLOW : PAINT_NONE);
		add_number(&t, (int64_t)one->waiting, PAINT_NONE);
	}
	table_terminal(&width, &rows);
	if (all->n)
		table_text(&t, width, table_colour(), &out);
	else
		buf_adds(&out, "no limit: grid.json has no concurrency, and no task a concurrency_group\n");
	fwrite(out.data, 1, out.len, stdout);
	table_clear(&t);
	buf_clear(&out);
}

static void print_json(const struct snapshot *s, const struct standings *all)
{
	struct json *doc = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < all->n; i++) {
		const struct standing *one = &all->v[i];
		struct json *row = json_new(JSON_OBJECT);
		json_set(row, "limit", json_new_str(one->name));
		json_set(row, "most", json_new_int(one->most));
		json_set(row, "running", json_new_int((int64_t)one->running));
		json_set(row, "waiting", json_new_int((int64_t)one->waiting));
		json_append(list, row);
	}
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "commit", json_new_str(s->commit));
	json_set(doc, "fair_share", json_new_bool(s->config.fair_share));
	json_set(doc, "limits", list);
	put_json(doc);
	json_free(doc);
}

static int cmd_limits(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct snapshot s = {0};
	struct standings all = {0};
	int rc = report_options(&o, &verb_limits, argc, argv, false, e) || open_snapshot(ctx, o.at, &s, e) ||
			 snapshot_load(&s, 1u << TASK_QUEUE | 1u << TASK_IN_PROGRESS, e)
		     ? -1
		     : 0;
	if (!rc) {
		standing_of(&s, &all);
		if (o.json)
			print_json(&s, &all);
		else
			print_table(&all);
	}
	standing_clear(&all);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_limits = {
    .name = "limits",
    .args = "[--json] [--at REV|DATE]",
    .summary = "how many tasks may run at a time, how many do and how many wait",
    .about = "One line per limit: the concurrency groups of tasks that run or wait, and the labels and submitters that "
	     "the setting concurrency names. dgrid why says what a single task waits for.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .examples =
	(const struct usage_note[]){{"dgrid limits", ""},
				    {"dgrid config concurrency '{\"deploy-db\": 1, \"label:gpu\": 2}'", "sets limits"},
				    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours, even on a terminal"}, {0}},
    .run = cmd_limits,
};
