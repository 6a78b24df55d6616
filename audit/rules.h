/* rules: judges one commit after the other of a ledger's first-parent line.
 *   struct rules r = {.tell = ..., .ctx = ...}; world_init(&r.world) -> for each commit: rules_judge(&r, &c)
 * -> world_clear(&r.world)
 * It knows of the grid what r.world holds, and brings that up to date with each commit. Documents are read from the
 * changes' texts; rules_wants says which of them a judge will look at.
 */
#ifndef RULES_H
#define RULES_H
#include "audit/rule.h"

void rules_wants(const struct rule_change *ch, bool *old, bool *new);
/* Does the commit change what is signed where require_signed_nodes holds, or who signs it? */
bool rules_needs_signature(const struct rule_commit *c);
void rules_judge(struct rules *r, struct rule_commit *c);
#endif
