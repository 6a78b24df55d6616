/* What a node takes next of a queue: order, limits, fair share, times. The ledger is a folder without git. */
#include "base/clock.h"
#include "base/file.h"
#include "schema/order.h"
#include "test.h"
#include "worker/chooser.h"
#include <stdlib.h>

#define NOW 1800000000
#define SLOTS 8

static struct ledger l;
static struct grid_config config;
static struct chooser ch;
static struct fit_node node;
static struct json *file;

/* What the node says of itself. */
static void offers(const char *text)
{
	struct json_error je;
	json_free(file);
	file = json_parse(text, strlen(text), &je);
	CHECK(file, text);
	fit_node_read(&node, "n1", file);
	ch.node = &node;
}

static void put(const char *folder, const char *id, const char *members)
{
	struct err e;
	char *path = xasprintf("%s/tasks/%s/%s.json", l.git.dir, folder, id),
	     *text = xasprintf("{\"task_id\": \"%s\", \"script\": \"true\"%s%s%s}\n", id,
			       strstr(members, "timeout_seconds") ? "" : ", \"timeout_seconds\": 60",
			       *members ? ", " : "", members);
	CHECK(!file_write(path, text, strlen(text), &e), path);
	free(path);
	free(text);
}

static void drop(const char *folder, const char *id)
{
	char *path = xasprintf("%s/tasks/%s/%s.json", l.git.dir, folder, id);
	CHECK(!remove(path), path);
	free(path);
}

static void begin(const char *settings)
{
	struct err e;
	struct problems p = {0};
	static const char *const folders[] = {"queue", "in_progress", "completed", "failed", "unapproved"};
	l = (struct ledger){.git = {.dir = file_temp_dir(&e)}};
	for (size_t i = 0; i < 5; i++) {
		char *path = xasprintf("%s/tasks/%s", l.git.dir, folders[i]);
		CHECK(!file_mkdirs(path, &e), path);
		free(path);
	}
	config_defaults(&config);
	config_parse(&config, settings, strlen(settings), &p);
	CHECK(!p.n, settings);
	problems_clear(&p);
	offers("{\"slots\": 8}");
}

static void end(void)
{
	struct err e;
	chooser_clear(&ch);
	config_clear(&config);
	json_free(file);
	file = NULL;
	file_remove_tree(l.git.dir, &e);
	free(l.git.dir);
}

/* The tasks chosen, in order: "a b"; "a!" is one that has expired. */
static void takes(size_t want, const char *expected)
{
	struct pick picks[SLOTS] = {0};
	struct buf said = {0};
	size_t got = choose(&ch, &l, &config, "n1", NOW, want, 1, picks);
	for (size_t i = 0; i < got; i++) {
		buf_addf(&said, "%s%s%s", i ? " " : "", picks[i].id, picks[i].expired ? "!" : "");
		pick_clear(&picks[i]);
	}
	CHECK(!strcmp(said.data ? said.data : "", expected), expected);
	if (strcmp(said.data ? said.data : "", expected) != 0)
		printf("  got: %s\n", said.data ? said.data : "");
	buf_clear(&said);
}

static void order(void)
{
	begin("{}");
	put("queue", "late", "\"created_at\": \"2026-01-02T00:00:00Z\"");
	put("queue", "early", "\"created_at\": \"2026-01-01T00:00:00Z\"");
	put("queue", "first", "\"created_at\": \"2026-01-03T00:00:00Z\", \"priority\": 9");
	takes(8, "first early late");
	takes(2, "first early");
	end();
}

