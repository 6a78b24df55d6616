#include "audit/hook.h"
#include "audit/hookrefs.h"
#include "audit/replay.h"
#include "base/clock.h"
#include "base/problem.h"
#include "schema/checkpoint.h"
#include "schema/input.h"
#include "schema/keys.h"
#include "schema/task.h"
#include "store/archive.h"
#include "store/checkpoint.h"
#include "store/heartbeat.h"
#include "store/places.h"
#include "store/tails.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REFUSALS_MAX 20
#define COMMIT_MAX (1u << 20)
#define GONE_AT_ONCE 200 /* inputs that are looked for in one go */
#define GRID_FILE_MAX (4u << 20)
#define NAMED_MAX 1000 /* inputs of new tasks that are looked for */
#define REFS_MAX 2000  /* a push: git starts hooks for each */
#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- judging ---- */

struct update {
	char old[72], new[72]; /* "": none */
	bool given;
};
struct push {
	const struct git *git;
	const char *branch;
	bool settled; /* grid.json or keys changed, or the branch begins here */
	struct update ledger, archive;
	struct strs *refusals;
	size_t more;	       /* refusals that were not kept */
	struct replay *replay; /* under way */
	struct strs in, trees; /* commits that inputs and checkpoints are to be, and the trees that their refs name */
	struct strs in_refs;
	struct strs gone;	      /* trees of inputs that go */
	struct strs gone_checkpoints; /* "NONCE/TREE" */
	struct strs named;	      /* trees that new tasks are given */
	struct hookrefs refs;
};

static void refuse(struct push *p, const char *rule, const char *commit, const char *path, const char *text)
{
	struct buf line = {0};
	if (p->refusals->n >= REFUSALS_MAX) {
		p->more++;
		if (p->replay) /* it is refused, however much more there is */
			p->replay->enough = true;
		return;
	}
	buf_addf(&line, "%s: ", rule);
	if (path && *path) {
		problem_escape(&line, path, strlen(path), 120, false);
		buf_adds(&line, ": ");
	}
	problem_escape(&line, text, strlen(text), 400, false);
	if (commit && *commit)
		buf_addf(&line, " (%.10s)", commit);
	strs_add(p->refusals, line.data);
	buf_clear(&line);
}

/* What an audit shows to a human after it happened, because a host's web merge cannot sign it, is held to a person's
 * key here, where the grid requires signatures: whoever could change the settings or enrol a key would be above every
 * rule. */
static bool is_a_persons(enum rule_id notice)
{
	return notice == NOTICE_SETTINGS || notice == NOTICE_SIGNERS || notice == NOTICE_KEYS ||
	       notice == NOTICE_SCHEDULE || notice == NOTICE_WORKFLOW || notice == NOTICE_REMOVED ||
	       notice == NOTICE_EDITED;
}

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text)
{
	if (rule < RULE_NOTICES)
		refuse(ctx, rule_at(rule)->id, c->id, path, text);
	/* A host runs it, with rights that pushing does not give. */
	if (rule == NOTICE_WORKFLOW && c->signature == RULE_NOT_ASKED)
		refuse(
		    ctx, "signed.settings", c->id, path,
		    "what a build service runs changes here only in a commit that an enrolled person signs, on a grid "
		    "with require_signed_nodes");
	if (rule == NOTICE_SETTINGS || rule == NOTICE_KEYS)
		((struct push *)ctx)->settled = true;
	if (is_a_persons(rule) && c->signature > RULE_GOOD) {
		char *why =
		    xasprintf("%s, which takes the signature of a person whose key is enrolled, under the name "
			      "of %s%s%s",
			      text, c->who, c->signature_why ? ": " : "", c->signature_why ? c->signature_why : "");
		refuse(ctx, "signed.settings", c->id, path, why);
		free(why);
	}
}

/* A tree that a new task of somebody's is to be given. */
static void given(void *ctx, const char *tree)
{
	struct push *p = ctx;
	if (place_oid_valid(tree) && p->named.n < NAMED_MAX && !strs_has(&p->named, tree))
		strs_add(&p->named, tree);
}

