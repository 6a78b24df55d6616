#include "worker/turns.h"
#include "base/clock.h"
#include "schema/node.h"
#include "store/registry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_WIDTH_MS 100
#define MAX_WIDTH_MS 20000
#define GUESS_MAX_MS 1200
#define ACTIVE_MS 30000	   /* a node that pushed within this, or within a few rounds, is active */
#define COLLISION_MS 30000 /* two rejections within this are a collision course */
/* A host's minute with a tenth to spare: it counts when pushes arrive, and some take longer than others. */
#define MINUTE_MS 66000
#define HEARD_AHEAD_MS 3600000 /* a clock may be wrong, within reason */
#define ROUNDS_KEPT 3	       /* turns end when nobody else pushed for so many rounds */

/* Steps of about a quarter, so that nodes which measure nearly the same agree. */
static int64_t round_up(int64_t ms)
{
	int64_t step = MIN_WIDTH_MS;
	while (step < ms && step < MAX_WIDTH_MS)
		step += step / 4;
	return step < MAX_WIDTH_MS ? step : MAX_WIDTH_MS;
}

int64_t turns_own_width(const struct turns *t)
{
	int64_t sorted[TURNS_TOOK];
	unsigned n = t->n_took < TURNS_TOOK ? t->n_took : TURNS_TOOK;
	if (!n)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;
		for (; at && sorted[at - 1] > t->took[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = t->took[i];
	}
	/* The longest but one: a single outlier should not slow all down. */
	int64_t longest = sorted[n > 2 ? n - 2 : n - 1];
	return round_up(longest + longest / 4);
}

static int64_t round_ms(const struct turns *t)
{
	return t->width_ms * (int64_t)(t->n ? t->n : 1);
}

/* Turns go on while others push too, and for a few rounds more. */
static void prolong(struct turns *t)
{
	int64_t until = clock_mono_ms() + 2000 + ROUNDS_KEPT * round_ms(t);
	t->until = until > t->until ? until : t->until;
}

struct census {
	struct turns *t;
	const char *self;
	int64_t since, widest, heard_ms;
	size_t n, before; /* before: those whose id comes before ours */
};

static void count_in(struct census *c, const char *id, const struct json *doc)
{
	struct node_view v;
	int64_t heard = json_int(doc, "spoke_ms", 0);
	node_read(&v, doc);
	if (strcmp(id, c->self) != 0 && heard > c->heard_ms && heard < clock_wall_ms() + HEARD_AHEAD_MS)
		c->heard_ms = heard;
	if (!strcmp(id, c->self) || !strcmp(v.status, "left") || v.seen < c->since)
		return;
	int64_t width = json_int(doc, "turn_ms", 0);
	if (width > c->widest && width <= MAX_WIDTH_MS)
		c->widest = width;
	c->n++;
	c->before += strcmp(id, c->self) < 0;
}

static void say_state(struct turns *t)
{
	int64_t now = clock_mono_ms();
	if (t->n < 2)
		snprintf(t->state, sizeof t->state, t->per_minute ? "alone, at most %lld pushes a minute" : "free",
			 (long long)t->per_minute);
	else if (t->per_minute || now < t->until)
		snprintf(t->state, sizeof t->state, "turns of %lld ms, %zu of %zu", (long long)t->width_ms, t->rank + 1,
			 t->n);
	else
		snprintf(t->state, sizeof t->state, "free");
}

/* When the newest push of another was: by its word, but never later than we first saw it, for its clock may be wrong.
 */
static void hear(struct turns *t, int64_t heard_ms)
{
	int64_t mono = clock_mono_ms(), ago = clock_wall_ms() - heard_ms;
	if (!heard_ms || heard_ms == t->heard_ms)
		return;
	t->heard_ms = heard_ms;
	t->heard_at = ago > 0 ? mono - ago : mono;
	t->pause_ms = t->per_minute ? clock_jitter(MINUTE_MS / t->per_minute) - MINUTE_MS / t->per_minute / 2 : 0;
}

void turns_look(struct turns *t, struct ledger *l, const struct beats *newcomers, const char *self,
		int64_t pushes_per_minute)
{
	int64_t window = ROUNDS_KEPT * round_ms(t);
	struct census c = {.t = t, .self = self, .widest = turns_own_width(t)};
	struct strs ids = {0};
	c.since = clock_now() - (window > ACTIVE_MS ? window : ACTIVE_MS) / 1000;
	t->per_minute = pushes_per_minute;
	if (!t->began)
		t->began = clock_mono_ms();
	registry_ids(l, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct err e;
		struct json *doc = registry_node(l, ids.v[i], &e);
		count_in(&c, ids.v[i], doc);
		json_free(doc);
	}
	for (size_t i = 0; newcomers && i < newcomers->n; i++)
		if (task_id_valid(newcomers->v[i].node) && !strs_has(&ids, newcomers->v[i].node))
			count_in(&c, newcomers->v[i].node, newcomers->v[i].doc);
	strs_clear(&ids);
	hear(t, c.heard_ms);
	t->n = c.n + 1;
	t->rank = c.before;
	t->width_ms = c.widest ? c.widest : MIN_WIDTH_MS;
	if (t->per_minute && t->width_ms < MINUTE_MS / t->per_minute)
		t->width_ms = MINUTE_MS / t->per_minute;
	if (turns_taken(t) && strcmp(t->head, l->head) != 0)
		prolong(t);
	snprintf(t->head, sizeof t->head, "%s", l->head);
	say_state(t);
}

void turns_expect(struct turns *t)
{
	prolong(t);
	say_state(t);
}

void turns_beat(struct turns *t)
{
	t->pushed[t->n_pushed++ % TURNS_KEPT] = clock_mono_ms();
}

void turns_guess(struct turns *t, int64_t fetch_ms)
{
	/* All that start together slow each other down; what is too short now is mended by the first exchanges. */
	int64_t guess = 3 * fetch_ms;
	t->took[t->n_took++ % TURNS_TOOK] = guess < GUESS_MAX_MS ? guess : GUESS_MAX_MS;
}

void turns_pushed(struct turns *t, int64_t took_ms, bool rejected)
{
	int64_t now = clock_mono_ms();
	turns_beat(t);
	t->took[t->n_took++ % TURNS_TOOK] = took_ms;
	if (!rejected)
		return;
	t->rejected_at[0] = t->rejected_at[1];
	t->rejected_at[1] = now;
	if (turns_taken(t) || (t->rejected_at[0] && now - t->rejected_at[0] < COLLISION_MS))
		prolong(t);
	say_state(t);
}

bool turns_taken(const struct turns *t)
{
	return t->n > 1 && (t->per_minute || clock_mono_ms() < t->until);
}

/* Our k-th last push, monotonic ms; 0: there was none. */
static int64_t kth_last(const struct turns *t, unsigned k)
{
	return k > t->n_pushed ? 0 : t->pushed[(t->n_pushed - k) % TURNS_KEPT];
}

/* A node that was alone for a while may push twice at once (to claim, and to say what a short script gave), else
 * evenly: those that begin together do not know of each other yet. */
static int64_t budget_wait(const struct turns *t, int64_t now)
{
	unsigned many = (unsigned)(t->per_minute < TURNS_KEPT ? t->per_minute : TURNS_KEPT), burst = 1;
	int64_t each = MINUTE_MS / t->per_minute, oldest = kth_last(t, many), last = kth_last(t, 1), wait = 0;
	if (oldest && oldest + each * many > now)
		wait = oldest + each * many - now;
	if (many > 1 && now - t->began > MINUTE_MS && now - t->heard_at > MINUTE_MS)
		burst = 2;
	int64_t recent = kth_last(t, burst);
	if (recent && recent + each * many > now && last + each > now + wait)
		wait = last + each - now;
	return wait;
}

/* Who listens before it speaks does not speak right after another, even while they disagree on the slots. */
static int64_t silence_wait(const struct turns *t, int64_t now)
{
	int64_t each = MINUTE_MS / t->per_minute, quiet = t->n > 1 ? each / 2 : each + t->pause_ms;
	return t->heard_ms && t->heard_at + quiet > now ? t->heard_at + quiet - now : 0;
}

int64_t turns_wait(const struct turns *t)
{
	int64_t mono = clock_mono_ms(), wall = clock_wall_ms(), last = kth_last(t, 1);
	int64_t silence = t->per_minute ? silence_wait(t, mono) : 0;
	if (t->n < 2 && t->per_minute) {
		int64_t budget = budget_wait(t, mono);
		return silence > budget ? silence : budget;
	}
	if (!turns_taken(t))
		return 0;
	int64_t slot = wall / t->width_ms, into = wall % t->width_ms, n = (int64_t)t->n;
	bool ours = slot % n == (int64_t)t->rank;
	if (ours && silence && into + silence < t->width_ms / 4)
		return silence;
	ours = ours && !silence;
	/* Late in the slot there is no time left, and one push a slot is the rule (1: both clocks are cut to whole ms).
	 */
	if (ours && into < t->width_ms / 4 && (!last || mono - last > into + 1))
		return 0;
	int64_t slots = ((int64_t)t->rank - slot % n + n) % n;
	return (slots ? slots : n) * t->width_ms - into;
}
