#include "schema/task_edit.h"
#include "base/clock.h"
#include <string.h>

#define STORY_BYTES 512 /* of stderr kept for an attempt that was not the last */

bool task_id_valid(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n >= 1 && n <= 64 && !id[n];
}

const char *task_claim_nonce(const struct json *doc)
{
	return json_str(json_get(doc, "claim"), "nonce");
}

int64_t task_attempts_used(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts");
	int64_t n = 0;
	for (const struct json *a = list ? list->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		bool free_of_charge = outcome && (!strcmp(outcome, "released") || !strcmp(outcome, "voted"));
		n = outcome && !strcmp(outcome, "retried") ? 0 : n + !free_of_charge;
	}
	return n;
}

static void set_time(struct json *object, const char *name, int64_t utc_seconds)
{
	char when[32];
	json_set(object, name, json_new_str(clock_format(utc_seconds, when)));
}

void task_set_claim(struct json *doc, const char *node, const char *nonce, int64_t lease_seconds)
{
	int64_t now = clock_now();
	struct json *claim = json_new(JSON_OBJECT);
	json_set(claim, "node", json_new_str(node));
	json_set(claim, "attempt", json_new_int(task_attempts_used(doc) + 1));
	json_set(claim, "nonce", json_new_str(nonce));
	set_time(claim, "claimed_at", now);
	set_time(claim, "lease_until", now + lease_seconds);
	json_remove(doc, "not_before");
	json_set(doc, "claim", claim);
}

void task_claim_add(struct json *doc, const char *name, struct json *value)
{
	struct json *claim = json_copy(json_get(doc, "claim"));
	json_set(claim, name, value);
	json_set(doc, "claim", claim);
}

void task_renew_claim(struct json *doc, int64_t lease_seconds)
{
	const struct json *claim = json_get(doc, "claim");
	int64_t until = clock_now() + lease_seconds;
	if (!claim || claim->type != JSON_OBJECT)
		return;
	struct json *renewed = json_copy(claim);
	if (until > task_lease_until(doc)) /* one that was claimed ahead may have a longer one */
		set_time(renewed, "lease_until", until);
	json_set(doc, "claim", renewed);
}

int64_t task_lease_until(const struct json *doc)
{
	return json_time(json_get(doc, "claim"), "lease_until");
}

void task_fault_engine(struct json *doc)
{
	const struct json *list = json_get(doc, "attempts");
	struct json *entry = list ? list->child : NULL;
	while (entry && entry->next)
		entry = entry->next;
	if (entry)
		json_set(entry, "fault", json_new_str("engine"));
}

int64_t task_engine_faults(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts");
	int64_t n = 0;
	for (const struct json *a = list ? list->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome"), *fault = json_str(a, "fault");
		if (outcome && !strcmp(outcome, "retried"))
			n = 0;
		n += outcome && !strcmp(outcome, "released") && fault && !strcmp(fault, "engine");
	}
	return n;
}

int64_t task_left_until(const struct json *doc, const char *node)
{
	static const char *const failures[] = {"failed", "timeout", "oom", "lost", "unstartable"};
	const struct json *list = json_get(doc, "attempts");
	const struct json *last = list && list->type == JSON_ARRAY ? list->child : NULL;
	while (last && last->next)
		last = last->next;
	const char *outcome = json_str(last, "outcome"), *of = json_str(last, "node");
	if (!outcome || !of || strcmp(of, node) != 0)
		return 0;
	size_t i = 0;
	while (i < sizeof failures / sizeof *failures && strcmp(outcome, failures[i]) != 0)
		i++;
	int64_t ended = json_time(last, "ended_at"), ready = task_ready_at(doc);
	if (i == sizeof failures / sizeof *failures || !ended)
		return 0;
	return (ready > ended ? ready : ended) + TASK_LEFT_SECONDS;
}

void task_set_not_before(struct json *doc, int64_t utc_seconds)
{
	set_time(doc, "not_before", utc_seconds);
}

int64_t task_not_before(const struct json *doc)
{
	return json_time(doc, "not_before");
}

int64_t task_ready_at(const struct json *doc)
{
	int64_t wait = task_not_before(doc), start = json_time(doc, "start_after");
	return wait > start ? wait : start;
}

int64_t task_deadline(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts");
	for (const struct json *a = list ? list->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		if (outcome && !strcmp(outcome, "retried"))
			return 0;
	}
	return json_time(doc, "deadline");
}

int64_t task_max_attempts(const struct json *doc)
{
	return json_int(doc, "max_attempts", TASK_MAX_ATTEMPTS);
}

/* What is worth keeping of a run that is not the last: how it ended, and the end of its error output. */
static void tell_story(struct json *entry, const struct json *result)
{
	static const char *const kept[] = {"exit_code",	  "signal", "ended_by",	 "usage",
					   "duration_ms", "out",    "out_error", NULL};
	const struct json *err = json_get(result, "stderr");
	for (int i = 0; kept[i]; i++)
		if (json_get(result, kept[i]))
			json_set(entry, kept[i], json_copy(json_get(result, kept[i])));
	if (json_get(result, "reason") && !json_get(entry, "reason"))
		json_set(entry, "reason", json_copy(json_get(result, "reason")));
	if (err && err->type == JSON_STRING && err->len) {
		size_t from = err->len > STORY_BYTES ? err->len - STORY_BYTES : 0;
		while (from < err->len && ((unsigned char)err->text[from] & 0xC0) == 0x80)
			from++; /* not inside a character */
		json_set(entry, "stderr_tail", json_new_strn(err->text + from, err->len - from));
	}
}

