#include "sandbox/engine.h"
#include "base/file.h"
#include "base/proc.h"
#include "json.h"
#include "sandbox/cgroup.h"
#include "sandbox/enter.h"
#include "sandbox/script.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE_TIMEOUT_MS 10000
#define PULL_TIMEOUT_MS 600000
#define REMOVE_TIMEOUT_MS 60000
#define SAID_MAX 200	 /* of what an engine says, where several are told */
#define SPACE 4		 /* address space a process may have, in memory_mb: interpreters reserve more than they use */
#define SHM_MB 64	 /* Docker's; less where the task may have less memory */
#define DISABLE_USERNS 8 /* bubblewrap 0.8 can forbid user namespaces inside */

static const char *const names[] = {"docker", "podman", "bwrap"};

const char *engine_name(enum engine_kind k)
{
	return names[k];
}

/* Runs argv; 0 and its output in out when it exits with 0, else -1 with its first error line. */
static int ask_all(const char *const *argv, int64_t timeout_ms, struct buf *out, struct err *e)
{
	static const char *const env[] = {"GIT_TOKEN", NULL};
	struct proc_spec spec = {.argv = argv, .env = env, .timeout_ms = timeout_ms};
	struct proc_result res;
	if (proc_run(&spec, &res, e))
		return -1;
	int rc = 0;
	const char *said = res.err.data ? res.err.data : "";
	if (res.end == PROC_TIMED_OUT)
		rc = err_set(e, ERR_UNAVAILABLE, "%s does not answer within %lld s", argv[0],
			     (long long)timeout_ms / 1000);
	else if (res.end != PROC_EXITED || res.code)
		rc = err_set(e, ERR_UNAVAILABLE, "%s: %.*s", argv[0], (int)strcspn(said, "\n"), said);
	else
		buf_adds(out, res.out.data ? res.out.data : "");
	proc_result_clear(&res);
	return rc;
}

/* The same for the first line alone. */
static int ask(const char *const *argv, int64_t timeout_ms, char *line, size_t room, struct err *e)
{
	struct buf out = {0};
	int rc = ask_all(argv, timeout_ms, &out, e);
	if (!rc)
		snprintf(line, room, "%.*s", (int)strcspn(out.data, "\n"), out.data);
	buf_clear(&out);
	return rc;
}

/* The version says so: older ones end at an option that they do not know. */
static bool knows_disable_userns(const struct engine *g)
{
	int major = 0, minor = 0;
	return sscanf(g->version, "%d.%d", &major, &minor) == 2 && (major > 0 || minor >= DISABLE_USERNS);
}

