#include "schema/members.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "sandbox/script.h"
#include "schema/consent.h"
#include "schema/fit.h"
#include "schema/input.h"
#include "schema/level.h"
#include "schema/limit.h"
#include "schema/need.h"
#include "schema/points.h"
#include "schema/synonyms.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value as a message shows it: short, and never its secrets whole. */
static const char *shown(const struct json *m, char out[64])
{
	if (m->type == JSON_NUMBER || m->type == JSON_STRING)
		snprintf(out, 64, m->type == JSON_NUMBER ? "%.40s%s" : "\"%.40s%s\"", m->text,
			 m->len > 40 ? "..." : "");
	else if (m->type == JSON_BOOL)
		snprintf(out, 64, "%s", m->boolean ? "true" : "false");
	else
		snprintf(out, 64, "%s", json_type_name(m->type));
	return out;
}

static void wrong(const struct members *k, const struct json *m, const char *field, const char *expected)
{
	char value[64];
	problem_in(k->p, m->line, m->col, field, "%s is not valid (expected %s)", shown(m, value), expected);
}

static bool clean_string(const struct json *m)
{
	return m->type == JSON_STRING && strlen(m->text) == m->len;
}

static void check_id(const struct members *k, const struct json *m)
{
	if (!clean_string(m) || !task_id_valid(m->text))
		wrong(k, m, m->name, "1-64 of A-Z a-z 0-9 _ -");
	else if (k->file_id && strcmp(m->text, k->file_id) != 0)
		problem_in(k->p, m->line, m->col, m->name, "\"%s\" differs from the file name (expected \"%s\")",
			   m->text, k->file_id);
	k->t->id = m->text;
}

static void check_script(const struct members *k, const struct json *m)
{
	char why[240];
	if (!clean_string(m) || !m->len)
		problem_in(k->p, m->line, m->col, m->name, "%s (expected a string that is not empty, without NUL)",
			   m->type != JSON_STRING ? json_type_name(m->type)
			   : m->len		  ? "a NUL in the text"
						  : "empty");
	else if (m->len > TASK_SCRIPT_MAX)
		problem_in(k->p, m->line, m->col, m->name, "%zu bytes (expected at most %d)", m->len, TASK_SCRIPT_MAX);
	else if (script_wrong(m->text, m->len, why))
		problem_in(k->p, m->line, m->col, m->name, "%s", why);
	k->t->script = m->text;
}

static void check_int(const struct members *k, const struct json *m, int64_t min, int64_t max, int64_t *out)
{
	char value[64];
	int64_t n;
	if (json_to_int(m, &n) || n < min || n > max)
		problem_in(k->p, m->line, m->col, m->name,
			   "%s is not valid (expected a whole number from %lld to %lld)", shown(m, value),
			   (long long)min, (long long)max);
	else
		*out = n;
}

/* Up to what a setting says. */
static void check_up_to(const struct members *k, const struct json *m, int64_t min, int64_t max, const char *setting,
			int64_t *out)
{
	char value[64];
	int64_t n;
	if (json_to_int(m, &n) || n < min || n > max)
		problem_in(k->p, m->line, m->col, m->name,
			   "%s is not valid (expected a whole number from %lld to %lld: %s of grid.json)",
			   shown(m, value), (long long)min, (long long)max, setting);
	else
		*out = n;
}

static void check_timeout(const struct members *k, const struct json *m)
{
	check_int(k, m, k->c->min_timeout_seconds, k->c->max_timeout_seconds, &k->t->timeout_seconds);
}

static void check_priority(const struct members *k, const struct json *m)
{
	check_int(k, m, 0, 9, &k->t->priority);
}

static void check_attempts(const struct members *k, const struct json *m)
{
	check_int(k, m, 1, 10, &k->t->max_attempts);
}

static void check_replicas(const struct members *k, const struct json *m)
{
	check_int(k, m, 1, VOTE_REPLICAS_MAX, &k->t->replicas);
}

static void check_quorum(const struct members *k, const struct json *m)
{
	check_int(k, m, 1, VOTE_REPLICAS_MAX, &k->t->quorum);
}

