#include "git/trees.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX (8u << 20) /* bytes of the list of new objects: a hundred thousand of them */
#define TREE_MAX (16u << 20)

struct checking {
	struct strs oids;
	size_t raw; /* bytes of an object id */
	void (*wrong)(void *ctx, const char *oid, const char *what);
	void *ctx;
};

/* Git sorts a folder's entries as if the names of folders ended in a slash. */
static int order(const char *a, bool a_folder, const char *b, bool b_folder)
{
	size_t la = strlen(a), lb = strlen(b), least = la < lb ? la : lb;
	int c = memcmp(a, b, least);
	unsigned char ca = (unsigned char)a[least], cb = (unsigned char)b[least];
	if (c)
		return c;
	ca = !ca && a_folder ? '/' : ca;
	cb = !cb && b_folder ? '/' : cb;
	return ca < cb ? -1 : ca > cb;
}

static bool known_mode(const char *mode)
{
	static const char *const modes[] = {"40000", "100644", "100755", "120000", "160000"};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(mode, modes[i]))
			return true;
	return false;
}

/* "MODE NAME\0" and the raw id, again and again. NULL: well-formed. */
static const char *check(const char *p, size_t len, size_t raw)
{
	const char *end = p + len, *last = NULL;
	bool last_folder = false;
	if (!len)
		return "an empty folder";
	while (p < end) {
		char mode[8] = "";
		const char *space = memchr(p, ' ', (size_t)(end - p)), *name = space ? space + 1 : NULL;
		const char *nul = name ? memchr(name, 0, (size_t)(end - name)) : NULL;
		if (!nul || (size_t)(end - nul) < raw + 1)
			return "cut short";
		snprintf(mode, sizeof mode, "%.*s", (int)(space - p < 7 ? space - p : 7), p);
		bool folder = !strcmp(mode, "40000");
		if (!known_mode(mode))
			return "an entry of a mode that git does not make";
		if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
			return "an entry without a proper name";
		if (last && !strcmp(last, name))
			return "the same entry twice";
		/* A file and a folder of one name need not stand side by side. */
		if (last && order(last, last_folder, name, folder) >= 0)
			return "entries out of order";
		last = name;
		last_folder = folder;
		p = nul + 1 + raw;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A well-ordered folder can still hold "a" (a file), "a.b" and "a" (a folder). */
static bool repeats(const char *p, size_t len, size_t raw)
{
	struct strs names = {0};
	bool twice = false;
	for (const char *end = p + len; p < end;) {
		const char *name = (const char *)memchr(p, ' ', (size_t)(end - p)) + 1;
		strs_add(&names, name);
		p = name + strlen(name) + 1 + raw;
	}
	if (names.n)
		qsort(names.v, names.n, sizeof *names.v, by_name);
	for (size_t i = 1; i < names.n && !twice; i++)
		twice = !strcmp(names.v[i - 1], names.v[i]);
	strs_clear(&names);
	return twice;
}

static void take_tree(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct checking *c = ctx;
	const char *what = bytes ? check(bytes, len, c->raw) : NULL; /* NULL: a commit, or what a path looks like */
	if (bytes && !what && repeats(bytes, len, c->raw))
		what = "the same entry twice";
	if (what)
		c->wrong(c->ctx, c->oids.v[i], what);
}

int trees_check(const struct git *g, const char *base, const char *head,
		void (*wrong)(void *ctx, const char *oid, const char *what), void *ctx, struct err *e)
{
	struct checking c = {.raw = strlen(head) / 2, .wrong = wrong, .ctx = ctx};
	struct buf list = {0};
	char *range = xasprintf("%s..%s", base, head);
	const char *args[] = {"rev-list", "--objects", "--filter=blob:none", range, NULL};
	int rc = git_run(g, &list, e, args);
	if (!rc && list.len > LIST_MAX)
		rc = err_set(e, ERR_DATA, "more new folders than can be checked (expected a request of few commits)");
	/* "OID" of a commit, "OID PATH" of a tree. What a path with a newline adds is looked up in vain. */
	for (char *line = rc ? NULL : list.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (strspn(line, "0123456789abcdef") == 2 * c.raw && (line[2 * c.raw] == ' ' || !line[2 * c.raw])) {
			line[2 * c.raw] = 0;
			strs_add(&c.oids, line);
		}
	}
	if (!rc && c.oids.n)
		rc = git_cat(g, "tree", c.oids.v, c.oids.n, TREE_MAX, take_tree, &c, e);
	strs_clear(&c.oids);
	buf_clear(&list);
	free(range);
	return rc;
}