/* The kernel may forbid what the program can do: runs something, with a fork under the process limit. */
static int try_bwrap(const struct engine *g, struct err *e)
{
	struct engine_run r = {.name = "probe",
			       .script = "(true) && (true) && echo ready",
			       .cpus = 1,
			       .memory_mb = 64,
			       .pids = 10,
			       .tmp_mb = 1,
			       .user = ENGINE_USER};
	struct strs argv = {0};
	struct proc_result res;
	char *path = xasprintf("PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	const char *env[] = {path, NULL};
	engine_start_argv(g, &r, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = env,
				 .clean_env = true,
				 .status_pipe = true,
				 .timeout_ms = PROBE_TIMEOUT_MS};
	int rc = proc_run(&spec, &res, e);
	if (!rc && (res.end != PROC_EXITED || res.code || !res.out.data || strncmp(res.out.data, "ready", 5) != 0))
		rc = err_set(e, ERR_UNAVAILABLE, "bwrap cannot make a sandbox here: %.200s",
			     res.err.data ? res.err.data : "no output");
	proc_result_clear(&res);
	strs_clear(&argv);
	free(path);
	return rc;
}

int engine_probe(enum engine_kind k, struct engine *out, struct err *e)
{
	char line[128];
	int rc;
	*out = (struct engine){.kind = k};
	if (k != ENGINE_BWRAP) {
		/* podman has no server; its info tells whether it could run something at all. */
		const char *docker[] = {"docker", "version", "--format", "{{.Server.Version}}", NULL};
		const char *podman[] = {"podman", "info", "--format",
					"{{.Version.Version}} {{.Host.CgroupsVersion}} {{.Host.Security.Rootless}}",
					NULL};
		const char *const *argv = k == ENGINE_DOCKER ? docker : podman;
		if (ask(argv, PROBE_TIMEOUT_MS, line, sizeof line, e))
			return -1;
		/* Podman without root holds to limits by control groups of version 2 alone. */
		out->limits = !strstr(line, " v1 true");
		snprintf(out->version, sizeof out->version, "%.*s", (int)strcspn(line, " "), line);
		return 0;
	}
	const char *version[] = {"bwrap", "--version", NULL};
	if (ask(version, PROBE_TIMEOUT_MS, line, sizeof line, e))
		return -1;
	snprintf(out->version, sizeof out->version, "%.63s", strchr(line, ' ') ? strchr(line, ' ') + 1 : line);
	out->disable_userns = knows_disable_userns(out);
	rc = try_bwrap(out, e);
	if (rc && out->disable_userns && enter_filters()) {
		/* It wants a /proc/sys that may be written, as a container has not; the filter of system calls does as
		 * well. */
		out->disable_userns = false;
		rc = try_bwrap(out, e);
	}
	out->limits = !rc && cgroup_possible();
	return rc;
}

const char *engine_mend(enum engine_kind k, const char *said)
{
	if (k == ENGINE_DOCKER && (file_exists("/.dockerenv") || file_exists("/run/.containerenv")))
		return "this is a container: give it the engine's socket, -v /var/run/docker.sock:/var/run/docker.sock "
		       "--group-add \"$(stat -c %g /var/run/docker.sock)\" (that is root's power over the machine; "
		       "SECURITY.md has other ways)";
	if (strstr(said, "ermission denied"))
		return "let this user reach the engine's socket (usermod -aG docker USER, then log in again; that is "
		       "root's power)";
	return k == ENGINE_BWRAP
		   ? "install bubblewrap, and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
		     "kernel.apparmor_restrict_unprivileged_userns=0)"
	       : k == ENGINE_PODMAN ? "install podman, and give this user a range in /etc/subuid"
				    : "install docker and start its daemon (systemctl start docker)";
}

int engine_pick(const char *want, struct engine *out, struct err *e)
{
	struct buf why = {0};
	const char *mend = NULL;
	bool all = !strcmp(want, "auto"), known = all;
	for (int k = ENGINE_DOCKER; k <= ENGINE_BWRAP; k++) {
		struct err one;
		if (!all && strcmp(want, names[k]) != 0)
			continue;
		known = true;
		if (!engine_probe((enum engine_kind)k, out, &one)) {
			buf_clear(&why);
			return 0;
		}
		buf_addf(&why, "%s%.*s%s", why.len ? "; " : "", SAID_MAX, one.msg,
			 strlen(one.msg) > SAID_MAX ? "..." : "");
		mend =
		    mend ? mend : engine_mend((enum engine_kind)k, one.msg); /* of the first, which is the usual one */
	}
	if (!known)
		err_set(e, ERR_USAGE, "unknown engine '%s', expected auto, docker, podman or bwrap", want);
	else
		err_set(e, ERR_UNAVAILABLE, "no engine runs containers here: %s. To mend it: %s%s", why.data, mend,
			all ? "; or install podman or bubblewrap (bwrap)" : "");
	buf_clear(&why);
	return -1;
}

/* The name without tag and digest. */
static size_t repository_len(const char *image)
{
	const char *slash = strrchr(image, '/'), *base = slash ? slash + 1 : image;
	return (size_t)(base - image) + strcspn(base, ":@");
}

/* line: "ID REPOSITORY@DIGEST ...". Registries know an image by its digest, and so does anybody who pulls it there; an
 * id is known where it is. An image may have come from several registries: its own name goes first. */
static void take_digest(const char *line, const char *image, char digest[96])
{
	size_t id = strcspn(line, " "), len = repository_len(image);
	snprintf(digest, 96, "%.*s", (int)id, line);
	bool any = false;
	for (const char *p = line + id + strspn(line + id, " "); *p;) {
		size_t n = strcspn(p, " ");
		const char *at = memchr(p, '@', n);
		size_t name = at ? (size_t)(at - p) : 0;
		bool own = name >= len && !strncmp(at - len, image, len) && (name == len || at[-(long)len - 1] == '/');
		if (at && (own || !any))
			snprintf(digest, 96, "%.*s", (int)(n - name - 1), at + 1);
		any = true;
		if (at && own)
			break;
		p += n + strspn(p + n, " ");
	}
}

static int inspect(const struct engine *g, const char *image, char line[1024], struct err *e)
{
	const char *argv[] = {
	    names[g->kind], "image", "inspect", "--format", "{{.Id}}{{range .RepoDigests}} {{.}}{{end}}", image, NULL};
	return ask(argv, PROBE_TIMEOUT_MS, line, 1024, e);
}

int engine_image(const struct engine *g, const char *image, char digest[96], struct err *e)
{
	char line[1024] = "";
	if (digest)
		digest[0] = 0;
	if (g->kind == ENGINE_BWRAP)
		return 0;
	const char *pull[] = {names[g->kind], "pull", "--quiet", image, NULL};
	if (inspect(g, image, line, e) &&
	    (ask(pull, PULL_TIMEOUT_MS, line, sizeof line, e) || inspect(g, image, line, e)))
		return err_wrap(e, "image '%s' cannot be had (try: %s pull %s)", image, names[g->kind], image);
	if (digest)
		take_digest(line, image, digest);
	return 0;
}

int engine_image_exact(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e)
{
	char line[1024], pulled[1024];
	const char *hex = strncmp(digest, "sha256:", 7) ? digest : digest + 7;
	struct err none;
	if (g->kind == ENGINE_BWRAP)
		return err_set(e, ERR_UNAVAILABLE, "bubblewrap runs no image");
	if (strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64 || !*image || *image == '-' ||
	    strlen(image) > 200)
		return err_set(e, ERR_UNAVAILABLE, "'%.80s' with the digest '%.80s' names no image", image, digest);
	snprintf(ref, 320, "%.*s@sha256:%s", (int)repository_len(image), image, hex);
	if (!inspect(g, ref, line, &none))
		return 0;
	const char *pull[] = {names[g->kind], "pull", "--quiet", ref, NULL};
	char *id = xasprintf("sha256:%s", hex);
	int rc = inspect(g, id, line, &none);
	if (!rc)
		snprintf(ref, 320, "%s", id);
	else if ((rc = ask(pull, PULL_TIMEOUT_MS, pulled, sizeof pulled, e)) == 0)
		rc = inspect(g, ref, line, e);
	free(id);
	return rc ? err_wrap(e, "the image '%s' that it ran in (%.20s...) is not here and cannot be pulled", image,
			     digest)
		  : 0;
}

static void add_all(struct strs *argv, const char *const *words)
{
	for (; *words; words++)
		strs_add(argv, *words);
}
#define ADD(argv, ...) add_all(argv, (const char *const[]){__VA_ARGS__, NULL})

/* A row of CSV, as Docker reads it: in quotes, and quotes twice. */
static void add_mount(struct strs *argv, const char *source, const char *target, bool read_only)
{
	struct buf b = {0};
	buf_adds(&b, "--mount=type=bind,\"source=");
	for (; *source; source++)
		buf_addf(&b, "%s%c", *source == '"' ? "\"" : "", *source);
	buf_addf(&b, "\",target=%s%s", target, read_only ? ",readonly" : "");
	strs_add(argv, b.data);
	buf_clear(&b);
}

/* A file or folder of the machine that the engine runs on. Docker's --volume makes one that is not there; --mount does
 * not, but gives no label where SELinux wants one: how, with --volume's own words. */
static void bind_at(const struct engine *g, const char *source, const char *target, const char *how, bool read_only,
		    struct strs *argv)
{
	if (g->kind == ENGINE_PODMAN || file_exists("/sys/fs/selinux/enforce"))
		strs_addf(argv, "--volume=%s:%s:%s", source, target, how);
	else
		add_mount(argv, source, target, read_only);
}

static void bind_inputs(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	for (size_t i = 0; i < r->n_inputs; i++) {
		char *at = xasprintf("/in/%s", r->inputs[i].name);
		bind_at(g, r->inputs[i].path, at, "ro,z", true, argv); /* one label for all: tasks share them */
		free(at);
	}
	if (r->n_inputs)
		strs_add(argv, "--env=DGRID_IN=/in");
}

bool engine_sees_nothing(const char *said)
{
	return strstr(said, "bind source path does not exist") ||
	       (strstr(said, "statfs ") && strstr(said, "no such file"));
}

static int shm_mb(const struct engine_run *r)
{
	return r->memory_mb < SHM_MB ? r->memory_mb : SHM_MB;
}

/* MB of the largest file that it may write, as large as the largest place for it. 0: no limit. */
static int64_t file_mb(const struct engine_run *r)
{
	int64_t in_memory = r->tmp_mb > shm_mb(r) ? r->tmp_mb : shm_mb(r);
	return !r->out_mb ? 0 : r->out_mb > in_memory ? r->out_mb : in_memory;
}

static void container_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	strs_add(argv, names[g->kind]);
	if (g->kind == ENGINE_PODMAN)
		strs_add(argv, "--log-level=error"); /* its warnings would stand in the script's stderr */
	/* A signal to the client is not one to the script: where a machine goes down, nobody would have sent it that.
	 */
	ADD(argv, "run", "--sig-proxy=false", "--name", r->name);
	strs_addf(argv, "--label=dgrid.node=%s", r->node);
	strs_addf(argv, "--label=dgrid.instance=%s", r->instance);
	strs_addf(argv, "--label=dgrid.task=%s", r->task);
	strs_addf(argv, "--label=dgrid.nonce=%s", r->nonce);
	ADD(argv, "--network=none", "--read-only", "--user=1000:1000", "--cap-drop=ALL",
	    "--security-opt=no-new-privileges", "--ulimit=nofile=1024:1024", "--ulimit=core=0:0", "--log-driver=none",
	    "--pull=never", "--init", "--workdir=/tmp");
	if (g->kind == ENGINE_PODMAN)
		strs_add(argv,
			 "--ulimit=nproc=1024:1024"); /* its default tries to raise the limit, which may be refused */
	strs_addf(argv, "--pids-limit=%d", r->pids);
	strs_addf(argv, "--memory=%dm", r->memory_mb);
	strs_addf(argv, "--memory-swap=%dm", r->memory_mb);
	strs_addf(argv, "--cpus=%g", r->cpus);
	strs_addf(argv, "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=%dm", r->tmp_mb);
	strs_addf(argv, "--shm-size=%dm", shm_mb(r));
	strs_add(argv, "--env=HOME=/tmp");
	if (file_mb(r))
		strs_addf(argv, "--ulimit=fsize=%lld:%lld", (long long)file_mb(r) << 20, (long long)file_mb(r) << 20);
	for (const char *const *v = r->env; v && *v; v++)
		strs_addf(argv, "--env=%s", *v);
	if (r->out_dir)
		bind_at(g, r->out_dir, "/out", "Z", false, argv);
	else if (r->out_lost_mb)
		strs_addf(argv, "--tmpfs=/out:rw,nosuid,nodev,mode=1777,size=%dm", r->out_lost_mb);
	if (r->out_dir || r->out_lost_mb)
		strs_add(argv, "--env=DGRID_OUT=/out");
	bind_inputs(g, r, argv);
	strs_add(argv, r->image);
	script_argv(r->script, r->workdir, r->turns, argv);
}

