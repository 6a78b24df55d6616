#include "worker/worker.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/slurm.h"
#include "schema/fit.h"
#include "verbs/verbs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_MB 2048
#define SLOTS_MAX 256
#define MEMORY_MAX_GB 1024
#define DISK_MAX_GB 16384

/* Settings are all looked at before anything is touched, and all that is wrong is told at once. */
struct settings {
	struct worker_options o;
	struct strs labels;
	struct grants grants;
	struct rootfs_list roots;
	struct slurm_room room;
	struct cluster cluster;
	struct strs gres;
	bool slots_said;
	const char *secrets; /* a file; NULL: none */
	struct devices devices;
	struct buf wrong;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct settings *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_addf(&s->wrong, "%s\n", text);
}

static long number(struct settings *s, const char *name, const char *text, long min, long max)
{
	struct err e;
	long n = min;
	if (parse_number(name, text, min, max, &n, &e))
		wrong(s, "%s", e.msg);
	return n;
}

static const char *set(const char *name) /* an environment variable that is not empty */
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static void add_labels(struct settings *s, const char *text)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ",");
		char *one = xstrndup(p, len);
		if (task_id_valid(one))
			strs_add(&s->labels, one);
		else
			wrong(s, "--labels: expected NAME,NAME,... each 1-64 of A-Z a-z 0-9 _ -, found '%s'", one);
		free(one);
		p += len + (p[len] == ',');
	}
}

static double cpus(struct settings *s, const char *name, const char *text)
{
	char *end;
	double d = strtod(text, &end);
	if (end == text || *end || !(d >= 0.01 && d <= 1024))
		wrong(s, "%s: expected a number of processors from 0.01 to 1024, found '%s'", name, text);
	return d;
}

/* Docker's spelling: 512m, 1g, 524288k, or bytes; in MB, up to so many GB. */
static int64_t size(struct settings *s, const char *name, const char *text, const char *of, int gb_max)
{
	char *end;
	double n = strtod(text, &end);
	double unit = *end == 'g' || *end == 'G'   ? 1024
		      : *end == 'm' || *end == 'M' ? 1
		      : *end == 'k' || *end == 'K' ? 1.0 / 1024
						   : 1.0 / 1048576;
	size_t rest = strlen(end);
	bool ok = end != text && (rest == 0 || (rest == 1 && strchr("gGmMkKbB", *end)));
	if (!ok || !(n * unit >= 16 && n * unit <= gb_max * 1024.0)) {
		wrong(s, "%s: expected %s such as 512m or 1g, from 16m to %dg, found '%s'", name, of, gb_max, text);
		return 0;
	}
	return (int64_t)(n * unit);
}

static int64_t memory(struct settings *s, const char *name, const char *text)
{
	return size(s, name, text, "memory", MEMORY_MAX_GB);
}

/* NAME=N,NAME=N: a name that is there already counts anew. */
static void add_resources(struct settings *s, const char *text)
{
	struct worker_options *o = &s->o;
	o->resources = o->resources ? o->resources : json_new(JSON_OBJECT);
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ",");
		char *one = xstrndup(p, len), *equals = strchr(one, '=');
		struct err e;
		long n = 0;
		if (equals)
			*equals = 0;
		if (!equals || !task_id_valid(one) || parse_number(one, equals + 1, 0, FIT_MOST, &n, &e))
			wrong(s, "--resource: expected NAME=N,... such as gpu=2, N from 0 to %d, found '%.*s'",
			      FIT_MOST, (int)len, p);
		else
			json_set(o->resources, one, json_new_int(n));
		free(one);
		p += len + (p[len] == ',');
	}
}

static void check_resources(struct settings *s)
{
	size_t n = 0;
	for (const struct json *v = s->o.resources ? s->o.resources->child : NULL; v; v = v->next)
		n++;
	if (n > FIT_OFFERED)
		wrong(s, "--resource: %zu names (expected at most %d)", n, FIT_OFFERED);
}

