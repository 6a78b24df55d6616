/* command: git's argument list and environment, and what of the user's own settings counts in it. For git.c alone, but
 * for the struct and what main calls once.
 */
#ifndef COMMAND_H
#define COMMAND_H
#include "base/buf.h"
#include <stdbool.h>

struct git {
	char *dir; /* work tree of the clone */
	char *name, *email;
	bool in_hook;	       /* we run as a hook of dir: git's word on where the pushed objects are is handed on */
	bool theirs;	       /* the user's own repository: all his settings count, as when he calls git himself */
	bool as_is;	       /* history as its objects have it: no replaced ones, no grafts, no commit-graph file */
	const char *sign_with; /* file of the SSH key that commits are signed with; NULL: they are not */
	bool files;	       /* it holds tasks' files: git's memory does not grow with them */
	const char *lent;      /* whole name of another repository's folder of objects, which count as its own; NULL */
};
/* Of `git ARGS...`; dir NULL: in no repository. */
void git_command(const struct git *g, const char *dir, const char *const *args, struct strs *argv, struct strs *env);
/* Looks once at what is asked of the system before the first command; nothing that is called back may come first.
 * url: the grid's, or NULL where it is not known yet. */
void git_settle(const char *url);
char *git_real_url(const char *url); /* as url.insteadOf makes of it; the caller's */
/* The command by which git reaches a host over SSH: the user's, else ours; NULL: a program without options (GIT_SSH).
 * The caller's. */
char *git_ssh_command(void);
void git_use_ssh(const char *command); /* from now on, in this process and in what it starts */
/* Answers git's question when this process was started as GIT_ASKPASS, and sets the exit code to end with; returns
 * false when it was not. */
bool git_askpass(int argc, char **argv, int *code);
/* The one URL whose host GIT_TOKEN is for; before that it is for none. false: no host there takes one. */
bool git_token_for(const char *url);
void git_redact(char *text); /* overwrites the token and URL passwords in place */
#endif
