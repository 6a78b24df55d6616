#include "verbs/making.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"
#include "sandbox/script.h"
#include "schema/fit.h"
#include "schema/task.h"
#include "schema/vote.h"
#include "verbs/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_TIMEOUT 60

enum kind {
	TEXT,
	ID,	  /* as ids are */
	WHOLE,	  /* a whole number within min and max */
	NUMBER,	  /* of processors */
	SPAN,	  /* in seconds, or 90s, 5m, 2h, 1d */
	SIZE,	  /* in MB, or 512m, 2g, 1t */
	WHEN,	  /* a time, or how long from now */
	LIST,	  /* one more of an array of such */
	IDS,	  /* the same; several by commas */
	PAIRS,	  /* KEY=VALUE, one more member of an object of strings */
	VARIABLE, /* the same, where the key is a variable's name */
	COUNTS,	  /* NAME=N, one more member of an object of whole numbers; several by commas */
	TRUE
};
/* An option is a row. What a value may be in this grid says the schema, when the task is whole. */
static const struct making_row {
	struct usage_option told;
	const char *member;
	enum kind kind;
	long min, max;
} rows[] = {
    {{MAKING, "--timeout", "N", NULL,
      "seconds it may run, or 90s, 5m, 2h, within the grid's limits (10 to 300); default 60"},
     "timeout_seconds",
     SPAN,
     1,
     86400},
    {{MAKING, "--priority", "N", NULL, "0 to 9, higher first; default 5"}, "priority", WHOLE, 0, 9},
    {{MAKING, "--image", "I", NULL, "one of the grid's images; default: the first of them"}, "image", TEXT, 0, 0},
    {{MAKING, "--env", "K=V", NULL, "an environment variable of the script; may be repeated"}, "env", VARIABLE, 0, 0},
    {{MAKING, "--cpus", "N", NULL,
      "processors, 0.01 up to the grid's max_cpus; default: its default_cpus, else max_cpus"},
     "cpus",
     NUMBER,
     0,
     0},
    {{MAKING, "--memory", "MB", NULL,
      "memory in MB, or 512m, 2g; up to the grid's max_memory_mb; default: its default_memory_mb, else max_memory_mb"},
     "memory_mb",
     SIZE,
     1,
     1048576},
    {{MAKING, "--pids", "N", NULL, "processes and threads, up to the grid's max_pids, the default"},
     "pids",
     WHOLE,
     1,
     4096},
    {{MAKING, "--cpu-seconds", "N", NULL, "processor time that all its processes together may use; default: no limit"},
     "cpu_seconds",
     SPAN,
     1,
     88473600},
    {{MAKING, "--out-mb", "MB", NULL,
      "how much it may leave in /out, in MB, or 512m, 2g; up to the grid's max_out_mb, the default; 0: nothing"},
     "out_mb",
     SIZE,
     0,
     2048},
    {{MAKING, "--secret", "NAME", NULL,
      "a secret that the node puts into /run/secrets/NAME; may be repeated; the task has to be signed, and has /out "
      "only with --out-mb"},
     "secrets",
     LIST,
     0,
     0},
    {{MAKING, "--network", "NAME", NULL, "one of the grid's networks; the task has to be signed; default: no network"},
     "network",
     ID,
     0,
     0},
    {{MAKING, "--output", "HOW", "keep digest",
      "digest: keep only the length and SHA-256 of its output; default: keep, or digest with --secret"},
     "output",
     TEXT,
     0,
     0},
    {{MAKING, "--disk-mb", "MB", NULL, "disk space that it needs, in MB, or 9g, 1t; default: the value of --out-mb"},
     "disk_mb",
     SIZE,
     1,
     MEMBER_DISK_MAX},
    {{MAKING, "--resource", "NAME=N,...", NULL,
      "run it only on a node that offers at least this, such as gpu=1; may be repeated"},
     "resources",
     COUNTS,
     0,
     0},
    {{MAKING, "--label", "L", NULL, "run it only on nodes with this label; may be repeated"}, "labels", LIST, 0, 0},
    {{MAKING, "--group", "G", NULL, "a name that it shares with other tasks, for --group of other verbs"},
     "group",
     ID,
     0,
     0},
    {{MAKING, "--needs", "ID,...", "@tasks:queue,in_progress,completed",
      "start only when these tasks, or those of a group, have succeeded; if one does not, end as skipped; may be "
      "repeated"},
     "needs",
     IDS,
     0,
     0},
    {{MAKING, "--after", "ID,...", "@tasks",
      "start only when these tasks, or those of a group, have ended, successfully or not; may be repeated"},
     "after",
     IDS,
     0,
     0},
    {{MAKING, "--share-sandbox", NULL, NULL, "for a sweep: run the points of a task in one sandbox, not in one each"},
     "share_sandbox",
     TRUE,
     0,
     0},
    {{MAKING, "--concurrency-group", "G", NULL,
      "a group whose tasks run at most so many at a time as the grid's concurrency says; default: one"},
     "concurrency_group",
     ID,
     0,
     0},
    {{MAKING, "--max-running", "N", NULL,
      "run it only while fewer than N of its concurrency group run; default group: --group, else the first id"},
     "max_running",
     WHOLE,
     1,
     CONFIG_CONCURRENCY_MAX},
    {{MAKING, "--supersede", NULL, NULL, "cancel the queued tasks of its concurrency group when it is queued"},
     "supersede",
     TRUE,
     0,
     0},
    {{MAKING, "--start-after", "WHEN", NULL,
      "not before a time (2026-11-23T02:00:00Z), or +30s, +10m, +2h, +1d from now"},
     "start_after",
     WHEN,
     0,
     0},
    {{MAKING, "--deadline", "WHEN", NULL, "end it as expired if it is still queued then; a time, or as above"},
     "deadline",
     WHEN,
     0,
     0},
    {{MAKING, "--max-attempts", "N", NULL, "attempts when its node is lost; 1 to 10, default 3"},
     "max_attempts",
     WHOLE,
     1,
     10},
    {{MAKING, "--retry-on-failure", NULL, NULL, "also try again when it fails, after growing delays"},
     "retry_on_failure",
     TRUE,
     0,
     0},
    {{MAKING, "--checkpoint", NULL, NULL,
      "pass what is in /out when it is stopped early, or its node dies, to the next attempt, in /in/.checkpoint"},
     "checkpoint",
     TRUE,
     0,
     0},
    {{MAKING, "--replicas", "N", NULL, "run it on N nodes, until enough of them agree: 1 to 9; default: the grid's"},
     "replicas",
     WHOLE,
     1,
     VOTE_REPLICAS_MAX},
    {{MAKING, "--quorum", "N", NULL, "so many nodes must agree, more than half; default: the smallest majority"},
     "quorum",
     WHOLE,
     1,
     VOTE_REPLICAS_MAX},
    {{MAKING, "--description", "D", NULL, "one line that says what it is for"}, "description", TEXT, 0, 0},
    {{MAKING, "--metadata", "K=V", NULL, "a member of metadata, for your own use; may be repeated"},
     "metadata",
     PAIRS,
     0,
     0},
};
#define N_ROWS (sizeof rows / sizeof *rows)

