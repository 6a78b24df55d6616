#include "worker/exchange.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sig.h"
#include "git/push.h"
#include "schema/order.h"
#include "worker/claims.h"
#include "worker/identity.h"
#include "worker/live.h"
#include "worker/unneeded.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_PAUSE_MS 1000
#define NEWS_MS 3000
#define LOCK_POLL_MS 15
/* At least, and as many times as long as an exchange takes here: */
#define LOCK_PATIENCE_MS 4000 /* while nobody lands anything */
#define LOCK_PATIENCE 3
#define LOCK_QUEUE_MS 12000 /* in all, until it is held once more */
#define LOCK_QUEUE 8
#define EXCHANGE_MAX_MS 15000
#define NEWCOMER_WAIT_MS 5000
#define CURIOUS_MS 30000
#define ARCHIVE_WAIT_MS 10000 /* at most: so that one node does it, not all */
#define TIDY_EVERY_MS 60000
#define SWEEP_EVERY_MS (12LL * 3600 * 1000) /* one of the idle nodes, so that one does it, not all */
#define LOST_RACES_TOLD 40
#define SIGN_OFF_TRIES 10

/* ---- who else is there ---- */

/* Which nodes are active, and whether pushes are made in turns. newcomers: beats that were just fetched; NULL: none. */
static void look_around(struct worker *w, const struct beats *newcomers)
{
	char *told = w->remote.told_turns;
	turns_look(&w->turns, &w->ledger, newcomers, w->o->node_id, w->config.pushes_per_minute);
	bool was = !strncmp(told, "turns", 5), is = turns_taken(&w->turns);
	if (was != is)
		log_at(LOG_INFO, "worker", "pushes: %s", w->turns.state);
	snprintf(told, sizeof w->remote.told_turns, "%s", is ? w->turns.state : "free");
}

/* In a node's first moments and after collisions others may be new too: every fetch brings their beats along. */
static bool curious(const struct worker *w)
{
	int64_t now = clock_mono_ms(), rejected = w->turns.rejected_at[1];
	return !w->ledger.folder.ref && (now < w->remote.young_until || (rejected && now - rejected < CURIOUS_MS));
}

static void meet(struct worker *w)
{
	struct beats beats = {0};
	struct err e;
	if (!heartbeats_read(&w->ledger.git, &beats, &e))
		look_around(w, &beats);
	if (w->turns.n > 1 && clock_mono_ms() < w->remote.young_until)
		turns_expect(&w->turns);
	heartbeats_clear(&beats);
}

/* Nodes that start together do not see each other's files yet, but each other's first beats. */
static void meet_newcomers(struct worker *w)
{
	struct err e;
	int64_t deadline = clock_mono_ms() + NEWCOMER_WAIT_MS;
	while (!heartbeat_shown(w->heart) && clock_mono_ms() < deadline && !sig_stops())
		loop_step(50);
	w->remote.young_until = clock_mono_ms() + CURIOUS_MS;
	if (!heartbeats_fetch(&w->ledger.git, &e))
		meet(w);
}

/* ---- reading ---- */

static void notice_usurper(struct worker *w)
{
	if (!w->times.registered || w->usurped || !identity_taken(&w->ledger, w->o->node_id, w->instance))
		return;
	log_at(LOG_ERROR, "worker",
	       "another worker has taken the node id %s; this one stops (give each its own --node-id)", w->o->node_id);
	w->usurped = true;
}

/* What people have told of this node. */
static void obey(struct worker *w)
{
	char words[ORDER_WORDS];
	self_load_orders(w);
	w->slots.given_up[0] = 0;
	if (!w->retired && !order_releases(w->drain))
		return;
	snprintf(w->slots.given_up, sizeof w->slots.given_up, "the node was %s",
		 w->retired ? "retired" : order_words("drained", w->drain, words));
	slots_stop(&w->slots);
}

