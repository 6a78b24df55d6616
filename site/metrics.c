#include "site/metrics.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/version.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "store/agenda.h"
#include "store/standing.h"
#include "store/voters.h"
#include "store/waits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 100	   /* columns of a label's value */
#define NODE_SECONDS 86400 /* nodes without a sign of life for longer are counted, not listed */

/* ---- a list of metrics, each with its samples ---- */

static struct json *number(double n)
{
	struct json *j = json_new(JSON_NUMBER);
	free(j->text);
	j->text = n > -1e15 && n < 1e15 && (double)(int64_t)n == n ? xasprintf("%.0f", n) : xasprintf("%.15g", n);
	j->len = strlen(j->text);
	return j;
}

static struct json *metric(struct json *list, const char *name, const char *type, const char *help)
{
	struct json *m = json_new(JSON_OBJECT);
	json_set(m, "name", json_new_str(name));
	json_set(m, "type", json_new_str(type));
	json_set(m, "help", json_new_str(help));
	json_set(m, "samples", json_new(JSON_ARRAY));
	json_append(list, m);
	return m;
}

/* labels: name, value, ..., NULL; what a stranger wrote is cleaned. suffix: "_sum" and the like, "" for none. */
static void sample(struct json *m, const char *suffix, double value, const char *const *labels)
{
	struct json *one = json_new(JSON_OBJECT), *all = json_new(JSON_OBJECT);
	if (*suffix)
		json_set(one, "suffix", json_new_str(suffix));
	for (; labels && labels[0]; labels += 2) {
		struct buf b = {0};
		text_clean(&b, labels[1], SIZE_MAX, LABEL_MAX);
		json_set(all, labels[0], json_new_str(b.data));
		buf_clear(&b);
	}
	json_set(one, "labels", all);
	json_set(one, "value", number(value));
	json_append((struct json *)json_get(m, "samples"), one);
}
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- figures ---- */

static double not_below_zero(int64_t n)
{
	return n > 0 ? (double)n : 0;
}

struct seconds { /* one duration of many tasks */
	double *v, sum;
	size_t n;
};
struct figures {
	struct seconds run, wait, memory;     /* memory: bytes, really */
	double status[RESULT_N_STATUSES + 1]; /* of the finished tasks on the branch */
	double completed, failed;	      /* ends of tasks, archived and tried again ones too */
	double cpu_sum;			      /* as far as it is known */
	double ended, run_sum;		      /* tasks with a known duration, archived ones too */
	int64_t oldest;			      /* seconds the oldest queued task has waited */
	size_t late;			      /* claims past their lease */
	size_t waiting;			      /* queued tasks that wait for others */
	size_t paused;			      /* queued tasks that a person has paused */
	size_t short_of;		      /* queued tasks without nodes enough for a quorum */
};

static void add_seconds(struct seconds *d, double s)
{
	d->v[d->n++] = s;
	d->sum += s;
}

static int by_value(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;
	return a < b ? -1 : a > b;
}

static double quantile(const struct seconds *d, size_t percent)
{
	size_t rank = (d->n * percent + 99) / 100;
	return d->v[rank ? rank - 1 : 0];
}

static void add_archive(struct figures *f, const struct json *archive)
{
	const struct json *days = json_get(archive, "days");
	f->completed += not_below_zero(json_int(archive, "completed", 0)) +
			not_below_zero(json_int(archive, "retried_completed", 0));
	f->failed +=
	    not_below_zero(json_int(archive, "failed", 0)) + not_below_zero(json_int(archive, "retried_failed", 0));
	f->ended += not_below_zero(json_int(archive, "completed", 0)) + not_below_zero(json_int(archive, "failed", 0));
	for (const struct json *d = days && days->type == JSON_OBJECT ? days->child : NULL; d; d = d->next) {
		f->run_sum += not_below_zero(json_int(d, "run_ms", 0)) / 1000;
		f->cpu_sum += not_below_zero(json_int(d, "cpu_ms", 0)) / 1000;
	}
}

