#include "audit/rerun.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sig.h"
#include "sandbox/machine.h"
#include "schema/consent.h"
#include "schema/input.h"
#include "schema/need.h"
#include "schema/points.h"
#include "schema/result.h"
#include "store/depot.h"
#include "verbs/follow.h"
#include "verbs/left.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include "worker/outputs.h"
#include "worker/series.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS 3000
#define WIDEST 1048576
#define OUT_WIDEST CONFIG_FILES_MB

struct again {
	const char *id, *want; /* want: the engine asked for, NULL: that of the result */
	bool json, any_image;  /* any_image: also one that the grid does not allow */
	struct json *doc;
	const struct json *recorded;
	struct task task;
	struct grid_config wide; /* the task borrows its image from it */
	struct strs env;
	struct engine engine;
	struct rootfs_list roots;
	struct engine_run run;
	char digest[96], ref[320], nonce[33];
	size_t output_limit;
	int64_t seconds;	     /* its deadline */
	bool narrower;		     /* than it says it ran with */
	struct json *now;	     /* the new result */
	struct attempt_result ended; /* until what it left is taken in */
	struct json *points;	     /* what became of each; NULL: it has none */
	const struct context *ctx;
	struct filestore files; /* this reader's, that inputs come through */
	struct engine_input inputs[INPUTS_GIVEN];
	size_t n_inputs;
	struct outputs outputs;
	struct tree_limits out;	  /* bytes 0: it has no /out */
	int64_t out_mb, large_mb; /* large_mb: what was larger went to a store; 0: nothing did */
	const char *store;	  /* that has files of its inputs; NULL: none */
	bool done, broken;	  /* broken: the engine's fault, why says how */
	char why[1100];
};

static void concluded(void *ctx, const struct harvest *h)
{
	struct again *a = ctx;
	struct attempt_result *r = &a->ended;
	struct json *out = h->tree[0] ? outputs_result(h) : NULL;
	struct result_facts f = {.node = "",
				 .nonce = a->nonce,
				 .image = a->task.image,
				 .image_digest = a->digest,
				 .script = a->task.script,
				 .engine = &a->engine,
				 .run = &a->run,
				 .output_limit = a->output_limit,
				 .points = a->points,
				 .out_mb = a->out_mb,
				 .attempt = 1,
				 .out = out,
				 .out_error = h->over ? NULL : h->error,
				 .reason = h->what,
				 .digest = consent_digest(a->doc)};
	a->done = true;
	a->broken = r->status == ATT_ENGINE || h->local;
	if (h->over && (r->status == ATT_SUCCESS || r->status == ATT_FAILED)) { /* as the worker has it */
		r->status = ATT_FAILED;
		r->end = END_OUT;
		r->exit_code = -1;
		r->signal = 0;
	}
	if (h->local)
		snprintf(a->why, sizeof a->why, "what it left %.390s", h->error);
	else if (a->broken)
		snprintf(a->why, sizeof a->why, "the engine failed: %.250s", r->message);
	else
		a->now = result_json(r, &f);
	buf_clear(&r->out);
	buf_clear(&r->err);
	json_free(out);
}

static void on_done(void *ctx, struct attempt_result *r, struct json *points)
{
	struct again *a = ctx;
	a->points = points ? json_copy(points) : NULL;
	struct harvest none = {.over = r->over};
	a->ended = *r; /* moves over */
	r->out = r->err = (struct buf){0};
	if (r->over)
		outputs_tell_over(r->over, &a->out, NULL, none.what, sizeof none.what);
	if (!a->out.bytes || r->over || r->status == ATT_ENGINE)
		concluded(a, &none);
	else
		outputs_collect(&a->outputs, a->nonce, a->ref, &a->out, a->large_mb, a, concluded);
}

/* The task as it was checked when it ran, but for ceilings and images, which may have been others then, and for
 * created_at, which once was any string. */
