#include "base/clock.h"
#include "schema/checkpoint.h"
#include "store/trust.h"
#include "store/waiting.h"
#include "verbs/again.h"
#include "verbs/select.h"
#include "verbs/verbs.h"
#include "worker/reaper.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20 /* a task may move while we look at it; then it is judged again */

/* ---- cancel and retry ---- */

/* Its node sees the note at its next poll and stops the container. */
static enum change_verdict edit_ask_cancel(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	task_note_cancel(doc, who);
	return CHANGE_APPLY;
}

/* Of a task on a node that is dead. */
struct dead {
	const char *who;
	const struct orphan *claim; /* as it was judged; NULL: it was not claimed */
};

/* Not running, or on a node that is dead: it ends here. */
static enum change_verdict edit_cancelled(void *ctx, struct json *doc, enum task_state *to)
{
	const struct dead *d = ctx;
	(void)to;
	/* Meanwhile claimed anew, or renewed: that is another claim than was judged. */
	if (d->claim && (strcmp(d->claim->nonce, task_claim_nonce(doc) ? task_claim_nonce(doc) : "") != 0 ||
			 d->claim->lease_until != task_lease_until(doc)))
		return CHANGE_DROP;
	task_note_cancel(doc, d->who);
	task_set_verdict(doc, "cancelled", NULL);
	if (d->claim)
		reaper_note(doc, d->claim);
	return CHANGE_APPLY;
}

static enum change_verdict edit_fresh(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	json_remove(doc, "cancel");
	json_remove(doc, "not_before"); /* by hand is now */
	task_retried(doc, who);
	return CHANGE_APPLY;
}

static enum change_verdict edit_retry(void *who, struct json *doc, enum task_state *to)
{
	struct json *checkpoint = checkpoint_next(doc);
	enum change_verdict verdict = edit_fresh(who, doc, to);
	checkpoint_hand_on(doc, checkpoint);
	return verdict;
}

/* It waits in the queue, after a failure, until a time that a wrong clock may have set. */
static enum change_verdict edit_now(void *who, struct json *doc, enum task_state *to)
{
	(void)who;
	(void)to;
	if (!json_get(doc, "not_before"))
		return CHANGE_DROP;
	json_remove(doc, "not_before");
	return CHANGE_APPLY;
}

/* It was skipped because of what this commit queues. */
static enum change_verdict edit_behind(void *ledger, struct json *doc, enum task_state *to)
{
	struct ledger *l = ledger;
	return waiting_may_again(l, doc) ? edit_retry(l->git.name, doc, to) : CHANGE_DROP;
}

/* Why a task is not touched. */
enum pass {
	PASS_NONE,
	PASS_ENDED,
	PASS_SUCCESS,
	PASS_OPEN,
	PASS_INVALID,
	PASS_WAITS,
	PASS_ALONE,
	PASS_GONE,
	PASS_MOVED,
	PASS_N
};

/* What is to be done, to which tasks; those that were named come first, the others were found by options. */
struct acting {
	const struct verb *verb;
	bool retry, force, sign, downstream, fresh;
	const char *script, *key; /* retry --script, and what to sign with */
	struct selection of;
	struct strs ids, skipped;	      /* skipped: found, and not given another script */
	size_t named, chosen, passed[PASS_N]; /* chosen: those before what --downstream finds */
	struct buf ended;		      /* ids of named ones that had */
};

/* What retry or cancel does to a task in this state. kept: what would keep it from running again. PASS_NONE: c
 * is set; else e says what it would be refused with. */