static void check_memory(const struct members *k, const struct json *m)
{
	check_up_to(k, m, 4, k->c->max_memory_mb, "max_memory_mb", &k->t->memory_mb);
}

static void check_pids(const struct members *k, const struct json *m)
{
	check_up_to(k, m, 3, k->c->max_pids, "max_pids", &k->t->pids);
}

static void check_cpu_seconds(const struct members *k, const struct json *m)
{
	int64_t processors = (int64_t)k->c->max_cpus + ((double)(int64_t)k->c->max_cpus < k->c->max_cpus);
	check_int(k, m, 1, k->c->max_timeout_seconds * processors, &k->t->cpu_seconds);
}

static void check_out(const struct members *k, const struct json *m)
{
	check_up_to(k, m, 0, k->c->max_out_mb, "max_out_mb", &k->t->out_mb);
}

static void check_disk(const struct members *k, const struct json *m)
{
	int64_t any;
	check_int(k, m, 1, MEMBER_DISK_MAX, &any);
}

static void check_resources(const struct members *k, const struct json *m)
{
	const struct json *at;
	char why[160];
	if (!fit_resources_valid(m, &at, why))
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", why);
}

static void check_inputs(const struct members *k, const struct json *m)
{
	const struct json *at;
	char why[240];
	if (!inputs_valid(m, k->c->max_in_mb, k->c->max_in_files, &at, why))
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", why);
}

static void check_workdir(const struct members *k, const struct json *m)
{
	const struct json *inputs = json_get(k->t->doc, "inputs");
	if (!clean_string(m) || !json_get(inputs, m->text))
		wrong(k, m, m->name, "the name of one of its inputs");
	k->t->workdir = m->text;
}

static void check_stdin(const struct members *k, const struct json *m)
{
	if (!clean_string(m) || !input_names(json_get(k->t->doc, "inputs"), m->text))
		wrong(k, m, m->name, "the name of one of its inputs, or NAME/PATH of a file in it");
	k->t->stdin_path = m->text;
}

static void check_cpus(const struct members *k, const struct json *m)
{
	char value[64];
	k->t->cpus = m->type == JSON_NUMBER ? strtod(m->text, NULL) : -1;
	if (!(k->t->cpus >= 0.01 && k->t->cpus <= k->c->max_cpus))
		problem_in(k->p, m->line, m->col, m->name,
			   "%s is not valid (expected a number from 0.01 to %g: max_cpus of grid.json)",
			   shown(m, value), k->c->max_cpus);
}

static void check_image(const struct members *k, const struct json *m)
{
	char value[64];
	struct buf known = {0};
	bool found = false;
	for (int i = 0; k->c->images[i]; i++) {
		found = found || (clean_string(m) && !strcmp(m->text, k->c->images[i]));
		buf_addf(&known, "%s\"%s\"", i ? ", " : "", k->c->images[i]);
	}
	if (!found)
		problem_in(k->p, m->line, m->col, m->name, "%s is no image of this grid (expected one of %s)",
			   shown(m, value), known.data ? known.data : "none");
	k->t->image = m->text;
	buf_clear(&known);
}

static void check_env(const struct members *k, const struct json *m)
{
	if (m->type != JSON_OBJECT) {
		wrong(k, m, m->name, "an object of strings");
		return;
	}
	size_t all = 0;
	for (const struct json *v = m->child; v; v = v->next)
		all++;
	if (all > TASK_ENV_MAX)
		problem_in(k->p, m->line, m->col, m->name, "%zu variables (expected at most %d)", all, TASK_ENV_MAX);
	for (const struct json *v = m->child; v && all <= TASK_ENV_MAX; v = v->next) {
		if (!points_variable(v))
			problem_in(k->p, v->name_line, v->name_col, m->name,
				   "\"%.80s\" is no variable name (expected letters, digits and _, no digit first)",
				   v->name);
		else if (!clean_string(v)) {
			char *field = xasprintf("env.%s", v->name), value[64];
			problem_in(k->p, v->line, v->col, field, "%s is not valid (expected a string without NUL)",
				   v->type == JSON_STRING ? "a text with a NUL" : shown(v, value));
			free(field);
		} else if (v->name_len + 1 + v->len > TASK_ENV_BYTES) {
			problem_in(
			    k->p, v->line, v->col, m->name,
			    "\"%.80s\" has %zu bytes with its name (expected at most %d: Linux hands on no more)",
			    v->name, v->name_len + 1 + v->len, TASK_ENV_BYTES);
		}
	}
}

