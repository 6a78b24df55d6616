#include "worker/talk.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sig.h"
#include "schema/node.h"
#include "store/trust.h"
#include "worker/identity.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_POLL_MS 100 /* looks at a file, not at the remote */
#define NEWS_MS 3000
#define TURN_PAUSE_MS 5000
#define POLL_STRETCH 6 /* an idle node polls up to so many times less often */
#define LOCK_POLL_MS 15
#define LOCK_PATIENCE_MS 4000
#define NEWCOMER_WAIT_MS 5000
#define CURIOUS_MS 30000
#define ARCHIVE_WAIT_MS 10000 /* at most: so that one node does it, not all */
#define TIDY_EVERY_MS 60000
#define TROUBLE_MIN_MS 500
#define TROUBLE_MAX_MS 60000
#define LOST_RACES_TOLD 40

bool talk_stopping(const struct worker *w)
{
	return sig_stops() > 0 || w->usurped ||
	       (w->o->drain_after && slots_ended(&w->slots) + (uint64_t)slots_busy(&w->slots) >= w->o->drain_after);
}

/* ---- what the node says of itself ---- */

const char *talk_state(const struct worker *w)
{
	return talk_stopping(w) ? "draining" : w->fit.trouble[0] ? "paused" : "active";
}

static struct node_facts facts(const struct worker *w, const char *status)
{
	return (struct node_facts){.id = w->o->node_id,
				   .instance = w->instance,
				   .status = status ? status : talk_state(w),
				   .trouble = w->fit.trouble,
				   .engine = engine_name(w->engine.kind),
				   .engine_version = w->engine.version,
				   .work_dir = w->o->work_dir,
				   .labels = w->o->labels,
				   .n_labels = w->o->n_labels,
				   .slots = w->o->slots,
				   .busy = slots_busy(&w->slots),
				   .started_at = w->started_at,
				   .next_due = clock_now() + w->beat_ms / 1000 + 1,
				   .completed = w->slots.completed + w->outbox.completed,
				   .failed = w->slots.failed + w->outbox.failed,
				   .voted = w->outbox.voted,
				   .late = w->slots.late + w->outbox.late,
				   .pushes = w->ledger.pushes + (w->heart ? heartbeat_pushes(w->heart) : 0),
				   .rejected = w->ledger.rejected,
				   .turns = w->turns.state,
				   .turn_ms = turns_own_width(&w->turns),
				   .spoke_ms = w->config.pushes_per_minute ? clock_wall_ms() : 0};
}

static struct json *say_beat(void *ctx)
{
	struct node_facts f = facts(ctx, NULL);
	return node_beat(&f);
}

static struct json *say_tails(void *ctx)
{
	return slots_tails(&((struct worker *)ctx)->slots);
}

static bool has_to_speak(struct worker *w);

/* Where pushes are scarce a beat takes a turn of this node, and not one that is needed for more. */
static int64_t may_beat(void *ctx)
{
	struct worker *w = ctx;
	if (!w->turns.per_minute)
		return 0;
	int64_t wait = turns_wait(&w->turns);
	if (!wait && !w->told[0] && has_to_speak(w)) /* what is said first registers the node too */
		wait = w->turns.width_ms;
	if (!wait)
		turns_beat(&w->turns);
	return wait;
}

char *talk_node_text(struct worker *w, const char *status)
{
	struct node_facts f = facts(w, status);
	struct json *j = node_file(&f);
	char *text = task_text(j);
	json_free(j);
	return text;
}

static bool has_image(void *ctx, const char *image)
{
	struct worker *w = ctx;
	return selfcheck_image(&w->fit, &w->engine, image) != NULL;
}

/* For the chooser: signed by somebody this grid knows? */
static int trusted(void *ctx, const struct task *t, char signer[128], struct buf *why)
{
	struct worker *w = ctx;
	struct trust_verdict v;
	struct err e;
	if (!w->config.require_signed_tasks)
		return 1;
	int rc = trust_judge(&w->ledger.git, w->ledger.head, w->ledger.spec, t->id, t->doc, &v, &e);
	if (rc) {
		log_at(LOG_WARN, "worker", "%s: its signature cannot be checked now: %s", t->id, e.msg);
		if (trust_available(&e))
			selfcheck_pause(&w->fit, e.msg);
		return -1;
	}
	memcpy(signer, v.signer, sizeof v.signer);
	if (!v.ok)
		buf_adds(why, v.why);
	return v.ok;
}