static void from_environment(struct settings *s)
{
	struct worker_options *o = &s->o;
	const char *v;
	if ((v = set("NODE_ID")))
		o->node_id = v;
	if ((v = set("PULL_INTERVAL")))
		o->poll_ms = (int)number(s, "PULL_INTERVAL", v, 1, 3600) * 1000;
	if ((v = set("HEARTBEAT_INTERVAL")))
		o->heartbeat_seconds = (int)number(s, "HEARTBEAT_INTERVAL", v, 1, 3600);
	if ((v = set("DGRID_NODE_KEY")))
		o->signing_key = v;
	if ((v = set("DGRID_STORE")))
		o->store = v;
	if ((v = set("DGRID_SECRETS")))
		s->secrets = v;
	if ((v = set("DOCKER_CPUS")))
		o->max_cpus = cpus(s, "DOCKER_CPUS", v);
	if ((v = set("DOCKER_MEMORY")))
		o->max_memory_mb = memory(s, "DOCKER_MEMORY", v);
}

static void from_flags(struct settings *s, int argc, char **argv)
{
	struct usage_scan scan = {.verb = &verb_worker, .argc = argc, .argv = argv};
	struct worker_options *o = &s->o;
	struct err e;
	int opt;
	while ((opt = usage_next(&scan, &e)) != 0)
		switch (opt) {
		case 'n':
			o->node_id = scan.value;
			break;
		case 's':
			o->slots = (int)number(s, "--slots", scan.value, 1, SLOTS_MAX);
			s->slots_said = true;
			break;
		case 'p':
			o->poll_ms = (int)number(s, "--poll-ms", scan.value, 10, 3600000);
			break;
		case 'd':
			o->drain_after = (uint64_t)number(s, "--drain-after", scan.value, 1, 1000000000);
			break;
		case 'l':
			add_labels(s, scan.value);
			break;
		case 'e':
			o->engine = scan.value;
			break;
		case 'o':
			o->once = true;
			break;
		case 't':
			o->take_over = true;
			break;
		case 'w':
			o->work_dir = scan.value;
			break;
		case 'k':
			o->signing_key = scan.value;
			break;
		case 'c':
			o->max_cpus = cpus(s, "--max-cpus", scan.value);
			break;
		case 'C':
			o->cpus = cpus(s, "--cpus", scan.value);
			break;
		case 'M':
			o->memory_mb = memory(s, "--memory", scan.value);
			break;
		case 'D':
			o->disk_mb = size(s, "--disk", scan.value, "a size", DISK_MAX_GB);
			break;
		case 'r':
			add_resources(s, scan.value);
			break;
		case 'V':
			if (devices_add(&s->devices, scan.value, &e))
				wrong(s, "--device: %s", e.msg);
			break;
		case 'b':
			o->cache_mb = number(s, "--cache-mb", scan.value, 0, 1 << 20);
			break;
		case 'a':
			o->ahead = (int)number(s, "--ahead", scan.value, 0, AHEAD_MAX);
			break;
		case 'N':
			o->notify = scan.value;
			break;
		case 'G':
			o->store = scan.value && *scan.value ? scan.value : NULL;
			break;
		case 'W':
			if (grants_network(&s->grants, scan.value, &e))
				wrong(s, "%s", e.msg);
			break;
		case 'S':
			s->secrets = scan.value;
			break;
		case 'R':
			if (rootfs_add(&s->roots, scan.value, &e))
				wrong(s, "%s", e.msg);
			break;
		case 'O':
			s->cluster.options = scan.value;
			if (slurm_options(scan.value, &e))
				wrong(s, "%s", e.msg);
			break;
		case 'B':
			o->allow_build = true;
			o->build_network = scan.value && *scan.value ? scan.value : NULL;
			break;
		case 'H':
			s->grants.hidden = true;
			break;
		case 'm':
			o->max_memory_mb = memory(s, "--max-memory", scan.value);
			break;
		default:
			wrong(s, "%s", e.msg);
		}
	if (usage_operands(&scan, 0, &e))
		wrong(s, "%s", e.msg);
}

static bool engine_known(const char *name)
{
	bool known = !strcmp(name, "auto");
	for (int k = 0; k < ENGINES; k++)
		known = known || !strcmp(name, engine_name((enum engine_kind)k));
	return known;
}

static void check_cluster(struct settings *s, bool cluster)
{
	if (s->cluster.options && !cluster)
		wrong(s, "--slurm-options: only a cluster takes them (expected --engine slurm)");
	if (cluster && s->grants.networks.n)
		wrong(s, "--network: the cluster's jobs have none (expected --engine docker or podman)");
	if (cluster && s->secrets)
		wrong(s, "--secrets: they would stand on the file system that the cluster's nodes share, and not in "
			 "memory (expected another engine)");
	if (cluster && s->devices.n)
		wrong(s, "--device: a device of this machine is none of the cluster's (its gres are offered by "
			 "themselves)");
}

