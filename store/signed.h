/* signed: who signed which commit, for the audit and the hook: each is held against the keys of another commit, its
 * parent's, so that nobody enrols himself along with what he signs. One call answers for many: git is asked for commits
 * and keys in three processes, ssh-keygen for each signature, as many at once as there are processors.
 */
#ifndef SIGNED_H
#define SIGNED_H
#include "git/git.h"

enum signed_state {
	SIGNED_GOOD,  /* by a key of WHO's (keys.h) */
	SIGNED_NONE,  /* not signed */
	SIGNED_BAD,   /* the signature is none of this commit, or no SSH one */
	SIGNED_OTHER, /* a good one, by a key that is not WHO's */
};
struct signed_question { /* borrowed */
	const char *commit, *who;
	const char *parent; /* the commit whose keys count; "" for none: nobody is enrolled */
};
struct signed_verdict {
	enum signed_state state;
	char by[65];   /* whose key it is; "" when nobody has enrolled it */
	bool person;   /* a person's, by the folder where it stands */
	char key[64];  /* its fingerprint, as far as it can be told */
	char why[256]; /* when not GOOD: a line for people */
};
/* -1: it cannot be told (no ssh-keygen, objects that are not here), which is nobody's fault. */
int signed_commits(const struct git *g, const struct signed_question *q, size_t n, struct signed_verdict *v,
		   struct err *e);

/* A commit as git has it, taken apart: what was signed, and the signature. For tests. 1, 0 (not signed), -1 (signed
 * more than once, or not as git does it). */
int signed_split(const char *raw, size_t len, struct buf *payload, struct buf *signature);
#endif