/* Nodes that race draw among the first few, and do not leave the first for long. */
static void spread(void)
{
	char id[16], lead[16] = "";
	bool left[40], others = false;
	int waited = 0;
	begin("{}");
	for (int i = 0; i < 40; i++) {
		char *made = xasprintf("\"created_at\": \"2026-01-01T00:%02d:00Z\"", i);
		snprintf(id, sizeof id, "t%02d", i);
		put("queue", id, made);
		left[i] = true;
		free(made);
	}
	for (int n = 0; n < 40; n++) {
		struct pick pick = {0};
		int first = 0, got, before = 0;
		while (!left[first])
			first++;
		CHECK(choose(&ch, &l, &config, "n1", NOW, 1, 4, &pick) == 1, "one");
		got = (int)strtol(pick.id + 1, NULL, 10);
		for (int i = 0; i < got; i++)
			before += left[i];
		CHECK(before < 4, "one of the first four");
		snprintf(id, sizeof id, "t%02d", first);
		waited = strcmp(id, lead) ? 1 : waited + 1;
		memcpy(lead, id, sizeof lead);
		CHECK(waited <= 4, "the first was left for long");
		others = others || before;
		left[got] = false;
		drop("queue", pick.id);
		pick_clear(&pick);
	}
	CHECK(others, "not always the first");
	end();
}

#define G(n) "\"concurrency_group\": \"g\", \"created_at\": \"2026-01-0" n "T00:00:00Z\""
static void groups(void)
{
	begin("{\"concurrency\": {\"two\": 2, \"label:gpu\": 1}}");
	put("queue", "g1", G("1"));
	put("queue", "g2", G("2"));
	put("queue", "g3", G("3") ", \"priority\": 9");
	put("queue", "free", "\"created_at\": \"2026-01-05T00:00:00Z\"");
	takes(8, "g3 free"); /* one of the group: the most important, not the oldest */
	put("in_progress", "runs", "\"concurrency_group\": \"g\"");
	takes(8, "free");
	/* What this commit ends makes room. */
	const struct ledger_change said = {.id = "runs", .from = TASK_IN_PROGRESS};
	ch.said = &said;
	ch.n_said = 1;
	takes(8, "g3 free");
	ch.n_said = 0;
	/* What is in_progress is read again when it is another. */
	put("in_progress", "runs", "\"concurrency_group\": \"other\"");
	takes(8, "g3 free");
	end();

	begin("{\"concurrency\": {\"two\": 2, \"label:gpu\": 1, \"submitter:*\": 1}}");
	offers("{\"labels\": [\"gpu\"]}");
	put("queue", "a", "\"labels\": [\"gpu\"], \"submitted_by\": \"a\"");
	put("queue", "b", "\"labels\": [\"gpu\"], \"submitted_by\": \"b\"");
	put("queue", "c", "\"submitted_by\": \"c\", \"concurrency_group\": \"two\"");
	put("queue", "d", "\"submitted_by\": \"c\", \"concurrency_group\": \"two\"");
	put("queue", "e", "\"submitted_by\": \"e\", \"concurrency_group\": \"two\"");
	put("queue", "f", "\"submitted_by\": \"f\", \"concurrency_group\": \"two\"");
	takes(8, "a c e");
	end();

	begin("{}");
	put("queue", "m1", "\"concurrency_group\": \"g\", \"max_running\": 2");
	put("queue", "m2", "\"concurrency_group\": \"g\", \"max_running\": 2");
	put("queue", "m3", "\"concurrency_group\": \"g\", \"max_running\": 2");
	put("queue", "one", "\"concurrency_group\": \"g\"");
	takes(8, "m1 m2");
	end();
}

static void shares(void)
{
	begin("{\"fair_share\": true}");
	put("in_progress", "x1", "\"submitted_by\": \"ann\"");
	put("in_progress", "x2", "\"submitted_by\": \"ann\"");
	put("in_progress", "x3", "\"submitted_by\": \"bob\"");
	put("queue", "a1", "\"submitted_by\": \"ann\", \"created_at\": \"2026-01-01T00:00:00Z\"");
	put("queue", "a2", "\"submitted_by\": \"ann\", \"created_at\": \"2026-01-02T00:00:00Z\"");
	put("queue", "b1", "\"submitted_by\": \"bob\", \"created_at\": \"2026-01-03T00:00:00Z\"");
	put("queue", "b2", "\"submitted_by\": \"bob\", \"created_at\": \"2026-01-04T00:00:00Z\"");
	put("queue", "c1", "\"submitted_by\": \"cy\", \"created_at\": \"2026-01-05T00:00:00Z\"");
	put("queue", "p1", "\"submitted_by\": \"ann\", \"created_at\": \"2026-01-06T00:00:00Z\", \"priority\": 7");
	/* Priority first; then cy has none, bob one, and each claim counts. */
	takes(8, "p1 c1 b1 b2 a1 a2");
	end();
}

