#include "commands.h"
#include "clock.h"
#include "file.h"
#include "sig.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int need_repo(const struct context *ctx, struct err *e)
{
	if (ctx->url)
		return 0;
	return err_set(e, ERR_USAGE, "no repository: give --repo URL (a folder works) or set DGRID_REPO_URL");
}

int open_grid(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e)
{
	*l = (struct ledger){0};
	*c = (struct grid_config){0};
	if (need_repo(ctx, e) || ledger_open(l, ctx->url, ctx->branch, NULL, ctx->name, ctx->email, e) ||
	    ledger_sync(l, e) || ledger_config(l, c, e))
		return -1;
	return 0;
}

void close_grid(struct ledger *l, struct grid_config *c)
{
	if (l->url)
		ledger_close(l);
	config_clear(c);
}

int parse_number(const char *flag, const char *text, long min, long max, long *out, struct err *e)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return err_set(e, ERR_USAGE, "%s: expected a whole number from %ld to %ld, found '%s'", flag, min, max,
			       text);
	*out = n;
	return 0;
}

/* Text from the ledger is a stranger's: no escape sequence of theirs reaches a terminal. */
void put_clean(const char *s, size_t max)
{
	for (size_t n = 0; *s && n < max; s++, n++)
		putchar(iscntrl((unsigned char)*s) ? ' ' : *s);
}

void put_json(const struct json *j)
{
	char *text = task_text(j);
	fputs(text, stdout);
	free(text);
}

bool flag_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

/* First argument that is not an option, or NULL. */
const char *operand(int argc, char **argv, int nth)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-' && nth-- == 0)
			return argv[i];
	return NULL;
}

int check_flags(int argc, char **argv, const char *const *known, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		bool ok = argv[i][0] != '-';
		for (int k = 0; known[k] && !ok; k++)
			ok = !strcmp(argv[i], known[k]);
		if (!ok)
			return err_set(e, ERR_USAGE, "unknown option '%s' (see: dgrid %s --help)", argv[i], argv[0]);
	}
	return 0;
}

char *stem_of(const char *path)
{
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t n = strlen(base);
	return n > 5 && !strcmp(base + n - 5, ".json") ? xstrndup(base, n - 5) : xstrdup(base);
}

int wait_for(struct ledger *l, const char *const *ids, size_t n, long timeout, struct err *e)
{
	int64_t deadline = timeout ? clock_mono_ms() + timeout * 1000 : 0;
	int worst = 0;
	for (;;) {
		size_t open = 0;
		worst = 0;
		if (ledger_sync(l, e))
			return -1;
		for (size_t i = 0; i < n; i++) {
			int s = ledger_find(l, ids[i]);
			if (s < 0)
				return err_set(e, ERR_NOENT, "no task '%s' in this grid", ids[i]);
			if (s == TASK_FAILED) {
				struct json *doc = ledger_doc(l, TASK_FAILED, ids[i], NULL);
				const char *status = json_str(json_get(doc, "result"), "status");
				int code = status && !strcmp(status, "cancelled") ? ERR_CANCELLED : ERR_NO;
				worst = worst == ERR_NO ? worst : code;
				json_free(doc);
			}
			open += s != TASK_COMPLETED && s != TASK_FAILED;
		}
		if (!open)
			break;
		if (deadline && clock_mono_ms() >= deadline)
			return err_set(e, ERR_RETRY, "%zu of %zu tasks had not ended after %ld s", open, n, timeout);
		if (sig_stops())
			return err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
		loop_step(500);
	}
	if (worst)
		return err_set(e, (enum err_class)worst, "not every task succeeded (see: dgrid show ID)");
	return 0;
}
