#include "store/witness.h"
#include "base/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF "refs/dgrid/witness/"
#define FALLBACK "refs/heads/dgrid-witness/" /* where a host takes heads only */
#define HERE "refs/heads/witness"

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- names ---- */

bool witness_name_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);
	return n >= 1 && n <= 64 && strspn(name, allowed) == n && name[0] != '.' && name[0] != '-' &&
	       name[n - 1] != '.' && !strstr(name, "..") && !(n > 5 && !strcmp(name + n - 5, ".lock"));
}

bool witness_name_of(const char *url, char name[65])
{
	size_t end = strlen(url), begin;
	while (end && url[end - 1] == '/')
		end--;
	if (end > 5 && !strncmp(url + end - 5, "/.git", 5))
		end -= 5;
	else if (end > 4 && !strncmp(url + end - 4, ".git", 4))
		end -= 4;
	for (begin = end; begin && url[begin - 1] != '/' && url[begin - 1] != ':';)
		begin--;
	snprintf(name, 65, "%.*s", (int)(end - begin < 65 ? end - begin : 64), url + begin);
	return end - begin <= 64 && witness_name_valid(name);
}

/* ---- reading ---- */

/* Which refs there are. "OID\tREF" a line. */
static void take_refs(struct witness *w, const char *text, char ref[100], size_t *hex)
{
	char *own = xasprintf(REF "%s", w->name), *head = xasprintf(FALLBACK "%s", w->name);
	char oid[72], name[300];
	for (const char *p = text; p && *p; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n')) {
		if (sscanf(p, "%71[0-9a-f] %299s", oid, name) != 2)
			continue;
		*hex = strlen(oid);
		if (!strcmp(name, own) || (!strcmp(name, head) && !ref[0]))
			snprintf(ref, 100, "%.99s", name);
	}
	free(own);
	free(head);
}

/* "JSON" a line, newest first. */
static void take_records(struct witness *w, char *text)
{
	for (char *line = text, *next; line && *line; line = next) {
		struct checkpoint c;
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (checkpoint_parse(&c, line, strlen(line)))
			continue; /* somebody else's commit says nothing about the grid */
		w->v = xrealloc(w->v, (w->n + 1) * sizeof *w->v);
		w->v[w->n++] = c;
	}
}

static int fetch(struct witness *w, const char *ref, struct err *e)
{
	struct buf b = {0};
	char *spec = xasprintf("+%s:" HERE, ref);
	int rc = GIT(&w->git, NULL, e, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", w->url, spec);
	if (!rc)
		rc = git_find(&w->git, HERE, w->newest, e);
	if (!rc)
		rc = GIT(&w->git, &b, e, "log", "--no-show-signature", "--format=%s", HERE);
	if (!rc)
		take_records(w, b.data);
	free(spec);
	buf_clear(&b);
	return rc;
}

int witness_read(const char *url, const char *name, struct witness *w, struct err *e)
{
	struct buf b = {0};
	char ref[100] = "";
	size_t hex = 40;
	*w = (struct witness){.url = xstrdup(url), .name = xstrdup(name)};
	w->git = (struct git){.name = xstrdup("dgrid"), .email = xstrdup("dgrid@localhost")};
	if (!(w->git.dir = file_temp_dir(e)))
		return -1;
	int rc = GIT(&w->git, &b, e, "ls-remote", "--quiet", "--", url, "HEAD", REF "*", FALLBACK "*");
	if (!rc) {
		take_refs(w, b.data, ref, &hex);
		rc = GIT(&w->git, NULL, e, "init", "--quiet", "--bare",
			 "--template=", hex == 64 ? "--object-format=sha256" : "--object-format=sha1");
	}
	if (!rc && ref[0])
		rc = fetch(w, ref, e);
	buf_clear(&b);
	return rc ? err_wrap(e, "the witness") : 0;
}

void witness_close(struct witness *w)
{
	if (w->git.dir)
		file_remove_tree(w->git.dir, NULL);
	free(w->git.dir);
	free(w->git.name);
	free(w->git.email);
	free(w->url);
	free(w->name);
	free(w->v);
	*w = (struct witness){0};
}

/* ---- comparing ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int witness_missing(const struct witness *w, const struct git *g, const char *head, bool archive,
		    const struct checkpoint **newest, size_t *n, struct err *e)
{
	struct buf b = {0};
	struct strs line = {0};
	const char *last = "";
	*newest = NULL;
	*n = 0;
	if (*head && GIT(g, &b, e, "rev-list", "--first-parent", head)) {
		buf_clear(&b);
		return -1;
	}
	for (char *p = b.data, *next; p && *p; p = next) {
		next = p + strcspn(p, "\n");
		if (*next)
			*next++ = 0;
		strs_add(&line, p);
	}
	if (line.n)
		qsort(line.v, line.n, sizeof *line.v, by_text);
	for (size_t i = 0; i < w->n; i++) {
		const char *seen = archive ? w->v[i].archive : w->v[i].audited_to;
		if (!*seen || !strcmp(seen, last))
			continue;
		last = seen;
		if (line.n && bsearch(&seen, line.v, line.n, sizeof *line.v, by_text))
			continue;
		*newest = *newest ? *newest : &w->v[i];
		++*n;
	}
	strs_clear(&line);
	buf_clear(&b);
	return 0;
}

/* ---- one more ---- */

int witness_add(struct witness *w, const struct checkpoint *c, struct err *e)
{
	struct json *j = checkpoint_json(c);
	struct buf text = {0}, tree = {0}, commit = {0};
	char *ref = xasprintf(REF "%s", w->name), *head = xasprintf(FALLBACK "%s", w->name);
	json_write(&text, j, 0);
	json_free(j);
	int rc = GIT(&w->git, &tree, e, "mktree"); /* of nothing: the empty tree */
	if (!rc)
		tree.data[strcspn(tree.data, "\n")] = 0;
	if (!rc && w->newest[0])
		rc = GIT(&w->git, &commit, e, "commit-tree", "-m", text.data, "-p", w->newest, tree.data);
	else if (!rc)
		rc = GIT(&w->git, &commit, e, "commit-tree", "-m", text.data, tree.data);
	if (!rc) {
		commit.data[strcspn(commit.data, "\n")] = 0;
		char *spec = xasprintf("%s:%s", commit.data, ref), *branch = xasprintf("%s:%s", commit.data, head);
		const char *args[] = {"push", "--porcelain", "--no-verify", "--", w->url, spec, NULL};
		enum push_outcome got = git_push_ref(&w->git, args, ref, e);
		if (got == PUSH_DECLINED) { /* a host that takes branches only */
			args[5] = branch;
			got = git_push_ref(&w->git, args, head, e);
		}
		rc = got == PUSH_LANDED ? 0 : -1;
		if (got == PUSH_RACED)
			err_set(e, ERR_RETRY, "another audit recorded there at the same time: try again");
		free(spec);
		free(branch);
	}
	free(ref);
	free(head);
	buf_clear(&text);
	buf_clear(&tree);
	buf_clear(&commit);
	return rc ? err_wrap(e, "the witness did not take the record") : 0;
}
