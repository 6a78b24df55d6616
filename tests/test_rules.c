/* The rules of an audit, each with a commit that keeps it and one that breaks it, without any git. */
#include "audit/rules.h"
#include "base/clock.h"
#include "test.h"
#include <stdlib.h>

#define NOW 1800000000

/* ---- a bench: the world, one commit, and what was told of it ---- */

static struct rules r;
static struct rule_commit c;
static struct json *docs[64];
static char *texts[64];
static size_t n_docs;
static struct {
	enum rule_id rule;
	char path[128], text[256];
} told[64];
static size_t n_told;

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *of, const char *path, const char *text)
{
	(void)ctx;
	(void)of;
	if (n_told == 64)
		return;
	told[n_told].rule = rule;
	snprintf(told[n_told].path, sizeof told[n_told].path, "%s", path);
	snprintf(told[n_told++].text, 256, "%.255s", text);
}

static void commit_clear(void)
{
	for (size_t i = 0; i < c.n; i++)
		free(c.changes[i].path);
	free(c.changes);
	for (size_t i = 0; i < n_docs; i++) {
		json_free(docs[i]);
		free(texts[i]);
	}
	n_docs = 0;
	c = (struct rule_commit){0};
}

/* A commit of WHO's with that tail of its subject; NULL: by hand. */
static void commit_by(const char *who, const char *did)
{
	static char subject[128], author[128];
	commit_clear();
	n_told = 0;
	snprintf(subject, sizeof subject, did ? "%s: %s" : "by %s's hand", who, did);
	snprintf(author, sizeof author, "%s <%s@example.org>", who, who);
	c.subject = subject;
	c.author = c.committer = author;
	c.at = NOW;
	c.n_parents = 1;
	snprintf(c.id, sizeof c.id, "%s", "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff");
	snprintf(c.parent, sizeof c.parent, "%s", "beef");
}

static struct rule_text text_of(const char *text)
{
	texts[n_docs] = xstrdup(text);
	docs[n_docs] = NULL;
	struct rule_text t = {texts[n_docs], strlen(text), &docs[n_docs]};
	n_docs++;
	return t;
}

/* NULL: it does not stand there; the blob's name is made of the text's length and first bytes, as far as it matters. */
static struct rule_change *change(const char *path, const char *old, const char *new)
{
	c.changes = xrealloc(c.changes, (c.n + 1) * sizeof *c.changes);
	struct rule_change *ch = &c.changes[c.n++];
	*ch = (struct rule_change){.path = xstrdup(path)};
	rule_change_classify(ch);
	if (old) {
		ch->old_mode = 0100644;
		ch->old = text_of(old);
		snprintf(ch->old_oid, sizeof ch->old_oid, "%.71s", old);
	}
	if (new) {
		ch->new_mode = 0100644;
		ch->new = text_of(new);
		snprintf(ch->new_oid, sizeof ch->new_oid, "%.71s", new);
	}
	ch->status = !old ? 'A' : !new ? 'D' : 'M';
	return ch;
}

static void move(const char *from, const char *to, const char *old, const char *new)
{
	char path[128];
	if (from && to && !strcmp(from, to)) {
		snprintf(path, sizeof path, "tasks/%s/a.json", from);
		change(path, old, new);
		return;
	}
	if (from) {
		snprintf(path, sizeof path, "tasks/%s/a.json", from);
		change(path, old, NULL);
	}
	if (to) {
		snprintf(path, sizeof path, "tasks/%s/a.json", to);
		change(path, NULL, new);
	}
}

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int64_t newest;		    /* the date of what came before */
static int64_t past;		    /* until when other images were allowed; 0: never */
static const char *others[4];	    /* what runs besides, NULL-terminated */
static const char *settings, *file; /* grid.json and n1's file, as they stood before; NULL: the defaults, nothing */

static bool reused; /* a task of that id was there before */

/* Judges the commit in a world where task a stands in state (-1: nowhere), nodes n1 and n2 are registered. */
static void judge(int state)
{
	world_clear(&r.world);
	world_init(&r.world);
	r.world.newest = newest;
	if (past)
		world_past_add(&r.world, "{\"images\":[\"old:1\"]}", 20, past);
	r.tell = tell;
	if (state >= 0)
		world_task_add(&r.world, "a")->states = 1u << state;
	struct world_node *n = world_node_add(&r.world, "n1");
	n->seen = NOW - 100;
	n->next_due = NOW - 70;
	if (settings)
		world_settings(&r.world, settings, strlen(settings), 0);
	struct json_error je;
	struct json *doc = file ? json_parse(file, strlen(file), &je) : NULL;
	if (doc)
		world_node_read(n, doc);
	json_free(doc);
	for (size_t i = 0; i < 4 && others[i]; i++) {
		struct json *runs = json_parse(others[i], strlen(others[i]), &je);
		world_runs(&r.world, text("o%zu", i), runs);
		json_free(runs);
	}
	world_node_add(&r.world, "n2");
	world_nonce_new(&r.world, "ffffffffffffffffffffffffffffffff");
	if (reused)
		world_nonce_new(&r.world, "id a");
	rules_judge(&r, &c);
}

static size_t violations(void)
{
	size_t n = 0;
	for (size_t i = 0; i < n_told; i++)
		n += told[i].rule < RULE_NOTICES;
	return n;
}

static void clean(const char *what)
{
	CHECK(!violations(), what);
	for (size_t i = 0; i < n_told; i++)
		if (told[i].rule < RULE_NOTICES)
			printf("  %s: %s: %s: %s\n", what, rule_at(told[i].rule)->id, told[i].path, told[i].text);
}

static bool seen_rule[RULE_N];

/* The rule is the first that was told. */
static void broken(enum rule_id rule, const char *what)
{
	seen_rule[rule] = true;
	CHECK(n_told && told[0].rule == rule, what);
	if (!n_told || told[0].rule != rule)
		printf("  %s: expected %s, got %s: %s\n", what, rule_at(rule)->id,
		       n_told ? rule_at(told[0].rule)->id : "nothing", n_told ? told[0].text : "");
}

static int behind(void *ctx, const struct rule_commit *of, char id[72])
{
	(void)ctx;
	snprintf(id, 72, "%s", of->parent);
	return 1;
}

/* ---- documents ---- */

#define HEAD "\"task_id\":\"a\",\"script\":\"true\",\"timeout_seconds\":60"
#define TASK "{" HEAD "}"
#define NONCE "0123456789abcdef0123456789abcdef"

static const char *at(int64_t offset)
{
	static char out[8][32];
	static unsigned k;
	return clock_format(NOW + offset, out[k++ % 8]);
}

static char *with(const char *members)
{
	static char out[16][4096];
	static unsigned k;
	char *to = out[k++ % 16];
	snprintf(to, 4096, "{" HEAD "%s%s}", *members ? "," : "", members);
	return to;
}

/* As the claim and as its entry in attempts have it. */
static char *claim_core(const char *node, int attempt, const char *nonce, int64_t claimed, int64_t lease)
{
	static char out[16][512];
	static unsigned k;
	char *to = out[k++ % 16];
	snprintf(to, 512,
		 "\"node\":\"%s\",\"attempt\":%d,\"nonce\":\"%s\",\"claimed_at\":\"%s\",\"lease_until\":\"%s\"", node,
		 attempt, nonce, at(claimed), at(lease));
	return to;
}

#include <stdarg.h>
static char *text(const char *fmt, ...)
{
	static char out[16][4096];
	static unsigned k;
	char *to = out[k++ % 16];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(to, 4096, fmt, ap);
	va_end(ap);
	return to;
}

/* ---- the claim ---- */

static void try_claim(const char *who, const char *node, int attempt, const char *nonce, int64_t claimed, int64_t lease)
{
	commit_by(who, "claim a");
	move("queue", "in_progress", TASK,
	     with(text("\"claim\":{%s}", claim_core(node, attempt, nonce, claimed, lease))));
	judge(TASK_QUEUE);
}

