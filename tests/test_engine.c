/* What engines say of a container's end, and the very image that a task ran in. */
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "sandbox/engine.h"
#include "sandbox/watch.h"
#include "test.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STARTED "\"StartedAt\":\"2026-11-29T21:10:37.2Z\",\"Error\":\"\","

static const struct engine client = {.kind = ENGINE_DOCKER};

static struct engine_state state(const char *text)
{
	struct engine_state s;
	CHECK(!engine_parse_state(&client, text, strlen(text), &s), text);
	return s;
}

static void ends(void)
{
	struct engine_state s = state("{\"Status\":\"exited\"," STARTED "\"OOMKilled\":false,\"ExitCode\":7}");
	CHECK(s.ran && s.ended && s.exit_code == 7 && !s.oom, "exited");
	s = state("{\"Status\":\"exited\"," STARTED "\"OOMKilled\":true,\"ExitCode\":137}");
	CHECK(s.ended && s.oom && s.exit_code == 137, "killed for its memory");
	/* Docker's and podman's words for what has not ended; each comes with an exit code of 0. */
	static const char *const others[] = {"running", "paused",  "restarting", "removing",
					     "dead",	"stopped", "stopping",	 "unknown"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char *text = xasprintf("{\"Status\":\"%s\",\"Running\":true," STARTED "\"ExitCode\":0}", others[i]);
		s = state(text);
		CHECK(s.ran && !s.ended, others[i]);
		free(text);
	}
	s = state("{\"Status\":\"created\",\"StartedAt\":\"0001-01-01T00:00:00Z\",\"ExitCode\":0,\"Error\":\"no sh\"}");
	CHECK(!s.ran && !s.ended && !strcmp(s.error, "no sh"), "made, not started");
	s = state("{\"Status\":\"exited\"," STARTED "\"OOMKilled\":false}");
	CHECK(s.ran && !s.ended, "an end without an exit code is none");
	s = state("{}");
	CHECK(!s.ran && !s.ended, "nothing is said");
	CHECK(engine_parse_state(&client, "[]", 2, &s) && engine_parse_state(&client, "{\"Sta", 5, &s) &&
		  engine_parse_state(&client, "", 0, &s),
	      "what is no answer");
}

