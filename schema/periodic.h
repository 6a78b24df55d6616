/* periodic: schedules/NAME.json, which has a task queued again and again, and what it gives at a time. Which instants
 * have passed stands in the file itself (`last`), so who queues them moves that in the same commit. Knows no clock and
 * no ledger; store/firing.h queues, audit/rules_fire.h judges, both by what stands here.
 *   struct periodic s;
 *   if (!periodic_parse(&s, text, len, "nightly", &config, &problems)) ... periodic_plan(&s, since, now, busy, &plan)
 * -> periodic_clear
 */
#ifndef PERIODIC_H
#define PERIODIC_H
#include "schema/cron.h"
#include "schema/task.h"

#define PERIODIC_FOLDER "schedules/"
#define PERIODIC_STAMP 14	   /* "20261129T0200Z", the end of an id */
#define PERIODIC_NAME_MAX 47	   /* its tasks' ids have their time besides */
#define PERIODIC_FRESH_SECONDS 600 /* with "missed": "skip" an instant may be so late */
#define PERIODIC_MOST 24	   /* tasks that one commit queues of one schedule */
#define PERIODIC_BACK 1000	   /* with "missed": "all": instants, the newest; older ones are passed by */

enum periodic_missed { MISSED_LATEST, MISSED_SKIP, MISSED_ALL };
struct periodic {
	struct json *doc;	 /* owned; the rest is borrowed from it */
	const struct json *task; /* the template */
	const char *cron_text;
	struct cron cron;
	enum periodic_missed missed;
	bool queues; /* "overlap": "queue" */
	bool paused;
	int64_t last; /* the newest instant that was dealt with, UTC seconds; 0: none */
};
/* The members as docs/TASK_FORMAT.md tells them, in its order. */
const struct task_field *periodic_field_at(size_t i);
bool periodic_name_valid(const char *name); /* as a task's id, and shorter */
/* Everything that is wrong goes to p; 0 when nothing was. name NULL: any. On failure s holds nothing. */
int periodic_parse(struct periodic *s, const char *text, size_t len, const char *name, const struct grid_config *c,
		   struct problems *p);
/* What there is to know of a schedule whose template is somebody else's question: s borrows doc, and needs no clear.
 * False: it is none. */
bool periodic_read(struct periodic *s, const struct json *doc);
void periodic_clear(struct periodic *s);

/* "nightly-20261129T0200Z", with seconds too where the instant has some (one that a person asked for). */
const char *periodic_id(const char *name, int64_t at, char out[65]);
/* Is it the id of a task of this schedule, of an instant of its cron? */
bool periodic_id_of(const char *id, const char *name);
/* Such an id, and the document says that this schedule had it queued. */
bool periodic_made(const struct json *doc, const char *id, const char *name);
int64_t periodic_instant(const char *id); /* that such an id names, UTC seconds; 0: none */
size_t
periodic_stem(const char *id); /* how long NAME is in an id of that form, in upper or lower case; 0: no such id */
/* Does the schedule of that name give its own tasks an id of that form, in upper or lower case? */
bool periodic_owns(const char *name, const char *id);
/* Which of the schedules gives its own tasks an id of that form, in upper or lower case; NULL: none. */
const char *periodic_owner(const struct strs *names, const char *id);
/* The task of an instant: the template with its id, created_at and schedule. The caller's. */
struct json *periodic_task(const struct json *template, const char *name, int64_t at);
/* What of the document a person signs: all but last and paused, under its name. The caller's. */
struct json *periodic_signed(const struct json *doc, const char *name);
/* Is `last` another in b, and nothing else? */
bool periodic_moved(const struct json *a, const struct json *b);

struct periodic_plan {
	int64_t last; /* what `last` becomes; 0: nothing is due */
	int64_t at[PERIODIC_MOST];
	size_t n;
	int64_t passed; /* instants that were missed and get no task; at most PERIODIC_COUNTED are counted */
	bool over;	/* more are due than one commit may queue: these are the newest of them */
	bool overlaps;	/* the one that was due gets none, for an earlier one is not done */
};
#define PERIODIC_COUNTED 10000
/* What is due at now, of the instants after both `last` and since (UTC seconds: when a person wrote it). busy: a task
 * of an earlier instant is queued or runs. */
void periodic_plan(const struct periodic *s, int64_t since, int64_t now, bool busy, struct periodic_plan *out);
/* The same when `last` becomes that instant and no other; false: that is none of them, or they are more than one commit
 * may queue (over). */
bool periodic_given(const struct periodic *s, int64_t since, int64_t last, int64_t now, bool busy,
		    struct periodic_plan *out);
/* The first instant that was not dealt with. 0: none. */
int64_t periodic_next(const struct periodic *s, int64_t since);
#endif
