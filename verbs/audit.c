#include "audit/placed.h"
#include "audit/replay.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sig.h"
#include "base/text.h"
#include "store/cache.h"
#include "store/checkpoint.h"
#include "store/witness.h"
#include "verbs/left.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTED 50	/* of violations, and of notices, unless --limit says else */
#define KEPT_MAX 100000 /* rows that --json lists */
#define BAR_COLUMNS 30

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct audit {
	bool json, record, full, rules, fields, objects;
	long limit;
	const char *branch, *since, *range, *witness, *as; /* as: the grid's name there */
	struct witness saw;
	bool rewritten; /* the witness saw what is here no more */
	struct git git;
	bool cached;
	struct checkpoint last; /* where it goes on from; audited_to "": from the beginning */
	char head[72], to[72], archive[72];
	struct replay replay;
	struct json *violations, *notices;
	size_t n_violations, n_notices;
	int64_t total, drawn_ms; /* commits to come; total 0: no bar */
	struct placed placed;
	char missing[72]; /* a checkpoint that is not in the repository any more */
};

static int options(struct audit *a, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_audit, .argc = argc, .argv = argv};
	int key;
	a->limit = LISTED;
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'j':
			a->json = true;
			break;
		case 'r':
			a->record = true;
			break;
		case 'f':
			a->full = true;
			break;
		case 'o':
			a->objects = true;
			break;
		case 'R':
			a->rules = true;
			break;
		case 'F':
			a->fields = true;
			break;
		case 'w':
			a->witness = s.value;
			break;
		case 'a':
			a->as = s.value;
			break;
		case 's':
			a->since = s.value;
			break;
		case 'l':
			if (parse_number("--limit", s.value, 0, 1000000000, &a->limit, e))
				return -1;
			break;
		}
	if (key < 0 || usage_operands(&s, 1, e))
		return -1;
	a->range = s.rest < argc ? argv[s.rest] : NULL;
	if (a->since && a->full)
		return err_set(e, ERR_USAGE, "--since or --full, not both");
	if (a->as && (!a->witness || !witness_name_valid(a->as)))
		return err_set(e, ERR_USAGE,
			       "--as: expected, with --witness, the grid's name there: 1-64 of A-Z a-z 0-9 . _ -");
	if (a->range && (a->record || a->witness || a->full || (a->since && strstr(a->range, ".."))))
		return err_set(
		    e, ERR_USAGE,
		    "a range already has a start and an end: not with --record, --witness, --full or --since");
	return 0;
}

static void print_rules(void)
{
	puts("| rule | says |\n|---|---|");
	for (int i = 0; i < RULE_N; i++)
		printf("| `%s` | %s |\n", rule_at((enum rule_id)i)->id, rule_at((enum rule_id)i)->says);
}

static void print_fields(void)
{
	struct field_row f;
	puts("| member | form | held by |\n|---|---|---|");
	for (size_t i = 0; field_at(i, &f); i++)
		printf("| `%s.%s` | %s | %s |\n", field_doc_name(f.doc), f.name, f.form,
		       strncmp(f.held, "-: ", 3) ? f.held : f.held + 3);
}

/* ---- what to look at ---- */

