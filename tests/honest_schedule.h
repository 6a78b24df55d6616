/* honest_schedule: what honest nodes and people do with schedules, on the stage. */
#ifndef HONEST_SCHEDULE_H
#define HONEST_SCHEDULE_H
#include "honest_stage.h"

void play_firing(const struct actor *node, const struct grid_config *c); /* whoever acts is the node */
void play_schedules(const struct actor *person);
#endif
