/* pause, resume: the queue, or a part of it, is claimed by nobody. */
#include "schema/level.h"
#include "store/orders.h"
#include "store/registry.h"
#include "verbs/orders.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pausing {
	bool resume, all;
	const char *reason;
	struct strs groups, labels;
	struct order_change change;
	struct strs done, already, left; /* what was, was already, and is still paused, in words */
};

/* Is it the pause of that kind ("group", "label"; NULL: the whole queue) and name? */
static bool is_pause(const struct json *one, const char *kind, const char *name)
{
	const char *group = json_str(one, "group"), *label = json_str(one, "label");
	if (!kind)
		return !group && !label;
	const char *is = json_str(one, kind);
	return is && !strcmp(is, name);
}

/* The list as it is to be: kept, or with the pause of kind and name. */
static void settle(struct pausing *p, const char *who, struct json **list, const char *kind, const char *name)
{
	struct json *now = json_new(JSON_ARRAY), *fresh = order_pause(who, p->reason, kind, name);
	char words[ORDER_NAME];
	bool was = false, same = false;
	order_pause_name(fresh, words);
	for (const struct json *one = (*list)->child; one; one = one->next) {
		const char *reason = json_str(one, "reason");
		bool hit = is_pause(one, kind, name);
		was = was || hit;
		same = same || (hit && json_str(one, "by") && (!p->reason || (reason && !strcmp(reason, p->reason))));
		if (!hit || (same && !p->resume))
			json_append(now, json_copy(one));
	}
	if (!p->resume && !same)
		json_append(now, json_copy(fresh));
	strs_add((p->resume ? was : !same) ? &p->done : &p->already, words);
	json_free(fresh);
	json_free(*list);
	*list = now;
}

static int write_list(struct ledger *l, const struct json *list, struct err *e)
{
	if (!list->child)
		return order_remove(l, ORDER_PAUSED, e);
	if (order_pauses_many(list))
		return err_set(e, ERR_DATA, "more than %d pauses (resume some, or pause the whole queue: --all)",
			       ORDER_PAUSES_MAX);
	struct json *doc = order_pauses(list);
	int rc = order_write(l, ORDER_PAUSED, doc, e);
	json_free(doc);
	return rc;
}

static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct pausing *p = ctx;
	struct json *doc = NULL, *list = json_new(JSON_ARRAY);
	const struct json *one;
	char words[ORDER_NAME];
	order_change_clear(&p->change);
	strs_clear(&p->done);
	strs_clear(&p->already);
	strs_clear(&p->left);
	int rc = order_may(l, e) || orders_file(l, ORDER_PAUSED, &doc, e) ? -1 : 0;
	for (size_t i = 0; doc && (one = order_pause_at(doc, i)); i++)
		json_append(list, json_copy(one));
	if (p->all && !rc)
		settle(p, l->git.name, &list, NULL, NULL);
	for (size_t i = 0; i < p->groups.n && !rc; i++)
		settle(p, l->git.name, &list, "group", p->groups.v[i]);
	for (size_t i = 0; i < p->labels.n && !rc; i++)
		settle(p, l->git.name, &list, "label", p->labels.v[i]);
	for (one = list->child; one; one = one->next)
		strs_add(&p->left, order_pause_name(one, words));
	strs_add(&p->change.done, "queue");
	for (size_t i = 0; i < p->done.n; i++)
		strs_add(&p->change.notes, p->done.v[i]);
	if (p->reason)
		strs_add(&p->change.notes, p->reason);
	if (!rc && p->done.n)
		rc = write_list(l, list, e) ? -1 : order_commit(l, &p->change, e);
	json_free(doc);
	json_free(list);
	return rc;
}

/* They claim what is paused, and the audit finds it. */
static void tell_old_nodes(struct ledger *l)
{
	struct strs ids = {0};
	registry_ids(l, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct err none;
		struct json *file = registry_node(l, ids.v[i], &none);
		const char *status = json_str(file, "status"), *version = json_str(file, "dgrid_version");
		if (file && level_of_node(file) < LEVEL_ORDERS && (!status || strcmp(status, "left") != 0))
			fprintf(stderr,
				"dgrid: node %s runs dgrid %.20s, which does not go by this: update or stop it\n",
				ids.v[i], version ? version : "?");
		json_free(file);
	}
	strs_clear(&ids);
}

