/* When may a node push: alone at once, in turns one after the other, and never more than the minute allows. */
#include "base/clock.h"
#include "base/proc.h"
#include "test.h"
#include "worker/turns.h"

static int64_t slot_of(const struct turns *t)
{
	return clock_wall_ms() / t->width_ms;
}

/* Both want to push all the time: each gets its slots, and never the same. */
static void two_take_turns(void)
{
	struct turns a = {.n = 2, .rank = 0, .width_ms = 40}, b = {.n = 2, .rank = 1, .width_ms = 40};
	CHECK(!turns_wait(&a) && !turns_wait(&b), "while nothing collides nobody waits");
	turns_pushed(&a, 10, true);
	turns_pushed(&b, 10, true);
	CHECK(!turns_taken(&a), "one rejection is nothing");
	turns_pushed(&a, 10, true);
	turns_pushed(&b, 10, true);
	CHECK(turns_taken(&a) && turns_taken(&b), "the second begins turns");
	int64_t deadline = clock_mono_ms() + 30000, last_a = 0, last_b = 0;
	int got_a = 0, got_b = 0, shared = 0, twice = 0;
	while ((got_a < 5 || got_b < 5) && clock_mono_ms() < deadline) {
		/* Counted only where the slot is the same before and after the question: then it is that of the answer.
		 */
		int64_t slot = slot_of(&a);
		bool a_may = !turns_wait(&a), b_may = !turns_wait(&b), sure = slot_of(&a) == slot;
		shared += sure && a_may && b_may;
		twice += sure && ((a_may && slot == last_a) || (b_may && slot == last_b));
		if (a_may) {
			turns_pushed(&a, 10, false);
			last_a = slot_of(&a);
			got_a++;
		}
		if (b_may) {
			turns_pushed(&b, 10, false);
			last_b = slot_of(&b);
			got_b++;
		}
		loop_step(1);
	}
	CHECK(got_a >= 5 && got_b >= 5, "both had turns");
	CHECK(!shared, "a slot is one node's");
	CHECK(!twice, "and for one push");
}

static void waits_reach_the_slot(void)
{
	struct turns t = {.n = 5, .rank = 3, .width_ms = 1000, .per_minute = 60};
	for (int i = 0; i < 50; i++) {
		int64_t wait = turns_wait(&t);
		CHECK(wait >= 0 && wait <= 5000, "never longer than a round");
		loop_step(1);
	}
}

static void alone_within_the_minute(void)
{
	struct turns t = {.n = 1, .per_minute = 8, .began = -100000, .heard_at = -100000};
	int64_t begin = clock_mono_ms();
	CHECK(!turns_wait(&t), "the first at once");
	turns_beat(&t);
	CHECK(!turns_wait(&t), "twice at once");
	turns_beat(&t);
	int64_t wait = turns_wait(&t);
	CHECK(wait >= 8250 - (clock_mono_ms() - begin) && wait <= 8250, "then evenly");
	for (int i = 0; i < 6; i++)
		turns_beat(&t);
	wait = turns_wait(&t);
	CHECK(wait >= 66000 - (clock_mono_ms() - begin), "and never more than eight a minute");
	struct turns young = {.n = 1, .per_minute = 8, .began = clock_mono_ms()};
	turns_beat(&young);
	CHECK(turns_wait(&young) > 8000, "who has just begun does not know whether it is alone");
	t.per_minute = 0;
	CHECK(!turns_wait(&t), "without a limit a node alone never waits");
}

static void widths(void)
{
	struct turns t = {0};
	CHECK(turns_own_width(&t) == 0, "nothing is known at first");
	turns_guess(&t, 100);
	CHECK(turns_own_width(&t) >= 300, "a guess from the first fetch");
	for (int i = 0; i < TURNS_TOOK; i++)
		turns_pushed(&t, i == 3 ? 9000 : 200, false);
	CHECK(turns_own_width(&t) >= 250 && turns_own_width(&t) < 400, "one outlier does not count");
	struct turns u = {0};
	for (int i = 0; i < TURNS_TOOK; i++)
		turns_pushed(&u, 203, false);
	CHECK(turns_own_width(&u) == turns_own_width(&t), "nearly the same is the same");
}

int main(void)
{
	two_take_turns();
	waits_reach_the_slot();
	alone_within_the_minute();
	widths();
	return test_end("test_turns");
}
