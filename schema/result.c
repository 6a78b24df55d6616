#include "schema/result.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "schema/points.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACED "\xEF\xBF\xBD" /* U+FFFD, for what was no UTF-8 */
#define KEEP_MOST 131072	/* of each end of a stream that is cut to fit, */
#define KEEP_LEAST 16		/* and at least so much of it */
#define USAGE_SLACK 1.1		/* of processor time: it is dealt out in slices, */
#define USAGE_SLACK_MS 1000	/* and each sandbox takes some before and after */
#define MILLIS_MAX (1LL << 50)
#define MARK_BYTES 64 /* more than the mark between them takes */

const char *const result_statuses[RESULT_N_STATUSES] = {"success",   "failed",	"timeout",  "oom",
							"cancelled", "lost",	"disputed", "unstartable",
							"expired",   "invalid", "skipped"};

size_t result_status_index(const char *status)
{
	size_t i = 0;
	while (i < RESULT_N_STATUSES && !(status && !strcmp(status, result_statuses[i])))
		i++;
	return i;
}

static void set_hash(struct json *r, const char *name, const uint8_t hash[32])
{
	char hex[SHA256_HEX];
	sha256_hex(hash, hex);
	json_set(r, name, json_new_str(hex));
}

/* digest: of what it printed the length and hash alone. */
static void set_stream(struct json *r, const char *name, const struct buf *b, uint64_t total, bool cut, bool digest,
		       const uint8_t hash[32])
{
	char *bytes = xasprintf("%s_bytes", name), *truncated = xasprintf("%s_truncated", name),
	     *sum = xasprintf("%s_sha256", name);
	if (!digest)
		json_set(r, name, json_new_strn(b->data ? b->data : "", b->len));
	json_set(r, bytes, json_new_int((int64_t)total));
	if (!digest)
		json_set(r, truncated, json_new_bool(cut));
	set_hash(r, sum, hash);
	free(bytes);
	free(truncated);
	free(sum);
}

static struct json *decimal(double d)
{
	struct json *j = json_new(JSON_NUMBER);
	free(j->text);
	j->text = xasprintf("%g", d);
	j->len = strlen(j->text);
	return j;
}

/* What it ran with is what it has to be run with again. */
static struct json *limits(const struct engine_run *r, const struct result_facts *f, bool unenforced)
{
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "cpus", decimal(r->cpus));
	json_set(j, "memory_mb", json_new_int(r->memory_mb));
	json_set(j, "pids", json_new_int(r->pids));
	json_set(j, "tmp_mb", json_new_int(r->tmp_mb));
	json_set(j, "output_limit_bytes", json_new_int((int64_t)f->output_limit));
	if (f->out_mb)
		json_set(j, "out_mb", json_new_int(f->out_mb));
	if (r->cpu_seconds)
		json_set(j, "cpu_seconds", json_new_int(r->cpu_seconds));
	if (unenforced)
		json_set(j, "enforced", json_new_bool(false));
	return j;
}

static void set_end(struct json *r, const struct attempt_result *a)
{
	static const char *const ends[END_KINDS] = {
	    [END_EXIT] = "exit",     [END_EXIT_OR_SIGNAL] = "exit_or_signal", [END_TIME] = "limit:time",
	    [END_CPU] = "limit:cpu", [END_MEMORY] = "limit:memory",	      [END_OUT] = "limit:out",
	    [END_CANCEL] = "cancel"};
	json_set(r, "status", json_new_str(attempt_status_name(a->status)));
	json_set(r, "exit_code", a->exit_code < 0 ? json_new(JSON_NULL) : json_new_int(a->exit_code));
	json_set(r, "signal", a->signal ? json_new_int(a->signal) : json_new(JSON_NULL));
	if (ends[a->end])
		json_set(r, "ended_by", json_new_str(ends[a->end]));
}

static void set_known(struct json *u, const char *name, int64_t n)
{
	if (n >= 0)
		json_set(u, name, json_new_int(n));
}

static void set_usage(struct json *r, const struct account *a)
{
	if (!a->by)
		return;
	struct json *u = json_new(JSON_OBJECT);
	set_known(u, "cpu_user_ms", a->user_ms);
	set_known(u, "cpu_system_ms", a->system_ms);
	set_known(u, "peak_memory_kb", a->peak_kb);
	set_known(u, "read_bytes", a->read_bytes);
	set_known(u, "written_bytes", a->written_bytes);
	json_set(u, "by", json_new_str(a->by));
	json_set(r, "usage", u);
}

