#include "verbs/queueing.h"
#include "base/text.h"
#include "schema/consent.h"
#include "schema/fit.h"
#include "schema/input.h"
#include "schema/level.h"
#include "store/archive.h"
#include "store/places.h"
#include "store/registry.h"
#include "store/trust.h"
#include "verbs/commands.h"
#include "verbs/supersede.h"
#include "verbs/whynode.h"
#include "worker/upkeep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_BYTES 700 /* what an error has room for */
#define ROUNDS 20      /* others push meanwhile */
#define UNABLE_TOLD 5  /* so many reasons of a warning */

int queue_sign(struct ledger *l, bool required, char **text, const struct json *doc, const char *key, const char * or,
	       struct problems *p, struct err *e)
{
	struct json *copy = json_copy(doc);
	struct trust_verdict v;
	int rc = key ? trust_sign(copy, key, e) : 0;
	if (!rc && key) {
		free(*text);
		*text = task_text(copy);
	}
	if (!rc && required && !(rc = trust_judge_new(&l->git, l->head, copy, &v, e)) && !v.ok)
		problem_in(p, 1, 1, "signatures", "%s (expected --sign with a key that counts%s)", v.why, or);
	json_free(copy);
	return rc;
}

int queue_refused(const struct problems *p, struct err *e)
{
	if (!p->n)
		return 0;
	if (p->text.len <= TOLD_BYTES)
		return err_set(e, ERR_DATA, "nothing was queued:\n%s", p->text.data);
	fputs(p->text.data, stderr);
	return err_set(e, ERR_DATA, "nothing was queued: %zu mistakes%s", p->n,
		       p->told < p->n ? ", the first of them above" : "");
}

/* Those of ended that stand on the branch as finished go; whoever was there before us is no trouble. */
static int archive_ended(struct ledger *l, const struct strs *ended, struct err *e)
{
	int rc = -1;
	for (int round = 0; rc && round < ROUNDS; round++) {
		if (round && ledger_sync(l, e))
			return -1;
		for (size_t i = 0; i < ended->n; i++) {
			int state = ledger_find(l, ended->v[i], e);
			if (state == LEDGER_UNKNOWN)
				return -1;
			if (state >= 0 && state != TASK_COMPLETED && state != TASK_FAILED)
				return err_set(e, ERR_NO, "task '%s' is in %s again: somebody else queued it meanwhile",
					       ended->v[i], task_state_name((enum task_state)state));
		}
		rc = upkeep_archive_these(l, l->git.name, ended, e);
		if (rc && e->class != ERR_RETRY)
			return -1;
	}
	return rc;
}

int queue_tasks(struct ledger *l, struct queueing *q, struct err *e)
{
	if (q->ended.n && archive_ended(l, &q->ended, e))
		return -1;
	size_t n = q->ids.n, all = n + q->n_also;
	bool waits = batch_waits(&q->batch);
	struct ledger_change *changes = xcalloc(all + 1, sizeof *changes);
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct ledger_change){.id = q->ids.v[i],
						    .to = q->unapproved ? TASK_UNAPPROVED : TASK_QUEUE,
						    .create = true,
						    .text = q->texts.v[i],
						    .edit = waits ? batch_edit : NULL,
						    .ctx = &q->batch,
						    .verb = "submit"};
	for (size_t i = n; i < all; i++)
		changes[i] = q->also[i - n];
	int rc = 0;
	if (n && !q->unapproved && supersede_any(&q->texts))
		rc = supersede_commit(l, changes, all, &q->texts, e);
	else if (n)
		rc = ledger_commit(l, l->git.name, changes, all, NULL, NULL, e);
	for (size_t i = n; i < all; i++)
		q->also[i - n].outcome = changes[i].outcome;
	for (size_t i = 0; !rc && i < n; i++)
		if (changes[i].outcome == CHANGE_LANDED)
			strs_add(&q->landed, q->ids.v[i]);
	for (size_t i = 0; !rc && i < n; i++)
		if (changes[i].outcome == CHANGE_REFUSED)
			rc = err_set(e, ERR_UNAVAILABLE, "task '%s' could not be queued: %s", q->ids.v[i], l->trouble);
		else if (changes[i].outcome != CHANGE_LANDED && q->batch.gone[0])
			rc = err_set(e, ERR_DATA, "nothing was queued: '%s', which is waited for, is gone meanwhile",
				     q->batch.gone);
		else if (changes[i].outcome != CHANGE_LANDED && !q->pass_by)
			rc = err_set(e, ERR_DATA, "task '%s' was put into the grid by somebody else meanwhile",
				     q->ids.v[i]);
	free(changes);
	return rc;
}

