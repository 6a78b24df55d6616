#include "clock.h"
#include "look.h"
#include "verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

/* What a row shows, whatever is missing in a stranger's document. */
struct row {
	const char *node, *status, *first;
	char code[24], time[24];
	size_t first_len;
};

static struct row row_of(const struct snapshot *s, const struct snapshot_task *t)
{
	const struct json *result = json_get(t->doc, "result"), *claim = json_get(t->doc, "claim");
	const char *node = json_str(result ? result : claim, "node"), *status = json_str(result, "status"),
		   *out = json_str(result, "stdout"), *reason = json_str(result, "reason");
	int64_t code = json_int(result, "exit_code", -1), ms = json_int(result, "duration_ms", -1);
	struct row r = {.node = node ? node : "-",
			.status = status			 ? status
				  : t->state == TASK_IN_PROGRESS ? "running"
								 : "-",
			.first = out && *out ? out
				 : reason    ? reason
					     : ""};
	if (!t->doc)
		r.first = "(not valid JSON: dgrid show tells more)";
	snprintf(r.code, sizeof r.code, "-");
	snprintf(r.time, sizeof r.time, "-");
	if (code >= 0)
		snprintf(r.code, sizeof r.code, "%lld", (long long)code);
	if (ms >= 0)
		snprintf(r.time, sizeof r.time, "%.1f s", (double)ms / 1000);
	else if (t->state == TASK_IN_PROGRESS && look_time(claim, "claimed_at"))
		look_span(s->now - look_time(claim, "claimed_at"), r.time);
	r.first_len = strcspn(r.first, "\n");
	return r;
}

static int64_t when_ended(const struct snapshot_task *t)
{
	return look_time(json_get(t->doc, "result"), "finished_at");
}

static int newest_first(const void *pa, const void *pb)
{
	const struct snapshot_task *a = *(struct snapshot_task *const *)pa, *b = *(struct snapshot_task *const *)pb;
	int64_t x = when_ended(a), y = when_ended(b);
	return x != y ? (x > y ? -1 : 1) : strcmp(a->id, b->id);
}

static int first_to_run(const void *pa, const void *pb)
{
	const struct snapshot_task *a = *(struct snapshot_task *const *)pa, *b = *(struct snapshot_task *const *)pb;
	int64_t x = json_int(a->doc, "priority", 5), y = json_int(b->doc, "priority", 5);
	if (x == y) {
		x = look_time(b->doc, "created_at");
		y = look_time(a->doc, "created_at");
	}
	return x != y ? (x > y ? -1 : 1) : strcmp(a->id, b->id);
}

/* The tasks whose state is in states, in their order; *n of them. The caller frees the list. */
static struct snapshot_task **in_order(const struct snapshot *s, unsigned states, size_t *n)
{
	struct snapshot_task **list = xcalloc(s->n_tasks + 1, sizeof(struct snapshot_task *));
	*n = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (states & (1u << s->tasks[i].state))
			list[(*n)++] = &s->tasks[i];
	bool ended = states & (1u << TASK_COMPLETED | 1u << TASK_FAILED);
	qsort(list, *n, sizeof *list, ended ? newest_first : first_to_run);
	return list;
}

static void status_rows(const struct snapshot *s, unsigned states, const struct look *o, int id_width, int node_width,
			const char *others)
{
	size_t n, max = o->all ? s->n_tasks : (size_t)o->limit;
	struct snapshot_task **list = in_order(s, states, &n);
	for (size_t i = 0; i < n && (i < max || !others); i++) {
		struct row r = row_of(s, list[i]);
		look_cell(list[i]->id, id_width, PAINT_NONE);
		look_cell(task_state_name(list[i]->state), 11, PAINT_NONE);
		look_cell(r.node, node_width, PAINT_NONE);
		look_cell(r.status, 9, look_paint(r.status));
		printf("%4s  %8s  ", r.code, r.time);
		put_clean(r.first, r.first_len < 48 ? r.first_len : 48);
		putchar('\n');
	}
	if (others && n > max)
		printf("  ... and %zu more %s (--all shows them)\n", n - max, others);
	free(list);
}

static int64_t archived(const struct snapshot *s)
{
	return json_int(s->archive, "tasks", 0);
}