/* Who signed counts, not who it says: found out one by one. */
static int signed_by(void *ctx, const struct task *t, char signer[128], struct buf *why)
{
	(void)ctx;
	(void)why;
	snprintf(signer, 128, "%.1s", t->id);
	return 1;
}

static void signers(void)
{
	begin("{\"fair_share\": true, \"concurrency\": {\"submitter:*\": 2}}");
	ch.trusted = signed_by;
	put("in_progress", "x1", "\"submitted_by\": \"z\", \"claim\": {\"signed_by\": \"a\"}");
	put("queue", "a1", "\"submitted_by\": \"new-1\", \"created_at\": \"2026-01-01T00:00:00Z\"");
	put("queue", "a2", "\"submitted_by\": \"new-2\", \"created_at\": \"2026-01-02T00:00:00Z\"");
	put("queue", "a3", "\"submitted_by\": \"new-3\", \"created_at\": \"2026-01-03T00:00:00Z\"");
	put("queue", "b1", "\"submitted_by\": \"new-4\", \"created_at\": \"2026-01-04T00:00:00Z\"");
	takes(1, "b1");
	takes(8, "b1 a1");
	end();
}

static void times(void)
{
	char when[32];
	begin("{}");
	char *later = xasprintf("\"start_after\": \"%s\"", clock_format(NOW + 100, when));
	char *over = xasprintf("\"deadline\": \"%s\", \"labels\": [\"nobody\"]", clock_format(NOW - 1, when));
	char *soon = xasprintf("\"deadline\": \"%s\"", clock_format(NOW + 50, when));
	put("queue", "later", later);
	put("queue", "soon", soon);
	put("queue", "over", over);
	takes(8, "over! soon");
	CHECK(ch.next_ready == NOW + 50 && !ch.tries_wait, "the next moment is a deadline");
	char *again = xasprintf("\"not_before\": \"%s\"", clock_format(NOW + 20, when));
	put("queue", "again", again);
	takes(8, "over! soon");
	CHECK(ch.next_ready == NOW + 20 && ch.tries_wait, "or one that is tried again");
	free(later);
	free(over);
	free(soon);
	free(again);
	end();
}

/* Those that wait for a slot here are no more than this node's share, and take no place under a limit. */
static void ahead(void)
{
	char id[3] = "aa", *made = xasprintf("\"created_at\": \"2026-01-01T00:00:00Z\"");
	begin("{}");
	for (; id[1] < 'k'; id[1]++)
		put("queue", id, made);
	put("queue", "back", "\"created_at\": \"2026-01-02T00:00:00Z\", \"attempts\": [{\"outcome\": \"released\"}]");
	ch.ahead = 6;
	takes(8, "aa ab ac ad ae af ag ah");
	CHECK(ch.ready == 11, "what it could have taken");
	ch.sharers = 3; /* of eleven three */
	takes(8, "aa ab ac");
	ch.sharers = 9; /* but its free slots are filled */
	takes(8, "aa ab");
	ch.sharers = 0;
	put("queue", "a0", "\"priority\": 9, \"concurrency_group\": \"g\"");
	put("queue", "a1", "\"priority\": 8, \"concurrency_group\": \"h\"");
	ch.ahead = 7;
	takes(8, "a0 aa ab ac ad ae af ag");
	end();

	begin("{}");
	put("queue", "back", "\"attempts\": [{\"outcome\": \"released\"}]");
	put("queue", "other", "\"priority\": 4");
	ch.ahead = 2;
	takes(2, "other");
	ch.ahead = 1;
	takes(2, "back other");
	end();
	free(made);
}

static bool another; /* node could take it */
static bool others(void *ctx, const struct task *t)
{
	(void)ctx, (void)t;
	return another;
}

