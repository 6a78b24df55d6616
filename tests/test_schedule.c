/* What a node does next, and when: a table of moments. */
#include "test.h"
#include "worker/schedule.h"
#include <stdlib.h>

#define NOW 1000000
#define NEVER (NOW + 500000)

/* A node at ease: registered, all slots free, nothing due for minutes. What is other than that is said in words:
 * "name",
 * "!name", "name=number", where "+300" is in 300 ms. */
struct moment {
	struct schedule_times t;
	struct schedule_facts f;
};
static const struct moment at_ease = {.t = {.registered = true, .poll_at = NEVER, .heal_at = NEVER, .tidy_at = NEVER},
				      .f = {.now = NOW, .slots = 2, .fit = true, .poll_ms = 2000}};

#define MEMBER(of, name)                                                                                               \
	{                                                                                                              \
#name, offsetof(struct moment, of.name), sizeof(at_ease.of.name)                                       \
	}
static const struct {
	const char *name;
	size_t at, size;
} members[] = {MEMBER(t, retry_at),	MEMBER(t, poll_at),	 MEMBER(t, ready_at),	   MEMBER(t, heal_at),
	       MEMBER(t, archive_at),	MEMBER(t, tidy_at),	 MEMBER(t, leaving_since), MEMBER(t, behind),
	       MEMBER(t, work_waits),	MEMBER(t, registered),	 MEMBER(t, unsettled),	   MEMBER(f, busy),
	       MEMBER(f, running),	MEMBER(f, results),	 MEMBER(f, lease_due),	   MEMBER(f, barred),
	       MEMBER(f, fit),		MEMBER(f, stopping),	 MEMBER(f, stops),	   MEMBER(f, hurried),
	       MEMBER(t, push_at),	MEMBER(f, once),	 MEMBER(f, beating),	   MEMBER(f, overfull),
	       MEMBER(f, promote_at),	MEMBER(f, promote_soon), MEMBER(f, fire_at),	   MEMBER(f, fire_soon),
	       MEMBER(f, folder),	MEMBER(f, poll_ms),	 MEMBER(f, turns),	   MEMBER(f, limited),
	       MEMBER(f, turn_wait_ms), MEMBER(t, tries_wait)};

static void set(struct moment *m, const char *name, size_t len, int64_t value)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		char *to = (char *)m + members[i].at;
		if (strlen(members[i].name) != len || memcmp(members[i].name, name, len) != 0)
			continue;
		if (members[i].size == sizeof(bool))
			*(bool *)to = value != 0;
		else if (members[i].size == sizeof(int))
			memcpy(to, &(int){(int)value}, sizeof(int));
		else
			memcpy(to, &value, sizeof value);
		return;
	}
	CHECK(false, name);
}

static struct moment moment(const char *words)
{
	struct moment m = at_ease;
	for (const char *p = words, *end; *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, " ");
		size_t len = strcspn(p, "= ");
		bool none = *p == '!';
		const char *value = p[len] == '=' ? p + len + 1 : none ? "0" : "1";
		set(&m, p + none, len - none, strtoll(value, NULL, 10) + (*value == '+' || *value == '-' ? NOW : 0));
	}
	return m;
}

