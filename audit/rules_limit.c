#include "audit/rules_limit.h"
#include <string.h>

/* The task's ith limit: the parent's settings say it. Where those are not valid, nodes go by what they saw before. */
static bool limit_of(const struct rule_move *m, const struct json *task, size_t i, struct limit *l)
{
	const struct world *w = &m->rules->world;
	const struct grid_config *c;
	struct limit other;
	bool bound = !w->unknown && limit_at(&w->config, task, i, l);
	for (size_t n = 1; bound && w->unread && (c = rule_settings(m, n, m->c->at)); n++) {
		int64_t most = INT64_MAX;
		for (size_t k = 0; limit_at(c, task, k, &other); k++)
			if (other.kind == l->kind && !strcmp(other.of, l->of))
				most = other.most;
		l->most = most > l->most ? most : l->most;
	}
	return bound;
}

static bool is_claim(const struct rule_change *ch)
{
	return ch->kind == RULE_TASK && ch->state == TASK_IN_PROGRESS && ch->new_mode && !ch->old_mode;
}

/* How many that the same commit claims may have been claimed after the ith change, as far as this limit tells: who is
 * under a stricter one came first. */
static int64_t after(const struct rule_move *m, size_t at, const struct limit *l)
{
	int64_t n = 0;
	for (size_t i = 0; i < m->c->n; i++) {
		const struct json *task = is_claim(&m->c->changes[i]) ? rule_doc(&m->c->changes[i].new) : NULL;
		struct limit other;
		if (!task || i == at || !limit_counts(l, task))
			continue;
		for (size_t k = 0; limit_of(m, task, k, &other); k++)
			if (other.kind == l->kind && !strcmp(other.of, l->of)) {
				n += other.most > l->most || (other.most == l->most && i > at);
				break; /* a label may stand there twice */
			}
	}
	return n;
}

void rules_limit(struct rules *r, const struct rule_commit *c)
{
	const struct world *w = &r->world;
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		const struct rule_move m = {.rules = r, .c = c, .id = ch->id, .path = ch->path};
		struct limit l;
		char name[LIMIT_NAME];
		for (size_t k = 0; is_claim(ch) && limit_of(&m, rule_doc(&ch->new), k, &l); k++) {
			int64_t n = -after(&m, i, &l);
			for (size_t t = 0; t < w->n_running; t++)
				n += limit_counts(&l, w->running[t].brief);
			if (n > l.most)
				rule_say(&m, RULE_GROUP_LIMIT, "with this claim %lld of %s run, and %lld may",
					 (long long)n, limit_name(&l, name), (long long)l.most);
		}
	}
}
