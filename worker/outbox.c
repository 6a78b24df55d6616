#include "worker/outbox.h"
#include "base/file.h"
#include "base/log.h"
#include "schema/vote.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTCOME_FILE_MAX (8 << 20) /* two streams of the largest output_limit_bytes, each byte escaped */

static char *path_of(const struct outbox *o, const char *nonce)
{
	return xasprintf("%s/%s.json", o->dir, nonce);
}

static void append(struct outbox *o, struct outcome *item)
{
	struct outcome **at = &o->first;
	while (*at)
		at = &(*at)->next;
	*at = item;
	o->n++;
}

static int load(struct outbox *o, const char *name)
{
	struct buf b = {0};
	struct json_error je;
	char *path = xasprintf("%s/%s", o->dir, name);
	struct json *j =
	    file_read(path, OUTCOME_FILE_MAX, &b, NULL) ? NULL : json_parse(b.data ? b.data : "", b.len, &je);
	const char *id = json_str(j, "task_id"), *nonce = json_str(j, "nonce"), *status = json_str(j, "status"),
		   *reason = json_str(j, "reason");
	int rc = -1;
	if (id && nonce && status && task_id_valid(id) && task_id_valid(nonce) && strlen(status) < 16) {
		struct outcome *item = xcalloc(1, sizeof *item);
		snprintf(item->id, sizeof item->id, "%s", id);
		snprintf(item->nonce, sizeof item->nonce, "%s", nonce);
		snprintf(item->status, sizeof item->status, "%s", status);
		snprintf(item->reason, sizeof item->reason, "%.255s", reason ? reason : "");
		item->retry_at = json_int(j, "retry_at", 0);
		if (json_get(j, "result"))
			item->result = json_copy(json_get(j, "result"));
		append(o, item);
		rc = 0;
	}
	json_free(j);
	buf_clear(&b);
	free(path);
	return rc;
}

int outbox_open(struct outbox *o, const char *dir, struct err *e)
{
	*o = (struct outbox){.dir = xstrdup(dir)};
	if (file_mkdirs(dir, e))
		return -1;
	DIR *d = opendir(dir);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		size_t n = strlen(de->d_name);
		if (n > 5 && !strcmp(de->d_name + n - 5, ".json") && load(o, de->d_name))
			log_at(LOG_ERROR, "outbox", "%s/%s is not a result of dgrid's; it is left where it is", dir,
			       de->d_name);
	}
	if (d)
		closedir(d);
	return 0;
}

int outbox_add(struct outbox *o, struct outcome *item)
{
	struct json *j = json_new(JSON_OBJECT);
	struct err e;
	char *path = path_of(o, item->nonce);
	json_set(j, "task_id", json_new_str(item->id));
	json_set(j, "nonce", json_new_str(item->nonce));
	json_set(j, "status", json_new_str(item->status));
	if (item->reason[0])
		json_set(j, "reason", json_new_str(item->reason));
	if (item->retry_at)
		json_set(j, "retry_at", json_new_int(item->retry_at));
	if (item->result)
		json_set(j, "result", json_copy(item->result));
	char *text = task_text(j);
	int rc = file_write(path, text, strlen(text), &e);
	if (rc)
		log_at(LOG_ERROR, "outbox", "the result of %s is kept in memory only: %s", item->id, e.msg);
	append(o, item);
	json_free(j);
	free(text);
	free(path);
	return rc;
}

bool outbox_has(const struct outbox *o, const char *nonce)
{
	for (const struct outcome *i = o->first; i; i = i->next)
		if (!strcmp(i->nonce, nonce))
			return true;
	return false;
}

static bool tries_again(const struct outcome *item, const struct json *doc)
{
	return item->result && item->retry_at && !json_get(doc, "cancel") &&
	       task_attempts_used(doc) + 1 < task_max_attempts(doc);
}

static enum task_state destination(const struct outcome *item, const struct json *doc)
{
	if (!item->result)
		return json_get(doc, "cancel") ? TASK_FAILED : TASK_QUEUE;
	if (!strcmp(item->status, "success"))
		return TASK_COMPLETED;
	return tries_again(item, doc) ? TASK_QUEUE : TASK_FAILED;
}

static void end_with(struct json *doc, const char *outcome, struct json *result)
{
	task_end_claim(doc, outcome, NULL, NULL);
	json_set(doc, "result", result);
}

