#include "schema/consent.h"
#include "schema/task_edit.h"
#include <stdio.h>
#include <string.h>

bool consent_asked(const struct json *task)
{
	return json_get(task, "secrets") || json_get(task, "network");
}

bool consent_signed(const struct grid_config *c, const struct json *task)
{
	return c->require_signed_tasks || consent_asked(task);
}

bool consent_digest(const struct json *task)
{
	const char *output = json_str(task, "output");
	return json_get(task, "secrets") || (output && !strcmp(output, "digest"));
}

bool consent_has(const struct json *names, const char *name)
{
	for (const struct json *v = names && names->type == JSON_ARRAY ? names->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !strcmp(v->text, name))
			return true;
	return false;
}

bool consent_offered(const struct json *networks, const struct json *secrets, const struct json *task, char what[100])
{
	const struct json *network = json_get(task, "network"), *wanted = json_get(task, "secrets");
	if (network && (network->type != JSON_STRING || !consent_has(networks, network->text))) {
		snprintf(what, 100, "the network %.64s", network->type == JSON_STRING ? network->text : "?");
		return false;
	}
	for (const struct json *w = wanted ? wanted->child : NULL; w; w = w->next)
		if (w->type != JSON_STRING || !consent_has(secrets, w->text)) {
			snprintf(what, 100, "the secret %.64s", w->type == JSON_STRING ? w->text : "?");
			return false;
		}
	return true;
}

bool consent_secrets_valid(const struct json *m, const struct json **at, char why[160])
{
	size_t n = 0;
	*at = m;
	snprintf(why, 160, "expected a list of 1-%d names", CONSENT_SECRETS_MAX);
	if (m->type != JSON_ARRAY || !m->child)
		return false;
	for (const struct json *v = m->child; v; v = v->next, n++) {
		*at = v;
		if (v->type != JSON_STRING || strlen(v->text) != v->len || !task_id_valid(v->text)) {
			snprintf(why, 160, "expected a secret's name: 1-64 of A-Z a-z 0-9 _ -");
			return false;
		}
		for (const struct json *o = m->child; o != v; o = o->next)
			if (!strcmp(o->text, v->text)) {
				snprintf(why, 160, "\"%s\" stands there twice", v->text);
				return false;
			}
	}
	*at = m;
	return n <= CONSENT_SECRETS_MAX;
}
