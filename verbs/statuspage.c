#include "verbs/statuspage.h"
#include "base/clock.h"
#include "base/text.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "store/claimed.h"
#include "store/standing.h"
#include "store/voters.h"
#include "store/waits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int statuspage_look(struct statuspage *p, struct err *e)
{
	struct statuspage fresh = {.ctx = p->ctx, .o = p->o};
	if (open_snapshot(p->ctx, p->o->at, &fresh.s, e) ||
	    select_tasks(&fresh.s, &p->o->of, p->o->ids, p->o->n_ids, &fresh.of, e) ||
	    snapshot_load(&fresh.s, ~0u, e) || record_read(&fresh.s, &fresh.r, e)) {
		selected_clear(&fresh.of);
		snapshot_close(&fresh.s);
		return -1;
	}
	selected_clear(&p->of);
	snapshot_close(&p->s);
	*p = fresh;
	return 0;
}

bool statuspage_is_part(const struct statuspage *p)
{
	return p->o->of.given || p->o->n_ids;
}

/* What a row shows, whatever is missing in a stranger's document. */
struct row {
	const char *node, *status;
	char *said; /* owned: what its result says in a line */
	bool voted;
	char code[24], time[24], votes[24]; /* votes: so far, of a task that waits for more */
};

static struct row row_of(const struct snapshot *s, const struct snapshot_task *t)
{
	const struct json *result = json_get(t->doc, "result"), *claim = json_get(t->doc, "claim");
	const char *node = json_str(result ? result : claim, "node"), *status = json_str(result, "status"),
		   *reason = json_str(result, "reason");
	int64_t code = json_int(result, "exit_code", -1), ms = json_int(result, "duration_ms", -1);
	struct row r = {.node = node ? node : "-",
			.status = status			 ? status
				  : t->state == TASK_IN_PROGRESS ? "running"
								 : "-",
			.said = t->doc ? result_line(result, t->state == TASK_FAILED)
				       : xstrdup("(not valid JSON: see dgrid show)")};
	reason = reason ? reason : spent_end(result);
	if (!*r.said && reason) {
		free(r.said);
		r.said = xstrndup(reason, strcspn(reason, "\n"));
	}
	char points[64];
	if (t->doc && !*r.said && *points_words(t->doc, snapshot_points_done(s, t->id, t->doc), points)) {
		free(r.said);
		r.said = xstrdup(points);
	}
	struct voters v = {0};
	if (t->doc && t->state == TASK_QUEUE)
		voters_of(s, t->doc, true, &v);
	char waits[240];
	if (t->doc && t->state == TASK_QUEUE && waits_of(s, t->doc, waits)) {
		r.status = "waiting";
		free(r.said);
		r.said = xasprintf("for %s", waits);
	}
	const char *waits_for = t->state == TASK_IN_PROGRESS && t->doc ? claimed_waits(s, t->id, t->doc) : NULL;
	if (waits_for) {
		r.status = "claimed";
		free(r.said);
		r.said = xasprintf("waits %s", waits_for);
	}
	snprintf(r.votes, sizeof r.votes, "voted %zu/%lld", v.votes, (long long)v.terms.replicas);
	r.voted = v.votes > 0;
	snprintf(r.code, sizeof r.code, "-");
	snprintf(r.time, sizeof r.time, "-");
	if (code >= 0)
		snprintf(r.code, sizeof r.code, "%lld", (long long)code);
	if (ms >= 0)
		snprintf(r.time, sizeof r.time, "%.1f s", (double)ms / 1000);
	else if (t->state == TASK_IN_PROGRESS && json_time(claim, "claimed_at"))
		report_span(s->now - json_time(claim, "claimed_at"), r.time);
	return r;
}

static int64_t when_ended(const struct snapshot_task *t)
{
	return json_time(json_get(t->doc, "result"), "finished_at");
}

static int newest_first(const void *pa, const void *pb)
{
	const struct snapshot_task *a = (*(const struct selected *const *)pa)->task,
				   *b = (*(const struct selected *const *)pb)->task;
	int64_t x = when_ended(a), y = when_ended(b);
	return x != y ? (x > y ? -1 : 1) : strcmp(a->id, b->id);
}

static int first_to_run(const void *pa, const void *pb)
{
	const struct snapshot_task *a = (*(const struct selected *const *)pa)->task,
				   *b = (*(const struct selected *const *)pb)->task;
	int64_t x = json_int(a->doc, "priority", 5), y = json_int(b->doc, "priority", 5);
	if (x == y) {
		x = json_time(b->doc, "created_at");
		y = json_time(a->doc, "created_at");
	}
	return x != y ? (x > y ? -1 : 1) : strcmp(a->id, b->id);
}