struct json *result_point(const struct attempt_result *a, int64_t index, bool digest)
{
	struct json *r = json_new(JSON_OBJECT);
	json_set(r, "point", json_new_int(index));
	set_end(r, a);
	json_set(r, "duration_ms", json_new_int(a->duration_ms));
	if (a->used.by)
		json_set(r, "cpu_ms", json_new_int(a->used.user_ms + a->used.system_ms));
	if (a->reason[0])
		json_set(r, "reason", json_new_str(a->reason));
	if (a->out_bytes) /* mostly one of the two is silent, and there are many points */
		set_stream(r, "stdout", &a->out, a->out_bytes, a->out_truncated, digest, a->out_sha256);
	if (a->err_bytes)
		set_stream(r, "stderr", &a->err, a->err_bytes, a->err_truncated, digest, a->err_sha256);
	return r;
}

struct json *result_skipped(int64_t index)
{
	struct json *r = json_new(JSON_OBJECT);
	json_set(r, "point", json_new_int(index));
	json_set(r, "status", json_new_str("skipped"));
	return r;
}

static bool good(const struct json *point)
{
	const char *status = json_str(point, "status");
	return status && !strcmp(status, "success");
}

static void set_points(struct json *r, const struct json *points)
{
	int64_t failed = 0;
	for (const struct json *p = points->child; p; p = p->next)
		failed += !good(p);
	json_set(r, "points_failed", json_new_int(failed));
	json_set(r, "points", json_copy(points));
}

struct json *result_json(const struct attempt_result *a, const struct result_facts *f)
{
	char when[32];
	uint8_t script[32];
	bool images = engine_runs_image(f->engine, f->image);
	struct json *r = json_new(JSON_OBJECT);
	set_end(r, a);
	json_set(r, "node", json_new_str(f->node));
	json_set(r, "attempt", json_new_int(f->attempt));
	json_set(r, "nonce", json_new_str(f->nonce));
	json_set(r, "started_at", json_new_str(clock_format(a->started_at, when)));
	json_set(r, "finished_at", json_new_str(clock_format(a->finished_at, when)));
	json_set(r, "duration_ms", json_new_int(a->duration_ms));
	json_set(r, "engine", json_new_str(engine_name(f->engine->kind)));
	/* Without root files of the image bubblewrap shows the script the host's own /usr. */
	json_set(r, "image", json_new_str(images ? f->image : "host:/usr"));
	json_set(r, "image_digest", json_new_str(f->image_digest));
	json_set(r, "limits", limits(f->run, f, a->unenforced));
	set_usage(r, &a->used);
	sha256(f->script, strlen(f->script), script);
	set_hash(r, "script_sha256", script);
	if (f->network)
		json_set(r, "network", json_new_str(f->network));
	if (f->digest)
		json_set(r, "output", json_new_str("digest"));
	if (f->points)
		set_points(r, f->points);
	else {
		set_stream(r, "stdout", &a->out, a->out_bytes, a->out_truncated, f->digest, a->out_sha256);
		set_stream(r, "stderr", &a->err, a->err_bytes, a->err_truncated, f->digest, a->err_sha256);
	}
	if ((f->reason && *f->reason) || a->reason[0])
		json_set(r, "reason", json_new_str(f->reason && *f->reason ? f->reason : a->reason));
	if (f->out)
		json_set(r, "out", json_copy(f->out));
	if (f->out_error && *f->out_error)
		json_set(r, "out_error", json_new_str(f->out_error));
	return r;
}

static char *points_line(const struct json *points)
{
	const struct json *first = NULL;
	long n = 0, bad = 0;
	for (const struct json *p = points->child; p; p = p->next, n++)
		if (!good(p)) {
			bad++;
			first = first ? first : p;
		}
	if (n == 1)
		return result_line(points->child, bad > 0);
	char *said = first ? result_line(first, true) : NULL,
	     *line = said && *said ? xasprintf("%ld of %ld points; %lld: %s", n - bad, n,
					       (long long)json_int(first, "point", 0), said)
				   : xasprintf("%ld of %ld points", n - bad, n);
	free(said);
	return line;
}

char *result_line(const struct json *result, bool failed)
{
	const struct json *points = json_get(result, "points");
	if (points && points->type == JSON_ARRAY)
		return points_line(points);
	const char *out = json_str(result, "stdout"), *err = json_str(result, "stderr");
	size_t n = err ? strlen(err) : 0, from;
	while (n && strchr(" \t\r\n", err[n - 1]))
		n--;
	for (from = n; from && err[from - 1] != '\n'; from--)
		;
	if (failed && n)
		return xstrndup(err + from, n - from);
	out = out ? out + strspn(out, " \t\r\n") : "";
	return xstrndup(out, strcspn(out, "\n"));
}

