#include "base/clock.h"
#include "schema/checkpoint.h"
#include "schema/consent.h"
#include "schema/input.h"
#include "schema/level.h"
#include "schema/need.h"
#include "schema/points.h"
#include "schema/spent.h"
#include "store/agenda.h"
#include "store/claimed.h"
#include "store/standing.h"
#include "store/trust.h"
#include "store/voters.h"
#include "store/waits.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include "verbs/whynode.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A task that ran before, and waits again or has ended: by whom, and may he still speak? */
static void why_revoked(const struct snapshot_task *t, struct reasons *r)
{
	const struct json *attempts = json_get(t->doc, "attempts"), *last = NULL;
	const char *node = json_str(json_get(t->doc, "result"), "node");
	char what[160];
	for (const struct json *a = attempts && attempts->type == JSON_ARRAY ? attempts->child : NULL; a; a = a->next)
		last = json_str(a, "node") ? a : last;
	node = node ? node : json_str(last, "node");
	if (!not_enrolled(r, node, what))
		return;
	if (t->state == TASK_QUEUE)
		because(r, "not-enrolled",
			"node %s, which had it last, is not enrolled any more (%s): a result that it still has is not "
			"accepted; other nodes run the task",
			node, what);
	else
		because(r, "not-enrolled",
			"node %s is not enrolled now (%s): what it signed while enrolled stays valid (see: dgrid "
			"audit); to check its result: dgrid rerun %s",
			node, what, t->id);
}

/* A task that several nodes run. */
static void why_voting(const struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	struct voters v;
	char words[256];
	bool queued = t->state == TASK_QUEUE;
	voters_of(s, t->doc, queued, &v);
	if (v.terms.replicas < 2)
		return;
	because(r, "votes", "%s%s", voters_words(&v, words),
		!queued	  ? ""
		: v.votes ? ": it waits for another node"
			  : ": it waits for the first");
	if (v.missing)
		because(r, "nodes-missing",
			"at least %zu more node%s needed that can run it and %s not voted yet: start %s with dgrid "
			"worker --node-id NAME",
			v.missing, v.missing == 1 ? " is" : "s are", v.missing == 1 ? "has" : "have",
			v.missing == 1 ? "one" : "them");
}

/* Claims of it that were given back, at no cost or at one: how often, and why the last. */
static void why_given_back(const struct snapshot_task *t, struct reasons *r)
{
	const struct json *list = json_get(t->doc, "attempts"), *last = NULL;
	int64_t released = 0, unstartable = 0;
	for (const struct json *a = list ? list->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		if (outcome && !strcmp(outcome, "retried"))
			released = unstartable = 0;
		released += outcome && !strcmp(outcome, "released");
		unstartable += outcome && !strcmp(outcome, "unstartable");
		if (outcome && (!strcmp(outcome, "released") || !strcmp(outcome, "unstartable")))
			last = a;
	}
	const char *node = json_str(last, "node"), *reason = json_str(last, "reason");
	if (unstartable)
		because(r, "unstartable", "it could not be started, %lld of %lld attempts are used up; last on %s: %s",
			(long long)task_attempts_used(t->doc), (long long)task_max_attempts(t->doc), node ? node : "?",
			reason ? reason : "?");
	if (released)
		because(r, "given-back", "its claim was given back %lld time%s%s%s%s%s", (long long)released,
			released == 1 ? "" : "s", unstartable ? "" : "; last by ", unstartable || !node ? "" : node,
			unstartable || !reason ? "" : ": ", unstartable || !reason ? "" : reason);
}

/* What it is to wait for, and how long it may. */
static void why_times(const struct snapshot *s, const struct json *doc, struct reasons *r)
{
	char when[32];
	int64_t ready = task_ready_at(doc), deadline = task_deadline(doc);
	r->waits = ready > s->now;
	if (ready > s->now && ready == task_not_before(doc))
		because(r, "not-before", "it waits after a failed attempt until %s, %lld s from now",
			clock_format(ready, when), (long long)(ready - s->now));
	else if (ready > s->now)
		because(r, "start-after", "it starts after %s, %lld s from now", clock_format(ready, when),
			(long long)(ready - s->now));
	if (deadline && deadline <= s->now)
		because(r, "expired", "its deadline was %s: the next worker, or dgrid maintain, ends it as expired",
			clock_format(deadline, when));
	else if (deadline)
		because(r, "deadline", "it ends as expired if no node claims it by %s, %lld s from now",
			clock_format(deadline, when), (long long)(deadline - s->now));
}