static void add_task(struct figures *f, const struct snapshot *s, const struct snapshot_task *t)
{
	const struct json *result = json_get(t->doc, "result"), *claim = json_get(t->doc, "claim");
	int64_t created = json_time(t->doc, "created_at"), started = json_time(result, "started_at"), retried[2],
		lease = json_time(claim, "lease_until"), ms = json_int(result, "duration_ms", -1);
	task_retried_ends(t->doc, &retried[0], &retried[1]);
	f->completed += (double)retried[0] + (t->state == TASK_COMPLETED);
	f->failed += (double)retried[1] + (t->state == TASK_FAILED);
	if (t->state == TASK_QUEUE && created && s->now - created > f->oldest && !waits_of(s, t->doc, NULL))
		f->oldest = s->now - created;
	f->waiting += t->state == TASK_QUEUE && t->doc && waits_of(s, t->doc, NULL);
	f->paused += t->state == TASK_QUEUE && t->doc && order_pause_of(s->told.paused, t->doc);
	f->late += t->state == TASK_IN_PROGRESS && lease && lease + s->config.max_clock_skew_seconds < s->now;
	struct voters v = {0};
	if (t->state == TASK_QUEUE && t->doc)
		voters_of(s, t->doc, true, &v);
	f->short_of += v.missing > 0;
	if (t->state != TASK_COMPLETED && t->state != TASK_FAILED)
		return;
	f->status[result_status_index(json_str(result, "status"))]++;
	f->ended++;
	f->run_sum += ms > 0 ? (double)ms / 1000 : 0;
	const struct spent used = spent_of(result);
	f->cpu_sum += not_below_zero(used.cpu_ms) / 1000;
	if (used.peak_kb >= 0)
		add_seconds(&f->memory, (double)used.peak_kb * 1024);
	if (ms >= 0)
		add_seconds(&f->run, (double)ms / 1000);
	if (created && started)
		add_seconds(&f->wait, not_below_zero(started - created));
}

static void add_summary(struct json *list, const char *name, const char *help, const struct seconds *d,
			const struct figures *totals)
{
	static const struct {
		const char *name;
		size_t percent;
	} quantiles[] = {{"0.5", 50}, {"0.95", 95}, {"0.99", 99}};
	struct json *m = metric(list, name, "summary", help);
	for (size_t i = 0; d->n && i < sizeof quantiles / sizeof *quantiles; i++)
		sample(m, "", quantile(d, quantiles[i].percent), LABELS("quantile", quantiles[i].name));
	if (!totals) /* of a window, so no counters */
		return;
	sample(m, "_sum", totals->run_sum, NULL);
	sample(m, "_count", totals->ended, NULL);
}

static void add_tasks(struct json *list, const struct snapshot *s)
{
	struct figures f = {0};
	struct json *m = metric(list, "dgrid_tasks", "gauge", "Tasks by state.");
	f.run.v = xcalloc(s->n_tasks + 1, sizeof *f.run.v);
	f.wait.v = xcalloc(s->n_tasks + 1, sizeof *f.wait.v);
	f.memory.v = xcalloc(s->n_tasks + 1, sizeof *f.memory.v);
	for (int k = 0; k < TASK_N_STATES; k++)
		sample(m, "", (double)s->count[k], LABELS("state", task_state_name((enum task_state)k)));
	sample(m, "", (double)snapshot_total(s, "tasks"), LABELS("state", "archived"));
	add_archive(&f, s->archive);
	for (size_t i = 0; i < s->n_tasks; i++)
		add_task(&f, s, &s->tasks[i]);
	qsort(f.run.v, f.run.n, sizeof *f.run.v, by_value);
	qsort(f.wait.v, f.wait.n, sizeof *f.wait.v, by_value);
	qsort(f.memory.v, f.memory.n, sizeof *f.memory.v, by_value);
	m = metric(list, "dgrid_tasks_finished_total", "counter",
		   "Ends of tasks, those since archived or tried again too.");
	sample(m, "", f.completed, LABELS("outcome", "completed"));
	sample(m, "", f.failed, LABELS("outcome", "failed"));
	m = metric(list, "dgrid_tasks_by_status", "gauge",
		   "Finished tasks still on the branch, by the status of their results.");
	for (size_t i = 0; i <= RESULT_N_STATUSES; i++)
		sample(m, "", f.status[i], LABELS("status", i < RESULT_N_STATUSES ? result_statuses[i] : "other"));
	m = metric(list, "dgrid_tasks_past_lease", "gauge", "Claims whose lease has run out: to be healed.");
	sample(m, "", (double)f.late, NULL);
	m = metric(list, "dgrid_tasks_short_of_nodes", "gauge",
		   "Queued tasks that the nodes there are cannot decide by their quorum.");
	sample(m, "", (double)f.short_of, NULL);
	m = metric(list, "dgrid_tasks_waiting", "gauge", "Queued tasks that wait for others to end.");
	sample(m, "", (double)f.waiting, NULL);
	m = metric(list, "dgrid_tasks_paused", "gauge", "Queued tasks that dgrid pause keeps from being claimed.");
	sample(m, "", (double)f.paused, NULL);
	m = metric(list, "dgrid_queue_oldest_age_seconds", "gauge",
		   "How long ago the oldest queued task that waits for no other was created; 0 when there is none.");
	sample(m, "", (double)f.oldest, NULL);
	add_summary(list, "dgrid_task_run_seconds",
		    "Run time of tasks; quantiles over the finished ones still on the branch.", &f.run, &f);
	add_summary(list, "dgrid_recent_task_wait_seconds",
		    "From creation to start, of the finished tasks still on the branch.", &f.wait, NULL);
	m = metric(list, "dgrid_task_cpu_seconds_total", "counter",
		   "Processor time of tasks, archived ones too, as far as their results tell it.");
	sample(m, "", f.cpu_sum, NULL);
	add_summary(list, "dgrid_recent_task_memory_bytes",
		    "The most memory that each finished task still on the branch used.", &f.memory, NULL);
	free(f.run.v);
	free(f.wait.v);
	free(f.memory.v);
}