/* One that failed here waits for another node, for a minute, if there is one. */
static void left(void)
{
	static const struct {
		const char *node, *outcome;
		int64_t ended, not_before;
		bool another, waits;
	} rows[] = {{"n1", "failed", -10, 0, true, true},     {"n1", "failed", -10, 0, false, false},
		    {"n1", "timeout", -200, -30, true, true}, {"n1", "unstartable", -70, 0, true, false},
		    {"n2", "failed", -10, 0, true, false},    {"n1", "released", -10, 0, true, false},
		    {"n1", "retried", -10, 0, true, false}};
	char when[32], then[32], what[32];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin("{}");
		ch.others = others;
		another = rows[i].another;
		char *members = xasprintf("%s%s%s\"attempts\": [{\"node\": \"n3\", \"outcome\": \"failed\", "
					  "\"ended_at\": \"%s\"}, {\"node\": "
					  "\"%s\", \"outcome\": \"%s\", \"ended_at\": \"%s\"}]",
					  rows[i].not_before ? "\"not_before\": \"" : "",
					  rows[i].not_before ? clock_format(NOW + rows[i].not_before, then) : "",
					  rows[i].not_before ? "\", " : "", clock_format(NOW - 300, when), rows[i].node,
					  rows[i].outcome, clock_format(NOW + rows[i].ended, what));
		put("queue", "it", members);
		takes(1, rows[i].waits ? "" : "it");
		CHECK(!rows[i].waits || ch.tries_wait, "one that leaves when there is nothing to do stays for it");
		free(members);
		end();
		ch.others = NULL;
	}
}

static void pauses(void)
{
	static const char text[] = "{\"pauses\": [{\"group\": \"g\"}, {\"label\": \"l\"}]}";
	char when[32];
	char *over = xasprintf("\"group\": \"g\", \"deadline\": \"%s\"", clock_format(NOW - 1, when));
	struct json *paused = order_parse(text, strlen(text));
	begin("{}");
	offers("{\"labels\": [\"l\"]}");
	put("queue", "a", "\"group\": \"g\"");
	put("queue", "b", "\"labels\": [\"l\"]");
	put("queue", "c", "\"group\": \"h\"");
	put("queue", "d", over);
	ch.paused = paused;
	takes(8, "d! c");
	chooser_forget(&ch);
	ch.paused = NULL;
	takes(8, "d! a b c");
	end();
	json_free(paused);
	free(over);
}

#define AT(s) "\"created_at\": \"2027-01-15T07:" s "Z\""
/* NOW is 2027-01-15T08:00:00Z. */
static void room(void)
{
	begin("{\"max_cpus\": 8, \"max_memory_mb\": 8192}");
	offers("{\"slots\": 8, \"offer\": {\"cpus\": 4, \"max_cpus\": 3, \"memory_mb\": 1024, \"max_memory_mb\": 768,"
	       " \"disk_mb\": 100, \"resources\": {\"gpu\": 2}}}");
	/* More than one task ever gets: not here, with all room free. */
	put("queue", "cpus", "\"cpus\": 3.5, " AT("00:00"));
	put("queue", "memory", "\"cpus\": 1, \"memory_mb\": 800, " AT("00:00"));
	put("queue", "disk", "\"cpus\": 1, \"memory_mb\": 4, \"disk_mb\": 101, " AT("00:00"));
	put("queue", "gpus", "\"cpus\": 1, \"memory_mb\": 4, \"resources\": {\"gpu\": 3}, " AT("00:00"));
	put("queue", "tpu", "\"cpus\": 1, \"memory_mb\": 4, \"resources\": {\"tpu\": 1}, " AT("00:00"));
	takes(8, "");
	/* What does not say asks for all that a task gets: three of four processors, 768 of 1024 MB. */
	put("queue", "any", AT("59:30"));
	put("queue", "any2", AT("59:31"));
	takes(8, "any");
	/* The larger first, being as old; what does not fit is passed by. */
	put("queue", "a1", "\"cpus\": 1, \"memory_mb\": 200, " AT("59:10"));
	put("queue", "a2", "\"cpus\": 3, \"memory_mb\": 200, " AT("59:10"));
	put("queue", "a3", "\"cpus\": 0.5, \"memory_mb\": 200, \"resources\": {\"gpu\": 1}, " AT("59:10"));
	put("queue", "a4", "\"cpus\": 0.5, \"memory_mb\": 200, \"out_mb\": 9, " AT("59:11"));
	takes(8, "a3 a2 a4");
	put("queue", "a0", "\"memory_mb\": 4, " AT("59:10"));
	takes(2, "a3 a0");
	drop("queue", "a0");
	/* What runs here counts, what runs elsewhere does not. */
	put("in_progress", "r1", "\"cpus\": 1, \"memory_mb\": 8, \"claim\": {\"node\": \"n1\"}");
	put("in_progress", "r2", "\"cpus\": 3, \"memory_mb\": 8, \"claim\": {\"node\": \"n2\"}");
	takes(8, "a3 a1 a4");
	end();
}

