#include "store/waiting.h"
#include "base/clock.h"
#include "schema/input.h"
#include "store/places.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_STEPS 1000 /* of a chain of skipped tasks */

int ended_read(struct ledger *l, struct ended_ids *out, struct err *e)
{
	*out = (struct ended_ids){0};
	return ledger_ids(l, TASK_COMPLETED, &out->completed, e) || ledger_ids(l, TASK_FAILED, &out->failed, e) ? -1
														: 0;
}

void ended_clear(struct ended_ids *x)
{
	strs_clear(&x->completed);
	strs_clear(&x->failed);
}

static int by_name(const void *key, const void *entry)
{
	return strcmp(key, *(char *const *)entry);
}

static int by_task(const void *key, const void *entry)
{
	return strcmp(key, ((const struct waiting_task *)entry)->id);
}

/* By what has ended alone. */
static enum waiting judge(const struct ended_ids *ended, const struct needs *needs)
{
	enum waiting state = WAITING_NOT;
	for (size_t i = 0; i < needs->n; i++) {
		const struct need *one = &needs->v[i];
		if (waiting_among(&ended->completed, one->id))
			continue;
		bool bad = waiting_among(&ended->failed, one->id);
		if (bad && one->success)
			return WAITING_NEVER;
		if (!bad)
			state = WAITING_FOR;
	}
	return state;
}

/* Who needs whom among those that wait: of the i-th, to[first[i]] up to to[first[i + 1]]. */
struct behind {
	size_t *first, *to;
};

static struct behind find_behind(const struct waiting_task *v, size_t n)
{
	struct behind b = {.first = xcalloc(n + 2, sizeof *b.first)};
	for (int fill = 0; fill < 2; fill++) {
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < v[i].needs->n; k++) {
				const struct need *one = &v[i].needs->v[k];
				const struct waiting_task *t =
				    one->success ? bsearch(one->id, v, n, sizeof *v, by_task) : NULL;
				if (t && fill)
					b.to[b.first[t - v + 1]++] = i;
				else if (t)
					b.first[t - v + 2]++;
			}
		for (size_t i = 1; i <= n && !fill; i++)
			b.first[i + 1] += b.first[i];
		b.to = fill ? b.to : xcalloc(b.first[n + 1] + 1, sizeof *b.to);
	}
	return b;
}

void waiting_judge(const struct ended_ids *ended, struct waiting_task *v, size_t n, struct strs *skips)
{
	struct behind behind = find_behind(v, n);
	size_t *line = xcalloc(n + 1, sizeof *line), in_line = 0;
	for (size_t i = 0; i < n; i++)
		if ((v[i].state = judge(ended, v[i].needs)) == WAITING_NEVER)
			line[in_line++] = i;
	for (size_t at = 0; at < in_line; at++) { /* and what needs those, and so on */
		strs_add(skips, v[line[at]].id);
		for (size_t k = behind.first[line[at]]; k < behind.first[line[at] + 1]; k++)
			if (v[behind.to[k]].state != WAITING_NEVER) {
				v[behind.to[k]].state = WAITING_NEVER;
				line[in_line++] = behind.to[k];
			}
	}
	free(behind.first);
	free(behind.to);
	free(line);
}

/* How it ended, by its document or by what this commit makes of it; NULL: it has not. The caller's. */
static char *status_of(struct ledger *l, const char *id, int *state)
{
	struct err e;
	*state = ledger_find(l, id, &e);
	bool look = *state == TASK_COMPLETED || *state == TASK_FAILED || *state == TASK_QUEUE;
	struct json *doc = look ? ledger_doc(l, (enum task_state) * state, id, &e) : NULL;
	const char *status = json_str(json_get(doc, "result"), "status");
	/* A queued task has a result only where the commit that is being made has just ended it. */
	if (*state == TASK_QUEUE && status && !strcmp(status, "skipped"))
		*state = TASK_FAILED;
	bool ended = *state == TASK_COMPLETED || *state == TASK_FAILED;
	/* What cannot be read as a document has ended all the same, as its folder says. */
	char *copy = ended && (doc || ledger_answered(&e)) ? xstrdup(status		     ? status
								     : *state == TASK_FAILED ? "failed"
											     : "success")
							   : NULL;
	json_free(doc);
	return copy;
}

