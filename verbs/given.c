#include "verbs/given.h"
#include <string.h>

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

int given_check(struct given *g, struct err *e)
{
	sending_take_stdin(&g->use, &g->checkout, &g->sources);
	g->use.checkout = g->checkout.wanted;
	if (g->use.workdir && !g->sources.n && !g->checkout.wanted)
		return err_set(e, ERR_USAGE, "--workdir goes with --input or --checkout");
	if (g->checkout.dirty && (!g->checkout.wanted || g->checkout.rev))
		return err_set(e, ERR_USAGE, "--dirty goes with --checkout, and without a revision");
	return 0;
}

void given_clear(struct given *g)
{
	strs_clear(&g->sources);
	*g = (struct given){0};
}
