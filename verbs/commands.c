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

#define WAIT_PATIENCE_MS 300000
#define WAIT_HINT_MS 10000 /* nothing runs and nothing moves: is anybody there who could? */
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
		rc = err_set(e, ERR_NOENT, "branch '%s' of '%s' is no grid yet (make it one with: dgrid init)",
			     ctx->branch, ctx->url);
	free(settings);
	free(tasks);
	return rc;
}

static void sign_commits(struct ledger *l, const struct grid_config *c)
{
	struct err e;
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
		    "enrol by your name (dgrid enroll NAME KEY.pub)");
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

enum { NOT_ENDED = -1 };

struct tally {
	size_t queued, running, ended;
	int worst; /* 0, ERR_CANCELLED or ERR_NO */
};

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

/* A task that is not on the branch may have ended and been archived, before we looked or meanwhile. */
static int look_in_archive(struct ledger *l, const char *id, int *code, struct err *e)
{
	struct git g = {0};
	char path[128], *dir = xasprintf("%s/.git/archive.git", l->git.dir);
	struct json *doc = NULL;
	int rc = archive_open(&g, dir, l->url, NULL, e);
	if (!rc && (doc = archive_find(&g, id, path, e)))
		*code = ended_code(doc);
	else if (!rc && e->class == ERR_NOENT)
		rc = err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
	else
		rc = -1;
	json_free(doc);
	archive_close(&g);
	free(dir);
	return rc;
}

/* codes: how each ended, NOT_ENDED for the others. */
static int count_up(struct ledger *l, const char *const *ids, int *codes, size_t n, struct tally *t, struct err *e)
{
	*t = (struct tally){0};
	for (size_t i = 0; i < n; i++) {
		int s = codes[i] == NOT_ENDED && task_id_valid(ids[i]) ? ledger_find(l, ids[i], e) : LEDGER_NOWHERE;
		if (s == LEDGER_UNKNOWN)
			return -1;
		if (!task_id_valid(ids[i]))
			return err_set(e, ERR_NOENT, "no task '%s' in this grid", ids[i]);
		if (s == TASK_COMPLETED)
			codes[i] = 0;
		else if (s == TASK_FAILED) {
			struct json *doc = ledger_doc(l, TASK_FAILED, ids[i], e);
			if (!doc && !ledger_answered(e))
				return -1;
			codes[i] = ended_code(doc);
			codes[i] = codes[i] ? codes[i] : ERR_NO;
			json_free(doc);
		} else if (s < 0 && codes[i] == NOT_ENDED && look_in_archive(l, ids[i], &codes[i], e))
			return -1;
		t->queued += s == TASK_QUEUE || s == TASK_UNAPPROVED;
		t->running += s == TASK_IN_PROGRESS;
		t->ended += codes[i] != NOT_ENDED;
		if (codes[i] > 0)
			t->worst = t->worst == ERR_NO ? t->worst : codes[i];
	}
	return 0;
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

static void hint(const char *const *ids, const int *codes, size_t n)
{
	size_t i = 0;
	while (i + 1 < n && codes[i] != NOT_ENDED)
		i++;
	fprintf(stderr, "dgrid: none of these runs yet; dgrid why %s tells what keeps it, ^C ends only the waiting\n",
		ids[i]);
}

static int follow(struct ledger *l, const char *const *ids, int *codes, size_t n, long timeout, struct err *e)
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
			if (moved && count_up(l, ids, codes, n, &t, e))
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
				hint(ids, codes, n);
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
	if (t.worst)
		return err_set(e, (enum err_class)t.worst, "not every task succeeded (see: dgrid show ID)");
	return 0;
}

int wait_for(struct ledger *l, const char *const *ids, size_t n, long timeout, struct err *e)
{
	int *codes = xcalloc(n + 1, sizeof *codes);
	for (size_t i = 0; i < n; i++)
		codes[i] = NOT_ENDED;
	int rc = follow(l, ids, codes, n, timeout, e);
	free(codes);
	return rc;
}