static int read_branch(struct worker *w, struct err *e)
{
	bool meeting = curious(w);
	w->ledger.also = meeting ? heartbeat_specs : NULL;
	int rc = ledger_sync(&w->ledger, e);
	w->ledger.also = NULL;
	if (rc && meeting) { /* anyone may push a ref there that stands in another's way */
		meeting = false;
		rc = ledger_sync(&w->ledger, e);
	}
	if (rc)
		return -1;
	w->remote.reached_at = clock_now();
	w->times.idle_polls = 0;
	w->times.behind = false;
	w->times.work_waits = true;
	self_load_config(w);
	self_check_key(w);
	if (meeting)
		meet(w);
	else if (w->times.registered || w->turns.per_minute)
		look_around(w, NULL);
	w->excess = upkeep_excess(&w->ledger, &w->config);
	if (!w->times.archive_at && w->excess > (size_t)w->config.keep_finished / 4 + 8)
		w->times.archive_at = clock_mono_ms() + clock_jitter(ARCHIVE_WAIT_MS);
	promoter_look(&w->promoter, &w->ledger, &w->config);
	scheduler_look(&w->scheduler, &w->ledger, &w->config);
	slots_watch(&w->slots, &w->ledger);
	notice_usurper(w);
	obey(w);
	return 0;
}

static int read_head(struct worker *w, int64_t now, struct err *e)
{
	bool idle = slots_held(&w->slots) == 0;
	int rc = ledger_moved(&w->ledger, &w->times.behind, e);
	w->remote.reached_at = rc ? w->remote.reached_at : clock_now();
	w->times.idle_polls = idle && !w->times.behind ? w->times.idle_polls + 1 : 0;
	const struct schedule_facts f = self_facts(w, now);
	int64_t poll = schedule_poll_ms(&w->times, &f);
	w->times.poll_at = now + (f.folder ? poll : clock_jitter(poll * 4 / 3));
	return rc;
}

static int read_remote(struct worker *w, enum schedule_read what, int64_t now, struct err *e)
{
	int rc = what == READ_HEAD ? read_head(w, now, e) : 0;
	return !rc && (what == READ_BRANCH || w->times.behind) ? read_branch(w, e) : rc;
}

/* ---- recording ---- */

/* A full disk is the node's trouble; everybody should see it. */
static void check_disk(struct worker *w)
{
	if (self_schedule(w, clock_mono_ms()).claim && selfcheck_disk(&w->fit, w->o->work_dir))
		heartbeat_now(w->heart);
}

static void push_taken(struct worker *w)
{
	if (w->remote.refused[0])
		log_at(LOG_INFO, "worker", "the remote takes pushes again");
	w->remote.refused[0] = 0;
	w->times.push_at = w->times.push_wait_ms = 0;
}

static int commit(struct worker *w, struct ledger_change *c, size_t results, size_t n, int64_t began, struct err *e)
{
	/* What is said last says goodbye too. */
	bool last = self_stopping(w) && slots_held(&w->slots) == 0 && results == w->outbox.n;
	int64_t said_at = clock_mono_ms();
	char *node = self_text(w, last ? "left" : NULL);
	unsigned pushes = w->ledger.pushes, rejected = w->ledger.rejected;
	int rc = ledger_commit(&w->ledger, w->o->node_id, c, n, w->node_path, node, e);
	ledger_unlock(&w->ledger); /* the others need not wait until the scripts are started */
	free(node);
	bool pushed = w->ledger.pushes > pushes;
	if (pushed && !rc) {
		push_taken(w);
		w->remote.said_at = said_at;
	}
	w->signed_off = last && pushed && !rc;
	if (pushed) {
		w->remote.exchange_ms = clock_mono_ms() - began;
		turns_pushed(&w->turns, w->remote.exchange_ms, w->ledger.rejected > rejected);
	}
	if (pushed && !rc && w->config.pushes_per_minute)
		heartbeat_put_off(w->heart);
	w->times.registered = w->times.registered || !rc;
	w->times.work_waits = w->times.work_waits || (!rc && n); /* what moved may be in the queue again */
	return rc;
}

