#include "audit/rules_claim.h"
#include "audit/rules_checkpoint.h"
#include "audit/rules_vote.h"
#include "schema/consent.h"
#include "schema/node.h"
#include "schema/points.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_GRACE_SECONDS 60	 /* of a lease that the settings do not give */
#define LEASE_SLACK_SECONDS 3600 /* of what settings that held a while ago give */

/* The longest that a lease may reach beyond the time it is given, by the settings of that time. */
static int64_t lease_max(const struct rule_move *m)
{
	const struct grid_config *c;
	int64_t most = 0;
	for (size_t n = 0; (c = rule_settings(m, n, m->c->at)); n++) {
		int64_t timeout = json_int(m->new, "timeout_seconds", c->max_timeout_seconds), lease;
		timeout = timeout > c->max_timeout_seconds ? c->max_timeout_seconds : timeout;
		lease = c->lease_seconds ? c->lease_seconds : points_seconds(m->new, timeout) + LEASE_GRACE_SECONDS;
		if (json_get(json_get(m->new, "claim"), "ahead"))
			lease += TASK_AHEAD_SECONDS;
		if (json_get(m->new, "concurrency_group") && lease < c->orphan_after_seconds)
			lease = c->orphan_after_seconds;
		most = lease > most ? lease : most;
	}
	return most + LEASE_SLACK_SECONDS;
}

/* The node's file where this commit writes it. */
static const struct rule_change *file_of(const struct rule_move *m, const char *node)
{
	for (size_t i = 0; i < m->c->n; i++) {
		const struct rule_change *ch = &m->c->changes[i];
		if (ch->kind == RULE_NODE && ch->new_mode && !strcmp(ch->id, node))
			return ch;
	}
	return NULL;
}

static bool registered(const struct rule_move *m, const char *node)
{
	return world_node(&m->rules->world, node) || file_of(m, node);
}

static void judge_node(const struct rule_move *m, const struct json *claim)
{
	const char *node = json_str(claim, "node");
	if (!node || !task_id_valid(node))
		rule_say(m, RULE_CLAIM_NODE, "the claim names no node");
	else if (!registered(m, node))
		rule_say(m, RULE_CLAIM_NODE, "the claim names %s, which is no node of the grid at this commit", node);
	else if (!m->c->node || strcmp(node, m->c->who) != 0)
		rule_say(m, RULE_CLAIM_NODE, "the claim names %s, the commit is %s's", node, m->c->who);
}

static void judge_nonce(const struct rule_move *m, const struct json *claim)
{
	const char *nonce = json_str(claim, "nonce");
	const struct json *list = json_get(m->old, "attempts");
	if (!nonce || strlen(nonce) != 32 || nonce[strspn(nonce, "0123456789abcdef")]) {
		rule_say(m, RULE_CLAIM_NONCE, "the claim has no nonce of 32 hex digits");
		return;
	}
	bool used = !world_nonce_new(&m->rules->world, nonce);
	for (const struct json *a = list ? list->child : NULL; a && !used; a = a->next)
		used = rule_text_is(a, "nonce", nonce);
	if (used)
		rule_say(m, RULE_CLAIM_NONCE, "the nonce %s was used by an earlier claim", nonce);
}

static void judge_attempt(const struct rule_move *m, const struct json *claim)
{
	int64_t next = task_attempts_used(m->old) + 1, is = json_int(claim, "attempt", -1),
		most = task_max_attempts(m->old);
	if (is != next)
		rule_say(m, RULE_CLAIM_ATTEMPT, "the claim says attempt %lld, the next one is %lld", (long long)is,
			 (long long)next);
	else if (is > most)
		rule_say(m, RULE_CLAIM_ATTEMPT, "attempt %lld of at most %lld", (long long)is, (long long)most);
}

static void judge_time(const struct rule_move *m, const struct json *claim)
{
	int64_t at = json_time(claim, "claimed_at"), until = json_time(claim, "lease_until"), off = at - m->c->at;
	if (!at)
		rule_say(m, RULE_CLAIM_TIME, "the claim has no claimed_at");
	else if (off > rule_tolerance(m->rules) || -off > rule_tolerance(m->rules))
		rule_say(m, RULE_CLAIM_TIME, "claimed_at lies %lld s %s the commit", (long long)(off < 0 ? -off : off),
			 off < 0 ? "before" : "after");
	else if (until <= at)
		rule_say(m, RULE_CLAIM_TIME, "lease_until does not lie after claimed_at");
	else if (until > at + lease_max(m))
		rule_say(m, RULE_CLAIM_TIME,
			 "lease_until lies %lld s after claimed_at, the settings give at most %lld s",
			 (long long)(until - at), (long long)(lease_max(m) - LEASE_SLACK_SECONDS));
}

/* ---- what is claimed ---- */