static enum pass plan(const struct acting *a, const char *id, int state, bool dead, const struct json *doc,
		      const struct waiting_obstacle *kept, struct ledger_change *c, struct err *e)
{
	const char *failed = kept->failed;
	bool ended = state == TASK_COMPLETED || state == TASK_FAILED, retry = a->retry;
	const char *status = json_str(json_get(doc, "result"), "status"), *verb = a->verb->name;
	if (state < 0) {
		err_set(e, ERR_NOENT, "no task '%s' on the branch (%sof a group: --group %s)", id,
			retry ? "an archived task is submitted anew; " : "", id);
		return PASS_GONE;
	}
	/* It stands in failed/ as a stub with the reasons, for there was nothing to run. */
	if (retry && state == TASK_FAILED && status && !strcmp(status, "invalid")) {
		err_set(e, ERR_NO,
			"'%s' could not run as a task (see: dgrid why %s): fix it, then dgrid submit --replace", id,
			id);
		return PASS_INVALID;
	}
	if (retry && ended && kept->gone[0]) {
		err_set(e, ERR_NO,
			"'%s' waits for %s, which has left the branch: it would wait for ever (submit it again without "
			"that)",
			id, kept->gone);
		return PASS_ALONE;
	}
	if (retry && state == TASK_FAILED && status && !strcmp(status, "skipped") && *failed) {
		err_set(e, ERR_NO,
			"'%s' needs %s, which has failed: it would be skipped again (dgrid retry --downstream %s)", id,
			failed, failed);
		return PASS_WAITS;
	}
	if (retry && !a->fresh && state == TASK_QUEUE && json_get(doc, "not_before")) {
		c->from = c->to = TASK_QUEUE;
		c->edit = edit_now;
		return PASS_NONE;
	}
	if (retry && state == TASK_COMPLETED && !a->force) {
		err_set(e, ERR_NO, "task '%s' succeeded: --force queues it again anyway", id);
		return PASS_SUCCESS;
	}
	if (retry ? !ended : ended) {
		err_set(e, ERR_NO, "task '%s' is in %s: nothing to %s", id, task_state_name((enum task_state)state),
			verb);
		return retry ? PASS_OPEN : PASS_ENDED;
	}
	bool ask = !retry && state == TASK_IN_PROGRESS && !dead;
	c->from = (enum task_state)state;
	c->to = retry ? TASK_QUEUE : ask ? TASK_IN_PROGRESS : TASK_FAILED;
	c->edit = retry ? (a->fresh ? edit_fresh : edit_retry) : ask ? edit_ask_cancel : edit_cancelled;
	return PASS_NONE;
}

static const struct orphan *orphan_of(const struct orphans *o, const char *id)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->v[i].id, id))
			return &o->v[i];
	return NULL;
}

/* Is it no matter that this one is not touched? What options found is whatever it is; of several that are named, one
 * that ended before it could be cancelled stands in nobody's way, nor one that has succeeded, or may yet, in that of
 * what was skipped because of it. */
static bool may_pass(struct acting *a, size_t i, enum pass why)
{
	bool found = i >= a->named;
	bool behind = a->retry && a->ids.n > a->chosen && (why == PASS_SUCCESS || why == PASS_OPEN);
	if (!found && !behind && (why != PASS_ENDED || a->ids.n == 1))
		return false;
	a->passed[!a->retry && why == PASS_GONE ? PASS_ENDED : why]++;
	if (!found && a->ended.len < 600)
		buf_addf(&a->ended, "%s%s", a->ended.len ? " " : "", a->ids.v[i]);
	return true;
}

/* What is to become of each that is not settled yet, by the head as it is now. */
static int judge(struct acting *a, struct ledger *l, const struct orphans *dead, struct ledger_change *changes,
		 struct dead *dying, struct err *e)
{
	for (size_t i = 0; i < a->ids.n; i++) {
		struct ledger_change *c = &changes[i];
		if (c->outcome == CHANGE_LANDED || (c->outcome == CHANGE_DROPPED && !c->edit))
			continue;
		const char *id = a->ids.v[i];
		int state = task_id_valid(id) ? ledger_find(l, id, e) : LEDGER_NOWHERE;
		const struct orphan *orphan = orphan_of(dead, id);
		*c = (struct ledger_change){.id = id, .ctx = l->git.name, .verb = a->verb->name};
		bool look = state == TASK_FAILED || state == TASK_COMPLETED || state == TASK_QUEUE;
		struct json *doc = look ? ledger_doc(l, (enum task_state)state, id, e) : NULL;
		struct waiting_obstacle kept;
		if (state == LEDGER_UNKNOWN || (look && !doc && !ledger_answered(e)) ||
		    waiting_obstacle(l, doc, &a->ids, &kept, e)) {
			json_free(doc);
			return -1;
		}
		enum pass why = plan(a, id, state, orphan, doc, &kept, c, e);
		json_free(doc);
		if (why != PASS_NONE && !may_pass(a, i, why))
			return -1;
		if (why != PASS_NONE) {
			c->outcome = CHANGE_DROPPED;
			c->edit = NULL;
		}
		dying[i] = (struct dead){.who = l->git.name, .claim = orphan};
		if (c->edit == edit_cancelled)
			c->ctx = &dying[i];
	}
	return 0;
}