/* Both heads, as one process sees them. In a clone the archive may be its remote's branch only. */
static int heads(struct audit *a, const char *branch, struct err *e)
{
	struct buf b = {0};
	char *own = xasprintf("refs/heads/%s", branch), ref[300], oid[72];
	int rc = GIT(&a->git, &b, e, "for-each-ref", "--format=%(objectname) %(refname)", own, "refs/heads/archive",
		     "refs/remotes/origin/archive");
	for (const char *p = rc ? NULL : b.data; p && *p; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n'))
		if (sscanf(p, "%71s %299s", oid, ref) == 2) {
			if (!strcmp(ref, own))
				memcpy(a->head, oid, sizeof oid);
			else if (!strcmp(ref, "refs/heads/archive") ||
				 (!strcmp(ref, "refs/remotes/origin/archive") && !a->archive[0]))
				memcpy(a->archive, oid, sizeof oid);
		}
	if (!rc && !a->head[0] && !(rc = git_find(&a->git, own, a->head, e)) && !a->head[0])
		rc = err_set(e, ERR_NOENT, "the repository has no branch '%s' (make it a grid with: dgrid init)",
			     branch);
	free(own);
	buf_clear(&b);
	return rc;
}

static int not_shallow(const struct git *g, struct err *e)
{
	struct buf b = {0};
	int rc = GIT(g, &b, e, "rev-parse", "--is-shallow-repository");
	if (!rc && b.data && !strncmp(b.data, "true", 4))
		rc = err_set(
		    e, ERR_UNAVAILABLE,
		    "this copy is shallow: its history is cut off, and what is missing cannot be judged (get it "
		    "with: git fetch --unshallow)");
	buf_clear(&b);
	return rc;
}

static bool resolve(const struct audit *a, const char *rev, char out[72])
{
	char *named = git_rev_of(a->branch, rev);
	bool found = git_resolve(&a->git, named, out);
	free(named);
	return found;
}

/* Where to begin: a file with what `audit --json` printed, or a commit. */
static int read_since(struct audit *a, struct err *e)
{
	struct buf b = {0};
	struct err none;
	int rc = 0;
	if (!file_read(a->since, 256u << 20, &b, &none)) {
		if (checkpoint_parse(&a->last, b.data ? b.data : "", b.len))
			rc = err_set(
			    e, ERR_DATA,
			    "--since: '%.200s' is no checkpoint (expected what dgrid audit --json printed, with "
			    "\"audited_to\")",
			    a->since);
	} else if (!resolve(a, a->since, a->last.audited_to))
		rc = err_set(e, ERR_NOENT, "--since: '%.200s' is neither a file nor a commit of the grid", a->since);
	buf_clear(&b);
	return rc;
}

static int read_range(struct audit *a, struct err *e)
{
	char *text = xstrdup(a->range), *dots = strstr(text, ".."), *to = dots ? dots + 2 : text;
	int rc = 0;
	if (dots)
		*dots = 0;
	if (dots && !resolve(a, text, a->last.audited_to))
		rc = err_set(e, ERR_NOENT, "'%.200s' is no commit of the grid", text);
	else if (*to && !resolve(a, to, a->to))
		rc = err_set(e, ERR_NOENT, "'%.200s' is no commit of the grid", to);
	free(text);
	return rc;
}

/* How many commits of the archive belong before the first commit that is looked at. */
static int count_archived(struct audit *a, struct err *e)
{
	struct buf b = {0};
	int rc = GIT(&a->git, &b, e, "rev-list", "--count", "--first-parent", a->last.audited_to, "--",
		     "tasks/archive.json");
	if (!rc)
		a->replay.archive_skip = (size_t)strtoull(b.data, NULL, 10);
	buf_clear(&b);
	return rc;
}

static int count_commits(struct audit *a, struct err *e)
{
	struct buf b = {0};
	char *range = a->replay.from ? xasprintf("%s..%s", a->replay.from, a->to) : xstrdup(a->to);
	int rc = GIT(&a->git, &b, e, "rev-list", "--count", "--first-parent", range);
	if (!rc)
		a->total = strtoll(b.data, NULL, 10);
	free(range);
	buf_clear(&b);
	return rc;
}

static int choose(struct audit *a, const char *branch, struct err *e)
{
	char there[72];
	bool known = false; /* the checkpoint knows of the archive too */
	a->branch = branch;
	if (not_shallow(&a->git, e) || heads(a, branch, e))
		return -1;
	memcpy(a->to, a->head, sizeof a->to);
	if (a->since) {
		if (read_since(a, e))
			return -1;
		known = a->last.at != 0;
	} else if (a->record && !a->full) {
		if (checkpoint_read(&a->git, &a->last, e))
			return -1;
		known = true;
	}
	if (a->range && read_range(a, e))
		return -1;
	if (a->last.audited_to[0] && !git_resolve(&a->git, a->last.audited_to, there)) {
		memcpy(a->missing, a->last.audited_to, sizeof a->missing);
		a->last.audited_to[0] = 0;
	}
	struct replay *p = &a->replay;
	p->git = &a->git;
	p->to = a->to;
	p->from = a->last.audited_to[0] ? a->last.audited_to : NULL;
	p->archive_to = a->archive[0] ? a->archive : NULL;
	p->archive_all = !strcmp(a->to, a->head);
	if (p->from && p->archive_to && known && a->last.archive[0] && git_resolve(&a->git, a->last.archive, there))
		p->archive_from = a->last.archive;
	else if (p->from && p->archive_to && !known && count_archived(a, e))
		return -1;
	if (isatty(STDERR_FILENO) && count_commits(a, e))
		return -1;
	return 0;
}

/* ---- the witness ---- */

static int open_witness(struct audit *a, const char *grid, struct err *e)
{
	char name[65], *url = absolute_repo(a->witness);
	int rc = 0;
	if (a->as)
		snprintf(name, sizeof name, "%s", a->as);
	else if (!witness_name_of(grid, name))
		rc = err_set(e, ERR_USAGE, "--witness: the grid's URL gives it no name (expected --as NAME)");
	if (!rc && !strcmp(url, grid))
		rc = err_set(e, ERR_USAGE, "--witness: expected another repository than the grid's own");
	if (!rc)
		rc = witness_read(url, name, &a->saw, e);
	if (!rc && !a->saw.n && !a->record)
		rc = err_set(e, ERR_NOENT,
			     "the witness has no record of a grid '%s' (--record makes one, --as names it)", name);
	free(url);
	return rc;
}

static void tell(void *ctx, enum rule_id id, const struct rule_commit *c, const char *path, const char *text);

static int ask_witness(struct audit *a, bool archive, struct err *e)
{
	const struct checkpoint *c;
	struct rule_commit at = {.author = (char *)""};
	char text[300], when[32], here[72];
	size_t n;
	if (witness_missing(&a->saw, &a->git, archive ? a->archive : a->head, archive, &c, &n, e))
		return -1;
	if (!c)
		return 0;
	a->rewritten = true;
	snprintf(text, sizeof text,
		 "the witness saw commit %.10s %s on %s, which is not on its first-parent line any more%s%s",
		 archive ? c->archive : c->audited_to, archive ? "of the archive" : "of the branch",
		 clock_format(c->at, when), n > 1 ? ", and others before it" : "",
		 git_resolve(&a->git, archive ? c->archive : c->audited_to, here)
		     ? ""
		     : " (it is not in this repository at all: if another grid has this name there, tell them apart by "
		       "--as)");
	snprintf(at.id, sizeof at.id, "%s", a->head);
	tell(a, RULE_HISTORY_REWRITTEN, &at, "", text);
	return 0;
}

/* ---- what is found ---- */

static void erase_bar(struct audit *a)
{
	if (a->drawn_ms)
		fputs("\r\033[K", stderr);
	a->drawn_ms = 0;
}

static void draw_bar(void *ctx, size_t commits)
{
	struct audit *a = ctx;
	int64_t now = clock_mono_ms();
	if (!a->total || now - a->drawn_ms < 100)
		return;
	a->drawn_ms = now;
	int full = (int)((int64_t)commits * BAR_COLUMNS / a->total);
	fprintf(stderr, "\r[%.*s%*s] %zu of %lld commits", full > BAR_COLUMNS ? BAR_COLUMNS : full,
		"##############################", full > BAR_COLUMNS ? 0 : BAR_COLUMNS - full, "", commits,
		(long long)a->total);
	fflush(stderr);
}

static struct json *row(const struct rule *rule, const struct rule_commit *c, const char *path, const char *text)
{
	char when[32];
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "commit", json_new_str(c->id));
	json_set(j, "rule", json_new_str(rule->id));
	json_set(j, "path", *path ? json_new_str(path) : json_new(JSON_NULL));
	json_set(j, "text", json_new_str(text));
	json_set(j, "who", json_new_str(c->who));
	json_set(j, "author", json_new_str(c->author ? c->author : ""));
	json_set(j, "committed_at", c->at ? json_new_str(clock_format(c->at, when)) : json_new(JSON_NULL));
	return j;
}