enum change_verdict waiting_edit_skip(void *ledger, struct json *doc, enum task_state *to)
{
	enum change_verdict verdict = CHANGE_DROP;
	struct needs needs;
	(void)to;
	needs_of(doc, &needs);
	for (size_t i = 0; i < needs.n && verdict == CHANGE_DROP; i++) {
		int state;
		char *status = needs.v[i].success ? status_of(ledger, needs.v[i].id, &state) : NULL;
		if (status && state == TASK_FAILED) {
			char reason[160];
			snprintf(reason, sizeof reason, "it needs %s, which ended as %.40s", needs.v[i].id, status);
			task_set_verdict(doc, "skipped", reason);
			task_set_because(doc, needs.v[i].id, status);
			verdict = CHANGE_APPLY;
		}
		free(status);
	}
	needs_clear(&needs);
	return verdict;
}

bool waiting_met(struct ledger *l, const struct json *doc, struct json **after)
{
	struct needs needs;
	bool met = true;
	needs_of(doc, &needs);
	*after = NULL;
	for (size_t i = 0; i < needs.n && met; i++) {
		int state;
		char *status = status_of(l, needs.v[i].id, &state);
		met = status && (state == TASK_COMPLETED || !needs.v[i].success);
		if (met && !needs.v[i].success) {
			*after = *after ? *after : json_new(JSON_OBJECT);
			json_set(*after, needs.v[i].id, json_new_str(status));
		}
		free(status);
	}
	if (!met) {
		json_free(*after);
		*after = NULL;
	}
	needs_clear(&needs);
	return met;
}

struct json *waiting_inputs(struct ledger *l, const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	struct json *pinned = NULL;
	struct err e;
	for (size_t i = 0; i < n; i++) {
		struct json *other = in[i].task ? ledger_doc(l, TASK_COMPLETED, in[i].task, &e) : NULL,
			    *one = json_new(JSON_OBJECT);
		const struct json *out = json_get(json_get(other, "result"), "out");
		if (in[i].task && !pinned)
			pinned = json_new(JSON_OBJECT);
		const char *tree = json_str(out, "tree"), *ref = json_str(out, "ref");
		struct place_out place;
		if (place_oid_valid(tree) && ref && place_out_parse(ref, &place)) {
			json_set(one, "tree", json_new_str(tree));
			json_set(one, "ref", json_new_str(ref));
			if (json_int(json_get(out, "stored"), "bytes", 0) > 0)
				json_set(one, "stored", json_copy(json_get(json_get(out, "stored"), "bytes")));
			json_set(pinned, in[i].name, one);
		} else
			json_free(one); /* it left none: nobody can be given it */
		json_free(other);
	}
	return pinned;
}

int waiting_given(struct ledger *l, const struct json *doc, const struct json *pinned, struct err *e)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in), i = 0;
	inputs_pin(in, n, pinned);
	while (i < n && in[i].tree)
		i++;
	if (i == n)
		return 0;
	struct err none;
	struct json *other = ledger_doc(l, TASK_COMPLETED, in[i].task, &none);
	const char *lost = json_str(json_get(other, "result"), "out_error");
	if (lost)
		err_set(e, ERR_NOENT, "input '%s': the files of task %s were not kept: %.200s", in[i].name, in[i].task,
			lost);
	else
		err_set(e, ERR_NOENT, "input '%s': task %s left no files", in[i].name, in[i].task);
	json_free(other);
	return -1;
}

/* Those of a folder's tasks that wait for anything. */
struct read {
	struct waiting_task *v;
	struct needs *needs; /* one each */
	struct strs ids;
	size_t n;
};

static void read_clear(struct read *r)
{
	for (size_t i = 0; i < r->n; i++)
		needs_clear(&r->needs[i]);
	strs_clear(&r->ids);
	free(r->needs);
	free(r->v);
}

static bool is_skipped(const struct json *doc)
{
	const char *status = json_str(json_get(doc, "result"), "status");
	return status && !strcmp(status, "skipped");
}