/* "queued 5 of 30 again; 20 had succeeded (--force), ..." */
static void tell_passed(const struct acting *a, size_t done)
{
	static const char *const words[PASS_N] = {
	    [PASS_ENDED] = "had ended already",
	    [PASS_SUCCESS] = "had succeeded (--force queues those too)",
	    [PASS_OPEN] = "had not ended",
	    [PASS_INVALID] = "could not run (fix them, then dgrid submit --replace)",
	    [PASS_WAITS] = "need tasks that failed (retry those with --downstream)",
	    [PASS_ALONE] = "wait for tasks that have left the branch (submit them again)",
	    [PASS_GONE] = "had left for the archive (submit them anew)",
	    [PASS_MOVED] = "changed meanwhile (see: dgrid why)"};
	struct buf b = {0};
	size_t all = done;
	for (int why = PASS_NONE + 1; why < PASS_N; why++) {
		all += a->passed[why];
		if (a->passed[why])
			buf_addf(&b, "%s %zu %s", b.len ? "," : ";", a->passed[why], words[why]);
	}
	fprintf(stderr, "dgrid: %s %zu of %zu%s%s\n", a->retry ? "queued" : "cancelled", done, all,
		a->retry ? " again" : "", b.data ? b.data : "");
	buf_clear(&b);
}

static int settle(struct acting *a, const struct ledger_change *changes, struct err *e)
{
	size_t done = 0, n = a->ids.n, ended = a->passed[PASS_ENDED];
	for (size_t i = 0; i < n; i++)
		if (changes[i].outcome == CHANGE_LANDED) {
			puts(a->ids.v[i]);
			done++;
		}
	fflush(stdout);
	if (a->of.given || a->downstream)
		tell_passed(a, done);
	else if (ended)
		return err_set(e, ERR_NO, "%zu of %zu had ended already%s: %s", ended, n,
			       ended < n ? "; the others are cancelled" : "", a->ended.data);
	return 0;
}

/* All ids in one commit; those that moved meanwhile are judged again. */
static int act(struct acting *a, struct ledger *l, const struct grid_config *c, struct err *e)
{
	size_t n = a->ids.n, open = n;
	struct ledger_change *changes = xcalloc(n + 1, sizeof *changes);
	struct dead *dying = xcalloc(n + 1, sizeof *dying);
	struct reaper r = {0};
	int rc = 0;
	for (int round = 0; !rc && open && round < ROUNDS; round++) {
		struct orphans dead = {0};
		rc = (round && ledger_sync(l, e)) || (!a->retry && reaper_look(&r, l, c, NULL, &dead, e)) ||
			     judge(a, l, &dead, changes, dying, e) ||
			     ledger_commit(l, l->git.name, changes, n, NULL, NULL, e)
			 ? -1
			 : 0;
		for (size_t i = open = 0; i < n; i++)
			if (changes[i].outcome == CHANGE_REFUSED && !rc)
				rc = err_set(e, ERR_UNAVAILABLE, "'%s' stays as it is: %s", a->ids.v[i], l->trouble);
			else
				open += changes[i].outcome != CHANGE_LANDED && changes[i].edit;
		orphans_clear(&dead);
	}
	if (!rc && open)
		rc = err_set(e, ERR_RETRY, "a task keeps moving; try again");
	rc = rc ? rc : settle(a, changes, e);
	free(changes);
	free(dying);
	reaper_clear(&r);
	return rc;
}

/* Of one that options found: can it be queued again with another script? */
static enum pass fits_script(const struct acting *a, const struct selected *one)
{
	const char *status = json_str(json_get(one->task->doc, "result"), "status");
	if (!strcmp(one->state, "archived"))
		return PASS_GONE;
	if (one->task->state != TASK_COMPLETED && one->task->state != TASK_FAILED)
		return PASS_OPEN;
	if (status && !strcmp(status, "invalid"))
		return PASS_INVALID;
	if (a->downstream && status && !strcmp(status, "skipped"))
		return PASS_WAITS;
	return one->task->state == TASK_COMPLETED && !a->force ? PASS_SUCCESS : PASS_NONE;
}

