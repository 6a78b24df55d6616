/* grants: what the owner of this node lets signed tasks have that nobody else's task has: networks of the engine, by
 * the grid's name for them, and secrets, each for those signers and in those images that its section names.
 *   grants_network for each --network, grants_read -> grants_check when the engine is known
 *   grants_offer and grants_signer before a claim, grants_image and grants_begin before the run, grants_end after it
 */
#ifndef GRANTS_H
#define GRANTS_H
#include "sandbox/secretdir.h"
#include "schema/task.h"
#include "store/trust.h"

struct grant { /* a secret, as its section has it */
	char *name, *file;
	struct strs signers; /* as allowed_signers names them, or fingerprints of keys */
	struct strs images;  /* 64 hexadecimal digits each, or "host" */
	int line;
};
struct grants {			      /* starts as {0} */
	struct strs networks, theirs; /* the grid's names, and the engine's */
	struct grant *secrets;
	size_t n;
	char *conf; /* its name, for messages */
	bool hidden;
	const struct engine *engine;
	struct secretdir dir; /* root NULL: no secret can be handed over */
	bool unseen;	      /* the engine does not see that folder: likewise */
	struct strs told;     /* what was said of why tasks are passed by */
};
/* NAME=NETWORK. */
int grants_network(struct grants *g, const char *text, struct err *e);
/* Reads a file of sections: of this user or root, and nobody else's to read. */
int grants_read(struct grants *g, const char *conf, struct err *e);
/* Has the engine those networks, can the secrets be read, and is there a place to hand them over? record: see
 * secretdir.h; what it says of an earlier process is removed in any case. */
int grants_check(struct grants *g, const struct engine *engine, const char *record, struct err *e);
void grants_clear(struct grants *g);

struct json *grants_networks(const struct grants *g); /* names, for the node's file; NULL: none. The caller's */
struct json *grants_secrets(const struct grants *g);
bool grants_offer(const struct grants *g, const struct json *task); /* by name, all that the task asks for */
/* Is its network there, can its secrets be read, and are they for its image? digest gets what the image's name stands
 * for now, ref what that very one is called by; both "" where there is no need. What is not is logged. Waits, serving
 * the event loop. */
bool grants_ready(struct grants *g, const struct task *t, char digest[96], char ref[320]);
/* Does one of those who signed it get all its secrets? */
bool grants_signer(const struct grants *g, const struct json *task, const struct trust_verdict *v, char why[200]);
/* Are all its secrets for that image? digest: "" of an engine without images. */
bool grants_image(const struct grants *g, const struct json *task, const char *digest, char why[200]);
void grants_tell(struct grants *g, const char *id, const char *why);	      /* logs that it is left to others; once */
const char *grants_engines_network(const struct grants *g, const char *name); /* NULL: there is none of that name */
/* A folder with the task's secrets, as the files are now. The caller's; NULL with e filled. */
char *grants_begin(const struct grants *g, const struct json *task, const char *nonce, struct err *e);
void grants_end(const struct grants *g, const char *nonce);
#endif
