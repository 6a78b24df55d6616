#include "verbs/supersede.h"
#include "base/clock.h"
#include "base/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60 /* others push meanwhile */
#define PAUSE_MS 200

/* One that is queued, and makes room for a newer one of its concurrency group. */
struct old {
	const struct ledger *l;
	size_t by; /* which change queues the newer one */
};

static enum change_verdict edit_superseded(void *ctx, struct json *doc, enum task_state *to)
{
	const struct old *o = ctx;
	const struct ledger_draft *d = &o->l->draft;
	(void)to;
	if (o->by >= d->n || !d->applied[o->by])
		return CHANGE_DROP;
	char *why = xasprintf("superseded by %s", d->c[o->by].id);
	task_note_cancel(doc, o->l->git.name);
	task_set_verdict(doc, "cancelled", why);
	free(why);
	return CHANGE_APPLY;
}

/* The group in which a task supersedes others, the caller's; NULL: it does not. */
static char *group_of(const char *text)
{
	struct json_error je;
	struct json *doc = json_parse(text, strlen(text), &je);
	const struct json *yes = json_get(doc, "supersede");
	const char *group = yes && yes->type == JSON_BOOL && yes->boolean ? json_str(doc, "concurrency_group") : NULL;
	char *copy = group ? xstrdup(group) : NULL;
	json_free(doc);
	return copy;
}

bool supersede_any(const struct strs *texts)
{
	bool any = false;
	for (size_t i = 0; i < texts->n && !any; i++) {
		char *group = group_of(texts->v[i]);
		any = group != NULL;
		free(group);
	}
	return any;
}

/* What goes into one commit: first the changes that were given, those that queue in front. */
struct superseding {
	struct ledger_change *c;
	struct old *of; /* as long as c */
	size_t n, given;
	struct strs queued;
};

/* Adds what the branch has queued now of that group. */
static int add_old(struct superseding *s, struct ledger *l, size_t by, const char *group, bool *taken, struct err *e)
{
	for (size_t k = 0; k < s->queued.n; k++) {
		struct json *doc = taken[k] ? NULL : ledger_doc(l, TASK_QUEUE, s->queued.v[k], e);
		const char *of = json_str(doc, "concurrency_group");
		bool told = doc || taken[k] || ledger_answered(e);
		if (of && !strcmp(of, group)) {
			taken[k] = true;
			s->of[s->n] = (struct old){l, by};
			s->c[s->n++] = (struct ledger_change){.id = s->queued.v[k],
							      .from = TASK_QUEUE,
							      .to = TASK_FAILED,
							      .edit = edit_superseded,
							      .verb = "cancel"};
		}
		json_free(doc);
		if (!told)
			return -1;
	}
	return 0;
}

static int gather(struct superseding *s, struct ledger *l, const struct strs *texts, struct err *e)
{
	strs_clear(&s->queued);
	if (ledger_ids(l, TASK_QUEUE, &s->queued, e))
		return -1;
	s->n = s->given;
	s->c = xrealloc(s->c, (s->n + s->queued.n + 1) * sizeof *s->c);
	s->of = xrealloc(s->of, (s->n + s->queued.n + 1) * sizeof *s->of);
	bool *taken = xcalloc(s->queued.n + 1, sizeof *taken);
	int rc = 0;
	for (size_t i = 0; i < texts->n && !rc; i++) {
		char *group = group_of(texts->v[i]);
		rc = group ? add_old(s, l, i, group, taken, e) : 0;
		free(group);
	}
	for (size_t i = s->given; i < s->n; i++)
		s->c[i].ctx = &s->of[i];
	free(taken);
	return rc;
}

/* They are looked for at each head anew, so of two that race the later one supersedes the other. */
int supersede_commit(struct ledger *l, struct ledger_change *c, size_t n, const struct strs *texts, struct err *e)
{
	struct superseding s = {.c = xcalloc(n + 1, sizeof *c), .given = n};
	int tries = l->tries, rc = -1;
	memcpy(s.c, c, n * sizeof *c);
	l->tries = 1;
	for (int round = 0; round < ROUNDS; round++) {
		if (round)
			proc_pause(clock_jitter(PAUSE_MS));
		if ((round && ledger_sync(l, e)) || gather(&s, l, texts, e))
			break;
		rc = ledger_commit(l, l->git.name, s.c, s.n, NULL, NULL, e);
		if (!rc || e->class != ERR_RETRY)
			break;
		rc = -1;
	}
	l->tries = tries;
	memcpy(c, s.c, n * sizeof *c);
	for (size_t i = n; !rc && i < s.n; i++)
		if (s.c[i].outcome == CHANGE_LANDED)
			fprintf(stderr, "dgrid: cancelled %s, which was queued\n", s.c[i].id);
	free(s.c);
	free(s.of);
	strs_clear(&s.queued);
	return rc;
}
