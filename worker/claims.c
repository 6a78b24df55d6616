#include "worker/claims.h"
#include "base/clock.h"
#include "base/log.h"
#include "sandbox/slurm.h"
#include <stdlib.h>
#include <string.h>

#define ROOM_SECONDS 5 /* between two looks for room on the disk */
#define PLACES_MS 3000 /* between two looks for a place in a cluster */

static bool queue_empty(struct worker *w)
{
	struct strs ids = {0};
	struct err e;
	bool empty = !ledger_ids(&w->ledger, TASK_QUEUE, &ids, &e) && !ids.n;
	strs_clear(&ids);
	return empty;
}

/* A cluster has other users too: no more is claimed than it has idle processors for, beside what of ours waits for
 * some. But one may always wait, or who asks for a place where others queue for it would never have one. Where Slurm
 * does not answer, nothing is claimed. */
static size_t places(struct worker *w)
{
	struct slurm_room room;
	struct err e;
	double waiting = 0;
	w->cluster_room = -1;
	if (slurm_room(w->o->cluster->options, &room, &e)) {
		char *why = xasprintf("engine: %s", e.msg);
		if (e.class == ERR_USAGE) /* which the check would not find */
			log_at(LOG_WARN, "worker", "nothing is claimed: %s", e.msg);
		else
			selfcheck_pause(&w->fit, why);
		free(why);
		return 0;
	}
	for (int i = 0; i < w->slots.used; i++) {
		const struct slot *s = &w->slots.v[i];
		if (s->state > SLOT_CLAIMING && s->state <= SLOT_RUNNING && (!s->run || series_queued(s->run)))
			waiting += s->pick.task.cpus;
	}
	double left = (double)room.idle - waiting;
	slurm_room_clear(&room);
	w->cluster_room = left >= 1 ? (int64_t)left : waiting > 0 ? 0 : 1;
	return (size_t)w->cluster_room;
}

/* Of what was chosen, how many of the first ones find a place. */
static size_t placed(const struct pick *picks, size_t n, size_t place)
{
	double left = (double)place;
	size_t k = 0;
	for (; k < n; k++) {
		left -= !pick_runs(&picks[k]) ? 0 : picks[k].task.cpus > 1 ? picks[k].task.cpus : 1;
		if (left < 0 && k)
			break;
	}
	return k;
}

size_t claims_renew(struct worker *w, struct ledger_change *c)
{
	size_t n = 0;
	for (int i = 0; i < w->slots.used; i++)
		if (slot_lease_due(&w->slots.v[i]))
			c[n++] = (struct ledger_change){.id = w->slots.v[i].pick.id,
							.from = TASK_IN_PROGRESS,
							.to = TASK_IN_PROGRESS,
							.edit = slot_edit_renew,
							.ctx = &w->slots.v[i],
							.verb = "renew"};
	return n;
}

/* What the disk keeps from this node, if that is another than before. */
static void tell_tight(struct worker *w, const char *before)
{
	if (!strcmp(before, w->fit.tight))
		return;
	if (w->fit.tight[0])
		log_at(LOG_WARN, "worker", "%s", w->fit.tight);
	if (w->heart)
		heartbeat_now(w->heart);
}