static int read_task(struct again *a, const struct grid_config *c)
{
	struct problems p = {.file = a->id};
	const char *image = json_str(a->recorded, "image"), *asked = json_str(a->doc, "image");
	config_defaults(&a->wide);
	free(a->wide.images[0]);
	/* bubblewrap's results name no image, and need none. */
	a->wide.images[0] = xstrdup(asked ? asked : image && *image && *image != '-' ? image : c->images[0]);
	if (json_str(a->doc, "network"))
		a->wide.networks[0] = xstrdup(json_str(a->doc, "network"));
	a->wide.min_timeout_seconds = 1;
	a->wide.max_timeout_seconds = 86400;
	a->wide.max_points_seconds = 86400 * (int64_t)POINTS_MAX;
	a->wide.max_out_mb = a->wide.max_in_mb = OUT_WIDEST;
	a->wide.max_in_files = WIDEST;
	a->wide.max_memory_mb = a->wide.tmp_mb = WIDEST;
	a->wide.max_pids = 4096;
	a->wide.max_cpus = 1024;
	struct json *doc = json_copy(a->doc);
	json_remove(doc, "created_at");
	char *text = task_text(doc);
	int rc = task_parse(&a->task, text, strlen(text), a->id, &a->wide, false, &p);
	if (rc)
		snprintf(a->why, sizeof a->why, "its file is no valid task: %.*s", (int)strcspn(p.text.data, "\n"),
			 p.text.data);
	json_free(doc);
	free(text);
	problems_clear(&p);
	return rc;
}

/* A result is its worker's word: it does not give a script more of this machine than the grid does. */
static double number(struct again *a, const struct json *j, double dflt, double least, double most)
{
	double d = j && j->type == JSON_NUMBER ? strtod(j->text, NULL) : -1;
	d = d >= least ? d : dflt; /* engines read 0 as: no limit */
	a->narrower = a->narrower || d > most;
	return d > most ? most : d;
}

/* What the run was given stands in its result; before it did, what the task asks for, or the grid gives today. */
static void set_limits(struct again *a, const struct grid_config *c)
{
	const struct json *l = json_get(a->recorded, "limits");
	double cpus = json_get(a->doc, "cpus") ? a->task.cpus : config_cpus(c),
	       memory = json_get(a->doc, "memory_mb") ? (double)a->task.memory_mb : (double)config_memory_mb(c),
	       pids = json_get(a->doc, "pids") ? (double)a->task.pids : (double)c->max_pids;
	struct machine m;
	machine_read(&m);
	a->run.cpus = number(a, json_get(l, "cpus"), cpus, 0.01, c->max_cpus < m.cpus ? c->max_cpus : m.cpus);
	a->run.memory_mb = (int)number(a, json_get(l, "memory_mb"), memory, 4, (double)c->max_memory_mb);
	a->run.pids = (int)number(a, json_get(l, "pids"), pids, 3, (double)c->max_pids);
	a->run.tmp_mb = (int)number(a, json_get(l, "tmp_mb"), (double)c->tmp_mb, 1, (double)c->tmp_mb);
	/* Before results told of it there was no /out. */
	a->out_mb = json_get(l, "out_mb") ? (int64_t)number(a, json_get(l, "out_mb"), 0, 0, (double)c->max_out_mb) : 0;
	a->out = (struct tree_limits){.entries = c->max_out_files, .bytes = a->out_mb << 20};
	/* Only its pointers are made: no file of this run is stored. */
	a->large_mb = json_int(json_get(json_get(a->recorded, "out"), "stored"), "over_mb", 0);
	a->large_mb = a->large_mb < 0 || a->large_mb > CONFIG_GIT_MB ? 0 : a->large_mb;
	a->output_limit =
	    (size_t)number(a, json_get(l, "output_limit_bytes"), (double)c->output_limit_bytes, 1, WIDEST);
	a->seconds = (int64_t)number(a, NULL, (double)a->task.timeout_seconds, 1, (double)c->max_timeout_seconds);
}

