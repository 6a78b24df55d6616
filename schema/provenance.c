#include "schema/provenance.h"
#include "schema/input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 200
#define RESULT_NAME "result" /* among the by-products: the commit that brought it */

/* ---- making ---- */

/* A ResourceDescriptor. */
static struct json *resource(const char *name, const char *algorithm, const char *hex)
{
	struct json *j = json_new(JSON_OBJECT), *digest = json_new(JSON_OBJECT);
	json_set(digest, algorithm, json_new_str(hex));
	json_set(j, "name", json_new_str(name));
	json_set(j, "digest", digest);
	return j;
}

static void copy(struct json *to, const char *as, const struct json *from, const char *name)
{
	const struct json *m = json_get(from, name);
	if (m && m->type != JSON_NULL)
		json_set(to, as, json_copy(m));
}

static void add_stream(struct json *subject, const struct json *of, const char *before, const char *stream)
{
	char *sum = xasprintf("%s_sha256", stream), *name = xasprintf("%s%s", before, stream);
	if (json_str(of, sum))
		json_append(subject, resource(name, "sha256", json_str(of, sum)));
	free(sum);
	free(name);
}

static void add_streams(struct json *subject, const struct json *of, const char *before)
{
	add_stream(subject, of, before, "stdout");
	add_stream(subject, of, before, "stderr");
}

/* What came of it: the files, what it printed, and the document that says all this. */
static struct json *subjects(const struct provenance *p, const struct json *result)
{
	struct json *all = json_new(JSON_ARRAY);
	const struct json *points = json_get(result, "points");
	const char *tree = json_str(json_get(result, "out"), "tree");
	if (tree)
		json_append(all, resource("out", "gitTree", tree));
	add_streams(all, result, "");
	for (const struct json *x = points && points->type == JSON_ARRAY ? points->child : NULL; x; x = x->next) {
		char *before = xasprintf("points/%lld/", (long long)json_int(x, "point", -1));
		add_streams(all, x, before);
		free(before);
	}
	json_append(all, resource(p->result_path, "gitBlob", p->result_blob));
	return all;
}

/* The task as it was submitted, its script by hash. */
static struct json *external(const struct provenance *p, const struct json *result)
{
	struct json_error je;
	struct json *all = json_new(JSON_OBJECT), *task = json_parse(p->submitted, strlen(p->submitted), &je);
	if (task)
		json_remove(task, "script");
	json_set(all, "script", resource("script", "sha256", json_str(result, "script_sha256")));
	json_set(all, "task", task ? task : json_new(JSON_OBJECT));
	return all;
}

/* What the node and the settings gave it. */
static struct json *internal(const struct provenance *p, const struct json *result)
{
	static const char *const members[] = {"attempt", "engine", "image", "limits", "network", "quorum"};
	struct json *all = json_new(JSON_OBJECT);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		copy(all, members[i], result, members[i]);
	copy(all, "signed_by", json_get(p->claimed, "claim"), "signed_by");
	return all;
}

static struct json *dependencies(const struct provenance *p, const struct json *result)
{
	struct input in[INPUTS_MAX];
	struct json *all = json_new(JSON_ARRAY);
	const char *digest = json_str(result, "image_digest");
	json_append(all, resource("claim", "gitCommit", p->claim));
	json_append(all, resource(p->task_path, "gitBlob", p->task_blob));
	if (digest && *digest)
		json_append(all, resource("image", "sha256", digest + (strncmp(digest, "sha256:", 7) ? 0 : 7)));
	size_t n = inputs_of(p->claimed, in);
	inputs_pin(in, n, json_get(json_get(p->claimed, "claim"), "inputs"));
	for (size_t i = 0; i < n; i++) {
		if (!in[i].name || !in[i].tree)
			continue;
		char *name = xasprintf("in/%s", in[i].name);
		json_append(all, resource(name, "gitTree", in[i].tree));
		free(name);
	}
	const char *saved = json_str(json_get(json_get(p->claimed, "claim"), "checkpoint"), "tree");
	if (saved)
		json_append(all, resource("checkpoint", "gitTree", saved));
	return all;
}

static struct json *builder(const struct provenance *p, const struct json *result)
{
	struct json *j = json_new(JSON_OBJECT), *version = json_new(JSON_OBJECT);
	char *id = xasprintf("dgrid:grid/%s/node/%s", p->root, json_str(result, "node"));
	copy(version, "dgrid", p->node, "dgrid_version");
	copy(version, "engine", p->node, "engine_version");
	json_set(j, "id", json_new_str(id));
	json_set(j, "version", version);
	free(id);
	return j;
}

static struct json *details(const struct provenance *p, const struct json *result)
{
	struct json *j = json_new(JSON_OBJECT), *metadata = json_new(JSON_OBJECT), *by = json_new(JSON_ARRAY);
	copy(metadata, "invocationId", result, "nonce");
	copy(metadata, "startedOn", result, "started_at");
	copy(metadata, "finishedOn", result, "finished_at");
	/* Members beyond the schema bear their maker's name. */
	copy(metadata, "dgrid_status", result, "status");
	copy(metadata, "dgrid_exit_code", result, "exit_code");
	json_append(by, resource(RESULT_NAME, "gitCommit", p->result));
	json_set(j, "builder", builder(p, result));
	json_set(j, "metadata", metadata);
	json_set(j, "byproducts", by);
	return j;
}

