#include "worker/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "schema/checkpoint.h"
#include "schema/consent.h"
#include "store/orders.h"
#include "worker/lease.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MS 250

void slots_clear(struct slots *s)
{
	loop_timer_stop(s->watch);
	for (int i = 0; i < s->used; i++)
		slot_free(&s->v[i]);
	free(s->v);
	*s = (struct slots){0};
}

static int count(const struct slots *s, enum slot_state from, enum slot_state to)
{
	int n = 0;
	for (int i = 0; i < s->used; i++)
		n += s->v[i].state >= from && s->v[i].state <= to;
	return n;
}

int slots_held(const struct slots *s)
{
	return count(s, SLOT_CLAIMING, SLOT_COLLECTING);
}

int slots_busy(const struct slots *s)
{
	int held = slots_held(s);
	return held < s->at_once ? held : s->at_once;
}

int slots_waiting(const struct slots *s)
{
	return count(s, SLOT_WAITING, SLOT_WAITING);
}

bool slot_queued(const struct slot *s)
{
	return s->state == SLOT_RUNNING && s->run && series_queued(s->run);
}

int slots_queued(const struct slots *s)
{
	int n = 0;
	for (int i = 0; i < s->used; i++)
		n += slot_queued(&s->v[i]);
	return n;
}

int slots_running(const struct slots *s)
{
	return count(s, SLOT_WAITING, SLOT_COLLECTING);
}

int64_t slots_running_ms(const struct slots *s)
{
	int64_t since = 0;
	for (int i = 0; i < s->used; i++)
		if (s->v[i].state > SLOT_WAITING && s->v[i].began > since)
			since = s->v[i].began;
	return count(s, SLOT_FETCHING, SLOT_COLLECTING) < s->at_once ? 0 : clock_mono_ms() - since;
}

uint64_t slots_ended(const struct slots *s)
{
	return s->completed + s->failed + s->shared;
}

/* ---- when others may be given its claim ---- */

static void watch(void *ctx)
{
	struct slots *all = ctx;
	bool more = false;
	all->watch = NULL;
	for (int i = 0; i < all->used; i++) {
		struct slot *s = &all->v[i];
		bool runs = s->state == SLOT_RUNNING || s->state == SLOT_FETCHING;
		if (!runs || s->overdue || !lease_exclusive(s))
			continue;
		if (clock_mono_ms() < lease_end(s))
			more = true;
		else if (!s->lost) {
			log_at(LOG_WARN, "worker",
			       "%s is ended: the grid is out of reach, and another node may be given its claim",
			       s->pick.id);
			s->overdue = true;
			run_stop(s);
		}
	}
	if (more && !all->watch)
		all->watch = loop_after(WATCH_MS, watch, all);
}

/* Who waits for a seat, and goes first: NULL: nobody does. */
static struct slot *next_to_begin(struct slots *all)
{
	struct slot *first = NULL;
	for (int i = 0; i < all->used; i++) {
		struct slot *s = &all->v[i];
		if (s->state == SLOT_WAITING &&
		    (!first || s->pick.task.priority > first->pick.task.priority ||
		     (s->pick.task.priority == first->pick.task.priority && s->turn < first->turn)))
			first = s;
	}
	return first;
}

/* Beside what runs: those that were claimed ahead of it begin in their turn, whatever they need. */
static bool has_space(const struct slot *s)
{
	const struct slots *all = s->all;
	const struct json **running = xcalloc((size_t)all->used + 1, sizeof(const struct json *));
	size_t n = 0;
	for (int i = 0; i < all->used; i++)
		if (all->v[i].state > SLOT_WAITING && all->v[i].brief)
			running[n++] = all->v[i].brief;
	bool fits = !s->brief || seats_fit(NULL, all->node, all->config, s->brief, running, n);
	free(running);
	return fits;
}

