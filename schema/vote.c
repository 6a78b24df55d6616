#include "schema/vote.h"
#include "base/sha256.h"
#include <string.h>

#define NODE_MAX 64 /* bytes of a node's id */

int64_t vote_majority(int64_t replicas)
{
	return replicas / 2 + 1;
}

/* ---- terms ---- */

/* Anyone may have written these numbers: what is no quorum of them is the majority. */
static struct vote_terms sound(int64_t replicas, int64_t quorum)
{
	struct vote_terms t = {.replicas = replicas < 1			  ? 1
					   : replicas > VOTE_REPLICAS_MAX ? VOTE_REPLICAS_MAX
									  : replicas};
	t.quorum = quorum >= vote_majority(t.replicas) && quorum <= t.replicas ? quorum : vote_majority(t.replicas);
	return t;
}

struct vote_terms vote_claim_terms(const struct json *claim)
{
	return sound(json_int(claim, "replicas", 1), json_int(claim, "quorum", 0));
}

static bool is_outcome(const struct json *attempt, const char *what)
{
	const char *outcome = json_str(attempt, "outcome");
	return outcome && !strcmp(outcome, what);
}

/* The attempts since the task was last queued by hand. */
static const struct json *story(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts"), *first;
	if (!list || list->type != JSON_ARRAY)
		return NULL;
	first = list->child;
	for (const struct json *a = list->child; a; a = a->next)
		if (is_outcome(a, "retried"))
			first = a->next;
	return first;
}

struct vote_terms vote_terms(const struct json *doc, const struct grid_config *c)
{
	const struct json *first = story(doc);
	if (json_get(doc, "replicas") || json_get(doc, "quorum"))
		return sound(json_int(doc, "replicas", 1), json_int(doc, "quorum", 0));
	return first ? vote_claim_terms(first) : sound(c->replicas, c->quorum);
}

void vote_set_terms(struct json *doc, struct vote_terms t)
{
	struct json *claim = json_copy(json_get(doc, "claim"));
	if (t.replicas > 1) {
		json_set(claim, "replicas", json_new_int(t.replicas));
		json_set(claim, "quorum", json_new_int(t.quorum));
	}
	json_set(doc, "claim", claim);
}

/* ---- votes ---- */

static bool is_vote(const struct json *attempt)
{
	return is_outcome(attempt, "voted") && json_str(attempt, "node") && json_str(attempt, "nonce") &&
	       json_str(attempt, "commitment");
}

/* The votes, at most one a node, the first. More than there can be replicas are of no use to anybody. */
static size_t gather(const struct json *doc, const struct json *votes[VOTE_REPLICAS_MAX])
{
	size_t n = 0;
	for (const struct json *a = story(doc); a && n < VOTE_REPLICAS_MAX; a = a->next) {
		bool counts = is_vote(a);
		for (size_t i = 0; i < n && counts; i++)
			counts = strcmp(json_str(votes[i], "node"), json_str(a, "node")) != 0;
		if (counts)
			votes[n++] = a;
	}
	return n;
}

const struct json *vote_next(const struct json *doc, const struct json *after)
{
	const struct json *votes[VOTE_REPLICAS_MAX];
	size_t n = gather(doc, votes), at = 0;
	for (size_t i = 0; i < n && after; i++)
		if (votes[i] == after)
			at = i + 1;
	return at < n ? votes[at] : NULL;
}

size_t vote_count(const struct json *doc)
{
	const struct json *votes[VOTE_REPLICAS_MAX];
	return gather(doc, votes);
}

bool vote_has(const struct json *doc, const char *node)
{
	const struct json *votes[VOTE_REPLICAS_MAX];
	size_t n = gather(doc, votes);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(json_str(votes[i], "node"), node))
			return true;
	return false;
}

/* ---- commitments ---- */

bool vote_commitment_valid(const char *text)
{
	return text && strlen(text) == VOTE_COMMITMENT - 1 && strspn(text, "0123456789abcdef") == VOTE_COMMITMENT - 1;
}

/* How the run itself ended, whatever became of the task. */
static const char *ended_as(const struct json *result)
{
	const char *status = json_str(result, "status"), *own = json_str(json_get(result, "quorum"), "status");
	return status && own && !strcmp(status, "disputed") ? own : status;
}

static void add_number(struct buf *b, const struct json *n)
{
	buf_addf(b, "%s\n", n && n->type == JSON_NUMBER ? n->text : "-");
}

/* Of a result with points: what each found. */
static bool add_points(struct buf *b, const struct json *points)
{
	static const char *const streams[] = {"stdout_sha256", "stderr_sha256"};
	for (const struct json *p = points->child; p; p = p->next) {
		const char *status = json_str(p, "status");
		add_number(b, json_get(p, "point"));
		buf_addf(b, "%s\n", status ? status : "-");
		add_number(b, json_get(p, "exit_code"));
		add_number(b, json_get(p, "signal"));
		for (size_t i = 0; i < 2; i++) {
			const struct json *hash = json_get(p, streams[i]);
			if (hash && (hash->type != JSON_STRING || !vote_commitment_valid(hash->text)))
				return false;
			buf_addf(b, "%s\n", hash ? hash->text : "-"); /* a stream without a byte has none */
		}
	}
	return points->type == JSON_ARRAY && points->child;
}

