#include "audit/hookrefs.h"
#include "base/clock.h"
#include "schema/node.h"
#include "store/heartbeat.h"
#include <stdlib.h>
#include <string.h>

#define LIFE_MAX 65536
#define NODE_FILE_MAX (1u << 20)
#define OUT_FREE 8 /* so many numbers of a node and a day may be begun in any order */

struct judging {
	const struct hookrefs *r;
	const struct grid_config *config;
	void (*refuse)(void *, const char *, const char *, const char *);
	void *ctx;
	struct json **lives; /* the old ones, then the new ones */
};

void hookrefs_life(struct hookrefs *r, const char *ref, const char *node, const char *old, const char *new)
{
	if (git_no_object(new)) {
		strs_add(&r->gone, node);
		strs_add(&r->gone_refs, ref);
	} else if (!git_no_object(old)) {
		strs_add(&r->old, old);
		strs_add(&r->new, new);
		strs_add(&r->changed, ref);
	}
}

void hookrefs_begun(struct hookrefs *r, const char *ref, const struct place_out *out)
{
	struct place_out before = *out;
	char name[PLACE_MAX];
	if (out->number <= OUT_FREE)
		return;
	before.number--;
	strs_add(&r->begun, ref);
	place_out_name(name, &before, false);
	strs_add(&r->needed, name);
	place_out_name(name, &before, true);
	strs_add(&r->needed_also, name);
}

/* Whoever has not said goodbye in the ledger lives, or is dead: its last sign of life tells which. */
static void take_node(void *ctx, size_t i, const char *bytes, size_t len)
{
	const struct judging *j = ctx;
	struct json_error je;
	struct node_view v;
	if (!bytes)
		return;
	struct json *doc = json_parse(bytes, len, &je);
	node_read(&v, doc);
	if (strcmp(v.status, "left") != 0)
		j->refuse(j->ctx, "ref.beat", j->r->gone_refs.v[i],
			  "a node's sign of life stays until its file says that it left, or is gone (one that is gone "
			  "for good: dgrid retire NODE)");
	json_free(doc);
}

static int judge_gone(struct judging *j, const struct git *g, const char *head, struct err *e)
{
	struct strs files = {0};
	for (size_t i = 0; i < j->r->gone.n; i++)
		strs_addf(&files, "%s:nodes/%s.json", head, j->r->gone.v[i]);
	int rc = files.n && *head ? git_cat(g, "blob", files.v, files.n, NODE_FILE_MAX, take_node, j, e) : 0;
	strs_clear(&files);
	return rc;
}

static void take_life(void *ctx, size_t i, const char *bytes, size_t len)
{
	((struct judging *)ctx)->lives[i] = heartbeat_of_commit(bytes, len);
}

/* While the one that stands there shows life, what comes was said later, or just now: whoever dates one ahead keeps no
 * node's own from coming. A node whose clock was set back by more than that waits until it does not. */
static void judge_life(const struct judging *j, size_t i)
{
	int64_t now = clock_now(), skew = j->config->max_clock_skew_seconds;
	struct node_view old, new;
	node_read(&old, j->lives[i]);
	node_read(&new, j->lives[j->r->changed.n + i]);
	int64_t due = old.next_due > old.seen + NODE_PROMISE_MAX ? old.seen + NODE_PROMISE_MAX : old.next_due;
	int64_t late = old.seen + j->config->orphan_after_seconds;
	bool lives = now <= (due > late ? due : late) + skew && old.seen <= now + skew;
	if (lives && new.seen < old.seen &&new.seen < now - skew)
		j->refuse(j->ctx, "ref.beat", j->r->changed.v[i],
			  "a sign of life that counts is replaced by a newer one only");
}

static int judge_changed(struct judging *j, const struct git *g, struct err *e)
{
	size_t n = j->r->changed.n;
	struct strs both = {0};
	j->lives = xcalloc(2 * n + 1, sizeof *j->lives);
	for (size_t i = 0; i < 2 * n; i++)
		strs_add(&both, i < n ? j->r->old.v[i] : j->r->new.v[i - n]);
	int rc = n ? git_cat(g, "commit", both.v, both.n, LIFE_MAX, take_life, j, e) : 0;
	for (size_t i = 0; i < n && !rc; i++)
		judge_life(j, i);
	for (size_t i = 0; i < 2 * n; i++)
		json_free(j->lives[i]);
	free(j->lives);
	strs_clear(&both);
	return rc;
}

static int judge_begun(const struct judging *j, const struct git *g, struct err *e)
{
	const struct hookrefs *r = j->r;
	struct strs args = {0}, there = {0};
	struct buf found = {0};
	strs_add(&args, "for-each-ref");
	strs_add(&args, "--format=%(refname)");
	for (size_t i = 0; i < r->begun.n; i++) {
		strs_add(&args, r->needed.v[i]);
		strs_add(&args, r->needed_also.v[i]);
	}
	int rc = r->begun.n ? git_run(g, &found, e, (const char *const *)args.v) : 0;
	for (const char *at = found.data; at && *at && !rc; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n'))
		strs_addf(&there, "%.*s", (int)strcspn(at, "\n"), at);
	for (size_t i = 0; i < r->begun.n && !rc; i++)
		if (!strs_has(&there, r->needed.v[i]) && !strs_has(&there, r->needed_also.v[i]))
			j->refuse(j->ctx, "ref.out", r->begun.v[i], "may be begun when the number before it stands");
	strs_clear(&args);
	strs_clear(&there);
	buf_clear(&found);
	return rc;
}

int hookrefs_judge(const struct hookrefs *r, const struct git *g, const char *head, const struct grid_config *c,
		   void (*refuse)(void *ctx, const char *rule, const char *ref, const char *text), void *ctx,
		   struct err *e)
{
	struct judging j = {.r = r, .config = c, .refuse = refuse, .ctx = ctx};
	return judge_gone(&j, g, head, e) || judge_changed(&j, g, e) || judge_begun(&j, g, e) ? -1 : 0;
}

void hookrefs_clear(struct hookrefs *r)
{
	struct strs *const all[] = {&r->gone,	 &r->gone_refs, &r->old,    &r->new,
				    &r->changed, &r->begun,	&r->needed, &r->needed_also};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		strs_clear(all[i]);
}
