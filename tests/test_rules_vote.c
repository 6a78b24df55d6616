/* The audit's rules of votes: documents made by the functions that make them for the ledger, as they are and with one
 * fraud each. */
#include "audit/rules.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "schema/vote.h"
#include "test.h"
#include <stdlib.h>

static struct rules r;
static struct {
	enum rule_id rule;
	char text[256];
} told[16];
static size_t n_told;

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *of, const char *path, const char *text)
{
	(void)ctx;
	(void)of;
	(void)path;
	if (rule >= RULE_NOTICES || n_told == 16)
		return;
	told[n_told].rule = rule;
	snprintf(told[n_told++].text, 256, "%.255s", text);
}

static struct json *parse(const char *text)
{
	struct json_error je;
	struct json *j = json_parse(text, strlen(text), &je);
	CHECK(j != NULL, text);
	return j;
}

/* Task a moves in a commit of who's. */
static void judge(const char *who, const char *verb, enum task_state from, enum task_state to, const struct json *old,
		  const struct json *new)
{
	static const char *const nodes[] = {"n1", "n2", "n3", "n4"};
	struct grid_config kept = r.world.config;
	char *subject = xasprintf("%s: %s a", who, verb), *author = xasprintf("%s <%s@example.org>", who, who);
	char *texts[] = {task_text(old), task_text(new)};
	char *paths[] = {xasprintf("tasks/%s/a.json", task_state_name(from)),
			 xasprintf("tasks/%s/a.json", task_state_name(to))};
	struct json *docs[] = {NULL, NULL};
	struct rule_change ch[] = {{.path = paths[0], .status = 'D', .old_mode = 0100644, .old_oid = "a1"},
				   {.path = paths[1], .status = 'A', .new_mode = 0100644, .new_oid = "a2"}};
	struct rule_commit c = {.id = "c0ffee",
				.parent = "beef",
				.n_parents = 1,
				.author = author,
				.committer = author,
				.subject = subject,
				.at = clock_now(),
				.changes = ch,
				.n = 2};
	r.world.config = (struct grid_config){0};
	world_clear(&r.world);
	world_init(&r.world);
	r.world.config.replicas = kept.replicas;
	r.world.config.quorum = kept.quorum;
	config_clear(&kept);
	r.tell = tell;
	world_task_add(&r.world, "a")->states = 1u << from;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		world_node_add(&r.world, nodes[i])->seen = c.at;
	for (int i = 0; i < 2; i++)
		rule_change_classify(&ch[i]);
	ch[0].old = (struct rule_text){texts[0], strlen(texts[0]), &docs[0]};
	ch[1].new = (struct rule_text){texts[1], strlen(texts[1]), &docs[1]};
	n_told = 0;
	rules_judge(&r, &c);
	for (int i = 0; i < 2; i++) {
		json_free(docs[i]);
		free(texts[i]);
		free(paths[i]);
	}
	free(subject);
	free(author);
}

static void clean(const char *what)
{
	CHECK(!n_told, n_told ? told[0].text : what);
}

static void broken(enum rule_id rule, const char *what)
{
	CHECK(n_told && told[0].rule == rule, what);
	if (!n_told || told[0].rule != rule)
		printf("  %s: expected %s, got %s: %s\n", what, rule_at(rule)->id,
		       n_told ? rule_at(told[0].rule)->id : "nothing", n_told ? told[0].text : "");
}

/* ---- documents ---- */

static struct json *task(const char *members)
{
	char *text = xasprintf("{\"task_id\": \"a\", \"script\": \"true\", \"timeout_seconds\": 60%s%s}",
			       *members ? ", " : "", members);
	struct json *doc = parse(text);
	free(text);
	return doc;
}

static void claim(struct json *doc, const char *node)
{
	char nonce[33];
	clock_nonce(nonce, 16);
	struct vote_terms t = vote_terms(doc, &r.world.config);
	task_set_claim(doc, node, nonce, 120);
	vote_set_terms(doc, t);
}

