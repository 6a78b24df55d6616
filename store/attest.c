#include "store/attest.h"
#include "base/file.h"
#include "git/shown.h"
#include "schema/dsse.h"
#include "schema/keys.h"
#include "schema/provenance.h"
#include "schema/task.h"
#include "store/keygen.h"
#include "store/line.h"
#include "store/trust.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMESPACE "dgrid-attest"
#define LIST_MAX (1 << 20)
#define WHY_MAX 320

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the task's way through the history ---- */

struct step { /* a commit changed the task's file in a folder */
	char commit[72], status;
	enum task_state in;
};
struct way { /* newest first */
	struct step *v;
	size_t n, pending; /* pending: of the commit that comes, from here on */
};

static void on_change(void *ctx, char status, const char *path)
{
	struct way *w = ctx;
	const char *folder = strchr(path, '/');
	size_t len = folder ? strcspn(folder + 1, "/") : 0;
	for (int k = 0; k < TASK_N_STATES; k++) {
		const char *name = task_state_name((enum task_state)k);
		if (strlen(name) != len || strncmp(name, folder + 1, len) != 0)
			continue;
		w->v = xrealloc(w->v, (w->n + 1) * sizeof *w->v);
		w->v[w->n++] = (struct step){.status = status, .in = (enum task_state)k};
	}
}

static void on_commit(void *ctx, const struct line_commit *c)
{
	struct way *w = ctx;
	for (; w->pending < w->n; w->pending++)
		memcpy(w->v[w->pending].commit, c->id, sizeof c->id);
}

static char *path_in(enum task_state state, const char *id)
{
	return xasprintf("tasks/%s/%s.json", task_state_name(state), id);
}

static int read_way(const struct git *g, const char *head, const char *id, struct way *w, struct err *e)
{
	const struct line l = {.ctx = w, .on_change = on_change, .on_commit = on_commit};
	struct strs paths = {0};
	struct buf b = {0};
	for (int k = 0; k < TASK_N_STATES; k++) {
		char *path = path_in((enum task_state)k, id);
		strs_add(&paths, path);
		free(path);
	}
	int rc = GIT(g, &b, e, "rev-parse", "--is-shallow-repository");
	if (!rc && b.data && !strncmp(b.data, "true", 4))
		rc = err_set(e, ERR_UNAVAILABLE,
			     "this copy is shallow: its history is cut off (get it with: git fetch --unshallow)");
	if (!rc)
		rc = line_walk(g, head, NULL, INT_MAX, &paths, &l, e);
	strs_clear(&paths);
	buf_clear(&b);
	return rc;
}

static bool is_end(enum task_state s)
{
	return s == TASK_COMPLETED || s == TASK_FAILED;
}

/* The step that brought the result: the last one, or that of a commit. NULL: e is filled. */
static const struct step *find_end(const struct way *w, const char *id, const char *commit, struct err *e)
{
	const struct step *last = NULL;
	for (size_t i = 0; i < w->n; i++) {
		const struct step *s = &w->v[i];
		if (s->status == 'D')
			continue;
		if (!last)
			last = s;
		if (commit && is_end(s->in) && s->status == 'A' && !strcmp(s->commit, commit))
			return s;
	}
	if (!last)
		err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
	else if (commit)
		err_set(e, ERR_NO, "commit %.20s of this grid brought no result of task '%s'", commit, id);
	else if (!is_end(last->in))
		err_set(e, ERR_NO, "task '%s' has not ended: it is in %s", id, task_state_name(last->in));
	else if (last->status != 'A')
		err_set(e, ERR_NO, "the result of task '%s' was rewritten by %.10s (see: dgrid audit)", id,
			last->commit);
	else
		return last;
	return NULL;
}

/* ---- documents ---- */

struct found { /* a file of a commit */
	char *path, oid[72];
	struct json *doc;
};

static void found_clear(struct found *f)
{
	free(f->path);
	json_free(f->doc);
	*f = (struct found){0};
}

/* Takes path over. doc is NULL where it is not there. */
static int find_file(const struct git *g, const char *commit, char *path, struct found *f, struct err *e)
{
	struct shown shown = {0};
	struct json_error je;
	*f = (struct found){.path = path};
	int rc = git_shown(g, commit, path, TASK_FILE_MAX, &shown, e);
	if (!rc && shown.kind == SHOWN_FILE) {
		memcpy(f->oid, shown.oid, sizeof f->oid);
		f->doc = json_parse(shown.text.data ? shown.text.data : "", shown.text.len, &je);
	}
	if (!rc && shown.kind != SHOWN_NOTHING && !f->doc)
		rc = err_set(e, ERR_DATA, "%.10s:%s is no document (see: dgrid audit)", commit, path);
	shown_clear(&shown);
	return rc;
}

