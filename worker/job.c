#include "worker/job.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/sig.h"
#include "runner.h"
#include "sandbox/slurm.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GO_MS 120000	 /* for whoever handed it in to answer */
#define READER_MS 600000 /* for him to take what the script prints */
#define LOOK_MS 100	 /* between two looks at what he says */
#define PIECE_BYTES (512 << 10)
#define PIECE_MS 50	   /* after which what was printed is passed on, however little it is */
#define PIECES_MOST 16	   /* that nobody has taken yet */
#define BACKSTOP_MS 600000 /* after which the time limit, which others keep, is kept here */
#define SAID_BYTES 8192

struct job {
	const char *folder;
	struct slurm_spec spec;
	struct engine engine;
	struct device *devices;
	struct devices gpus;
	struct attempt *attempt;
	struct buf text[2];
	struct loop_timer *look, *pass;
	uint64_t written[2];
	bool asked;	  /* by its worker, to end */
	bool over, told;  /* over: the attempt is; told: nothing more can be said, or is to be */
	char broken[240]; /* why what it prints cannot be passed on; "": it can */
	struct slurm_end end;
};

static bool write_file(struct job *j, const char *name, const char *bytes, size_t len, struct err *e)
{
	char *path = slurm_file(j->folder, name);
	bool done = !file_write_scratch(path, bytes, len, e);
	free(path);
	return done;
}

static void tell_end(struct job *j)
{
	struct buf b = {0};
	struct err e;
	slurm_end_text(&j->end, &b);
	if (!j->told && !slurm_has(j->folder, "end"))
		write_file(j, "end", b.data, b.len, &e);
	j->told = true;
	buf_clear(&b);
}

static int tell_error(struct job *j, const char *why)
{
	snprintf(j->end.state.error, sizeof j->end.state.error, "%.*s", (int)strcspn(why, "\n"), why);
	tell_end(j);
	return 1;
}

/* ---- what it prints ---- */

static bool is_wanted(const struct job *j)
{
	return slurm_has(j->folder, "spec") && !slurm_has(j->folder, "kill");
}

/* Not more than a few pieces wait for their reader: so a script that floods waits as well. */
static bool has_room(struct job *j, bool of_stderr)
{
	if (j->written[of_stderr] < PIECES_MOST)
		return true;
	char *oldest = slurm_piece(j->folder, of_stderr, j->written[of_stderr] - PIECES_MOST);
	int64_t until = clock_mono_ms() + READER_MS;
	bool full;
	while ((full = !access(oldest, F_OK)) && is_wanted(j) && !sig_stops() && clock_mono_ms() < until) {
		usleep(10000);
		slurm_refresh(j->folder);
	}
	if (full)
		snprintf(j->broken, sizeof j->broken, "nobody took what the script printed");
	free(oldest);
	return !full;
}

static void pass_on(struct job *j, bool of_stderr)
{
	struct buf *b = &j->text[of_stderr];
	struct err e;
	if (b->len && !j->broken[0] && has_room(j, of_stderr)) {
		char *path = slurm_piece(j->folder, of_stderr, j->written[of_stderr]);
		if (file_write_scratch(path, b->data, b->len, &e))
			snprintf(j->broken, sizeof j->broken, "%.200s", e.msg);
		else
			j->written[of_stderr]++;
		free(path);
	}
	buf_reset(b);
}

static void pass_due(void *ctx)
{
	struct job *j = ctx;
	j->pass = NULL;
	pass_on(j, false);
	pass_on(j, true);
}

static void printed(void *ctx, bool of_stderr, const char *bytes, size_t len)
{
	struct job *j = ctx;
	buf_add(&j->text[of_stderr], bytes, len);
	if (j->text[of_stderr].len >= PIECE_BYTES)
		pass_on(j, of_stderr);
	else if (!j->pass)
		j->pass = loop_after(PIECE_MS, pass_due, j);
}

/* ---- its life ---- */

static void ended(void *ctx, struct attempt_result *r)
{
	struct job *j = ctx;
	struct engine_state *s = &j->end.state;
	bool by_slurm = sig_stops() && !j->asked;
	j->attempt = NULL;
	j->over = true;
	pass_on(j, false);
	pass_on(j, true);
	memcpy(j->end.pieces, j->written, sizeof j->end.pieces);
	s->ran = !r->unstarted;
	s->used = r->used;
	s->duration_ms = r->duration_ms;
	s->unenforced = r->unenforced;
	s->oom = r->status == ATT_OOM;
	s->over_cpu = r->end == END_CPU;
	s->exit_code = r->exit_code >= 0 ? r->exit_code : 128 + SIGKILL;
	if (r->status == ATT_ENGINE)
		snprintf(s->error, sizeof s->error, "%.*s", (int)strcspn(r->message, "\n"), r->message);
	else if (j->broken[0])
		snprintf(s->error, sizeof s->error, "%.*s", (int)strcspn(j->broken, "\n"), j->broken);
	else if (r->status == ATT_CANCELLED && by_slurm)
		snprintf(s->error, sizeof s->error,
			 "Slurm ended the job before its script ended (scancel, a requeue, a limit, or preemption)");
	else if (r->end == END_TIME)
		snprintf(s->error, sizeof s->error, "nobody ended it at its time limit");
	else
		s->ended = true;
}