/* One group commit: everything this node has to say. began: its exchange, monotonic ms. 0: recorded (or nothing to
 * record), -1: e tells why not. */
static int record(struct worker *w, int64_t began, struct err *e)
{
	struct ledger_change *c = xcalloc(w->outbox.n + 2 * (size_t)w->slots.n + SKIPS_MAX + 1, sizeof *c);
	int64_t now = clock_mono_ms();
	size_t results = courier_lend(w->courier, c, outbox_changes(&w->outbox, now, c), &w->ledger.beside),
	       claims = results + claims_renew(w, &c[results]), skips = claims, n = claims;
	int rc = 0;
	check_disk(w);
	unsigned pushes = w->ledger.pushes;
	bool narrow =
	    outbox_narrow(&w->outbox, now); /* what is declined is sought: claims wait for the next exchange */
	if (self_schedule(w, clock_mono_ms()).claim && !narrow)
		n = (skips += claims_make(w, &c[n], c, results));
	else if (!narrow || !n)
		w->times.work_waits = false;
	if (self_schedule(w, clock_mono_ms()).claim)
		n += claims_skip(w, &c[n]);
	if (n || !w->times.registered)
		rc = commit(w, c, results, n, began, e);
	enum said said = w->ledger.pushes == pushes ? SAID_NOTHING
			 : !rc			    ? SAID_LANDED
			 : !w->ledger.refused	    ? SAID_NOTHING
			 : n > claims		    ? SAID_DECLINED_MIXED
						    : SAID_DECLINED;
	bool apart = courier_settle(w->courier);
	if (apart && said >= SAID_DECLINED) /* maybe for the files' sake: the results are said without them first */
		said = SAID_NOTHING;
	bool own = outbox_settle(&w->outbox, &w->ledger, c, results, said, e->msg);
	w->ledger.beside = NULL;
	saver_look(w->saver, &w->outbox);
	courier_go(w->courier); /* of what several nodes run, files are asked for only now */
	own = own || apart;
	bool pause = own;
	for (size_t i = 0; i < n; i++)
		pause = pause || c[i].outcome == CHANGE_REFUSED;
	if (pause) /* not at once again */
		w->times.retry_at = clock_mono_ms() + REFUSED_PAUSE_MS;
	for (size_t i = results; i < claims; i++)
		if (c[i].outcome == CHANGE_LANDED)
			slot_renewed(c[i].ctx);
	if (!rc)
		w->remote.claims = skips - claims;
	claims_settle(&c[claims], skips - claims, rc && e->class != ERR_RETRY && e->class != ERR_PERM);
	free(c);
	return own ? 0 : rc;
}

/* ---- when it fails, and when it goes on ---- */

static bool hurried(const struct worker *w)
{
	return w->hurry_until && clock_mono_ms() >= w->hurry_until;
}

static void wait_longer(struct worker *w, enum schedule_setback why)
{
	w->times.retry_wait_ms = schedule_backoff(why, w->times.retry_wait_ms);
	w->times.retry_at = clock_mono_ms() + clock_jitter(w->times.retry_wait_ms);
}

static void remote_trouble(struct worker *w, const struct err *e)
{
	char *told = w->remote.trouble;
	const size_t room = sizeof w->remote.trouble;
	w->times.behind = true;
	if (e->class == ERR_RETRY) { /* a lost race is no trouble, but a great many in a row are */
		if (++w->remote.lost_races == LOST_RACES_TOLD)
			log_at(LOG_WARN, "worker", "pushes keep being refused (%s)", e->msg);
		wait_longer(w, SETBACK_RACE);
		return;
	}
	bool busy = push_too_many(e->msg), again = !strncmp(told, e->msg, room - 1);
	wait_longer(w, busy ? SETBACK_BUSY : SETBACK_TROUBLE);
	if (!again && busy)
		log_at(LOG_ERROR, "worker", "remote trouble: %s; nothing is lost, trying again in %lld s", e->msg,
		       (long long)(w->times.retry_at - clock_mono_ms() + 999) / 1000);
	else if (!again)
		log_at(LOG_ERROR, "worker", "remote trouble: %s; nothing is lost, trying again", e->msg);
	snprintf(told, room, "%.*s", (int)room - 1, e->msg);
}

