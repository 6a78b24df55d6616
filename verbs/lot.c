#include "verbs/lot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void leaving_clear(struct leaving *v)
{
	checkout_clear(&v->files);
	pointers_clear(&v->pointers);
}

const struct pointer *leaving_stored(const struct leaving *v, size_t at)
{
	for (size_t i = 0; i < v->pointers.n; i++)
		if (v->pointers.v[i].at == at)
			return &v->pointers.v[i].is;
	return NULL;
}

int lot_look(const struct context *ctx, const struct report_options *o, struct lot *lot, struct err *e)
{
	struct err none;
	struct left l = {0};
	if (open_snapshot(ctx, o->at, &lot->s, e) || select_tasks(&lot->s, &o->of, o->ids, o->n_ids, &lot->found, e))
		return -1;
	const char **trees = xcalloc(lot->found.n + 1, sizeof *trees);
	size_t n = 0;
	for (size_t i = 0; i < lot->found.n; i++)
		if (!left_of(lot->found.v[i].task->doc, "", "", &l, &none))
			trees[n++] = l.tree;
	int rc = n ? left_store(ctx, strlen(trees[0]) == 64, &lot->store, e) : 0;
	lot->open = n && !rc;
	if (lot->open)
		bring_ahead(&lot->store, trees, n);
	free(trees);
	if (!lot->found.n && !lot->found.missing.n)
		fputs("dgrid: no task matches\n", stderr);
	return rc;
}

void lot_clear(struct lot *lot)
{
	if (lot->open)
		left_close(&lot->store);
	selected_clear(&lot->found);
	snapshot_close(&lot->s);
}

int lot_bring(struct lot *lot, const struct selected *one, struct leaving *v, struct err *e)
{
	const struct json *doc = selected_doc(&lot->s, one, e), *says;
	struct left *l = &v->l;
	if (!doc || left_of(doc, one->task->id, one->state, l, e) || bring_out(&lot->store, l->tree, l->ref, e) ||
	    checkout_list(&lot->store.git, l->tree, false, CHECKOUT_ENTRIES_MAX, &v->files, e))
		return -1;
	/* Without it what looks like a pointer is a file as any: a script wrote it. */
	if (!(says = json_get(l->out, "stored")))
		return 0;
	if (pointers_find(&lot->store.git, &v->files, &v->pointers, e))
		return -1;
	if ((int64_t)v->pointers.n == json_int(says, "files", 0) && v->pointers.bytes == json_int(says, "bytes", 0))
		return 0;
	return err_set(e, ERR_DATA,
		       "its result says that a store has %lld of its files, %lld bytes, and its tree has pointers to "
		       "%zu, %lld bytes",
		       (long long)json_int(says, "files", 0), (long long)json_int(says, "bytes", 0), v->pointers.n,
		       (long long)v->pointers.bytes);
}

int lot_each(struct lot *lot, lot_one *one, void *ctx, const char *what, struct err *e)
{
	size_t bad = 0, without = 0, open = 0, i = 0, asked = lot->found.n + lot->found.missing.n;
	struct err first = {.class = ERR_NONE}, wrong;
	for (; i < lot->found.n && !proc_given_up() && !ferror(stdout) && first.class != ERR_OUTPUT; i++) {
		struct selected *t = &lot->found.v[i];
		const struct json *result = json_get(t->task->doc, "result");
		if (!t->named && !json_get(result, "out") && !json_get(result, "out_error")) {
			without += result != NULL;
			open += result == NULL;
			continue;
		}
		if (!one(ctx, lot, t, &wrong))
			continue;
		if (asked > 1 && wrong.class != ERR_OUTPUT)
			fprintf(stderr, "dgrid: %s: %s\n", t->task->id, wrong.msg);
		if (!bad++ || wrong.class == ERR_OUTPUT) /* the disk of who asks: no other fares better */
			first = wrong;
	}
	if (open)
		fprintf(stderr, "dgrid: %zu %s not ended yet\n", open, open == 1 ? "task has" : "tasks have");
	if (without)
		fprintf(stderr, "dgrid: %zu %s no files\n", without, without == 1 ? "task has" : "tasks have");
	if (i < lot->found.n && proc_given_up()) {
		if (!bad)
			err_set(&first, ERR_UNAVAILABLE, "interrupted");
		bad += lot->found.n - i;
	}
	if (first.class == ERR_OUTPUT)
		return err_set(e, ERR_OUTPUT, "%s", first.msg);
	if (bad && asked > 1)
		return err_set(e, first.class, "the files of %zu of %zu tasks %s", bad, asked, what);
	if (bad)
		return err_set(e, first.class, "%s", first.msg);
	return select_missing(&lot->found, e);
}