static bool parses(const struct rule_move *m, const char *text, size_t len, const struct grid_config *c, char what[160])
{
	struct problems p = {0};
	struct task t = {0};
	bool valid = !task_parse(&t, text, len, m->id, c, false, &p);
	if (!valid && what)
		snprintf(what, 160, "%.*s", (int)strcspn(p.text.data, "\n"), p.text.data);
	task_clear(&t);
	problems_clear(&p);
	return valid;
}

/* By what is a task today, or once was one: created_at could be any string, and a script any text without NUL. */
static bool valid_by(const struct rule_move *m, const struct grid_config *c, char what[160])
{
	const struct rule_text *was = &m->out->old;
	const struct json *script = json_get(m->old, "script");
	if (parses(m, was->bytes, was->len, c, what))
		return true;
	struct json *doc = json_copy(m->old);
	json_remove(doc, "created_at");
	if (script && script->type == JSON_STRING && script->len && script->len <= TASK_SCRIPT_MAX &&
	    strlen(script->text) == script->len)
		json_set(doc, "script", json_new_str("true"));
	char *text = task_text(doc);
	bool valid = parses(m, text, strlen(text), c, NULL);
	json_free(doc);
	free(text);
	return valid;
}

static bool valid(const struct rule_move *m, char what[160])
{
	const struct grid_config *c;
	bool good = false;
	for (size_t n = 0; !good && (c = rule_settings(m, n, m->c->at)); n++)
		good = valid_by(m, c, n ? NULL : what);
	return good;
}

static bool carries(const struct json *labels, const struct json *wanted)
{
	for (const struct json *w = wanted && wanted->type == JSON_ARRAY ? wanted->child : NULL; w; w = w->next) {
		const struct json *has = labels && labels->type == JSON_ARRAY ? labels->child : NULL;
		while (has && !rule_same(has, w))
			has = has->next;
		if (!has)
			return false;
	}
	return true;
}

/* As its file says with this commit. */
static const struct json *labels_of(const struct rule_move *m, const char *node)
{
	const struct world_node *known = world_node(&m->rules->world, node);
	const struct rule_change *file = file_of(m, node);
	return file ? json_get(rule_doc(&file->new), "labels") : known ? known->labels : NULL;
}

static void judge_limits(const struct rule_move *m, const struct json *claim)
{
	const char *node = json_str(claim, "node");
	const struct world_node *known = node ? world_node(&m->rules->world, node) : NULL;
	const struct rule_change *file = node ? file_of(m, node) : NULL;
	if ((file ? node_unenforced(rule_doc(&file->new)) : known && known->unenforced) &&
	    rule_limits_required(m, m->c->at))
		rule_say(m, RULE_CLAIM_LIMITS, "claimed by %s, whose file says that it does not enforce limits", node);
}

static void judge_task(const struct rule_move *m, const struct json *claim)
{
	char what[160] = "";
	const char *node = json_str(claim, "node");
	int64_t wait = task_ready_at(m->old), at = json_time(claim, "claimed_at"), until = task_deadline(m->old),
		skew = m->rules->world.config.max_clock_skew_seconds;
	if (!m->old || !m->out->old.bytes)
		return;
	if (!valid(m, what))
		rule_say(m, RULE_CLAIM_TASK, "claimed, though it is no valid task: %s", what);
	else if (wait && at + skew < wait)
		rule_say(m, RULE_CLAIM_TASK, "claimed %lld s before its %s", (long long)(wait - at),
			 wait == task_not_before(m->old) ? "not_before" : "start_after");
	else if (until && at > until + skew)
		rule_say(m, RULE_CLAIM_TASK, "claimed %lld s after its deadline", (long long)(at - until));
	else if (node && !carries(labels_of(m, node), json_get(m->old, "labels")))
		rule_say(m, RULE_CLAIM_TASK, "claimed by %s, which does not carry its labels", node);
}

static void judge_signature(const struct rule_move *m)
{
	struct trust_verdict v;
	const struct rules *r = m->rules;
	const struct json *by = json_get(json_get(m->new, "claim"), "signed_by");
	const enum rule_id rule = json_get(m->old, "secrets")	? RULE_SECRET_SIGNED
				  : json_get(m->old, "network") ? RULE_NETWORK_ALLOWED
								: RULE_TASK_SIGNED;
	if ((!consent_signed(&r->world.config, m->old) && !by) || !r->trusted ||
	    r->trusted(r->ctx, m->c, m->id, m->old, &v))
		return;
	if (!v.ok)
		rule_say(m, rule, "claimed, though %s", v.why);
	else if (!rule_text_is(json_get(m->new, "claim"), "signed_by", v.signer))
		rule_say(m, rule, "the claim says that %.100s signed it, it was %.100s",
			 by && by->type == JSON_STRING ? by->text : "nobody", v.signer);
}

