#include "worker/chooser.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/input.h"
#include "schema/level.h"
#include "schema/order.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREAD_WAIT_SECONDS 2
#define PASSED_MAX 3

enum verdict { READY, OTHERS, INVALID, UNREAD };
enum pins { PINS_UNKNOWN, PINS_HERE, PINS_STORED };
struct chooser_known {
	char *id;
	struct file_stamp stamp;
	enum verdict
	    verdict; /* OTHERS: wants labels this node does not carry, or has its vote; UNREAD: not read whole */
	int64_t priority, created, not_before, deadline;
	struct needs needs;
	int64_t back_off;   /* of not_before: after an attempt */
	struct json *brief; /* what limits ask of it; NULL: nothing */
	struct fit_want want;
	struct json *resources; /* of want */
	int64_t ready_since;	/* UTC seconds */
	char *image;		/* NULL: the usual one */
	bool vouched;		/* and who signed it stands there, if that counts */
	bool tried;		/* it has attempts */
	bool came_back;		/* a claim on it was given back */
	bool expired;		/* now */
	int64_t left;		/* until then others go first, for it failed here; UTC seconds, 0: they do not */
	bool paused;		/* people have told that it is not to be claimed */
	size_t share;		/* its submitter's, in shares */
	bool others_files;	/* it is given what other tasks leave */
	enum pins pins;		/* and some of that is in a store, as it was found when these had ended */
};
static void forget(struct chooser_known *k)
{
	needs_clear(&k->needs);
	json_free(k->brief);
	json_free(k->resources);
	free(k->image);
	free(k->id);
}

static void refuse(struct pick *out, const char *id, const char *reasons, const struct buf *text, const char *node)
{
	struct json *doc = task_invalid_doc(id, reasons, text->data ? text->data : "", text->len, node);
	task_clear(&out->task);
	out->invalid_text = task_text(doc);
	json_free(doc);
}

/* Only what was read whole, as the branch has it, can be found to be no task. */
static bool is_true(struct ledger *l, const char *id, const struct buf *text, bool unreadable)
{
	struct err e;
	struct shown shown = {0};
	int rc =
	    unreadable ? ledger_shown(l, TASK_QUEUE, id, &shown, &e) : ledger_true(l, TASK_QUEUE, id, text, &e) - 1;
	bool so = !rc && (!unreadable || shown.kind == SHOWN_OTHER || shown.kind == SHOWN_LARGE);
	shown_clear(&shown);
	return so;
}

/* Only where it may matter: long queues stand in memory. */
static void keep_brief(struct chooser_known *k, const struct grid_config *c, const struct json *doc, const char *signer)
{
	json_free(k->brief);
	bool asked = c->n_concurrency || c->fair_share || json_get(doc, "concurrency_group");
	k->brief = doc && asked ? limit_brief(doc, signer) : NULL;
}

static bool came_back(const struct json *doc)
{
	const struct json *all = json_get(doc, "attempts");
	for (const struct json *a = all ? all->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		if (outcome && !strcmp(outcome, "released"))
			return true;
	}
	return false;
}

static void keep_want(struct chooser_known *k, const struct json *doc)
{
	fit_want_read(&k->want, doc);
	json_free(k->resources);
	k->want.resources = k->resources = k->want.resources ? json_copy(k->want.resources) : NULL;
	k->ready_since = fit_ready_since(doc);
	free(k->image);
	k->image = json_str(doc, "image") ? xstrdup(json_str(doc, "image")) : NULL;
}

/* Is it given what other tasks leave? */
static bool has_others_files(const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in), k = 0;
	while (k < n && !in[k].task)
		k++;
	return k < n;
}

/* All that it needs has ended: is some of what it is given in a store, which this node has not? */
static bool lacks_store(const struct chooser *ch, struct ledger *l, struct chooser_known *k)
{
	struct err e;
	if (ch->node->store || !k->others_files)
		return false;
	if (k->pins == PINS_UNKNOWN) {
		struct json *doc = ledger_doc(l, TASK_QUEUE, k->id, &e), *pins = doc ? waiting_inputs(l, doc) : NULL;
		k->pins = !doc ? PINS_UNKNOWN : inputs_pin_stored(pins) ? PINS_STORED : PINS_HERE;
		json_free(pins);
		json_free(doc);
	}
	return k->pins != PINS_HERE;
}

/* Reads and parses a queue file. Fills what is known of it, and out when the caller wants the task itself.
 * False: whether it may run cannot be told now. */
