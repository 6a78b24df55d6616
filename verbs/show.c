#include "base/text.h"
#include "schema/result.h"
#include "schema/vote.h"
#include "store/claimed.h"
#include "verbs/follow.h"
#include "verbs/followmany.h"
#include "verbs/pointlist.h"
#include "verbs/report.h"
#include "verbs/taskview.h"
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
	int width, rows;
	struct buf out = {0};
	table_terminal(&width, &rows);
	const struct taskview v = {&t->s, one->state, one->path, (size_t)t->o.limit, width, table_colour()};
	taskview_text(&v, doc, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
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
				"dgrid: %s: its output is not kept, only the length and SHA-256 (see: dgrid show %s)\n",
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

/* -f of several: those that there are now. */
static int follow_found(const struct context *ctx, const struct report_options *o, struct err *e)
{
	struct snapshot s = {0};
	struct selected_list found = {0};
	struct strs ids = {0};
	int rc = open_snapshot(ctx, NULL, &s, e) || select_tasks(&s, &o->of, o->ids, o->n_ids, &found, e) ||
			 select_missing(&found, e)
		     ? -1
		     : 0;
	for (size_t i = 0; i < found.n && !rc; i++)
		strs_add(&ids, found.v[i].task->id);
	if (!rc && ids.n > FOLLOW_MAX)
		rc = err_set(
		    e, ERR_USAGE,
		    "logs -f follows at most %d tasks at once, and these are %zu (narrow them down, with --state "
		    "running for example)",
		    FOLLOW_MAX, ids.n);
	selected_clear(&found);
	snapshot_close(&s);
	if (!rc && !ids.n)
		fputs("dgrid: no task matches\n", stderr);
	rc = rc ? rc : ids.n ? follow_many(ctx, &ids, e) : 0;
	strs_clear(&ids);
	return rc;
}

/* What is no task may be a group. */
static int follow(const struct context *ctx, const struct report_options *o, struct err *e)
{
	bool alone = !o->of.given && o->n_ids == 1;
	int rc = alone ? follow_task(ctx, o->ids[0], e) : follow_found(ctx, o, e);
	return alone && rc && e->class == ERR_NOENT ? follow_found(ctx, o, e) : rc;
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
	if (!rc && o->follow)
		rc = follow(ctx, o, e);
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
	     "--json, a single task is one document; several are a list, tasks.",
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
    .about = "Prints the output of a finished task. If its middle was not kept (output_limit_bytes of grid.json), a "
	     "line on stderr says so. A pipe or a file gets the output unchanged. On a terminal, colours stay (unless "
	     "NO_COLOR is set), a rewritten line (carriage returns) shows as it was last, control characters show as "
	     "U+FFFD, and other escape sequences are left out. Several tasks are separated by headers, ==> ID <==; of "
	     "a selection, tasks without output so far are skipped.\n\nWith -f it waits for the task to start, prints "
	     "the output that its node sends with its heartbeats (the last live_tail_bytes of each stream), and ends "
	     "with the task. Several tasks, up to 16, are followed together, each line behind its task's id; of a "
	     "group, the tasks that exist when it starts.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'f', "-f, --follow", NULL, NULL,
	     "print output while the task runs, until it ends; not with --json or --at"},
	    {'T', "--table", NULL, NULL,
	     "one row per point: index, status, variables, the first line of its output; with --json as data"},
	    {'V', "--csv", NULL, NULL,
	     "the same as CSV, for a plot; if a point prints a line with a JSON object, its members become columns"},
	    USAGE_JSON,
	    USAGE_AT,
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid logs hello >out 2>err", ""},
					    {"dgrid logs -f hello", ""},
					    {"dgrid logs --group sweep --failed", "of each task that failed"},
					    {"dgrid logs --group sweep --csv >sweep.csv", "one row per point"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed; with -f: all tasks succeeded"},
					 {"1", "with -f: a task failed"},
					 {"3", "with -f: a task was cancelled, and none failed"},
					 {"75", "the task has no output yet"},
					 {"130, 143", "with -f: interrupted; the task keeps running"},
					 {0}},
    .run = cmd_logs,
};
