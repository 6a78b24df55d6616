#include "audit/rules_result.h"
#include "audit/rules_checkpoint.h"
#include "audit/rules_run.h"
#include "audit/rules_vote.h"
#include "schema/consent.h"
#include "schema/node.h"
#include "schema/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_SLACK_SECONDS                                                                                              \
	60		   /* a run's times and its claim are told by one machine's clock, which may be set meanwhile */
#define ORIGINAL_MAX 10240 /* kept of what was no task, see task_invalid_doc */

static const char *or_none(const char *s)
{
	return s ? s : "none";
}

/* ---- the end of a claim ---- */

/* The entry that ends a claim is its copy. */
static void judge_entry(const struct rule_move *m, const struct json *entry)
{
	static const char *const same[] = {"node",     "nonce",	     "attempt",	  "claimed_at", "lease_until",
					   "replicas", "quorum",     "signed_by", "after",	"inputs",
					   "ahead",    "checkpoint", "saved"};
	if (json_get(m->new, "claim"))
		rule_say(m, RULE_ATTEMPTS_GROW, "the claim ended, and still stands in the task");
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (!rule_same(json_get(m->claim, same[i]), json_get(entry, same[i]))) {
			rule_say(m, RULE_ATTEMPTS_GROW,
				 "the new entry of attempts has another %s than the claim it ends", same[i]);
			return;
		}
	int64_t ended = json_time(entry, "ended_at"), off = ended - m->c->at;
	if (!ended || off > rule_tolerance(m->rules) || -off > rule_tolerance(m->rules))
		rule_say(m, RULE_ATTEMPTS_GROW, "ended_at of the new entry of attempts is not the time of the commit");
}

/* Last, for the other rules tell more. */
static void judge_form(const struct rule_move *m, const struct json *entry)
{
	if (rule_fields(m, FIELD_ATTEMPT, entry))
		rule_fields(m, FIELD_EVIDENCE, json_get(entry, "evidence"));
}

/* What the ledger itself shows of a claim whose node is silent, at the commit's parent. */
struct shown {
	int64_t claimed, lease, seen, due, skew, after, now;
	bool left;
};

static struct shown look(const struct rule_move *m)
{
	const struct grid_config *c = &m->rules->world.config;
	const char *name = json_str(m->claim, "node");
	const struct world_node *node = name ? world_node(&m->rules->world, name) : NULL;
	struct shown s = {.claimed = json_time(m->claim, "claimed_at"),
			  .lease = json_time(m->claim, "lease_until"),
			  .skew = c->max_clock_skew_seconds,
			  .after = c->orphan_after_seconds,
			  .now = m->c->at};
	int64_t latest = m->rules->now + s.skew; /* a commit may say any time, but none that is still to come */
	if (m->rules->now && s.now > latest)
		s.now = latest;
	s.seen = node ? node->seen : 0;
	s.due = node ? node->next_due : 0;
	s.left = node && node->left && node->seen >= s.claimed;
	s.seen = s.seen > s.claimed ? s.seen : s.claimed;
	s.due = s.due > s.seen + NODE_PROMISE_MAX ? s.seen + NODE_PROMISE_MAX : s.due;
	return s;
}

/* A time had to pass, and by the commit's own date it has. Whether it had is seen by what comes after it. */
static void passed(const struct rule_move *m, int64_t until)
{
	struct world *w = &m->rules->world;
	if (until < w->waited_until)
		return;
	w->waited_until = until;
	snprintf(w->waited_by, sizeof w->waited_by, "%s", m->c->id);
	snprintf(w->waited_for, sizeof w->waited_for, "%s", m->id);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void judge_lease(const struct rule_move *m, const struct shown *s, int64_t lease)
{
	if (lease != s->lease)
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the evidence is a lease that the claim does not have");
	else if (s->now <= s->lease + s->skew)
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the lease was to run for %lld s yet, with %lld s for clocks",
			 (long long)(s->lease - s->now), (long long)s->skew);
	else
		passed(m, s->lease + s->skew);
}

static void judge_silence(const struct rule_move *m, const struct shown *s, int64_t seen, int64_t due)
{
	if (seen < s->seen)
		rule_say(m, RULE_ORPHAN_EVIDENCE,
			 "the evidence is silence since a time %lld s before the ledger shows the "
			 "node alive",
			 (long long)(s->seen - seen));
	else if (s->now <= seen + s->after + s->skew)
		rule_say(m, RULE_ORPHAN_EVIDENCE,
			 "the node was silent for %lld s; orphan_after_seconds is %lld, with %lld s "
			 "for clocks",
			 (long long)(s->now - seen), (long long)s->after, (long long)s->skew);
	else if (s->now <= due + s->skew || (seen == s->seen && s->now <= s->due + s->skew && due < s->due))
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the node's next sign of life was not due yet");
	else
		passed(m, later(seen + s->after, due) + s->skew);
}