/* The branch stands where it stood, and the host took nothing: reading goes on, pushes wait. */
static void push_refused(struct worker *w, const struct err *e)
{
	bool again = w->times.push_wait_ms != 0, busy = push_too_many(e->msg);
	w->times.behind = true;
	w->times.push_wait_ms = schedule_backoff(busy ? SETBACK_BUSY : SETBACK_REFUSED, w->times.push_wait_ms);
	w->times.push_at = clock_mono_ms() + clock_jitter(w->times.push_wait_ms);
	if (!again && !busy) /* whatever it was may pass */
		return;
	if (!w->remote.refused[0])
		w->remote.refused_at = clock_now();
	if (strncmp(w->remote.refused, e->msg, sizeof w->remote.refused - 1) != 0)
		log_at(LOG_ERROR, "worker",
		       "the remote refuses what this node pushes: %s; nothing is lost, the next push is in %lld s",
		       e->msg, (long long)(w->times.push_at - clock_mono_ms() + 999) / 1000);
	snprintf(w->remote.refused, sizeof w->remote.refused, "%.*s", (int)sizeof w->remote.refused - 1, e->msg);
}

static void remote_answers(struct worker *w, bool pushed)
{
	if (w->remote.trouble[0]) {
		log_at(LOG_INFO, "worker", "the remote answers again");
		w->times.push_at = 0; /* it may be another now */
	}
	w->remote.trouble[0] = 0;
	if (pushed || !w->outbox.n)
		w->times.retry_wait_ms = w->remote.lost_races = 0;
}

/* ---- for the grid ---- */

static void heal(struct worker *w)
{
	struct orphans o = {0};
	struct err e;
	int64_t every = w->config.orphan_after_seconds * 1000 / 4;
	w->times.heal_at = clock_mono_ms() + clock_jitter(every < 60000 ? every : 60000);
	if (reaper_look(&w->reaper, &w->ledger, &w->config, w->o->node_id, &o, &e) == 0 && o.n) {
		reaper_heal(&w->ledger, w->o->node_id, &o, &e);
		w->times.behind = true;
		for (size_t i = 0; i < o.n; i++)
			if (o.v[i].landed)
				log_at(LOG_WARN, "worker", "healed %s (%s): %s", o.v[i].id, fate_name(o.v[i].fate),
				       o.v[i].why);
	}
	orphans_clear(&o);
}

static void promote(struct worker *w)
{
	struct err e;
	turns_beat(&w->turns);
	if (promoter_work(&w->promoter, &w->ledger, &w->config, w->o->node_id, &e) && e.class != ERR_RETRY)
		log_at(LOG_WARN, "worker", "cannot promote: %s", e.msg);
	w->times.behind = true;
}

static void fire(struct worker *w)
{
	struct err e;
	turns_beat(&w->turns);
	if (scheduler_work(&w->scheduler, &w->ledger, &w->config, w->o->node_id, &e) && e.class != ERR_RETRY)
		log_at(LOG_WARN, "worker", "cannot queue what schedules have due: %s", e.msg);
	w->times.behind = true;
}

static void archive(struct worker *w)
{
	struct err e;
	size_t moved = 0;
	w->times.archive_at = 0;
	turns_beat(&w->turns);
	if (upkeep_archive(&w->ledger, &w->config, w->o->node_id, &moved, &e) && e.class != ERR_RETRY)
		log_at(LOG_WARN, "worker", "cannot archive: %s", e.msg);
	w->times.behind = true;
	if (moved)
		log_at(LOG_INFO, "worker", "archived %zu tasks", moved);
}