static void claims(void)
{
	try_claim("n1", "n1", 1, NONCE, 0, 120);
	clean("a claim");
	commit_by("n1", "claim a");
	move("queue", "in_progress", with("\"created_at\":\"x\""),
	     with(text("\"created_at\":\"x\",\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	judge(TASK_QUEUE);
	clean("of a task whose created_at is no time, as it once could be");
	try_claim("n1", "n2", 1, NONCE, 0, 120);
	broken(RULE_CLAIM_NODE, "in another node's name");
	try_claim("n3", "n3", 1, NONCE, 0, 120);
	broken(RULE_CLAIM_NODE, "by a node that is not registered");
	commit_by("n3", "claim a");
	move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n3", 1, NONCE, 0, 120))));
	change("nodes/n3.json", NULL, "{\"node_id\":\"n3\"}");
	judge(TASK_QUEUE);
	clean("by one that registers with the same commit");
	commit_by("n1", NULL);
	move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	judge(TASK_QUEUE);
	broken(RULE_CLAIM_NODE, "by hand");
	try_claim("n1", "n1", 1, "ffffffffffffffffffffffffffffffff", 0, 120);
	broken(RULE_CLAIM_NONCE, "a nonce used before");
	try_claim("n1", "n1", 1, "0123", 0, 120);
	broken(RULE_CLAIM_NONCE, "a short nonce");
	try_claim("n1", "n1", 2, NONCE, 0, 120);
	broken(RULE_CLAIM_ATTEMPT, "an attempt left out");
	try_claim("n1", "n1", 1, NONCE, -1000, 120);
	broken(RULE_CLAIM_TIME, "backdated");
	try_claim("n1", "n1", 1, NONCE, 0, -1);
	broken(RULE_CLAIM_TIME, "a lease that has run out before it began");
	try_claim("n1", "n1", 1, NONCE, 0, 1000000);
	broken(RULE_CLAIM_TIME, "a lease for ever");
	commit_by("n1", "claim a");
	move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	newest = NOW + 4000;
	judge(TASK_QUEUE);
	broken(RULE_COMMIT_TIME, "a commit long before what came before it");
	newest = 0;
	commit_by("n1", "claim a");
	move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	r.clock = NOW - 4000;
	judge(TASK_QUEUE);
	broken(RULE_COMMIT_TIME, "a commit that is still to come");
	r.clock = 0;
	const char *spent = "\"max_attempts\":1,\"attempts\":[{\"outcome\":\"lost\"}]";
	commit_by("n1", "claim a");
	move("queue", "in_progress", with(spent),
	     with(text("%s,\"claim\":{%s}", spent, claim_core("n1", 2, NONCE, 0, 120))));
	judge(TASK_QUEUE);
	broken(RULE_CLAIM_ATTEMPT, "one more than max_attempts");
	commit_by("n1", "claim a");
	move("queue", "in_progress", TASK,
	     text("{\"task_id\":\"a\",\"script\":\"false\",\"timeout_seconds\":60,\"claim\":{%s}}",
		  claim_core("n1", 1, NONCE, 0, 120)));
	judge(TASK_QUEUE);
	broken(RULE_TASK_FIELDS, "another script than was queued");
	commit_by("n1", "claim a");
	move("queue", "in_progress", TASK, "{\"task_id\":\"a\"");
	judge(TASK_QUEUE);
	broken(RULE_FILE_JSON, "no JSON");
}

static void renewals(void)
{
	const char *old = with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, -50, 70)));
	commit_by("n1", "renew a");
	move("in_progress", "in_progress", old, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, -50, 120))));
	judge(TASK_IN_PROGRESS);
	clean("a renewal");
	commit_by("n1", "renew a");
	move("in_progress", "in_progress", old, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, -50, 60))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_CLAIM_RENEWAL, "backward");
	commit_by("n2", "renew a");
	move("in_progress", "in_progress", old, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, -50, 120))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_CLAIM_RENEWAL, "by another");
	commit_by("n2", "renew a");
	move("in_progress", "in_progress", old, with(text("\"claim\":{%s}", claim_core("n2", 1, NONCE, -50, 120))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_CLAIM_RENEWAL, "a claim that is taken over in place");
	commit_by("ann", "cancel a");
	move("in_progress", "in_progress", old,
	     with(text("\"claim\":{%s},\"cancel\":{\"by\":\"ann\"}", claim_core("n1", 1, NONCE, -50, 70))));
	judge(TASK_IN_PROGRESS);
	clean("a cancel is asked for");
	commit_by("n2", "cancel a");
	move("in_progress", "in_progress", old,
	     with(text("\"claim\":{%s},\"cancel\":{\"by\":\"n2\"}", claim_core("n1", 1, NONCE, -50, 70))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_CANCEL_NOTE, "by a node");
	const char *asked =
	    with(text("\"claim\":{%s},\"cancel\":{\"by\":\"bob\"}", claim_core("n1", 1, NONCE, -50, 70)));
	commit_by("ann", "cancel a");
	move("in_progress", "in_progress", asked,
	     with(text("\"claim\":{%s},\"cancel\":{\"by\":\"ann\"}", claim_core("n1", 1, NONCE, -50, 70))));
	judge(TASK_IN_PROGRESS);
	clean("asked for a second time");
	commit_by("ann", NULL);
	move("in_progress", "in_progress", asked, old);
	judge(TASK_IN_PROGRESS);
	broken(RULE_CANCEL_NOTE, "and the note taken out");
	commit_by("ann", "cancel a");
	move("in_progress", "in_progress", old,
	     with(text("\"claim\":{%s},\"cancel\":{\"by\":\"bob\"}", claim_core("n1", 1, NONCE, -50, 70))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_CANCEL_NOTE, "in another's name");
}

/* ---- the end ---- */

static const char *running(void)
{
	return with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, -50, 70)));
}

static char *entry(const char *more)
{
	return text("{%s,\"ended_at\":\"%s\"%s%s}", claim_core("n1", 1, NONCE, -50, 70), at(0), *more ? "," : "", more);
}

#define TRUE_SHA256 "b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* What a run of "true" leaves behind its times. */
#define RAN(code, out, bytes, hash)                                                                                    \
	"\"exit_code\":" code ",\"signal\":null,\"duration_ms\":0,\"engine\":\"docker\",\"image\":\"alpine:3.20\","    \
	"\"image_digest\":\"\",\"script_sha256\":\"" TRUE_SHA256 "\",\"stdout\":\"" out "\",\"stdout_bytes\":" bytes   \
	",\"stdout_truncated\":false,\"stdout_sha256\":\"" hash                                                        \
	"\",\"stderr\":\"\",\"stderr_bytes\":0,\"stderr_truncated\":false,\"stderr_sha256\":\"" EMPTY_SHA256 "\""

static char *result_of(const char *status, const char *node, const char *nonce, int64_t started, int64_t finished,
		       const char *ran)
{
	return text(
	    "\"result\":{\"status\":\"%s\",\"node\":\"%s\",\"attempt\":1,\"nonce\":\"%s\",\"started_at\":\"%s\","
	    "\"finished_at\":\"%s\",%s}",
	    status, node, nonce, at(started), at(finished), ran);
}

static char *result(const char *status, const char *node, const char *nonce, int64_t started, int64_t finished)
{
	return result_of(status, node, nonce, started, finished,
			 !strcmp(status, "success")  ? RAN("0", "", "0", EMPTY_SHA256)
			 : !strcmp(status, "failed") ? RAN("1", "", "0", EMPTY_SHA256)
						     : RAN("null", "", "0", EMPTY_SHA256));
}

static void try_end(const char *who, const char *to, const char *outcome, const char *its_result)
{
	commit_by(who, "success a");
	move("in_progress", to, running(),
	     with(text("\"attempts\":[%s],%s", entry(text("\"outcome\":\"%s\"", outcome)), its_result)));
	judge(TASK_IN_PROGRESS);
}

static void try_out(const char *out)
{
	char *words =
	    text("%.*s,\"limits\":{\"out_mb\":16},%s}", (int)strlen(result("success", "n1", NONCE, -49, -1)) - 1,
		 result("success", "n1", NONCE, -49, -1), out);
	try_end("n1", "completed", "success", words);
}

static void outputs(void)
{
	char tree[72], day[32];
	memset(tree, 'a', sizeof tree);
	tree[strlen("c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff")] = 0;
	snprintf(day, sizeof day, "%.10s", at(0));
	const char *counts = "\"files\":2,\"bytes\":100";
	try_out(text("\"out\":{\"tree\":\"%s\",%s,\"ref\":\"refs/dgrid/out/%s/n1/1\"}", tree, counts, day));
	clean("files");
	try_out(text("\"out\":{\"tree\":\"%s\",%s,\"ref\":\"refs/heads/dgrid-out/%s/n1/2\"}", tree, counts, day));
	clean("files on a branch");
	try_out("\"out_error\":\"declined by the host\"");
	clean("files that a host declined");
	try_out(text("\"out\":{\"tree\":\"%s\",%s,\"ref\":\"refs/dgrid/out/%s/n2/1\"}", tree, counts, day));
	broken(RULE_OUT_FORM, "on another node's ref");
	try_out(text("\"out\":{\"tree\":\"%s\",%s,\"ref\":\"refs/dgrid/out/2001-01-01/n1/1\"}", tree, counts));
	broken(RULE_OUT_FORM, "on a day long before");
	try_out(text("\"out\":{\"tree\":\"%s\",%s}", tree, counts));
	broken(RULE_OUT_FORM, "nowhere");
	try_out(text("\"out\":{\"tree\":\"main\",%s,\"ref\":\"refs/dgrid/out/%s/n1/1\"}", counts, day));
	broken(RULE_OUT_FORM, "no tree");
	try_out(text("\"out\":{\"tree\":\"%s\",\"files\":2,\"bytes\":17000000,\"ref\":\"refs/dgrid/out/%s/n1/1\"}",
		     tree, day));
	broken(RULE_OUT_FORM, "more than it was allowed");
	static const struct {
		const char *stored, *what; /* what NULL: it is fine */
	} stores[] = {{"\"files\":1,\"bytes\":2000000,\"over_mb\":1", NULL},
		      {"\"files\":2,\"bytes\":16777000,\"over_mb\":1", NULL},
		      {"\"files\":2,\"bytes\":16778000,\"over_mb\":1", "more in a store than it was allowed"},
		      {"\"files\":3,\"bytes\":2000000,\"over_mb\":1", "more files in a store than there are"},
		      {"\"files\":1,\"bytes\":2000000,\"over_mb\":2", "no setting of the grid's"},
		      {"\"files\":1,\"bytes\":1000000,\"over_mb\":1", "none that is large"},
		      {"\"files\":1,\"bytes\":9223372036854775807,\"over_mb\":1", "as many as there can be"}};
	for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
		settings = "{\"large_file_mb\":1}";
		try_out(text("\"out\":{\"tree\":\"%s\",%s,\"ref\":\"refs/dgrid/out/%s/n1/1\",\"stored\":{%s}}", tree,
			     counts, day, stores[i].stored));
		if (stores[i].what)
			broken(RULE_OUT_FORM, stores[i].what);
		else
			clean("files in a store");
	}
	settings = NULL;
}

static void try_points(const char *members, const char *to, const char *status, const char *points)
{
	char *whole =
	    text("%.*s,\"points_failed\":0,\"points\":[%s]}", (int)strlen(result(status, "n1", NONCE, -49, -1)) - 1,
		 result(status, "n1", NONCE, -49, -1), points);
	char *old = text("%s,\"claim\":{%s}", members, claim_core("n1", 1, NONCE, -50, 70)),
	     *new = text("%s,\"attempts\":[%s],%s", members, entry(text("\"outcome\":\"%s\"", status)), whole);
	commit_by("n1", "success a");
	move("in_progress", to, with(old), with(new));
	judge(TASK_IN_PROGRESS);
}

static void points(void)
{
#define POINT(n) "{\"point\":" n ",\"status\":\"success\",\"exit_code\":0,\"signal\":null,\"duration_ms\":0}"
	try_points("\"points\":2,\"first_point\":5", "completed", "success", POINT("5") "," POINT("6"));
	clean("a result with points");
	try_points("\"points\":3,\"first_point\":5", "completed", "success", POINT("5") "," POINT("6"));
	broken(RULE_RESULT_POINTS, "a point without an entry");
	try_points("\"points\":2", "completed", "success", POINT("5") "," POINT("6"));
	broken(RULE_RESULT_POINTS, "other points than the task's");
	try_points("\"points\":1", "completed", "success",
		   "{\"point\":0,\"status\":\"success\",\"exit_code\":0,\"signal\":null,\"duration_ms\":0,\"x\":1}");
	broken(RULE_DOC_FIELDS, "a member that dgrid does not write");
}