static void bind_system(struct strs *argv, const char *dir)
{
	struct stat st;
	char target[256];
	if (lstat(dir, &st))
		return;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(dir, target, sizeof target - 1);
		target[n > 0 ? n : 0] = 0;
		ADD(argv, "--symlink", target, dir);
	} else
		ADD(argv, "--ro-bind", dir, dir);
}

static void bwrap_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	/* Of /etc only what Debian's commands in /usr/bin are links to. */
	static const char *const system_dirs[] = {"/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"};
	/* Without a control group the address space of each process is the backstop of the memory watch. */
	enter_argv(&(struct enter){.groups = r->groups,
				   .user = geteuid() == 0 ? r->user : 0,
				   .also = r->n_inputs ? ENGINE_GROUP : 0,
				   .memory_mb = r->groups ? 0 : r->memory_mb * SPACE,
				   .file_mb = file_mb(r)},
		   argv);
	ADD(argv, "bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname", "dgrid",
	    "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/tmp", "--ro-bind",
	    "/usr", "/usr");
	if (g->disable_userns)
		strs_add(argv, "--disable-userns");
	if (enter_filters())
		ADD(argv, "--seccomp", ENTER_FILTER_WORD);
	for (size_t i = 0; i < sizeof system_dirs / sizeof *system_dirs; i++)
		bind_system(argv, system_dirs[i]);
	for (const char *const *v = r->env; v && *v; v++) {
		const char *eq = strchr(*v, '=');
		strs_add(argv, "--setenv");
		strs_addf(argv, "%.*s", (int)(eq - *v), *v);
		strs_add(argv, eq + 1);
	}
	if (r->out_dir)
		ADD(argv, "--bind", r->out_dir, "/out", "--setenv", "DGRID_OUT", "/out");
	for (size_t i = 0; i < r->n_inputs; i++) {
		ADD(argv, "--ro-bind", r->inputs[i].path);
		strs_addf(argv, "/in/%s", r->inputs[i].name);
	}
	if (r->n_inputs)
		ADD(argv, "--setenv", "DGRID_IN", "/in");
	ADD(argv, "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size");
	strs_addf(argv, "%lld", (long long)shm_mb(r) << 20);
	ADD(argv, "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--perms", "1777", "--size");
	strs_addf(argv, "%lld", (long long)r->tmp_mb << 20);
	ADD(argv, "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/", "--die-with-parent", "--new-session",
	    "--cap-drop", "ALL", "--json-status-fd", "3", "--");
	if (!r->groups) {
		/* The number of processes is limited inside: there it counts this sandbox's alone. bash calls that
		 * limit -u, dash and busybox -p. */
		ADD(argv, "/bin/sh", "-c");
		strs_addf(argv, "ulimit -u %d 2>/dev/null || ulimit -p %d || exit 125; exec \"$@\"", r->pids, r->pids);
		strs_add(argv, "sh");
	}
	script_argv(r->script, r->workdir, r->turns, argv);
}

