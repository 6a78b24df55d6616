#include "sandbox/slurm.h"
#include "base/file.h"
#include "base/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_MB 64 /* of a job's memory: for what is not the script */
#define SPARE_MINUTES 3
#define REMOVE_TIMEOUT_MS 30000

/* ---- what a cluster has ---- */

/* sinfo's columns. A node stands there once for each of its partitions. */
enum { PARTITION, NODE, STATE, CPUS, MEMORY, GRES, BUSY, FEATURES, COLUMNS };
#define FORMAT "%P|%N|%T|%c|%m|%G|%C|%f"

/* The value of an option among options, of which the last counts; NULL: it is not there. The caller's. */
static char *option_of(const char *options, const char *name)
{
	size_t n = strlen(name);
	char *value = NULL;
	for (const char *p = options; *p;) {
		size_t len = strcspn(p, " ");
		if (len > n && !strncmp(p, name, n) && p[n] == '=') {
			free(value);
			value = xstrndup(p + n + 1, len - n - 1);
		}
		p += len + strspn(p + len, " ");
	}
	return value;
}

static bool in_list(const char *list, const char *name, size_t n)
{
	for (const char *p = list; *p; p += strcspn(p, ",\n"), p += *p != 0)
		if (strcspn(p, ",\n") == n && !strncmp(p, name, n))
			return true;
	return false;
}

/* "big", "big&x86" or "big|x86": of what else a constraint may say, Slurm alone knows what it means. */
static bool is_plain(const char *constraint)
{
	for (const char *p = constraint; *p; p++)
		if (strchr("()[]{}*!,", *p))
			return false;
	return !strchr(constraint, '&') || !strchr(constraint, '|');
}

static bool has_features(const char *features, const char *constraint)
{
	bool any = strchr(constraint, '|') != NULL, has = !any;
	for (const char *p = constraint; *p; p += *p != 0) {
		size_t n = strcspn(p, "&|");
		bool this = in_list(features, p, n);
		has = any ? has || this : has && this;
		p += n;
	}
	return has;
}

const char *slurm_unheeded(const char *options)
{
	char *reservation = option_of(options, "--reservation"), *constraint = option_of(options, "--constraint");
	const char *word = constraint && !is_plain(constraint) ? "--constraint" : reservation ? "--reservation" : "";
	free(reservation);
	free(constraint);
	return word;
}

/* Flags follow the word: '~' and '#' stand for a node that is switched on at need; others for one that will not run
 * anything now. */
static bool is_usable(const char *state)
{
	static const char *const words[] = {"idle", "mixed", "allocated", "completing", "planned"};
	size_t n = strspn(state, "abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == n && !strncmp(state, words[i], n))
			return strspn(state + n, "~#-") == strlen(state + n);
	return false;
}

/* "gpu:tesla:2(S:0-1),license:4": what is in parentheses is about sockets. */
static void add_gres(struct slurm_room *r, const char *text)
{
	while (*text && *text != '(') {
		char name[65];
		size_t len = 0, all = 0;
		while (text[len] && !strchr(",(", text[len]))
			len++;
		for (bool inside = false; text[all] && (inside || text[all] != ','); all++)
			inside = text[all] == '(' || (inside && text[all] != ')');
		snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ":,("), text);
		size_t last = len;
		while (last && text[last - 1] != ':')
			last--;
		int64_t n = last ? strtoll(text + last, NULL, 10) : 1;
		size_t i = 0;
		while (i < r->n_gres && strcmp(r->gres[i].name, name) != 0)
			i++;
		if (i == r->n_gres) {
			r->gres = xrealloc(r->gres, ++r->n_gres * sizeof *r->gres);
			r->gres[i] = (struct slurm_gres){.name = xstrdup(name)};
		}
		r->gres[i].n += n;
		text += all + (text[all] == ',');
	}
}