static void sweep(struct worker *w)
{
	struct err e;
	size_t gone = 0;
	w->times.sweep_at = clock_mono_ms() + clock_jitter(SWEEP_EVERY_MS);
	turns_beat(&w->turns);
	if (upkeep_outputs(&w->ledger.git, &w->config, false, &gone, &e))
		log_at(LOG_WARN, "worker", "cannot look for old outputs: %s", e.msg);
	if (gone)
		log_at(LOG_INFO, "worker", "deleted %zu days of outputs, older than keep_out_days", gone);
	if (unneeded_inputs(&w->ledger, &w->config, false, &gone, &e))
		log_at(LOG_WARN, "worker", "cannot look for inputs that no task needs: %s", e.msg);
	if (gone)
		log_at(LOG_INFO, "worker", "deleted %zu inputs that no task needs", gone);
	if (upkeep_checkpoints(&w->ledger, &w->config, false, &gone, &e))
		log_at(LOG_WARN, "worker", "cannot look for old checkpoints: %s", e.msg);
	w->times.behind = true;
}

static void tidy(struct worker *w)
{
	ledger_tidy(&w->ledger);
	courier_tidy(w->courier);
	w->times.tidy_at = clock_mono_ms() + TIDY_EVERY_MS;
}

/* What can wait for a moment without anything else to record, but not for ever. Each may take our turn. */
static void do_upkeep(struct worker *w, int64_t now)
{
	struct schedule_facts f = self_facts(w, now);
	f.turn_wait_ms = 0; /* who heals and tidies up goes on in the turn in which it pushed */
	struct schedule s = schedule_decide(&w->times, &f);
	if (s.heal)
		heal(w);
	if (self_schedule(w, now).promote)
		promote(w);
	if (self_schedule(w, now).fire)
		fire(w);
	if (self_schedule(w, now).archive)
		archive(w);
	if (s.tidy)
		tidy(w);
	if (s.tidy && now >= w->times.sweep_at && !turns_wait(&w->turns))
		sweep(w);
}

/* ---- one exchange ---- */

static int64_t at_least(int64_t least, int64_t ms)
{
	return ms > least ? ms : least;
}

/* Queues up for a remote in a folder. Whoever holds it may be frozen, or a stranger who never lets go for long, so
 * patience ends: soon when nothing moves, later when others do land. */
static bool lock(struct worker *w, int64_t now)
{
	if (ledger_lock(&w->ledger)) {
		w->remote.queued_at = w->remote.moved_at = 0;
		return true;
	}
	struct file_stamp ref = file_stamp(w->ledger.folder.ref);
	if (!w->remote.queued_at)
		w->remote.queued_at = now;
	if (!w->remote.moved_at || !file_stamp_equal(&ref, &w->remote.queued_ref))
		w->remote.moved_at = now;
	w->remote.queued_ref = ref;
	int64_t one = w->remote.exchange_ms < EXCHANGE_MAX_MS ? w->remote.exchange_ms : EXCHANGE_MAX_MS;
	if (now - w->remote.moved_at > at_least(LOCK_PATIENCE_MS, LOCK_PATIENCE * one) ||
	    now - w->remote.queued_at > at_least(LOCK_QUEUE_MS, LOCK_QUEUE * one))
		return true;
	w->times.retry_at = now + clock_jitter(LOCK_POLL_MS);
	return false;
}

/* After the branch was read: may this exchange push? What was our turn stays ours however long reading took, unless
 * the turns are others now. */
static bool push_follows(const struct worker *w, int64_t now, const struct turns *before)
{
	const struct turns *t = &w->turns;
	struct schedule_facts f = self_facts(w, now);
	if (before->n == t->n && before->rank == t->rank && before->width_ms == t->width_ms &&
	    before->heard_ms == t->heard_ms)
		f.turn_wait_ms = 0;
	return schedule_decide(&w->times, &f).push;
}

