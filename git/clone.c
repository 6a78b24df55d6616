#include "git/clone.h"
#include "base/file.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As git gc --auto has it: about 6,700 loose objects, or 50 packs. A month of fetches is better had anew. */
#define LOOSE_MAX (6700 / 256)
#define PACKS_MAX 50
#define BYTES_MAX (256LL << 20)

#define GIT(g, e, ...) git_run(g, NULL, e, (const char *const[]){__VA_ARGS__, NULL})

void clone_clear_locks(const struct git *g, const char *branch)
{
	static const char *const locks[] = {"index.lock",  "HEAD.lock",	       "shallow.lock",
					    "config.lock", "packed-refs.lock", NULL};
	static const char *const refs[] = {"refs/heads", "refs/remotes/origin", NULL};
	for (int i = 0; locks[i]; i++) {
		char *path = xasprintf("%s/.git/%s", g->dir, locks[i]);
		unlink(path);
		free(path);
	}
	for (int i = 0; refs[i]; i++) {
		char *path = xasprintf("%s/.git/%s/%s.lock", g->dir, refs[i], branch);
		unlink(path);
		free(path);
	}
}

static int write_in(const struct git *g, const char *name, const char *text, struct err *e)
{
	char *path = xasprintf("%s/.git/%s", g->dir, name), *slash = strrchr(path, '/');
	*slash = 0;
	int rc = file_mkdirs(path, e);
	*slash = '/';
	if (!rc)
		rc = file_write(path, text, strlen(text), e);
	free(path);
	return rc;
}

/* What a clone of ours has beyond git's own. */
static int set_up(const struct git *g, const char *borrow, struct err *e)
{
	/* Attributes in the ledger must not change a byte on its way to or from the work tree. */
	int rc = write_in(g, "info/attributes", "* -text -ident -filter -working-tree-encoding\n", e);
	if (!rc && borrow) {
		char *line = xasprintf("%s\n", borrow);
		rc = write_in(g, "objects/info/alternates", line, e);
		free(line);
	}
	return rc;
}

int clone_make(const struct git *g, const char *url, const char *branch, const char *borrow, struct err *e)
{
	int rc = file_empty_folder(g->dir, e);
	if (!rc)
		rc = git_clone(g, url, branch, e);
	if (!rc)
		rc = set_up(g, borrow, e);
	/* Only now: attributes that stand in the ledger would change what is checked out. An empty one has no HEAD. */
	if (!rc && !GIT(g, NULL, "rev-parse", "--verify", "--quiet", "HEAD"))
		rc = GIT(g, e, "reset", "--hard", "--quiet");
	return rc;
}

int clone_adopt(const struct git *g, const char *url, const char *borrow, struct err *e)
{
	return GIT(g, e, "remote", "set-url", "origin", url) ? -1 : set_up(g, borrow, e);
}

bool clone_damaged(const struct git *g)
{
	return !GIT(g, NULL, "rev-parse", "--verify", "--quiet", "HEAD") &&
	       GIT(g, NULL, "cat-file", "-e", "HEAD^{tree}");
}

bool clone_forget_lost(const struct git *g)
{
	struct buf refs = {0};
	bool lost =
	    GIT(g, NULL, "for-each-ref", "--format=%(objecttype)", "refs/dgrid/") &&
	    !git_run(g, &refs, NULL,
		     (const char *const[]){"for-each-ref", "--format=delete %(refname)", "refs/dgrid/", NULL}) &&
	    !git_run_input(g, refs.data, refs.len, NULL, (const char *const[]){"update-ref", "--stdin", NULL});
	buf_clear(&refs);
	return lost;
}

/* How many files there are in a folder whose names end so, and their bytes. */
static size_t count(const char *dir, const char *ending, int64_t *bytes)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	size_t n = 0, end = strlen(ending);
	while (d && (de = readdir(d))) {
		size_t len = strlen(de->d_name);
		if (de->d_name[0] == '.' || len < end || strcmp(de->d_name + len - end, ending) != 0)
			continue;
		n++;
		if (bytes) {
			char *path = xasprintf("%s/%s", dir, de->d_name);
			*bytes += file_stamp(path).size;
			free(path);
		}
	}
	if (d)
		closedir(d);
	return n;
}

bool clone_cluttered(const struct git *g, bool borrows, bool *anew)
{
	int64_t bytes = 0;
	/* The names are spread evenly: one folder of 256 tells of all. */
	char *one = xasprintf("%s/.git/objects/17", g->dir), *packs = xasprintf("%s/.git/objects/pack", g->dir);
	bool many = count(one, "", NULL) > LOOSE_MAX || count(packs, ".pack", &bytes) > PACKS_MAX;
	free(one);
	free(packs);
	*anew = borrows || bytes > BYTES_MAX;
	return many || bytes > BYTES_MAX;
}

int clone_pack(const struct git *g, struct err *e)
{
	/* Only what is small is packed again, so that it stays cheap however long the clone lives. Git before 2.33 does
	 * not know how. */
	if (GIT(g, NULL, "repack", "--geometric=2", "-d", "--quiet") && GIT(g, e, "repack", "-a", "-d", "--quiet"))
		return -1;
	return GIT(g, e, "prune-packed", "--quiet");
}