static void tell(void *ctx, enum rule_id id, const struct rule_commit *c, const char *path, const char *text)
{
	struct audit *a = ctx;
	const struct rule *rule = rule_at(id);
	bool notice = id >= RULE_NOTICES;
	size_t n = notice ? ++a->n_notices : ++a->n_violations;
	if (a->json) {
		if (n <= KEPT_MAX)
			json_append(notice ? a->notices : a->violations, row(rule, c, path, text));
		return;
	}
	if (n > (size_t)a->limit)
		return;
	struct buf line = {0};
	buf_addf(&line, "%.10s  %-16s  ", c->id, rule->id);
	if (*path) {
		text_clean(&line, path, strlen(path), 160);
		buf_adds(&line, ": ");
	}
	text_clean(&line, text, strlen(text), 400);
	buf_adds(&line, " (by ");
	text_clean(&line, c->author ? c->author : "", c->author ? strlen(c->author) : 0, 80);
	if (c->ours) {
		buf_adds(&line, " for ");
		text_clean(&line, c->who, strlen(c->who), 64);
	}
	buf_adds(&line, ")\n");
	erase_bar(a);
	fwrite(line.data, 1, line.len, stdout);
	fflush(stdout);
	buf_clear(&line);
}

static const char *s_of(size_t n)
{
	return n == 1 ? "" : "s";
}

