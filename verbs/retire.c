/* retire: a node that is gone for good. Its name and keys stay known, so that neither comes back as somebody's. */
#include "base/clock.h"
#include "base/log.h"
#include "schema/keys.h"
#include "schema/node.h"
#include "store/heartbeat.h"
#include "store/orders.h"
#include "store/registry.h"
#include "store/tails.h"
#include "verbs/orders.h"
#include "verbs/verbs.h"
#include "worker/reaper.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT(l, out, e, ...) git_run(&(l)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct retiring {
	const char *node, *reason;
	bool force, retired;
	const struct grid_config *config;
	size_t keys, claims;  /* revoked; held when it was looked at */
	struct orphans taken; /* these */
};

/* How many claims it holds; the first of them in id. */
static int count_claims(struct ledger *l, struct retiring *r, char id[65], struct err *e)
{
	struct strs ids = {0};
	int rc = ledger_ids(l, TASK_IN_PROGRESS, &ids, e);
	r->claims = 0;
	for (size_t i = 0; i < ids.n && !rc; i++) {
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], e);
		const char *node = json_str(json_get(doc, "claim"), "node");
		rc = !doc && !ledger_answered(e) ? -1 : 0;
		if (node && !strcmp(node, r->node) && !r->claims++)
			snprintf(id, 65, "%s", ids.v[i]);
		json_free(doc);
	}
	strs_clear(&ids);
	return rc;
}

/* Seconds since its last sign of life, while others would still wait for the next; -1: it is not alive. */
static int alive(struct ledger *l, const struct retiring *r, const struct json *file, int64_t *ago, struct err *e)
{
	struct beats beats = {0};
	struct node_view own, beat;
	*ago = -1;
	if (heartbeats_fetch(&l->git, e) || heartbeats_read(&l->git, &beats, e)) {
		heartbeats_clear(&beats);
		return -1;
	}
	node_read(&own, file);
	node_read(&beat, heartbeats_of(&beats, r->node));
	const struct node_view *last = beat.seen > own.seen ? &beat : &own;
	int64_t late = r->config->orphan_after_seconds + r->config->max_clock_skew_seconds, now = clock_now();
	if (strcmp(last->status, "left") != 0 && last->seen && (now <= last->seen + late || now <= last->next_due))
		*ago = now > last->seen ? now - last->seen : 0;
	heartbeats_clear(&beats);
	return 0;
}

static int check(struct ledger *l, struct retiring *r, struct err *e)
{
	char id[65] = "";
	int64_t ago = -1;
	struct json *file = registry_node(l, r->node, e);
	int rc = 0;
	if (!file && !ledger_answered(e))
		return -1;
	if (!file && e->class == ERR_NOENT)
		rc = err_set(e, ERR_NOENT, "no node '%s' in this grid (see: dgrid nodes)", r->node);
	else
		rc = count_claims(l, r, id, e) || alive(l, r, file, &ago, e) ? -1 : 0;
	if (!rc && r->claims && !r->force)
		rc = err_set(e, ERR_NO,
			     "node '%s' holds %zu claim%s (%s%s): let them end, or --force gives them to others at "
			     "once, as those of a dead node",
			     r->node, r->claims, r->claims == 1 ? "" : "s", id, r->claims > 1 ? ", ..." : "");
	else if (!rc && ago >= 0 && !r->force)
		rc = err_set(
		    e, ERR_NO,
		    "node '%s' gave a sign of life %lld s ago: stop its worker first (--force: it stops when it "
		    "sees that it is retired)",
		    r->node, (long long)ago);
	json_free(file);
	return rc;
}

/* Its keys into the order, so that they are known for a node's; its files away. */
static int revoke(struct ledger *l, struct retiring *r, struct json **order, struct err *e)
{
	char *path = xasprintf(KEYS_FOLDER "%s.pub", r->node), *full = xasprintf("%s/%s", l->git.dir, path);
	struct buf text = {0};
	struct keys keys = {0};
	struct err none;
	struct strs had = {0};
	if (!file_read(full, KEYS_FILE_MAX, &text, &none))
		keys_parse(&keys, text.data ? text.data : "", text.len, NULL);
	for (size_t i = 0; i < keys.n; i++)
		strs_add(&had, keys.v[i].text);
	r->keys = keys.n;
	*order = order_retirement(l->git.name, r->reason, &had);
	strs_clear(&had);
	int rc = order_remove(l, path, e);
	keys_clear(&keys);
	buf_clear(&text);
	free(full);
	free(path);
	return rc;
}

/* One claim ends, in the same commit. */
static int take(struct ledger *l, const struct orphan *o, struct order_change *change, struct err *e)
{
	struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, o->id, e);
	if (!doc)
		return -1;
	char *was = xasprintf("tasks/%s/%s.json", task_state_name(TASK_IN_PROGRESS), o->id),
	     *to = xasprintf("tasks/%s/%s.json", task_state_name(reaper_end(doc, o)), o->id);
	int rc = order_remove(l, was, e) || order_write(l, to, doc, e) ? -1 : 0;
	strs_addf(&change->also, "%s %s", fate_name(o->fate), o->id);
	json_free(doc);
	free(was);
	free(to);
	return rc;
}

