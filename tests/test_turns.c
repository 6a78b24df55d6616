/* When may a node push: alone at once, in turns one after the other, and never more than the minute allows. */
#include "clock.h"
#include "proc.h"
#include "test.h"
#include "turns.h"

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
	int got_a = 0, got_b = 0, last = 0, twice = 0;
	int64_t end = clock_mono_ms() + 800;
	while (clock_mono_ms() < end) {
		if (!turns_wait(&a)) {
			turns_pushed(&a, 10, false);
			got_a++;
			twice += last == 1;
			last = 1;
		}
		if (!turns_wait(&b)) {
			turns_pushed(&b, 10, false);
			got_b++;
			twice += last == 2;
			last = 2;
		}
		loop_step(1);
	}
	CHECK(got_a >= 3 && got_b >= 3, "both had turns");
	/* A machine that stalls may miss a slot; two pushes in one slot would be far more. */
	CHECK(twice <= (got_a + got_b) / 3, "one after the other");
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
	struct turns t = {.n = 1, .per_minute = 8};
	CHECK(!turns_wait(&t), "the first at once");
	turns_beat(&t);
	CHECK(!turns_wait(&t), "a quarter of the minute at once");
	turns_beat(&t);
	int64_t wait = turns_wait(&t);
	CHECK(wait > 6500 && wait <= 7500, "then evenly");
	for (int i = 0; i < 6; i++)
		turns_beat(&t);
	CHECK(turns_wait(&t) > 50000, "and never more than eight a minute");
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
