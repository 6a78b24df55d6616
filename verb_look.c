#include "clock.h"
#include "verbs.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LIMIT 20 /* rows of queued, and of finished tasks, unless --all or --limit says else */

struct look {
	bool json, all;
	const char *at;
	long limit;
	char **operands;
	int n_operands;
};

static int parse_look(struct look *o, int argc, char **argv, int operands, struct err *e)
{
	static const struct option options[] = {
	    {"json", 0, 0, 'j'}, {"all", 0, 0, 'a'}, {"at", 1, 0, 't'}, {"limit", 1, 0, 'l'}, {0}};
	int opt;
	*o = (struct look){.limit = DEFAULT_LIMIT};
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'j':
			o->json = true;
			break;
		case 'a':
			o->all = true;
			break;
		case 't':
			o->at = optarg;
			break;
		case 'l':
			if (parse_number("--limit", optarg, 0, 1000000, &o->limit, e))
				return -1;
			break;
		default:
			return err_set(e, ERR_USAGE, "unknown option or missing value '%s' (see: dgrid %s --help)",
				       argv[optind - 1], argv[0]);
		}
	o->operands = argv + optind;
	o->n_operands = argc - optind;
	if (o->n_operands < operands)
		return err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (o->n_operands > operands)
		return err_set(e, ERR_USAGE, "unexpected '%s' (see: dgrid %s --help)", o->operands[operands], argv[0]);
	return 0;
}