static void why_queued(struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	struct problems p = {0};
	struct task parsed;
	int64_t says;
	char *text = task_text(t->doc);
	if (task_parse(&parsed, text, strlen(text), t->id, &s->config, false, &p))
		because(r, "invalid",
			level_newer(t->doc, &says)
			    ? "it needs a newer dgrid than this one: newer nodes run it"
			    : "it is not a valid task: the next worker moves it to failed (see: dgrid validate)");
	else
		task_clear(&parsed);
	free(text);
	problems_clear(&p);
	why_times(s, t->doc, r);
	char full[320], *paused = told_why_paused(&s->told, t->doc);
	if (paused) {
		r->waits = true;
		because(r, "queue-paused", "%s", paused);
		free(paused);
	}
	if (standing_full(s, t->doc, full)) {
		r->waits = true;
		because(r, "limit", "it waits: %s", full);
	}
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].state != TASK_QUEUE && !strcmp(s->tasks[i].id, t->id))
			because(r, "twice",
				"tasks/%s/ has a task with the same id: no node claims it until one of them is removed",
				task_state_name(s->tasks[i].state));
	size_t ahead = 0;
	struct fit_want own, other;
	const struct fit_turn mine = rooms_turn(t, &own);
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *o = &s->tasks[i];
		if (o->state != TASK_QUEUE || o == t || !o->doc || waits_of(s, o->doc, NULL))
			continue;
		const struct fit_turn theirs = rooms_turn(o, &other);
		ahead += fit_turns(&theirs, &mine) < 0;
	}
	why_given_back(t, r);
	why_voting(s, t, r);
	why_revoked(t, r);
	char waits[240];
	if (waits_of(s, t->doc, waits)) {
		because(r, "waits", "it waits for %s", waits);
		if (strstr(waits, "(ended as "))
			because(r, "skipped",
				"a task that it needs did not succeed: the next worker ends it as skipped");
		if (strstr(waits, "(not on the branch)"))
			because(r, "gone",
				"a task that it waits for was removed: cancel it, and submit it again without that");
		return;
	}
	why_nodes(s, t, r);
	if (ahead)
		because(r, "ahead", "%zu queued task%s come%s before it (higher priority, older or larger)", ahead,
			ahead == 1 ? "" : "s", ahead == 1 ? "s" : "");
}

/* In a grid of signed tasks: whose signature counts, or why none does. False: it does not go on without one. */
static bool why_signed(const struct context *ctx, const struct snapshot *s, const struct snapshot_task *t,
		       struct reasons *r)
{
	struct trust_verdict v;
	struct err e;
	if (!t->doc || !consent_signed(&s->config, t->doc))
		return true;
	char *spec = s->cached ? xasprintf("+refs/heads/%s:refs/heads/%s", ctx->branch, ctx->branch) : NULL;
	bool ok = !trust_judge(&s->git, s->commit, spec, t->id, t->doc, &v, &e) && v.ok;
	if (!ok && !v.why[0])
		because(r, "signature", "its signature cannot be checked here: %s", e.msg);
	else if (v.ok)
		because(r, "signed", "it is signed by %s", v.signer);
	else if (t->state == TASK_UNAPPROVED)
		because(r, "signature", "%s: it waits for somebody in " TRUST_LIST " to sign it (dgrid approve %s)",
			v.why, t->id);
	else
		because(r, "signature", "%s: the next worker moves it to failed", v.why);
	free(spec);
	return ok;
}

