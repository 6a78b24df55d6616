/* meter: what one sandbox uses: by our own control groups, which tell until the end; by those of its engine's
 * container, which are gone with it, so that only looks at them while it runs tell anything; or by what its process was
 * charged with. meter_init(&m, &group, NULL, "") or (&m, NULL, dir, name); the engine writes the container's id to
 * m.id_file meter_look(&m, watch) now and then, and at its end -> meter_charge(&m, &res) of a sandbox that was
 * our child m.used -> meter_clear
 */
#ifndef METER_H
#define METER_H
#include "base/proc.h"
#include "sandbox/account.h"
#include "sandbox/cgroup.h"
#include "sandbox/watch.h"

struct meter {
	const struct cgroup *ours; /* borrowed; may be empty */
	struct cgroup theirs;
	char *id_file;
	int64_t watched_ms; /* of processor time, as a watch saw it */
	struct account used;
};
/* ours: NULL for an engine with containers. dir: where the id's file stands, under that name; NULL: nowhere, and then
 * nothing is known of a container. */
void meter_init(struct meter *m, const struct cgroup *ours, const char *dir, const char *name);
void meter_look(struct meter *m, const struct watch *w); /* w: NULL where there is none */
int64_t meter_cpu_ms(const struct meter *m);		 /* as the last look saw it */
/* A process that ended by itself has waited for all that ran in it. */
void meter_charge(struct meter *m, const struct proc_result *res);
/* Was it kept from starting a process? said: the end of its stderr, by which to guess where nobody counts. */
enum meter_short { METER_ENOUGH, METER_SHORT, METER_MAYBE_SHORT } meter_short(const struct meter *m, const char *said);
void meter_clear(struct meter *m); /* removes the id's file */
#endif