static void results(void)
{
	try_end("n1", "completed", "success", result("success", "n1", NONCE, -49, -1));
	clean("a result");
	try_end("n2", "completed", "success", result("success", "n1", NONCE, -49, -1));
	broken(RULE_RESULT_CLAIM, "by another");
	try_end("ann", "completed", "success", result("success", "n1", NONCE, -49, -1));
	broken(RULE_RESULT_CLAIM, "by a person");
	try_end("n1", "completed", "success", result("success", "n1", "00000000000000000000000000000000", -49, -1));
	broken(RULE_RESULT_CLAIM, "under another nonce");
	try_end("n1", "completed", "success", result("success", "n2", NONCE, -49, -1));
	broken(RULE_RESULT_CLAIM, "of another node");
	try_end("n1", "completed", "success", result("success", "n1", NONCE, -5000, -1));
	broken(RULE_RESULT_TIME, "it ran before its claim");
	try_end("n1", "completed", "success", result("success", "n1", NONCE, -49, 5000));
	broken(RULE_RESULT_TIME, "it ends after its commit");
	try_end("n1", "completed", "success", result("success", "n1", NONCE, -49, -5000));
	broken(RULE_RESULT_TIME, "it ends before it begins");
	try_end("n1", "completed", "failed", result("failed", "n1", NONCE, -49, -1));
	broken(RULE_RESULT_FOLDER, "a failure in completed");
	try_end("n1", "failed", "success", result("success", "n1", NONCE, -49, -1));
	broken(RULE_RESULT_FOLDER, "a success in failed");
	try_end("n1", "failed", "fine", result("fine", "n1", NONCE, -49, -1));
	broken(RULE_RESULT_FOLDER, "a status that nobody knows");
	try_end("n1", "failed", "success", result("failed", "n1", NONCE, -49, -1));
	broken(RULE_ATTEMPTS_GROW, "two stories of one end");
	commit_by("n1", "success a");
	move("in_progress", "completed", running(), with(result("success", "n1", NONCE, -49, -1)));
	judge(TASK_IN_PROGRESS);
	broken(RULE_ATTEMPTS_GROW, "no entry of attempts");
	commit_by("n1", "success a");
	move("in_progress", "completed", running(),
	     with(text("\"attempts\":[{%s,\"ended_at\":\"%s\",\"outcome\":\"success\"}],%s",
		       claim_core("n1", 2, NONCE, -50, 70), at(0), result("success", "n1", NONCE, -49, -1))));
	judge(TASK_IN_PROGRESS);
	broken(RULE_ATTEMPTS_GROW, "an entry of another attempt");
	try_end("n1", "failed", "cancelled", result("cancelled", "n1", NONCE, -49, -1));
	broken(RULE_CANCEL_NOTE, "cancelled by nobody");
	const char *old = with(text("\"claim\":{%s},\"cancel\":{\"by\":\"ann\"}", claim_core("n1", 1, NONCE, -50, 70)));
	commit_by("n1", "cancelled a");
	move("in_progress", "failed", old,
	     with(text("\"cancel\":{\"by\":\"ann\"},\"attempts\":[%s],%s", entry("\"outcome\":\"cancelled\""),
		       result("cancelled", "n1", NONCE, -49, -1))));
	judge(TASK_IN_PROGRESS);
	clean("cancelled by ann");
	const char *done = with(
	    text("\"attempts\":[%s],%s", entry("\"outcome\":\"success\""), result("success", "n1", NONCE, -49, -1)));
	commit_by("n1", NULL);
	move("completed", "completed", done,
	     with(text("\"attempts\":[%s],%s", entry("\"outcome\":\"success\""),
		       result("success", "n1", NONCE, -48, -1))));
	judge(TASK_COMPLETED);
	broken(RULE_RESULT_FROZEN, "a result rewritten");
	commit_by("ann", NULL);
	move("completed", NULL, done, NULL);
	judge(TASK_COMPLETED);
	broken(RULE_RESULT_FROZEN, "a result removed");
	commit_by("ann", NULL);
	move("completed", "failed", done, done);
	judge(TASK_COMPLETED);
	broken(RULE_RESULT_FROZEN, "moved to failed");
	/* A retry. */
	const char *again = text("\"attempts\":[%s,{\"ended_at\":\"%s\",\"outcome\":\"retried\",\"by\":\"%s\"}]",
				 entry("\"outcome\":\"success\""), at(0), "ann");
	commit_by("ann", "retry a");
	move("completed", "queue", done, with(again));
	judge(TASK_COMPLETED);
	clean("a retry");
	for (int i = 0; i < 4; i++) { /* of what it used */
		static const char *const kept[] = {
		    "\"duration_ms\":0", "\"duration_ms\":1",
		    "\"usage\":{\"cpu_user_ms\":7,\"cpu_system_ms\":7,\"by\":\"cgroup\"}",
		    "\"duration_ms\":0,\"outcome2\":1"};
		commit_by("ann", "retry a");
		move("completed", "queue", done,
		     with(text("\"attempts\":[%s,{\"ended_at\":\"%s\",\"outcome\":\"retried\",\"by\":\"ann\",%s}]",
			       entry("\"outcome\":\"success\""), at(0), kept[i])));
		judge(TASK_COMPLETED);
		if (!i)
			clean("a retry that keeps how long it took");
		else
			broken(i == 3 ? RULE_DOC_FIELDS : RULE_ATTEMPTS_RETRY, kept[i]);
	}
	commit_by("n1", "retry a");
	move("completed", "queue", done, with(again));
	judge(TASK_COMPLETED);
	broken(RULE_ATTEMPTS_RETRY, "by a node");
	commit_by("bob", "retry a");
	move("completed", "queue", done, with(again));
	judge(TASK_COMPLETED);
	broken(RULE_ATTEMPTS_RETRY, "in another's name");
	commit_by("ann", "retry a");
	move("completed", "queue", done, with("\"attempts\":[{\"outcome\":\"retried\",\"by\":\"ann\"}]"));
	judge(TASK_COMPLETED);
	broken(RULE_ATTEMPTS_GROW, "with the story forgotten");
	commit_by("ann", "retry a");
	move("failed", "queue",
	     text("{\"task_id\":\"a\",\"result\":{\"status\":\"invalid\",\"finished_at\":\"%s\"}}", at(-1)),
	     text("{\"task_id\":\"a\",\"attempts\":[{\"ended_at\":\"%s\",\"outcome\":\"retried\",\"by\":\"ann\"}]}",
		  at(0)));
	judge(TASK_FAILED);
	broken(RULE_ATTEMPTS_RETRY, "of what was called no valid task");
}

/* ---- what a node says of a run ---- */

static void try_run(const char *status, const char *ran, enum rule_id rule, const char *what)
{
	bool success = !strcmp(status, "success");
	try_end("n1", success ? "completed" : "failed", status, result_of(status, "n1", NONCE, -49, -1, ran));
	if (rule == RULE_N)
		clean(what);
	else
		broken(rule, what);
}

