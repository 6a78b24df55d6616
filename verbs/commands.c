#include "verbs/commands.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sig.h"
#include "base/text.h"
#include "base/utf8.h"
#include "store/archive.h"
#include "store/trust.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES_MAX 120 /* of who commits */

char *absolute_repo(const char *url)
{
	char *path = NULL;
	/* host:path and scheme://… are git's own business. */
	if (!strstr(url, "://") && file_exists(url))
		path = realpath(url, NULL);
	return path ? path : xstrdup(url);
}

/* What git says first in that folder, the caller's; NULL: an error, or nothing. */
static char *ask_git(const struct git *g, const char *const *args)
{
	struct buf b = {0};
	struct err e;
	char *said = !git_run(g, &b, &e, args) && b.len ? xstrndup(b.data, strcspn(b.data, "\n")) : NULL;
	buf_clear(&b);
	return said;
}

/* The URL of origin, or of the only remote; NULL: there is none, or none that stands out (then *many). */
static char *remote_of(const struct git *g, bool *many)
{
	static const char *const ask[] = {"config", "--get-regexp", "^remote\\..*\\.url$", NULL};
	struct buf b = {0};
	struct err e;
	char *url = NULL, *name = NULL;
	*many = false;
	git_run(g, &b, &e, ask); /* an error is a repository without remotes, or none at all: the next question tells */
	for (char *line = b.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		char *value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = 0;
		bool origin = !strcmp(line, "remote.origin.url");
		*many = *many || (name && strcmp(name, line) != 0);
		if (!origin && url)
			continue;
		free(url);
		free(name);
		url = xstrdup(value);
		name = xstrdup(line);
		if (origin)
			break;
	}
	if (name && !strcmp(name, "remote.origin.url"))
		*many = false;
	if (*many) {
		free(url);
		url = NULL;
	}
	free(name);
	buf_clear(&b);
	return url;
}