void talk_check_self(struct worker *w)
{
	if (w->fit.barred[0])
		talk_check_key(w);
	if (selfcheck_run(&w->fit, &w->engine, w->config.images[0], w->o->work_dir)) {
		w->hungry = true;
		heartbeat_now(w->heart);
	}
}

void talk_check_key(struct worker *w)
{
	if (nodekey_check(&w->key, &w->ledger, &w->config, &w->fit) && w->heart)
		heartbeat_now(w->heart);
}

/* ---- talking to the ledger ---- */

static void load_config(struct worker *w)
{
	struct grid_config fresh = {0};
	struct err e;
	char *path = xasprintf("%s/grid.json", w->ledger.git.dir);
	struct file_stamp now = file_stamp(path);
	free(path);
	if (w->config.branch && file_stamp_equal(&now, &w->config_stamp))
		return;
	w->config_stamp = now;
	if (ledger_config(&w->ledger, &fresh, &e)) {
		log_at(LOG_ERROR, "worker", "grid.json is not valid, the settings stay as they were: %s", e.msg);
		config_clear(&fresh);
		return;
	}
	config_clear(&w->config);
	w->config = fresh;
	if (fresh.require_signed_tasks && !w->fit.signatures && !w->fit.check_at)
		w->fit.check_at = clock_mono_ms();
	w->fit.signatures = fresh.require_signed_tasks;
	chooser_forget(&w->chooser); /* what is valid may have changed */
}

/* Where pushes are scarce, all heartbeats together take at most half of them. */
static void set_pace(struct worker *w)
{
	int64_t seconds = w->o->heartbeat_seconds ? w->o->heartbeat_seconds : w->config.heartbeat_seconds;
	int64_t scarce = w->config.pushes_per_minute;
	if (scarce) {
		int64_t nodes = (int64_t)ledger_active_nodes(&w->ledger), least;
		least = (2 * 60 * (nodes ? nodes : 1) + scarce - 1) / scarce;
		seconds = seconds > least ? seconds : least;
	}
	w->beat_ms = seconds * 1000;
	if (w->heart)
		heartbeat_every(w->heart, w->beat_ms);
}

void talk_load_config(struct worker *w)
{
	load_config(w);
	set_pace(w);
}

/* Who is active, and do we take turns? beats: just fetched, NULL: none. */
static void look_around(struct worker *w, const struct beats *newcomers)
{
	turns_look(&w->turns, &w->ledger, newcomers, w->o->node_id, w->config.pushes_per_minute);
	bool was = !strncmp(w->told_turns, "turns", 5), is = turns_taken(&w->turns);
	if (was != is)
		log_at(LOG_INFO, "worker", "pushes: %s", w->turns.state);
	snprintf(w->told_turns, sizeof w->told_turns, "%s", is ? w->turns.state : "free");
}

/* In a node's first moments and after collisions others may be new too: every fetch brings their beats along. */
static bool curious(const struct worker *w)
{
	int64_t now = clock_mono_ms(), rejected = w->turns.rejected_at[1];
	return !w->ledger.folder.ref && (now < w->young_until || (rejected && now - rejected < CURIOUS_MS));
}

static void meet(struct worker *w)
{
	struct beats beats = {0};
	struct err e;
	if (!heartbeats_read(&w->ledger.git, &beats, &e))
		look_around(w, &beats);
	if (w->turns.n > 1 && clock_mono_ms() < w->young_until)
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
	w->young_until = clock_mono_ms() + CURIOUS_MS;
	if (!heartbeats_fetch(&w->ledger.git, &e))
		meet(w);
}