static void runs(void)
{
	static const char other[] =
	    "\"exit_code\":0,\"signal\":null,\"duration_ms\":0,\"engine\":\"docker\",\"image\":\"%s\","
	    "\"image_digest\":\"\",\"script_sha256\":\"%s\",\"limits\":{\"memory_mb\":%d},\"stdout\":"
	    "\"\",\"stdout_bytes\":0,\"stdout_truncated\":false,\"stdout_sha256\":\"" EMPTY_SHA256
	    "\",\"stderr\":\"\",\"stderr_bytes\":0,\"stderr_truncated\":false,\"stderr_sha256\":\"" EMPTY_SHA256 "\"%s";
	char ran[2048];
	try_run("success", RAN("7", "", "0", EMPTY_SHA256), RULE_RESULT_PARTS, "success with exit code 7");
	try_run("failed", RAN("0", "", "0", EMPTY_SHA256), RULE_RESULT_PARTS, "failed with 0");
	try_run("timeout", RAN("null", "", "0", EMPTY_SHA256), RULE_RESULT_PARTS, "a timeout after no time");
	try_run("success", RAN("0", "ok", "2", EMPTY_SHA256), RULE_RESULT_PARTS, "a text that is not its hash's");
	try_run("success", RAN("0", "ok", "3", TRUE_SHA256), RULE_RESULT_PARTS, "a text of another length");
	try_run("success", RAN("0", "true", "4", TRUE_SHA256), RULE_N, "a text and its hash");
	try_run("success", RAN("0", "\\ufffd", "1", TRUE_SHA256), RULE_N, "a byte that is no UTF-8");
	snprintf(ran, sizeof ran, other, "alpine:3.20", TRUE_SHA256, 512, "");
	try_run("success", ran, RULE_N, "as the task has it");
	snprintf(ran, sizeof ran, other, "alpine:3.20", EMPTY_SHA256, 512, "");
	try_run("success", ran, RULE_RESULT_TASK, "another script");
	snprintf(ran, sizeof ran, other, "evil:1", TRUE_SHA256, 512, "");
	try_run("success", ran, RULE_RESULT_TASK, "another image");
	snprintf(ran, sizeof ran, other, "alpine:3.20", TRUE_SHA256, 513, "");
	try_run("success", ran, RULE_RESULT_TASK, "more memory than the settings give");
	settings = "{\"default_memory_mb\":64}";
	for (int mb = 64; mb <= 512; mb += 448) {
		snprintf(ran, sizeof ran, other, "alpine:3.20", TRUE_SHA256, mb, "");
		try_run("success", ran, mb == 64 ? RULE_N : RULE_RESULT_TASK, "more than it gets that does not ask");
	}
	settings = NULL;
	snprintf(ran, sizeof ran, other, "alpine:3.20", TRUE_SHA256, 512, ",\"note\":\"x\"");
	try_run("success", ran, RULE_DOC_FIELDS, "a member that dgrid does not write");
	/* What must not be claimed. */
	static const char *const bad[] = {"\"priority\":99", "\"scirpt\":\"x\"", "\"image\":\"evil:1\"",
					  "\"labels\":[\"gpu\"]"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		commit_by("n1", "claim a");
		move("queue", "in_progress", with(bad[i]),
		     with(text("%s,\"claim\":{%s}", bad[i], claim_core("n1", 1, NONCE, 0, 120))));
		judge(TASK_QUEUE);
		broken(RULE_CLAIM_TASK, bad[i]);
	}
#define DOS "{\"task_id\":\"a\",\"script\":\"echo 1\\r\\n\",\"timeout_seconds\":60%s}"
	commit_by("n1", "claim a");
	move("queue", "in_progress", text(DOS, ""),
	     text(DOS, text(",\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	judge(TASK_QUEUE);
	clean("of a script that no program submits any more");
	const char *wait = text("\"not_before\":\"%s\"", at(900));
	commit_by("n1", "claim a");
	move("queue", "in_progress", with(wait), with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	judge(TASK_QUEUE);
	broken(RULE_CLAIM_TASK, "before its not_before");
	commit_by("n1", "claim a");
	move("queue", "in_progress", with("\"labels\":[\"gpu\"]"),
	     with(text("\"labels\":[\"gpu\"],\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	change("nodes/n1.json", "{\"node_id\":\"n1\"}", "{\"node_id\":\"n1\",\"labels\":[\"x\",\"gpu\"]}");
	judge(TASK_QUEUE);
	clean("with its labels");
	/* A timeout counts as the settings of a while ago had it. */
	commit_by("n1", "claim a");
	move("queue", "in_progress", with("\"image\":\"old:1\""),
	     with(text("\"image\":\"old:1\",\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	for (int late = 0; late < 2; late++) {
		past = late ? NOW - 7200 : NOW - 60;
		judge(TASK_QUEUE);
		if (late)
			broken(RULE_CLAIM_TASK, "by settings of two hours ago");
		else
			clean("by settings of a minute ago");
	}
	past = 0;
}

/* How many may run at a time. */
static void concurrency(void)
{
	static const char g[] = "{\"concurrency_group\":\"g\"}", gpu[] = "{\"labels\":[\"x\",\"gpu\"]}",
			  ann[] = "{\"submitted_by\":\"ann\"}",
			  signer[] = "{\"submitted_by\":\"bob\",\"claim\":{\"signed_by\":\"ann\"}}";
	static const struct {
		const char *what, *settings, *task, *others[4];
		bool fraud;
	} cases[] = {
	    {"the first of its group", NULL, "\"concurrency_group\":\"g\"", {NULL}, false},
	    {"beside another group", NULL, "\"concurrency_group\":\"h\"", {g, g}, false},
	    {"the second, where one may run", NULL, "\"concurrency_group\":\"g\"", {g}, true},
	    {"the second of two", "{\"concurrency\":{\"g\":2}}", "\"concurrency_group\":\"g\"", {g}, false},
	    {"the third of two", "{\"concurrency\":{\"g\":2}}", "\"concurrency_group\":\"g\"", {g, g}, true},
	    {"where none may", "{\"concurrency\":{\"g\":0}}", "\"concurrency_group\":\"g\"", {NULL}, true},
	    {"by its own max_running", NULL, "\"concurrency_group\":\"g\",\"max_running\":3", {g, g}, false},
	    {"beyond it", NULL, "\"concurrency_group\":\"g\",\"max_running\":3", {g, g, g}, true},
	    {"which is no more than the settings give",
	     "{\"concurrency\":{\"g\":2}}",
	     "\"concurrency_group\":\"g\",\"max_running\":3",
	     {g, g},
	     true},
	    {"a label's first", "{\"concurrency\":{\"label:gpu\":1}}", "\"labels\":[\"gpu\"]", {g, ann}, false},
	    {"and second", "{\"concurrency\":{\"label:gpu\":1}}", "\"labels\":[\"gpu\"]", {gpu}, true},
	    {"a submitter's", "{\"concurrency\":{\"submitter:*\":2}}", "\"submitted_by\":\"ann\"", {ann}, false},
	    {"one too many", "{\"concurrency\":{\"submitter:*\":1}}", "\"submitted_by\":\"ann\"", {ann}, true},
	    {"of another", "{\"concurrency\":{\"submitter:*\":1}}", "\"submitted_by\":\"bob\"", {ann, signer}, false},
	    {"by who signed it", "{\"concurrency\":{\"submitter:*\":1}}", "\"submitted_by\":\"ann\"", {signer}, true},
	    {"by name",
	     "{\"concurrency\":{\"submitter:*\":1,\"submitter:ann\":2}}",
	     "\"submitted_by\":\"ann\"",
	     {ann},
	     false},
	};
	file = "{\"node_id\":\"n1\",\"labels\":[\"gpu\"]}";
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(others, cases[i].others, sizeof others);
		settings = cases[i].settings;
		commit_by("n1", "claim a");
		move("queue", "in_progress", with(cases[i].task),
		     with(text("%s,\"claim\":{%s}", cases[i].task, claim_core("n1", 1, NONCE, 0, 120))));
		judge(TASK_QUEUE);
		if (cases[i].fraud)
			broken(RULE_GROUP_LIMIT, cases[i].what);
		else
			clean(cases[i].what);
	}
	/* What ends with the same commit makes room, and what it claims besides takes it. */
	memset(others, 0, sizeof others);
	others[0] = g;
	settings = NULL;
	for (int both = 0; both < 2; both++) {
		static const char member[] = "\"concurrency_group\":\"g\"";
		commit_by("n1", "2 transitions");
		move("queue", "in_progress", with(member),
		     with(text("%s,\"claim\":{%s}", member, claim_core("n1", 1, NONCE, 0, 120))));
		change("tasks/in_progress/o0.json", "{\"task_id\":\"o0\"}", NULL);
		if (both)
			change("tasks/in_progress/o1.json", NULL, "{\"task_id\":\"o1\",\"concurrency_group\":\"g\"}");
		judge(TASK_QUEUE);
		bool told_limit = false;
		for (size_t i = 0; i < n_told; i++)
			told_limit = told_limit || told[i].rule == RULE_GROUP_LIMIT;
		CHECK(told_limit == both, "one goes, one comes, or two");
	}
	/* A lease is as long as others wait, at least. */
	settings = "{\"lease_seconds\":5,\"orphan_after_seconds\":7200}";
	others[0] = NULL;
	for (int group = 0; group < 2; group++) {
		const char *member = group ? "\"concurrency_group\":\"g\"" : "\"priority\":1";
		commit_by("n1", "claim a");
		move("queue", "in_progress", with(member),
		     with(text("%s,\"claim\":{%s}", member, claim_core("n1", 1, NONCE, 0, 7200))));
		judge(TASK_QUEUE);
		if (group)
			clean("the lease of a group's");
		else
			broken(RULE_CLAIM_TIME, "such a lease of any other");
	}
	/* Settings that are not valid: as nodes may have seen them before. */
	for (int never = 0; never < 2; never++) {
		settings = never ? "{" : "{\"concurrency\":{\"g\":2}}";
		commit_by("ann", NULL);
		change("grid.json", settings, "{");
		judge(TASK_QUEUE);
		CHECK(r.world.unread && r.world.unknown == never, "what is not valid is noted");
	}
	memset(others, 0, sizeof others);
	settings = file = NULL;
}

/* Within what the node offers. */
static void room(void)
{
#define OFFER                                                                                                          \
	"{\"node_id\":\"n1\",\"offer\":{\"cpus\":4,\"max_cpus\":3,\"memory_mb\":1000,\"max_memory_mb\":600,"           \
	"\"disk_mb\":50,\"resources\":{\"gpu\":2}}}"
#define HELD "\"claim\":{\"node\":\"n1\"}}"
	static const char two[] = "{\"cpus\":2,\"memory_mb\":600,\"resources\":{\"gpu\":1}," HELD, usual[] = "{" HELD,
			  foreign[] = "{\"cpus\":4,\"memory_mb\":1000,\"claim\":{\"node\":\"n2\"}}";
	static const struct {
		const char *what, *settings, *file, *task, *others[4];
		bool fraud;
	} cases[] = {
	    {"all that it has", NULL, OFFER, "\"cpus\":2,\"memory_mb\":400,\"resources\":{\"gpu\":1}", {two}, false},
	    {"a little more", NULL, OFFER, "\"cpus\":2.01,\"memory_mb\":400", {two}, true},
	    {"of memory", NULL, OFFER, "\"cpus\":1,\"memory_mb\":401", {two}, true},
	    {"of what it offers by name",
	     NULL,
	     OFFER,
	     "\"cpus\":1,\"resources\":{\"gpu\":2},\"memory_mb\":4",
	     {two},
	     true},
	    {"of disk", NULL, OFFER, "\"out_mb\":51", {NULL}, true},
	    {"or what it has none of", NULL, OFFER, "\"resources\":{\"tpu\":1}", {NULL}, true},
	    {"more than one task gets", NULL, OFFER, "\"cpus\":3.5", {NULL}, true},
	    {"what others run is no matter", NULL, OFFER, "\"cpus\":3,\"memory_mb\":600", {foreign}, false},
	    {"what does not say gets the usual", NULL, OFFER, "\"cpus\":2,\"memory_mb\":4", {usual}, false},
	    {"which counts", NULL, OFFER, "\"cpus\":0.5,\"memory_mb\":4", {usual, usual}, true},
	    {"or all that a task gets", "{\"max_cpus\":8}", OFFER, "\"cpus\":1,\"memory_mb\":4", {usual}, false},
	    {"by the grid's default, which lets two run beside it",
	     "{\"max_cpus\":8,\"default_cpus\":1,\"default_memory_mb\":64}",
	     OFFER,
	     "\"cpus\":2,\"memory_mb\":4",
	     {usual, usual},
	     false},
	    {"by the grid's default, and no more",
	     "{\"max_cpus\":8,\"default_cpus\":1,\"default_memory_mb\":64}",
	     OFFER,
	     "\"cpus\":2.5,\"memory_mb\":4",
	     {usual, usual},
	     true},
	    {"and no more", "{\"max_cpus\":8}", OFFER, "\"cpus\":1.5,\"memory_mb\":4", {usual}, true},
	    {"a file without an offer", NULL, "{\"node_id\":\"n1\"}", "\"cpus\":64", {two, two}, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(others, cases[i].others, sizeof others);
		settings = cases[i].settings ? cases[i].settings
					     : "{\"max_cpus\":64,\"max_memory_mb\":600,\"max_out_mb\":100}";
		if (cases[i].others[0] == usual && !cases[i].settings)
			settings = "{\"max_cpus\":2,\"max_memory_mb\":400}";
		file = cases[i].file;
		commit_by("n1", "claim a");
		move("queue", "in_progress", with(cases[i].task),
		     with(text("%s,\"claim\":{%s}", cases[i].task, claim_core("n1", 1, NONCE, 0, 120))));
		judge(TASK_QUEUE);
		if (cases[i].fraud)
			broken(RULE_NODE_ROOM, cases[i].what);
		else
			clean(cases[i].what);
	}
	/* The file of the commit itself counts. */
	memset(others, 0, sizeof others);
	settings = "{\"max_cpus\":64}";
	file = OFFER;
	commit_by("n1", "claim a");
	move("queue", "in_progress", with("\"cpus\":3.5"),
	     with(text("\"cpus\":3.5,\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	change("nodes/n1.json", OFFER, "{\"node_id\":\"n1\",\"offer\":{\"cpus\":4}}");
	judge(TASK_QUEUE);
	clean("by what its file says now");
	settings = file = NULL;
}

/* Not before start_after, not after the deadline; who waits longer ends. */
static void times(void)
{
	static const struct {
		const char *what, *member;
		int64_t from; /* of the member's time */
		bool fraud;
	} claims_at[] = {{"start_after has come", "start_after", -10, false},
			 {"it comes in a moment, by another clock", "start_after", 30, false},
			 {"it has not come", "start_after", 900, true},
			 {"before its deadline", "deadline", 10, false},
			 {"at it, by another clock", "deadline", -30, false},
			 {"after its deadline", "deadline", -900, true}};
	for (size_t i = 0; i < sizeof claims_at / sizeof *claims_at; i++) {
		const char *member = text("\"%s\":\"%s\"", claims_at[i].member, at(claims_at[i].from));
		commit_by("n1", "claim a");
		move("queue", "in_progress", with(member),
		     with(text("%s,\"claim\":{%s}", member, claim_core("n1", 1, NONCE, 0, 120))));
		judge(TASK_QUEUE);
		if (claims_at[i].fraud)
			broken(RULE_CLAIM_TASK, claims_at[i].what);
		else
			clean(claims_at[i].what);
	}
	static const struct {
		const char *what, *who, *more;
		int64_t deadline; /* 0: none */
		int from;
		bool fraud;
	} ends[] = {
	    {"ended by a node", "n1", "", -10, TASK_QUEUE, false},
	    {"ended by a person", "ann", "", -10, TASK_QUEUE, false},
	    {"before it, by another clock", "n1", "", 30, TASK_QUEUE, false},
	    {"long before it", "n1", "", 900, TASK_QUEUE, true},
	    {"without one", "n1", "", 0, TASK_QUEUE, true},
	    {"what was queued again by hand", "n1", ",\"attempts\":[{\"outcome\":\"retried\"}]", -10, TASK_QUEUE, true},
	    {"what is not queued yet", "n1", "", -10, TASK_UNAPPROVED, true}};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const char *member = text("\"deadline\":\"%s\"%s", at(ends[i].deadline), ends[i].more);
		if (!ends[i].deadline)
			member = "\"priority\":1";
		commit_by(ends[i].who, "expired a");
		move(task_state_name((enum task_state)ends[i].from), "failed", with(member),
		     with(text("%s,\"result\":{\"status\":\"expired\",\"reason\":\"x\",\"finished_at\":\"%s\"}", member,
			       at(0))));
		judge(ends[i].from);
		if (ends[i].fraud)
			broken(RULE_PLACE_MOVE, ends[i].what);
		else
			clean(ends[i].what);
	}
}

static void limits(void)
{
	static const char all[] = "{\"node_id\":\"n1\",\"limits_enforced\":true}",
			  none[] = "{\"node_id\":\"n1\",\"limits_enforced\":false}";
	static const struct {
		const char *what, *before, *now; /* n1's file; now NULL: the claim's commit leaves it */
		bool fraud;
	} claims[] = {{"by a node that enforces them", none, all, false},
		      {"by one that says nothing, as 0.1.0 did", NULL, "{\"node_id\":\"n1\"}", false},
		      {"by one that does not", all, none, true},
		      {"by one that said before that it does not", none, NULL, true}};
	static const char required[] = "{\"require_limits\":true}";
	char ran[2048];
	snprintf(ran, sizeof ran, "%s,\"limits\":{\"memory_mb\":512,\"enforced\":false}",
		 RAN("0", "", "0", EMPTY_SHA256));
	for (size_t i = 0; i < 4 * sizeof claims / sizeof *claims; i++) {
		size_t k = i / 4;
		bool holds = i % 4 > 1;
		settings = i % 4 ? required : NULL;
		past = i % 4 == 1 ? NOW - 60 : i % 4 == 2 ? NOW - 7200 : 0;
		file = claims[k].before;
		commit_by("n1", "claim a");
		move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
		if (claims[k].now)
			change("nodes/n1.json", "{\"node_id\":\"n1\"}", claims[k].now);
		judge(TASK_QUEUE);
		if (holds && claims[k].fraud)
			broken(RULE_CLAIM_LIMITS, claims[k].what);
		else
			clean(claims[k].what);
		try_run("success", ran, holds ? RULE_CLAIM_LIMITS : RULE_N, "a run without limits");
	}
	past = 0;
	settings = file = NULL;
}

static void forms(void)
{
	static const struct {
		const char *encoding;
		bool good;
	} all[] = {{NULL, true},	  {"UTF-8", true},	  {"utf8", true},      {"ISO-8859-15", true},
		   {"latin1", true},	  {"windows-1252", true}, {"KOI8-R", true},    {"US-ASCII", true},
		   {"UTF-7", false},	  {"UTF-16", false},	  {"utf-8x", false},   {"ISO-2022-JP", false},
		   {"ISO-8859-", true},	  {"GB18030", false},	  {"IBM037", false},   {"latin1//IGNORE", false},
		   {"UTF-7-IMAP", false}, {"windows-125", true},  {"koi8-r\n", false}, {"CP1252", true}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		commit_by("n1", "claim a");
		c.encoding = (char *)all[i].encoding;
		judge(TASK_QUEUE);
		c.encoding = NULL;
		if (all[i].good)
			clean(all[i].encoding ? all[i].encoding : "no encoding");
		else
			broken(RULE_COMMIT_FORM, all[i].encoding);
	}
}

static void pins(void)
{
#define PIN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const char pinned[] =
	    "{\"images\":[{\"image\":\"alpine:3.20\",\"digest\":[\"sha256:" EMPTY_SHA256 "\",\"sha256:" PIN "\"]}]}";
	static const char built[] =
	    "{\"images\":[{\"image\":\"alpine:3.20\",\"build\":\"0123456789abcdef0123456789abcdef01234567\"}]}";
	static const struct {
		const char *engine, *image, *digest;
		bool fraud, fraud_pinned;
	} ran[] = {{"docker", "alpine:3.20", "", false, true},
		   {"docker", "alpine:3.20", "sha256:" TRUE_SHA256, false, true},
		   {"docker", "alpine:3.20", "sha256:" PIN, false, false},
		   {"podman", "alpine:3.20", PIN, false, false},
		   {"bwrap", "host:/usr", "", false, true},
		   {"slurm", "host:/usr", "", false, true},
		   {"slurm", "alpine:3.20", "", true, true},
		   {"bwrap", "host:/usr", "sha256:" PIN, true, true},
		   {"bwrap", "alpine:3.20", "", true, true},
		   {"bwrap", "alpine:3.20", "sha256:" PIN, false, false},
		   {"bwrap", "alpine:3.20", "sha256:" TRUE_SHA256, false, true},
		   {"bwrap", "evil:1", "sha256:" PIN, true, true}};
	char text[2048], what[200];
	for (size_t i = 0; i < 3 * sizeof ran / sizeof *ran; i++) {
		static const char *const how[] = {"", ", pinned", ", built"};
		const char *const all[] = {NULL, pinned, built};
		size_t k = i / 3;
		bool host = !strcmp(ran[k].image, "host:/usr"); /* is no image that was built */
		const bool fraud[] = {ran[k].fraud, ran[k].fraud_pinned, ran[k].fraud || host};
		settings = all[i % 3];
		snprintf(
		    text, sizeof text,
		    "\"exit_code\":0,\"signal\":null,\"duration_ms\":0,\"engine\":\"%s\",\"image\":\"%s\","
		    "\"image_digest\":\"%s\",\"script_sha256\":\"" TRUE_SHA256
		    "\",\"limits\":{\"memory_mb\":512},\"stdout\":\"\",\"stdout_bytes\":0,\"stdout_truncated\":false,"
		    "\"stdout_sha256\":\"" EMPTY_SHA256
		    "\",\"stderr\":\"\",\"stderr_bytes\":0,\"stderr_truncated\":false,\"stderr_sha256\":\"" EMPTY_SHA256
		    "\"",
		    ran[k].engine, ran[k].image, ran[k].digest);
		snprintf(what, sizeof what, "%s in %s %.20s%s", ran[k].engine, ran[k].image, ran[k].digest, how[i % 3]);
		try_run("success", text, fraud[i % 3] ? RULE_RESULT_TASK : RULE_N, what);
	}
	settings = NULL;
}

/* ---- back to the queue ---- */

static void try_back(const char *who, const char *more)
{
	commit_by(who, "requeue a");
	move("in_progress", "queue", running(), with(text("\"attempts\":[%s]", entry(more))));
	judge(TASK_IN_PROGRESS);
}

static void orphans(void)
{
	try_back("n1", "\"outcome\":\"released\"");
	clean("released");
	try_back("n2", "\"outcome\":\"released\"");
	broken(RULE_ORPHAN_EVIDENCE, "released by another");
	try_back("n1", "\"outcome\":\"unstartable\",\"reason\":\"too many processors\"");
	clean("what its own node could not start");
	try_back("n2", "\"outcome\":\"unstartable\",\"reason\":\"too many processors\"");
	broken(RULE_RESULT_CLAIM, "called unstartable by another");
	try_back("n1", "\"outcome\":\"lost\",\"reason\":\"the node was restarted\"");
	clean("its own, after a restart");
	try_back("n2", "\"outcome\":\"lost\",\"reason\":\"it seemed dead\"");
	broken(RULE_ORPHAN_EVIDENCE, "taken without evidence");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"lease_until\":\"%s\"}", at(70)));
	broken(RULE_ORPHAN_EVIDENCE, "before the lease ran out");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"lease_until\":\"%s\"}", at(-700)));
	broken(RULE_ORPHAN_EVIDENCE, "by a lease that was never given");
	try_back("n2",
		 text("\"outcome\":\"lost\",\"evidence\":{\"seen_at\":\"%s\",\"next_due\":\"%s\"}", at(-50), at(-20)));
	broken(RULE_ORPHAN_EVIDENCE, "silent for too short a time");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"seen_at\":\"%s\",\"next_due\":\"%s\"}", at(-900),
			    at(-800)));
	broken(RULE_ORPHAN_EVIDENCE, "silent since before the ledger shows it alive");
	try_back("n2", "\"outcome\":\"lost\",\"evidence\":{\"feeling\":true}");
	broken(RULE_ORPHAN_EVIDENCE, "by evidence that is none");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"left\":\"%s\"}", at(-10)));
	broken(RULE_ORPHAN_EVIDENCE, "a goodbye that its file does not say");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"retired\":\"%s\"}", at(-10)));
	broken(RULE_ORPHAN_EVIDENCE, "a retirement that nobody said");
	try_back("n2", text("\"outcome\":\"lost\",\"evidence\":{\"left\":\"%s\"}", at(-80)));
	broken(RULE_ORPHAN_EVIDENCE, "a goodbye before the claim");
	commit_by("ann", "cancel a");
	move("in_progress", "failed", running(),
	     with(text("\"cancel\":{\"by\":\"ann\"},\"attempts\":[%s],\"result\":{\"status\":\"cancelled\",\"finished_"
		       "at\":\"%s\"}",
		       entry("\"outcome\":\"cancelled\""), at(0))));
	judge(TASK_IN_PROGRESS);
	CHECK(n_told == 1 && told[0].rule == NOTICE_WORD, "a running task cancelled by an older program");
	seen_rule[NOTICE_WORD] = true;
	/* A claim of an hour ago. */
	const char *core = claim_core("n1", 1, NONCE, -3600, -3480);
	const char *old = with(text("\"claim\":{%s}", core));
	commit_by("n2", "requeue a");
	move("in_progress", "queue", old,
	     with(text(
		 "\"attempts\":[{%s,\"ended_at\":\"%s\",\"outcome\":\"lost\",\"evidence\":{\"lease_until\":\"%s\"}}]",
		 core, at(0), at(-3480))));
	judge(TASK_IN_PROGRESS);
	clean("a lease that ran out long ago");
	commit_by("n2", "requeue a");
	move("in_progress", "queue", old,
	     with(text("\"attempts\":[{%s,\"ended_at\":\"%s\",\"outcome\":\"lost\"}]", core, at(0))));
	judge(TASK_IN_PROGRESS);
	clean("an older program's, which the ledger bears out");
	/* What comes after shows whether the time had passed. */
	for (int late = 0; late < 2; late++) {
		const char *taken = with(text("\"attempts\":[{%s,\"ended_at\":\"%s\",\"outcome\":\"lost\",\"evidence\":"
					      "{\"lease_until\":\"%s\"}}]",
					      core, at(0), at(-3480)));
		commit_by("n2", "requeue a");
		move("in_progress", "queue", old, taken);
		judge(TASK_IN_PROGRESS);
		clean("a lease that ran out by the commit's date");
		for (int person = 1; person >= 0; person--) {
			commit_by(person ? "ann" : "n1", person ? NULL : "0 transitions");
			c.at = late ? NOW - 3480 : NOW - 3700;
			r.world.newest = 0; /* of another rule */
			if (!person)
				change("nodes/n1.json", "{\"node_id\":\"n1\"}", "{\"node_id\":\"n1\",\"busy\":1}");
			rules_judge(&r, &c);
			if (late || person)
				clean("a later commit");
			else
				broken(RULE_ORPHAN_EVIDENCE, "a later commit of a node from before that");
		}
	}
	commit_by("n2", "requeue a");
	move("in_progress", "queue", old,
	     with(text(
		 "\"attempts\":[{%s,\"ended_at\":\"%s\",\"outcome\":\"lost\",\"evidence\":{\"lease_until\":\"%s\"}}]",
		 core, at(0), at(-3480))));
	r.now = NOW - 3600;
	judge(TASK_IN_PROGRESS);
	broken(RULE_ORPHAN_EVIDENCE, "by a commit of a time that is to come");
	r.now = 0;
	/* The way back. */
	try_back("n1", "\"outcome\":\"failed\"");
	broken(RULE_PLACE_MOVE, "tried again without retry_on_failure");
	try_back("n1", "\"outcome\":\"success\"");
	broken(RULE_PLACE_MOVE, "a success that is tried again");
	try_back("n1", "");
	broken(RULE_ATTEMPTS_GROW, "no word of how it ended");
	core = claim_core("n1", 1, NONCE, -50, 70);
	old = with(text("\"retry_on_failure\":true,\"claim\":{%s}", core));
	commit_by("n1", "failed a");
	move("in_progress", "queue", old,
	     with(text("\"retry_on_failure\":true,\"attempts\":[%s],\"not_before\":\"%s\"",
		       entry("\"outcome\":\"failed\""), at(10))));
	judge(TASK_IN_PROGRESS);
	clean("tried again");
}

/* ---- places, files, names ---- */

static char *stub_of(const char *original, int bytes)
{
	return text(
	    "{\"task_id\":\"a\",\"result\":{\"status\":\"invalid\",\"finished_at\":\"%s\"},\"x-original\":\"%s\","
	    "\"x-original-bytes\":%d}",
	    at(0), original, bytes);
}

static void places(void)
{
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	judge(-1);
	clean("a new task");
	CHECK(!n_told, "an id that nobody had");
	reused = true;
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	judge(-1);
	clean("an id that is used again");
	broken(NOTICE_REUSED, "and that is noted");
	reused = false;
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	judge(TASK_FAILED);
	broken(RULE_PLACE_ONE, "an id that is in the grid");
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	move(NULL, "unapproved", NULL, TASK);
	judge(-1);
	broken(RULE_PLACE_ONE, "in two folders at once");
	commit_by("ann", "submit A");
	change("tasks/queue/A.json", NULL, "{\"task_id\":\"A\"}");
	judge(TASK_QUEUE);
	broken(RULE_PLACE_PATH, "other by its case alone");
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	judge(TASK_QUEUE);
	broken(RULE_PLACE_PATH, "a name twice in one folder");
	static const char *const bad[] = {
	    "tasks/queue/a b.json", "tasks/queue/x/a.json", "tasks//queue/a.json", "tasks/queue/a.json/b",
	    "tasks/other/a.json",   "Tasks/queue/a.json",   "nodes/a/b.json",	   "grid.JSON"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		commit_by("ann", NULL);
		change(bad[i], NULL, TASK);
		judge(-1);
		broken(RULE_PLACE_PATH, bad[i]);
		commit_by("n1", "invalid a");
		change(bad[i], TASK, NULL);
		judge(-1);
		clean("which may be taken away");
	}
	static const char *const good[] = {"tasks/.gitkeep", "tasks/queue/.gitkeep", "tasks/README.md",
					   "nodes/.gitkeep", "README.md"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		commit_by("ann", NULL);
		change(good[i], NULL, "");
		judge(-1);
		clean(good[i]);
	}
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, TASK);
	c.changes[0].new_mode = 0120000;
	judge(-1);
	broken(RULE_FILE_MODE, "a link");
	commit_by("ann", NULL);
	change("grid.json", "{}", "{}")->new_mode = 0100755;
	judge(-1);
	broken(RULE_FILE_MODE, "an executable grid.json");
	commit_by("ann", "submit a");
	move(NULL, "completed", NULL, TASK);
	judge(-1);
	broken(RULE_PLACE_MOVE, "out of nowhere");
	commit_by("ann", NULL);
	move("in_progress", NULL, running(), NULL);
	judge(TASK_IN_PROGRESS);
	broken(RULE_PLACE_MOVE, "a claimed task removed");
	commit_by("ann", NULL);
	move("queue", NULL, TASK, NULL);
	judge(TASK_QUEUE);
	CHECK(n_told == 1 && told[0].rule == NOTICE_REMOVED, "a queued one removed by a person");
	seen_rule[NOTICE_REMOVED] = true;
	commit_by("ann", NULL);
	move("queue", "queue", TASK, with("\"priority\":9"));
	judge(TASK_QUEUE);
	broken(RULE_TASK_FIELDS, "a queued task edited");
	commit_by("ann", NULL);
	move("unapproved", "unapproved", TASK, with("\"priority\":9"));
	judge(TASK_UNAPPROVED);
	CHECK(n_told == 1 && told[0].rule == NOTICE_EDITED, "a submission edited");
	seen_rule[NOTICE_EDITED] = true;
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, with("\"attempts\":[{\"outcome\":\"lost\"}]"));
	judge(-1);
	broken(RULE_ATTEMPTS_GROW, "a new task with a past");
	commit_by("ann", "cancel a");
	move("queue", "failed", TASK,
	     with(text("\"cancel\":{\"by\":\"ann\"},\"result\":{\"status\":\"cancelled\",\"finished_at\":\"%s\"}",
		       at(0))));
	judge(TASK_QUEUE);
	clean("a queued task cancelled");
	/* Called invalid. */
	commit_by("n1", "invalid a");
	move("queue", "failed", "nonsense", stub_of("nonsense", 8));
	judge(TASK_QUEUE);
	clean("no task");
	commit_by("n1", "invalid a");
	move("queue", "failed", "nonsense", stub_of("nothing", 7));
	judge(TASK_QUEUE);
	broken(RULE_TASK_FIELDS, "and another text kept of it");
	commit_by("n1", "invalid a");
	move("queue", "failed", TASK,
	     stub_of("{\\\"task_id\\\":\\\"a\\\",\\\"script\\\":\\\"true\\\",\\\"timeout_seconds\\\":60}",
		     (int)strlen(TASK)));
	judge(TASK_QUEUE);
	broken(RULE_PLACE_MOVE, "a good task called invalid");
	commit_by("n1", "invalid a");
	move("queue", "failed", with("\"created_at\":\"x\""),
	     stub_of("{\\\"task_id\\\":\\\"a\\\",\\\"script\\\":\\\"true\\\",\\\"timeout_seconds\\\":60,"
		     "\\\"created_at\\\":\\\"x\\\"}",
		     (int)strlen(with("\"created_at\":\"x\""))));
	judge(TASK_QUEUE);
	clean("one that was created at no time");
	/* By the max_pids that older programs took where the settings have none. */
	for (int said = 0; said < 2; said++) {
		settings = said ? "{\"max_pids\":64}" : "{}";
		commit_by("n1", "invalid a");
		move("queue", "failed", with("\"pids\":20"),
		     stub_of("{\\\"task_id\\\":\\\"a\\\",\\\"script\\\":\\\"true\\\",\\\"timeout_seconds\\\":60,"
			     "\\\"pids\\\":20}",
			     (int)strlen(with("\"pids\":20"))));
		judge(TASK_QUEUE);
		if (said)
			broken(RULE_PLACE_MOVE, "within the max_pids that the settings have");
		else
			clean("beyond the max_pids that the settings do not have");
	}
	settings = NULL;
}

