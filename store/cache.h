/* cache: copies of remotes that readers keep under $XDG_CACHE_HOME/dgrid. Each is had again when it is gone.
 */
#ifndef CACHE_H
#define CACHE_H
#include "git/git.h"
#include <stdint.h>

#define CACHE_WAIT_MS 60000

char *cache_path(const char *url); /* DIR/HASH.git, the caller's; other copies of the same url are named after it */
/* Is url a repository on this machine, which needs no copy? local: its path, within url. */
bool cache_needless(const char *url, const char **local);
/* A view of such a repository (git/view.h) in dir, the caller's also after an error. */
int cache_view(const char *local, char **dir, struct err *e);
/* Brings the copy g->dir up to date, under its lock, by fill, which makes it where clone_there says no. One that a
 * crash left half-written is made anew, and packs stay few: CACHE_PACK packs it, CACHE_ANEW makes it anew, of
 * CACHE_BY_FETCH fill takes care. */
enum cache_upkeep { CACHE_PACK, CACHE_ANEW, CACHE_BY_FETCH };
int cache_update(const struct git *g, const char *branch, enum cache_upkeep upkeep,
		 int (*fill)(void *ctx, const struct git *g, struct err *e), void *ctx, struct err *e);
/* Another reader may be fetching into the same copy: waits for it. The descriptor, or -1. */
int cache_lock(const char *path, int64_t wait_ms, struct err *e);
/* A repository with the whole history of branch, of the archive and the audits' record: the one at hand, or for a
 * remote a cache of its own, brought up to date. The caller frees dir, name and email of g, also after an error. */
int cache_whole(const char *url, const char *branch, struct git *g, bool *cached, struct err *e);
#endif
