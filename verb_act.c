#include "clock.h"
#include "reaper.h"
#include "upkeep.h"
#include "verbs.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20 /* a task may move while we look at it; then it is judged again */

int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"timeout", 1, 0, 't'}, {0}};
	struct ledger l = {0};
	struct grid_config c = {0};
	long timeout = 0;
	int opt;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (opt != 't')
			return err_set(e, ERR_USAGE, "unknown option or missing value '%s' (see: dgrid wait --help)",
				       argv[optind - 1]);
		else if (parse_number("--timeout", optarg, 1, 86400, &timeout, e))
			return -1;
	if (optind == argc)
		return err_set(e, ERR_USAGE, "wait needs at least one task id");
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = wait_for(&l, (const char *const *)argv + optind, (size_t)(argc - optind), timeout, e);
	close_grid(&l, &c);
	return rc;
}

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

/* Not running, or on a node that is dead: it ends here. */
static enum change_verdict edit_cancelled(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	note_cancel(doc, who);
	task_set_verdict(doc, "cancelled", NULL);
	return CHANGE_APPLY;
}

static enum change_verdict edit_retry(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	json_remove(doc, "cancel");
	task_retried(doc, who);
	return CHANGE_APPLY;
}

/* What retry or cancel does to a task in this state. 1: c is set; 0: nothing to do; -1: refused, e says why. */
static int plan(const char *verb, const char *id, int state, bool dead, bool invalid, struct ledger_change *c,
		struct err *e)
{
	bool ended = state == TASK_COMPLETED || state == TASK_FAILED, retry = !strcmp(verb, "retry");
	if (state < 0)
		return err_set(e, ERR_NOENT, "no task '%s' on the branch%s", id,
			       retry ? " (an archived task is submitted anew, under another id)" : "");
	if (retry && invalid)
		return err_set(e, ERR_NO, "'%s' was no task that can run (see: dgrid why %s): submit it anew", id, id);
	if (retry ? !ended : ended)
		return err_set(e, ERR_NO, "task '%s' is in %s: nothing to %s", id,
			       task_state_name((enum task_state)state), verb);
	bool ask = !retry && state == TASK_IN_PROGRESS && !dead;
	c->from = (enum task_state)state;
	c->to = retry ? TASK_QUEUE : ask ? TASK_IN_PROGRESS : TASK_FAILED;
	c->edit = retry ? edit_retry : ask ? edit_ask_cancel : edit_cancelled;
	return 1;
}

static bool is_orphan(const struct orphans *o, const char *id)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->v[i].id, id))
			return true;
	return false;
}

/* It stands in failed/ as a stub with the reasons, for there was nothing to run. */
static bool is_invalid(struct ledger *l, const char *id, int state)
{
	struct json *doc = state == TASK_FAILED ? ledger_doc(l, TASK_FAILED, id, NULL) : NULL;
	const char *status = json_str(json_get(doc, "result"), "status");
	bool invalid = status && !strcmp(status, "invalid");
	json_free(doc);
	return invalid;
}

/* All ids in one commit; those that moved meanwhile are judged again. */
static int act(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct reaper r = {0};
	size_t n = (size_t)argc - 1;
	struct ledger_change *changes = xcalloc(n + 1, sizeof *changes);
	int rc = check_flags(argc, argv, (const char *const[]){NULL}, e);
	if (!rc && !n)
		rc = err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	size_t open = n;
	for (int round = 0; !rc && open && round < ROUNDS; round++) {
		struct orphans dead = {0};
		if (round)
			rc = ledger_sync(&l, e);
		if (!rc && !strcmp(argv[0], "cancel"))
			rc = reaper_look(&r, &l, &c, NULL, &dead, e);
		for (size_t i = 0; i < n && !rc; i++) {
			if (changes[i].outcome == CHANGE_LANDED)
				continue;
			const char *id = argv[i + 1];
			int state = task_id_valid(id) ? ledger_find(&l, id) : -1;
			changes[i] = (struct ledger_change){.id = id, .ctx = l.git.name, .verb = argv[0]};
			if (plan(argv[0], id, state, is_orphan(&dead, id), is_invalid(&l, id, state), &changes[i], e) <
			    0)
				rc = -1;
		}
		if (!rc)
			rc = ledger_commit(&l, l.git.name, changes, n, NULL, NULL, e);
		for (size_t i = open = 0; i < n; i++)
			open += changes[i].outcome != CHANGE_LANDED;
		orphans_clear(&dead);
	}
	if (!rc && open)
		rc = err_set(e, ERR_RETRY, "a task keeps moving; try again");
	for (size_t i = 0; !rc && i < n; i++)
		puts(argv[i + 1]);
	free(changes);
	reaper_clear(&r);
	close_grid(&l, &c);
	return rc;
}

int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, e);
}

int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, e);
}

/* ---- heal ---- */

/* What was (or would be) promoted, healed and archived; archived < 0: only healing was asked for. */
static void print_upkeep(const struct staged_list *staged, const struct orphans *o, int64_t archived, bool json,
			 bool dry)
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
	if (json)
		put_json(all);
	else if (!list->child)
		puts("no orphans");
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

static int heal(const struct context *ctx, int argc, char **argv, bool all, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct reaper r = {0};
	struct orphans o = {0};
	struct staged_list staged = {0};
	int64_t archived = all ? 0 : -1;
	bool dry = false;
	int rc = check_flags(argc, argv, (const char *const[]){"--dry-run", "--json", NULL}, e);
	for (int i = 1; i < argc; i++)
		dry = dry || !strcmp(argv[i], "--dry-run");
	if (!rc && operand(argc, argv, 0))
		rc = err_set(e, ERR_USAGE, "%s takes no operand, found '%s'", argv[0], operand(argc, argv, 0));
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	if (!rc && all)
		rc = promote_all(&l, &c, l.git.name, NULL, 0, dry, &staged, e);
	if (!rc)
		rc = reaper_look(&r, &l, &c, NULL, &o, e);
	if (!rc && !dry)
		rc = reaper_heal(&l, l.git.name, &o, e);
	if (!rc && all)
		rc = archive(&l, &c, dry, &archived, e);
	if (!rc)
		print_upkeep(&staged, &o, archived, flag_json(argc, argv), dry);
	promote_clear(&staged);
	orphans_clear(&o);
	reaper_clear(&r);
	close_grid(&l, &c);
	return rc;
}

int cmd_heal(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return heal(ctx, argc, argv, false, e);
}

int cmd_maintain(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return heal(ctx, argc, argv, true, e);
}
