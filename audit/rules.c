#include "audit/rules.h"
#include "audit/rules_archive.h"
#include "audit/rules_claim.h"
#include "audit/rules_fire.h"
#include "audit/rules_grid.h"
#include "audit/rules_key.h"
#include "audit/rules_limit.h"
#include "audit/rules_needs.h"
#include "audit/rules_order.h"
#include "audit/rules_result.h"
#include "audit/rules_room.h"
#include "schema/consent.h"
#include "schema/input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool finished(int state)
{
	return state == TASK_COMPLETED || state == TASK_FAILED;
}

void rules_wants(const struct rule_change *ch, bool *old, bool *new)
{
	bool doc = ch->kind == RULE_TASK || ch->kind == RULE_TOTALS || ch->kind == RULE_KEY ||
		   ch->kind == RULE_SCHEDULE || rules_is_order(ch);
	*old = doc && (ch->old_mode & 0170000) == 0100000;
	*new = (doc || ch->kind == RULE_NODE || ch->kind == RULE_SETTINGS) && (ch->new_mode & 0170000) == 0100000;
}

/* ---- documents ---- */

/* The name of a submitted member that differs; NULL: none does. Whoever approves adds a signature. */
static const char *differs(const struct json *a, const struct json *b, bool may_sign)
{
	const char *name = NULL;
	for (int turn = 0; turn < 2 && !name; turn++) {
		struct rule_index in = {.object = turn ? a : b};
		for (const struct json *m = (turn ? b : a)->child; m && !name; m = m->next) {
			const struct json *other = rule_index_find(&in, m);
			if (rule_dgrids(m) || (may_sign && !strcmp(m->name, "signatures")))
				continue;
			if (turn ? !other : !rule_same(m, other))
				name = m->name;
		}
		rule_index_clear(&in);
	}
	return name;
}

/* What dgrid wrote must be a document, under its own name. */
static bool readable(const struct rule_move *m)
{
	if (!m->in->new.bytes)
		rule_say(m, RULE_FILE_JSON, "it cannot be read (expected a plain file of at most %d bytes)",
			 TASK_FILE_MAX);
	else if (!m->new)
		rule_say(m, RULE_FILE_JSON, "it is no object in JSON");
	else if (!rule_text_is(m->new, "task_id", m->id))
		rule_say(m, RULE_FILE_JSON, "its task_id is not its name");
	else
		return true;
	return false;
}

/* ---- the way of one task ---- */

/* A folder under a task's name is taken away as no task, and leaves the same note as any. */
static bool was_a_folder(const struct rule_move *m)
{
	bool found = false;
	for (int s = TASK_UNAPPROVED; s <= TASK_QUEUE && !found; s++) {
		char *under = xasprintf("tasks/%s/%s.json/", task_state_name((enum task_state)s), m->id);
		for (size_t i = 0; i < m->c->n && !found; i++)
			found = !m->c->changes[i].new_mode && !strncmp(m->c->changes[i].path, under, strlen(under));
		free(under);
	}
	return found;
}

/* What only dgrid writes, and no submission has. but: one that it may have, or NULL. */
static void judge_bare(const struct rule_move *m, const char *but, const char *what)
{
	static const struct {
		const char *name;
		enum rule_id rule;
	} dgrids[] = {{"claim", RULE_PLACE_MOVE},	    {"result", RULE_RESULT_CLAIM},
		      {"attempts", RULE_ATTEMPTS_GROW},	    {"cancel", RULE_CANCEL_NOTE},
		      {"approved_by", RULE_PROMOTE_MERGED}, {"not_before", RULE_TASK_FIELDS}};
	for (size_t i = 0; i < sizeof dgrids / sizeof *dgrids; i++)
		if (json_get(m->new, dgrids[i].name) && (!but || strcmp(but, dgrids[i].name) != 0))
			rule_say(m, dgrids[i].rule, "%s that has %s already", what, dgrids[i].name);
}

/* Ids are kept among the nonces, which have other letters. False: it was there before. */
static bool first_of_its_id(const struct rule_move *m)
{
	char key[80];
	snprintf(key, sizeof key, "id %s", m->id);
	return world_nonce_new(&m->rules->world, key);
}

