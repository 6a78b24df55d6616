#include "base/clock.h"
#include "base/sig.h"
#include "base/text.h"
#include "store/archive.h"
#include "verbs/select.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_PATIENCE_MS 300000
#define WAIT_HINT_MS 10000 /* nothing runs and nothing moves: is anybody there who could? */
#define TOLD_MAX 10	   /* of those that did not succeed */

enum { NOT_ENDED = -1 };

struct awaited {
	const char *id;	 /* borrowed */
	int code;	 /* how it ended, NOT_ENDED */
	char status[20]; /* in a word, where it did not succeed */
};

struct tally {
	size_t queued, running, ended;
	int worst; /* 0, ERR_CANCELLED or ERR_NO */
};

static void ended(struct awaited *a, int code, const struct json *doc)
{
	const char *status = json_str(json_get(doc, "result"), "status");
	struct buf b = {0};
	a->code = code;
	text_clean(&b, status ? status : "failed", SIZE_MAX, (int)sizeof a->status - 1);
	snprintf(a->status, sizeof a->status, "%s", code ? b.data : "");
	buf_clear(&b);
}

struct seeking {
	struct awaited *v;
	size_t *at; /* of what was asked for */
};

static void take_archived(void *ctx, const struct archive_found *f)
{
	struct seeking *k = ctx;
	ended(&k->v[k->at[f->asked]], ended_code(f->doc), f->doc);
	json_free(f->doc);
}

/* Tasks that are not on the branch may have ended and been archived, before we looked or meanwhile. */
static int look_in_archive(struct ledger *l, struct awaited *v, size_t n, struct err *e)
{
	struct git g = {0};
	struct strs ids = {0};
	struct seeking k = {.v = v, .at = xcalloc(n + 1, sizeof *k.at)};
	for (size_t i = 0; i < n; i++)
		if (v[i].code == NOT_ENDED) {
			k.at[ids.n] = i;
			strs_add(&ids, v[i].id);
		}
	const struct archive_query q = {.ids = ids.v, .n = ids.n, .docs = true};
	int rc = open_archive(l, &g, e) ? -1 : archive_look(&g, &q, take_archived, &k, e);
	for (size_t i = 0; i < n && !rc; i++)
		if (v[i].code == NOT_ENDED)
			rc = no_such_task(v[i].id, e);
	archive_close(&g);
	strs_clear(&ids);
	free(k.at);
	return rc;
}

/* One that is on the branch, in state s. */
static int look_at(struct ledger *l, struct awaited *a, int s, struct tally *t, struct err *e)
{
	t->queued += s == TASK_QUEUE || s == TASK_UNAPPROVED;
	t->running += s == TASK_IN_PROGRESS;
	if (s == TASK_COMPLETED)
		ended(a, 0, NULL);
	else if (s == TASK_FAILED) {
		struct json *doc = ledger_doc(l, TASK_FAILED, a->id, e);
		if (!doc && !ledger_answered(e))
			return -1;
		int code = ended_code(doc);
		ended(a, code ? code : ERR_NO, doc);
		json_free(doc);
	}
	return 0;
}

static int count_up(struct ledger *l, struct awaited *v, size_t n, struct tally *t, struct err *e)
{
	struct awaited *gone = xcalloc(n + 1, sizeof *gone);
	size_t n_gone = 0;
	int rc = 0;
	*t = (struct tally){0};
	for (size_t i = 0; i < n && !rc; i++) {
		if (v[i].code != NOT_ENDED)
			continue;
		int s = task_id_valid(v[i].id) ? ledger_find(l, v[i].id, e) : LEDGER_NOWHERE;
		if (s == LEDGER_UNKNOWN || (s >= 0 && look_at(l, &v[i], s, t, e)))
			rc = -1;
		else if (!task_id_valid(v[i].id))
			rc = no_such_task(v[i].id, e);
		else if (s < 0)
			gone[n_gone++] = v[i];
	}
	if (!rc && n_gone)
		rc = look_in_archive(l, gone, n_gone, e);
	for (size_t i = 0, k = 0; i < n && !rc; i++) {
		if (k < n_gone && v[i].id == gone[k].id)
			v[i] = gone[k++];
		t->ended += v[i].code != NOT_ENDED;
		if (v[i].code > 0)
			t->worst = t->worst == ERR_NO ? t->worst : v[i].code;
	}
	free(gone);
	return rc;
}

/* One line on a terminal, redrawn in place; with t NULL it is taken away. */
static void progress(const struct tally *t, size_t n)
{
	static const char bar[] = "##############################";
	const char *term = getenv("TERM");
	if (!isatty(STDERR_FILENO) || (term && !strcmp(term, "dumb")))
		return;
	if (t) {
		int width = (int)sizeof bar - 1, done = (int)(t->ended * (size_t)width / n);
		fprintf(stderr, "\r[%.*s%*s] %zu of %zu ended, %zu running, %zu queued \033[K", done, bar, width - done,
			"", t->ended, n, t->running, t->queued);
	} else
		fputs("\r\033[K", stderr);
}