static void verdict(const struct audit *a)
{
	const struct replay *p = &a->replay;
	size_t more = a->n_violations > (size_t)a->limit ? a->n_violations - (size_t)a->limit : 0,
	       more_notices = a->n_notices > (size_t)a->limit ? a->n_notices - (size_t)a->limit : 0;
	if (more && a->limit)
		printf("... and %zu more violation%s", more, s_of(more));
	if (more_notices && a->limit)
		printf("%s %zu more notice%s", more ? "," : "... and", more_notices, s_of(more_notices));
	if ((more || more_notices) && a->limit) /* with 0 nobody wants a list, and the numbers follow */
		puts(" (see: --limit, --json)");
	printf("%s %zu commit%s to %.10s", p->stopped ? "stopped after" : "audited", p->commits, s_of(p->commits),
	       a->to);
	if (p->from)
		printf(" since %.10s", p->from);
	if (p->archive_to)
		printf(", %zu of the archive", p->archive_commits);
	if (a->n_violations)
		printf(": %zu VIOLATION%s", a->n_violations, a->n_violations == 1 ? "" : "S");
	else
		printf(": no violations");
	printf(", %zu notice%s", a->n_notices, s_of(a->n_notices));
	if (a->objects)
		printf("; files of %zu runs looked for, %zu of them on refs that are gone", a->placed.looked,
		       a->placed.gone);
	if (a->last.violations > 0) /* of what the record covers: this run did not look at it again */
		printf("; recorded before: %lld VIOLATION%s (see: dgrid audit)", (long long)a->last.violations,
		       a->last.violations == 1 ? "" : "S");
	putchar('\n');
}

static void print_json(struct audit *a)
{
	struct checkpoint c = {.commits = (int64_t)a->replay.commits, .at = clock_now()};
	snprintf(c.audited_to, sizeof c.audited_to, "%s", a->to);
	snprintf(c.archive, sizeof c.archive, "%s", a->archive);
	struct json *j = checkpoint_json(&c);
	json_set(j, "since", a->replay.from ? json_new_str(a->replay.from) : json_new(JSON_NULL));
	json_set(j, "violations", a->violations);
	json_set(j, "notices", a->notices);
	if (a->objects) {
		struct json *o = json_new(JSON_OBJECT);
		json_set(o, "runs", json_new_int((int64_t)a->placed.looked));
		json_set(o, "gone", json_new_int((int64_t)a->placed.gone));
		json_set(j, "objects", o);
	}
	a->violations = a->notices = NULL;
	put_json(j);
	json_free(j);
}

