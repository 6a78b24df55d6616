#include "audit/rules_grid.h"
#include "audit/rules_fire.h"
#include <string.h>
#include <strings.h>

#define ORDER_DAY_SECONDS 86400
#define EXCHANGE_MAX_SECONDS 3600 /* a node's file is written before the exchange, and pushes may be slow */

static void judge_node(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	if (!ch->new_mode) {
		world_node_remove(&r->world, ch->id);
		if (c->node)
			rule_tell(r, RULE_NODE_FILE, c, ch->path, "a node's file was removed by a node, %s", c->who);
		else
			rule_tell(r, NOTICE_REMOVED, c, ch->path, "a node's file was removed by %s", c->who);
		return;
	}
	char what[160];
	const struct json *doc = rule_doc(&ch->new);
	int64_t seen = json_time(doc, "last_heartbeat"), late = rule_tolerance(r) + EXCHANGE_MAX_SECONDS;
	bool named = rule_text_is(doc, "node_id", ch->id);
	world_node_read(world_node_add(&r->world, ch->id), doc);
	if (c->parent[0] && (!c->node || strcmp(c->who, ch->id) != 0))
		rule_tell(r, RULE_NODE_FILE, c, ch->path, "the file of %s was written by %s", ch->id, c->who);
	else if (!doc || doc->type != JSON_OBJECT || !named)
		rule_tell(r, RULE_FILE_JSON, c, ch->path, "%s",
			  !doc || doc->type != JSON_OBJECT ? "it is no object in JSON" : "its node_id is not its name");
	else if (field_wrong(FIELD_NODE, doc, what) || field_wrong(FIELD_OFFER, json_get(doc, "offer"), what))
		rule_tell(r, RULE_DOC_FIELDS, c, ch->path, "%s", what);
	else if (c->parent[0] && seen && (seen > c->at + late || seen + late < c->at))
		rule_tell(r, RULE_NODE_FILE, c, ch->path, "last_heartbeat is not the time of the commit");
}

static void judge_mode(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	if (ch->new_mode && ch->new_mode != 0100644 && ch->new_mode != ch->old_mode)
		rule_tell(r, RULE_FILE_MODE, c, ch->path, "mode %06o (expected 100644, a plain file)", ch->new_mode);
}

static void judge_other(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	static const struct {
		enum rule_kind kind;
		enum rule_id notice;
	} notices[] = {{RULE_SIGNERS, NOTICE_SIGNERS}, {RULE_WORKFLOW, NOTICE_WORKFLOW}};
	if (ch->kind != RULE_OUTSIDE && ch->kind != RULE_WORKFLOW && ch->kind != RULE_BAD_PATH)
		judge_mode(r, c, ch);
	if (ch->kind == RULE_BAD_PATH) {
		if (ch->new_mode)
			rule_tell(r, RULE_PLACE_PATH, c, ch->path, "it does not belong there");
		return; /* it may always be taken away */
	}
	if (c->node && ch->kind == RULE_KEY)
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "a key was %s by a node, %s",
			  ch->new_mode ? "written" : "removed", c->who);
	else if (c->node && ch->kind != RULE_NODE && ch->kind != RULE_TOTALS && !rules_moves_last(ch))
		rule_tell(r, RULE_NODE_SCOPE, c, ch->path, "node %s changed it", c->who);
	for (size_t i = 0; i < sizeof notices / sizeof *notices && c->parent[0]; i++)
		if (notices[i].kind == ch->kind)
			rule_tell(r, notices[i].notice, c, ch->path, "%s by %s", rule_done_to(ch), c->who);
}

/* Did another order for that image, as new or newer, stand in the settings of the day before? It may have been taken
 * out since; the newest itself may come back. */
static bool is_put_back(struct rules *r, const char *image, const struct json *order, int64_t since)
{
	const struct grid_config *before;
	int64_t at = json_time(order, "ordered_at");
	bool as_new = false, itself = false;
	for (size_t n = 1; (before = rule_config(r, n, since)); n++) {
		const struct json *was = config_build_order(before, image);
		int64_t then = json_time(was, "ordered_at");
		if (then > at)
			return true;
		as_new = as_new || then == at;
		itself = itself || (was && rule_same(was, order));
	}
	return as_new && !itself;
}

