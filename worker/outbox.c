#include "worker/outbox.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "schema/result.h"
#include "schema/task.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFUSED_FIRST_MS 2000
#define REFUSED_MAX_MS 300000
#define STUCK 3
#define FREE_FAULTS 3		   /* so often an engine may fail with a task at no cost */
#define ROOM_BYTES 65536	   /* of a task's file, for what else is written into it, its retries too */
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

/* The node whose run it was, the only one that may say it. */
static const char *owner(const struct json *file)
{
	const char *node = json_str(file, "node");
	return node ? node : json_str(json_get(file, "result"), "node"); /* as 0.1.0 wrote it */
}

enum loaded { LOADED, LOADED_NOT, LOADED_FOREIGN, LOADED_ERROR };
/* LOADED_NOT: it is no result of dgrid's, by all it says. */
static enum loaded load(struct outbox *o, const char *name, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	char *path = xasprintf("%s/%s", o->dir, name);
	int rc = file_read(path, OUTCOME_FILE_MAX, &b, e);
	struct json *j = rc ? NULL : json_parse(b.data ? b.data : "", b.len, &je);
	const char *id = json_str(j, "task_id"), *nonce = json_str(j, "nonce"), *status = json_str(j, "status"),
		   *reason = json_str(j, "reason"), *node = owner(j);
	const char *grid = json_str(j, "grid"); /* 0.1.0 wrote none */
	enum loaded got = rc && e->class != ERR_DATA ? LOADED_ERROR : LOADED_NOT;
	if (id && nonce && status && grid && strcmp(grid, o->grid) != 0) {
		got = LOADED_FOREIGN;
		log_at(
		    LOG_ERROR, "outbox",
		    "%s/%s is how a run of %.64s in the grid %.300s ended; it is left where it is. To record it: dgrid "
		    "worker --once --repo %.300s with this --work-dir (a grid that moved: put its new address there as "
		    "\"grid\")",
		    o->dir, name, id, grid, grid);
	} else if (id && nonce && status && node && strcmp(node, o->node) != 0) {
		got = LOADED_FOREIGN;
		log_at(LOG_ERROR, "outbox",
		       "%s/%s is how %.64s's run of %.64s ended, and this node is %s; it is left where it is. To "
		       "record it: "
		       "dgrid worker --once --node-id %.64s with this --work-dir",
		       o->dir, name, node, id, o->node, node);
	} else if (id && nonce && status && task_id_valid(id) && task_id_valid(nonce) && strlen(status) < 16) {
		struct outcome *item = xcalloc(1, sizeof *item);
		snprintf(item->id, sizeof item->id, "%s", id);
		snprintf(item->nonce, sizeof item->nonce, "%s", nonce);
		snprintf(item->status, sizeof item->status, "%s", status);
		snprintf(item->reason, sizeof item->reason, "%.255s", reason ? reason : "");
		item->retry_at = json_int(j, "retry_at", 0);
		item->engine = json_get(j, "engine") != NULL;
		item->waits = json_get(j, "waits") != NULL;
		if (json_get(j, "kept"))
			item->kept = json_copy(json_get(j, "kept"));
		if (json_get(j, "result"))
			item->result = json_copy(json_get(j, "result"));
		append(o, item);
		got = LOADED;
	}
	json_free(j);
	buf_clear(&b);
	free(path);
	return got;
}

static void take_name(void *ctx, const char *name)
{
	size_t n = strlen(name);
	if (n > 5 && !strcmp(name + n - 5, ".json"))
		strs_add(ctx, name);
}

