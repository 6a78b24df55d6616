#include "site/taskpage.h"
#include "base/clock.h"
#include "base/markup.h"
#include "schema/checkpoint.h"
#include "schema/input.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "schema/vote.h"
#include "site/filelist.h"
#include "site/pointmap.h"
#include "site/rows.h"
#include "store/claimed.h"
#include "store/tails.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

static const char *signal_name(int64_t n)
{
	static const char *const names[] = {
	    [1] = "SIGHUP",   [2] = "SIGINT",	[3] = "SIGQUIT",  [4] = "SIGILL",   [6] = "SIGABRT",
	    [7] = "SIGBUS",   [8] = "SIGFPE",	[9] = "SIGKILL",  [11] = "SIGSEGV", [13] = "SIGPIPE",
	    [14] = "SIGALRM", [15] = "SIGTERM", [24] = "SIGXCPU", [25] = "SIGXFSZ", [31] = "SIGSYS"};
	return n > 0 && n < (int64_t)(sizeof names / sizeof *names) && names[n] ? names[n] : NULL;
}

static void exit_words(struct buf *out, int64_t code)
{
	buf_addf(out, "exit code %lld", (long long)code);
	if (code == 2)
		buf_adds(out, " (of a shell: bad usage or syntax)");
	else if (code == 126)
		buf_adds(out, ": a command was found but cannot be run");
	else if (code == 127)
		buf_adds(out, ": a command was not found");
	else if (code > 128 && code <= 192) {
		buf_addf(out, ": a command was ended by signal %lld", (long long)code - 128);
		if (signal_name(code - 128))
			buf_addf(out, " (%s)", signal_name(code - 128));
	}
}

void taskpage_words(struct buf *out, enum task_state state, const struct json *doc)
{
	const struct json *result = json_get(doc, "result");
	const char *status = json_str(result, "status");
	int64_t code = json_int(result, "exit_code", -1), sig = json_int(result, "signal", 0),
		ms = json_int(result, "duration_ms", -1);
	char points[64];
	if (!doc)
		buf_adds(out, "Its file is no valid JSON: dgrid show tells line and column.");
	else if (state == TASK_UNAPPROVED)
		buf_adds(out, "Submitted, not yet approved.");
	else if (state == TASK_QUEUE)
		buf_adds(out,
			 vote_count(doc) ? "Waits in the queue for another node to run it." : "Waits in the queue.");
	else if (state == TASK_IN_PROGRESS)
		buf_adds(out, "Running.");
	else if (!status)
		buf_adds(out, state == TASK_COMPLETED ? "Completed; its file holds no result."
						      : "Failed; its file holds no result.");
	else if (json_get(result, "points") && strcmp(status, "cancelled") != 0)
		buf_addf(out, "%s%s.", strcmp(status, "success") ? "Failed: " : "", points_words(doc, -1, points));
	else if (!strcmp(status, "success"))
		buf_adds(out, "Succeeded: exit code 0.");
	else if (!strcmp(status, "timeout") && json_str(result, "ended_by") &&
		 !strcmp(json_str(result, "ended_by"), "limit:cpu"))
		buf_addf(out, "Stopped: its processor time of %lld s was up.",
			 (long long)json_int(doc, "cpu_seconds", 0));
	else if (!strcmp(status, "timeout"))
		buf_addf(out, "Stopped: its time of %lld s was up.", (long long)json_int(doc, "timeout_seconds", 0));
	else if (!strcmp(status, "oom"))
		buf_adds(out, "Stopped by the kernel: it wanted more memory than its limit.");
	else if (!strcmp(status, "cancelled"))
		buf_adds(out, "Cancelled.");
	else if (!strcmp(status, "lost"))
		buf_addf(out, "Given up: %lld of %lld attempts were used up by lost nodes.",
			 (long long)task_attempts_used(doc), (long long)task_max_attempts(doc));
	else if (!strcmp(status, "unstartable"))
		buf_addf(out, "Given up: in %lld of %lld attempts it could not be started.",
			 (long long)task_attempts_used(doc), (long long)task_max_attempts(doc));
	else if (!strcmp(status, "disputed"))
		buf_adds(out, "Disputed: the nodes that ran it found too different things.");
	else if (!strcmp(status, "skipped"))
		buf_adds(out, "Skipped: a task that it needs did not succeed.");
	else if (!strcmp(status, "expired"))
		buf_adds(out, "Expired: it was still queued at its deadline.");
	else if (!strcmp(status, "invalid"))
		buf_adds(out, "Not a valid task: it never ran.");
	else if (!strcmp(status, "failed") && sig) {
		buf_addf(out, "Failed: ended by signal %lld", (long long)sig);
		if (signal_name(sig))
			buf_addf(out, " (%s)", signal_name(sig));
		buf_adds(out, sig == 9 ? ", often for want of memory." : ".");
	} else if (!strcmp(status, "failed") && code >= 0) {
		buf_adds(out, "Failed with ");
		exit_words(out, code);
		buf_adds(out, ".");
	} else
		buf_addf(out, "Ended: %.*s.", (int)markup_cut(status, strlen(status), 40), status);
	if (result && ms >= 0 && ms < 1000000000000)
		buf_addf(out, " It ran for %.1f s.", (double)ms / 1000);
}