/* ---- promotion ---- */

static int came(void *ctx, const struct rule_commit *of, const char *id, struct arrival *out)
{
	(void)ctx;
	(void)of;
	(void)id;
	*out =
	    (struct arrival){.author = xstrdup("eve <eve@example.org>"), .committer = xstrdup("ann <ann@example.org>")};
	snprintf(out->commit, sizeof out->commit, "%s", "abc");
	return 1;
}

static int not_signed(void *ctx, const struct rule_commit *of, const char *id, const struct json *doc,
		      struct trust_verdict *v)
{
	(void)ctx;
	(void)of;
	(void)id;
	(void)doc;
	*v = (struct trust_verdict){.ok = false, .why = "nobody signed it"};
	return 0;
}

static void try_promotion(const char *commit, const char *author, const char *script)
{
	commit_by("bot", "promote a");
	move("unapproved", "queue", TASK,
	     text("{\"task_id\":\"a\",\"script\":\"%s\",\"timeout_seconds\":60,\"approved_by\":{\"commit\":\"%s\","
		  "\"author\":\"%s\","
		  "\"committer\":\"ann <ann@example.org>\"}}",
		  script, commit, author));
	judge(TASK_UNAPPROVED);
}

/* A wait that a node wrote may be ended by a person, and by nobody changed. */
static void waits(void)
{
	static const struct {
		const char *who, *did, *then;
		bool fine;
	} edits[] = {{"ann", "retry a", NULL, true},
		     {"ann", NULL, NULL, true},
		     {"n1", "retry a", NULL, false},
		     {"ann", "retry a", "\"not_before\":\"2026-11-24T10:30:00Z\"", false}};
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		commit_by(edits[i].who, edits[i].did);
		move("queue", "queue", with("\"not_before\":\"2026-11-24T10:00:00Z\""),
		     edits[i].then ? with(edits[i].then) : TASK);
		judge(TASK_QUEUE);
		if (edits[i].fine)
			clean("a person ends a wait");
		else
			broken(RULE_TASK_FIELDS, "a wait changed");
	}
}