static void check_labels(const struct members *k, const struct json *m)
{
	size_t n = 0;
	if (m->type != JSON_ARRAY) {
		wrong(k, m, m->name, "an array of strings");
		return;
	}
	for (const struct json *v = m->child; v; v = v->next, n++)
		if (!clean_string(v) || !task_id_valid(v->text)) {
			char field[32];
			snprintf(field, sizeof field, "labels[%zu]", n);
			wrong(k, v, field, "a string of 1-64 of A-Z a-z 0-9 _ -");
		}
}

static void check_group(const struct members *k, const struct json *m)
{
	if (!clean_string(m) || !task_id_valid(m->text))
		wrong(k, m, m->name, "a name: 1-64 of A-Z a-z 0-9 _ -");
}

static void check_network(const struct members *k, const struct json *m)
{
	char value[64];
	struct buf known = {0};
	bool found = false;
	for (int i = 0; k->c->networks[i]; i++) {
		found = found || (clean_string(m) && !strcmp(m->text, k->c->networks[i]));
		buf_addf(&known, "%s\"%s\"", i ? ", " : "", k->c->networks[i]);
	}
	if (!found)
		problem_in(k->p, m->line, m->col, m->name,
			   "%s is no network of this grid (expected %s, as \"network\" of grid.json has it)",
			   shown(m, value), known.data ? known.data : "none");
	k->t->network = m->text;
	buf_clear(&known);
}

static void check_secrets(const struct members *k, const struct json *m)
{
	const struct json *at;
	char why[160];
	if (!consent_secrets_valid(m, &at, why))
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", why);
}

static void check_output(const struct members *k, const struct json *m)
{
	bool keep = clean_string(m) && !strcmp(m->text, "keep");
	if (!keep && (!clean_string(m) || strcmp(m->text, "digest") != 0))
		wrong(k, m, m->name, "\"keep\" or \"digest\"");
	else if (keep && json_get(k->t->doc, "secrets"))
		problem_in(k->p, m->line, m->col, m->name,
			   "\"keep\" beside secrets (expected \"digest\": what such a task prints is not kept)");
}

static void check_schema(const struct members *k, const struct json *m)
{
	int64_t says, any = 1;
	if (level_newer(k->t->doc, &says))
		problem_in(k->p, m->line, m->col, m->name,
			   "%lld is newer than this dgrid knows (expected at most %d: update dgrid)", (long long)says,
			   TASK_LEVEL);
	else
		check_int(k, m, 1, TASK_LEVEL, &any);
}

static void check_needs(const struct members *k, const struct json *m)
{
	const struct json *at;
	char why[160];
	if (!need_list_valid(m, json_str(k->t->doc, "task_id"), &at, why))
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", why);
}

static void check_bool(const struct members *k, const struct json *m, bool *out)
{
	if (m->type != JSON_BOOL)
		wrong(k, m, m->name, "true or false");
	*out = m->boolean;
}

static void check_retry(const struct members *k, const struct json *m)
{
	check_bool(k, m, &k->t->retry_on_failure);
}

static void check_checkpoint(const struct members *k, const struct json *m)
{
	check_bool(k, m, &k->t->checkpoint);
}

static void check_share(const struct members *k, const struct json *m)
{
	check_bool(k, m, &k->t->share_sandbox);
}

static void check_points(const struct members *k, const struct json *m)
{
	const struct json *at;
	char why[240];
	if (!points_valid(m, json_int(k->t->doc, "first_point", 0), &at, why))
		problem_in(k->p, at->line, at->col, m->name, "%s", why);
}

static void check_first_point(const struct members *k, const struct json *m)
{
	int64_t first;
	check_int(k, m, 0, POINT_INDEX_MAX, &first);
}

static void check_max_running(const struct members *k, const struct json *m)
{
	check_int(k, m, 1, CONFIG_CONCURRENCY_MAX, &k->t->max_running);
}

