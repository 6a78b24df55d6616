#include "store/checkpoint.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

struct json *checkpoint_json(const struct checkpoint *c)
{
	char when[32];
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "schema", json_new_int(1));
	json_set(j, "audited_to", c->audited_to[0] ? json_new_str(c->audited_to) : json_new(JSON_NULL));
	json_set(j, "archive", c->archive[0] ? json_new_str(c->archive) : json_new(JSON_NULL));
	json_set(j, "commits", json_new_int(c->commits));
	json_set(j, "violations", json_new_int(c->violations));
	json_set(j, "notices", json_new_int(c->notices));
	json_set(j, "at", json_new_str(clock_format(c->at, when)));
	if (c->witnessed_at)
		json_set(j, "witnessed_at", json_new_str(clock_format(c->witnessed_at, when)));
	return j;
}

static bool is_oid(const char *s)
{
	size_t n = s ? strspn(s, "0123456789abcdef") : 0;
	return (n == 40 || n == 64) && !s[n];
}

/* A number, or a list of which the length counts. */
static int64_t count(const struct json *j, const char *name)
{
	const struct json *m = json_get(j, name);
	int64_t n = 0;
	for (const struct json *x = m && m->type == JSON_ARRAY ? m->child : NULL; x; x = x->next)
		n++;
	return m && m->type == JSON_ARRAY ? n : json_int(j, name, 0);
}

int checkpoint_parse(struct checkpoint *c, const char *text, size_t len)
{
	struct json_error je;
	struct json *j = json_parse(text, len, &je);
	const char *to = json_str(j, "audited_to"), *archive = json_str(j, "archive"), *at = json_str(j, "at");
	int rc = is_oid(to) && (!archive || is_oid(archive)) ? 0 : -1;
	*c = (struct checkpoint){0};
	if (!rc) {
		snprintf(c->audited_to, sizeof c->audited_to, "%s", to);
		snprintf(c->archive, sizeof c->archive, "%s", archive ? archive : "");
		c->commits = json_int(j, "commits", 0);
		c->violations = count(j, "violations");
		c->notices = count(j, "notices");
		if (!at || clock_parse(at, &c->at))
			c->at = 0;
		c->witnessed_at = json_time(j, "witnessed_at");
	}
	json_free(j);
	return rc;
}

int checkpoint_read(const struct git *g, struct checkpoint *c, struct err *e)
{
	struct buf b = {0};
	*c = (struct checkpoint){0};
	if (GIT(g, &b, e, "for-each-ref", "--format=%(contents:subject)", CHECKPOINT_REF, CHECKPOINT_FALLBACK))
		return -1;
	for (char *line = b.data, *next; line && *line && !c->audited_to[0]; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		checkpoint_parse(c, line, strlen(line)); /* anyone may push a ref: what is none of ours is nothing */
	}
	buf_clear(&b);
	return 0;
}

int checkpoint_publish(const struct git *g, const struct checkpoint *c, struct err *e)
{
	struct json *j = checkpoint_json(c);
	struct buf text = {0}, tree = {0}, commit = {0};
	json_write(&text, j, 0);
	json_free(j);
	int rc = GIT(g, &tree, e, "mktree"); /* of nothing: the empty tree */
	if (!rc)
		tree.data[strcspn(tree.data, "\n")] = 0;
	if (!rc)
		rc = GIT(g, &commit, e, "commit-tree", "-m", text.data, tree.data);
	if (!rc)
		commit.data[strcspn(commit.data, "\n")] = 0;
	if (!rc) {
		char *spec = xasprintf("+%s:" CHECKPOINT_REF, commit.data),
		     *branch = xasprintf("+%s:" CHECKPOINT_FALLBACK, commit.data);
		const char *args[] = {"push", "--porcelain", "--no-verify", "origin", spec, NULL};
		enum push_outcome got = git_push_with(g, args, e);
		if (got == PUSH_DECLINED) { /* a host that takes branches only */
			args[4] = branch;
			got = git_push_with(g, args, e);
		}
		rc = got == PUSH_LANDED ? 0 : -1;
		free(spec);
		free(branch);
	}
	buf_clear(&text);
	buf_clear(&tree);
	buf_clear(&commit);
	return rc;
}
