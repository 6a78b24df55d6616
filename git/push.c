#include "git/push.h"
#include "base/clock.h"
#include "base/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_MS 1000 /* a push may still land after its connection is gone */
#define AGAIN_MS 300 /* who was before us may not have ended yet */

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* Where the branch is now. 0: known; head "" when there is none. */
static int look(const struct git *g, const char *branch, char head[72])
{
	char *spec = xasprintf("+refs/heads/%s:refs/remotes/origin/%s", branch, branch);
	char *ref = xasprintf("refs/remotes/origin/%s", branch);
	int rc = GIT(g, NULL, NULL, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", spec);
	if (!rc)
		git_resolve(g, ref, head);
	else /* without such a branch a fetch fails, too */
		rc = git_remote_head(g, branch, head, NULL) || head[0] ? -1 : 0;
	free(spec);
	free(ref);
	return rc;
}

/* git's own words for what an HTTP server answered, and for a connection that ended before the host said anything of
 * the repository: where that can be read, over the same line, this push was not let in. */
static bool says_no(const char *said)
{
	static const char *const words[] = {"returned error: 401",
					    "returned error: 403",
					    "HTTP 401",
					    "HTTP 403",
					    "Authentication failed",
					    "Could not read from remote repository"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(said, words[i]))
			return true;
	return false;
}

bool push_too_many(const char *said)
{
	return strstr(said, "returned error: 429") || strstr(said, "HTTP 429");
}

enum push_outcome push_look(const struct git *g, const char *branch, const char *commit, const char *base,
			    enum push_outcome got, struct err *e)
{
	bool refused = got == PUSH_DECLINED;
	char head[72] = "";
	for (int round = 0; round < 2; round++) {
		if (!proc_given_up())
			proc_pause(round ? AGAIN_MS : refused ? 0 : LATE_MS);
		if (proc_given_up() || look(g, branch, head)) {
			e->class = ERR_UNAVAILABLE;
			return PUSH_UNKNOWN;
		}
		if (head[0] && !GIT(g, NULL, NULL, "merge-base", "--is-ancestor", commit, head))
			return PUSH_LANDED;
		if (strcmp(head, base) != 0) {
			e->class = ERR_RETRY;
			return PUSH_RACED;
		}
	}
	e->class = refused || says_no(e->msg) ? ERR_PERM : ERR_UNAVAILABLE;
	return PUSH_DECLINED;
}

enum push_outcome push_branch(const struct git *g, const char *branch, const char *base, bool whole, struct err *e)
{
	enum push_outcome got = git_push(g, branch, whole, e);
	return got == PUSH_LANDED ? got : push_look(g, branch, "HEAD", base, got, e);
}

/* git's own words, before it sends anything: "the receiving end does not support --atomic push", or a helper. */
static bool knows_no_atomic(const char *said)
{
	return strstr(said, "does not support") && strstr(said, "--atomic");
}

enum push_outcome push_both(const struct git *g, const char *branch, const char *base, bool whole,
			    struct push_beside *beside, struct err *e)
{
	struct git with = *g;
	char *spec = xasprintf("HEAD:refs/heads/%s", branch), *other = xasprintf("%s:%s", beside->commit, beside->ref);
	const char *args[] = {"push",	"--porcelain", "--no-verify", "--atomic", whole ? "--no-thin" : "--thin",
			      "origin", spec,	       other,	      NULL};
	enum push_outcome of, got;
	with.lent = beside->objects;
	got = git_push_all(&with, args, beside->ref, &of, e);
	beside->sent = true;
	beside->landed = of == PUSH_LANDED;
	beside->taken = of == PUSH_RACED;
	beside->apart = got == PUSH_UNKNOWN && knows_no_atomic(e->msg);
	if (beside->taken) {
		e->class = ERR_RETRY;
		got = PUSH_RACED;
	} else if (beside->apart) {
		e->class = ERR_PERM;
		got = PUSH_DECLINED;
	} else if (got != PUSH_LANDED)
		got = push_look(g, branch, "HEAD", base, got, e);
	beside->busy = got == PUSH_DECLINED && push_too_many(e->msg);
	beside->push = got;
	free(spec);
	free(other);
	return got;
}

enum push_outcome push_trial(const struct git *g, const char *branch, const char *base, bool *stays, struct err *e)
{
	char nonce[17];
	clock_nonce(nonce, 8);
	char *ref = xasprintf("refs/heads/%s", branch), *spec = xasprintf("HEAD:%s", ref);
	char *one = xasprintf("HEAD:refs/heads/doctor-%s", nonce), *below = xasprintf("%s/doctor", one);
	const char *push[] = {"push", "--porcelain", "--no-verify", "--atomic", "origin", spec, one, below, NULL};
	enum push_outcome got = git_push_ref(g, push, ref, e);
	*stays = false;
	if (got == PUSH_LANDED) { /* by a host that does not do all or nothing */
		*stays = true;
		GIT(g, NULL, NULL, "push", "--quiet", "--no-verify", "origin", strchr(one, ':'), strchr(below, ':'));
	} else if (strstr(e->msg, "(atomic transaction fail") || strstr(e->msg, "(atomic push fail"))
		/* git's own words: all of it cannot be, or one of the others was refused, which come after the branch.
		 * Whoever says it in others is asked once more. */
		got = PUSH_LANDED;
	else {
		*stays = true;
		got = push_branch(g, branch, base, false, e);
	}
	free(ref);
	free(spec);
	free(one);
	free(below);
	return got;
}
