#include "base/clock.h"
#include "verbs/verbs.h"
#include "worker/reaper.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20 /* a task may move while we look at it; then it is judged again */

static int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_wait, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	long timeout = 0;
	int key;
	while ((key = usage_next(&s, e)) > 0)
		if (parse_number("--timeout", s.value, 1, 86400, &timeout, e))
			return -1;
	if (key < 0)
		return -1;
	if (s.rest == argc)
		return err_set(e, ERR_USAGE, "wait needs at least one task id");
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = wait_for(&l, (const char *const *)argv + s.rest, (size_t)usage_distinct(&s), timeout, e);
	close_grid(&l, &c);
	return rc;
}

static const struct usage_note outcomes[] = {{"0", "all of them succeeded"},
					     {"1", "one failed, timed out, ran out of memory or was lost"},
					     {"3", "none failed, but one was cancelled"},
					     {"75", "--timeout is over and some have not ended"},
					     {"130, 143", "interrupted; the tasks run on"},
					     {0}};
const struct verb verb_wait = {
    .name = "wait",
    .args = "[--timeout SECONDS] ID...",
    .summary = "wait for tasks to end; 0 when all succeeded",
    .about =
	"Waits until every task named has ended, whoever runs it, and tells by the exit code how they ended. Tasks "
	"that were archived meanwhile are found there. A remote that is away for a while is waited for too.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'t', "--timeout", "SECONDS", NULL, "give up after so long (1 to 86400); default: no limit"}, {0}},
    .operands = "@tasks:queue,in_progress,unapproved",
    .examples =
	(const struct usage_note[]){{"dgrid wait hello && dgrid logs hello", "when it is done, its output"},
				    {"dgrid wait --timeout 600 part-1 part-2 part-3", "three tasks, ten minutes"},
				    {0}},
    .exits = outcomes,
    .run = cmd_wait,
};

/* ---- cancel and retry ---- */

static void note_cancel(struct json *doc, const char *who)
{
	char when[32];
	struct json *note = json_new(JSON_OBJECT);
	json_set(note, "by", json_new_str(who));
	json_set(note, "requested_at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "cancel", note);
}

/* Its node sees the note at its next poll and stops the container. */
static enum change_verdict edit_ask_cancel(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	note_cancel(doc, who);
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
	note_cancel(doc, d->who);
	task_set_verdict(doc, "cancelled", NULL);
	if (d->claim)
		reaper_note(doc, d->claim);
	return CHANGE_APPLY;
}

static enum change_verdict edit_retry(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	json_remove(doc, "cancel");
	json_remove(doc, "not_before"); /* by hand is now */
	task_retried(doc, who);
	return CHANGE_APPLY;
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

/* What retry or cancel does to a task in this state. 1: c is set; 0: nothing to do; -1: refused, e says why. */
static int plan(const char *verb, const char *id, int state, bool dead, const struct json *doc, struct ledger_change *c,
		struct err *e)
{
	bool ended = state == TASK_COMPLETED || state == TASK_FAILED, retry = !strcmp(verb, "retry");
	const char *status = json_str(json_get(doc, "result"), "status");
	if (state == LEDGER_UNKNOWN)
		return -1;
	if (state < 0)
		return err_set(e, ERR_NOENT, "no task '%s' on the branch%s", id,
			       retry ? " (an archived task is submitted anew)" : "");
	/* It stands in failed/ as a stub with the reasons, for there was nothing to run. */
	if (retry && state == TASK_FAILED && status && !strcmp(status, "invalid"))
		return err_set(e, ERR_NO, "'%s' was no task that can run (see: dgrid why %s): submit it anew", id, id);
	if (retry && state == TASK_QUEUE && json_get(doc, "not_before")) {
		c->from = c->to = TASK_QUEUE;
		c->edit = edit_now;
		return 1;
	}
	if (retry ? !ended : ended)
		return err_set(e, ERR_NO, "task '%s' is in %s: nothing to %s", id,
			       task_state_name((enum task_state)state), verb);
	bool ask = !retry && state == TASK_IN_PROGRESS && !dead;
	c->from = (enum task_state)state;
	c->to = retry ? TASK_QUEUE : ask ? TASK_IN_PROGRESS : TASK_FAILED;
	c->edit = retry ? edit_retry : ask ? edit_ask_cancel : edit_cancelled;
	return 1;
}

static const struct orphan *orphan_of(const struct orphans *o, const char *id)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->v[i].id, id))
			return &o->v[i];
	return NULL;
}