static bool judge(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node,
		  struct chooser_known *k, struct pick *out)
{
	bool can_run = true;
	struct buf text = {0};
	struct problems p = {0};
	struct err e;
	struct task t = {0};
	int64_t created;
	bool unreadable = ledger_read(l, TASK_QUEUE, k->id, &text, &e) != 0;
	if (unreadable && e.class != ERR_DATA) {
		if (!ch->told_unread)
			log_at(LOG_WARN, "worker", "%s: it is judged when it can be read: %s", k->id, e.msg);
		ch->told_unread = true;
		k->verdict = UNREAD;
		k->stamp = (struct file_stamp){0};
		buf_clear(&text);
		return false;
	}
	if (unreadable)
		problem_at(&p, 1, 1, "%s", e.msg);
	else
		task_parse(&t, text.data ? text.data : "", text.len, k->id, c, false, &p);
	const char *when = json_str(t.doc, "created_at");
	int64_t says;
	struct json_error je;
	struct json *newer = p.n && !unreadable && text.data ? json_parse(text.data, text.len, &je) : NULL;
	if (newer && level_newer(newer, &says)) { /* for a node that knows more */
		json_free(newer);
		problems_clear(&p);
		buf_clear(&text);
		k->verdict = OTHERS;
		needs_clear(&k->needs);
		return false;
	}
	json_free(newer);
	bool may =
	    !p.n && fit_suits(ch->node, c, t.doc) && !vote_has(t.doc, node) && (!ch->offers || ch->offers(ch->ctx, &t));
	k->verdict = p.n ? INVALID : may ? READY : OTHERS;
	k->priority = p.n ? 10 : t.priority; /* what is invalid goes out of the way first */
	k->created = when && !clock_parse(when, &created) ? created : 0;
	k->not_before = t.not_before;
	k->left = t.doc ? task_left_until(t.doc, node) : 0;
	k->paused = t.doc && order_pause_of(ch->paused, t.doc);
	needs_clear(&k->needs);
	needs_of(t.doc, &k->needs);
	k->back_off = task_not_before(t.doc);
	k->deadline = t.deadline;
	k->tried = json_get(t.doc, "attempts") != NULL;
	k->came_back = came_back(t.doc);
	if (!out) {
		keep_brief(k, c, t.doc, NULL);
		keep_want(k, t.doc);
		k->vouched = false;
		k->others_files = has_others_files(t.doc);
		k->pins = PINS_UNKNOWN;
	}
	if (out) {
		snprintf(out->id, sizeof out->id, "%s", k->id);
		out->expired = k->expired && !p.n;
		out->task = t;
		out->invalid_text = NULL;
		if (p.n && !is_true(l, k->id, &text, unreadable)) {
			k->verdict = UNREAD;
			k->stamp = (struct file_stamp){0};
			can_run = false;
		} else if (p.n)
			refuse(out, k->id, p.text.data, &text, node);
		else if (ch->trusted && !out->expired) {
			struct buf why = {0};
			int rc = ch->trusted(ch->ctx, &out->task, out->signer, &why);
			if (!rc)
				refuse(out, k->id, why.data ? why.data : "not trusted", &text, node);
			else if (rc == CHOOSER_OTHERS)
				k->verdict = OTHERS;
			buf_clear(&why);
			can_run = rc >= 0;
		}
	} else
		task_clear(&t);
	buf_clear(&text);
	problems_clear(&p);
	return can_run;
}

/* Brings what is known up to date with the queue folder. */
static int refresh(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node)
{
	struct strs ids = {0};
	struct err e;
	if (ledger_ids(l, TASK_QUEUE, &ids, &e)) {
		log_at(LOG_WARN, "worker", "the queue cannot be read: %s", e.msg);
		strs_clear(&ids);
		return -1;
	}
	struct chooser_known *now = xcalloc(ids.n + 1, sizeof *now);
	size_t old = 0;
	for (size_t i = 0; i < ids.n; i++) { /* both lists are sorted */
		struct chooser_known *k = &now[i];
		struct file_stamp stamp = ledger_stamp(l, TASK_QUEUE, ids.v[i]);
		while (old < ch->n_known && strcmp(ch->known[old].id, ids.v[i]) < 0)
			forget(&ch->known[old++]);
		if (old < ch->n_known && !strcmp(ch->known[old].id, ids.v[i])) {
			*k = ch->known[old++];
			if (file_stamp_equal(&k->stamp, &stamp))
				continue;
		} else
			k->id = xstrdup(ids.v[i]);
		k->stamp = stamp;
		judge(ch, l, c, node, k, NULL);
	}
	while (old < ch->n_known)
		forget(&ch->known[old++]);
	free(ch->known);
	ch->known = now;
	ch->n_known = ids.n;
	strs_clear(&ids);
	return 0;
}