static void check_supersede(const struct members *k, const struct json *m)
{
	if (m->type != JSON_BOOL)
		wrong(k, m, m->name, "true or false");
	k->t->supersede = m->boolean;
}

static void check_string(const struct members *k, const struct json *m)
{
	if (m->type != JSON_STRING)
		wrong(k, m, m->name, "a string");
}

static void check_time(const struct members *k, const struct json *m)
{
	int64_t t;
	if (!clean_string(m) || clock_parse(m->text, &t))
		wrong(k, m, m->name, "a time in RFC 3339, such as 2026-01-31T09:00:00Z; or leave the field out");
}

static void check_signatures(const struct members *k, const struct json *m)
{
	const struct json *at;
	const char *what = task_signatures_wrong(m, &at);
	if (what)
		problem_in(k->p, at->line, at->col, m->name, "not valid (%s)", what);
}

static void check_any(const struct members *k, const struct json *m)
{
	(void)k;
	(void)m;
}

static const struct field {
	struct task_field told;
	void (*check)(const struct members *k, const struct json *m); /* NULL: only dgrid writes it */
} fields[] = {
    {{"task_id", "string", "required; 1-64 of `A-Z a-z 0-9 _ -`; the file's name without `.json`", "", true}, check_id},
    {{"script", "string",
      "required; not empty, no NUL, at most 65,536 bytes; lines end with LF; run by `sh -c`, or by the program "
      "of its "
      "`#!` line",
      "", true},
     check_script},
    {{"timeout_seconds", "integer",
      "required; within `min_timeout_seconds` and `max_timeout_seconds` of `grid.json` (10-300)", "", true},
     check_timeout},
    {{"image", "string", "one of `grid.json`'s `images`", "the first of them", false}, check_image},
    {{"env", "object of strings",
      "at most 2,000; names of letters, digits and `_`, not beginning with a digit; name and value at most "
      "131,000 "
      "bytes",
      "none", false},
     check_env},
    {{"cpus", "number", "0.01 to `max_cpus`", "`default_cpus`, else `max_cpus`; or all that a node gives a task",
      false},
     check_cpus},
    {{"memory_mb", "integer", "4 to `max_memory_mb`",
      "`default_memory_mb`, else `max_memory_mb`; or all that a node gives a task", false},
     check_memory},
    {{"pids", "integer", "3 to `max_pids`", "`max_pids`", false}, check_pids},
    {{"cpu_seconds", "integer",
      "1 to `max_timeout_seconds` times `max_cpus`; of processor time, all its processes together, each point by "
      "itself",
      "none: `timeout_seconds` alone", false},
     check_cpu_seconds},
    {{"out_mb", "integer",
      "0 to `max_out_mb`; the most that it may leave in `/out`; 0: it has none; above 2048 a node with a store runs it",
      "`max_out_mb`, at most 2048", false},
     check_out},
    {{"disk_mb", "integer", "1-16777216; how much of its node's disk it uses, `out_mb` included",
      "`out_mb`, if that is said", false},
     check_disk},
    {{"resources", "object of integers",
      "at most 16; how many it needs of what nodes offer by name (`dgrid worker --resource`): 1-1000000 each, names of "
      "1-64 of `A-Z a-z 0-9 _ -`",
      "none", false},
     check_resources},
    {{"inputs", "object of objects",
      "at most 16; each name (1-64 of `A-Z a-z 0-9 . _ -`, no dot first) stands in `/in`: `tree` (object id, "
      "on "
      "`refs/dgrid/in/TREE`), `path` in it, `files`, `bytes`, `stored` (bytes that a store has), `from` (what it was "
      "made of); or `task` and `path`: "
      "what another task leaves, which it then needs; set by `dgrid submit --input`",
      "none", false},
     check_inputs},
    {{"workdir", "string",
      "the name of an input, a folder: the script begins in a copy of it that it may write to, in `/tmp`",
      "none: it begins in `/tmp`", false},
     check_workdir},
    {{"stdin", "string", "the name of an input, a file, or `NAME/PATH` of a file in one: its standard input",
      "none: it is empty", false},
     check_stdin},
    {{"secrets", "array of names",
      "1-16; each stands in `/run/secrets/NAME`, on nodes whose owner gives it to a signer of this task and in this "
      "image; the task has to be signed, one node runs it, and `out_mb` is 0 unless it says else",
      "none", false},
     check_secrets},
    {{"network", "string",
      "one of `grid.json`'s `network`; only nodes whose owner offers it run the task, which has to be signed",
      "none: it has no network", false},
     check_network},
    {{"output", "string",
      "`digest`: what it prints is shown nowhere, and only its length and SHA-256 are kept; or `keep`",
      "`keep`; "
      "`digest` with `secrets`",
      false},
     check_output},
    {{"schema", "integer", "1 or 2; a node that knows less passes the task by", "by its members", false}, check_schema},
    {{"needs", "array of ids",
      "at most 256; it waits until all these tasks have ended in success; when one has not, it ends as "
      "`skipped`",
      "none", false},
     check_needs},
    {{"after", "array of ids",
      "at most 256; it waits until all these tasks have ended, however; `DGRID_AFTER` tells the script how: "
      "`ID=STATUS "
      "...`",
      "none", false},
     check_needs},
    {{"points", "integer or array of objects",
      "1-256; the script runs once for each, and each is an object of at most 256 variables beside those of `env`; at "
      "most 32,000 bytes a point, 262,144 in all",
      "none: it runs once", false},
     check_points},
    {{"first_point", "integer", "0-999,999,999; the index of the first point; only beside `points`", "0", false},
     check_first_point},
    {{"share_sandbox", "boolean", "its points run in one sandbox, one after the other; only beside `points`", "false",
      false},
     check_share},
    {{"priority", "integer", "0-9; higher runs first, then the oldest", "5", false}, check_priority},
    {{"max_attempts", "integer",
      "1-10; attempts lost with their node, those that a node could not start, and failed ones with "
      "`retry_on_failure`, "
      "count",
      "3", false},
     check_attempts},
    {{"retry_on_failure", "boolean", "try again after a failure, timeout or out-of-memory, with growing waits", "false",
      false},
     check_retry},
    {{"checkpoint", "boolean",
      "what an attempt that did not succeed left in `/out`, and what stood there every `checkpoint_seconds` of "
      "`grid.json`, is given to the next one, in `/in/.checkpoint`; not with `points`, nor of a task that several "
      "nodes run",
      "false", false},
     check_checkpoint},
    {{"replicas", "integer",
      "1-9; so many nodes run it, one after the other, until `quorum` of them found the same; not with "
      "`retry_on_failure`",
      "1, or those of `grid.json`", false},
     check_replicas},
    {{"quorum", "integer", "more than half of `replicas`, and at most all of them; only beside `replicas`",
      "a majority, or that of `grid.json`", false},
     check_quorum},
    {{"labels", "array of strings", "only nodes that carry all of them claim it", "none", false}, check_labels},
    {{"group", "string",
      "1-64 of `A-Z a-z 0-9 _ -`; a name that tasks share, by which `status`, `wait`, `cancel` and others find "
      "them "
      "all",
      "none", false},
     check_group},
    {{"concurrency_group", "string",
      "1-64 of `A-Z a-z 0-9 _ -`; no more of the group's tasks run at a time than `concurrency` of `grid.json` says, "
      "or "
      "one",
      "none", false},
     check_group},
    {{"max_running", "integer",
      "1-100000; it is claimed only while fewer of its `concurrency_group` run; set by `dgrid submit --max-running`",
      "none", false},
     check_max_running},
    {{"supersede", "boolean",
      "`dgrid submit` cancels what is queued of its `concurrency_group` when it queues this one", "false", false},
     check_supersede},
    {{"start_after", "string", "RFC 3339; not claimed before", "at once", false}, check_time},
    {{"deadline", "string",
      "RFC 3339, later than `start_after`; if it is still queued then, it ends as `expired`; `dgrid retry` lifts it",
      "none", false},
     check_time},
    {{"description", "string", "", "", false}, check_string},
    {{"submitted_by", "string", "set by `dgrid submit` from the command line", "", false}, check_string},
    {{"created_at", "string", "RFC 3339; decides who is oldest; set by `dgrid submit` from the command line",
      "none: older than all that have one, but no room is kept for it", false},
     check_time},
    {{"metadata", "any", "kept untouched", "", false}, check_any},
    {{"signatures", "array of objects",
      "set by `dgrid submit --sign` and `dgrid approve`: `signature` (armored, of OpenSSH), `key` (its "
      "fingerprint); "
      "at "
      "most 8",
      "none", false},
     check_signatures},
    /* What dgrid writes: type is where. */
    {{"approved_by", "all but `unapproved/`",
      "of a task that came by pull request: `commit` (which brought it onto the branch: the merge), its "
      "`author` and "
      "`committer`, `at`",
      NULL, false},
     NULL},
    {{"claim", "`in_progress/`",
      "`node`, `attempt`, `nonce`, `claimed_at`, `lease_until`; of a task that "
      "several nodes run also `replicas`, `quorum`; of one with `after` how those ended; `ahead` where the node had no "
      "free slot for it yet: its place in the line there; `checkpoint`: what the attempt is given of the one before; "
      "`saved`: its own newest checkpoint",
      NULL, false},
     NULL},
    {{"attempts", "everywhere",
      "every claim there was: the claim's fields, `ended_at`, `outcome`, `reason`; `fault` (`engine`) where "
      "the "
      "node's engine or disk was the reason; `evidence` where another than its node ended it; of attempts that were "
      "tried "
      "again also `exit_code`, `signal`, `ended_by`, `duration_ms`, `stderr_tail`, `out`, `out_error`; of "
      "votes `commitment`, `duration_ms`, `engine`, `image_digest`",
      NULL, false},
     NULL},
    {{"schedule", "everywhere", "of a task that a schedule had queued: its `name`, and the instant `at`", NULL, false},
     NULL},
    {{"not_before", "`queue/`", "a task that failed, or could not be started, waits until then, or for `dgrid retry`",
      NULL, false},
     NULL},
    {{"cancel", "after `dgrid cancel`", "`by`, `requested_at`", NULL, false}, NULL},
    {{"result", "`completed/`, `failed/`", "how it ended", NULL, false}, NULL},
};
#define N_FIELDS (sizeof fields / sizeof *fields)