static void hint(const struct awaited *v, size_t n)
{
	size_t i = 0;
	while (i + 1 < n && v[i].code != NOT_ENDED)
		i++;
	fprintf(stderr, "dgrid: none of these runs yet; dgrid why %s says why, ^C only stops the waiting\n", v[i].id);
}

/* Which did not succeed, and how they ended. */
static int tell_failed(const struct awaited *v, size_t n, int worst, struct err *e)
{
	struct buf b = {0};
	size_t bad = 0;
	if (n == 1)
		return err_set(e, (enum err_class)worst, "%s did not succeed: %s (see: dgrid show %s)", v->id,
			       v->status, v->id);
	for (size_t i = 0; i < n; i++)
		if (v[i].code > 0 && bad++ < TOLD_MAX)
			buf_addf(&b, "%s%s (%s)", b.len ? ", " : "", v[i].id, v[i].status);
	if (bad > TOLD_MAX)
		buf_addf(&b, " and %zu more", bad - TOLD_MAX);
	err_set(e, (enum err_class)worst, "%zu of %zu did not succeed: %s (see: dgrid show ID)", bad, n, b.data);
	buf_clear(&b);
	return -1;
}

static void pass_on(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	FILE *to = s == PROC_ERR ? stderr : stdout;
	(void)ctx;
	fwrite(bytes, 1, len, to);
	fflush(to);
}

/* The command of --exec, once, when all have ended: it reads a line a task. */
static int execute(const char *command, const struct awaited *v, size_t n, int worst, struct err *e)
{
	const char *argv[] = {"/bin/sh", "-c", command, NULL};
	char *code = xasprintf("DGRID_EXIT_CODE=%d", worst);
	const char *env[] = {code, NULL};
	struct buf lines = {0};
	struct proc_result r = {0};
	for (size_t i = 0; i < n; i++)
		buf_addf(&lines, "%s %s\n", v[i].id, v[i].code ? v[i].status : "success");
	const struct proc_spec spec = {
	    .argv = argv, .env = env, .input = lines.data, .input_len = lines.len, .on_output = pass_on};
	fflush(stdout);
	int rc = proc_run(&spec, &r, e);
	if (!rc && (r.end != PROC_EXITED || r.code))
		rc = err_set(e, ERR_UNAVAILABLE, "--exec: the command ended with %s %d",
			     r.end == PROC_EXITED ? "exit code" : "signal", r.code);
	proc_result_clear(&r);
	buf_clear(&lines);
	free(code);
	return rc;
}

/* How they ended; a command that failed is told besides. */
static int conclude(const char *command, const struct awaited *v, size_t n, int worst, struct err *e)
{
	struct err own = {0};
	int rc = command ? execute(command, v, n, worst, &own) : 0;
	if (rc && worst)
		fprintf(stderr, "dgrid: %s\n", own.msg);
	else if (rc)
		*e = own;
	return worst ? tell_failed(v, n, worst, e) : rc;
}

static int follow(struct ledger *l, struct awaited *v, size_t n, long timeout, const char *command, struct err *e)
{
	int64_t deadline = timeout ? clock_mono_ms() + timeout * 1000 : 0, silent_since = 0,
		still_since = clock_mono_ms();
	struct tally t = {0};
	bool moved = true, hinted = false;
	for (;;) {
		/* A remote that is away for a while is no reason to give up. */
		if ((!moved && ledger_moved(l, &moved, e)) || (moved && ledger_sync(l, e))) {
			int64_t now = clock_mono_ms();
			silent_since = silent_since ? silent_since : now;
			if (now - silent_since > WAIT_PATIENCE_MS)
				return -1;
			moved = true;
		} else {
			const struct tally was = t;
			silent_since = 0;
			if (moved && count_up(l, v, n, &t, e))
				return -1;
			if (moved)
				progress(&t, n);
			if (t.running || t.ended != was.ended) /* others' tasks may move all the time */
				still_since = clock_mono_ms();
			moved = false;
			if (t.ended == n)
				break;
			if (!hinted && clock_mono_ms() - still_since >= WAIT_HINT_MS) {
				progress(NULL, n);
				hint(v, n);
				progress(&t, n);
				hinted = true;
			}
		}
		if (deadline && clock_mono_ms() >= deadline) {
			progress(NULL, n);
			return err_set(e, ERR_RETRY, "%zu of %zu tasks had not ended after %ld s", n - t.ended, n,
				       timeout);
		}
		if (sig_stops()) {
			progress(NULL, n);
			return err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
		}
		loop_step(l->folder.ref ? 100 : 2000);
	}
	progress(NULL, n);
	return conclude(command, v, n, t.worst, e);
}

