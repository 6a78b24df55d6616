#include "audit/rules_vote.h"
#include "audit/rules_run.h"
#include "schema/vote.h"
#include <string.h>

void rules_vote_claim(const struct rule_move *m, const struct json *claim)
{
	const char *node = json_str(claim, "node");
	const struct vote_terms due = vote_terms(m->old, &m->rules->world.config);
	/* As they are written: what is no sound number is not what the task says either. */
	const struct vote_terms is = {json_int(claim, "replicas", 1), json_int(claim, "quorum", 1)};
	if (node && vote_has(m->old, node))
		rule_say(m, RULE_VOTE_NODE, "%.64s has voted on it already", node);
	if (is.replicas != due.replicas || is.quorum != due.quorum)
		rule_say(m, RULE_VOTE_QUORUM, "the claim's terms are %lld of %lld, the task's %lld of %lld",
			 (long long)is.quorum, (long long)is.replicas, (long long)due.quorum, (long long)due.replicas);
}

/* Anything that is not of the claim may tell who has not run it yet what to find. */
static void judge_silent(const struct rule_move *m, const struct json *entry)
{
	static const char *const told[] = {"ended_at",	  "outcome", "commitment",
					   "duration_ms", "engine",  "image_digest"};
	for (const struct json *x = entry->child; x; x = x->next) {
		bool known = json_get(m->claim, x->name) && rule_same(json_get(m->claim, x->name), x);
		for (size_t i = 0; i < sizeof told / sizeof *told && !known; i++)
			known = !strcmp(x->name, told[i]);
		if (!known) {
			rule_say(m, RULE_VOTE_COMMITMENT, "the vote also tells %.64s", x->name);
			return;
		}
	}
	rules_run_attempt(m, entry, "voted");
}

void rules_vote_cast(const struct rule_move *m, const struct json *entry)
{
	const struct vote_terms terms = vote_claim_terms(m->claim);
	const char *node = json_str(m->claim, "node");
	if (!vote_commitment_valid(json_str(entry, "commitment")))
		rule_say(m, RULE_VOTE_COMMITMENT, "the vote bears no commitment (expected 64 digits and a-f)");
	else
		judge_silent(m, entry);
	if (terms.replicas < 2)
		rule_say(m, RULE_VOTE_QUORUM, "a vote on a task that one node runs");
	else if ((int64_t)vote_count(m->old) + 1 >= terms.replicas)
		rule_say(m, RULE_VOTE_QUORUM,
			 "the last of %lld replicas voted: it was to decide, or to call it disputed",
			 (long long)terms.replicas);
	if (node && vote_has(m->old, node))
		rule_say(m, RULE_VOTE_NODE, "%.64s voted a second time", node);
}

/* How a run can end. */
static bool of_a_run(const char *status)
{
	return status && (!strcmp(status, "success") || !strcmp(status, "failed") || !strcmp(status, "timeout") ||
			  !strcmp(status, "oom"));
}

void rules_vote_end(const struct rule_move *m, const struct json *result)
{
	const struct vote_terms terms = vote_claim_terms(m->claim);
	const struct json *is = json_get(result, "quorum");
	struct json *due = NULL;
	bool ran = !rule_text_is(result, "status", "cancelled") && !rule_text_is(result, "status", "lost") &&
		   !rule_text_is(result, "status", "unstartable"),
	     disputed = rule_text_is(result, "status", "disputed");
	if (terms.replicas < 2 || !ran) {
		if (is || disputed)
			rule_say(m, RULE_VOTE_QUORUM, "a quorum's verdict on a run that nobody voted on");
		return;
	}
	const char *node = json_str(m->claim, "node"), *nonce = json_str(m->claim, "nonce");
	char own[VOTE_COMMITMENT];
	if (node && vote_has(m->old, node))
		rule_say(m, RULE_VOTE_NODE, "%.64s ended it, and has voted on it", node);
	if (!of_a_run(json_str(disputed ? is : result, "status"))) {
		rule_say(m, RULE_VOTE_QUORUM, "the result does not say how the run itself ended");
		return;
	}
	if (!vote_commitment(result, node ? node : "", nonce ? nonce : "", own)) {
		rule_say(m, RULE_VOTE_QUORUM, "the result has no digests to hold commitments against");
		return;
	}
	enum vote_verdict v = vote_judge(m->old, terms, result, &due);
	if (v == VOTE_CAST)
		rule_say(m, RULE_VOTE_QUORUM, "too few commitments open to this result: it takes %lld of %lld",
			 (long long)terms.quorum, (long long)terms.replicas);
	else if (disputed != (v == VOTE_DISPUTED))
		rule_say(m, RULE_VOTE_QUORUM,
			 disputed ? "called disputed, though a quorum has found the same"
				  : "no quorum has found the same: it is disputed");
	else if (!rule_same(is, due))
		rule_say(m, RULE_VOTE_QUORUM, "who agreed and who is an outlier is not what the commitments say");
	json_free(due);
}
