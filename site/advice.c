#include "site/advice.h"
#include "base/markup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct given {
	const struct snapshot *s;
	const struct rows *rows;
	const struct history *history;
};

static const char *span(int64_t seconds, char out[32])
{
	long long s = seconds < 0 ? 0 : (long long)seconds;
	if (s < 120)
		snprintf(out, 32, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 32, "%lld min", s / 60);
	else
		snprintf(out, 32, "%lld h", s / 3600);
	return out;
}

static void advise(struct buf *b, const char *kind, const char *text)
{
	buf_adds(b, b->data[b->len - 1] == '[' ? "[" : ",[");
	markup_json(b, kind, strlen(kind));
	buf_adds(b, ",");
	markup_json(b, text, strlen(text));
	buf_adds(b, "]");
}

static int by_value(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
	return (a > b) - (a < b);
}

/* How long the tasks that are queued now have waited so far, at the 95th percentile; -1: none. */
static int64_t waited_95(const struct given *x)
{
	int64_t *v = xcalloc(x->rows->n + 1, sizeof *v), p = -1;
	size_t n = 0;
	for (size_t i = 0; i < x->rows->n; i++)
		if (x->s->tasks[x->rows->v[i].task].state == TASK_QUEUE && x->rows->v[i].created &&
		    !x->rows->v[i].waiting)
			v[n++] = x->s->now > x->rows->v[i].created ? x->s->now - x->rows->v[i].created : 0;
	if (n) {
		qsort(v, n, sizeof *v, by_value);
		p = v[(n * 95 + 99) / 100 - 1];
	}
	free(v);
	return p;
}

/* Tasks that are queued each second, as in most of the last three hours: one sweep, however large, is none of that. */
static double steady_arrivals(const struct history *h)
{
	int64_t v[6];
	for (size_t i = 0; i < 6; i++)
		v[i] = h->day.arrivals[h->day.n - 7 + i]; /* the last half hour is not over */
	qsort(v, 6, sizeof *v, by_value);
	return (double)(v[2] + v[3]) / 2 / (double)h->day.step;
}

/* Slots are missing where tasks keep coming faster than they are run. What only waits for its turn ends by itself. */
static void advise_slots(struct buf *b, const struct given *x, int64_t slots, int64_t busy)
{
	const struct history *h = x->history;
	char span1[32], span2[32], text[512];
	int64_t queued = (int64_t)x->s->count[TASK_QUEUE] - (int64_t)(x->rows->unmatched + x->rows->waiting),
		waits = waited_95(x);
	if (waits < h->hour_wait95 / 1000)
		waits = h->hour_wait95 / 1000;
	double run = h->hour_run_mean > 0 ? (double)h->hour_run_mean / 1000 : 10, coming = steady_arrivals(h),
	       rate = (double)slots / run - coming;
	if (queued <= 0 || waits <= 60)
		return;
	if (coming * run > (double)slots) {
		int64_t more = (int64_t)(coming * run - (double)slots + 0.999);
		snprintf(text, sizeof text,
			 "The queue waits %s at the 95th percentile, and tasks keep coming faster than they are run: "
			 "add about %lld slot%s.",
			 span(waits, span1), (long long)more, more == 1 ? "" : "s");
		advise(b, "scale", text);
	} else if (slots && busy >= slots && rate > 0) {
		snprintf(text, sizeof text,
			 "The queue waits %s at the 95th percentile; at the present rate it is empty in about %s.",
			 span(waits, span1), span((int64_t)((double)queued / rate), span2));
		advise(b, "note", text);
	}
}

void advice_put(struct buf *b, const struct snapshot *s, const struct rows *rows, const struct history *history)
{
	const struct given given = {s, rows, history}, *x = &given;
	int64_t slots = 0, busy = 0;
	size_t alive = 0, paused = 0, orphans = 0;
	char text[512];
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		if (n->state != NODE_ACTIVE && n->state != NODE_PAUSED)
			continue;
		alive++;
		paused += n->state == NODE_PAUSED;
		slots += n->state == NODE_ACTIVE && n->view.slots > 0 && n->view.slots < 100000 ? n->view.slots : 0;
		busy += n->state == NODE_ACTIVE && n->view.busy > 0 && n->view.busy < 100000 ? n->view.busy : 0;
	}
	for (size_t i = 0; i < x->rows->n; i++)
		orphans += x->rows->v[i].orphan;
	buf_adds(b, "[");
	if (s->config_problems.n) {
		const char *first = s->config_problems.text.data;
		snprintf(text, sizeof text, "Settings that are not valid are ignored: %.*s", (int)strcspn(first, "\n"),
			 first);
		advise(b, "bad", text);
	}
	char *pause;
	for (size_t i = 0; (pause = told_pause(&s->told, i)); i++) {
		snprintf(text, sizeof text, "Paused: %s. Nobody claims it until dgrid resume.", pause);
		advise(b, "note", text);
		free(pause);
	}
	if (orphans) {
		snprintf(text, sizeof text,
			 "%zu running task%s orphaned: any idle node gives %s back to the queue, or dgrid heal.",
			 orphans, orphans == 1 ? " is" : "s are", orphans == 1 ? "it" : "them");
		advise(b, "bad", text);
	}
	if (paused) {
		snprintf(text, sizeof text,
			 "%zu node%s no claims until %s own trouble is over; the table of nodes says which.", paused,
			 paused == 1 ? " makes" : "s make", paused == 1 ? "its" : "their");
		advise(b, "bad", text);
	}
	if (x->rows->unmatched) {
		snprintf(text, sizeof text, "%zu queued task%s for labels that no live node carries (%s).",
			 x->rows->unmatched, x->rows->unmatched == 1 ? " waits" : "s wait", x->rows->missing);
		advise(b, "bad", text);
	}
	if (x->rows->short_of && alive) {
		snprintf(
		    text, sizeof text,
		    "%zu queued task%s for more nodes to find the same: start at least %zu more with dgrid worker, "
		    "each with a name of its own.",
		    x->rows->short_of, x->rows->short_of == 1 ? " waits" : "s wait", x->rows->nodes_missing);
		advise(b, "bad", text);
	}
	if (s->count[TASK_QUEUE] && !alive) {
		snprintf(text, sizeof text,
			 "%zu task%s queued and no node is there to run %s: start one with dgrid worker.",
			 s->count[TASK_QUEUE], s->count[TASK_QUEUE] == 1 ? " is" : "s are",
			 s->count[TASK_QUEUE] == 1 ? "it" : "them");
		advise(b, "bad", text);
	} else if (alive)
		advise_slots(b, x, slots, busy);
	buf_adds(b, "]");
}