void engine_start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	if (g->kind == ENGINE_BWRAP)
		bwrap_argv(g, r, argv);
	else
		container_argv(g, r, argv);
}

int engine_make_out(const struct engine *g, const char *dir, struct err *e)
{
	/* A container's user 1000 is whoever the engine makes of it; the folder above shuts out everybody else. */
	if (mkdir(dir, 0700) || chmod(dir, g->kind == ENGINE_BWRAP ? 0700 : 0777))
		return err_set(e, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_PERM,
			       "cannot make the folder '%s': %s", dir, strerror(errno));
	return 0;
}

int engine_make_out_of(const struct engine *g, const char *all, const char *dir, struct err *e)
{
	if (g->kind == ENGINE_BWRAP && geteuid() == 0 && chmod(all, 0711)) /* its user goes through */
		return err_set(e, ERR_PERM, "cannot open '%s' to the sandbox's user: %s", all, strerror(errno));
	return engine_make_out(g, dir, e);
}

int engine_make_in(const struct engine *g, const char *dir, struct err *e)
{
	bool foreign = g->kind == ENGINE_BWRAP && geteuid() == 0;
	if (mkdir(dir, 0700) || (foreign && (chown(dir, (uid_t)-1, ENGINE_GROUP) || chmod(dir, 0710))))
		return err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", dir, strerror(errno));
	return 0;
}

