#include "verbs/lot.h"
#include "verbs/verbs.h"
#include <stdio.h>

struct listing {
	const struct report_options *o;
	struct json *all;
	size_t told;
};

static int list_one(void *ctx, struct lot *lot, const struct selected *t, struct err *e)
{
	struct listing *k = ctx;
	struct leaving v = {0};
	const struct checkout *files = &v.files;
	int rc = lot_bring(lot, t, &v, e);
	if (!rc && k->all) {
		struct json *task = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
		json_set(task, "task_id", json_new_str(t->task->id));
		json_set(task, "out", json_copy(v.l.out));
		for (size_t i = 0; i < files->n; i++) {
			const struct pointer *p = leaving_stored(&v, i);
			struct json *one = json_new(JSON_OBJECT);
			json_set(one, "path", json_new_str(files->v[i].path));
			json_set(one, "bytes", json_new_int(p ? p->size : files->v[i].size));
			json_set(one, "executable", json_new_bool(files->v[i].executable));
			if (p) {
				json_set(one, "stored", json_new_bool(true));
				json_set(one, "sha256", json_new_str(p->oid));
			}
			json_append(list, one);
		}
		json_set(task, "files", list);
		json_append(k->all, task);
	} else if (!rc) {
		if (k->o->of.given || k->o->n_ids > 1)
			printf("%s==> %s <==\n", k->told ? "\n" : "", t->task->id);
		for (size_t i = 0; i < files->n; i++) {
			const struct pointer *p = leaving_stored(&v, i);
			printf("%c%c%12lld  ", files->v[i].executable ? 'x' : '-', p ? 's' : ' ',
			       (long long)(p ? p->size : files->v[i].size));
			put_clean(files->v[i].path, 4096);
			putchar('\n');
		}
		int64_t left_out = json_int(v.l.out, "left_out", 0);
		if (left_out)
			printf("%lld more could not be kept: links, devices, or names that Git refuses\n",
			       (long long)left_out);
	}
	k->told += !rc;
	leaving_clear(&v);
	return rc;
}

static int cmd_files(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct lot lot = {0};
	struct listing k = {.o = &o};
	int rc = report_options(&o, &verb_files, argc, argv, REPORT_MANY, e) || lot_look(ctx, &o, &lot, e) ? -1 : 0;
	k.all = o.json ? json_new(JSON_ARRAY) : NULL;
	if (!rc)
		rc = lot_each(&lot, list_one, &k, "cannot be listed", e);
	if (o.json && (k.told || (!rc && o.of.given)))
		report_list(&o, k.all);
	json_free(k.all);
	lot_clear(&lot);
	report_clear(&o);
	return rc;
}

const struct verb verb_files = {
    .name = "files",
    .args = "[--json] [--at REV|DATE] [SELECTION]... [ID]...",
    .summary = "the files that tasks left in /out",
    .about = "Lists the files that a task left in /out: x for executable, s for files in a store (worker --store), "
	     "bytes, name. However the task ended, its files are kept for keep_out_days of grid.json; `dgrid keep` "
	     "keeps them for good.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .shared = select_option_at,
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid files hello", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "listed"},
					 {"66", "no such task, or it left no files, or they are gone"},
					 {"75", "it has not ended yet"},
					 {0}},
    .run = cmd_files,
};
