/* rules_archive: judges what leaves for the archive, and the archive's own commits. The k-th commit of the ledger that
 * archives belongs to the k-th of the branch archive: both are pushed at once.
 */
#ifndef RULES_ARCHIVE_H
#define RULES_ARCHIVE_H
#include "audit/rule.h"

bool rules_archives(const struct rule_commit *c); /* finished tasks leave, and tasks/archive.json changes */
/* leaving: the changes that take a finished task away and put it nowhere, n of them. */
void rules_archiving(struct rules *r, const struct rule_commit *c, const struct rule_change *const *leaving, size_t n);
/* A commit of the branch archive by itself; unclaimed: no commit of the ledger accounts for it. */
void rules_archive_commit(struct rules *r, const struct rule_commit *archive, bool unclaimed);
#endif
