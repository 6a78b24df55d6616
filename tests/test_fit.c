/* What keeps a task from a node, over random grids: what `dgrid why` would say of a node is what its chooser does. */
#include "base/clock.h"
#include "base/file.h"
#include "sandbox/machine.h"
#include "store/rooms.h"
#include "test.h"
#include "worker/chooser.h"
#include <stdlib.h>
#include <unistd.h>

#define NOW 1800000000
#define GRIDS 1000
#define TASKS 10

static uint64_t dice = 88172645463325252u;
static int64_t below(int64_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (int64_t)(dice % (uint64_t)n);
}
static bool one_in(int64_t n)
{
	return !below(n);
}

static struct ledger l;
static struct grid_config config;
static struct strs files; /* to be removed */

static struct json *parsed(const char *text)
{
	struct json_error je;
	struct json *j = json_parse(text, strlen(text), &je);
	CHECK(j, text);
	return j;
}

/* ---- a grid at random ---- */

static struct json *a_node(const char *id)
{
	struct buf b = {0};
	buf_addf(&b, "{\"node_id\": \"%s\", \"slots\": %d, \"labels\": [%s]", id, (int)below(6) + 1,
		 one_in(2) ? "\"x\"" : "");
	if (!one_in(8))
		buf_addf(&b,
			 ", \"offer\": {\"cpus\": %d, \"max_cpus\": %d, \"memory_mb\": %d, \"max_memory_mb\": %d, "
			 "\"disk_mb\": %d, \"resources\": {\"gpu\": %d}}",
			 (int)below(8) + 1, (int)below(8) + 1, 128 * ((int)below(8) + 1), 128 * ((int)below(8) + 1),
			 (int)below(40), (int)below(3));
	if (one_in(3))
		buf_addf(&b, ", \"images\": {\"a:1\": %s, \"b:1\": %s}", one_in(3) ? "false" : "true",
			 one_in(2) ? "false" : "true");
	buf_adds(&b, "}");
	struct json *j = parsed(b.data);
	buf_clear(&b);
	return j;
}

static struct json *a_task(const char *id, bool runs)
{
	struct buf b = {0};
	char when[32];
	buf_addf(&b, "{\"task_id\": \"%s\", \"script\": \"true\", \"timeout_seconds\": %d", id, 10 + (int)below(90));
	if (!one_in(6))
		buf_addf(&b, ", \"created_at\": \"%s\"", clock_format(NOW - below(120), when));
	if (one_in(3))
		buf_addf(&b, ", \"priority\": %d", (int)below(3) + 4);
	if (!one_in(3))
		buf_addf(&b, ", \"cpus\": %s", (const char *[]){"0.5", "1", "2", "4", "0.333"}[below(5)]);
	if (!one_in(3))
		buf_addf(&b, ", \"memory_mb\": %d", 64 * ((int)below(8) + 1));
	if (one_in(4))
		buf_addf(&b, ", \"disk_mb\": %d", (int)below(20) + 1);
	if (one_in(4))
		buf_addf(&b, ", \"resources\": {\"gpu\": %d}", (int)below(2) + 1);
	if (one_in(5))
		buf_adds(&b, ", \"labels\": [\"x\"]");
	if (one_in(4))
		buf_adds(&b, ", \"image\": \"b:1\"");
	if (one_in(5))
		buf_adds(&b, ", \"concurrency_group\": \"g\"");
	if (one_in(12))
		buf_addf(&b, ", \"start_after\": \"%s\"", clock_format(NOW - 70 + below(100), when));
	if (runs)
		buf_addf(&b, ", \"claim\": {\"node\": \"n%d\", \"claimed_at\": \"%s\"}", (int)below(2),
			 clock_format(NOW - below(60), when));
	buf_adds(&b, "}");
	struct json *j = parsed(b.data);
	buf_clear(&b);
	return j;
}

static void put(const struct snapshot_task *t)
{
	struct err e;
	char *path = xasprintf("%s/tasks/%s/%s.json", l.git.dir, task_state_name(t->state), t->id),
	     *text = task_text(t->doc);
	CHECK(!file_write(path, text, strlen(text), &e), path);
	strs_add(&files, path);
	free(path);
	free(text);
}

static bool has_image(void *ctx, const struct task *t)
{
	return fit_has_image(ctx, &config, t->image);
}

/* ---- one grid, asked both ways ---- */

/* By the documents: could the node take it now? */
static bool may(const struct snapshot *s, const struct rooms *r, size_t node, const struct snapshot_task *t)
{
	const struct json *running[TASKS];
	struct rooms_found found;
	size_t n = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].state == TASK_IN_PROGRESS)
			running[n++] = s->tasks[i].doc;
	return t->state == TASK_QUEUE && task_ready_at(t->doc) <= NOW &&
	       limit_room(&config, t->doc, running, n, NULL) && rooms_judge(r, node, t, &found);
}