static int fetch(struct worker *w, struct err *e)
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
	w->reached_at = clock_now();
	w->idle_polls = 0;
	w->stale = false;
	w->hungry = true;
	talk_load_config(w);
	talk_check_key(w);
	if (meeting)
		meet(w);
	else if (w->registered || w->turns.per_minute)
		look_around(w, NULL);
	if (!w->archive_at && upkeep_excess(&w->ledger, &w->config) > (size_t)w->config.keep_finished / 4 + 8)
		w->archive_at = clock_mono_ms() + clock_jitter(ARCHIVE_WAIT_MS);
	promoter_look(&w->promoter, &w->ledger, &w->config);
	slots_watch(&w->slots, &w->ledger);
	if (w->registered && !w->usurped && identity_taken(&w->ledger, w->o->node_id, w->instance)) {
		log_at(LOG_ERROR, "worker",
		       "another worker has taken the node id %s; this one stops (give each its own --node-id)",
		       w->o->node_id);
		w->usurped = true;
	}
	return 0;
}

static size_t add_claims(struct worker *w, struct ledger_change *c)
{
	struct pick *picks = xcalloc((size_t)w->o->slots, sizeof *picks);
	size_t want = (size_t)(w->o->slots - slots_busy(&w->slots)), next = 0, n = 0;
	uint64_t ended = slots_ended(&w->slots) + (uint64_t)slots_busy(&w->slots);
	if (w->o->drain_after && want > w->o->drain_after - ended)
		want = (size_t)(w->o->drain_after - ended);
	/* Alone, a node takes the oldest; where others race, they should not all want the same. */
	size_t spread = w->turns.n > 1 ? 4 * (size_t)w->o->slots + 16 : 1;
	size_t got = choose(&w->chooser, &w->ledger, &w->config, w->o->node_id, clock_now(), want, spread, picks);
	w->hungry = got == want && got > 0;
	w->ready_at = 0;
	if (w->chooser.next_ready)
		w->ready_at = clock_mono_ms() + (w->chooser.next_ready - clock_now()) * 1000 + 200;
	for (int i = 0; i < w->o->slots && next < got; i++) {
		struct slot *s = &w->slots.v[i];
		if (s->state != SLOT_FREE)
			continue;
		s->pick = picks[next++]; /* moves over */
		s->state = SLOT_CLAIMING;
		clock_nonce(s->nonce, 16);
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
		}
		n++;
	}
	free(picks);
	return n;
}

static bool may_claim(struct worker *w)
{
	if (w->unsettled || slots_busy(&w->slots) == w->o->slots || talk_stopping(w) || w->fit.trouble[0])
		return false;
	bool full = selfcheck_disk(&w->fit, w->o->work_dir);
	if (full)
		heartbeat_now(w->heart);
	return !full;
}

/* One group commit: everything this node has to say. 0: said (or nothing to say), -1: e tells why not. */
static int speak(struct worker *w, struct err *e)
{
	size_t n_out = 0, n = 0, room = w->outbox.n + 2 * (size_t)w->o->slots;
	struct ledger_change *c = xcalloc(room + 1, sizeof *c);
	int rc = 0;
	n = n_out = outbox_changes(&w->outbox, c);
	size_t renewed = n;
	for (int i = 0; i < w->o->slots; i++)
		if (slot_lease_due(&w->slots.v[i]))
			c[n++] = (struct ledger_change){.id = w->slots.v[i].pick.id,
							.from = TASK_IN_PROGRESS,
							.to = TASK_IN_PROGRESS,
							.edit = slot_edit_renew,
							.ctx = &w->slots.v[i],
							.verb = "renew"};
	size_t claims = n;
	if (may_claim(w))
		n += add_claims(w, &c[n]);
	else
		w->hungry = false;
	if (n || !w->registered) {
		/* What is said last says goodbye too. */
		bool last = talk_stopping(w) && slots_busy(&w->slots) == 0;
		char *node = talk_node_text(w, last ? "left" : NULL);
		unsigned pushes = w->ledger.pushes, rejected = w->ledger.rejected;
		rc = ledger_commit(&w->ledger, w->o->node_id, c, n, w->node_path, node, e);
		ledger_unlock(&w->ledger); /* the others need not wait until the scripts are started */
		free(node);
		bool pushed = w->ledger.pushes > pushes;
		w->signed_off = last && pushed && !rc;
		if (pushed)
			turns_pushed(&w->turns, clock_mono_ms() - w->began, w->ledger.rejected > rejected);
		if (pushed && !rc && w->config.pushes_per_minute)
			heartbeat_put_off(w->heart);
		w->registered = w->registered || !rc;
		w->hungry = w->hungry || (!rc && n); /* what moved may be in the queue again */
	}
	outbox_settle(&w->outbox, &w->ledger, c, n_out);
	for (size_t i = renewed; i < claims; i++)
		if (c[i].outcome == CHANGE_LANDED)
			slot_renewed(c[i].ctx);
	/* Of a push with an unknown end the claims stay: the next fetch shows whether they landed. */
	bool unknown = rc && e->class != ERR_RETRY && e->class != ERR_PERM;
	for (size_t i = claims; i < n; i++) {
		struct slot *s = c[i].ctx ? c[i].ctx : NULL;
		if (c[i].outcome == CHANGE_LANDED && !s->pick.invalid_text)
			slot_start(s);
		else if (c[i].outcome != CHANGE_PENDING || !unknown || s->pick.invalid_text)
			slot_free(s);
	}
	free(c);
	return rc;
}