bool vote_commitment(const struct json *result, const char *node, const char *nonce, char out[VOTE_COMMITMENT])
{
	const char *status = ended_as(result), *stdout_hash = json_str(result, "stdout_sha256"),
		   *stderr_hash = json_str(result, "stderr_sha256");
	struct buf b = {0};
	uint8_t hash[32];
	const struct json *points = json_get(result, "points");
	if (!status || (!points && (!vote_commitment_valid(stdout_hash) || !vote_commitment_valid(stderr_hash))))
		return false;
	buf_addf(&b, "dgrid-vote\n%s\n%s\n%s\n", node, nonce, status);
	add_number(&b, json_get(result, "exit_code"));
	add_number(&b, json_get(result, "signal"));
	bool told = !points || add_points(&b, points);
	if (!points)
		buf_addf(&b, "%s\n%s\n", stdout_hash, stderr_hash);
	const char *tree = json_str(json_get(result, "out"), "tree"); /* whoever left files commits to them */
	if (tree)
		buf_addf(&b, "%s\n", tree);
	sha256(b.data, b.len, hash);
	sha256_hex(hash, out);
	buf_clear(&b);
	return told;
}

static bool agrees(const struct json *vote, const struct json *result)
{
	char mine[VOTE_COMMITMENT];
	return vote_commitment(result, json_str(vote, "node"), json_str(vote, "nonce"), mine) &&
	       !strcmp(mine, json_str(vote, "commitment"));
}

/* ---- verdicts ---- */

enum vote_verdict vote_judge(const struct json *doc, struct vote_terms t, const struct json *result,
			     struct json **quorum)
{
	const char *self = json_str(result, "node");
	struct json *agreed = json_new(JSON_ARRAY), *others = json_new(JSON_ARRAY), *all = json_new(JSON_OBJECT);
	int64_t equal = 1, votes = 1;
	for (const struct json *v = NULL; (v = vote_next(doc, v));) {
		const char *node = json_str(v, "node");
		if (self && !strcmp(node, self))
			continue; /* he has a voice already: this one */
		bool same = agrees(v, result);
		json_append(same ? agreed : others, json_new_str(node));
		equal += same;
		votes++;
	}
	if (self)
		json_append(agreed, json_new_str(self));
	enum vote_verdict verdict = equal >= t.quorum ? VOTE_DECIDED : votes >= t.replicas ? VOTE_DISPUTED : VOTE_CAST;
	if (verdict != VOTE_DECIDED) { /* nobody knows who is right */
		json_free(agreed);
		json_free(others);
		agreed = json_new(JSON_ARRAY);
		others = json_new(JSON_ARRAY);
	}
	json_set(all, "replicas", json_new_int(t.replicas));
	json_set(all, "quorum", json_new_int(t.quorum));
	json_set(all, "agreed", agreed);
	json_set(all, "outliers", others);
	if (verdict == VOTE_DISPUTED && ended_as(result))
		json_set(all, "status", json_new_str(ended_as(result)));
	if (quorum)
		*quorum = verdict == VOTE_CAST ? NULL : all;
	if (!quorum || verdict == VOTE_CAST)
		json_free(all);
	return verdict;
}

bool vote_cast(struct json *doc, const struct json *result)
{
	/* What the run was like, and nothing of what it found. */
	static const char *const told[] = {"duration_ms", "engine", "image_digest"};
	const struct json *list = json_get(doc, "attempts");
	struct json *last = list && list->type == JSON_ARRAY ? list->child : NULL;
	char commitment[VOTE_COMMITMENT];
	while (last && last->next)
		last = last->next;
	if (!last || last->type != JSON_OBJECT || !json_str(last, "node") || !json_str(last, "nonce") ||
	    !vote_commitment(result, json_str(last, "node"), json_str(last, "nonce"), commitment))
		return false;
	json_set(last, "outcome", json_new_str("voted"));
	json_set(last, "commitment", json_new_str(commitment));
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (json_get(result, told[i]))
			json_set(last, told[i], json_copy(json_get(result, told[i])));
	return true;
}

/* ---- outliers ---- */

static void count_nodes(const struct json *list, struct json *counts)
{
	int n = 0;
	for (const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL; v && n < VOTE_REPLICAS_MAX;
	     v = v->next, n++)
		if (v->type == JSON_STRING && v->len && v->len <= NODE_MAX && strlen(v->text) == v->len)
			json_set(counts, v->text, json_new_int(json_int(counts, v->text, 0) + 1));
}

void vote_outliers(const struct json *doc, struct json *counts)
{
	const struct json *list = json_get(doc, "attempts");
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next)
		if (is_outcome(a, "retried"))
			count_nodes(json_get(a, "outliers"), counts);
	count_nodes(json_get(json_get(json_get(doc, "result"), "quorum"), "outliers"), counts);
}
