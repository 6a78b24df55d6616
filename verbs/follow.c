#include "verbs/follow.h"
#include "base/clock.h"
#include "base/sig.h"
#include "base/table.h"
#include "base/text.h"
#include "schema/result.h"
#include "schema/spent.h"
#include "schema/vote.h"
#include "store/tails.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 300000
#define LOCAL_MS 500
#define STEP_MS 250

struct following {
	const struct context *ctx;
	const char *id;
	struct snapshot s;
	struct json *doc;
	const char *state;
	char path[256];
	char head[72], tail[72];  /* as read last */
	char node[65], nonce[72]; /* of the claim that is followed; "" for none */
	int64_t printed[2];	  /* bytes of stdout, of stderr, as the task printed them */
	int64_t as_of;		  /* UTC seconds; of the tails that were shown last, 0: none yet */
	bool clock_shown, told_off;
	bool midline; /* what was printed last has no end of line yet: the clock would hide it */
	char told_state[32];
};

/* ---- what is said besides ---- */

static bool on_terminal(void)
{
	const char *term = getenv("TERM");
	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static void hide_clock(struct following *f)
{
	if (f->clock_shown)
		fputs("\r\033[K", stderr);
	f->clock_shown = false;
}

/* How old what is shown is, in the last line, while it is a terminal's. */
static void show_clock(struct following *f)
{
	if (!f->as_of || f->midline || !on_terminal())
		return;
	int64_t age = clock_now() - f->as_of;
	fprintf(stderr, "\r(as of %lld s ago)\033[K", (long long)(age > 0 ? age : 0));
	f->clock_shown = true;
}

static void note(struct following *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct following *f, const char *fmt, ...)
{
	struct buf b = {0}, clean = {0};
	char text[1200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	git_redact(text);
	buf_adds(&b, text);
	text_clean(&clean, b.data, b.len, 1200);
	hide_clock(f);
	fflush(stdout);
	fprintf(stderr, "%sdgrid: %s\n", f->midline && on_terminal() ? "\n" : "", clean.data);
	f->midline = false;
	buf_clear(&b);
	buf_clear(&clean);
}

void follow_print(bool to_stderr, const char *text, size_t len)
{
	FILE *to = to_stderr ? stderr : stdout;
	struct buf b = {0};
	int fd = to_stderr ? STDERR_FILENO : STDOUT_FILENO;
	if (isatty(fd)) {
		text_stream(&b, text, len, table_colour_on(fd));
		fwrite(b.data ? b.data : "", 1, b.len, to);
	} else
		fwrite(text, 1, len, to);
	fflush(to);
	buf_clear(&b);
}

/* ---- the task ---- */

static int find(const struct context *ctx, struct snapshot *s, const char *at, const char *id, struct json **doc,
		const char **state, char path[256], struct err *e)
{
	if (open_snapshot(ctx, at, s, e))
		return -1;
	struct snapshot_task *t = task_id_valid(id) ? snapshot_find(s, id) : NULL;
	if (t) {
		*state = task_state_name(t->state);
		snprintf(path, 256, "tasks/%s/%s.json", *state, t->id);
		if (snapshot_doc(s, t, e))
			return -1;
		*doc = json_copy(t->doc);
		return 0;
	}
	char where[128];
	*state = "archived";
	e->class = ERR_NONE;
	if (task_id_valid(id))
		*doc = snapshot_archived(s, id, where, e);
	if (*doc)
		snprintf(path, 256, "archive:%s", where);
	if (*doc)
		return 0;
	return e->class && e->class != ERR_NOENT ? -1 : no_such_task(id, e);
}

int follow_find(const struct context *ctx, struct snapshot *s, const char *at, const char *id, struct json **doc,
		const char **state, char path[256], struct err *e)
{
	*doc = NULL;
	if (find(ctx, s, at, id, doc, state, path, e))
		return -1;
	if ((*doc)->type == JSON_OBJECT)
		return 0;
	return err_set(e, ERR_DATA, "%s:%u:%u: expected an object, found %s", path, (*doc)->line, (*doc)->col,
		       json_type_name((*doc)->type));
}

static int look(struct following *f, struct err *e)
{
	struct snapshot s = {0};
	struct json *doc;
	const char *state;
	char path[256];
	int rc = follow_find(f->ctx, &s, NULL, f->id, &doc, &state, path, e);
	if (rc) {
		json_free(doc);
		snapshot_close(&s);
		return -1;
	}
	snapshot_close(&f->s);
	json_free(f->doc);
	f->s = s;
	f->doc = doc;
	f->state = state;
	snprintf(f->path, sizeof f->path, "%s", path);
	return 0;
}

/* A claim that we did not follow yet: its output begins anew. */
static void take_claim(struct following *f)
{
	const struct json *claim = json_get(f->doc, "claim");
	const char *node = json_str(claim, "node"), *nonce = json_str(claim, "nonce");
	bool running = !strcmp(f->state, "in_progress");
	if (!running && strcmp(f->told_state, f->state) != 0 && !json_get(f->doc, "result")) {
		note(f,
		     vote_count(f->doc) ? "%s: a node has voted; waiting for the next"
		     : f->nonce[0]	? "%s: the claim was given back; waiting for the next"
					: "%s is in %s; waiting for it to start",
		     f->id, f->state);
		snprintf(f->told_state, sizeof f->told_state, "%s", f->state);
	}
	if (!running || !node || !nonce || !task_id_valid(node) || strlen(nonce) >= sizeof f->nonce ||
	    !strcmp(nonce, f->nonce))
		return;
	snprintf(f->node, sizeof f->node, "%s", node);
	snprintf(f->nonce, sizeof f->nonce, "%s", nonce);
	f->printed[0] = f->printed[1] = f->as_of = 0;
	f->tail[0] = f->told_state[0] = 0;
	note(f, "%s runs on node %s, attempt %lld", f->id, f->node, (long long)json_int(claim, "attempt", 1));
	if (vote_claim_terms(claim).replicas > 1 && !f->told_off) {
		f->told_off = true;
		note(f, "other nodes run it too, so nothing is shown before the end: none may copy from another");
	} else if (!f->s.config.live_tail_bytes && !f->told_off) {
		f->told_off = true;
		note(f, "the grid shows no output before the end (live_tail_bytes is 0 in grid.json)");
	}
}

/* ---- its output ---- */

static const char *stream(int k)
{
	return k ? "stderr" : "stdout";
}

static void print_tail(struct following *f, const struct json *tails)
{
	bool first = !f->as_of, any = false;
	const char *at = json_str(tails, "at");
	struct tail t;
	for (int k = 0; k < 2; k++) {
		if (!tails_find(tails, f->nonce, k, &t))
			continue;
		any = true;
		if (t.end <= f->printed[k])
			continue;
		if (t.from > f->printed[k])
			note(f, "%" PRId64 " bytes of %s %s", t.from - f->printed[k], stream(k),
			     f->printed[k] ? "were missed" : "were printed earlier and are not shown");
		size_t skip =
		    f->printed[k] > t.from ? tails_at(t.text, t.len, t.end - t.from, f->printed[k] - t.from) : 0;
		hide_clock(f);
		follow_print(k, t.text + skip, t.len - skip);
		f->midline = t.len && t.text[t.len - 1] != '\n' && isatty(k ? STDERR_FILENO : STDOUT_FILENO);
		f->printed[k] = t.end;
	}
	if (any && (!at || clock_parse(at, &f->as_of)))
		f->as_of = clock_now();
	if (any && first && !on_terminal())
		note(f, "(as of %lld s ago; output comes with the node's heartbeats, every %lld s or sooner)",
		     (long long)(clock_now() > f->as_of ? clock_now() - f->as_of : 0),
		     (long long)f->s.config.heartbeat_seconds);
}

/* The marker between head and tail of a long output, see runner.c. Its place; *len: its length, *left: the bytes that
 * are left out. NULL: there is none. */
static const char *find_marker(const char *text, size_t size, int64_t total, size_t *len, int64_t *left)
{
	static const char begin[] = "\n[... ";
	for (const char *p = text; (p = memmem(p, size - (size_t)(p - text), begin, sizeof begin - 1)); p++) {
		int used = 0;
		if (sscanf(p, "\n[... %" SCNd64 " bytes left out ...]%n", left, &used) != 1 || !used ||
		    p[used] != '\n' || *left <= 0 || *left > total)
			continue;
		*len = (size_t)used + 1;
		return p;
	}
	return NULL;
}

void follow_stream(bool to_stderr, const struct json *result)
{
	const char *name = stream(to_stderr);
	const struct json *text = json_get(result, name),
			  *cut = json_get(result, to_stderr ? "stderr_truncated" : "stdout_truncated");
	int64_t total = json_int(result, to_stderr ? "stderr_bytes" : "stdout_bytes", -1), left = 0;
	const struct json *points = json_get(result, "points");
	for (const struct json *p = points ? points->child : NULL; p; p = p->next)
		follow_stream(to_stderr, p);
	if (!text || text->type != JSON_STRING)
		return;
	size_t marker = 0;
	const char *body = text->text, *gap = NULL;
	if (cut && cut->boolean && total >= 0)
		gap = find_marker(body, text->len, total, &marker, &left);
	if (!gap) {
		follow_print(to_stderr, body, text->len);
		return;
	}
	size_t head = (size_t)(gap - body);
	int64_t from = (total - left) / 2;
	follow_print(to_stderr, body, head);
	fprintf(stderr, "%sdgrid: %s is not whole: bytes %" PRId64 " to %" PRId64 " of %" PRId64 " were not kept\n",
		head && body[head - 1] != '\n' && isatty(STDERR_FILENO) ? "\n" : "", name, from + 1, from + left,
		total);
	follow_print(to_stderr, gap + marker, text->len - head - marker);
}

/* Of what the run, or one of its points, printed on a stream: what comes after the first `had` bytes. */
static void print_rest(struct following *f, int k, const struct json *result, int64_t had)
{
	const struct json *text = json_get(result, stream(k));
	const struct json *cut = json_get(result, k ? "stderr_truncated" : "stdout_truncated");
	int64_t total = json_int(result, k ? "stderr_bytes" : "stdout_bytes", -1), left = 0;
	const struct json *points = json_get(result, "points");
	for (const struct json *p = points ? points->child : NULL; p; p = p->next) {
		int64_t own = json_int(p, k ? "stderr_bytes" : "stdout_bytes", 0);
		if (had < own)
			print_rest(f, k, p, had);
		had = had < own ? 0 : had - own;
	}
	if (!text || text->type != JSON_STRING)
		return;
	const char *body = text->text;
	size_t len = text->len, marker = 0;
	const char *gap = cut && cut->boolean && total >= 0 ? find_marker(body, len, total, &marker, &left) : NULL;
	if (!had) {
		follow_stream(k, result);
		return;
	}
	if (!gap) {
		size_t skip = tails_at(body, len, total, had);
		follow_print(k, body + skip, len - skip);
		return;
	}
	/* Head and tail are equally long: what was kept of each. */
	size_t head = (size_t)(gap - body), tail = len - head - marker;
	int64_t raw = (total - left) / 2, tail_from = total - raw;
	if (had < raw) {
		size_t skip = tails_at(body, head, raw, had);
		follow_print(k, body + skip, len - skip);
		return;
	}
	if (had < tail_from)
		note(f, "%" PRId64 " bytes of %s were missed", tail_from - had, stream(k));
	size_t skip = had > tail_from ? tails_at(gap + marker, tail, raw, had - tail_from) : 0;
	follow_print(k, gap + marker + skip, tail - skip);
}

static int finish(struct following *f, struct err *e)
{
	const struct json *result = json_get(f->doc, "result");
	const char *nonce = json_str(result, "nonce"), *status = json_str(result, "status"),
		   *reason = json_str(result, "reason");
	int64_t code = json_int(result, "exit_code", -1);
	hide_clock(f);
	if (!nonce || strcmp(nonce, f->nonce) != 0) /* of another attempt than the one that was followed */
		f->printed[0] = f->printed[1] = 0;
	print_rest(f, 0, result, f->printed[0]);
	print_rest(f, 1, result, f->printed[1]);
	if (result_digest(result))
		note(f, "its output is not kept, only the length and SHA-256");
	if (!result) {
		/* The well-known attempt kept results beside the task, in ID.json.log. */
		char *log = xasprintf("%s.log", f->path);
		struct buf old = {0};
		if (!snapshot_file(&f->s, log, &old, NULL))
			follow_print(false, old.data, old.len);
		free(log);
		buf_clear(&old);
	}
	int worst = ended_code(f->doc);
	if (!worst && !strcmp(f->state, "failed"))
		worst = ERR_NO;
	if (!worst)
		return 0;
	struct buf why = {0};
	char number[40] = "";
	if (code >= 0)
		snprintf(number, sizeof number, ", exit code %" PRId64, code);
	reason = reason ? reason : spent_end(result);
	text_clean(&why, reason ? reason : "", SIZE_MAX, 200);
	struct buf what = {0};
	text_clean(&what, status ? status : "failed", SIZE_MAX, 20);
	err_set(e, (enum err_class)worst, "%s ended: %s%s%s%s", f->id, what.data, number, why.len ? ": " : "",
		why.data);
	buf_clear(&why);
	buf_clear(&what);
	return -1;
}

/* ---- the loop ---- */

static bool stopped(void)
{
	return sig_stops() > 0;
}

/* One look at what changed. 1: the task has ended; -1: e says why nothing could be seen. */
static int turn(struct following *f, struct err *e)
{
	const char *from = f->s.cached ? "origin" : ".";
	char head[72], tail[72];
	const char *ask = f->nonce[0] && f->s.config.live_tail_bytes ? f->node : NULL;
	if (!f->s.url) { /* the first look */
		if (look(f, e))
			return -1;
	} else {
		if (tails_ask(&f->s.git, from, f->ctx->branch, ask, head, tail, e))
			return -1;
		if (strcmp(head, f->head) != 0 && look(f, e))
			return -1;
		if (ask && tail[0] && strcmp(tail, f->tail) != 0) {
			struct json *tails = tails_read(&f->s.git, f->node, tail, e);
			bool broken = !tails && e->class == ERR_DATA; /* a stranger's: the next may be better */
			if (!tails && !broken)
				return -1;
			if (tails)
				print_tail(f, tails);
			json_free(tails);
			snprintf(f->tail, sizeof f->tail, "%s", tail);
		}
	}
	snprintf(f->head, sizeof f->head, "%s", f->s.commit);
	if (json_get(f->doc, "result") && strcmp(f->state, "in_progress") != 0 && strcmp(f->state, "queue") != 0)
		return 1;
	if (!strcmp(f->state, "completed") || !strcmp(f->state, "failed") || !strcmp(f->state, "archived"))
		return 1;
	take_claim(f);
	return 0;
}

static int pursue(struct following *f, struct err *e)
{
	int64_t trouble_since = 0;
	for (;;) {
		int got = turn(f, e);
		int64_t now = clock_mono_ms();
		if (stopped()) {
			hide_clock(f);
			return err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
		}
		if (got > 0)
			return finish(f, e);
		if (ferror(stdout)) /* nobody reads, or nothing fits: main tells */
			return 0;
		if (got < 0) {
			/* A remote that is away for a while is no reason to give up, once it has answered. */
			if (!f->s.url || e->class == ERR_NOENT || e->class == ERR_DATA ||
			    now - (trouble_since ? trouble_since : now) > PATIENCE_MS) {
				hide_clock(f);
				return -1;
			}
			if (!trouble_since)
				note(f, "remote trouble: %s; trying again", e->msg);
			trouble_since = trouble_since ? trouble_since : now;
		} else if (trouble_since) {
			note(f, "the remote answers again");
			trouble_since = 0;
		}
		int64_t until = clock_mono_ms() + (f->s.cached ? f->s.config.poll_seconds * 1000 : LOCAL_MS);
		while (clock_mono_ms() < until && !stopped()) {
			show_clock(f);
			loop_step(STEP_MS);
		}
	}
}

int follow_task(const struct context *ctx, const char *id, struct err *e)
{
	struct following f = {.ctx = ctx, .id = id};
	int rc = pursue(&f, e);
	json_free(f.doc);
	snapshot_close(&f.s);
	return rc;
}