/* How long it took from the moment at which there was something to say. */
static void was_said(struct worker *w)
{
	int64_t took = clock_mono_ms() - w->remote.pending_at;
	if (w->remote.pending_at)
		w->remote.saying_ms = (3 * (w->remote.saying_ms ? w->remote.saying_ms : took) + took + 3) / 4;
	w->remote.pending_at = 0;
}

void exchange_run(struct worker *w, int64_t now)
{
	struct err e;
	if (w->times.work_waits)
		check_disk(w);
	struct schedule s = self_schedule(w, now);
	if (s.pending && !w->remote.pending_at)
		w->remote.pending_at = now;
	if (!s.begin)
		return;
	const struct turns before = w->turns;
	bool our_turn = turns_wait(&w->turns) == 0, alone = !w->ledger.folder.ref, pushes = false;
	/* What we see before we hold the folder may be old when we do. */
	if (s.push && !lock(w, now))
		return;
	int rc = read_remote(w, s.read, now, &e);
	if (!rc && s.read != READ_NOTHING)
		claims_share(w); /* what goes back is said with this exchange, or is a reason for the next */
	if (!rc && our_turn && (s.push || alone) && push_follows(w, now, &before)) {
		rc = record(w, now, &e);
		pushes = true;
		if (!rc && w->turns.n > 1 && w->ledger.folder.ref) /* let those who wait go first */
			w->times.retry_at = clock_mono_ms() + 2 * LOCK_POLL_MS;
	}
	ledger_unlock(&w->ledger);
	if (rc && pushes && w->ledger.refused) {
		push_refused(w, &e);
		return;
	}
	if (rc) {
		remote_trouble(w, &e);
		return;
	}
	if (pushes)
		was_said(w);
	remote_answers(w, pushes);
	if (our_turn)
		do_upkeep(w, now);
}

int64_t exchange_wait(const struct worker *w)
{
	int64_t now = clock_mono_ms(), wait = self_schedule(w, now).wait_ms, check = w->fit.check_at;
	return check && check - now < wait ? (check > now ? check - now : 0) : wait;
}

/* What is printed is shown sooner where that costs a host nothing: in a folder on this machine, and where pushes are
 * not counted. Anywhere else a beat more is a push more over somebody's line. */
void exchange_show_news(struct worker *w)
{
	if (w->ledger.folder.ref && !w->config.pushes_per_minute && live_news(&w->slots))
		heartbeat_news(w->heart, NEWS_MS);
}

/* ---- the begin and the end ---- */

void exchange_begin(struct worker *w)
{
	w->ledger.tries = 1; /* between two tries there may be more to say */
	w->times.heal_at = clock_mono_ms() + clock_jitter(w->config.orphan_after_seconds * 250);
	w->times.sweep_at = clock_mono_ms() + clock_jitter(SWEEP_EVERY_MS);
	look_around(w, NULL);
	self_start_heart(w);
	if (w->config.pushes_per_minute) /* nobody knows of us yet, and to say it costs a push */
		w->times.retry_at = clock_mono_ms() + clock_jitter(2 * 60000 / w->config.pushes_per_minute);
	else if (!w->ledger.folder.ref) /* in a folder they queue up */
		meet_newcomers(w);
}

void exchange_sign_off(struct worker *w)
{
	struct err e;
	/* Trouble: the remote does not answer. */
	if (w->usurped || w->retired || w->signed_off || w->remote.trouble[0] || w->remote.refused[0] ||
	    w->fit.barred[0] || hurried(w))
		return;
	while ((turns_wait(&w->turns) || !ledger_lock(&w->ledger)) && !hurried(w) && sig_stops() < 2)
		loop_step(clock_jitter(LOCK_POLL_MS));
	char *node = self_text(w, "left");
	w->ledger.tries = SIGN_OFF_TRIES;
	if (ledger_sync(&w->ledger, &e) || ledger_commit(&w->ledger, w->o->node_id, NULL, 0, w->node_path, node, &e))
		log_at(LOG_WARN, "worker", "could not sign off: %s", e.msg);
	free(node);
}
