#include "base/clock.h"
#include "schema/limit.h"
#include "schema/spent.h"
#include "store/archive.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_DAYS 30
#define NOBODY "-"

/* What tasks are added up by. */
static const char *const kinds[] = {"submitter", "node", "group", "label", "status", "day"};
enum kind { BY_SUBMITTER, BY_NODE, BY_GROUP, BY_LABEL, BY_STATUS, BY_DAY, N_KINDS };

struct sum {
	char *name;
	int64_t tasks, failed, cancelled, runs,
	    unmeasured; /* unmeasured: runs of which nobody told the processor time */
	int64_t run_ms, cpu_ms, peak_kb, read_bytes, written_bytes, out_files, out_bytes;
};
struct adding {
	const struct snapshot *s;
	enum kind by;
	int64_t since;
	struct sum *v, all;
	size_t n, room;
};

static struct sum *sum_of(struct adding *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->v[i].name, name))
			return &a->v[i];
	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 16;
		a->v = xrealloc(a->v, a->room * sizeof *a->v);
	}
	a->v[a->n] = (struct sum){.name = xstrdup(name), .peak_kb = -1};
	return &a->v[a->n++];
}

/* Strangers' numbers: sums do not wrap. */
static int64_t plus(int64_t sum, int64_t n)
{
	return n <= 0 ? sum : sum > INT64_MAX - n ? INT64_MAX : sum + n;
}

static void add_end(struct sum *x, const struct json *result)
{
	const char *status = json_str(result, "status");
	bool cancelled = status && !strcmp(status, "cancelled");
	x->tasks++;
	x->cancelled += cancelled;
	x->failed += !cancelled && (!status || strcmp(status, "success") != 0);
}

/* of: a result, or the entry of attempts of a run that has none. */
static void add_run(struct sum *x, const struct json *of)
{
	const struct json *out = json_get(of, "out");
	const struct spent u = spent_of(of);
	x->runs++;
	x->unmeasured += u.cpu_ms < 0;
	x->run_ms = plus(x->run_ms, json_int(of, "duration_ms", 0));
	x->cpu_ms = plus(x->cpu_ms, u.cpu_ms);
	x->peak_kb = u.peak_kb > x->peak_kb ? u.peak_kb : x->peak_kb;
	x->read_bytes = plus(x->read_bytes, u.read_bytes);
	x->written_bytes = plus(x->written_bytes, u.written_bytes);
	x->out_files = plus(x->out_files, json_int(out, "files", 0));
	x->out_bytes = plus(x->out_bytes, json_int(out, "bytes", 0));
	x->out_bytes = plus(x->out_bytes, json_int(json_get(out, "stored"), "bytes", 0));
}

static const char *or_nobody(const char *name)
{
	return name && *name ? name : NOBODY;
}

/* One thing that happened: a task's end, or a run. */
struct happened {
	const struct json *of; /* its result or entry */
	const char *node, *status;
	int64_t at;
	bool end, run;
};

static void count(struct sum *x, const struct happened *h)
{
	if (h->end)
		add_end(x, h->of);
	if (h->run)
		add_run(x, h->of);
}

static void happen(struct adding *a, const struct json *doc, const struct happened *h)
{
	const struct json *labels = json_get(doc, "labels");
	char day[16];
	bool any = false;
	if (a->since && h->at < a->since)
		return;
	count(&a->all, h);
	archive_day(h->at, '-', day);
	const char *name[N_KINDS] = {[BY_SUBMITTER] = limit_submitter(doc),
				     [BY_NODE] = h->node,
				     [BY_GROUP] = json_str(doc, "group"),
				     [BY_STATUS] = h->status,
				     [BY_DAY] = day};
	for (const struct json *l = a->by == BY_LABEL && labels && labels->type == JSON_ARRAY ? labels->child : NULL; l;
	     l = l->next)
		if (l->type == JSON_STRING) {
			any = true;
			count(sum_of(a, or_nobody(l->text)), h);
		}
	if (!any)
		count(sum_of(a, or_nobody(name[a->by])), h);
}

/* Runs whose result is not the task's: tried again, by itself or by hand, or a vote. What a run by hand replaced is
 * told by the entry that says so, behind the one of its claim. */
static void take_attempts(struct adding *a, const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts"), *before = NULL;
	const char *nonce = json_str(json_get(doc, "result"), "nonce");
	for (const struct json *e = list && list->type == JSON_ARRAY ? list->child : NULL; e; before = e, e = e->next) {
		const char *own = json_str(e, "nonce"), *outcome = json_str(e, "outcome");
		const struct json *claim = outcome && !strcmp(outcome, "retried") ? before : e;
		if (json_get(e, "duration_ms") && !(own && nonce && !strcmp(own, nonce)))
			happen(a, doc,
			       &(struct happened){.of = e,
						  .node = json_str(claim, "node"),
						  .status = json_str(claim, "outcome"),
						  .at = json_time(claim, "ended_at"),
						  .run = true});
	}
}