static void add_node(struct slurm_room *r, char *const column[COLUMNS])
{
	int64_t cpus = strtoll(column[CPUS], NULL, 10), mb = strtoll(column[MEMORY], NULL, 10);
	const char *idle = strchr(column[BUSY], '/'); /* allocated/idle/other/total */
	mb = mb > 1 ? mb : 0;			      /* 1: nobody has told Slurm */
	r->nodes++;
	r->cpus += cpus;
	r->memory_mb += mb;
	r->idle += idle ? strtoll(idle + 1, NULL, 10) : 0;
	r->node_cpus = cpus > r->node_cpus ? cpus : r->node_cpus;
	r->node_mb = mb > r->node_mb ? mb : r->node_mb;
	add_gres(r, column[GRES]);
}

/* What of the partition is left, and of that what can be used. */
struct filter {
	char *partition, *constraint; /* NULL: the default one; none */
	const char *listed, *excluded;
	struct strs seen;
	bool any, left; /* a node of the partition; and one that the others let jobs use */
};

static void judge_line(struct filter *f, char *column[COLUMNS], struct slurm_room *r)
{
	char *star = strchr(column[PARTITION], '*');
	const char *node = column[NODE];
	if (star)
		*star = 0;
	if (f->partition ? !in_list(f->partition, column[PARTITION], strlen(column[PARTITION])) : !star)
		return;
	f->any = true;
	if ((f->listed && !in_list(f->listed, node, strlen(node))) ||
	    (f->excluded && in_list(f->excluded, node, strlen(node))) ||
	    (f->constraint && !has_features(column[FEATURES], f->constraint)))
		return;
	f->left = true;
	if (!strs_has(&f->seen, node) && is_usable(column[STATE]))
		add_node(r, column);
	strs_add(&f->seen, node);
}

int slurm_room_read(const char *sinfo, const char *options, const char *listed, const char *excluded,
		    struct slurm_room *r, struct err *e)
{
	struct filter f = {.partition = option_of(options, "--partition"),
			   .constraint = option_of(options, "--constraint"),
			   .listed = listed,
			   .excluded = excluded};
	if (f.constraint && !is_plain(f.constraint)) {
		free(f.constraint);
		f.constraint = NULL;
	}
	*r = (struct slurm_room){0};
	for (const char *p = sinfo; *p;) {
		size_t len = strcspn(p, "\n"), n = 0;
		char *line = xstrndup(p, len), *column[COLUMNS] = {NULL}, *rest = line;
		p += len + (p[len] == '\n');
		while (rest && n < COLUMNS) {
			column[n++] = rest;
			rest = strchr(rest, '|');
			if (rest)
				*rest++ = 0;
		}
		if (n == COLUMNS)
			judge_line(&f, column, r);
		free(line);
	}
	if (!f.any && f.partition)
		err_set(e, ERR_USAGE, "Slurm has no partition '%s' (try: sinfo)", f.partition);
	else if (!f.any)
		err_set(e, ERR_USAGE, "Slurm has no default partition (try: --slurm-options --partition=NAME)");
	else if (!f.left)
		err_set(e, ERR_USAGE,
			"--nodelist, --exclude and --constraint leave no node of the partition (try: sinfo --Node "
			"--Format=nodelist,features)");
	strs_clear(&f.seen);
	free(f.partition);
	free(f.constraint);
	return f.left ? 0 : -1;
}

/* The nodes of such an option, a line each; *names NULL: it is not there. The caller's. */
static int nodes_of(const char *options, const char *option, char **names, struct err *e)
{
	char *list = option_of(options, option);
	const char *argv[] = {"scontrol", "show", "hostnames", list, NULL};
	struct buf out = {0};
	int rc = !list ? 0 : engine_ask_all(argv, ENGINE_PROBE_MS, &out, e);
	*names = list && !rc ? xstrdup(out.data ? out.data : "") : NULL;
	buf_clear(&out);
	free(list);
	return rc;
}

