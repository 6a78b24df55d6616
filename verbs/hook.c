#include "audit/hook.h"
#include "audit/hookfiles.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX (8u << 20)

static int read_lines(struct buf *out, struct err *e)
{
	char chunk[16384];
	size_t n;
	while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
		buf_add(out, chunk, n);
		if (out->len > LINES_MAX)
			return err_set(e, ERR_DATA, "hook: more than %u bytes of refs in one push", LINES_MAX);
	}
	if (ferror(stdin))
		return err_set(e, ERR_UNAVAILABLE, "hook: cannot read what git says on stdin");
	buf_add(out, "", 0);
	return 0;
}

/* git shows what goes to stderr to who pushes, each line after "remote: ". */
static int cmd_hook(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct git g = {.dir = (char *)".",
			.name = (char *)"dgrid",
			.email = (char *)"dgrid@localhost",
			.as_is = true,
			.in_hook = true};
	struct strs refusals = {0};
	struct buf lines = {0};
	bool take = argc == 2 && !strcmp(argv[1], "reference-transaction");
	if (argc != 2 || (!take && strcmp(argv[1], "pre-receive") != 0))
		return err_set(
		    e, ERR_USAGE,
		    "hook: expected the hook's name, pre-receive or reference-transaction%s%.100s (git calls it; see: "
		    "dgrid init --hook)",
		    argc > 1 ? ", found " : "", argc > 1 ? argv[1] : "");
	int rc = read_lines(&lines, e);
	if (!rc)
		rc = (take ? hook_take : hook_judge)(&g, ctx->branch, lines.data, &refusals, e);
	if (!rc && !take && !refusals.n)
		hook_note(&g, ctx->branch, lines.data);
	if (rc)
		err_wrap(e, "nothing is taken: this push cannot be judged");
	for (size_t i = 0; i < refusals.n; i++)
		fprintf(stderr, "dgrid: %s\n", refusals.v[i]);
	if (!rc && refusals.n)
		rc = err_set(e, ERR_NO, "nothing is taken: this push breaks the ledger's rules");
	strs_clear(&refusals);
	buf_clear(&lines);
	return rc;
}

const struct verb verb_hook = {
    .name = "hook",
    .args = "(pre-receive | reference-transaction)",
    .summary = "check a push against the audit's rules, for git in a bare repository",
    .about = "The Git hook that `dgrid init --hook` installs in a bare repository; it reads the refs of a push from "
	     "stdin. The ledger's branch and the branch archive, as they would be after the push, are checked together "
	     "against the audit's rules (dgrid audit --rules); a single violation rejects the whole push. Neither "
	     "branch can be rewound or deleted. Refs below refs/dgrid/ must be those of nodes and of the audit. All "
	     "other refs are free, except those in refs/replace/.\n\nAfter pre-receive, git calls "
	     "reference-transaction with what really changes, which differs for symbolic refs and where only one of "
	     "the two branches is updated. It also covers changes made in the repository itself.\n\nEach reason is a "
	     "line on stderr, which git shows to the user who pushes. What cannot be checked is rejected.",
    .needs = USAGE_NOTHING,
    .operands = "pre-receive reference-transaction",
    .examples =
	(const struct usage_note[]){
	    {"dgrid init --bare --hook /srv/grid.git", "a repository that checks every push"},
	    {"exec dgrid --repo . --branch main hook pre-receive", "in your own hook, with its stdin"},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "the push keeps every rule"},
					 {"1", "the push breaks a rule and is rejected"},
					 {"69", "git cannot be run, so the push is rejected"},
					 {0}},
    .run = cmd_hook};