static void judge_new(const struct rule_move *m)
{
	if (m->to == TASK_FAILED && rule_text_is(json_get(m->new, "result"), "status", "invalid") && was_a_folder(m))
		return;
	if (m->to != TASK_UNAPPROVED && m->to != TASK_QUEUE) {
		rule_say(m, RULE_PLACE_MOVE, "a task came out of nowhere into %s",
			 task_state_name((enum task_state)m->to));
		return;
	}
	judge_bare(m, NULL, "a new task");
	struct input in[INPUTS_MAX];
	size_t n = m->rules->given && !m->c->node ? inputs_of(m->new, in) : 0;
	for (size_t i = 0; i < n; i++)
		if (in[i].tree && !in[i].ref && !in[i].task)
			m->rules->given(m->rules->ctx, in[i].tree);
	if (!first_of_its_id(m))
		rule_say(m, NOTICE_REUSED, "a task of that id was here before: %s used the id again", m->c->who);
}

static void judge_gone(const struct rule_move *m)
{
	if (finished(m->from)) {
		if (!rules_archives(m->c))
			rule_say(m, RULE_RESULT_FROZEN, "a finished task was removed");
		first_of_its_id(m); /* also of one that was there when the replay began */
	} else if (m->from == TASK_IN_PROGRESS)
		rule_say(m, RULE_PLACE_MOVE, "a claimed task was removed");
	else if (m->c->node)
		rule_say(m, RULE_PLACE_MOVE, "a task in %s was removed by a node, %s",
			 task_state_name((enum task_state)m->from), m->c->who);
	else
		rule_say(m, NOTICE_REMOVED, "a %s was removed by %s",
			 m->from == TASK_QUEUE ? "queued task" : "submission", m->c->who);
}

/* Which commit brought it: the replay has seen that, or has to ask. 0: a is it, borrowed members of t or owned by a. */
static int came_with(const struct rule_move *m, struct arrival *a, bool *owned)
{
	const struct world_task *t = world_task(&m->rules->world, m->id);
	*a = (struct arrival){0};
	*owned = false;
	if (t && t->commit[0]) {
		snprintf(a->commit, sizeof a->commit, "%s", t->commit);
		a->author = t->author;
		a->committer = t->committer;
		a->at = t->at;
		return 0;
	}
	if (!m->rules->arrival)
		return -1;
	*owned = true;
	return m->rules->arrival(m->rules->ctx, m->c, m->id, a) == 1 ? 0 : -1;
}

/* As commits name somebody, or as dgrid writes that down. */
static bool names(const struct json *by, const char *member, const char *who)
{
	char name[ARRIVAL_NAME];
	arrival_name(who, name);
	return rule_text_is(by, member, who) || rule_text_is(by, member, name);
}

/* What nobody signed stays where it is, once who promotes must have seen that the settings want a signature. */
static void judge_promoted_signature(const struct rule_move *m)
{
	struct trust_verdict v;
	const struct rules *r = m->rules;
	const struct grid_config *c;
	bool asked = !r->world.unknown;
	/* Nobody promotes before what nodes have done already, whatever date he gives. */
	int64_t at = m->c->at > r->world.newest ? m->c->at : r->world.newest;
	for (size_t n = 0; asked && (c = world_config(&r->world, n, at - rule_tolerance(r))); n++)
		asked = consent_signed(c, m->new);
	if (asked && r->trusted && !r->trusted(r->ctx, m->c, m->id, m->new, &v) && !v.ok)
		rule_say(m, RULE_TASK_SIGNED, "promoted, though %s", v.why);
}

