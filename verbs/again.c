#include "verbs/again.h"
#include "schema/consent.h"
#include "verbs/making.h"
#include "verbs/queueing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was submitted of the ended task, with the script in place of its own. NULL with e filled. */
static struct json *renewed(struct ledger *l, const struct again *a, const char *id, const char *script, struct err *e)
{
	const struct task_field *f;
	int state = task_id_valid(id) ? ledger_find(l, id, e) : LEDGER_NOWHERE;
	if (state == LEDGER_UNKNOWN)
		return NULL;
	if (state == TASK_COMPLETED && !a->force)
		err_set(e, ERR_NO, "task '%s' succeeded: --force queues it again anyway", id);
	else if (state >= 0 && state != TASK_COMPLETED && state != TASK_FAILED)
		err_set(e, ERR_NO, "task '%s' is in %s: end it first (dgrid cancel %s)", id,
			task_state_name((enum task_state)state), id);
	else if (state < 0)
		err_set(e, ERR_NOENT, "no task '%s' on the branch (an archived task is submitted anew)", id);
	if (state < TASK_COMPLETED || (state == TASK_COMPLETED && !a->force))
		return NULL;
	struct json *doc = ledger_doc(l, (enum task_state)state, id, e);
	const char *status = json_str(json_get(doc, "result"), "status");
	if (doc && status && !strcmp(status, "invalid")) {
		err_set(e, ERR_NO,
			"'%s' could not run as a task (see: dgrid why %s): fix it, then dgrid submit --replace", id,
			id);
		json_free(doc);
		return NULL;
	}
	for (size_t i = 0; doc && (f = task_field_at(i)); i++)
		if (!f->dflt) /* only dgrid writes it */
			json_remove(doc, f->name);
	if (doc) {
		json_remove(doc, "signatures");
		json_set(doc, "script", json_new_str(script));
		json_set(doc, "submitted_by", json_new_str(l->git.name));
	}
	return doc;
}

int again_with(struct ledger *l, const struct grid_config *c, const struct again *a, const struct strs *ids,
	       struct err *e)
{
	struct problems p = {0};
	struct queueing q = {.batch = {.state_of = batch_ledger_state, .ctx = l}, .also = a->also, .n_also = a->n_also};
	struct buf script = {0};
	int rc = making_script(a->script, NULL, 0, &script, e);
	for (size_t i = 0; i < ids->n && !rc; i++) {
		struct task t;
		struct json *doc = renewed(l, a, ids->v[i], script.data ? script.data : "", e);
		p.file = ids->v[i];
		rc = doc ? 0 : -1;
		if (doc && !task_judge(&t, doc, ids->v[i], c, true, &p)) {
			char *text = task_text(t.doc);
			rc = queue_sign(l, consent_signed(c, t.doc), &text, t.doc, a->key, "", &p, e);
			strs_add(&q.ids, ids->v[i]);
			strs_add(&q.texts, text);
			strs_add(&q.ended, ids->v[i]);
			batch_add(&q.batch, ids->v[i], p.file, t.doc);
			free(text);
			task_clear(&t);
		}
	}
	rc = rc ? rc : batch_judge(&q.batch, false, &p, e);
	rc = rc ? rc : queue_refused(&p, e);
	rc = rc ? rc : queue_tasks(l, &q, e);
	for (size_t i = 0; i < q.landed.n; i++)
		puts(q.landed.v[i]);
	problems_clear(&p);
	queueing_clear(&q);
	buf_clear(&script);
	return rc;
}
