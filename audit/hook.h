/* hook: what a bare repository does with a push: `dgrid hook pre-receive`, called by git with a line "OLD NEW REF" for
 * each ref. The ledger's branch and the archive are judged together, by the rules of the audit, against what the
 * repository has; one violation, and nothing of the push is taken.
 *   hook_judge(&git, branch, lines, &refusals, &err)        0: taken; refusals tells why not
 */
#ifndef HOOK_H
#define HOOK_H
#include "git/git.h"

/* lines: what git gives the hook on stdin. g: the repository, with in_hook set. Each refusal is one line, fit to be
 * shown. 0: judged, and taken when refusals has none. -1: it could not be judged; then nothing may be taken. */
int hook_judge(const struct git *g, const char *branch, const char *lines, struct strs *refusals, struct err *e);
#endif
