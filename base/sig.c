#include "base/sig.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t stops, last_stop;

static void on_signal(int n)
{
	int saved = errno;
	if (n != SIGCHLD) {
		stops++;
		last_stop = n;
	}
	/* A full pipe already says "something happened". */
	ssize_t ignored = write(pipe_fds[1], "", 1);
	(void)ignored;
	errno = saved;
}

void sig_init(void)
{
	if (pipe_fds[0] >= 0 || pipe(pipe_fds))
		return;
	for (int i = 0; i < 2; i++) {
		fcntl(pipe_fds[i], F_SETFD, FD_CLOEXEC);
		fcntl(pipe_fds[i], F_SETFL, O_NONBLOCK);
	}
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever started us may have blocked it, and then no end of a child would be heard. */
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &child, NULL);
}

int sig_fd(void)
{
	return pipe_fds[0];
}

void sig_drain(void)
{
	char junk[64];
	while (read(pipe_fds[0], junk, sizeof junk) > 0)
		;
}

int sig_stops(void)
{
	return stops;
}

int sig_last_stop(void)
{
	return last_stop;
}
