/* agenda: the schedules in a snapshot, for readers: what comes next, what is late, and what became of the last run.
 *   struct agenda a; agenda_read(&s, &a, &err) -> agenda_clear(&a)    (after an error too)
 */
#ifndef AGENDA_H
#define AGENDA_H
#include "schema/periodic.h"
#include "store/snapshot.h"

struct agenda_row {
	char name[65];
	struct periodic s;
	char *wrong;		    /* why it is no schedule, a line each; NULL: it is one */
	int64_t next;		    /* the instant to come, UTC seconds; 0: none, as when it is paused */
	int64_t fired;		    /* the newest instant that was dealt with, as far as it is known; 0: none */
	int64_t late;		    /* seconds since the first instant that nobody dealt with yet; 0: there is none */
	char task[65];		    /* that instant's task on the branch; "": none */
	char state[16], status[24]; /* that task's; status "": it has no result */
};
struct agenda {
	struct agenda_row *v; /* by name */
	size_t n;
};
/* The names alone, at a commit. */
int agenda_names(const struct git *g, const char *commit, struct strs *out, struct err *e);
int agenda_read(const struct snapshot *s, struct agenda *out, struct err *e);
void agenda_clear(struct agenda *a);
#endif
