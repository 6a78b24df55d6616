/* trust: may this task run where only signed tasks may? OpenSSH makes and checks the signatures (ssh-keygen(1), -Y;
 * keygen.h runs it); allowed_signers at the top of the branch is OpenSSH's own format.
 *
 * Whose signature counts is said by two lists: that of the commit before the one that brought the task, on the branch's
 * first-parent line, so that nobody enrols himself along with his task, nor by a branch that adds a key and takes it
 * away again; and today's, so that whoever is struck off no longer counts. A key's valid-after and valid-before are
 * held against the time of the commit that brought the task.
 *
 * A task that a schedule had queued (periodic.h) has no signature of its own: that of the schedule counts instead.
 *
 *   trust_sign(doc, key, &err)                          the submitter, the approver
 *   trust_judge(&git, head, spec, id, doc, &v, &err)    the worker, promotion, readers
 */
#ifndef TRUST_H
#define TRUST_H
#include "git/git.h"
#include "schema/task.h"

#define TRUST_LIST "allowed_signers"

/* The bytes that are signed: the members that a submitter writes (not what dgrid adds, not `signatures`), as JSON
 * without white space, members sorted by name at every level, in UTF-8. The caller's. */
char *trust_text(const struct json *doc);

/* Adds a signature by key to doc. key: a file with a private key, or a public one whose private half an agent holds.
 * ERR_UNAVAILABLE: no ssh-keygen; ERR_PERM: it did not sign. */
int trust_sign(struct json *doc, const char *key, struct err *e);
/* The key to sign with when none is given: DGRID_SIGNING_KEY, git's user.signingKey, ~/.ssh/id_ed25519 and the like.
 * The caller's; NULL with e filled. */
char *trust_default_key(const struct git *g, struct err *e);

struct trust_verdict {
	bool ok;
	char signer[128]; /* whose signature it is, as the list names him; "" when none counts */
	char why[512];	  /* when not ok */
	/* Of all the signatures that count: whose each is, and by which key ("SHA256:..."). */
	struct trust_signer_of {
		char who[128], key[64];
	} all[TASK_SIGNATURES_MAX];
	size_t n;
};
/* head: the branch's newest commit in g's repository. spec: what to fetch when the history there is too shallow to tell
 * when the task came ("+refs/heads/main:refs/remotes/origin/main"); NULL: fetch nothing. 0: v is the verdict. -1: it
 * cannot be told now (no ssh-keygen, remote trouble), which is no fault of the task. */
int trust_judge(const struct git *g, const char *head, const char *spec, const char *id, const struct json *doc,
		struct trust_verdict *v, struct err *e);
/* The same where it is known which commit brought it. */
struct arrival;
int trust_judge_from(const struct git *g, const char *head, const char *spec, const struct arrival *by,
		     const struct json *doc, struct trust_verdict *v, struct err *e);
/* The same of a task that does not stand in the ledger yet: as if it came now. */
int trust_judge_new(const struct git *g, const char *head, const struct json *doc, struct trust_verdict *v,
		    struct err *e);
/* Does that commit say whose signatures count? 1, 0; -1: it cannot be told. */
int trust_lists(const struct git *g, const char *commit, struct err *e);
/* Is one of its signatures one of its text, by whatever key? 1, 0; -1: it cannot be told. */
int trust_signed(const struct json *doc, struct err *e);
/* What a verdict that is not ok means for a file that is to be submitted. */
void trust_tell(struct problems *p, const struct json *doc, const struct trust_verdict *v);
int trust_available(struct err *e); /* is there an ssh-keygen that can verify? */

/* ---- keys of nodes, and the signatures of commits ---- */

/* The public half of a key, "TYPE BASE64": of a file with a private key, or with a public one whose private half an
 * agent holds. The caller's; NULL with e filled: ERR_NOENT (no such file), ERR_PERM (it cannot be used),
 * ERR_UNAVAILABLE (no ssh-keygen). */
char *trust_public(const char *key, struct err *e);
/* Makes a key without a passphrase, for this user alone, and KEY.pub beside it. */
int trust_make_key(const char *key, const char *comment, struct err *e);

/* Is signature (a file) one of text by who, as list (a file, allowed_signers(5)) has it? In the background: on_end gets
 * exit code 0 for yes. NULL with e filled when it did not start. */
struct proc *trust_verify_start(const char *list, const char *who, const char *signature, const char *text, size_t len,
				void *ctx, void (*on_end)(void *ctx, const struct proc_result *res), struct err *e);
/* Whose is it, and is it one at all? 1: by is the first name that list has for its key, or "" when it has none, and
 * print its fingerprint; 0: it fits not this text, why says so. */
int trust_signer(const char *list, const char *signature, const char *text, size_t len, char by[128], char print[64],
		 char *why, size_t room, struct err *e);
#endif