static int64_t rank(const struct chooser_known *k)
{
	return k->expired ? 10 : k->priority;
}

static int by_turn(const void *pa, const void *pb)
{
	const struct chooser_known *a = *(struct chooser_known *const *)pa, *b = *(struct chooser_known *const *)pb;
	const struct fit_turn x = {rank(a), a->created, &a->want, a->id}, y = {rank(b), b->created, &b->want, b->id};
	return fit_turns(&x, &y);
}

/* As large: it takes the same room. */
static bool is_like(const struct chooser_known *a, const struct chooser_known *b)
{
	return !fit_size(&a->want, &b->want);
}

/* Which of them wait for others, and which never run. */
static bool look_at_needs(struct chooser *ch, struct ledger *l, bool *waits)
{
	struct waiting_task *v = xcalloc(ch->n_known + 1, sizeof *v);
	size_t *at = xcalloc(ch->n_known + 1, sizeof *at), n = 0;
	struct ended_ids ended = {0};
	struct err e;
	bool read = true;
	strs_clear(&ch->skips);
	for (size_t i = 0; i < ch->n_known; i++)
		if (ch->known[i].needs.n) {
			v[n] = (struct waiting_task){.id = ch->known[i].id, .needs = &ch->known[i].needs};
			at[n++] = i;
		}
	if (n && ended_read(l, &ended, &e)) {
		log_at(LOG_WARN, "worker", "what has ended cannot be read: %s", e.msg);
		read = false;
	} else if (n)
		waiting_judge(&ended, v, n, &ch->skips);
	for (size_t i = 0; i < n; i++)
		waits[at[i]] = !read || v[i].state != WAITING_NOT;
	ended_clear(&ended);
	free(at);
	free(v);
	return read;
}

static size_t dice(size_t sides)
{
	char hex[9];
	clock_nonce(hex, 4);
	return (size_t)(strtoul(hex, NULL, 16) % sides);
}

/* ---- who has how many running, where that counts ---- */

struct share {
	char *who;
	size_t running;
};
struct shares {
	struct share *v;
	size_t n, room;
	bool fair; /* it counts */
};

static size_t share_of(struct shares *s, const struct json *task)
{
	const char *who = limit_submitter(task);
	size_t i = 0;
	while (i < s->n && strcmp(s->v[i].who, who) != 0)
		i++;
	if (i == s->n && s->n == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->v = xrealloc(s->v, s->room * sizeof *s->v);
	}
	if (i == s->n)
		s->v[s->n++] = (struct share){.who = xstrdup(who)};
	return i;
}

/* ---- the line of those that could run now ---- */

struct line {
	struct chooser_known **v;
	size_t n, first; /* first: who stands before it was looked at */
	int64_t now;
	struct shares shares;
	size_t spread;			  /* among so many is drawn */
	const struct chooser_known *kept; /* waits for room, which is kept for it; NULL: nobody */
	int64_t kept_until;
	struct chooser_known **later; /* passed by for want of room here, and how many */
	size_t n_later;
	bool ahead;			  /* what is drawn now waits in this node, until it has a slot and room */
	const struct chooser_known *turn; /* room was kept for it: it goes first once it fits; NULL: nobody */
	const struct chooser_known *lead; /* the first at the first draw */
};

static size_t running(const struct line *q, const struct chooser_known *k)
{
	return q->shares.fair && !k->expired ? q->shares.v[k->share].running : 0;
}

/* Draws among the first `spread` of the same priority that are as large as the first, with the fewest running of their
 * submitters where that counts. The one whose turn it is goes first, and the first is passed by a few times at
 * most. The drawn one stands at `first` then. */
