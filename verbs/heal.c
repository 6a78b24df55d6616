#include "store/waiting.h"
#include "verbs/verbs.h"
#include "worker/reaper.h"
#include "worker/unneeded.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20 /* a worker may push at any time */

/* What needs a task that did not succeed. */
static int skip(struct ledger *l, bool dry, struct strs *skipped, struct err *e)
{
	return (!dry && ledger_sync(l, e)) || waiting_skip_all(l, l->git.name, dry, skipped, e) ? -1 : 0;
}

/* Which queued tasks were ended: a line each, or the member of into. */
static void tell_ended(const struct strs *ids, const char *member, const char *verb, const char *why, struct json *into)
{
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < ids->n; i++) {
		json_append(list, json_new_str(ids->v[i]));
		if (!into)
			printf("%s %s%s\n", verb, ids->v[i], why);
	}
	if (into)
		json_set(into, member, list);
	else
		json_free(list);
}

/* What was (or would be) done; archived < 0: only healing was asked for. */
static void print_upkeep(const struct staged_list *staged, const struct firings *fired, const struct strs *skipped,
			 const struct strs *expired, const struct orphans *o, int64_t archived, const size_t gone[3],
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
	if (archived >= 0) {
		tell_promoted(staged, dry, json ? all : NULL);
		tell_ended(skipped, "skipped", dry ? "would skip" : "skipped", ": what it needs did not succeed",
			   json ? all : NULL);
		tell_ended(expired, "expired", dry ? "would end" : "ended", ", which was queued beyond its deadline",
			   json ? all : NULL);
		tell_fired(fired, dry, json ? all : NULL);
		json_set(all, "archived", json_new_int(archived));
		json_set(all, "outputs_deleted", json_new_int((int64_t)gone[0]));
		json_set(all, "checkpoints_deleted", json_new_int((int64_t)gone[1]));
		json_set(all, "inputs_deleted", json_new_int((int64_t)gone[2]));
	}
	if (json)
		put_json(all);
	else if (!list->child)
		puts("no orphans");
	if (!json && gone[0])
		printf("%s %zu day%s of outputs\n", dry ? "would delete" : "deleted", gone[0], gone[0] == 1 ? "" : "s");
	if (!json && gone[1])
		printf("%s %zu checkpoint%s that no task needs\n", dry ? "would delete" : "deleted", gone[1],
		       gone[1] == 1 ? "" : "s");
	if (!json && gone[2])
		printf("%s %zu input%s that no task needs\n", dry ? "would delete" : "deleted", gone[2],
		       gone[2] == 1 ? "" : "s");
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
	struct strs skipped = {0}, expired = {0};
	struct firings fired = {0};
	bool all = verb == &verb_maintain, dry = false, json = false;
	int64_t archived = all ? 0 : -1;
	size_t gone[3] = {0, 0, 0}; /* days of outputs; checkpoints; inputs */
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		dry = dry || key == 'd';
		json = json || key == 'j';
	}
	int rc = key < 0 || usage_operands(&s, 0, e) || open_grid_to_sign(ctx, &l, &c, e) ? -1 : 0;
	l.signs_as = KEYS_ANY; /* nodes do all of this too */
	rc = rc || (all && promote_all(&l, &c, l.git.name, NULL, 0, dry, &staged, e)) ||
		     (all && firing_all(&l, &c, l.git.name, dry, &fired, e)) || reaper_look(&r, &l, &c, NULL, &o, e) ||
		     (!dry && reaper_heal(&l, l.git.name, &o, e)) || (all && skip(&l, dry, &skipped, e)) ||
		     (all && waiting_expire_all(&l, l.git.name, dry, &expired, e)) ||
		     (all && archive(&l, &c, dry, &archived, e)) ||
		     (all && upkeep_outputs(&l.git, &c, dry, &gone[0], e)) ||
		     (all && upkeep_checkpoints(&l, &c, dry, &gone[1], e)) ||
		     (all && unneeded_inputs(&l, &c, dry, &gone[2], e))
		 ? -1
		 : 0;
	if (!rc)
		print_upkeep(&staged, &fired, &skipped, &expired, &o, archived, gone, json, dry);
	strs_clear(&skipped);
	strs_clear(&expired);
	staged_clear(&staged);
	firing_clear(&fired);
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
    .summary = "return orphaned tasks (dead nodes, expired leases) to the queue",
    .about = "A claim is orphaned when its lease has expired or its node has sent no heartbeat for too long "
	     "(orphan_after_seconds plus max_clock_skew_seconds of grid.json). Its task goes back to the queue, or to "
	     "failed with the status lost when its attempts are used up. Idle workers do this too.",
    .needs = USAGE_WRITES,
    .options = upkeep_options,
    .examples = (const struct usage_note[]){{"dgrid heal --dry-run", "what is orphaned?"}, {"dgrid heal", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "done, or there was nothing to do"}, {0}},
    .run = cmd_heal,
};
const struct verb verb_maintain = {
    .name = "maintain",
    .args = "[--dry-run] [--json]",
    .summary =
	"promote, queue what schedules have due, heal, expire, archive the oldest finished tasks, delete old outputs",
    .about = "Does the regular upkeep of a grid: dgrid promote, dgrid schedule run and dgrid heal; ends tasks that are "
	     "queued past their deadline; and moves the oldest finished tasks, beyond keep_finished, to the archive, "
	     "where show, logs, why and wait still find them. Files that tasks left in /out are deleted after "
	     "keep_out_days, as are inputs that no task needs any more and checkpoints that no task will resume. Run "
	     "it every five minutes or so, from cron or a workflow.",
    .needs = USAGE_WRITES,
    .options = upkeep_options,
    .examples = (const struct usage_note[]){{"dgrid maintain", ""},
					    {"dgrid maintain --dry-run --json", "what would be done"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "done, or there was nothing to do"}, {0}},
    .run = cmd_maintain,
};