static void judge_promotion(const struct rule_move *m)
{
	const struct json *by = json_get(m->new, "approved_by");
	const char *commit = json_str(by, "commit"), *author = json_str(by, "author");
	struct arrival a;
	bool owned;
	if (!rule_fields(m, FIELD_APPROVED, by))
		return;
	judge_bare(m, "approved_by", "a promoted task"); /* nobody has claimed it, run it or voted on it */
	if (!by)
		rule_say(m, RULE_PROMOTE_MERGED,
			 "queued from unapproved without approved_by: nothing says who approved it");
	else if (!commit) { /* dgrid approve: whoever signs it is who approves */
		if (!m->c->author || !names(by, "author", m->c->author))
			rule_say(m, RULE_PROMOTE_MERGED, "approved_by names %.100s, the commit is %.100s's",
				 author ? author : "nobody", m->c->author ? m->c->author : "nobody");
		else if (!task_signatures(m->new) ||
			 rule_same(json_get(m->old, "signatures"), json_get(m->new, "signatures")) ||
			 (m->rules->genuine && !m->rules->genuine(m->rules->ctx, m->c, m->id, m->new)))
			rule_say(
			    m, RULE_PROMOTE_MERGED,
			    "approved_by names no commit, and the task has no signature of its text by who counts");
		else
			rule_now(m, RULE_PROMOTE_MERGED, by, "at");
	} else if (!came_with(m, &a, &owned)) {
		if (strcmp(a.commit, commit) != 0)
			rule_say(m, RULE_PROMOTE_MERGED, "approved_by names commit %.10s, the task came with %.10s",
				 commit, a.commit);
		else if ((a.author && !names(by, "author", a.author)) ||
			 (a.committer && !names(by, "committer", a.committer)))
			rule_say(m, RULE_PROMOTE_MERGED,
				 "approved_by names another author or committer than commit %.10s has", commit);
		else if (json_get(by, "at") && json_time(by, "at") != a.at)
			rule_say(m, RULE_PROMOTE_MERGED, "approved_by.at is not the time of commit %.10s", commit);
		if (owned)
			arrival_clear(&a);
	}
	judge_promoted_signature(m);
}

static void judge_edit(const struct rule_move *m)
{
	const char *name = m->old && m->new ? differs(m->old, m->new, false) : NULL;
	if (finished(m->to))
		rule_say(m, RULE_RESULT_FROZEN, "a finished task was rewritten");
	else if (m->to == TASK_UNAPPROVED) {
		if (m->c->node)
			rule_say(m, RULE_TASK_FIELDS, "a submission was changed by a node, %s", m->c->who);
		else
			rule_say(m, NOTICE_EDITED, "a submission was changed by %s", m->c->who);
	} else if (name || !m->old || !m->new)
		rule_say(m, RULE_TASK_FIELDS, "%.64s was changed in %s", name ? name : "the whole document",
			 task_state_name((enum task_state)m->to));
	else if (m->to == TASK_IN_PROGRESS)
		rules_in_place(m);
	else {
		rule_kept(m, "claim", RULE_PLACE_MOVE);
		rule_kept(m, "result", RULE_RESULT_CLAIM);
		rule_kept(m, "attempts", RULE_ATTEMPTS_GROW);
		rule_kept(m, "cancel", RULE_CANCEL_NOTE);
		rule_kept(m, "approved_by", RULE_PROMOTE_MERGED);
		/* A person may say: now. */
		if (m->c->node || json_get(m->new, "not_before"))
			rule_kept(m, "not_before", RULE_TASK_FIELDS);
		if (!m->c->node)
			rule_say(m, NOTICE_EDITED, "a queued task was %s by %s",
				 json_get(m->old, "not_before") && !json_get(m->new, "not_before") ? "freed to run now"
												   : "written anew",
				 m->c->who);
	}
}

static void judge_way(const struct rule_move *m)
{
	bool invalid = m->to == TASK_FAILED && rule_text_is(json_get(m->new, "result"), "status", "invalid");
	const char *name = NULL;
	if (m->old && m->new && !invalid)
		name = differs(m->old, m->new, m->from == TASK_UNAPPROVED && m->to == TASK_QUEUE);
	if (name)
		rule_say(m, RULE_TASK_FIELDS, "%.64s was changed on the way from %s to %s", name,
			 task_state_name((enum task_state)m->from), task_state_name((enum task_state)m->to));
	if (m->from == TASK_QUEUE && m->to == TASK_IN_PROGRESS)
		rules_claim(m);
	else if (m->from == TASK_IN_PROGRESS && m->to == TASK_QUEUE)
		rules_back(m);
	else if (m->from == TASK_IN_PROGRESS && finished(m->to))
		rules_end(m);
	else if (finished(m->from) && m->to == TASK_QUEUE)
		rules_retry(m);
	else if ((m->from == TASK_QUEUE || m->from == TASK_UNAPPROVED) && m->to == TASK_FAILED)
		rules_refuse(m);
	else if (m->from == TASK_UNAPPROVED && m->to == TASK_QUEUE) {
		if (!m->old || !m->new)
			rule_say(m, RULE_TASK_FIELDS,
				 "what was promoted is no JSON, so nothing shows that it is the same task");
		judge_promotion(m);
	} else
		rule_say(m, finished(m->from) ? RULE_RESULT_FROZEN : RULE_PLACE_MOVE, "a task moved from %s to %s",
			 task_state_name((enum task_state)m->from), task_state_name((enum task_state)m->to));
}

