#include "verbs/screen.h"
#include "base/clock.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ALONE_MS 60 /* an escape that nothing follows for so long was typed */
/* A screen of its own, no cursor, long lines cut; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static bool keys, changed;
static unsigned char typed[64];
static size_t n_typed;
static int64_t typed_at;

int screen_possible(const char *what, struct err *e)
{
	const char *term = getenv("TERM");
	if (isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s redraws a terminal, and the output goes to none (or to one with TERM=dumb)",
		       what);
}

static bool set_keys(void)
{
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before))
		return false;
	struct termios t = before;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	t.c_cc[VSUSP] = _POSIX_VDISABLE; /* nobody would restore the terminal */
	return !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

void screen_begin(void)
{
	n_typed = 0;
	changed = keys = set_keys();
	fputs(ENTER, stdout);
}

void screen_end(void)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	keys = changed = false;
}

static void take(size_t n)
{
	n_typed -= n;
	memmove(typed, typed + n, n_typed);
}

static void read_more(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	while (keys && n_typed < sizeof typed && poll(&in, 1, 0) > 0) {
		ssize_t n = read(STDIN_FILENO, typed + n_typed, sizeof typed - n_typed);
		keys = n > 0;
		n_typed += n > 0 ? (size_t)n : 0;
		typed_at = clock_mono_ms();
	}
}

/* ESC [ A and the like. n: its bytes; 0: it is not whole yet. */
static int sequence(size_t *n)
{
	static const struct {
		const char *text;
		int key;
	} all[] = {{"A", KEY_UP},	  {"B", KEY_DOWN},  {"H", KEY_HOME},  {"F", KEY_END},  {"5~", KEY_PAGE_UP},
		   {"6~", KEY_PAGE_DOWN}, {"1~", KEY_HOME}, {"7~", KEY_HOME}, {"4~", KEY_END}, {"8~", KEY_END}};
	size_t end = 2;
	while (end < n_typed && typed[end] >= 0x20 && typed[end] <= 0x3F)
		end++;
	*n = end < n_typed ? end + 1 : 0;
	for (size_t i = 0; *n && i < sizeof all / sizeof *all; i++)
		if (strlen(all[i].text) == *n - 2 && !memcmp(typed + 2, all[i].text, *n - 2))
			return all[i].key;
	return KEY_NONE;
}

int screen_key(void)
{
	for (;;) {
		size_t n = 1;
		int key;
		read_more();
		if (!n_typed)
			return KEY_NONE;
		key = typed[0];
		bool began = key == KEY_ESCAPE && (n_typed == 1 || typed[1] == '[' || typed[1] == 'O');
		if (began && n_typed > 1)
			key = sequence(&n);
		if (began && (n_typed == 1 || !n)) { /* is more to come? */
			if (clock_mono_ms() - typed_at < ALONE_MS)
				return KEY_NONE;
			key = KEY_ESCAPE;
			n = n_typed;
		}
		take(n);
		if (key == '\r')
			key = KEY_ENTER;
		if (key == '\b')
			key = KEY_ERASE;
		if (key != KEY_NONE) /* else a key that means nothing here */
			return key;
	}
}

void screen_line(struct buf *out, const char *text, size_t len, bool last)
{
	buf_adds(out, last ? "\033[J" : "\033[K"); /* first: after a full line it would take the last character */
	buf_add(out, text, len);
	buf_adds(out, last ? "" : "\r\n"); /* no line end after the last: it would scroll */
}

void screen_put(struct buf *out)
{
	fputs("\033[H", stdout);
	fwrite(out->data ? out->data : "", 1, out->len, stdout);
	fflush(stdout);
}
