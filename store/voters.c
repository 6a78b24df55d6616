#include "store/voters.h"
#include "store/rooms.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX (1LL << 53)

static void add_name(struct voters *v, const char *node)
{
	size_t used = strlen(v->names);
	snprintf(v->names + used, sizeof v->names - used, "%s%.64s", used ? ", " : "", node);
}

void voters_of(const struct snapshot *s, const struct json *doc, bool queued, struct voters *v)
{
	*v = (struct voters){.terms = json_get(doc, "claim") ? vote_claim_terms(json_get(doc, "claim"))
							     : vote_terms(doc, &s->config)};
	if (v->terms.replicas < 2)
		return;
	for (const struct json *vote = NULL; (vote = vote_next(doc, vote));) {
		add_name(v, json_str(vote, "node"));
		v->votes++;
	}
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		v->able += (n->state == NODE_ACTIVE || n->state == NODE_PAUSED) && rooms_able(s, n, doc) &&
			   !vote_has(doc, n->id);
	}
	size_t quorum = (size_t)v->terms.quorum, need = v->votes < quorum ? quorum - v->votes : 1;
	v->missing = queued && v->able < need ? need - v->able : 0;
}

const char *voters_words(const struct voters *v, char out[256])
{
	if (v->votes)
		snprintf(out, 256, "%zu of %lld nodes %s voted (%s), %lld must find the same", v->votes,
			 (long long)v->terms.replicas, v->votes == 1 ? "has" : "have", v->names,
			 (long long)v->terms.quorum);
	else
		snprintf(out, 256, "up to %lld nodes run it, %lld must find the same", (long long)v->terms.replicas,
			 (long long)v->terms.quorum);
	return out;
}

/* ---- outliers ---- */

void voters_archived(const struct snapshot *s, struct json *counts)
{
	const struct json *all = json_get(s->archive, "outliers");
	for (const struct json *one = all && all->type == JSON_OBJECT ? all->child : NULL; one; one = one->next) {
		int64_t n, now = json_int(counts, one->name, 0);
		if (strlen(one->name) != one->name_len || json_to_int(one, &n) || n < 0)
			continue; /* other hands may write it */
		json_set(counts, one->name, json_new_int(n > COUNT_MAX - now ? COUNT_MAX : now + n));
	}
}

static void take_doc(void *ctx, size_t index, const struct json *doc)
{
	(void)index;
	if (doc)
		vote_outliers(doc, ctx);
}

struct json *voters_outliers(const struct snapshot *s, struct err *e)
{
	struct json *counts = json_new(JSON_OBJECT);
	size_t *which = xcalloc(s->n_tasks + 1, sizeof *which), n = 0;
	voters_archived(s, counts);
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].doc)
			vote_outliers(s->tasks[i].doc, counts);
		else if (s->tasks[i].state != TASK_UNAPPROVED)
			which[n++] = i;
	if (n && snapshot_stream(s, which, n, take_doc, counts, e)) {
		json_free(counts);
		counts = NULL;
	}
	free(which);
	return counts;
}
