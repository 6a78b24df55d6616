#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json *list_of(struct json *into, const char *name)
{
	json_set(into, name, json_new(JSON_ARRAY));
	return (struct json *)json_get(into, name);
}

void tell_promoted(const struct staged_list *s, bool dry, struct json *into)
{
	static const char *const done[] = {"promoted", "invalid", "left"};
	struct json *lists[3];
	for (int i = 0; into && i < 3; i++)
		lists[i] = list_of(into, done[i]);
	for (size_t i = 0; i < s->n; i++) {
		const struct staged *one = &s->v[i];
		if (!dry && !one->landed && one->verdict != STAGED_LEFT)
			continue;
		if (into) {
			struct json *row = json_new(JSON_OBJECT);
			json_set(row, "task_id", json_new_str(one->id));
			if (one->why)
				json_set(row, "why", json_new_str(one->why));
			if (one->doc)
				json_set(row, "approved_by", json_copy(json_get(one->doc, "approved_by")));
			json_append(lists[one->verdict], row);
			continue;
		}
		printf("%s%s: ",
		       one->verdict == STAGED_READY	? dry ? "would promote " : "promoted "
		       : one->verdict == STAGED_INVALID ? dry ? "would move to failed " : "moved to failed "
							: "left ",
		       one->id);
		if (one->verdict == STAGED_READY)
			printf("approved in ");
		/* A problem a line; on one line here. */
		struct buf b = {0};
		for (const char *p = one->verdict == STAGED_READY ? one->approver : one->why; *p; p++)
			if (*p != '\n')
				buf_add(&b, p, 1);
			else if (p[1])
				buf_adds(&b, "; ");
		put_clean(b.data ? b.data : "", 1024);
		putchar('\n');
		buf_clear(&b);
	}
}

static int cmd_promote(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan scan = {.verb = &verb_promote, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct staged_list s = {0};
	bool json = false, dry = false;
	size_t refused = 0;
	int key;
	while ((key = usage_next(&scan, e)) > 0) {
		json = json || key == 'j';
		dry = dry || key == 'd';
	}
	if (key < 0)
		return -1;
	size_t n = (size_t)usage_distinct(&scan);
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = promote_all(&l, &c, l.git.name, (const char *const *)argv + scan.rest, n, dry, &s, e);
	if (!rc && json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "dry_run", json_new_bool(dry));
		tell_promoted(&s, dry, all);
		put_json(all);
		json_free(all);
	} else if (!rc && !s.n)
		puts("nothing to promote");
	else if (!rc)
		tell_promoted(&s, dry, NULL);
	for (size_t i = 0; i < s.n; i++)
		refused += s.v[i].verdict != STAGED_READY;
	/* Who asks for a task by name wants to know; a round over all that is there did its work. */
	if (!rc && n && refused)
		rc = err_set(e, ERR_NO, "%zu of %zu tasks not promoted", refused, s.n);
	staged_clear(&s);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_promote = {
    .name = "promote",
    .args = "[--dry-run] [--json] [ID...]",
    .summary = "move merged submissions from unapproved to the queue, noting who approved them",
    .about = "Merging a task into tasks/unapproved approves it: each valid task moves to the queue, with the commit "
	     "that added it, its author and its committer. A file that is not a valid task moves to failed with the "
	     "reasons; one whose id is already in the grid stays. Without ids, all tasks there are promoted.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'d', "--dry-run", NULL, NULL, "say what would be done and change nothing"}, USAGE_JSON, {0}},
    .operands = "@tasks:unapproved",
    .examples = (const struct usage_note[]){{"dgrid promote --dry-run", ""}, {"dgrid promote", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "done, or there was nothing to do"},
					 {"1", "a named task could not be promoted"},
					 {0}},
    .run = cmd_promote,
};
