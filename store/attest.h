/* attest: what the branch's history says of a finished task's run, whose key may vouch for that, and both for an
 * envelope that somebody hands in. No ref but the branch is read: the task may stand in the archive by now.
 *   attest_read(&git, head, id, NULL, &a, &err) -> attest_sign(&a, key, &envelope, &err) -> attest_clear
 *   attest_signer(&git, head, at, envelope, payload, &by, why, &err)
 */
#ifndef ATTEST_H
#define ATTEST_H
#include "git/git.h"
#include "json.h"

struct attest {
	char claim[72], result[72]; /* commits */
	char *node;		    /* that ran it */
	struct json *statement;	    /* provenance.h */
};
/* head: the newest commit to look at, whose history is here. commit: of which result; NULL: the last one. ERR_NOENT: no
 * such task; ERR_NO: no such result, or nothing ran; ERR_UNAVAILABLE: the history here is cut off. */
int attest_read(const struct git *g, const char *head, const char *id, const char *commit, struct attest *a,
		struct err *e);
void attest_clear(struct attest *a);

/* The envelope, signed by a key (a file); the caller's. */
struct json *attest_sign(const struct attest *a, const char *key, struct err *e);

struct attest_signer {
	char who[128], key[64];				       /* key: "SHA256:..." */
	enum { ATTEST_NODE, ATTEST_PERSON, ATTEST_LISTED } as; /* by nodes/keys, nodes/people, allowed_signers */
};
/* Which of the keys that head enrols signed that payload? at: the time of which they have to be valid, UTC seconds. 1:
 * by is the first; 0: none, why says so of the last signature; -1: it cannot be told. */
int attest_signer(const struct git *g, const char *head, int64_t at, const struct json *envelope,
		  const struct buf *payload, struct attest_signer *by, char why[320], struct err *e);
#endif
