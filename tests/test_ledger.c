/* Compare-and-swap against a real bare repository: races, re-application, fencing, and a push whose answer is lost. */
#include "ledger.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/dgrid-test-XXXXXX";
static char *origin;

static void git(const char *const *args)
{
	struct git g = {.dir = root, .name = (char *)"t", .email = (char *)"t@invalid"};
	struct err e = {0};
	CHECK(!git_run(&g, NULL, &e, args), e.msg);
}

static void open_clone(struct ledger *l, const char *name)
{
	struct err e = {0};
	char *dir = xasprintf("%s/%s", root, name);
	CHECK(!ledger_open(l, origin, "main", dir, name, "t@invalid", &e), e.msg);
	free(dir);
}

static void create(struct ledger *l, const char *id, enum change_outcome expected)
{
	struct err e = {0};
	struct ledger_change c = {.id = id, .to = TASK_QUEUE, .create = true, .text = "{\"n\": 0}\n", .verb = "submit"};
	CHECK(!ledger_commit(l, "t", &c, 1, NULL, NULL, &e), e.msg);
	CHECK(c.outcome == expected, id);
}

static enum change_verdict edit_claim(void *ctx, struct json *doc, enum task_state *to)
{
	(void)to;
	task_set_claim(doc, "n", ctx, 60);
	return CHANGE_APPLY;
}

static enum change_verdict edit_finish(void *ctx, struct json *doc, enum task_state *to)
{
	const char *nonce = task_claim_nonce(doc);
	*to = TASK_COMPLETED;
	return nonce && !strcmp(nonce, ctx) ? CHANGE_APPLY : CHANGE_DROP;
}

static enum change_outcome move(struct ledger *l, const char *id, bool claim, const char *nonce)
{
	struct err e = {0};
	struct ledger_change c = {.id = id,
				  .from = claim ? TASK_QUEUE : TASK_IN_PROGRESS,
				  .to = TASK_IN_PROGRESS,
				  .edit = claim ? edit_claim : edit_finish,
				  .ctx = (void *)nonce,
				  .verb = claim ? "claim" : "success"};
	CHECK(!ledger_commit(l, "t", &c, 1, NULL, NULL, &e), e.msg);
	return c.outcome;
}

/* A hook that applies the push and then breaks the connection before the client hears of it. */
static void break_answers(bool on)
{
	char *hook = xasprintf("%s/hooks/post-receive", origin);
	static const char text[] = "#!/bin/sh\nrm -f \"$0\"\nkill -9 $PPID\n";
	struct err e = {0};
	if (on) {
		CHECK(!file_write(hook, text, sizeof text - 1, &e), e.msg);
		chmod(hook, 0755);
	} else
		unlink(hook);
	free(hook);
}

int main(void)
{
	struct ledger a, b;
	struct err e = {0};
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	if (!mkdtemp(root))
		return 1;
	setenv("HOME", root, 1);
	origin = xasprintf("%s/origin.git", root);
	git((const char *const[]){"init", "--quiet", "--bare", "--initial-branch=main", origin, NULL});
	open_clone(&a, "a");
	create(&a, "one", CHANGE_LANDED); /* into an empty repository */
	open_clone(&b, "b");
	CHECK(!ledger_sync(&b, &e), e.msg);
	create(&b, "one", CHANGE_DROPPED); /* an id exists once */
	create(&a, "two", CHANGE_LANDED);
	create(&b, "three", CHANGE_LANDED); /* b's head was stale: re-applied on the new one */
	CHECK(b.rejected == 1, "b lost one race");
	CHECK(!ledger_sync(&a, &e), e.msg);

	CHECK(move(&a, "one", true, "nonce-a") == CHANGE_LANDED, "a claims");
	CHECK(move(&b, "one", true, "nonce-b") == CHANGE_DROPPED, "b finds it claimed");
	CHECK(move(&b, "one", false, "nonce-b") == CHANGE_DROPPED, "no result under a foreign nonce");
	CHECK(ledger_find(&b, "one", &e) == TASK_IN_PROGRESS, "and it stays where it is");
	CHECK(move(&a, "one", false, "nonce-a") == CHANGE_LANDED, "a records its result");

	CHECK(!ledger_sync(&a, &e), e.msg);
	break_answers(true);
	CHECK(move(&a, "two", true, "nonce-2") == CHANGE_LANDED, "a push whose answer is lost is found to have landed");
	break_answers(false);
	CHECK(!ledger_sync(&b, &e), e.msg);
	CHECK(ledger_find(&b, "two", &e) == TASK_IN_PROGRESS, "once");
	bool moved = true;
	CHECK(!ledger_moved(&b, &moved, &e) && !moved, "b is at the head");
	CHECK(move(&a, "three", true, "nonce-3") == CHANGE_LANDED, "a moves on");
	CHECK(!ledger_moved(&b, &moved, &e) && moved, "b sees that the head moved");

	/* An index that lost entries (its clone was damaged) must not take other tasks along. */
	struct git clone = {.dir = a.git.dir, .name = (char *)"t", .email = (char *)"t@invalid"};
	static const char *const lose[] = {"rm", "--cached", "--quiet", "tasks/completed/one.json", NULL};
	struct ledger_change c = {.id = "four", .to = TASK_QUEUE, .create = true, .text = "{}\n", .verb = "submit"};
	CHECK(!ledger_sync(&a, &e) && !git_run(&clone, NULL, &e, lose), e.msg);
	CHECK(ledger_commit(&a, "t", &c, 1, NULL, NULL, &e) == -1 && e.class == ERR_RETRY, e.msg);
	CHECK(strstr(e.msg, "would also change 'tasks/completed/one.json'"), e.msg);
	CHECK(c.outcome == CHANGE_PENDING, "nothing was said");
	CHECK(!ledger_sync(&b, &e), e.msg);
	CHECK(ledger_find(&b, "one", &e) == TASK_COMPLETED && ledger_find(&b, "four", &e) < 0, "nothing was pushed");
	create(&a, "four", CHANGE_LANDED);
	CHECK(!ledger_sync(&b, &e), e.msg);
	CHECK(ledger_find(&b, "one", &e) == TASK_COMPLETED && ledger_find(&b, "four", &e) == TASK_QUEUE,
	      "the next one is whole");

	ledger_close(&a);
	ledger_close(&b);
	CHECK(!file_remove_tree(root, &e), e.msg);
	free(origin);
	return test_end("test_ledger");
}