char *find_repo(const char *dir)
{
	struct git g = {.dir = (char *)(dir ? dir : "."), .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	bool many;
	char *url = remote_of(&g, &many), *found = NULL;
	if (many)
		return NULL;
	if (!url) /* no clone: the repository itself */
		url = ask_git(&g, (const char *const[]){"rev-parse", "--absolute-git-dir", NULL});
	if (url && !strstr(url, "://") && url[0] != '/') {
		/* git takes a relative one from the top of the work tree, or from the bare repository. */
		char *top = ask_git(&g, (const char *const[]){"rev-parse", "--show-toplevel", NULL});
		if (!top)
			top = ask_git(&g, (const char *const[]){"rev-parse", "--absolute-git-dir", NULL});
		char *from = xasprintf("%s/%s", top ? top : g.dir, url);
		found = file_exists(from) ? absolute_repo(from) : xstrdup(url);
		free(top);
		free(from);
	} else if (url)
		found = absolute_repo(url);
	free(url);
	return found;
}

char *usual_repo(void)
{
	const char *url = getenv("DGRID_REPO_URL");
	return url && *url ? absolute_repo(url) : find_repo(NULL);
}

void bring_token(const char *url)
{
	if (!git_token_for(getenv("DGRID_REPO_URL")))
		git_token_for(url);
}

void context_env(const struct context *ctx, struct strs *env)
{
	strs_addf(env, "DGRID_REPO_URL=%s", ctx->url);
	strs_addf(env, "DGRID_BRANCH=%s", ctx->branch);
}

int need_repo(const struct context *ctx, struct err *e)
{
	if (ctx->url)
		return 0;
	return err_set(e, ERR_USAGE,
		       "no repository: give --repo URL (a folder works), -C CLONE, or set DGRID_REPO_URL");
}

int open_snapshot(const struct context *ctx, const char *at, struct snapshot *s, struct err *e)
{
	*s = (struct snapshot){0};
	return need_repo(ctx, e) ? -1 : snapshot_open(s, ctx->url, ctx->branch, at, e);
}

/* As git writes it into a commit, for documents and messages name the same person: without brackets, and without blanks
 * and points at its ends. Bytes that are no UTF-8 could not stand in a document. */
static void as_git_has_it(char *text)
{
	static const char ends[] = ".,:;<>\"\\'";
	size_t n = 0, len = strlen(text), step;
	for (size_t i = 0; i < len && n < NAME_BYTES_MAX - 4; i += step ? step : 1) {
		step = utf8_next(text + i, len - i, NULL);
		bool end = (unsigned char)text[i] <= ' ' || strchr(ends, text[i]);
		if (text[i] == '\n' || text[i] == '<' || text[i] == '>' || (end && !n))
			continue;
		if (!step)
			text[n++] = '?';
		for (size_t k = 0; k < step; k++)
			text[n++] = text[i + k];
	}
	while (n && ((unsigned char)text[n - 1] <= ' ' || strchr(ends, text[n - 1])))
		n--;
	text[n] = 0;
}

/* The name commits are made by: the environment's, else git's own setting. */
static char *git_setting(const struct context *ctx, const char *key, const char *given, const char *unset)
{
	struct git g = {.dir = (char *)".", .name = (char *)ctx->name, .email = (char *)ctx->email};
	struct buf b = {0};
	struct err e;
	const char *args[] = {"config", "--get", key, NULL};
	if (!strcmp(given, unset) && !git_run(&g, &b, &e, args) && b.len)
		b.data[strcspn(b.data, "\n")] = 0;
	char *value = xstrdup(b.len ? b.data : given);
	buf_clear(&b);
	as_git_has_it(value);
	if (!*value) { /* git takes no commit without */
		free(value);
		value = xstrdup(unset);
	}
	return value;
}

int open_grid(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e)
{
	*l = (struct ledger){0};
	*c = (struct grid_config){0};
	if (need_repo(ctx, e))
		return -1;
	char *name = git_setting(ctx, "user.name", ctx->name, "dgrid"),
	     *email = git_setting(ctx, "user.email", ctx->email, "dgrid@localhost");
	int rc = ledger_open(l, ctx->url, ctx->branch, NULL, name, email, e);
	free(name);
	free(email);
	if (rc || ledger_sync(l, e) || ledger_config(l, c, e))
		return -1;
	char *settings = xasprintf("%s/grid.json", l->git.dir), *tasks = xasprintf("%s/tasks", l->git.dir);
	if (!file_exists(settings) && !file_exists(tasks))
		rc = err_set(e, ERR_NOENT, "branch '%s' of '%s' is not a grid yet (make it one with: dgrid init)",
			     ctx->branch, ctx->url);
	free(settings);
	free(tasks);
	return rc;
}

void sign_commits(struct ledger *l, const struct grid_config *c)
{
	struct err e;
	l->signs_as = KEYS_PERSON;
	if (!c->require_signed_nodes)
		return;
	char *key = trust_default_key(&l->git, &e), *full = key ? realpath(key, NULL) : NULL;
	char *public_half = key ? trust_public(key, &e) : NULL;
	if (public_half)
		ledger_sign_with(l, full ? full : key, public_half, NULL);
	else if (!key)
		ledger_sign_with(
		    l, NULL, NULL,
		    "set DGRID_SIGNING_KEY or git's user.signingKey to your SSH key, which somebody has to "
		    "enrol by your name (dgrid enroll --person NAME KEY.pub)");
	else
		ledger_sign_with(l, NULL, NULL, e.msg);
	free(key);
	free(full);
	free(public_half);
}

int open_grid_to_sign(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e)
{
	int rc = open_grid(ctx, l, c, e);
	if (!rc)
		sign_commits(l, c);
	return rc;
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
int no_such_task(const char *id, struct err *e)
{
	return err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
}

void put_clean(const char *s, size_t max)
{
	struct buf b = {0};
	text_clean(&b, s, max, INT_MAX);
	fwrite(b.data, 1, b.len, stdout);
	buf_clear(&b);
}

void put_json(const struct json *j)
{
	char *text = task_text(j);
	fputs(text, stdout);
	free(text);
}

char *stem_of(const char *path)
{
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t n = strlen(base);
	return n > 5 && !strcmp(base + n - 5, ".json") ? xstrndup(base, n - 5) : xstrdup(base);
}

int ended_code(const struct json *doc)
{
	const char *status = json_str(json_get(doc, "result"), "status");
	return !status || !strcmp(status, "success") ? 0 : !strcmp(status, "cancelled") ? ERR_CANCELLED : ERR_NO;
}

int open_archive(const struct ledger *l, struct git *g, struct err *e)
{
	char *dir = xasprintf("%s/.git/archive.git", l->git.dir);
	int rc = archive_open(g, dir, l->url, NULL, e);
	free(dir);
	return rc;
}