/* Below a folder of refs, one name: a node's id; NULL: it is none. */
static const char *of_a_node(const char *ref, const char *folder)
{
	size_t n = strlen(folder);
	return !strncmp(ref, folder, n) && ref[n] == '/' && task_id_valid(ref + n + 1) ? ref + n + 1 : NULL;
}

static bool is_below(const char *ref, const char *branch)
{
	size_t n = strlen(branch);
	return !strncmp(ref, "refs/heads/", 11) && !strncasecmp(ref + 11, branch, n) && ref[11 + n] == '/';
}

/* The settings in force: those of the branch as it stands. */
static void settings_here(struct push *p, struct grid_config *c)
{
	char *name = xasprintf("refs/heads/%s:grid.json", p->branch);
	struct problems wrong = {0};
	struct buf text = {0};
	struct err none;
	config_defaults(c);
	if (!GIT(p->git, &text, &none, "cat-file", "blob", name))
		config_parse(c, text.data ? text.data : "", text.len, &wrong);
	problems_clear(&wrong);
	buf_clear(&text);
	free(name);
}

/* Outputs are what results point at: they move forward, and go when the grid no longer keeps them. */
static void judge_out(struct push *p, const char *ref, const struct place_out *out, const char *old, const char *new)
{
	struct grid_config c;
	struct err none;
	char commit[72];
	if (git_no_object(new)) {
		settings_here(p, &c);
		if (clock_now() < out->day_at + (c.keep_out_days + 1) * 86400)
			refuse(p, "ref.out", NULL, ref, "may be deleted only when it is older than keep_out_days");
		config_clear(&c);
	} else if (!git_resolve(p->git, new, commit) || strcmp(commit, new) != 0)
		refuse(p, "ref.out", NULL, ref, "must point at a commit");
	else if (git_no_object(old))
		hookrefs_begun(&p->refs, ref, out);
	else if (GIT(p->git, NULL, &none, "merge-base", "--is-ancestor", old, new))
		refuse(p, "ref.out", NULL, ref, "may only move forward");
}

/* The name of an input, or of a checkpoint, says which tree it is, so nobody can put another in its place. */
static void judge_in(struct push *p, const char *ref, const char *tree, const char *new)
{
	strs_add(&p->in, new);
	strs_add(&p->trees, tree);
	strs_add(&p->in_refs, ref);
}

static void take_in(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct push *p = ctx;
	char *first = xasprintf("tree %s\n", p->trees.v[i]);
	size_t n = strlen(first);
	bool good =
	    bytes && len > n && !memcmp(bytes, first, n) && (len < n + 7 || memcmp(bytes + n, "parent ", 7) != 0);
	if (!good)
		refuse(p, "ref.in", NULL, p->in_refs.v[i],
		       "must point at a commit without parents whose tree is the one that it is named after");
	free(first);
}

static int judge_ins(struct push *p, struct err *e)
{
	return p->in.n ? git_cat(p->git, "commit", p->in.v, p->in.n, COMMIT_MAX, take_in, p, e) : 0;
}

/* "": there is no such branch. */
static int look_where(const struct git *g, const char *branch, char here[72], struct err *e)
{
	char *ref = xasprintf("refs/heads/%s", branch);
	int rc = git_find(g, ref, here, e);
	free(ref);
	return rc;
}