int outbox_open(struct outbox *o, const char *dir, const char *node, const char *url, struct err *e)
{
	struct strs names = {0};
	*o = (struct outbox){.dir = xstrdup(dir), .node = xstrdup(node), .grid = xstrdup(url)};
	git_redact(o->grid);
	int rc = file_mkdirs(dir, e);
	if (!rc)
		rc = file_names(dir, take_name, &names, e);
	for (size_t i = 0; i < names.n && !rc; i++) {
		enum loaded got = load(o, names.v[i], e);
		if (got == LOADED_NOT)
			log_at(LOG_ERROR, "outbox", "%s/%s is not a result of dgrid's; it is left where it is", dir,
			       names.v[i]);
		rc = got == LOADED_ERROR ? -1 : 0;
	}
	strs_clear(&names);
	/* Without them their claims would look like ones that were left behind, and go back. */
	return rc ? err_wrap(e, "the results of an earlier run cannot be read") : 0;
}

int outbox_save(struct outbox *o, const struct outcome *item)
{
	struct json *j = json_new(JSON_OBJECT);
	struct err e;
	char *path = path_of(o, item->nonce);
	json_set(j, "task_id", json_new_str(item->id));
	json_set(j, "nonce", json_new_str(item->nonce));
	json_set(j, "status", json_new_str(item->status));
	json_set(j, "node", json_new_str(o->node));
	json_set(j, "grid", json_new_str(o->grid));
	if (item->reason[0])
		json_set(j, "reason", json_new_str(item->reason));
	if (item->retry_at)
		json_set(j, "retry_at", json_new_int(item->retry_at));
	if (item->engine)
		json_set(j, "engine", json_new_bool(true));
	if (item->waits)
		json_set(j, "waits", json_new_bool(true));
	if (item->kept)
		json_set(j, "kept", json_copy(item->kept));
	if (item->result)
		json_set(j, "result", json_copy(item->result));
	char *text = task_text(j);
	int rc = file_write(path, text, strlen(text), &e);
	if (rc)
		log_at(LOG_ERROR, "outbox", "the result of %s is kept in memory only: %s", item->id, e.msg);
	json_free(j);
	free(text);
	free(path);
	return rc;
}

int outbox_add(struct outbox *o, struct outcome *item)
{
	append(o, item);
	return outbox_save(o, item);
}

void outbox_checked(struct outbox *o, bool fit)
{
	for (struct outcome *i = o->first; i; i = i->next) {
		if (i->held && fit) {
			snprintf(i->status, sizeof i->status, "unstartable");
			outbox_save(o, i);
		}
		i->held = false;
	}
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
	if (!strcmp(item->status, "success"))
		return TASK_COMPLETED;
	return tries_again(item, doc) ? TASK_QUEUE : TASK_FAILED;
}

/* The claim ends without a result: it goes back at no cost, unless the task cannot be started, or engines have failed
 * with it so often that this is taken for its own fault. */
static void give_back(struct outcome *item, struct json *doc, enum task_state *to)
{
	bool own = !strcmp(item->status, "unstartable") || (item->engine && task_engine_faults(doc) >= FREE_FAULTS);
	const char *outcome = own ? "unstartable" : "released", *why = item->reason[0] ? item->reason : NULL;
	bool cancelled = json_get(doc, "cancel"), last = own && task_attempts_used(doc) + 1 >= task_max_attempts(doc);
	*to = cancelled || last ? TASK_FAILED : TASK_QUEUE;
	snprintf(item->verb, sizeof item->verb, "%s", cancelled ? "cancelled" : own ? outcome : "release");
	if (*to == TASK_FAILED)
		task_set_verdict(doc, item->verb, why);
	else
		task_end_claim(doc, outcome, why, own ? NULL : item->kept);
	if (own && *to == TASK_QUEUE && item->retry_at)
		task_set_not_before(doc, item->retry_at);
	if (!own && !cancelled && item->engine)
		task_fault_engine(doc);
}

static void end_with(struct json *doc, const char *outcome, struct json *result)
{
	task_end_claim(doc, outcome, NULL, NULL);
	json_set(doc, "result", result);
}

/* It left files, and they are nowhere but here. */
static bool files_missing(const struct outcome *item)
{
	const struct json *out = json_get(item->result, "out");
	return out && !json_str(out, "ref");
}

