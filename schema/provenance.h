/* provenance: what the ledger's documents say of a run, as an in-toto Statement v1 with the predicate of SLSA
 * provenance v1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md,
 * https://slsa.dev/spec/v1.0/provenance). All of it follows from the ledger, so that whoever has the grid can make it
 * again and compare.
 */
#ifndef PROVENANCE_H
#define PROVENANCE_H
#include "json.h"

#define PROVENANCE_PAYLOAD "application/vnd.in-toto+json"
#define PROVENANCE_STATEMENT "https://in-toto.io/Statement/v1"
#define PROVENANCE_PREDICATE "https://slsa.dev/provenance/v1"
#define PROVENANCE_BUILD "dgrid:task/v1"

struct provenance {			       /* borrowed */
	const char *root;		       /* the first commit of the grid, which is what it is known by */
	const char *claim, *result;	       /* commits */
	const char *task_path, *task_blob;     /* the document as the claim has it, */
	const char *result_path, *result_blob; /* and with its result */
	const struct json *claimed, *ended;    /* both, read */
	const struct json *node;	       /* nodes/NODE.json beside the result; NULL: there was none */
	const char *submitted;		       /* the members that the submitter wrote, as JSON (trust_text) */
};
/* The statement; the caller's. NULL: nothing ran, and why says so. */
struct json *provenance_make(const struct provenance *p, char why[200]);
/* What a statement is about: its task and the result's commit, borrowed. False: it does not say, why names the field.
 */
bool provenance_of(const struct json *statement, const char **id, const char **commit, char why[200]);
/* on_difference for each value in which found is not what was expected; NULL for one that is not there. Members may
 * stand in any order. */
void provenance_compare(const struct json *found, const struct json *expected, void *ctx,
			void (*on_difference)(void *ctx, const char *path, const struct json *found,
					      const struct json *expected));
#endif