/* The names of files, as cat-file takes them, of what is yet to run, or says what will, and has one of those words. */
static int find_open(struct push *p, const char *head, const struct strs *words, size_t first, size_t n,
		     struct strs *files, struct err *e)
{
	static const char *const how[] = {"grep", "-l", "-a", "-F"}, *const open[] = {
									 "--",		"tasks/unapproved",
									 "tasks/queue", "tasks/in_progress",
									 "schedules",	"grid.json"};
	struct strs args = {0};
	struct buf found = {0};
	for (size_t i = 0; i < sizeof how / sizeof *how; i++)
		strs_add(&args, how[i]);
	for (size_t i = first; i < first + n; i++) {
		strs_add(&args, "-e");
		strs_add(&args, words->v[i]);
	}
	strs_add(&args, head);
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		strs_add(&args, open[i]);
	int rc = git_run(p->git, &found, e, (const char *const *)args.v);
	rc = rc && e->class == ERR_NO ? 0 : rc;
	for (const char *at = found.data; at && *at && !rc; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n'))
		strs_addf(files, "%.*s", (int)strcspn(at, "\n"), at);
	strs_clear(&args);
	buf_clear(&found);
	return rc;
}

/* Of the inputs that go, those that this is to be given: a task, what a schedule has queued, an image. */
static void refuse_inputs(struct push *p, const struct json *doc)
{
	struct input in[INPUTS_MAX];
	size_t n = inputs_of(doc, in);
	const struct json *images = json_get(doc, "images");
	for (size_t i = 0; i < n; i++)
		if (in[i].tree && strs_has(&p->gone, in[i].tree))
			refuse(p, "ref.in", NULL, in[i].tree,
			       "this input is named by a task that is yet to run, or by a schedule");
	for (const struct json *v = images && images->type == JSON_ARRAY ? images->child : NULL; v; v = v->next)
		if (json_str(v, "build") && strs_has(&p->gone, json_str(v, "build")))
			refuse(p, "ref.in", NULL, json_str(v, "build"), "an image of grid.json is built from it");
}

/* Of the checkpoints that go, those that a task which has not ended would go on from. */
static void refuse_checkpoint(struct push *p, const struct json *of)
{
	const char *ref = json_str(of, "ref");
	struct place_checkpoint at;
	char name[sizeof at.nonce + sizeof at.tree + 1];
	if (!ref || !place_checkpoint_parse(ref, &at))
		return;
	snprintf(name, sizeof name, "%s/%s", at.nonce, at.tree);
	if (strs_has(&p->gone_checkpoints, name))
		refuse(p, "ref.in", NULL, ref, "a task that has not ended goes on from this checkpoint");
}

static void judge_open(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct json_error je;
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL, *next = doc ? checkpoint_next(doc) : NULL;
	const struct json *claim = json_get(doc, "claim");
	(void)i;
	refuse_inputs(ctx, doc);
	refuse_inputs(ctx, json_get(doc, "task"));
	refuse_checkpoint(ctx, next);
	refuse_checkpoint(ctx, json_get(claim, "checkpoint"));
	refuse_checkpoint(ctx, json_get(claim, "saved"));
	json_free(next);
	json_free(doc);
}

static void refuse_ref(void *ctx, const char *rule, const char *ref, const char *text)
{
	refuse(ctx, rule, NULL, ref, text);
}

static int judge_refs(struct push *p, const char *head, struct err *e)
{
	struct grid_config c = {0};
	if (p->refs.changed.n) /* nothing else asks them */
		settings_here(p, &c);
	int rc = hookrefs_judge(&p->refs, p->git, head, &c, refuse_ref, p, e);
	config_clear(&c);
	return rc;
}

/* What goes must not be needed. head: the ledger's as it will be. */
static int judge_gone(struct push *p, const char *head, struct err *e)
{
	struct strs *const all[] = {&p->gone, &p->gone_checkpoints};
	struct strs files = {0};
	int rc = 0;
	for (int k = 0; k < 2; k++)
		for (size_t i = 0, n; i < all[k]->n && head[0] && !rc; i += n) {
			n = all[k]->n - i < GONE_AT_ONCE ? all[k]->n - i : GONE_AT_ONCE;
			rc = find_open(p, head, all[k], i, n, &files, e);
		}
	if (files.n && !rc)
		rc = git_cat(p->git, "blob", files.v, files.n, GRID_FILE_MAX, judge_open, p, e);
	strs_clear(&files);
	return rc;
}

/* What somebody wants run is given what the host has: no push took it away meanwhile. */
static int judge_named(struct push *p, struct err *e)
{
	struct strs args = {0};
	struct buf found = {0};
	strs_add(&args, "for-each-ref");
	strs_add(&args, "--format=%(refname)");
	for (size_t i = 0; i < p->named.n; i++) {
		strs_addf(&args, PLACE_IN "/%s", p->named.v[i]);
		strs_addf(&args, PLACE_HEADS "in/%s", p->named.v[i]);
	}
	int rc = p->named.n ? git_run(p->git, &found, e, (const char *const *)args.v) : 0;
	for (size_t i = 0; i < p->named.n && !rc; i++)
		if (!strs_has(&p->trees, p->named.v[i]) && !strstr(found.data ? found.data : "", p->named.v[i]))
			refuse(p, "ref.in", NULL, p->named.v[i],
			       "a task is to be given this tree, and there is no such input here (submit it again)");
	strs_clear(&args);
	buf_clear(&found);
	return rc;
}

/* True: it is a ref that holds files, and was judged. */
static bool judge_place(struct push *p, const char *ref, const char *old, const char *new)
{
	struct place_out out;
	struct place_checkpoint checkpoint;
	const char *name;
	if (place_out_parse(ref, &out))
		judge_out(p, ref, &out, old, new);
	else if (place_in_parse(ref, &name) && git_no_object(new))
		strs_add(&p->gone, name);
	else if (place_in_parse(ref, &name))
		judge_in(p, ref, name, new);
	else if (place_checkpoint_parse(ref, &checkpoint) && git_no_object(new))
		strs_addf(&p->gone_checkpoints, "%s/%s", checkpoint.nonce, checkpoint.tree);
	else if (place_checkpoint_parse(ref, &checkpoint))
		judge_in(p, ref, checkpoint.tree, new);
	else if (!place_keep_parse(ref, &name))
		return false;
	else if (!git_no_object(old) && strcmp(old, new) != 0)
		refuse(p, "ref.keep", NULL, ref,
		       "is kept for good: no push changes or deletes it (who has the repository itself may: "
		       "git -c core.hooksPath=/dev/null update-ref -d)");
	return true;
}

/* Refs that dgrid reads, and those that would change what git makes of the history. Everything else is free. */
static void judge_ref(struct push *p, const char *ref, const char *old, const char *new)
{
	static const char *const of_nodes[] = {HEARTBEAT_REF, HEARTBEAT_FALLBACK, TAILS_REF, TAILS_FALLBACK};
	static const char *const known[] = {CHECKPOINT_REF, CHECKPOINT_FALLBACK, PLACE_IDLE, PLACE_HEADS "idle"};
	char there[72];
	if (git_no_object(old) &&
	    git_no_object(new)) { /* git deletes it all the same, and asks none of its own settings */
		if (git_resolve(p->git, ref, there))
			refuse(p, "ref.delete", NULL, ref, "is to be deleted by who says that nothing stands there");
		return;
	}
	bool ours = !strncmp(ref, "refs/dgrid/", 11) || !strncmp(ref, "refs/heads/dgrid-", 17), good = false;
	for (size_t i = 0; i < sizeof of_nodes / sizeof *of_nodes && !good; i++) {
		const char *node = of_a_node(ref, of_nodes[i]);
		good = node != NULL;
		if (node && i < 2)
			hookrefs_life(&p->refs, ref, node, old, new);
	}
	for (size_t i = 0; i < sizeof known / sizeof *known && !good; i++)
		good = !strcmp(ref, known[i]);
	if (ours && !good && !judge_place(p, ref, old, new))
		refuse(p, "ref.name", NULL, ref,
		       "no ref of dgrid's (expected refs/dgrid/heartbeats/NODE, tails/NODE, out/DAY/NODE/N, in/TREE, "
		       "ck/NONCE/TREE, keep/NAME, idle or " CHECKPOINT_REF
		       ", NODE and NAME being 1-64 of A-Z a-z 0-9 _ -)");
	const char *branch = strncmp(ref, "refs/heads/", 11) ? "" : ref + 11;
	if (!strcasecmp(branch, p->branch) || !strcasecmp(branch, ARCHIVE_BRANCH))
		refuse(p, "ref.name", NULL, ref,
		       "a file system without upper and lower case would take it for the ledger's");
	static const char *const short_of[] = {"refs/", "refs/tags/", "refs/remotes/"};
	for (size_t i = 0; i < sizeof short_of / sizeof *short_of && !git_no_object(new); i++) {
		size_t n = strlen(short_of[i]);
		if (!strncmp(ref, short_of[i], n) &&
		    (!strcasecmp(ref + n, p->branch) || !strcasecmp(ref + n, ARCHIVE_BRANCH)))
			refuse(p, "ref.name", NULL, ref,
			       "could be taken for the ledger's or the archive's branch, by its short name");
	}
	if (!git_no_object(new) && strstr(ref + 4, "/refs/"))
		refuse(
		    p, "ref.name", NULL, ref,
		    "has the name of a ref at its end: git would not know which of the two a push of that one means");
	if (!strncmp(ref, "refs/replace/", 13))
		refuse(p, "ref.replace", NULL, ref, "would show other objects in place of those of the history");
	if (is_below(ref, p->branch) || is_below(ref, ARCHIVE_BRANCH))
		refuse(p, "ref.name", NULL, ref,
		       "no branch may stand below the ledger's or the archive's name: it would keep that one from "
		       "being made");
}

/* What who pushes says of where the two branches stand, git holds against them only after this, and one after the
 * other: where it is not so of one, the other would land alone. */
static int judge_both(struct push *p, struct err *e)
{
	char ledger[72], archive[72];
	if (look_where(p->git, p->branch, ledger, e) || look_where(p->git, ARCHIVE_BRANCH, archive, e))
		return -1;
	if ((p->ledger.given && strcmp(p->ledger.old, ledger) != 0) ||
	    (p->archive.given && strcmp(p->archive.old, archive) != 0))
		refuse(p, "ref.moved", NULL, "",
		       "the ledger or the archive has moved meanwhile: fetch, and push again");
	return 0;
}

static int read_update(struct push *p, const char *line, size_t len, struct err *e)
{
	char text[1024], old[72], new[72], ref[800];
	snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), line);
	if (len >= sizeof text || sscanf(text, "%71[0-9a-f] %71[0-9a-f] %799s", old, new, ref) != 3)
		return err_set(e, ERR_USAGE,
			       "hook pre-receive: expected lines \"OLD NEW REF\" on stdin, as git gives them");
	bool is_branch = !strncmp(ref, "refs/heads/", 11);
	struct update *u = is_branch && !strcmp(ref + 11, p->branch)	    ? &p->ledger
			   : is_branch && !strcmp(ref + 11, ARCHIVE_BRANCH) ? &p->archive
									    : NULL;
	if (!u) {
		judge_ref(p, ref, old, new);
		return 0;
	}
	if (git_no_object(new)) {
		refuse(p, rule_at(RULE_HISTORY_REWRITTEN)->id, NULL, "",
		       u == &p->ledger ? "the ledger's branch may not be deleted" : "the archive may not be deleted");
		return 0;
	}
	/* git would take one step after the other, and only the last would be judged. */
	if (u->given)
		refuse(p, "ref.name", NULL, ref, "it stands twice in one push");
	u->given = true;
	snprintf(u->old, sizeof u->old, "%s", git_no_object(old) ? "" : old);
	snprintf(u->new, sizeof u->new, "%s", new);
	return 0;
}