/* What one node alone says it found is not to be fetched. */
static void leave_unnamed(struct json *result)
{
	const struct json *out = json_get(result, "out");
	if (!out)
		return;
	struct json *copy = json_copy(out);
	json_remove(copy, "ref");
	json_set(result, "out", copy);
}

/* The end of one run of a task that several nodes run. */
static enum change_verdict finish_vote(struct outcome *item, struct json *doc, enum task_state *to)
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
	} else if (verdict == VOTE_DECIDED && files_missing(item)) {
		item->wanted = true; /* what stands in the ledger stands at the remote before */
		json_free(quorum);
		return CHANGE_DROP;
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
			leave_unnamed(result);
		}
		json_set(result, "quorum", quorum);
		end_with(doc, verb, result);
	}
	snprintf(item->verb, sizeof item->verb, "%s", verb);
	return CHANGE_APPLY;
}

/* A file has an end: beside a large document less is kept of what the run printed. A result that would not fit at all
 * is as one that cannot be had. */
static void make_room(struct outcome *item, const struct json *doc)
{
	char *text = task_text(doc);
	size_t used = strlen(text) + ROOM_BYTES;
	free(text);
	if (!item->result || result_fit(item->result, used < TASK_FILE_MAX ? TASK_FILE_MAX - used : 0))
		return;
	json_free(item->result);
	item->result = NULL;
	item->waits = false;
	snprintf(item->status, sizeof item->status, "unstartable");
	snprintf(item->reason, sizeof item->reason, "its result does not fit into a file of %d bytes beside the task",
		 TASK_FILE_MAX);
}

static enum change_verdict edit_finish(void *ctx, struct json *doc, enum task_state *to)
{
	struct outcome *item = ctx;
	const char *nonce = task_claim_nonce(doc);
	item->wanted = false;
	if (!nonce || strcmp(nonce, item->nonce) != 0)
		return CHANGE_DROP; /* fencing: the claim is no longer ours */
	make_room(item, doc);
	item->shared = item->result && vote_claim_terms(json_get(doc, "claim")).replicas > 1;
	if (item->shared && strcmp(item->status, "cancelled") != 0) {
		return finish_vote(item, doc, to);
	}
	if (!item->result) {
		give_back(item, doc, to);
		return CHANGE_APPLY;
	}
	snprintf(item->verb, sizeof item->verb, "%s", item->status);
	*to = destination(item, doc);
	if (tries_again(item, doc))
		task_set_not_before(doc, item->retry_at);
	task_end_claim(doc, item->status, item->reason[0] ? item->reason : NULL,
		       *to == TASK_QUEUE ? item->result : NULL);
	if (*to != TASK_QUEUE)
		json_set(doc, "result", json_copy(item->result));
	return CHANGE_APPLY;
}

/* Not to be said yet. */
static bool silent(const struct outcome *i)
{
	return i->held || (i->waits && !i->along);
}

static bool is_due(const struct outcome *i, int64_t now)
{
	return !silent(i) && i->refusals && now >= i->again_at;
}

static size_t fresh(const struct outbox *o)
{
	size_t n = 0;
	for (const struct outcome *i = o->first; i; i = i->next)
		n += !i->refusals && !silent(i);
	return n;
}

bool outbox_due(const struct outbox *o, int64_t now)
{
	bool due = fresh(o) > 0;
	for (const struct outcome *i = o->first; i && !due; i = i->next)
		due = is_due(i, now);
	return due;
}

bool outbox_narrow(const struct outbox *o, int64_t now)
{
	return o->width > 0 || (!fresh(o) && outbox_due(o, now));
}

bool outbox_stuck(const struct outbox *o)
{
	bool stuck = o->n > 0;
	for (const struct outcome *i = o->first; i && stuck; i = i->next)
		stuck = i->refusals >= STUCK;
	return stuck;
}