/* The end of one run of a task that several nodes run. */
static void finish_vote(struct outcome *item, struct json *doc, enum task_state *to)
{
	struct json *quorum = NULL, *result;
	const struct vote_terms terms = vote_claim_terms(json_get(doc, "claim"));
	char mine[VOTE_COMMITMENT];
	const char *verb = "vote";
	bool told = vote_commitment(item->result, "", "", mine);
	enum vote_verdict verdict = told ? vote_judge(doc, terms, item->result, &quorum) : VOTE_CAST;
	*to = TASK_QUEUE;
	if (verdict == VOTE_CAST && json_get(doc, "cancel")) {
		verb = "cancelled";
		*to = TASK_FAILED;
		task_set_verdict(doc, "cancelled", "too few had found the same when it was cancelled");
	} else if (!told) {
		verb = "release";
		task_end_claim(doc, "released", "the result bears no digests of its output", NULL);
	} else if (verdict == VOTE_CAST) {
		task_end_claim(doc, "voted", NULL, NULL);
		vote_cast(doc, item->result);
	} else {
		verb = verdict == VOTE_DISPUTED ? "disputed" : item->status;
		*to = !strcmp(verb, "success") ? TASK_COMPLETED : TASK_FAILED;
		result = json_copy(item->result);
		json_set(result, "status", json_new_str(verb));
		if (verdict == VOTE_DISPUTED) {
			char *why = xasprintf("%lld nodes ran it, and no %lld of them found the same",
					      (long long)terms.replicas, (long long)terms.quorum);
			json_set(result, "reason", json_new_str(why));
			free(why);
		}
		json_set(result, "quorum", quorum);
		end_with(doc, verb, result);
	}
	snprintf(item->verb, sizeof item->verb, "%s", verb);
}

static enum change_verdict edit_finish(void *ctx, struct json *doc, enum task_state *to)
{
	struct outcome *item = ctx;
	const char *nonce = task_claim_nonce(doc);
	if (!nonce || strcmp(nonce, item->nonce) != 0)
		return CHANGE_DROP; /* fencing: the claim is no longer ours */
	item->shared = item->result && vote_claim_terms(json_get(doc, "claim")).replicas > 1;
	if (item->shared && strcmp(item->status, "cancelled") != 0) {
		finish_vote(item, doc, to);
		return CHANGE_APPLY;
	}
	snprintf(item->verb, sizeof item->verb, "%s", item->result ? item->status : "release");
	*to = destination(item, doc);
	if (!item->result && *to == TASK_FAILED) {
		task_set_verdict(doc, "cancelled", item->reason);
		return CHANGE_APPLY;
	}
	if (tries_again(item, doc))
		task_set_not_before(doc, item->retry_at);
	task_end_claim(doc, item->status, item->reason[0] ? item->reason : NULL,
		       *to == TASK_QUEUE ? item->result : NULL);
	if (*to != TASK_QUEUE)
		json_set(doc, "result", json_copy(item->result));
	return CHANGE_APPLY;
}

size_t outbox_changes(const struct outbox *o, struct ledger_change *c)
{
	size_t n = 0;
	for (struct outcome *i = o->first; i; i = i->next)
		c[n++] = (struct ledger_change){.id = i->id,
						.from = TASK_IN_PROGRESS,
						.edit = edit_finish,
						.ctx = i,
						.verb = i->verb}; /* filled by the edit */
	return n;
}

/* A push whose answer was lost may have landed: then the attempt stands in the task's story already. */
static bool recorded(struct ledger *l, const struct outcome *item)
{
	int state = ledger_find(l, item->id);
	struct json *doc = state < 0 ? NULL : ledger_doc(l, (enum task_state)state, item->id, NULL);
	const struct json *list = json_get(doc, "attempts");
	bool found = false;
	for (const struct json *a = list ? list->child : NULL; a && !found; a = a->next) {
		const char *nonce = json_str(a, "nonce"), *outcome = json_str(a, "outcome");
		found = nonce && outcome && !strcmp(nonce, item->nonce) &&
			(!strcmp(outcome, item->status) || !strcmp(outcome, "voted") || !strcmp(outcome, "disputed"));
	}
	json_free(doc);
	return found;
}

static void count_shared(struct outbox *o, const struct outcome *item)
{
	bool success = !strcmp(item->verb, "success");
	if (!strcmp(item->verb, "vote")) {
		o->voted++;
		log_at(LOG_INFO, "outbox", "voted on %s: others run it too", item->id);
		return;
	}
	o->completed += success;
	o->failed += !success;
	if (!strcmp(item->verb, "disputed"))
		log_at(LOG_WARN, "outbox", "%s is disputed: too few nodes found the same", item->id);
}

void outbox_settle(struct outbox *o, struct ledger *l, const struct ledger_change *c, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (c[k].outcome == CHANGE_PENDING)
			continue;
		struct outcome *item = c[k].ctx, **at = &o->first;
		bool landed = c[k].outcome == CHANGE_LANDED || recorded(l, item);
		if (!landed) {
			o->late++;
			log_at(LOG_WARN, "outbox", "late: %s is no longer ours, its result (%s) is dropped", item->id,
			       item->status);
		} else if (item->shared)
			count_shared(o, item);
		char *path = path_of(o, item->nonce);
		unlink(path);
		free(path);
		while (*at != item)
			at = &(*at)->next;
		*at = item->next;
		json_free(item->result);
		free(item);
		o->n--;
	}
}

void outbox_clear(struct outbox *o)
{
	for (struct outcome *i = o->first, *next; i; i = next) {
		next = i->next;
		json_free(i->result);
		free(i);
	}
	free(o->dir);
	*o = (struct outbox){0};
}
