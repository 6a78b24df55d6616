#include "verbs/watch.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/table.h"
#include "base/text.h"
#include "git/git.h"
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define STEP_MS 100
#define REDRAW_MS 1000 /* ages count on */
/* A screen of its own, no cursor, long lines cut; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static bool keys, quit, at_once;

/* True when it is time to end; takes what was typed. */
static bool asked(void)
{
	char typed[32];
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	while (keys && poll(&in, 1, 0) > 0) {
		ssize_t n = read(STDIN_FILENO, typed, sizeof typed);
		keys = n > 0;
		for (ssize_t i = 0; i < n; i++) {
			quit = quit || typed[i] == 'q' || typed[i] == 'Q' || typed[i] == 3;
			at_once = at_once || typed[i] == ' ' || typed[i] == 'r';
		}
	}
	return quit || sig_stops();
}

static bool set_keys(struct termios *before)
{
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, before))
		return false;
	struct termios t = *before;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	t.c_cc[VSUSP] = _POSIX_VDISABLE; /* nobody would restore the terminal */
	return !tcsetattr(STDIN_FILENO, TCSANOW, &t);
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
	buf_adds(&out, "\033[H");
	if (trouble) {
		buf_adds(&out, table_colour() ? "\033[31m" : "");
		text_clean(&out, trouble, SIZE_MAX, INT_MAX);
		buf_addf(&out, "%s\033[K%s", table_colour() ? "\033[0m" : "", room > 0 ? "\r\n" : "");
	}
	const char *p = page->data ? page->data : "";
	for (int i = 0; i < room && *p; i++) {
		size_t n = strcspn(p, "\n");
		buf_add(&out, p, n);
		/* No line end after the last: it would scroll. */
		buf_addf(&out, "\033[K%s", p[n] && p[n + 1] && (i + 1 < room || left) ? "\r\n" : "");
		p += n + (p[n] != 0);
	}
	if (left)
		buf_addf(&out, "... %d more lines (a taller window shows them)\033[K", left);
	buf_adds(&out, "\033[J");
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	buf_clear(&out);
}

static void loop(const struct watch *w)
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

int watch_run(const struct watch *w, struct err *e)
{
	const char *term = getenv("TERM");
	struct termios before;
	if (!isatty(STDOUT_FILENO) || !term || !*term || !strcmp(term, "dumb"))
		return err_set(e, ERR_USAGE,
			       "--watch redraws a terminal, and the output goes to none (or to one with TERM=dumb)");
	proc_asked *before_that = proc_give_up_when(asked);
	if (w->look(w->ctx, e)) {
		proc_give_up_when(before_that);
		return sig_stops() ? err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted") : -1;
	}
	bool changed = keys = set_keys(&before);
	fputs(ENTER, stdout);
	loop(w);
	proc_give_up_when(before_that);
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	if (quit || sig_last_stop() == SIGINT || !sig_stops())
		return 0;
	return err_set(e, (enum err_class)(128 + sig_last_stop()), "ended by signal %d", sig_last_stop());
}
