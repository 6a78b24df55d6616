#include "verbs/taskview.h"
#include "base/text.h"
#include "schema/checkpoint.h"
#include "schema/input.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "verbs/pointlist.h"
#include "verbs/report.h"
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 240 /* columns of a value; show --json has all of it */

static void line(struct buf *out, const char *name, const char *value)
{
	struct buf b = {0};
	text_clean(&b, value ? value : "-", SIZE_MAX, VALUE_MAX);
	buf_addf(out, "%-12s%s\n", name, b.data);
	buf_clear(&b);
}

/* A cell of width columns and the gap after it. */
static void cell(struct buf *out, const char *text, int width)
{
	struct buf b = {0};
	int used = text_clean(&b, text, SIZE_MAX, width);
	buf_addf(out, "%s%*s", b.data, width - used + 2, "");
	buf_clear(&b);
}

static void block(struct buf *out, const char *title, const char *text, size_t len)
{
	if (!len)
		return;
	buf_addf(out, "\n%s:\n", title);
	for (size_t at = 0; at < len;) {
		size_t n = 0;
		while (at + n < len && text[at + n] != '\n')
			n++;
		buf_adds(out, "    ");
		text_clean(out, text + at, n, INT_MAX);
		buf_adds(out, "\n");
		at += n + 1;
	}
}

static void show_stream(struct buf *out, const struct json *result, const char *name)
{
	const struct json *o = json_get(result, name);
	char *bytes = xasprintf("%s_bytes", name), *cut = xasprintf("%s_truncated", name);
	const struct json *truncated = json_get(result, cut);
	char *title = xasprintf("%s, %lld bytes%s", name, (long long)json_int(result, bytes, 0),
				truncated && truncated->boolean ? " (its middle is left out)" : "");
	if (o && o->type == JSON_STRING)
		block(out, title, o->text, o->len);
	else if (result_digest(result) && json_get(result, bytes)) {
		char *sum = xasprintf("%s_sha256", name),
		     *said = xasprintf("%lld bytes, not kept; SHA-256 %.64s", (long long)json_int(result, bytes, 0),
				       json_str(result, sum) ? json_str(result, sum) : "?");
		line(out, name, said);
		free(sum);
		free(said);
	}
	free(bytes);
	free(cut);
	free(title);
}

/* What it asks for besides its script. */
static void show_asked(struct buf *out, const struct json *doc)
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
		line(out, i ? "" : "inputs", text);
		free(text);
	}
	for (int i = 0; members[i]; i++) {
		struct buf value = {0};
		const struct json *m = json_get(doc, members[i]);
		if (!m)
			continue;
		json_write(&value, m, 0);
		char *name = xasprintf("%s ", members[i]);
		line(out, name, value.data);
		free(name);
		buf_clear(&value);
	}
}

/* Who signed, as the node found that claimed it; before that only the keys are known. */
static void show_signatures(struct buf *out, const struct json *doc, const struct json *claim,
			    const struct json *attempts)
{
	const struct json *all = json_get(doc, "signatures");
	const char *signer = json_str(claim, "signed_by");
	for (const struct json *a = attempts ? attempts->child : NULL; a; a = a->next)
		signer = json_str(a, "signed_by") ? json_str(a, "signed_by") : signer;
	if (signer)
		line(out, "signed by", signer);
	for (const struct json *s = all && !signer ? all->child : NULL; s; s = s->next) {
		char *text = xasprintf("with key %s (see: dgrid why)", json_str(s, "key") ? json_str(s, "key") : "?");
		line(out, "signed", text);
		free(text);
	}
}

static void show_nodes(struct buf *out, const char *name, const struct json *list)
{
	char *names = report_names(list);
	if (*names)
		line(out, name, names);
	free(names);
}

/* What it left in /out. */
static void show_files(struct buf *out, const struct json *doc, const struct json *result)
{
	const struct json *kept = json_get(result, "out");
	const char *id = json_str(doc, "task_id");
	int64_t files = json_int(kept, "files", 0), left_out = json_int(kept, "left_out", 0);
	if (json_str(result, "out_error"))
		line(out, "files", json_str(result, "out_error"));
	if (!kept)
		return;
	const struct json *stored = json_get(kept, "stored");
	char *more = stored
			 ? xasprintf(", %lld of them with %lld bytes in a store",
				     (long long)json_int(stored, "files", 0), (long long)json_int(stored, "bytes", 0))
			 : xstrdup("");
	char *text = json_str(kept, "ref") ? xasprintf("%lld of %lld bytes%s%s (dgrid get %s)", (long long)files,
						       (long long)json_int(kept, "bytes", 0), more,
						       left_out ? ", others left out" : "", id ? id : "")
					   : xasprintf("%lld of %lld bytes, not kept: the nodes left different ones",
						       (long long)files, (long long)json_int(kept, "bytes", 0));
	line(out, "files", text);
	free(text);
	free(more);
}

/* Why a run ended: the reason that is noted; else how it ended and its last words; of a task queued again, by whom. */
static void run_words(struct buf *out, const struct json *run, bool failed)
{
	const char *outcome = json_str(run, "outcome"), *reason = json_str(run, "reason"),
		   *tail = json_str(run, "stderr_tail"), *vote = json_str(run, "commitment"), *by = json_str(run, "by");
	int64_t code = json_int(run, "exit_code", -1), number = json_int(run, "signal", 0);
	if (outcome && !strcmp(outcome, "retried"))
		buf_addf(out, "queued again by %s", by ? by : "?");
	else if (reason || vote)
		buf_adds(out, reason ? reason : vote);
	else if (spent_end(run) && code < 0)
		buf_adds(out, spent_end(run));
	else if (number > 0)
		buf_addf(out, "signal %lld", (long long)number);
	else if (code > 0 || (code == 0 && failed))
		buf_addf(out, "exit code %lld", (long long)code);
	if (!reason && (tail || failed)) {
		struct json *said = json_new(JSON_OBJECT);
		json_set(said, "stderr", json_new_str(tail ? tail : ""));
		char *last = result_line(tail ? said : run, true);
		buf_addf(out, "%s%s", out->len && *last ? ": " : "", last);
		free(last);
		json_free(said);
	}
	buf_add(out, "", 0);
}

