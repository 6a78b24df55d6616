#include "verbs.h"
#include "worker.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Settings are all looked at before anything is touched, and all that is wrong is told at once. */
struct settings {
	struct worker_options o;
	struct strs labels;
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

/* Docker's spelling: 512m, 1g, 524288k, or bytes. */
static int memory(struct settings *s, const char *name, const char *text)
{
	char *end;
	double n = strtod(text, &end);
	double unit = *end == 'g' || *end == 'G'   ? 1024
		      : *end == 'm' || *end == 'M' ? 1
		      : *end == 'k' || *end == 'K' ? 1.0 / 1024
						   : 1.0 / 1048576;
	size_t rest = strlen(end);
	bool ok = end != text && (rest == 0 || (rest == 1 && strchr("gGmMkKbB", *end)));
	if (!ok || !(n * unit >= 16 && n * unit <= 1048576)) {
		wrong(s, "%s: expected memory such as 512m or 1g, from 16m to 1024g, found '%s'", name, text);
		return 0;
	}
	return (int)(n * unit);
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
	if ((v = set("DOCKER_CPUS")))
		o->max_cpus = cpus(s, "DOCKER_CPUS", v);
	if ((v = set("DOCKER_MEMORY")))
		o->max_memory_mb = memory(s, "DOCKER_MEMORY", v);
}

static void from_flags(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
	    {"node-id", 1, 0, 'n'},   {"slots", 1, 0, 's'},    {"labels", 1, 0, 'l'},	  {"engine", 1, 0, 'e'},
	    {"once", 0, 0, 'o'},      {"work-dir", 1, 0, 'w'}, {"poll-ms", 1, 0, 'p'},	  {"drain-after", 1, 0, 'd'},
	    {"take-over", 0, 0, 't'}, {"max-cpus", 1, 0, 'c'}, {"max-memory", 1, 0, 'm'}, {0}};
	struct worker_options *o = &s->o;
	int opt;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'n':
			o->node_id = optarg;
			break;
		case 's':
			o->slots = (int)number(s, "--slots", optarg, 1, 256);
			break;
		case 'p':
			o->poll_ms = (int)number(s, "--poll-ms", optarg, 10, 3600000);
			break;
		case 'd':
			o->drain_after = (uint64_t)number(s, "--drain-after", optarg, 1, 1000000000);
			break;
		case 'l':
			add_labels(s, optarg);
			break;
		case 'e':
			o->engine = optarg;
			break;
		case 'o':
			o->once = true;
			break;
		case 't':
			o->take_over = true;
			break;
		case 'w':
			o->work_dir = optarg;
			break;
		case 'c':
			o->max_cpus = cpus(s, "--max-cpus", optarg);
			break;
		case 'm':
			o->max_memory_mb = memory(s, "--max-memory", optarg);
			break;
		default:
			wrong(s, "unknown option or missing value '%s' (see: dgrid worker --help)", argv[optind - 1]);
		}
	if (optind < argc)
		wrong(s, "worker takes no operand, found '%s'", argv[optind]);
}

static void check(struct settings *s, const struct context *ctx)
{
	static const char *const engines[] = {"auto", "docker", "podman", "bwrap"};
	struct worker_options *o = &s->o;
	struct err e;
	bool known = false;
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
		known = known || !strcmp(o->engine, engines[i]);
	if (!known)
		wrong(s, "--engine: expected auto, docker, podman or bwrap, found '%s'", o->engine);
	if (!task_id_valid(o->node_id))
		wrong(s, "--node-id (NODE_ID): expected 1-64 of A-Z a-z 0-9 _ -, found '%s'", o->node_id);
	if (need_repo(ctx, &e))
		wrong(s, "%s", e.msg);
	buf_adds(&s->wrong, ctx->complaints);
}

int cmd_worker(const struct context *ctx, int argc, char **argv, struct err *e)
{
	char host[65], *dir = NULL;
	const char *state = set("XDG_STATE_HOME"), *home = set("HOME");
	struct settings s = {.o = {.url = ctx->url,
				   .branch = ctx->branch,
				   .name = ctx->name,
				   .email = ctx->email,
				   .engine = "auto",
				   .slots = 1,
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
	if (state && *state == '/')
		dir = xasprintf("%s/dgrid/%s", state, s.o.node_id);
	else
		dir = xasprintf("%s/.local/state/dgrid/%s", home ? home : "/tmp", s.o.node_id);
	if (!s.o.work_dir)
		s.o.work_dir = dir;
	s.o.labels = s.labels.v;
	s.o.n_labels = s.labels.n;
	rc = worker_run(&s.o);
	if (rc)
		err_set(e, (enum err_class)rc, "%s", ""); /* already logged */
out:
	strs_clear(&s.labels);
	buf_clear(&s.wrong);
	free(dir);
	return rc ? -1 : 0;
}