struct row {
	const char *what, *when;
	/* What is due, a letter each: b an exchange may begin, h reads the head, B the branch; p pushes; c would claim;
	 * H heals, P promotes, F queues of schedules, A archives, T tidies up. */
	const char *due;
	int64_t wait_ms;
};
static const struct row rows[] = {
    {"nothing to do", "", "bc", 1000},
    {"the next look is soon", "poll_at=+300", "bc", 300},
    {"the next look is due", "poll_at=+0", "bhc", 0},
    {"the branch moved", "behind", "bBc", 0},

    /* What makes it push. */
    {"its file is not there", "!registered", "bpc", 0},
    {"a result", "results=1", "bpc", 0},
    {"a lease runs out", "busy=2 running=2 lease_due", "bp", 0},
    {"work waits", "work_waits busy=1", "bpc", 0},
    {"work waits, all slots taken", "work_waits busy=2 running=2", "b", 1000},
    {"work waits, but the disk is full", "work_waits !fit", "b", 1000},
    {"work waits, but the node drains", "work_waits stopping", "b", 1000},
    {"work waits, but an earlier run is not settled", "work_waits unsettled", "b", 1000},
    {"a task's time has come", "ready_at=+0", "bpc", 0},
    {"a task's time comes soon", "ready_at=+300", "bc", 300},
    {"a task's time has come, all slots taken", "ready_at=-1 busy=2 running=2", "b", 1000},
    {"results while it drains", "results=1 stopping", "bp", 0},
    {"results of a full disk", "results=1 !fit", "bp", 0},
    {"who may not push keeps its results", "work_waits !registered results=1 lease_due barred !fit", "b", 1000},
    {"who may not push reads", "behind barred !fit", "bB", 0},

    /* After trouble or a lost race. */
    {"nothing before its time", "behind retry_at=+300 results=1", "Bpc", 300},
    {"not even a late turn", "retry_at=+900 results=1 turns turn_wait_ms=20", "c", 900},
    {"its time has come", "behind retry_at=+0 results=1", "bBpc", 0},
    {"at most a second, for signals and checks", "retry_at=+500000 results=1", "pc", 1000},

    /* After a push that the host refused, and no race. */
    {"no push before its time, but a look", "push_at=+600 poll_at=+0 results=1", "bhc", 0},
    {"nor for the grid", "push_at=+600 heal_at=+0 promote_at=+0 archive_at=+0", "bc", 600},
    {"its time has come to push again", "push_at=+0 results=1", "bpc", 0},

    /* A remote in a folder. */
    {"a look costs nothing before a push", "results=1 folder", "bhpc", 0},
    {"and none without one", "folder", "bc", 1000},

    /* Turns. */
    {"a turn soon: no look before", "behind results=1 turns turn_wait_ms=400", "Bc", 400},
    {"a turn soon, nothing to push: a look", "poll_at=+0 turns turn_wait_ms=400", "bhc", 0},
    {"a turn within the next poll", "poll_at=+0 results=1 turns turn_wait_ms=9000 poll_ms=10000", "hc", 1000},
    {"a turn far off: a look meanwhile", "poll_at=+0 results=1 turns turn_wait_ms=9000", "bhc", 0},
    {"its turn: somebody pushed since", "results=1 turns", "bBpc", 0},
    {"its turn in a folder: asking is cheap", "results=1 turns folder", "bhpc", 0},
    {"pushes are counted: asks first", "results=1 limited", "bhpc", 0},
    {"pushes are counted: not now", "results=1 limited turn_wait_ms=700", "bc", 700},

    /* For the grid. */
    {"heals", "heal_at=+0 busy=1", "bcH", 0},
    {"heals soon", "heal_at=+300 busy=1", "bc", 300},
    {"heals not with all slots taken", "heal_at=+0 busy=2 running=2", "b", 1000},
    {"heals not while it drains", "heal_at=+0 busy=1 stopping", "b", 1000},
    {"heals not without a key", "heal_at=+0 barred !fit", "b", 1000},
    {"heals in its turn", "heal_at=+0 busy=1 turns turn_wait_ms=600", "bc", 600},
    {"a schedule is due: asks first", "fire_at=+0", "bhcF", 0},
    {"a schedule is due, all slots taken", "busy=2 running=2 fire_at=+0", "bhF", 0},
    {"a schedule is due soon", "fire_at=+300", "bc", 300},
    {"a schedule is due, and the branch moved", "fire_at=+0 behind", "bBcF", 0},
    {"a schedule is due while it drains", "fire_at=+0 stopping", "b", 1000},
    {"a schedule is due, not its turn", "fire_at=+0 turns turn_wait_ms=600", "bc", 600},
    {"promotes", "promote_at=+0", "bcP", 0},
    {"promotes with all slots taken", "busy=2 running=2 promote_at=+0", "bP", 0},
    {"nothing to promote while it drains", "promote_at=+0 stopping", "b", 1000},
    {"archives", "archive_at=+0", "bcA", 0},
    {"archives after results", "archive_at=+0 results=1", "bpcA", 0},
    {"archives before results when too many have ended", "archive_at=+0 results=1 overfull", "bcA", 0},
    {"not yet: somebody else may do it", "archive_at=+300 results=1 overfull", "bpc", 0},
    {"results of a draining node wait for no archive", "archive_at=+0 results=1 overfull stopping", "bp", 0},
    {"tidies up", "tidy_at=+0", "bcT", 0},
    {"tidies up not while tasks run", "tidy_at=+0 busy=1 running=1", "bc", 1000},
    {"nor while git beats", "tidy_at=+0 beating", "bc", 1000},
};

static void walk(const struct row *m)
{
	static const char letter[] = "bhBpcHPFAT";
	const struct moment at = moment(m->when);
	struct schedule s = schedule_decide(&at.t, &at.f);
	const bool is[] = {
	    s.begin, s.read == READ_HEAD, s.read == READ_BRANCH, s.push, s.claim, s.heal, s.promote, s.fire, s.archive,
	    s.tidy};
	char due[sizeof letter] = "", said[200];
	for (size_t i = 0, n = 0; letter[i]; i++)
		if (is[i])
			due[n++] = letter[i];
	snprintf(said, sizeof said, "%s: due '%s' in %lld ms, expected '%s' in %lld ms", m->what, due,
		 (long long)s.wait_ms, m->due, (long long)m->wait_ms);
	CHECK(!strcmp(due, m->due) && s.wait_ms == m->wait_ms, said);
	CHECK(!s.push || s.pending, m->what);
}