static bool allowed(const struct grid_config *c, const char *image)
{
	for (int i = 0; c->images[i]; i++)
		if (!strcmp(c->images[i], image))
			return true;
	return false;
}

/* The very root files that it ran in, which have to be given. */
static int find_root(struct again *a, const char *image, const char *digest, struct err *e)
{
	struct rootfs *r = rootfs_of(&a->roots, image);
	if (!r)
		return err_set(
		    e, ERR_UNAVAILABLE,
		    "it ran in a folder with the root files of '%.200s', %.80s (--rootfs %.200s=DIR names one)", image,
		    digest, image);
	if (rootfs_look(r, e))
		return -1;
	if (strcmp(r->digest, digest) != 0)
		return err_set(e, ERR_UNAVAILABLE,
			       "it ran in root files of '%.200s' that are %.80s, and '%.300s' is %s", image, digest,
			       r->dir, r->digest);
	a->engine.roots = &a->roots;
	snprintf(a->ref, sizeof a->ref, "%s", image);
	return 0;
}

/* The engine, and the very image where it ran in one. -1: a->why says what is missing. */
static int find_engine(struct again *a, const struct grid_config *c)
{
	static const char *const containers[] = {"docker", "podman"};
	const char *was = json_str(a->recorded, "engine"), *image = json_str(a->recorded, "image"),
		   *digest = json_str(a->recorded, "image_digest");
	if (was && !strcmp(was, "slurm")) /* a job's sandbox is bubblewrap's */
		was = "bwrap";
	bool bwrap = was && !strcmp(was, "bwrap"),
	     contained = was && (!strcmp(was, "docker") || !strcmp(was, "podman")),
	     rooted = bwrap && image && digest && *digest;
	struct err e;
	int rc = -1;
	if (!bwrap && !contained)
		snprintf(a->why, sizeof a->why, "its result does not say which engine ran it");
	else if (bwrap && a->want && strcmp(a->want, "bwrap") != 0)
		snprintf(a->why, sizeof a->why,
			 "it ran %s (bubblewrap): there is no image to run it in (--engine bwrap)",
			 rooted ? "in a folder of root files" : "on its node's own /usr");
	else if (contained && a->want && !strcmp(a->want, "bwrap"))
		snprintf(a->why, sizeof a->why,
			 "it ran in an image, and bubblewrap runs none (--engine docker or podman)");
	else if (contained && (!digest || !*digest || !image))
		snprintf(a->why, sizeof a->why,
			 "its result names no image digest, and a tag may mean another image now");
	else if ((contained || rooted) && !a->any_image && !allowed(c, image))
		snprintf(a->why, sizeof a->why,
			 "its image '%.200s' is not one of grid.json's images, and nothing else is pulled or run here "
			 "(--at shows the grid as it was then, --any-image runs it all the same)",
			 image);
	else {
		rc = engine_pick(a->want ? a->want : was, &a->engine, &e);
		for (int i = 0; i < 2 && rc && contained && !a->want; i++) /* the one will do for the other */
			rc = engine_pick(containers[i], &a->engine, &e);
		if (!rc && rooted)
			rc = find_root(a, image, digest, &e);
		else if (!rc && contained)
			rc = engine_image_exact(&a->engine, image, digest, a->ref, &e);
		if (rc)
			snprintf(a->why, sizeof a->why, "%s", e.msg);
		else if (contained || rooted)
			snprintf(a->digest, sizeof a->digest, "%s", digest);
	}
	for (char *p = a->why; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	return rc;
}

/* The entry of attempts that the result is of: a copy of its claim. */
static const struct json *last_claim(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts"), *last = NULL;
	for (const struct json *x = list && list->type == JSON_ARRAY ? list->child : NULL; x; x = x->next)
		last = json_str(x, "nonce") ? x : last;
	return last;
}

/* What it was given, to folders beside those for what it leaves. */
static int bring_inputs(struct again *a, struct err *e)
{
	struct bring_limits wide = {.mb = OUT_WIDEST, .files = WIDEST, .store = a->store};
	const struct json *claim = last_claim(a->doc);
	struct input in[INPUTS_GIVEN];
	size_t n = inputs_given(a->doc, json_get(claim, "inputs"), json_get(claim, "checkpoint"), in);
	for (size_t i = 0; i < n; i++)
		if (!in[i].tree)
			return err_set(e, ERR_NOENT, "input '%s': task %s left no files", in[i].name,
				       in[i].task ? in[i].task : "?");
	char *below = xasprintf("%s/in-%s", a->outputs.run, a->nonce);
	int rc = n ? left_store(a->ctx, strlen(in[0].tree) == 64, &a->files, e) : 0;
	if (!rc && n)
		rc = engine_make_in(&a->engine, below, e);
	free(below);
	for (size_t i = 0; i < n && !rc; i++) {
		char *dir = xasprintf("%s/in-%s/%zu", a->outputs.run, a->nonce, i);
		rc = in[i].ref ? bring_left(&a->files, in[i].tree, in[i].ref, e) : bring_in(&a->files, in[i].tree, e);
		wide.stored = in[i].stored;
		if (!rc)
			rc = bring_to(&a->files, in[i].tree, dir, &wide, e);
		if (!rc && !(a->inputs[i].path = bring_path(dir, in[i].path)))
			rc = err_set(e, ERR_DATA, "its tree has no '%.200s'", in[i].path);
		if (rc)
			err_wrap(e, "input '%s'", in[i].name);
		a->inputs[i].name = in[i].name;
		a->n_inputs += !rc;
		free(dir);
	}
	return rc;
}

/* A store and a folder for what it leaves, in a temporary one, and what it was given. *out: NULL where it leaves none.
 */
static int open_files(struct again *a, char **dir, char **out, struct err *e)
{
	const char *tree = json_str(json_get(a->recorded, "out"), "tree");
	if (!a->out.bytes && !json_get(a->doc, "inputs")) /* a checkpoint is of a task with /out */
		return 0;
	a->outputs.engine = &a->engine;
	*dir = file_temp_dir(e);
	if (!*dir ||
	    outputs_open(&a->outputs, *dir, "/nowhere", tree && strlen(tree) == 64, "dgrid", "dgrid@localhost", e))
		return -1;
	if (a->out.bytes && !(*out = outputs_begin(&a->outputs, a->nonce, e)))
		return -1;
	return bring_inputs(a, e);
}

static void close_files(struct again *a, char *out, char *dir)
{
	struct err e;
	for (size_t i = 0; i < a->n_inputs; i++)
		free((char *)a->inputs[i].path);
	char *given = a->outputs.run ? xasprintf("%s/in-%s", a->outputs.run, a->nonce) : NULL;
	if (given && file_remove_tree(given, &e))
		fprintf(stderr, "dgrid: %s\n", e.msg);
	free(given);
	left_close(&a->files);
	if (out)
		outputs_discard(&a->outputs, a->nonce);
	if (dir && file_remove_tree(dir, &e))
		fprintf(stderr, "dgrid: %s\n", e.msg);
	outputs_close(&a->outputs);
	free(out);
	free(dir);
}

/* Runs it. -1: e says why it did not end by itself (a signal to us), or a->broken. */
static int run(struct again *a, struct err *e)
{
	const struct json *vars = json_get(a->doc, "env");
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		strs_addf(&a->env, "%s=%s", v->name, v->text);
	need_add_after(&a->env, json_get(last_claim(a->doc), "after"));
	clock_nonce(a->nonce, 16);
	char *name = xasprintf("dgrid-rerun-%s-%s", a->id, a->nonce);
	a->run.name = name;
	a->run.node = "rerun";
	a->run.instance = a->run.nonce = a->nonce;
	a->run.task = a->id;
	a->run.image = a->ref;
	a->run.script = a->task.script;
	a->run.env = (const char *const *)a->env.v;
	char *out = NULL, *dir = NULL;
	bool ready = !open_files(a, &dir, &out, e);
	a->run.inputs = a->inputs;
	a->run.n_inputs = a->n_inputs;
	a->run.workdir = a->task.workdir;
	a->run.stdin_path = a->task.stdin_path;
	a->run.cpu_seconds = a->task.cpu_seconds;
	a->run.out_dir = out;
	a->run.out_mb = out ? a->out_mb : 0;
	struct attempt_spec spec = {.engine = &a->engine,
				    .run = a->run,
				    .out = a->out,
				    .timeout_ms = a->seconds * 1000,
				    .grace_ms = GRACE_MS,
				    .output_limit = a->output_limit};
	const struct series_spec whole = {.attempt = spec,
					  .task = a->doc,
					  .share = a->task.share_sandbox,
					  .digest = consent_digest(a->doc),
					  .point_output = a->output_limit,
					  .ctx = a,
					  .on_done = on_done};
	if (json_get(a->recorded, "network"))
		fprintf(stderr, "dgrid: it had the network %.64s then, and has none here\n",
			json_str(a->recorded, "network") ? json_str(a->recorded, "network") : "?");
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "running it again with %s (at most %lld s)\n", engine_name(a->engine.kind),
			(long long)a->seconds);
	struct series *series = ready ? series_start(&whole, e) : NULL;
	bool told = false;
	if (!series) {
		a->broken = true;
		snprintf(a->why, sizeof a->why, "%.500s", e->msg);
	}
	while (series && !a->done) {
		if (sig_stops() && !told) {
			told = true;
			series_cancel(series); /* and wait until nothing of it is left */
		}
		loop_step(1000);
	}
	close_files(a, out, dir);
	free(name);
	a->run.name = NULL;
	a->run.out_dir = NULL;
	return told	   ? err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted; nothing of it runs on")
	       : a->broken ? -1
			   : 0;
}