int engine_give_out(const struct engine *g, const struct engine_run *r, struct err *e)
{
	if (g->kind == ENGINE_BWRAP && geteuid() == 0 && lchown(r->out_dir, (uid_t)r->user, (gid_t)r->user))
		return err_set(e, ERR_UNAVAILABLE, "cannot give '%s' to the sandbox's user: %s", r->out_dir,
			       strerror(errno));
	return 0;
}

void engine_own_argv(const struct engine *g, const char *dir, const char *image, struct strs *argv)
{
	if (geteuid() == 0 || g->kind == ENGINE_BWRAP)
		return;
	if (g->kind == ENGINE_PODMAN) { /* its root is this user */
		ADD(argv, names[g->kind], "unshare", "chown", "-hR", "0:0", dir);
		return;
	}
	ADD(argv, names[g->kind], "run", "--rm", "--network=none", "--read-only", "--user=0:0", "--cap-drop=ALL",
	    "--cap-add=CHOWN", "--cap-add=DAC_OVERRIDE", "--security-opt=no-new-privileges", "--log-driver=none",
	    "--pull=never");
	strs_addf(argv, "--volume=%s:/out", dir);
	ADD(argv, image, "chown", "-hR");
	strs_addf(argv, "%lu:%lu", (unsigned long)geteuid(), (unsigned long)getegid());
	strs_add(argv, "/out");
}