static void found_archived(void *ctx, const struct archive_found *f)
{
	((const char **)ctx)[f->asked] = "the archive";
}

int queue_known(struct ledger *l, const struct strs *ids, const char **where, struct err *e)
{
	struct git g = {0};
	size_t unknown = 0;
	for (size_t i = 0; i < ids->n; i++) {
		int state = task_id_valid(ids->v[i]) ? ledger_find(l, ids->v[i], e) : LEDGER_NOWHERE;
		if (state == LEDGER_UNKNOWN)
			return -1;
		where[i] = state >= 0 ? task_state_name((enum task_state)state) : NULL;
		unknown += state < 0;
	}
	if (!unknown)
		return 0;
	const struct archive_query q = {.ids = ids->v, .n = ids->n};
	int rc = open_archive(l, &g, e) ? -1 : archive_look(&g, &q, found_archived, where, e);
	archive_close(&g);
	return rc;
}

/* By the files in the branch, which cost nothing to look at: is there any that might not? */
static bool any_below(struct ledger *l, int64_t level)
{
	struct strs ids = {0};
	bool any = false;
	registry_ids(l, &ids);
	for (size_t i = 0; i < ids.n && !any; i++) {
		struct err none;
		struct json *doc = registry_node(l, ids.v[i], &none);
		const char *status = json_str(doc, "status");
		any = doc && level_of_node(doc) < level && status && strcmp(status, "left") != 0;
		json_free(doc);
	}
	strs_clear(&ids);
	return any;
}

int queue_nodes_know(const struct context *ctx, struct ledger *l, int64_t level, struct err *e)
{
	struct snapshot s = {0};
	struct buf names = {0};
	int rc = 0;
	if (level < 2 || !any_below(l, level))
		return 0;
	rc = open_snapshot(ctx, NULL, &s, e);
	for (size_t i = 0; i < s.n_nodes && !rc; i++) {
		const struct snapshot_node *n = &s.nodes[i];
		const char *version = json_str(n->file, "dgrid_version");
		if (n->state != NODE_LEFT && n->state != NODE_SILENT && level_of_node(n->file) < level &&
		    names.len < 300)
			buf_addf(&names, "%s%.64s (dgrid %.20s)", names.len ? ", " : "", n->id,
				 version ? version : "?");
	}
	if (!rc && names.len)
		rc = err_set(e, ERR_DATA,
			     "nothing was queued: some nodes are too old for it, and would call it invalid: %s. Update "
			     "them, or stop them (--force: queue it all the same)",
			     names.data);
	buf_clear(&names);
	snapshot_close(&s);
	return rc;
}

static bool among(const struct strs *all, const char *one)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i], one))
			return true;
	return false;
}

/* "OID<tab>REF" */
static void take_trees(const char *lines, struct strs *trees)
{
	for (const char *line = lines; *line; line += *line == '\n') {
		char ref[PLACE_MAX];
		const char *tree;
		if (sscanf(line, "%*s %175s", ref) == 1 && place_in_parse(ref, &tree))
			strs_add(trees, tree);
		line += strcspn(line, "\n");
	}
}

