/* verbs: the entry of every verb; the table is in dgrid.c, a family is a file verb_*.c. Each takes the verb and what
 * follows it as argc/argv and returns 0, or -1 with e filled (its class is the exit code); data goes to stdout. */
#ifndef VERBS_H
#define VERBS_H
#include "commands.h"
#include "promote.h"

struct verb {
	const char *name, *args, *summary, *example;
	int (*run)(const struct context *ctx, int argc, char **argv, struct err *e);
};
int cmd_init(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_validate(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_promote(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_submit(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_status(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_nodes(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_show(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_metrics(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_logs(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_doctor(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_maintain(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_heal(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_why(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_approve(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_audit(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_dashboard(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_hook(const struct context *ctx, int argc, char **argv, struct err *e);
int cmd_worker(const struct context *ctx, int argc, char **argv, struct err *e);

/* What was (dry: would be) promoted: a line each to stdout, or the members promoted, invalid and left of into. */
void tell_promoted(const struct staged_list *s, bool dry, struct json *into);
#endif