int slurm_room(const char *options, struct slurm_room *r, struct err *e)
{
	const char *argv[] = {"sinfo", "--noheader", "--Node", "--format", FORMAT, NULL};
	struct buf out = {0};
	char *listed = NULL, *excluded = NULL;
	*r = (struct slurm_room){0};
	int rc = nodes_of(options, "--nodelist", &listed, e) || nodes_of(options, "--exclude", &excluded, e) ||
			 engine_ask_all(argv, ENGINE_PROBE_MS, &out, e)
		     ? -1
		     : slurm_room_read(out.data ? out.data : "", options, listed, excluded, r, e);
	free(listed);
	free(excluded);
	buf_clear(&out);
	return rc;
}

void slurm_room_clear(struct slurm_room *r)
{
	for (size_t i = 0; i < r->n_gres; i++)
		free(r->gres[i].name);
	free(r->gres);
	*r = (struct slurm_room){0};
}

int slurm_options(const char *text, struct err *e)
{
	static const char *const known[] = {"--account",  "--constraint", "--exclude", "--licenses",	"--nice",
					    "--nodelist", "--partition",  "--qos",     "--reservation", "--wckey"};
	for (const char *p = text + strspn(text, " "); *p;) {
		size_t len = strcspn(p, " "), name = strcspn(p, "= ");
		bool fine = false;
		for (size_t i = 0; i < sizeof known / sizeof *known && !fine; i++)
			fine =
			    strlen(known[i]) == name && !strncmp(p, known[i], name) && p[name] == '=' && len > name + 1;
		if (!fine)
			return err_set(e, ERR_USAGE,
				       "--slurm-options: expected words like --partition=NAME, of --account, "
				       "--constraint, --exclude, --licenses, --nice, --nodelist, --partition, --qos, "
				       "--reservation and --wckey, found '%.*s'",
				       len > 80 ? 80 : (int)len, p);
		p += len + strspn(p + len, " ");
	}
	return 0;
}

/* ---- the row ---- */

static char *folder_of(const struct engine *g, const char *name)
{
	return xasprintf("%s/%s", g->cluster ? g->cluster->folder : "", name);
}

static int64_t whole(double n)
{
	int64_t below = (int64_t)n;
	return below + ((double)below < n);
}

static void sbatch_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	const struct cluster *c = g->cluster;
	strs_add(argv, "sbatch");
	for (const char *p = c ? c->options + strspn(c->options, " ") : ""; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		strs_addf(argv, "%.*s", (int)len, p);
		p += len;
	}
	/* A script may have done something: Slurm is not to run it again. */
	ENGINE_ADD(argv, "--parsable", "--no-requeue", "--export=NIL", "--output=/dev/null", "--chdir=/", "--nodes=1",
		   "--ntasks=1");
	strs_addf(argv, "--job-name=%s", r->name);
	strs_addf(argv, "--cpus-per-task=%lld", (long long)whole(r->cpus));
	strs_addf(argv, "--time=%lld", (long long)((r->seconds + r->grace_ms / 1000) / 60 + SPARE_MINUTES));
	int64_t most = c ? c->node_mb : 0, mb = r->memory_mb + SPARE_MB;
	if (most)
		strs_addf(argv, "--mem=%lldM", (long long)(mb > most && r->memory_mb <= most ? most : mb));
	if (r->gres)
		strs_addf(argv, "--gres=%s", r->gres);
}

static void start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	char *folder = folder_of(g, r->name);
	ENGINE_ADD(argv, proc_again(), SLURM_RUN_WORD, folder, proc_self());
	sbatch_argv(g, r, argv);
	strs_add(argv, "--");
	slurm_words(r, argv);
	free(folder);
}

static void word_argv(const struct engine *g, const char *word, const char *name, const char *signal, struct strs *argv)
{
	char *folder = folder_of(g, name);
	ENGINE_ADD(argv, proc_again(), word, folder, signal);
	free(folder);
}

static void kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv)
{
	word_argv(g, SLURM_SIGNAL_WORD, name, signal, argv);
}

