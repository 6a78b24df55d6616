/* sharedssh: one SSH connection for all git commands of a process that lives long, as OpenSSH's ControlMaster gives it:
 * a command then costs a round trip or two, and not a new connection's six and its keys. It is a child of ours that
 * ends with us, also when we are killed. While there is none, each command connects by itself as ever.
 *
 *   sharedssh_begin(&s, url, dir) -> sharedssh_keep(&s) in each turn of the loop -> sharedssh_end(&s)
 *
 * Source: ssh_config(5), ControlMaster and ControlPath; ssh(1), -O stop.
 */
#ifndef SHAREDSSH_H
#define SHAREDSSH_H
#include <stdbool.h>
#include <stdint.h>

struct proc;
struct sharedssh {
	char *socket;	      /* NULL: nothing is shared */
	char *plain, *shared; /* git's ssh without and with it */
	char *master, *stop;  /* what the shell is given: to connect; to connect no more */
	struct proc *proc, *stopping;
	bool used;
	int64_t began_at, again_at, wait_ms; /* monotonic ms */
};

/* url: the grid's; dir: a folder of ours, where the socket is made. Shares nothing where url is not reached over SSH,
 * where the user's command (GIT_SSH_COMMAND, core.sshCommand) is no plain call of ssh or shares already, or where the
 * folder's name does not do for a socket. */
void sharedssh_begin(struct sharedssh *s, const char *url, const char *dir);
void sharedssh_keep(struct sharedssh *s); /* connects where that is due, after failures with growing waits */
void sharedssh_end(struct sharedssh *s);
#endif