/* What the cluster has is what is offered; what was said on the command line stays. */
static int find_cluster(struct settings *s, struct err *e)
{
	struct worker_options *o = &s->o;
	struct engine g;
	if (engine_pick(o->engine, &g, e) || file_mkdirs(o->work_dir, e))
		return -1;
	if (slurm_room(s->cluster.options, &s->room, e))
		return -1;
	if (!s->room.nodes)
		return err_set(e, ERR_UNAVAILABLE, "none of the cluster's nodes is up (try: sinfo)");
	if (*slurm_unheeded(s->cluster.options))
		log_at(LOG_WARN, "worker",
		       "all nodes of the partition are offered: which of them %s leaves is not known here (say what "
		       "they have with --cpus, --memory, --max-cpus, --max-memory and --resource)",
		       slurm_unheeded(s->cluster.options));
	char *whole = realpath(o->work_dir, NULL);
	s->cluster.folder = xasprintf("%s/jobs", whole ? whole : o->work_dir);
	free(whole);
	s->cluster.node_mb = s->room.node_mb;
	s->cluster.gres = &s->gres;
	o->resources = o->resources ? o->resources : json_new(JSON_OBJECT);
	for (size_t i = 0; i < s->room.n_gres; i++) {
		const struct slurm_gres *r = &s->room.gres[i];
		strs_add(&s->gres, r->name);
		if (task_id_valid(r->name) && !json_get(o->resources, r->name))
			json_set(o->resources, r->name, json_new_int(r->n < FIT_MOST ? r->n : FIT_MOST));
	}
	if (!s->slots_said)
		o->slots = s->room.cpus < 1 ? 1 : s->room.cpus < SLOTS_MAX ? (int)s->room.cpus : SLOTS_MAX;
	o->room = &s->room;
	o->cluster = &s->cluster;
	return 0;
}

static void check(struct settings *s, const struct context *ctx)
{
	struct worker_options *o = &s->o;
	struct err e;
	bool known = engine_known(o->engine);
	if (!known)
		wrong(s, "--engine: expected auto, docker, podman, bwrap or slurm, found '%s'", o->engine);
	check_cluster(s, !strcmp(o->engine, "slurm"));
	if (s->secrets && grants_read(&s->grants, s->secrets, &e))
		wrong(s, "%s", e.msg);
	if (s->roots.n && !strcmp(o->engine, "auto"))
		o->engine = "bwrap";
	if (s->roots.n && known && strcmp(o->engine, "bwrap") != 0)
		wrong(s, "--rootfs: %s has images of its own (expected --engine bwrap)", o->engine);
	if (o->allow_build && !strcmp(o->engine, "bwrap"))
		wrong(s, "--allow-build: bwrap builds no images (expected --engine docker or podman)");
	if (s->grants.networks.n && !strcmp(o->engine, "bwrap"))
		wrong(s, "--network: bwrap gives tasks no network: it could only share this machine's own with them "
			 "(expected --engine docker or podman)");
	if (!task_id_valid(o->node_id))
		wrong(s, "--node-id (NODE_ID): expected 1-64 of A-Z a-z 0-9 _ -, found '%s'", o->node_id);
	if (need_repo(ctx, &e))
		wrong(s, "%s", e.msg);
	check_resources(s);
	buf_adds(&s->wrong, ctx->complaints);
}

static int cmd_worker(const struct context *ctx, int argc, char **argv, struct err *e)
{
	char host[65], *dir = NULL;
	struct settings s = {.o = {.url = ctx->url,
				   .branch = ctx->branch,
				   .name = ctx->name,
				   .email = ctx->email,
				   .engine = "auto",
				   .slots = 1,
				   .ahead = AHEAD_MAX,
				   .cache_mb = CACHE_MB,
				   .node_id = host}};
	int rc;
	worker_default_id(host);
	from_environment(&s);
	from_flags(&s, argc, argv);
	check(&s, ctx);
	if (s.wrong.len) {
		s.wrong.data[s.wrong.len - 1] = 0;
		rc = err_set(e, ERR_USAGE, "%s", s.wrong.data);
		goto out;
	}
	dir = worker_folder(s.o.node_id);
	if (!s.o.work_dir)
		s.o.work_dir = dir;
	s.o.labels = s.labels.v;
	s.o.n_labels = s.labels.n;
	s.o.grants = &s.grants;
	s.o.devices = &s.devices;
	s.o.roots = &s.roots;
	s.cluster.options = s.cluster.options ? s.cluster.options : "";
	if (!strcmp(s.o.engine, "slurm") && find_cluster(&s, e)) {
		rc = -1;
		goto out;
	}
	rc = worker_run(&s.o);
	if (rc)
		err_set(e, (enum err_class)rc, "%s", ""); /* already logged */
out:
	strs_clear(&s.labels);
	grants_clear(&s.grants);
	devices_clear(&s.devices);
	json_free(s.o.resources);
	rootfs_clear(&s.roots);
	buf_clear(&s.wrong);
	slurm_room_clear(&s.room);
	strs_clear(&s.gres);
	free((char *)s.cluster.folder);
	free(dir);
	return rc ? -1 : 0;
}