/* Which tasks: those that are named, and behind them those that the options find. */
static int choose(const struct context *ctx, struct acting *a, struct usage_scan *s, struct err *e)
{
	struct snapshot snapshot = {0};
	struct selected_list found = {0};
	size_t n = (size_t)usage_distinct(s);
	char **ids = s->argv + s->rest;
	if (!n && !a->of.given)
		return err_set(e, ERR_USAGE, "%s needs a task id", a->verb->name);
	for (size_t i = 0; i < n && !a->of.given; i++)
		strs_add(&a->ids, ids[i]);
	a->named = a->ids.n;
	if (!a->of.given)
		return 0;
	int rc = open_snapshot(ctx, NULL, &snapshot, e) || select_tasks(&snapshot, &a->of, ids, n, &found, e) ||
			 select_missing(&found, e)
		     ? -1
		     : 0;
	for (size_t i = 0; i < found.n && !rc; i++) {
		enum pass why = a->script && !found.v[i].named ? fits_script(a, &found.v[i]) : PASS_NONE;
		a->named += found.v[i].named;
		a->passed[why]++;
		if (why == PASS_NONE || why == PASS_WAITS)
			strs_add(why ? &a->skipped : &a->ids, found.v[i].task->id);
	}
	selected_clear(&found);
	snapshot_close(&snapshot);
	return rc;
}

/* Adds what was skipped because of the chosen, as far as it may run now. */
static int add_skipped(struct acting *a, struct ledger *l, struct err *e)
{
	struct strs all = {0};
	for (size_t i = 0; i < a->chosen; i++)
		strs_add(&all, a->ids.v[i]);
	int rc = waiting_skipped(l, &all, e);
	for (size_t i = a->chosen; i < all.n && !rc; i++) {
		struct waiting_obstacle kept;
		const char *id = all.v[i];
		struct json *doc = ledger_doc(l, TASK_FAILED, id, e);
		rc = (!doc && !ledger_answered(e)) || waiting_obstacle(l, doc, &a->ids, &kept, e) ? -1 : 0;
		a->passed[PASS_WAITS] -= !rc && strs_has(&a->skipped, id);
		if (!rc && (kept.gone[0] || kept.failed[0]))
			a->passed[kept.gone[0] ? PASS_ALONE : PASS_WAITS]++;
		else if (!rc)
			strs_add(&a->ids, id);
		json_free(doc);
	}
	strs_clear(&all);
	return rc;
}

static int add_downstream(struct acting *a, struct ledger *l, struct err *e)
{
	a->chosen = a->ids.n;
	if (!a->downstream)
		return 0;
	return a->retry ? add_skipped(a, l, e) : waiting_behind(l, &a->ids, e);
}

/* The chosen get another script; what was skipped because of them is queued by the same commit, as it is. */
static int again(struct acting *a, struct ledger *l, const struct grid_config *c, struct err *e)
{
	const struct strs chosen = {.v = a->ids.v, .n = a->chosen};
	char *key = !a->sign ? NULL : a->key ? xstrdup(a->key) : trust_default_key(&l->git, e);
	size_t n = a->ids.n - a->chosen, done = a->chosen;
	struct ledger_change *also = xcalloc(n + 1, sizeof *also);
	for (size_t i = 0; i < n; i++)
		also[i] = (struct ledger_change){.id = a->ids.v[a->chosen + i],
						 .from = TASK_FAILED,
						 .to = TASK_QUEUE,
						 .edit = edit_behind,
						 .ctx = l,
						 .verb = a->verb->name};
	const struct again how = {.script = a->script, .key = key, .force = a->force, .also = also, .n_also = n};
	int rc = a->sign && !key ? -1 : again_with(l, c, &how, &chosen, e);
	for (size_t i = 0; i < n && !rc; i++)
		if (also[i].outcome == CHANGE_LANDED) {
			puts(also[i].id);
			done++;
		} else if (also[i].outcome == CHANGE_DROPPED)
			a->passed[PASS_MOVED]++;
		else
			rc = err_set(e, ERR_UNAVAILABLE, "'%s' stays as it is: %s", also[i].id, l->trouble);
	if (!rc && (a->of.given || a->downstream))
		tell_passed(a, done);
	free(also);
	free(key);
	return rc;
}