/* ---- HTML ---- */

static void html(struct buf *b, const char *s)
{
	markup_html(b, s, strlen(s));
}

static void put_time(struct buf *b, int64_t t)
{
	char when[32];
	clock_format(t, when);
	buf_addf(b, "<time datetime=\"%s\" data-t=\"%lld\">%.10s %.8s UTC</time>", when, (long long)t, when, when + 11);
}

static void begin_fact(struct buf *b, const char *name)
{
	buf_addf(b, "<div><dt>%s</dt><dd>", name);
}

static void end_fact(struct buf *b)
{
	buf_adds(b, "</dd></div>\n");
}

static void fact(struct buf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	begin_fact(b, name);
	markup_html(b, value, markup_cut(value, strlen(value), 1000));
	end_fact(b);
}

static void fact_time(struct buf *b, const char *name, int64_t t)
{
	if (!t)
		return;
	begin_fact(b, name);
	put_time(b, t);
	end_fact(b);
}

/* A scalar as the file has it, with its unit. */
static void fact_value(struct buf *b, const char *name, const struct json *v, const char *unit)
{
	if (!v || v->type == JSON_NULL || v->type == JSON_ARRAY || v->type == JSON_OBJECT)
		return;
	begin_fact(b, name);
	if (v->type == JSON_BOOL)
		buf_adds(b, v->boolean ? "yes" : "no");
	else
		markup_html(b, v->text, markup_cut(v->text, v->len, 200));
	buf_adds(b, unit);
	end_fact(b);
}

/* An object of numbers: "gpu 1, licence 2". */
static void fact_counts(struct buf *b, const char *name, const struct json *counts)
{
	int n = 0;
	if (!counts || counts->type != JSON_OBJECT || !counts->child)
		return;
	begin_fact(b, name);
	for (const struct json *v = counts->child; v && n < 32; v = v->next, n++) {
		buf_adds(b, n ? ", " : "");
		markup_html(b, v->name, markup_cut(v->name, v->name_len, 64));
		buf_adds(b, " ");
		if (v->type == JSON_NUMBER)
			markup_html(b, v->text, markup_cut(v->text, v->len, 20));
	}
	end_fact(b);
}

/* Leads to all of them. */
static void fact_group(struct buf *b, const char *group)
{
	if (!group || !task_id_valid(group))
		return;
	begin_fact(b, "Group");
	buf_addf(b, "<a href=\"../index.html#group=%s\">%s</a>", group, group);
	end_fact(b);
}