static bool has_to_speak(struct worker *w)
{
	bool lease = false;
	if (w->fit.barred[0])
		return false;
	for (int i = 0; i < w->o->slots; i++)
		lease = lease || slot_lease_due(&w->slots.v[i]) == 2;
	return !w->registered || w->outbox.n || lease || (w->hungry && may_claim(w));
}

static void remote_trouble(struct worker *w, const struct err *e)
{
	w->stale = true;
	if (e->class == ERR_RETRY) { /* a lost race is no trouble, but a great many in a row are */
		if (++w->lost_races == LOST_RACES_TOLD)
			log_at(LOG_WARN, "worker", "pushes keep being refused (%s)", e->msg);
		w->retry_wait = w->retry_wait * 2 < 20 ? 20 : w->retry_wait * 2 > 2000 ? 2000 : w->retry_wait * 2;
		w->retry_at = clock_mono_ms() + clock_jitter(w->retry_wait);
		return;
	}
	if (strncmp(w->told, e->msg, sizeof w->told - 1) != 0)
		log_at(LOG_ERROR, "worker", "remote trouble: %s; nothing is lost, trying again", e->msg);
	snprintf(w->told, sizeof w->told, "%.*s", (int)sizeof w->told - 1, e->msg);
	w->retry_wait = w->retry_wait * 2 < TROUBLE_MIN_MS   ? TROUBLE_MIN_MS
			: w->retry_wait * 2 > TROUBLE_MAX_MS ? TROUBLE_MAX_MS
							     : w->retry_wait * 2;
	w->retry_at = clock_mono_ms() + clock_jitter(w->retry_wait);
}

static void heal(struct worker *w)
{
	struct orphans o = {0};
	struct err e;
	int64_t every = w->config.orphan_after_seconds * 1000 / 4;
	w->heal_at = clock_mono_ms() + clock_jitter(every < 60000 ? every : 60000);
	if (reaper_look(&w->reaper, &w->ledger, &w->config, w->o->node_id, &o, &e) == 0 && o.n) {
		reaper_heal(&w->ledger, w->o->node_id, &o, &e);
		w->stale = true;
		for (size_t i = 0; i < o.n; i++)
			if (o.v[i].landed)
				log_at(LOG_WARN, "worker", "healed %s (%s): %s", o.v[i].id, fate_name(o.v[i].fate),
				       o.v[i].why);
	}
	orphans_clear(&o);
}

/* ---- one exchange ---- */

static int64_t poll_ms(const struct worker *w)
{
	if (w->ledger.folder.ref) /* with all slots taken only a cancel could be news */
		return slots_busy(&w->slots) < w->o->slots ? LOCAL_POLL_MS : 10 * LOCAL_POLL_MS;
	int64_t base = w->o->poll_ms ? w->o->poll_ms : w->config.poll_seconds * 1000;
	int64_t stretch = 1 + w->idle_polls / 4;
	return base * (stretch < POLL_STRETCH ? stretch : POLL_STRETCH);
}