static void promotions(void)
{
	r.arrival = came;
	try_promotion("abc", "eve <eve@example.org>", "true");
	clean("a promotion");
	try_promotion("def", "eve <eve@example.org>", "true");
	broken(RULE_PROMOTE_MERGED, "by a commit that did not bring it");
	try_promotion("abc", "bob <bob@example.org>", "true");
	broken(RULE_PROMOTE_MERGED, "with another author");
	try_promotion("abc", "eve <eve@example.org>", "false");
	broken(RULE_TASK_FIELDS, "of another script");
	static const struct {
		const char *member;
		enum rule_id rule;
	} brought[] = {{"\"attempts\":[]", RULE_ATTEMPTS_GROW},
		       {"\"claim\":{}", RULE_PLACE_MOVE},
		       {"\"result\":{}", RULE_RESULT_CLAIM},
		       {"\"cancel\":{}", RULE_CANCEL_NOTE},
		       {"\"not_before\":\"\"", RULE_TASK_FIELDS}};
	for (size_t i = 0; i < sizeof brought / sizeof *brought; i++) {
		commit_by("bot", "promote a");
		move("unapproved", "queue", TASK,
		     with(text("\"approved_by\":{\"commit\":\"abc\",\"author\":\"eve <eve@example.org>\",\"committer\":"
			       "\"ann <ann@example.org>\"},%s",
			       brought[i].member)));
		judge(TASK_UNAPPROVED);
		broken(brought[i].rule, "what a promotion may not bring");
	}
	commit_by("bot", "promote a");
	move("unapproved", "queue", TASK, TASK);
	judge(TASK_UNAPPROVED);
	broken(RULE_PROMOTE_MERGED, "approved by nobody");
	commit_by("ann", "submit a");
	move(NULL, "queue", NULL, with("\"approved_by\":{\"commit\":\"abc\"}"));
	judge(-1);
	broken(RULE_PROMOTE_MERGED, "of a file that never waited");
	r.arrival = NULL;
	/* The settings come by a commit before. */
	world_clear(&r.world);
	world_init(&r.world);
	commit_by("n1", "claim a");
	move("queue", "in_progress", TASK, with(text("\"claim\":{%s}", claim_core("n1", 1, NONCE, 0, 120))));
	world_task_add(&r.world, "a")->states = 1u << TASK_QUEUE;
	world_node_add(&r.world, "n1");
	r.trusted = not_signed;
	rules_judge(&r, &c);
	clean("no signature is asked for");
	world_task_add(&r.world, "a")->states = 1u << TASK_QUEUE;
	r.world.n_nonces = 0;
	memset(r.world.nonces, 0, r.world.room_nonces * sizeof *r.world.nonces);
	r.world.config.require_signed_tasks = true;
	n_told = 0;
	rules_judge(&r, &c);
	broken(RULE_TASK_SIGNED, "a claim of a task that nobody signed");
	r.trusted = NULL;
}

