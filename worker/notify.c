#include "worker/notify.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY_MS 1000
#define AHEAD_MS 3000 /* so much sooner may looks come that follow each other */
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 60000
#define SETTLED_MS 60000 /* a command that ran so long is started again soon */

static void printed(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct notify *n = ctx;
	if (s == PROC_OUT && memchr(bytes, '\n', len))
		n->line = n->told = true;
	if (s != PROC_ERR)
		return;
	char text[sizeof n->said];
	snprintf(text, sizeof text, "%.*s", (int)strcspn(bytes, "\n") < (int)len ? (int)strcspn(bytes, "\n") : (int)len,
		 bytes);
	if (strcmp(text, n->said) != 0)
		log_at(LOG_WARN, "notify", "%s", text);
	snprintf(n->said, sizeof n->said, "%s", text);
}

static void ended(void *ctx, const struct proc_result *r)
{
	struct notify *n = ctx;
	int64_t now = clock_mono_ms();
	bool settled = n->told && now - n->again_at > SETTLED_MS;
	n->proc = NULL;
	n->wait_ms = settled || !n->wait_ms	     ? WAIT_FIRST_MS
		     : 2 * n->wait_ms < WAIT_MOST_MS ? 2 * n->wait_ms
						     : WAIT_MOST_MS;
	n->again_at = now + clock_jitter(n->wait_ms);
	n->told = false;
	n->line = true; /* what came meanwhile was not told */
	log_at(LOG_WARN, "notify",
	       "the command ended (%s %d); the remote is polled as usual, it is started again in %lld s",
	       r->end == PROC_EXITED ? "exit code" : "signal", r->code, (long long)(n->again_at - now + 999) / 1000);
}

static void begin(struct notify *n, int64_t now)
{
	const char *argv[] = {"/bin/sh", "-c", n->command, NULL};
	struct proc_spec spec = {.argv = argv, .ctx = n, .on_output = printed, .on_end = ended};
	struct err e;
	n->again_at = now;
	n->proc = proc_start(&spec, &e);
	if (n->proc)
		return;
	n->again_at = now + WAIT_MOST_MS;
	log_at(LOG_WARN, "notify", "%s", e.msg);
}

bool notify_news(struct notify *n)
{
	int64_t now = clock_mono_ms();
	if (!n->command)
		return false;
	if (!n->proc && now >= n->again_at)
		begin(n, now);
	if (!n->line || n->look_at > now + AHEAD_MS)
		return false;
	n->line = false;
	n->look_at = (n->look_at > now ? n->look_at : now) + LOOK_EVERY_MS;
	return true;
}

bool notify_alive(const struct notify *n)
{
	return n->proc && n->told;
}

void notify_stop(struct notify *n)
{
	n->command = NULL;
	if (n->proc)
		proc_end_now(&n->proc);
}
