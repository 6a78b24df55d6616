#include "base/clock.h"
#include "base/proc.h"
#include "base/sig.h"
#include "git/folder.h"
#include "git/git.h"
#include "verbs/commands.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 50
#define SIGN_MS 60000 /* a line says at least that somebody is there */

/* A ref that stands in packed-refs alone: git knows. */
static void find_head(const struct folder *f, const struct git *g, const char *branch, char head[72])
{
	char *ref = xasprintf("refs/heads/%s", branch);
	struct err none;
	if (!folder_head(f, head) && git_find(g, ref, head, &none))
		head[0] = 0;
	free(ref);
}

/* Until who listens is gone. */
static int watch(const struct context *ctx, struct folder *f, struct err *e)
{
	const struct git g = {
	    .dir = (char *)ctx->url, .name = (char *)"dgrid", .email = (char *)"dgrid@localhost", .theirs = true};
	char head[72] = "", told[72] = "-";
	int64_t told_at = 0;
	while (!sig_stops()) {
		if (folder_touched(f) || !told_at)
			find_head(f, &g, ctx->branch, head);
		int64_t now = clock_mono_ms();
		if (strcmp(head, told) != 0 || now - told_at >= SIGN_MS) {
			printf("%s\n", head);
			if (fflush(stdout))
				return err_set(e, ERR_UNAVAILABLE, "nobody reads this any more");
			memcpy(told, head, sizeof told);
			told_at = now;
		}
		proc_pause(LOOK_MS);
	}
	return 0;
}

static int cmd_notify(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_notify, .argc = argc, .argv = argv};
	struct folder f;
	int key = usage_next(&s, e);
	if (key < 0 || usage_operands(&s, 0, e) || need_repo(ctx, e))
		return -1;
	folder_open(&f, ctx->url, ctx->branch);
	int rc =
	    f.ref ? 0
		  : err_set(e, ERR_USAGE,
			    "'%.200s' is no repository in a folder of this machine (run this where the repository is: "
			    "ssh HOST dgrid notify --repo DIR)",
			    ctx->url);
	if (!rc) {
		sig_init();
		rc = watch(ctx, &f, e);
	}
	folder_close(&f);
	return rc;
}

const struct verb verb_notify = {
    .name = "notify",
    .args = "",
    .summary = "print a line whenever the branch of a folder moves, for worker --notify",
    .about = "Runs on the machine that has the repository, so that workers elsewhere need not poll: prints the "
	     "branch's head at once and whenever it moves, and at least one line per minute, until it is stopped.",
    .needs = USAGE_READS,
    .examples = (const struct usage_note[]){{"dgrid worker --notify 'ssh git@nas dgrid notify --repo /srv/grid.git'",
					     "a worker on another machine"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "it was told to stop"},
					 {"64", "the repository is not in a folder of this machine"},
					 {"69", "its output was closed"},
					 {0}},
    .run = cmd_notify,
};
