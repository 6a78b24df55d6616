#include "worker/reaper.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/node.h"
#include "store/heartbeat.h"
#include "store/orders.h"
#include "store/registry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_BEATS 3

void reaper_clear(struct reaper *r)
{
	for (size_t i = 0; i < r->n_leases; i++)
		free(r->leases[i].nonce);
	free(r->seen);
	free(r->leases);
	*r = (struct reaper){0};
}

void orphans_clear(struct orphans *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->v[i].nonce);
	free(o->v);
	*o = (struct orphans){0};
}

const char *fate_name(enum fate f)
{
	static const char *const names[] = {"requeue", "lost", "cancelled"};
	return names[f];
}

static struct reaper_sight *sight_of(struct reaper *r, const char *node)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->seen[i].node, node))
			return &r->seen[i];
	r->seen = xrealloc(r->seen, (r->n + 1) * sizeof *r->seen);
	r->seen[r->n] = (struct reaper_sight){0};
	snprintf(r->seen[r->n].node, sizeof r->seen[r->n].node, "%s", node);
	return &r->seen[r->n++];
}

/* Notes which hearts have beaten since the last look, and whose clock is wrong. */
static void watch_hearts(struct reaper *r, const struct beats *beats, const struct grid_config *c)
{
	int64_t now_ms = clock_mono_ms(), now = clock_now();
	for (size_t i = 0; i < beats->n; i++) {
		const struct beat *b = &beats->v[i];
		struct reaper_sight *s = sight_of(r, b->node);
		bool first = !s->oid[0];
		if (!strcmp(s->oid, b->oid))
			continue;
		snprintf(s->oid, sizeof s->oid, "%s", b->oid);
		if (first)
			continue; /* old or new: the next change will tell */
		s->changed_ms = now_ms;
		struct node_view v;
		node_read(&v, b->doc);
		int64_t off = v.seen - now, tolerance = c->max_clock_skew_seconds + c->heartbeat_seconds;
		if (v.seen && (off > c->max_clock_skew_seconds || -off > tolerance + (v.next_due - v.seen))) {
			if (!s->skew_told)
				log_at(LOG_WARN, "reaper", "the clock of node %s is off by about %lld s against ours",
				       b->node, (long long)off);
			s->skew_told = true;
		} else
			s->skew_told = false;
	}
}

/* How long, by our own clock, the claim has said what it says now. */
static int64_t lease_age_ms(struct reaper *r, const struct json *doc)
{
	const char *nonce = task_claim_nonce(doc);
	int64_t until = task_lease_until(doc), now = clock_mono_ms();
	struct reaper_lease *l = NULL;
	for (size_t i = 0; i < r->n_leases && !l; i++)
		if (!strcmp(r->leases[i].nonce, nonce))
			l = &r->leases[i];
	if (!l) {
		r->leases = xrealloc(r->leases, (r->n_leases + 1) * sizeof *r->leases);
		l = &r->leases[r->n_leases++];
		*l = (struct reaper_lease){.nonce = xstrdup(nonce)};
	}
	l->present = true;
	if (l->until != until) {
		l->until = until;
		l->since_ms = now;
	}
	return now - l->since_ms;
}

/* Forgets the leases that the last look did not meet. */
static void forget_leases(struct reaper *r)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->n_leases; i++)
		if (r->leases[i].present) {
			r->leases[kept] = r->leases[i];
			r->leases[kept++].present = false;
		} else
			free(r->leases[i].nonce);
	r->n_leases = kept;
}

static enum fate fate_of(const struct json *doc)
{
	if (json_get(doc, "cancel"))
		return FATE_CANCELLED;
	return task_attempts_used(doc) + 1 >= task_max_attempts(doc) ? FATE_LOST : FATE_REQUEUE;
}

static void note_retired(struct orphan *o, const char *node, const struct json *order)
{
	char words[ORDER_WORDS];
	o->evidence.retired = json_time(order, "at");
	snprintf(o->why, sizeof o->why, "node %s is %s", node, order_words("retired", order, words));
}

/* 1: people have retired the node of the claim; 0: no; -1: it cannot be read now. */
static int is_retired(struct ledger *l, const char *node, struct orphan *o)
{
	struct err e;
	struct json *order = NULL;
	if (!task_id_valid(node))
		return 0;
	int rc = orders_of_node(l, ORDER_RETIRED, node, &order, &e);
	if (!rc && json_time(order, "at"))
		note_retired(o, node, order);
	json_free(order);
	return rc ? -1 : o->evidence.retired != 0;
}

