#include "audit/rules_run.h"
#include "audit/rerun.h"
#include "schema/consent.h"
#include "schema/result.h"
#include <stdlib.h>
#include <string.h>

#define SLACK_SECONDS 60 /* between two clocks of one machine, one of which may be set meanwhile */

/* ---- how long ---- */

/* from, to: UTC seconds, as the same machine tells them. */
static void judge_duration(const struct rule_move *m, const struct json *of, const char *status, int64_t from,
			   int64_t to)
{
	int64_t ms = json_int(of, "duration_ms", 0),
		slack = m->rules->world.config.max_clock_skew_seconds + SLACK_SECONDS;
	char why[200];
	if (from && to && ms / 1000 > to - from + slack)
		rule_say(m, RULE_RESULT_PARTS, "it ran for %lld s, and from its start to its end are %lld s",
			 (long long)ms / 1000, (long long)(to - from));
	else if (!strcmp(status, "timeout") && result_early(m->old, of, why))
		rule_say(m, RULE_RESULT_PARTS, "%s", why);
}

/* ---- by the task ---- */

static bool is_one_of(const char *text, char *const *list)
{
	while (*list && strcmp(*list, text) != 0)
		list++;
	return *list != NULL;
}

static void judge_image(const struct rule_move *m, const struct json *result, int64_t claimed)
{
	const char *engine = json_str(result, "engine"), *image = json_str(result, "image"),
		   *own = json_str(m->old, "image");
	const struct grid_config *c;
	bool good = false;
	if (!engine || !image)
		return; /* result.parts has told */
	bool bwrap = !strcmp(engine, "bwrap") || !strcmp(engine, "slurm"), host = bwrap && !strcmp(image, "host:/usr");
	const char *digest = json_str(result, "image_digest");
	if (bwrap && host != (digest && !*digest)) {
		rule_say(m, RULE_RESULT_TASK,
			 "bubblewrap runs an image by its root files, with their digest, or this machine's /usr, "
			 "without one");
		return;
	}
	for (size_t n = 0; !good && (c = rule_settings(m, n, claimed)); n++) {
		const char *asked = own ? own : c->images[0], *pins = asked ? config_pins(c, asked) : NULL;
		good = host ? !pins && !(asked && config_build(c, asked))
			    : asked && !strcmp(asked, image) && is_one_of(asked, c->images) &&
				  (!pins || (digest && config_pinned(pins, digest)));
	}
	if (!good)
		rule_say(m, RULE_RESULT_TASK,
			 "it ran in %.100s, which is not the image of the task or the settings, or not by the digest "
			 "that they pin",
			 image);
}

static double number(const struct json *of, const char *name)
{
	const struct json *n = json_get(of, name);
	return n && n->type == JSON_NUMBER ? strtod(n->text, NULL) : 0;
}

/* Nodes may give less, by ceilings of their own. */
static void judge_limits(const struct rule_move *m, const struct json *result, int64_t claimed)
{
	static const struct {
		const char *name;
		bool tasks; /* a task may ask for less than the settings give */
	} limits[] = {{"cpus", true},	 {"memory_mb", true},		{"pids", true},
		      {"tmp_mb", false}, {"output_limit_bytes", false}, {"out_mb", true}};
	const struct json *seconds = json_get(m->old, "cpu_seconds"),
			  *had = json_get(json_get(result, "limits"), "cpu_seconds");
	const struct json *given = json_get(result, "limits");
	double most[sizeof limits / sizeof *limits] = {0}, usual[sizeof limits / sizeof *limits] = {0};
	const struct grid_config *c;
	if (!rule_fields(m, FIELD_LIMITS, given))
		return;
	for (size_t n = 0; (c = rule_settings(m, n, claimed)); n++) {
		int64_t output = json_get(m->old, "points") ? c->point_output_bytes : c->output_limit_bytes;
		const double gives[] = {c->max_cpus,	   (double)c->max_memory_mb, (double)c->max_pids,
					(double)c->tmp_mb, (double)output,	     (double)c->max_out_mb};
		const double unasked[] = {config_cpus(c), (double)config_memory_mb(c), gives[2], gives[3], gives[4],
					  gives[5]};
		for (size_t i = 0; i < sizeof gives / sizeof *gives; i++) {
			most[i] = gives[i] > most[i] ? gives[i] : most[i];
			usual[i] = unasked[i] > usual[i] ? unasked[i] : usual[i];
		}
	}
	for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
		bool none = json_get(m->old, "secrets") && !strcmp(limits[i].name, "out_mb");
		double asked = limits[i].tasks && (none || json_get(m->old, limits[i].name))
				   ? number(m->old, limits[i].name)
				   : usual[i],
		       is = number(given, limits[i].name);
		asked = asked > most[i] ? most[i] : asked;
		if (is > asked * 1.0001) { /* written with six digits */
			rule_say(m, RULE_RESULT_TASK, "it ran with %s %g, and the task may have %g", limits[i].name, is,
				 asked);
			return;
		}
	}
	if (!rule_same(seconds, had))
		rule_say(m, RULE_RESULT_TASK, "it ran with another cpu_seconds than the task has");
}