/* ---- is it sound? ---- */

static bool wrong(char why[200], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(char why[200], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, 200, fmt, ap);
	va_end(ap);
	return false;
}

/* Does what ended it agree with the status and the exit code (-1: none)? Older results do not say. */
static bool ended_by_sound(const struct json *of, const char *status, int64_t code, char why[200])
{
	static const struct {
		const char *by, *status;
	} may[] = {{"exit", "success"},	      {"exit", "failed"},	{"exit_or_signal", "failed"},
		   {"limit:time", "timeout"}, {"limit:cpu", "timeout"}, {"limit:memory", "oom"},
		   {"limit:out", "failed"},   {"cancel", "cancelled"}};
	const struct json *by = json_get(of, "ended_by");
	bool fits = !by;
	for (size_t i = 0; i < sizeof may / sizeof *may && !fits; i++)
		fits = by->type == JSON_STRING && !strcmp(by->text, may[i].by) && !strcmp(status, may[i].status);
	if (!fits)
		return wrong(why, "%s, and it was ended by %.40s", status,
			     by->type == JSON_STRING ? by->text : "nothing that is known");
	if (by && code >= 0 && !strncmp(by->text, "exit", 4) &&
	    (code > 128 && code <= 192) != !strcmp(by->text, "exit_or_signal"))
		return wrong(why, "exit code %lld, and it was ended by %s", (long long)code, by->text);
	if (by && code >= 0 && strncmp(by->text, "exit", 4) != 0)
		return wrong(why, "exit code %lld, and it was stopped: ended by %s", (long long)code, by->text);
	return true;
}

bool result_end_sound(const struct json *of, const char *status, char why[200])
{
	const struct json *code = json_get(of, "exit_code"), *signal = json_get(of, "signal");
	int64_t n = -1, sig = 0;
	bool success = !strcmp(status, "success"), failed = !strcmp(status, "failed"),
	     stopped = !strcmp(status, "timeout") || !strcmp(status, "oom") || !strcmp(status, "cancelled");
	if ((code && code->type != JSON_NULL && json_to_int(code, &n)) ||
	    (signal && signal->type != JSON_NULL && json_to_int(signal, &sig)))
		return wrong(why, "exit_code or signal is no whole number");
	if (success && code && n != 0)
		return wrong(why, "success with exit code %lld", (long long)n);
	if (failed && code && n == 0)
		return wrong(why, "failed with exit code 0");
	if (stopped && n >= 0)
		return wrong(why, "%s with exit code %lld: it was stopped", status, (long long)n);
	if (code && signal && sig != (n > 128 && n <= 192 ? n - 128 : 0))
		return wrong(why, "signal %lld with exit code %lld", (long long)sig, (long long)n);
	return ended_by_sound(of, status, n, why);
}

/* The mark where the middle of a long output was left out, see collected() in runner.c. NULL: it is nowhere; *behind is
 * what follows it. */
static const char *cut_mark(const struct json *text, int64_t bytes, bool exact, const char **behind)
{
	static const char mark[] = "\n[... ", words[] = " bytes left out ...]\n";
	for (const char *at = text->text;
	     (at = memmem(at, (size_t)(text->text + text->len - at), mark, sizeof mark - 1)); at++) {
		char *end;
		const char *digits = at + sizeof mark - 1;
		int64_t left = strtoll(digits, &end, 10);
		size_t rest = (size_t)(text->text + text->len - end), n = sizeof words - 1;
		if (end == digits || rest < n || memcmp(end, words, n) != 0)
			continue;
		int64_t kept = (int64_t)(at - text->text) + (int64_t)(rest - n);
		*behind = end + n;
		if (left > 0 && left < bytes && (!exact || left == bytes - kept))
			return at;
	}
	return NULL;
}

/* What is no UTF-8 was replaced, and then its own bytes are nowhere. */
static bool is_exact(const struct json *text)
{
	return !memmem(text->text, text->len, REPLACED, sizeof REPLACED - 1);
}

bool result_digest(const struct json *result)
{
	const char *output = json_str(result, "output");
	return output && !strcmp(output, "digest");
}