/* Counts go on from the record that it continues; a full audit begins anew. */
static int record(struct audit *a, struct err *e)
{
	struct checkpoint own;
	if (checkpoint_read(&a->git, &own, e))
		return -1;
	struct checkpoint c = {.commits = a->last.commits + (int64_t)a->replay.commits,
			       .violations = a->last.violations + (int64_t)a->n_violations,
			       .notices = a->last.notices + (int64_t)a->n_notices,
			       .at = clock_now(),
			       .witnessed_at = own.witnessed_at};
	snprintf(c.audited_to, sizeof c.audited_to, "%s", a->to);
	snprintf(c.archive, sizeof c.archive, "%s", a->archive);
	/* What a witness saw is not followed by what contradicts it. */
	if (a->witness && !a->rewritten) {
		c.witnessed_at = c.at;
		if (witness_add(&a->saw, &c, e))
			return -1;
	}
	return checkpoint_publish(&a->git, &c, e);
}

/* Who stands in a copy may think that the copy is judged. */
static void tell_whose(const struct context *ctx)
{
	struct git here = {.dir = (char *)ctx->dir, .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	struct err none;
	char *from = find_repo(ctx->dir), *self = absolute_repo(ctx->dir), *shown = xstrdup(ctx->url);
	if (from && !strcmp(from, ctx->url) && strcmp(self, ctx->url) != 0 &&
	    !GIT(&here, NULL, &none, "config", "--get", "remote.origin.url")) {
		git_redact(shown);
		fprintf(stderr,
			"dgrid: judging %s, where this clone came from (the clone itself: dgrid --repo %s audit)\n",
			shown, ctx->dir);
	}
	free(from);
	free(self);
	free(shown);
}

static void tell_false(void *ctx, const char *path, const char *text)
{
	struct audit *a = ctx;
	struct rule_commit at = {.author = (char *)""};
	snprintf(at.id, sizeof at.id, "%s", a->to);
	tell(a, RULE_OUT_FALSE, &at, path, text);
}

/* Where readers fetch from: a folder by a view of it, without its settings. */
static int look_for_files(struct audit *a, const struct context *ctx, struct err *e)
{
	struct filestore store = {0};
	struct buf url = {0};
	char line[4096] = "";
	if (!a->objects || a->replay.stopped)
		return 0;
	a->placed.ctx = a;
	a->placed.tell = tell_false;
	int rc = left_store(ctx, strlen(a->to) == 64, &store, e);
	if (!rc && !(rc = GIT(&store.git, &url, e, "config", "--get", "remote.origin.url")))
		buf_first_line(&url, line, sizeof line);
	if (!rc && (rc = placed_look(&a->git, a->to, a->archive[0] ? a->archive : NULL, line, &a->placed, e)))
		err_wrap(e, "the files of results");
	buf_clear(&url);
	left_close(&store);
	return rc;
}

static int run(struct audit *a, const struct context *ctx, struct err *e)
{
	tell_whose(ctx);
	if (cache_whole(ctx->url, ctx->branch, &a->git, &a->cached, e) || choose(a, ctx->branch, e))
		return -1;
	a->violations = json_new(JSON_ARRAY);
	a->notices = json_new(JSON_ARRAY);
	if (a->witness && (open_witness(a, ctx->url, e) || ask_witness(a, false, e) || ask_witness(a, true, e)))
		return -1;
	a->replay.ctx = a;
	a->replay.tell = tell;
	a->replay.progress = draw_bar;
	if (a->missing[0]) {
		struct rule_commit at = {.author = (char *)""};
		char text[200];
		snprintf(text, sizeof text, "commit %.10s, audited before, is not in the repository any more",
			 a->missing);
		snprintf(at.id, sizeof at.id, "%s", a->to);
		tell(a, RULE_HISTORY_REWRITTEN, &at, "", text);
	}
	int rc = replay_run(&a->replay, e);
	erase_bar(a);
	if (rc)
		return err_wrap(e, "the audit did not reach its end, after %zu commit%s", a->replay.commits,
				s_of(a->replay.commits));
	if (look_for_files(a, ctx, e))
		return -1;
	if (a->json && !a->replay.stopped)
		print_json(a);
	else if (!a->json)
		verdict(a);
	if (a->replay.stopped)
		return err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
	if (a->record && record(a, e))
		return -1;
	if (a->n_violations)
		return err_set(e, ERR_NO, "the history breaks the rules: %zu violation%s", a->n_violations,
			       s_of(a->n_violations));
	return 0;
}

static int cmd_audit(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct audit a = {0};
	int rc = options(&a, argc, argv, e);
	if (!rc && a.rules) {
		print_rules();
		return 0;
	}
	if (!rc && a.fields) {
		print_fields();
		return 0;
	}
	if (!rc)
		rc = need_repo(ctx, e);
	if (!rc)
		rc = run(&a, ctx, e);
	witness_close(&a.saw);
	json_free(a.violations);
	json_free(a.notices);
	free(a.git.dir);
	free(a.git.name);
	free(a.git.email);
	return rc;
}

const struct verb verb_audit = {
    .name = "audit",
    .args = "[--json] [--objects] [--since COMMIT|FILE] [--record] [--full] [--witness URL [--as NAME]] [--limit N] "
	    "[COMMIT | A..B] | --rules | --fields",
    .summary = "replay the history and check every step of it",
    .about =
	"Replays the branch commit by commit from its Git objects and checks every change against a table of rules "
	"(docs/AUDIT.md): whose claim, whose result, under which nonce, on what evidence, and what was archived. "
	"Prints one line per violation and notice, then the verdict. Without a range it checks the whole "
	"history.\n\nTo skip what was audited before, use --since with a commit or with a file that --json printed; "
	"--record keeps the position in the grid itself, where status and the dashboard show it; with --witness also "
	"in a second repository, which reveals a history that was rewritten together with its record.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    {'s', "--since", "COMMIT|FILE", "@files",
	     "start after this commit, or after the last one of an earlier --json; it must still be on the branch"},
	    {'r', "--record", NULL, NULL,
	     "publish the position and the findings (refs/dgrid/audit), and start where the last recorded audit ended"},
	    {'f', "--full", NULL, NULL, "with --record: start from the first commit anyway"},
	    {'o', "--objects", NULL, NULL,
	     "also check that the files named by results are on their refs, as far as these still exist"},
	    {'w', "--witness", "URL", "@folders",
	     "compare the history with what this other repository has recorded; with --record, also record it there "
	     "(refs/dgrid/witness/NAME)"},
	    {'a', "--as", "NAME", NULL, "the grid's NAME there; default: the last part of its URL"},
	    {'l', "--limit", "N", NULL, "print at most N violations and N notices; 0: only the verdict; default: 50"},
	    {'R', "--rules", NULL, NULL, "print the table of rules and notices instead"},
	    {'F', "--fields", NULL, NULL, "print the table of members, and which rule covers each, instead"},
	    {0}},
    .examples =
	(const struct usage_note[]){{"dgrid audit", "the whole history"},
				    {"dgrid audit --json >checkpoint.json", "to go on from later"},
				    {"dgrid audit --since checkpoint.json", "only new commits"},
				    {"dgrid audit --record", "in a workflow, every few minutes"},
				    {"dgrid audit --record --witness backup:witness.git", "and in a second repository"},
				    {"dgrid audit main~100..main", "the last hundred commits"},
				    {0}},
    .exits =
	(const struct usage_note[]){{"0", "no violation (there may be notices)"},
				    {"1", "at least one violation"},
				    {"65", "objects are missing, or the file of --since is not valid"},
				    {"66", "no such branch or commit, or the witness has no record"},
				    {"69", "the repository is shallow, or the remote or ssh-keygen does not answer"},
				    {0}},
    .run = cmd_audit,
};
