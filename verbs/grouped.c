#include "verbs/grouped.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_all(struct grouped *g, struct err *e)
{
	int rc = 0;
	for (int s = TASK_QUEUE; s < TASK_N_STATES && !rc && !g->read; s++) {
		struct strs ids = {0};
		rc = ledger_ids(g->l, (enum task_state)s, &ids, e);
		for (size_t i = 0; i < ids.n && !rc; i++) {
			struct json *doc = ledger_doc(g->l, (enum task_state)s, ids.v[i], e);
			const char *group = json_str(doc, "group");
			rc = !doc && !ledger_answered(e) ? -1 : 0;
			if (group) {
				strs_add(&g->ids, ids.v[i]);
				strs_add(&g->groups, group);
			}
			json_free(doc);
		}
		strs_clear(&ids);
	}
	g->read = !rc;
	return rc;
}

/* One member of the document. */
static int expand(struct grouped *g, struct json *doc, const char *member, const struct strs *batch, struct err *e)
{
	const struct json *list = json_get(doc, member);
	struct json *whole = json_new(JSON_ARRAY);
	bool changed = false;
	int rc = 0;
	for (const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL; v && !rc; v = v->next) {
		const char *name = v->type == JSON_STRING && strlen(v->text) == v->len ? v->text : "";
		bool known = !task_id_valid(name) || strs_has(batch, name);
		int state = known ? TASK_QUEUE : ledger_find(g->l, name, e);
		size_t found = 0;
		rc = state == LEDGER_UNKNOWN || (state == LEDGER_NOWHERE && read_all(g, e)) ? -1 : 0;
		for (size_t i = 0; i < g->ids.n && !rc && state == LEDGER_NOWHERE; i++)
			if (!strcmp(g->groups.v[i], name)) {
				json_append(whole, json_new_str(g->ids.v[i]));
				found++;
			}
		if (!found)
			json_append(whole, json_copy(v));
		changed = changed || found;
	}
	if (changed && !rc)
		json_set(doc, member, whole);
	else
		json_free(whole);
	return rc;
}

int grouped_expand(struct grouped *g, struct json *doc, const struct strs *batch, struct err *e)
{
	return expand(g, doc, "needs", batch, e) || expand(g, doc, "after", batch, e) ? -1 : 0;
}

int grouped_other(struct grouped *g, const char *group, const struct strs *batch, char id[65], struct err *e)
{
	id[0] = 0;
	if (read_all(g, e))
		return -1;
	for (size_t i = 0; i < g->ids.n && !id[0]; i++)
		if (!strcmp(g->groups.v[i], group) && !strs_has(batch, g->ids.v[i]))
			snprintf(id, 65, "%s", g->ids.v[i]);
	return 0;
}

void grouped_clear(struct grouped *g)
{
	strs_clear(&g->ids);
	strs_clear(&g->groups);
	*g = (struct grouped){0};
}
