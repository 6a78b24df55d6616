#include "audit/rules_needs.h"
#include "schema/input.h"
#include "schema/need.h"
#include "schema/periodic.h"
#include "schema/result.h"
#include "store/places.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED (1u << TASK_COMPLETED | 1u << TASK_FAILED)

static bool stands(const struct rules *r, const char *id, enum task_state state)
{
	const struct world_task *t = world_task(&r->world, id);
	return t && t->states & 1u << state;
}

/* Did it end so? Where the replay has not seen it: is that a way to end at all? */
static bool is_how(const struct rules *r, const char *id, const char *status)
{
	const struct world_task *t = world_task(&r->world, id);
	bool known = t && t->status && t->states & ENDED;
	return status && (known ? !strcmp(t->status, status) : result_status_index(status) < RESULT_N_STATUSES);
}

/* The folder that a task leaves in this commit; -1: none, it is new. */
static int came_from(const struct rule_commit *c, const struct rule_change *ch)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *out = &c->changes[i];
		if (out->kind == RULE_TASK && !out->new_mode && !strcmp(out->id, ch->id))
			return (int)out->state;
	}
	return -1;
}

/* ---- into the queue ---- */

static bool is_new(const struct rule_commit *c, const struct rule_change *ch)
{
	int from = ch->kind == RULE_TASK && ch->state == TASK_QUEUE && ch->new_mode && !ch->old_mode ? came_from(c, ch)
												     : (int)TASK_FAILED;
	return from < 0 || from == TASK_UNAPPROVED;
}

static void judge_known(const struct rules *r, const struct rule_commit *c, const struct rule_change *ch,
			const struct needs *needs)
{
	for (size_t i = 0; i < needs->n; i++) {
		const struct world_task *t = world_task(&r->world, needs->v[i].id);
		if (t && t->states & ~(1u << TASK_UNAPPROVED))
			continue;
		rule_tell(r, RULE_NEEDS_KNOWN, c, ch->path, "it waits for %s, which %s", needs->v[i].id,
			  t && t->states ? "is not approved" : "is no task of the branch");
	}
}

static void judge_new(const struct rules *r, const struct rule_commit *c)
{
	struct need_task *v = xcalloc(c->n + 1, sizeof *v);
	const struct need_task *first;
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (!is_new(c, ch))
			continue;
		needs_of(rule_doc(&ch->new), &v[n].needs);
		v[n].id = ch->id;
		judge_known(r, c, ch, &v[n].needs);
		n += v[n].needs.n > 0;
	}
	char *circle = needs_circle(v, n, &first);
	if (circle) {
		char *path = xasprintf("tasks/queue/%s.json", first->id);
		rule_tell(r, RULE_NEEDS_KNOWN, c, path, "tasks that wait for each other: %s", circle);
		free(path);
	}
	free(circle);
	for (size_t i = 0; i < n; i++)
		needs_clear(&v[i].needs);
	free(v);
}

/* ---- claims and skips ---- */

static void judge_claim(const struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	const struct json *doc = rule_doc(&ch->new), *after = json_get(json_get(doc, "claim"), "after");
	struct needs needs;
	size_t told = 0, ended = 0;
	needs_of(doc, &needs);
	for (const struct json *m = after ? after->child : NULL; m; m = m->next)
		told++;
	for (size_t i = 0; i < needs.n; i++) {
		const struct need *need = &needs.v[i];
		const char *status = need->success ? NULL : json_str(after, need->id);
		bool good = stands(r, need->id, TASK_COMPLETED), bad = stands(r, need->id, TASK_FAILED);
		ended += !need->success;
		if (!good && (need->success || !bad))
			rule_tell(r, RULE_NEEDS_CLAIM, c, ch->path, "claimed, though %s has not ended%s", need->id,
				  need->success ? " in success" : "");
		else if (!need->success &&
			 (!strcmp(status ? status : "", "success") != good || !is_how(r, need->id, status)))
			rule_tell(r, RULE_NEEDS_CLAIM, c, ch->path,
				  "the claim says that %s ended as %.40s, it is in %s", need->id,
				  status ? status : "nothing", task_state_name(good ? TASK_COMPLETED : TASK_FAILED));
	}
	if (told > ended)
		rule_tell(r, RULE_NEEDS_CLAIM, c, ch->path, "the claim tells of tasks that it does not come after");
	needs_clear(&needs);
}

