#include "worker/seats.h"
#include <stdlib.h>
#include <string.h>

static void seat_clear(struct seat *one)
{
	free(one->id);
	json_free(one->brief);
}

/* What is no task counts for nothing, as everybody sees who reads the branch; what cannot be read now is an error. */
static int read_seat(struct ledger *l, struct seat *one, struct err *e)
{
	struct err why = {0};
	struct json *doc = ledger_doc(l, TASK_IN_PROGRESS, one->id, &why);
	one->brief = limit_brief(doc, NULL);
	bool told = doc || ledger_answered(&why);
	json_free(doc);
	if (told)
		return 0;
	*e = why;
	one->stamp = (struct file_stamp){0};
	return -1;
}

int seats_look(struct seats *s, struct ledger *l, struct err *e)
{
	struct strs ids = {0};
	if (s->head[0] && !strcmp(s->head, l->head))
		return 0;
	s->head[0] = 0;
	if (ledger_ids(l, TASK_IN_PROGRESS, &ids, e)) {
		strs_clear(&ids);
		return -1;
	}
	struct seat *now = xcalloc(ids.n + 1, sizeof *now);
	size_t old = 0;
	int rc = 0;
	for (size_t i = 0; i < ids.n; i++) { /* both lists are sorted */
		struct file_stamp stamp = ledger_stamp(l, TASK_IN_PROGRESS, ids.v[i]);
		while (old < s->n_known && strcmp(s->known[old].id, ids.v[i]) < 0)
			seat_clear(&s->known[old++]);
		if (old < s->n_known && !strcmp(s->known[old].id, ids.v[i])) {
			now[i] = s->known[old++];
			if (file_stamp_equal(&now[i].stamp, &stamp))
				continue;
			json_free(now[i].brief);
		} else
			now[i].id = xstrdup(ids.v[i]);
		now[i].stamp = stamp;
		if (read_seat(l, &now[i], e))
			rc = -1;
	}
	while (old < s->n_known)
		seat_clear(&s->known[old++]);
	free(s->known);
	s->known = now;
	s->n_known = ids.n;
	s->n = 0;
	if (!rc)
		memcpy(s->head, l->head, sizeof s->head);
	strs_clear(&ids);
	return rc;
}

void seats_add(struct seats *s, const struct json *brief)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->v = xrealloc(s->v, s->room * sizeof(const struct json *));
	}
	s->v[s->n++] = brief;
}

void seats_take(struct seats *s, const struct ledger_change *c, const bool *applied, size_t n)
{
	s->n = 0;
	for (size_t i = 0; i < s->n_known; i++) {
		bool ends = false;
		for (size_t k = 0; k < n && !ends; k++)
			ends = (!applied || applied[k]) && c[k].from == TASK_IN_PROGRESS &&
			       (!applied || c[k].to != TASK_IN_PROGRESS) && !strcmp(c[k].id, s->known[i].id);
		if (!ends)
			seats_add(s, s->known[i].brief);
	}
}

void seats_load(const struct seats *s, const struct fit_node *n, const struct grid_config *c, struct fit_load *load)
{
	fit_load_clear(load);
	for (size_t i = 0; i < s->n; i++)
		fit_load_add(load, n, c, s->v[i]);
}

bool seats_fit(const struct seats *s, const struct fit_node *n, const struct grid_config *c, const struct json *task,
	       const struct json *const *also, size_t n_also)
{
	struct fit_load load = {0};
	struct fit_want w;
	if (s)
		seats_load(s, n, c, &load);
	for (size_t i = 0; i < n_also; i++) {
		fit_want_read(&w, also[i]);
		fit_load_put(&load, n, c, &w, 0);
	}
	fit_want_read(&w, task);
	bool fits = !fit_room(n, c, &w, &load, NULL);
	fit_load_clear(&load);
	return fits;
}

void seats_clear(struct seats *s)
{
	for (size_t i = 0; i < s->n_known; i++)
		seat_clear(&s->known[i]);
	free(s->known);
	free(s->v);
	*s = (struct seats){0};
}