/* Free seats are taken. What begins may end at once, and ask again. */
static void fill(struct slots *all)
{
	struct slot *s;
	if (all->filling)
		return;
	all->filling = true;
	while (!(all->fit && all->fit->trouble[0]) && count(all, SLOT_FETCHING, SLOT_COLLECTING) < all->at_once &&
	       (s = next_to_begin(all)) != NULL && has_space(s)) {
		if (lease_exclusive(s) && !all->watch)
			all->watch = loop_after(WATCH_MS, watch, all);
		run_begin(s);
	}
	all->filling = false;
}

void slots_init(struct slots *s, int at_once, int ahead)
{
	int n = at_once + ahead;
	*s = (struct slots){.n = n, .at_once = at_once, .freed = fill, .v = xcalloc((size_t)n, sizeof *s->v)};
}

struct slot *slot_take(struct slots *all)
{
	int i = 0;
	while (i < all->n && all->v[i].state != SLOT_FREE)
		i++;
	if (i == all->n)
		return NULL;
	struct slot *s = &all->v[i];
	*s = (struct slot){.all = all, .state = SLOT_CLAIMING};
	clock_nonce(s->nonce, 16);
	all->used = i < all->used ? all->used : i + 1;
	return s;
}

void slot_start(struct slot *s)
{
	/* It waits for the engine, so not when a seat becomes free: that is in a callback. */
	bool granted = !consent_asked(s->pick.task.doc) || run_pin_image(s);
	s->attempt_number = task_attempts_used(s->pick.task.doc) + 1;
	log_at(LOG_INFO, "worker", "claimed %s, attempt %lld", s->pick.id, (long long)s->attempt_number);
	s->state = SLOT_WAITING;
	s->turn = ++s->all->turns;
	if (granted) {
		fill(s->all);
		return;
	}
	run_refuse(s, "what its secrets or its network need is not here any more");
}

void slots_stop(struct slots *s)
{
	s->filling = true; /* nothing begins */
	for (int i = 0; i < s->used; i++)
		run_stop(&s->v[i]);
	s->filling = false;
}

static bool for_anybody(const struct slot *s)
{
	const struct json *labels = json_get(s->pick.task.doc, "labels");
	return !labels || !labels->child;
}

static void give_last(struct slots *all, size_t n, bool (*may)(const struct slot *), const char *why)
{
	size_t given = 0;
	struct slot *last;
	do {
		last = NULL;
		for (int i = 0; i < all->used; i++)
			if (all->v[i].state == SLOT_WAITING && (!may || may(&all->v[i])) &&
			    (!last || all->v[i].turn > last->turn))
				last = &all->v[i];
		if (last && given < n) {
			last->returned = why;
			run_stop(last);
			given++;
		} else
			last = NULL;
	} while (last);
	if (given)
		log_at(LOG_INFO, "worker", "gave back %zu claim%s that had not begun: %s", given, given == 1 ? "" : "s",
		       why);
}

void slots_return(struct slots *s, size_t n, const char *why)
{
	give_last(s, n, NULL, why);
}

void slots_share(struct slots *s, size_t n, const char *why)
{
	give_last(s, n, for_anybody, why);
}

int slot_lease_due(const struct slot *s)
{
	if (s->state <= SLOT_CLAIMING || s->lost)
		return 0;
	if (saver_news(s->saving))
		return 2;
	int64_t whole = lease_seconds(s), left = s->lease_until - clock_now();
	if (s->state == SLOT_WAITING && !s->all->config->lease_seconds) /* the wait should not use up the run's time */
		return left < whole / 3 ? 2 : left < whole - s->all->wait_seconds - 10;
	if (!s->all->config->lease_seconds) /* such a lease outlives the task, unless its end hangs */
		return left < LEASE_GRACE_SECONDS / 3 ? 2 : 0;
	return left <= whole / 3 ? 2 : left <= whole / 2;
}

