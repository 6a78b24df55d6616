#include "base/text.h"
#include "schema/checkpoint.h"
#include "schema/input.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "schema/vote.h"
#include "store/claimed.h"
#include "verbs/follow.h"
#include "verbs/pointlist.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Several tasks, told one after the other. */
struct telling {
	struct report_options o;
	struct snapshot s;
	struct json *into;   /* with --json: a list; NULL: text */
	size_t told, silent; /* silent: those that have nothing to tell yet */
	struct pointlist points;
	/* 0: told; 1: silent; -1: e is filled */
	int (*one)(struct telling *t, const struct selected *one, struct err *e);
	void (*all)(struct telling *t); /* once, after them; NULL: nothing more */
};

/* ---- one task ---- */

#define VALUE_MAX 240 /* columns of a value; show --json has all of it */

static void line(const char *name, const char *value)
{
	struct buf b = {0};
	text_clean(&b, value ? value : "-", SIZE_MAX, VALUE_MAX);
	printf("%-12s%s\n", name, b.data);
	buf_clear(&b);
}

/* A cell of width columns and the gap after it. */
static void cell(const char *text, int width)
{
	struct buf b = {0};
	int used = text_clean(&b, text, SIZE_MAX, width);
	printf("%s%*s", b.data, width - used + 2, "");
	buf_clear(&b);
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
	else if (result_digest(result) && json_get(result, bytes)) {
		char *sum = xasprintf("%s_sha256", name),
		     *said = xasprintf("%lld bytes, not kept; SHA-256 %.64s", (long long)json_int(result, bytes, 0),
				       json_str(result, sum) ? json_str(result, sum) : "?");
		line(name, said);
		free(sum);
		free(said);
	}
	free(bytes);
	free(cut);
	free(title);
}

/* What it asks for besides its script. */
static void show_asked(const struct json *doc)
{
	static const char *const members[] = {"group",
					      "needs",
					      "after",
					      "timeout_seconds",
					      "image",
					      "env",
					      "cpus",
					      "memory_mb",
					      "disk_mb",
					      "resources",
					      "pids",
					      "priority",
					      "max_attempts",
					      "retry_on_failure",
					      "replicas",
					      "quorum",
					      "labels",
					      "concurrency_group",
					      "max_running",
					      "supersede",
					      "cpu_seconds",
					      "stdin",
					      "workdir",
					      "first_point",
					      "share_sandbox",
					      "secrets",
					      "network",
					      "output",
					      NULL};
	struct input inputs[INPUTS_MAX];
	size_t n = inputs_of(doc, inputs);
	for (size_t i = 0; i < n; i++) {
		const char *from = json_str(json_get(json_get(doc, "inputs"), inputs[i].name), "from");
		const char *name = inputs[i].name ? inputs[i].name : "", *path = inputs[i].path;
		char kept[64] = "";
		if (inputs[i].stored)
			snprintf(kept, sizeof kept, "and %lld in a store, ", (long long)inputs[i].stored);
		char *text = inputs[i].task ? xasprintf("/in/%s: what task %s leaves%s%s", name, inputs[i].task,
							path ? ", of that " : "", path ? path : "")
					    : xasprintf("/in/%s: %lld file%s, %lld bytes, %s%s%.12s", name,
							(long long)inputs[i].files, inputs[i].files == 1 ? "" : "s",
							(long long)inputs[i].bytes, kept, from ? from : "",
							from || !inputs[i].tree ? "" : inputs[i].tree);
		line(i ? "" : "inputs", text);
		free(text);
	}
	for (int i = 0; members[i]; i++) {
		struct buf value = {0};
		const struct json *m = json_get(doc, members[i]);
		if (!m)
			continue;
		json_write(&value, m, 0);
		char *name = xasprintf("%s ", members[i]);
		line(name, value.data);
		free(name);
		buf_clear(&value);
	}
}

/* Who signed, as the node found that claimed it; before that only the keys are known. */
static void show_signatures(const struct json *doc, const struct json *claim, const struct json *attempts)
{
	const struct json *all = json_get(doc, "signatures");
	const char *signer = json_str(claim, "signed_by");
	for (const struct json *a = attempts ? attempts->child : NULL; a; a = a->next)
		signer = json_str(a, "signed_by") ? json_str(a, "signed_by") : signer;
	if (signer)
		line("signed by", signer);
	for (const struct json *s = all && !signer ? all->child : NULL; s; s = s->next) {
		char *text = xasprintf("with key %s (see: dgrid why)", json_str(s, "key") ? json_str(s, "key") : "?");
		line("signed", text);
		free(text);
	}
}

