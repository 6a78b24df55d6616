/* view: somebody else's repository in a folder of this machine, read through a repository of ours. Its settings, hooks,
 * grafts and alternates do not count: whoever looks at a repository on a stick runs none of its code and fetches
 * nothing for it. Objects and refs are those of the folder as they are at each look; nothing is copied.
 */
#ifndef VIEW_H
#define VIEW_H
#include "git/git.h"

/* Makes or refreshes the view in the folder at (its own, whose parent is made with it) of the repository in folder: a
 * bare one, a work tree, or one that `git worktree` made. ERR_PERM: it borrows objects from elsewhere. */
int view_open(const char *folder, const char *at, struct err *e);
/* The folder's objects and nothing else, for another repository's alternates. The caller's. */
char *view_objects(const char *at);
#endif