static void fact_labels(struct buf *b, const struct json *labels)
{
	if (!labels || labels->type != JSON_ARRAY || !labels->child)
		return;
	int n = 0;
	begin_fact(b, "Labels");
	for (const struct json *l = labels->child; l && n < 32; l = l->next)
		if (l->type == JSON_STRING) {
			n++;
			buf_adds(b, "<span class=\"label\">");
			markup_html(b, l->text, markup_cut(l->text, l->len, 64));
			buf_adds(b, "</span> ");
		}
	end_fact(b);
}

/* oid is git's own: hexadecimal. */
static void put_commit(struct buf *b, const struct forge *f, const char *oid)
{
	if (f->commit[0])
		buf_addf(b, "<a class=\"oid\" href=\"%s%s\">%.10s</a>", f->commit, oid, oid);
	else
		buf_addf(b, "<code class=\"oid\">%.10s</code>", oid);
}

static void put_head(struct buf *b, const struct taskpage *p)
{
	const char *status = json_str(json_get(p->doc, "result"), "status"), *text = json_str(p->doc, "description");
	const char *state = row_state(p->task->state);
	struct buf how = {0};
	char why[200] = "";
	if (p->task->state == TASK_IN_PROGRESS && p->doc)
		row_orphan(p->s, p->doc, why);
	buf_adds(b, "<div class=\"task-head\"><h1>");
	html(b, p->task->id);
	bool waits = p->task->state == TASK_IN_PROGRESS && p->doc && claimed_waits(p->s, p->task->id, p->doc);
	buf_addf(b, "</h1><span class=\"badge s-%s\">%s</span>", waits ? "queued" : state, waits ? "claimed" : state);
	if (why[0])
		buf_adds(b, "<span class=\"badge s-orphaned\">orphaned</span>");
	if (status && strcmp(status, state) != 0 && strcmp(status, "success") != 0) {
		buf_addf(b, "<span class=\"badge s-%s\">", row_badge(status));
		markup_html(b, status, markup_cut(status, strlen(status), 24));
		buf_adds(b, "</span>");
	}
	buf_adds(b, "</div>\n<p class=\"lead\">");
	if (waits)
		buf_adds(&how, "Claimed; it waits for a slot of its node.");
	else
		taskpage_words(&how, p->task->state, p->doc);
	markup_html(b, how.data ? how.data : "", how.len);
	buf_adds(b, "</p>\n");
	if (text && *text) {
		buf_adds(b, "<p class=\"desc\">");
		markup_html(b, text, markup_cut(text, strlen(text), 2000));
		buf_adds(b, "</p>\n");
	}
	const char *reason = json_str(json_get(p->doc, "result"), "reason");
	if (why[0] || (reason && *reason)) {
		buf_adds(b, "<p class=\"reason\">");
		const char *said = why[0] ? why : reason;
		markup_html(b, said, markup_cut(said, strlen(said), 2000));
		if (why[0])
			buf_adds(b, "; any idle node gives it back to the queue, or <code>dgrid heal</code>");
		buf_adds(b, "</p>\n");
	}
	buf_clear(&how);
}

static void fact_nodes(struct buf *b, const char *name, const struct json *list)
{
	struct buf all = {0};
	for (const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL; v; v = v->next)
		buf_addf(&all, "%s%s", all.len ? ", " : "", v->type == JSON_STRING ? v->text : "?");
	fact(b, name, all.data);
	buf_clear(&all);
}

/* What it left in /out; never its contents, which are a stranger's. */
static void facts_files(struct buf *b, const struct json *result)
{
	const struct json *out = json_get(result, "out");
	fact_value(b, "Files", json_get(out, "files"), "");
	fact_value(b, "Bytes in them", json_get(out, "bytes"), "");
	fact_value(b, "Of them in a store", json_get(json_get(out, "stored"), "files"), "");
	fact_value(b, "Bytes there", json_get(json_get(out, "stored"), "bytes"), "");
	fact_value(b, "Left out of them", json_get(out, "left_out"), "");
	fact(b, "Tree of them", json_str(out, "tree"));
	fact(b, "Files not kept", json_str(result, "out_error"));
}

