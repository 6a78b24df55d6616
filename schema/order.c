#include "schema/order.h"
#include "base/clock.h"
#include <stdio.h>
#include <string.h>

struct json *order_parse(const char *text, size_t len)
{
	struct json_error je;
	struct json *doc = text ? json_parse(text, len, &je) : NULL;
	if (doc && doc->type == JSON_OBJECT)
		return doc;
	json_free(doc);
	doc = json_new(JSON_OBJECT);
	json_set(doc, "reason", json_new_str("its file is no object in JSON"));
	return doc;
}

const char *order_words(const char *did, const struct json *order, char out[ORDER_WORDS])
{
	const char *by = json_str(order, "by"), *at = json_str(order, "at"), *reason = json_str(order, "reason");
	snprintf(out, ORDER_WORDS, "%.16s%s%.64s%s%.32s%s%.*s", did, by ? " by " : "", by ? by : "",
		 at ? " since " : "", at ? at : "", reason ? ": " : "", ORDER_REASON_MAX, reason ? reason : "");
	return out;
}

bool order_releases(const struct json *drain)
{
	const struct json *r = json_get(drain, "release");
	return r && r->type == JSON_BOOL && r->boolean;
}

/* Adds who, when and why. */
static struct json *say(struct json *o, const char *by, const char *reason)
{
	char when[32];
	json_set(o, "by", json_new_str(by));
	json_set(o, "at", json_new_str(clock_format(clock_now(), when)));
	if (reason && *reason)
		json_set(o, "reason", json_new_str(reason));
	return o;
}

static struct json *file(void)
{
	struct json *doc = json_new(JSON_OBJECT);
	json_set(doc, "schema", json_new_int(1));
	return doc;
}

struct json *order_drain(const char *by, const char *reason, bool release)
{
	struct json *o = say(file(), by, reason);
	if (release)
		json_set(o, "release", json_new_bool(true));
	return o;
}

struct json *order_retirement(const char *by, const char *reason, const struct strs *keys)
{
	struct json *o = say(file(), by, reason), *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < keys->n; i++)
		json_append(list, json_new_str(keys->v[i]));
	if (keys->n)
		json_set(o, "keys", list);
	else
		json_free(list);
	return o;
}

struct json *order_pause(const char *by, const char *reason, const char *kind, const char *name)
{
	struct json *o = json_new(JSON_OBJECT);
	if (kind)
		json_set(o, kind, json_new_str(name));
	return say(o, by, reason);
}

struct json *order_pauses(const struct json *list)
{
	struct json *doc = file();
	json_set(doc, "pauses", json_copy(list));
	return doc;
}

bool order_reason_valid(const char *reason)
{
	const char *p = reason;
	while (*p && (unsigned char)*p >= ' ' && *p != 127)
		p++;
	return !*p && p - reason <= ORDER_REASON_MAX;
}

/* ---- the queue ---- */

bool order_pauses_many(const struct json *list)
{
	int n = 0;
	for (const struct json *one = list->child; one && n <= ORDER_PAUSES_MAX; one = one->next)
		n++;
	return n > ORDER_PAUSES_MAX;
}

static const struct json *list_of(const struct json *paused)
{
	const struct json *list = json_get(paused, "pauses");
	return list && list->type == JSON_ARRAY && !order_pauses_many(list) ? list : NULL;
}

const struct json *order_pause_at(const struct json *paused, size_t i)
{
	const struct json *list = list_of(paused);
	const struct json *one = list ? list->child : i ? NULL : paused;
	while (list && one && i--)
		one = one->next;
	return one;
}

static bool labelled(const struct json *task, const char *label)
{
	const struct json *labels = json_get(task, "labels");
	const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL;
	while (v && (v->type != JSON_STRING || strcmp(v->text, label) != 0))
		v = v->next;
	return v != NULL;
}

const struct json *order_pause_of(const struct json *paused, const struct json *task)
{
	const struct json *one;
	const char *own = json_str(task, "group");
	for (size_t i = 0; (one = order_pause_at(paused, i)); i++) {
		const char *group = json_str(one, "group"), *label = json_str(one, "label");
		if ((!group && !label) || (group && own && !strcmp(own, group)) || (label && labelled(task, label)))
			return one;
	}
	return NULL;
}

const char *order_pause_name(const struct json *pause, char out[ORDER_NAME])
{
	const char *group = json_str(pause, "group"), *label = json_str(pause, "label");
	if (group || label)
		snprintf(out, ORDER_NAME, "the %s %.128s", group ? "group" : "label", group ? group : label);
	else
		snprintf(out, ORDER_NAME, "the whole queue");
	return out;
}

/* ---- retired nodes ---- */

bool order_had_key(const struct json *retired, const char *text)
{
	const struct json *keys = json_get(retired, "keys");
	const struct json *k = keys && keys->type == JSON_ARRAY ? keys->child : NULL;
	while (k && (k->type != JSON_STRING || strcmp(k->text, text) != 0))
		k = k->next;
	return k != NULL;
}
