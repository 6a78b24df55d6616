#include "store/bring.h"
#include "base/file.h"
#include "base/proc.h"
#include "store/depot.h"
#include "store/places.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD "bring-input"
#define TURN_PAUSE_MS 50
#define MB (1 << 20)
#define PACK_SPARE_MB 16
#define WRITTEN_AT 946684800 /* 2000-01-01 */

#define GIT(o, out, e, ...) git_run(&(o)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

bool bring_at_hand(const struct filestore *o, const char *tree)
{
	struct err none;
	/* Everything below it, and not from the remote. */
	return place_oid_valid(tree) && !GIT(o, NULL, &none, "rev-list", "--objects", "--quiet", tree);
}

/* Whoever wrote the document: no word of it becomes an option of git's. */
static int check(const char *tree, struct err *e)
{
	return place_oid_valid(tree) ? 0 : err_set(e, ERR_DATA, "'%.80s' is no object id of a tree", tree);
}

/* git holds a lock of the store (shallow.lock) for as long as such a fetch takes, and one that finds it held fails. */
static int wait_for_turn(const struct filestore *o, struct err *e)
{
	char *path = xasprintf("%s/fetching", o->git.dir);
	int fd;
	while ((fd = file_lock(path, e)) < 0 && e->class == ERR_RETRY && !proc_given_up())
		proc_pause(TURN_PAUSE_MS);
	free(path);
	return fd;
}

/* ref of the remote as another one here. However long it takes. how: NULL, or an option; then it is one at a time. */
static int fetch(const struct filestore *o, const char *ref, const char *here, const char *how, struct err *e)
{
	int turn = how ? wait_for_turn(o, e) : -1;
	if (how && turn < 0)
		return -1;
	char *spec = xasprintf("+%s:%s", ref, here);
	const char *args[] = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", spec, how, NULL};
	int rc = git_run_long(&o->git, e, args);
	if (rc && strstr(e->msg, "find remote ref"))
		e->class = ERR_NOENT;
	if (turn >= 0)
		close(turn);
	free(spec);
	return rc;
}