static const char *say(const struct json *doc, const char *name)
{
	const char *text = json_str(doc, name);
	return text ? text : "";
}

static void add_nodes(struct json *list, const struct snapshot *s)
{
	size_t count[NODE_LEFT + 1] = {0};
	struct json *outliers = json_new(JSON_OBJECT);
	voters_archived(s, outliers);
	for (size_t i = 0; i < s->n_tasks; i++)
		vote_outliers(s->tasks[i].doc, outliers);
	struct json *m = metric(list, "dgrid_nodes", "gauge", "Nodes by state; silent ones gave no sign of life.");
	for (size_t i = 0; i < s->n_nodes; i++)
		count[s->nodes[i].state]++;
	for (int k = 0; k <= NODE_LEFT; k++)
		sample(m, "", (double)count[k], LABELS("state", node_state_name((enum node_state)k)));
	struct json *info = metric(list, "dgrid_node_info", "gauge", "What a node is; always 1."),
		    *up = metric(list, "dgrid_node_up", "gauge", "1 unless the node left or is silent."),
		    *slots = metric(list, "dgrid_node_slots", "gauge", "Tasks that the node runs at a time."),
		    *busy = metric(list, "dgrid_node_busy_slots", "gauge", "Slots that are taken."),
		    *waiting = metric(list, "dgrid_node_waiting_claims", "gauge",
				      "Claims that wait for a free slot in the node."),
		    *age =
			metric(list, "dgrid_node_heartbeat_age_seconds", "gauge", "Time since its last sign of life."),
		    *done = metric(list, "dgrid_node_tasks_finished_total", "counter",
				   "Runs that ended on the node, since it was started."),
		    *outlier = metric(list, "dgrid_node_outliers_total", "counter",
				      "Votes of the node that differed from what the quorum found, ever."),
		    *pushes = metric(list, "dgrid_node_pushes_total", "counter", "Pushes, since it was started."),
		    *rejected = metric(list, "dgrid_node_rejected_pushes_total", "counter",
				       "Pushes that lost a race, since it was started.");
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		bool alive = n->state != NODE_LEFT && n->state != NODE_SILENT;
		if (!alive && s->now - n->view.seen > NODE_SECONDS)
			continue;
		const char *const *own = LABELS("node", n->id);
		sample(info, "", 1,
		       LABELS("node", n->id, "version", say(n->file, "dgrid_version"), "engine", say(n->file, "engine"),
			      "engine_version", say(n->file, "engine_version"), "os", say(n->file, "os"), "arch",
			      say(n->file, "arch")));
		sample(up, "", alive, own);
		sample(slots, "", alive ? not_below_zero(n->view.slots) : 0, own);
		sample(busy, "", alive ? not_below_zero(n->view.busy) : 0, own);
		sample(waiting, "", alive ? not_below_zero(n->view.waiting) : 0, own);
		if (n->view.seen)
			sample(age, "", not_below_zero(s->now - n->view.seen), own);
		sample(done, "", not_below_zero(json_int(n->file, "tasks_completed", 0)),
		       LABELS("node", n->id, "outcome", "completed"));
		sample(done, "", not_below_zero(json_int(n->file, "tasks_failed", 0)),
		       LABELS("node", n->id, "outcome", "failed"));
		sample(done, "", not_below_zero(json_int(n->file, "tasks_voted", 0)),
		       LABELS("node", n->id, "outcome", "voted"));
		sample(outlier, "", not_below_zero(json_int(outliers, n->id, 0)), own);
		sample(pushes, "", not_below_zero(json_int(n->view.doc, "pushes", 0)), own);
		sample(rejected, "", not_below_zero(json_int(n->view.doc, "rejected", 0)), own);
	}
	json_free(outliers);
}