static void remove_argv(const struct engine *g, const char *name, struct strs *argv)
{
	word_argv(g, SLURM_REMOVE_WORD, name, NULL, argv);
}

static void state_argv(const struct engine *g, const char *name, struct strs *argv)
{
	word_argv(g, SLURM_STATE_WORD, name, NULL, argv);
}

static int parse_state(const char *text, size_t len, struct engine_state *out)
{
	struct slurm_end end;
	int rc = slurm_end_read(text, len, &end);
	*out = end.state;
	return rc;
}

static void take_name(void *ctx, const char *name)
{
	strs_add(ctx, name);
}

/* Nobody else has the work folder, so all that stands there is an earlier process'. */
static int remove_leftovers(const struct engine *g, const char *instance, struct err *e)
{
	struct strs names = {0};
	int n = 0, rc = g->cluster ? file_names(g->cluster->folder, take_name, &names, e) : 0;
	(void)instance;
	for (size_t i = 0; i < names.n && !rc; i++) {
		struct strs argv = {0};
		struct buf out = {0};
		remove_argv(g, names.v[i], &argv);
		rc = engine_ask_all((const char *const *)argv.v, REMOVE_TIMEOUT_MS, &out, e);
		n += !rc;
		buf_clear(&out);
		strs_clear(&argv);
	}
	strs_clear(&names);
	return rc ? -1 : n;
}

static int image_here(const struct engine *g, const char *image, char digest[96], struct err *e)
{
	(void)g;
	(void)digest;
	return strstr(image, "@sha256:")
		   ? err_set(e, ERR_UNAVAILABLE, "image '%s' is named by its digest, and the cluster's jobs run none",
			     image)
		   : 0;
}

/* Does Slurm hold jobs to their memory and processors? */
static bool holds_limits(void)
{
	const char *argv[] = {"scontrol", "show", "config", NULL};
	struct buf out = {0};
	struct err e;
	bool plugin = false, memory = false, cores = false;
	if (!engine_ask_all(argv, ENGINE_PROBE_MS, &out, &e) && out.len)
		for (const char *p = out.data; *p; p += strcspn(p, "\n"), p += *p == '\n') {
			char key[64], value[128];
			if (sscanf(p, "%63[A-Za-z] = %127[^\n]", key, value) != 2)
				continue;
			plugin = plugin || (!strcmp(key, "TaskPlugin") && strstr(value, "cgroup"));
			memory = memory || (!strcmp(key, "ConstrainRAMSpace") && !strncmp(value, "yes", 3));
			cores = cores || (!strcmp(key, "ConstrainCores") && !strncmp(value, "yes", 3));
		}
	buf_clear(&out);
	return plugin && memory && cores;
}

static int probe(struct engine *out, struct err *e)
{
	char line[128];
	const char *version[] = {"sbatch", "--version", NULL},
		   *answers[] = {"sinfo", "--noheader", "--format=%P", NULL};
	if (engine_ask(version, ENGINE_PROBE_MS, line, sizeof line, e))
		return -1;
	snprintf(out->version, sizeof out->version, "%.63s", strchr(line, ' ') ? strchr(line, ' ') + 1 : line);
	if (engine_ask(answers, ENGINE_PROBE_MS, line, sizeof line, e))
		return -1;
	out->limits = holds_limits();
	return 0;
}

const struct engine_row engine_slurm = {
    .name = "slurm",
    .client = true,
    .cluster = true,
    .get_it = "install Slurm's commands, and let them reach the cluster (sinfo)",
    .enforce_it = "let Slurm constrain jobs: TaskPlugin=task/cgroup, and ConstrainRAMSpace=yes and ConstrainCores=yes "
		  "in cgroup.conf",
    .probe = probe,
    .image = image_here,
    .start_argv = start_argv,
    .kill_argv = kill_argv,
    .remove_argv = remove_argv,
    .state_argv = state_argv,
    .parse_state = parse_state,
    .remove_leftovers = remove_leftovers,
};