static int read_options(struct pausing *p, struct usage_scan *s, struct err *e)
{
	int key;
	while ((key = usage_next(s, e)) > 0) {
		p->all = p->all || key == 'a';
		p->reason = key == 'r' ? s->value : p->reason;
		if (key != 'g' && key != 'l')
			continue;
		if (!task_id_valid(s->value))
			return err_set(e, ERR_USAGE, "%s: expected 1-64 of A-Z a-z 0-9 _ -, found '%.200s'",
				       s->option->name, s->value);
		struct strs *to = key == 'g' ? &p->groups : &p->labels;
		if (!strs_has(to, s->value))
			strs_add(to, s->value);
	}
	if (key < 0 || usage_operands(s, 0, e))
		return -1;
	p->all = p->all || (!p->groups.n && !p->labels.n);
	return order_check_reason(p->reason, e);
}

static int cmd_pause(const struct context *ctx, const struct verb *verb, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = verb, .argc = argc, .argv = argv};
	struct pausing p = {.resume = verb == &verb_resume, .change = {.verb = verb->name}};
	struct ledger l = {0};
	struct grid_config c = {0};
	int rc = read_options(&p, &s, e) || order_land(ctx, &l, &c, build, &p, e) ? -1 : 0;
	if (!rc && p.resume) {
		order_tell("resumed: ", &p.done);
		for (size_t i = 0; i < p.already.n; i++)
			fprintf(stderr, "dgrid: not paused: %s\n", p.already.v[i]);
		order_tell("still paused: ", &p.left);
	} else if (!rc) {
		order_tell("paused: ", &p.done);
		order_tell("already paused: ", &p.already);
	}
	if (!rc && !p.resume)
		tell_old_nodes(&l);
	order_change_clear(&p.change);
	strs_clear(&p.done);
	strs_clear(&p.already);
	strs_clear(&p.left);
	strs_clear(&p.groups);
	strs_clear(&p.labels);
	close_grid(&l, &c);
	return rc;
}

static int cmd_pause_on(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_pause(ctx, &verb_pause, argc, argv, e);
}

static int cmd_pause_off(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_pause(ctx, &verb_resume, argc, argv, e);
}

const struct verb verb_pause = {
    .name = "pause",
    .args = "[--reason TEXT] [--all] [--group G]... [--label L]...",
    .summary = "stop nodes from claiming queued tasks: all, or those of a group or label",
    .about = "Writes tasks/paused.json. From that commit on, paused tasks are not claimed; running tasks continue. "
	     "Tasks can still be submitted, schedules still queue theirs, and deadlines still apply. To pause a "
	     "schedule, use dgrid schedule pause; to pause a node, dgrid drain.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'r', "--reason", "TEXT", NULL, "the reason, shown to everybody: one line of at most 200 bytes"},
	    {'g', "--group", "G", NULL, "the tasks of this group"},
	    {'l', "--label", "L", NULL, "the tasks that ask for this label"},
	    {'a', "--all", NULL, NULL, "the whole queue; the default without --group and --label"},
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid pause --reason 'the licence server is down'", "the whole queue"},
					    {"dgrid pause --group sweep --label gpu", ""},
					    {"dgrid resume", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "paused, or it was already"}, {0}},
    .run = cmd_pause_on,
};
const struct verb verb_resume = {
    .name = "resume",
    .args = "[--all] [--group G]... [--label L]...",
    .summary = "let nodes claim paused tasks again",
    .about = "Ends the pause of the whole queue, or of the named groups and labels. What else is paused stays paused, "
	     "and is printed.",
    .needs = USAGE_WRITES,
    .options = (const struct usage_option[]){{'g', "--group", "G", NULL, "the tasks of this group"},
					     {'l', "--label", "L", NULL, "the tasks that ask for this label"},
					     {'a', "--all", NULL, NULL,
					      "the whole queue; the default without --group and --label"},
					     {0}},
    .examples = (const struct usage_note[]){{"dgrid resume", ""}, {"dgrid resume --group sweep", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "it is not paused now"}, {0}},
    .run = cmd_pause_off,
};
