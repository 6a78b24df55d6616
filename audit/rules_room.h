/* rules_room: does a commit claim no more than its node offers, once all of the commit is done? */
#ifndef RULES_ROOM_H
#define RULES_ROOM_H
#include "audit/rule.h"

void rules_room(struct rules *r, const struct rule_commit *c);
#endif