int bring_out(const struct filestore *o, const char *tree, const char *ref, struct err *e)
{
	struct place_out place;
	struct place_checkpoint saved;
	struct err first;
	if (check(tree, e))
		return -1;
	if (bring_at_hand(o, tree))
		return 0;
	if (!GIT(o, NULL, &first, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", tree) &&
	    bring_at_hand(o, tree))
		return 0;
	bool out = ref && place_out_parse(ref, &place), checkpoint = ref && place_checkpoint_parse(ref, &saved);
	if (!out && !checkpoint)
		return err_set(e, ERR_NOENT, "the files are not at the remote: %.300s", first.msg);
	char *here = out ? xasprintf("refs/got/%s/%s/%d", place.day, place.node, place.number)
			 : xasprintf("refs/got/%s", saved.nonce);
	int rc = fetch(o, ref, here, NULL, e);
	free(here);
	if (rc && e->class == ERR_NOENT && checkpoint)
		rc = err_set(e, ERR_NOENT, "the files are gone: there is no %s any more", ref);
	else if (rc && e->class == ERR_NOENT)
		rc =
		    err_set(e, ERR_NOENT,
			    "the files are gone: %s is deleted when it is older than keep_out_days. The tree's id, %s, "
			    "stays: whoever has a copy can show that it is the one",
			    ref, tree);
	else if (!rc && !bring_at_hand(o, tree))
		rc = err_set(e, ERR_NOENT, "%s does not have the tree %s that the result names", ref, tree);
	return rc;
}

void bring_ahead(const struct filestore *o, const char *const *trees, size_t n)
{
	struct buf want = {0};
	const char *args[] = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", "--stdin", NULL};
	size_t missing = 0;
	for (size_t i = 0; i < n; i++)
		if (!bring_at_hand(o, trees[i])) {
			buf_addf(&want, "%s\n", trees[i]);
			missing++;
		}
	if (missing > 1)
		git_run_input(&o->git, want.data, want.len, NULL, args);
	buf_clear(&want);
}

/* Lets go what was held, so that tidying up may take it. */
static void forget(const struct filestore *o, const char *tree)
{
	char *here = xasprintf(BRING_HELD "/%s", tree);
	GIT(o, NULL, NULL, "update-ref", "-d", here);
	free(here);
}

int bring_in(const struct filestore *o, const char *tree, struct err *e)
{
	char here[PLACE_MAX], there[PLACE_MAX], is[72];
	int rc = -1;
	if (check(tree, e))
		return -1;
	snprintf(here, sizeof here, BRING_HELD "/%s", tree);
	if (filestore_tree(o, here, is) && !strcmp(is, tree) && bring_at_hand(o, tree))
		return 0;
	*e = (struct err){.class = ERR_NOENT};
	for (int heads = 0; heads < 2 && rc && e->class == ERR_NOENT; heads++) {
		place_in_name(there, tree, heads);
		/* Only so does git leave out what other commits here have, of which this one is no descendant. */
		rc = fetch(o, there, here, "--depth=1", e);
	}
	if (rc && e->class == ERR_NOENT)
		return err_set(e, ERR_NOENT, "it is not at the remote: there is no " PLACE_IN "/%s", tree);
	if (rc)
		return -1;
	if (filestore_tree(o, here, is) && !strcmp(is, tree))
		return 0;
	forget(o, tree);
	return err_set(e, ERR_DATA, PLACE_IN "/%s has another tree: %s", tree, is[0] ? is : "none");
}

int bring_left(const struct filestore *o, const char *tree, const char *ref, struct err *e)
{
	char here[PLACE_MAX];
	if (check(tree, e))
		return -1;
	snprintf(here, sizeof here, BRING_HELD "/%s", tree);
	return bring_out(o, tree, ref, e) || GIT(o, NULL, e, "update-ref", here, tree) ? -1 : 0;
}

/* The same on every node and each time: nothing of a script's result should come from when it was fetched. */
static int set_time(const char *path)
{
	const struct timespec t[2] = {{.tv_sec = WRITTEN_AT}, {.tv_sec = WRITTEN_AT}};
	return utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

/* Only to be read, by whoever the sandbox's user is. */
static int shut(const char *dir, const struct checkout *l, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < l->n && !rc; i++) {
		char *path = xasprintf("%s/%s", dir, l->v[i].path);
		rc = l->v[i].link ? 0 : chmod(path, l->v[i].executable ? 0555 : 0444);
		rc = rc ? rc : set_time(path);
		for (char *slash;
		     !rc && (slash = strrchr(path, '/')) >= path + strlen(dir);) { /* its folders, up to dir */
			*slash = 0;
			rc = set_time(path);
		}
		if (rc)
			err_set(e, ERR_UNAVAILABLE, "cannot shut '%s': %s", path, strerror(errno));
		free(path);
	}
	return rc;
}

static int write_to(const struct filestore *o, const struct checkout *l, const struct pointers *p, const char *dir,
		    const char *store, struct err *e)
{
	char *half = xasprintf("%s.new", dir), *aside = xasprintf("%s.get", dir);
	struct err none;
	mode_t before = umask(022);
	int rc = file_remove_tree(half, e);
	if (!rc)
		rc = checkout_write(&o->git, l, half, CHECKOUT_NEW, e);
	if (!rc && p->n)
		rc = file_remove_tree(aside, e) || depot_fill(store, l, p, half, aside, e) ? -1 : 0;
	if (!rc)
		rc = shut(half, l, e);
	if (!rc && rename(half, dir))
		rc = err_set(e, ERR_UNAVAILABLE, "cannot make '%s': %s", dir, strerror(errno));
	umask(before);
	if (rc)
		file_remove_tree(half, &none);
	free(half);
	free(aside);
	return rc;
}

/* found: what the tree holds, also for who asked. */
static int list_and_write(const struct filestore *o, const char *tree, const char *dir,
			  const struct bring_limits *limits, struct checkout *found, struct err *e)
{
	struct pointers p = {0};
	int rc = checkout_list(&o->git, tree, true, limits->files, found, e);
	if (!rc && limits->stored)
		rc = pointers_find(&o->git, found, &p, e);
	if (!rc && p.bytes != limits->stored)
		rc = err_set(e, ERR_DATA, "its pointers are to %lld bytes, and it says that the store has %lld",
			     (long long)p.bytes, (long long)limits->stored);
	int64_t all = rc || p.bytes > INT64_MAX / 2 ? INT64_MAX : found->bytes + p.bytes;
	if (!rc && all > limits->mb * MB)
		rc = err_set(e, ERR_DATA, "%lld bytes (at most %lld MB: max_in_mb of grid.json)", (long long)all,
			     (long long)limits->mb);
	if (!rc && p.n && !limits->store)
		rc = err_set(e, ERR_UNAVAILABLE, "%zu of its files are in a store, and there is none here (--store)",
			     p.n);
	if (!rc)
		rc = write_to(o, found, &p, dir, limits->store, e);
	if (!rc)
		found->bytes = all;
	pointers_clear(&p);
	return rc;
}

int bring_to(const struct filestore *o, const char *tree, const char *dir, const struct bring_limits *limits,
	     struct err *e)
{
	struct checkout found = {0};
	int rc = list_and_write(o, tree, dir, limits, &found, e);
	checkout_clear(&found);
	return rc;
}

char *bring_path(const char *dir, const char *path)
{
	if (!path)
		return xstrdup(dir);
	char *whole = xasprintf("%s/%s", dir, path);
	struct stat st;
	bool there = true;
	/* Each step must be a folder, or at the end a file: nothing that leads elsewhere. */
	for (char *at = whole + strlen(dir) + 1, *slash; at && there; at = slash) {
		slash = strchr(at, '/');
		if (slash)
			*slash = 0;
		there = !lstat(whole, &st) && (S_ISDIR(st.st_mode) || (!slash && S_ISREG(st.st_mode)));
		if (slash)
			*slash++ = '/';
	}
	if (there)
		return whole;
	free(whole);
	return NULL;
}

/* ---- in a process of its own ---- */

void bring_argv(const char *store_dir, const char *tree, const char *ref, const char *dir,
		const struct bring_limits *limits, struct strs *argv)
{
	strs_add(argv, proc_again());
	strs_add(argv, WORD);
	strs_add(argv, store_dir);
	strs_add(argv, tree);
	strs_add(argv, ref ? ref : "");
	strs_add(argv, dir);
	strs_addf(argv, "%lld", (long long)limits->mb);
	strs_addf(argv, "%lld", (long long)limits->files);
	strs_addf(argv, "%lld", (long long)limits->stored);
}

bool bring_asked(int argc, char **argv)
{
	return argc == 9 && !strcmp(argv[1], WORD);
}

/* The token is for the host that the store is fetched from. */
static void settle(const struct filestore *o)
{
	struct buf url = {0};
	char line[2048] = "";
	git_settle(NULL);
	if (!GIT(o, &url, NULL, "config", "--get", "remote.origin.url"))
		buf_first_line(&url, line, sizeof line);
	git_token_for(line);
	buf_clear(&url);
}

/* Whatever the ref brings along: no pack of it may be much larger than what a task may be given. */
static void bound(const struct bring_limits *limits)
{
	struct rlimit most;
	rlim_t bytes = (rlim_t)(2 * limits->mb + PACK_SPARE_MB) * MB;
	if (!getrlimit(RLIMIT_FSIZE, &most) && bytes < most.rlim_max) {
		most.rlim_cur = most.rlim_max = bytes;
		setrlimit(RLIMIT_FSIZE, &most);
	}
}

int bring_main(int argc, char **argv, struct err *e)
{
	struct filestore o = {.git = {.dir = argv[2], .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"}};
	const char *tree = argv[3], *ref = argv[4], *dir = argv[5];
	const char *store = getenv(DEPOT_VARIABLE);
	struct bring_limits limits = {.mb = strtoll(argv[6], NULL, 10),
				      .files = strtoll(argv[7], NULL, 10),
				      .stored = strtoll(argv[8], NULL, 10),
				      .store = store && *store ? store : NULL};
	struct checkout found = {0};
	(void)argc;
	settle(&o);
	bound(&limits);
	int rc = *ref ? bring_left(&o, tree, ref, e) : bring_in(&o, tree, e);
	if (rc && (strstr(e->msg, "signal 25") || strstr(e->msg, "File too large")))
		err_set(e, ERR_DATA, "what its ref brings is far more than %lld MB (max_in_mb of grid.json)",
			(long long)limits.mb);
	if (!rc)
		rc = list_and_write(&o, tree, dir, &limits, &found, e);
	if (!rc)
		printf("%zu %lld %lld\n", found.n, (long long)found.entries, (long long)found.bytes);
	else if (e->class == ERR_DATA)
		forget(&o, tree);
	for (char *p = rc ? e->msg : (char *)""; *p; p++)
		*p = *p == '\n' ? ' ' : *p; /* a stranger's name: the reason stays one line */
	checkout_clear(&found);
	return rc;
}
