#include "verbs/left.h"
#include "base/file.h"
#include "git/view.h"
#include "store/cache.h"
#include "store/places.h"
#include "verbs/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_BYTES (256LL << 20)

void left_clear(struct left *l)
{
	json_free(l->doc);
	*l = (struct left){0};
}

int left_of(const struct json *doc, const char *id, const char *state, struct left *l, struct err *e)
{
	const struct json *result = json_get(doc, "result");
	const char *lost = json_str(result, "out_error"), *reason = json_str(result, "reason");
	l->out = json_get(result, "out");
	l->tree = json_str(l->out, "tree");
	l->ref = json_str(l->out, "ref");
	if (!result)
		return err_set(e, ERR_RETRY, "task '%s' is in %s: it has no files yet (see: dgrid why %s)", id, state,
			       id);
	if (lost)
		return err_set(e, ERR_NOENT, "the files of '%s' were not kept: %.300s", id, lost);
	if (!l->out && reason)
		return err_set(e, ERR_NOENT, "no files of '%s' were kept: %.300s", id, reason);
	if (!l->out)
		return err_set(e, ERR_NOENT, "task '%s' left no files (what its script writes to /out is kept)", id);
	if (!l->ref)
		return err_set(e, ERR_NOENT, "the nodes that ran '%s' left different files: none of them are kept", id);
	return place_oid_valid(l->tree)
		   ? 0
		   : err_set(e, ERR_DATA, "the result of '%s' does not say which files it left", id);
}

int left_find(const struct context *ctx, const char *at, const char *id, struct left *l, struct err *e)
{
	struct snapshot s = {0};
	const char *state;
	char path[256];
	*l = (struct left){0};
	int rc = follow_find(ctx, &s, at, id, &l->doc, &state, path, e);
	rc = rc ? rc : left_of(l->doc, id, state, l, e);
	snapshot_close(&s);
	return rc;
}

int left_store(const struct context *ctx, bool sha256, struct filestore *store, struct err *e)
{
	char *cache = cache_path(ctx->url), *dir = xasprintf("%.*s-files.git", (int)(strlen(cache) - 4), cache);
	char *slash = strrchr(cache, '/'), *view = NULL, *objects = NULL;
	const char *local;
	*slash = 0;
	int rc = file_mkdirs(cache, e);
	if (!rc && cache_needless(ctx->url, &local) && !(rc = cache_view(local, &view, e)))
		objects = view_objects(view);
	/* One at a time makes it. */
	char *lock_path = xasprintf("%s.lock", dir);
	int lock = rc ? -1 : cache_lock(lock_path, CACHE_WAIT_MS, e);
	rc = rc || lock < 0
		 ? -1
		 : filestore_open(store, dir, view ? view : ctx->url, sha256, objects, ctx->name, ctx->email, e);
	if (lock >= 0)
		close(lock);
	free(lock_path);
	free(view);
	free(objects);
	free(cache);
	free(dir);
	return rc;
}

void left_close(struct filestore *store)
{
	struct err e;
	if (store->git.dir && filestore_bytes(store) > KEPT_BYTES && filestore_shrink(store, "refs/got", &e))
		fprintf(stderr, "dgrid: the copy of files in '%s' cannot be made smaller: %s\n", store->git.dir, e.msg);
	filestore_close(store);
}