static struct chooser_known *draw(const struct chooser *ch, struct line *q)
{
	size_t first = q->first, end = first, least = SIZE_MAX, n = 0;
	if (q->v[first] == q->turn)
		return q->v[first];
	for (; end < q->n && rank(q->v[end]) == rank(q->v[first]) && (q->shares.fair || end < first + q->spread) &&
	       q->v[end] != q->turn;
	     end++)
		least = running(q, q->v[end]) < least ? running(q, q->v[end]) : least;
	size_t at = first;
	while (running(q, q->v[at]) != least)
		at++;
	const struct chooser_known *lead = q->v[at];
	for (size_t i = at; i < end; i++)
		n += running(q, q->v[i]) == least && is_like(q->v[i], lead);
	q->lead = q->lead ? q->lead : lead;
	bool now = lead == q->lead && ch->passed >= PASSED_MAX && !strcmp(ch->passed_id, lead->id);
	size_t chosen = now ? 0 : dice(n < q->spread ? n : q->spread);
	while (running(q, q->v[at]) != least || !is_like(q->v[at], lead) || chosen--)
		at++;
	struct chooser_known *k = q->v[at];
	memmove(&q->v[first + 1], &q->v[first], (at - first) * sizeof *q->v);
	return q->v[first] = k;
}

/* The first in line that has waited long enough for room here has it kept, also by who was looked at before it. */
static void keep_room(struct line *q, const struct grid_config *c, const struct chooser *ch)
{
	if (q->kept)
		q->kept_until = fit_free_at(ch->node, c, &q->kept->want, &ch->load, q->now);
	for (size_t i = q->first; i < q->n; i++) {
		const struct chooser_known *k = q->v[i];
		if (q->kept && by_turn(&k, &q->kept) > 0)
			return;
		if (k->expired || k->verdict != READY || !fit_is_due(k->ready_since, q->now) ||
		    !fit_has_image(ch->node, c, k->image) || !fit_room(ch->node, c, &k->want, &ch->load, NULL) ||
		    (k->brief && !limit_room(c, k->brief, ch->seats.v, ch->seats.n, NULL)))
			continue;
		q->kept = k;
		q->kept_until = fit_free_at(ch->node, c, &k->want, &ch->load, q->now);
		return;
	}
}

/* May it begin now, for all that this node has and keeps? */
static bool has_room(const struct line *q, const struct grid_config *c, const struct chooser *ch,
		     const struct chooser_known *k)
{
	return !fit_room(ch->node, c, &k->want, &ch->load, NULL) &&
	       (!q->kept || by_turn(&k, &q->kept) < 0 ||
		fit_passes(ch->node, c, &k->want, &q->kept->want, q->kept_until, &ch->load, q->now));
}

/* Takes those out for which there is no room: beside what runs, on this node, or for the one that room is kept for. As
 * far as will be drawn: long queues are not looked at whole for each claim. */
static void pass_by_full(struct line *q, const struct grid_config *c, const struct chooser *ch)
{
	size_t n = q->first, i = q->first;
	if (!q->ahead)
		keep_room(q, c, ch);
	for (; i < q->n && (q->shares.fair || n < q->first + q->spread); i++) {
		struct chooser_known *k = q->v[i];
		bool runs = !k->expired && k->verdict == READY;
		if (runs && k->brief && !limit_room(c, k->brief, ch->seats.v, ch->seats.n, NULL))
			continue;
		if (!runs || q->ahead || has_room(q, c, ch, k))
			q->v[n++] = k;
		else
			q->later[q->n_later++] = k;
	}
	memmove(&q->v[n], &q->v[i], (q->n - i) * sizeof *q->v);
	q->n -= i - n;
}

/* From now on room is no matter: what is drawn waits in this node until there is some, in its turn. */
static void go_ahead(struct line *q)
{
	q->ahead = true;
	for (size_t i = 0; i < q->n_later; i++)
		q->v[q->n++] = q->later[i];
	q->n_later = 0;
	if (q->n > q->first)
		qsort(&q->v[q->first], q->n - q->first, sizeof *q->v, by_turn);
}

static void sooner(int64_t *at, int64_t then, int64_t now)
{
	if (then > now && (!*at || then < *at))
		*at = then;
}

static bool is_skipped(const struct chooser *ch, const char *id)
{
	size_t i = 0;
	while (i < ch->skips.n && strcmp(ch->skips.v[i], id) != 0)
		i++;
	return i < ch->skips.n;
}

