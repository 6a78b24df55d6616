#include "base/clock.h"
#include "base/text.h"
#include "schema/points.h"
#include "schema/result.h"
#include "store/claimed.h"
#include "store/record.h"
#include "store/standing.h"
#include "store/voters.h"
#include "store/waits.h"
#include "verbs/redraw.h"
#include "verbs/statuspage.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json *throughput_json(const struct snapshot *s)
{
	struct pace p = report_pace(s);
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "finished", json_new_int((int64_t)p.finished));
	json_set(j, "seconds", json_new_int(p.seconds));
	json_set(j, "oldest_queued_seconds", p.oldest_queued < 0 ? json_new(JSON_NULL) : json_new_int(p.oldest_queued));
	return j;
}

static void add_points(struct json *row, const struct snapshot *s, const struct snapshot_task *t)
{
	size_t n = points_count(t->doc);
	int64_t done = snapshot_points_done(s, t->id, t->doc);
	if (!n)
		return;
	json_set(row, "points", json_new_int((int64_t)n));
	report_copy(row, json_get(t->doc, "result"), "points_failed");
	if (done >= 0)
		json_set(row, "points_done", json_new_int(done));
}

/* How far the vote of a task is that several nodes run, or what came of it. */
static void add_vote(struct json *row, const struct snapshot *s, const struct snapshot_task *t)
{
	const struct json *told = json_get(json_get(t->doc, "result"), "quorum");
	static const char *const kept[] = {"replicas", "quorum", "agreed", "outliers"};
	struct voters v;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		report_copy(row, told, kept[i]);
	if (!t->doc || json_get(t->doc, "result") || t->state == TASK_UNAPPROVED)
		return;
	voters_of(s, t->doc, t->state == TASK_QUEUE, &v);
	if (v.terms.replicas < 2)
		return;
	json_set(row, "replicas", json_new_int(v.terms.replicas));
	json_set(row, "quorum", json_new_int(v.terms.quorum));
	json_set(row, "votes", json_new_int((int64_t)v.votes));
	json_set(row, "nodes_missing", json_new_int((int64_t)v.missing));
}

#define OUTPUT_MAX 240 /* columns */

static struct json *row_json(const struct snapshot *s, const struct selected *one)
{
	static const char *const of_task[] = {"group", "priority", "created_at",  "not_before", "labels",
					      "needs", "after",	   "start_after", "deadline",	"concurrency_group"},
				 *const of_claim[] = {"claimed_at", "lease_until", "attempt"},
				 *const of_result[] = {"status",      "exit_code", "signal", "duration_ms",
						       "finished_at", "attempt",   "reason", "ended_by"};
	const struct snapshot_task *t = one->task;
	const struct json *result = json_get(t->doc, "result"), *claim = json_get(t->doc, "claim");
	struct json *row = json_new(JSON_OBJECT);
	json_set(row, "task_id", json_new_str(t->id));
	json_set(row, "state", json_new_str(one->state));
	report_copy(row, result ? result : claim, "node");
	for (size_t k = 0; k < sizeof of_task / sizeof *of_task; k++)
		report_copy(row, t->doc, of_task[k]);
	for (size_t k = 0; k < sizeof of_claim / sizeof *of_claim; k++)
		report_copy(row, claim, of_claim[k]);
	for (size_t k = 0; k < sizeof of_result / sizeof *of_result; k++)
		report_copy(row, result, of_result[k]);
	if (result) {
		char *said = result_line(result, t->state == TASK_FAILED);
		struct buf line = {0};
		text_clean(&line, said, SIZE_MAX, OUTPUT_MAX);
		json_set(row, "output", json_new_strn(line.data, line.len));
		buf_clear(&line);
		free(said);
	}
	add_points(row, s, t);
	add_vote(row, s, t);
	if (t->state == TASK_QUEUE && t->doc && waits_of(s, t->doc, NULL))
		json_set(row, "waiting", json_new_bool(true));
	if (t->state == TASK_IN_PROGRESS && t->doc && claimed_waits(s, t->id, t->doc))
		json_set(row, "waiting_for_slot", json_new_bool(true));
	if (!t->doc)
		json_set(row, "valid", json_new_bool(false));
	return row;
}