/* ---- telling ---- */

/* What else may be behind a difference. */
static const char *note_of(const struct again *a)
{
	const char *status = rerun_status(a->recorded);
	if (json_get(a->recorded, "network"))
		return "it had a network then, and none here";
	if (a->narrower)
		return "it ran with limits beyond those of grid.json, and got those here (--at shows the grid as it "
		       "was then)";
	if (status && !strcmp(status, "timeout"))
		return "it ran into its deadline: what it had printed until then depends on how fast the machine is";
	if (a->now && !engine_images(a->engine.kind) && !a->digest[0])
		return "bubblewrap shows a script the machine's own /usr: other versions of its tools may print "
		       "something "
		       "else";
	return NULL;
}

static void put_value(const struct json *j)
{
	struct buf b = {0};
	if (!j || j->type == JSON_NULL)
		buf_adds(&b, "nothing");
	else
		json_write(&b, j, 0);
	put_clean(b.data, 400);
	buf_clear(&b);
}

static void tell_text(const struct again *a, enum rerun_verdict v, const struct json *differences, const char *where)
{
	const char *node = json_str(a->recorded, "node"), *at = json_str(a->recorded, "finished_at"),
		   *engine = json_str(a->recorded, "engine"), *image = json_str(a->recorded, "image");
	printf("%s  ", a->id);
	put_clean(where, 200);
	putchar('\n');
	if (json_get(a->recorded, "started_at")) { /* it ran at all */
		char *ran = xasprintf("ran   %s, on %s, %s %s%s%.19s", at ? at : "?", node && *node ? node : "?",
				      engine ? engine : "?", image ? image : "?", a->digest[0] ? " " : "", a->digest);
		put_clean(ran, 400);
		putchar('\n');
		free(ran);
	}
	const char *from = json_str(json_get(last_claim(a->doc), "checkpoint"), "tree");
	if (from)
		printf("from  checkpoint %.12s, as then\n", from);
	if (a->now)
		printf("again %s %s, %.1f s\n", engine_name(a->engine.kind), a->engine.version,
		       (double)json_int(a->now, "duration_ms", 0) / 1000);
	for (const struct json *d = differences->child; d; d = d->next) {
		printf("%s", json_str(d, "what"));
		if (json_get(d, "line"))
			printf(" line %lld", (long long)json_int(d, "line", 0));
		else if (!strncmp(json_str(d, "what"), "std", 3)) {
			printf(": differs in what was not kept\n");
			continue;
		}
		printf(": ");
		put_value(json_get(d, "recorded"));
		printf(" then, ");
		put_value(json_get(d, "rerun"));
		puts(" now");
	}
	const char *note = v == RERUN_DIFFERS ? note_of(a) : NULL;
	if (note)
		printf("(%s)\n", note);
	printf("%s%s", rerun_verdict_name(v), v == RERUN_CANNOT ? ": " : "\n");
	if (v == RERUN_CANNOT) {
		put_clean(a->why, sizeof a->why);
		putchar('\n');
	}
}