/* Where commits must be signed and no person is enrolled, nobody could ever change that again. */
static int judge_people(struct push *p, struct err *e)
{
	char *name = xasprintf("%s:grid.json", p->ledger.new);
	struct grid_config c = {0};
	struct keyring ring = {0};
	struct buf text = {0};
	struct problems wrong = {.file = "grid.json"};
	struct err none;
	bool person = false;
	int rc = 0;
	config_defaults(&c);
	if (!GIT(p->git, &text, &none, "cat-file", "blob", name))
		config_parse(&c, text.data ? text.data : "", text.len, &wrong);
	if (wrong.n) {
		char *first = xasprintf("%.*s", (int)strcspn(wrong.text.data, "\n"), wrong.text.data);
		refuse(p, "signed.settings", NULL, "grid.json", first);
		free(first);
	}
	if (wrong.n || !c.require_signed_nodes)
		goto out;
	rc = keyring_read(p->git, p->ledger.new, &ring, e);
	for (size_t i = 0; i < ring.n && !rc && !person; i++)
		person = ring.v[i].valid && ring.v[i].person;
	if (!rc && !person)
		refuse(p, "signed.settings", NULL, "grid.json",
		       ring.apart || !ring.n
			   ? "require_signed_nodes without a person who is enrolled: nobody could change anything any "
			     "more (enrol one first: dgrid enroll --person NAME KEY.pub)"
			   : "the grid does not say which of its keys are people's, so a node's would be taken for "
			     "one (first, for each of them: dgrid enroll --person NAME)");
out:
	config_clear(&c);
	keyring_clear(&ring);
	buf_clear(&text);
	problems_clear(&wrong);
	free(name);
	return rc;
}

