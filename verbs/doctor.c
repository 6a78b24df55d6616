#include "base/clock.h"
#include "base/file.h"
#include "git/push.h"
#include "sandbox/engine.h"
#include "sandbox/slurm.h"
#include "schema/keys.h"
#include "store/cache.h"
#include "store/depot.h"
#include "store/trust.h"
#include "store/voters.h"
#include "verbs/verbs.h"
#include "worker/nodekey.h"
#include "worker/trial.h"
#include "worker/worker.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* doctor looks at everything a grid needs, one finding a check, and says how to mend what is wrong. It leaves nothing
 * behind: its proof of write access is a ref of its own, taken away again. */

#define GIT_OLDEST_MINOR 29 /* 2.29: fetch --no-write-fetch-head, init --object-format */
#define TRIES 3		    /* when others push at the same time */
#define TRACE_MAX (16 << 20)
#define MEND_SANDBOX "run the engine by hand and see; another can be chosen with --engine"
#define MEND_IMAGE "load or pull it by hand, or name another in grid.json"

enum verdict { OK, WARN, FAIL };
struct findings {
	struct json *list;
	bool json;
	size_t failed, warned;
};

__attribute__((format(printf, 5, 6))) static void found(struct findings *f, enum verdict v, const char *check,
							const char *mend, const char *fmt, ...)
{
	static const char *const names[] = {"ok", "warn", "fail"}, *const paint[] = {"\033[32m", "\033[33m",
										     "\033[31m"};
	const char *no = getenv("NO_COLOR");
	bool colour = !f->json && isatty(STDOUT_FILENO) && !(no && *no);
	char text[1200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	git_redact(text);
	f->failed += v == FAIL;
	f->warned += v == WARN;
	struct json *one = json_new(JSON_OBJECT);
	json_set(one, "check", json_new_str(check));
	json_set(one, "status", json_new_str(names[v]));
	json_set(one, "found", json_new_str(text));
	if (v != OK)
		json_set(one, "mend", json_new_str(mend));
	json_append(f->list, one);
	if (f->json)
		return;
	printf("%s%-4s%s  %-12s ", colour ? paint[v] : "", names[v], colour ? "\033[0m" : "", check);
	put_clean(text, sizeof text);
	putchar('\n');
	if (v != OK)
		printf("      %-12s mend: %s\n", "", mend);
	fflush(stdout);
}

static bool check_git(struct findings *f)
{
	struct git g = {.dir = (char *)".", .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	struct buf b = {0};
	struct err e;
	int major = 0, minor = 0;
	bool fit = false;
	const char *mend = "install git 2.29 or newer (apt-get install git, apk add git, brew install git)";
	if (git_run(&g, &b, &e, (const char *const[]){"--version", NULL}))
		found(f, FAIL, "git", mend, "%s", e.msg);
	else if (sscanf(b.data, "git version %d.%d", &major, &minor) != 2)
		found(f, WARN, "git", mend, "it does not report its version: %.80s", b.data);
	else if (major < 2 || (major == 2 && minor < GIT_OLDEST_MINOR))
		found(f, FAIL, "git", mend, "version %d.%d is too old", major, minor);
	else
		found(f, OK, "git", "", "%.*s", (int)strcspn(b.data, "\n"), b.data);
	fit = major > 2 || (major == 2 && minor >= GIT_OLDEST_MINOR);
	buf_clear(&b);
	return fit;
}

static void check_folder(struct findings *f, const char *given)
{
	char *dir = given ? xstrdup(given) : worker_folder(NULL);
	if (!given)
		*strrchr(dir, '/') = 0;
	char *probe = xasprintf("%s/.doctor-%ld", dir, (long)getpid());
	struct err e;
	bool ok = !file_mkdirs(dir, &e) && !file_write(probe, "", 0, &e);
	int64_t room = ok ? file_free_bytes(dir) : -1;
	unlink(probe);
	if (!ok)
		found(f, FAIL, "folder", "make it writable, or give dgrid worker another --work-dir", "%s", e.msg);
	else if (room >= 0 && room < 256ll << 20)
		found(f, WARN, "folder", "make room, or give dgrid worker another --work-dir", "%lld MB are free in %s",
		      (long long)room >> 20, dir);
	else
		found(f, OK, "folder", "", "%s is writable, %lld MB are free", dir, (long long)room >> 20);
	free(dir);
	free(probe);
}

/* What git's message means, and what mends it. */
static const char *mend_remote(const char *said)
{
	static const struct {
		const char *says, *mend;
	} known[] = {
	    {"Could not resolve host", "check the host's name in the URL, and this machine's DNS"},
	    {"Could not resolve hostname", "check the host's name in the URL, and this machine's DNS"},
	    {"Connection refused", "check host and port in the URL, and that the server runs"},
	    {"Failed to connect", "check host and port in the URL, the network and the proxy"},
	    {"timed out", "check the network and the proxy"},
	    {"Host key verification failed",
	     "ssh to the host once by hand and accept its key, or add it to known_hosts"},
	    {"Permission denied (publickey",
	     "add this machine's ssh key at the host (ssh-add -l shows what the agent has)"},
	    {"Authentication failed", "the token or password is wrong or has expired: set GIT_TOKEN to a new one"},
	    {"could not read Username", "set GIT_TOKEN to a token that may write to the repository"},
	    {"The requested URL returned error: 403",
	     "the token may not do this: give it write access to the repository"},
	    {"not found", "check the URL; a private repository also looks so to a token that may not see it"},
	    {"does not appear to be a git repository", "check the path; dgrid init PATH makes one"},
	    {"does not exist", "check the path; dgrid init PATH makes one"},
	    {"dubious ownership", "own the repository, or: git config --global --add safe.directory PATH"},
	    {"checked out", "use a bare repository, or there: git config receive.denyCurrentBranch updateInstead"},
	    {"Permission denied", "give this user write access to the repository's folder"},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strstr(said, known[i].says))
			return known[i].mend;
	return "try the same with git ls-remote and git push by hand";
}

/* In no repository: the settings of the one underfoot are somebody else's. */
static bool check_remote(const struct context *ctx, struct findings *f)
{
	struct git g = {.dir = (char *)"/", .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	struct err e;
	struct buf b = {0};
	if (!ctx->url) {
		found(f, FAIL, "repository", "give --repo URL, or set DGRID_REPO_URL", "none is configured");
		return false;
	}
	bool ok = !git_run(&g, &b, &e, (const char *const[]){"ls-remote", "--heads", "--", ctx->url, NULL});
	if (ok)
		found(f, OK, "repository", "", "%s answers", ctx->url);
	else
		found(f, FAIL, "repository", mend_remote(e.msg), "%s: %s", ctx->url, e.msg);
	buf_clear(&b);
	return ok;
}

/* Before version 2 of git's protocol a host sends every ref whatever it is asked for. */
static void check_protocol(const struct context *ctx, struct findings *f)
{
	struct git g = {.dir = (char *)"/", .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	const char *local;
	struct err e;
	struct buf b = {0};
	char *dir = cache_needless(ctx->url, &local) ? NULL : file_temp_dir(&e);
	if (!dir)
		return;
	char *trace = xasprintf("%s/trace", dir);
	setenv("GIT_TRACE_PACKET", trace, 1);
	bool ok = !git_run(&g, NULL, &e, (const char *const[]){"ls-remote", "--heads", "--", ctx->url, NULL});
	unsetenv("GIT_TRACE_PACKET");
	if (ok && !file_read(trace, TRACE_MAX, &b, &e) && b.data) {
		if (strstr(b.data, "< version 2"))
			found(f, OK, "protocol", "", "the host speaks version 2 of git's protocol");
		else
			found(
			    f, WARN, "protocol",
			    "over SSH: AcceptEnv GIT_PROTOCOL in the host's sshd_config (docs/HOSTS.md); otherwise a "
			    "newer "
			    "git there",
			    "the host does not speak version 2 of git's protocol: each look at the branch brings every "
			    "ref there is");
	}
	file_remove_tree(dir, NULL);
	buf_clear(&b);
	free(trace);
	free(dir);
}

static void check_credentials(const struct context *ctx, struct findings *f)
{
	const char *at = ctx->url ? strstr(ctx->url, "://") : NULL;
	bool http = ctx->url && (!strncmp(ctx->url, "http://", 7) || !strncmp(ctx->url, "https://", 8));
	bool inside = at && strchr(at + 3, '@') && strchr(at + 3, '@') < at + 3 + strcspn(at + 3, "/") &&
		      memchr(at + 3, ':', strcspn(at + 3, "@"));
	if (inside)
		found(f, WARN, "credentials",
		      "take it out of the URL and set GIT_TOKEN: a URL is seen in ps and in files",
		      "the URL holds a password");
	else if (http && !getenv("GIT_TOKEN"))
		found(f, WARN, "credentials", "set GIT_TOKEN, unless git has a credential helper of its own",
		      "GIT_TOKEN is not set");
	else if (http && !strncmp(ctx->url, "http://", 7) && strncmp(ctx->url, "http://127.", 11) != 0 &&
		 strncmp(ctx->url, "http://localhost", 16) != 0)
		found(f, WARN, "credentials", "use https://", "the token goes over the network unencrypted");
	else
		found(f, OK, "credentials", "", "%s",
		      http ? "GIT_TOKEN is set, and goes to git by GIT_ASKPASS"
			   : "left to the system (file rights, ssh)");
}

/* The grid as readers see it, and the clock against its newest commit. */
static bool check_grid(const struct context *ctx, struct findings *f, struct grid_config *c)
{
	struct snapshot s;
	struct err e;
	struct buf b = {0};
	bool ok = !open_snapshot(ctx, NULL, &s, &e);
	bool grid = ok && (!snapshot_file(&s, "grid.json", &b, NULL) || s.n_tasks);
	if (!ok)
		found(f, FAIL, "grid", "dgrid init makes the repository into a grid", "%s", e.msg);
	else if (!grid)
		found(f, FAIL, "grid", "dgrid init makes the repository into a grid",
		      "branch %s has neither grid.json nor tasks", ctx->branch);
	else if (s.config_problems.n)
		found(f, FAIL, "grid", "mend grid.json and push it", "%s", s.config_problems.text.data);
	else
		found(f, OK, "grid", "", "branch %s at %.10s: %zu tasks, %zu nodes", ctx->branch, s.commit, s.n_tasks,
		      s.n_nodes);
	if (ok) {
		long long ahead = (long long)(s.committed_at - clock_now());
		if (ahead > s.config.max_clock_skew_seconds)
			found(f, FAIL, "clock",
			      "set the clock (timedatectl set-ntp true), or find whose clock is wrong",
			      "this clock is %lld s behind the newest commit", ahead);
		else
			found(f, OK, "clock", "", "not behind the newest commit, which is %lld s old",
			      ahead < 0 ? -ahead : 0);
		if (grid && !s.config_problems.n) {
			config_clear(c);
			*c = s.config;
			s.config = (struct grid_config){0};
		}
	}
	buf_clear(&b);
	snapshot_close(&s);
	return grid;
}

/* A grid of signed tasks: can this node check them? */
static void check_signatures(const struct context *ctx, struct findings *f, const struct grid_config *c)
{
	struct snapshot s = {0};
	struct buf list = {0};
	struct err e;
	if (!c->require_signed_tasks)
		return;
	if (trust_available(&e))
		found(f, FAIL, "signatures", "install OpenSSH's client (openssh-client)", "%s", e.msg);
	else if (!open_snapshot(ctx, NULL, &s, &e) && snapshot_file(&s, TRUST_LIST, &list, &e))
		found(f, FAIL, "signatures", "add " TRUST_LIST " at the top of the branch (docs/TASK_FORMAT.md)",
		      "only signed tasks may run, and there is no " TRUST_LIST);
	else
		found(f, OK, "signatures", "", "only signed tasks run; ssh-keygen and " TRUST_LIST " are there");
	buf_clear(&list);
	snapshot_close(&s);
}

/* Tasks that several nodes run: are there enough? */
static void check_quorum(const struct context *ctx, struct findings *f)
{
	struct snapshot s = {0};
	struct err e;
	size_t shared = 0, waiting = 0, missing = 0;
	struct voters v;
	if (open_snapshot(ctx, NULL, &s, &e) || snapshot_load(&s, 1u << TASK_QUEUE, &e)) {
		snapshot_close(&s); /* the checks of the remote tell what is wrong */
		return;
	}
	for (size_t i = 0; i < s.n_tasks; i++) {
		if (s.tasks[i].state != TASK_QUEUE || !s.tasks[i].doc)
			continue;
		voters_of(&s, s.tasks[i].doc, true, &v);
		shared += v.terms.replicas > 1;
		waiting += v.missing > 0;
		missing = v.missing > missing ? v.missing : missing;
	}
	if (waiting)
		found(f, WARN, "quorum", "start more with dgrid worker, each with a --node-id of its own",
		      "%zu queued task%s for other nodes to find the same: at least %zu more needed", waiting,
		      waiting == 1 ? " waits" : "s wait", missing);
	else if (shared)
		found(f, OK, "quorum", "", "%zu queued task%s run by several nodes, and there are enough", shared,
		      shared == 1 ? " is" : "s are");
	snapshot_close(&s);
}

/* A grid of signed commits: has this node a key, for itself alone, that is enrolled? */
static void check_node_key(const struct context *ctx, struct findings *f, const struct grid_config *c)
{
	const char *id = getenv("NODE_ID"), *given = getenv("DGRID_NODE_KEY"), *state = getenv("XDG_STATE_HOME"),
		   *home = getenv("HOME");
	char host[65], *path, *public_half = NULL, mend[500];
	struct snapshot s = {0};
	struct keyring ring = {0};
	struct stat st;
	struct err e;
	if (!c->require_signed_nodes)
		return;
	worker_default_id(host);
	id = id && *id ? id : host;
	if (given && *given)
		path = xstrdup(given);
	else if (state && *state == '/')
		path = xasprintf("%s/dgrid/%s/" NODEKEY_FILE, state, id);
	else
		path = xasprintf("%s/.local/state/dgrid/%s/" NODEKEY_FILE, home && *home ? home : "/tmp", id);
	if (!file_exists(path))
		found(f, WARN, "node key",
		      "start dgrid worker, which makes it and tells how to enrol it (or set DGRID_NODE_KEY, NODE_ID)",
		      "commits have to be signed, and node %s has no key %s yet", id, path);
	else if (!stat(path, &st) && (st.st_mode & 077))
		found(f, FAIL, "node key",
		      "chmod 600 it; if anybody may have read it, make another and revoke this one",
		      "others than you may read %s (mode %03o)", path, (unsigned)st.st_mode & 0777);
	else if (!(public_half = trust_public(path, &e)))
		found(f, FAIL, "node key", "install OpenSSH's client, or give the worker another key", "%s", e.msg);
	else if (open_snapshot(ctx, NULL, &s, &e) || keyring_read(&s.git, s.commit, &ring, &e))
		found(f, FAIL, "node key", mend_remote(e.msg), "%s", e.msg);
	else {
		const struct keyring_entry *own = keyring_of(&ring, id);
		const struct key *key = own && !own->person ? keys_find(&own->keys, public_half) : NULL;
		snprintf(mend, sizeof mend, "who may push to the branch types: dgrid enroll %s '%s'", id, public_half);
		if (!ring.apart)
			found(f, WARN, "people", "for each of them: dgrid enroll --person NAME",
			      "the grid does not say which keys are people's: until it does, a key of " KEYS_FOLDER
			      " without a node file may do what people may");
		if (key)
			found(f, OK, "node key", "", "commits have to be signed; %s is enrolled as %s", key->print, id);
		else
			found(f, FAIL, "node key", mend, "commits have to be signed, and %s is not enrolled as %s",
			      path, id);
	}
	free(path);
	free(public_half);
	keyring_clear(&ring);
	snapshot_close(&s);
}

/* Does the branch itself take what a worker will push? Others may push meanwhile. */
static enum push_outcome try_branch(struct ledger *l, const char *branch, bool *stays, struct err *e)
{
	static const char *const commit[] = {
	    "commit",	   "--quiet",
	    "--no-verify", "--allow-empty",
	    "-m",	   "doctor: an empty commit, to see whether the branch takes pushes",
	    NULL};
	enum push_outcome got = PUSH_RACED;
	for (int try = 0; try < TRIES && got == PUSH_RACED; try++)
		if (ledger_sync(l, e) || git_run(&l->git, NULL, e, commit))
			return PUSH_UNKNOWN;
		else
			got = push_trial(&l->git, branch, l->head, stays, e);
	return got;
}

static void check_write(const struct context *ctx, struct findings *f)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct err e;
	char nonce[17];
	bool stays = false;
	clock_nonce(nonce, 8);
	char *make = xasprintf("HEAD:refs/dgrid/heartbeats/doctor-%s", nonce),
	     *remove = xasprintf(":refs/dgrid/heartbeats/doctor-%s", nonce);
	const char *push[] = {"push", "--quiet", "--no-verify", "origin", make, NULL};
	const char *undo[] = {"push", "--quiet", "--no-verify", "origin", remove, NULL};
	if (open_grid_to_sign(ctx, &l, &c, &e) || try_branch(&l, ctx->branch, &stays, &e) != PUSH_LANDED)
		found(f, FAIL, "write", mend_remote(e.msg), "%s", e.msg);
	else if (git_run(&l.git, NULL, &e, push))
		found(f, WARN, "write", "nothing, if the host takes branches only: heartbeats become branches then",
		      "the branch takes pushes; refs outside refs/heads are refused (%s)", e.msg);
	else {
		found(f, OK, "write", "",
		      stays ? "an empty commit was pushed to the branch, and a ref that was taken away again"
			    : "the branch takes pushes (none was left there); a ref was pushed and taken away again");
		if (git_run(&l.git, NULL, &e, undo))
			found(f, WARN, "write", "delete it by hand: git push URL :refs/dgrid/heartbeats/doctor-...",
			      "the ref refs/dgrid/heartbeats/doctor-%s stays: %s", nonce, e.msg);
	}
	close_grid(&l, &c);
	free(make);
	free(remove);
}

/* True: picked is the one that a worker takes. */
static bool check_engines(struct findings *f, const char *want, const struct grid_config *c, struct trial *picked)
{
	struct trial t[TRIAL_ENGINES] = {0};
	bool all = !strcmp(want, "auto"), fit;
	int taken = all ? trial_choose(c, NULL, t) : -1;
	for (int k = 0; k < TRIAL_ENGINES && !all; k++)
		if (!strcmp(want, engine_name((enum engine_kind)k)))
			taken = trial_ask((enum engine_kind)k, &t[k]) ? k : -1;
	fit = taken >= 0 && !t[taken].why[0];
	for (int k = 0; k < TRIAL_ENGINES; k++)
		if (t[k].answers && (k == taken || !t[k].why[0]))
			found(f, OK, engine_name((enum engine_kind)k), "", "version %s%s", t[k].engine.version,
			      k == taken ? " (the one a worker takes)" : "");
	for (int k = 0; k < TRIAL_ENGINES; k++)
		if (t[k].why[0] && k != taken) {
			const char *mend = !t[k].answers    ? engine_mend((enum engine_kind)k, t[k].why)
					   : t[k].has_image ? MEND_SANDBOX
							    : MEND_IMAGE;
			found(f, taken >= 0 ? WARN : FAIL, engine_name((enum engine_kind)k), mend, "%s%s",
			      fit && t[k].answers ? "a worker passes it by: " : "", t[k].why);
		}
	if (taken >= 0)
		*picked = t[taken];
	return taken >= 0;
}

static void check_limits(struct findings *f, const struct engine *g, const struct grid_config *c)
{
	struct buf less = {0};
	if (g->limits)
		found(f, OK, "limits", "", "memory, processes and processors of tasks are enforced");
	else
		found(f, c->require_limits ? FAIL : WARN, "limits", engine_enforce(g),
		      "limits not enforced here: memory, processes and processors of tasks are only watched%s",
		      c->require_limits ? ", and the grid's require_limits asks for more" : "");
	engine_lacks(g, &less);
	if (less.len)
		found(f, WARN, "limits", "raise the hard limits of whoever starts the worker (ulimit -H)",
		      "scripts have more elsewhere: %s", less.data);
	buf_clear(&less);
}

static void check_sandbox(struct findings *f, const struct trial *t, const struct grid_config *c)
{
	const struct engine *g = &t->engine;
	char digest[96], ref[320];
	struct err e;
	char *image = trial_image(g, c, &e);
	for (int i = 0; c->images[i]; i++)
		if (trial_find(g, c->images[i], c->pins[i], config_build(c, c->images[i]), digest, ref, &e))
			found(f, image ? WARN : FAIL, "image",
			      image ? MEND_IMAGE "; its tasks are left to other nodes" : MEND_IMAGE, "%s", e.msg);
		else if (engine_images(g->kind))
			found(f, OK, "image", "", "%s is here%s", c->images[i],
			      c->pins[i] ? ", as grid.json pins it" : "");
	if (image && (t->ran || !trial_run(g, c, image, &e)))
		found(f, OK, "sandbox", "", "a script ran in it (%s)", engine_name(g->kind));
	else if (image)
		found(f, FAIL, "sandbox", MEND_SANDBOX, "%s", e.msg);
	if (image)
		check_limits(f, g, c);
	free(image);
}

/* A file of ours goes there and comes back. It is the same each time, and stays. */
static void check_store(struct findings *f)
{
	static const char text[] = "dgrid doctor looks whether this store works\n";
	const char *command = depot_command(NULL);
	struct err e;
	struct pointer p;
	if (!command)
		return;
	char *dir = file_temp_dir(&e), *put = xasprintf("%s/put", dir ? dir : ""),
	     *get = xasprintf("%s/get", dir ? dir : "");
	if (!dir || file_write_scratch(put, text, sizeof text - 1, &e) || depot_look(put, &p, &e) ||
	    depot_put(command, &p, put, 0, &e) || depot_get(command, &p, get, &e))
		found(f, FAIL, "store", "run the command by hand, with put or get, a SHA-256 and a file", "%s", e.msg);
	else
		found(f, OK, "store", "", "a file went to the store of DGRID_STORE and came back");
	if (dir)
		file_remove_tree(dir, &e);
	free(dir);
	free(put);
	free(get);
}

/* Nothing is to be found but where the engine is a cluster. False: nothing can be tried in it. */
static bool find_cluster(struct findings *f, struct engine *g, struct cluster *c, const char *work_dir)
{
	struct slurm_room room;
	struct err e;
	if (!engine_cluster(g->kind))
		return true;
	if (slurm_room(c->options, &room, &e)) {
		found(f, FAIL, "cluster", engine_mend(g->kind, e.msg), "%s", e.msg);
		return false;
	}
	found(f, room.nodes ? OK : FAIL, "cluster", room.nodes ? "" : "bring a node up (sinfo)",
	      "%lld nodes are up, with %lld processors, of which %lld are idle, and %lld MB of memory",
	      (long long)room.nodes, (long long)room.cpus, (long long)room.idle, (long long)room.memory_mb);
	char *dir = work_dir ? xstrdup(work_dir) : worker_folder(NULL);
	bool made = !file_mkdirs(dir, &e); /* else the check of the folder has told */
	char *whole = made ? realpath(dir, NULL) : NULL;
	c->folder = xasprintf("%s/jobs", whole ? whole : dir);
	c->node_mb = room.node_mb;
	g->cluster = c;
	made = made && room.nodes > 0;
	slurm_room_clear(&room);
	free(whole);
	free(dir);
	return made;
}

static int cmd_doctor(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_doctor, .argc = argc, .argv = argv};
	struct findings f = {.list = json_new(JSON_ARRAY)};
	struct grid_config c;
	struct trial picked;
	const char *engine = "auto", *work_dir = NULL;
	struct cluster cluster = {.options = ""};
	int rc;
	while ((rc = usage_next(&s, e)) > 0)
		if (rc == 'j')
			f.json = true;
		else if (rc == 'w')
			work_dir = s.value;
		else if (rc == 'O')
			cluster.options = s.value;
		else
			engine = s.value;
	if (!rc)
		rc = usage_operands(&s, 0, e);
	if (!rc && strcmp(engine, "auto") != 0 && strcmp(engine, "docker") != 0 && strcmp(engine, "podman") != 0 &&
	    strcmp(engine, "bwrap") != 0 && strcmp(engine, "slurm") != 0)
		rc = err_set(e, ERR_USAGE, "--engine: expected auto, docker, podman, bwrap or slurm, found '%s'",
			     engine);
	if (!rc && cluster.options[0] && strcmp(engine, "slurm") != 0)
		rc = err_set(e, ERR_USAGE, "--slurm-options: only a cluster takes them (expected --engine slurm)");
	if (!rc)
		rc = slurm_options(cluster.options, e);
	if (rc) {
		json_free(f.list);
		return rc;
	}
	config_defaults(&c);
	bool git = check_git(&f);
	check_folder(&f, work_dir);
	if (git && check_remote(ctx, &f)) {
		check_protocol(ctx, &f);
		check_credentials(ctx, &f);
		if (check_grid(ctx, &f, &c)) {
			check_write(ctx, &f);
			check_signatures(ctx, &f, &c);
			check_quorum(ctx, &f);
			check_node_key(ctx, &f, &c);
		}
	}
	if (check_engines(&f, engine, &c, &picked) && find_cluster(&f, &picked.engine, &cluster, work_dir))
		check_sandbox(&f, &picked, &c);
	check_store(&f);
	free((char *)cluster.folder);
	if (f.json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "failed", json_new_int((int64_t)f.failed));
		json_set(all, "findings", f.list);
		put_json(all);
		json_free(all);
	} else
		json_free(f.list);
	config_clear(&c);
	return f.failed ? err_set(e, ERR_NO, "%zu of the checks failed", f.failed) : 0;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .args = "[--json] [--engine auto|docker|podman|bwrap|slurm] [--slurm-options WORDS] [--work-dir DIR]",
    .summary = "check git, engine, image, write access and clock, and say how to fix what is wrong",
    .about = "Checks what a worker needs: git and its version, the work folder, the remote and whether it accepts a "
	     "push (to the branch, leaving nothing or at most an empty commit there, and of a ref that is removed "
	     "again), the grid's settings, the clock, the engine, its image, and a script in a sandbox. Each finding "
	     "says how to fix it.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){USAGE_JSON,
				      {'e', "--engine", "NAME", USAGE_ENGINES,
				       "the engine to try; default auto, as for a worker: docker or podman, the first "
				       "that can run a script in the grid's image; if neither answers, bwrap"},
				      {'O', "--slurm-options", "WORDS", NULL, "as for dgrid worker"},
				      {'w', "--work-dir", "DIR", "@folders", "likewise"},
				      {0}},
    .examples = (const struct usage_note[]){{"dgrid doctor", ""}, {"dgrid doctor --engine bwrap", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "no check failed; there may be warnings"},
					 {"1", "at least one check failed"},
					 {"66", ""},
					 {"69", ""},
					 {0}},
    .run = cmd_doctor,
};