/* What it holds goes to others. */
static int take_claims(struct ledger *l, struct retiring *r, const struct json *order, struct order_change *change,
		       struct err *e)
{
	orphans_clear(&r->taken);
	int rc = reaper_retired(l, r->node, order, &r->taken, e);
	for (size_t i = 0; i < r->taken.n && !rc; i++)
		rc = take(l, &r->taken.v[i], change, e);
	return rc;
}

static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct retiring *r = ctx;
	struct order_change change = {.verb = "retire"};
	struct json *was = NULL, *order = NULL;
	char *mark = xasprintf(ORDER_RETIRED "%s.json", r->node), *file = xasprintf("nodes/%s.json", r->node),
	     *drain = xasprintf(ORDER_DRAINS "%s.json", r->node);
	int rc = order_may(l, e) || orders_file(l, mark, &was, e) ? -1 : 0;
	r->retired = was != NULL;
	if (!rc && !was)
		rc = check(l, r, e);
	if (!rc && !was) {
		strs_add(&change.done, r->node);
		if (r->reason)
			strs_add(&change.notes, r->reason);
		rc = revoke(l, r, &order, e) || order_remove(l, file, e) || order_remove(l, drain, e) ||
			     order_write(l, mark, order, e) || take_claims(l, r, order, &change, e)
			 ? -1
			 : order_commit(l, &change, e);
	}
	order_change_clear(&change);
	json_free(was);
	json_free(order);
	free(mark);
	free(file);
	free(drain);
	return rc;
}

/* Its heartbeat and tails, wherever they are at the remote. */
static void remove_refs(struct ledger *l, const char *node)
{
	static const char *const folders[] = {HEARTBEAT_REF, HEARTBEAT_FALLBACK, TAILS_REF, TAILS_FALLBACK};
	struct buf out = {0};
	struct strs push = {0};
	struct err e = {0};
	strs_add(&push, "push");
	strs_add(&push, "--quiet");
	strs_add(&push, "origin");
	int rc = GIT(l, &out, &e, "ls-remote", "origin");
	for (size_t i = 0; i < sizeof folders / sizeof *folders && !rc; i++) {
		char *line = xasprintf("\t%s/%s\n", folders[i], node);
		if (out.data && strstr(out.data, line))
			strs_addf(&push, ":%s/%s", folders[i], node);
		free(line);
	}
	if (!rc && push.n > 3)
		rc = git_run(&l->git, NULL, &e, (const char *const *)push.v);
	if (rc)
		fprintf(stderr, "dgrid: its heartbeat stays at the remote: %s\n", e.msg);
	strs_clear(&push);
	buf_clear(&out);
}

static int cmd_retire(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_retire, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct retiring r = {.config = &c};
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		r.force = r.force || key == 'f';
		r.reason = key == 'r' ? s.value : r.reason;
	}
	int rc = key < 0 || usage_operands(&s, 1, e) || order_check_reason(r.reason, e) ? -1 : 0;
	r.node = s.rest < argc ? argv[s.rest] : "";
	if (!rc && !task_id_valid(r.node))
		rc = err_set(e, ERR_USAGE,
			     *r.node ? "NODE: expected 1-64 of A-Z a-z 0-9 _ -, found '%.200s'"
				     : "retire needs the name of a node%s",
			     r.node);
	if (!rc && !(rc = order_land(ctx, &l, &c, build, &r, e))) {
		remove_refs(&l, r.node);
		printf("%s%s", r.retired ? "already retired: " : "retired ", r.node);
		if (r.keys)
			printf(" (%zu key%s revoked)", r.keys, r.keys == 1 ? "" : "s");
		putchar('\n');
		for (size_t i = 0; i < r.taken.n; i++) {
			printf("%s %s: ", fate_name(r.taken.v[i].fate), r.taken.v[i].id);
			put_clean(r.taken.v[i].why, sizeof r.taken.v[i].why);
			putchar('\n');
		}
	}
	orphans_clear(&r.taken);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_retire = {
    .name = "retire",
    .args = "[--reason TEXT] [--force] NODE",
    .summary = "remove a node from the grid for good: its file, its keys, its heartbeat",
    .about = "In one commit, removes nodes/NODE.json, nodes/keys/NODE.pub and any drain, and writes "
	     "nodes/retired/NODE.json: who retired the node, when and why, and which keys it had. Neither the name nor "
	     "the keys can be used again: no worker starts under that name, and enroll refuses both. What the node did "
	     "before stays valid. Refused while the node is alive or holds claims.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'r', "--reason", "TEXT", NULL, "the reason, shown to everybody: one line of at most 200 bytes"},
	    {'f', "--force", NULL, NULL,
	     "even if it is alive or holds claims: its worker stops when it sees this, and its tasks go back to the "
	     "queue in the same commit, one attempt used up, or end as lost if that was the last"},
	    {0}},
    .operands = "@nodes",
    .examples = (const struct usage_note[]){{"dgrid retire attic --reason 'its disk is dead'", ""},
					    {"dgrid retire --force attic", "the machine was stolen"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "retired, or it was already"},
					 {"1", "it is alive or holds claims; nothing was changed"},
					 {"66", "there is no such node"},
					 {0}},
    .run = cmd_retire,
};