/* What it is given in /in. */
static void facts_inputs(struct buf *b, const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	for (size_t i = 0; i < n; i++) {
		const char *from = json_str(json_get(json_get(doc, "inputs"), in[i].name), "from");
		char kept[64] = "";
		if (in[i].stored)
			snprintf(kept, sizeof kept, " and %lld in a store", (long long)in[i].stored);
		char *text = in[i].task
				 ? xasprintf("%.64s: what task %.64s leaves", in[i].name, in[i].task)
				 : xasprintf("%.64s: %lld file%s, %lld bytes%s%s%.200s", in[i].name,
					     (long long)in[i].files, in[i].files == 1 ? "" : "s",
					     (long long)in[i].bytes, kept, from ? ", of " : "", from ? from : "");
		fact(b, "Given", text);
		free(text);
	}
}

/* Of a task that several nodes run. */
static void facts_vote(struct buf *b, const struct taskpage *p)
{
	const struct json *claim = json_get(p->doc, "claim"), *quorum = json_get(json_get(p->doc, "result"), "quorum");
	const struct vote_terms t = quorum  ? vote_claim_terms(quorum)
				    : claim ? vote_claim_terms(claim)
					    : vote_terms(p->doc, &p->s->config);
	char text[64];
	if (t.replicas < 2)
		return;
	snprintf(text, sizeof text, "%lld at most, %lld must find the same", (long long)t.replicas,
		 (long long)t.quorum);
	fact(b, "Nodes that run it", text);
	if (!quorum) {
		snprintf(text, sizeof text, "%zu", vote_count(p->doc));
		fact(b, "Votes", text);
	}
	fact_nodes(b, "Found the same", json_get(quorum, "agreed"));
	fact_nodes(b, "Found something else", json_get(quorum, "outliers"));
}

