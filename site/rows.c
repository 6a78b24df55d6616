#include "site/rows.h"
#include "base/clock.h"
#include "base/markup.h"
#include "schema/need.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "store/claimed.h"
#include "store/voters.h"
#include "store/waits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 4096 /* held before the older ones are let go */
#define YEAR_10000 253402300800
#define BIG 1000000000000000 /* numbers beyond are no measure of anything; JavaScript keeps these exactly */

struct reading {
	struct rows *r;
	const struct snapshot *s;
	size_t room_events;
};

const char *row_state(enum task_state s)
{
	static const char *const words[] = {"unapproved", "queued", "running", "completed", "failed"};
	return words[s];
}

int64_t row_time(const struct json *object, const char *name)
{
	int64_t t = json_time(object, name);
	return t > 0 && t < YEAR_10000 ? t : 0;
}

static int64_t number(const struct json *object, const char *name, int64_t dflt)
{
	int64_t n = json_int(object, name, dflt);
	return n > BIG ? BIG : n < -BIG ? -BIG : n;
}

/* ---- JSON ---- */

static void comma(struct buf *b)
{
	if (b->len && b->data[b->len - 1] != '[')
		buf_add(b, ",", 1);
}

static void put_number(struct buf *b, int64_t n)
{
	comma(b);
	buf_addf(b, "%lld", (long long)n);
}

/* A row under construction. The first one writes down what its columns are called, so that each name stands once: here,
 * beside its value. */
struct line {
	struct buf *json, *names; /* names: NULL for all but the first */
};

static struct buf *column(const struct line *l, const char *name)
{
	if (l->names) {
		comma(l->names);
		buf_addf(l->names, "\"%s\"", name);
	}
	return l->json;
}

static void put_text(struct buf *b, const char *s, size_t max)
{
	comma(b);
	markup_json(b, s ? s : "", s ? markup_cut(s, strlen(s), max) : 0);
}

static void put_labels(struct buf *b, const struct json *labels)
{
	int n = 0;
	comma(b);
	buf_adds(b, "[");
	for (const struct json *l = labels ? labels->child : NULL; l && n < 16; l = l->next)
		if (l->type == JSON_STRING) {
			put_text(b, l->text, 64);
			n++;
		}
	buf_adds(b, "]");
}

const char *row_badge(const char *status)
{
	size_t i = result_status_index(status);
	return i < RESULT_N_STATUSES		       ? result_statuses[i]
	       : status && !strcmp(status, "orphaned") ? "orphaned"
						       : "other";
}

/* ---- one task ---- */

const char *row_orphan(const struct snapshot *s, const struct json *doc, char why[200])
{
	const char *node = json_str(json_get(doc, "claim"), "node");
	int64_t lease = row_time(json_get(doc, "claim"), "lease_until");
	const struct snapshot_node *n = NULL;
	char when[32];
	why[0] = 0;
	for (size_t i = 0; node && i < s->n_nodes; i++)
		if (!strcmp(s->nodes[i].id, node))
			n = &s->nodes[i];
	if (!node)
		snprintf(why, 200, "its claim names no node");
	else if (!n)
		snprintf(why, 200, "its node %.64s is not registered", node);
	else if (n->state == NODE_LEFT)
		snprintf(why, 200, "its node %.64s has left", node);
	else if (n->state == NODE_SILENT)
		snprintf(why, 200, "its node %.64s gave no sign of life since %s", node,
			 n->view.seen > 0 && n->view.seen < YEAR_10000 ? clock_format(n->view.seen, when)
								       : "it was claimed");
	else if (lease && s->now > lease + s->config.max_clock_skew_seconds)
		snprintf(why, 200, "its lease ran out at %s", clock_format(lease, when));
	return why;
}

static int event_order(const void *pa, const void *pb)
{
	const struct row_event *a = pa, *b = pb;
	return a->when != b->when ? (a->when > b->when ? -1 : 1) : strcmp(a->json.data, b->json.data);
}

static void newest_events(struct rows *r)
{
	if (r->n_events)
		qsort(r->events, r->n_events, sizeof *r->events, event_order);
	while (r->n_events > ROWS_EVENTS)
		buf_clear(&r->events[--r->n_events].json);
}

static void add_event(struct reading *x, int64_t when, const char *kind, const char *id, const struct json *attempt)
{
	struct rows *r = x->r;
	if (r->n_events == EVENTS_MAX)
		newest_events(r);
	if (r->n_events == x->room_events) {
		x->room_events = x->room_events ? 2 * x->room_events : 64;
		r->events = xrealloc(r->events, x->room_events * sizeof *r->events);
	}
	struct row_event *v = &r->events[r->n_events++];
	*v = (struct row_event){.when = when};
	buf_adds(&v->json, "[");
	put_number(&v->json, when);
	put_text(&v->json, kind, 16);
	put_text(&v->json, id, 64);
	put_text(&v->json, json_str(attempt, "node"), 64);
	put_text(&v->json, json_str(attempt, "reason"), 200);
	buf_adds(&v->json, "]");
}