static void why_unapproved(struct snapshot *s, struct snapshot_task *t, struct reasons *r)
{
	struct problems p = {0};
	struct task parsed;
	struct buf text = {0};
	struct err e;
	char *path = xasprintf("tasks/unapproved/%s.json", t->id);
	for (size_t i = 0; i < s->n_tasks; i++)
		if (&s->tasks[i] != t && !strcasecmp(s->tasks[i].id, t->id))
			because(r, "taken",
				"%s is in %s already: this one stays here until one of them is removed or renamed",
				s->tasks[i].id, task_state_name(s->tasks[i].state));
	if (!t->regular || snapshot_file(s, path, &text, &e))
		problem_at(&p, 1, 1, "it is no plain file");
	else if (!task_parse(&parsed, text.data, text.len, t->id, &s->config, true, &p))
		task_clear(&parsed);
	if (p.n)
		because(r, "invalid", "it is not a valid task: promotion moves it to failed: %.*s",
			(int)strcspn(p.text.data, "\n"), p.text.data);
	because(
	    r, "unapproved",
	    s->config.workers_promote
		? "it was merged and is waiting to be promoted: an idle worker or dgrid promote moves it to the queue"
		: "it was merged and is waiting to be promoted: dgrid promote (or the grid's maintain workflow) moves "
		  "it to the queue");
	free(path);
	buf_clear(&text);
	problems_clear(&p);
}

#define FROM_THEN_ON "any idle node or dgrid heal requeues it from %s on, %lld s of max_clock_skew_seconds included"

/* Its node should have shown a sign of life, and others may not have its tasks yet. */
static void why_late(const struct snapshot *s, const struct node_view *v, int64_t claimed, const char *node,
		     struct reasons *r)
{
	char when[32], from[32];
	int64_t seen = v->seen > claimed ? v->seen : claimed, silent = seen + s->config.orphan_after_seconds,
		skew = s->config.max_clock_skew_seconds, at = silent > v->next_due ? silent : v->next_due;
	if (v->seen && s->now > at)
		because(r, "late", "node %s has sent no heartbeat since %s: unless it does, " FROM_THEN_ON, node,
			clock_format(seen, when), clock_format(at + skew, from), (long long)skew);
}

static void why_running(const struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	const struct json *claim = json_get(t->doc, "claim");
	const char *node = json_str(claim, "node"), *since = json_str(claim, "claimed_at");
	int64_t lease = task_lease_until(t->doc);
	char when[32], from[32], what[160], points[64];
	because(r, "running", "node %s claimed it at %s, attempt %lld of %lld", node ? node : "?", since ? since : "?",
		(long long)json_int(claim, "attempt", 1), (long long)task_max_attempts(t->doc));
	int64_t ahead = json_int(claim, "ahead", 0);
	const char *waits_for = claimed_waits(s, t->id, t->doc);
	if (waits_for && !ahead)
		because(r, "waits", "it waits %s", waits_for);
	if (ahead > 0)
		because(r, "ahead", "it was claimed before a slot was free for it: %lld task%s of the node %s first%s",
			(long long)ahead, ahead == 1 ? "" : "s",
			!waits_for   ? "went"
			: ahead == 1 ? "goes"
				     : "go",
			waits_for ? ", and it waits" : "");
	if (*points_words(t->doc, snapshot_points_done(s, t->id, t->doc), points))
		because(r, "points", "it runs its points: %s", points);
	char *checkpoint = checkpoint_words(t->doc);
	if (checkpoint)
		because(r, "checkpoint", "of its checkpoints: %s", checkpoint);
	free(checkpoint);
	why_voting(s, t, r);
	if (not_enrolled(r, node, what))
		because(r, "not-enrolled",
			"node %s is not enrolled any more (%s), so it cannot record the result: enrol it again (dgrid "
			"enroll %s KEY; its log has the key), or let others run the task: any idle node or dgrid heal "
			"requeues it when its lease has expired%s%s",
			node, what, node, lease ? ", at " : "", lease ? clock_format(lease, when) : "");
	if (json_get(t->doc, "cancel"))
		because(r, "cancel", "it is being cancelled: its node stops it at the next poll");
	for (size_t i = 0; i < s->n_nodes; i++) {
		if (!node || strcmp(s->nodes[i].id, node) != 0)
			continue;
		bool silent = s->nodes[i].state == NODE_SILENT;
		if (silent && !s->nodes[i].beat && !s->past)
			because(r, "silent",
				"node %s has pushed nothing since %s, and its heartbeat is not at the remote, so the "
				"lease decides",
				node, clock_format(s->nodes[i].view.seen, when));
		else if (silent)
			because(r, "silent",
				"node %s has sent no heartbeat since %s: the task is requeued by any idle node or "
				"dgrid heal",
				node, clock_format(s->nodes[i].view.seen, when));
		else if (s->nodes[i].state == NODE_PAUSED)
			because(r, "paused", "node %s is in trouble: %s", node, s->nodes[i].view.trouble);
		if (!silent && (s->nodes[i].beat || s->past))
			why_late(s, &s->nodes[i].view, json_time(claim, "claimed_at"), node, r);
	}
	if (lease && s->now > lease + s->config.max_clock_skew_seconds)
		because(r, "lease", "its lease expired at %s: it is requeued by any idle node or dgrid heal",
			clock_format(lease, when));
	else if (lease && s->now > lease)
		because(r, "lease", "its lease expired at %s, and " FROM_THEN_ON, clock_format(lease, when),
			clock_format(lease + s->config.max_clock_skew_seconds, from),
			(long long)s->config.max_clock_skew_seconds);
}

