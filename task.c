#include "task.h"
#include "clock.h"
#include <stdlib.h>
#include <string.h>

#define STORY_BYTES 512 /* of stderr kept for an attempt that was not the last */

static const char *const state_names[] = {"unapproved", "queue", "in_progress", "completed", "failed"};

const char *task_state_name(enum task_state s)
{
	return state_names[s];
}

bool task_id_valid(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n >= 1 && n <= 64 && !id[n];
}

static void wrong(struct problems *p, const struct json *m, const char *expected)
{
	problem_at(p, m->line, m->col, "%s: expected %s, found %s", m->name, expected, json_type_name(m->type));
}

static bool clean_string(const struct json *m)
{
	return m->type == JSON_STRING && strlen(m->text) == m->len;
}

static void check_env(const struct json *m, struct problems *p)
{
	if (m->type != JSON_OBJECT) {
		wrong(p, m, "an object of strings");
		return;
	}
	for (const struct json *v = m->child; v; v = v->next) {
		size_t n = strspn(v->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
		if (!n || v->name[n] || n != v->name_len || (v->name[0] >= '0' && v->name[0] <= '9'))
			problem_at(p, v->name_line, v->name_col, "env: \"%s\" is not a variable name", v->name);
		else if (!clean_string(v))
			problem_at(p, v->line, v->col, "env: %s: expected a string without NUL", v->name);
	}
}

static void check_int(const struct json *m, int64_t min, int64_t max, int64_t *out, struct problems *p)
{
	int64_t n;
	if (json_to_int(m, &n) || n < min || n > max)
		problem_at(p, m->line, m->col, "%s: expected a whole number from %lld to %lld", m->name, (long long)min,
			   (long long)max);
	else
		*out = n;
}

static void check_member(struct task *t, const struct json *m, const struct grid_config *c, const char *file_id,
			 bool submitted, struct problems *p)
{
	static const char *const strings[] = {"description", "submitted_by", "created_at", NULL};
	static const char *const ours[] = {"claim", "attempts", "result", "cancel", "not_before", NULL};
	const char *k = m->name;
	for (int i = 0; strings[i]; i++)
		if (!strcmp(k, strings[i])) {
			if (m->type != JSON_STRING)
				wrong(p, m, "a string");
			return;
		}
	for (int i = 0; ours[i]; i++)
		if (!strcmp(k, ours[i])) {
			if (submitted)
				problem_at(p, m->name_line, m->name_col, "%s: only dgrid writes this field", k);
			return;
		}
	if (!strcmp(k, "task_id")) {
		if (!clean_string(m) || !task_id_valid(m->text))
			problem_at(p, m->line, m->col, "task_id: expected 1-64 of A-Z a-z 0-9 _ -");
		else if (file_id && strcmp(m->text, file_id) != 0)
			problem_at(p, m->line, m->col, "task_id: \"%s\" differs from the file name (expected \"%s\")",
				   m->text, file_id);
		t->id = m->text;
	} else if (!strcmp(k, "script")) {
		if (!clean_string(m) || !m->len)
			problem_at(p, m->line, m->col, "script: expected a non-empty string without NUL");
		else if (m->len > TASK_SCRIPT_MAX)
			problem_at(p, m->line, m->col, "script: %zu bytes, at most %d are allowed", m->len,
				   TASK_SCRIPT_MAX);
		t->script = m->text;
	} else if (!strcmp(k, "timeout_seconds"))
		check_int(m, c->min_timeout_seconds, c->max_timeout_seconds, &t->timeout_seconds, p);
	else if (!strcmp(k, "priority"))
		check_int(m, 0, 9, &t->priority, p);
	else if (!strcmp(k, "max_attempts"))
		check_int(m, 1, 10, &t->max_attempts, p);
	else if (!strcmp(k, "memory_mb"))
		check_int(m, 4, c->max_memory_mb, &t->memory_mb, p);
	else if (!strcmp(k, "pids"))
		check_int(m, 3, c->max_pids, &t->pids, p);
	else if (!strcmp(k, "retry_on_failure")) {
		if (m->type != JSON_BOOL)
			wrong(p, m, "true or false");
		t->retry_on_failure = m->boolean;
	} else if (!strcmp(k, "cpus")) {
		t->cpus = m->type == JSON_NUMBER ? strtod(m->text, NULL) : -1;
		if (!(t->cpus >= 0.01 && t->cpus <= c->max_cpus))
			problem_at(p, m->line, m->col, "cpus: expected a number from 0.01 to %g", c->max_cpus);
	} else if (!strcmp(k, "image")) {
		bool known = false;
		for (int i = 0; c->images[i] && clean_string(m); i++)
			known = known || !strcmp(m->text, c->images[i]);
		if (!known)
			problem_at(p, m->line, m->col, "image: expected one of the images in grid.json");
		t->image = m->text;
	} else if (!strcmp(k, "env"))
		check_env(m, p);
	else if (!strcmp(k, "labels")) {
		if (m->type != JSON_ARRAY)
			wrong(p, m, "a list of strings");
		else
			for (const struct json *v = m->child; v; v = v->next)
				if (!clean_string(v) || !task_id_valid(v->text))
					problem_at(p, v->line, v->col,
						   "labels: expected a string of 1-64 of A-Z a-z 0-9 _ -");
	} else if (strcmp(k, "metadata") != 0 && strncmp(k, "x-", 2) != 0)
		problem_at(p, m->name_line, m->name_col, "%s: unknown field (a typo? fields of your own begin with x-)",
			   k);
}

int task_parse(struct task *t, const char *text, size_t len, const char *file_id, const struct grid_config *c,
	       bool submitted, struct problems *p)
{
	struct json_error je;
	size_t before = p->n;
	*t = (struct task){.priority = 5,
			   .max_attempts = TASK_MAX_ATTEMPTS,
			   .memory_mb = c->max_memory_mb,
			   .pids = c->max_pids,
			   .cpus = c->max_cpus,
			   .image = c->images[0]};
	if (len > TASK_FILE_MAX) {
		problem_at(p, 1, 1, "%zu bytes, a task file may have %d", len, TASK_FILE_MAX);
		return -1;
	}
	t->doc = json_parse(text, len, &je);
	if (!t->doc)
		problem_at(p, je.line, je.col, "%s", je.msg);
	else if (t->doc->type != JSON_OBJECT)
		problem_at(p, t->doc->line, t->doc->col, "expected an object, found %s", json_type_name(t->doc->type));
	else {
		static const char *const required[] = {"task_id", "script", "timeout_seconds", NULL};
		for (const struct json *m = t->doc->child; m; m = m->next)
			check_member(t, m, c, file_id, submitted, p);
		for (int i = 0; required[i]; i++)
			if (!json_get(t->doc, required[i]))
				problem_at(p, t->doc->line, t->doc->col, "%s: missing, every task needs it",
					   required[i]);
	}
	if (p->n == before) {
		t->not_before = task_not_before(t->doc);
		return 0;
	}
	task_clear(t);
	return -1;
}

void task_clear(struct task *t)
{
	json_free(t->doc);
	*t = (struct task){0};
}

bool task_runs_on(const struct task *t, char *const *labels, size_t n_labels)
{
	const struct json *wanted = json_get(t->doc, "labels");
	for (const struct json *v = wanted ? wanted->child : NULL; v; v = v->next) {
		bool has = false;
		for (size_t i = 0; i < n_labels && !has; i++)
			has = !strcmp(labels[i], v->text);
		if (!has)
			return false;
	}
	return true;
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
		n = outcome && !strcmp(outcome, "retried") ? 0 : n + (!outcome || strcmp(outcome, "released") != 0);
	}
	return n;
}