/* Everything that this node could take or end now. False: something could not be read. */
static bool line_up(struct chooser *ch, struct ledger *l, int64_t now, bool seen, struct line *q)
{
	bool *waits = xcalloc(ch->n_known + 1, sizeof *waits);
	bool whole = look_at_needs(ch, l, waits);
	ch->next_ready = 0;
	ch->tries_wait = false;
	for (size_t i = 0; i < ch->n_known; i++) {
		struct chooser_known *k = &ch->known[i];
		whole = whole && k->verdict != UNREAD;
		if (waits[i])
			k->pins = PINS_UNKNOWN;
		k->expired = k->deadline && k->deadline <= now && (k->verdict == READY || k->verdict == OTHERS) &&
			     !is_skipped(ch, k->id);
		if (k->verdict == READY || k->verdict == OTHERS)
			sooner(&ch->next_ready, k->deadline, now);
		if (!k->expired && (k->verdict == OTHERS || k->verdict == UNREAD || waits[i] || k->paused))
			continue;
		if (!k->expired && k->not_before > now) {
			sooner(&ch->next_ready, k->not_before, now);
			ch->tries_wait = ch->tries_wait || (k->verdict == READY && k->back_off == k->not_before);
			continue;
		}
		if (k->verdict == READY && !k->expired && (!seen || lacks_store(ch, l, k)))
			continue;
		if (q->shares.fair)
			k->share = share_of(&q->shares, k->brief);
		q->v[q->n++] = k;
	}
	free(waits);
	qsort(q->v, q->n, sizeof *q->v, by_turn);
	for (size_t i = 0; i < q->n && *ch->kept_for; i++)
		if (!strcmp(q->v[i]->id, ch->kept_for) && !q->v[i]->expired)
			q->turn = q->v[i];
	return whole;
}

/* Who was found to have signed it counts from now on. False: that is somebody with more running than who it says has
 * submitted it, so it has to stand in line anew. */
static bool vouch(struct chooser_known *k, const struct grid_config *c, const struct pick *p, struct line *q)
{
	size_t before = running(q, k);
	if (!k->brief || k->vouched || !p->signer[0] || !pick_runs(p))
		return true;
	keep_brief(k, c, p->task.doc, p->signer);
	k->vouched = true;
	if (q->shares.fair)
		k->share = share_of(&q->shares, k->brief);
	return running(q, k) <= before;
}

/* What this node holds: by the branch, less what the commit ends, and what runs here for nobody. */
static void weigh(struct chooser *ch, const struct grid_config *c)
{
	seats_load(&ch->seats, ch->node, c, &ch->load);
	for (size_t i = 0; i < ch->n_gone; i++) {
		struct fit_want w;
		fit_want_read(&w, ch->gone[i]);
		fit_load_put(&ch->load, ch->node, c, &w, 0);
	}
}

static void begin_line(struct line *q, struct chooser *ch, const struct grid_config *c)
{
	q->v = xcalloc(ch->n_known + 1, sizeof *q->v);
	q->later = xcalloc(ch->n_known + 1, sizeof *q->later);
	q->shares.fair = c->fair_share;
	for (size_t i = 0; i < ch->seats.n && q->shares.fair; i++) {
		size_t share = share_of(&q->shares, ch->seats.v[i]);
		q->shares.v[share].running++;
	}
}

/* Room is kept from one choice to the next: for the task that waits for it, or for the one whose turn it still is. */
static void remember_kept(struct chooser *ch, const struct line *q)
{
	const struct chooser_known *k = q->kept;
	for (size_t i = q->first; i < q->n && !k; i++)
		k = q->v[i] == q->turn ? q->turn : NULL;
	snprintf(ch->kept_for, sizeof ch->kept_for, "%s", k ? k->id : "");
	ch->kept_until = q->kept ? q->kept_until : 0;
}

/* How often in a row others were chosen and not the first. */
static void remember_passed(struct chooser *ch, const struct line *q)
{
	size_t i = q->first;
	while (i < q->n && q->v[i] != q->lead)
		i++;
	const char *id = q->lead && i < q->n ? q->lead->id : "";
	ch->passed = strcmp(ch->passed_id, id) ? *id != 0 : ch->passed + 1;
	snprintf(ch->passed_id, sizeof ch->passed_id, "%s", id);
}

static void end_line(struct line *q)
{
	for (size_t i = 0; i < q->shares.n; i++)
		free(q->shares.v[i].who);
	free(q->shares.v);
	free(q->later);
	free(q->v);
}

/* It is not to wait in a node: while it has its place under a limit others have not, or it came back from such a wait.
 */
static bool never_ahead(const struct grid_config *c, const struct chooser_known *k)
{
	struct limit l;
	return !k->expired && (k->came_back || (k->brief && limit_at(c, k->brief, 0, &l)));
}

