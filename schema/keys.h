/* keys: who may sign for a node. nodes/keys/NODE.pub on the branch holds the node's public keys as OpenSSH writes them,
 * one a line ("TYPE BASE64 [comment]"; blank lines and lines that begin with # are skipped). Several, so that a key can
 * be changed without a stop. A file with a line that is no key counts for nothing. People who cancel, retry or heal are
 * enrolled in the same way, by the name that begins their commits' messages. No process is started here.
 */
#ifndef KEYS_H
#define KEYS_H
#include "base/problem.h"
#include "git/git.h"

#define KEYS_FOLDER "nodes/keys/"
#define KEYS_MAX 16		 /* of one node */
#define KEYS_FILE_MAX (64 << 10) /* bytes */

struct key {
	char *text;	/* "TYPE BASE64" */
	char *comment;	/* "" for none */
	char print[64]; /* "SHA256:...", as ssh-keygen -l prints it */
};
struct keys {
	struct key *v;
	size_t n;
};
/* All that is wrong goes to p (NULL: nobody wants to know). 0 when nothing was; else k is empty. keys_clear frees. */
int keys_parse(struct keys *k, const char *text, size_t len, struct problems *p);
const struct key *keys_find(const struct keys *k, const char *text); /* text: "TYPE BASE64" */
void keys_clear(struct keys *k);

struct keyring { /* all that are enrolled, by node */
	struct keyring_node {
		char node[65], oid[72];
		bool valid; /* else the file is there and counts for nothing */
		struct keys keys;
	} * v;
	size_t n;
};
/* As a commit has them, sorted by node. */
int keyring_read(const struct git *g, const char *commit, struct keyring *out, struct err *e);
const struct keyring_node *keyring_of(const struct keyring *r, const char *node); /* NULL: not enrolled */
void keyring_clear(struct keyring *r);

/* Is the key (its public half, "TYPE BASE64") enrolled as who in the work tree dir? -1: ERR_PERM with what is missing
 * and how to mend it. */
int keys_enrolled(const char *dir, const char *who, const char *public_half, struct err *e);
#endif
