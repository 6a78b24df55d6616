#include "audit/rules_result.h"
#include "store/places.h"
#include "store/pointer.h"
#include <string.h>

#define MB INT64_C(1048576)
#define DAY_SECONDS 86400
#define FILES_MAX 100000 /* as grid.json may allow at most */

static int64_t count(const struct json *object, const char *name)
{
	int64_t n;
	return json_get(object, name) && !json_to_int(json_get(object, name), &n) && n >= 0 ? n : -1;
}

static void judge_ref(const struct rule_move *m, const struct json *out, int64_t ended)
{
	const char *ref = json_str(out, "ref"), *node = json_str(m->claim, "node");
	struct place_out place;
	if (!ref || !place_out_parse(ref, &place))
		rule_say(m, RULE_OUT_FORM, "out does not say on which ref its files stand");
	else if (!node || strcmp(place.node, node) != 0)
		rule_say(m, RULE_OUT_FORM, "the files of %s's run stand on a ref of %s", node ? node : "nobody",
			 place.node);
	else if (place.day_at > m->c->at + rule_tolerance(m->rules))
		rule_say(m, RULE_OUT_FORM, "its files stand under %s, a day that was still to come", place.day);
	else if (ended && place.day_at + DAY_SECONDS + rule_tolerance(m->rules) < ended)
		rule_say(m, RULE_OUT_FORM, "its files stand under %s, a day before the run ended", place.day);
}

/* What a store has of its files. */
static void judge_stored(const struct rule_move *m, const struct json *out, int64_t most_mb)
{
	const struct json *stored = json_get(out, "stored");
	const struct grid_config *c;
	int64_t files = count(stored, "files"), bytes = count(stored, "bytes"), over = count(stored, "over_mb");
	int64_t claimed = json_time(m->claim, "claimed_at");
	bool set = false;
	if (!stored || !rule_fields(m, FIELD_STORED, stored))
		return;
	for (size_t n = 0; !set && (c = rule_settings(m, n, claimed)); n++)
		set = c->large_file_mb == over;
	if (files < 1 || files > count(out, "files") || bytes < 1 || over < 1)
		rule_say(m, RULE_OUT_FORM, "out does not count what of its files a store has");
	else if (bytes > most_mb * MB || bytes - files * POINTER_TEXT > most_mb * MB - count(out, "bytes"))
		rule_say(m, RULE_OUT_FORM, "it left %lld bytes in a store, and was allowed %lld MB in all",
			 (long long)bytes, (long long)most_mb);
	else if (!set && !m->rules->world.unknown)
		rule_say(m, RULE_OUT_FORM,
			 "files of it over %lld MB went to a store, which is no large_file_mb of the settings",
			 (long long)over);
	else if (bytes <= over * MB)
		rule_say(m, RULE_OUT_FORM, "none of the files that it left in a store can be over %lld MB",
			 (long long)over);
	else if (json_int(m->claim, "replicas", 1) > 1)
		rule_say(m, RULE_OUT_FORM, "several nodes ran it, and what it left is in a store");
}

void rules_out(const struct rule_move *m, const struct json *told, const char *ended)
{
	const struct json *out = json_get(told, "out"), *error = json_get(told, "out_error"), *asked;
	const char *tree = json_str(out, "tree");
	int64_t files = count(out, "files"), bytes = count(out, "bytes"), most = CONFIG_FILES_MB;
	if (error && (out || error->type != JSON_STRING || !error->len))
		rule_say(m, RULE_OUT_FORM, "out_error is no text, or stands beside out");
	if (!out || !rule_fields(m, FIELD_OUT, out))
		return;
	/* What a run was given stands in its result; an entry of attempts has no limits of its own. */
	if (json_get(told, "limits"))
		most = json_int(json_get(told, "limits"), "out_mb", 0);
	asked = json_get(m->new, "out_mb");
	if (asked && json_int(m->new, "out_mb", 0) < most)
		most = json_int(m->new, "out_mb", 0);
	if (!asked && json_get(m->new, "secrets"))
		most = 0;
	if (!place_oid_valid(tree) || strlen(tree) != strlen(m->c->id))
		rule_say(m, RULE_OUT_FORM, "out names no tree");
	else if (files < 1 || files > FILES_MAX || bytes < 0 ||
		 (json_get(out, "left_out") && count(out, "left_out") < 1))
		rule_say(m, RULE_OUT_FORM, "out does not count its files and bytes");
	else if (most < 1 || bytes > (most < CONFIG_GIT_MB ? most : CONFIG_GIT_MB) * MB)
		rule_say(m, RULE_OUT_FORM, "it left %lld bytes, and was allowed %lld MB", (long long)bytes,
			 (long long)most);
	else if (rule_text_is(told, "status", "disputed")) {
		if (json_get(out, "ref"))
			rule_say(m, RULE_OUT_FORM, "a disputed result shows one node's files");
	} else {
		judge_ref(m, out, json_time(told, ended));
		judge_stored(m, out, most);
	}
}