/* One that ended before it could be cancelled stands in nobody's way. */
static void pass_by(struct ledger_change *c, struct buf *ended, size_t *n_ended)
{
	c->outcome = CHANGE_DROPPED;
	c->edit = NULL;
	++*n_ended;
	if (ended->len < 600)
		buf_addf(ended, "%s%s", ended->len ? " " : "", c->id);
}

/* All ids in one commit; those that moved meanwhile are judged again. */
static int act(const struct context *ctx, const struct verb *verb, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = verb, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct reaper r = {0};
	int rc = usage_next(&s, e);
	size_t n = rc ? 0 : (size_t)usage_distinct(&s);
	char **ids = argv + s.rest;
	struct ledger_change *changes = xcalloc(n + 1, sizeof *changes);
	struct dead *dying = xcalloc(n + 1, sizeof *dying);
	if (!rc && !n)
		rc = err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (!rc)
		rc = open_grid_to_sign(ctx, &l, &c, e);
	size_t open = n, n_ended = 0;
	struct buf ended = {0};
	for (int round = 0; !rc && open && round < ROUNDS; round++) {
		struct orphans dead = {0};
		if (round)
			rc = ledger_sync(&l, e);
		if (!rc && !strcmp(argv[0], "cancel"))
			rc = reaper_look(&r, &l, &c, NULL, &dead, e);
		for (size_t i = 0; i < n && !rc; i++) {
			if (changes[i].outcome == CHANGE_LANDED ||
			    (changes[i].outcome == CHANGE_DROPPED && !changes[i].edit))
				continue;
			const char *id = ids[i];
			int state = task_id_valid(id) ? ledger_find(&l, id, e) : LEDGER_NOWHERE;
			const struct orphan *orphan = orphan_of(&dead, id);
			changes[i] = (struct ledger_change){.id = id, .ctx = l.git.name, .verb = argv[0]};
			bool look = state == TASK_FAILED || state == TASK_QUEUE;
			struct json *doc = look ? ledger_doc(&l, (enum task_state)state, id, e) : NULL;
			if (look && !doc && !ledger_answered(e))
				rc = -1;
			else if (plan(argv[0], id, state, orphan, doc, &changes[i], e) < 0) {
				bool ended_now = state == TASK_COMPLETED || state == TASK_FAILED;
				if (n > 1 && ended_now && strcmp(argv[0], "retry") != 0)
					pass_by(&changes[i], &ended, &n_ended);
				else
					rc = -1;
			}
			json_free(doc);
			dying[i] = (struct dead){.who = l.git.name, .claim = orphan};
			if (changes[i].edit == edit_cancelled)
				changes[i].ctx = &dying[i];
		}
		if (!rc)
			rc = ledger_commit(&l, l.git.name, changes, n, NULL, NULL, e);
		for (size_t i = open = 0; i < n; i++)
			if (changes[i].outcome == CHANGE_REFUSED && !rc)
				rc = err_set(e, ERR_UNAVAILABLE, "'%s' stays as it is: %s", ids[i], l.trouble);
			else
				open += changes[i].outcome != CHANGE_LANDED && changes[i].edit;
		orphans_clear(&dead);
	}
	if (!rc && open)
		rc = err_set(e, ERR_RETRY, "a task keeps moving; try again");
	for (size_t i = 0; !rc && i < n; i++)
		if (changes[i].outcome == CHANGE_LANDED)
			puts(ids[i]);
	if (!rc && n_ended)
		rc = err_set(e, ERR_NO, "%zu of %zu had ended already%s: %s", n_ended, n,
			     n_ended < n ? "; the others are cancelled" : "", ended.data);
	buf_clear(&ended);
	free(changes);
	free(dying);
	reaper_clear(&r);
	close_grid(&l, &c);
	return rc;
}

