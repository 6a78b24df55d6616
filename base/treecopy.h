/* treecopy: a copy of a folder that somebody is writing to. Each file is opened once and copied from there, so a file
 * that another was renamed to is the old or the new one, whole; one that is written to in place may be torn. Files are
 * copied one after the other; what vanishes meanwhile is left out, as what tree_list leaves out is. It takes time, so
 * it is a process of its own: treecopy_argv(from, to, &limits, &argv) -> treecopy_asked and treecopy_main in main
 */
#ifndef TREECOPY_H
#define TREECOPY_H
#include "base/tree.h"

/* to must not be there. ERR_DATA: there is more than limits allow. On failure what was copied may remain. */
int treecopy(const char *from, const char *to, const struct tree_limits *limits, struct err *e);
void treecopy_argv(const char *from, const char *to, const struct tree_limits *limits, struct strs *argv);
bool treecopy_asked(int argc, char **argv);
/* Ends with 0, or with an err_class and the reason in e. */
int treecopy_main(char **argv, struct err *e);
#endif
