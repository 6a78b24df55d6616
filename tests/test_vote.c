/* Votes: terms, commitments, verdicts, outliers. */
#include "base/sha256.h"
#include "schema/task.h"
#include "schema/vote.h"
#include "test.h"
#include <stdlib.h>

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct json *parse(const char *text)
{
	struct json_error je;
	struct json *j = json_parse(text, strlen(text), &je);
	CHECK(j != NULL, text);
	return j;
}

/* What a node found. code < 0: null; out: its output's hash. */
static struct json *found(const char *node, const char *status, int code, const char *out)
{
	struct json *r = json_new(JSON_OBJECT);
	json_set(r, "status", json_new_str(status));
	json_set(r, "exit_code", code < 0 ? json_new(JSON_NULL) : json_new_int(code));
	json_set(r, "signal", json_new(JSON_NULL));
	json_set(r, "node", json_new_str(node));
	json_set(r, "duration_ms", json_new_int(12));
	json_set(r, "engine", json_new_str("bwrap"));
	json_set(r, "image_digest", json_new_str(""));
	json_set(r, "stdout", json_new_str("secret"));
	json_set(r, "stderr", json_new_str("secret too"));
	json_set(r, "stdout_sha256", json_new_str(out));
	json_set(r, "stderr_sha256", json_new_str(HASH_B));
	return r;
}

static void terms(void)
{
	static const struct {
		const char *doc;
		int replicas, quorum; /* of grid.json */
		int64_t expected[2];
	} cases[] = {
	    {"{}", 1, 0, {1, 1}},
	    {"{}", 3, 0, {3, 2}},
	    {"{}", 5, 4, {5, 4}},
	    {"{\"replicas\": 3}", 1, 0, {3, 2}},
	    {"{\"replicas\": 1}", 5, 4, {1, 1}},
	    {"{\"replicas\": 5}", 3, 3, {5, 3}},
	    {"{\"replicas\": 4, \"quorum\": 4}", 1, 0, {4, 4}},
	    /* The first claim settles it, whatever grid.json says later. */
	    {"{\"attempts\": [{\"outcome\": \"lost\"}]}", 3, 0, {1, 1}},
	    {"{\"attempts\": [{\"outcome\": \"voted\", \"replicas\": 5, \"quorum\": 3}]}", 1, 0, {5, 3}},
	    {"{\"attempts\": [{\"outcome\": \"lost\", \"replicas\": 3, \"quorum\": 2}, {\"outcome\": \"lost\"}]}",
	     1,
	     0,
	     {3, 2}},
	    /* Queued again by hand it begins anew. */
	    {"{\"attempts\": [{\"replicas\": 5, \"quorum\": 3}, {\"outcome\": \"retried\"}]}", 3, 3, {3, 3}},
	    {"{\"attempts\": [{\"outcome\": \"retried\"}, {\"replicas\": 5, \"quorum\": 3}]}", 1, 0, {5, 3}},
	    {"{\"replicas\": 3, \"attempts\": [{\"replicas\": 5, \"quorum\": 3}]}", 1, 0, {3, 2}},
	    /* What no program of ours wrote. */
	    {"{\"replicas\": 99, \"quorum\": -4}", 1, 0, {9, 5}},
	    {"{\"replicas\": 3, \"quorum\": 1}", 1, 0, {3, 2}},
	    {"{\"replicas\": \"x\", \"quorum\": 2}", 1, 0, {1, 1}},
	    {"{\"attempts\": 7}", 3, 0, {3, 2}},
	    {"{\"attempts\": [7, null]}", 3, 0, {1, 1}},
	};
	struct grid_config c;
	config_defaults(&c);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct json *doc = parse(cases[i].doc);
		c.replicas = cases[i].replicas;
		c.quorum = cases[i].quorum;
		struct vote_terms t = vote_terms(doc, &c);
		CHECK(t.replicas == cases[i].expected[0] && t.quorum == cases[i].expected[1], cases[i].doc);
		json_free(doc);
	}
	config_clear(&c);
	for (int64_t n = 1; n <= VOTE_REPLICAS_MAX; n++)
		CHECK(vote_majority(n) * 2 > n && (vote_majority(n) - 1) * 2 <= n, "the smallest majority");
}

