#include "base/base64.h"
#include "base/file.h"
#include "json.h"
#include "sandbox/engine_kind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PULL_TIMEOUT_MS 600000
#define REMOVE_TIMEOUT_MS 60000

static const char *program(const struct engine *g)
{
	return g->kind == ENGINE_PODMAN ? "podman" : "docker";
}

/* The name without tag and digest. */
static size_t repository_len(const char *image)
{
	const char *slash = strrchr(image, '/'), *base = slash ? slash + 1 : image;
	return (size_t)(base - image) + strcspn(base, ":@");
}

/* What the engine calls it by: of a tag and a digest only the digest, for Podman takes no name with both. */
static char *reference(const char *image)
{
	const char *digest = strstr(image, "@sha256:");
	return digest ? xasprintf("%.*s%s", (int)repository_len(image), image, digest) : xstrdup(image);
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
	const char *argv[] = {program(g), "image", "inspect", "--format", "{{.Id}}{{range .RepoDigests}} {{.}}{{end}}",
			      image,	  NULL};
	return engine_ask(argv, ENGINE_PROBE_MS, line, 1024, e);
}

static int image_here(const struct engine *g, const char *image, char digest[96], struct err *e)
{
	char line[1024] = "", *ref = reference(image);
	const char *pull[] = {program(g), "pull", "--quiet", ref, NULL}, *own = strstr(image, "@sha256:");
	int rc = 0;
	if (inspect(g, ref, line, e) &&
	    (engine_ask(pull, PULL_TIMEOUT_MS, line, sizeof line, e) || inspect(g, ref, line, e)))
		rc = err_wrap(e, "image '%s' cannot be had (try: %s pull %s)", image, program(g), ref);
	else if (digest && own)
		snprintf(digest, 96, "%s", own + 1);
	else if (digest)
		take_digest(line, image, digest);
	free(ref);
	return rc;
}

static int image_exact(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e)
{
	char line[1024], pulled[1024];
	const char *hex = strncmp(digest, "sha256:", 7) ? digest : digest + 7;
	struct err none;
	if (strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64 || !*image || *image == '-' ||
	    strlen(image) > 200)
		return err_set(e, ERR_UNAVAILABLE, "'%.80s' with the digest '%.80s' names no image", image, digest);
	snprintf(ref, 320, "%.*s@sha256:%s", (int)repository_len(image), image, hex);
	if (!inspect(g, ref, line, &none))
		return 0;
	const char *pull[] = {program(g), "pull", "--quiet", ref, NULL};
	char *id = xasprintf("sha256:%s", hex);
	int rc = inspect(g, id, line, &none);
	if (!rc)
		snprintf(ref, 320, "%s", id);
	else if ((rc = engine_ask(pull, PULL_TIMEOUT_MS, pulled, sizeof pulled, e)) == 0)
		rc = inspect(g, ref, line, e);
	free(id);
	return rc ? err_wrap(e, "the image '%s' that it ran in (%.20s...) is not here and cannot be pulled", image,
			     digest)
		  : 0;
}

#define DOCUMENT_MAX ((size_t)8 << 20)
#define HAS_ONBUILD "it has instructions for builds on it, ONBUILD (expected an image without)"

static int base_wrong(const char *image, struct err *e)
{
	e->class = e->class == ERR_DATA ? ERR_DATA : ERR_UNAVAILABLE;
	return err_wrap(e, "nothing is built on the image '%s'", image);
}

#define BUILT "dgrid-build" /* the repository of what is built here; its tags are trees */

static int built(const struct engine *g, const char *tree, char id[96], int64_t *mb, struct err *e)
{
	char line[1024] = "", *name = xasprintf(BUILT ":%s", tree);
	const char *argv[] = {program(g), "image", "ls", "--no-trunc", "--format", "{{.ID}}", name, NULL};
	const char *size[] = {program(g), "image", "inspect", "--format", "{{.Size}}", name, NULL};
	int rc = engine_ask(argv, ENGINE_PROBE_MS, line, sizeof line, e);
	if (!rc && !line[0])
		rc = err_set(e, ERR_NOENT, "nothing was built here from the tree %.12s", tree);
	if (!rc) {
		const char *hex = strncmp(line, "sha256:", 7) ? line : line + 7;
		snprintf(id, 96, "sha256:%.64s", hex);
		rc = engine_ask(size, ENGINE_PROBE_MS, line, sizeof line, e);
		*mb = rc ? 0 : strtoll(line, NULL, 10) >> 20;
	}
	free(name);
	return rc;
}