static void tell_json(const struct again *a, enum rerun_verdict v, struct json *differences, const char *where)
{
	struct json *all = json_new(JSON_OBJECT);
	json_set(all, "schema", json_new_int(1));
	json_set(all, "task_id", json_new_str(a->id));
	json_set(all, "file", json_new_str(where));
	json_set(all, "verdict", json_new_str(rerun_verdict_name(v)));
	if (v == RERUN_CANNOT)
		json_set(all, "why", json_new_str(a->why));
	if (note_of(a))
		json_set(all, "note", json_new_str(note_of(a)));
	json_set(all, "differences", json_copy(differences));
	if (a->recorded)
		json_set(all, "recorded", json_copy(a->recorded));
	if (a->now)
		json_set(all, "rerun", json_copy(a->now));
	put_json(all);
	json_free(all);
}

/* 0 and *v, or -1: interrupted. */
static int judge(struct again *a, const char *state, const struct grid_config *c, struct json *differences,
		 enum rerun_verdict *v, struct err *e)
{
	char why[256];
	char *no = rerun_refusal(a->doc, state);
	*v = RERUN_CANNOT;
	if (!no && json_get(a->doc, "secrets"))
		no = xstrdup("it was given secrets, which only nodes have whose owners give them");
	if (no)
		snprintf(a->why, sizeof a->why, "%s", no);
	else if (rerun_script_changed(a->doc)) {
		struct json *d = json_new(JSON_OBJECT);
		json_set(d, "what", json_new_str("script"));
		json_set(d, "recorded", json_copy(json_get(a->recorded, "script_sha256")));
		json_set(d, "rerun",
			 json_new_str("the script in the file has another hash: it is not the one that ran"));
		json_append(differences, d);
		*v = RERUN_DIFFERS;
	} else if (!read_task(a, c) && !find_engine(a, c)) {
		set_limits(a, c);
		int rc = run(a, e);
		if (rc && !a->broken) {
			free(no);
			return -1;
		}
		if (!a->broken)
			*v = rerun_compare(a->recorded, a->now, differences, why);
		if (!a->broken && *v == RERUN_CANNOT)
			snprintf(a->why, sizeof a->why, "%s", why);
	}
	free(no);
	return 0;
}

