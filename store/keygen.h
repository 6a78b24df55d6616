/* keygen: ssh-keygen as a process: what signs by SSH keys and checks such signatures. It cannot ask on a terminal, for
 * it is not in the foreground there: a passphrase is for an agent or an askpass. Its times without a zone are UTC.
 *   armor = keygen_sign("dgrid-task", key, text, len, &print, &err)
 *   keygen_allowed(&q, who, key, why, sizeof why, &err)
 */
#ifndef KEYGEN_H
#define KEYGEN_H
#include "base/proc.h"

#define KEYGEN_TIMEOUT_MS 60000
extern const char *const keygen_env[];

/* Runs it with text on its stdin; 0 when it ended, however. ERR_UNAVAILABLE: there is no ssh-keygen. */
int keygen_run(const char *const *args, const char *text, size_t len, struct proc_result *res, struct err *e);
#define KEYGEN_ON(text, len, res, e, ...) keygen_run((const char *const[]){__VA_ARGS__, NULL}, text, len, res, e)
#define KEYGEN(res, e, ...) KEYGEN_ON(NULL, 0, res, e, __VA_ARGS__)
/* What it said last, on one line. */
void keygen_words(const struct proc_result *res, char *out, size_t room);

/* A signature of text in a namespace, armored, and the fingerprint of its key into *print: both the caller's. key: a
 * file with a private key, or a public one whose private half an agent holds. NULL: ERR_UNAVAILABLE (no ssh-keygen),
 * ERR_PERM (it did not sign). */
char *keygen_sign(const char *space, const char *key, const char *text, size_t len, char **print, struct err *e);

struct keygen_question { /* borrowed */
	const char *space;
	const char *list, *signature; /* files: allowed_signers(5), and a signature, armored */
	const char *time;	      /* "-Overify-time=YYYYMMDDHHMMSS" */
	const char *text;
	size_t len;
};
/* Does the list let somebody sign this? Fills who and key (its fingerprint). 1 yes, 0 no (why says what ssh-keygen
 * says), -1 error. */
int keygen_allowed(const struct keygen_question *q, char who[128], char key[64], char *why, size_t room, struct err *e);
#endif