static bool ended_as(const struct snapshot_task *t, const char *wanted)
{
	const char *status = json_str(json_get(t->doc, "result"), "status");
	return t->state == TASK_FAILED && status && !strcmp(status, wanted);
}

/* What keeps a skipped task from being queued again, as all stands now: what it needs and has failed, what that needs
 * where it was skipped, and so on. The last of them: it did not succeed itself, or is skipped and waits for what is
 * gone from the branch, or for nothing that keeps it there. */
static const struct snapshot_task *root_of(struct snapshot *s, const struct snapshot_task *t, char gone[65])
{
	for (size_t steps = 0; steps < s->n_tasks && ended_as(t, "skipped"); steps++) {
		struct snapshot_task *bad = NULL;
		struct needs needs;
		struct err none;
		needs_of(t->doc, &needs);
		for (size_t i = 0; i < needs.n && !gone[0]; i++) {
			struct snapshot_task *other = snapshot_find(s, needs.v[i].id);
			if (!other || other->state == TASK_UNAPPROVED)
				snprintf(gone, 65, "%s", needs.v[i].id);
			else if (!bad && needs.v[i].success && other->state == TASK_FAILED)
				bad = other;
		}
		needs_clear(&needs);
		if (gone[0] || !bad)
			break;
		t = bad;
		if (snapshot_doc(s, bad, &none))
			break;
	}
	return t;
}

/* What queues a skipped task again. */
static void why_skipped(struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	static const char *const now[] = {[TASK_QUEUE] = "is queued again",
					  [TASK_IN_PROGRESS] = "runs again",
					  [TASK_COMPLETED] = "has succeeded since"};
	char gone[65] = "";
	const struct snapshot_task *root = root_of(s, t, gone), *mended = NULL;
	bool may = ended_as(root, "skipped") && !gone[0];
	const char *because_of = json_str(json_get(json_get(root->doc, "result"), "because"), "task");
	if (may && because_of)
		mended = snapshot_find(s, because_of);
	if (gone[0])
		because(r, "gone",
			"%s cannot be queued again, since a task that it waits for has left the branch (%s): submit it "
			"again (dgrid submit --replace)",
			root == t ? "it" : root->id, gone);
	else if (ended_as(root, "invalid"))
		because(r, "retry",
			"%s could not run as a task: fix it, then dgrid submit --replace; then dgrid retry "
			"--downstream %s queues what was skipped because of it",
			root->id, root->id);
	else if (mended && mended->state != TASK_FAILED && mended->state != TASK_UNAPPROVED)
		because(r, "retry", "%s %s: dgrid retry --downstream %s queues what was skipped because of it",
			mended->id, now[mended->state], mended->id);
	else
		because(r, "retry", "dgrid retry --downstream %s queues it again, with all that was skipped", root->id);
}