static bool is_hash(const char *text)
{
	return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool digest_sound(const struct json *text, const struct json *cut, int64_t bytes, const char *said,
			 const char *stream, char why[200])
{
	uint8_t hash[32];
	char hex[SHA256_HEX];
	sha256("", 0, hash);
	sha256_hex(hash, hex);
	if (text || cut)
		return wrong(why, "it keeps %s, of which only the length and hash are to be kept", stream);
	return (bytes >= 0 && is_hash(said) && (bytes > 0) == (strcmp(said, hex) != 0)) ||
	       wrong(why, "it does not say how much it printed on %s, and its hash", stream);
}

/* The node ended it, and may not have seen the last of what it printed. */
static bool ended_by_node(const struct json *of)
{
	static const char *const ends[] = {"cancelled", "timeout", "oom"};
	const char *status = json_str(of, "status"), *by = json_str(of, "ended_by");
	bool ended = by && !strncmp(by, "limit:", 6);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		ended = ended || (status && !strcmp(status, ends[i]));
	return ended;
}

bool result_stream_sound(const struct json *result, const char *stream, bool digest, char why[200])
{
	char *names[3] = {xasprintf("%s_bytes", stream), xasprintf("%s_truncated", stream),
			  xasprintf("%s_sha256", stream)};
	const struct json *text = json_get(result, stream), *cut = json_get(result, names[1]);
	int64_t bytes = json_int(result, names[0], -1);
	const char *said = json_str(result, names[2]);
	for (int i = 0; i < 3; i++)
		free(names[i]);
	if (digest)
		return digest_sound(text, cut, bytes, said, stream, why);
	if (!text || text->type != JSON_STRING || bytes < 0 || !cut || cut->type != JSON_BOOL || !said)
		return wrong(why, "it does not say what it printed on %s, how much, and its hash", stream);
	const char *behind;
	bool exact = is_exact(text);
	if (cut->boolean && cut_mark(text, bytes, exact, &behind))
		return true;
	if (cut->boolean && !ended_by_node(result))
		return wrong(why, "%s is said to be cut, and what is kept and left out is not its %lld bytes", stream,
			     (long long)bytes);
	/* All that was seen stands there. */
	if (exact ? (int64_t)text->len != bytes : (int64_t)text->len < bytes)
		return wrong(why, "%s has %zu bytes, and %s_bytes says %lld", stream, text->len, stream,
			     (long long)bytes);
	uint8_t hash[32];
	char hex[SHA256_HEX];
	sha256(text->text, text->len, hash);
	sha256_hex(hash, hex);
	return !exact || !strcmp(hex, said) || wrong(why, "%s is not what %s_sha256 is the hash of", stream, stream);
}

bool result_early(const struct json *task, const struct json *of, char why[200])
{
	int64_t ms = json_int(of, "duration_ms", 0), whole = json_int(task, "timeout_seconds", 0);
	const char *by = json_str(of, "ended_by");
	if (by && !strcmp(by, "limit:cpu"))
		return json_get(task, "cpu_seconds")
			   ? false
			   : !wrong(why, "ended by a limit of processor time, and the task has none");
	return json_get(of, "duration_ms") && ms / 1000 + 1 < whole &&
	       !wrong(why, "a timeout after %lld ms, and the task has %lld s", (long long)ms, (long long)whole);
}

static int64_t millis(const struct json *of, const char *name)
{
	int64_t n = json_int(of, name, 0);
	return n < 0 ? 0 : n < MILLIS_MAX ? n : MILLIS_MAX; /* so that sums are sums, whoever wrote them */
}

static int64_t cpu_of(const struct json *result)
{
	const struct json *u = json_get(result, "usage");
	return millis(u, "cpu_user_ms") + millis(u, "cpu_system_ms");
}

/* Only what cannot be is wrong: more than its processors could give in that time, where they were held to that. */
static bool usage_sound(const struct json *result, char why[200])
{
	const struct json *u = json_get(result, "usage"), *limits = json_get(result, "limits"),
			  *cpus = json_get(limits, "cpus"), *held = json_get(limits, "enforced");
	int64_t used = cpu_of(result), ms = json_int(result, "duration_ms", 0);
	double most = cpus && cpus->type == JSON_NUMBER ? strtod(cpus->text, NULL) * (double)ms : 0;
	bool enforced = !held || held->type != JSON_BOOL || held->boolean;
	int64_t sandboxes = 1;
	for (const struct json *p = json_get(result, "points") ? json_get(result, "points")->child : NULL; p;
	     p = p->next)
		sandboxes++;
	if (u && enforced && (double)used > most * USAGE_SLACK + (double)(sandboxes * USAGE_SLACK_MS))
		return wrong(why, "%lld ms of processor time in %lld ms, and it had %s processors", (long long)used,
			     (long long)ms, cpus && cpus->type == JSON_NUMBER ? cpus->text : "no");
	return true;
}

bool result_sound(const struct json *result, const char *status, char why[200])
{
	static const char *const all[] = {"exit_code", "signal", "started_at",	 "finished_at",	 "duration_ms",
					  "engine",    "image",	 "image_digest", "script_sha256"};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!json_get(result, all[i]))
			return wrong(why, "the result of a run has no %s", all[i]);
	return result_end_sound(result, status, why) && usage_sound(result, why) &&
	       (json_get(result, "points") || (result_stream_sound(result, "stdout", result_digest(result), why) &&
					       result_stream_sound(result, "stderr", result_digest(result), why)));
}