/* "TREE REF BYTES", the bytes that a store has of it; NULL: not so. The caller's. */
static char *left_words(const char *tree, const char *ref, int64_t stored)
{
	return tree && ref ? xasprintf("%s %s %lld", tree, ref, (long long)(stored > 0 ? stored : 0)) : NULL;
}

/* The same as the claim has it; NULL: nothing, or not so. The caller's. */
static char *pin_of(const struct json *pinned, const char *name)
{
	const struct json *one = json_get(pinned, name);
	const char *tree = json_str(one, "tree"), *ref = json_str(one, "ref");
	struct place_out place;
	size_t members = 0;
	for (const struct json *m = one ? one->child : NULL; m; m = m->next)
		members++;
	return members == (json_get(one, "stored") ? 3 : 2) && place_oid_valid(tree) && ref &&
		       place_out_parse(ref, &place)
		   ? left_words(tree, ref, json_int(one, "stored", -1))
		   : NULL;
}

/* What other tasks left, by the claim and by their results, as far as this replay has seen those. */
static void judge_pins(const struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	const struct json *doc = rule_doc(&ch->new), *pinned = json_get(json_get(doc, "claim"), "inputs");
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in), named = 0, told = 0;
	for (const struct json *m = pinned ? pinned->child : NULL; m; m = m->next)
		told++;
	for (size_t i = 0; i < n; i++) {
		const struct world_task *other = in[i].task ? world_task(&r->world, in[i].task) : NULL;
		char *pin = in[i].task ? pin_of(pinned, in[i].name) : NULL;
		named += pin != NULL;
		if (other && other->status && other->states & 1u << TASK_COMPLETED &&
		    strcmp(pin ? pin : "", other->out ? other->out : "") != 0)
			rule_tell(r, RULE_INPUT_PINNED, c, ch->path,
				  "the claim says that %s left %.12s, its result says %.12s", in[i].task,
				  pin ? pin : "nothing", other->out ? other->out : "nothing");
		free(pin);
	}
	if (told > named)
		rule_tell(r, RULE_INPUT_PINNED, c, ch->path,
			  "the claim tells of files that the task is not given, or not as trees on their refs");
}

static void judge_skip(const struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	const struct json *doc = rule_doc(&ch->new), *because = json_get(json_get(doc, "result"), "because");
	const char *id = json_str(because, "task"), *status = json_str(because, "status");
	struct needs needs;
	bool named = false;
	needs_of(doc, &needs);
	for (size_t i = 0; i < needs.n && id; i++)
		named = named || (needs.v[i].success && !strcmp(needs.v[i].id, id));
	needs_clear(&needs);
	if (!named)
		rule_tell(r, RULE_NEEDS_SKIP, c, ch->path, "skipped because of %.64s, which it does not need",
			  id ? id : "nothing");
	else if (!stands(r, id, TASK_FAILED))
		rule_tell(r, RULE_NEEDS_SKIP, c, ch->path, "skipped because of %s, which is not in failed", id);
	else if (!is_how(r, id, status) || !strcmp(status, "success"))
		rule_tell(r, RULE_NEEDS_SKIP, c, ch->path, "skipped because %s ended as %.40s", id,
			  status ? status : "nothing");
}

/* ---- into the archive ---- */

