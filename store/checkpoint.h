/* checkpoint: how far a grid's history was audited, and what came of it. As JSON it is what `dgrid audit --json` prints
 * (the lists of what was found are extra), and the message of a commit without parent on refs/dgrid/audit, where
 * `dgrid audit --record` publishes it; hosts that take branches only have it on refs/heads/dgrid-audit. Whoever may
 * push may push that ref too: it is a convenience, and proves nothing to who does not trust them.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H
#include "git/git.h"
#include "json.h"

#define CHECKPOINT_REF "refs/dgrid/audit"
#define CHECKPOINT_FALLBACK "refs/heads/dgrid-audit" /* where a host takes heads only */

struct checkpoint {
	char audited_to[72];		      /* the ledger's commit; "": there is no checkpoint */
	char archive[72];		      /* the archive's; "": there was none */
	int64_t commits, violations, notices; /* since the first commit */
	int64_t at;			      /* UTC seconds */
	int64_t witnessed_at;		      /* when a witness (witness.h) last had one; 0: never */
};
struct json *checkpoint_json(const struct checkpoint *c);
/* Reads either form; -1: it is none. */
int checkpoint_parse(struct checkpoint *c, const char *text, size_t len);
/* The one that is recorded in g's repository; audited_to is "" when there is none. */
int checkpoint_read(const struct git *g, struct checkpoint *c, struct err *e);
/* Records it at g's origin. */
int checkpoint_publish(const struct git *g, const struct checkpoint *c, struct err *e);
#endif