/* "4 s", "12 min", "3 h", "2 d" */
static const char *span(int64_t seconds, char out[24])
{
	long long s = seconds < 0 ? 0 : (long long)seconds;
	if (s < 120)
		snprintf(out, 24, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h", s / 3600);
	else
		snprintf(out, 24, "%lld d", s / 86400);
	return out;
}

static int64_t time_of(const struct json *object, const char *name)
{
	int64_t t;
	const char *text = json_str(object, name);
	return text && !clock_parse(text, &t) ? t : 0;
}

/* ---- status ---- */

enum { PAINT_NONE, PAINT_GREEN, PAINT_RED, PAINT_YELLOW, PAINT_DIM };

static bool colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

/* One cell, cut and padded to width bytes; what comes from the ledger is cleaned. */
static void cell(const char *text, int width, int paint)
{
	static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[33m", "\033[2m"};
	bool on = paint != PAINT_NONE && colour();
	size_t n = strlen(text), max = (size_t)width;
	if (on)
		fputs(codes[paint], stdout);
	put_clean(text, max);
	if (on)
		fputs("\033[0m", stdout);
	printf("%*s", (int)(n < max ? max - n : 0) + 2, "");
}

static int paint_of(const char *status)
{
	if (!strcmp(status, "success"))
		return PAINT_GREEN;
	if (!strcmp(status, "running"))
		return PAINT_YELLOW;
	return strcmp(status, "-") != 0 ? PAINT_RED : PAINT_NONE;
}

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
	else if (t->state == TASK_IN_PROGRESS && time_of(claim, "claimed_at"))
		span(s->now - time_of(claim, "claimed_at"), r.time);
	r.first_len = strcspn(r.first, "\n");
	return r;
}

static int64_t when_ended(const struct snapshot_task *t)
{
	return time_of(json_get(t->doc, "result"), "finished_at");
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
		x = time_of(b->doc, "created_at");
		y = time_of(a->doc, "created_at");
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
		cell(list[i]->id, id_width, PAINT_NONE);
		cell(task_state_name(list[i]->state), 11, PAINT_NONE);
		cell(r.node, node_width, PAINT_NONE);
		cell(r.status, 9, paint_of(r.status));
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
	printf("%s at %.10s, %s%s\n", shown, s->commit, span(clock_now() - s->committed_at, age), " ago");
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

static void copy_member(struct json *to, const struct json *from, const char *name)
{
	if (json_get(from, name))
		json_set(to, name, json_copy(json_get(from, name)));
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
		if (n->beat && time_of(n->beat, "last_heartbeat") == n->view.seen)
			for (size_t k = 0; k < sizeof fresh / sizeof *fresh; k++)
				copy_member(row, n->beat, fresh[k]);
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
		copy_member(row, result ? result : claim, "node");
		for (size_t k = 0; k < sizeof of_task / sizeof *of_task; k++)
			copy_member(row, t->doc, of_task[k]);
		for (size_t k = 0; k < sizeof of_claim / sizeof *of_claim; k++)
			copy_member(row, claim, of_claim[k]);
		for (size_t k = 0; k < sizeof of_result / sizeof *of_result; k++)
			copy_member(row, result, of_result[k]);
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
	int rc = parse_look(&o, argc, argv, 0, e);
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
	int rc = parse_look(&o, argc, argv, 0, e), width = 4;
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
				span(s.now - n->view.seen, seen);
			snprintf(busy, sizeof busy, "%lld/%lld", (long long)n->view.busy, (long long)n->view.slots);
			cell(n->id, width, PAINT_NONE);
			cell(node_state_name(n->state), 8,
			     n->state == NODE_ACTIVE   ? PAINT_GREEN
			     : n->state == NODE_LEFT   ? PAINT_DIM
			     : n->state == NODE_SILENT ? PAINT_RED
						       : PAINT_YELLOW);
			cell(runs, 14, PAINT_NONE);
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

/* ---- one task ---- */

/* The task's document: from the branch, else from the archive. state gets its folder's name, or "archived". */
static int find_task(const struct context *ctx, struct snapshot *s, const struct look *o, const char *id,
		     struct json **doc, const char **state, char *path, size_t room, struct err *e)
{
	*doc = NULL;
	if (open_snapshot(ctx, o->at, s, e))
		return -1;
	struct snapshot_task *t = task_id_valid(id) ? snapshot_find(s, id) : NULL;
	if (t) {
		*state = task_state_name(t->state);
		snprintf(path, room, "tasks/%s/%s.json", *state, t->id);
		if (snapshot_doc(s, t, e))
			return -1;
		*doc = json_copy(t->doc);
		return 0;
	}
	*state = "archived";
	char where[128];
	if (task_id_valid(id))
		*doc = snapshot_archived(s, id, where, e);
	if (*doc)
		snprintf(path, room, "archive:%s", where);
	if (*doc)
		return 0;
	return e->class && e->class != ERR_NOENT ? -1 : err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
}

static void line(const char *name, const char *value)
{
	printf("%-12s", name);
	put_clean(value ? value : "-", 4096);
	putchar('\n');
}

static void block(const char *title, const char *text, size_t len)
{
	if (!len)
		return;
	printf("\n%s:\n", title);
	for (size_t at = 0; at < len;) {
		size_t n = 0;
		while (at + n < len && text[at + n] != '\n')
			n++;
		fputs("    ", stdout);
		put_clean(text + at, n);
		putchar('\n');
		at += n + 1;
	}
}

static void show_stream(const struct json *result, const char *name)
{
	const struct json *o = json_get(result, name);
	char *bytes = xasprintf("%s_bytes", name), *cut = xasprintf("%s_truncated", name);
	const struct json *truncated = json_get(result, cut);
	char *title = xasprintf("%s, %lld bytes%s", name, (long long)json_int(result, bytes, 0),
				truncated && truncated->boolean ? " (its middle is left out)" : "");
	if (o && o->type == JSON_STRING)
		block(title, o->text, o->len);
	free(bytes);
	free(cut);
	free(title);
}

static void show_text(const struct json *doc, const char *state, const char *path)
{
	const struct json *result = json_get(doc, "result"), *claim = json_get(doc, "claim"),
			  *attempts = json_get(doc, "attempts"), *script = json_get(doc, "script");
	char *number;
	line("task", json_str(doc, "task_id"));
	line("state", state);
	line("file", path);
	if (json_str(doc, "description"))
		line("description", json_str(doc, "description"));
	if (json_str(doc, "created_at"))
		line("created", json_str(doc, "created_at"));
	if (json_str(doc, "submitted_by"))
		line("by", json_str(doc, "submitted_by"));
	if (claim) {
		line("node", json_str(claim, "node"));
		line("claimed", json_str(claim, "claimed_at"));
		line("lease until", json_str(claim, "lease_until"));
	}
	if (json_str(doc, "not_before"))
		line("not before", json_str(doc, "not_before"));
	if (result) {
		line("status", json_str(result, "status"));
		if (json_str(result, "reason"))
			line("reason", json_str(result, "reason"));
		if (json_int(result, "exit_code", -1) >= 0) {
			number = xasprintf("%lld", (long long)json_int(result, "exit_code", -1));
			line("exit code", number);
			free(number);
		}
		if (json_int(result, "signal", 0)) {
			number = xasprintf("%lld", (long long)json_int(result, "signal", 0));
			line("signal", number);
			free(number);
		}
		line("node", json_str(result, "node"));
		line("finished", json_str(result, "finished_at"));
		if (json_int(result, "duration_ms", -1) >= 0) {
			number =
			    xasprintf("%.1f s, engine %s, image %s", (double)json_int(result, "duration_ms", 0) / 1000,
				      json_str(result, "engine") ? json_str(result, "engine") : "-",
				      json_str(result, "image") ? json_str(result, "image") : "-");
			line("ran", number);
			free(number);
		}
	}
	if (attempts && attempts->child) {
		puts("\nattempts:");
		for (const struct json *a = attempts->child; a; a = a->next) {
			const char *node = json_str(a, "node"), *outcome = json_str(a, "outcome"),
				   *began = json_str(a, "claimed_at"), *reason = json_str(a, "reason");
			fputs("    ", stdout);
			cell(began ? began : "-", 20, PAINT_NONE);
			cell(node ? node : "-", 16, PAINT_NONE);
			cell(outcome ? outcome : "-", 9, outcome ? paint_of(outcome) : PAINT_NONE);
			put_clean(reason ? reason : "", 200);
			putchar('\n');
		}
	}
	if (script && script->type == JSON_STRING)
		block("script", script->text, script->len);
	show_stream(result, "stdout");
	show_stream(result, "stderr");
}

int cmd_show(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct look o;
	struct snapshot s = {0};
	struct json *doc = NULL;
	const char *state;
	char path[256];
	int rc = parse_look(&o, argc, argv, 1, e);
	if (!rc && !(rc = find_task(ctx, &s, &o, o.operands[0], &doc, &state, path, sizeof path, e))) {
		if (o.json) {
			json_set(doc, "state", json_new_str(state));
			json_set(doc, "schema", json_new_int(1));
			put_json(doc);
		} else
			show_text(doc, state, path);
	}
	json_free(doc);
	snapshot_close(&s);
	return rc;
}

int cmd_logs(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct look o;
	struct snapshot s = {0};
	struct json *doc = NULL;
	struct buf old = {0};
	const char *state;
	char path[256];
	int rc = parse_look(&o, argc, argv, 1, e);
	if (!rc)
		rc = find_task(ctx, &s, &o, o.operands[0], &doc, &state, path, sizeof path, e);
	const struct json *result = json_get(doc, "result"), *out = json_get(result, "stdout"),
			  *err = json_get(result, "stderr");
	if (!rc && !result) {
		/* The well-known attempt kept results beside the task, in ID.json.log. */
		char *log = xasprintf("%s.log", path);
		if (snapshot_file(&s, log, &old, NULL))
			rc = err_set(e, ERR_RETRY, "task '%s' is in %s: it has no output yet (see: dgrid why %s)",
				     o.operands[0], state, o.operands[0]);
		free(log);
	}
	if (!rc && o.json) {
		struct json *all = json_new(JSON_OBJECT);
		static const char *const kept[] = {"status",	       "exit_code",	  "stdout",
						   "stderr",	       "stdout_bytes",	  "stderr_bytes",
						   "stdout_truncated", "stderr_truncated"};
		json_set(all, "schema", json_new_int(1));
		json_set(all, "task_id", json_new_str(o.operands[0]));
		for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
			copy_member(all, result, kept[i]);
		if (old.len)
			json_set(all, "stdout", json_new_strn(old.data, old.len));
		put_json(all);
		json_free(all);
	} else if (!rc) {
		if (old.len)
			fwrite(old.data, 1, old.len, stdout);
		if (out && out->type == JSON_STRING)
			fwrite(out->text, 1, out->len, stdout);
		fflush(stdout);
		if (err && err->type == JSON_STRING)
			fwrite(err->text, 1, err->len, stderr);
	}
	json_free(doc);
	buf_clear(&old);
	snapshot_close(&s);
	return rc;
}
