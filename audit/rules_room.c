#include "audit/rules_room.h"
#include "schema/fit.h"
#include <string.h>

static bool is_claim(const struct rule_change *ch)
{
	return ch->kind == RULE_TASK && ch->state == TASK_IN_PROGRESS && ch->new_mode && !ch->old_mode;
}

/* What the node's file says with this commit. NULL: nothing. */
static const struct json *file_of(const struct rule_move *m, const char *node)
{
	for (size_t i = 0; i < m->c->n; i++) {
		const struct rule_change *ch = &m->c->changes[i];
		if (ch->kind == RULE_NODE && ch->new_mode && !strcmp(ch->id, node))
			return rule_doc(&ch->new);
	}
	const struct world_node *known = world_node(&m->rules->world, node);
	return known ? known->offer : NULL;
}

/* What a task gets that does not say: the least that settings gave which the node may have gone by; 0: nobody knows. */
static struct grid_config least(const struct rule_move *m)
{
	const struct world *w = &m->rules->world;
	struct grid_config c = w->config; /* borrowed, and never cleared */
	const struct grid_config *other;
	double cpus = config_cpus(&c);
	int64_t memory_mb = config_memory_mb(&c);
	for (size_t n = 1; (other = rule_settings(m, n, m->c->at)); n++) {
		cpus = config_cpus(other) < cpus ? config_cpus(other) : cpus;
		memory_mb = config_memory_mb(other) < memory_mb ? config_memory_mb(other) : memory_mb;
	}
	c.default_cpus = c.max_cpus = w->unknown ? 0 : cpus;
	c.default_memory_mb = c.max_memory_mb = w->unknown ? 0 : memory_mb;
	return c;
}

static bool is_ahead(const struct json *task)
{
	return json_get(json_get(task, "claim"), "ahead") != NULL;
}

/* Does the same commit claim it for later, when its node has a slot and room? */
static bool comes_later(const struct rule_move *m, const char *id)
{
	for (size_t i = 0; i < m->c->n; i++)
		if (is_claim(&m->c->changes[i]) && !strcmp(m->c->changes[i].id, id))
			return is_ahead(rule_doc(&m->c->changes[i].new));
	return false;
}

static void judge(const struct rule_move *m, const struct json *task)
{
	const struct world *w = &m->rules->world;
	const char *name = json_str(json_get(task, "claim"), "node");
	struct fit_node node;
	struct fit_load load = {0};
	struct fit_want want;
	struct fit_obstacle found[FIT_OBSTACLES];
	char words[240];
	fit_node_read(&node, name ? name : "", name ? file_of(m, name) : NULL);
	if (!node.offers)
		return;
	node.images = NULL;
	const struct grid_config c = least(m);
	for (size_t i = 0; i < w->n_running && !is_ahead(task); i++)
		if (rule_text_is(json_get(w->running[i].brief, "claim"), "node", name) &&
		    strcmp(w->running[i].id, m->id) != 0 && !comes_later(m, w->running[i].id))
			fit_load_add(&load, &node, &c, w->running[i].brief);
	fit_want_read(&want, task);
	size_t n = fit_never(&node, &c, task, &want, found), i = 0;
	while (i < n && found[i].kind != FIT_NEVER && found[i].kind != FIT_STORE) /* labels have a rule of their own */
		i++;
	if (i == n && !is_ahead(task)) {
		n = fit_room(&node, &c, &want, &load, found);
		i = 0;
	}
	if (i < n && found[i].kind == FIT_STORE)
		rule_say(m, RULE_NODE_ROOM, "%s %s", name, fit_words(&found[i], words));
	else if (i < n) /* what is claimed ahead waits for room */
		rule_say(m, RULE_NODE_ROOM, "of what %s offers %s", name, fit_words(&found[i], words));
	fit_load_clear(&load);
}

void rules_room(struct rules *r, const struct rule_commit *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		const struct rule_move m = {.rules = r, .c = c, .id = ch->id, .path = ch->path};
		if (is_claim(ch) && rule_doc(&ch->new))
			judge(&m, rule_doc(&ch->new));
	}
}