static void look(void *ctx)
{
	struct job *j = ctx;
	slurm_refresh(j->folder);
	bool now = !is_wanted(j), term = slurm_has(j->folder, "term");
	j->look = NULL;
	if (!j->attempt)
		return;
	/* Slurm's own word counts as such only where its worker has not asked before. */
	j->asked = j->asked || (!sig_stops() && (now || term));
	if (now || sig_stops() || j->broken[0])
		attempt_end_now(j->attempt);
	else if (term)
		attempt_cancel(j->attempt);
	if (j->spec.run.turns && j->spec.run.cpu_seconds && j->attempt) {
		char cpu[40];
		struct err e;
		snprintf(cpu, sizeof cpu, "cpu %lld\n", (long long)attempt_cpu_ms(j->attempt));
		write_file(j, "cpu", cpu, strlen(cpu), &e);
	}
	if (j->attempt)
		j->look = loop_after(LOOK_MS, look, j);
}

/* The GPUs that Slurm gave this job, of those that this node has. */
static int take_gpus(struct job *j, struct err *e)
{
	const char *given = getenv("SLURM_JOB_GPUS");
	size_t n = 0;
	if (!given || !*given)
		return 0;
	devices_find(&j->gpus, "/dev", "/sys");
	j->devices = xcalloc(strlen(given) + 1, sizeof *j->devices);
	for (const char *p = given; *p; p += strcspn(p, ","), p += *p == ',') {
		long number = strtol(p, NULL, 10);
		size_t i = 0;
		while (i < j->gpus.n && !(j->gpus.v[i].nvidia && strtol(j->gpus.v[i].nvidia, NULL, 10) == number))
			i++;
		if (i == j->gpus.n && (size_t)number < j->gpus.n && !j->gpus.v[0].nvidia)
			i = (size_t)number; /* AMD's, in their order */
		if (i == j->gpus.n)
			return err_set(e, ERR_UNAVAILABLE, "Slurm gave the job GPU %ld, which its node does not have",
				       number);
		j->devices[n++] = j->gpus.v[i];
	}
	j->spec.run.devices = j->devices;
	j->spec.run.n_devices = n;
	devices_env(j->devices, n, &j->spec.env);
	j->spec.run.env = (const char *const *)j->spec.env.v;
	return 0;
}

/* Only while whoever handed it in is there: a job that begins days later is for nobody. */
static bool may_go(struct job *j)
{
	int64_t until = clock_mono_ms() + GO_MS, pause = 5;
	bool go = false;
	while (!go && is_wanted(j) && !sig_stops() && clock_mono_ms() < until) {
		proc_pause(pause);
		pause = pause * 2 < LOOK_MS ? pause * 2 : LOOK_MS;
		slurm_refresh(j->folder);
		go = slurm_has(j->folder, "go");
	}
	return go && is_wanted(j) && !slurm_has(j->folder, "term") && !sig_stops();
}

static struct attempt *start(struct job *j, struct err *e)
{
	struct engine_run run = j->spec.run;
	char instance[17];
	snprintf(instance, sizeof instance, "%.16s", run.nonce);
	run.instance = instance;
	run.cpu_seconds = run.turns ? 0 : run.cpu_seconds; /* of each turn, which its worker sees */
	const struct attempt_spec spec = {.engine = &j->engine,
					  .run = run,
					  .timeout_ms = run.seconds * 1000 + BACKSTOP_MS,
					  .grace_ms = run.grace_ms,
					  .output_limit = SAID_BYTES,
					  .ctx = j,
					  .on_output = printed,
					  .on_done = ended};
	return attempt_start(&spec, e);
}

static int run(struct job *j)
{
	struct err e;
	if (slurm_spec_read(j->folder, &j->spec, &e))
		return e.class == ERR_NOENT ? SLURM_UNSEEN : tell_error(j, e.msg);
	if (slurm_touch(j->folder, "ready"))
		return errno == EEXIST
			   ? tell_error(j, "Slurm started the job a second time (requeued), which did not run again")
			   : 1;
	if (engine_pick("bwrap", &j->engine, &e) || take_gpus(j, &e))
		return tell_error(j, e.msg);
	if (!may_go(j))
		return tell_error(j, sig_stops() ? "Slurm ended the job before its script began"
						 : "nobody told the job to go on");
	if (slurm_touch(j->folder, "began"))
		return tell_error(j, "the job cannot write to its folder");
	j->attempt = start(j, &e);
	if (!j->attempt)
		return tell_error(j, e.msg);
	j->look = loop_after(LOOK_MS, look, j);
	while (!j->over) {
		loop_step(LOOK_MS);
		if (sig_stops() && j->attempt) {
			loop_timer_stop(j->look);
			look(j);
		}
	}
	tell_end(j);
	return 0;
}

int job_asked(int argc, char **argv)
{
	struct job j = {.end.state.used = ACCOUNT_NONE};
	if (argc != 3 || strcmp(argv[1], SLURM_JOB_WORD) != 0)
		return -1;
	j.folder = argv[2];
	int code = run(&j);
	loop_timer_stop(j.look);
	loop_timer_stop(j.pass);
	buf_clear(&j.text[0]);
	buf_clear(&j.text[1]);
	slurm_spec_clear(&j.spec);
	devices_clear(&j.gpus);
	free(j.devices);
	return code;
}