static struct json *paused_json(const struct snapshot *s)
{
	struct json *list = json_new(JSON_ARRAY);
	const struct json *one;
	for (size_t i = 0; (one = order_pause_at(s->told.paused, i)); i++)
		json_append(list, json_copy(one));
	return list;
}

static int status_json(const struct statuspage *p, struct err *e)
{
	char when[32];
	const struct snapshot *s = &p->s;
	struct json *nodes;
	if (report_nodes(s, &nodes, e))
		return -1;
	struct json *all = json_new(JSON_OBJECT), *tasks = json_new(JSON_ARRAY), *ended = json_new(JSON_OBJECT);
	for (size_t i = 0; i < p->of.n; i++)
		json_append(tasks, row_json(s, &p->of.v[i]));
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "committed_at", json_new_str(clock_format(s->committed_at, when)));
	json_set(all, "counts", statuspage_is_part(p) ? statuspage_counts(p, ended) : report_counts(s));
	if (statuspage_is_part(p))
		json_set(all, "ended", json_copy(ended));
	json_set(all, "paused", paused_json(s));
	json_set(all, "throughput", throughput_json(s));
	json_set(all, "audit", record_json(&p->r));
	json_set(all, "nodes", nodes);
	json_set(all, "tasks", tasks);
	put_json(all);
	json_free(all);
	json_free(ended);
	return 0;
}

/* ---- the page that is looked at again and again ---- */

static int look_again(void *ctx, struct err *e)
{
	return statuspage_look(ctx, e);
}

static void draw(void *ctx, int width, struct buf *out)
{
	struct statuspage *p = ctx;
	char when[32];
	p->s.now = clock_now(); /* ages count on while the remote is away */
	buf_addf(out, "dgrid, every %ld s, %s (q ends)\n", p->o->watch, clock_format(clock_now(), when));
	statuspage_text(p, width, out);
}

static int cmd_status(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct statuspage p = {.ctx = ctx, .o = &o};
	struct buf out = {0};
	int width, rows, rc = report_options(&o, &verb_status, argc, argv, REPORT_ANY, e);
	struct redraw w = {.every_ms = o.watch * 1000, .ctx = &p, .look = look_again, .draw = draw};
	table_terminal(&width, &rows);
	if (!rc && o.watch)
		rc = redraw_run(&w, e);
	else if (!rc && !(rc = look_again(&p, e))) {
		if (o.json)
			rc = status_json(&p, e);
		else if (o.markdown)
			statuspage_markdown(&p, &out);
		else
			statuspage_text(&p, width, &out);
		fwrite(out.data ? out.data : "", 1, out.len, stdout);
		rc = rc ? rc : select_missing(&p.of, e);
	}
	buf_clear(&out);
	selected_clear(&p.of);
	report_clear(&o);
	snapshot_close(&p.s);
	return rc;
}

const struct verb verb_status = {
    .name = "status",
    .args = "[--json | --markdown | --watch [SECONDS]] [--all] [--limit N] [--at REV|DATE] [SELECTION]... [ID]...",
    .summary = "the grid at a glance; --watch redraws it in place, --markdown is for job summaries",
    .about = "Shows counts, throughput, and the tasks that run, wait or have ended lately. It reads one commit; "
	     "remotes are cached under $XDG_CACHE_HOME/dgrid, so that only new commits are fetched. With ids or a "
	     "selection it shows those tasks alone: how many wait, run or have ended, and a row for each.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    {'m', "--markdown", NULL, NULL, "print Markdown tables, for a job summary or an issue"},
	    {'w', "--watch", "[SECONDS]", NULL,
	     "redraw it in place every so many seconds (1 to 3600; default 2); q quits; see also dgrid watch"},
	    {'a', "--all", NULL, NULL, "show all tasks that are on the branch"},
	    {'l', "--limit", "N", NULL, "show at most N queued and N finished tasks; default 20"},
	    USAGE_AT,
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid status", ""},
					    {"dgrid status --group sweep", ""},
					    {"dgrid status --watch 5", ""},
					    {"dgrid status --at '2 hours ago' --json", ""},
					    {"dgrid status --markdown >>\"$GITHUB_STEP_SUMMARY\"", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed, whatever state the grid is in"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours, even on a terminal"},
					       {"XDG_CACHE_HOME", "where remotes are cached; default ~/.cache"},
					       {0}},
    .run = cmd_status,
};
