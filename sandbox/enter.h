/* enter: the last step of a bubblewrap attempt before bwrap. The program starts itself once more with these words,
 * gives the process the world that every script gets, whoever started the worker and however, and becomes the command:
 * control groups, user id, resource limits, umask, working folder, session keyring, environment, filter of system
 * calls. enter_argv(&e, &argv); ...bwrap's words, with --seccomp ENTER_FILTER_FD where enter_filters()... */
#ifndef ENTER_H
#define ENTER_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define ENTER_FILTER_FD 4
#define ENTER_FILTER_WORD "4"
/* Pipes that hold an /etc/passwd and an /etc/group, which name the sandbox's user, root and nobody. */
#define ENTER_PASSWD_FD 5
#define ENTER_PASSWD_WORD "5"
#define ENTER_GROUP_FD 6
#define ENTER_GROUP_WORD "6"
#define ENTER_FILES 1024 /* descriptors, as with the other engines */
struct enter {
	const struct strs *groups; /* folders of control groups to enter; NULL: none */
	int also;		   /* a group id that it is in as well; 0: none */
	int user;		   /* user and group id to become, where this process is root; 0: stays */
	int64_t file_mb;	   /* of the largest file that it may write; 0: no limit */
	bool reap; /* stays as parent, until all that ran in it has ended: who waits for it is charged with all */
	int64_t cpu_seconds; /* of processor time, each process has one more; 0: no limit */
	int memory_mb;	     /* of address space for each process; 0: no limit */
	bool names;	     /* ENTER_PASSWD_FD and ENTER_GROUP_FD are to be open */
};
void enter_argv(const struct enter *e, struct strs *argv);
bool enter_filters(void); /* this machine has a filter of system calls: ENTER_FILTER_FD will be open */
/* In main: was this process started by such words? Then it becomes their command, and returns only when it can't: its
 * exit code. Else -1. */
int enter_asked(int argc, char **argv);
/* Which limits of this process keep a script's from being what they are elsewhere; "" when none does. */
void enter_short(struct buf *why);
#endif
