#include "verbs/orders.h"
#include "store/registry.h"
#include "verbs/land.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT(l, e, ...) git_run(&(l)->git, NULL, e, (const char *const[]){__VA_ARGS__, NULL})

int order_may(struct ledger *l, struct err *e)
{
	const char *who = l->git.name;
	struct err none;
	struct json *node = task_id_valid(who) ? registry_node(l, who, &none) : NULL;
	int rc =
	    node ? err_set(e, ERR_PERM,
			   "'%s' is a node of this grid, and nodes do not say this: set user.name of git to yours", who)
		 : ledger_may_sign(l, who, e);
	json_free(node);
	return rc;
}

int order_write(struct ledger *l, const char *path, const struct json *doc, struct err *e)
{
	char *full = xasprintf("%s/%s", l->git.dir, path), *slash = strrchr(full, '/'), *text = task_text(doc);
	*slash = 0;
	int rc = file_mkdirs(full, e);
	*slash = '/';
	if (!rc && !(rc = file_write_in_place(full, text, strlen(text), e)))
		rc = GIT(l, e, "add", "--force", "--", path);
	free(full);
	free(text);
	return rc;
}

int order_remove(struct ledger *l, const char *path, struct err *e)
{
	return GIT(l, e, "rm", "--quiet", "--force", "--ignore-unmatch", "--", path);
}

int order_commit(struct ledger *l, const struct order_change *c, struct err *e)
{
	struct buf m = {0};
	bool one = c->done.n + c->also.n == 1;
	if (one)
		buf_addf(&m, "%s: %s %s\n", l->git.name, c->verb, c->done.v[0]);
	else
		buf_addf(&m, "%s: %zu transitions\n\n", l->git.name, c->done.n + c->also.n);
	for (size_t i = 0; i < c->done.n && !one; i++)
		buf_addf(&m, "%s %s\n", c->verb, c->done.v[i]);
	for (size_t i = 0; i < c->also.n; i++)
		buf_addf(&m, "%s\n", c->also.v[i]);
	for (size_t i = 0; i < c->notes.n; i++)
		buf_addf(&m, "%s%s\n", i ? "" : "\n", c->notes.v[i]);
	int rc = GIT(l, e, "commit", "--quiet", "--no-verify", "-m", m.data);
	buf_clear(&m);
	return rc ? -1 : 1;
}

int order_land(const struct context *ctx, struct ledger *l, struct grid_config *c,
	       int (*build)(struct ledger *l, void *ctx, struct err *e), void *what, struct err *e)
{
	bool changed;
	return open_grid_to_sign(ctx, l, c, e) || land(l, build, what, &changed, e) ? -1 : 0;
}

void order_tell(const char *said, const struct strs *of)
{
	for (size_t i = 0; i < of->n; i++)
		printf("%s%s\n", said, of->v[i]);
}

void order_change_clear(struct order_change *c)
{
	strs_clear(&c->done);
	strs_clear(&c->also);
	strs_clear(&c->notes);
}

int order_check_reason(const char *reason, struct err *e)
{
	if (!reason || order_reason_valid(reason))
		return 0;
	return err_set(e, ERR_USAGE, "--reason: expected one line of at most %d bytes", ORDER_REASON_MAX);
}
