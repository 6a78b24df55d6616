#include "base/file.h"
#include "base/text.h"
#include "store/cache.h"
#include "store/places.h"
#include "verbs/lot.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keep {
	const struct context *ctx;
	const char *as; /* NULL: by its id */
};

/* What stands under that name: 1: the same files, by whomever; -1: others, and e says whose. Its commit alone is
 * fetched, where the host gives that. */
static int kept_before(const char *url, const char *ref, const char *name, const char *tree, struct err *e)
{
	struct git g = {.dir = file_temp_dir(e), .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char *spec = xasprintf("+%s:refs/heads/kept", ref), there[72] = "", whose[300] = "nobody could say whose";
	const char *init[] = {"init",
			      "--quiet",
			      "--bare",
			      "--template=",
			      strlen(tree) == 64 ? "--object-format=sha256" : "--object-format=sha1",
			      NULL},
		   *fetch[] = {"fetch",	    "--quiet",
			       "--no-tags", "--no-write-fetch-head",
			       "--depth=1", "--filter=tree:0",
			       "--",	    url,
			       spec,	    NULL},
		   *log[] = {
		       "log", "-1", "--no-show-signature", "--format=%T%n'%s' of %an <%ae>, %cI", "refs/heads/kept",
		       NULL};
	struct buf said = {0}, clean = {0};
	struct err none;
	if (g.dir && !git_run(&g, NULL, &none, init) && !git_run(&g, NULL, &none, fetch) &&
	    !git_run(&g, &said, &none, log) && said.data && strchr(said.data, '\n')) {
		const char *rest = strchr(said.data, '\n') + 1;
		buf_first_line(&said, there, sizeof there);
		text_clean(&clean, rest, strcspn(rest, "\n"), 250);
		snprintf(whose, sizeof whose, "%s", clean.data ? clean.data : "");
	}
	int rc = !strcmp(there, tree) ? 1 : -1;
	if (rc < 0)
		err_set(e, ERR_PERM, "'%s' is kept already: %s has other files: %s (choose another name with --as)",
			name, ref, whose);
	if (g.dir)
		file_remove_tree(g.dir, NULL);
	free(g.dir);
	free(spec);
	buf_clear(&said);
	buf_clear(&clean);
	return rc;
}

static int keep_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	const struct keep *k = ctx;
	const char *name = k->as ? k->as : t->task->id;
	struct leaving v = {0};
	struct buf commit = {0};
	char oid[72], ref[PLACE_MAX];
	const char *local, *to = cache_needless(k->ctx->url, &local) ? local : k->ctx->url;
	int rc = lot_bring(lot, t, &v, e);
	char *subject = xasprintf("outputs of %s, kept", t->task->id);
	const char *make[] = {"commit-tree", "-m", subject, v.l.tree, NULL};
	if (!rc)
		rc = git_run(&lot->store.git, &commit, e, make);
	enum push_outcome got = PUSH_UNKNOWN;
	for (int heads = 0; heads < 2 && !rc && got != PUSH_LANDED; heads++) {
		buf_first_line(&commit, oid, sizeof oid);
		place_keep_name(ref, name, heads);
		char *spec = xasprintf("%s:%s", oid, ref);
		const char *push[] = {"push", "--porcelain", "--no-verify", to, spec, NULL};
		got = git_push_ref(&lot->store.git, push, ref, e);
		free(spec);
		if (got == PUSH_RACED && (rc = kept_before(to, ref, name, v.l.tree, e)) > 0) {
			rc = 0;
			got = PUSH_LANDED;
		} else if (got == PUSH_UNKNOWN)
			rc = -1;
	}
	if (!rc && got != PUSH_LANDED)
		rc = -1;
	if (!rc)
		printf("kept as %s\n", ref);
	free(subject);
	buf_clear(&commit);
	leaving_clear(&v);
	return rc;
}

static int cmd_keep(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_keep, .argc = argc, .argv = argv};
	struct report_options r = {0};
	struct lot lot = {0};
	struct keep k = {.ctx = ctx};
	int key, rc = 0;
	while (!rc && (key = usage_next(&s, e)) != 0)
		if (key == 'a')
			k.as = s.value;
		else
			rc = key < 0 || select_take(&r.of, s.option, s.value, e) ? -1 : 0;
	r.n_ids = rc ? 0 : (size_t)usage_distinct(&s);
	r.ids = argv + s.rest;
	if (!rc && !r.n_ids && !r.of.given)
		rc = err_set(e, ERR_USAGE, "keep: expected a task's id");
	else if (!rc && k.as && (r.n_ids > 1 || r.of.given))
		rc = err_set(e, ERR_USAGE, "--as names the files of one task (expected one id)");
	else if (!rc && k.as && !task_id_valid(k.as))
		rc = err_set(e, ERR_USAGE, "--as: expected 1-64 of A-Z a-z 0-9 _ -, found '%.100s'", k.as);
	rc = rc || lot_look(ctx, &r, &lot, e) || lot_each(&lot, keep_one, &k, "were not kept", e) ? -1 : 0;
	lot_clear(&lot);
	report_clear(&r);
	return rc;
}

const struct verb verb_keep = {
    .name = "keep",
    .args = "[--as NAME] [SELECTION]... [ID]...",
    .summary = "keep the files that tasks left for good",
    .about = "Makes the ref refs/dgrid/keep/NAME with the files that the task left in /out, so that they are not "
	     "deleted after keep_out_days. To let them go, delete the ref.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){{'a', "--as", "NAME", NULL, "the ref's name; default: the task's id"}, {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid keep fit --as best-so-far", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "kept"},
					 {"66", "no such task, or it left no files, or they are gone"},
					 {"75", "it has not ended yet"},
					 {"77", "the remote declined the push, or the name is taken"},
					 {0}},
    .run = cmd_keep,
};