/* out: where it leaves, in: where it comes; the same one for an edit; either may be NULL. */
static void judge_task(struct rules *r, const struct rule_commit *c, const struct rule_change *out,
		       const struct rule_change *in)
{
	const struct json *old = out ? rule_doc(&out->old) : NULL, *new = in ? rule_doc(&in->new) : NULL;
	struct rule_move m = {.rules = r,
			      .c = c,
			      .id = in ? in->id : out->id,
			      .path = in ? in->path : out->path,
			      .from = out ? (int)out->state : -1,
			      .to = in ? (int)in->state : -1,
			      .out = out,
			      .in = in,
			      .old = old && old->type == JSON_OBJECT ? old : NULL,
			      .new = new &&new->type == JSON_OBJECT ? new : NULL};
	m.claim = json_get(m.old, "claim");
	if (in && in->new_mode != 0100644 && (!out || in->new_mode != out->old_mode))
		rule_say(&m, RULE_FILE_MODE, "mode %06o (expected 100644, a plain file)", in->new_mode);
	if (m.to < 0)
		judge_gone(&m);
	else if (m.to >= TASK_IN_PROGRESS && !readable(&m))
		;
	else if (m.from < 0)
		judge_new(&m);
	else if (out == in)
		judge_edit(&m);
	else
		judge_way(&m);
}

/* ---- where a task stands ---- */

static unsigned count(unsigned bits)
{
	unsigned n = 0;
	for (; bits; bits &= bits - 1)
		n++;
	return n;
}

static void judge_places(struct rules *r, const struct rule_commit *c, const struct rule_change *in, unsigned before,
			 unsigned after, unsigned doubled)
{
	struct buf where = {0};
	const struct world_task *like = before ? NULL : world_task_like(&r->world, in->id);
	for (int s = 0; s < TASK_N_STATES; s++)
		if (after & 1u << s)
			buf_addf(&where, "%s%s", where.len ? " and " : "", task_state_name((enum task_state)s));
	if (doubled)
		rule_tell(r, RULE_PLACE_PATH, c, in->path, "its folder has the name twice");
	if (count(after) > 1 && count(after) > count(before))
		rule_tell(r, RULE_PLACE_ONE, c, in->path, "%s stands in %s", in->id, where.data);
	if (like)
		rule_tell(r, RULE_PLACE_PATH, c, in->path,
			  "%s is in the grid already, other but for upper and lower case", like->id);
	buf_clear(&where);
}