static bool means(const struct json *m, const char *name)
{
	return strlen(m->name) == m->name_len && !strcasecmp(m->name, name);
}

/* Of an image's own document, as those read it who take names in any case. */
static int document_base(const struct buf *text, struct err *e)
{
	struct json_error je;
	struct json *whole = json_parse(text->data ? text->data : "", text->len, &je);
	bool has = false;
	for (const struct json *c = whole && whole->type == JSON_OBJECT ? whole->child : NULL; c; c = c->next)
		for (const struct json *m = means(c, "config") && c->type == JSON_OBJECT ? c->child : NULL; m;
		     m = m->next)
			has =
			    has || (means(m, "OnBuild") && m->type != JSON_NULL && (m->child || m->type != JSON_ARRAY));
	int rc = !whole || whole->type != JSON_OBJECT ? err_set(e, ERR_UNAVAILABLE, "its document cannot be read")
		 : has				      ? err_set(e, ERR_DATA, HAS_ONBUILD)
						      : 0;
	json_free(whole);
	return rc;
}

/* Podman's inspect leaves them out. The document stands in its storage, called by its SHA-256, which is the image's id.
 */
static int base_podman(const struct engine *g, const char *image, struct err *e)
{
	const char *where[] = {"podman", "info", "--format", "{{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-images",
			       NULL};
	char line[1024] = "", dir[1024] = "", *ref = reference(image), *id = NULL, *path = NULL;
	struct buf name = {0}, text = {0};
	int rc = inspect(g, ref, line, e) || engine_ask(where, ENGINE_PROBE_MS, dir, sizeof dir, e) ? -1 : 0;
	if (!rc) {
		line[strcspn(line, " ")] = 0;
		id = xasprintf("sha256:%s", strncmp(line, "sha256:", 7) ? line : line + 7);
		base64_add(&name, id, strlen(id));
		path = xasprintf("%s/%s/=%s", dir, id + 7, name.data);
		rc = file_read(path, DOCUMENT_MAX, &text, e) || document_base(&text, e) ? -1 : 0;
	}
	free(ref);
	free(id);
	free(path);
	buf_clear(&name);
	buf_clear(&text);
	return rc ? base_wrong(image, e) : 0;
}

static int base_docker(const struct engine *g, const char *image, struct err *e)
{
	char line[1024] = "", *ref = reference(image);
	const char *argv[] = {program(g), "image", "inspect", "--format", "{{json .Config.OnBuild}}", ref, NULL};
	int rc = engine_ask(argv, ENGINE_PROBE_MS, line, sizeof line, e);
	if (!rc && strcmp(line, "null") != 0 && strcmp(line, "[]") != 0)
		rc = err_set(e, ERR_DATA, HAS_ONBUILD);
	free(ref);
	return rc ? base_wrong(image, e) : 0;
}

static void build_argv(const struct engine *g, const struct engine_build *b, struct strs *argv)
{
	ENGINE_ADD(argv, program(g), "build", "--force-rm");
	strs_addf(argv, "--network=%s", b->network ? b->network : "none");
	strs_addf(argv, "--label=dgrid.build=%s", b->tree);
	strs_addf(argv, "--tag=" BUILT ":%s", b->tree);
	strs_addf(argv, "--file=%s", b->file);
	strs_add(argv, b->dir);
}

static int drop_built(const struct engine *g, const char *tree, struct err *e)
{
	char line[1024], *name = xasprintf(BUILT ":%s", tree);
	const char *argv[] = {program(g), "image", "rm", name, NULL};
	int rc = engine_ask(argv, REMOVE_TIMEOUT_MS, line, sizeof line, e);
	free(name);
	return rc;
}

/* By its whole name: engines take the beginning of an id for it too. */
static int network(const struct engine *g, const char *name, struct err *e)
{
	const char *argv[] = {program(g), "network", "ls", "--format", "{{.Name}} {{.Driver}}", NULL};
	struct buf list = {0};
	int rc = engine_ask_all(argv, ENGINE_PROBE_MS, &list, e);
	bool found = false, own = true;
	for (const char *p = rc ? NULL : list.data; p && *p && !found; p += p[strcspn(p, "\n")] == '\n') {
		size_t len = strcspn(p, " \n");
		found = len == strlen(name) && !strncmp(p, name, len);
		own = !found || (strncmp(p + len, " host\n", 6) != 0 && strncmp(p + len, " null\n", 6) != 0);
		p += strcspn(p, "\n");
	}
	buf_clear(&list);
	if (rc)
		return err_wrap(e, "%s does not tell its networks", program(g));
	if (!found)
		return err_set(e, ERR_NOENT, "%s has no network '%s' (try: %s network create --internal %s)",
			       program(g), name, program(g), name);
	return own ? 0
		   : err_set(e, ERR_USAGE, "the network '%s' is this machine's own (expected one that was made)", name);
}

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