const struct selected **statuspage_rows(const struct selected_list *of, unsigned states, size_t *n)
{
	const struct selected **list = xcalloc(of->n + 1, sizeof(struct selected *));
	*n = 0;
	for (size_t i = 0; i < of->n; i++)
		if (states & (1u << of->v[i].task->state))
			list[(*n)++] = &of->v[i];
	bool ended = states & (1u << TASK_COMPLETED | 1u << TASK_FAILED);
	qsort(list, *n, sizeof *list, ended ? newest_first : first_to_run);
	return list;
}

void statuspage_row(struct table *t, const struct statuspage *p, const struct selected *one)
{
	struct row r = row_of(&p->s, one->task);
	const char *status = r.voted ? r.votes : r.status;
	table_cell(t, one->task->id, PAINT_NONE);
	table_cell(t, one->state, PAINT_NONE);
	table_cell(t, r.node, PAINT_NONE);
	table_cell(t, status, report_paint(status));
	table_cell(t, r.code, PAINT_NONE);
	table_cell(t, r.time, PAINT_NONE);
	table_cell(t, r.said, PAINT_NONE);
	free(r.said);
}

/* The rows of one section; others: what is not shown is counted under that name, NULL: everything is shown. */
static void section(struct table *t, const struct statuspage *p, unsigned states, const char *others)
{
	size_t n, max = p->o->all ? p->of.n : (size_t)p->o->limit;
	const struct selected **list = statuspage_rows(&p->of, states, &n);
	for (size_t i = 0; i < n && (i < max || !others); i++)
		statuspage_row(t, p, list[i]);
	if (others && n > max) {
		char *note = xasprintf("... and %zu more %s (--all shows them)", n - max, others);
		table_note(t, note);
		free(note);
	}
	free(list);
}

struct table statuspage_table(void)
{
	static const struct column columns[] = {{.title = "TASK", .max = 64, .min = 8},
						{.title = "STATE", .max = 11, .min = 5, .ours = true},
						{.title = "NODE", .max = 20, .min = 4},
						{.title = "STATUS", .max = 11, .min = 4},
						{.title = "EXIT", .max = 4, .right = true, .ours = true},
						{.title = "TIME", .max = 10, .right = true, .ours = true},
						{.title = "OUTPUT", .max = 48, .min = 6}};
	return (struct table){.columns = columns, .n = sizeof columns / sizeof *columns};
}

static struct table tasks_table(const struct statuspage *p)
{
	struct table t = statuspage_table();
	section(&t, p, 1u << TASK_IN_PROGRESS, NULL);
	section(&t, p, 1u << TASK_QUEUE, "queued");
	section(&t, p, 1u << TASK_UNAPPROVED, "unapproved");
	section(&t, p, 1u << TASK_COMPLETED | 1u << TASK_FAILED, "finished");
	return t;
}

/* "2 nodes alive; 1 queued, 0 running, ..." and, in the next line, how fast it goes. */
/* Limits that are reached, and what waits for room. */
static void add_full(struct buf *out, const struct snapshot *s)
{
	struct standings all;
	size_t told = 0;
	standing_of(s, &all);
	for (size_t i = 0; i < all.n; i++) {
		const struct standing *one = &all.v[i];
		if (!one->waiting || (int64_t)one->running < one->most || told++ > 3)
			continue;
		if (told == 4)
			buf_adds(out, ", ... (see: dgrid limits)");
		else
			buf_addf(out, "%s%s: %zu of %lld, %zu wait%s", told > 1 ? "; " : "limits reached: ", one->name,
				 one->running, (long long)one->most, one->waiting, one->waiting == 1 ? "s" : "");
	}
	buf_adds(out, told ? "\n" : "");
	standing_clear(&all);
}

/* Queued tasks that cannot be decided by the nodes there are. */
static void add_missing(struct buf *out, const struct snapshot *s)
{
	size_t tasks = 0, nodes = 0;
	for (size_t i = 0; i < s->n_tasks; i++) {
		struct voters v = {0};
		if (s->tasks[i].state == TASK_QUEUE && s->tasks[i].doc)
			voters_of(s, s->tasks[i].doc, true, &v);
		tasks += v.missing > 0;
		nodes = v.missing > nodes ? v.missing : nodes;
	}
	if (tasks)
		buf_addf(out, "%zu queued task%s for a quorum: %zu more node%s needed\n", tasks,
			 tasks == 1 ? " waits" : "s wait", nodes, nodes == 1 ? " is" : "s are");
}

