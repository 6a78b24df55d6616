/* keys: who may sign, as what. nodes/keys/NODE.pub on the branch holds a node's public keys, nodes/people/NAME.pub
 * those of a person, by the name that begins his commits' messages. Both as OpenSSH writes them, one a line ("TYPE
 * BASE64 [comment]"; blank lines and lines that begin with # are skipped). Several, so that a key can be changed
 * without a stop. A file with a line that is no key counts for nothing. In grids that have no nodes/people, which 0.1.0
 * made, the keys of people stand in nodes/keys too: a name without a node file is taken for a person's. No process is
 * started here.
 */
#ifndef KEYS_H
#define KEYS_H
#include "base/problem.h"
#include "git/git.h"

#define KEYS_FOLDER "nodes/keys/"
#define PEOPLE_FOLDER "nodes/people/"
#define KEYS_MAX 16		 /* of one name */
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

/* The name of PEOPLE_FOLDER "NAME.pub" or KEYS_FOLDER "NAME.pub"; false: the path is none of these. */
bool keys_path(const char *path, char name[65], bool *person);

struct keyring { /* all that are enrolled, nodes before people, by name */
	struct keyring_entry {
		char name[65], oid[72];
		bool person; /* a person's by its folder */
		bool valid;  /* else the file is there and counts for nothing */
		struct keys keys;
	} * v;
	size_t n, nodes; /* nodes: how many of them are nodes */
	bool apart;	 /* there is a nodes/people: who stands in nodes/keys is a node */
};
/* As a commit has them. */
int keyring_read(const struct git *g, const char *commit, struct keyring *out, struct err *e);
/* A name that stands in both folders is the node's. NULL: not enrolled. */
const struct keyring_entry *keyring_of(const struct keyring *r, const char *name);
void keyring_clear(struct keyring *r);

/* Is the key (its public half, "TYPE BASE64") enrolled as who in the work tree dir, as what he signs as? -1: ERR_PERM
 * with what is missing. */
enum keys_role { KEYS_ANY, KEYS_NODE, KEYS_PERSON };
int keys_enrolled(const char *dir, const char *who, const char *public_half, enum keys_role as, struct err *e);
/* A retired node commits nothing, and nobody commits under its name: -1, ERR_PERM, where who is one. */
int keys_not_retired(const char *dir, const char *who, struct err *e);
#endif