/* ---- the archive ---- */

static const char *finished(void)
{
	return with(
	    text("\"attempts\":[%s],%s", entry("\"outcome\":\"success\""), result("success", "n1", NONCE, -49, -1)));
}

static const char *totals(int64_t tasks, int64_t run_ms)
{
	return text("{\"schema\":1,\"tasks\":%lld,\"completed\":%lld,\"days\":{\"2027-01-15\":{\"completed\":%lld,"
		    "\"run_ms\":%lld}}}",
		    (long long)tasks, (long long)tasks, (long long)tasks, (long long)run_ms);
}

static const char *leaves; /* the task; NULL: finished() */

/* path NULL: the archive has no such commit. */
static void try_archive(const char *path, const char *blob, const char *after)
{
	static struct rule_change in_archive;
	static struct rule_commit other;
	commit_by("n1", "archive 1 task");
	move("completed", NULL, leaves ? leaves : finished(), NULL);
	change("tasks/archive.json", totals(4, 0), after);
	in_archive = (struct rule_change){.path = (char *)path, .new_mode = 0100644};
	snprintf(in_archive.new_oid, sizeof in_archive.new_oid, "%.71s", blob);
	other = (struct rule_commit){.id = "a7c4", .changes = &in_archive, .n = 1};
	c.archive_seen = true;
	c.archive = path ? &other : NULL;
	judge(TASK_COMPLETED);
}

static void archives(void)
{
	CHECK(!strcmp(at(0), "2027-01-15T08:00:00Z"), "the day of the totals");
	try_archive("2027/01/15/a.json", finished(), totals(5, 0));
	clean("archived");
	try_archive("2027/01/15/a.3.json", finished(), totals(5, 0));
	clean("for the third time that day");
	try_archive("2027/01/15/b.json", finished(), totals(5, 0));
	broken(RULE_ARCHIVE_LOST, "another stands there");
	try_archive("2027/01/15/a.json", "other", totals(5, 0));
	broken(RULE_ARCHIVE_LOST, "as another document");
	try_archive(NULL, "", totals(5, 0));
	broken(RULE_ARCHIVE_LOST, "nowhere");
	try_archive("2027/01/14/a.json", finished(), totals(5, 0));
	broken(RULE_ARCHIVE_DAY, "under another day");
	try_archive("2027/01/15/a.json", finished(), totals(6, 0));
	broken(RULE_ARCHIVE_TOTALS, "counted twice");
	try_archive("2027/01/15/a.json", finished(), totals(5, 7));
	broken(RULE_ARCHIVE_TOTALS, "with another run time");
	/* Programs up to 0.1.0 do not count the processor time. */
	for (int64_t counted = 0; counted <= 10; counted += 5) {
		char *doc = xstrdup(finished()), *at_result = strstr(doc, "\"result\":{") + strlen("\"result\":{"),
		     *used = xasprintf("%.*s\"usage\":{\"cpu_user_ms\":6,\"cpu_system_ms\":4},%s",
				       (int)(at_result - doc), doc, at_result),
		     *ms = xasprintf(counted ? ",\"cpu_ms\":%lld" : "", (long long)counted),
		     *after = xasprintf("{\"schema\":1,\"tasks\":5,\"completed\":5,\"days\":{\"2027-01-15\":"
					"{\"completed\":5,\"run_ms\":0%s}}}",
					ms);
		leaves = used;
		try_archive("2027/01/15/a.json", used, after);
		leaves = NULL;
		if (counted == 5)
			broken(RULE_ARCHIVE_TOTALS, "with half of its processor time");
		else
			clean(counted ? "with its processor time" : "without any processor time");
		free(doc);
		free(used);
		free(ms);
		free(after);
	}
	commit_by("ann", NULL);
	change("tasks/archive.json", totals(4, 0), totals(3, 0));
	judge(-1);
	broken(RULE_ARCHIVE_TOTALS, "changed by hand");
}