/* The commit that claimed it for that run, and the document as it had it. */
static int find_claim(const struct git *g, const struct way *w, const struct step *end, const char *id,
		      const char *nonce, struct attest *a, struct found *f, struct err *e)
{
	for (const struct step *s = end; s < w->v + w->n; s++) {
		if (s->in != TASK_IN_PROGRESS || s->status != 'A')
			continue;
		if (find_file(g, s->commit, path_in(s->in, id), f, e))
			return -1;
		const char *own = json_str(json_get(f->doc, "claim"), "nonce");
		if (own && !strcmp(own, nonce)) {
			memcpy(a->claim, s->commit, sizeof a->claim);
			return 0;
		}
		found_clear(f);
	}
	return err_set(e, ERR_NO, "no commit claimed task '%s' under the nonce of its result (see: dgrid audit)", id);
}

/* What a grid is known by, and its clones with it. */
static int find_root(const struct git *g, const char *head, char root[72], struct err *e)
{
	struct buf b = {0};
	int rc = GIT(g, &b, e, "rev-list", "--first-parent", "--max-parents=0", head);
	if (!rc)
		buf_first_line(&b, root, 72);
	buf_clear(&b);
	return rc;
}

static int make(const struct git *g, const struct way *w, const struct step *end, const char *id, struct attest *a,
		struct err *e)
{
	struct found ended = {0}, claimed = {0}, node = {0};
	char root[72] = "", why[200], *submitted = NULL;
	memcpy(a->result, end->commit, sizeof a->result);
	int rc = find_file(g, end->commit, path_in(end->in, id), &ended, e);
	const struct json *result = json_get(ended.doc, "result");
	const char *nonce = json_str(result, "nonce"), *by = json_str(result, "node");
	if (!rc && (!nonce || !by || !task_id_valid(by) || !json_str(result, "engine")))
		rc = err_set(e, ERR_NO, "task '%s' never ran: there is nothing to attest", id);
	if (!rc)
		rc = find_claim(g, w, end, id, nonce, a, &claimed, e);
	if (!rc)
		rc = find_file(g, end->commit, xasprintf("nodes/%s.json", by), &node, e);
	if (!rc)
		rc = find_root(g, end->commit, root, e);
	if (!rc) {
		submitted = trust_text(ended.doc);
		const struct provenance p = {.root = root,
					     .claim = a->claim,
					     .result = a->result,
					     .task_path = claimed.path,
					     .task_blob = claimed.oid,
					     .result_path = ended.path,
					     .result_blob = ended.oid,
					     .claimed = claimed.doc,
					     .ended = ended.doc,
					     .node = node.doc,
					     .submitted = submitted};
		a->node = xstrdup(by);
		if (!(a->statement = provenance_make(&p, why)))
			rc = err_set(e, ERR_NO, "task '%s': %s", id, why);
	}
	found_clear(&ended);
	found_clear(&claimed);
	found_clear(&node);
	free(submitted);
	return rc;
}

int attest_read(const struct git *g, const char *head, const char *id, const char *commit, struct attest *a,
		struct err *e)
{
	struct way w = {0};
	const struct step *end = NULL;
	*a = (struct attest){0};
	int rc = read_way(g, head, id, &w, e);
	if (!rc && !(end = find_end(&w, id, commit, e)))
		rc = -1;
	if (!rc)
		rc = make(g, &w, end, id, a, e);
	free(w.v);
	return rc;
}

void attest_clear(struct attest *a)
{
	free(a->node);
	json_free(a->statement);
	*a = (struct attest){0};
}

/* ---- signatures ---- */

struct json *attest_sign(const struct attest *a, const char *key, struct err *e)
{
	struct buf text = {0}, pae = {0};
	struct json *j = NULL;
	char *print = NULL, *armor = NULL;
	if (!file_exists(key)) {
		err_set(e, ERR_NOENT, "there is no key '%s'", key);
		return NULL;
	}
	json_write(&text, a->statement, 0);
	dsse_pae(&pae, PROVENANCE_PAYLOAD, text.data, text.len);
	armor = keygen_sign(NAMESPACE, key, pae.data, pae.len, &print, e);
	if (armor && !(j = dsse_make(PROVENANCE_PAYLOAD, text.data, text.len, print, armor)))
		err_set(e, ERR_BUG, "what ssh-keygen signed has no armor");
	buf_clear(&text);
	buf_clear(&pae);
	free(print);
	free(armor);
	return j;
}

