/* vote: tasks that several nodes run, until enough of them have found the same. Pure: documents in, verdicts out.
 *
 * Whoever has run such a task and cannot decide it casts a vote: his claim ends as an attempt with outcome "voted" and
 * a commitment, a hash over his own claim and what he found, and nothing of what he found. The next one, who has run it
 * himself, works out what each earlier commitment would be had that node found the same: those that match agree with
 * him. So nobody can copy, and whoever reaches the quorum needs nobody to reveal anything.
 *
 * Votes count since the task was last queued by hand (the last "retried" of its attempts), one a node.
 */
#ifndef VOTE_H
#define VOTE_H
#include "schema/config.h"

#define VOTE_REPLICAS_MAX 9
#define VOTE_COMMITMENT 65 /* of SHA-256: hexadecimal, and the NUL */

/* How many nodes run a task at most, and how many must find the same: more than half, so that there is one answer only.
 * replicas 1: nobody votes, the first result stands. */
struct vote_terms {
	int64_t replicas, quorum;
};
int64_t vote_majority(int64_t replicas);

/* The terms of a claim made now: the task's own `replicas` and `quorum`; else those of its first claim since it was
 * last queued by hand, so that a change of grid.json moves no goal posts; else those of grid.json. */
struct vote_terms vote_terms(const struct json *doc, const struct grid_config *c);
/* What a claim (or an entry of attempts, which is a copy of one) says; 1 and 1 when it says nothing. */
struct vote_terms vote_claim_terms(const struct json *claim);
void vote_set_terms(struct json *doc, struct vote_terms t); /* into doc's claim; nothing for one replica */

/* The next vote (an entry of attempts) after `after`, NULL for the first. NULL: no more. */
const struct json *vote_next(const struct json *doc, const struct json *after);
size_t vote_count(const struct json *doc);
bool vote_has(const struct json *doc, const char *node); /* has that node voted? */

/* The commitment of a node, with the nonce of its claim, to a result. False: the result bears no digests of its output.
 * Of a disputed result what counts is how the run itself ended (result.quorum.status). */
bool vote_commitment(const struct json *result, const char *node, const char *nonce, char out[VOTE_COMMITMENT]);
/* A well-formed one: 64 digits and a-f? */
bool vote_commitment_valid(const char *text);

/* What a node's own result makes of a task with the votes of doc:
 * CAST      too few agree, and others may still run it: he votes too
 * DECIDED   with him enough agree: his result is the result
 * DISPUTED  he was the last, and there are not enough: nobody's
 * result: with node, nonce and digests. quorum (may be NULL): gets what the result is to say of it under `quorum`, the
 * caller's; NULL after VOTE_CAST. */
enum vote_verdict { VOTE_CAST, VOTE_DECIDED, VOTE_DISPUTED };
enum vote_verdict vote_judge(const struct json *doc, struct vote_terms t, const struct json *result,
			     struct json **quorum);

/* Turns the last entry of attempts into his vote. False: the result bears no digests, nothing is changed. */
bool vote_cast(struct json *doc, const struct json *result);

/* How often each node was an outlier, in a task that ended, and before it was queued again by hand: added to counts, an
 * object of numbers by node. */
void vote_outliers(const struct json *doc, struct json *counts);
#endif
