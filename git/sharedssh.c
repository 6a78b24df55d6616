#include "git/sharedssh.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "git/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_MAX 80	 /* ssh adds 17 characters while it makes it, and 104 is the least that systems take */
#define RENEW_MS 3600000 /* a key that the host has struck out is not used for longer */
#define WAIT_FIRST_MS 5000
#define WAIT_MOST_MS 600000
#define SETTLED_MS 60000 /* a connection that held so long is made again soon */

/* The shell's stdin is a pipe of ours: at its end, however we ended, ssh ends. */
#define MASTER                                                                                                         \
	"exec 3<&0; %s -oBatchMode=yes -oControlMaster=yes -oControlPath=%s -oControlPersist=no -oConnectTimeout=30 "  \
	"-oServerAliveInterval=15 -oServerAliveCountMax=3 -oClearAllForwardings=yes -N -T -- '%s' </dev/null 3<&- & "  \
	"ssh=$!; { read -r end <&3; kill $ssh; } 2>/dev/null & wait $ssh; code=$?; kill $! 2>/dev/null; exit $code"
#define STOP "%s -oControlPath=%s -O stop -- '%s'"

static char *between(const char *from, const char *to)
{
	return xstrndup(from, (size_t)(to - from));
}

/* What ssh is to connect to: "ssh://[user@]host[:port]", or "[user@]host" of "[user@]host:path". NULL: not by ssh. */
static char *destination(const char *url)
{
	const char *rest = strstr(url, "://"), *colon = strchr(url, ':'), *slash = strchr(url, '/');
	char *to = NULL;
	if (rest &&
	    (!strncmp(url, "ssh://", 6) || !strncmp(url, "git+ssh://", 10) || !strncmp(url, "ssh+git://", 10))) {
		char *site = between(rest + 3, rest + 3 + strcspn(rest + 3, "/"));
		to = *site ? xasprintf("ssh://%s", site) : NULL;
		free(site);
	} else if (!rest && colon && (!slash || colon < slash) && *url != '[')
		to = between(url, colon);
	if (to && (!*to || *to == '-' || strpbrk(to, "'\n"))) {
		free(to);
		to = NULL;
	}
	return to;
}

/* One plain call of ssh, to which options can be added? */
static bool is_plain_ssh(const char *command)
{
	size_t n = strcspn(command, " \t");
	const char *name = command + n;
	while (name > command && name[-1] != '/')
		name--;
	return n - (size_t)(name - command) == 3 && !strncmp(name, "ssh", 3) && !strpbrk(command, ";&|<>()`\n#") &&
	       !strstr(command, "Control");
}

static bool may_stand_bare(const char *path)
{
	return !path[strspn(path, "/._-+@,0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

void sharedssh_begin(struct sharedssh *s, const char *url, const char *dir)
{
	*s = (struct sharedssh){0};
	char *real = git_real_url(url), *to = destination(real), *ssh = git_ssh_command(),
	     *socket = xasprintf("%s/ssh", dir);
	if (to && ssh && is_plain_ssh(ssh) && *socket == '/' && strlen(socket) <= SOCKET_MAX &&
	    may_stand_bare(socket)) {
		s->plain = xstrdup(ssh);
		s->shared = xasprintf("%s -oControlMaster=no -oControlPath=%s", ssh, socket);
		s->master = xasprintf(MASTER, ssh, socket, to);
		s->stop = xasprintf(STOP, ssh, socket, to);
		s->socket = socket;
		socket = NULL;
	}
	free(real);
	free(to);
	free(ssh);
	free(socket);
}

static void use(struct sharedssh *s, bool is)
{
	if (is != s->used)
		git_use_ssh(is ? s->shared : s->plain);
	s->used = is;
}

static struct proc *shell(struct sharedssh *s, const char *command, bool feed,
			  void (*on_end)(void *, const struct proc_result *))
{
	const char *argv[] = {"/bin/sh", "-c", command, NULL};
	struct proc_spec spec = {.argv = argv, .feed = feed, .ctx = s, .on_end = on_end};
	struct err e;
	struct proc *p = proc_start(&spec, &e);
	if (!p)
		log_at(LOG_WARN, "ssh", "%s", e.msg);
	return p;
}

static void ended(void *ctx, const struct proc_result *r)
{
	struct sharedssh *s = ctx;
	int64_t now = clock_mono_ms();
	bool settled = now - s->began_at > SETTLED_MS, first = !s->wait_ms;
	s->proc = NULL;
	use(s, false);
	unlink(s->socket);
	s->wait_ms = clock_longer(settled ? 0 : s->wait_ms, WAIT_FIRST_MS, WAIT_MOST_MS);
	s->again_at = now + clock_jitter(s->wait_ms);
	if (first && !settled)
		log_at(LOG_INFO, "ssh", "no connection for all of git's commands (%.*s); each makes its own",
		       r->err.data ? (int)strcspn(r->err.data, "\r\n") : 0, r->err.data ? r->err.data : "");
}

static void stopped(void *ctx, const struct proc_result *r)
{
	struct sharedssh *s = ctx;
	(void)r;
	s->stopping = NULL;
}

void sharedssh_keep(struct sharedssh *s)
{
	int64_t now = clock_mono_ms();
	if (!s->socket)
		return;
	if (s->proc && !s->used && file_exists(s->socket))
		use(s, true); /* only who was let in makes it */
	if (!s->proc && now >= s->again_at) {
		unlink(s->socket);
		s->began_at = now;
		s->proc = shell(s, s->master, true, ended);
		s->again_at = now + WAIT_MOST_MS;
	} else if (s->proc && !s->stopping && now - s->began_at > RENEW_MS) {
		/* It takes no more commands, and ends with the last. */
		s->stopping = shell(s, s->stop, false, stopped);
		s->began_at = now;
	}
}

void sharedssh_end(struct sharedssh *s)
{
	if (s->stopping)
		proc_end_now(&s->stopping);
	if (s->proc)
		proc_end_now(&s->proc);
	free(s->socket);
	free(s->plain);
	free(s->shared);
	free(s->master);
	free(s->stop);
	*s = (struct sharedssh){0};
}