static void show_nodes(const char *name, const struct json *list)
{
	char *names = report_names(list);
	if (*names)
		line(name, names);
	free(names);
}

/* What it left in /out. */
static void show_files(const struct json *doc, const struct json *result)
{
	const struct json *out = json_get(result, "out");
	const char *id = json_str(doc, "task_id");
	int64_t files = json_int(out, "files", 0), left_out = json_int(out, "left_out", 0);
	if (json_str(result, "out_error"))
		line("files", json_str(result, "out_error"));
	if (!out)
		return;
	const struct json *stored = json_get(out, "stored");
	char *more = stored
			 ? xasprintf(", %lld of them with %lld bytes in a store",
				     (long long)json_int(stored, "files", 0), (long long)json_int(stored, "bytes", 0))
			 : xstrdup("");
	char *text = json_str(out, "ref") ? xasprintf("%lld of %lld bytes%s%s (dgrid get %s)", (long long)files,
						      (long long)json_int(out, "bytes", 0), more,
						      left_out ? ", others left out" : "", id ? id : "")
					  : xasprintf("%lld of %lld bytes, not kept: the nodes left different ones",
						      (long long)files, (long long)json_int(out, "bytes", 0));
	line("files", text);
	free(text);
	free(more);
}

/* Why an attempt ended: the reason that is noted; of a run that was not the last, how it ended and its last words; of a
 * task queued again, by whom. */
static void attempt_words(const struct json *a, struct buf *out)
{
	const char *outcome = json_str(a, "outcome"), *reason = json_str(a, "reason"),
		   *tail = json_str(a, "stderr_tail"), *vote = json_str(a, "commitment"), *by = json_str(a, "by");
	int64_t code = json_int(a, "exit_code", -1), number = json_int(a, "signal", 0);
	if (outcome && !strcmp(outcome, "retried"))
		buf_addf(out, "queued again by %s", by ? by : "?");
	else if (reason || vote)
		buf_adds(out, reason ? reason : vote);
	else if (spent_end(a) && code < 0)
		buf_adds(out, spent_end(a));
	else if (number > 0)
		buf_addf(out, "signal %lld", (long long)number);
	else if (code >= 0)
		buf_addf(out, "exit code %lld", (long long)code);
	if (!reason && tail) {
		struct json *said = json_new(JSON_OBJECT);
		json_set(said, "stderr", json_new_str(tail));
		char *last = result_line(said, true);
		buf_addf(out, "%s%s", out->len && *last ? ": " : "", last);
		free(last);
		json_free(said);
	}
	buf_add(out, "", 0);
}

static void show_attempts(const struct json *attempts)
{
	if (!attempts || !attempts->child)
		return;
	puts("\nattempts:");
	for (const struct json *a = attempts->child; a; a = a->next) {
		const char *node = json_str(a, "node"), *outcome = json_str(a, "outcome"),
			   *began = json_str(a, "claimed_at"), *ended = json_str(a, "ended_at");
		struct buf words = {0};
		attempt_words(a, &words);
		fputs("    ", stdout);
		cell(began ? began : ended ? ended : "-", 20);
		cell(node ? node : "-", 16);
		fputs(outcome && table_colour() ? paint_code(report_paint(outcome)) : "", stdout);
		cell(outcome ? outcome : "-", 9);
		fputs(outcome && table_colour() ? "\033[0m" : "", stdout);
		put_clean(words.data, 200);
		putchar('\n');
		buf_clear(&words);
	}
}

/* How far its points are; those that failed first. */
static void show_points(const struct json *doc, const char *state, const struct report_options *o)
{
	struct pointlist l = {0};
	struct buf out = {0};
	int width, rows;
	if (!points_count(doc))
		return;
	pointlist_add(&l, "", state, doc);
	pointlist_sort(&l, true);
	table_terminal(&width, &rows);
	pointlist_table(&l, (size_t)o->limit, width, table_colour(), &out);
	printf("\npoints:\n%s", out.data);
	buf_clear(&out);
	pointlist_clear(&l);
}

