#include "store/standing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct standing *row(struct standings *all, const char *name)
{
	size_t i = 0;
	while (i < all->n && strcmp(all->v[i].name, name) != 0)
		i++;
	if (i == all->n) {
		all->v = xrealloc(all->v, (all->n + 1) * sizeof *all->v);
		all->v[all->n++] = (struct standing){.most = 0};
		snprintf(all->v[i].name, sizeof all->v[i].name, "%s", name);
	}
	return &all->v[i];
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct standing *)a)->name, ((const struct standing *)b)->name);
}

void standing_of(const struct snapshot *s, struct standings *out)
{
	struct limit l;
	char name[LIMIT_NAME];
	*out = (struct standings){0};
	for (size_t i = 0; i < s->config.n_concurrency; i++) {
		const struct config_concurrency *c = &s->config.concurrency[i];
		if (!strcmp(c->name, "submitter:*"))
			continue;
		struct standing *one = row(out, c->name);
		one->most = c->most;
		one->set = true;
	}
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *t = &s->tasks[i];
		if (!t->doc || (t->state != TASK_QUEUE && t->state != TASK_IN_PROGRESS))
			continue;
		for (size_t k = 0; limit_at(&s->config, t->doc, k, &l); k++) {
			struct standing *one = row(out, limit_name(&l, name));
			one->most = l.most > one->most ? l.most : one->most;
			one->running += t->state == TASK_IN_PROGRESS;
			one->waiting += t->state == TASK_QUEUE;
		}
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_name);
}

void standing_clear(struct standings *all)
{
	free(all->v);
	*all = (struct standings){0};
}

bool standing_full(const struct snapshot *s, const struct json *task, char words[320])
{
	const struct json **running = xcalloc(s->n_tasks + 1, sizeof(const struct json *));
	const struct snapshot_task **of = xcalloc(s->n_tasks + 1, sizeof(const struct snapshot_task *));
	struct limit l;
	char name[LIMIT_NAME], others[32] = "";
	size_t n = 0, first = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].state == TASK_IN_PROGRESS && s->tasks[i].doc) {
			of[n] = &s->tasks[i];
			running[n++] = s->tasks[i].doc;
		}
	bool full = !limit_room(&s->config, task, running, n, &l);
	size_t count = full ? limit_count(&l, running, n, &first) : 0;
	const char *node = count ? json_str(json_get(running[first], "claim"), "node") : NULL;
	if (count > 1)
		snprintf(others, sizeof others, " and %zu more", count - 1);
	if (count)
		snprintf(words, 320, "%zu of %lld of %s %s (%s on %.64s%s)", count, (long long)l.most,
			 limit_name(&l, name), count == 1 ? "runs" : "run", of[first]->id, node ? node : "?", others);
	else if (full)
		snprintf(words, 320, "none of %s may run, for grid.json says 0", limit_name(&l, name));
	free(running);
	free(of);
	return full;
}