static const struct {
	const char *what, *when;
	enum schedule_end end;
} ends[] = {
    {"works", "busy=2 running=2", END_NOT_YET},
    {"idle, told to stay", "", END_NOT_YET},
    {"told to leave", "behind stopping stops=1", END_DONE},
    {"told to leave, a task runs", "busy=2 running=2 stopping stops=1", END_NOT_YET},
    {"told to leave, a result waits", "leaving_since=-29000 results=1 stopping stops=1", END_NOT_YET},
    {"the remote is away too long", "leaving_since=-31000 results=1 stopping stops=1", END_UNSAID},
    {"a claim's end is unknown too long", "leaving_since=-31000 busy=1 stopping stops=1", END_UNSAID},
    {"a second signal", "results=1 stopping stops=2", END_NOT_YET},
    {"a second signal, and its time is over", "results=1 stopping stops=2 hurried", END_UNSAID},
    {"its time is over, a script still ends", "busy=2 running=2 stopping stops=2 hurried", END_NOT_YET},
    {"a third signal", "leaving_since=+0 results=1 stopping stops=3", END_UNSAID},
    {"a third signal, a script still ends", "busy=2 running=2 stopping stops=3", END_NOT_YET},
    {"once: nothing left", "once", END_DONE},
    {"once: not read yet", "behind once", END_NOT_YET},
    {"once: after trouble", "retry_at=+300 once", END_NOT_YET},
    {"once: work waits", "work_waits once", END_NOT_YET},
    {"once: a task is to be tried again", "ready_at=+300 tries_wait once", END_NOT_YET},
    {"once: a task's time comes some day", "ready_at=+300 once", END_DONE},
    {"once: a schedule is due soon", "once fire_at=+2000 fire_soon", END_NOT_YET},
    {"once: a schedule is due later", "once fire_at=+9000", END_DONE},
    {"once: something is staged", "once promote_soon", END_NOT_YET},
    {"once: a result waits", "once results=1", END_NOT_YET},
    {"once: it can claim nothing", "work_waits once !fit", END_DONE},
};

static void polls(void)
{
	struct moment m = moment("");
	CHECK(schedule_poll_ms(&m.t, &m.f) == 2000, "as the grid says");
	m.t.idle_polls = 8;
	CHECK(schedule_poll_ms(&m.t, &m.f) == 6000, "less often when nothing comes");
	m.t.idle_polls = 1000;
	CHECK(schedule_poll_ms(&m.t, &m.f) == 12000, "but not for ever");
	m = moment("folder");
	CHECK(schedule_poll_ms(&m.t, &m.f) == 100, "a file, often");
	m = moment("folder busy=2");
	CHECK(schedule_poll_ms(&m.t, &m.f) == 1000, "only a cancel could be news");
}

static void waits_grow(void)
{
	int64_t wait = schedule_backoff(SETBACK_RACE, 0), last = 0;
	CHECK(wait == 20, "a lost race is tried again at once");
	for (int i = 0; i < 20; i++)
		wait = schedule_backoff(SETBACK_RACE, wait);
	CHECK(wait == 2000, "races: at most two seconds");
	CHECK(schedule_backoff(SETBACK_TROUBLE, 0) == 500, "trouble: a while");
	CHECK(schedule_backoff(SETBACK_TROUBLE, 20) == 500, "trouble after a race: a while");
	for (int i = 0; i < 20; i++) {
		last = wait;
		wait = schedule_backoff(SETBACK_TROUBLE, wait);
		CHECK(wait == 2 * last || wait == 60000, "doubles, up to a minute");
	}
	CHECK(wait == 60000, "trouble: at most a minute");
	CHECK(schedule_backoff(SETBACK_RACE, wait) == 2000, "a race after trouble");
	wait = schedule_backoff(SETBACK_REFUSED, 0);
	CHECK(wait == 1000, "a refused push is tried once more");
	for (int i = 0; i < 20; i++) {
		wait = schedule_backoff(SETBACK_REFUSED, wait);
		CHECK(wait / 2 >= 60000, "and then at most twice in any minute");
	}
	CHECK(wait == 600000, "but not given up");
	wait = schedule_backoff(SETBACK_BUSY, 0);
	CHECK(wait / 2 >= 60000, "a host that counts requests is left alone for a minute at least");
	CHECK(schedule_backoff(SETBACK_BUSY, 600000) == 1200000, "and then for longer than after other trouble");
}

int main(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		walk(&rows[i]);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const struct moment at = moment(ends[i].when);
		CHECK(schedule_end(&at.t, &at.f) == ends[i].end, ends[i].what);
	}
	polls();
	waits_grow();
	return test_end("test_schedule");
}