static int cmd_rerun(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const char *const engines[] = {"docker", "podman", "bwrap"};
	struct usage_scan s = {.verb = &verb_rerun, .argc = argc, .argv = argv};
	struct again a = {.ctx = ctx};
	struct snapshot grid = {0};
	struct json *differences = json_new(JSON_ARRAY);
	enum rerun_verdict v = RERUN_CANNOT;
	const char *at = NULL, *state;
	char where[256];
	bool known = false;
	int key, rc = 0;
	while ((key = usage_next(&s, e)) > 0)
		if (key == 't')
			at = s.value;
		else if (key == 'e')
			a.want = s.value;
		else if (key == 'i')
			a.any_image = true;
		else if (key == 'G')
			a.store = s.value;
		else if (key == 'R') {
			if (rootfs_add(&a.roots, s.value, e)) {
				key = -1;
				break;
			}
		} else
			a.json = true;
	for (size_t i = 0; i < sizeof engines / sizeof *engines && a.want; i++)
		known = known || !strcmp(a.want, engines[i]);
	a.store = depot_command(a.store);
	if (key < 0)
		rc = -1;
	else if (a.want && !known)
		rc = err_set(e, ERR_USAGE, "--engine: expected docker, podman or bwrap, found '%.80s'", a.want);
	else if (s.rest == argc)
		rc = err_set(e, ERR_USAGE, "rerun needs a task id");
	else
		rc = usage_operands(&s, 1, e);
	if (!rc) {
		a.id = argv[s.rest];
		rc = follow_find(ctx, &grid, at, a.id, &a.doc, &state, where, e);
	}
	if (!rc) {
		a.recorded = json_get(a.doc, "result");
		if (!grid.config.branch)
			config_defaults(&grid.config);
		rc = judge(&a, state, &grid.config, differences, &v, e);
	}
	if (!rc) {
		if (a.json)
			tell_json(&a, v, differences, where);
		else
			tell_text(&a, v, differences, where);
		rc = v == RERUN_SAME	  ? 0
		     : v == RERUN_DIFFERS ? err_set(e, ERR_NO, "%s", "")
					  : err_set(e, ERR_UNAVAILABLE, "%s", ""); /* told on stdout */
	}
	json_free(differences);
	json_free(a.now);
	json_free(a.points);
	task_clear(&a.task);
	rootfs_clear(&a.roots);
	config_clear(&a.wide);
	strs_clear(&a.env);
	json_free(a.doc);
	snapshot_close(&grid);
	return rc;
}

