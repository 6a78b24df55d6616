#include "verbs/redraw.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/table.h"
#include "base/text.h"
#include "git/git.h"
#include "verbs/screen.h"
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 100
#define REDRAW_MS 1000 /* ages count on */

static bool quit, at_once;

/* True when it is time to end; takes what was typed. */
static bool asked(void)
{
	for (int key; (key = screen_key()) != KEY_NONE;) {
		quit = quit || key == 'q' || key == 'Q' || key == 3;
		at_once = at_once || key == ' ' || key == 'r';
	}
	return quit || sig_stops();
}

/* As many lines as there is room for; the rest is counted. */
static void show(const struct buf *page, int rows, const char *trouble)
{
	struct buf out = {0};
	int lines = 0, left = 0, room = trouble ? rows - 1 : rows;
	for (size_t i = 0; i < page->len; i++)
		lines += page->data[i] == '\n';
	if (lines > room) {
		left = lines - (room - 1);
		room--;
	}
	if (trouble) {
		struct buf line = {0};
		buf_adds(&line, table_colour() ? "\033[31m" : "");
		text_clean(&line, trouble, SIZE_MAX, INT_MAX);
		buf_adds(&line, table_colour() ? "\033[0m" : "");
		screen_line(&out, line.data, line.len, room <= 0);
		buf_clear(&line);
	}
	const char *p = page->data ? page->data : "";
	for (int i = 0; i < room && *p; i++) {
		size_t n = strcspn(p, "\n");
		screen_line(&out, p, n, !(p[n] && p[n + 1] && (i + 1 < room || left)));
		p += n + (p[n] != 0);
	}
	if (left) {
		char *more = xasprintf("... %d more lines (dgrid watch scrolls)", left);
		screen_line(&out, more, strlen(more), true);
		free(more);
	}
	screen_put(&out);
	buf_clear(&out);
}

static void loop(const struct redraw *w)
{
	int columns = 0, rows = 0, was_columns = 0, was_rows = 0;
	int64_t next = clock_mono_ms() + w->every_ms, drawn = 0, since = 0;
	char trouble[1200] = "";
	while (!asked() && !ferror(stdout)) {
		int64_t now = clock_mono_ms();
		struct err e = {0};
		struct buf page = {0};
		if (now >= next || at_once) {
			at_once = false;
			bool failed = w->look(w->ctx, &e) != 0;
			if (asked())
				break;
			now = clock_mono_ms();
			since = !failed ? 0 : since ? since : now;
			git_redact(e.msg);
			snprintf(trouble, sizeof trouble, "%s", failed ? e.msg : "");
			next = now + w->every_ms;
			drawn = 0;
		}
		table_terminal(&columns, &rows);
		if (now - drawn >= REDRAW_MS || columns != was_columns || rows != was_rows) {
			char line[1300];
			snprintf(line, sizeof line, "remote trouble for %lld s, showing what was seen last: %s",
				 (long long)(now - since) / 1000, trouble);
			w->draw(w->ctx, columns, &page);
			show(&page, rows, since ? line : NULL);
			drawn = now;
			was_columns = columns;
			was_rows = rows;
		}
		buf_clear(&page);
		loop_step(STEP_MS);
	}
}

int redraw_run(const struct redraw *w, struct err *e)
{
	if (screen_possible("--watch", e))
		return -1;
	proc_asked *before_that = proc_give_up_when(asked);
	if (w->look(w->ctx, e)) {
		proc_give_up_when(before_that);
		return sig_stops() ? err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted") : -1;
	}
	screen_begin();
	loop(w);
	proc_give_up_when(before_that);
	screen_end();
	if (quit || sig_last_stop() == SIGINT || !sig_stops())
		return 0;
	return err_set(e, (enum err_class)(128 + sig_last_stop()), "ended by signal %d", sig_last_stop());
}
