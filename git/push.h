/* push: what a push's answer means. Servers answer in many words, proxies in others, and an answer can get lost or come
 * to a request that was sent twice. So nobody's words decide what became of a push, but the branch: it has our commit
 * (landed), it moved without it (a race), or it stands where it stood (the host refuses, or is in trouble).
 *   got = push_branch(&git, "main", base, whole, &err)
 */
#ifndef PUSH_H
#define PUSH_H
#include "git/git.h"

/* Pushes HEAD, which was made on top of base ("" for a branch that is new), to branch, unforced, and looks at the
 * branch unless the answer says that it landed. PUSH_RACED: e->class is ERR_RETRY. PUSH_DECLINED: the branch did not
 * move and the host says no (ERR_PERM) or cannot (ERR_UNAVAILABLE), with its reason. PUSH_UNKNOWN: the branch cannot be
 * looked at, so it may have landed. whole: see git_push. Serves the event loop. */
enum push_outcome push_branch(const struct git *g, const char *branch, const char *base, bool whole, struct err *e);
/* What goes in the same push, all or nothing: a commit of another repository's. */
struct push_beside {
	char *objects; /* whole name of that repository's folder of objects; owned by whoever fills it */
	char commit[72], ref[176];
	/* What became of it: */
	bool sent;		/* there was such a push */
	enum push_outcome push; /* which ended so; UNKNOWN: it may have landed */
	bool landed;		/* and the host said that the ref has the commit */
	bool taken;		/* the ref there has what is not here, so nothing was sent */
	bool busy;		/* declined: there were too many */
	bool apart;		/* this host knows no push that is all or nothing; nothing was sent */
};
/* push_branch with beside. PUSH_RACED also where the ref is taken. */
enum push_outcome push_both(const struct git *g, const char *branch, const char *base, bool whole,
			    struct push_beside *beside, struct err *e);
/* After a push of commit that was not answered by "landed": what became of it? got and e are what git_push_with said.
 */
enum push_outcome push_look(const struct git *g, const char *branch, const char *commit, const char *base,
			    enum push_outcome got, struct err *e);
/* Does what git said mean that the host counts requests, and that there were too many? */
bool push_too_many(const char *said);
/* Would the host take HEAD, a commit that changes nothing, made on top of base? First in one atomic push with two refs
 * that cannot both be (the one is the other's folder): the host asks its hooks and rules of the branch, then takes
 * nothing. A host whose answer to that is another is asked with the commit alone. PUSH_LANDED: it takes it; *stays: the
 * commit is in the branch now. Else as push_branch. */
enum push_outcome push_trial(const struct git *g, const char *branch, const char *base, bool *stays, struct err *e);
#endif