static void show_text(const struct telling *t, const struct json *doc, const char *state, const char *path)
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
	show_asked(doc);
	char points[64], *checkpoint = checkpoint_words(doc);
	if (checkpoint)
		line("checkpoint", checkpoint);
	free(checkpoint);
	if (*points_words(doc, snapshot_points_done(&t->s, json_str(doc, "task_id"), doc), points))
		line("points", points);
	const struct json *approved = json_get(doc, "approved_by");
	if (json_str(approved, "author"))
		line("approved by", json_str(approved, "author"));
	show_signatures(doc, claim, attempts);
	if (claim) {
		line("node", json_str(claim, "node"));
		line("claimed", json_str(claim, "claimed_at"));
		line("lease until", json_str(claim, "lease_until"));
	}
	if (json_str(doc, "not_before"))
		line("not before", json_str(doc, "not_before"));
	if (json_str(doc, "start_after"))
		line("start after", json_str(doc, "start_after"));
	if (json_str(doc, "deadline"))
		line("deadline", json_str(doc, "deadline"));
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
		if (spent_end(result))
			line("ended by", spent_end(result));
		show_nodes("agreed", json_get(json_get(result, "quorum"), "agreed"));
		show_nodes("outliers", json_get(json_get(result, "quorum"), "outliers"));
		line("node", json_str(result, "node"));
		line("finished", json_str(result, "finished_at"));
		if (json_int(result, "duration_ms", -1) >= 0) {
			number =
			    xasprintf("%.1f s, engine %s, image %s", (double)json_int(result, "duration_ms", 0) / 1000,
				      json_str(result, "engine") ? json_str(result, "engine") : "-",
				      json_str(result, "image") ? json_str(result, "image") : "-");
			line("ran", number);
			free(number);
			number = spent_words(result);
			if (*number)
				line("used", number);
			free(number);
			const struct json *held = json_get(json_get(result, "limits"), "enforced");
			if (held && held->type == JSON_BOOL && !held->boolean)
				line("limits", "not enforced there, only watched");
		}
		show_files(doc, result);
	}
	show_attempts(attempts);
	if (script && script->type == JSON_STRING)
		block("script", script->text, script->len);
	show_points(doc, state, &t->o);
	show_stream(result, "stdout");
	show_stream(result, "stderr");
}

/* One of several begins below an empty line. */
static int show_one(struct telling *t, const struct selected *one, struct err *e)
{
	struct json *doc = selected_doc(&t->s, one, e);
	if (!doc)
		return -1;
	if (t->into) {
		struct json *copy = json_copy(doc);
		json_set(copy, "state", json_new_str(one->state));
		json_append(t->into, copy);
		return 0;
	}
	if (t->told)
		putchar('\n');
	show_text(t, doc, one->state, one->path);
	return 0;
}

/* Those that can be told are; then what is wrong is said, of the first that is wrong. */
static int tell(const struct context *ctx, struct telling *t, struct err *e)
{
	struct report_options *o = &t->o;
	struct selected_list found = {0};
	struct err wrong = {.class = ERR_NONE}, again;
	t->into = o->json ? json_new(JSON_ARRAY) : NULL;
	int rc =
	    open_snapshot(ctx, o->at, &t->s, e) || select_tasks(&t->s, &o->of, o->ids, o->n_ids, &found, e) ? -1 : 0;
	for (size_t i = 0; i < found.n && !rc && !ferror(stdout); i++) {
		int got = t->one(t, &found.v[i], wrong.class ? &again : &wrong);
		t->told += !got;
		t->silent += got > 0;
	}
	if (!rc && t->all && (t->told || o->of.given))
		t->all(t);
	else if (!rc && o->json && (t->told || o->of.given))
		report_list(o, t->into);
	if (!rc && !found.n && !found.missing.n)
		fputs("dgrid: no task matches\n", stderr);
	if (!rc && wrong.class)
		rc = err_set(e, wrong.class, "%s", wrong.msg);
	else if (!rc)
		rc = select_missing(&found, e);
	json_free(t->into);
	pointlist_clear(&t->points);
	selected_clear(&found);
	snapshot_close(&t->s);
	return rc;
}