/* A device's group, where others may not use it. */
static void join_group(const char *path, struct strs *argv)
{
	struct stat st;
	if (!stat(path, &st) && st.st_gid && (st.st_mode & 06) != 06 && (st.st_mode & 060) == 060)
		strs_addf(argv, "--group-add=%lu", (unsigned long)st.st_gid);
}

static void give_devices(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	struct buf nvidia = {0};
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct device *d = &r->devices[i];
		if (d->nvidia && g->kind == ENGINE_PODMAN)
			strs_addf(argv, "--device=nvidia.com/gpu=%s", d->nvidia);
		else if (d->nvidia)
			buf_addf(&nvidia, "%s%s", nvidia.len ? "," : "", d->nvidia);
		else {
			strs_addf(argv, "--device=%s", d->path);
			join_group(d->path, argv);
			if (d->also)
				strs_addf(argv, "--device=%s", d->also);
			if (d->also)
				join_group(d->also, argv);
		}
	}
	if (nvidia.len) /* a row of CSV */
		strs_addf(argv, "--gpus=\"device=%s\"", nvidia.data);
	buf_clear(&nvidia);
}

static void container_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	strs_add(argv, program(g));
	if (g->kind == ENGINE_PODMAN)
		strs_add(argv, "--log-level=error"); /* its warnings would stand in the script's stderr */
	/* A signal to the client is not one to the script: where a machine goes down, nobody would have sent it that.
	 */
	ENGINE_ADD(argv, "run", "--sig-proxy=false", "--name", r->name);
	strs_addf(argv, "--label=dgrid.node=%s", r->node);
	strs_addf(argv, "--label=dgrid.instance=%s", r->instance);
	strs_addf(argv, "--label=dgrid.task=%s", r->task);
	strs_addf(argv, "--label=dgrid.nonce=%s", r->nonce);
	strs_addf(argv, "--network=%s", r->network ? r->network : "none");
	ENGINE_ADD(argv, "--read-only", "--user=1000:1000", "--cap-drop=ALL", "--security-opt=no-new-privileges",
		   "--ulimit=nofile=1024:1024", "--ulimit=core=0:0", "--log-driver=none", "--pull=never", "--init",
		   "--workdir=/tmp");
	if (g->kind == ENGINE_PODMAN)
		strs_add(argv,
			 "--ulimit=nproc=1024:1024"); /* its default tries to raise the limit, which may be refused */
	strs_addf(argv, "--pids-limit=%d", r->pids);
	strs_addf(argv, "--memory=%dm", r->memory_mb);
	strs_addf(argv, "--memory-swap=%dm", r->memory_mb);
	strs_addf(argv, "--cpus=%g", r->cpus);
	strs_addf(argv, "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=%dm", r->tmp_mb);
	strs_addf(argv, "--shm-size=%dm", engine_shm_mb(r));
	strs_add(argv, "--env=HOME=/tmp");
	if (engine_file_mb(r))
		strs_addf(argv, "--ulimit=fsize=%lld:%lld", (long long)engine_file_mb(r) << 20,
			  (long long)engine_file_mb(r) << 20);
	if (r->cpu_seconds)
		strs_addf(argv, "--ulimit=cpu=%lld:%lld", (long long)r->cpu_seconds + 1, (long long)r->cpu_seconds + 2);
	if (r->id_file)
		strs_addf(argv, "--cidfile=%s", r->id_file);
	for (const char *const *v = r->env; v && *v; v++)
		strs_addf(argv, "--env=%s", *v);
	if (r->out_dir)
		bind_at(g, r->out_dir, "/out", "Z", false, argv);
	else if (r->out_lost_mb)
		strs_addf(argv, "--tmpfs=/out:rw,nosuid,nodev,mode=1777,size=%dm", r->out_lost_mb);
	if (r->out_dir || r->out_lost_mb)
		strs_add(argv, "--env=DGRID_OUT=/out");
	bind_inputs(g, r, argv);
	if (r->secrets)
		bind_at(g, r->secrets, "/run/secrets", "ro,Z", true, argv);
	give_devices(g, r, argv);
	char *image = reference(r->image);
	strs_add(argv, image);
	free(image);
	script_argv(r->script, r->workdir, r->turns, r->stdin_path, argv);
}

