#include "verbs.h"
#include <getopt.h>
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

int cmd_promote(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"json", 0, 0, 'j'}, {"dry-run", 0, 0, 'd'}, {0}};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct staged_list s = {0};
	bool json = false, dry = false;
	size_t refused = 0;
	int opt;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (opt == '?')
			return err_set(e, ERR_USAGE, "unknown option '%.200s' (see: dgrid promote --help)",
				       argv[optind - 1]);
		else if (opt == 'j')
			json = true;
		else
			dry = true;
	size_t n = (size_t)(argc - optind);
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = promote_all(&l, &c, l.git.name, (const char *const *)argv + optind, n, dry, &s, e);
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
	promote_clear(&s);
	close_grid(&l, &c);
	return rc;
}