/* What the node of doc's claim found; digit: its output's hash is made of. */
static struct json *found(const struct json *doc, char digit)
{
	char hash[65], when[32], out[2] = {digit};
	uint8_t raw[32];
	sha256(out, 1, raw);
	sha256_hex(raw, hash);
	const struct json *c = json_get(doc, "claim");
	struct json *one = json_new(JSON_OBJECT);
	json_set(one, "status", json_new_str("success"));
	json_set(one, "exit_code", json_new_int(0));
	json_set(one, "signal", json_new(JSON_NULL));
	json_set(one, "node", json_new_str(json_str(c, "node")));
	json_set(one, "attempt", json_new_int(json_int(c, "attempt", 1)));
	json_set(one, "nonce", json_new_str(json_str(c, "nonce")));
	json_set(one, "started_at", json_new_str(clock_format(clock_now(), when)));
	json_set(one, "finished_at", json_new_str(clock_format(clock_now(), when)));
	json_set(one, "duration_ms", json_new_int(5));
	json_set(one, "engine", json_new_str("bwrap"));
	json_set(one, "image", json_new_str("host:/usr"));
	json_set(one, "image_digest", json_new_str(""));
	json_set(one, "stdout", json_new_str(out));
	json_set(one, "stdout_bytes", json_new_int(1));
	json_set(one, "stdout_truncated", json_new_bool(false));
	json_set(one, "stdout_sha256", json_new_str(hash));
	json_set(one, "stderr", json_new_str(out));
	json_set(one, "stderr_bytes", json_new_int(1));
	json_set(one, "stderr_truncated", json_new_bool(false));
	json_set(one, "stderr_sha256", json_new_str(hash));
	sha256("true", 4, raw);
	sha256_hex(raw, hash);
	json_set(one, "script_sha256", json_new_str(hash));
	return one;
}

static struct json *last_of(const struct json *doc)
{
	struct json *a = json_get(doc, "attempts")->child;
	while (a->next)
		a = a->next;
	return a;
}

static void vote(struct json *doc, const char *node, char digit)
{
	claim(doc, node);
	struct json *result = found(doc, digit);
	task_end_claim(doc, "voted", NULL, NULL);
	CHECK(vote_cast(doc, result), "a vote");
	json_free(result);
}

/* doc, which is claimed, ends as the outbox ends it; NULL: it is not decided. */
static struct json *ended(const struct json *doc, char digit)
{
	struct json *result = found(doc, digit), *quorum, *new = json_copy(doc);
	enum vote_verdict v = vote_judge(doc, vote_claim_terms(json_get(doc, "claim")), result, &quorum);
	const char *status = v == VOTE_DISPUTED ? "disputed" : "success";
	if (v == VOTE_CAST) {
		json_free(result);
		json_free(new);
		return NULL;
	}
	task_end_claim(new, status, NULL, NULL);
	json_set(result, "status", json_new_str(status));
	json_set(result, "quorum", quorum);
	json_set(new, "result", result);
	return new;
}

/* A copy with one member of one of its objects set to a JSON value; value NULL: taken out. */
static struct json *forged(const struct json *doc, const char *object, const char *member, const char *value)
{
	struct json *copy = json_copy(doc), *in = copy;
	if (!strcmp(object, "last"))
		in = last_of(copy);
	else if (!strcmp(object, "quorum"))
		in = (struct json *)json_get(json_get(copy, "result"), "quorum");
	else
		in = (struct json *)json_get(copy, object);
	if (value)
		json_set(in, member, parse(value));
	else
		json_remove(in, member);
	return copy;
}

/* ---- */

static void claims(void)
{
	struct json *old = task("\"replicas\": 3"), *new = json_copy(old), *bad;
	static const struct {
		const char *member, *value;
	} moved[] = {{"replicas", NULL}, {"replicas", "1"}, {"replicas", "5"}, {"replicas", "99"},
		     {"quorum", "3"},	 {"quorum", "1"},   {"quorum", NULL},  {"replicas", "\"3\""}};
	claim(new, "n1");
	judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	clean("a claim under the task's terms");
	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
		bad = forged(new, "claim", moved[i].member, moved[i].value);
		judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, bad);
		broken(RULE_VOTE_QUORUM, moved[i].member);
		json_free(bad);
	}
	json_free(new);
	vote(old, "n1", 'a');
	new = json_copy(old);
	claim(new, "n1");
	judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	broken(RULE_VOTE_NODE, "a claim by who has voted");
	json_free(new);
	new = json_copy(old);
	claim(new, "n2");
	judge("n2", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	clean("a claim by another");
	json_free(new);
	json_free(old);
	/* The grid's default, and what the first claim froze. */
	old = task("");
	r.world.config.replicas = 3;
	new = json_copy(old);
	claim(new, "n1");
	judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	clean("under the grid's default");
	bad = forged(new, "claim", "replicas", "1");
	judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, bad);
	broken(RULE_VOTE_QUORUM, "without the grid's default");
	json_free(bad);
	json_free(new);
	vote(old, "n1", 'a');
	r.world.config.replicas = 1;
	new = json_copy(old);
	claim(new, "n2");
	judge("n2", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	clean("the goal posts stay where they are");
	bad = forged(new, "claim", "replicas", NULL);
	judge("n2", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, bad);
	broken(RULE_VOTE_QUORUM, "the goal posts are moved");
	json_free(bad);
	json_free(new);
	json_free(old);
}