static void judge_points(const struct rule_move *m, const struct json *result, const char *status)
{
	const struct json *points = json_get(result, "points");
	char why[200];
	if (!result_points_sound(m->old, result, status, why)) {
		rule_say(m, RULE_RESULT_POINTS, "%s", why);
		return;
	}
	for (const struct json *p = points ? points->child : NULL; p; p = p->next)
		if (!rule_fields(m, FIELD_POINT, p))
			return;
}

/* The network that it had, and whether what it printed is kept, are as the task has it. */
static void judge_consent(const struct rule_move *m, const struct json *result)
{
	const struct json *network = json_get(result, "network");
	bool digest = consent_digest(m->old);
	if (!rule_same(network, json_get(m->old, "network")))
		rule_say(m, RULE_NETWORK_ALLOWED, "the result says that it had %s%.64s, the task asks for %s",
			 network ? "the network " : "no network",
			 network && network->type == JSON_STRING ? network->text : "",
			 json_get(m->old, "network") ? "another" : "none");
	if (digest != result_digest(result))
		rule_say(m, json_get(m->old, "secrets") ? RULE_SECRET_SIGNED : RULE_RESULT_TASK,
			 digest ? "what it printed is kept, and of this task only the length and hash are to be"
				: "what it printed is not kept, and the task asks for that");
}

void rules_run_result(const struct rule_move *m, const struct json *result)
{
	const char *status = rerun_status(result);
	int64_t claimed = json_time(m->claim, "claimed_at");
	char why[200];
	if (!result_sound(result, status ? status : "", why)) {
		rule_say(m, RULE_RESULT_PARTS, "%s", why);
		return;
	}
	judge_duration(m, result, status ? status : "", json_time(result, "started_at"),
		       json_time(result, "finished_at"));
	if (m->old && rerun_script_changed(m->new))
		rule_say(m, RULE_RESULT_TASK, "script_sha256 is not the hash of the task's script");
	judge_consent(m, result);
	judge_points(m, result, status ? status : "");
	judge_image(m, result, claimed);
	judge_limits(m, result, claimed);
	const struct json *held = json_get(json_get(result, "limits"), "enforced");
	if (held && held->type == JSON_BOOL && !held->boolean && rule_limits_required(m, claimed))
		rule_say(m, RULE_CLAIM_LIMITS, "nothing held the run to its limits");
	if (rule_fields(m, FIELD_RESULT, result) && rule_fields(m, FIELD_USAGE, json_get(result, "usage")))
		rule_fields(m, FIELD_QUORUM, json_get(result, "quorum"));
}

void rules_run_attempt(const struct rule_move *m, const struct json *entry, const char *outcome)
{
	char why[200];
	if (consent_digest(m->old) && json_get(entry, "stderr_tail"))
		rule_say(m, json_get(m->old, "secrets") ? RULE_SECRET_SIGNED : RULE_RESULT_TASK,
			 "the entry keeps what it printed, of which only the length and hash are to be kept");
	else if (!result_end_sound(entry, outcome, why))
		rule_say(m, RULE_RESULT_PARTS, "%s", why);
	else
		judge_duration(m, entry, outcome, json_time(m->claim, "claimed_at"), json_time(entry, "ended_at"));
	rule_fields(m, FIELD_USAGE, json_get(entry, "usage"));
}