static void why_ended(struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	const struct json *result = json_get(t->doc, "result");
	const char *status = json_str(result, "status"), *at = json_str(result, "finished_at"),
		   *reason = json_str(result, "reason"), *node = json_str(result, "node");
	char code[32] = "";
	reason = reason ? reason : spent_end(result);
	if (json_int(result, "exit_code", 0) > 0)
		snprintf(code, sizeof code, ", exit code %lld", (long long)json_int(result, "exit_code", 0));
	because(r, "ended", "it ended at %s%s%s: %s%s%s%s", at ? at : "?", node ? " on node " : "", node ? node : "",
		status ? status : task_state_name(t->state), code, reason ? ", " : "", reason ? reason : "");
	why_revoked(t, r);
	const struct json *quorum = json_get(result, "quorum");
	char *agreed = report_names(json_get(quorum, "agreed")), *outliers = report_names(json_get(quorum, "outliers"));
	if (*agreed)
		because(r, "quorum", "%s found the same%s%s%s", agreed, *outliers ? "; something else: " : "", outliers,
			*outliers ? " (see: dgrid nodes)" : "");
	free(agreed);
	free(outliers);
	if (status && !strcmp(status, "disputed"))
		because(r, "disputed",
			"either its output differs on each run (a time, a random number, a node's name), or a node "
			"reports a false result; the kept output is that of the last run");
	if (status && !strcmp(status, "unstartable"))
		because(r, "unstartable",
			"the nodes that tried can start other tasks, so the cause is in what this task asks for");
	if (status && !strcmp(status, "invalid"))
		because(r, "submit", "it could not run: fix it and submit it again");
	else if (status && !strcmp(status, "skipped"))
		why_skipped(s, t, r);
	else if (t->state == TASK_FAILED)
		because(r, "retry", "dgrid retry %s queues it again", t->id);
}

/* The task of a schedule's instant that never was. True: there is such a schedule. */
static bool why_unfired(const struct snapshot *s, const char *id, struct reasons *r)
{
	struct agenda a = {0};
	struct err none;
	bool known = false;
	size_t n = strlen(id);
	int64_t at = 0;
	if (n > PERIODIC_STAMP + 1) { /* 20261129T0200Z */
		const char *t = id + n - PERIODIC_STAMP;
		char *text = xasprintf("%.4s-%.2s-%.2sT%.2s:%.2s:00Z", t, t + 4, t + 6, t + 9, t + 11);
		at = clock_parse(text, &at) ? 0 : at;
		free(text);
	}
	bool read = at && !agenda_read(s, &a, &none);
	for (size_t i = 0; read && i < a.n && !known; i++) {
		const struct agenda_row *row = &a.v[i];
		known = !row->wrong && periodic_id_of(id, row->name);
		if (known && cron_latest(&row->s.cron, at) != at)
			because(r, "schedule", "schedule %s (%s, in UTC) is not due at that time", row->name,
				row->s.cron_text);
		else if (known && at <= row->s.last)
			because(r, "schedule",
				"schedule %s skipped that time: no worker was there, an earlier task had not ended, or "
				"the schedule did not exist yet (see: git log -- " PERIODIC_FOLDER "%s.json)",
				row->name, row->name);
		else if (known && row->s.paused)
			because(r, "schedule", "schedule %s is paused (dgrid schedule resume %s)", row->name,
				row->name);
		else if (known)
			because(r, "schedule",
				at > s->now ? "schedule %s queues it when that time comes%s"
					    : "schedule %s is due: %s queues it",
				row->name,
				at > s->now		       ? ""
				: s->config.maintain_schedules ? "dgrid maintain or dgrid schedule run"
							       : "any worker");
	}
	agenda_clear(&a);
	return known;
}

static void why_there(const struct context *ctx, struct snapshot *s, struct snapshot_task *t, struct reasons *r)
{
	struct err unread;
	bool unreadable = snapshot_doc(s, t, &unread) != 0;
	if (t->state == TASK_UNAPPROVED) {
		if (why_signed(ctx, s, t, r))
			why_unapproved(s, t, r);
	} else if (unreadable)
		because(r, "invalid",
			t->state == TASK_QUEUE ? "it is not a valid task (%s): the next worker moves it to failed"
					       : "its file cannot be read as a task (%s)",
			unread.msg);
	else if (t->state == TASK_QUEUE) {
		why_signed(ctx, s, t, r);
		why_queued(s, t, r);
	} else if (t->state == TASK_IN_PROGRESS)
		why_running(s, t, r);
	else
		why_ended(s, t, r);
	const struct json *of = json_get(t->doc, "schedule");
	if (json_str(of, "name") && json_str(of, "at"))
		because(r, "schedule", "schedule %.64s queued it for %.32s", json_str(of, "name"), json_str(of, "at"));
	for (size_t i = 0; i < s->n_tasks; i++)
		if (&s->tasks[i] != t && s->tasks[i].state == TASK_UNAPPROVED && !strcmp(s->tasks[i].id, t->id))
			because(
			    r, "staged",
			    "another file of that id is in unapproved: it stays there until one of them is renamed");
}