void slot_renewed(struct slot *s)
{
	int64_t until = clock_now() + lease_seconds(s);
	s->lease_until = until > s->lease_until ? until : s->lease_until;
	s->lease_ends = s->renewed_at + lease_seconds(s) * 1000;
	if (s->saving && s->saying[0])
		saver_told(s->saving, s->saying);
}

size_t slots_gone(const struct slots *s, const struct json **v)
{
	size_t n = 0;
	for (int i = 0; i < s->used; i++)
		if (s->v[i].state > SLOT_WAITING && s->v[i].lost && s->v[i].brief)
			v[n++] = s->v[i].brief;
	return n;
}

/* Is there room for it beside what runs, with what this commit ends and claims so far? */
static bool has_room(struct slot *s, const struct json *doc)
{
	struct slots *all = s->all;
	const struct ledger_draft *d = &all->ledger->draft;
	struct limit l;
	struct err e;
	json_free(s->brief);
	s->brief = limit_brief(doc, s->pick.signer);
	if (s->ahead && !limit_at(all->config, s->brief, 0, &l)) /* there are many of them, and they need no room yet */
		return fit_suits(all->node, all->config, doc);
	if (seats_look(all->seats, all->ledger, &e)) {
		log_at(LOG_WARN, "worker", "%s is not claimed: what runs cannot be read: %s", s->pick.id, e.msg);
		return false;
	}
	seats_take(all->seats, d->c, d->applied, d->n);
	/* And what still runs here, though its claim is gone. */
	const struct json **also = xcalloc((size_t)all->used + d->n + 1, sizeof(const struct json *));
	size_t gone = slots_gone(all, also), n = gone;
	for (size_t i = 0; i < d->n; i++)
		if (d->applied[i] && d->c[i].edit == slot_edit_claim && !d->c[i].text)
			also[n++] = ((const struct slot *)d->c[i].ctx)->brief;
	bool fits = s->ahead || seats_fit(all->seats, all->node, all->config, doc, also, n);
	for (size_t i = gone; i < n; i++)
		seats_add(all->seats, also[i]);
	free(also);
	return fits && fit_suits(all->node, all->config, doc) &&
	       limit_room(all->config, s->brief, all->seats->v, all->seats->n, NULL);
}

enum change_verdict slot_edit_claim(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	int64_t lease = lease_seconds(s), now = clock_now(), deadline = task_deadline(doc);
	(void)to;
	s->lease_ends = clock_mono_ms() + lease * 1000;
	json_free(s->after);
	json_free(s->pinned);
	json_free(s->checkpoint);
	s->after = s->pinned = s->checkpoint = NULL;
	if (!orders_let(s->all->ledger, s->all->node_id, doc))
		return CHANGE_DROP;
	if (task_ready_at(doc) > now || (deadline && now >= deadline) || !waiting_met(s->all->ledger, doc, &s->after) ||
	    !has_room(s, doc))
		return CHANGE_DROP;
	s->pinned = waiting_inputs(s->all->ledger, doc);
	if (inputs_pin_stored(s->pinned) && !s->all->node->store)
		return CHANGE_DROP;
	if (vote_has(doc, s->all->node_id) || (s->all->config->require_limits && !s->all->engine->limits))
		return CHANGE_DROP;
	s->terms = vote_terms(doc, s->all->config);
	task_set_claim(doc, s->all->node_id, s->nonce, lease);
	if (s->ahead)
		task_claim_add(doc, "ahead", json_new_int(s->ahead));
	vote_set_terms(doc, s->terms);
	if (s->after)
		task_claim_add(doc, "after", json_copy(s->after));
	if (s->pinned)
		task_claim_add(doc, "inputs", json_copy(s->pinned));
	s->checkpoint = s->terms.replicas > 1 ? NULL : checkpoint_next(doc);
	if (s->checkpoint)
		task_claim_add(doc, "checkpoint", json_copy(s->checkpoint));
	if (s->pick.signer[0])
		task_claim_add(doc, "signed_by", json_new_str(s->pick.signer));
	s->lease_until = clock_now() + lease;
	return CHANGE_APPLY;
}