const struct usage_option *making_option_at(size_t i)
{
	return i < N_ROWS ? &rows[i].told : NULL;
}

static const struct making_row *row_of(const char *member)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (!strcmp(rows[i].member, member))
			return &rows[i];
	return NULL;
}

/* ---- an option's value ---- */

static int take_size(const struct making_row *r, const char *value, long *n, struct err *e)
{
	static const char units[] = "mMgGtT";
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits, *known = *unit && !unit[1] ? strchr(units, *unit) : NULL;
	long mb = known ? 1L << 10 * ((known - units) / 2) : 1;
	char *number = xstrndup(value, digits);
	struct err bad;
	int rc = known || !*unit ? parse_number(r->told.name, number, r->min, r->max / mb, n, &bad) : -1;
	*n = rc ? *n : *n * mb;
	free(number);
	return rc ? err_set(e, ERR_USAGE,
			    "%s: expected megabytes from %ld to %ld, or a size such as 512m or 2g, found '%.100s'",
			    r->told.name, r->min, r->max, value)
		  : 0;
}

static const char units_of_time[] = "smhd";
static const long seconds[] = {1, 60, 3600, 86400};

static int take_span(const struct making_row *r, const char *value, long *n, struct err *e)
{
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits, *known = *unit && !unit[1] ? strchr(units_of_time, *unit) : NULL;
	long each = known ? seconds[known - units_of_time] : 1;
	char *number = xstrndup(value, digits);
	struct err bad;
	int rc = known || !*unit ? parse_number(r->told.name, number, 1, r->max / each, n, &bad) : -1;
	*n = rc ? *n : *n * each;
	free(number);
	return rc ? err_set(e, ERR_USAGE,
			    "%s: expected seconds from %ld to %ld, or such as 90s, 5m, 2h, found '%.100s'",
			    r->told.name, r->min, r->max, value)
		  : 0;
}