static int cmd_show(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct telling t = {.one = show_one};
	int rc = report_options(&t.o, &verb_show, argc, argv, REPORT_MANY, e) || tell(ctx, &t, e) ? -1 : 0;
	report_clear(&t.o);
	return rc;
}

/* ---- what it printed ---- */

static struct json *logs_json(const struct selected *one, const struct json *doc, const struct buf *old)
{
	const struct json *result = json_get(doc, "result");
	static const char *const kept[] = {"status",	       "exit_code",	   "ended_by",	    "usage",
					   "stdout",	       "stderr",	   "stdout_bytes",  "stderr_bytes",
					   "stdout_truncated", "stderr_truncated", "stdout_sha256", "stderr_sha256"};
	struct json *all = json_new(JSON_OBJECT);
	json_set(all, "task_id", json_new_str(one->task->id));
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		report_copy(all, result, kept[i]);
	if (old->len)
		json_set(all, "stdout", json_new_strn(old->data, old->len));
	if (json_get(result, "points")) {
		struct pointlist l = {0};
		pointlist_add(&l, one->task->id, one->state, doc);
		json_set(all, "points", pointlist_json(&l));
		pointlist_clear(&l);
	}
	return all;
}

/* Do stdout and stderr go to the same place? Then one head is enough. */
static bool one_place(void)
{
	struct stat a, b;
	return !fstat(STDOUT_FILENO, &a) && !fstat(STDERR_FILENO, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* As tail(1) does with several files. */
static void put_head(const char *id, bool first, const struct json *result)
{
	const struct json *said = json_get(result, "stderr");
	printf("%s==> %s <==\n", first ? "" : "\n", id);
	fflush(stdout);
	if (said && said->type == JSON_STRING && said->len && !one_place())
		fprintf(stderr, "==> %s <==\n", id);
}

/* Where its tails show what it prints; NULL: it prints nothing yet, or shows nothing of it. */
static const char *prints_on(const struct telling *t, const char *id, const struct json *doc)
{
	const struct json *claim = json_get(doc, "claim");
	const char *node = json_str(claim, "node");
	bool shown = t->s.config.live_tail_bytes && vote_claim_terms(claim).replicas < 2 && !t->o.at;
	return shown && node && task_id_valid(node) && !json_int(claim, "ahead", 0) && !claimed_waits(&t->s, id, doc)
		   ? node
		   : NULL;
}

static int logs_one(struct telling *t, const struct selected *one, struct err *e)
{
	struct json *doc = selected_doc(&t->s, one, e);
	const struct json *result = json_get(doc, "result");
	const char *id = one->task->id;
	struct buf old = {0};
	if (!doc)
		return -1;
	if (!result) {
		/* The well-known attempt kept results beside the task, in ID.json.log. */
		char *log = xasprintf("%s.log", one->path);
		int rc = snapshot_file(&t->s, log, &old, NULL);
		free(log);
		if (rc && !one->named)
			return 1;
		const char *node = rc && !strcmp(one->state, "in_progress") ? prints_on(t, id, doc) : NULL;
		if (node)
			return err_set(e, ERR_RETRY, "task '%s' runs on %s: dgrid logs -f %s shows what it prints", id,
				       node, id);
		if (rc)
			return err_set(e, ERR_RETRY, "task '%s' is in %s: it has no output yet%s (see: dgrid why %s)",
				       id, one->state, vote_count(doc) ? ", for votes show none" : "", id);
	}
	if (t->into)
		json_append(t->into, logs_json(one, doc, &old));
	else {
		if (t->o.of.given || t->o.n_ids > 1 || !one->named)
			put_head(id, !t->told, result);
		if (old.len)
			follow_print(false, old.data, old.len);
		follow_stream(false, result);
		follow_stream(true, result);
		if (result_digest(result)) {
			fflush(stdout);
			fprintf(stderr,
				"dgrid: %s: what it printed is not kept, only its length and SHA-256 (see: dgrid show "
				"%s)\n",
				id, id);
		}
		/* It never ran, or was given up: that is all there is to say. */
		if (result && !json_get(result, "stdout_bytes") && !json_get(result, "stdout") &&
		    !json_get(result, "stderr") && !json_get(result, "points")) {
			fflush(stdout);
			struct buf why = {0};
			const char *status = json_str(result, "status"), *reason = json_str(result, "reason");
			text_clean(&why, reason ? reason : "it never ran", SIZE_MAX, 300);
			fprintf(stderr, "dgrid: %s printed nothing: %.20s, %s\n", id, status ? status : "ended",
				why.data);
			buf_clear(&why);
		}
	}
	buf_clear(&old);
	return 0;
}

/* --table, --csv: a row a point. */
static int points_one(struct telling *t, const struct selected *one, struct err *e)
{
	struct json *doc = selected_doc(&t->s, one, e);
	/* What was archived is called so, and has a result that tells how it ended. */
	if (doc)
		pointlist_add(&t->points, one->task->id, one->state, doc);
	return doc ? 0 : -1;
}

static void points_all(struct telling *t)
{
	struct buf out = {0};
	int width, rows;
	pointlist_sort(&t->points, false);
	table_terminal(&width, &rows);
	if (t->o.json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "points", pointlist_json(&t->points));
		put_json(all);
		json_free(all);
		return;
	}
	if (t->o.csv)
		pointlist_csv(&t->points, &out);
	else
		pointlist_table(&t->points, 0, width, table_colour(), &out);
	if (t->o.csv)
		follow_print(false, out.data, out.len);
	else
		fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
}

static int cmd_logs(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct telling t = {.one = logs_one};
	struct report_options *o = &t.o;
	int rc = report_options(o, &verb_logs, argc, argv, REPORT_MANY, e);
	if (o->table || o->csv) {
		t.one = points_one;
		t.all = points_all;
	}
	if (!rc && o->follow && (o->of.given || o->n_ids > 1))
		rc = err_set(e, ERR_USAGE, "--follow shows one task (expected one id)");
	else if (!rc && o->follow)
		rc = follow_task(ctx, o->ids[0], e);
	else if (!rc)
		rc = tell(ctx, &t, e);
	if (!rc && t.silent)
		fprintf(stderr, "dgrid: %zu %s no output yet\n", t.silent, t.silent == 1 ? "task has" : "tasks have");
	report_clear(o);
	return rc;
}

const struct verb verb_show = {
    .name = "show",
    .args = "[--json] [--at REV|DATE] [SELECTION]... [ID]...",
    .summary = "all about one task or several; --json: as the ledger has it",
    .about = "Prints a task's fields, claim, attempts, result, script and output. Archived tasks are found too. With "
	     "--json a task that is named alone is one document; several are a list, tasks.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid show hello", ""},
					    {"dgrid show --json hello", "its file on the branch, and its state"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .run = cmd_show,
};
const struct verb verb_logs = {
    .name = "logs",
    .args = "[-f | --follow] [--json] [--table | --csv] [--at REV|DATE] [SELECTION]... [ID]...",
    .summary = "what tasks printed: stdout to stdout, stderr to stderr; -f follows it to its end",
    .about = "Prints what a task that has ended printed. Where its middle was not kept (output_limit_bytes of "
	     "grid.json), a line "
	     "on stderr says so. On a terminal its control characters show as U+FFFD; a pipe or "
	     "a file gets them as they are. Several are told apart by heads, ==> ID <==; of those that options found, "
	     "the ones "
	     "that have no output yet are passed by.\n\n"
	     "With -f it waits for the task to start, prints what its node sends along with its beats (live_tail_bytes "
	     "of grid.json, the newest of each stream), and ends with the task.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'f', "-f, --follow", NULL, NULL, "print while it runs, until it has ended; not with --json or --at"},
	    {'T', "--table", NULL, NULL,
	     "a row a point: index, status, variables, the first line of its output; "
	     "with --json as data"},
	    {'V', "--csv", NULL, NULL,
	     "the same as CSV for a plot; where points print an object of JSON on a line, "
	     "its members are columns"},
	    USAGE_JSON,
	    USAGE_AT,
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid logs hello >out 2>err", ""},
					    {"dgrid logs -f hello", ""},
					    {"dgrid logs --group sweep --failed", "of each that failed"},
					    {"dgrid logs --group sweep --csv >sweep.csv", "a row a point"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed; with -f: the task succeeded"},
					 {"1", "with -f: the task failed"},
					 {"3", "with -f: the task was cancelled"},
					 {"75", "the task has no output yet"},
					 {"130, 143", "with -f: interrupted; the task runs on"},
					 {0}},
    .run = cmd_logs,
};