static void status_table(const struct snapshot *s, const struct look *o, const char *url)
{
	char age[24];
	size_t alive = 0, id = 4, node = 4;
	for (size_t i = 0; i < s->n_nodes; i++)
		alive += s->nodes[i].state != NODE_LEFT && s->nodes[i].state != NODE_SILENT;
	char *shown = xstrdup(url);
	git_redact(shown);
	printf("%s at %.10s, %s%s\n", shown, s->commit, look_span(clock_now() - s->committed_at, age), " ago");
	free(shown);
	printf("%zu node%s alive; %zu queued, %zu running, %zu completed, %zu failed", alive, alive == 1 ? "" : "s",
	       s->count[TASK_QUEUE], s->count[TASK_IN_PROGRESS], s->count[TASK_COMPLETED], s->count[TASK_FAILED]);
	if (s->count[TASK_UNAPPROVED])
		printf(", %zu unapproved", s->count[TASK_UNAPPROVED]);
	if (archived(s))
		printf(", %lld archived", (long long)archived(s));
	putchar('\n');
	if (s->config_problems.n)
		printf("settings that are not valid:\n%s", s->config_problems.text.data);
	if (!s->n_tasks) {
		puts("no task yet: dgrid submit --id hello -- 'echo hello'");
		return;
	}
	for (size_t i = 0; i < s->n_tasks; i++) {
		const char *at = row_of(s, &s->tasks[i]).node;
		size_t n = strlen(s->tasks[i].id), m = strlen(at);
		id = n > id ? n : id;
		node = m > node ? m : node;
	}
	int id_width = id < 40 ? (int)id : 40, node_width = node < 20 ? (int)node : 20;
	printf("\n%-*s  %-11s  %-*s  %-9s  %4s  %8s  %s\n", id_width, "TASK", "STATE", node_width, "NODE", "STATUS",
	       "EXIT", "TIME", "OUTPUT");
	status_rows(s, 1u << TASK_IN_PROGRESS, o, id_width, node_width, NULL);
	status_rows(s, 1u << TASK_QUEUE, o, id_width, node_width, "queued");
	status_rows(s, 1u << TASK_UNAPPROVED, o, id_width, node_width, "unapproved");
	status_rows(s, 1u << TASK_COMPLETED | 1u << TASK_FAILED, o, id_width, node_width, "finished");
}

static struct json *counts_json(const struct snapshot *s)
{
	struct json *counts = json_new(JSON_OBJECT);
	for (int k = 0; k < TASK_N_STATES; k++)
		json_set(counts, task_state_name((enum task_state)k), json_new_int((int64_t)s->count[k]));
	json_set(counts, "archived", json_new_int(archived(s)));
	return counts;
}

static struct json *nodes_json(const struct snapshot *s)
{
	char when[32];
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		struct json *row = n->file && n->file->type == JSON_OBJECT ? json_copy(n->file) : json_new(JSON_OBJECT);
		/* What only the heartbeat knows, or knows better. */
		static const char *const fresh[] = {"status",	"trouble", "busy",     "slots", "last_heartbeat",
						    "next_due", "pushes",  "rejected", "turns"};
		if (n->beat && look_time(n->beat, "last_heartbeat") == n->view.seen)
			for (size_t k = 0; k < sizeof fresh / sizeof *fresh; k++)
				look_copy(row, n->beat, fresh[k]);
		json_set(row, "node_id", json_new_str(n->id));
		json_set(row, "state", json_new_str(node_state_name(n->state)));
		if (n->view.seen)
			json_set(row, "last_seen", json_new_str(clock_format(n->view.seen, when)));
		json_append(list, row);
	}
	return list;
}