/* All changes of one id in this commit, at most one a folder. */
static void judge_id(struct rules *r, const struct rule_commit *c, const struct rule_change *const *ch, size_t n)
{
	const struct rule_change *out = NULL, *in = NULL;
	struct world_task *t = world_task_add(&r->world, ch[0]->id);
	unsigned before = t->states, gone = 0, came = 0;
	bool begin = !c->parent[0];
	for (size_t i = 0; i < n; i++) {
		unsigned bit = 1u << ch[i]->state;
		if (!ch[i]->new_mode) {
			gone |= bit;
			out = ch[i];
		} else if (!ch[i]->old_mode) {
			came |= bit;
			in = ch[i];
			if (ch[i]->state == TASK_IN_PROGRESS)
				world_runs(&r->world, ch[i]->id, rule_doc(&ch[i]->new));
		} else if (!begin)
			judge_task(r, c, ch[i], ch[i]);
	}
	unsigned after = (before & ~gone) | came;
	if (came)
		judge_places(r, c, in, before, after, came & before & ~gone);
	/* An id that stands elsewhere too, and leaves neither: which of them is the task is what was told. */
	bool second = came && !gone && before;
	if ((out || in) && !begin && !second)
		judge_task(r, c, out, in);
	else if (in && in->new_mode != 0100644)
		rule_tell(r, RULE_FILE_MODE, c, in->path, "mode %06o (expected 100644, a plain file)", in->new_mode);
	if (!(after & 1u << TASK_IN_PROGRESS))
		world_rests(&r->world, ch[0]->id);
	t->states = after;
	if (!after)
		world_task_remove(&r->world, ch[0]->id);
	else if (came && !before) {
		snprintf(t->commit, sizeof t->commit, "%s", c->id);
		free(t->author);
		free(t->committer);
		/* Only what waits for approval is asked for them. */
		t->author = after & 1u << TASK_UNAPPROVED && c->author ? xstrdup(c->author) : NULL;
		t->committer = after & 1u << TASK_UNAPPROVED && c->committer ? xstrdup(c->committer) : NULL;
		t->at = c->at;
	}
}

static int by_id(const void *pa, const void *pb)
{
	const struct rule_change *a = *(const struct rule_change *const *)pa,
				 *b = *(const struct rule_change *const *)pb;
	int order = strcmp(a->id, b->id);
	return order ? order : (a->state > b->state) - (a->state < b->state);
}

static void judge_tasks(struct rules *r, const struct rule_commit *c)
{
	const struct rule_change **task = xcalloc(c->n + 1, sizeof(struct rule_change *));
	size_t n = 0, n_leaving = 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_TASK)
			task[n++] = &c->changes[i];
	qsort(task, n, sizeof *task, by_id);
	const struct rule_change **leaving = xcalloc(n + 1, sizeof(struct rule_change *));
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && !strcmp(task[end]->id, task[i]->id);)
			if (task[end]->state == task[end - 1]->state) { /* the tree has it twice, and so has the diff */
				if (task[end]->new_mode && c->parent[0])
					rule_tell(r, RULE_PLACE_PATH, c, task[end]->path,
						  "its folder has the name twice");
				memmove(&task[end], &task[end + 1], (n - end - 1) * sizeof *task);
				n--;
			} else
				end++;
		judge_id(r, c, &task[i], end - i);
		if (end - i == 1 && finished((int)task[i]->state) && !task[i]->new_mode)
			leaving[n_leaving++] = task[i];
	}
	if (c->parent[0]) {
		rules_limit(r, c);
		rules_room(r, c);
		rules_archiving(r, c, leaving, n_leaving);
	}
	rules_needs(r, c);
	free(task);
	free(leaving);
}

/* ---- signatures ---- */

/* Of the tasks of a commit those whose change is as which asks for, in order. free(v). */
struct ids {
	const char **v;
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct ids ids_of(const struct rule_commit *c, bool (*which)(const struct rule_change *ch))
{
	struct ids x = {.v = xcalloc(c->n + 1, sizeof *x.v)};
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_TASK && which(&c->changes[i]))
			x.v[x.n++] = c->changes[i].id;
	qsort(x.v, x.n, sizeof *x.v, by_text);
	return x;
}

static bool ids_have(const struct ids *x, const char *id)
{
	return x->n && bsearch(&id, x->v, x->n, sizeof *x->v, by_text);
}

static bool stands_after(const struct rule_change *ch)
{
	return ch->new_mode != 0;
}

static bool leaves_unapproved(const struct rule_change *ch)
{
	return ch->state == TASK_UNAPPROVED && !ch->new_mode;
}

/* What only the nodes and people that are enrolled may change. Promotion needs no key, not even where it finds a file
 * that is no task. */