/* The result is what the last run left: its attempt says little of it. */
static void show_attempts(struct buf *out, const struct json *attempts, const struct json *result, bool colour)
{
	if (!attempts || !attempts->child)
		return;
	buf_adds(out, "\nattempts:\n");
	for (const struct json *a = attempts->child; a; a = a->next) {
		const char *node = json_str(a, "node"), *outcome = json_str(a, "outcome"),
			   *began = json_str(a, "claimed_at"), *ended = json_str(a, "ended_at"),
			   *status = json_str(result, "status");
		bool last = !a->next && status && outcome && !strcmp(status, outcome);
		struct buf words = {0};
		run_words(&words, a, false);
		if (last && !words.len && strcmp(status, "success") != 0)
			run_words(&words, result, true);
		buf_adds(out, "    ");
		cell(out, began ? began : ended ? ended : "-", 20);
		cell(out, node ? node : "-", 16);
		buf_adds(out, outcome && colour ? paint_code(report_paint(outcome)) : "");
		cell(out, outcome ? outcome : "-", 9);
		buf_adds(out, outcome && colour ? "\033[0m" : "");
		text_clean(out, words.data, 200, INT_MAX);
		buf_adds(out, "\n");
		buf_clear(&words);
	}
}

/* How far its points are; those that failed first. */
static void show_points(struct buf *out, const struct json *doc, const char *state, const struct taskview *v)
{
	struct pointlist l = {0};
	if (!points_count(doc))
		return;
	pointlist_add(&l, "", state, doc);
	pointlist_sort(&l, true);
	buf_adds(out, "\npoints:\n");
	pointlist_table(&l, v->points, v->width, v->colour, out);
	pointlist_clear(&l);
}

void taskview_text(const struct taskview *v, const struct json *doc, struct buf *out)
{
	const struct json *result = json_get(doc, "result"), *claim = json_get(doc, "claim"),
			  *attempts = json_get(doc, "attempts"), *script = json_get(doc, "script");
	char *number;
	line(out, "task", json_str(doc, "task_id"));
	line(out, "state", v->state);
	line(out, "file", v->path);
	if (json_str(doc, "description"))
		line(out, "description", json_str(doc, "description"));
	if (json_str(doc, "created_at"))
		line(out, "created", json_str(doc, "created_at"));
	if (json_str(doc, "submitted_by"))
		line(out, "by", json_str(doc, "submitted_by"));
	show_asked(out, doc);
	char points[64], *checkpoint = checkpoint_words(doc);
	if (checkpoint)
		line(out, "checkpoint", checkpoint);
	free(checkpoint);
	if (*points_words(doc, snapshot_points_done(v->s, json_str(doc, "task_id"), doc), points))
		line(out, "points", points);
	const struct json *approved = json_get(doc, "approved_by");
	if (json_str(approved, "author"))
		line(out, "approved by", json_str(approved, "author"));
	show_signatures(out, doc, claim, attempts);
	if (claim) {
		line(out, "node", json_str(claim, "node"));
		line(out, "claimed", json_str(claim, "claimed_at"));
		line(out, "lease until", json_str(claim, "lease_until"));
	}
	if (json_str(doc, "not_before"))
		line(out, "not before", json_str(doc, "not_before"));
	if (json_str(doc, "start_after"))
		line(out, "start after", json_str(doc, "start_after"));
	if (json_str(doc, "deadline"))
		line(out, "deadline", json_str(doc, "deadline"));
	if (result) {
		line(out, "status", json_str(result, "status"));
		if (json_str(result, "reason"))
			line(out, "reason", json_str(result, "reason"));
		if (json_int(result, "exit_code", -1) >= 0) {
			number = xasprintf("%lld", (long long)json_int(result, "exit_code", -1));
			line(out, "exit code", number);
			free(number);
		}
		if (json_int(result, "signal", 0)) {
			number = xasprintf("%lld", (long long)json_int(result, "signal", 0));
			line(out, "signal", number);
			free(number);
		}
		if (spent_end(result))
			line(out, "ended by", spent_end(result));
		show_nodes(out, "agreed", json_get(json_get(result, "quorum"), "agreed"));
		show_nodes(out, "outliers", json_get(json_get(result, "quorum"), "outliers"));
		line(out, "node", json_str(result, "node"));
		line(out, "finished", json_str(result, "finished_at"));
		if (json_int(result, "duration_ms", -1) >= 0) {
			number =
			    xasprintf("%.1f s, engine %s, image %s", (double)json_int(result, "duration_ms", 0) / 1000,
				      json_str(result, "engine") ? json_str(result, "engine") : "-",
				      json_str(result, "image") ? json_str(result, "image") : "-");
			line(out, "ran", number);
			free(number);
			number = spent_words(result);
			if (*number)
				line(out, "used", number);
			free(number);
			const struct json *held = json_get(json_get(result, "limits"), "enforced");
			if (held && held->type == JSON_BOOL && !held->boolean)
				line(out, "limits", "not enforced there, only watched");
		}
		show_files(out, doc, result);
	}
	show_attempts(out, attempts, result, v->colour);
	if (script && script->type == JSON_STRING)
		block(out, "script", script->text, script->len);
	show_points(out, doc, v->state, v);
	show_stream(out, result, "stdout");
	show_stream(out, result, "stderr");
}