static void one_grid(int number)
{
	struct snapshot_task tasks[TASKS] = {0};
	struct snapshot_node nodes[2] = {0};
	struct snapshot s = {.now = NOW, .config = config, .tasks = tasks, .nodes = nodes, .n_nodes = 2};
	static char ids[TASKS][24], names[2][24];
	s.n_tasks = (size_t)below(TASKS) + 1;
	for (size_t i = 0; i < 2; i++) {
		snprintf(names[i], sizeof names[i], "n%zu", i);
		nodes[i] = (struct snapshot_node){.id = names[i], .file = a_node(names[i])};
		node_read(&nodes[i].view, nodes[i].file);
	}
	for (size_t i = 0; i < s.n_tasks; i++) {
		bool runs = one_in(3);
		snprintf(ids[i], sizeof ids[i], "t%zu", i);
		tasks[i] = (struct snapshot_task){
		    .id = ids[i], .state = runs ? TASK_IN_PROGRESS : TASK_QUEUE, .doc = a_task(ids[i], runs)};
		put(&tasks[i]);
	}
	struct rooms r;
	rooms_open(&r, &s);
	for (size_t i = 0; i < 2; i++) {
		struct pick pick = {0};
		struct fit_node node;
		rooms_node(&nodes[i], &node);
		struct chooser ch = {.node = &node, .can_run = has_image, .ctx = &node};
		size_t got = choose(&ch, &l, &config, nodes[i].id, NOW, 1, 1, &pick);
		char *what = xasprintf("grid %d, node %zu takes %s", number, i, got ? pick.id : "nothing");
		const struct snapshot_task *first = NULL;
		struct fit_want a, b;
		for (size_t k = 0; k < s.n_tasks; k++) {
			if (!may(&s, &r, i, &tasks[k]))
				continue;
			const struct fit_turn x = rooms_turn(&tasks[k], &a);
			const struct fit_turn y = first ? rooms_turn(first, &b) : x;
			first = !first || fit_turns(&x, &y) < 0 ? &tasks[k] : first;
		}
		CHECK(got ? first && !strcmp(first->id, pick.id) : !first, what);
		CHECK(!strcmp(ch.kept_for, r.v[i].kept_for ? r.v[i].kept_for->id : "") || got, what);
		pick_clear(&pick);
		chooser_clear(&ch);
		free(what);
	}
	rooms_close(&r);
	for (size_t i = 0; i < s.n_tasks; i++)
		json_free(tasks[i].doc);
	for (size_t i = 0; i < 2; i++)
		json_free(nodes[i].file);
	for (size_t i = 0; i < files.n; i++)
		unlink(files.v[i]);
	strs_clear(&files);
}

static void grids(void)
{
	static const char *const all[] = {
	    "{\"images\": [\"a:1\", \"b:1\"], \"max_cpus\": 4, \"max_memory_mb\": 512}",
	    "{\"images\": [\"a:1\", \"b:1\"], \"max_cpus\": 4, \"max_memory_mb\": 512, \"default_cpus\": 0.5, "
	    "\"default_memory_mb\": 100}"};
	struct err e;
	struct problems p = {0};
	l = (struct ledger){.git = {.dir = file_temp_dir(&e)}};
	for (int i = 0; i < TASK_N_STATES; i++) {
		char *path = xasprintf("%s/tasks/%s", l.git.dir, task_state_name((enum task_state)i));
		CHECK(!file_mkdirs(path, &e), path);
		free(path);
	}
	for (int k = 0; k < 2; k++) {
		config_defaults(&config);
		config_parse(&config, all[k], strlen(all[k]), &p);
		CHECK(!p.n, all[k]);
		for (int i = 0; i < GRIDS / 2; i++)
			one_grid(i);
		config_clear(&config);
	}
	problems_clear(&p);
	file_remove_tree(l.git.dir, &e);
	free(l.git.dir);
}

/* ---- the words, and a stranger's documents ---- */

static void words(const char *file, const char *task, const char *running, const char *expected)
{
	struct json *f = parsed(file), *t = parsed(task), *runs = running ? parsed(running) : NULL;
	struct fit_node n;
	struct fit_load load = {0};
	struct fit_want w;
	struct fit_obstacle found[FIT_OBSTACLES];
	struct buf said = {0};
	char text[240];
	config_defaults(&config);
	fit_node_read(&n, "n1", f);
	fit_want_read(&w, t);
	if (runs)
		fit_load_add(&load, &n, &config, runs);
	size_t k = fit_never(&n, &config, t, &w, found);
	k = k ? k : fit_room(&n, &config, &w, &load, found);
	for (size_t i = 0; i < k; i++)
		buf_addf(&said, "%s%s", i ? "; " : "", fit_words(&found[i], text));
	buf_adds(&said, "");
	CHECK(!strcmp(said.data ? said.data : "", expected), said.data ? said.data : expected);
	buf_clear(&said);
	fit_load_clear(&load);
	config_clear(&config);
	json_free(f);
	json_free(t);
	json_free(runs);
}