/* For what waits too long for room, room is kept: by its time, and for as long as it takes. */
static void patience(void)
{
	begin("{\"max_cpus\": 8}");
	offers("{\"slots\": 8, \"offer\": {\"cpus\": 4, \"max_cpus\": 4, \"memory_mb\": 65536, \"max_memory_mb\": "
	       "65536}}");
	put("in_progress", "runs",
	    "\"cpus\": 2, \"claim\": {\"node\": \"n1\", \"claimed_at\": \"2027-01-15T07:59:50Z\"}");
	put("queue", "large", "\"cpus\": 4, " AT("59:01"));
	put("queue", "small", "\"cpus\": 1, " AT("59:20"));
	takes(8, "small"); /* it has waited for 59 seconds */
	put("queue", "large", "\"cpus\": 4, " AT("59:00"));
	takes(8, "");
	CHECK(!strcmp(ch.kept_for, "large") && ch.kept_until == NOW + 50, "its room is free in 50 seconds");
	/* What ends by then may go, and who is more important. */
	put("queue", "quick", "\"cpus\": 1, \"timeout_seconds\": 50, " AT("59:21"));
	put("queue", "vip", "\"cpus\": 1, \"timeout_seconds\": 30, \"priority\": 9, " AT("59:59"));
	takes(8, "vip quick");
	drop("queue", "vip");
	drop("queue", "quick");
	/* Now it fits: it goes, and not by chance. */
	drop("in_progress", "runs");
	for (int i = 0; i < 20; i++) {
		struct pick picks[SLOTS] = {0};
		size_t got = choose(&ch, &l, &config, "n1", NOW, SLOTS, 16, picks);
		CHECK(got == 1 && !strcmp(picks[0].id, "large"), "whose room was kept");
		for (size_t k = 0; k < got; k++)
			pick_clear(&picks[k]);
		snprintf(ch.kept_for, sizeof ch.kept_for, "large");
	}
	/* Beside it there may be enough for both. */
	put("queue", "large", "\"cpus\": 3, " AT("59:00"));
	put("in_progress", "runs",
	    "\"cpus\": 2, \"claim\": {\"node\": \"n1\", \"claimed_at\": \"2027-01-15T07:59:50Z\"}");
	takes(8, "small");
	end();
}

/* What is to wait in the node needs no room yet, and comes in the same order; nothing waits while slots are free. */
static void ahead_of_room(void)
{
	begin("{}");
	offers("{\"slots\": 2, \"offer\": {\"cpus\": 2, \"max_cpus\": 2, \"memory_mb\": 65536, \"max_memory_mb\": "
	       "65536}}");
	put("queue", "a", "\"cpus\": 1, " AT("59:50"));
	put("queue", "b", "\"cpus\": 1, " AT("59:51"));
	put("queue", "c", "\"cpus\": 1, \"memory_mb\": 100, " AT("59:52"));
	put("queue", "d", "\"cpus\": 1, " AT("59:53"));
	ch.ahead = 2;
	takes(4, "a b c d");
	ch.ahead = 0;
	takes(4, "a b");
	put("in_progress", "runs", "\"cpus\": 1, \"claim\": {\"node\": \"n1\"}");
	ch.ahead = 2;
	takes(3, "a b c");
	takes(4, "a");
	end();
}

int main(void)
{
	ahead();
	left();
	pauses();
	order();
	spread();
	groups();
	shares();
	signers();
	times();
	room();
	patience();
	ahead_of_room();
	return test_end("test_chooser");
}