static void add_schedules(struct json *list, const struct snapshot *s)
{
	struct agenda a;
	struct err none;
	struct json *late =
	    metric(list, "dgrid_schedule_late_seconds", "gauge",
		   "Since the first instant of a schedule that nobody has queued yet; 0 when none is due.");
	bool known = !agenda_read(s, &a, &none);
	for (size_t i = 0; i < a.n && known; i++)
		if (!a.v[i].wrong)
			sample(late, "", not_below_zero(a.v[i].late), LABELS("schedule", a.v[i].name));
	agenda_clear(&a);
}

/* Those that the settings name: groups that only tasks name come and go. */
static void add_limits(struct json *list, const struct snapshot *s)
{
	struct standings all;
	struct json *most =
			metric(list, "dgrid_limit_tasks", "gauge", "How many tasks may run at a time, by the setting."),
		    *running = metric(list, "dgrid_limit_running_tasks", "gauge", "How many do."),
		    *waiting = metric(list, "dgrid_limit_queued_tasks", "gauge", "How many queued ones are under it.");
	standing_of(s, &all);
	for (size_t i = 0; i < all.n; i++) {
		const char *const *own = LABELS("limit", all.v[i].name);
		if (!all.v[i].set)
			continue;
		sample(most, "", (double)all.v[i].most, own);
		sample(running, "", (double)all.v[i].running, own);
		sample(waiting, "", (double)all.v[i].waiting, own);
	}
	standing_clear(&all);
}

static struct json *collect(const struct snapshot *s)
{
	struct json *list = json_new(JSON_ARRAY), *m;
	m = metric(list, "dgrid_info", "gauge", "The dgrid that made this; always 1.");
	sample(m, "", 1, LABELS("version", DGRID_VERSION));
	m = metric(list, "dgrid_ledger_commit_timestamp_seconds", "gauge",
		   "When the newest commit of the grid was made.");
	sample(m, "", (double)s->committed_at, NULL);
	m = metric(list, "dgrid_settings_valid", "gauge", "1 when grid.json is valid.");
	sample(m, "", !s->config_problems.n, NULL);
	add_tasks(list, s);
	add_limits(list, s);
	add_nodes(list, s);
	add_schedules(list, s);
	return list;
}

/* ---- out ---- */

static void write_label(struct buf *out, const struct json *l, bool first)
{
	buf_addf(out, "%s%s=\"", first ? "{" : ",", l->name);
	for (const char *p = l->text; *p; p++) {
		if (*p == '\\' || *p == '"')
			buf_add(out, "\\", 1);
		buf_add(out, p, 1);
	}
	buf_adds(out, "\"");
}

void metrics_text(const struct snapshot *s, struct buf *out)
{
	struct json *list = collect(s);
	for (const struct json *m = list->child; m; m = m->next) {
		const char *name = json_str(m, "name");
		const struct json *samples = json_get(m, "samples");
		if (!samples->child)
			continue;
		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, json_str(m, "help"), name, json_str(m, "type"));
		for (const struct json *one = samples->child; one; one = one->next) {
			const struct json *labels = json_get(one, "labels");
			buf_addf(out, "%s%s", name, say(one, "suffix"));
			for (const struct json *l = labels->child; l; l = l->next)
				write_label(out, l, l == labels->child);
			buf_addf(out, "%s %s\n", labels->child ? "}" : "", json_get(one, "value")->text);
		}
	}
	json_free(list);
}

void metrics_json(const struct snapshot *s, struct buf *out)
{
	char when[32];
	struct json *all = json_new(JSON_OBJECT);
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "at", json_new_str(clock_format(s->now, when)));
	json_set(all, "metrics", collect(s));
	char *text = task_text(all);
	buf_adds(out, text);
	free(text);
	json_free(all);
}
