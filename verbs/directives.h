/* directives: options at the head of a script, as Slurm's #SBATCH: lines that begin with #DGRID, among the comments
 * before the first command, quoted as sh quotes.
 */
#ifndef DIRECTIVES_H
#define DIRECTIVES_H
#include "base/usage.h"

/* Hands each option, read by the verb's table, to take with its key; what take says is wrong is said with where (the
 * script's file) and the line. kept: the values' memory, the caller's, for as long as they are used. */
int directives_read(const struct verb *v, const char *where, const char *script, struct strs *kept,
		    int (*take)(void *ctx, int key, struct usage_scan *s, struct err *e), void *ctx, struct err *e);
#endif