/* What people have told: paused parts of the queue, drained nodes. */
static void add_told(struct buf *out, const struct snapshot *s)
{
	char *pause;
	bool any = false;
	for (size_t i = 0; (pause = told_pause(&s->told, i)); i++) {
		buf_addf(out, "paused: %s\n", pause);
		free(pause);
	}
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].drain && s->nodes[i].state != NODE_LEFT) {
			buf_addf(out, "%s%s", any ? ", " : "drained: ", s->nodes[i].id);
			any = true;
		}
	buf_adds(out, any ? " (see: dgrid nodes)\n" : "");
}

static void add_counts(struct buf *out, const struct snapshot *s)
{
	char age[24];
	size_t alive = 0;
	struct pace p = report_pace(s);
	int64_t archived = snapshot_total(s, "tasks");
	for (size_t i = 0; i < s->n_nodes; i++)
		alive += s->nodes[i].state != NODE_LEFT && s->nodes[i].state != NODE_SILENT;
	buf_addf(out, "%zu node%s alive; %zu queued", alive, alive == 1 ? "" : "s", s->count[TASK_QUEUE]);
	size_t waiting = waits_count(s);
	if (waiting)
		buf_addf(out, " (%zu wait%s for others)", waiting, waiting == 1 ? "s" : "");
	size_t claimed = claimed_count(s);
	buf_addf(out, ", %zu running", s->count[TASK_IN_PROGRESS] - claimed);
	if (claimed)
		buf_addf(out, ", %zu claimed and waiting", claimed);
	buf_addf(out, ", %zu completed, %zu failed", s->count[TASK_COMPLETED], s->count[TASK_FAILED]);
	if (s->count[TASK_UNAPPROVED])
		buf_addf(out, ", %zu unapproved", s->count[TASK_UNAPPROVED]);
	if (archived > 0)
		buf_addf(out, ", %lld archived", (long long)archived);
	buf_adds(out, "\n");
	add_told(out, s);
	if (!s->n_tasks)
		return;
	add_missing(out, s);
	add_full(out, s);
	buf_addf(out, "%.1f tasks/min over the last %s", p.per_minute, report_span(p.seconds, age));
	if (p.oldest_queued >= 0)
		buf_addf(out, "; the oldest queued task has waited for %s", report_span(p.oldest_queued, age));
	buf_adds(out, "\n");
}

/* Of those that were asked for: "30 tasks: 4 queued, 26 ended (20 success, 4 failed, 2 timeout), 6 of them archived" */
struct json *statuspage_counts(const struct statuspage *p, struct json *ended)
{
	struct json *counts = json_new(JSON_OBJECT);
	int64_t n[TASK_N_STATES] = {0}, archived = 0;
	for (size_t i = 0; i < p->of.n; i++) {
		const struct selected *one = &p->of.v[i];
		const char *status = json_str(json_get(one->task->doc, "result"), "status");
		n[one->task->state]++;
		archived += !strcmp(one->state, "archived");
		if (status)
			json_set(ended, status, json_new_int(json_int(ended, status, 0) + 1));
	}
	for (int k = 0; k < TASK_N_STATES; k++)
		json_set(counts, task_state_name((enum task_state)k), json_new_int(n[k]));
	json_set(counts, "archived", json_new_int(archived));
	return counts;
}