struct json *provenance_make(const struct provenance *p, char why[200])
{
	static const char *const need[] = {"node", "nonce", "status", "started_at", "finished_at", "script_sha256"};
	const struct json *result = json_get(p->ended, "result");
	for (size_t i = 0; i < sizeof need / sizeof *need; i++)
		if (!json_str(result, need[i])) {
			const char *status = json_str(result, "status");
			snprintf(why, WHY_MAX, "it never ran%s%.40s: its result has no %s", status ? ", it is " : "",
				 status ? status : "", need[i]);
			return NULL;
		}
	struct json *j = json_new(JSON_OBJECT), *predicate = json_new(JSON_OBJECT), *build = json_new(JSON_OBJECT);
	json_set(build, "buildType", json_new_str(PROVENANCE_BUILD));
	json_set(build, "externalParameters", external(p, result));
	json_set(build, "internalParameters", internal(p, result));
	json_set(build, "resolvedDependencies", dependencies(p, result));
	json_set(predicate, "buildDefinition", build);
	json_set(predicate, "runDetails", details(p, result));
	json_set(j, "_type", json_new_str(PROVENANCE_STATEMENT));
	json_set(j, "subject", subjects(p, result));
	json_set(j, "predicateType", json_new_str(PROVENANCE_PREDICATE));
	json_set(j, "predicate", predicate);
	return j;
}

/* ---- reading ---- */

static bool is_oid(const char *text)
{
	size_t n = text ? strspn(text, "0123456789abcdef") : 0;
	return (n == 40 || n == 64) && !text[n];
}

bool provenance_of(const struct json *statement, const char **id, const char **commit, char why[200])
{
	const struct json *predicate = json_get(statement, "predicate"),
			  *build = json_get(predicate, "buildDefinition"),
			  *by = json_get(json_get(predicate, "runDetails"), "byproducts");
	const char *type = json_str(statement, "_type"), *of = json_str(statement, "predicateType"),
		   *kind = json_str(build, "buildType");
	*commit = NULL;
	*id = json_str(json_get(json_get(build, "externalParameters"), "task"), "task_id");
	for (const struct json *x = by && by->type == JSON_ARRAY ? by->child : NULL; x && !*commit; x = x->next)
		if (json_str(x, "name") && !strcmp(json_str(x, "name"), RESULT_NAME))
			*commit = json_str(json_get(x, "digest"), "gitCommit");
	why[0] = 0;
	if (!type || strcmp(type, PROVENANCE_STATEMENT) != 0)
		snprintf(why, WHY_MAX, "_type: expected \"" PROVENANCE_STATEMENT "\"");
	else if (!of || strcmp(of, PROVENANCE_PREDICATE) != 0)
		snprintf(why, WHY_MAX, "predicateType: expected \"" PROVENANCE_PREDICATE "\"");
	else if (!kind || strcmp(kind, PROVENANCE_BUILD) != 0)
		snprintf(why, WHY_MAX, "predicate.buildDefinition.buildType: expected \"" PROVENANCE_BUILD "\"");
	else if (!*id)
		snprintf(why, WHY_MAX,
			 "predicate.buildDefinition.externalParameters.task.task_id: expected a task's id");
	else if (!is_oid(*commit))
		snprintf(why, WHY_MAX,
			 "predicate.runDetails.byproducts: expected the commit of the result (\"name\": \"" RESULT_NAME
			 "\", \"digest\": {\"gitCommit\": ...})");
	return !why[0];
}

struct comparing {
	void *ctx;
	void (*tell)(void *ctx, const char *path, const struct json *found, const struct json *expected);
};

static bool equal_texts(const struct json *a, const struct json *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->text, b->text, a->len));
}

/* It goes no deeper than found and expected both go: the one is our own. */
static void compare(const struct comparing *c, const char *path, const struct json *found, const struct json *expected)
{
	size_t i = 0;
	if (!found || !expected || found->type != expected->type ||
	    (found->type == JSON_BOOL && found->boolean != expected->boolean) ||
	    ((found->type == JSON_STRING || found->type == JSON_NUMBER) && !equal_texts(found, expected))) {
		if (found || expected)
			c->tell(c->ctx, path, found, expected);
	} else if (found->type == JSON_ARRAY) {
		const struct json *x = found->child, *y = expected->child;
		for (; x || y; x = x ? x->next : NULL, y = y ? y->next : NULL, i++) {
			char *at = xasprintf("%s[%zu]", path, i);
			compare(c, at, x, y);
			free(at);
		}
	} else if (found->type == JSON_OBJECT) {
		const char *dot = *path ? "." : "";
		for (const struct json *y = expected->child; y; y = y->next) {
			char *at = xasprintf("%s%s%s", path, dot, y->name);
			compare(c, at, json_get(found, y->name), y);
			free(at);
		}
		for (const struct json *x = found->child; x; x = x->next) {
			char *at = xasprintf("%s%s%s", path, dot, x->name);
			if (strlen(x->name) != x->name_len || !json_get(expected, x->name))
				compare(c, at, x, NULL);
			free(at);
		}
	}
}

void provenance_compare(const struct json *found, const struct json *expected, void *ctx,
			void (*on_difference)(void *ctx, const char *path, const struct json *found,
					      const struct json *expected))
{
	const struct comparing c = {.ctx = ctx, .tell = on_difference};
	compare(&c, "", found, expected);
}