size_t claims_make(struct worker *w, struct ledger_change *c, const struct ledger_change *said, size_t n_said)
{
	const struct ahead_facts ahead = self_ahead(w);
	size_t held = (size_t)slots_held(&w->slots), seats = (size_t)w->o->slots, next = 0, n = 0;
	size_t free_seats = held < seats ? seats - held : 0, most = seats + ahead_claims(&ahead),
	       want = most > held ? most - held : 0;
	uint64_t ended = slots_ended(&w->slots) + held;
	if (w->o->drain_after && want > w->o->drain_after - ended)
		want = (size_t)(w->o->drain_after - ended);
	if (w->probation.trial)
		want = want < 1 ? want : 1;
	size_t place = want && w->o->cluster && !queue_empty(w) ? places(w) : want;
	bool scarce = place < want;
	want = scarce ? place : want;
	w->slots.wait_seconds = ahead_lease(&ahead);
	w->chooser.ahead = want > free_seats ? want - free_seats : 0;
	w->chooser.sharers = w->turns.n;
	/* Alone, a node takes the oldest; where others race, they should not all want the same. */
	size_t most_apart = 4 * seats + 16, apart = 2 * seats * w->turns.n;
	size_t spread = w->turns.n < 2 ? 1 : apart < most_apart ? apart : most_apart;
	w->chooser.said = said;
	w->chooser.n_said = n_said;
	struct pick *picks = xcalloc(want + 1, sizeof *picks);
	const struct json **gone = xcalloc((size_t)w->slots.used + 1, sizeof(const struct json *));
	w->chooser.gone = gone;
	w->node.images = w->fit.told;
	w->chooser.n_gone = slots_gone(&w->slots, gone);
	char tight[sizeof w->fit.tight];
	memcpy(tight, w->fit.tight, sizeof tight);
	w->fit.tight[0] = 0;
	size_t got = choose(&w->chooser, &w->ledger, &w->config, w->o->node_id, clock_now(), want, spread, picks);
	for (size_t fit = w->o->cluster ? placed(picks, got, place) : got; got > fit; scarce = true)
		pick_clear(&picks[--got]);
	bool unsure = w->chooser.n_gone && got < want; /* what runs here for nobody ends without a word to anybody */
	free(gone);
	w->chooser.n_gone = 0;
	w->times.work_waits = got == want && got > 0;
	w->times.ready_at = 0;
	if (w->fit.tight[0] && !unsure)
		chooser_again(&w->chooser, clock_now() + ROOM_SECONDS);
	if (unsure)
		chooser_again(&w->chooser, clock_now() + 1);
	tell_tight(w, tight);
	w->times.tries_wait = w->chooser.tries_wait;
	if (w->chooser.next_ready)
		w->times.ready_at = clock_mono_ms() + (w->chooser.next_ready - clock_now()) * 1000 + 200;
	if (scarce && (!w->times.ready_at || w->times.ready_at > clock_mono_ms() + PLACES_MS))
		w->times.ready_at = clock_mono_ms() + PLACES_MS;
	while (next < got) {
		struct slot *s = slot_take(&w->slots);
		s->ahead = next < free_seats ? 0 : (int)(held + next + 1 - seats);
		s->pick = picks[next++]; /* moves over */
		c[n] = (struct ledger_change){.id = s->pick.id,
					      .from = TASK_QUEUE,
					      .to = TASK_IN_PROGRESS,
					      .edit = slot_edit_claim,
					      .ctx = s,
					      .verb = "claim"};
		if (s->pick.invalid_text) {
			c[n].to = TASK_FAILED;
			c[n].text = s->pick.invalid_text;
			c[n].verb = "invalid";
		} else if (s->pick.expired) {
			c[n].to = TASK_FAILED;
			c[n].edit = waiting_edit_expire;
			c[n].verb = "expired";
		}
		n++;
	}
	free(picks);
	return n;
}

void claims_share(struct worker *w)
{
	size_t waiting = (size_t)slots_waiting(&w->slots),
	       idle = waiting && (!w->chooser.ready || queue_empty(w))
			  ? others_free(&w->others, &w->ledger, &w->config, w->o->node_id)
			  : 0;
	const struct ahead_facts f = self_ahead(w);
	size_t n = ahead_surplus(&f, waiting, idle);
	if (n)
		slots_share(&w->slots, n, "other nodes have nothing to do");
}

size_t claims_skip(struct worker *w, struct ledger_change *c)
{
	size_t n = w->chooser.skips.n < SKIPS_MAX ? w->chooser.skips.n : SKIPS_MAX;
	for (size_t i = 0; i < n; i++)
		c[i] = WAITING_SKIP(&w->ledger, w->chooser.skips.v[i]);
	return n;
}

void claims_settle(const struct ledger_change *c, size_t n, bool unknown)
{
	for (size_t i = 0; i < n; i++) {
		struct slot *s = c[i].ctx;
		if (c[i].outcome == CHANGE_LANDED && pick_runs(&s->pick))
			slot_start(s);
		else if (c[i].outcome != CHANGE_PENDING || !unknown || !pick_runs(&s->pick))
			slot_free(s);
	}
}
