#include "store/cache.h"
#include "base/clock.h"
#include "base/file.h"
#include "git/clone.h"
#include "git/view.h"
#include "store/archive.h"
#include "store/checkpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t hash_of(const char *url)
{
	uint64_t hash = 1469598103934665603u; /* FNV-1a: a name for the folder, not a secret */
	for (const char *p = url; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return hash;
}

static char *path_in_tmp(const char *url)
{
	return xasprintf("/tmp/dgrid-cache-%ld/%016llx.git", (long)getuid(), (unsigned long long)hash_of(url));
}

char *cache_path(const char *url)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	uint64_t hash = hash_of(url);
	if (xdg && *xdg == '/')
		return xasprintf("%s/dgrid/%016llx.git", xdg, (unsigned long long)hash);
	if (home && *home)
		return xasprintf("%s/.cache/dgrid/%016llx.git", home, (unsigned long long)hash);
	return path_in_tmp(url);
}

int cache_lock(const char *path, int64_t wait_ms, struct err *e)
{
	int64_t deadline = clock_mono_ms() + wait_ms;
	for (;;) {
		int fd = file_lock(path, e);
		if (fd >= 0 || e->class != ERR_RETRY || clock_mono_ms() > deadline || proc_given_up())
			return fd;
		loop_step(50);
	}
}

bool cache_needless(const char *url, const char **local)
{
	*local = !strncmp(url, "file://", 7) ? url + 7 : url;
	char *dotgit = xasprintf("%s/.git", *local), *head = xasprintf("%s/HEAD", *local);
	bool here = file_exists(dotgit) || file_exists(head);
	free(dotgit);
	free(head);
	return here;
}

int cache_view(const char *local, char **dir, struct err *e)
{
	char *path = cache_path(local), *slash = strrchr(path, '/');
	struct err none;
	*slash = 0;
	/* Who reads a folder may have no home to write to, and a view can be had again. */
	bool shut = file_mkdirs(path, &none) ? !file_exists(path) : access(path, W_OK | X_OK) != 0;
	*slash = '/';
	if (shut) {
		free(path);
		path = path_in_tmp(local);
	}
	*dir = xasprintf("%.*s-view.git", (int)(strlen(path) - strlen(".git")), path);
	free(path);
	return view_open(local, *dir, e);
}

int cache_update(const struct git *g, const char *branch, enum cache_upkeep upkeep,
		 int (*fill)(void *ctx, const struct git *g, struct err *e), void *ctx, struct err *e)
{
	char *ref = xasprintf("refs/heads/%s", branch);
	bool was = clone_there(g), anew = false;
	struct err none;
	clone_clear_locks(g, branch);
	clone_clear_leftovers(g);
	int rc = was ? 0 : file_empty_folder(g->dir, e);
	if (!rc)
		rc = fill(ctx, g, e);
	if (!was || proc_given_up())
		anew = false;
	else if (rc)
		anew = clone_damaged(g, ref);
	else if (upkeep != CACHE_BY_FETCH && clone_cluttered(g, upkeep == CACHE_ANEW, &anew) && !anew)
		clone_pack(g, &none); /* it is as good unpacked */
	if (anew && !(rc = file_empty_folder(g->dir, e)))
		rc = fill(ctx, g, e);
	free(ref);
	return rc;
}

struct whole {
	const char *url, *branch;
};

/* Everything, and what a fetch leaves behind is packed now and then. A host without an archive is no error. */
static int fill_whole(void *ctx, const struct git *g, struct err *e)
{
	const char *url = ((struct whole *)ctx)->url, *branch = ((struct whole *)ctx)->branch;
	char *spec = xasprintf("+refs/heads/%s:refs/heads/%s", branch, branch);
	struct git in = {.dir = (char *)".", .name = g->name, .email = g->email};
	const char *clone[] = {
	    "clone", "--quiet", "--bare", "--single-branch", "--no-tags", "--branch", branch, "--template=", "--",
	    url,     g->dir,	NULL};
	const char *fetch[] = {"-c",
			       "gc.auto=6700",
			       "-c",
			       "gc.autoPackLimit=50",
			       "-c",
			       "gc.autoDetach=false",
			       "-c",
			       "maintenance.auto=true",
			       "fetch",
			       "--quiet",
			       "--no-tags",
			       "--prune",
			       "--no-write-fetch-head",
			       "origin",
			       spec,
			       "+refs/heads/" ARCHIVE_BRANCH "*:refs/heads/" ARCHIVE_BRANCH "*",
			       "+refs/dgrid/audit*:refs/dgrid/audit*",
			       "+refs/heads/dgrid-audit*:refs/heads/dgrid-audit*",
			       NULL};
	int rc = 0;
	if (!clone_there(g))
		rc = git_run_long(&in, e, clone);
	if (!rc)
		rc = git_run_long(g, e, fetch);
	free(spec);
	return rc;
}

int cache_whole(const char *url, const char *branch, struct git *g, bool *cached, struct err *e)
{
	const char *local;
	*g = (struct git){.name = xstrdup("dgrid"), .email = xstrdup("dgrid@localhost"), .as_is = true};
	*cached = !cache_needless(url, &local);
	if (!*cached)
		return cache_view(local, &g->dir, e);
	char *dir = cache_path(url);
	g->dir = xasprintf("%.*s-audit.git", (int)(strlen(dir) - strlen(".git")), dir);
	char *lock = xasprintf("%s.lock", g->dir), *slash = strrchr(lock, '/');
	*slash = 0;
	int rc = file_mkdirs(lock, e), fd = -1;
	*slash = '/';
	if (!rc && (fd = cache_lock(lock, CACHE_WAIT_MS, e)) < 0)
		rc = -1;
	if (!rc)
		rc = cache_update(g, branch, CACHE_BY_FETCH, fill_whole, &(struct whole){url, branch}, e);
	if (fd >= 0)
		close(fd);
	free(dir);
	free(lock);
	return rc;
}