const struct verb verb_worker = {
    .name = "worker",
    .args = "[--node-id ID] [--slots N] [--ahead N] [--labels A,B] [--engine auto|docker|podman|bwrap|slurm] [--once] "
	    "[--drain-after N] "
	    "[--work-dir DIR] [--poll-ms N] [--cpus N] [--memory 32g] [--disk 50g] [--resource gpu=2] [--device "
	    "NAME=PATH] [--max-cpus N] [--max-memory 512m] [--cache-mb N] [--notify CMD] [--store CMD] "
	    "[--rootfs IMAGE=DIR]... [--slurm-options WORDS] [--allow-build[=NETWORK]] [--network NAME=NETWORK]... "
	    "[--secrets FILE "
	    "[--secrets-hidden]] [--signing-key FILE] "
	    "[--take-over]",
    .summary = "run tasks on this machine, as a node of the grid",
    .about = "Claims queued tasks, runs each in its own sandbox, and records the results, until it is told to stop. "
	     "SIGTERM or SIGINT drains it: it claims nothing more, lets running tasks end, pushes their results and "
	     "leaves. A second signal returns the tasks to the queue at once. After a crash, the next start with the "
	     "same work folder cleans up what was left behind.\n\nOptions override the environment, which overrides "
	     "grid.json. All mistakes in them are reported together, before anything is changed.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'n', "--node-id", "ID", "@nodes", "this node's name in the grid; default: $NODE_ID, or the host's name"},
	    {'s', "--slots", "N", NULL,
	     "tasks to run at once, 1 to 256; default 1, or for a cluster the number of its processors"},
	    {'a', "--ahead", "N", NULL,
	     "most tasks to claim before a slot is free for them, 0 to 1000; default 1000; it claims only as many as "
	     "its slots can start before it may push again"},
	    {'l', "--labels", "A,B", NULL, "labels of this node, for tasks that ask for them"},
	    {'e', "--engine", "NAME", USAGE_ENGINES,
	     "the sandbox; default auto: docker or podman, the first that can run a script in the grid's image; if "
	     "neither answers, bwrap, which uses no image (scripts see this machine's /usr); slurm: this node is a "
	     "whole cluster, see --slurm-options"},
	    {'o', "--once", NULL, NULL, "end when its tasks have ended and nothing is queued that it could run"},
	    {'d', "--drain-after", "N", NULL, "drain after N tasks have ended"},
	    {'w', "--work-dir", "DIR", "@folders",
	     "folder for its clone, unsent results and locks; default: $XDG_STATE_HOME/dgrid/ID, or "
	     "~/.local/state/dgrid/ID"},
	    {'p', "--poll-ms", "N", NULL,
	     "milliseconds between two polls of the branch, 10 to 3600000; default: poll_seconds of grid.json"},
	    {'C', "--cpus", "N", NULL,
	     "processors to offer, for all tasks together; default: those that it may use, or --slots if that is more"},
	    {'M', "--memory", "32g", NULL,
	     "memory to offer, for all tasks together: 16m to 1024g; default: what it may use"},
	    {'D', "--disk", "50g", NULL,
	     "disk space to offer: 16m to 16384g; default: what is free in its work folder"},
	    {'r', "--resource", "NAME=N,...", NULL,
	     "other resources to offer, which tasks ask for by name, such as gpu=2; may be repeated"},
	    {'V', "--device", "NAME=PATH", NULL,
	     "a device to offer as one of NAME, to one task at a time, such as fpga=/dev/xdma0; may be repeated; GPUs "
	     "of NVIDIA and AMD are found by themselves, as gpu"},
	    {'c', "--max-cpus", "N", NULL, "claim no task that asks for more processors; default: those it has"},
	    {'m', "--max-memory", "512m", NULL,
	     "the same for memory: 16m to 1024g; a task that does not ask gets no more"},
	    {'b', "--cache-mb", "N", NULL, "megabytes of inputs to cache for later tasks, up to 1048576; default 2048"},
	    {'N', "--notify", "CMD", NULL,
	     "a command that prints a line when the branch has changed, such as ssh HOST dgrid notify --repo DIR: the "
	     "worker polls at once on each line, and six times less often otherwise"},
	    {'G', "--store", "CMD", NULL,
	     "a command that stores files larger than large_file_mb of grid.json, such as dgrid-store-folder "
	     "/mnt/share: Git gets pointers to them (docs/OPERATIONS.md)"},
	    {'R', "--rootfs", "IMAGE=DIR", NULL,
	     "with bubblewrap, run tasks of this image in DIR, which has the image's root files, read-only, instead of "
	     "this machine's /usr; may be repeated; makes bwrap the engine of --engine auto"},
	    {'O', "--slurm-options", "WORDS", NULL,
	     "options for sbatch, such as \"--partition=cpu --account=x\": with --engine slurm each task is a Slurm "
	     "job, in bubblewrap on a node of the cluster, and the node offers what the partition has; the work folder "
	     "must be on a file system that the nodes share"},
	    {'B', "--allow-build", "[NETWORK]", NULL,
	     "build the images that grid.json asks for (dgrid image --build), with Docker or Podman, one at a time and "
	     "while no task runs; like the engine's own build, it pulls base images that are missing. RUN commands "
	     "have no network, or this network of the engine"},
	    {'W', "--network", "NAME=NETWORK", NULL,
	     "run signed tasks that ask for NAME, which grid.json's network lists, in this network of Docker or "
	     "Podman, which you have created (docker network create --internal NETWORK); may be repeated"},
	    {'S', "--secrets", "FILE", "@files",
	     "which secrets to give to which signers' tasks, in which images: sections [NAME] with file, signers and "
	     "images (docs/OPERATIONS.md); the file must belong to this user or root, with mode 0600 or stricter"},
	    {'H', "--secrets-hidden", NULL, NULL, "do not publish the names of its secrets"},
	    {'k', "--signing-key", "FILE", "@files",
	     "the SSH key to sign its commits with, which must be in nodes/keys/ID.pub on the branch; default: none, "
	     "or node_key in its work folder (created if needed) where grid.json has require_signed_nodes"},
	    {'t', "--take-over", NULL, NULL, "take over the node id of a worker elsewhere that is gone for good"},
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid worker --slots 4", ""},
					    {"dgrid worker --engine bwrap --once", "run what is queued, then end"},
					    {"NODE_ID=pi-3 PULL_INTERVAL=30 dgrid worker --labels arm64,pi", ""},
					    {0}},
    .exits =
	(const struct usage_note[]){
	    {"0", "drained: all its tasks have ended and their results are recorded"},
	    {"69", "at the start: no engine answers, or the remote cannot be read"},
	    {"75", "another worker uses this work folder or this node id"},
	    {"77", "its name is retired; or --once, and its key is not enrolled; or the host declined "
		   "the push"},
	    {"130, 143", "stopped by a second signal; its tasks are back in the queue"},
	    {0}},
    .environment =
	(const struct usage_note[]){{"NODE_ID", "--node-id"},
				    {"PULL_INTERVAL", "seconds between two looks at the branch, 1 to 3600"},
				    {"HEARTBEAT_INTERVAL", "seconds between two signs of life, 1 to 3600; default: "
							   "heartbeat_seconds of grid.json"},
				    {"DGRID_NODE_KEY", "--signing-key"},
				    {"DGRID_SECRETS", "--secrets"},
				    {"DGRID_STORE", "--store"},
				    {"DGRID_STORE_SECONDS", "how long what the store does not take is tried again, "
							    "before its files are lost and the result says so; 0 to "
							    "86400, default 600"},
				    {"DOCKER_CPUS", "--max-cpus"},
				    {"DOCKER_MEMORY", "--max-memory"},
				    {"XDG_STATE_HOME", "where work folders are; default ~/.local/state"},
				    {0}},
    .run = cmd_worker,
};
