#include "base/file.h"
#include "base/proc.h"
#include "sandbox/cgroup.h"
#include "sandbox/engine_kind.h"
#include "sandbox/enter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPACE 4		 /* address space a process may have, in memory_mb: interpreters reserve more than they use */
#define DISABLE_USERNS 8 /* bubblewrap 0.8 can forbid user namespaces inside */

/* The version says so: older ones end at an option that they do not know. */
static bool knows_disable_userns(const struct engine *g)
{
	int major = 0, minor = 0;
	return sscanf(g->version, "%d.%d", &major, &minor) == 2 && (major > 0 || minor >= DISABLE_USERNS);
}

/* What stands below root at a path is seen at that path. */
static void bind_system(struct strs *argv, const char *root, const char *at)
{
	struct stat st;
	char target[4096], *from = xasprintf("%s%s", root, at);
	if (lstat(from, &st))
		;
	else if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(from, target, sizeof target - 1);
		target[n > 0 ? n : 0] = 0;
		ENGINE_ADD(argv, "--symlink", target, at);
	} else
		ENGINE_ADD(argv, "--ro-bind", from, at);
	free(from);
}

/* This machine's programs, and an /etc that has little more than the names of users. */
static void show_machine(struct strs *argv)
{
	/* Of /etc only what Debian's commands in /usr/bin are links to. */
	static const char *const system_dirs[] = {"/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"};
	ENGINE_ADD(argv, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; i < sizeof system_dirs / sizeof *system_dirs; i++)
		bind_system(argv, "", system_dirs[i]);
	ENGINE_ADD(argv, "--perms", "0644", "--file", ENTER_PASSWD_WORD, "/etc/passwd", "--perms", "0644", "--file",
		   ENTER_GROUP_WORD, "/etc/group");
}

struct showing {
	struct strs *argv;
	const char *dir;
	bool any;
};

static void show_entry(void *ctx, const char *name)
{
	struct showing *s = ctx;
	char *at = xasprintf("/%s", name);
	if (rootfs_shows(name))
		bind_system(s->argv, s->dir, at);
	s->any = true;
	free(at);
}

static void show_root(const struct rootfs *r, struct strs *argv)
{
	struct showing s = {.argv = argv, .dir = r->dir};
	struct err none;
	ENGINE_ADD(argv, "--setenv", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	/* A folder that is gone is to be bwrap's trouble, not the script's. */
	if (file_names(r->dir, show_entry, &s, &none) || !s.any)
		ENGINE_ADD(argv, "--ro-bind", r->dir, "/");
}

/* Into a /dev that is there, and can still be written to. What all GPUs of NVIDIA share is bound beside them. */
static void bind_devices(const struct engine_run *r, struct strs *argv)
{
	static const char *const shared[] = {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"};
	struct buf cuda = {0};
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct device *d = &r->devices[i];
		ENGINE_ADD(argv, "--dev-bind", d->path, d->path);
		if (d->also)
			ENGINE_ADD(argv, "--dev-bind", d->also, d->also);
		if (d->nvidia)
			buf_addf(&cuda, "%s%s", cuda.len ? "," : "", d->nvidia);
	}
	for (size_t i = 0; i < sizeof shared / sizeof *shared && cuda.len; i++)
		ENGINE_ADD(argv, "--dev-bind-try", shared[i], shared[i]);
	if (cuda.len)
		ENGINE_ADD(argv, "--setenv", "CUDA_VISIBLE_DEVICES", cuda.data);
	buf_clear(&cuda);
}

static void start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	const struct rootfs *root = rootfs_of(g->roots, r->image);
	/* Without a control group the address space of each process is the backstop of the memory watch. */
	enter_argv(&(struct enter){.groups = r->groups,
				   .user = geteuid() == 0 ? r->user : 0,
				   .also = r->n_inputs || r->secrets ? ENGINE_GROUP : 0,
				   .memory_mb = r->groups ? 0 : r->memory_mb * SPACE,
				   .reap = !r->groups,
				   .cpu_seconds = r->cpu_seconds,
				   .file_mb = engine_file_mb(r),
				   .names = !root},
		   argv);
	ENGINE_ADD(argv, "bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname",
		   "dgrid", "--clearenv", "--setenv", "HOME", "/tmp");
	if (g->disable_userns)
		strs_add(argv, "--disable-userns");
	if (enter_filters())
		ENGINE_ADD(argv, "--seccomp", ENTER_FILTER_WORD);
	if (root)
		show_root(root, argv);
	else
		show_machine(argv);
	for (const char *const *v = r->env; v && *v; v++) {
		const char *eq = strchr(*v, '=');
		strs_add(argv, "--setenv");
		strs_addf(argv, "%.*s", (int)(eq - *v), *v);
		strs_add(argv, eq + 1);
	}
	if (r->out_dir)
		ENGINE_ADD(argv, "--bind", r->out_dir, "/out", "--setenv", "DGRID_OUT", "/out");
	for (size_t i = 0; i < r->n_inputs; i++) {
		ENGINE_ADD(argv, "--ro-bind", r->inputs[i].path);
		strs_addf(argv, "/in/%s", r->inputs[i].name);
	}
	if (r->n_inputs)
		ENGINE_ADD(argv, "--setenv", "DGRID_IN", "/in");
	if (r->secrets)
		ENGINE_ADD(argv, "--ro-bind", r->secrets, "/run/secrets");
	ENGINE_ADD(argv, "--proc", "/proc", "--dev", "/dev");
	bind_devices(r, argv);
	ENGINE_ADD(argv, "--perms", "1777", "--size");
	strs_addf(argv, "%lld", (long long)engine_shm_mb(r) << 20);
	ENGINE_ADD(argv, "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--perms", "1777", "--size");
	strs_addf(argv, "%lld", (long long)r->tmp_mb << 20);
	ENGINE_ADD(argv, "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/", "--die-with-parent",
		   "--new-session", "--cap-drop", "ALL", "--json-status-fd", "3", "--");
	if (!r->groups) {
		/* The number of processes is limited inside: there it counts this sandbox's alone. bash calls that
		 * limit -u, dash and busybox -p. */
		ENGINE_ADD(argv, "/bin/sh", "-c");
		strs_addf(argv, "ulimit -u %d 2>/dev/null || ulimit -p %d || exit 125; exec \"$@\"", r->pids, r->pids);
		strs_add(argv, "sh");
	}
	script_argv(r->script, r->workdir, r->turns, r->stdin_path, argv);
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
	start_argv(g, &r, &argv);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = env,
				 .clean_env = true,
				 .status_pipe = true,
				 .timeout_ms = ENGINE_PROBE_MS};
	int rc = proc_run(&spec, &res, e);
	if (!rc && (res.end != PROC_EXITED || res.code || !res.out.data || strncmp(res.out.data, "ready", 5) != 0))
		rc = err_set(e, ERR_UNAVAILABLE, "bwrap cannot make a sandbox here: %.200s",
			     res.err.data ? res.err.data : "no output");
	proc_result_clear(&res);
	strs_clear(&argv);
	free(path);
	return rc;
}

