#include "verbs/followmany.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/table.h"
#include "verbs/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 250
#define LINE_MAX_BYTES 65536 /* a longer one is cut in two */

/* One task: this program follows it. */
struct one {
	const char *id;
	int width; /* of the widest id */
	enum paint paint;
	struct proc *proc;
	struct buf rest[2]; /* of stdout and stderr: a line that has no end yet */
	int code;	    /* what it ended with */
};

static void put_line(const struct one *o, bool to_stderr, const char *text, size_t len)
{
	struct buf b = {0};
	bool colour = table_colour_on(to_stderr ? 2 : 1);
	buf_addf(&b, "%s%-*s |%s ", colour ? paint_code(o->paint) : "", o->width, o->id, colour ? "\033[0m" : "");
	fwrite(b.data, 1, b.len, to_stderr ? stderr : stdout);
	follow_print(to_stderr, text, len);
	follow_print(to_stderr, "\n", 1);
	buf_clear(&b);
}

static void printed(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct one *o = ctx;
	bool to_stderr = s == PROC_ERR;
	struct buf *rest = &o->rest[to_stderr];
	for (const char *end = bytes + len, *p = bytes; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		buf_add(rest, p, (size_t)((nl ? nl : end) - p));
		if (nl || rest->len > LINE_MAX_BYTES) {
			put_line(o, to_stderr, rest->data ? rest->data : "", rest->len);
			buf_reset(rest);
		}
		p = nl ? nl + 1 : end;
	}
}

static void ended(void *ctx, const struct proc_result *r)
{
	struct one *o = ctx;
	o->proc = NULL;
	o->code = r->end == PROC_EXITED ? r->code : 128 + r->code;
	for (int k = 0; k < 2; k++)
		if (o->rest[k].len)
			put_line(o, k, o->rest[k].data, o->rest[k].len);
}

static int begin(const struct context *ctx, struct one *o, struct err *e)
{
	struct strs env = {0};
	context_env(ctx, &env);
	const char *argv[] = {proc_self(), "logs", "-f", "--", o->id, NULL};
	const struct proc_spec spec = {
	    .argv = argv, .env = (const char *const *)env.v, .ctx = o, .on_output = printed, .on_end = ended};
	o->proc = proc_start(&spec, e);
	strs_clear(&env);
	return o->proc ? 0 : -1;
}

static int judge(const struct one *v, size_t n, struct err *e)
{
	int worst = 0;
	size_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		bad += v[i].code != 0;
		if (v[i].code && (!worst || worst == ERR_CANCELLED || (v[i].code != ERR_CANCELLED && worst == ERR_NO)))
			worst = v[i].code;
	}
	return worst ? err_set(e, (enum err_class)worst, "%zu of %zu did not succeed", bad, n) : 0;
}

int follow_many(const struct context *ctx, const struct strs *ids, struct err *e)
{
	static const enum paint paints[] = {PAINT_GREEN, PAINT_YELLOW, PAINT_DIM};
	struct one *v = xcalloc(ids->n + 1, sizeof *v);
	size_t running = ids->n;
	int rc = 0, width = 0;
	for (size_t i = 0; i < ids->n; i++)
		width = (int)strlen(ids->v[i]) > width ? (int)strlen(ids->v[i]) : width;
	for (size_t i = 0; i < ids->n && !rc; i++) {
		v[i] = (struct one){.id = ids->v[i], .width = width, .paint = paints[i % 3]};
		rc = begin(ctx, &v[i], e);
	}
	while (!rc && running && !sig_stops() && !ferror(stdout)) {
		loop_step(STEP_MS);
		running = 0;
		for (size_t i = 0; i < ids->n; i++)
			running += v[i].proc != NULL;
	}
	for (size_t i = 0; i < ids->n; i++) {
		proc_end_now(&v[i].proc);
		buf_clear(&v[i].rest[0]);
		buf_clear(&v[i].rest[1]);
	}
	if (!rc && sig_stops())
		rc = err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
	else if (!rc && !running)
		rc = judge(v, ids->n, e);
	free(v);
	return rc;
}