static const struct rule_change *needs_key(const struct rule_commit *c)
{
	struct ids left = ids_of(c, leaves_unapproved);
	const struct rule_change *found = NULL;
	for (size_t i = 0; i < c->n && !found; i++) {
		const struct rule_change *ch = &c->changes[i];
		bool ended = ch->kind == RULE_TASK && ch->state >= TASK_IN_PROGRESS;
		bool promoted = ended && ch->state == TASK_FAILED && !ch->old_mode && ids_have(&left, ch->id) &&
				rule_text_is(json_get(rule_doc(&ch->new), "result"), "status", "invalid");
		if (ch->kind == RULE_NODE || ch->kind == RULE_TOTALS || rules_moves_last(ch) || rules_is_order(ch) ||
		    (ended && !promoted))
			found = ch;
	}
	free(left.v);
	return found;
}

/* A task file that waits, taken away or changed by hand. stay: the ids whose files stand somewhere after the commit. */
static bool by_hand(const struct rule_change *ch, const struct ids *stay)
{
	return ch->kind == RULE_TASK && ch->state <= TASK_QUEUE && ch->old_mode &&
	       (ch->new_mode || !ids_have(stay, ch->id)); /* else it moved */
}

/* What only people change; NULL: nothing. */
static const struct rule_change *a_persons(const struct rule_commit *c)
{
	struct ids stay = ids_of(c, stands_after);
	const struct rule_change *found = NULL;
	for (size_t i = 0; i < c->n && !found; i++) {
		enum rule_kind kind = c->changes[i].kind;
		if (kind == RULE_KEY || kind == RULE_SETTINGS || kind == RULE_SIGNERS || kind == RULE_WORKFLOW ||
		    (kind == RULE_SCHEDULE && !rules_moves_last(&c->changes[i])) || by_hand(&c->changes[i], &stay))
			found = &c->changes[i];
	}
	free(stay.v);
	return found;
}

bool rules_needs_signature(const struct rule_commit *c)
{
	return a_persons(c) || needs_key(c);
}

/* With require_signed_nodes; who replays asks for the signature only then. */
static void judge_signature(struct rules *r, const struct rule_commit *c)
{
	const struct rule_change *at = c->signature > RULE_GOOD ? needs_key(c) : NULL;
	const char *why = c->signature == RULE_UNSIGNED ? NULL : c->signature_why;
	if (at)
		rule_tell(r, RULE_SIGNED_COMMIT, c, at->path, "%s%s%s",
			  c->signature == RULE_UNSIGNED ? "the commit is not signed"
			  : c->signature == RULE_BAD	? "the commit's signature is not good"
							: "the commit is not signed by its own key",
			  why ? ": " : "", why ? why : "");
	if (c->node && c->signature == RULE_GOOD && c->signed_person && (at = needs_key(c)))
		rule_tell(r, RULE_SIGNED_COMMIT, c, at->path,
			  "a node's commit is signed with a person's key, that of %s", c->signed_by);
	/* Whatever name it bears. */
	at = !c->node && c->signed_by[0] && world_is_node(&r->world, c->signed_by) ? a_persons(c) : NULL;
	if (at && (at->kind == RULE_KEY || r->world.apart))
		rule_tell(r, at->kind == RULE_KEY ? RULE_SIGNED_KEY : RULE_NODE_SCOPE, c, at->path,
			  "it was %s in a commit that node %s signed", at->new_mode ? "written" : "removed",
			  c->signed_by);
}

static void tell_notices(struct rules *r, const struct rule_commit *c)
{
	size_t outside = 0, stands = 0;
	const char *first = "";
	char aside[72];
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (ch->kind == RULE_OUTSIDE && !outside++)
			first = ch->path;
		stands += ch->kind == RULE_TASK && ch->state >= TASK_IN_PROGRESS && ch->new_mode;
	}
	if (c->odd)
		rule_tell(r, RULE_PLACE_PATH, c, c->odd,
			  "git and file systems may read this name, or its folder, otherwise");
	if (c->n_parents > 1 && r->aside && r->aside(r->ctx, c, aside) == 1)
		rule_tell(
		    r, RULE_HISTORY_ASIDE, c, "",
		    "commit %.10s of the grid is behind another parent than the first: what it says is judged nowhere, "
		    "and what it wrote may be gone",
		    aside);
	if (c->n_parents > 1)
		rule_tell(r, NOTICE_MERGE, c, "", "a merge by %s", c->who);
	if (outside && c->parent[0])
		rule_tell(r, NOTICE_OUTSIDE, c, first, "%zu file%s outside the ledger", outside,
			  outside == 1 ? "" : "s");
	if (!c->parent[0] && stands)
		rule_tell(r, NOTICE_BEGIN, c, "", "the history begins with %zu task%s that %s claimed or ended", stands,
			  stands == 1 ? "" : "s", stands == 1 ? "was" : "were");
}