/* The keys that head enrols, of nodes and people, as a list that ssh-keygen reads. */
static int write_ring(const struct keyring *r, const char *path, struct err *e)
{
	struct buf text = {0};
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < r->v[i].keys.n; k++)
			if (keyring_of(r, r->v[i].name) == &r->v[i])
				buf_addf(&text, "%s namespaces=\"" NAMESPACE "\" %s\n", r->v[i].name,
					 r->v[i].keys.v[k].text);
	int rc = file_write_in_place(path, text.data ? text.data : "", text.len, e);
	buf_clear(&text);
	return rc;
}

static int write_list(const struct git *g, const char *head, const char *path, struct err *e)
{
	struct shown shown = {0};
	int rc = git_shown(g, head, TRUST_LIST, LIST_MAX, &shown, e);
	if (!rc && shown.kind == SHOWN_LARGE)
		rc = err_set(e, ERR_DATA, TRUST_LIST ": more than %d bytes", LIST_MAX);
	if (!rc)
		rc = file_write_in_place(path, shown.text.data ? shown.text.data : "", shown.text.len, e);
	shown_clear(&shown);
	return rc;
}

struct checking {
	struct keyring ring;
	char *dir, *ours, *list, *signature, *time; /* files, and when it is */
	struct buf pae;
};

/* One signature, by the one list or the other. 1, 0, -1. */
static int check_one(const struct checking *c, const struct json *s, struct attest_signer *by, char *why, struct err *e)
{
	struct keygen_question q = {.space = NAMESPACE,
				    .list = c->ours,
				    .signature = c->signature,
				    .time = c->time,
				    .text = c->pae.data,
				    .len = c->pae.len};
	struct buf armor = {0};
	char said[200] = "";
	int rc = dsse_armor(s, &armor) ? file_write_in_place(c->signature, armor.data, armor.len, e) : -1;
	buf_clear(&armor);
	if (rc)
		return -1;
	rc = keygen_allowed(&q, by->who, by->key, said, sizeof said, e);
	const struct keyring_entry *one = rc == 1 ? keyring_of(&c->ring, by->who) : NULL;
	by->as = one && one->person ? ATTEST_PERSON : ATTEST_NODE;
	if (!rc) {
		q.list = c->list;
		rc = keygen_allowed(&q, by->who, by->key, said, sizeof said, e);
		by->as = ATTEST_LISTED;
	}
	if (!rc)
		snprintf(why, WHY_MAX, "no key that the grid enrols made it (%.60s; ssh-keygen: %.180s)",
			 json_str(s, "keyid") ? json_str(s, "keyid") : "its key is not named", said);
	return rc;
}

int attest_signer(const struct git *g, const char *head, int64_t at, const struct json *envelope,
		  const struct buf *payload, struct attest_signer *by, char why[320], struct err *e)
{
	struct checking c = {0};
	const struct json *all = json_get(envelope, "signatures");
	time_t t = (time_t)at;
	struct tm tm;
	char when[32];
	int rc = -1;
	if (!(c.dir = file_temp_dir(e)))
		return -1;
	gmtime_r(&t, &tm);
	strftime(when, sizeof when, "%Y%m%d%H%M%S", &tm);
	c.time = xasprintf("-Overify-time=%s", when);
	c.ours = xasprintf("%s/enrolled", c.dir);
	c.list = xasprintf("%s/list", c.dir);
	c.signature = xasprintf("%s/signature", c.dir);
	dsse_pae(&c.pae, PROVENANCE_PAYLOAD, payload->data ? payload->data : "", payload->len);
	if (!keyring_read(g, head, &c.ring, e) && !write_ring(&c.ring, c.ours, e) && !write_list(g, head, c.list, e))
		rc = 0;
	for (const struct json *s = rc ? NULL : all->child; s && !rc; s = s->next)
		rc = check_one(&c, s, by, why, e);
	/* A no counts only of an ssh-keygen that can say yes. */
	if (!rc && trust_available(e))
		rc = -1;
	keyring_clear(&c.ring);
	buf_clear(&c.pae);
	file_remove_tree(c.dir, NULL);
	free(c.dir);
	free(c.ours);
	free(c.list);
	free(c.signature);
	free(c.time);
	return rc;
}