static void take_events(struct reading *x, const char *id, const struct json *doc)
{
	const struct json *attempts = json_get(doc, "attempts");
	for (const struct json *a = attempts ? attempts->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		if (outcome &&
		    (!strcmp(outcome, "lost") || !strcmp(outcome, "released") || !strcmp(outcome, "unstartable")))
			add_event(x, row_time(a, "ended_at"), outcome, id, a);
	}
}

static void take_needs(struct reading *x, const char *id, const struct json *doc)
{
	struct needs needs;
	needs_of(doc, &needs);
	for (size_t i = 0; i < needs.n; i++) {
		struct json *list = (struct json *)json_get(x->r->behind, needs.v[i].id);
		if (!list)
			json_set(x->r->behind, needs.v[i].id, list = json_new(JSON_ARRAY));
		json_append(list, json_new_str(id));
	}
	needs_clear(&needs);
}

/* A queued task that no live node may claim. */
static void match_labels(struct reading *x, const struct json *doc)
{
	const struct json *wanted = json_get(doc, "labels");
	if (!wanted || !wanted->child)
		return;
	for (size_t i = 0; i < x->s->n_nodes; i++) {
		const struct snapshot_node *n = &x->s->nodes[i];
		if (n->state != NODE_LEFT && n->state != NODE_SILENT && node_has_labels(n->file, wanted))
			return;
	}
	if (!x->r->unmatched++) {
		struct buf b = {0};
		for (const struct json *l = wanted->child; l; l = l->next)
			buf_addf(&b, "%s%s", b.len ? ", " : "", l->text ? l->text : "?");
		snprintf(x->r->missing, sizeof x->r->missing, "%.*s", (int)markup_cut(b.data, b.len, 150), b.data);
		buf_clear(&b);
	}
}

/* Of a task that several nodes run: how far it is, or what came of it. "": one node runs it. */
static void take_vote(struct reading *x, const struct snapshot_task *t, const struct json *doc, char words[256])
{
	const struct json *quorum = json_get(json_get(doc, "result"), "quorum"),
			  *outliers = json_get(quorum, "outliers");
	struct voters v;
	words[0] = 0;
	vote_outliers(doc, x->r->outliers);
	if (outliers && outliers->type == JSON_ARRAY && outliers->child) {
		struct buf b = {0};
		for (const struct json *n = outliers->child; n; n = n->next)
			buf_addf(&b, "%s%s", b.len ? ", " : "", n->type == JSON_STRING ? n->text : "?");
		snprintf(words, 256, "something else was found by %.*s", (int)markup_cut(b.data, b.len, 180), b.data);
		buf_clear(&b);
	}
	if ((t->state != TASK_QUEUE && t->state != TASK_IN_PROGRESS) || !doc)
		return;
	voters_of(x->s, doc, t->state == TASK_QUEUE, &v);
	if (v.terms.replicas > 1)
		voters_words(&v, words);
	x->r->short_of += v.missing > 0;
	x->r->nodes_missing = v.missing > x->r->nodes_missing ? v.missing : x->r->nodes_missing;
}

static void put_needs(struct buf *b, const struct json *doc)
{
	struct needs needs;
	needs_of(doc, &needs);
	comma(b);
	buf_adds(b, "[");
	for (size_t i = 0; i < needs.n && i < 32; i++)
		put_text(b, needs.v[i].id, 64);
	buf_adds(b, "]");
	needs_clear(&needs);
}

static int64_t attempts_made(const struct json *doc)
{
	return task_attempts_used(doc) + (json_get(doc, "claim") != NULL);
}

static int64_t last_claim(const struct json *doc)
{
	int64_t t = row_time(json_get(doc, "claim"), "claimed_at");
	const struct json *attempts = json_get(doc, "attempts");
	for (const struct json *a = attempts ? attempts->child : NULL; a && !json_get(doc, "claim"); a = a->next)
		t = row_time(a, "claimed_at") ? row_time(a, "claimed_at") : t;
	return t ? t : row_time(json_get(doc, "result"), "started_at");
}

static void count_for_node(struct reading *x, const struct row *row, const struct json *result)
{
	for (size_t i = 0; i < x->s->n_nodes; i++)
		if (!strcmp(x->s->nodes[i].id, row->node)) {
			int64_t cpu = spent_of(result).cpu_ms;
			(row->failed ? x->r->failed : x->r->done)[i]++;
			if (row->ended > x->s->now - 86400 && cpu > 0 && x->r->cpu_ms[i] < BIG)
				x->r->cpu_ms[i] += cpu < BIG ? cpu : BIG;
			return;
		}
}

