#include "clock.h"
#include "verbs.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"timeout", 1, 0, 't'}, {0}};
	struct ledger l;
	struct grid_config c;
	long timeout = 0;
	int opt;
	optind = 1;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (opt != 't' || parse_number("--timeout", optarg, 1, 86400, &timeout, e))
			return opt == 't' ? -1 : err_set(e, ERR_USAGE, "see: dgrid wait --help");
	if (optind == argc)
		return err_set(e, ERR_USAGE, "wait needs at least one task id");
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = wait_for(&l, (const char *const *)argv + optind, (size_t)(argc - optind), timeout, e);
	close_grid(&l, &c);
	return rc;
}

static struct json *cancel_note(void *who)
{
	char when[32];
	struct json *note = json_new(JSON_OBJECT);
	json_set(note, "by", json_new_str(who));
	json_set(note, "requested_at", json_new_str(clock_format(clock_now(), when)));
	return note;
}

static enum change_verdict edit_cancel_running(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	json_set(doc, "cancel", cancel_note(who));
	return CHANGE_APPLY;
}

static enum change_verdict edit_cancel_queued(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	char when[32];
	struct json *result = json_new(JSON_OBJECT);
	json_set(doc, "cancel", cancel_note(who));
	json_set(result, "status", json_new_str("cancelled"));
	json_set(result, "finished_at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "result", result);
	return CHANGE_APPLY;
}

static enum change_verdict edit_retry(void *who, struct json *doc, enum task_state *to)
{
	(void)to;
	(void)who;
	json_remove(doc, "result");
	json_remove(doc, "cancel");
	json_remove(doc, "attempts"); /* a fresh start; the history keeps them */
	return CHANGE_APPLY;
}

static int act(const struct context *ctx, int argc, char **argv, bool retry, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	const char *id = operand(argc, argv, 0);
	int rc = check_flags(argc, argv, (const char *const[]){NULL}, e);
	if (!rc && !id)
		rc = err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	for (int i = 0; !rc && (id = operand(argc, argv, i)); i++) {
		int state = task_id_valid(id) ? ledger_find(&l, id) : -1;
		struct ledger_change change = {.id = id, .ctx = (void *)ctx->name, .verb = argv[0]};
		change.from = (enum task_state)state;
		change.to = retry ? TASK_QUEUE : state == TASK_IN_PROGRESS ? TASK_IN_PROGRESS : TASK_FAILED;
		change.edit = retry ? edit_retry : state == TASK_IN_PROGRESS ? edit_cancel_running : edit_cancel_queued;
		if (state < 0)
			rc = err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
		else if (retry ? state != TASK_FAILED && state != TASK_COMPLETED
			       : state == TASK_FAILED || state == TASK_COMPLETED)
			rc = err_set(e, ERR_NO, "task '%s' is in %s: nothing to %s", id,
				     task_state_name((enum task_state)state), argv[0]);
		else if (!(rc = ledger_commit(&l, ctx->name, &change, 1, NULL, NULL, e)) &&
			 change.outcome != CHANGE_LANDED)
			rc = err_set(e, ERR_RETRY, "task '%s' moved meanwhile; try again", id);
		if (!rc)
			printf("%s\n", id);
	}
	close_grid(&l, &c);
	return rc;
}

int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, false, e);
}

int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, true, e);
}
