/* verbs: the table is in help.c; a family of verbs is a file here, which says all about each: what it takes,
 * what it is for, what it runs (usage.h). It gets the verb and what follows it as argc/argv and returns 0, or -1 with e
 * filled (its class is the exit code); data goes to stdout. */
#ifndef VERBS_H
#define VERBS_H
#include "base/usage.h"
#include "store/firing.h"
#include "store/promote.h"
#include "verbs/commands.h"
#include <stdio.h>

extern const struct verb verb_init, verb_submit, verb_validate, verb_promote, verb_approve, verb_enroll, verb_config,
    verb_worker, verb_status, verb_watch, verb_nodes, verb_image, verb_show, verb_logs, verb_why, verb_limits,
    verb_graph, verb_notify, verb_rerun, verb_files, verb_get, verb_keep, verb_metrics, verb_usage, verb_wait,
    verb_cancel, verb_retry, verb_schedule, verb_pause, verb_resume, verb_drain, verb_undrain, verb_retire, verb_heal,
    verb_maintain, verb_dashboard, verb_audit, verb_attest, verb_hook, verb_doctor, verb_health, verb_completions,
    verb_version, verb_help;
extern const struct verb *const verbs[];	   /* all of them, in the order of help; ends with NULL */
const struct verb *verb_find(const char *name);	   /* NULL: there is none */
int verb_unknown(const char *name, struct err *e); /* what is said then, with a verb that was meant perhaps; -1 */
void verb_list_print(FILE *to);			   /* what `dgrid help` prints */
void verb_help_print(const struct verb *v);	   /* what `dgrid VERB --help` prints */

int schedule_list(const struct context *ctx, const char *at, bool json, struct err *e);
int schedule_show(const struct context *ctx, const char *at, const char *name, bool json, struct err *e);
/* What was (dry: would be) queued of schedules: a line each to stdout, or the member fired of into (an array). */
void tell_fired(const struct firings *f, bool dry, struct json *into);
/* What was (dry: would be) promoted: a line each to stdout, or the members promoted, invalid and left of into. */
void tell_promoted(const struct staged_list *s, bool dry, struct json *into);
#endif