void task_end_claim(struct json *doc, const char *outcome, const char *reason, const struct json *result)
{
	const struct json *claim = json_get(doc, "claim");
	const struct json *list = json_get(doc, "attempts");
	struct json *entry = claim && claim->type == JSON_OBJECT ? json_copy(claim) : json_new(JSON_OBJECT);
	struct json *all = list && list->type == JSON_ARRAY ? json_copy(list) : json_new(JSON_ARRAY);
	set_time(entry, "ended_at", clock_now());
	json_set(entry, "outcome", json_new_str(outcome));
	if (reason)
		json_set(entry, "reason", json_new_str(reason));
	if (result)
		tell_story(entry, result);
	json_append(all, entry);
	json_remove(doc, "claim");
	json_set(doc, "attempts", all);
}

void task_retried(struct json *doc, const char *by)
{
	static const char *const used[] = {"usage", "duration_ms", NULL};
	const struct json *list = json_get(doc, "attempts");
	struct json *entry = json_new(JSON_OBJECT);
	struct json *all = list && list->type == JSON_ARRAY ? json_copy(list) : json_new(JSON_ARRAY);
	set_time(entry, "ended_at", clock_now());
	json_set(entry, "outcome", json_new_str("retried"));
	json_set(entry, "by", json_new_str(by));
	const struct json *outliers = json_get(json_get(json_get(doc, "result"), "quorum"), "outliers");
	if (outliers && outliers->type == JSON_ARRAY && outliers->child)
		json_set(entry, "outliers", json_copy(outliers));
	/* What it used counts, though its result goes. */
	for (int i = 0; used[i]; i++)
		if (json_get(json_get(doc, "result"), used[i]))
			json_set(entry, used[i], json_copy(json_get(json_get(doc, "result"), used[i])));
	json_append(all, entry);
	json_set(doc, "attempts", all);
	json_remove(doc, "result");
}

void task_retried_ends(const struct json *doc, int64_t *completed, int64_t *failed)
{
	const struct json *list = json_get(doc, "attempts");
	const char *before = NULL;
	*completed = *failed = 0;
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next) {
		const char *outcome = json_str(a, "outcome");
		if (outcome && !strcmp(outcome, "retried"))
			++*(before && !strcmp(before, "success") ? completed : failed);
		before = outcome;
	}
}

void task_set_verdict(struct json *doc, const char *status, const char *reason)
{
	const struct json *claim = json_get(doc, "claim");
	struct json *result = json_new(JSON_OBJECT);
	json_set(result, "status", json_new_str(status));
	if (reason)
		json_set(result, "reason", json_new_str(reason));
	if (json_str(claim, "node"))
		json_set(result, "node", json_new_str(json_str(claim, "node")));
	set_time(result, "finished_at", clock_now());
	if (claim)
		task_end_claim(doc, status, reason, NULL);
	json_set(doc, "result", result);
}

void task_set_because(struct json *doc, const char *id, const char *status)
{
	struct json *result = json_copy(json_get(doc, "result")), *because = json_new(JSON_OBJECT);
	json_set(because, "task", json_new_str(id));
	json_set(because, "status", json_new_str(status));
	json_set(result, "because", because);
	json_set(doc, "result", result);
}

bool task_expire(struct json *doc, int64_t now)
{
	int64_t deadline = task_deadline(doc);
	if (!deadline || now < deadline)
		return false;
	task_set_verdict(doc, "expired", "it was still queued at its deadline");
	return true;
}

void task_note_cancel(struct json *doc, const char *who)
{
	struct json *note = json_new(JSON_OBJECT);
	json_set(note, "by", json_new_str(who));
	set_time(note, "requested_at", clock_now());
	json_set(doc, "cancel", note);
}

struct json *task_invalid_doc(const char *id, const char *reasons, const char *text, size_t len, const char *node)
{
	char when[32];
	size_t kept = len > 10240 ? 10240 : len;
	struct json *doc = json_new(JSON_OBJECT), *result = json_new(JSON_OBJECT);
	json_set(doc, "task_id", json_new_str(id));
	json_set(result, "status", json_new_str("invalid"));
	json_set(result, "reason", json_new_str(reasons));
	json_set(result, "node", json_new_str(node));
	json_set(result, "finished_at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "result", result);
	json_set(doc, "x-original", json_new_strn(text, kept));
	json_set(doc, "x-original-bytes", json_new_int((int64_t)len));
	return doc;
}

char *task_text(const struct json *doc)
{
	struct buf b = {0};
	json_write(&b, doc, 2);
	buf_adds(&b, "\n");
	return buf_detach(&b);
}