static void signals(void)
{
	struct engine g = {.kind = ENGINE_PODMAN};
	struct strs argv = {0};
	engine_kill_argv(&g, "dgrid-n1-t", "TERM", &argv);
	CHECK(argv.n == 4 && !strcmp(argv.v[0], "podman") && !strcmp(argv.v[1], "kill") &&
		  !strcmp(argv.v[2], "--signal=TERM") && !strcmp(argv.v[3], "dgrid-n1-t"),
	      "the container's main process");
	strs_clear(&argv);
	g.kind = ENGINE_BWRAP;
	engine_kill_argv(&g, "dgrid-n1-t", "TERM", &argv);
	CHECK(!argv.n, "bubblewrap has no containers");
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A docker that knows the images in $KNOWN, and pulls those in $PULLS. */
static const char docker[] =
    "#!/bin/sh\n"
    "for last; do :; done\n"
    "case $1 in\n"
    "image) case \" $KNOWN $(cat \"$0.pulled\" 2>/dev/null) \" in *\" $last \"*) echo \"$last x@y\" ;; "
    "*) echo \"Error: No such image: $last\" >&2; exit 1 ;; esac ;;\n"
    "pull) case \" $PULLS \" in *\" $last \"*) echo \"$last\" >\"$0.pulled\" ;; "
    "*) echo 'not found' >&2; exit 1 ;; esac ;;\n"
    "esac\n";

static void images(void)
{
	struct err e;
	struct engine g = {.kind = ENGINE_DOCKER};
	char ref[320], *dir = file_temp_dir(&e), *path = xasprintf("%s/docker", dir), *old = xstrdup(getenv("PATH")),
		       *paths = xasprintf("%s:%s", dir, old);
	CHECK(!file_write(path, docker, sizeof docker - 1, &e) && !chmod(path, 0755), "a docker");
	setenv("PATH", paths, 1);
	setenv("KNOWN", "reg/alpine@sha256:" HEX, 1);
	CHECK(!engine_image_exact(&g, "reg/alpine:3.20", "sha256:" HEX, ref, &e) &&
		  !strcmp(ref, "reg/alpine@sha256:" HEX),
	      "by its registry's digest");
	char digest[96];
	CHECK(!engine_image(&g, "reg/alpine:3.20@sha256:" HEX, digest, &e) && !strcmp(digest, "sha256:" HEX),
	      "a name with tag and digest goes by the digest");
	CHECK(engine_image(&g, "alpine:3.20@sha256:" HEX, digest, &e) &&
		  strstr(e.msg, "(try: docker pull alpine@sha256:" HEX ")"),
	      "which is not there");
	setenv("KNOWN", "sha256:" HEX, 1);
	CHECK(!engine_image_exact(&g, "alpine:3.20", HEX, ref, &e) && !strcmp(ref, "sha256:" HEX), "by its id here");
	setenv("KNOWN", "", 1);
	setenv("PULLS", "alpine@sha256:" HEX, 1);
	CHECK(!engine_image_exact(&g, "alpine", "sha256:" HEX, ref, &e) && !strcmp(ref, "alpine@sha256:" HEX),
	      "pulled by its digest");
	setenv("PULLS", "", 1);
	CHECK(engine_image_exact(&g, "other", "sha256:" HEX, ref, &e) && e.class == ERR_UNAVAILABLE &&
		  strstr(e.msg, "is not here and cannot be pulled"),
	      "not to be had");
	CHECK(engine_image_exact(&g, "--help", "sha256:" HEX, ref, &e) &&
		  engine_image_exact(&g, "a", "sha256:1", ref, &e),
	      "no image's name, no digest");
	g.kind = ENGINE_BWRAP;
	CHECK(engine_image_exact(&g, "alpine", HEX, ref, &e) && e.class == ERR_UNAVAILABLE, "bubblewrap runs none");
	CHECK(!engine_image(&g, "alpine", digest, &e) && !*digest, "and takes all that name one");
	CHECK(engine_image(&g, "alpine@sha256:" HEX, digest, &e) && e.class == ERR_UNAVAILABLE,
	      "but not by a digest, without root files");
	setenv("PATH", old, 1);
	file_remove_tree(dir, NULL);
	free(path);
	free(paths);
	free(old);
	free(dir);
}

#ifdef __linux__
static void note(void *ctx)
{
	*(bool *)ctx = true;
}

static void ended(void *ctx, const struct proc_result *res)
{
	(void)res;
	*(struct proc **)ctx = NULL;
}

/* The first process of a sandbox that is not made yet: its /tmp is still the machine's, with all that is in there. */
static void early(void)
{
	const char *argv[] = {"sleep", "60", NULL};
	struct proc *p = NULL;
	struct proc_spec spec = {.argv = argv, .on_end = ended, .ctx = &p};
	struct err e;
	p = proc_start(&spec, &e);
	CHECK(p, "sleep");
	if (!p)
		return;
	bool looked = false, over = false;
	struct watch *none = watch_start(proc_pid(p), 0, note, &looked),
		     *some = watch_start(proc_pid(p), 64, note, &over);
	for (int64_t until = clock_mono_ms() + 60000; !looked && clock_mono_ms() < until;)
		loop_step(100);
	CHECK(looked && !over, "what stands in the machine's /tmp is not the sandbox's");
	watch_stop(none);
	watch_stop(some);
	proc_end_now(&p);
}
#endif

/* ---- devices ---- */

static bool has(const struct strs *argv, const char *const *words)
{
	for (size_t i = 0; i < argv->n; i++) {
		size_t k = 0;
		while (words[k] && i + k < argv->n && !strcmp(argv->v[i + k], words[k]))
			k++;
		if (!words[k])
			return true;
	}
	return false;
}
#define HAS(argv, ...) has(argv, (const char *const[]){__VA_ARGS__, NULL})

/* Each engine is told in its own words; nothing of it without a device. */
static void devices(void)
{
	struct device given[] = {
	    {.resource = (char *)"gpu", .path = (char *)"/dev/nvidia1", .nvidia = (char *)"1"},
	    {.resource = (char *)"gpu", .path = (char *)"/dev/nvidia3", .nvidia = (char *)"3"},
	    {.resource = (char *)"fast-net", .path = (char *)"/dev/full", .also = (char *)"/dev/zero"}};
	const struct engine_run run = {.name = "x",
				       .node = "n",
				       .instance = "i",
				       .task = "t",
				       .nonce = "0",
				       .image = "a:1",
				       .script = "true",
				       .memory_mb = 64,
				       .pids = 9,
				       .tmp_mb = 1,
				       .cpus = 1,
				       .devices = given,
				       .n_devices = 3};
	struct strs argv = {0};
	for (int k = 0; k < ENGINES; k++) {
		const struct engine g = {.kind = (enum engine_kind)k};
		struct engine_run none = run;
		engine_start_argv(&g, &run, &argv);
		if (k == ENGINE_DOCKER)
			CHECK(HAS(&argv, "--gpus=\"device=1,3\"") && HAS(&argv, "--device=/dev/full"), "docker");
		if (k == ENGINE_PODMAN)
			CHECK(HAS(&argv, "--device=nvidia.com/gpu=1") && HAS(&argv, "--device=nvidia.com/gpu=3") &&
				  HAS(&argv, "--device=/dev/full") && HAS(&argv, "--device=/dev/zero"),
			      "podman");
		if (k == ENGINE_BWRAP)
			CHECK(HAS(&argv, "--dev", "/dev", "--dev-bind", "/dev/nvidia1", "/dev/nvidia1", "--dev-bind",
				  "/dev/nvidia3", "/dev/nvidia3", "--dev-bind", "/dev/full", "/dev/full", "--dev-bind",
				  "/dev/zero", "/dev/zero", "--dev-bind-try", "/dev/nvidiactl") &&
				  HAS(&argv, "--setenv", "CUDA_VISIBLE_DEVICES", "1,3"),
			      "bubblewrap");
		strs_clear(&argv);
		none.n_devices = 0;
		engine_start_argv(&g, &none, &argv);
		for (size_t i = 0; i < argv.n; i++)
			CHECK(!strstr(argv.v[i], "device") && !strstr(argv.v[i], "gpu") && !strstr(argv.v[i], "CUDA"),
			      argv.v[i]);
		strs_clear(&argv);
	}
	devices_env(given, 3, &argv);
	CHECK(argv.n == 2 && HAS(&argv, "DGRID_RESOURCE_GPU=1,3", "DGRID_RESOURCE_FAST_NET=/dev/full"),
	      "what a script sees");
	strs_clear(&argv);
}

static void make(const char *root, const char *file, const char *text)
{
	struct err e;
	char *path = xasprintf("%s/%s", root, file), *slash = strrchr(path, '/');
	*slash = 0;
	CHECK(!file_mkdirs(path, &e), path);
	*slash = '/';
	CHECK(!file_write(path, text, strlen(text), &e), path);
	free(path);
}

/* Which are found, and who has which. */
static void found(void)
{
	struct err e;
	struct devices d = {0};
	char *root = file_temp_dir(&e), *sys = xasprintf("%s/sys", root);
	static const char *const files[] = {
	    "nvidia10",	      "nvidia2",	"nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap1",
	    "dri/renderD128", "dri/renderD129", "dri/card0"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		make(root, files[i], "");
	make(sys, "class/drm/renderD128/device/vendor", "0x10de\n");
	make(sys, "class/drm/renderD129/device/vendor", "0x1002\n");
	devices_find(&d, root, sys);
	CHECK(d.n == 2 && !strcmp(d.v[0].nvidia, "2") && !strcmp(d.v[1].nvidia, "10"), "NVIDIA's, by number");
	devices_clear(&d);
	make(root, "kfd", "");
	devices_find(&d, root, sys);
	CHECK(d.n == 3 && !d.v[2].nvidia && strstr(d.v[2].path, "renderD129") && strstr(d.v[2].also, "/kfd"),
	      "and AMD's, not who else draws");
	int one, other;
	CHECK(devices_take(&d, "gpu", 2, &one) && !devices_take(&d, "gpu", 2, &other) && d.v[0].holder == &one &&
		  !d.v[2].holder,
	      "two of three, and no two of one");
	CHECK(devices_take(&d, "gpu", 1, &other) && d.v[2].holder == &other, "but one");
	devices_release(&d, &one);
	CHECK(!d.v[0].holder && d.v[2].holder == &other, "given back");
	devices_clear(&d);
	static const char *const wrong[] = {
	    "x",      "=/dev/null",   "a b=/dev/null", "x=/etc/passwd", "x=/dev/none-such", "x=/dev/../dev/null",
	    "x=/dev", "x=/dev/nu\"ll"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK(devices_add(&d, wrong[i], &e), wrong[i]);
	CHECK(!d.n && !devices_add(&d, "x=/dev/null", &e) && d.n == 1, "a device");
	devices_clear(&d);
	file_remove_tree(root, &e);
	free(root);
	free(sys);
}

int main(void)
{
#ifdef __linux__
	early();
#endif
	ends();
	signals();
	images();
	devices();
	found();
	return test_end("test_engine");
}