/* Until a turn that comes soon there is no use in looking: what we would see is old by then. */
static int64_t pause_before_turn(struct worker *w)
{
	int64_t wait = turns_taken(&w->turns) && has_to_speak(w) ? turns_wait(&w->turns) : 0;
	return wait <= TURN_PAUSE_MS || wait <= poll_ms(w) ? wait : 0;
}

static int look(struct worker *w, int64_t now, bool our_turn, struct err *e)
{
	int rc = 0;
	if (our_turn && turns_taken(&w->turns) && !w->ledger.folder.ref && has_to_speak(w))
		w->stale = true; /* somebody pushed since: asking first would cost as much as fetching */
	/* To ask is cheap where a push that is rejected, or comes on top of another's, is dear. */
	bool ask = our_turn && has_to_speak(w) && (w->ledger.folder.ref || w->turns.per_minute);
	if (!w->stale && (now >= w->next_poll || ask)) {
		bool idle = slots_busy(&w->slots) == 0;
		rc = ledger_moved(&w->ledger, &w->stale, e);
		w->reached_at = rc ? w->reached_at : clock_now();
		w->idle_polls = idle && !w->stale ? w->idle_polls + 1 : 0;
		int64_t poll = poll_ms(w);
		w->next_poll = now + (w->ledger.folder.ref ? poll : clock_jitter(poll * 4 / 3));
	}
	if (!rc && w->stale)
		rc = fetch(w, e);
	return rc;
}

static void archive(struct worker *w)
{
	struct err e;
	size_t moved = 0;
	w->archive_at = 0;
	turns_beat(&w->turns);
	if (upkeep_archive(&w->ledger, &w->config, w->o->node_id, &moved, &e) && e.class != ERR_RETRY)
		log_at(LOG_WARN, "worker", "cannot archive: %s", e.msg);
	w->stale = true;
	if (moved)
		log_at(LOG_INFO, "worker", "archived %zu tasks", moved);
}

static void promote(struct worker *w)
{
	struct err e;
	turns_beat(&w->turns);
	if (promoter_work(&w->promoter, &w->ledger, &w->config, w->o->node_id, &e) && e.class != ERR_RETRY)
		log_at(LOG_WARN, "worker", "cannot promote: %s", e.msg);
	w->stale = true;
}

/* What can wait for a moment without anything else to say, but not for ever. */
static void do_upkeep(struct worker *w, int64_t now)
{
	if (now >= w->heal_at && !talk_stopping(w) && !w->fit.barred[0] && slots_busy(&w->slots) < w->o->slots)
		heal(w);
	if (w->promoter.at && now >= w->promoter.at && !talk_stopping(w) && !w->fit.barred[0] && !turns_wait(&w->turns))
		promote(w);
	if (w->archive_at && now >= w->archive_at && !talk_stopping(w) && !w->fit.barred[0] && !turns_wait(&w->turns))
		archive(w);
	if (now >= w->tidy_at && slots_busy(&w->slots) == 0 && !w->outbox.n && !heartbeat_busy(w->heart)) {
		ledger_tidy(&w->ledger);
		w->tidy_at = clock_mono_ms() + TIDY_EVERY_MS;
	}
}

/* Queues up for a remote in a folder. Whoever holds it may be frozen, so patience ends. */
static bool lock(struct worker *w, int64_t now)
{
	if (ledger_lock(&w->ledger)) {
		w->queued_at = 0;
		return true;
	}
	struct file_stamp ref = file_stamp(w->ledger.folder.ref);
	if (!w->queued_at || !file_stamp_equal(&ref, &w->queued_ref))
		w->queued_at = now; /* the queue moves */
	w->queued_ref = ref;
	if (now - w->queued_at > LOCK_PATIENCE_MS)
		return true;
	w->retry_at = now + clock_jitter(LOCK_POLL_MS);
	return false;
}

