/* hookfiles: what dgrid's hooks need in a bare repository. git asks pre-receive about a push, and then, for what it
 * really changes, reference-transaction: after a ref that is another's name, and where git takes of a push one branch
 * alone, that is another change. What pre-receive has judged is noted in the repository, so that the same change is not
 * judged twice. hook_install(dir, branch, &err) pre-receive: hook_judge -> hook_note; reference-transaction: hook_take,
 * both within the repository's folder
 */
#ifndef HOOKFILES_H
#define HOOKFILES_H
#include "git/git.h"

/* dir: a bare repository, or a clone's .git. Makes hooks/ there and sets what git itself refuses. A hook that is there
 * and is not ours stays, and that is an error. */
int hook_install(const char *dir, const char *branch, struct err *e);
void hook_note(const struct git *g, const char *branch, const char *lines); /* they were judged, and are taken */
/* As hook_judge, for what is to change now. */
int hook_take(const struct git *g, const char *branch, const char *lines, struct strs *refusals, struct err *e);
#endif