static struct json *take_when(const struct making_row *r, const char *value, struct err *e)
{
	size_t digits = *value == '+' ? strspn(value + 1, "0123456789") : 0;
	const char *unit = digits && digits < 7 && value[1 + digits] ? strchr(units_of_time, value[1 + digits]) : NULL;
	int64_t at;
	char text[32];
	if (unit && !value[2 + digits])
		at = clock_now() + strtoll(value + 1, NULL, 10) * seconds[unit - units_of_time];
	else if (clock_parse(value, &at)) {
		err_set(e, ERR_USAGE,
			"%s: expected a time such as 2026-11-23T02:00:00Z, or +30s, +10m, +2h, +1d, found '%.100s'",
			r->told.name, value);
		return NULL;
	}
	return json_new_str(clock_format(at, text));
}

static struct json *take_number(const struct making_row *r, const char *value, struct err *e)
{
	char *end;
	double n = strtod(value, &end);
	struct json_error je;
	if (end == value || *end || !(n > 0 && n <= 1024)) {
		err_set(e, ERR_USAGE, "%s: expected a number of processors such as 0.5 or 2, found '%.100s'",
			r->told.name, value);
		return NULL;
	}
	char *text = xasprintf("%.15g", n);
	struct json *j = json_parse(text, strlen(text), &je);
	free(text);
	return j;
}

static int take_pair(const struct making_row *r, struct json *to, const char *value, struct err *e)
{
	size_t n = strcspn(value, "=");
	if (!n || !value[n])
		return err_set(e, ERR_USAGE, "%s: expected KEY=VALUE, found '%.100s'", r->told.name, value);
	char *key = xstrndup(value, n);
	int rc = 0;
	if (r->kind == VARIABLE &&
	    (key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ||
	     (*key >= '0' && *key <= '9')))
		rc = err_set(e, ERR_USAGE,
			     "%s: '%.100s' is no variable name (expected letters, digits and _, no digit first)",
			     r->told.name, key);
	else
		json_set(to, key, json_new_str(value + n + 1));
	free(key);
	return rc;
}

static bool has_string(const struct json *array, const char *text)
{
	const struct json *v = array->child;
	while (v && (v->type != JSON_STRING || strcmp(v->text, text) != 0))
		v = v->next;
	return v != NULL;
}