/* A node says goodbye with its file, in a commit of its own. */
static void judge_goodbye(const struct rule_move *m, const struct shown *s)
{
	if (!s->left)
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the evidence is a goodbye, and the file of node %s says none",
			 or_none(json_str(m->claim, "node")));
}

/* People took the node out for good, in this commit or before. */
static void judge_retirement(const struct rule_move *m, int64_t at)
{
	const char *node = json_str(m->claim, "node");
	const struct json *order = world_order(&m->rules->world.retired, node);
	if (!order || json_time(order, "at") != at)
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the evidence is that node %s is retired since a time, and it is not",
			 node);
}

/* A claim that another than its node ended: does the ledger bear out what is said? What older programs wrote has a
 * reason in words only; then the ledger alone must show it. */
static void judge_evidence(const struct rule_move *m, const struct json *entry)
{
	const struct shown s = look(m);
	const struct json *ev = json_get(entry, "evidence");
	const char *reason = json_str(entry, "reason");
	int64_t lease = json_time(ev, "lease_until"), seen = json_time(ev, "seen_at"), left = json_time(ev, "left"),
		retired = json_time(ev, "retired");
	if (!json_str(m->claim, "node") || !json_str(m->claim, "nonce") || !s.claimed)
		return; /* nobody can say whose it is */
	if (lease)
		judge_lease(m, &s, lease);
	else if (seen)
		judge_silence(m, &s, seen, json_time(ev, "next_due"));
	else if (left)
		judge_goodbye(m, &s);
	else if (retired)
		judge_retirement(m, retired);
	else if (ev)
		rule_say(m, RULE_ORPHAN_EVIDENCE, "the evidence is none that this version knows");
	else if (s.left)
		return;
	else if (s.lease && s.now > s.lease + s.skew)
		passed(m, s.lease + s.skew);
	else if (s.now > s.seen + s.after + s.skew && s.now > s.due + s.skew)
		passed(m, later(s.seen + s.after, s.due) + s.skew);
	else if (reason && strstr(reason, " left at "))
		judge_goodbye(m, &s);
	else if (!m->c->node && rule_text_is(entry, "outcome", "cancelled"))
		rule_say(m, NOTICE_WORD, "%s's run was cancelled by %s without waiting for the node",
			 or_none(json_str(m->claim, "node")), m->c->who);
	else
		rule_say(m, RULE_ORPHAN_EVIDENCE,
			 "%s's claim was ended by %s without evidence, and the ledger shows none",
			 or_none(json_str(m->claim, "node")), m->c->who);
}

/* ---- back to the queue ---- */

void rules_back(const struct rule_move *m)
{
	const struct json *entry = rule_one_attempt(m);
	const char *outcome = json_str(entry, "outcome"), *node = or_none(json_str(m->claim, "node"));
	int64_t used = task_attempts_used(m->new), most = task_max_attempts(m->old);
	rule_kept(m, "result", RULE_RESULT_CLAIM);
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	if (json_get(m->old, "cancel") || json_get(m->new, "cancel"))
		rule_say(m, RULE_CANCEL_NOTE, "somebody asked to cancel it, and it went back to the queue");
	if (!entry)
		return;
	judge_entry(m, entry);
	rules_out(m, entry, "ended_at");
	rules_checkpoint_left(m, entry);
	bool failed = outcome && (!strcmp(outcome, "failed") || !strcmp(outcome, "timeout") || !strcmp(outcome, "oom"));
	bool unstartable = outcome && !strcmp(outcome, "unstartable");
	if (!failed && !unstartable)
		rule_kept(m, "not_before", RULE_TASK_FIELDS);
	if (!outcome)
		rule_say(m, RULE_ATTEMPTS_GROW, "the new entry of attempts does not say how it ended");
	else if (!strcmp(outcome, "released")) {
		if (!rule_own(m))
			rule_say(m, RULE_ORPHAN_EVIDENCE, "%s's claim was released by %s", node, m->c->who);
	} else if (!strcmp(outcome, "lost")) {
		if (!rule_own(m))
			judge_evidence(m, entry);
		if (used >= most)
			rule_say(m, RULE_PLACE_MOVE, "all %lld attempts are used up: it belongs into failed",
				 (long long)most);
	} else if (unstartable) {
		if (!rule_own(m))
			rule_say(m, RULE_RESULT_CLAIM, "that %s could not start it was written by %s", node, m->c->who);
		if (used >= most)
			rule_say(m, RULE_PLACE_MOVE, "all %lld attempts are used up: it belongs into failed",
				 (long long)most);
	} else if (!strcmp(outcome, "voted")) {
		if (!rule_own(m))
			rule_say(m, RULE_RESULT_CLAIM, "%s's vote was written by %s", node, m->c->who);
		rules_vote_cast(m, entry);
	} else if (failed) {
		const struct json *again = json_get(m->old, "retry_on_failure");
		if (!rule_own(m))
			rule_say(m, RULE_RESULT_CLAIM, "the end of %s's run was written by %s", node, m->c->who);
		else if (!again || again->type != JSON_BOOL || !again->boolean)
			rule_say(m, RULE_PLACE_MOVE, "a run that ended as %s is tried again, without retry_on_failure",
				 outcome);
		else if (used >= most)
			rule_say(m, RULE_PLACE_MOVE, "all %lld attempts are used up: it belongs into failed",
				 (long long)most);
		else
			rules_run_attempt(m, entry, outcome);
	} else
		rule_say(m, RULE_PLACE_MOVE, "what ended as %.40s does not go back to the queue", outcome);
	judge_form(m, entry);
}

