/* Which queued tasks wait, and which never run: random graphs, beside the plain telling of the rule. */
#include "base/file.h"
#include "store/waiting.h"
#include "test.h"
#include <stdlib.h>

enum { N = 40 };
static uint64_t dice = 88172645463325252u;
static size_t below(size_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (size_t)(dice % n);
}

static char ids[N][8];
static struct needs needs[N];

static void need(size_t i, const char *id, bool success)
{
	needs[i].v = xrealloc(needs[i].v, (needs[i].n + 1) * sizeof *needs[i].v);
	needs[i].v[needs[i].n++] = (struct need){xstrdup(id), success};
}

static bool is_in(const struct strs *l, const char *id)
{
	return waiting_among(l, id);
}

static size_t place(const struct strs *l, const char *id)
{
	size_t i = 0;
	while (i < l->n && strcmp(l->v[i], id) != 0)
		i++;
	return i;
}

/* v has the first n of them; the others have completed, or failed. */
static void one_graph(size_t n)
{
	struct ended_ids ended = {0};
	struct waiting_task v[N];
	struct strs skips = {0};
	bool never[N] = {false}, good = true, ordered = true;
	for (size_t i = n; i < N; i++)
		strs_add(below(2) ? &ended.completed : &ended.failed, ids[i]);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = below(4); k > 0; k--)
			need(i, ids[below(N)], below(3) > 0);
		v[i] = (struct waiting_task){.id = ids[i], .needs = &needs[i]};
	}
	waiting_judge(&ended, v, n, &skips);
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < needs[i].n && !never[i]; k++) {
				size_t other = strtoul(needs[i].v[k].id + 1, NULL, 10);
				never[i] = needs[i].v[k].success &&
					   (other < n ? never[other] : is_in(&ended.failed, ids[other]));
				more = more || never[i];
			}
	}
	for (size_t i = 0; i < n; i++) {
		bool open = false, caused = false;
		for (size_t k = 0; k < needs[i].n; k++) {
			const char *id = needs[i].v[k].id;
			open = open ||
			       !(is_in(&ended.completed, id) || (is_in(&ended.failed, id) && !needs[i].v[k].success));
			caused = caused || (needs[i].v[k].success &&
					    (is_in(&ended.failed, id) || place(&skips, id) < place(&skips, ids[i])));
		}
		good = good &&
		       v[i].state == (never[i] ? WAITING_NEVER
				      : open   ? WAITING_FOR
					       : WAITING_NOT) &&
		       (place(&skips, ids[i]) < skips.n) == never[i];
		ordered = ordered && (!never[i] || caused);
	}
	CHECK(good, "each is found as the rule has it");
	CHECK(ordered, "what is skipped stands behind what it is skipped for");
	for (size_t i = 0; i < n; i++)
		needs_clear(&needs[i]);
	strs_clear(&skips);
	ended_clear(&ended);
}

/* Of a skipped task that the commit being made queues again: by what that commit has so far, and by the folders. */
static void again(void)
{
	static const struct {
		const char *needs, *why;
		bool may;
	} cases[] = {
	    {"{\"needs\": [\"good\"]}", "what it needs has succeeded", true},
	    {"{\"needs\": [\"queued\"]}", "what it needs may yet succeed", true},
	    {"{\"needs\": [\"bad\"]}", "what it needs has failed", false},
	    {"{\"after\": [\"bad\"]}", "what it comes after has failed", true},
	    {"{\"needs\": [\"made\"], \"after\": [\"moved\"]}", "both are in the commit", true},
	    {"{\"needs\": [\"moved\"]}", "it is queued again by the commit", true},
	    {"{\"needs\": [\"dropped\"]}", "that change was dropped", false},
	    {"{\"needs\": [\"later\"]}", "that change comes after it", false},
	    {"{\"needs\": [\"cancelled\"]}", "the commit ends it", false},
	    {"{\"needs\": [\"good\", \"nowhere\"]}", "it is on the branch no more", false},
	    {"{\"after\": [\"staged\"]}", "it is not approved", false},
	};
	static const char *const files[] = {"completed/good", "queue/queued", "failed/bad",	  "failed/moved",
					    "failed/dropped", "failed/later", "failed/cancelled", "unapproved/staged"};
	const struct ledger_change c[] = {{.id = "made", .create = true, .to = TASK_QUEUE},
					  {.path = "grid.json"},
					  {.id = "moved", .from = TASK_FAILED, .to = TASK_QUEUE},
					  {.id = "dropped", .from = TASK_FAILED, .to = TASK_QUEUE},
					  {.id = "cancelled", .from = TASK_QUEUE, .to = TASK_FAILED},
					  {.id = "later", .from = TASK_FAILED, .to = TASK_QUEUE}};
	const bool applied[] = {true, true, true, false, true, true};
	char dir[] = "/tmp/test_waiting.XXXXXX";
	struct ledger l = {.draft = {c, applied, 5}};
	struct err e;
	CHECK(mkdtemp(dir), "a folder");
	l.git.dir = dir;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = xasprintf("%s/tasks/%s.json", dir, files[i]), *end = strrchr(path, '/');
		*end = 0;
		CHECK(!file_mkdirs(path, &e), e.msg);
		*end = '/';
		CHECK(!file_write_in_place(path, "{}", 2, &e), e.msg);
		free(path);
	}
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct json_error je;
		struct json *doc = json_parse(cases[i].needs, strlen(cases[i].needs), &je);
		CHECK(doc && waiting_may_again(&l, doc) == cases[i].may, cases[i].why);
		json_free(doc);
	}
	CHECK(!file_remove_tree(dir, &e), e.msg);
}

int main(void)
{
	again();
	for (size_t i = 0; i < N; i++)
		snprintf(ids[i], sizeof ids[i], "t%02zu", i);
	for (int round = 0; round < 300; round++)
		one_graph(1 + below(N - 1));
	return test_end("test_waiting");
}
