#include "git/clone.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As git gc --auto has it: about 6,700 loose objects, or 50 packs. A month of fetches is better had anew. */
#define LOOSE_MAX (6700 / 256)
#define PACKS_MAX 50
#define BYTES_MAX (256LL << 20)

#define GIT(g, e, ...) git_run(g, NULL, e, (const char *const[]){__VA_ARGS__, NULL})

/* Where git keeps its own: in .git, or in a bare repository the folder itself. The caller's. */
static char *own_path(const struct git *g, const char *name)
{
	char *dotgit = xasprintf("%s/.git", g->dir), *path = xasprintf("%s/%s", dotgit, name);
	if (!file_exists(dotgit)) {
		free(path);
		path = xasprintf("%s/%s", g->dir, name);
	}
	free(dotgit);
	return path;
}

void clone_clear_locks(const struct git *g, const char *branch)
{
	static const char *const locks[] = {"index.lock",  "HEAD.lock",	       "shallow.lock",
					    "config.lock", "packed-refs.lock", NULL};
	static const char *const refs[] = {"refs/heads", "refs/remotes/origin", NULL};
	for (int i = 0; locks[i]; i++) {
		char *path = own_path(g, locks[i]);
		unlink(path);
		free(path);
	}
	for (int i = 0; refs[i]; i++) {
		char *name = xasprintf("%s/%s.lock", refs[i], branch), *path = own_path(g, name);
		unlink(path);
		free(name);
		free(path);
	}
}

bool clone_there(const struct git *g)
{
	char *head = own_path(g, "HEAD");
	/* An empty one is what a crash left, and git would look for a repository further up. */
	bool there = file_stamp(head).size > 0;
	free(head);
	return there;
}

/* Files of objects/pack: those that a git wrote when it was killed go; is there one that never reached the disk? */
static bool look_at_packs(const struct git *g, bool clear)
{
	char *folder = own_path(g, "objects/pack");
	DIR *d = opendir(folder);
	struct dirent *de;
	bool empty = false;
	while (d && (de = readdir(d))) {
		const char *ending = strrchr(de->d_name, '.');
		char *path = xasprintf("%s/%s", folder, de->d_name);
		if (clear && (!strncmp(de->d_name, "tmp_", 4) || !strncmp(de->d_name, ".tmp-", 5)))
			unlink(path);
		else if (ending && (!strcmp(ending, ".pack") || !strcmp(ending, ".idx")))
			empty = empty || file_stamp(path).size <= 0;
		free(path);
	}
	if (d)
		closedir(d);
	free(folder);
	return empty;
}

void clone_clear_leftovers(const struct git *g)
{
	look_at_packs(g, true);
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

static int change_places(const char *dir, const char *fresh, const char *old, struct err *e)
{
	if (rename(dir, old))
		return err_set(e, ERR_UNAVAILABLE, "cannot rename '%s': %s", dir, strerror(errno));
	if (!rename(fresh, dir))
		return 0;
	err_set(e, ERR_UNAVAILABLE, "cannot rename '%s': %s", fresh, strerror(errno));
	if (rename(old, dir))
		log_at(LOG_ERROR, "clone", "'%s' is lost: %s", dir, strerror(errno));
	return -1;
}

int clone_renew(const struct git *g, const char *url, const char *branch, const char *borrow, struct err *e)
{
	struct git aside = *g;
	char *old = xasprintf("%s.old", g->dir), *fresh = xasprintf("%s.new", g->dir);
	bool there = clone_there(g);
	if (there)
		aside.dir = fresh;
	int rc = file_remove_tree(old, e);
	if (!rc)
		rc = clone_make(&aside, url, branch, borrow, e);
	if (!rc && there)
		rc = change_places(g->dir, fresh, old, e);
	if (there)
		file_remove_tree(rc ? fresh : old, NULL);
	free(old);
	free(fresh);
	return rc;
}

int clone_adopt(const struct git *g, const char *url, const char *borrow, struct err *e)
{
	return GIT(g, e, "remote", "set-url", "origin", url) ? -1 : set_up(g, borrow, e);
}

bool clone_damaged(const struct git *g, const char *ref)
{
	char *tree = xasprintf("%s^{tree}", ref);
	bool damaged = look_at_packs(g, false) || GIT(g, NULL, "config", "--local", "remote.origin.url") ||
		       GIT(g, NULL, "cat-file", "-e", tree);
	free(tree);
	return damaged;
}

int clone_checkout(const struct git *g, const char *rev, bool clean, struct err *e)
{
	int rc = GIT(g, e, "reset", "--hard", "--quiet", rev);
	if (rc && !proc_given_up()) {
		clone_forget_index(g); /* a crash may have left half an index */
		rc = GIT(g, e, "reset", "--hard", "--quiet", rev);
	}
	return rc || !clean ? rc : GIT(g, e, "clean", "-ffdxq");
}

void clone_forget_index(const struct git *g)
{
	char *index = own_path(g, "index");
	unlink(index);
	free(index);
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
	char *one = own_path(g, "objects/17"), *packs = own_path(g, "objects/pack");
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
