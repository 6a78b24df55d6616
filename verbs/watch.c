/* watch: the grid as it is, to move about in. Keys are taken while it looks at the remote too; what takes git (a task's
 * running output, cancel, retry) is done between two looks. */
#include "base/clock.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/text.h"
#include "git/git.h"
#include "store/tails.h"
#include "verbs/screen.h"
#include "verbs/verbs.h"
#include "verbs/watchview.h"
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 50
#define REDRAW_MS 1000 /* ages count on */

static struct {
	struct watchview v;
	bool quit, due, act; /* due: a look is; act: what was asked is to be done */
} it;

/* ---- keys ---- */

static void filter_key(struct watchview *v, int key)
{
	size_t n = strlen(v->filter);
	if (key == KEY_ENTER)
		v->mode = WATCH_LIST;
	else if (key == KEY_ESCAPE) {
		v->mode = WATCH_LIST;
		v->filter[0] = 0;
	} else if (key == KEY_ERASE && n) {
		while (n && ((unsigned char)v->filter[--n] & 0xC0) == 0x80)
			;
		v->filter[n] = 0;
	} else if (key >= ' ' && key < 256 && key != KEY_ERASE && n + 1 < sizeof v->filter) {
		v->filter[n] = (char)key;
		v->filter[n + 1] = 0;
	}
	watchview_rows(v);
}

/* Asks whether the chosen task is to be cancelled, or queued again, where it can be. */
static void ask(struct watchview *v, const char *verb)
{
	const struct selected *one = watchview_chosen(v);
	bool cancels = !strcmp(verb, "cancel"), ended;
	if (!one)
		return;
	ended = one->task->state == TASK_COMPLETED || one->task->state == TASK_FAILED;
	if (cancels == ended) {
		snprintf(v->said, sizeof v->said, "%s %s", v->id,
			 cancels ? "has ended already" : "has not ended: there is nothing to queue again");
		return;
	}
	v->under = v->mode;
	v->mode = WATCH_ASK;
	v->ask = verb;
}

static void move_key(struct watchview *v, int key)
{
	long page = (long)watchview_body(v);
	switch (key) {
	case KEY_UP:
	case 'k':
		watchview_move(v, -1);
		break;
	case KEY_DOWN:
	case 'j':
		watchview_move(v, 1);
		break;
	case KEY_PAGE_UP:
	case 'b':
		watchview_move(v, -page);
		break;
	case KEY_PAGE_DOWN:
	case ' ':
		watchview_move(v, page);
		break;
	case KEY_HOME:
	case 'g':
		watchview_move(v, -(LONG_MAX / 2));
		break;
	case KEY_END:
	case 'G':
		watchview_move(v, LONG_MAX / 2);
		break;
	}
}

static void list_key(struct watchview *v, int key)
{
	if (key == '/')
		v->mode = WATCH_FILTER;
	else if (key == 'f') {
		v->failed_only = !v->failed_only;
		watchview_rows(v);
	} else if (key == KEY_ESCAPE && *v->filter) {
		v->filter[0] = 0;
		watchview_rows(v);
	} else if (key == KEY_ENTER && v->n_rows) {
		v->mode = WATCH_TASK;
		v->from = 0;
		v->at_end = false;
		v->stale = true;
		it.due = true; /* what it prints, if it runs */
	} else
		move_key(v, key);
}

static void take_key(struct watchview *v, int key)
{
	v->said[0] = 0;
	if (key == 3)
		it.quit = true;
	else if (v->mode == WATCH_FILTER)
		filter_key(v, key);
	else if (v->mode == WATCH_ASK) {
		it.act = it.act || key == 'y' || key == 'Y';
		v->mode = v->under;
	} else if (key == 'q')
		it.quit = true;
	else if (key == 'c' || key == 'r')
		ask(v, key == 'c' ? "cancel" : "retry");
	else if (v->mode == WATCH_TASK && key == KEY_ESCAPE) {
		v->mode = WATCH_LIST;
		json_free(v->tails);
		v->tails = NULL;
		watchview_rows(v);
	} else if (v->mode == WATCH_TASK)
		move_key(v, key);
	else
		list_key(v, key);
}

/* Takes what was typed, and shows what comes of it; true when it is time to end. Also while git runs. */
static bool asked(void)
{
	bool any = false;
	for (int key; !it.quit && (key = screen_key()) != KEY_NONE; any = true)
		take_key(&it.v, key);
	if (any && !it.quit)
		watchview_draw(&it.v);
	return it.quit || sig_stops();
}

/* ---- looks and deeds ---- */