static struct json *as_json(const struct selected *one, const struct reasons *r)
{
	struct json *all = json_new(JSON_OBJECT);
	json_set(all, "task_id", json_new_str(one->task->id));
	json_set(all, "state", json_new_str(one->state));
	json_set(all, "reasons", json_copy(r->list));
	return all;
}

static void print(const struct selected *one, const struct reasons *r)
{
	bool in = strcmp(one->state, "archived") != 0 && strcmp(one->state, "not there") != 0;
	printf("%s is %s%s\n", one->task->id, in ? "in " : "", one->state);
	for (const struct json *why = r->list->child; why; why = why->next) {
		fputs("  ", stdout);
		put_clean(json_str(why, "text"), 1024);
		putchar('\n');
	}
}

static void why(const struct context *ctx, struct snapshot *s, const struct selected *one, struct reasons *r)
{
	json_free(r->list);
	r->list = json_new(JSON_ARRAY);
	if (strcmp(one->state, "archived") != 0)
		why_there(ctx, s, one->task, r);
	else
		because(r, "archived", "it ended and was moved to the archive (see: dgrid show %s)", one->task->id);
}

/* What is nowhere may be the task of a schedule's instant. into: NULL for text. */
static bool why_absent(const struct snapshot *s, char *id, struct json *into, struct reasons *r)
{
	struct snapshot_task task = {.id = id};
	const struct selected one = {.task = &task, .state = "not there"};
	json_free(r->list);
	r->list = json_new(JSON_ARRAY);
	if (!task_id_valid(id) || !why_unfired(s, id, r))
		return false;
	if (into)
		json_append(into, as_json(&one, r));
	else
		print(&one, r);
	return true;
}

/* What it is given of other tasks says which nodes can take it. */
static void load_others(struct snapshot *s, const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	for (size_t i = 0; i < n; i++) {
		struct err none;
		struct snapshot_task *t = in[i].task ? snapshot_find(s, in[i].task) : NULL;
		if (t && !t->doc)
			snapshot_doc(s, t, &none);
	}
}

static int why_all(const struct context *ctx, const struct report_options *o, struct snapshot *s,
		   struct selected_list *found, struct reasons *r, struct err *e)
{
	if (open_snapshot(ctx, NULL, s, e) || select_tasks(s, &o->of, o->ids, o->n_ids, found, e) ||
	    snapshot_load(s, 1u << TASK_QUEUE | 1u << TASK_IN_PROGRESS, e))
		return -1;
	r->signed_only = s->config.require_signed_nodes;
	if (r->signed_only && keyring_read(&s->git, s->commit, &r->keys, e))
		return -1;
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < found->n && !ferror(stdout); i++) {
		load_others(s, found->v[i].task->doc);
		why(ctx, s, &found->v[i], r);
		if (o->json)
			json_append(list, as_json(&found->v[i], r));
		else
			print(&found->v[i], r);
	}
	struct strs nowhere = {0};
	for (size_t i = 0; i < found->missing.n; i++)
		if (!why_absent(s, found->missing.v[i], o->json ? list : NULL, r))
			strs_add(&nowhere, found->missing.v[i]);
	strs_clear(&found->missing);
	found->missing = nowhere;
	if (o->json && (list->child || o->of.given))
		report_list(o, list);
	json_free(list);
	return select_missing(found, e);
}

static int cmd_why(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct snapshot s = {0};
	struct reasons r = {0};
	struct report_options o;
	struct selected_list found = {0};
	int rc =
	    report_options(&o, &verb_why, argc, argv, REPORT_MANY, e) || why_all(ctx, &o, &s, &found, &r, e) ? -1 : 0;
	json_free(r.list);
	keyring_clear(&r.keys);
	rooms_close(&r.rooms);
	selected_clear(&found);
	report_clear(&o);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_why = {
    .name = "why",
    .args = "[--json] [SELECTION]... [ID]...",
    .summary = "why a task is where it is, and what keeps it from running",
    .about = "Says why a task waits (no node has its labels, all slots are busy, it is not signed, other tasks are "
	     "first ...), which node runs it and since when, or how it ended, and what you can do.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid why hello", ""},
					    {"dgrid why --group sweep --state queued", "of each task that waits"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .run = cmd_why,
};
