/* record: what the last audit that was recorded (`dgrid audit --record`) said, and how the branch stands to it. The
 * record is a commit without parent on a ref of its own, its message JSON:
 * {"schema":1,"audited_to":COMMIT,"archive":COMMIT|null, "commits":N,"violations":N,"notices":N,"at":TIME}. Anyone who
 * may push can write it: it is worth what its writer is, and an audit of one's own more. record_read(&s, &r, &err) ->
 * record_tell(&b, &r, s.now)
 */
#ifndef RECORD_H
#define RECORD_H
#include "store/checkpoint.h"
#include "store/snapshot.h"

enum record_place {
	RECORD_NONE, /* nothing was recorded */
	RECORD_ON,   /* the audited commit is on the branch's first-parent line */
	RECORD_OFF,  /* it is not: the branch was rewritten behind the audit */
	RECORD_FAR   /* this repository does not reach back that far, so it cannot be told */
};
struct record {
	enum record_place place;
	struct checkpoint said;
	int64_t since; /* RECORD_ON: commits that came after it */
};
/* Of a snapshot of the past: RECORD_NONE. What is no record of dgrid's counts as none. */
int record_read(const struct snapshot *s, struct record *r, struct err *e);
bool record_bad(const struct record *r); /* violations, or RECORD_OFF: somebody has to look */
/* "audited to 3f2a1b4c5d, no violations, 5 min ago; 3 commits since", one line without a newline; nothing for
 * RECORD_NONE. now: UTC seconds. */
void record_tell(struct buf *out, const struct record *r, int64_t now);
struct json *record_json(const struct record *r); /* for machines; JSON null for RECORD_NONE. The caller frees */
#endif