/* ---- completed or failed ---- */

static void judge_folder(const struct rule_move *m, const char *status)
{
	if (result_status_index(status) == RESULT_N_STATUSES)
		rule_say(m, RULE_RESULT_FOLDER, "the result's status is %.40s", status ? status : "missing");
	else if (!strcmp(status, "success") != (m->to == TASK_COMPLETED))
		rule_say(m, RULE_RESULT_FOLDER, "status %s stands in %s", status,
			 task_state_name((enum task_state)m->to));
}

/* The result of a run. */
static void judge_run(const struct rule_move *m, const struct json *result)
{
	static const char *const same[] = {"node", "nonce", "attempt"};
	int64_t started = json_time(result, "started_at"), finished = json_time(result, "finished_at"),
		claimed = json_time(m->claim, "claimed_at"),
		slack = m->rules->world.config.max_clock_skew_seconds + RUN_SLACK_SECONDS;
	if (!rule_own(m)) {
		rule_say(m, RULE_RESULT_CLAIM, "the result of %s's claim was written by %s",
			 or_none(json_str(m->claim, "node")), m->c->who);
		return;
	}
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (!rule_same(json_get(m->claim, same[i]), json_get(result, same[i]))) {
			rule_say(m, RULE_RESULT_CLAIM, "the result has another %s than the claim", same[i]);
			return;
		}
	if (!started || !finished)
		rule_say(m, RULE_RESULT_TIME, "the result of a run has no started_at or no finished_at");
	else if (started + slack < claimed)
		rule_say(m, RULE_RESULT_TIME, "the run began %lld s before its claim", (long long)(claimed - started));
	else if (finished + slack < started)
		rule_say(m, RULE_RESULT_TIME, "the run ended %lld s before it began", (long long)(started - finished));
	else if (finished > m->c->at + rule_tolerance(m->rules))
		rule_say(m, RULE_RESULT_TIME, "the run ended %lld s after the commit that tells of it",
			 (long long)(finished - m->c->at));
	rules_out(m, result, "finished_at");
}

/* What ended without a run has nothing to say of one. */
static void judge_bare(const struct rule_move *m, const struct json *result)
{
	static const char *const may[] = {"status", "reason", "node", "finished_at", "because"};
	for (const struct json *x = result ? result->child : NULL; x; x = x->next) {
		bool known = false;
		for (size_t i = 0; i < sizeof may / sizeof *may && !known; i++)
			known = !strcmp(x->name, may[i]);
		if (!known) {
			rule_say(m, RULE_RESULT_PARTS, "%.64s in the result of what never ran", x->name);
			return;
		}
	}
}