/* A stream on which it printed nothing is not there at all. */
static bool point_stream_sound(const struct json *p, const char *stream, bool digest, char why[200])
{
	bool there = false;
	for (const struct json *m = p->child; m; m = m->next)
		there = there || !strncmp(m->name, stream, strlen(stream));
	char *name = xasprintf("%s_bytes", stream);
	int64_t bytes = json_int(p, name, -1);
	free(name);
	return !there || (result_stream_sound(p, stream, digest, why) &&
			  (bytes > 0 || wrong(why, "it has %s, and printed nothing there", stream)));
}

/* One point that ran. */
static bool point_sound(const struct json *p, const char *status, bool digest, char why[200])
{
	static const char *const may[] = {"success", "failed", "timeout", "oom", "cancelled"};
	bool known = false;
	for (size_t i = 0; i < sizeof may / sizeof *may && !known; i++)
		known = status && !strcmp(status, may[i]);
	if (!known || !json_get(p, "exit_code") || !json_get(p, "signal") || !json_get(p, "duration_ms"))
		return wrong(why, "it does not say how it ended");
	return result_end_sound(p, status, why) && point_stream_sound(p, "stdout", digest, why) &&
	       point_stream_sound(p, "stderr", digest, why);
}

/* What the whole says of itself, as the points have it. */
static bool whole_sound(const struct json *result, const char *status, int64_t bad, const struct json *first,
			bool stopped, char why[200])
{
	static const char *const same[] = {"exit_code", "signal"};
	bool success = !strcmp(status, "success"), cancelled = !strcmp(status, "cancelled");
	const char *reason = json_str(result, "reason");
	if (json_int(result, "points_failed", -1) != bad)
		return wrong(why, "points_failed is not %lld, as the points have it", (long long)bad);
	if (!success && !cancelled && strcmp(status, "failed") != 0)
		return wrong(why, "points that ended as %.40s together", status);
	if (success && bad)
		return wrong(why, "success with %lld points that did not", (long long)bad);
	if (stopped && !cancelled && !reason)
		return wrong(why, "points were skipped or cancelled, and nobody cancelled the task");
	if (!success && !bad && !reason)
		return wrong(why, "%s, and all points are a success", status);
	for (size_t i = 0; i < 2 && !success && !cancelled && !reason; i++) {
		const struct json *x = json_get(result, same[i]), *y = json_get(first, same[i]);
		int64_t n = -1, m = -1;
		if (x && x->type == JSON_NUMBER && json_to_int(x, &n))
			n = -2;
		if (y && y->type == JSON_NUMBER && json_to_int(y, &m))
			m = -2;
		if (n != m)
			return wrong(why, "%s is not that of the first point that failed", same[i]);
	}
	return true;
}

