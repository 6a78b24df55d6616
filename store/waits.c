#include "store/waits.h"
#include "schema/need.h"
#include <stdio.h>
#include <string.h>

static const char *how(const struct snapshot_task *t, bool success, char out[96])
{
	static const char *const words[] = {"waits for approval", "queued", "running", "completed", "failed"};
	const struct json *result = json_get(t ? t->doc : NULL, "result"),
			  *claim = json_get(t ? t->doc : NULL, "claim");
	const char *status = json_str(result, "status"), *node = json_str(claim, "node");
	if (!t)
		return "not on the branch";
	if (t->state == TASK_FAILED && success)
		snprintf(out, 96, "ended as %.32s", status ? status : "failed");
	else
		snprintf(out, 96, "%s%s%.64s", words[t->state], t->state == TASK_IN_PROGRESS && node ? " on " : "",
			 t->state == TASK_IN_PROGRESS && node ? node : "");
	return out;
}

size_t waits_of(const struct snapshot *s, const struct json *doc, char words[240])
{
	struct needs needs;
	char state[96];
	size_t open = 0, used = 0;
	needs_of(doc, &needs);
	if (words)
		words[0] = 0;
	for (size_t i = 0; i < needs.n; i++) {
		const struct need *one = &needs.v[i];
		const struct snapshot_task *t = snapshot_find(s, one->id);
		if (t && (t->state == TASK_COMPLETED || (t->state == TASK_FAILED && !one->success)))
			continue;
		open++;
		if (words && used < 200)
			used += (size_t)snprintf(words + used, 240 - used, "%s%.64s (%s)", used ? ", " : "", one->id,
						 how(t, one->success, state));
	}
	needs_clear(&needs);
	return open;
}

size_t waits_count(const struct snapshot *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_tasks; i++)
		n += s->tasks[i].state == TASK_QUEUE && s->tasks[i].doc && waits_of(s, s->tasks[i].doc, NULL);
	return n;
}