static int cmd_act(const struct context *ctx, const struct verb *verb, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = verb, .argc = argc, .argv = argv};
	struct acting a = {.verb = verb, .retry = verb == &verb_retry};
	struct ledger l = {0};
	struct grid_config c = {0};
	int key, rc = 0;
	while (!rc && (key = usage_next(&s, e)) != 0)
		if (key == SELECT)
			rc = select_take(&a.of, s.option, s.value, e);
		else if (key < 0)
			rc = -1;
		else {
			a.force = a.force || key == 'f';
			a.downstream = a.downstream || key == 'd';
			a.fresh = a.fresh || key == 'n';
			a.sign = a.sign || key == 'S' || key == 'k';
			a.script = key == 's' ? s.value : a.script;
			a.key = key == 'k' ? s.value : a.key;
		}
	if (!rc && a.fresh && a.script)
		rc = err_set(e, ERR_USAGE, "--fresh and --script exclude each other: a new task has no checkpoint");
	else if (!rc && a.sign && !a.script)
		rc = err_set(e, ERR_USAGE,
			     "--sign and --key go with --script: a task that is only queued again is signed already");
	else if (!rc)
		rc = choose(ctx, &a, &s, e);
	if (!rc && !a.ids.n)
		tell_passed(&a, 0);
	else if (!rc)
		rc = open_grid_to_sign(ctx, &l, &c, e) || add_downstream(&a, &l, e) ||
			     (a.script ? again(&a, &l, &c, e) : act(&a, &l, &c, e))
			 ? -1
			 : 0;
	close_grid(&l, &c);
	strs_clear(&a.ids);
	strs_clear(&a.skipped);
	buf_clear(&a.ended);
	selection_clear(&a.of);
	return rc;
}

static int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_act(ctx, &verb_cancel, argc, argv, e);
}

static int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_act(ctx, &verb_retry, argc, argv, e);
}

static const struct usage_note cancelled[] =
    {{"0", "all are cancelled, in one commit; of a selection, all that had not ended"},
     {"1", "a named task had already ended; the others are cancelled"},
     {0}},
			       retried[] = {{"0", "all are queued, in one commit; of a selection, all that had failed"},
					    {"1", "a named task has not ended, or has succeeded; nothing was changed"},
					    {0}};
const struct verb verb_cancel = {
    .name = "cancel",
    .args = "[--downstream] [SELECTION]... [ID]...",
    .summary = "cancel queued or running tasks",
    .about =
	"Cancels tasks. A task that is queued or in unapproved, or whose node is dead, moves to failed at once with "
	"the status cancelled. A running task is marked; its node sees that at its next poll, stops the sandbox and "
	"records the output so far. Of a selection, tasks that have ended are skipped, and stderr says how many.",
    .needs = USAGE_WRITES,
    .options = (const struct usage_option[]){{'d', "--downstream", NULL, NULL,
					      "also cancel the queued tasks that depend on them, directly or not"},
					     {0}},
    .shared = select_option_at,
    .operands = "@tasks:queue,in_progress,unapproved",
    .examples =
	(const struct usage_note[]){{"dgrid cancel hello", ""},
				    {"dgrid cancel hello && dgrid wait hello", "wait until its node has stopped it"},
				    {"dgrid cancel --group sweep", "all that have not ended"},
				    {0}},
    .exits = cancelled,
    .run = cmd_cancel,
};
const struct verb verb_retry = {
    .name = "retry",
    .args = "[--force] [--fresh] [--downstream] [--script FILE [--sign] [--key FILE]] [SELECTION]... [ID]...",
    .summary = "queue finished tasks again",
    .about = "Queues tasks again that did not succeed; with --force also those that did. The old result is removed; "
	     "the list of attempts stays and records who asked, and attempts are counted from the start. A queued task "
	     "that waits for its next attempt can start at once. An archived task is submitted as a new one. Of a "
	     "selection, tasks that cannot be retried are skipped, and stderr says how many.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'f', "--force", NULL, NULL, "also retry tasks that succeeded"},
	    {'n', "--fresh", NULL, NULL, "start from the beginning, not from the newest checkpoint"},
	    {'d', "--downstream", NULL, NULL,
	     "also queue the tasks that were skipped because of them, directly or not; of a task that has succeeded or "
	     "not ended, only those"},
	    {'s', "--script", "FILE", "@files",
	     "with this script (- is stdin) and everything else as it was, as a new task with the same id; the old one "
	     "moves to the archive, with its result. Tasks that --downstream adds keep their scripts"},
	    {'S', "--sign", NULL, NULL, "with --script: sign it with your SSH key"},
	    {'k', "--key", "FILE", "@files", "with --script: sign it with this key"},
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks:failed,completed",
    .examples =
	(const struct usage_note[]){{"dgrid retry hello && dgrid wait hello", ""},
				    {"dgrid retry --group sweep", "the failed tasks of a group"},
				    {"dgrid retry --downstream build", "and what was skipped because of it"},
				    {"dgrid retry --script mended.sh hello", "the same task with a fixed script"},
				    {"dgrid retry --downstream --script mended.sh build", "and what was skipped"},
				    {0}},
    .exits = retried,
    .run = cmd_retry,
};
