/* How many tasks a node claims before it has a slot for them. */
#include "schema/task_edit.h"
#include "test.h"
#include "worker/ahead.h"

int main(void)
{
	struct ahead_facts f = {.slots = 4, .most = AHEAD_MAX};
	CHECK(ahead_claims(&f) == 0, "nothing is known");
	f.run_ms = 100;
	CHECK(ahead_claims(&f) == 0, "how long an exchange takes is not known");
	f.exchange_ms = 1000;
	CHECK(ahead_claims(&f) == 50, "ten rounds of four slots, and a quarter to spare");
	f.run_ms = 3000;
	CHECK(ahead_claims(&f) == 2, "so that no slot is free before the next exchange");
	f.run_ms = 4001;
	CHECK(ahead_claims(&f) == 0, "a long task is worth no wait in one node");
	f.run_ms = 1;
	CHECK(ahead_claims(&f) == AHEAD_MAX, "never more");
	f.most = 7;
	CHECK(ahead_claims(&f) == 7, "as many as it was told");
	f.most = 0;
	CHECK(ahead_claims(&f) == 0, "none");
	f.most = AHEAD_MAX;

	CHECK(ahead_lease(&f) == 4, "a lease allows for three exchanges");
	f.exchange_ms = 3600000;
	CHECK(ahead_lease(&f) == TASK_AHEAD_SECONDS, "within the audit's bound");
	f.exchange_ms = 44000;
	f.lease_seconds = 100;
	CHECK(ahead_claims(&f) == 0 && ahead_lease(&f) == 0, "a lease that is too short for that");
	f.lease_seconds = 132;
	CHECK(ahead_claims(&f) == AHEAD_MAX, "long enough");

	f = (struct ahead_facts){.slots = 4, .most = AHEAD_MAX, .run_ms = 100, .exchange_ms = 100};
	CHECK(ahead_surplus(&f, 100, 0) == 0, "nobody idles");
	CHECK(ahead_surplus(&f, 5, 3) == 0, "they begin before the others could");
	CHECK(ahead_surplus(&f, 100, 1) == 50, "one half");
	CHECK(ahead_surplus(&f, 100, 3) == 75, "three quarters");
	CHECK(ahead_surplus(&f, 100, 99) == 95, "but what begins at once stays");
	f.run_ms = 60000; /* it takes longer than it had seemed */
	CHECK(ahead_surplus(&f, 4, 3) == 3, "all but its share");
	return test_end("test_ahead");
}