static int probe(struct engine *out, struct err *e)
{
	char line[128];
	const char *version[] = {"bwrap", "--version", NULL};
	if (engine_ask(version, ENGINE_PROBE_MS, line, sizeof line, e))
		return -1;
	snprintf(out->version, sizeof out->version, "%.63s", strchr(line, ' ') ? strchr(line, ' ') + 1 : line);
	out->disable_userns = knows_disable_userns(out);
	int rc = try_bwrap(out, e);
	if (rc && out->disable_userns && enter_filters()) {
		/* It wants a /proc/sys that may be written, as a container has not; the filter of system calls does as
		 * well. */
		out->disable_userns = false;
		rc = try_bwrap(out, e);
	}
	out->limits = !rc && cgroup_possible();
	return rc;
}

static int image_here(const struct engine *g, const char *image, char digest[96], struct err *e)
{
	struct rootfs *r = rootfs_of(g->roots, image);
	if (!r && strstr(image, "@sha256:"))
		return err_set(e, ERR_UNAVAILABLE,
			       "image '%s' is named by its digest, and bubblewrap has no root files of it (--rootfs)",
			       image);
	if (r && rootfs_look(r, e))
		return -1;
	if (r && digest)
		snprintf(digest, 96, "%s", r->digest);
	return 0;
}

/* Its sandboxes die with their parent; their control groups stay. */
static int remove_leftovers(const struct engine *g, const char *instance, struct err *e)
{
	char *prefix = xasprintf("dgrid-%s-", instance);
	(void)g;
	(void)e;
	cgroup_sweep(prefix);
	free(prefix);
	return 0;
}

const struct engine_row engine_bwrap = {
    .name = "bwrap",
    .get_it = "install bubblewrap, and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
	      "kernel.apparmor_restrict_unprivileged_userns=0)",
    .enforce_it = "run the worker as root, or in control groups of its own (systemd-run --user --scope -p "
		  "Delegate=yes dgrid worker ...)",
    .probe = probe,
    .image = image_here,
    .start_argv = start_argv,
    .remove_leftovers = remove_leftovers,
    .lacks = enter_short,
};