static int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, &verb_cancel, argc, argv, e);
}

static int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, &verb_retry, argc, argv, e);
}

static const struct usage_note cancelled[] = {{"0", "all of them, in one commit"},
					      {"1", "one had ended already; the others are cancelled"},
					      {0}},
			       retried[] = {{"0", "all of them, in one commit"},
					    {"1", "one is in a state where this makes no sense; nothing was changed"},
					    {0}};
const struct verb verb_cancel = {
    .name = "cancel",
    .args = "ID...",
    .summary = "cancel queued or running tasks",
    .about = "Ends tasks before their time. One that is queued or staged, or whose node is dead, moves to failed at "
	     "once with the status cancelled. One that runs gets a note, which its node sees at its next look at the "
	     "branch: it stops the sandbox and records what was printed until then.",
    .needs = USAGE_WRITES,
    .operands = "@tasks:queue,in_progress,unapproved",
    .examples = (const struct usage_note[]){{"dgrid cancel hello", ""},
					    {"dgrid cancel hello && dgrid wait hello", "until its node has stopped it"},
					    {0}},
    .exits = cancelled,
    .run = cmd_cancel,
};
const struct verb verb_retry = {
    .name = "retry",
    .args = "ID...",
    .summary = "queue finished tasks again",
    .about =
	"Queues tasks again that have ended, well or not. The old result goes; the list of attempts stays and says "
	"who asked, and the count of attempts starts again. One that waits in the queue for its next attempt need not "
	"wait any longer. A task that was archived is submitted anew instead.",
    .needs = USAGE_WRITES,
    .operands = "@tasks:failed,completed",
    .examples = (const struct usage_note[]){{"dgrid retry hello && dgrid wait hello", ""}, {0}},
    .exits = retried,
    .run = cmd_retry,
};

/* ---- heal ---- */

/* What was (or would be) promoted, healed, archived and deleted; archived < 0: only healing was asked for. */
static void print_upkeep(const struct staged_list *staged, const struct orphans *o, int64_t archived, size_t gone,
			 bool json, bool dry)
{
	struct json *all = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < o->n; i++) {
		const struct orphan *one = &o->v[i];
		if (!dry && !one->landed)
			continue;
		struct json *row = json_new(JSON_OBJECT);
		json_set(row, "task_id", json_new_str(one->id));
		json_set(row, "node", json_new_str(one->node));
		json_set(row, "action", json_new_str(fate_name(one->fate)));
		json_set(row, "why", json_new_str(one->why));
		json_append(list, row);
		if (!json) {
			printf("%s%s %s: ", dry ? "would " : "", fate_name(one->fate), one->id);
			put_clean(one->why, sizeof one->why);
			putchar('\n');
		}
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "dry_run", json_new_bool(dry));
	json_set(all, "orphans", list);
	if (archived >= 0)
		tell_promoted(staged, dry, json ? all : NULL);
	if (archived >= 0)
		json_set(all, "archived", json_new_int(archived));
	if (archived >= 0)
		json_set(all, "outputs_deleted", json_new_int((int64_t)gone));
	if (json)
		put_json(all);
	else if (!list->child)
		puts("no orphans");
	if (!json && gone)
		printf("%s %zu day%s of outputs\n", dry ? "would delete" : "deleted", gone, gone == 1 ? "" : "s");
	if (!json && archived >= 0)
		printf("%s %lld task%s\n", dry ? "would archive" : "archived", (long long)archived,
		       archived == 1 ? "" : "s");
	json_free(all);
}

