/* commands: what the verbs share. */
#ifndef COMMANDS_H
#define COMMANDS_H
#include "ledger.h"
#include "store/snapshot.h"
#include <stdbool.h>

struct context { /* borrowed; from flags and environment */
	const char *url, *branch, *name, *email;
	const char *dir;	/* the repository itself, when it is a folder: of -C or --repo, else "." */
	const char *complaints; /* what is wrong in the environment, a line each; "" for nothing */
};
/* Finds the repository when only a folder is known: dir NULL means the current one (no error when it is none). A clone
 * stands for its origin; relative paths become absolute. The string is the caller's, NULL when there is none. */
char *find_repo(const char *dir);
char *absolute_repo(const char *url);
char *usual_repo(void); /* when no option says it: $DGRID_REPO_URL, else where we stand; the same otherwise */
/* Before git is called: the token is for the grid that the environment names; where that takes none, for url's. */
void bring_token(const char *url);
/* The grid, for this program called once more: NAME=value. */
void context_env(const struct context *ctx, struct strs *env);
int need_repo(const struct context *ctx, struct err *e); /* ERR_USAGE when no repository is known */
/* The branch as readers see it; at: NULL, or what --at says. */
int open_snapshot(const struct context *ctx, const char *at, struct snapshot *s, struct err *e);
/* A temporary clone at the remote head, and the grid's settings. close_grid also after an error. */
int open_grid(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e);
void close_grid(struct ledger *l, struct grid_config *c);
/* The same; and where the grid takes signed commits only: sign as a person does, with trust_default_key. Having none is
 * an error only when something is committed that needs one. */
int open_grid_to_sign(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e);
void sign_commits(struct ledger *l, const struct grid_config *c); /* of a grid that is open */
/* The archive of a ledger's grid: archive_close also after an error. */
int open_archive(const struct ledger *l, struct git *g, struct err *e);
/* Follows the tasks to their end (wait.c); timeout in seconds, 0: none. 0 when all succeeded, else ERR_NO,
 * ERR_CANCELLED, ERR_RETRY (timed out). */
int wait_for(struct ledger *l, const char *const *ids, size_t n, long timeout, struct err *e);

/* What wait ends with for a task with a result: 0, ERR_NO or ERR_CANCELLED. */
int ended_code(const struct json *doc);

int parse_number(const char *flag, const char *text, long min, long max, long *out, struct err *e);
char *stem_of(const char *path);		 /* file name without .json; the caller's */
int no_such_task(const char *id, struct err *e); /* ERR_NOENT, -1 */
void put_clean(const char *s, size_t max);	 /* to stdout, control bytes replaced, at most max bytes */
void put_json(const struct json *j);
#endif
