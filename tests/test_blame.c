/* Is it the node, or are it the tasks? */
#include "base/clock.h"
#include "base/file.h"
#include "test.h"
#include "worker/blame.h"
#include "worker/probation.h"
#include <stdlib.h>

/* So many runs of a work, so many of them failed; here and on other nodes. */
struct work {
	const char *name;
	int failed, runs, failed_there, runs_there;
};
static const struct row {
	const char *what;
	struct work work[3];
	bool bad;
	double least, most; /* the chance */
} rows[] = {
    {"nothing ran", {{0}}, false, 1, 1},
    {"all is well", {{"g", 0, 20, 0, 20}}, false, 1, 1},
    {"it fails here and nowhere else", {{"g", 5, 5, 0, 10}}, true, 3.3e-4, 3.4e-4},
    {"a node that eats tasks, and one that could run few", {{"g", 20, 20, 0, 3}}, true, 5e-4, 6e-4},
    {"too few failures", {{"g", 4, 4, 0, 50}}, false, 0, 1e-3},
    {"too few others to tell", {{"g", 5, 5, 0, 5}}, false, 3e-3, 5e-3},
    {"it fails everywhere", {{"g", 20, 20, 20, 20}}, false, 1, 1},
    {"a node alone", {{"g", 20, 20, 0, 0}}, false, 1, 1},
    {"others run other work", {{"g", 20, 20, 0, 0}, {"h", 0, 0, 0, 50}}, false, 1, 1},
    {"flaky work, the same share", {{"g", 10, 20, 10, 20}}, false, 0.5, 0.7},
    {"hard work came here, easy work elsewhere", {{"hard", 18, 20, 4, 5}, {"easy", 0, 5, 0, 60}}, false, 0.3, 1},
    {"a little in each of several groups",
     {{"a", 2, 2, 0, 8}, {"b", 2, 2, 0, 8}, {"c", 2, 2, 0, 8}},
     true,
     1.0e-5,
     1.2e-5},
    {"many runs", {{"g", 100, 100, 0, 5000}}, true, 0, 1e-50},
};

static struct blame judge(const struct work *w, size_t n)
{
	size_t k = 0, room = 0;
	for (size_t i = 0; i < n; i++)
		room += (size_t)(w[i].runs + w[i].runs_there);
	struct blame_run *v = xcalloc(room + 1, sizeof *v);
	for (size_t i = 0; i < n && w[i].name; i++) {
		for (int x = 0; x < w[i].runs; x++)
			v[k++] = (struct blame_run){.work = w[i].name, .here = true, .failed = x < w[i].failed};
		for (int x = 0; x < w[i].runs_there; x++)
			v[k++] = (struct blame_run){.work = w[i].name, .failed = x < w[i].failed_there};
	}
	struct blame b = blame_judge(v, k);
	free(v);
	return b;
}

/* A node like any other, looked at over and over: so rarely is it blamed. */
static void false_alarms(void)
{
	uint64_t dice = 88172645463325252u;
	int blamed = 0, looks = 20000;
	for (int look = 0; look < looks; look++) {
		struct work w = {.name = "g"};
		for (int i = 0; i < 60; i++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			bool here = dice % 4 == 0, fails = (dice >> 20) % 100 < 40;
			w.runs += here;
			w.failed += here && fails;
			w.runs_there += !here;
			w.failed_there += !here && fails;
		}
		blamed += judge(&w, 1).bad;
	}
	CHECK(blamed <= looks * 2 / 1000, "false alarms");
}

static void stuck(void)
{
	struct blame_run v[] = {{"a", true, true, true}, {"b", false, false, false}, {"c", true, true, true},
				{"d", true, true, true}, {"e", true, false, false},  {"f", true, true, true}};
	struct blame b = blame_judge(v, 6);
	CHECK(b.bad && b.stuck == 3, "the newest three could be started elsewhere alone");
	v[2].stuck = false;
	b = blame_judge(v, 6);
	CHECK(!b.bad && b.stuck == 1, "not in a row");
}

static void put(const struct ledger *l, const char *folder, int i, const char *members)
{
	struct err e;
	char *dir = xasprintf("%s/tasks/%s", l->git.dir, folder), *path = xasprintf("%s/%s%d.json", dir, folder, i),
	     *text = xasprintf("{\"task_id\": \"%s%d\", \"group\": \"g\", \"script\": \"true\", "
			       "\"timeout_seconds\": 60, %s}\n",
			       folder, i, members);
	CHECK(!file_mkdirs(dir, &e) && !file_write(path, text, strlen(text), &e), path);
	free(dir);
	free(path);
	free(text);
}

/* What failed here and is to be tried again counts at once, wherever it stands. */
static void not_ended(void)
{
	static const char tried[] =
	    "\"attempts\": [{\"node\": \"n1\", \"outcome\": \"released\", \"ended_at\": \"%s\"}, "
	    "{\"node\": \"%s\", \"outcome\": \"failed\", \"ended_at\": \"%s\"}]";
	struct err e;
	struct ledger l = {.git = {.dir = file_temp_dir(&e)}, .head = "1"};
	struct grid_config config;
	struct fit_node node = {.id = "n1"};
	struct chooser ch = {.node = &node};
	struct slots s = {.node_id = "n1"};
	struct selfcheck fit = {0};
	struct probation p = {0};
	struct pick none;
	char now[32];
	config_defaults(&config);
	CHECK(!probation_step(&p, &s, &l, &ch, &fit), "nothing ran");
	clock_format(clock_now(), now);
	char *here = xasprintf(tried, now, "n1", now), *there = xasprintf(tried, now, "n2", now),
	     *well = xasprintf("\"result\": {\"node\": \"n2\", \"status\": \"success\", \"finished_at\": \"%s\"}", now);
	for (int i = 0; i < 10; i++) {
		put(&l, "completed", i, well);
		put(&l, i < 5 ? "queue" : "in_progress", i, i == 0 ? there : here);
		put(&l, "queue", 10 + i, "\"priority\": 5");
	}
	choose(&ch, &l, &config, "n1", clock_now(), 0, 1, &none);
	s.failed = 9;
	CHECK(probation_step(&p, &s, &l, &ch, &fit), "it is blamed");
	CHECK(strstr(fit.blamed, "9 of 9 failed here, of the same work 1 of 11 on other nodes"), fit.blamed);
	free(here);
	free(there);
	free(well);
	chooser_clear(&ch);
	selfcheck_clear(&fit);
	config_clear(&config);
	file_remove_tree(l.git.dir, &e);
	free(l.git.dir);
}

int main(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct blame b = judge(rows[i].work, 3);
		CHECK(b.bad == rows[i].bad && b.chance >= rows[i].least * 0.999999 &&
			  b.chance <= rows[i].most * 1.000001,
		      rows[i].what);
	}
	false_alarms();
	stuck();
	not_ended();
	return test_end("test_blame");
}