const struct task_field *task_field_at(size_t i)
{
	return i < N_FIELDS ? &fields[i].told : NULL;
}

static void unknown(const struct members *k, const struct json *m)
{
	const char *near = strlen(m->name) == m->name_len ? synonym_of(m->name) : NULL;
	size_t best = near ? 0 : 3;
	for (size_t i = 0; i < N_FIELDS && strlen(m->name) == m->name_len; i++)
		if (fields[i].check)
			near = text_nearer(m->name, fields[i].told.name, near, &best);
	if (near)
		problem_in(k->p, m->name_line ? m->name_line : m->line, m->name_line ? m->name_col : m->col, m->name,
			   "unknown field (expected \"%s\"? names of your own begin with x-)", near);
	else
		problem_in(k->p, m->name_line ? m->name_line : m->line, m->name_line ? m->name_col : m->col, m->name,
			   "unknown field (expected one of docs/TASK_FORMAT.md; names of your own begin with x-)");
}

void member_check(const struct members *k, const struct json *m, bool submitted)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		const struct field *f = &fields[i];
		if (strlen(f->told.name) != m->name_len || strcmp(f->told.name, m->name) != 0)
			continue;
		if (f->check)
			f->check(k, m);
		else if (submitted)
			problem_in(k->p, m->name_line ? m->name_line : m->line, m->name_line ? m->name_col : m->col,
				   m->name, "only dgrid writes this field (expected a task without it)");
		return;
	}
	if (strncmp(m->name, "x-", 2) != 0)
		unknown(k, m);
}

void members_required(const struct members *k)
{
	const struct json *doc = k->t->doc;
	for (size_t i = 0; i < N_FIELDS; i++)
		if (fields[i].told.required && !json_get(doc, fields[i].told.name))
			problem_in(k->p, doc->line, doc->col, fields[i].told.name, "missing (expected in every task)");
}