static void take(struct adding *a, const struct json *doc)
{
	const struct json *result = json_get(doc, "result");
	const char *when = json_str(result, "finished_at");
	int64_t at = 0;
	if (!result || (when && clock_parse(when, &at)))
		return;
	take_attempts(a, doc);
	happen(a, doc,
	       &(struct happened){.of = result,
				  .node = json_str(result, "node"),
				  .status = json_str(result, "status"),
				  .at = at,
				  .end = true,
				  .run = json_get(result, "started_at")});
}

static void take_archived(void *ctx, const struct archive_found *f)
{
	if (f->doc)
		take(ctx, f->doc);
	json_free(f->doc);
}

/* Had the archive anything of that time? Its totals on the branch say, so that mostly it need not be fetched. */
static bool archived_since(const struct snapshot *s, int64_t since)
{
	const struct json *days = json_get(s->archive, "days");
	char first[16];
	archive_day(since, '-', first);
	for (const struct json *d = days && days->type == JSON_OBJECT ? days->child : NULL; d; d = d->next)
		if (strcmp(d->name, first) >= 0)
			return true;
	return false;
}

static int add_up(struct adding *a, struct snapshot *s, struct err *e)
{
	if (snapshot_load(s, 1u << TASK_COMPLETED | 1u << TASK_FAILED, e))
		return -1;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].state == TASK_COMPLETED || s->tasks[i].state == TASK_FAILED)
			take(a, s->tasks[i].doc);
	const struct archive_query q = {.docs = true, .since = a->since};
	return archived_since(s, a->since) ? snapshot_archive_look(s, &q, take_archived, a, e) : 0;
}

/* Who used most goes first, days as they come. */
static int by_use(const void *pa, const void *pb)
{
	const struct sum *a = pa, *b = pb;
	if (a->cpu_ms != b->cpu_ms)
		return a->cpu_ms < b->cpu_ms ? 1 : -1;
	if (a->run_ms != b->run_ms)
		return a->run_ms < b->run_ms ? 1 : -1;
	return strcmp(a->name, b->name);
}

static int by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct sum *)pa)->name, ((const struct sum *)pb)->name);
}

static void cell(struct table *t, enum paint p, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void cell(struct table *t, enum paint p, const char *fmt, ...)
{
	char text[40];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	table_cell(t, text, p);
}

/* Few hours are told more exactly. */
static void hours(struct table *t, int64_t ms, const char *mark)
{
	cell(t, PAINT_NONE, ms > 0 && ms < 360000 ? "%.4f%s" : "%.2f%s", (double)ms / 3600000, mark);
}

static void add_row(struct table *t, const struct sum *x)
{
	table_cell(t, x->name, PAINT_NONE);
	cell(t, PAINT_NONE, "%lld", (long long)x->tasks);
	cell(t, x->failed ? PAINT_RED : PAINT_NONE, "%lld", (long long)x->failed);
	cell(t, PAINT_NONE, "%lld", (long long)x->cancelled);
	cell(t, PAINT_NONE, "%lld", (long long)x->runs);
	hours(t, x->run_ms, "");
	if (x->unmeasured == x->runs)
		table_cell(t, "-", PAINT_NONE);
	else
		hours(t, x->cpu_ms, x->unmeasured ? "+" : "");
	if (x->peak_kb < 0)
		table_cell(t, "-", PAINT_NONE);
	else
		cell(t, PAINT_NONE, "%.0f", (double)x->peak_kb / 1024);
	cell(t, PAINT_NONE, "%.1f", (double)x->out_bytes / 1048576);
}

static void print_table(const struct adding *a)
{
	char title[16];
	snprintf(title, sizeof title, "%s", kinds[a->by]);
	for (char *c = title; *c; c++)
		*c = (char)(*c - 'a' + 'A');
	const struct column columns[] = {{.title = title, .max = 80, .min = 8},
					 {.title = "TASKS", .max = 9, .right = true, .ours = true},
					 {.title = "FAILED", .max = 9, .right = true, .ours = true},
					 {.title = "CANCELLED", .max = 9, .right = true, .ours = true},
					 {.title = "RUNS", .max = 9, .right = true, .ours = true},
					 {.title = "RUN h", .max = 12, .right = true, .ours = true},
					 {.title = "CPU h", .max = 12, .right = true, .ours = true},
					 {.title = "PEAK MB", .max = 10, .right = true, .ours = true},
					 {.title = "OUT MB", .max = 12, .right = true, .ours = true}};
	struct table t = {.columns = columns, .n = sizeof columns / sizeof *columns};
	struct buf out = {0};
	int width, rows;
	bool again = false;
	for (size_t i = 0; i < a->n; i++) {
		add_row(&t, &a->v[i]);
		again = again || (a->v[i].runs && !a->v[i].tasks);
	}
	if (a->n != 1)
		add_row(&t, &a->all);
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), &out);
	if (a->all.unmeasured)
		buf_addf(&out, "of %lld run%s nobody told the processor time\n", (long long)a->all.unmeasured,
			 a->all.unmeasured == 1 ? "" : "s");
	if (again)
		buf_adds(&out, "runs without tasks were tried again: a task counts where it ended\n");
	fwrite(out.data, 1, out.len, stdout);
	table_clear(&t);
	buf_clear(&out);
}

