/* scheduling: the change that `dgrid schedule add`, pause, resume, remove and sign make to a schedule's file, in one
 * commit. schedule.c has read the command line.
 */
#ifndef SCHEDULING_H
#define SCHEDULING_H
#include "schema/periodic.h"
#include "verbs/commands.h"
#include "verbs/given.h"
#include "verbs/making.h"

struct scheduling {		 /* the command line of dgrid schedule */
	const char *what, *name; /* the first two operands; name NULL: none */
	const char *cron, *missed, *overlap, *script_file, *given_key, *at;
	struct making made; /* what options say of the task */
	struct given given;
	struct sending inputs;
	struct json *task; /* the template */
	struct strs lines; /* of the script, which its options are in */
	char **rest, **words;
	int n_rest, n_words; /* what follows the name; words: after -- */
	bool json, dry, fields, replace, force, sign, options_of_task;
};

int scheduling_change(const struct context *ctx, struct scheduling *a, struct err *e);
/* The file's text as a schedule; what is wrong with it is an ERR_DATA of as many lines. */
int scheduling_judge(const char *name, const char *text, const struct grid_config *c, struct periodic *s,
		     struct err *e);
/* Adds a signature with key (NULL: none) to doc. Where only signed tasks run, one has to be there that counts. */
int scheduling_sign(struct ledger *l, const struct grid_config *c, const char *name, const char *key, struct json *doc,
		    struct err *e);
#endif