/* Of failed/: only what was skipped. */
static int read_folder(struct ledger *l, enum task_state state, struct read *r, struct err *e)
{
	*r = (struct read){0};
	int rc = ledger_ids(l, state, &r->ids, e);
	r->v = xcalloc(r->ids.n + 1, sizeof *r->v);
	r->needs = xcalloc(r->ids.n + 1, sizeof *r->needs);
	for (size_t i = 0; i < r->ids.n && !rc; i++) {
		struct json *doc = ledger_doc(l, state, r->ids.v[i], e);
		if (!doc && !ledger_answered(e))
			rc = -1;
		if (state != TASK_FAILED || is_skipped(doc))
			needs_of(doc, &r->needs[r->n]);
		json_free(doc);
		r->v[r->n] = (struct waiting_task){.id = r->ids.v[i], .needs = &r->needs[r->n]};
		r->n += r->needs[r->n].n > 0;
	}
	return rc;
}

enum change_verdict waiting_edit_expire(void *ctx, struct json *doc, enum task_state *to)
{
	(void)ctx;
	(void)to;
	return task_expire(doc, clock_now()) ? CHANGE_APPLY : CHANGE_DROP;
}

int waiting_expire_all(struct ledger *l, const char *who, bool dry, struct strs *ids, struct err *e)
{
	struct strs queued = {0};
	int rc = ledger_sync(l, e) || ledger_ids(l, TASK_QUEUE, &queued, e) ? -1 : 0;
	struct ledger_change *c = xcalloc(queued.n + 1, sizeof *c);
	size_t n = 0;
	for (size_t i = 0; i < queued.n && !rc; i++) {
		struct json *doc = ledger_doc(l, TASK_QUEUE, queued.v[i], e);
		rc = doc || ledger_answered(e) ? 0 : -1;
		if (task_expire(doc, clock_now()))
			c[n++] = (struct ledger_change){.id = queued.v[i],
							.from = TASK_QUEUE,
							.to = TASK_FAILED,
							.edit = waiting_edit_expire,
							.verb = "expired"};
		json_free(doc);
	}
	if (!rc && n && !dry)
		rc = ledger_commit(l, who, c, n, NULL, NULL, e);
	for (size_t i = 0; i < n && !rc; i++)
		if (dry || c[i].outcome == CHANGE_LANDED)
			strs_add(ids, c[i].id);
	free(c);
	strs_clear(&queued);
	return rc;
}

int waiting_skip_all(struct ledger *l, const char *who, bool dry, struct strs *ids, struct err *e)
{
	struct ended_ids ended = {0};
	struct read r;
	int rc = read_folder(l, TASK_QUEUE, &r, e) || (r.n && ended_read(l, &ended, e)) ? -1 : 0;
	if (!rc && r.n)
		waiting_judge(&ended, r.v, r.n, ids);
	if (!rc && !dry && ids->n) {
		struct ledger_change *c = xcalloc(ids->n, sizeof *c);
		for (size_t i = 0; i < ids->n; i++)
			c[i] = WAITING_SKIP(l, ids->v[i]);
		rc = ledger_commit(l, who, c, ids->n, NULL, NULL, e);
		free(c);
	}
	ended_clear(&ended);
	read_clear(&r);
	return rc;
}

int waiting_behind(struct ledger *l, struct strs *ids, struct err *e)
{
	struct read r;
	int rc = read_folder(l, TASK_QUEUE, &r, e);
	for (bool more = !rc; more;) {
		more = false;
		for (size_t i = 0; i < r.n; i++)
			for (size_t k = 0; k < r.v[i].needs->n && !strs_has(ids, r.v[i].id); k++)
				if (strs_has(ids, r.v[i].needs->v[k].id)) {
					strs_add(ids, r.v[i].id);
					more = true;
				}
	}
	read_clear(&r);
	return rc;
}

static int failed_of(struct ledger *l, const struct needs *needs, const struct strs *ids, char id[65], struct err *e)
{
	id[0] = 0;
	for (size_t i = 0; i < needs->n && !id[0]; i++) {
		if (!needs->v[i].success || strs_has(ids, needs->v[i].id))
			continue;
		int state = ledger_find(l, needs->v[i].id, e);
		if (state == LEDGER_UNKNOWN)
			return -1;
		if (state == TASK_FAILED)
			snprintf(id, 65, "%s", needs->v[i].id);
	}
	return 0;
}