/* Does the commit's date count as evidence against other commits? Only that of a node which changes something: anybody
 * can make an empty commit in its name and, where nodes sign, one without a signature. */
static bool testifies(const struct world *w, const struct rule_commit *c)
{
	return c->node && c->n && (!w->config.require_signed_nodes || c->signature == RULE_GOOD);
}

/* Who takes a claim because a time has passed could date the commit later than it is. Then the next node's commit,
 * whose own times are held against its documents, is of a time before that. */
static void judge_waiting(struct rules *r, const struct rule_commit *c)
{
	struct world *w = &r->world;
	if (!testifies(w, c) ||
	    c->at + 2 * w->config.max_clock_skew_seconds >= w->waited_until) /* each clock may be off */
		return;
	char *path = xasprintf("tasks/in_progress/%s.json", w->waited_for);
	rule_tell(r, RULE_ORPHAN_EVIDENCE, c, path,
		  "commit %.10s ended the claim of a node by a time that is %lld s later than this commit, which came "
		  "after it: it was ended early, or one of two clocks is wrong",
		  w->waited_by, (long long)(w->waited_until - c->at));
	free(path);
	w->waited_until = 0; /* told once */
}

/* Dates: none is still to come, and a node's commit is not of before what came before it. The newest date so far
 * counts, not the parent's, so that nobody goes back step by step or behind an empty commit. What comes now was made
 * after what it stands on: it is off by two clocks at most, and could else show an honest commit in a false light. */
static void judge_date(struct rules *r, const struct rule_commit *c)
{
	struct world *w = &r->world;
	int64_t skew = w->config.max_clock_skew_seconds;
	if (r->clock && c->at > r->clock + rule_ahead(r)) {
		rule_tell(r, RULE_COMMIT_TIME, c, "",
			  "the commit is dated %lld s from now: a clock is wrong, or the "
			  "date is made up",
			  (long long)(c->at - r->clock));
		return; /* what comes after it is not measured by it */
	}
	if (c->node && r->grows && r->now - c->at > rule_tolerance(r))
		rule_tell(
		    r, RULE_COMMIT_TIME, c, "",
		    "the commit says it was made %lld s ago, and nodes push what they commit: a clock is wrong, or "
		    "it is backdated",
		    (long long)(r->now - c->at));
	else if (c->node && w->newest - c->at > (r->now ? 2 * skew : rule_behind(r))) {
		rule_tell(
		    r, RULE_COMMIT_TIME, c, "",
		    "the commit says it was made %lld s before commit %.10s, which came before it: one of the two "
		    "has a wrong clock, or is backdated",
		    (long long)(w->newest - c->at), w->newest_id);
		w->newest = 0; /* told once */
	}
	/* A hook has seen to it that no date is of later than it came; others believe only who testifies. */
	if (c->at > w->newest && (r->now || testifies(w, c))) {
		w->newest = c->at;
		memcpy(w->newest_id, c->id, sizeof w->newest_id);
	}
}

void rules_judge(struct rules *r, struct rule_commit *c)
{
	rule_who(c, &r->world);
	/* A node's key makes no person's commit, whatever the message. */
	c->node = c->node || (c->signature == RULE_GOOD && world_is_node(&r->world, c->who));
	rules_form(r, c);
	judge_signature(r, c);
	rules_order(r, c);
	rules_fire(r, c); /* while the world is still that of before */
	judge_tasks(r, c);
	judge_waiting(r, c);
	judge_date(r, c);
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind != RULE_TASK)
			rules_grid(r, c, &c->changes[i]);
	rules_key(r, c);
	tell_notices(r, c);
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_SETTINGS)
			rules_settings(r, c, &c->changes[i]);
}