/* True when the claim in doc is an orphan; why says what shows it. */
static bool judge(struct reaper *r, struct ledger *l, const struct beats *beats, const struct grid_config *c,
		  const struct json *doc, struct orphan *o)
{
	const struct json *claim = json_get(doc, "claim");
	const char *node = json_str(claim, "node"), *claimed = json_str(claim, "claimed_at");
	int64_t now = clock_now(), lease = task_lease_until(doc), at = 0, skew = c->max_clock_skew_seconds;
	char a[32], b[32], *why = o->why;
	if (!node || !task_claim_nonce(doc) || !claimed || clock_parse(claimed, &at)) {
		snprintf(why, 256, "the claim names no node, nonce or time");
		return true;
	}
	struct node_view file, beat;
	struct err e;
	int retired = is_retired(l, node, o);
	if (retired)
		return retired > 0;
	struct json *registered = task_id_valid(node) ? registry_node(l, node, &e) : NULL;
	if (!registered && task_id_valid(node) && !ledger_answered(&e))
		return false; /* who cannot be looked at is not dead */
	node_read(&file, registered);
	node_read(&beat, heartbeats_of(beats, node));
	const struct node_view *last = beat.seen > file.seen ? &beat : &file;
	int64_t seen = last->seen > at ? last->seen : at, due = last->next_due;
	if (due > seen + NODE_PROMISE_MAX)
		due = seen + NODE_PROMISE_MAX;
	struct reaper_sight *s = sight_of(r, node);
	if (s->file_seen && s->file_seen != file.seen) /* a node that pushes to the ledger may not beat besides */
		s->changed_ms = clock_mono_ms();
	s->file_seen = file.seen;
	bool left = last == &file && !strcmp(file.status, "left") && file.seen >= at; /* no beat says goodbye */
	bool beats_now = s->changed_ms && clock_mono_ms() - s->changed_ms <= c->orphan_after_seconds * 1000;
	int64_t age = lease_age_ms(r, doc),
		length = (c->lease_seconds ? c->lease_seconds : lease - at) * 1000 + skew * 1000;
	int64_t beat_seconds = due - last->seen > c->heartbeat_seconds ? due - last->seen : c->heartbeat_seconds;
	beat_seconds = beat_seconds > c->orphan_after_seconds ? c->orphan_after_seconds : beat_seconds;
	bool orphan = true, unread = !beat.doc; /* anybody may push there, and take away what he finds */
	if (unread && !left && !s->unread_told)
		log_at(LOG_WARN, "reaper", "the heartbeat of node %s %s, so its lease decides", node,
		       heartbeats_unread(beats, node) ? "cannot be read" : "is not there");
	s->unread_told = unread;
	if (left) {
		o->evidence.left = file.seen;
		snprintf(why, 256, "node %s left at %s", node, clock_format(file.seen, a));
	} else if ((beats_now && age <= length) || (r->patient && age < WATCH_BEATS * 1000 * beat_seconds))
		orphan = false;
	else if (lease && now > lease + skew) {
		o->evidence.lease_until = lease;
		snprintf(why, 256, "the lease ran out at %s, %lld s ago (tolerance %lld s)", clock_format(lease, a),
			 (long long)(now - lease), (long long)skew);
	} else if (!unread && now > seen + c->orphan_after_seconds + skew && now > due + skew) {
		o->evidence.seen_at = seen;
		o->evidence.next_due = due;
		snprintf(why, 256, "no sign of life from node %s since %s, %lld s ago (its next was due at %s)", node,
			 clock_format(seen, a), (long long)(now - seen), clock_format(due, b));
	} else
		orphan = false;
	json_free(registered);
	return orphan;
}

/* found: what was seen of it; its id and claim are filled in here. */
static void add(struct orphans *out, const char *id, const struct json *doc, const struct orphan *found)
{
	const struct json *claim = json_get(doc, "claim");
	const char *node = json_str(claim, "node"), *nonce = task_claim_nonce(doc);
	struct orphan o = *found;
	o.fate = fate_of(doc);
	o.lease_until = task_lease_until(doc);
	snprintf(o.id, sizeof o.id, "%s", id);
	snprintf(o.node, sizeof o.node, "%.64s", node ? node : "");
	o.nonce = xstrdup(nonce ? nonce : "");
	out->v = xrealloc(out->v, (out->n + 1) * sizeof *out->v);
	out->v[out->n++] = o;
}

int reaper_look(struct reaper *r, struct ledger *l, const struct grid_config *c, const char *self, struct orphans *out,
		struct err *e)
{
	struct beats beats = {0};
	struct strs ids = {0};
	*out = (struct orphans){0};
	/* Where nothing is claimed nobody's heart matters. */
	if (ledger_ids(l, TASK_IN_PROGRESS, &ids, e) ||
	    (ids.n && (heartbeats_fetch(&l->git, e) || heartbeats_read(&l->git, &beats, e)))) {
		heartbeats_clear(&beats);
		strs_clear(&ids);
		return -1;
	}
	watch_hearts(r, &beats, c);
	for (size_t i = 0; i < ids.n; i++) {
		struct orphan found = {0};
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], NULL);
		const char *node = json_str(json_get(doc, "claim"), "node");
		/* What is no task at all lies still: nobody knows what was claimed. */
		if (doc && !(self && node && !strcmp(self, node)) && judge(r, l, &beats, c, doc, &found))
			add(out, ids.v[i], doc, &found);
		json_free(doc);
	}
	forget_leases(r);
	strs_clear(&ids);
	heartbeats_clear(&beats);
	return 0;
}