/* The result of a task that ended without a run: cancelled, or given up. */
static void judge_verdict(const struct rule_move *m, const struct json *result, const struct json *entry)
{
	int64_t finished = json_time(result, "finished_at"), off = finished - m->c->at;
	const char *status = json_str(result, "status");
	bool unstartable = !strcmp(status, "unstartable");
	if ((unstartable || !strcmp(status, "lost")) && task_attempts_used(m->old) + 1 < task_max_attempts(m->old))
		rule_say(m, RULE_PLACE_MOVE, "given up as %s after %lld of %lld attempts", status,
			 (long long)task_attempts_used(m->old) + 1, (long long)task_max_attempts(m->old));
	const struct json *node = json_get(result, "node");
	if (entry && !rule_own(m) && unstartable)
		rule_say(m, RULE_RESULT_CLAIM, "that %s could not start it was written by %s",
			 or_none(json_str(m->claim, "node")), m->c->who);
	else if (entry && !rule_own(m))
		judge_evidence(m, entry);
	if (!rule_fields(m, FIELD_RESULT, result))
		return;
	if (node && !rule_same(node, json_get(m->claim, "node")))
		rule_say(m, RULE_RESULT_CLAIM, "the result names another node than the claim");
	judge_bare(m, result);
	if (!finished || off > rule_tolerance(m->rules) || -off > rule_tolerance(m->rules))
		rule_say(m, RULE_RESULT_TIME, "finished_at of what ended without a run is not the time of the commit");
}

void rules_end(const struct rule_move *m)
{
	const struct json *result = json_get(m->new, "result"), *entry = rule_one_attempt(m);
	const char *status = json_str(result, "status"), *outcome = json_str(entry, "outcome");
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	rule_kept(m, "not_before", RULE_TASK_FIELDS);
	judge_folder(m, status);
	if (!status)
		return;
	bool cancelled = !strcmp(status, "cancelled"), lost = !strcmp(status, "lost") || !strcmp(status, "unstartable");
	if (cancelled)
		rule_cancel_note(m);
	else
		rule_kept(m, "cancel", RULE_CANCEL_NOTE);
	if (lost || (cancelled && !json_get(result, "nonce")))
		judge_verdict(m, result, entry);
	else if (!strcmp(status, "invalid"))
		rule_say(m, RULE_PLACE_MOVE, "what was claimed was a valid task");
	else if (!strcmp(status, "skipped") || !strcmp(status, "expired"))
		rule_say(m, RULE_PLACE_MOVE, "what was claimed has ended as %s", status);
	else
		judge_run(m, result);
	rules_vote_end(m, result);
	if (rule_own(m) && !lost && strcmp(status, "invalid") != 0 && (!cancelled || json_get(result, "nonce")))
		rules_run_result(m, result);
	if (!entry)
		return;
	judge_entry(m, entry);
	if (!outcome || strcmp(outcome, status) != 0)
		rule_say(m, RULE_ATTEMPTS_GROW, "the result's status is %.40s, the new entry of attempts says %.40s",
			 status, or_none(outcome));
	judge_form(m, entry);
}

/* ---- never claimed ---- */

/* Called invalid: is it? The new document keeps the head of what stood there. */
static void judge_invalid(const struct rule_move *m)
{
	struct problems p = {0};
	struct task t = {0};
	struct trust_verdict v;
	struct rules *r = m->rules;
	const struct rule_text *was = &m->out->old;
	const struct json *kept = json_get(m->new, "x-original");
	if (!was->bytes)
		return; /* a link, a folder, or far too large */
	struct json *head = json_new_strn(was->bytes, was->len > ORIGINAL_MAX ? ORIGINAL_MAX : was->len);
	rule_fields(m, FIELD_INVALID, m->new);
	if (!rule_same(head, kept) || json_int(m->new, "x-original-bytes", -1) != (int64_t)was->len)
		rule_say(m, RULE_TASK_FIELDS, "x-original is not what stood there");
	json_free(head);
	if (m->out->old_mode != 0100644 && m->from == TASK_UNAPPROVED)
		return;
	struct grid_config once = r->world.config; /* what was once invalid by the defaults of the time stays so */
	struct task then = {0};
	once.max_pids = once.max_pids_once;
	if (task_parse(&t, was->bytes, was->len, m->id, &r->world.config, m->from == TASK_UNAPPROVED, &p) == 0) {
		bool ok = !task_parse(&then, was->bytes, was->len, m->id, &once, m->from == TASK_UNAPPROVED, &p);
		if (ok && m->from == TASK_QUEUE && consent_signed(&r->world.config, t.doc))
			ok = r->trusted && !r->trusted(r->ctx, m->c, m->id, t.doc, &v) && v.ok;
		if (ok)
			rule_say(m, RULE_PLACE_MOVE,
				 "called invalid, though by the settings of the time it is a valid task");
	}
	task_clear(&then);
	task_clear(&t);
	problems_clear(&p);
}