static void commitments(void)
{
	/* By the words of docs/TASK_FORMAT.md, not by the code under test. */
	static const char bytes[] = "dgrid-vote\nn1\n00ff\nfailed\n3\n-\n" HASH_A "\n" HASH_B "\n";
	uint8_t hash[32];
	char expected[65], got[VOTE_COMMITMENT], other[VOTE_COMMITMENT];
	struct json *r = found("n1", "failed", 3, HASH_A);
	sha256(bytes, sizeof bytes - 1, hash);
	for (int i = 0; i < 32; i++)
		snprintf(expected + 2 * i, 3, "%02x", hash[i]);
	CHECK(vote_commitment(r, "n1", "00ff", got) && !strcmp(got, expected), "the commitment is as documented");
	CHECK(vote_commitment_valid(got), "it is well-formed");
	CHECK(vote_commitment(r, "n2", "00ff", other) && strcmp(got, other) != 0, "another node's differs");
	CHECK(vote_commitment(r, "n1", "00fe", other) && strcmp(got, other) != 0, "of another claim it differs");
	static const struct {
		const char *name, *value;
	} changes[] = {{"status", "\"timeout\""},
		       {"exit_code", "4"},
		       {"exit_code", "null"},
		       {"signal", "9"},
		       {"stdout_sha256", "\"" HASH_B "\""},
		       {"stderr_sha256", "\"" HASH_A "\""}};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct json *changed = json_copy(r);
		json_set(changed, changes[i].name, parse(changes[i].value));
		CHECK(vote_commitment(changed, "n1", "00ff", other) && strcmp(got, other) != 0, changes[i].name);
		json_free(changed);
	}
	json_set(r, "duration_ms", json_new_int(99999));
	json_set(r, "stdout", json_new_str("cut"));
	CHECK(vote_commitment(r, "n1", "00ff", other) && !strcmp(got, other), "how long it took does not matter");
	/* A disputed result counts as what the run itself was. */
	json_set(r, "status", json_new_str("disputed"));
	json_set(r, "quorum", parse("{\"status\": \"failed\"}"));
	CHECK(vote_commitment(r, "n1", "00ff", other) && !strcmp(got, other), "disputed: the run's own status");
	json_remove(r, "stderr_sha256");
	CHECK(!vote_commitment(r, "n1", "00ff", other), "without digests there is no commitment");
	json_free(r);
	static const char *const bad[] = {"", "xyz", HASH_A "a",
					  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!vote_commitment_valid(bad[i]), bad[i]);
	CHECK(!vote_commitment_valid(NULL), "none");
}

/* The node claims the task and votes on it. */
static void votes(struct json *doc, const struct json *r)
{
	char nonce[33];
	snprintf(nonce, sizeof nonce, "%s-nonce", json_str(r, "node"));
	task_set_claim(doc, json_str(r, "node"), nonce, 60);
	vote_set_terms(doc, (struct vote_terms){3, 2});
	task_end_claim(doc, "voted", NULL, NULL);
	CHECK(vote_cast(doc, r), "a vote is cast");
}