/* A worker may push at any time: with its change the excess is another. */
static int archive(struct ledger *l, const struct grid_config *c, bool dry, int64_t *archived, struct err *e)
{
	if (dry) {
		*archived = (int64_t)upkeep_excess(l, c);
		return 0;
	}
	int rc = -1;
	for (int round = 0; rc && round < ROUNDS; round++) {
		size_t moved = 0;
		rc = ledger_sync(l, e);
		rc = rc ? rc : upkeep_archive(l, c, l->git.name, &moved, e);
		*archived += (int64_t)moved;
		if (rc && e->class != ERR_RETRY)
			break;
	}
	return rc;
}

static int heal(const struct context *ctx, const struct verb *verb, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = verb, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct reaper r = {0};
	struct orphans o = {0};
	struct staged_list staged = {0};
	bool all = verb == &verb_maintain, dry = false, json = false;
	int64_t archived = all ? 0 : -1;
	size_t gone = 0;
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		dry = dry || key == 'd';
		json = json || key == 'j';
	}
	int rc = key < 0 || usage_operands(&s, 0, e) || open_grid_to_sign(ctx, &l, &c, e) ||
			 (all && promote_all(&l, &c, l.git.name, NULL, 0, dry, &staged, e)) ||
			 reaper_look(&r, &l, &c, NULL, &o, e) || (!dry && reaper_heal(&l, l.git.name, &o, e)) ||
			 (all && archive(&l, &c, dry, &archived, e)) ||
			 (all && upkeep_outputs(&l.git, &c, dry, &gone, e))
		     ? -1
		     : 0;
	if (!rc)
		print_upkeep(&staged, &o, archived, gone, json, dry);
	promote_clear(&staged);
	orphans_clear(&o);
	reaper_clear(&r);
	close_grid(&l, &c);
	return rc;
}

static int cmd_heal(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return heal(ctx, &verb_heal, argc, argv, e);
}

static int cmd_maintain(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return heal(ctx, &verb_maintain, argc, argv, e);
}

static const struct usage_option upkeep_options[] = {
    {'d', "--dry-run", NULL, NULL, "say what would be done and change nothing"}, USAGE_JSON, {0}};
const struct verb verb_heal = {
    .name = "heal",
    .args = "[--dry-run] [--json]",
    .summary = "give orphaned claims (dead nodes, run-out leases) back to the queue",
    .about = "A claim is orphaned when its lease has run out or its node has shown no sign of life for too long "
	     "(orphan_after_seconds of grid.json, with max_clock_skew_seconds to spare). Its task goes back to the "
	     "queue, or to failed with the status lost when its attempts are used up. Idle workers do this by "
	     "themselves; this verb is for schedules and for grids without a live worker.",
    .needs = USAGE_WRITES,
    .options = upkeep_options,
    .examples = (const struct usage_note[]){{"dgrid heal --dry-run", "what is orphaned?"}, {"dgrid heal", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "done, also when there was nothing to do"}, {0}},
    .run = cmd_heal,
};
const struct verb verb_maintain = {
    .name = "maintain",
    .args = "[--dry-run] [--json]",
    .summary = "promote, heal, move the oldest finished tasks to the branch archive, delete old outputs",
    .about =
	"All that a grid needs now and then, in one go: dgrid promote, dgrid heal, and the archive. Beyond "
	"keep_finished finished tasks (grid.json; 500) the oldest move to the branch archive, where show, logs, why "
	"and wait still find them. What tasks left in /out is deleted after keep_out_days. Meant for a schedule, every "
	"five minutes or so; workers heal and archive by "
	"themselves too.",
    .needs = USAGE_WRITES,
    .options = upkeep_options,
    .examples = (const struct usage_note[]){{"dgrid maintain", ""},
					    {"dgrid maintain --dry-run --json", "what would be done"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "done, also when there was nothing to do"}, {0}},
    .run = cmd_maintain,
};