/* Nobody claimed it in time: was that time over? */
static void judge_expired(const struct rule_move *m)
{
	int64_t deadline = task_deadline(m->old);
	if (m->from != TASK_QUEUE || !deadline)
		rule_say(m, RULE_PLACE_MOVE, "%s ended as expired",
			 m->from == TASK_QUEUE ? "a task without a deadline" : "a task that was not queued");
	else if (m->c->at + m->rules->world.config.max_clock_skew_seconds < deadline)
		rule_say(m, RULE_PLACE_MOVE, "ended as expired %lld s before its deadline",
			 (long long)(deadline - m->c->at));
}

void rules_refuse(const struct rule_move *m)
{
	const struct json *result = json_get(m->new, "result");
	const char *status = json_str(result, "status");
	int64_t off = json_time(result, "finished_at") - m->c->at;
	if (!rule_fields(m, FIELD_RESULT, result))
		return;
	judge_bare(m, result);
	if (off > rule_tolerance(m->rules) || -off > rule_tolerance(m->rules))
		rule_say(m, RULE_RESULT_TIME, "finished_at of what ended without a run is not the time of the commit");
	if (status && !strcmp(status, "invalid")) {
		judge_invalid(m);
		return;
	}
	bool skipped = status && !strcmp(status, "skipped") && m->from == TASK_QUEUE,
	     expired = status && !strcmp(status, "expired");
	if (skipped)
		rule_fields(m, FIELD_BECAUSE, json_get(result, "because"));
	else if (json_get(result, "because"))
		rule_say(m, RULE_RESULT_PARTS, "because in the result of what was not skipped");
	if (!skipped && !expired && (!status || strcmp(status, "cancelled") != 0)) {
		rule_say(m, RULE_PLACE_MOVE, "a task that was never claimed ended as %.40s", or_none(status));
		return;
	}
	if (expired)
		judge_expired(m);
	if (skipped || expired)
		rule_kept(m, "cancel", RULE_CANCEL_NOTE);
	else
		rule_cancel_note(m);
	rule_kept(m, "attempts", RULE_ATTEMPTS_GROW);
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	rule_kept(m, "not_before", RULE_TASK_FIELDS);
	if (json_get(result, "nonce"))
		rule_say(m, RULE_RESULT_CLAIM, "a result of a run that was never claimed");
}

/* ---- again ---- */

/* What the run used whose result goes; older programs kept nothing of it. */
static bool keeps_used(const struct rule_move *m, const struct json *entry)
{
	static const char *const used[] = {"usage", "duration_ms"};
	for (size_t i = 0; i < sizeof used / sizeof *used; i++)
		if (json_get(entry, used[i]) &&
		    !rule_same(json_get(entry, used[i]), json_get(json_get(m->old, "result"), used[i])))
			return false;
	return true;
}

void rules_retry(const struct rule_move *m)
{
	const struct json *entry = rule_one_attempt(m);
	const char *outcome = json_str(entry, "outcome"), *by = json_str(entry, "by");
	const struct json *outliers = json_get(json_get(json_get(m->old, "result"), "quorum"), "outliers");
	if (json_get(m->new, "result") || json_get(m->new, "claim") || json_get(m->new, "cancel"))
		rule_say(m, RULE_ATTEMPTS_RETRY,
			 "back in the queue with what belongs to its last run (claim, cancel or "
			 "result)");
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	if (rule_text_is(json_get(m->old, "result"), "status", "invalid"))
		rule_say(m, RULE_ATTEMPTS_RETRY, "back in the queue, though it was called no valid task");
	if (!entry)
		return;
	if (!rule_fields(m, FIELD_ATTEMPT, entry) || !rule_now(m, RULE_ATTEMPTS_RETRY, entry, "ended_at"))
		return;
	rules_checkpoint_again(m, entry);
	if (!outcome || strcmp(outcome, "retried") != 0)
		rule_say(m, RULE_ATTEMPTS_RETRY, "back in the queue without a \"retried\" entry");
	else if (!rule_same(json_get(entry, "outliers"), outliers && outliers->child ? outliers : NULL))
		rule_say(m, RULE_ATTEMPTS_RETRY, "the \"retried\" entry does not keep the quorum's outliers");
	else if (!keeps_used(m, entry))
		rule_say(m, RULE_ATTEMPTS_RETRY, "the \"retried\" entry tells another use than the result did");
	else if (!by || !*by)
		rule_say(m, RULE_ATTEMPTS_RETRY, "the \"retried\" entry names nobody");
	else if (m->c->node)
		rule_say(m, RULE_ATTEMPTS_RETRY, "retried by a node, %s", m->c->who);
	else if (rule_named(m->c) && strcmp(by, m->c->who) != 0)
		rule_say(m, RULE_ATTEMPTS_RETRY, "the \"retried\" entry names %.100s, the commit is %s's", by,
			 m->c->who);
}
