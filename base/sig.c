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

/* nohup ignores SIGHUP for us, a shell SIGINT for what it starts with "&": that stays so. */
static void hear_unless_ignored(int n, const struct sigaction *sa)
{
	struct sigaction before;
	if (sigaction(n, NULL, &before) || before.sa_handler != SIG_IGN)
		sigaction(n, sa, NULL);
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
	sigaction(SIGCHLD, &sa, NULL);
	hear_unless_ignored(SIGINT, &sa);
	hear_unless_ignored(SIGHUP, &sa);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever started us may have blocked them, and then neither a stop nor the end of a child would be heard. */
	sigset_t ours;
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
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