void engine_kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv)
{
	if (g->kind == ENGINE_BWRAP)
		return;
	ADD(argv, names[g->kind], "kill");
	strs_addf(argv, "--signal=%s", signal);
	strs_add(argv, name);
}

void engine_remove_argv(const struct engine *g, const char *name, struct strs *argv)
{
	if (g->kind != ENGINE_BWRAP)
		ADD(argv, names[g->kind], "rm", "-f", name);
}

void engine_state_argv(const struct engine *g, const char *name, struct strs *argv)
{
	if (g->kind != ENGINE_BWRAP)
		ADD(argv, names[g->kind], "container", "inspect", "--format", "{{json .State}}", name);
}

int engine_remove_leftovers(const struct engine *g, const char *instance, struct err *e)
{
	if (g->kind == ENGINE_BWRAP) {
		char *prefix = xasprintf("dgrid-%s-", instance);
		cgroup_sweep(prefix);
		free(prefix);
		return 0;
	}
	char *filter = xasprintf("label=dgrid.instance=%s", instance);
	const char *list[] = {names[g->kind], "ps", "--all", "--quiet", "--no-trunc", "--filter", filter, NULL};
	struct buf ids = {0};
	struct strs remove = {0};
	int rc = ask_all(list, PROBE_TIMEOUT_MS, &ids, e), n = 0;
	ADD(&remove, names[g->kind], "rm", "--force");
	for (char *p = rc ? NULL : ids.data; p && *p; n++) {
		size_t len = strcspn(p, "\n");
		strs_addf(&remove, "%.*s", (int)len, p);
		p += len + (p[len] == '\n');
	}
	buf_reset(&ids);
	if (n)
		rc = ask_all((const char *const *)remove.v, REMOVE_TIMEOUT_MS, &ids, e);
	free(filter);
	buf_clear(&ids);
	strs_clear(&remove);
	return rc ? -1 : n;
}

int engine_parse_state(const char *text, size_t len, struct engine_state *out)
{
	struct json_error je;
	struct json *j = json_parse(text, len, &je);
	*out = (struct engine_state){0};
	if (!j || j->type != JSON_OBJECT) {
		json_free(j);
		return -1;
	}
	const struct json *oom = json_get(j, "OOMKilled");
	const char *error = json_str(j, "Error"), *started = json_str(j, "StartedAt"), *status = json_str(j, "Status");
	out->oom = oom && oom->type == JSON_BOOL && oom->boolean;
	out->exit_code = (int)json_int(j, "ExitCode", -1);
	/* A container that was made but not started keeps the zero time. */
	out->ran = started && strncmp(started, "0001-", 5) != 0;
	/* One that runs, is paused or is just being stopped has an exit code too: 0. */
	out->ended = out->ran && status && !strcmp(status, "exited") && json_get(j, "ExitCode");
	snprintf(out->error, sizeof out->error, "%.250s", error ? error : "");
	json_free(j);
	return 0;
}
