#include "worker/probation.h"
#include "base/clock.h"
#include "base/log.h"
#include "worker/blame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_FIRST_MS 10000
#define WAIT_MAX_MS (30 * 60000)
#define LOOK_FIRST_MS 10000 /* from look to look longer, so that false alarms stay rare */
#define LOOK_MAX_MS (5 * 60000)

struct run { /* what a blame_run is made of */
	char *work;
	int64_t at;
	bool here, failed, stuck;
};
struct runs {
	struct run *v;
	size_t n;
};

static bool is(const char *text, const char *one)
{
	return text && !strcmp(text, one);
}

static bool is_failure(const char *outcome)
{
	return is(outcome, "failed") || is(outcome, "timeout") || is(outcome, "oom") || is(outcome, "unstartable");
}

/* What its first attempt may be compared with; NULL: nothing. Of a task without a group only those count that
 * succeeded in the end, so that it is not the task. */
static char *work_of(const struct json *doc, bool succeeded)
{
	const char *group = json_str(doc, "group");
	const struct json *labels = json_get(doc, "labels");
	if (json_int(doc, "replicas", 1) > 1)
		return NULL;
	if (group)
		return xasprintf("group %s", group);
	if (!succeeded)
		return NULL;
	struct buf b = {0};
	buf_adds(&b, "labels");
	for (const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL; v; v = v->next)
		buf_addf(&b, " %s", v->text ? v->text : "");
	return buf_detach(&b);
}

/* The first attempt of a task, of one that has not ended too. */
static void add_run(struct runs *all, const struct json *doc, const char *node, int64_t since)
{
	const struct json *list = json_get(doc, "attempts"), *result = json_get(doc, "result"), *first = NULL;
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a && !first; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		first = is_failure(outcome) || is(outcome, "success") ? a : NULL;
		if (is(outcome, "retried"))
			break;
	}
	const char *outcome = json_str(first, "outcome"), *of = json_str(first ? first : result, "node"),
		   *status = json_str(result, "status"), *ended_on = json_str(result, "node");
	int64_t at = first ? json_time(first, "ended_at") : json_time(result, "finished_at");
	outcome = first ? outcome : status;
	bool failed = is_failure(outcome), succeeded = is(status, "success");
	char *work = of && at >= since && (failed || is(outcome, "success")) ? work_of(doc, succeeded) : NULL;
	if (!work)
		return;
	all->v = xrealloc(all->v, (all->n + 1) * sizeof *all->v);
	all->v[all->n++] = (struct run){.work = work,
					.at = at,
					.here = !strcmp(of, node),
					.failed = failed,
					.stuck = is(outcome, "unstartable") && ended_on && strcmp(ended_on, of) != 0 &&
						 !is(status, "unstartable")};
}

static int newest_first(const void *pa, const void *pb)
{
	const struct run *a = pa, *b = pb;
	return a->at != b->at ? (a->at > b->at ? -1 : 1) : strcmp(a->work, b->work);
}

/* Of what was tried since then and is not archived yet. What cannot be read does not count. */
static struct blame look(struct ledger *l, const struct chooser *ch, const char *node, int64_t since)
{
	static const enum task_state states[] = {TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED};
	struct runs all = {0};
	for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
		const enum task_state state = states[k];
		struct strs ids = {0};
		struct err e;
		if (state == TASK_QUEUE) /* which may be long */
			chooser_tried(ch, &ids);
		else if (ledger_ids(l, state, &ids, &e))
			log_at(LOG_WARN, "worker", "%s", e.msg);
		for (size_t i = 0; i < ids.n; i++) {
			struct json *doc = ledger_doc(l, state, ids.v[i], &e);
			if (doc)
				add_run(&all, doc, node, since);
			json_free(doc);
		}
		strs_clear(&ids);
	}
	if (all.n)
		qsort(all.v, all.n, sizeof *all.v, newest_first);
	struct blame_run *v = xcalloc(all.n + 1, sizeof *v);
	for (size_t i = 0; i < all.n; i++)
		v[i] = (struct blame_run){all.v[i].work, all.v[i].here, all.v[i].failed, all.v[i].stuck};
	struct blame b = blame_judge(v, all.n);
	for (size_t i = 0; i < all.n; i++)
		free(all.v[i].work);
	free(all.v);
	free(v);
	return b;
}