/* It failed here, and another may do better: this node waits for that, not for long. */
static bool leaves(struct chooser *ch, const struct chooser_known *k, const struct pick *p, int64_t now)
{
	if (k->left <= now || !pick_runs(p) || !ch->others || !ch->others(ch->ctx, &p->task))
		return false;
	sooner(&ch->next_ready, k->left, now);
	ch->tries_wait = true;
	return true;
}

/* Does the one at `first` go? It is in p then. whole: false when something could not be read. */
static bool goes(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node, struct line *q,
		 struct pick *p, bool *whole)
{
	struct chooser_known *k = q->v[q->first++];
	struct err e;
	/* Some other hand put the id into two folders: nothing could be recorded. */
	int elsewhere = ledger_elsewhere(l, TASK_QUEUE, k->id, &e);
	*whole = *whole && elsewhere >= 0;
	if (elsewhere)
		return false;
	bool known = judge(ch, l, c, node, k, p);
	*whole = *whole && k->verdict != UNREAD;
	if (known && !vouch(k, c, p, q))
		q->first--;
	else if (known && leaves(ch, k, p, q->now))
		;
	else if (known && (!pick_runs(p) || !ch->can_run || ch->can_run(ch->ctx, &p->task)) &&
		 (!pick_runs(p) || !k->brief || limit_room(c, k->brief, ch->seats.v, ch->seats.n, NULL)))
		return true;
	pick_clear(p);
	return false;
}

size_t choose(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node, int64_t now,
	      size_t want, size_t spread, struct pick *picks)
{
	size_t got = 0;
	struct err e;
	struct line q = {.now = now, .spread = spread ? spread : 1};
	bool seen = !seats_look(&ch->seats, l, &e), whole = !refresh(ch, l, c, node) && seen;
	if (!seen)
		log_at(LOG_WARN, "worker", "what runs cannot be read, so nothing is claimed: %s", e.msg);
	seats_take(&ch->seats, ch->said, NULL, ch->n_said);
	weigh(ch, c);
	begin_line(&q, ch, c);
	whole = line_up(ch, l, now, seen, &q) && whole;
	size_t at_once = want - (ch->ahead < want ? ch->ahead : want), share = q.n / (ch->sharers ? ch->sharers : 1);
	ch->ready = q.n;
	if (want > at_once && want > share)
		want = share > at_once ? share : at_once;
	while (got < want) {
		if (got >= at_once && !q.ahead)
			go_ahead(&q);
		pass_by_full(&q, c, ch);
		if (q.first == q.n)
			break;
		struct chooser_known *k = draw(ch, &q);
		if (q.ahead && never_ahead(c, k)) {
			q.first++;
			continue;
		}
		if (!goes(ch, l, c, node, &q, &picks[got], &whole))
			continue;
		if (!pick_runs(&picks[got++]))
			continue;
		if (!q.ahead)
			fit_load_put(&ch->load, ch->node, c, &k->want, now + k->want.seconds);
		if (k->brief)
			seats_add(&ch->seats, k->brief);
		if (k->brief && q.shares.fair)
			q.shares.v[k->share].running++;
	}
	remember_kept(ch, &q);
	if (got)
		remember_passed(ch, &q);
	end_line(&q);
	ch->unread = whole ? 0 : ch->unread + 1;
	ch->told_unread = ch->told_unread && !whole;
	ch->tries_wait = ch->tries_wait || !whole;
	if (!whole && (!ch->next_ready || ch->next_ready > now + UNREAD_WAIT_SECONDS))
		ch->next_ready = now + UNREAD_WAIT_SECONDS;
	return got;
}

bool pick_runs(const struct pick *p)
{
	return !p->invalid_text && !p->expired;
}

void pick_clear(struct pick *p)
{
	task_clear(&p->task);
	free(p->invalid_text);
	*p = (struct pick){0};
}

void chooser_again(struct chooser *ch, int64_t at)
{
	sooner(&ch->next_ready, at, 0);
}

void chooser_tried(const struct chooser *ch, struct strs *ids)
{
	for (size_t i = 0; i < ch->n_known; i++)
		if (ch->known[i].tried)
			strs_add(ids, ch->known[i].id);
}

void chooser_forget(struct chooser *ch)
{
	for (size_t i = 0; i < ch->n_known; i++)
		forget(&ch->known[i]);
	free(ch->known);
	ch->known = NULL;
	ch->n_known = 0;
}

void chooser_clear(struct chooser *ch)
{
	chooser_forget(ch);
	strs_clear(&ch->skips);
	seats_clear(&ch->seats);
	fit_load_clear(&ch->load);
	*ch = (struct chooser){0};
}
