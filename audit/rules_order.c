#include "audit/rules_order.h"
#include "schema/keys.h"
#include "schema/order.h"
#include <string.h>

bool rules_is_order(const struct rule_change *ch)
{
	return ch->kind == RULE_DRAIN || ch->kind == RULE_RETIRED || ch->kind == RULE_PAUSED;
}

/* ---- nodes go by it ---- */

static void judge_claims(struct rules *r, const struct rule_commit *c)
{
	const struct world *w = &r->world;
	char words[ORDER_WORDS], name[ORDER_NAME];
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		const struct json *doc =
		    ch->kind == RULE_TASK && ch->state == TASK_IN_PROGRESS && ch->new_mode && !ch->old_mode
			? rule_doc(&ch->new)
			: NULL;
		const char *node = json_str(json_get(doc, "claim"), "node");
		const struct json *drain = node ? world_order(&w->drains, node) : NULL,
				  *pause = doc ? order_pause_of(w->paused, doc) : NULL;
		if (drain)
			rule_tell(r, RULE_CLAIM_DRAINED, c, ch->path, "claimed by %s, which is %s", node,
				  order_words("drained", drain, words));
		if (pause)
			rule_tell(r, RULE_CLAIM_PAUSED, c, ch->path, "claimed, though %s is %s",
				  order_pause_name(pause, name), order_words("paused", pause, words));
	}
}

/* ---- what is retired stays so ---- */

/* A key that a retired node had, given to whomever. */
static void judge_key(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	struct keys is = {0};
	const struct world *w = &r->world;
	const char *base = strrchr(ch->path, '/') + 1, *dot = strstr(base, ".pub");
	char who[65] = "";
	if (dot && !dot[4] && dot - base < 65)
		memcpy(who, base, (size_t)(dot - base));
	if (*who && world_order(&w->retired, who))
		rule_tell(r, RULE_NODE_RETIRED, c, ch->path, "a key was enrolled for %s, which is retired", who);
	else if (ch->new.bytes && ch->new.len <= KEYS_FILE_MAX)
		keys_parse(&is, ch->new.bytes, ch->new.len, NULL);
	for (size_t i = 0; i < is.n; i++)
		for (size_t k = 0; k < w->retired.n; k++)
			if (order_had_key(w->retired.v[k].doc, is.v[i].text))
				rule_tell(r, RULE_NODE_RETIRED, c, ch->path,
					  "the key %s was that of %s, which is retired", is.v[i].print,
					  w->retired.v[k].id);
	keys_clear(&is);
}

static void judge_retired(struct rules *r, const struct rule_commit *c)
{
	const struct world *w = &r->world;
	if (c->n && c->ours && world_order(&w->retired, c->who))
		rule_tell(r, RULE_NODE_RETIRED, c, c->changes[0].path, "a commit of %s, which is retired", c->who);
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (ch->kind == RULE_RETIRED && world_order(&w->retired, ch->id))
			rule_tell(r, RULE_NODE_RETIRED, c, ch->path, "it was %s by %s, though %s is retired for good",
				  ch->new_mode ? "changed" : "taken away", c->who, ch->id);
		else if (ch->kind == RULE_NODE && ch->new_mode && world_order(&w->retired, ch->id))
			rule_tell(r, RULE_NODE_RETIRED, c, ch->path, "the file of %s, which is retired, was written",
				  ch->id);
		else if (ch->kind == RULE_KEY && ch->new_mode)
			judge_key(r, c, ch);
	}
}

/* ---- who may say it ---- */

/* Of a drain, a retirement or one pause. */
static void judge_said(struct rules *r, const struct rule_commit *c, const struct rule_change *ch, enum field_doc kind,
		       const struct json *order)
{
	char what[160];
	const char *by = json_str(order, "by");
	int64_t off = json_time(order, "at") - c->at;
	if (!order || order->type != JSON_OBJECT)
		rule_tell(r, RULE_FILE_JSON, c, ch->path, "it is no object in JSON");
	else if (field_wrong(kind, order, what))
		rule_tell(r, RULE_DOC_FIELDS, c, ch->path, "%s", what);
	else if (!by || !*by || !json_get(order, "at"))
		rule_tell(r, RULE_ORDER_BY, c, ch->path, "it does not say who said it, and when");
	else if (rule_named(c) && strcmp(by, c->who) != 0)
		rule_tell(r, RULE_ORDER_BY, c, ch->path, "it names %.100s, the commit is %s's", by, c->who);
	else if (off > rule_tolerance(r) || -off > rule_tolerance(r))
		rule_tell(r, RULE_ORDER_BY, c, ch->path, "at is not the time of the commit");
}

static void judge_pauses(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	char what[160];
	const struct json *doc = rule_doc(&ch->new), *pauses = json_get(doc, "pauses"), *was = rule_doc(&ch->old);
	if (!doc || doc->type != JSON_OBJECT)
		rule_tell(r, RULE_FILE_JSON, c, ch->path, "it is no object in JSON");
	else if (field_wrong(FIELD_PAUSED, doc, what))
		rule_tell(r, RULE_DOC_FIELDS, c, ch->path, "%s", what);
	else if (!pauses || pauses->type != JSON_ARRAY)
		rule_tell(r, RULE_DOC_FIELDS, c, ch->path, "it has no array of pauses");
	else if (order_pauses_many(pauses))
		rule_tell(r, RULE_DOC_FIELDS, c, ch->path, "it has more than %d pauses", ORDER_PAUSES_MAX);
	else
		for (const struct json *one = pauses->child; one; one = one->next) {
			const struct json *old = NULL;
			for (size_t i = 0; (old = order_pause_at(was, i)) && !rule_same(old, one);)
				i++;
			if (!was || !old)
				judge_said(r, c, ch, FIELD_PAUSE, one);
		}
}

void rules_order_stands(struct rules *r, const struct rule_change *ch, const struct rule_text *text)
{
	struct world *w = &r->world;
	struct json *doc = text ? order_parse(text->bytes, text->len) : NULL;
	if (ch->kind == RULE_PAUSED) {
		json_free(w->paused);
		w->paused = doc;
	} else
		world_order_set(ch->kind == RULE_DRAIN ? &w->drains : &w->retired, ch->id, doc);
}

void rules_order(struct rules *r, const struct rule_commit *c)
{
	if (c->parent[0]) {
		judge_claims(r, c);
		judge_retired(r, c);
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (!rules_is_order(ch))
			continue;
		if (c->parent[0] && ch->new_mode && ch->kind == RULE_PAUSED)
			judge_pauses(r, c, ch);
		else if (c->parent[0] && ch->new_mode)
			judge_said(r, c, ch, ch->kind == RULE_DRAIN ? FIELD_DRAIN : FIELD_RETIRED, rule_doc(&ch->new));
		rules_order_stands(r, ch, ch->new_mode ? &ch->new : NULL);
	}
}