static void put_facts(struct buf *b, const struct taskpage *p)
{
	const struct json *doc = p->doc, *result = json_get(doc, "result"), *claim = json_get(doc, "claim");
	buf_adds(b, "<section aria-labelledby=\"h-facts\"><h2 id=\"h-facts\">At a glance</h2>\n<dl class=\"facts\">\n");
	fact(b, "Node", json_str(result ? result : claim, "node"));
	fact_time(b, "Created", row_time(doc, "created_at"));
	fact_time(b, "Claimed", row_time(claim, "claimed_at"));
	fact_time(b, "Lease until", row_time(claim, "lease_until"));
	fact_time(b, "Not before", row_time(doc, "not_before"));
	fact_time(b, "Start after", row_time(doc, "start_after"));
	fact_time(b, "Deadline", row_time(doc, "deadline"));
	fact_time(b, "Started", row_time(result, "started_at"));
	fact_time(b, "Ended", row_time(result, "finished_at"));
	fact_value(b, "Exit code", json_get(result, "exit_code"), "");
	fact_value(b, "Signal", json_get(result, "signal"), "");
	fact(b, "Ended by", spent_end(result));
	char *used = spent_words(result);
	fact(b, "Used", *used ? used : NULL);
	free(used);
	fact_value(b, "Attempt", json_get(result ? result : claim, "attempt"), "");
	fact_value(b, "Attempts at most", json_get(doc, "max_attempts"), "");
	if (doc)
		facts_vote(b, p);
	fact_group(b, json_str(doc, "group"));
	fact_nodes(b, "Needs", json_get(doc, "needs"));
	fact_nodes(b, "Comes after", json_get(doc, "after"));
	fact_nodes(b, "Waited for by", p->behind);
	char points[64];
	fact(b, "Points", points_words(doc, snapshot_points_done(p->s, p->task->id, doc), points));
	char *checkpoint = checkpoint_words(doc);
	fact(b, "Checkpoint", checkpoint);
	free(checkpoint);
	fact_value(b, "Time limit", json_get(doc, "timeout_seconds"), points[0] ? " s a point" : " s");
	fact_value(b, "Priority", json_get(doc, "priority"), "");
	fact_labels(b, json_get(doc, "labels"));
	fact(b, "Concurrency group", json_str(doc, "concurrency_group"));
	fact_value(b, "Runs beside at most", json_get(doc, "max_running"), " of its group, itself included");
	fact_value(b, "Processors", json_get(doc, "cpus"), "");
	fact_value(b, "Processor time", json_get(doc, "cpu_seconds"), " s at most");
	fact_value(b, "Memory", json_get(doc, "memory_mb"), " MB");
	fact_value(b, "Disk", json_get(doc, "disk_mb"), " MB");
	fact_counts(b, "Resources", json_get(doc, "resources"));
	fact(b, "Submitted by", json_str(doc, "submitted_by"));
	fact(b, "Network", json_str(doc, "network"));
	fact_nodes(b, "Secrets", json_get(doc, "secrets"));
	fact(b, "Engine", json_str(result, "engine"));
	fact(b, "Image", json_str(result, "image") ? json_str(result, "image") : json_str(doc, "image"));
	fact(b, "Image digest", json_str(result, "image_digest"));
	facts_inputs(b, doc);
	fact(b, "Begins in a copy of", json_str(doc, "workdir"));
	fact(b, "Reads", json_str(doc, "stdin"));
	facts_files(b, result);
	static const char *const steps[] = {"Queued in", "Claimed in", "Ended in"};
	const char *const oids[] = {p->queued, p->claimed, p->ended};
	for (int i = 0; i < 3; i++)
		if (oids[i][0]) {
			begin_fact(b, steps[i]);
			put_commit(b, p->forge, oids[i]);
			end_fact(b);
		}
	buf_adds(b, "</dl>\n");
	int64_t claimed = row_time(claim, "claimed_at"), limit = json_int(doc, "timeout_seconds", 0);
	limit = limit > 0 && limit <= 86400 ? points_seconds(doc, limit) : 0;
	if (p->task->state == TASK_IN_PROGRESS && claimed && limit > 0)
		buf_addf(b,
			 "<div class=\"run\" data-claimed=\"%lld\" data-timeout=\"%lld\" data-lease=\"%lld\"></div>\n",
			 (long long)claimed, (long long)limit, (long long)row_time(claim, "lease_until"));
	buf_adds(b, "</section>\n");
}

static void step(struct buf *b, int64_t t, const char *class, const char *what, const struct json *who,
		 const char *reason)
{
	const char *node = json_str(who, "node");
	buf_addf(b, "<li class=\"%s\"><span class=\"when\">", class);
	if (t)
		put_time(b, t);
	else
		buf_adds(b, "at an unknown time");
	buf_adds(b, "</span> <span class=\"what\">");
	markup_html(b, what, markup_cut(what, strlen(what), 80));
	if (node && *node) {
		buf_adds(b, " on <b>");
		markup_html(b, node, markup_cut(node, strlen(node), 64));
		buf_adds(b, "</b>");
	}
	if (reason && *reason) {
		buf_adds(b, ": ");
		markup_html(b, reason, markup_cut(reason, strlen(reason), 500));
	}
	buf_adds(b, "</span></li>\n");
}