static int take_ids(const struct making_row *r, struct json *to, const char *value, struct err *e)
{
	for (const char *at = value;; at++) {
		size_t n = strcspn(at, ",");
		char *id = xstrndup(at, n);
		int rc = task_id_valid(id)
			     ? 0
			     : err_set(e, ERR_USAGE, "%s: expected task ids such as build,test, found '%.100s'",
				       r->told.name, value);
		if (!rc && !has_string(to, id))
			json_append(to, json_new_str(id));
		free(id);
		at += n;
		if (rc || !*at)
			return rc;
	}
}

static int take_counts(const struct making_row *r, struct json *to, const char *value, struct err *e)
{
	for (const char *at = value;; at++) {
		size_t n = strcspn(at, ","), key = strcspn(at, "=");
		long count = 0;
		char *name = xstrndup(at, key < n ? key : n),
		     *number = xstrndup(at + (key < n ? key + 1 : n), key < n ? n - key - 1 : 0);
		struct err bad;
		int rc = key < n && task_id_valid(name) ? parse_number(name, number, 1, FIT_MOST, &count, &bad) : -1;
		if (rc)
			err_set(e, ERR_USAGE, "%s: expected NAME=N,... such as gpu=1, found '%.100s'", r->told.name,
				value);
		else if (json_get(to, name))
			rc = err_set(e, ERR_USAGE, "%s: %s is there twice", r->told.name, name);
		else
			json_set(to, name, json_new_int(count));
		free(name);
		free(number);
		at += n;
		if (rc || !*at)
			return rc;
	}
}

static int check_id(const struct usage_option *o, const char *value, struct err *e)
{
	if (task_id_valid(value))
		return 0;
	return err_set(e, ERR_USAGE, "%s: expected 1-64 of A-Z a-z 0-9 _ -, found '%.100s'", o->name, value);
}

/* What there is of the member, to add to; an empty one where it is something else. */
static struct json *grown(const struct json *doc, const char *member, enum json_type type)
{
	const struct json *before = json_get(doc, member);
	return before && before->type == type ? json_copy(before) : json_new(type);
}

int making_take(struct making *m, const struct usage_option *o, const char *value, struct err *e)
{
	const struct making_row *r = rows;
	struct json *made = NULL;
	long n = 0;
	int rc = 0;
	while (&r->told != o)
		r++;
	m->members = m->members ? m->members : json_new(JSON_OBJECT);
	switch (r->kind) {
	case TEXT:
		made = json_new_str(value);
		break;
	case ID:
		made = json_new_str(value);
		rc = check_id(o, value, e);
		break;
	case WHOLE:
	case SPAN:
	case SIZE:
		rc = r->kind == WHOLE  ? parse_number(o->name, value, r->min, r->max, &n, e)
		     : r->kind == SPAN ? take_span(r, value, &n, e)
				       : take_size(r, value, &n, e);
		made = json_new_int(n);
		break;
	case NUMBER:
	case WHEN:
		made = r->kind == WHEN ? take_when(r, value, e) : take_number(r, value, e);
		rc = made ? 0 : -1;
		break;
	case LIST:
		made = grown(m->members, r->member, JSON_ARRAY);
		json_append(made, json_new_str(value));
		rc = check_id(o, value, e);
		break;
	case IDS:
		made = grown(m->members, r->member, JSON_ARRAY);
		rc = take_ids(r, made, value, e);
		break;
	case PAIRS:
	case VARIABLE:
		made = grown(m->members, r->member, JSON_OBJECT);
		rc = take_pair(r, made, value, e);
		break;
	case COUNTS:
		made = grown(m->members, r->member, JSON_OBJECT);
		rc = take_counts(r, made, value, e);
		break;
	case TRUE:
		made = json_new_bool(true);
		break;
	}
	if (rc)
		json_free(made);
	else
		json_set(m->members, r->member, made);
	return rc;
}

/* ---- the script ---- */

/* As sh reads it back. */
static void add_quoted(struct buf *b, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
	if (*word && !word[strspn(word, plain)])
		buf_adds(b, word);
	else
		text_quote(b, word);
}