/* What the task that is shown prints, while it runs. */
static void look_at_tails(struct watchview *v)
{
	const struct selected *one = v->mode == WATCH_TASK ? watchview_chosen(v) : NULL;
	const char *node =
	    one && one->task->state == TASK_IN_PROGRESS ? json_str(json_get(one->task->doc, "claim"), "node") : NULL;
	char head[72], tail[72];
	struct err e;
	if (!node || !task_id_valid(node) || !v->page.s.config.live_tail_bytes ||
	    tails_ask(&v->page.s.git, v->page.s.cached ? "origin" : ".", v->page.ctx->branch, node, head, tail, &e) ||
	    !tail[0])
		return;
	struct json *tails = tails_read(&v->page.s.git, node, tail, &e);
	if (tails) {
		json_free(v->tails);
		v->tails = tails;
	}
}

static void look(struct watchview *v)
{
	struct err e = {0};
	int rc = statuspage_look(&v->page, &e);
	if (it.quit || sig_stops())
		return;
	git_redact(e.msg);
	snprintf(v->trouble, sizeof v->trouble, "%s%.500s", rc ? "remote trouble, showing what was seen last: " : "",
		 rc ? e.msg : "");
	watchview_rows(v); /* before anything else: the old ones are gone */
	if (!rc)
		look_at_tails(v);
}

/* The first line of what the verb said. */
static void act(struct watchview *v)
{
	const struct context *ctx = v->page.ctx;
	struct strs env = {0};
	context_env(ctx, &env);
	const char *argv[] = {proc_self(), v->ask, "--", v->id, NULL};
	const struct proc_spec spec = {.argv = argv, .env = (const char *const *)env.v};
	struct proc_result r = {0};
	struct err e = {0};
	bool ran = !proc_run(&spec, &r, &e), well = ran && r.end == PROC_EXITED && !r.code;
	const char *text = !ran ? e.msg : well ? r.out.data : r.err.data;
	struct buf line = {0};
	text = text ? text : "";
	text_clean(&line, text, strcspn(text, "\n"), (int)sizeof v->said - 1);
	snprintf(v->said, sizeof v->said, "%s", line.len ? line.data : well ? "done" : "it did not succeed");
	buf_clear(&line);
	proc_result_clear(&r);
	strs_clear(&env);
}

static void loop(struct watchview *v)
{
	int64_t next = clock_mono_ms() + v->every * 1000, drawn = 0;
	int width = 0, height = 0;
	while (!asked() && !ferror(stdout)) {
		if (it.act) {
			it.act = false;
			snprintf(v->said, sizeof v->said, "%s %s ...", v->ask, v->id);
			watchview_draw(v);
			act(v);
			it.due = true;
		}
		int64_t now = clock_mono_ms();
		if (now >= next || it.due) {
			it.due = false;
			look(v);
			if (it.quit || sig_stops())
				break;
			next = clock_mono_ms() + v->every * 1000;
			drawn = 0;
		}
		table_terminal(&width, &height);
		if (now - drawn >= REDRAW_MS || width != v->width || height != v->height) {
			v->page.s.now = clock_now(); /* ages count on while the remote is away */
			v->stale = true;
			watchview_draw(v);
			drawn = now;
		}
		loop_step(STEP_MS);
	}
}

static int cmd_watch(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct watchview *v = &it.v;
	int rc = report_options(&o, &verb_watch, argc, argv, REPORT_ANY, e);
	*v = (struct watchview){.page = {.ctx = ctx, .o = &o}, .every = o.every, .stale = true};
	if (!rc)
		rc = screen_possible("dgrid watch", e) || statuspage_look(&v->page, e) || select_missing(&v->page.of, e)
			 ? -1
			 : 0;
	if (!rc) {
		watchview_rows(v);
		proc_asked *before = proc_give_up_when(asked);
		screen_begin();
		loop(v);
		proc_give_up_when(before);
		screen_end();
		if (sig_stops() && sig_last_stop() != 2)
			rc = err_set(e, (enum err_class)(128 + sig_last_stop()), "ended by signal %d", sig_last_stop());
	}
	watchview_clear(v);
	report_clear(&o);
	return rc;
}

const struct verb verb_watch = {
    .name = "watch",
    .args = "[--every SECONDS] [SELECTION]... [ID]...",
    .summary = "the grid in a full-screen view: scroll, filter, read logs, cancel, retry",
    .about = "Shows counts, the latest failures, and a row for each task: running, waiting, then ended, newest first. "
	     "It refreshes every two seconds.\n\nKeys: arrows, PgUp, PgDn, Home and End (or k, j, b, Space, g, G) "
	     "move. Enter shows a task with its script and its output, even while it runs; Esc goes back. / filters by "
	     "part of an id, group, state, status or node; Esc clears the filter. f shows failures only. c cancels a "
	     "task and r retries it, after a question. q quits.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'E', "--every", "SECONDS", NULL, "refresh every so many seconds (1 to 3600); default 2"}, {0}},
    .shared = select_option_at,
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid watch", ""}, {"dgrid watch --group sweep", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "quit with q"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours"}, {0}},
    .run = cmd_watch,
};
