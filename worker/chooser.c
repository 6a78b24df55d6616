#include "worker/chooser.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/level.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREAD_WAIT_SECONDS 2

enum verdict { READY, OTHERS, INVALID, UNREAD };
struct chooser_known {
	char *id;
	struct file_stamp stamp;
	enum verdict
	    verdict; /* OTHERS: wants labels this node does not carry, or has its vote; UNREAD: not read whole */
	int64_t priority, created, not_before;
	struct needs needs;
};

static int by_id(const void *a, const void *b)
{
	const struct chooser_known *x = a, *y = b;
	return strcmp(x->id, y->id);
}

static void forget(struct chooser_known *k)
{
	needs_clear(&k->needs);
	free(k->id);
}

static void refuse(struct pick *out, const char *id, const char *reasons, const struct buf *text, const char *node)
{
	struct json *doc = task_invalid_doc(id, reasons, text->data ? text->data : "", text->len, node);
	task_clear(&out->task);
	out->invalid_text = task_text(doc);
	json_free(doc);
}

/* Only what was read whole, as the branch has it, can be found to be no task. */
static bool is_true(struct ledger *l, const char *id, const struct buf *text, bool unreadable)
{
	struct err e;
	struct shown shown = {0};
	int rc =
	    unreadable ? ledger_shown(l, TASK_QUEUE, id, &shown, &e) : ledger_true(l, TASK_QUEUE, id, text, &e) - 1;
	bool so = !rc && (!unreadable || shown.kind == SHOWN_OTHER || shown.kind == SHOWN_LARGE);
	shown_clear(&shown);
	return so;
}

/* Reads and parses a queue file. Fills what is known of it, and out when the caller wants the task itself.
 * False: whether it may run cannot be told now. */
static bool judge(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node,
		  struct chooser_known *k, struct pick *out)
{
	bool can_run = true;
	struct buf text = {0};
	struct problems p = {0};
	struct err e;
	struct task t = {0};
	int64_t created;
	bool unreadable = ledger_read(l, TASK_QUEUE, k->id, &text, &e) != 0;
	if (unreadable && e.class != ERR_DATA) {
		if (!ch->told_unread)
			log_at(LOG_WARN, "worker", "%s: it is judged when it can be read: %s", k->id, e.msg);
		ch->told_unread = true;
		k->verdict = UNREAD;
		k->stamp = (struct file_stamp){0};
		buf_clear(&text);
		return false;
	}
	if (unreadable)
		problem_at(&p, 1, 1, "%s", e.msg);
	else
		task_parse(&t, text.data ? text.data : "", text.len, k->id, c, false, &p);
	const char *when = json_str(t.doc, "created_at");
	int64_t says;
	struct json_error je;
	struct json *newer = p.n && !unreadable && text.data ? json_parse(text.data, text.len, &je) : NULL;
	if (newer && level_newer(newer, &says)) { /* for a node that knows more */
		json_free(newer);
		problems_clear(&p);
		buf_clear(&text);
		k->verdict = OTHERS;
		needs_clear(&k->needs);
		return false;
	}
	json_free(newer);
	bool may = !p.n && task_runs_on(&t, ch->labels, ch->n_labels) && !vote_has(t.doc, node);
	k->verdict = p.n ? INVALID : may ? READY : OTHERS;
	k->priority = p.n ? 10 : t.priority; /* what is invalid goes out of the way first */
	k->created = when && !clock_parse(when, &created) ? created : 0;
	k->not_before = t.not_before;
	needs_clear(&k->needs);
	needs_of(t.doc, &k->needs);
	if (out) {
		snprintf(out->id, sizeof out->id, "%s", k->id);
		out->task = t;
		out->invalid_text = NULL;
		if (p.n && !is_true(l, k->id, &text, unreadable)) {
			k->verdict = UNREAD;
			k->stamp = (struct file_stamp){0};
			can_run = false;
		} else if (p.n)
			refuse(out, k->id, p.text.data, &text, node);
		else if (ch->trusted) {
			struct buf why = {0};
			int rc = ch->trusted(ch->ctx, &out->task, out->signer, &why);
			if (!rc)
				refuse(out, k->id, why.data ? why.data : "not trusted", &text, node);
			buf_clear(&why);
			can_run = rc >= 0;
		}
	} else
		task_clear(&t);
	buf_clear(&text);
	problems_clear(&p);
	return can_run;
}

/* Brings what is known up to date with the queue folder. */
static int refresh(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node)
{
	struct strs ids = {0};
	struct err e;
	if (ledger_ids(l, TASK_QUEUE, &ids, &e)) {
		log_at(LOG_WARN, "worker", "the queue cannot be read: %s", e.msg);
		strs_clear(&ids);
		return -1;
	}
	struct chooser_known *now = xcalloc(ids.n + 1, sizeof *now);
	size_t old = 0;
	for (size_t i = 0; i < ids.n; i++) { /* both lists are sorted */
		struct chooser_known *k = &now[i];
		struct file_stamp stamp = ledger_stamp(l, TASK_QUEUE, ids.v[i]);
		while (old < ch->n_known && strcmp(ch->known[old].id, ids.v[i]) < 0)
			forget(&ch->known[old++]);
		if (old < ch->n_known && !strcmp(ch->known[old].id, ids.v[i])) {
			*k = ch->known[old++];
			if (file_stamp_equal(&k->stamp, &stamp))
				continue;
		} else
			k->id = xstrdup(ids.v[i]);
		k->stamp = stamp;
		judge(ch, l, c, node, k, NULL);
	}
	while (old < ch->n_known)
		forget(&ch->known[old++]);
	free(ch->known);
	ch->known = now;
	ch->n_known = ids.n;
	strs_clear(&ids);
	return 0;
}

