#include "worker/notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/places.h"
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY_MS 1000
#define TRUE_EVERY_MS 250 /* what was told turned out so: the next such look may come sooner */
#define AHEAD_MS 3000	  /* so much sooner may looks come that follow each other */
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 60000
#define SETTLED_MS 60000 /* a command that ran so long is started again soon */

static void line_ended(struct notify *n)
{
	snprintf(n->head, sizeof n->head, "%.*s", n->n_part < sizeof n->head ? (int)n->n_part : 0, n->part);
	if (!place_oid_valid(n->head))
		n->head[0] = 0;
	n->n_part = 0;
	n->line = n->told = true;
}

static void printed(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct notify *n = ctx;
	for (size_t i = 0; s == PROC_OUT && i < len; i++)
		if (bytes[i] == '\n')
			line_ended(n);
		else if (n->n_part < sizeof n->part)
			n->part[n->n_part++] = bytes[i];
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
	n->wait_ms = clock_longer(settled ? 0 : n->wait_ms, WAIT_FIRST_MS, WAIT_MOST_MS);
	n->again_at = now + clock_jitter(n->wait_ms);
	n->told = false;
	n->n_part = 0;
	n->head[0] = 0;
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

static bool is_known(struct notify *n, const char *known)
{
	const size_t places = sizeof n->known / sizeof *n->known;
	bool is = false;
	if (n->asked && !strcmp(n->head, known))
		n->look_at -= LOOK_EVERY_MS - TRUE_EVERY_MS;
	n->asked = n->asked && strcmp(n->head, known) != 0;
	if (!n->n_known || strcmp(n->known[(n->n_known - 1) % places], known) != 0)
		snprintf(n->known[n->n_known++ % places], sizeof *n->known, "%s", known);
	for (size_t i = 0; i < places; i++)
		is = is || (n->head[0] && !strcmp(n->head, n->known[i]));
	return is;
}

enum notify_news notify_news(struct notify *n, const char *known)
{
	int64_t now = clock_mono_ms();
	if (!n->command)
		return NOTIFY_NOTHING;
	if (!n->proc && now >= n->again_at)
		begin(n, now);
	n->line = !is_known(n, known) && n->line;
	if (!n->line || n->look_at > now + AHEAD_MS)
		return NOTIFY_NOTHING;
	n->line = false;
	n->look_at = (n->look_at > now ? n->look_at : now) + LOOK_EVERY_MS;
	n->asked = n->head[0] != 0;
	return n->head[0] ? NOTIFY_MOVED : NOTIFY_LOOK;
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