static void casting(void)
{
	struct json *doc = parse("{\"task_id\": \"t\", \"replicas\": 3}"), *r = found("n1", "failed", 3, HASH_A);
	CHECK(!vote_count(doc) && !vote_has(doc, "n1") && !vote_next(doc, NULL), "nobody has voted");
	CHECK(!vote_cast(doc, r), "without a claim nobody votes");
	votes(doc, r);
	CHECK(vote_count(doc) == 1 && vote_has(doc, "n1") && !vote_has(doc, "n2"), "one vote");
	char *text = task_text(doc);
	CHECK(!strstr(text, "secret") && !strstr(text, HASH_A) && !strstr(text, HASH_B), "nothing of the output");
	CHECK(!strstr(text, "exit_code") && !strstr(text, "signal") && !strstr(text, "failed"), "nor of its end");
	const struct json *v = vote_next(doc, NULL);
	CHECK(vote_commitment_valid(json_str(v, "commitment")) && json_int(v, "duration_ms", 0) == 12 &&
		  json_str(v, "ended_at") && json_int(v, "replicas", 0) == 3 && json_int(v, "quorum", 0) == 2,
	      "what a vote says");
	CHECK(task_attempts_used(doc) == 0, "a vote uses up no attempt");
	task_set_claim(doc, "n2", "x", 60);
	CHECK(json_int(json_get(doc, "claim"), "attempt", 0) == 1, "the next claim is the first attempt still");
	task_end_claim(doc, "lost", NULL, NULL);
	CHECK(task_attempts_used(doc) == 1 && vote_count(doc) == 1, "a lost replica is an attempt");
	task_retried(doc, "me");
	CHECK(!vote_count(doc) && !vote_has(doc, "n1"), "queued again by hand there is no vote");
	json_remove(r, "stdout_sha256");
	task_set_claim(doc, "n1", "y", 60);
	task_end_claim(doc, "released", NULL, NULL);
	CHECK(!vote_cast(doc, r) && !vote_count(doc), "without digests there is no vote");
	json_free(doc);
	json_free(r);
	free(text);
}

/* Who decides after the earlier ones found first[i] (hashes of outputs), with the output last? */
static void verdict(const char *what, struct vote_terms t, const char *const *first, const char *last,
		    enum vote_verdict expected, const char *quorum_expected)
{
	struct json *doc = parse("{\"task_id\": \"t\"}"), *quorum = NULL;
	char node[16];
	int n = 0;
	for (; first[n]; n++) {
		snprintf(node, sizeof node, "n%d", n + 1);
		struct json *r = found(node, "success", 0, first[n]);
		votes(doc, r);
		json_free(r);
	}
	snprintf(node, sizeof node, "n%d", n + 1);
	struct json *own = found(node, "success", 0, last);
	CHECK(vote_judge(doc, t, own, &quorum) == expected, what);
	CHECK(vote_judge(doc, t, own, NULL) == expected, what);
	struct buf b = {0};
	if (quorum)
		json_write(&b, quorum, 0);
	CHECK(!strcmp(b.data ? b.data : "", quorum_expected), b.data ? b.data : what);
	/* Said in the result it is found again from there. */
	if (quorum) {
		struct json *again = NULL;
		json_set(own, "quorum", quorum);
		if (expected == VOTE_DISPUTED)
			json_set(own, "status", json_new_str("disputed"));
		CHECK(vote_judge(doc, t, own, &again) == expected, "judged again");
		struct buf b2 = {0};
		json_write(&b2, again, 0);
		CHECK(!strcmp(b.data, b2.data), b2.data);
		buf_clear(&b2);
		json_free(again);
	}
	buf_clear(&b);
	json_free(doc);
	json_free(own);
}