/* What it says of itself, behind how many points it has and how far they are. */
static char *description_of(const struct snapshot *s, const char *id, const struct json *doc)
{
	char points[64];
	const char *own = json_str(doc, "description");
	points_words(doc, doc ? snapshot_points_done(s, id, doc) : -1, points);
	return xasprintf("%s%s%s", points, points[0] && own && *own ? ": " : "", own ? own : "");
}

static void take_doc(void *ctx, size_t index, const struct json *doc)
{
	struct reading *x = ctx;
	const struct snapshot_task *t = &x->s->tasks[index];
	struct row *row = &x->r->v[x->r->n++];
	const struct json *result = json_get(doc, "result"), *claim = json_get(doc, "claim");
	const char *node = json_str(result ? result : claim, "node"), *status = json_str(result, "status"),
		   *note = json_str(result, "reason");
	char why[200] = "", votes[256], waits[240], waiting[256];
	*row = (struct row){.task = index,
			    .created = row_time(doc, "created_at"),
			    .ended = row_time(result, "finished_at"),
			    .ms = number(result, "duration_ms", -1),
			    .cancelled = t->state == TASK_FAILED && status && !strcmp(status, "cancelled")};
	row->failed = t->state == TASK_FAILED && !row->cancelled;
	x->r->cancelled += row->cancelled;
	int64_t claimed = last_claim(doc);
	row->when = row->ended ? row->ended : claimed > row->created ? claimed : row->created;
	if (t->state == TASK_IN_PROGRESS)
		row->orphan = doc && row_orphan(x->s, doc, why)[0];
	if (!doc)
		note = t->regular ? "the file is no valid JSON" : "not a regular file";
	else if (row->orphan)
		note = why;
	const char *waits_for =
	    t->state == TASK_IN_PROGRESS && doc && !row->orphan ? claimed_waits(x->s, t->id, doc) : NULL;
	char claimed_only[60];
	if (waits_for) {
		snprintf(claimed_only, sizeof claimed_only, "claimed, waits %s", waits_for);
		note = claimed_only;
	}
	take_vote(x, t, doc, votes);
	if (!note && votes[0])
		note = votes;
	row->waiting = t->state == TASK_QUEUE && doc && waits_of(x->s, doc, waits);
	x->r->waiting += row->waiting;
	if (row->waiting) {
		snprintf(waiting, sizeof waiting, "waits for %s", waits);
		note = waiting;
	} else if (t->state == TASK_QUEUE)
		match_labels(x, doc);
	snprintf(row->node, sizeof row->node, "%.*s", (int)markup_cut(node ? node : "", node ? strlen(node) : 0, 64),
		 node ? node : "");
	if (t->state == TASK_COMPLETED || row->failed)
		count_for_node(x, row, result);
	take_events(x, t->id, doc);
	take_needs(x, t->id, doc);
	char *said = result_line(result, row->failed);
	const struct line l = {&row->json, x->r->n == 1 ? &x->r->columns : NULL};
	buf_adds(l.json, "[");
	put_text(column(&l, "id"), t->id, 64);
	put_number(column(&l, "state"), t->state);
	put_text(column(&l, "status"),
		 row->orphan ? "orphaned"
		 : waits_for ? "claimed"
		 : !doc	     ? "invalid"
			     : status,
		 16);
	put_text(column(&l, "node"), row->node, 64);
	put_number(column(&l, "created"), row->created);
	put_number(column(&l, "claimed"), claimed);
	put_number(column(&l, "ended"), row->ended);
	put_number(column(&l, "ms"), row->ms);
	put_number(column(&l, "exit"), number(result, "exit_code", -1));
	put_number(column(&l, "signal"), number(result, "signal", 0));
	put_number(column(&l, "priority"), number(doc, "priority", 5));
	put_labels(column(&l, "labels"), json_get(doc, "labels"));
	const char *group = json_str(doc, "group");
	put_text(column(&l, "group"), group ? group : "", 64);
	char *about = description_of(x->s, t->id, doc);
	put_text(column(&l, "text"), about, 160);
	free(about);
	put_number(column(&l, "tries"), attempts_made(doc));
	put_number(column(&l, "max"), task_max_attempts(doc));
	put_number(column(&l, "timeout"), number(doc, "timeout_seconds", 0));
	put_number(column(&l, "lease"), row_time(claim, "lease_until"));
	put_number(column(&l, "notBefore"), row_time(doc, "not_before"));
	put_text(column(&l, "note"), note, 200);
	put_needs(column(&l, "needs"), doc);
	put_text(column(&l, "said"), said, row->failed ? 160 : 80); /* the cause of a failure stands last */
	free(said);
}

/* ---- all ---- */

static int by_when(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	return a->when != b->when   ? (a->when > b->when ? -1 : 1)
	       : a->task != b->task ? (a->task < b->task ? -1 : 1)
				    : 0;
}