/* An order that was signed before, here or in another grid of the same signer, must not be put back by somebody without
 * a key. A commit's date is whatever its author likes, so the newest time that is known counts. */
static void judge_orders(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	const struct grid_config *now = &r->world.config, *before = world_config(&r->world, 1, 0);
	int64_t came = c->at > r->world.newest ? c->at : r->world.newest;
	came = r->now > came ? r->now : came;
	for (int i = 0; now->images[i] && now->require_signed_tasks; i++) {
		const struct json *order = now->builds[i],
				  *was = before ? config_build_order(before, now->images[i]) : NULL;
		int64_t at = json_time(order, "ordered_at");
		if (!json_get(order, "signatures") || (was && rule_same(was, order)))
			continue;
		if (!at || at < came - ORDER_DAY_SECONDS || at > came + rule_tolerance(r))
			rule_tell(r, RULE_BUILD_ORDER, c, ch->path,
				  "the order to build %.100s was not made in the day before (dgrid image --build makes "
				  "one anew)",
				  now->images[i]);
		else if (is_put_back(r, now->images[i], order, came - ORDER_DAY_SECONDS))
			rule_tell(r, RULE_BUILD_ORDER, c, ch->path,
				  "the order to build %.100s is not newer than one that stood there", now->images[i]);
	}
}

/* They hold from the next commit on. Where signatures are no longer required anybody can forge, so that is said in
 * words. */
void rules_settings(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	const struct grid_config *now = &r->world.config;
	bool nodes = now->require_signed_nodes, tasks = now->require_signed_tasks, valid = !ch->new_mode;
	if (!ch->new_mode || ch->new.bytes) {
		world_settings(&r->world, ch->new_mode ? ch->new.bytes : NULL, ch->new.len, c->at);
		valid = !r->world.unread;
		if (valid && ch->new_mode && c->parent[0])
			judge_orders(r, c, ch);
	}
	if (c->parent[0])
		rule_tell(r, NOTICE_SETTINGS, c, ch->path, "%s by %s%s%s%s", rule_done_to(ch), c->who,
			  valid ? "" : ", and it is not valid: what was before holds",
			  nodes == now->require_signed_nodes ? ""
			  : nodes			     ? ", require_signed_nodes is off from here on"
							     : ", require_signed_nodes is on from here on",
			  tasks == now->require_signed_tasks ? ""
			  : tasks			     ? ", require_signed_tasks is off from here on"
							     : ", require_signed_tasks is on from here on");
}

/* In others ASCII's own bytes may mean something else, so that who reads the commit reads other headers than stand
 * there. */
static bool single_bytes(const char *encoding)
{
	static const char *const prefixes[] = {"utf-8",	    "utf8",  "us-ascii", "ascii",	"iso-8859-", "iso8859-",
					       "iso_8859-", "latin", "latin-",	 "windows-125", "cp125",     "koi8-"};
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t n = strlen(prefixes[i]), rest = strlen(encoding) > n ? strlen(encoding) - n : 0;
		if (!strncasecmp(encoding, prefixes[i], n) && rest <= 2 &&
		    strspn(encoding + n, "0123456789rRuU") == rest)
			return true;
	}
	return false;
}

static bool nobody(const char *who)
{
	return who && !who[strspn(who, " <>")];
}

void rules_form(struct rules *r, const struct rule_commit *c)
{
	if (c->encoding && !single_bytes(c->encoding))
		rule_tell(
		    r, RULE_COMMIT_FORM, c, "",
		    "it is written in %.40s, in which it may say another author, committer and date than it shows "
		    "(expected UTF-8; i18n.commitEncoding)",
		    c->encoding);
	else if (nobody(c->author) || nobody(c->committer))
		rule_tell(r, RULE_COMMIT_FORM, c, "", "it names no %s", nobody(c->author) ? "author" : "committer");
}

void rules_grid(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	if (ch->kind == RULE_NODE) {
		judge_mode(r, c, ch);
		judge_node(r, c, ch);
	} else
		judge_other(r, c, ch);
}