/* What a skipped task was skipped because of, in the end. */
static void find_root(struct ledger *l, char id[65])
{
	for (int steps = 0; steps < ROOT_STEPS; steps++) {
		struct err none;
		struct json *doc = ledger_doc(l, TASK_FAILED, id, &none);
		const char *next =
		    is_skipped(doc) ? json_str(json_get(json_get(doc, "result"), "because"), "task") : NULL;
		if (next)
			snprintf(id, 65, "%s", next);
		json_free(doc);
		if (!next)
			return;
	}
}

int waiting_obstacle(struct ledger *l, const struct json *doc, const struct strs *ids, struct waiting_obstacle *out,
		     struct err *e)
{
	struct needs needs;
	needs_of(doc, &needs);
	*out = (struct waiting_obstacle){"", ""};
	int rc = failed_of(l, &needs, ids, out->failed, e);
	for (size_t i = 0; i < needs.n && !rc && !out->gone[0]; i++) {
		int state = ledger_find(l, needs.v[i].id, e);
		rc = state == LEDGER_UNKNOWN ? -1 : 0;
		if (state == LEDGER_NOWHERE || state == TASK_UNAPPROVED)
			snprintf(out->gone, sizeof out->gone, "%s", needs.v[i].id);
	}
	if (out->failed[0])
		find_root(l, out->failed);
	needs_clear(&needs);
	return rc;
}

int waiting_skipped(struct ledger *l, struct strs *ids, struct err *e)
{
	struct read r;
	int rc = read_folder(l, TASK_FAILED, &r, e);
	for (bool more = !rc; more && !rc;) {
		more = false;
		for (size_t i = 0; i < r.n && !rc; i++) {
			char other[65];
			bool behind = false;
			for (size_t k = 0; k < r.v[i].needs->n && !behind; k++)
				behind = r.v[i].needs->v[k].success && strs_has(ids, r.v[i].needs->v[k].id);
			if (!behind || strs_has(ids, r.v[i].id))
				continue;
			rc = failed_of(l, r.v[i].needs, ids, other, e);
			if (!rc && !other[0]) {
				strs_add(ids, r.v[i].id);
				more = true;
			}
		}
	}
	read_clear(&r);
	return rc;
}

static bool comes(const struct ledger_draft *d, const char *id)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->applied[i] && d->c[i].to == TASK_QUEUE && d->c[i].id && !strcmp(d->c[i].id, id))
			return true;
	return false;
}

bool waiting_may_again(struct ledger *l, const struct json *doc)
{
	struct needs needs;
	bool may = true;
	needs_of(doc, &needs);
	for (size_t i = 0; i < needs.n && may; i++) {
		struct err none;
		const struct need *one = &needs.v[i];
		int state = comes(&l->draft, one->id) ? TASK_QUEUE : ledger_find(l, one->id, &none);
		may = state >= 0 && state != TASK_UNAPPROVED && (state != TASK_FAILED || !one->success);
	}
	needs_clear(&needs);
	return may;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int waiting_named(struct ledger *l, struct strs *ids, struct err *e)
{
	static const enum task_state live[] = {TASK_UNAPPROVED, TASK_QUEUE, TASK_IN_PROGRESS};
	int rc = 0;
	for (size_t k = 0; k < sizeof live / sizeof *live && !rc; k++) {
		struct read r;
		rc = read_folder(l, live[k], &r, e);
		for (size_t i = 0; i < r.n; i++)
			for (size_t n = 0; n < r.needs[i].n; n++)
				strs_add(ids, r.needs[i].v[n].id);
		read_clear(&r);
	}
	if (ids->n)
		qsort(ids->v, ids->n, sizeof *ids->v, by_text);
	return rc;
}

bool waiting_among(const struct strs *ids, const char *id)
{
	return ids->n && bsearch(id, ids->v, ids->n, sizeof *ids->v, by_name);
}