static int wait_then(struct ledger *l, const char *const *ids, size_t n, long timeout, const char *command,
		     struct err *e)
{
	struct awaited *v = xcalloc(n + 1, sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct awaited){.id = ids[i], .code = NOT_ENDED};
	int rc = n ? follow(l, v, n, timeout, command, e) : 0;
	free(v);
	return rc;
}

int wait_for(struct ledger *l, const char *const *ids, size_t n, long timeout, struct err *e)
{
	return wait_then(l, ids, n, timeout, NULL, e);
}

/* ---- the verb ---- */

/* Those that there are now; what joins a group later is not waited for. */
static int choose(const struct context *ctx, const struct selection *of, char *const *ids, size_t n, struct strs *out,
		  struct err *e)
{
	struct snapshot s = {0};
	struct selected_list found = {0};
	int rc = open_snapshot(ctx, NULL, &s, e) || select_tasks(&s, of, ids, n, &found, e) ? -1 : 0;
	for (size_t i = 0; i < found.n && !rc; i++)
		strs_add(out, found.v[i].task->id);
	rc = rc ? rc : select_missing(&found, e);
	selected_clear(&found);
	snapshot_close(&s);
	return rc;
}

static int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_wait, .argc = argc, .argv = argv};
	struct selection of = {0};
	struct strs chosen = {0};
	struct ledger l = {0};
	struct grid_config c = {0};
	const char *command = NULL;
	long timeout = 0;
	int key, rc = 0;
	while (!rc && (key = usage_next(&s, e)) != 0)
		if (key == 'x')
			command = s.value;
		else if (key == 't')
			rc = parse_number("--timeout", s.value, 1, 86400, &timeout, e);
		else
			rc = key < 0 || select_take(&of, s.option, s.value, e) ? -1 : 0;
	size_t n = rc ? 0 : (size_t)usage_distinct(&s);
	const char *const *ids = (const char *const *)argv + s.rest;
	if (!rc && !n && !of.given)
		rc = err_set(e, ERR_USAGE, "wait needs at least one task id");
	if (!rc && n)
		rc = open_grid(ctx, &l, &c, e);
	/* What is no task on the branch is in the archive, or a group. */
	for (size_t i = 0; i < n && !rc && !of.given; i++)
		of.given = !task_id_valid(ids[i]) || ledger_find(&l, ids[i], e) == LEDGER_NOWHERE;
	if (!rc && of.given && !(rc = choose(ctx, &of, argv + s.rest, n, &chosen, e))) {
		ids = (const char *const *)chosen.v;
		n = chosen.n;
		if (!n)
			fputs("dgrid: no task matches\n", stderr);
	}
	if (!rc && n)
		rc = (!l.head[0] && open_grid(ctx, &l, &c, e)) || wait_then(&l, ids, n, timeout, command, e) ? -1 : 0;
	close_grid(&l, &c);
	strs_clear(&chosen);
	selection_clear(&of);
	return rc;
}

static const struct usage_note outcomes[] = {
    {"0", "all of them succeeded"},
    {"1", "one failed, timed out, ran out of memory or was lost"},
    {"3", "none failed, but one was cancelled"},
    {"69", "the remote cannot be read; or all succeeded, and the command of --exec failed"},
    {"75", "some have not ended after --timeout"},
    {"130, 143", "interrupted; the tasks keep running"},
    {0}};
const struct verb verb_wait = {
    .name = "wait",
    .args = "[--timeout SECONDS] [--exec CMD] [SELECTION]... [ID]...",
    .summary = "wait for tasks to end; 0 when all succeeded",
    .about = "Waits until every named task has ended; the exit code says how, and the last line names those that did "
	     "not succeed. Tasks that have been archived count too. If the remote is away for a while, it waits for "
	     "that too. Of a group, it waits for the tasks that exist when it starts.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'t', "--timeout", "SECONDS", NULL, "give up after so many seconds (1 to 86400); default: no limit"},
	    {'x', "--exec", "CMD", NULL,
	     "when all have ended, run this with sh; its standard input has one line per task, ID and how it ended, "
	     "and $DGRID_EXIT_CODE is wait's own exit code"},
	    {0}},
    .shared = select_option_at,
    .operands = "@tasks:queue,in_progress,unapproved",
    .examples =
	(const struct usage_note[]){{"dgrid wait hello && dgrid logs hello", "its output once it is done"},
				    {"dgrid wait --timeout 600 part-1 part-2 part-3", "three tasks, ten minutes"},
				    {"dgrid wait --group sweep", "all of them"},
				    {"dgrid wait --group sweep --exec 'mail -s \"sweep: $DGRID_EXIT_CODE\" me'", ""},
				    {0}},
    .exits = outcomes,
    .run = cmd_wait,
};
