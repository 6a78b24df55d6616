#include "worker/schedule.h"
#include "base/clock.h"

#define FOLDER_POLL_MS 100 /* looks at a file, not at the remote */
#define TURN_PAUSE_MS 5000
#define POLL_STRETCH 6 /* an idle node polls up to so many times less often */
#define WAIT_MAX_MS 1000
#define LEAVE_WAIT_MS 30000 /* how long a stopping node tries to reach a dead remote */

static bool may_claim(const struct schedule_times *t, const struct schedule_facts *f)
{
	return !t->unsettled && f->busy < f->slots && !f->stopping && f->fit;
}

static bool has_to_push(const struct schedule_times *t, const struct schedule_facts *f)
{
	bool work = t->work_waits || (t->ready_at && f->now >= t->ready_at);
	return !f->barred && f->now >= t->push_at &&
	       (!t->registered || (f->results && !f->results_wait) || f->lease_due || (work && may_claim(t, f)));
}

int64_t schedule_poll_ms(const struct schedule_times *t, const struct schedule_facts *f)
{
	int64_t stretch = 1 + t->idle_polls / 4;
	if (f->folder) /* with all slots taken only a cancel could be news */
		return f->busy < f->slots ? FOLDER_POLL_MS : 10 * FOLDER_POLL_MS;
	if (f->notified)
		return f->poll_ms * POLL_STRETCH;
	return f->poll_ms * (stretch < POLL_STRETCH ? stretch : POLL_STRETCH);
}

/* Until a turn that comes soon there is no use in looking: what we would see is old by then. */
static int64_t pause_before_turn(const struct schedule_times *t, const struct schedule_facts *f, bool pending)
{
	int64_t wait = f->turns && pending ? f->turn_wait_ms : 0;
	return wait <= TURN_PAUSE_MS || wait <= schedule_poll_ms(t, f) ? wait : 0;
}

static enum schedule_read what_to_read(const struct schedule_times *t, const struct schedule_facts *f, bool pending)
{
	bool about_to_push = pending && !f->turn_wait_ms;
	if (t->behind)
		return READ_BRANCH;
	if (about_to_push && f->turns && !f->folder)
		return READ_BRANCH; /* somebody pushed since: asking first would cost as much as fetching */
	/* To ask is cheap where a push that is rejected, or comes on top of another's, is dear. */
	return f->now >= t->poll_at || (about_to_push && (f->folder || f->limited)) ? READ_HEAD : READ_NOTHING;
}

static void sooner(int64_t *wait, int64_t at, int64_t now)
{
	int64_t left = at > now ? at - now : 0;
	*wait = left < *wait ? left : *wait;
}

/* One thing that can wait for its time and for our turn: is it due? Else it shortens the wait. */
static bool due(const struct schedule_facts *f, bool may, int64_t at, int64_t *wait)
{
	if (!may)
		return false;
	int64_t turn = f->now + f->turn_wait_ms;
	sooner(wait, at > turn ? at : turn, f->now);
	return f->now >= at && !f->turn_wait_ms;
}

struct schedule schedule_decide(const struct schedule_times *t, const struct schedule_facts *f)
{
	struct schedule s = {.pending = has_to_push(t, f), .claim = may_claim(t, f), .wait_ms = WAIT_MAX_MS};
	int64_t pause = pause_before_turn(t, f, s.pending), wait = WAIT_MAX_MS;
	bool helps = !f->stopping && !f->barred && f->now >= t->push_at;
	s.read = what_to_read(t, f, s.pending);
	s.heal = due(f, helps && f->busy < f->slots, t->heal_at, &wait);
	s.promote = due(f, helps && f->promote_at, f->promote_at, &wait);
	s.fire = due(f, helps && f->fire_at, f->fire_at, &wait);
	if (s.fire && s.read == READ_NOTHING) /* another may have been faster */
		s.read = READ_HEAD;
	s.archive = due(f, helps && t->archive_at, t->archive_at, &wait);
	s.tidy = due(f, !f->busy && !f->results && !f->beating, t->tidy_at, &wait);
	s.push = s.pending && !f->turn_wait_ms && !(s.archive && f->overfull);
	s.begin = f->now >= t->retry_at && !pause;
	if (s.pending)
		sooner(&wait, f->now + f->turn_wait_ms, f->now);
	if (s.claim && t->ready_at > f->now)
		sooner(&wait, t->ready_at, f->now);
	if (t->push_at > f->now)
		sooner(&wait, t->push_at, f->now);
	sooner(&wait, t->behind ? f->now : t->poll_at, f->now);
	/* Before an exchange may begin nothing else counts. */
	if (f->now < t->retry_at)
		sooner(&s.wait_ms, t->retry_at, f->now);
	else if (pause)
		sooner(&s.wait_ms, f->now + pause, f->now);
	else
		s.wait_ms = wait;
	return s;
}

enum schedule_end schedule_end(const struct schedule_times *t, const struct schedule_facts *f)
{
	bool idle = !f->busy && !f->results;
	if (f->stopping && idle)
		return END_DONE;
	if (f->stopping && !f->running &&
	    ((t->leaving_since && f->now - t->leaving_since > LEAVE_WAIT_MS) || f->stops > 2 || f->hurried))
		return END_UNSAID;
	if (!f->once || !idle || t->behind || f->now < t->retry_at || f->building)
		return END_NOT_YET;
	bool waits = t->work_waits || (t->ready_at && t->tries_wait) || f->promote_soon || f->fire_soon;
	return !f->fit || !waits ? END_DONE : END_NOT_YET;
}

int64_t schedule_backoff(enum schedule_setback why, int64_t last_ms)
{
	static const struct {
		int64_t least, most;
	} bounds[] = {[SETBACK_RACE] = {20, 2000},
		      [SETBACK_TROUBLE] = {500, 60000},
		      [SETBACK_REFUSED] = {120000, 600000},
		      [SETBACK_BUSY] = {120000, 1200000}};
	if (why == SETBACK_REFUSED && !last_ms)
		return 1000;
	return clock_longer(last_ms, bounds[why].least, bounds[why].most);
}
