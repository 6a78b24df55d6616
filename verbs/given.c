#include "verbs/given.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_MAX ((int64_t)2 << 30) /* no grid takes more */

bool given_take(struct given *g, int key, const char *value)
{
	switch (key) {
	case GIVEN_INPUT:
		strs_add(&g->sources, value);
		return true;
	case GIVEN_CHECKOUT:
		g->checkout.wanted = true;
		g->checkout.rev = value;
		return true;
	case GIVEN_DIRTY:
		g->checkout.dirty = true;
		return true;
	case GIVEN_WORKDIR:
		g->use.workdir = value;
		return true;
	case GIVEN_STDIN:
		g->use.reads = value;
		return true;
	}
	return false;
}

bool given_any(const struct given *g)
{
	return g->sources.n || g->checkout.wanted || g->checkout.dirty || g->use.workdir || g->use.reads;
}

/* Has it one of the same name? */
static bool is_given(const struct strs *sources, const char *source)
{
	size_t n = strcspn(source, "=") + 1;
	for (size_t i = 0; i < sources->n; i++)
		if (source[n - 1] && !strncmp(sources->v[i], source, n))
			return true;
	return false;
}

void given_over(struct given *g, const struct given *said)
{
	for (size_t i = 0; i < said->sources.n; i++)
		if (!is_given(&g->sources, said->sources.v[i]))
			strs_add(&g->sources, said->sources.v[i]);
	g->use.workdir = g->use.workdir ? g->use.workdir : said->use.workdir;
	g->use.reads = g->use.reads ? g->use.reads : said->use.reads;
	if (!g->checkout.wanted)
		g->checkout = said->checkout;
}

static int copy(int to, const char *name, struct err *e)
{
	static char piece[65536];
	int64_t all = 0;
	ssize_t n;
	while ((n = read(0, piece, sizeof piece)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_UNAVAILABLE, "cannot read standard input: %s", strerror(errno));
		if ((all += n) > OWN_MAX)
			return err_set(e, ERR_DATA, "standard input is more than %lld MB", (long long)(OWN_MAX >> 20));
		for (ssize_t at = 0, put; at < n; at += put)
			if ((put = write(to, piece + at, (size_t)(n - at))) < 0)
				return err_set(e, ERR_OUTPUT, "cannot write '%s': %s", name, strerror(errno));
	}
	return 0;
}

/* --stdin -: our own standard input, as a file. */
static int take_own(struct given *g, struct err *e)
{
	if (!(g->own = file_temp_dir(e)))
		return -1;
	char *name = xasprintf("%s/stdin", g->own);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = fd < 0 ? err_set(e, ERR_OUTPUT, "cannot write '%s': %s", name, strerror(errno)) : copy(fd, name, e);
	if (fd >= 0 && close(fd) && !rc)
		rc = err_set(e, ERR_OUTPUT, "cannot write '%s': %s", name, strerror(errno));
	if (!rc)
		rc = sending_read_file(&g->use, name, &g->sources, e);
	free(name);
	return rc;
}

/* What reads standard input is one at most. */
static int check_own(const struct given *g, const char *reader, struct err *e)
{
	bool own = g->use.reads && !strcmp(g->use.reads, "-");
	for (size_t i = 0; i < g->sources.n; i++) {
		const char *eq = strchr(g->sources.v[i], '=');
		if (!strcmp(eq ? eq + 1 : g->sources.v[i], "-"))
			return err_set(e, ERR_USAGE,
				       "--input %.100s: - is no input (--stdin - hands on standard input, ./- is a "
				       "file of that name)",
				       g->sources.v[i]);
	}
	return own && reader
		   ? err_set(e, ERR_USAGE, "--stdin - and %s - both read standard input (expected one)", reader)
		   : 0;
}

int given_check(struct given *g, const char *reader, struct err *e)
{
	if (check_own(g, reader, e) || (g->use.reads && !strcmp(g->use.reads, "-") && take_own(g, e)))
		return -1;
	if (sending_take_stdin(&g->use, &g->checkout, &g->sources, e))
		return -1;
	g->use.checkout = g->checkout.wanted;
	if (g->use.workdir && !g->sources.n && !g->checkout.wanted)
		return err_set(e, ERR_USAGE, "--workdir goes with --input or --checkout");
	if (g->checkout.dirty && (!g->checkout.wanted || g->checkout.rev))
		return err_set(e, ERR_USAGE, "--dirty goes with --checkout, and without a revision");
	return 0;
}

void given_clear(struct given *g)
{
	if (g->own)
		file_remove_tree(g->own, NULL);
	free(g->own);
	strs_clear(&g->sources);
	*g = (struct given){0};
}