static void own_podman(const struct engine *g, const char *dir, const char *image, struct strs *argv)
{
	(void)image;
	if (geteuid() != 0) /* its root is this user */
		ENGINE_ADD(argv, program(g), "unshare", "chown", "-hR", "0:0", dir);
}

static void own_docker(const struct engine *g, const char *dir, const char *image, struct strs *argv)
{
	if (geteuid() == 0)
		return;
	ENGINE_ADD(argv, program(g), "run", "--rm", "--network=none", "--read-only", "--user=0:0", "--cap-drop=ALL",
		   "--cap-add=CHOWN", "--cap-add=DAC_OVERRIDE", "--security-opt=no-new-privileges", "--log-driver=none",
		   "--pull=never");
	strs_addf(argv, "--volume=%s:/out", dir);
	ENGINE_ADD(argv, image, "chown", "-hR");
	strs_addf(argv, "%lu:%lu", (unsigned long)geteuid(), (unsigned long)getegid());
	strs_add(argv, "/out");
}

static void kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv)
{
	ENGINE_ADD(argv, program(g), "kill");
	strs_addf(argv, "--signal=%s", signal);
	strs_add(argv, name);
}

static void remove_argv(const struct engine *g, const char *name, struct strs *argv)
{
	ENGINE_ADD(argv, program(g), "rm", "-f", name);
}

static void state_argv(const struct engine *g, const char *name, struct strs *argv)
{
	ENGINE_ADD(argv, program(g), "container", "inspect", "--format", "{{json .State}}", name);
}

static int remove_leftovers(const struct engine *g, const char *instance, struct err *e)
{
	char *filter = xasprintf("label=dgrid.instance=%s", instance);
	const char *list[] = {program(g), "ps", "--all", "--quiet", "--no-trunc", "--filter", filter, NULL};
	struct buf ids = {0};
	struct strs remove = {0};
	int rc = engine_ask_all(list, ENGINE_PROBE_MS, &ids, e), n = 0;
	ENGINE_ADD(&remove, program(g), "rm", "--force");
	for (char *p = rc ? NULL : ids.data; p && *p; n++) {
		size_t len = strcspn(p, "\n");
		strs_addf(&remove, "%.*s", (int)len, p);
		p += len + (p[len] == '\n');
	}
	buf_reset(&ids);
	if (n)
		rc = engine_ask_all((const char *const *)remove.v, REMOVE_TIMEOUT_MS, &ids, e);
	free(filter);
	buf_clear(&ids);
	strs_clear(&remove);
	return rc ? -1 : n;
}

static int parse_state(const char *text, size_t len, struct engine_state *out)
{
	struct json_error je;
	struct json *j = json_parse(text, len, &je);
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

static int probe_docker(struct engine *out, struct err *e)
{
	const char *argv[] = {"docker", "version", "--format", "{{.Server.Version}}", NULL};
	out->limits = true;
	return engine_ask(argv, ENGINE_PROBE_MS, out->version, sizeof out->version, e);
}

/* It has no server; its info tells whether it could run something at all. */
static int probe_podman(struct engine *out, struct err *e)
{
	char line[128];
	const char *argv[] = {"podman", "info", "--format",
			      "{{.Version.Version}} {{.Host.CgroupsVersion}} {{.Host.Security.Rootless}}", NULL};
	if (engine_ask(argv, ENGINE_PROBE_MS, line, sizeof line, e))
		return -1;
	/* Without root it holds to limits by control groups of version 2 alone. */
	out->limits = !strstr(line, " v1 true");
	snprintf(out->version, sizeof out->version, "%.*s", (int)strcspn(line, " "), line);
	return 0;
}

#define BOTH                                                                                                           \
	.images = true, .client = true, .image = image_here, .image_exact = image_exact, .network = network,           \
	.built = built, .build_argv = build_argv, .drop_built = drop_built, .start_argv = container_argv,              \
	.kill_argv = kill_argv, .remove_argv = remove_argv, .state_argv = state_argv, .parse_state = parse_state,      \
	.remove_leftovers = remove_leftovers

const struct engine_row engine_docker = {
    .name = "docker",
    .get_it = "install docker and start its daemon (systemctl start docker)",
    .enforce_it = "run the worker as root",
    .probe = probe_docker,
    .own_argv = own_docker,
    .base = base_docker,
    BOTH,
};
const struct engine_row engine_podman = {
    .name = "podman",
    .get_it = "install podman, and give this user a range in /etc/subuid",
    .enforce_it = "boot with control groups of version 2 (systemd.unified_cgroup_hierarchy=1), or run it as root",
    .probe = probe_podman,
    .own_argv = own_podman,
    .base = base_podman,
    BOTH,
};
