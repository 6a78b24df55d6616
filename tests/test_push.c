/* A push of several refs tells of each: against a real repository whose hook declines one, and one that raced. */
#include "base/file.h"
#include "git/git.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[] = "/tmp/dgrid-test-XXXXXX";
static struct git g = {.dir = root, .name = (char *)"t", .email = (char *)"t@invalid"};

#define GIT(...) CHECK(!git_run(&g, NULL, &e, (const char *const[]){__VA_ARGS__, NULL}), e.msg)

static struct proc_result got;
static bool ended;

static void keep(void *ctx, const struct proc_result *res)
{
	(void)ctx;
	got = (struct proc_result){.end = res->end, .code = res->code};
	buf_add(&got.out, res->out.data ? res->out.data : "", res->out.len);
	buf_add(&got.err, res->err.data ? res->err.data : "", res->err.len);
	ended = true;
}

static void push(const char *const *args)
{
	struct err e = {0};
	proc_result_clear(&got);
	ended = false;
	CHECK(git_start(&g, args, NULL, keep, &e) != NULL, e.msg);
	while (!ended)
		loop_step(1000);
}

static enum push_outcome of(const char *ref)
{
	struct err e = {0};
	return git_push_outcome_of(&got, ref, &e);
}

int main(void)
{
	static const char hook[] = "#!/bin/sh\ncase $1 in */shut/*) echo 'no files here' >&2; exit 1 ;; esac\n";
	struct err e = {0};
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	if (!mkdtemp(root))
		return 1;
	setenv("HOME", root, 1);
	char *path = xasprintf("%s/origin.git/hooks/update", root);
	GIT("init", "--quiet", "--initial-branch=main", ".");
	GIT("init", "--quiet", "--bare", "origin.git");
	GIT("remote", "add", "origin", "./origin.git");
	CHECK(!file_write(path, hook, sizeof hook - 1, &e) && !chmod(path, 0755), e.msg);
	GIT("commit", "--quiet", "--allow-empty", "-m", "one");
	GIT("push", "--quiet", "origin", "main:main", "main:old");
	GIT("commit", "--quiet", "--allow-empty", "--amend", "-m", "two");

	push((const char *const[]){"push", "--porcelain", "origin", "HEAD:refs/x/new", "HEAD:refs/x/shut/y",
				   "main:main", "HEAD:refs/x/news", NULL});
	CHECK(of("refs/x/new") == PUSH_LANDED, "one lands");
	CHECK(of("refs/x/news") == PUSH_LANDED, "and so does one whose name begins like it");
	CHECK(of("refs/x/shut/y") == PUSH_DECLINED, "one is declined");
	CHECK(git_push_outcome_of(&got, "refs/x/shut/y", &e) == PUSH_DECLINED && strstr(e.msg, "hook declined"), e.msg);
	CHECK(of("refs/heads/main") == PUSH_RACED, "one has what is not here");
	CHECK(of("refs/x/other") == PUSH_UNKNOWN, "of another nothing is known");
	push((const char *const[]){"push", "--porcelain", "origin", "HEAD:refs/x/new", NULL});
	CHECK(of("refs/x/new") == PUSH_LANDED, "what is there already has landed");
	push((const char *const[]){"push", "--porcelain", "./nowhere.git", "HEAD:refs/x/new", NULL});
	CHECK(of("refs/x/new") == PUSH_UNKNOWN, "a remote that does not answer says nothing");

	proc_result_clear(&got);
	free(path);
	CHECK(!file_remove_tree(root, &e), e.msg);
	return test_end("test_push");
}