static void put_timeline(struct buf *b, const struct taskpage *p)
{
	const struct json *doc = p->doc, *result = json_get(doc, "result"), *claim = json_get(doc, "claim"),
			  *attempts = json_get(doc, "attempts");
	int n = 0;
	buf_adds(b,
		 "<section aria-labelledby=\"h-time\"><h2 id=\"h-time\">What happened</h2>\n<ol class=\"timeline\">\n");
	const char *by = json_str(doc, "submitted_by");
	int64_t created = row_time(doc, "created_at");
	step(b, created ? created : p->queued_at, "t-queued",
	     by && *by ? "submitted by"
	     : created ? "submitted"
		       : "queued",
	     NULL, by);
	for (const struct json *a = attempts ? attempts->child : NULL; a && n < 200; a = a->next, n++) {
		const char *outcome = json_str(a, "outcome"), *tail = json_str(a, "stderr_tail");
		bool retried = outcome && !strcmp(outcome, "retried");
		if (!retried)
			step(b, row_time(a, "claimed_at"), "t-claimed", "claimed", a, NULL);
		bool voted = outcome && !strcmp(outcome, "voted");
		step(b, row_time(a, "ended_at"),
		     voted				      ? "t-claimed"
		     : outcome && !strcmp(outcome, "success") ? "t-good"
							      : "t-bad",
		     outcome ? outcome : "ended", retried ? NULL : a,
		     retried ? json_str(a, "by")
		     : voted ? json_str(a, "commitment")
			     : json_str(a, "reason"));
		if (tail && *tail) {
			buf_adds(b, "<li class=\"t-tail\"><pre>");
			markup_html(b, tail, markup_cut(tail, strlen(tail), 1024));
			buf_adds(b, "</pre></li>\n");
		}
	}
	if (claim) {
		step(b, row_time(claim, "claimed_at"), "t-claimed", "claimed", claim, NULL);
		if (json_get(doc, "cancel"))
			step(b, row_time(json_get(doc, "cancel"), "requested_at"), "t-bad", "cancel asked for by", NULL,
			     json_str(json_get(doc, "cancel"), "by"));
	}
	const char *status = json_str(result, "status");
	if (result && !(attempts && attempts->child))
		step(b, row_time(result, "finished_at"), status && !strcmp(status, "success") ? "t-good" : "t-bad",
		     status ? status : "ended", result, json_str(result, "reason"));
	buf_adds(b, "</ol>\n</section>\n");
}

/* log: what its lines are called in links to them, and for the page's script, which shows it as a terminal would; NULL:
 * it is no output. */
static void put_block(struct buf *b, const char *label, const char *log, const char *text, size_t len)
{
	buf_addf(b, "<pre tabindex=\"0\" role=\"region\" aria-label=\"%s\"", label);
	if (log)
		buf_addf(b, " data-log=\"%s\"", log);
	buf_adds(b, ">\n"); /* a page reads a first newline inside <pre> as none */
	markup_html(b, text, len);
	buf_adds(b, "</pre>\n");
}

static void put_stream(struct buf *b, const struct json *result, const char *name, const char *title, const char *h)
{
	const struct json *o = json_get(result, name);
	char *bytes = xasprintf("%s_bytes", name), *cut = xasprintf("%s_truncated", name);
	const struct json *truncated = json_get(result, cut);
	int64_t total = json_int(result, bytes, o && o->type == JSON_STRING ? (int64_t)o->len : 0);
	if (o && o->type == JSON_STRING) {
		buf_addf(b, "<%s>%s <span class=\"bytes\">%lld byte%s", h, title, (long long)total,
			 total == 1 ? "" : "s");
		if (truncated && truncated->type == JSON_BOOL && truncated->boolean)
			buf_adds(b, "; head and tail are kept, the middle is left out");
		buf_addf(b, "</span></%s>\n", h);
		if (o->len)
			put_block(b, title, name, o->text, o->len);
		else
			buf_adds(b, "<p class=\"none\">Nothing was printed.</p>\n");
	} else if (result_digest(result) && json_get(result, bytes))
		buf_addf(
		    b,
		    "<h3>%s <span class=\"bytes\">%lld byte%s</span></h3>\n<p class=\"none\">What was printed is not "
		    "kept.</p>\n",
		    title, (long long)total, total == 1 ? "" : "s");
	free(bytes);
	free(cut);
}

/* Why it failed stands in the last lines of stderr: under the headline, then. */
static bool stderr_first(const struct taskpage *p, const struct json *result)
{
	const struct json *err = json_get(result, "stderr");
	return p->task->state == TASK_FAILED && err && err->type == JSON_STRING && err->len;
}