static void status_json(const struct snapshot *s, const struct look *o)
{
	char when[32];
	(void)o;
	struct json *all = json_new(JSON_OBJECT), *tasks = json_new(JSON_ARRAY);
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *t = &s->tasks[i];
		const struct json *result = json_get(t->doc, "result"), *claim = json_get(t->doc, "claim");
		static const char *const of_task[] = {"priority", "created_at", "not_before", "labels"},
					 *const of_claim[] = {"claimed_at", "lease_until", "attempt"},
					 *const of_result[] = {"status",      "exit_code",   "signal",
							       "duration_ms", "finished_at", "attempt"};
		struct json *row = json_new(JSON_OBJECT);
		json_set(row, "task_id", json_new_str(t->id));
		json_set(row, "state", json_new_str(task_state_name(t->state)));
		look_copy(row, result ? result : claim, "node");
		for (size_t k = 0; k < sizeof of_task / sizeof *of_task; k++)
			look_copy(row, t->doc, of_task[k]);
		for (size_t k = 0; k < sizeof of_claim / sizeof *of_claim; k++)
			look_copy(row, claim, of_claim[k]);
		for (size_t k = 0; k < sizeof of_result / sizeof *of_result; k++)
			look_copy(row, result, of_result[k]);
		if (!t->doc)
			json_set(row, "valid", json_new_bool(false));
		json_append(tasks, row);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "committed_at", json_new_str(clock_format(s->committed_at, when)));
	json_set(all, "counts", counts_json(s));
	json_set(all, "nodes", nodes_json(s));
	json_set(all, "tasks", tasks);
	put_json(all);
	json_free(all);
}

int cmd_status(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct look o;
	struct snapshot s = {0};
	int rc = look_options(&o, argc, argv, 0, e);
	if (!rc && !(rc = open_snapshot(ctx, o.at, &s, e)))
		rc = snapshot_load(&s, ~0u, e);
	if (!rc && o.json)
		status_json(&s, &o);
	else if (!rc)
		status_table(&s, &o, ctx->url);
	snapshot_close(&s);
	return rc;
}

/* ---- nodes ---- */

int cmd_nodes(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct look o;
	struct snapshot s = {0};
	int rc = look_options(&o, argc, argv, 0, e), width = 4;
	if (!rc)
		rc = open_snapshot(ctx, o.at, &s, e);
	if (!rc && o.json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "commit", json_new_str(s.commit));
		json_set(all, "nodes", nodes_json(&s));
		put_json(all);
		json_free(all);
	} else if (!rc && !s.n_nodes)
		puts("no node yet: dgrid worker");
	else if (!rc) {
		for (size_t i = 0; i < s.n_nodes; i++)
			if ((int)strlen(s.nodes[i].id) > width)
				width = (int)strlen(s.nodes[i].id);
		printf("%-*s  %-8s  %-14s  %5s  %-8s  %9s  %6s  %s\n", width, "NODE", "STATE", "ENGINE", "BUSY", "SEEN",
		       "COMPLETED", "FAILED", "LABELS");
		for (size_t i = 0; i < s.n_nodes; i++) {
			const struct snapshot_node *n = &s.nodes[i];
			const char *version = json_str(n->file, "engine_version"),
				   *engine = json_str(n->file, "engine");
			char seen[24] = "never", busy[24];
			char *runs = xasprintf("%s %s", engine ? engine : "-", version ? version : "");
			if (n->view.seen)
				look_span(s.now - n->view.seen, seen);
			snprintf(busy, sizeof busy, "%lld/%lld", (long long)n->view.busy, (long long)n->view.slots);
			look_cell(n->id, width, PAINT_NONE);
			look_cell(node_state_name(n->state), 8,
				  n->state == NODE_ACTIVE   ? PAINT_GREEN
				  : n->state == NODE_LEFT   ? PAINT_DIM
				  : n->state == NODE_SILENT ? PAINT_RED
							    : PAINT_YELLOW);
			look_cell(runs, 14, PAINT_NONE);
			printf("%5s  %-8s  %9lld  %6lld  ", busy, seen,
			       (long long)json_int(n->file, "tasks_completed", 0),
			       (long long)json_int(n->file, "tasks_failed", 0));
			const struct json *labels = json_get(n->file, "labels");
			for (const struct json *v = labels ? labels->child : NULL; v; v = v->next) {
				put_clean(v->text ? v->text : "", 64);
				putchar(v->next ? ',' : ' ');
			}
			if (n->view.trouble[0]) {
				fputs(" trouble: ", stdout);
				put_clean(n->view.trouble, 120);
			}
			putchar('\n');
			free(runs);
		}
	}
	snapshot_close(&s);
	return rc;
}