static void set_time(struct json *object, const char *name, int64_t utc_seconds)
{
	char when[32];
	json_set(object, name, json_new_str(clock_format(utc_seconds, when)));
}

static int64_t get_time(const struct json *object, const char *name)
{
	int64_t t;
	const char *text = json_str(object, name);
	return text && !clock_parse(text, &t) ? t : 0;
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

void task_renew_claim(struct json *doc, int64_t lease_seconds)
{
	const struct json *claim = json_get(doc, "claim");
	if (!claim || claim->type != JSON_OBJECT)
		return;
	struct json *renewed = json_copy(claim);
	set_time(renewed, "lease_until", clock_now() + lease_seconds);
	json_set(doc, "claim", renewed);
}

int64_t task_lease_until(const struct json *doc)
{
	return get_time(json_get(doc, "claim"), "lease_until");
}

void task_set_not_before(struct json *doc, int64_t utc_seconds)
{
	set_time(doc, "not_before", utc_seconds);
}

int64_t task_not_before(const struct json *doc)
{
	return get_time(doc, "not_before");
}

int64_t task_max_attempts(const struct json *doc)
{
	return json_int(doc, "max_attempts", TASK_MAX_ATTEMPTS);
}

/* What is worth keeping of a run that is not the last: how it ended, and the end of its error output. */
static void tell_story(struct json *entry, const struct json *result)
{
	static const char *const kept[] = {"exit_code", "signal", "duration_ms", NULL};
	const struct json *err = json_get(result, "stderr");
	for (int i = 0; kept[i]; i++)
		if (json_get(result, kept[i]))
			json_set(entry, kept[i], json_copy(json_get(result, kept[i])));
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
	const struct json *list = json_get(doc, "attempts");
	struct json *entry = json_new(JSON_OBJECT);
	struct json *all = list && list->type == JSON_ARRAY ? json_copy(list) : json_new(JSON_ARRAY);
	set_time(entry, "ended_at", clock_now());
	json_set(entry, "outcome", json_new_str("retried"));
	json_set(entry, "by", json_new_str(by));
	json_append(all, entry);
	json_set(doc, "attempts", all);
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