/* What a running task has printed, as far as its node says. */
static void put_tails(struct buf *b, const struct taskpage *p)
{
	static const char *const titles[] = {"Standard error so far", "Standard output so far"}, *const names[] = {
												     "stderr",
												     "stdout"};
	const char *nonce = json_str(json_get(p->doc, "claim"), "nonce");
	struct tail t;
	for (int k = 0; k < 2 && p->tails && nonce; k++) {
		if (!tails_find(p->tails, nonce, !k, &t) || !t.len)
			continue;
		buf_addf(b, "<section><h2>%s <span class=\"bytes\">%lld byte%s", titles[k], (long long)t.end,
			 t.end == 1 ? "" : "s");
		if (t.from)
			buf_addf(b, ", from byte %lld on", (long long)t.from);
		buf_adds(b, "</span></h2>\n");
		put_block(b, titles[k], names[k], t.text, t.len);
		buf_adds(b, "</section>\n");
	}
}

/* What can be done with it, to be copied. */
static void put_commands(struct buf *b, const struct taskpage *p)
{
	static const char *const verbs[TASK_N_STATES][3] = {[TASK_UNAPPROVED] = {"show", "approve"},
							    [TASK_QUEUE] = {"why", "cancel"},
							    [TASK_IN_PROGRESS] = {"logs -f", "why", "cancel"},
							    [TASK_COMPLETED] = {"logs", "get", "rerun"},
							    [TASK_FAILED] = {"retry", "why", "rerun"}};
	buf_adds(b, "<ul class=\"commands\" aria-label=\"Commands\">");
	for (int i = 0; i < 3 && verbs[p->task->state][i]; i++)
		buf_addf(b, "<li><code>dgrid %s %s</code></li>", verbs[p->task->state][i], p->task->id);
	buf_adds(b, "</ul>\n");
}

/* What the page has not shown: environment, metadata, names of one's own. */
static void put_rest(struct buf *b, const struct json *doc)
{
	static const char *const shown[] = {"task_id", "script", "description", "result", "attempts", "claim"};
	struct json *rest = json_copy(doc);
	struct buf text = {0};
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		json_remove(rest, shown[i]);
	json_write(&text, rest, 2);
	buf_adds(b, "<details><summary>The rest of its file</summary>\n");
	put_block(b, "rest of the file", NULL, text.data, markup_cut(text.data, text.len, 65536));
	buf_adds(b, "</details>\n");
	buf_clear(&text);
	json_free(rest);
}

void taskpage_body(struct buf *out, const struct taskpage *p)
{
	const struct json *doc = p->doc && p->doc->type == JSON_OBJECT ? p->doc : NULL,
			  *script = json_get(doc, "script"), *result = json_get(doc, "result");
	put_head(out, p);
	put_commands(out, p);
	if (!doc)
		return;
	if (p->task->state == TASK_IN_PROGRESS)
		put_tails(out, p);
	if (stderr_first(p, result)) {
		buf_adds(out, "<section class=\"first\">");
		put_stream(out, result, "stderr", "Standard error", "h2");
		buf_adds(out, "</section>\n");
	}
	put_facts(out, p);
	put_timeline(out, p);
	filelist_put(out, p->left, json_get(result, "out"), p->forge);
	if (script && script->type == JSON_STRING) {
		buf_adds(out, "<section aria-labelledby=\"h-script\"><h2 id=\"h-script\">Script</h2>\n");
		put_block(out, "script", NULL, script->text, script->len);
		buf_adds(out, "</section>\n");
	}
	if (result) {
		buf_adds(out, "<section aria-labelledby=\"h-out\"><h2 id=\"h-out\">Output</h2>\n");
		if (json_get(result, "points"))
			pointmap_put(out, doc, json_get(result, "points"));
		put_stream(out, result, "stdout", "Standard output", "h3");
		if (!stderr_first(p, result))
			put_stream(out, result, "stderr", "Standard error", "h3");
		buf_adds(out, "</section>\n");
	}
	put_rest(out, doc);
}