size_t outbox_changes(const struct outbox *o, int64_t now, struct ledger_change *c)
{
	size_t n = 0, most = !fresh(o) ? 1 : o->width ? o->width : o->n;
	bool refused = !fresh(o);
	for (struct outcome *i = o->first; i && n < most; i = i->next)
		if (refused ? is_due(i, now) : !i->refusals && !silent(i))
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
	struct err e;
	int state = ledger_find(l, item->id, &e);
	struct json *doc = state < 0 ? NULL : ledger_doc(l, (enum task_state)state, item->id, &e);
	const struct json *list = json_get(doc, "attempts");
	bool found = false;
	for (const struct json *a = list ? list->child : NULL; a && !found; a = a->next) {
		const char *nonce = json_str(a, "nonce"), *outcome = json_str(a, "outcome");
		found = nonce && outcome && !strcmp(nonce, item->nonce) &&
			(!item->result || !strcmp(outcome, item->status) || !strcmp(outcome, "voted") ||
			 !strcmp(outcome, "disputed"));
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

static void refuse(struct outbox *o, struct outcome *item, const char *why)
{
	int64_t wait = REFUSED_FIRST_MS;
	for (unsigned i = 0; i < item->refusals && wait < REFUSED_MAX_MS; i++)
		wait *= 2;
	if (!item->refusals) {
		item->landed_then = o->landed;
		log_at(LOG_ERROR, "outbox", "the result of %s (%s) is kept, and said again later: %s", item->id,
		       item->status, why);
	}
	item->refusals++;
	item->again_at = clock_mono_ms() + (wait < REFUSED_MAX_MS ? wait : REFUSED_MAX_MS);
}

/* The remote declined a commit with n of ours. */
static bool narrow(struct outbox *o, const struct ledger_change *c, size_t n, bool mixed, const char *why)
{
	struct outcome *item = n ? c[0].ctx : NULL;
	if (n > 1 || (n && mixed)) {
		o->width = n > 1 ? n / 2 : 1;
		return true;
	}
	if (!item)
		return false;
	refuse(o, item, why);
	o->width = fresh(o) ? 1 : 0;
	return o->landed > item->landed_then;
}

static void forget(struct outbox *o, struct outcome *item)
{
	struct outcome **at = &o->first;
	char *path = path_of(o, item->nonce);
	unlink(path);
	free(path);
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	json_free(item->result);
	json_free(item->kept);
	free(item);
	o->n--;
}

bool outbox_settle(struct outbox *o, struct ledger *l, const struct ledger_change *c, size_t n, enum said said,
		   const char *why)
{
	bool own = said >= SAID_DECLINED && narrow(o, c, n, said == SAID_DECLINED_MIXED, why);
	if (said == SAID_LANDED) {
		o->landed++;
		o->width = o->width * 2 < fresh(o) ? o->width * 2 : 0;
	}
	for (size_t k = 0; k < n; k++) {
		struct outcome *item = c[k].ctx;
		if (c[k].outcome == CHANGE_REFUSED)
			refuse(o, item, l->trouble);
		if (c[k].outcome == CHANGE_PENDING || c[k].outcome == CHANGE_REFUSED)
			continue;
		if (item->wanted && !item->waits) { /* said again when its files are there */
			item->waits = true;
			outbox_save(o, item);
			continue;
		}
		bool landed = c[k].outcome == CHANGE_LANDED || recorded(l, item);
		if (!landed) {
			o->late++;
			log_at(LOG_WARN, "outbox", "late: %s is no longer ours, its result (%s) is dropped", item->id,
			       item->status);
		} else if (item->shared)
			count_shared(o, item);
		forget(o, item);
	}
	return own;
}

void outbox_clear(struct outbox *o)
{
	for (struct outcome *i = o->first, *next; i; i = next) {
		next = i->next;
		json_free(i->result);
		json_free(i->kept);
		free(i);
	}
	free(o->dir);
	free(o->node);
	free(o->grid);
	*o = (struct outbox){0};
}