/* One exchange with the remote, as far as one is due. */
void talk_converse(struct worker *w, int64_t now)
{
	struct err e;
	if (now < w->retry_at || pause_before_turn(w) > 0)
		return;
	bool our_turn = turns_wait(&w->turns) == 0, spoke = false;
	w->began = now;
	/* What we see before we hold the folder may be old when we do. */
	bool ready = our_turn && has_to_speak(w);
	if (ready && !lock(w, now))
		return;
	ready = ready || (our_turn && !w->ledger.folder.ref);
	const struct turns before = w->turns;
	int rc = look(w, now, our_turn, &e);
	if (before.n != w->turns.n || before.rank != w->turns.rank || before.width_ms != w->turns.width_ms ||
	    before.heard_ms != w->turns.heard_ms)
		ready = ready && !turns_wait(&w->turns); /* what seemed our slot is another's */
	if (w->ready_at && now >= w->ready_at) {
		w->ready_at = 0;
		w->hungry = true;
	}
	bool pressing = w->archive_at && now >= w->archive_at &&
			upkeep_excess(&w->ledger, &w->config) > (size_t)w->config.keep_finished;
	if (!rc && ready && has_to_speak(w) && !pressing) {
		rc = speak(w, &e);
		spoke = true;
		if (!rc && w->turns.n > 1 && w->ledger.folder.ref) /* let those who wait go first */
			w->retry_at = clock_mono_ms() + 2 * LOCK_POLL_MS;
	}
	ledger_unlock(&w->ledger);
	if (rc) {
		remote_trouble(w, &e);
		return;
	}
	if (w->told[0])
		log_at(LOG_INFO, "worker", "the remote answers again");
	w->told[0] = 0;
	if (spoke || !w->outbox.n)
		w->retry_wait = w->lost_races = 0;
	if (our_turn)
		do_upkeep(w, now);
}

/* What is printed is shown sooner where that costs a host nothing: in a folder on this machine, and where pushes are
 * not counted. Anywhere else a beat more is a push more over somebody's line. */
void talk_show_news(struct worker *w)
{
	if (w->ledger.folder.ref && !w->config.pushes_per_minute && slots_news(&w->slots))
		heartbeat_news(w->heart, NEWS_MS);
}

static int64_t until(int64_t at, int64_t now, int64_t wait)
{
	int64_t left = at > now ? at - now : 0;
	return left < wait ? left : wait;
}

int64_t talk_wait(struct worker *w)
{
	int64_t now = clock_mono_ms(), wait = 1000;
	if (now < w->retry_at)
		wait = until(w->retry_at, now, wait);
	else if (pause_before_turn(w) > 0)
		wait = until(now + pause_before_turn(w), now, wait);
	else if (w->stale)
		wait = 0;
	else {
		wait = until(w->next_poll, now, wait);
		if (has_to_speak(w))
			wait = until(now + turns_wait(&w->turns), now, wait);
	}
	return w->fit.check_at ? until(w->fit.check_at, now, wait) : wait;
}

/* ---- the begin ---- */

void talk_init(struct worker *w)
{
	w->chooser = (struct chooser){
	    .labels = w->o->labels, .n_labels = w->o->n_labels, .has_image = has_image, .trusted = trusted, .ctx = w};
	slots_init(&w->slots, w->o->slots);
	w->slots.node_id = w->o->node_id;
	w->slots.instance = w->instance;
	w->slots.work_dir = w->o->work_dir;
	w->slots.engine = &w->engine;
	w->slots.config = &w->config;
	w->slots.outbox = &w->outbox;
	w->slots.fit = &w->fit;
	w->slots.max_cpus = w->o->max_cpus;
	w->slots.max_memory_mb = w->o->max_memory_mb;
	w->key = (struct nodekey){
	    .node = w->o->node_id, .given = w->o->signing_key, .path = xasprintf("%s/" NODEKEY_FILE, w->o->work_dir)};
}

void talk_hello(struct worker *w)
{
	w->ledger.tries = 1; /* between two tries there may be more to say */
	w->heal_at = clock_mono_ms() + clock_jitter(w->config.orphan_after_seconds * 250);
	look_around(w, NULL);
	w->heart = heartbeat_start(&w->ledger.git, w->o->node_id, say_beat, may_beat, w, w->beat_ms);
	heartbeat_tails(w->heart, say_tails);
	if (w->config.pushes_per_minute) /* nobody knows of us yet, and to say it costs a push */
		w->retry_at = clock_mono_ms() + clock_jitter(2 * 60000 / w->config.pushes_per_minute);
	else if (!w->ledger.folder.ref) /* in a folder they queue up */
		meet_newcomers(w);
	talk_check_self(w);
}