int queue_inputs_there(struct ledger *l, const struct queueing *q, const struct strs *sent, struct err *e)
{
	const char *list[] = {"ls-remote", "origin", PLACE_IN "/*", PLACE_HEADS "in/*", NULL};
	struct strs there = {0};
	bool asked = false;
	int rc = 0;
	for (size_t i = 0; i < q->texts.n && !rc; i++) {
		struct json_error je;
		struct json *doc = json_parse(q->texts.v[i], strlen(q->texts.v[i]), &je);
		struct input in[INPUTS_MAX];
		size_t n = inputs_of(doc, in);
		for (size_t k = 0; k < n && !rc; k++) {
			struct buf lines = {0};
			if (!in[k].tree || among(sent, in[k].tree))
				continue;
			if (!asked && !(rc = git_run(&l->git, &lines, e, list)))
				take_trees(lines.data ? lines.data : "", &there);
			asked = true;
			buf_clear(&lines);
			if (!rc && !among(&there, in[k].tree))
				rc = err_set(e, ERR_DATA,
					     "%s: input '%s': its tree %.12s is not at the remote "
					     "(--input sends what it names; --force goes on all the same)",
					     q->ids.v[i], in[k].name, in[k].tree);
		}
		json_free(doc);
	}
	strs_clear(&there);
	return rc;
}

/* By the files in the branch, whether the nodes live or not. */
static bool registered_could(struct ledger *l, const struct grid_config *c, const struct json *doc)
{
	struct strs ids = {0};
	struct fit_want want;
	bool one = false;
	registry_ids(l, &ids);
	fit_want_read(&want, doc);
	for (size_t i = 0; i < ids.n && !one; i++) {
		struct err none;
		struct fit_node node;
		char lacks[100];
		struct json *file = registry_node(l, ids.v[i], &none);
		const char *status = json_str(file, "status");
		fit_node_read(&node, ids.v[i], file);
		one = file && status && strcmp(status, "left") != 0 && !fit_never(&node, c, doc, &want, NULL) &&
		      consent_offered(json_get(file, "networks"), json_get(file, "secrets"), doc, lacks);
		json_free(file);
	}
	strs_clear(&ids);
	return one;
}

static void tell_unable(const char *id, size_t n, const struct reasons *r)
{
	size_t told = 0;
	struct buf b = {0};
	buf_addf(&b, "dgrid: warning: no live node could run %s", id);
	if (n > 1)
		buf_addf(&b, " and %zu other%s", n - 1, n == 2 ? "" : "s");
	buf_adds(&b, ":\n");
	for (const struct json *v = r->list->child; v; v = v->next)
		if (!v->next || told++ < UNABLE_TOLD) {
			buf_adds(&b, "  ");
			text_clean(&b, json_str(v, "text"), SIZE_MAX, 400);
			buf_adds(&b, "\n");
		}
	fputs(b.data, stderr);
	buf_clear(&b);
}

void queue_tell_unable(const struct context *ctx, struct ledger *l, const struct grid_config *c,
		       const struct queueing *q)
{
	struct snapshot s = {0};
	struct reasons first = {0};
	const char *id = NULL;
	size_t n = 0;
	bool open = false;
	struct err none;
	for (size_t i = 0; i < q->ids.n; i++) {
		struct json_error je;
		struct reasons r = {.list = json_new(JSON_ARRAY)};
		struct json *doc = json_parse(q->texts.v[i], strlen(q->texts.v[i]), &je);
		bool ask = doc && (l->folder.ref || !registered_could(l, c, doc));
		if (ask && !open && open_snapshot(ctx, NULL, &s, &none)) {
			json_free(r.list);
			json_free(doc);
			break; /* only a warning */
		}
		open = open || ask;
		bool unable = ask && why_never_runs(&s, doc, &r);
		if (unable && !n++) {
			id = q->ids.v[i];
			first = r;
		} else
			json_free(r.list);
		json_free(doc);
	}
	if (n)
		tell_unable(id, n, &first);
	json_free(first.list);
	snapshot_close(&s);
}

void queueing_clear(struct queueing *q)
{
	batch_clear(&q->batch);
	strs_clear(&q->ids);
	strs_clear(&q->texts);
	strs_clear(&q->ended);
	strs_clear(&q->landed);
}