int reaper_own(struct ledger *l, const char *node, const char *const *kept, size_t n_kept, struct orphans *out,
	       struct err *e)
{
	struct strs ids = {0};
	static const struct orphan restarted = {.why = "the node was restarted"};
	*out = (struct orphans){0};
	int rc = ledger_ids(l, TASK_IN_PROGRESS, &ids, e);
	for (size_t i = 0; i < ids.n && !rc; i++) {
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], e);
		const char *owner = json_str(json_get(doc, "claim"), "node"), *nonce = task_claim_nonce(doc);
		bool keep = !owner || !nonce || strcmp(owner, node) != 0;
		rc = doc || ledger_answered(e) ? 0 : -1;
		for (size_t k = 0; k < n_kept && !keep; k++)
			keep = !strcmp(nonce, kept[k]);
		if (!keep)
			add(out, ids.v[i], doc, &restarted);
		json_free(doc);
	}
	strs_clear(&ids);
	return rc;
}

int reaper_retired(struct ledger *l, const char *node, const struct json *order, struct orphans *out, struct err *e)
{
	struct strs ids = {0};
	struct orphan found = {0};
	*out = (struct orphans){0};
	note_retired(&found, node, order);
	int rc = ledger_ids(l, TASK_IN_PROGRESS, &ids, e);
	for (size_t i = 0; i < ids.n && !rc; i++) {
		struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, ids.v[i], e);
		const char *owner = json_str(json_get(doc, "claim"), "node");
		rc = doc || ledger_answered(e) ? 0 : -1;
		if (owner && !strcmp(owner, node))
			add(out, ids.v[i], doc, &found);
		json_free(doc);
	}
	strs_clear(&ids);
	return rc;
}

static void note_time(struct json *evidence, const char *name, int64_t utc_seconds)
{
	char when[32];
	if (utc_seconds)
		json_set(evidence, name, json_new_str(clock_format(utc_seconds, when)));
}

void reaper_note(struct json *doc, const struct orphan *o)
{
	const struct json *list = json_get(doc, "attempts");
	struct json *entry = list ? list->child : NULL, *evidence = json_new(JSON_OBJECT);
	while (entry && entry->next)
		entry = entry->next;
	note_time(evidence, "lease_until", o->evidence.lease_until);
	note_time(evidence, "seen_at", o->evidence.seen_at);
	note_time(evidence, "next_due", o->evidence.next_due);
	note_time(evidence, "left", o->evidence.left);
	note_time(evidence, "retired", o->evidence.retired);
	if (entry && evidence->child)
		json_set(entry, "evidence", evidence);
	else
		json_free(evidence);
}

/* Did the node speak in the ledger since it was judged silent, or gone? */
static bool spoke(struct ledger *l, const struct orphan *o)
{
	struct node_view file;
	int64_t last = o->evidence.left ? o->evidence.left : o->evidence.seen_at;
	struct err e = {0};
	struct json *doc = last && task_id_valid(o->node) ? registry_node(l, o->node, &e) : NULL;
	node_read(&file, doc);
	bool yes = doc ? file.seen > last : !ledger_answered(&e);
	json_free(doc);
	return yes;
}

struct healing {
	struct ledger *l;
	const struct orphan *o;
};

enum task_state reaper_end(struct json *doc, const struct orphan *o)
{
	if (o->fate == FATE_REQUEUE)
		task_end_claim(doc, "lost", o->why, NULL);
	else
		task_set_verdict(doc, fate_name(o->fate), o->why);
	reaper_note(doc, o);
	return o->fate == FATE_REQUEUE ? TASK_QUEUE : TASK_FAILED;
}

static enum change_verdict edit_heal(void *ctx, struct json *doc, enum task_state *to)
{
	(void)to;
	const struct healing *h = ctx;
	const struct orphan *o = h->o;
	const char *nonce = task_claim_nonce(doc);
	/* Still the claim that was judged, and the same verdict? A renewed lease or a cancel makes another. */
	if (strcmp(nonce ? nonce : "", o->nonce) != 0 || fate_of(doc) != o->fate ||
	    task_lease_until(doc) != o->lease_until || spoke(h->l, o))
		return CHANGE_DROP;
	reaper_end(doc, o);
	return CHANGE_APPLY;
}

int reaper_heal(struct ledger *l, const char *who, struct orphans *o, struct err *e)
{
	struct ledger_change *c = xcalloc(o->n + 1, sizeof *c);
	struct healing *h = xcalloc(o->n + 1, sizeof *h);
	for (size_t i = 0; i < o->n; i++) {
		h[i] = (struct healing){.l = l, .o = &o->v[i]};
		c[i] = (struct ledger_change){.id = o->v[i].id,
					      .from = TASK_IN_PROGRESS,
					      .to = o->v[i].fate == FATE_REQUEUE ? TASK_QUEUE : TASK_FAILED,
					      .edit = edit_heal,
					      .ctx = &h[i],
					      .verb = fate_name(o->v[i].fate)};
	}
	int rc = o->n ? ledger_commit(l, who, c, o->n, NULL, NULL, e) : 0;
	for (size_t i = 0; i < o->n; i++)
		o->v[i].landed = c[i].outcome == CHANGE_LANDED;
	free(h);
	free(c);
	return rc;
}
