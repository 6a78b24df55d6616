/* A push of several refs tells of each: against a real repository whose hook declines one, and one that raced. And one
 * of the branch with another repository's commit, all or nothing. */
#include "base/file.h"
#include "git/push.h"
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

static char base[72], head[72];

/* A commit more on the branch, pushed with one that only the repository "a:b\"" has. */
static enum push_outcome both(struct push_beside *b, const char *ref)
{
	struct err e = {0};
	struct buf out = {0};
	struct git store = g;
	char *dir = xasprintf("%s/a:\"b", root);
	static const char *const tree[] = {"mktree", NULL};
	store.dir = dir;
	*b = (struct push_beside){.objects = xasprintf("%s/.git/objects", dir)};
	snprintf(b->ref, sizeof b->ref, "%s", ref);
	CHECK(!git_run_input(&store, "", 0, &e, tree), e.msg);
	const char *make[] = {"commit", "--quiet", "--allow-empty", "-m", ref, NULL},
		   *tip[] = {"rev-parse", "HEAD", NULL};
	CHECK(!git_run(&store, NULL, &e, make) && !git_run(&store, &out, &e, tip), e.msg);
	buf_first_line(&out, b->commit, sizeof b->commit);
	buf_clear(&out);
	GIT("fetch", "--quiet", "origin", "+main:refs/remotes/origin/main");
	CHECK(git_resolve(&g, "refs/remotes/origin/main", base), "the branch is there");
	GIT("reset", "--quiet", "--hard", base);
	GIT("commit", "--quiet", "--allow-empty", "-m", "more");
	git_resolve(&g, "HEAD", head);
	enum push_outcome said = push_both(&g, "main", base, false, b, &e);
	free(b->objects);
	free(dir);
	return said;
}

static bool there(const char *ref, const char *commit)
{
	char now[72];
	struct git origin = g;
	char *dir = xasprintf("%s/origin.git", root);
	origin.dir = dir;
	bool same = !strcmp(git_resolve(&origin, ref, now) ? now : "", commit);
	free(dir);
	return same;
}

static void all_or_nothing(void)
{
	struct err e = {0};
	struct push_beside b;
	GIT("init", "--quiet", "a:\"b");
	CHECK(both(&b, "refs/x/out") == PUSH_LANDED && b.sent && b.landed, "both land");
	CHECK(there("refs/heads/main", head) && there("refs/x/out", b.commit), "and are there");
	CHECK(both(&b, "refs/x/out") == PUSH_LANDED && b.landed && there("refs/x/out", b.commit), "and once more");
	CHECK(both(&b, "refs/x/shut/y") == PUSH_DECLINED && !b.landed && !b.taken && !b.apart && !b.busy,
	      "the other is declined");
	CHECK(there("refs/heads/main", base) && there("refs/x/shut/y", ""), "then neither is there");
	GIT("push", "--quiet", "origin", "main~1:refs/x/theirs");
	CHECK(both(&b, "refs/x/theirs") == PUSH_RACED && b.taken && there("refs/heads/main", base),
	      "the other is taken");
	char *origin = xasprintf("%s/origin.git", root), *gate = xasprintf("%s/gate", root);
	GIT("-C", origin, "config", "receive.advertiseAtomic", "false");
	CHECK(both(&b, "refs/x/out") == PUSH_DECLINED && b.apart && there("refs/heads/main", base),
	      "a host that knows no atomic pushes takes nothing");
	GIT("-C", origin, "config", "receive.advertiseAtomic", "true");
	CHECK(!file_write(gate, "", 0, &e), e.msg); /* see the hook: another is first */
	CHECK(both(&b, "refs/x/out") == PUSH_RACED && !b.landed && !b.taken, "a race for the branch");
	CHECK(!there("refs/heads/main", head) && !there("refs/x/out", b.commit), "takes neither");
	free(origin);
	free(gate);
}

int main(void)
{
	static const char hook[] = "#!/bin/sh\ncase $1 in */shut/*) echo 'no files here' >&2; exit 1 ;; esac\n"
				   "[ $1 = refs/heads/main ] && rm ../gate 2>&- || exit 0\n"
				   "new=$(git commit-tree -p $2 -m first $2^{tree})\n"
				   "env -u GIT_QUARANTINE_PATH git update-ref $1 $new\n";
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

	all_or_nothing();
	proc_result_clear(&got);
	free(path);
	CHECK(!file_remove_tree(root, &e), e.msg);
	return test_end("test_push");
}