static void all_words(void)
{
#define OFFER                                                                                                          \
	"{\"offer\": {\"cpus\": 8, \"max_cpus\": 4, \"memory_mb\": 1000, \"max_memory_mb\": 256, \"resources\": "      \
	"{\"gpu\": 2}}}"
#define HERE ", \"claim\": {\"node\": \"n1\"}}"
	words(OFFER, "{\"cpus\": 4}", "{\"cpus\": 6" HERE, "2 of 8 processors free, 4 wanted");
	words(OFFER, "{\"cpus\": 0.5}", "{\"cpus\": 7.75" HERE, "0.25 of 8 processors free, 0.5 wanted");
	words(OFFER, "{\"cpus\": 4}", "{\"cpus\": 20" HERE, "0 of 8 processors free, 4 wanted");
	words(OFFER, "{\"memory_mb\": 2048}", NULL, "one task gets at most 256 MB of memory, 2048 wanted");
	words(OFFER, "{\"resources\": {\"gpu\": 1}}", "{\"resources\": {\"gpu\": 2}" HERE, "0 of 2 gpu free, 1 wanted");
	words(OFFER, "{\"resources\": {\"tpu\": 1, \"gpu\": 3}}", NULL,
	      "has no tpu, 1 wanted; one task gets at most 2 gpu, 3 wanted");
	words(OFFER, "{\"labels\": [\"arm\"], \"disk_mb\": 9999999}", NULL, "lacks the label arm");
	words("{\"images\": {\"etl:3\": false}}", "{\"image\": \"etl:3\", \"cpus\": 64}", NULL, "has no image etl:3");
	words("{\"images\": {\"etl:3\": true}}", "{\"image\": \"etl:3\"}", NULL, "");
	words("{\"offer\": {\"cpus\": 1e300, \"memory_mb\": -5, \"disk_mb\": \"x\", \"resources\": [1, {}]}}",
	      "{\"disk_mb\": 1}", NULL, "one task gets at most 0 MB of disk, 1 wanted");
	words("{\"offer\": 7}", "{\"cpus\": 64}", NULL, "");
}

/* Quotas of control groups, of both versions, and of groups above the own one. */
static void groups(void)
{
	static const struct {
		const char *lines, *file, *text;
		double cpus;
		int64_t memory_mb;
	} cases[] = {
	    {"0::/a/b\n", "/a/b/cpu.max", "150000 100000\n", 1.5, 4096},
	    {"0::/a/b\n", "/a/cpu.max", "50000 100000\n", 0.5, 4096},
	    {"0::/a/b\n", "/cpu.max", "max 100000\n", 8, 4096},
	    {"0::/a/b\n", "/a/memory.max", "1073741824\n", 8, 1024},
	    {"0::/a/b\n", "/a/memory.max", "max\n", 8, 4096},
	    {"3:cpuset:/x\n2:cpu,cpuacct:/d/1\n", "/cpu/cpu.cfs_quota_us", "200000\n", 2, 4096},
	    {"9:memory:/d/1\n", "/memory/d/1/memory.limit_in_bytes", "536870912\n", 8, 512},
	    {"9:memory:/d/1\n", "/memory/d/1/memory.limit_in_bytes", "9223372036854771712\n", 8, 4096},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err e;
		struct machine m = {8, 4096};
		char *root = file_temp_dir(&e), *path = xasprintf("%s%s", root, cases[i].file),
		     *slash = strrchr(path, '/');
		*slash = 0;
		CHECK(!file_mkdirs(path, &e), path);
		char *period = xasprintf("%s/cpu.cfs_period_us", path);
		*slash = '/';
		CHECK(!file_write(path, cases[i].text, strlen(cases[i].text), &e), path);
		CHECK(!file_write(period, "100000\n", 7, &e), period);
		machine_groups(&m, root, cases[i].lines);
		CHECK(m.cpus > cases[i].cpus - 0.01 && m.cpus < cases[i].cpus + 0.01 &&
			  m.memory_mb == cases[i].memory_mb,
		      cases[i].text);
		file_remove_tree(root, &e);
		free(root);
		free(path);
		free(period);
	}
	struct machine own;
	machine_read(&own);
	CHECK(own.cpus > 0 && own.memory_mb > 0, "this machine has some");
}

int main(void)
{
	grids();
	all_words();
	groups();
	return test_end("test_fit");
}