static struct json *row_json(const struct adding *a, const struct sum *x)
{
	struct json *row = json_new(JSON_OBJECT);
	if (x != &a->all)
		json_set(row, kinds[a->by], !strcmp(x->name, NOBODY) ? json_new(JSON_NULL) : json_new_str(x->name));
	const struct {
		const char *name;
		int64_t n;
	} all[] = {{"tasks", x->tasks},		  {"failed", x->failed},
		   {"cancelled", x->cancelled},	  {"runs", x->runs},
		   {"unmeasured", x->unmeasured}, {"run_ms", x->run_ms},
		   {"cpu_ms", x->cpu_ms},	  {"peak_memory_kb", x->peak_kb},
		   {"read_bytes", x->read_bytes}, {"written_bytes", x->written_bytes},
		   {"out_files", x->out_files},	  {"out_bytes", x->out_bytes}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].n >= 0)
			json_set(row, all[i].name, json_new_int(all[i].n));
	return row;
}

static void print_json(const struct adding *a)
{
	char since[32];
	struct json *doc = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < a->n; i++)
		json_append(list, row_json(a, &a->v[i]));
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "commit", json_new_str(a->s->commit));
	json_set(doc, "since", json_new_str(clock_format(a->since, since)));
	json_set(doc, "by", json_new_str(kinds[a->by]));
	json_set(doc, "usage", list);
	json_set(doc, "total", row_json(a, &a->all));
	put_json(doc);
	json_free(doc);
}

static int take_kind(const char *value, enum kind *by, struct err *e)
{
	struct buf known = {0};
	for (int i = 0; i < N_KINDS; i++) {
		buf_addf(&known, "%s%s", i ? ", " : "", kinds[i]);
		if (!strcmp(value, kinds[i])) {
			*by = (enum kind)i;
			buf_clear(&known);
			return 0;
		}
	}
	err_set(e, ERR_USAGE, "--by: expected one of %s, found '%.100s'", known.data, value);
	buf_clear(&known);
	return -1;
}

static int cmd_usage(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan u = {.verb = &verb_usage, .argc = argc, .argv = argv};
	struct snapshot s = {0};
	struct adding a = {.s = &s, .all = {.name = xstrdup("all"), .peak_kb = -1}};
	const char *at = NULL;
	bool json = false;
	int key, rc = 0;
	while (!rc && (key = usage_next(&u, e)) != 0)
		if (key < 0)
			rc = -1;
		else if (key == 'b')
			rc = take_kind(u.value, &a.by, e);
		else if (key == 's')
			rc = select_since(&a.since, u.value, e);
		else if (key == 't')
			at = u.value;
		else
			json = true;
	if (!rc && !(rc = open_snapshot(ctx, at, &s, e))) {
		a.since = a.since ? a.since : s.now - (int64_t)USUAL_DAYS * 86400;
		rc = add_up(&a, &s, e);
	}
	if (!rc) {
		if (a.n)
			qsort(a.v, a.n, sizeof *a.v, a.by == BY_DAY ? by_name : by_use);
		if (json)
			print_json(&a);
		else
			print_table(&a);
	}
	for (size_t i = 0; i < a.n; i++)
		free(a.v[i].name);
	free(a.v);
	free(a.all.name);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_usage = {
    .name = "usage",
    .args = "[--by submitter|node|group|label|status|day] [--since T] [--json] [--at REV|DATE]",
    .summary = "what tasks used: how many, hours, processor time, memory, files",
    .about = "Adds up what tasks used that ran and ended within the last 30 days, or since T, including archived ones. "
	     "Every run counts, also those that were retried. One line per submitter (who signed the task, else the "
	     "submitter it names), or per --by; a task with several labels counts for each. A + marks processor time "
	     "that is not known for all tasks.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'b', "--by", "WHAT", "submitter node group label status day",
	     "one line for each of these; default: submitter"},
	    {'s', "--since", "T", NULL, "only tasks that ended since then: 90m, 2h, 3d, 4w, or a date; default: 30d"},
	    USAGE_JSON,
	    USAGE_AT,
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid usage", ""},
					    {"dgrid usage --by node --since 7d", ""},
					    {"dgrid usage --by group --since 2026-01-01 --json", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours, even on a terminal"}, {0}},
    .run = cmd_usage,
};