/* ---- nodes ---- */

static void nodes(void)
{
	commit_by("n1", "0 transitions");
	change("nodes/n1.json", "{\"node_id\":\"n1\"}", "{\"node_id\":\"n1\",\"status\":\"left\"}");
	judge(-1);
	clean("its own file");
	commit_by("n1", "0 transitions");
	change("nodes/n2.json", "{}", "{\"node_id\":\"n2\"}");
	judge(-1);
	broken(RULE_NODE_FILE, "another's");
	commit_by("ann", NULL);
	change("nodes/n2.json", "{}", "{\"node_id\":\"n2\"}");
	judge(-1);
	broken(RULE_NODE_FILE, "by a person");
	commit_by("ann", NULL);
	change("nodes/n2.json", "{}", NULL);
	judge(-1);
	CHECK(n_told == 1 && told[0].rule == NOTICE_REMOVED, "removed by a person");
	commit_by("n1", "0 transitions");
	change("nodes/n1.json", "{}", "[]");
	judge(-1);
	broken(RULE_FILE_JSON, "no object");
	static const struct {
		const char *path;
		enum rule_id by_node, by_person;
	} scope[] = {{"grid.json", RULE_NODE_SCOPE, NOTICE_SETTINGS},
		     {"allowed_signers", RULE_NODE_SCOPE, NOTICE_SIGNERS},
		     {".github/workflows/x.yml", RULE_NODE_SCOPE, NOTICE_WORKFLOW},
		     {"nodes/keys/n1.pub", RULE_SIGNED_KEY, NOTICE_KEYS},
		     {"schedules/s.json", RULE_NODE_SCOPE, NOTICE_SCHEDULE},
		     {"src/main.c", RULE_NODE_SCOPE, NOTICE_OUTSIDE}};
	for (size_t i = 0; i < sizeof scope / sizeof *scope; i++) {
		commit_by("n1", "0 transitions");
		change(scope[i].path, "{}", "{ }");
		judge(-1);
		broken(scope[i].by_node, scope[i].path);
		commit_by("ann", NULL);
		change(scope[i].path, "{}", "{ }");
		judge(-1);
		CHECK(n_told == 1 && told[0].rule == scope[i].by_person, scope[i].path);
		seen_rule[scope[i].by_person] = true;
	}
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3CU+"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKJIacUQAK7jTd8XwIROPiOWrK6trOg4RzCLThFCJ4z"
#define KEY_PRINT "SHA256:nr2RQb8kwQiAif7y3oVQP1uv9JHgbxJdwT977wyiZ0w"
#define OTHER_PRINT "SHA256:HG6JrNl01EjCPuKbNvLhKSSdSxcvYCd6TeVbPXCZCG4"
	static const struct {
		const char *old, *new, *says;
	} keys[] = {{NULL, KEY " n1\n", "added by ann: enrols " KEY_PRINT},
		    {KEY "\n", "# both\n" KEY "\n" OTHER "\n", "changed by ann: enrols " OTHER_PRINT},
		    {KEY "\n", OTHER "\n", "changed by ann: enrols " OTHER_PRINT "; revokes " KEY_PRINT},
		    {KEY "\n", KEY " n1\n", "changed by ann"},
		    {KEY "\n", KEY "\nnone\n",
		     "changed by ann: not all of it are keys, so it counts for nothing; revokes " KEY_PRINT},
		    {KEY "\n", NULL, "removed by ann: revokes " KEY_PRINT}};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		commit_by("ann", NULL);
		change("nodes/keys/n1.pub", keys[i].old, keys[i].new);
		judge(-1);
		CHECK(n_told == 1 && told[0].rule == NOTICE_KEYS && !strcmp(told[0].text, keys[i].says), keys[i].says);
	}
	bool old, new;
	rules_wants(&c.changes[0], &old, &new);
	CHECK(old && !new, "the text of a key that goes is asked for");
	commit_by("ann", NULL);
	c.n_parents = 2;
	judge(-1);
	CHECK(n_told == 1 && told[0].rule == NOTICE_MERGE, "a merge");
	seen_rule[NOTICE_MERGE] = true;
	commit_by("ann", NULL);
	c.n_parents = 2;
	change("notes", NULL, "x");
	r.aside = behind;
	judge(-1);
	broken(RULE_HISTORY_ASIDE, "a merge that leaves the grid's line behind");
	r.aside = NULL;
	commit_by("ann", NULL);
	c.parent[0] = 0;
	move(NULL, "completed", NULL, finished());
	judge(-1);
	CHECK(n_told == 1 && told[0].rule == NOTICE_BEGIN, "a grid that came whole");
	seen_rule[NOTICE_BEGIN] = true;
}

static void signatures(void)
{
	static const enum rule_signature none[] = {RULE_UNSIGNED, RULE_BAD, RULE_OTHER_KEY};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		commit_by("n1", "0 transitions");
		c.signature = none[i];
		change("nodes/n1.json", "{\"node_id\":\"n1\"}", "{\"node_id\":\"n1\",\"busy\":1}");
		judge(-1);
		broken(RULE_SIGNED_COMMIT, "not signed as it must be");
		commit_by("ann", "submit a");
		c.signature = none[i];
		move(NULL, "queue", NULL, TASK);
		judge(-1);
		clean("a submission needs no signature");
	}
	commit_by("n1", "0 transitions");
	c.signature = RULE_GOOD;
	change("nodes/n1.json", "{\"node_id\":\"n1\"}", "{\"node_id\":\"n1\",\"busy\":1}");
	judge(-1);
	clean("signed");
	/* By hand, but with a key. */
	static const struct {
		const char *who, *by;
		bool fine;
	} cancels[] = {{"ann", "ann", true}, {"ann", "bob", false}, {"n2", "n2", false}, {"n2", "ann", false}};
	for (size_t i = 0; i < sizeof cancels / sizeof *cancels; i++) {
		commit_by(cancels[i].who, NULL);
		c.signature = RULE_GOOD;
		move(
		    "queue", "failed", TASK,
		    with(text("\"cancel\":{\"by\":\"%s\"},\"result\":{\"status\":\"cancelled\",\"finished_at\":\"%s\"}",
			      cancels[i].by, at(0))));
		judge(TASK_QUEUE);
		if (cancels[i].fine)
			clean("cancelled by hand, under his key's name");
		else
			broken(RULE_CANCEL_NOTE, "a node's key, or another's name");
	}
}

static void subjects(void)
{
	static const struct {
		const char *subject, *who;
		bool ours;
	} all[] = {{"n1: claim a", "n1", true},
		   {"n1: 3 transitions", "n1", true},
		   {"Ann: Lee: retry a", "Ann: Lee", true},
		   {"n1: archive 2 tasks", "n1", true},
		   {"n1: archive 1 task", "n1", true},
		   {"fix: the README", "Joe X", false},
		   {"n1: claim a b", "Joe X", false},
		   {"Merge pull request #3", "Joe X", false},
		   {"", "Joe X", false}};
	struct world w;
	world_init(&w);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct rule_commit one = {.subject = (char *)all[i].subject,
					  .author = (char *)"Joe X <joe@example.org>"};
		rule_who(&one, &w);
		CHECK(one.ours == all[i].ours && !strcmp(one.who, all[i].who), all[i].subject);
	}
	world_clear(&w);
}

/* More nonces than are kept in memory. */
static void nonces(void)
{
	struct world w;
	char nonce[16];
	size_t fresh = 0, known = 0;
	world_init(&w);
	w.nonces_max = 1500;
	for (int i = 0; i < 10000; i++) {
		snprintf(nonce, sizeof nonce, "%d", i);
		fresh += world_nonce_new(&w, nonce);
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(nonce, sizeof nonce, "%d", i);
		known += !world_nonce_new(&w, nonce);
	}
	CHECK(fresh == 10000, "each is new once");
	CHECK(known == 10000, "and known for ever after");
	CHECK(w.n_runs == 6 && w.n_nonces == 1000, "most of them in a file");
	CHECK(world_nonce_new(&w, "x") && !world_nonce_new(&w, "x"), "it goes on");
	world_clear(&w);
}

int main(void)
{
	world_init(&r.world);
	claims();
	renewals();
	results();
	points();
	runs();
	forms();
	pins();
	limits();
	concurrency();
	room();
	times();
	outputs();
	orphans();
	places();
	promotions();
	waits();
	archives();
	nodes();
	signatures();
	subjects();
	nonces();
	/* Those that take a history, or refs, and not one commit, stand in bats/audit.bats; the others in
	 * test_rules_fire.c and test_rules_order.c; of secrets, networks, checkpoints and builds in tests/tamper. */
	static const enum rule_id elsewhere[] = {RULE_HISTORY_REWRITTEN, RULE_ARCHIVE_FROZEN, RULE_SCHEDULE_FIRE,
						 RULE_CLAIM_DRAINED,	 RULE_CLAIM_PAUSED,   RULE_NODE_RETIRED,
						 RULE_ORDER_BY,		 RULE_SECRET_SIGNED,  RULE_NETWORK_ALLOWED,
						 RULE_CHECKPOINT_PINNED, RULE_OUT_FALSE,      RULE_BUILD_ORDER};
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		seen_rule[elsewhere[i]] = true;
	for (int i = 0; i < RULE_N; i++)
		if ((i < RULE_VOTE_NODE || i > RULE_VOTE_QUORUM) && (i < RULE_NEEDS_KNOWN || i > RULE_INPUT_PINNED))
			CHECK(seen_rule[i], rule_at((enum rule_id)i)->id);
	commit_clear();
	world_clear(&r.world);
	return test_end("test_rules");
}