static void remember_end(struct world_task *t, enum task_state state, const struct json *doc)
{
	const struct json *result = json_get(doc, "result"), *out = json_get(result, "out");
	const char *tree = json_str(out, "tree"), *ref = json_str(out, "ref"), *status = json_str(result, "status");
	free(t->out);
	free(t->status);
	t->out = state == TASK_COMPLETED ? left_words(tree, ref, json_int(json_get(out, "stored"), "bytes", 0)) : NULL;
	t->status = xstrdup(status ? status : state == TASK_FAILED ? "failed" : "success");
}

void rules_remember(struct rules *r, const char *id, enum task_state state, const struct json *doc)
{
	struct world_task *t = world_task(&r->world, id);
	struct needs needs = {0};
	if (!t)
		return;
	t->seen = true;
	if (state == TASK_COMPLETED || state == TASK_FAILED)
		remember_end(t, state, doc);
	if (t->states & ~ENDED) {
		needs_of(doc, &needs);
		if (periodic_stem(id))
			world_task_read(t, doc);
	}
	world_task_waits(&r->world, t, &needs); /* moves over */
}

static void judge_leaving(struct rules *r, const struct rule_commit *c)
{
	if (r->before && !r->asked_waiting)
		r->before(r->ctx, NULL, 0);
	r->asked_waiting = true;
	for (size_t i = 0; i < r->world.room_tasks && r->world.n_waiting; i++)
		for (const struct world_task *t = r->world.tasks[i]; t; t = t->next)
			for (size_t k = 0; k < t->needs.n; k++) {
				const struct world_task *other = world_task(&r->world, t->needs.v[k].id);
				for (size_t n = 0; n < c->n && !other; n++)
					if (c->changes[n].kind == RULE_TASK && !c->changes[n].new_mode &&
					    !strcmp(c->changes[n].id, t->needs.v[k].id))
						rule_tell(r, RULE_NEEDS_KEPT, c, c->changes[n].path,
							  "taken away, though %s waits for it", t->id);
			}
}

static bool is_skip(const struct rule_change *ch)
{
	return ch->state == TASK_FAILED && rule_text_is(json_get(rule_doc(&ch->new), "result"), "status", "skipped");
}

static bool enters(const struct rule_change *ch)
{
	return ch->kind == RULE_TASK && ch->new_mode && !ch->old_mode;
}

/* How those ended that claims and skips name, where that was before the replay. */
static void ask_ends(struct rules *r, const struct rule_commit *c)
{
	struct strs ids = {0};
	for (size_t i = 0; i < c->n && r->before; i++) {
		struct needs needs;
		if (!enters(&c->changes[i]) || (c->changes[i].state != TASK_IN_PROGRESS && !is_skip(&c->changes[i])))
			continue;
		needs_of(rule_doc(&c->changes[i].new), &needs);
		for (size_t k = 0; k < needs.n; k++) {
			const struct world_task *t = world_task(&r->world, needs.v[k].id);
			if (t && !t->seen && t->states & ENDED)
				strs_add(&ids, t->id);
		}
		needs_clear(&needs);
	}
	if (ids.n)
		r->before(r->ctx, (const char *const *)ids.v, ids.n);
	strs_clear(&ids);
}

void rules_needs(struct rules *r, const struct rule_commit *c)
{
	bool leaves = false;
	for (size_t i = 0; i < c->n; i++) { /* all of them, before any is judged by another */
		const struct rule_change *ch = &c->changes[i];
		if (ch->kind != RULE_TASK)
			continue;
		if (ch->new_mode)
			rules_remember(r, ch->id, ch->state, rule_doc(&ch->new));
		leaves = leaves || (!ch->new_mode && !world_task(&r->world, ch->id));
	}
	if (c->parent[0])
		ask_ends(r, c);
	for (size_t i = 0; i < c->n && c->parent[0]; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (!enters(ch))
			continue;
		if (ch->state == TASK_IN_PROGRESS) {
			judge_claim(r, c, ch);
			judge_pins(r, c, ch);
		} else if (is_skip(ch))
			judge_skip(r, c, ch);
	}
	if (c->parent[0])
		judge_new(r, c);
	if (leaves)
		judge_leaving(r, c);
}