/* As the parent's settings have it; where those are not valid, nodes go by what they saw before. */
static bool network_listed(const struct rule_move *m, const char *name)
{
	const struct world *w = &m->rules->world;
	const struct grid_config *c;
	bool listed = w->unknown;
	for (size_t n = 0; !listed && (c = n ? rule_settings(m, n, m->c->at) : &w->config) && (!n || w->unread); n++)
		for (int i = 0; c->networks[i] && !listed; i++)
			listed = !strcmp(c->networks[i], name);
	return listed;
}

static void judge_network(const struct rule_move *m, const struct json *claim)
{
	const char *name = json_str(m->old, "network"), *node = json_str(claim, "node");
	const struct world_node *known = node ? world_node(&m->rules->world, node) : NULL;
	const struct rule_change *file = node ? file_of(m, node) : NULL;
	const struct json *offered = file ? json_get(rule_doc(&file->new), "networks") : known ? known->networks : NULL;
	if (!json_get(m->old, "network"))
		return;
	if (!name || !network_listed(m, name))
		rule_say(m, RULE_NETWORK_ALLOWED,
			 "claimed, though it asks for the network %.64s, which the settings do not name",
			 name ? name : "?");
	else if (node && !consent_has(offered, name))
		rule_say(m, RULE_NETWORK_ALLOWED, "claimed by %s, whose file does not offer the network %.64s", node,
			 name);
}

void rules_claim(const struct rule_move *m)
{
	const struct json *claim = json_get(m->new, "claim");
	if (!m->old)
		rule_say(m, RULE_TASK_FIELDS, "what was claimed is no JSON, so nothing shows that it is the same task");
	judge_node(m, claim);
	judge_nonce(m, claim);
	judge_attempt(m, claim);
	judge_time(m, claim);
	judge_signature(m);
	judge_network(m, claim);
	rules_checkpoint_given(m, claim);
	rules_vote_claim(m, claim);
	judge_task(m, claim);
	judge_limits(m, claim);
	rule_fields(m, FIELD_CLAIM, claim);
	rule_kept(m, "attempts", RULE_ATTEMPTS_GROW);
	rule_kept(m, "result", RULE_RESULT_CLAIM);
	rule_kept(m, "cancel", RULE_CANCEL_NOTE);
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	if (json_get(m->new, "not_before"))
		rule_kept(m, "not_before", RULE_TASK_FIELDS);
}

/* Only lease_until may differ, and what the run has saved. */
static bool same_claim(const struct rule_move *m, const struct json *a, const struct json *b)
{
	static const char *const never[] = {"node", "nonce", "attempt", "claimed_at"};
	if (!a || !b || a->type != JSON_OBJECT || b->type != JSON_OBJECT) {
		rule_say(m, RULE_CLAIM_RENEWAL, "the claim was %s", a ? "taken out where it stands" : "added in place");
		return false;
	}
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (!rule_same(json_get(a, never[i]), json_get(b, never[i]))) {
			rule_say(m, RULE_CLAIM_RENEWAL, "the claim's %s was changed", never[i]);
			return false;
		}
	struct json *was = json_copy(a), *is = json_copy(b);
	for (size_t i = 0; i < 2; i++) {
		json_remove(was, i ? "saved" : "lease_until");
		json_remove(is, i ? "saved" : "lease_until");
	}
	bool same = rule_same(was, is);
	json_free(was);
	json_free(is);
	if (!same)
		rule_say(m, RULE_CLAIM_RENEWAL, "more of the claim than lease_until and saved was changed");
	return same;
}

void rules_in_place(const struct rule_move *m)
{
	const struct json *is = json_get(m->new, "claim");
	int64_t before = json_time(m->claim, "lease_until"), after = json_time(is, "lease_until");
	if (!rule_same(m->claim, is) && same_claim(m, m->claim, is)) {
		rules_checkpoint_saved(m, is);
		if (!rule_own(m))
			rule_say(m, RULE_CLAIM_RENEWAL, "%s's claim was renewed by %s",
				 json_str(m->claim, "node") ? json_str(m->claim, "node") : "nobody", m->c->who);
		else if (after < before)
			rule_say(m, RULE_CLAIM_RENEWAL, "lease_until was moved back by %lld s",
				 (long long)(before - after));
		else if (after > m->c->at + lease_max(m) + rule_tolerance(m->rules))
			rule_say(m, RULE_CLAIM_RENEWAL,
				 "lease_until lies %lld s after the commit, the settings give at "
				 "most %lld s",
				 (long long)(after - m->c->at), (long long)(lease_max(m) - LEASE_SLACK_SECONDS));
	}
	if (!rule_same(json_get(m->old, "cancel"), json_get(m->new, "cancel")))
		rule_cancel_note(m);
	rule_kept(m, "attempts", RULE_ATTEMPTS_GROW);
	rule_kept(m, "result", RULE_RESULT_CLAIM);
	rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
	rule_kept(m, "not_before", RULE_TASK_FIELDS);
}