bool result_points_sound(const struct json *task, const struct json *result, const char *status, char why[200])
{
	struct point all[POINTS_MAX];
	const struct json *points = json_get(result, "points"), *first = NULL;
	size_t n = points_of(task, all), i = 0;
	int64_t bad = 0, ms = 0, cpu = 0;
	bool ended = false;
	if (!n && (points || json_get(result, "points_failed")))
		return wrong(why, "the result has points, and the task has none");
	if (!n)
		return true;
	if (!points || points->type != JSON_ARRAY)
		return wrong(why, "the task has points, and its result has none");
	for (const struct json *p = points->child; p; p = p->next, i++) {
		const char *is = json_str(p, "status");
		char what[200];
		if (i == n || json_int(p, "point", -1) != all[i].index)
			return wrong(why, "entry %zu of its points is not of the task's point there", i);
		bool skipped = is && !strcmp(is, "skipped");
		if (skipped ? p->child && p->child->next && p->child->next->next != NULL
			    : !point_sound(p, is, result_digest(result), what))
			return wrong(why, "point %lld: %.150s", (long long)all[i].index,
				     skipped ? "it was skipped, and says how it ran" : what);
		if (!skipped && !strcmp(is, "timeout") && result_early(task, p, what))
			return wrong(why, "point %lld: %.150s", (long long)all[i].index, what);
		if (ended && !skipped)
			return wrong(why, "point %lld ran after one that was skipped or cancelled",
				     (long long)all[i].index);
		ended = ended || skipped || !strcmp(is, "cancelled");
		first = first || good(p) ? first : p;
		bad += !good(p);
		ms += json_int(p, "duration_ms", 0);
		cpu += millis(p, "cpu_ms");
	}
	if (i != n)
		return wrong(why, "%zu of its %zu points have no entry", n - i, n);
	if (ms > json_int(result, "duration_ms", 0) + (int64_t)n)
		return wrong(why, "its points took %lld ms, and all of them together %lld", (long long)ms,
			     (long long)json_int(result, "duration_ms", 0));
	if (json_get(result, "usage") && cpu > cpu_of(result))
		return wrong(why, "its points used %lld ms of processor time, and all of them together %lld",
			     (long long)cpu, (long long)cpu_of(result));
	return whole_sound(result, status, bad, first, ended, why);
}

/* ---- room in a file ---- */

/* Of a stream's text n bytes of each end, or less where a character would be halved. */
static void cut_stream(struct json *of, const char *stream, size_t n)
{
	char *bytes_name = xasprintf("%s_bytes", stream), *cut_name = xasprintf("%s_truncated", stream);
	const struct json *text = json_get(of, stream), *cut = json_get(of, cut_name);
	int64_t bytes = json_int(of, bytes_name, 0), left;
	const char *from = NULL, *behind = NULL;
	struct buf kept = {0};
	if (!text || text->type != JSON_STRING || text->len <= 2 * n + MARK_BYTES)
		goto out;
	if (cut && cut->type == JSON_BOOL && cut->boolean)
		from = cut_mark(text, bytes, is_exact(text), &behind);
	const char *end = text->text + text->len;
	size_t head = from ? (size_t)(from - text->text) : text->len, tail = from ? (size_t)(end - behind) : text->len;
	head = head < n ? head : n;
	tail = tail < n ? tail : n;
	for (int i = 0; i < 3 && head && ((unsigned char)text->text[head] & 0xC0) == 0x80; i++)
		head--;
	for (int i = 0; i < 3 && tail && ((unsigned char)*(end - tail) & 0xC0) == 0x80; i++)
		tail--;
	buf_add(&kept, text->text, head);
	buf_add(&kept, end - tail, tail);
	left = bytes - (int64_t)kept.len;
	for (size_t i = 0; i + 2 < kept.len; i++) /* three bytes stand there for one */
		left += memcmp(kept.data + i, REPLACED, 3) ? 0 : 2;
	left = left < 1 ? 1 : left < bytes ? left : bytes - 1;
	buf_reset(&kept);
	buf_add(&kept, text->text, head);
	buf_addf(&kept, "\n[... %lld bytes left out ...]\n", (long long)left);
	buf_add(&kept, end - tail, tail);
	json_set(of, stream, json_new_strn(kept.data, kept.len));
	json_set(of, cut_name, json_new_bool(true));
out:
	buf_clear(&kept);
	free(bytes_name);
	free(cut_name);
}

static void cut_streams(struct json *result, size_t n)
{
	const struct json *points = json_get(result, "points");
	cut_stream(result, "stdout", n);
	cut_stream(result, "stderr", n);
	for (struct json *p = points && points->type == JSON_ARRAY ? points->child : NULL; p; p = p->next) {
		cut_stream(p, "stdout", n);
		cut_stream(p, "stderr", n);
	}
}

static size_t bytes_in_file(const struct json *result)
{
	struct json *file = json_new(JSON_OBJECT);
	struct buf b = {0};
	json_set(file, "result", json_copy(result));
	json_write(&b, file, 2);
	size_t n = b.len;
	buf_clear(&b);
	json_free(file);
	return n;
}

bool result_fit(struct json *result, size_t bytes)
{
	bool fits = bytes_in_file(result) <= bytes;
	for (size_t n = KEEP_MOST; !fits && n >= KEEP_LEAST; n /= 2) {
		cut_streams(result, n);
		fits = bytes_in_file(result) <= bytes;
	}
	return fits;
}