static void casting(void)
{
	struct json *old = task("\"replicas\": 3"), *new, *bad;
	static const struct {
		const char *member, *value;
		enum rule_id rule;
	} frauds[] = {{"commitment", NULL, RULE_VOTE_COMMITMENT},
		      {"commitment", "\"abc\"", RULE_VOTE_COMMITMENT},
		      {"commitment", "7", RULE_VOTE_COMMITMENT},
		      {"exit_code", "0", RULE_VOTE_COMMITMENT},
		      {"stdout_sha256", "\"aa\"", RULE_VOTE_COMMITMENT},
		      {"reason", "\"it printed 42\"", RULE_VOTE_COMMITMENT},
		      {"signed_by", "\"it printed 42\"", RULE_ATTEMPTS_GROW},
		      {"replicas", "2", RULE_ATTEMPTS_GROW},
		      {"quorum", "3", RULE_ATTEMPTS_GROW},
		      {"node", "\"n2\"", RULE_ATTEMPTS_GROW}};
	claim(old, "n1");
	json_set((struct json *)json_get(old, "claim"), "signed_by", json_new_str("ann"));
	new = json_copy(old);
	struct json *result = found(old, 'a');
	task_end_claim(new, "voted", NULL, NULL);
	vote_cast(new, result);
	json_free(result);
	judge("n1", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	clean("a vote");
	judge("n2", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	broken(RULE_RESULT_CLAIM, "a vote by another");
	for (size_t i = 0; i < sizeof frauds / sizeof *frauds; i++) {
		bad = forged(new, "last", frauds[i].member, frauds[i].value);
		judge("n1", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, bad);
		broken(frauds[i].rule, frauds[i].member);
		json_free(bad);
	}
	/* Terms move by no other end of a claim either. */
	json_free(new);
	new = json_copy(old);
	task_end_claim(new, "released", "stopped", NULL);
	judge("n1", "release", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	clean("a release");
	bad = forged(new, "last", "replicas", "5");
	judge("n1", "release", TASK_IN_PROGRESS, TASK_QUEUE, old, bad);
	broken(RULE_ATTEMPTS_GROW, "a release that moves the goal posts");
	json_free(bad);
	json_free(new);
	json_free(old);
	/* A second vote; the last one's; on what one node runs. */
	old = task("\"replicas\": 3");
	vote(old, "n1", 'a');
	claim(old, "n1");
	new = json_copy(old);
	result = found(old, 'b');
	task_end_claim(new, "voted", NULL, NULL);
	vote_cast(new, result);
	judge("n1", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	broken(RULE_VOTE_NODE, "a node votes twice");
	json_free(result);
	json_free(new);
	json_free(old);
	old = task("\"replicas\": 2");
	vote(old, "n1", 'a');
	claim(old, "n2");
	new = json_copy(old);
	result = found(old, 'b');
	task_end_claim(new, "voted", NULL, NULL);
	vote_cast(new, result);
	judge("n2", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	broken(RULE_VOTE_QUORUM, "the last replica votes");
	json_free(result);
	json_free(new);
	json_free(old);
	old = task("");
	claim(old, "n1");
	new = json_copy(old);
	result = found(old, 'b');
	task_end_claim(new, "voted", NULL, NULL);
	vote_cast(new, result);
	judge("n1", "vote", TASK_IN_PROGRESS, TASK_QUEUE, old, new);
	broken(RULE_VOTE_QUORUM, "a vote on what one node runs");
	json_free(result);
	json_free(new);
	json_free(old);
}

static void ends(void)
{
	struct json *old = task("\"replicas\": 3"), *new, *bad;
	static const struct {
		const char *object, *member, *value;
	} frauds[] = {{"quorum", "agreed", "[\"n1\", \"n2\", \"n3\"]"},
		      {"quorum", "agreed", "[\"n3\"]"},
		      {"quorum", "outliers", "[]"},
		      {"quorum", "outliers", "[\"n1\"]"},
		      {"quorum", "replicas", "5"},
		      {"quorum", "status", "\"success\""},
		      {"result", "quorum", NULL},
		      {"result", "stdout_sha256", NULL},
		      {"result", "exit_code", "1"}};
	vote(old, "n1", 'a');
	vote(old, "n2", 'b');
	claim(old, "n3");
	new = ended(old, 'a');
	CHECK(new, "decided");
	judge("n3", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, new);
	clean("a quorum");
	for (size_t i = 0; i < sizeof frauds / sizeof *frauds; i++) {
		bad = forged(new, frauds[i].object, frauds[i].member, frauds[i].value);
		judge("n3", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, bad);
		broken(RULE_VOTE_QUORUM, frauds[i].member);
		json_free(bad);
	}
	/* Called disputed, to get rid of it. */
	bad = forged(new, "result", "status", "\"disputed\"");
	json_set((struct json *)json_get(json_get(bad, "result"), "quorum"), "status", json_new_str("success"));
	json_set(last_of(bad), "outcome", json_new_str("disputed"));
	judge("n3", "disputed", TASK_IN_PROGRESS, TASK_FAILED, old, bad);
	broken(RULE_VOTE_QUORUM, "a false dispute");
	json_free(bad);
	json_free(new);
	new = ended(old, 'c');
	judge("n3", "disputed", TASK_IN_PROGRESS, TASK_FAILED, old, new);
	clean("a dispute");
	bad = forged(new, "quorum", "status", NULL);
	judge("n3", "disputed", TASK_IN_PROGRESS, TASK_FAILED, old, bad);
	broken(RULE_VOTE_QUORUM, "a dispute that hides how the run ended");
	json_free(bad);
	bad = forged(new, "quorum", "agreed", "[\"n3\"]");
	judge("n3", "disputed", TASK_IN_PROGRESS, TASK_FAILED, old, bad);
	broken(RULE_VOTE_QUORUM, "a dispute in which somebody agreed");
	json_free(bad);
	/* What nobody agreed with is given out as the quorum's. */
	bad = forged(new, "result", "status", "\"success\"");
	json_remove((struct json *)json_get(json_get(bad, "result"), "quorum"), "status");
	json_set((struct json *)json_get(json_get(bad, "result"), "quorum"), "agreed", parse("[\"n1\", \"n3\"]"));
	json_set(last_of(bad), "outcome", json_new_str("success"));
	judge("n3", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, bad);
	broken(RULE_VOTE_QUORUM, "a forged quorum");
	json_free(bad);
	json_free(new);
	json_free(old);
	/* Ended before enough had a look. */
	old = task("\"replicas\": 3");
	vote(old, "n1", 'a');
	claim(old, "n2");
	CHECK(!ended(old, 'b'), "not decided yet");
	new = ended(old, 'a');
	bad = forged(new, "result", "stdout_sha256",
		     "\"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"");
	judge("n2", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, bad);
	broken(RULE_VOTE_QUORUM, "ended by one of three");
	json_free(bad);
	json_free(new);
	json_free(old);
	/* One node's own run tells of a quorum. */
	old = task("");
	claim(old, "n1");
	new = json_copy(old);
	task_end_claim(new, "success", NULL, NULL);
	json_set(new, "result", found(old, 'a'));
	judge("n1", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, new);
	clean("one node, one result");
	bad = forged(new, "result", "quorum",
		     "{\"replicas\": 3, \"quorum\": 2, \"agreed\": [\"n1\", \"n2\"], \"outliers\": []}");
	judge("n1", "success", TASK_IN_PROGRESS, TASK_COMPLETED, old, bad);
	broken(RULE_VOTE_QUORUM, "a quorum of one");
	json_free(bad);
	json_free(new);
	json_free(old);
}

static void retries(void)
{
	struct json *old = task("\"replicas\": 3"), *new, *bad;
	vote(old, "n1", 'a');
	vote(old, "n2", 'b');
	claim(old, "n3");
	new = ended(old, 'a');
	json_free(old);
	old = new;
	new = json_copy(old);
	task_retried(new, "ann");
	judge("ann", "retry", TASK_COMPLETED, TASK_QUEUE, old, new);
	clean("a retry");
	bad = forged(new, "last", "outliers", NULL);
	judge("ann", "retry", TASK_COMPLETED, TASK_QUEUE, old, bad);
	broken(RULE_ATTEMPTS_RETRY, "a retry that forgets who was an outlier");
	json_free(bad);
	bad = forged(new, "last", "outliers", "[\"n1\"]");
	judge("ann", "retry", TASK_COMPLETED, TASK_QUEUE, old, bad);
	broken(RULE_ATTEMPTS_RETRY, "a retry that blames another");
	json_free(bad);
	json_free(old);
	old = json_copy(new);
	claim(new, "n1");
	judge("n1", "claim", TASK_QUEUE, TASK_IN_PROGRESS, old, new);
	clean("who voted before the retry may claim again");
	json_free(new);
	json_free(old);
}

int main(void)
{
	world_init(&r.world);
	claims();
	casting();
	ends();
	retries();
	world_clear(&r.world);
	return test_end("test_rules_vote");
}
