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
    .summary = "judge a push by the audit's rules, for git in a bare repository",
    .about =
	"What `dgrid init --hook` makes git call for each push to a bare repository, with the refs on stdin. The "
	"ledger's "
	"branch and the branch archive are held together against the rules of the audit (dgrid audit --rules), as they "
	"would be after the push; one violation, and nothing of the push is taken. Neither branch can be set back or "
	"deleted. Refs below refs/dgrid/ must be those of nodes and of the audit. Every other ref is free, but those "
	"in refs/replace/.\n\n"
	"After pre-receive git asks reference-transaction about what really changes: of a ref that is another's name, "
	"and "
	"where it takes of a push one of the two branches alone, that is something else. It binds what is done in the "
	"repository itself, too.\n\n"
	"Each reason is a line on stderr, which git shows to who pushes. What cannot be judged is not taken.",
    .needs = USAGE_NOTHING,
    .operands = "pre-receive reference-transaction",
    .examples =
	(const struct usage_note[]){
	    {"dgrid init --bare --hook /srv/grid.git", "a repository that judges every push"},
	    {"exec dgrid --repo . --branch main hook pre-receive", "in a hook of one's own, with its stdin"},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "the push keeps every rule"},
					 {"1", "the push breaks a rule; nothing of it is taken"},
					 {"69", "git cannot be asked, so nothing is taken"},
					 {0}},
    .run = cmd_hook};