static uint64_t good(const struct slots *s)
{
	return s->completed + s->shared;
}

static uint64_t bad(const struct slots *s)
{
	return s->failed + s->unstarted;
}

static void wait(struct probation *p, struct selfcheck *fit, const char *why)
{
	char when[32];
	p->wait_ms = clock_longer(p->wait_ms, WAIT_FIRST_MS, WAIT_MAX_MS);
	int64_t wait_ms = clock_jitter(p->wait_ms);
	p->until = clock_mono_ms() + wait_ms;
	p->trial = false;
	snprintf(fit->blamed, sizeof fit->blamed, "tasks: %s; it tries one at %s", why,
		 clock_format(clock_now() + wait_ms / 1000 + 1, when));
	selfcheck_pause(fit, fit->blamed);
}

static void begin_again(struct probation *p, const struct slots *s)
{
	*p = (struct probation){.since = clock_now(), .good = good(s), .bad = bad(s)};
}

static void tell(const struct blame *b, char why[160])
{
	if (b->stuck >= BLAME_STUCK)
		snprintf(why, 160, "the last %zu could not be started here, and were on other nodes", b->stuck);
	else
		snprintf(why, 160, "%zu of %zu failed here, of the same work %zu of %zu on other nodes", b->failed,
			 b->runs, b->failed_there, b->runs_there);
}

/* The time has come to try: unless it turned out meanwhile that it is not the node. */
static void try_one(struct probation *p, const struct slots *s, struct ledger *l, const struct chooser *ch,
		    struct selfcheck *fit)
{
	bool still = look(l, ch, s->node_id, p->since).bad;
	fit->end_told = !strcmp(fit->trouble, fit->blamed);
	fit->blamed[0] = 0;
	fit->check_at = clock_mono_ms();
	if (!still) {
		log_at(LOG_INFO, "worker", "what failed here fails elsewhere too, or is gone: claiming again");
		begin_again(p, s);
		return;
	}
	p->until = 0;
	p->trial = true;
	p->good = good(s);
	p->bad = bad(s);
	log_at(LOG_INFO, "worker", "tasks failed here: one is tried");
}

static bool judge_trial(struct probation *p, const struct slots *s, struct selfcheck *fit)
{
	if (good(s) > p->good) {
		log_at(LOG_INFO, "worker", "the task that was tried succeeded: claiming as before");
		begin_again(p, s);
	} else if (bad(s) > p->bad)
		wait(p, fit, "the one that was tried failed here too");
	else
		return false;
	return true;
}

bool probation_step(struct probation *p, struct slots *s, struct ledger *l, const struct chooser *ch,
		    struct selfcheck *fit)
{
	int64_t now = clock_mono_ms();
	char why[160];
	if (!p->since)
		begin_again(p, s);
	if (p->until) {
		if (now < p->until)
			return false;
		try_one(p, s, l, ch, fit);
		return true;
	}
	if (p->trial)
		return judge_trial(p, s, fit);
	/* Not often, or a good node would be blamed in the end: after a while, or when as much again has failed. */
	uint64_t failed = bad(s) - p->bad;
	bool due = !p->looked_at || now - p->looked_at >= p->look_ms || failed >= p->look_bad;
	if (failed < BLAME_STUCK || !due || !strcmp(p->looked, l->head))
		return false;
	p->looked_at = now;
	p->look_bad = failed < BLAME_FAILURES ? BLAME_FAILURES : 2 * failed;
	p->look_ms = !p->look_ms ? LOOK_FIRST_MS : 2 * p->look_ms < LOOK_MAX_MS ? 2 * p->look_ms : LOOK_MAX_MS;
	snprintf(p->looked, sizeof p->looked, "%s", l->head);
	const struct blame b = look(l, ch, s->node_id, p->since);
	if (!b.bad)
		return false;
	tell(&b, why);
	wait(p, fit, why);
	return true;
}

int probation_slots(const struct probation *p, int slots)
{
	return p->trial ? 1 : slots;
}
