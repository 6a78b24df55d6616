#include "schema/limit.h"
#include "base/clock.h"
#include "schema/fit.h"
#include <stdio.h>
#include <string.h>

static const char label_key[] = "label:", submitter_key[] = "submitter:";

/* The rest behind a prefix; NULL: it is not there. */
static const char *behind(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(key, prefix, n) ? NULL : key + n;
}

/* What the settings say of prefix and name; -1: nothing. */
static int64_t said(const struct grid_config *c, const char *prefix, const char *name)
{
	for (size_t i = 0; i < c->n_concurrency; i++) {
		const char *rest = behind(c->concurrency[i].name, prefix);
		if (rest && !strcmp(rest, name))
			return c->concurrency[i].most;
	}
	return -1;
}

const char *limit_submitter(const struct json *task)
{
	const char *signer = json_str(json_get(task, "claim"), "signed_by"), *name = json_str(task, "submitted_by");
	return signer ? signer : name ? name : "";
}

static bool has_label(const struct json *task, const char *label)
{
	const struct json *labels = json_get(task, "labels");
	for (const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !strcmp(v->text, label))
			return true;
	return false;
}

bool limit_at(const struct grid_config *c, const struct json *task, size_t i, struct limit *out)
{
	const char *group = json_str(task, "concurrency_group");
	const struct json *labels = json_get(task, "labels");
	if (group && !i--) {
		int64_t most = said(c, "", group), own = json_int(task, "max_running", 0);
		if (own > 0 && (most < 0 || own < most))
			most = own;
		*out = (struct limit){LIMIT_GROUP, group, most < 0 ? 1 : most};
		return true;
	}
	for (const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL; v; v = v->next) {
		int64_t most = v->type == JSON_STRING ? said(c, label_key, v->text) : -1;
		if (most < 0 || i--)
			continue;
		*out = (struct limit){LIMIT_LABEL, v->text, most};
		return true;
	}
	const char *who = limit_submitter(task);
	int64_t most = said(c, submitter_key, who);
	most = most < 0 ? said(c, submitter_key, "*") : most;
	*out = (struct limit){LIMIT_SUBMITTER, who, most};
	return most >= 0 && !i;
}

bool limit_counts(const struct limit *l, const struct json *task)
{
	const char *group;
	switch (l->kind) {
	case LIMIT_GROUP:
		group = json_str(task, "concurrency_group");
		return group && !strcmp(group, l->of);
	case LIMIT_LABEL:
		return has_label(task, l->of);
	case LIMIT_SUBMITTER:
		break;
	}
	return !strcmp(limit_submitter(task), l->of);
}

size_t limit_count(const struct limit *l, const struct json *const *running, size_t n, size_t *first)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (limit_counts(l, running[i]) && !count++ && first)
			*first = i;
	return count;
}

bool limit_room(const struct grid_config *c, const struct json *task, const struct json *const *running, size_t n,
		struct limit *full)
{
	struct limit l;
	for (size_t i = 0; limit_at(c, task, i, &l); i++)
		if ((int64_t)limit_count(&l, running, n, NULL) >= l.most) {
			if (full)
				*full = l;
			return false;
		}
	return true;
}

const char *limit_name(const struct limit *l, char out[LIMIT_NAME])
{
	static const char *const prefix[] = {"", label_key, submitter_key};
	snprintf(out, LIMIT_NAME, "%s%.120s", prefix[l->kind], *l->of ? l->of : "(nobody)");
	return out;
}

struct json *limit_brief(const struct json *task, const char *signer)
{
	static const char *const kept[] = {"concurrency_group", "max_running", "labels", "submitted_by"};
	static const char *const claimed[] = {"node", "claimed_at", "signed_by"};
	const struct json *claim = json_get(task, "claim");
	struct json *brief = json_new(JSON_OBJECT), *of = json_new(JSON_OBJECT);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (json_get(task, kept[i]))
			json_set(brief, kept[i], json_copy(json_get(task, kept[i])));
	fit_brief(brief, task);
	for (size_t i = 0; i < sizeof claimed / sizeof *claimed; i++)
		if (json_str(claim, claimed[i]))
			json_set(of, claimed[i], json_new_str(json_str(claim, claimed[i])));
	if (signer && *signer)
		json_set(of, "signed_by", json_new_str(signer));
	json_set(brief, "claim", of);
	return brief;
}

void limit_judge(const struct json *doc, struct problems *p)
{
	static const char *const of_group[] = {"max_running", "supersede"};
	const struct json *after = json_get(doc, "start_after"), *until = json_get(doc, "deadline");
	int64_t from, to;
	for (size_t i = 0; i < sizeof of_group / sizeof *of_group; i++) {
		const struct json *m = json_get(doc, of_group[i]);
		if (m && !json_get(doc, "concurrency_group"))
			problem_in(p, m->line, m->col, m->name,
				   "without \"concurrency_group\" (expected both, or neither)");
	}
	if (after && until && after->text && until->text && !clock_parse(after->text, &from) &&
	    !clock_parse(until->text, &to) && to <= from)
		problem_in(p, until->line, until->col, "deadline",
			   "\"%.40s\" is not valid (expected a time after start_after)", until->text);
}