static const char *or_null(const char *oid)
{
	return *oid ? oid : NULL;
}

static int judge_lines(struct push *p, const char *lines, struct err *e)
{
	int rc = 0;
	size_t n = 0;
	for (const char *line = lines; *line; line += *line == '\n', n++)
		line += strcspn(line, "\n");
	if (n > REFS_MAX) {
		char *why = xasprintf("%zu refs in one push (at most %d: push them in parts)", n, REFS_MAX);
		refuse(p, "ref.many", NULL, "", why);
		free(why);
		return 0;
	}
	for (const char *line = lines; *line && !rc;) {
		size_t len = strcspn(line, "\n");
		rc = len ? read_update(p, line, len, e) : 0;
		line += len + (line[len] == '\n');
	}
	return rc;
}

int hook_judge(const struct git *g, const char *branch, const char *lines, struct strs *refusals, struct err *e)
{
	struct push p = {.git = g, .branch = branch, .refusals = refusals};
	char head[72] = "";
	int rc = judge_lines(&p, lines, e) || judge_ins(&p, e) ? -1 : 0;
	if (p.ledger.given)
		memcpy(head, p.ledger.new, sizeof head);
	else if (!rc && (p.gone.n || p.gone_checkpoints.n || p.refs.gone.n))
		rc = look_where(g, branch, head, e);
	rc = rc || judge_gone(&p, head, e) || judge_refs(&p, head, e) ? -1 : 0;
	if (!rc && !refusals->n)
		rc = judge_both(&p, e);
	if (!rc && (p.ledger.given || p.archive.given) && !refusals->n) {
		if (!p.ledger.given) { /* it stays where it is; an archive that is not pushed gets nothing */
			rc = look_where(g, branch, p.ledger.old, e);
			memcpy(p.ledger.new, p.ledger.old, sizeof p.ledger.new);
		}
		struct replay r = {.git = g,
				   .from = or_null(p.ledger.old),
				   .to = p.ledger.new,
				   .archive_from = or_null(p.archive.old),
				   .archive_to = or_null(p.archive.new),
				   .archive_all = true,
				   .now = clock_now(),
				   .ctx = &p,
				   .tell = tell,
				   .given = p.ledger.old[0] ? given : NULL};
		p.replay = &r;
		if (!p.ledger.new[0])
			refuse(&p, rule_at(RULE_ARCHIVE_LOST)->id, p.archive.new, "", "an archive without a ledger");
		else
			rc = replay_run(&r, e);
		rc = rc ? rc : judge_named(&p, e);
		if (!rc && !refusals->n && (p.settled || !p.ledger.old[0]))
			rc = judge_people(&p, e);
		p.replay = NULL;
		if (!rc && r.stopped)
			rc = err_set(e, ERR_UNAVAILABLE, "it was stopped before the end");
	}
	if (p.more) {
		char *text = xasprintf("and %zu more", p.more);
		strs_add(refusals, text);
		free(text);
	}
	struct strs *const lists[] = {&p.in, &p.trees, &p.in_refs, &p.gone, &p.gone_checkpoints, &p.named};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		strs_clear(lists[i]);
	hookrefs_clear(&p.refs);
	return rc;
}