/* What is no text, or would not run as it stands in the file, changes on its way into the ledger: not in silence. */
static int check_text(const char *where, const struct buf *text, struct err *e)
{
	const char *s = text->data ? text->data : "";
	char why[240];
	size_t valid = utf8_valid(s, text->len), nul = strlen(s);
	if (nul < text->len && nul < valid)
		return err_set(e, ERR_DATA, "%.200s: byte %zu is NUL (expected a script: text in UTF-8)", where,
			       nul + 1);
	if (valid < text->len)
		return err_set(e, ERR_DATA, "%.200s: byte %zu is not UTF-8 (expected a script: text in UTF-8)", where,
			       valid + 1);
	return script_wrong(s, text->len, why) ? err_set(e, ERR_DATA, "%.200s: the script: %s", where, why) : 0;
}

int making_script(const char *file, char *const *words, int n_words, struct buf *script, struct err *e)
{
	if (file)
		return file_read_named(file, TASK_SCRIPT_MAX, script, e) ||
			       check_text(strcmp(file, "-") ? file : "stdin", script, e)
			   ? -1
			   : 0;
	for (int i = 0; i < n_words; i++) {
		struct buf word = {0};
		char where[40];
		buf_adds(&word, words[i]);
		snprintf(where, sizeof where, "argument %d after --", i + 1);
		int rc = check_text(where, &word, e);
		buf_clear(&word);
		if (rc)
			return -1;
		buf_adds(script, i ? " " : "");
		if (n_words == 1)
			buf_adds(script, words[i]);
		else
			add_quoted(script, words[i]);
	}
	return 0;
}

/* ---- the document ---- */

void making_apply(const struct making *m, struct json *doc)
{
	for (const struct json *v = m->members ? m->members->child : NULL; v; v = v->next) {
		enum kind kind = row_of(v->name)->kind;
		struct json *whole = kind == LIST || kind == IDS || kind == PAIRS || kind == VARIABLE || kind == COUNTS
					 ? grown(doc, v->name, v->type)
					 : json_copy(v);
		for (const struct json *x = v->child; x; x = x->next)
			if (kind != LIST && kind != IDS)
				json_set(whole, x->name, json_copy(x));
			else if (!has_string(whole, x->text))
				json_append(whole, json_copy(x));
		whole->line = doc->line; /* what is wrong with it has a place, though it stands nowhere */
		whole->col = doc->col;
		json_set(doc, v->name, whole);
	}
	/* Who limits how many run, and names no group, means these together. */
	const char *group = json_str(doc, "group");
	group = group ? group : m->first ? m->first : json_str(doc, "task_id");
	if (json_get(m->members, "max_running") && !json_get(doc, "concurrency_group") && group)
		json_set(doc, "concurrency_group", json_new_str(group));
}

void making_over(struct making *m, const struct making *over)
{
	m->members = m->members ? m->members : json_new(JSON_OBJECT);
	making_apply(over, m->members);
}

void making_by(struct json *doc, const char *by)
{
	char when[32];
	if (!json_get(doc, "submitted_by"))
		json_set(doc, "submitted_by", json_new_str(by));
	if (!json_get(doc, "created_at"))
		json_set(doc, "created_at", json_new_str(clock_format(clock_now(), when)));
}

struct json *making_task(const struct making *m, const char *id, const char *script, const char *by)
{
	struct json *doc = json_new(JSON_OBJECT);
	json_set(doc, "task_id", json_new_str(id));
	json_set(doc, "script", json_new_str(script));
	json_set(doc, "timeout_seconds", json_new_int(USUAL_TIMEOUT));
	making_apply(m, doc);
	if (!json_get(doc, "priority"))
		json_set(doc, "priority", json_new_int(5));
	making_by(doc, by);
	return doc;
}

void making_clear(struct making *m)
{
	json_free(m->members);
	*m = (struct making){0};
}