static int by_turn(const void *pa, const void *pb)
{
	const struct chooser_known *a = *(struct chooser_known *const *)pa, *b = *(struct chooser_known *const *)pb;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->created != b->created)
		return a->created < b->created ? -1 : 1;
	return by_id(a, b);
}

/* Which of them wait for others, and which never run. */
static bool look_at_needs(struct chooser *ch, struct ledger *l, bool *waits)
{
	struct waiting_task *v = xcalloc(ch->n_known + 1, sizeof *v);
	size_t *at = xcalloc(ch->n_known + 1, sizeof *at), n = 0;
	struct ended_ids ended = {0};
	struct err e;
	bool read = true;
	strs_clear(&ch->skips);
	for (size_t i = 0; i < ch->n_known; i++)
		if (ch->known[i].needs.n) {
			v[n] = (struct waiting_task){.id = ch->known[i].id, .needs = &ch->known[i].needs};
			at[n++] = i;
		}
	if (n && ended_read(l, &ended, &e)) {
		log_at(LOG_WARN, "worker", "what has ended cannot be read: %s", e.msg);
		read = false;
	} else if (n)
		waiting_judge(&ended, v, n, &ch->skips);
	for (size_t i = 0; i < n; i++)
		waits[at[i]] = !read || v[i].state != WAITING_NOT;
	ended_clear(&ended);
	free(at);
	free(v);
	return read;
}

static size_t dice(size_t sides)
{
	char hex[9];
	clock_nonce(hex, 4);
	return (size_t)(strtoul(hex, NULL, 16) % sides);
}

size_t choose(struct chooser *ch, struct ledger *l, const struct grid_config *c, const char *node, int64_t now,
	      size_t want, size_t spread, struct pick *picks)
{
	size_t n = 0, got = 0;
	struct err e;
	bool unread = refresh(ch, l, c, node) != 0;
	struct chooser_known **ready = xcalloc(ch->n_known + 1, sizeof(struct chooser_known *));
	bool *waits = xcalloc(ch->n_known + 1, sizeof *waits);
	unread = !look_at_needs(ch, l, waits) || unread;
	ch->next_ready = 0;
	for (size_t i = 0; i < ch->n_known; i++) {
		struct chooser_known *k = &ch->known[i];
		unread = unread || k->verdict == UNREAD;
		if (k->verdict == OTHERS || k->verdict == UNREAD || waits[i])
			continue;
		if (k->not_before > now) {
			if (!ch->next_ready || k->not_before < ch->next_ready)
				ch->next_ready = k->not_before;
			continue;
		}
		ready[n++] = k;
	}
	qsort(ready, n, sizeof *ready, by_turn);
	for (size_t first = 0; got < want && first < n; first++) {
		/* Draw among the first `spread` of the same priority. */
		size_t end = first;
		while (end < n && end < first + (spread ? spread : 1) && ready[end]->priority == ready[first]->priority)
			end++;
		size_t at = first + dice(end - first);
		struct chooser_known *k = ready[at];
		memmove(&ready[first + 1], &ready[first], (at - first) * sizeof *ready);
		ready[first] = k;
		struct pick *p = &picks[got];
		/* Some other hand put the id into two folders: nothing could be recorded. */
		int elsewhere = ledger_elsewhere(l, TASK_QUEUE, k->id, &e);
		unread = unread || elsewhere < 0;
		if (elsewhere)
			continue;
		bool known = judge(ch, l, c, node, k, p);
		unread = unread || k->verdict == UNREAD;
		if (!known || (!p->invalid_text && ch->can_run && !ch->can_run(ch->ctx, &p->task)))
			pick_clear(p);
		else
			got++;
	}
	free(ready);
	free(waits);
	ch->unread = unread ? ch->unread + 1 : 0;
	ch->told_unread = ch->told_unread && unread;
	if (unread && (!ch->next_ready || ch->next_ready > now + UNREAD_WAIT_SECONDS))
		ch->next_ready = now + UNREAD_WAIT_SECONDS;
	return got;
}

void pick_clear(struct pick *p)
{
	task_clear(&p->task);
	free(p->invalid_text);
	*p = (struct pick){0};
}

void chooser_forget(struct chooser *ch)
{
	for (size_t i = 0; i < ch->n_known; i++)
		forget(&ch->known[i]);
	free(ch->known);
	ch->known = NULL;
	ch->n_known = 0;
}

void chooser_clear(struct chooser *ch)
{
	chooser_forget(ch);
	strs_clear(&ch->skips);
	*ch = (struct chooser){0};
}