const struct verb verb_rerun = {
    .name = "rerun",
    .args =
	"[--json] [--at REV|DATE] [--engine docker|podman|bwrap] [--any-image] [--rootfs IMAGE=DIR] [--store CMD] ID",
    .summary = "run a finished task again, here, and compare with what is recorded",
    .about = "Runs the same script with the same environment and limits, in the image that the result names by digest "
	     "(never by tag) and that grid.json allows, in a sandbox on this machine without network, and compares "
	     "status, exit code and output hashes. Archived tasks work too. A task with secrets is not run. Nothing is "
	     "written to the grid.\n\nA task that ran under bubblewrap saw its node's /usr; here it runs with this "
	     "machine's /usr, so a difference may come from other versions of the tools. If it ran in an image's root "
	     "files (worker --rootfs), name a folder that has them.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    USAGE_AT,
	    {'e', "--engine", "NAME", "docker podman bwrap", "the engine to run it with; default: the one that ran it"},
	    {'i', "--any-image", NULL, NULL, "also run an image that grid.json does not list"},
	    {'G', "--store", "CMD", NULL,
	     "the command that has the files of its inputs to which Git has only pointers; default: $DGRID_STORE"},
	    {'R', "--rootfs", "IMAGE=DIR", NULL,
	     "a folder with the root files it ran in under bubblewrap; their digest must be the recorded one"},
	    {0}},
    .operands = "@tasks:completed,failed",
    .examples = (const struct usage_note[]){{"dgrid rerun hello", ""},
					    {"dgrid rerun --json hello | jq .differences", "what differs"},
					    {"dgrid rerun --at main~20 hello", "as it was recorded then"},
					    {0}},
    .exits =
	(const struct usage_note[]){
	    {"0", "reproducible: the same result again"},
	    {"1", "different; what differs is printed"},
	    {"66", "no such task"},
	    {"69", "cannot run it: it never ran, there is no engine, or its image is not available"},
	    {"130, 143", "interrupted; the container is gone"},
	    {0}},
    .environment = (const struct usage_note[]){{"DGRID_STORE", "--store"}, {0}},
    .run = cmd_rerun,
};
