/* drain, undrain: a node claims nothing more until a person says otherwise. */
#include "schema/level.h"
#include "schema/node.h"
#include "store/orders.h"
#include "store/registry.h"
#include "verbs/orders.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct draining {
	bool undrain, all, force, release;
	const char *reason;
	struct strs nodes, labels; /* named; each to be carried */
	struct order_change change;
	struct strs already;
};

/* All registered nodes that carry the labels; with undrain all that are drained, joined or not. */
static int find_nodes(struct ledger *l, const struct draining *d, struct strs *found, struct err *e)
{
	struct strs ids = {0};
	struct json *wanted = json_new(JSON_ARRAY);
	for (size_t i = 0; i < d->labels.n; i++)
		json_append(wanted, json_new_str(d->labels.v[i]));
	int rc = registry_ids_in(l, d->undrain && !d->labels.n ? ORDER_DRAINS : "nodes/", &ids, e);
	for (size_t i = 0; i < ids.n && !rc; i++) {
		struct json *file = d->labels.n ? registry_node(l, ids.v[i], e) : NULL;
		rc = d->labels.n && !file && !ledger_answered(e) ? -1 : 0;
		if (!rc && (!d->labels.n || node_has_labels(file, wanted)))
			strs_add(found, ids.v[i]);
		json_free(file);
	}
	if (!rc && d->labels.n && !found->n)
		rc = err_set(e, ERR_NOENT, "no node of this grid carries %s%s (see: dgrid nodes)",
			     d->labels.n > 1 ? "all these labels, the first is " : "the label ", d->labels.v[0]);
	json_free(wanted);
	strs_clear(&ids);
	return rc;
}

static int check_known(struct ledger *l, const struct draining *d, const char *node, struct err *e)
{
	struct err own;
	struct json *retired = NULL, *file = registry_node(l, node, &own);
	int rc = !file && own.class == ERR_NOENT ? 0 : 1;
	const char *version = json_str(file, "dgrid_version");
	if (file && !d->force && !d->undrain && level_of_node(file) < LEVEL_ORDERS) {
		err_set(e, ERR_DATA,
			"node '%s' runs dgrid %.20s, which does not go by this: update it, or stop it on its machine "
			"(--force: drain it from its update on)",
			node, version ? version : "?");
		json_free(file);
		return -1;
	}
	json_free(file);
	if (rc || orders_of_node(l, ORDER_RETIRED, node, &retired, e))
		return rc ? 0 : -1;
	if (retired)
		rc = err_set(e, ERR_NO, "node '%s' is retired", node);
	else if (!d->force)
		rc = err_set(e, ERR_NOENT, "no node '%s' in this grid (see: dgrid nodes%s)", node,
			     d->undrain ? "" : "; --force drains one that has yet to join");
	json_free(retired);
	return rc;
}

/* Is this drain all that is asked for? */
static bool says_it(const struct json *drain, const struct draining *d)
{
	const char *reason = json_str(drain, "reason");
	return json_str(drain, "by") && (!d->reason || (reason && !strcmp(reason, d->reason))) &&
	       (!d->release || order_releases(drain));
}

static int one(struct ledger *l, struct draining *d, const char *node, struct err *e)
{
	char *path = xasprintf(ORDER_DRAINS "%s.json", node);
	struct json *was = NULL, *order = NULL;
	int rc = orders_file(l, path, &was, e);
	if (!rc && !was)
		rc = check_known(l, d, node, e);
	if (rc || (d->undrain ? !was : was && says_it(was, d))) {
		if (!rc)
			strs_add(&d->already, node);
		goto out;
	}
	if (d->undrain)
		rc = order_remove(l, path, e);
	else {
		order = order_drain(l->git.name, d->reason, d->release);
		rc = order_write(l, path, order, e);
	}
	if (!rc)
		strs_add(&d->change.done, node);
out:
	json_free(was);
	json_free(order);
	free(path);
	return rc;
}

static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct draining *d = ctx;
	struct strs found = {0};
	order_change_clear(&d->change);
	strs_clear(&d->already);
	int rc = order_may(l, e);
	for (size_t i = 0; i < d->nodes.n && !rc; i++)
		strs_add(&found, d->nodes.v[i]);
	if (!rc && (d->all || d->labels.n))
		rc = find_nodes(l, d, &found, e);
	for (size_t i = 0; i < found.n && !rc; i++)
		rc = one(l, d, found.v[i], e);
	if (!rc && d->reason)
		strs_add(&d->change.notes, d->reason);
	strs_clear(&found);
	return rc ? -1 : d->change.done.n ? order_commit(l, &d->change, e) : 0;
}