enum change_verdict slot_edit_renew(void *ctx, struct json *doc, enum task_state *to)
{
	struct slot *s = ctx;
	const char *nonce = task_claim_nonce(doc);
	const struct json *news = saver_news(s->saving);
	(void)to;
	if (!nonce || strcmp(nonce, s->nonce) != 0)
		return CHANGE_DROP;
	s->renewed_at = clock_mono_ms();
	task_renew_claim(doc, lease_seconds(s));
	snprintf(s->saying, sizeof s->saying, "%s", news ? json_str(news, "tree") : "");
	if (news)
		task_claim_add(doc, "saved", json_copy(news));
	return CHANGE_APPLY;
}

/* There is no document in in_progress: is that so on the branch too? What cannot be read here may well be there. */
static bool gone(struct ledger *l, const char *id, const struct err *why)
{
	struct shown shown;
	struct err e;
	bool none = ledger_answered(why) && !ledger_shown(l, TASK_IN_PROGRESS, id, &shown, &e);
	if (none) {
		struct json_error je;
		struct json *doc = shown.kind == SHOWN_FILE
				       ? json_parse(shown.text.data ? shown.text.data : "", shown.text.len, &je)
				       : NULL;
		none = !doc;
		json_free(doc);
		shown_clear(&shown);
	}
	if (!none)
		log_at(LOG_WARN, "worker", "the claim on %s cannot be read here: %s", id, why->msg);
	return none;
}

void slots_watch(struct slots *all, struct ledger *l)
{
	for (int i = 0; i < all->used; i++) {
		struct slot *s = &all->v[i];
		if (s->state == SLOT_FREE)
			continue;
		struct err e = {0};
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, s->pick.id, &e);
		const char *nonce = task_claim_nonce(doc);
		bool ours = nonce && !strcmp(nonce, s->nonce), cancel = ours && json_get(doc, "cancel");
		bool told = doc || gone(l, s->pick.id, &e);
		json_free(doc);
		if (!told) /* the next look may tell */
			continue;
		if (s->state == SLOT_CLAIMING) {
			if (ours)
				slot_start(s);
			else {
				snprintf(all->doubtful[all->n_doubtful++ % DOUBTFUL_MAX], 33, "%s", s->nonce);
				slot_free(s);
			}
		} else if (!ours && !s->lost) {
			log_at(LOG_WARN, "worker", "the claim on %s is gone from the ledger: stopping it", s->pick.id);
			s->lost = true;
			run_stop(s);
		} else if (cancel && !s->cancel_seen) {
			s->cancel_seen = true;
			run_stop(s);
		}
	}
	if (!all->n_doubtful)
		return;
	struct strs ids = {0};
	struct err e;
	if (ledger_ids(l, TASK_IN_PROGRESS, &ids, &e))
		log_at(LOG_WARN, "worker", "%s", e.msg);
	for (size_t i = 0; i < ids.n; i++) {
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], &e);
		const char *nonce = task_claim_nonce(doc);
		bool found = false;
		for (unsigned k = 0; nonce && k < all->n_doubtful && k < DOUBTFUL_MAX; k++)
			found = found || !strcmp(nonce, all->doubtful[k]);
		if (found && !outbox_has(all->outbox, nonce)) {
			struct outcome *o = xcalloc(1, sizeof *o);
			snprintf(o->id, sizeof o->id, "%s", ids.v[i]);
			snprintf(o->nonce, sizeof o->nonce, "%s", nonce);
			snprintf(o->status, sizeof o->status, "released");
			snprintf(o->reason, sizeof o->reason, "the claim landed after it was given up");
			outbox_add(all->outbox, o);
		}
		json_free(doc);
	}
	strs_clear(&ids);
}
