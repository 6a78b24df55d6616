/* Which queued tasks wait, and which never run: random graphs, beside the plain telling of the rule. */
#include "store/waiting.h"
#include "test.h"
#include <stdlib.h>

enum { N = 40 };
static uint64_t dice = 88172645463325252u;
static size_t below(size_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (size_t)(dice % n);
}

static char ids[N][8];
static struct needs needs[N];

static void need(size_t i, const char *id, bool success)
{
	needs[i].v = xrealloc(needs[i].v, (needs[i].n + 1) * sizeof *needs[i].v);
	needs[i].v[needs[i].n++] = (struct need){xstrdup(id), success};
}

static bool is_in(const struct strs *l, const char *id)
{
	return waiting_among(l, id);
}

static size_t place(const struct strs *l, const char *id)
{
	size_t i = 0;
	while (i < l->n && strcmp(l->v[i], id) != 0)
		i++;
	return i;
}

/* v has the first n of them; the others have completed, or failed. */
static void one_graph(size_t n)
{
	struct ended_ids ended = {0};
	struct waiting_task v[N];
	struct strs skips = {0};
	bool never[N] = {false}, good = true, ordered = true;
	for (size_t i = n; i < N; i++)
		strs_add(below(2) ? &ended.completed : &ended.failed, ids[i]);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = below(4); k > 0; k--)
			need(i, ids[below(N)], below(3) > 0);
		v[i] = (struct waiting_task){.id = ids[i], .needs = &needs[i]};
	}
	waiting_judge(&ended, v, n, &skips);
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < needs[i].n && !never[i]; k++) {
				size_t other = strtoul(needs[i].v[k].id + 1, NULL, 10);
				never[i] = needs[i].v[k].success &&
					   (other < n ? never[other] : is_in(&ended.failed, ids[other]));
				more = more || never[i];
			}
	}
	for (size_t i = 0; i < n; i++) {
		bool open = false, caused = false;
		for (size_t k = 0; k < needs[i].n; k++) {
			const char *id = needs[i].v[k].id;
			open = open ||
			       !(is_in(&ended.completed, id) || (is_in(&ended.failed, id) && !needs[i].v[k].success));
			caused = caused || (needs[i].v[k].success &&
					    (is_in(&ended.failed, id) || place(&skips, id) < place(&skips, ids[i])));
		}
		good = good &&
		       v[i].state == (never[i] ? WAITING_NEVER
				      : open   ? WAITING_FOR
					       : WAITING_NOT) &&
		       (place(&skips, ids[i]) < skips.n) == never[i];
		ordered = ordered && (!never[i] || caused);
	}
	CHECK(good, "each is found as the rule has it");
	CHECK(ordered, "what is skipped stands behind what it is skipped for");
	for (size_t i = 0; i < n; i++)
		needs_clear(&needs[i]);
	strs_clear(&skips);
	ended_clear(&ended);
}

int main(void)
{
	for (size_t i = 0; i < N; i++)
		snprintf(ids[i], sizeof ids[i], "t%02zu", i);
	for (int round = 0; round < 300; round++)
		one_graph(1 + below(N - 1));
	return test_end("test_waiting");
}
