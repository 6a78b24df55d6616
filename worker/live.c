#include "worker/live.h"
#include "base/clock.h"
#include "schema/consent.h"
#include "schema/node.h"
#include <stdlib.h>

#define TAILS_MAX 32768 /* bytes of all tails together */

static void add_stream(struct json *task, const struct series *run, bool of_stderr, size_t max)
{
	const char *name = of_stderr ? "stderr" : "stdout";
	struct buf b = {0};
	uint64_t end = series_tail(run, of_stderr, max, &b);
	char *from = xasprintf("%s_from", name), *bytes = xasprintf("%s_bytes", name);
	json_set(task, name, json_new_strn(b.data ? b.data : "", b.len));
	json_set(task, from, json_new_int((int64_t)(end - b.len)));
	json_set(task, bytes, json_new_int((int64_t)end));
	free(from);
	free(bytes);
	buf_clear(&b);
}

static bool shows(const struct slot *s)
{
	return s->run && !s->lost && s->terms.replicas < 2 && !consent_digest(s->pick.task.doc);
}

static struct json *tails_of(const struct slots *s, size_t max)
{
	char when[32];
	struct json *doc = json_new(JSON_OBJECT), *tasks = json_new(JSON_ARRAY);
	for (int i = 0; i < s->used; i++) {
		const struct slot *one = &s->v[i];
		if (!shows(one))
			continue;
		struct json *t = json_new(JSON_OBJECT);
		json_set(t, "task_id", json_new_str(one->pick.id));
		json_set(t, "nonce", json_new_str(one->nonce));
		add_stream(t, one->run, false, max);
		add_stream(t, one->run, true, max);
		json_append(tasks, t);
	}
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "tasks", tasks);
	return doc;
}

struct json *live_points_done(const struct slots *s)
{
	struct json *all = json_new(JSON_OBJECT);
	size_t done;
	for (int i = 0; i < s->used; i++)
		if (shows(&s->v[i]) && series_points(s->v[i].run, &done))
			json_set(all, s->v[i].pick.id, json_new_int((int64_t)done));
	return all;
}

struct json *live_waiting(const struct slots *s)
{
	struct json *all = NULL;
	int n = 0;
	for (int i = 0; i < s->used && n < NODE_WAITING_MAX; i++)
		if (s->v[i].state == SLOT_WAITING || slot_queued(&s->v[i])) {
			all = all ? all : json_new(JSON_ARRAY);
			json_append(all, json_new_str(s->v[i].pick.id));
			n++;
		}
	return all;
}

bool live_news(const struct slots *s)
{
	bool news = false;
	for (int i = 0; i < s->used && !news && s->config->live_tail_bytes; i++)
		news = shows(&s->v[i]) && series_printed(s->v[i].run) > s->v[i].told;
	return news;
}

struct json *live_tails(struct slots *s)
{
	size_t running = 0, max = (size_t)s->config->live_tail_bytes;
	for (int i = 0; i < s->used; i++)
		if (shows(&s->v[i])) {
			running++;
			s->v[i].told = series_printed(s->v[i].run);
		}
	if (!running || !max)
		return NULL;
	max = max < TAILS_MAX / 2 / running ? max : TAILS_MAX / 2 / running;
	for (;; max /= 2) {
		struct json *doc = tails_of(s, max);
		struct buf b = {0};
		json_write(&b, doc, 0); /* control bytes are six each in JSON */
		size_t len = b.len;
		buf_clear(&b);
		if (len <= 2 * TAILS_MAX || !max)
			return doc;
		json_free(doc);
	}
}
