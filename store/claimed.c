#include "store/claimed.h"
#include <string.h>

const char *claimed_waits(const struct snapshot *s, const char *id, const struct json *doc)
{
	const struct json *claim = json_get(doc, "claim");
	const char *name = json_str(claim, "node");
	const struct snapshot_node *n = NULL;
	bool ahead = json_get(claim, "ahead");
	for (size_t i = 0; name && i < s->n_nodes && !n; i++)
		n = !strcmp(s->nodes[i].id, name) ? &s->nodes[i] : NULL;
	if (!name || (!n && !ahead))
		return NULL;
	if (!n || n->view.seen <= json_time(claim, "claimed_at"))
		return ahead ? "for a slot" : NULL;
	const struct json *named = json_get(n->view.doc, "waiting_tasks");
	const char *engine = json_str(n->file, "engine");
	for (const struct json *v = named && named->type == JSON_ARRAY ? named->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !strcmp(v->text, id))
			return engine && !strcmp(engine, "slurm") ? "in Slurm's queue" : "for a slot";
	return NULL;
}

size_t claimed_count(const struct snapshot *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].state != NODE_LEFT && s->nodes[i].state != NODE_SILENT && s->nodes[i].view.waiting > 0)
			n += (size_t)s->nodes[i].view.waiting;
	return n < s->count[TASK_IN_PROGRESS] ? n : s->count[TASK_IN_PROGRESS];
}