static const struct snapshot *sorting; /* qsort has no context */

static int by_id(const void *pa, const void *pb)
{
	const struct row *a = *(struct row *const *)pa, *b = *(struct row *const *)pb;
	int c = strcmp(sorting->tasks[a->task].id, sorting->tasks[b->task].id);
	return c ? c : by_when(a, b);
}

/* Who gets a page, while there are some: what somebody has to look into first, what only waits last. Of each the
 * newest; none takes all, so that the feed's failures always have theirs. */
enum { PASS_TROUBLE, PASS_RUNNING, PASS_ENDED, PASS_QUEUED, ROWS_PASSES };
static const size_t pages_up_to[ROWS_PASSES] = {ROWS_PAGES / 2, ROWS_PAGES * 4 / 5, ROWS_PAGES, ROWS_PAGES};

static int page_pass(const struct snapshot *s, const struct row *row)
{
	enum task_state state = s->tasks[row->task].state;
	return row->failed || row->orphan			 ? PASS_TROUBLE
	       : state == TASK_IN_PROGRESS			 ? PASS_RUNNING
	       : state == TASK_COMPLETED || state == TASK_FAILED ? PASS_ENDED
								 : PASS_QUEUED;
}

int rows_read(struct rows *r, const struct snapshot *s, struct err *e)
{
	*r = (struct rows){.v = xcalloc(s->n_tasks + 1, sizeof *r->v),
			   .done = xcalloc(s->n_nodes + 1, sizeof *r->done),
			   .failed = xcalloc(s->n_nodes + 1, sizeof *r->failed),
			   .cpu_ms = xcalloc(s->n_nodes + 1, sizeof *r->cpu_ms),
			   .behind = json_new(JSON_OBJECT),
			   .outliers = json_new(JSON_OBJECT)};
	voters_archived(s, r->outliers);
	struct reading x = {.r = r, .s = s};
	size_t *which = xcalloc(s->n_tasks + 1, sizeof *which);
	for (size_t i = 0; i < s->n_tasks; i++)
		which[i] = i;
	int rc = snapshot_stream(s, which, s->n_tasks, take_doc, &x, e);
	free(which);
	if (rc)
		return -1;
	/* What runs is news, whatever its document says of times. */
	for (size_t i = 0; i < r->n; i++)
		if (s->tasks[r->v[i].task].state == TASK_IN_PROGRESS)
			r->v[i].when += YEAR_10000;
	if (r->n)
		qsort(r->v, r->n, sizeof *r->v, by_when);
	r->by_id = xcalloc(r->n + 1, sizeof *r->by_id);
	for (size_t i = 0; i < r->n; i++)
		r->by_id[i] = &r->v[i];
	sorting = s;
	if (r->n)
		qsort(r->by_id, r->n, sizeof *r->by_id, by_id);
	newest_events(r);
	return 0;
}

void rows_pages(struct rows *r, const struct snapshot *s, bool (*had)(void *ctx, const char *id), void *ctx)
{
	/* In a damaged ledger an id may stand in two folders: the newer one gets the page. */
	size_t pages = 0;
	for (int pass = 0; pass < ROWS_PASSES; pass++)
		for (size_t i = 0; i < r->n && pages < pages_up_to[pass]; i++) {
			struct row *row = &r->v[i];
			if (row->page || page_pass(s, row) > pass || rows_find(r, s, s->tasks[row->task].id) != row)
				continue;
			row->page = true;
			pages++;
		}
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i].page && had(ctx, s->tasks[r->v[i].task].id))
			r->v[i].page = rows_find(r, s, s->tasks[r->v[i].task].id) == &r->v[i];
}

void rows_close(struct rows *r, size_t i, int64_t queued)
{
	const struct line l = {&r->v[i].json, i ? NULL : &r->columns};
	put_number(column(&l, "page"), r->v[i].page);
	put_number(column(&l, "queued"), queued);
	buf_adds(l.json, "]");
}

const struct row *rows_find(const struct rows *r, const struct snapshot *s, const char *id)
{
	size_t from = 0, to = r->n;
	while (from < to) {
		size_t mid = (from + to) / 2;
		if (strcmp(s->tasks[r->by_id[mid]->task].id, id) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from < r->n && !strcmp(s->tasks[r->by_id[from]->task].id, id) ? r->by_id[from] : NULL;
}

void rows_clear(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		buf_clear(&r->v[i].json);
	buf_clear(&r->columns);
	for (size_t i = 0; i < r->n_events; i++)
		buf_clear(&r->events[i].json);
	free(r->v);
	free(r->events);
	free(r->by_id);
	free(r->done);
	free(r->failed);
	free(r->cpu_ms);
	json_free(r->behind);
	json_free(r->outliers);
	*r = (struct rows){0};
}