static void add_part(struct buf *out, const struct statuspage *p)
{
	struct json *ended = json_new(JSON_OBJECT), *counts = statuspage_counts(p, ended);
	static const char *const open[][2] = {
	    {"unapproved", "unapproved"}, {"queue", "queued"}, {"in_progress", "running"}};
	int64_t done = json_int(counts, "completed", 0) + json_int(counts, "failed", 0);
	const char *comma = "";
	buf_addf(out, "%zu task%s: ", p->of.n, p->of.n == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		if (json_int(counts, open[i][0], 0)) {
			buf_addf(out, "%s%lld %s", comma, (long long)json_int(counts, open[i][0], 0), open[i][1]);
			comma = ", ";
		}
	buf_addf(out, "%s%lld ended", comma, (long long)done);
	for (const struct json *v = ended->child; v; v = v->next) {
		buf_adds(out, v == ended->child ? " (" : ", ");
		buf_addf(out, "%s ", v->text);
		text_clean(out, v->name, v->name_len, 20);
	}
	buf_adds(out, ended->child ? ")" : "");
	if (json_int(counts, "archived", 0))
		buf_addf(out, ", %lld of them archived", (long long)json_int(counts, "archived", 0));
	buf_adds(out, "\n");
	json_free(ended);
	json_free(counts);
}

static void add_place(struct buf *out, const struct snapshot *s)
{
	char age[24], when[32];
	char *shown = xstrdup(s->url);
	git_redact(shown);
	text_clean(out, shown, SIZE_MAX, 200);
	buf_addf(out, " at %.10s, ", s->commit);
	if (s->past)
		buf_addf(out, "as it was at %s, ", clock_format(s->committed_at, when));
	buf_addf(out, "%s ago\n", report_span(clock_now() - s->committed_at, age));
	free(shown);
}

/* What the last recorded audit said; nothing where there is none. */
static void add_audit(struct buf *out, const struct record *r)
{
	if (r->place == RECORD_NONE)
		return;
	struct buf line = {0};
	record_tell(&line, r, clock_now());
	if (record_bad(r) && table_colour())
		buf_addf(out, "%s%s\033[0m\n", paint_code(PAINT_RED), line.data);
	else
		buf_addf(out, "%s\n", line.data);
	buf_clear(&line);
}

void statuspage_head(const struct statuspage *p, int width, struct buf *out)
{
	const struct snapshot *s = &p->s;
	struct buf head = {0};
	add_place(&head, s);
	if (statuspage_is_part(p))
		add_part(&head, p);
	else {
		add_counts(&head, s);
		add_audit(&head, &p->r);
	}
	if (s->config_problems.n)
		buf_addf(&head, "settings that are not valid:\n%s", s->config_problems.text.data);
	text_wrap(out, head.data, width);
	buf_clear(&head);
}

void statuspage_text(const struct statuspage *p, int width, struct buf *out)
{
	const struct snapshot *s = &p->s;
	statuspage_head(p, width, out);
	if (!s->n_tasks && !p->of.n) {
		buf_adds(out, "no task yet: dgrid submit --id hello -- 'echo hello'\n");
		return;
	}
	if (!p->of.n)
		return;
	struct table t = tasks_table(p);
	buf_adds(out, "\n");
	table_text(&t, width, table_colour(), out);
	table_clear(&t);
}

/* For the summary of a job on a host that shows Markdown. */
void statuspage_markdown(const struct statuspage *p, struct buf *out)
{
	const struct snapshot *s = &p->s;
	static const struct column of_nodes[] = {{.title = "NODE"},
						 {.title = "STATE", .ours = true},
						 {.title = "BUSY", .ours = true},
						 {.title = "SEEN", .ours = true},
						 {.title = "TROUBLE", .max = 120}};
	struct table nodes = {.columns = of_nodes, .n = sizeof of_nodes / sizeof *of_nodes};
	struct buf b = {0};
	add_place(&b, s);
	if (statuspage_is_part(p))
		add_part(&b, p);
	else
		add_counts(&b, s);
	if (p->r.place != RECORD_NONE && !statuspage_is_part(p)) {
		record_tell(&b, &p->r, clock_now());
		buf_adds(&b, "\n");
	}
	size_t ours = b.len;
	if (s->config_problems.n)
		buf_addf(&b, "settings that are not valid:\n%s", s->config_problems.text.data);
	for (char *line = b.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		text_markdown(out, line, line != b.data && line < b.data + ours);
		buf_adds(out, *next ? "  \n" : "\n\n");
	}
	buf_clear(&b);
	for (size_t i = 0; i < s->n_nodes && !statuspage_is_part(p); i++) {
		const struct snapshot_node *n = &s->nodes[i];
		char seen[24] = "never", busy[48], words[ORDER_WORDS];
		if (n->state == NODE_LEFT)
			continue;
		snprintf(busy, sizeof busy, "%lld of %lld", (long long)n->view.busy, (long long)n->view.slots);
		table_cell(&nodes, n->id, PAINT_NONE);
		table_cell(&nodes, node_state_name(n->state), PAINT_NONE);
		table_cell(&nodes, busy, PAINT_NONE);
		table_cell(&nodes, n->view.seen ? report_span(s->now - n->view.seen, seen) : seen, PAINT_NONE);
		table_cell(&nodes, n->drain ? order_words("drained", n->drain, words) : n->view.trouble, PAINT_NONE);
	}
	if (nodes.n_cells) {
		table_markdown(&nodes, out);
		buf_adds(out, "\n");
	}
	struct table t = tasks_table(p);
	if (t.n_cells)
		table_markdown(&t, out);
	table_clear(&nodes);
	table_clear(&t);
}