static void verdicts(void)
{
#define FIRST(...) ((const char *const[]){__VA_ARGS__, NULL})
	const struct vote_terms two_of_three = {3, 2}, all = {3, 3}, five = {5, 3}, alone = {1, 1};
	verdict("one node", alone, FIRST(NULL), HASH_A, VOTE_DECIDED,
		"{\"replicas\":1,\"quorum\":1,\"agreed\":[\"n1\"],\"outliers\":[]}");
	verdict("the first votes", two_of_three, FIRST(NULL), HASH_A, VOTE_CAST, "");
	verdict("two agree", two_of_three, FIRST(HASH_A), HASH_A, VOTE_DECIDED,
		"{\"replicas\":3,\"quorum\":2,\"agreed\":[\"n1\",\"n2\"],\"outliers\":[]}");
	verdict("two differ", two_of_three, FIRST(HASH_A), HASH_B, VOTE_CAST, "");
	verdict("the second is the outlier", two_of_three, FIRST(HASH_A, HASH_B), HASH_A, VOTE_DECIDED,
		"{\"replicas\":3,\"quorum\":2,\"agreed\":[\"n1\",\"n3\"],\"outliers\":[\"n2\"]}");
	verdict("all differ", two_of_three, FIRST(HASH_A, HASH_B),
		"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", VOTE_DISPUTED,
		"{\"replicas\":3,\"quorum\":2,\"agreed\":[],\"outliers\":[],\"status\":\"success\"}");
	verdict("two are not all", all, FIRST(HASH_A), HASH_A, VOTE_CAST, "");
	verdict("all agree", all, FIRST(HASH_A, HASH_A), HASH_A, VOTE_DECIDED,
		"{\"replicas\":3,\"quorum\":3,\"agreed\":[\"n1\",\"n2\",\"n3\"],\"outliers\":[]}");
	verdict("two of three are not enough", all, FIRST(HASH_A, HASH_A), HASH_B, VOTE_DISPUTED,
		"{\"replicas\":3,\"quorum\":3,\"agreed\":[],\"outliers\":[],\"status\":\"success\"}");
	verdict("two against two", five, FIRST(HASH_A, HASH_B, HASH_A), HASH_B, VOTE_CAST, "");
	verdict("the fifth decides", five, FIRST(HASH_A, HASH_B, HASH_A, HASH_B), HASH_A, VOTE_DECIDED,
		"{\"replicas\":5,\"quorum\":3,\"agreed\":[\"n1\",\"n3\",\"n5\"],\"outliers\":[\"n2\","
		"\"n4\"]}");
#undef FIRST
	/* Nobody has two voices: neither by a second vote nor by deciding what he voted on. */
	struct json *doc = parse("{}"), *one = found("n1", "success", 0, HASH_A),
		    *two = found("n2", "success", 0, HASH_A), *quorum = NULL;
	votes(doc, one);
	CHECK(vote_judge(doc, two_of_three, one, NULL) == VOTE_CAST, "a node does not agree with itself");
	votes(doc, one);
	CHECK(vote_count(doc) == 1, "a second vote of a node is none");
	CHECK(vote_judge(doc, all, two, NULL) == VOTE_CAST, "nor does it make up a quorum");
	CHECK(vote_judge(doc, two_of_three, two, &quorum) == VOTE_DECIDED && quorum, "two nodes do");
	json_free(doc);
	json_free(one);
	json_free(two);
	json_free(quorum);
}

static void outliers(void)
{
	struct json *doc = parse("{\"attempts\": [{\"outcome\": \"success\"}], \"result\": {\"status\": \"success\", "
				 "\"quorum\": {\"agreed\": [\"a\", \"b\"], \"outliers\": [\"bad\", \"worse\"]}}}"),
		    *counts = json_new(JSON_OBJECT), *odd;
	vote_outliers(doc, counts);
	CHECK(json_int(counts, "bad", 0) == 1 && json_int(counts, "worse", 0) == 1 && !json_get(counts, "a"), "once");
	task_retried(doc, "me");
	CHECK(!json_get(doc, "result"), "queued again it has no result");
	vote_outliers(doc, counts);
	CHECK(json_int(counts, "bad", 0) == 2 && json_int(counts, "worse", 0) == 2, "a retry forgets none");
	odd = parse("{\"attempts\": [{\"outcome\": \"retried\", \"outliers\": [1, null, \"\", \"bad\", \"\\u0000\"]}], "
		    "\"result\": {\"quorum\": {\"outliers\": {\"x\": 1}}}}");
	vote_outliers(odd, counts);
	CHECK(json_int(counts, "bad", 0) == 3 && !json_get(counts, "") && !json_get(counts, "x"), "strangers' lists");
	json_free(doc);
	json_free(odd);
	json_free(counts);
}

int main(void)
{
	terms();
	commitments();
	casting();
	verdicts();
	outliers();
	return test_end("test_vote");
}