static int read_options(struct draining *d, struct usage_scan *s, struct err *e)
{
	int key;
	while ((key = usage_next(s, e)) > 0) {
		d->all = d->all || key == 'a';
		d->force = d->force || key == 'f';
		d->release = d->release || key == 'R';
		d->reason = key == 'r' ? s->value : d->reason;
		if (key == 'l')
			strs_add(&d->labels, s->value);
	}
	if (key < 0 || order_check_reason(d->reason, e))
		return -1;
	int n = usage_distinct(s);
	for (int i = 0; i < n; i++) {
		const char *node = s->argv[s->rest + i];
		if (!task_id_valid(node))
			return err_set(e, ERR_USAGE, "NODE: expected 1-64 of A-Z a-z 0-9 _ -, found '%.200s'", node);
		strs_add(&d->nodes, node);
	}
	if (!n && !d->all && !d->labels.n)
		return err_set(e, ERR_USAGE, "%s needs the name of a node, --label or --all", s->verb->name);
	if (n && (d->all || d->labels.n))
		return err_set(e, ERR_USAGE, "name nodes, or give --label or --all, not both");
	return 0;
}

static int cmd_drain(const struct context *ctx, const struct verb *verb, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = verb, .argc = argc, .argv = argv};
	struct draining d = {.undrain = verb == &verb_undrain, .change = {.verb = verb->name}};
	struct ledger l = {0};
	struct grid_config c = {0};
	int rc = read_options(&d, &s, e) || order_land(ctx, &l, &c, build, &d, e) ? -1 : 0;
	if (!rc) {
		order_tell(d.undrain ? "undrained " : "drained ", &d.change.done);
		order_tell(d.undrain ? "already undrained: " : "already drained: ", &d.already);
	}
	order_change_clear(&d.change);
	strs_clear(&d.already);
	strs_clear(&d.nodes);
	strs_clear(&d.labels);
	close_grid(&l, &c);
	return rc;
}

static int cmd_drain_on(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_drain(ctx, &verb_drain, argc, argv, e);
}

static int cmd_drain_off(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return cmd_drain(ctx, &verb_undrain, argc, argv, e);
}

#define LABEL                                                                                                          \
	{                                                                                                              \
		'l', "--label", "L", NULL, "all nodes with this label; repeated: with any of them"                     \
	}
const struct verb verb_drain = {
    .name = "drain",
    .args = "[--reason TEXT] [--release] [--force] (NODE... | --label L | --all)",
    .summary = "stop nodes from claiming tasks until they are undrained; running tasks finish",
    .about =
	"Writes nodes/drain/NODE.json, in one commit for all nodes. From that commit on, the node claims nothing; its "
	"running tasks finish and are recorded. Its worker stays up, sends heartbeats, is shown as draining (by whom, "
	"when and why), and claims again after dgrid undrain. To end a worker on its own machine, send it SIGTERM.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'r', "--reason", "TEXT", NULL, "the reason, shown to everybody: one line of at most 200 bytes"},
	    {'R', "--release", NULL, NULL,
	     "return its running tasks to the queue at once, at no cost of attempts, instead of letting them finish"},
	    LABEL,
	    {'a', "--all", NULL, NULL, "all nodes"},
	    {'f', "--force", NULL, NULL, "also a node that has not joined yet, or whose program is too old to obey"},
	    {0}},
    .operands = "@nodes",
    .examples = (const struct usage_note[]){{"dgrid drain attic --reason 'new disk on Friday'", ""},
					    {"dgrid drain --release --label gpu", "its tasks go to other nodes"},
					    {"dgrid undrain attic", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "drained, or they were already"},
					 {"1", "a node is retired; nothing was changed"},
					 {"65", "a node's program is too old to obey"},
					 {"66", "there is no such node, or none with the label"},
					 {0}},
    .run = cmd_drain_on,
};
const struct verb verb_undrain = {
    .name = "undrain",
    .args = "(NODE... | --label L | --all)",
    .summary = "let drained nodes claim again",
    .about = "Removes nodes/drain/NODE.json, in one commit for all nodes. Their workers claim tasks again.",
    .needs = USAGE_WRITES,
    .options = (const struct usage_option[]){LABEL, {'a', "--all", NULL, NULL, "all that are drained"}, {0}},
    .operands = "@nodes",
    .examples =
	(const struct usage_note[]){{"dgrid undrain attic", ""}, {"dgrid undrain --all", "after the maintenance"}, {0}},
    .exits =
	(const struct usage_note[]){{"0", "the nodes are not drained now"}, {"66", "no node carries the label"}, {0}},
    .run = cmd_drain_off,
};
