#include "worker/blame.h"
#include "base/buf.h"
#include <stdlib.h>
#include <string.h>

struct stratum { /* the runs of one work */
	size_t here, there, failed, failed_there;
};

/* How likely are x failures here, x from 0 to here, where all failures fall to all runs by chance? */
static void spread(const struct stratum *s, double *p)
{
	size_t fails = s->failed + s->failed_there, least = fails > s->there ? fails - s->there : 0,
	       most = fails < s->here ? fails : s->here;
	double sum = 1;
	memset(p, 0, (s->here + 1) * sizeof *p);
	p[least] = 1; /* each of the others by its ratio to the one before */
	for (size_t x = least; x < most; x++) {
		double up = (double)(fails - x) * (double)(s->here - x),
		       down = (double)(x + 1) * (double)(s->there + x + 1 - fails);
		p[x + 1] = p[x] * up / down;
		sum += p[x + 1];
	}
	for (size_t x = least; x <= most; x++)
		p[x] /= sum;
}

/* Adds a stratum to the distribution of all failures here, 0 to *n. */
static void add(double **all, size_t *n, const struct stratum *s)
{
	double *one = xcalloc(s->here + 1, sizeof *one), *sum = xcalloc(*n + s->here + 1, sizeof *sum);
	spread(s, one);
	for (size_t i = 0; i <= *n; i++)
		for (size_t x = 0; x <= s->here; x++)
			sum[i + x] += (*all)[i] * one[x];
	free(one);
	free(*all);
	*all = sum;
	*n += s->here;
}

static struct stratum collect(const struct blame_run *v, size_t n, size_t first, bool *seen)
{
	struct stratum s = {0};
	for (size_t i = first; i < n; i++) {
		if (seen[i] || strcmp(v[i].work, v[first].work) != 0)
			continue;
		seen[i] = true;
		if (v[i].here && s.here < BLAME_HERE_MAX) {
			s.here++;
			s.failed += v[i].failed;
		} else if (!v[i].here && s.there < BLAME_THERE_MAX) {
			s.there++;
			s.failed_there += v[i].failed;
		}
	}
	return s;
}

struct blame blame_judge(const struct blame_run *v, size_t n)
{
	struct blame b = {.chance = 1};
	bool *seen = xcalloc(n + 1, sizeof *seen), row = true;
	double *all = xcalloc(1, sizeof *all);
	size_t most = 0;
	all[0] = 1;
	for (size_t i = 0; i < n; i++) {
		if (v[i].here)
			b.stuck += row = row && v[i].stuck;
		if (seen[i])
			continue;
		struct stratum s = collect(v, n, i, seen);
		if (!s.here || !s.there) /* nothing to compare it with */
			continue;
		b.runs += s.here;
		b.failed += s.failed;
		b.runs_there += s.there;
		b.failed_there += s.failed_there;
		if (most < 10 * BLAME_HERE_MAX)
			add(&all, &most, &s);
	}
	if (b.failed <= most) {
		b.chance = 0;
		for (size_t x = b.failed; x <= most; x++)
			b.chance += all[x];
	}
	b.bad = b.stuck >= BLAME_STUCK || (b.failed >= BLAME_FAILURES && b.chance <= BLAME_CHANCE);
	free(all);
	free(seen);
	return b;
}
