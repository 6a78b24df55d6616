#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "sandbox/slurm.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TROUBLE 125 /* exit code of what is started, for troubles of its own */
#define SUBMIT_MS 60000
#define SLURM_MS 15000 /* for an answer */
#define REMOVE_MS 12000
#define POLL_MIN_MS 10
#define POLL_MAX_MS 250
#define ASK_MIN_MS 1000 /* between two questions to Slurm, which has other users */
#define ASK_MAX_MS 30000
#define SETTLE_MS 3000	/* a file may be seen later than the end of the job that wrote it */
#define PIECES_MS 60000 /* the same of pieces of output that the end names */
#define PIECE_MAX (4 << 20)
#define END_LINES 4
#define UNKNOWN_JOB "nothing that Slurm still knows"

/* ---- its folder ---- */

char *slurm_file(const char *folder, const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

char *slurm_piece(const char *folder, bool of_stderr, uint64_t n)
{
	return xasprintf("%s/%c.%llu", folder, of_stderr ? 'e' : 'o', (unsigned long long)n);
}

bool slurm_has(const char *folder, const char *name)
{
	char *path = slurm_file(folder, name);
	bool has = !access(path, F_OK);
	free(path);
	return has;
}

int slurm_touch(const char *folder, const char *name)
{
	char *path = slurm_file(folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), why = errno;
	free(path);
	if (fd < 0) {
		errno = why;
		return -1;
	}
	close(fd);
	return 0;
}

static void nothing(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
}

void slurm_refresh(const char *folder)
{
	struct err e;
	file_names(folder, nothing, NULL, &e);
}

static int read_of(const char *folder, const char *name, size_t max, struct buf *out)
{
	struct err e;
	char *path = slurm_file(folder, name);
	int rc = file_read(path, max, out, &e);
	free(path);
	return rc;
}

static int write_of(const char *folder, const char *name, const char *bytes, size_t len, struct err *e)
{
	char *path = slurm_file(folder, name);
	int rc = file_write_scratch(path, bytes, len, e);
	free(path);
	return rc;
}

/* ---- what is to be run ---- */

void slurm_words(const struct engine_run *r, struct strs *w)
{
	strs_addf(w, "limits=%g %d %d %d %d %lld %lld %lld %lld", r->cpus, r->memory_mb, r->pids, r->tmp_mb,
		  r->out_lost_mb, (long long)r->out_mb, (long long)r->cpu_seconds, (long long)r->seconds,
		  (long long)r->grace_ms);
	strs_addf(w, "nonce=%s", r->nonce);
	strs_addf(w, "task=%s", r->task);
	strs_addf(w, "script=%s", r->script);
	if (r->out_dir)
		strs_addf(w, "out=%s", r->out_dir);
	if (r->workdir)
		strs_addf(w, "workdir=%s", r->workdir);
	if (r->stdin_path)
		strs_addf(w, "stdin=%s", r->stdin_path);
	for (const char *const *v = r->env; v && *v; v++)
		strs_addf(w, "env=%s", *v);
	for (size_t i = 0; i < r->n_inputs; i++)
		strs_addf(w, "in=%s=%s", r->inputs[i].name, r->inputs[i].path);
	if (!r->turns)
		return;
	strs_addf(w, "token=%s", r->turns->token);
	strs_addf(w, "first=%s", r->turns->first);
	for (size_t i = 0; i < r->turns->each->n; i++)
		strs_addf(w, "turn=%s", r->turns->each->v[i]);
}

static bool take_limits(const char *text, struct engine_run *r)
{
	long long out_mb, cpu, seconds, grace;
	if (sscanf(text, "%lf %d %d %d %d %lld %lld %lld %lld", &r->cpus, &r->memory_mb, &r->pids, &r->tmp_mb,
		   &r->out_lost_mb, &out_mb, &cpu, &seconds, &grace) != 9)
		return false;
	r->out_mb = out_mb;
	r->cpu_seconds = cpu;
	r->seconds = seconds;
	r->grace_ms = grace;
	return true;
}

static bool take_word(struct slurm_spec *s, char *word)
{
	struct engine_run *r = &s->run;
	char *value = strchr(word, '='), *path;
	if (!value)
		return false;
	*value++ = 0;
	const struct {
		const char *name, **to;
	} texts[] = {{"nonce", &r->nonce},	 {"task", &r->task},	    {"script", &r->script},
		     {"out", &r->out_dir},	 {"workdir", &r->workdir},  {"stdin", &r->stdin_path},
		     {"token", &s->turns.token}, {"first", &s->turns.first}};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!strcmp(word, texts[i].name)) {
			*texts[i].to = value;
			return true;
		}
	if (!strcmp(word, "limits"))
		return take_limits(value, r);
	if (!strcmp(word, "env"))
		strs_add(&s->env, value);
	else if (!strcmp(word, "turn"))
		strs_add(&s->each, value);
	else if (!strcmp(word, "in") && (path = strchr(value, '='))) {
		*path++ = 0;
		s->inputs = xrealloc(s->inputs, (r->n_inputs + 1) * sizeof *s->inputs);
		s->inputs[r->n_inputs++] = (struct engine_input){.name = value, .path = path};
	} else
		return false;
	return true;
}

int slurm_spec_read(const char *folder, struct slurm_spec *s, struct err *e)
{
	char *path = slurm_file(folder, "spec");
	*s = (struct slurm_spec){0};
	int rc = file_read(path, 64 << 20, &s->text, e);
	bool fine = true;
	for (size_t at = 0; !rc && fine && at < s->text.len;) { /* each word ends with a NUL */
		char *word = s->text.data + at;
		at += strlen(word) + 1;
		fine = take_word(s, word);
	}
	struct engine_run *r = &s->run;
	if (!rc && (!fine || !r->script || !r->nonce || !r->task || r->memory_mb <= 0 || r->pids <= 0))
		rc =
		    err_set(e, ERR_DATA, "'%s' is not what this version of dgrid writes (expected the same one)", path);
	r->name = r->task;
	r->node = r->instance = "job";
	r->image = "";
	r->env = (const char *const *)s->env.v;
	r->inputs = s->inputs;
	s->turns.each = &s->each;
	r->turns = s->turns.token && s->turns.first ? &s->turns : NULL;
	free(path);
	return rc;
}

void slurm_spec_clear(struct slurm_spec *s)
{
	buf_clear(&s->text);
	strs_clear(&s->env);
	strs_clear(&s->each);
	free(s->inputs);
	*s = (struct slurm_spec){0};
}

/* ---- how it ended ---- */

void slurm_end_text(const struct slurm_end *end, struct buf *out)
{
	const struct engine_state *s = &end->state;
	const struct account *u = &s->used;
	buf_addf(out, "%d %d %d %d %d %d %d %lld\n", s->ran, s->ended, s->exit_code, s->oom, s->over_cpu, s->unenforced,
		 s->withdrawn, (long long)s->duration_ms);
	buf_addf(out, "%s %lld %lld %lld %lld %lld %lld\n", u->by ? u->by : "-", (long long)u->user_ms,
		 (long long)u->system_ms, (long long)u->peak_kb, (long long)u->read_bytes, (long long)u->written_bytes,
		 (long long)u->refused);
	buf_addf(out, "%llu %llu\n%s\n", (unsigned long long)end->pieces[0], (unsigned long long)end->pieces[1],
		 s->error);
}

int slurm_end_read(const char *text, size_t len, struct slurm_end *out)
{
	static const char *const who[] = {"cgroup", "samples", "wait4"};
	int flag[6], code;
	char by[16];
	long long n[6], ms;
	unsigned long long pieces[2];
	const char *line = text;
	*out = (struct slurm_end){.state.used = ACCOUNT_NONE};
	if (!len || text[len - 1] != '\n' ||
	    sscanf(text, "%d %d %d %d %d %d %d %lld %15s %lld %lld %lld %lld %lld %lld %llu %llu", &flag[0], &flag[1],
		   &code, &flag[2], &flag[3], &flag[4], &flag[5], &ms, by, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5],
		   &pieces[0], &pieces[1]) != 17)
		return -1;
	struct engine_state *s = &out->state;
	s->ran = flag[0];
	s->ended = flag[1];
	s->oom = flag[2];
	s->over_cpu = flag[3];
	s->unenforced = flag[4];
	s->withdrawn = flag[5];
	s->exit_code = code;
	s->duration_ms = ms;
	for (size_t i = 0; i < sizeof who / sizeof *who; i++)
		if (!strcmp(by, who[i]))
			s->used.by = who[i];
	s->used.user_ms = n[0];
	s->used.system_ms = n[1];
	s->used.peak_kb = n[2];
	s->used.read_bytes = n[3];
	s->used.written_bytes = n[4];
	s->used.refused = n[5];
	out->pieces[0] = pieces[0];
	out->pieces[1] = pieces[1];
	for (int i = 1; i < END_LINES && line; i++)
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
	if (line)
		snprintf(s->error, sizeof s->error, "%.*s", (int)strcspn(line, "\n"), line);
	return 0;
}

/* ---- Slurm's own words ---- */

void slurm_field(const char *line, const char *key, char out[128])
{
	size_t n = strlen(key);
	out[0] = 0;
	for (const char *at = line; (at = strstr(at, key)); at += n)
		if ((at == line || at[-1] == ' ') && at[n] == '=') {
			snprintf(out, 128, "%.*s", (int)strcspn(at + n + 1, " \n"), at + n + 1);
			return;
		}
}

bool slurm_over(const char *state)
{
	static const char *const over[] = {"BOOT_FAIL", "CANCELLED",	 "COMPLETED", "DEADLINE", "FAILED",
					   "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};
	for (size_t i = 0; i < sizeof over / sizeof *over; i++)
		if (!strcmp(state, over[i]))
			return true;
	return false;
}

static bool is_held(const char *reason)
{
	return !strcmp(reason, "JobHeldAdmin") || !strcmp(reason, "JobHeldUser");
}

/* Reasons for which a job would wait for ever. */
static bool is_hopeless(const char *reason)
{
	static const char *const never[] = {"BadConstraints", "PartitionConfig", "PartitionDown", "PartitionNodeLimit",
					    "PartitionTimeLimit"};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (!strcmp(reason, never[i]))
			return true;
	return is_held(reason) || !strncmp(reason, "launch_failed", 13);
}

struct told {
	bool known, over; /* Slurm answered; it will not run (any more) */
	char state[128], reason[128], node[128], exit[128], restarts[128];
};

/* No answer: nothing is known. */
static struct told ask(const char *job)
{
	struct told t = {0};
	struct err e = {0};
	struct buf out = {0};
	const char *argv[] = {"scontrol", "show", "job", "--oneliner", job, NULL};
	if (!engine_ask_all(argv, SLURM_MS, &out, &e) && out.len) {
		slurm_field(out.data, "JobState", t.state);
		slurm_field(out.data, "Reason", t.reason);
		slurm_field(out.data, "NodeList", t.node);
		slurm_field(out.data, "ExitCode", t.exit);
		slurm_field(out.data, "Restarts", t.restarts);
		t.known = t.state[0];
		t.over = slurm_over(t.state);
	} else if (strstr(e.msg, "Invalid job id")) {
		t.known = t.over = true;
		snprintf(t.state, sizeof t.state, UNKNOWN_JOB);
	}
	buf_clear(&out);
	return t;
}

/* ---- handing in, and what follows ---- */

struct client {
	const char *folder, *program;
	char job[32];
	uint64_t next[2]; /* pieces */
	bool ready, began, ended;
	struct slurm_end end;
	int64_t ended_at, ask_at, ask_ms, over_at; /* over_at: when Slurm said so first; monotonic ms */
	int64_t poll_ms;
	struct told told;
	char cpu[24];
};

/* Why nobody will ever know how it ended. */
static int give_up(const struct client *c, const char *why)
{
	struct err e;
	if (write_of(c->folder, "trouble", why, strlen(why), &e))
		fprintf(stderr, "%s\n", e.msg);
	fprintf(stderr, "slurm: %s\n", why);
	return TROUBLE;
}

/* Everything, or false: nobody reads any more. */
static bool put(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return false;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void report(const char *what)
{
	put(3, what, strlen(what));
}

/* Pieces that are there, in turn. */
static bool relay(struct client *c, bool *news)
{
	for (int i = 0; i < 2; i++)
		for (bool more = true; more;) {
			struct buf b = {0};
			struct err e;
			char *path = slurm_piece(c->folder, i, c->next[i]);
			more = !file_read(path, PIECE_MAX, &b, &e);
			bool read = !more || put(i ? STDERR_FILENO : STDOUT_FILENO, b.data ? b.data : "", b.len);
			if (more && read) {
				unlink(path);
				c->next[i]++;
				*news = true;
			}
			buf_clear(&b);
			free(path);
			if (!read)
				return false;
		}
	return true;
}

/* What the job has said since. */
static void look(struct client *c, bool *news)
{
	struct buf b = {0};
	slurm_refresh(c->folder);
	if (!c->ready && slurm_has(c->folder, "ready")) {
		c->ready = *news = true;
		slurm_touch(c->folder, "go");
	}
	if (c->ready && !c->began && slurm_has(c->folder, "began")) {
		c->began = *news = true;
		report("began\n");
	}
	if (c->began && !read_of(c->folder, "cpu", sizeof c->cpu - 1, &b) && b.len && strcmp(b.data, c->cpu) != 0) {
		snprintf(c->cpu, sizeof c->cpu, "%s", b.data);
		report(c->cpu);
	}
	buf_reset(&b);
	if (!c->ended && !read_of(c->folder, "end", 4096, &b) && b.len && !slurm_end_read(b.data, b.len, &c->end)) {
		c->ended = *news = true;
		c->ended_at = clock_mono_ms();
	}
	buf_clear(&b);
}

/* It was not the job that could not begin: somebody, or the death of a node, kept it from there. */
static bool withdrawn(const struct client *c)
{
	static const char *const others[] = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL",
					     "PREEMPTED", "REVOKED",   UNKNOWN_JOB};
	const struct told *t = &c->told;
	bool by_others = !t->over && is_held(t->reason);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		by_others = by_others || (t->over && !strcmp(t->state, others[i]));
	return t->known && !c->began && by_others;
}

/* The job is over, or waits for what will not come: why. */
static const char *lost(struct client *c, char why[512])
{
	const struct told *t = &c->told;
	int code = (int)strtol(t->exit, NULL, 10);
	if (t->known && t->over && !c->ready && code == SLURM_UNSEEN)
		snprintf(why, 512,
			 "the cluster's node %s does not see '%s': the work folder has to stand on a file system that "
			 "all nodes share (--work-dir)",
			 t->node, c->folder);
	else if (t->known && t->over && !c->ready && code == SLURM_NO_PROGRAM)
		snprintf(why, 512, "the cluster's node %s has no program '%s', as this machine has", t->node,
			 c->program);
	else if (t->known && t->over)
		snprintf(why, 512, "job %s ended as %s%s%s and did not say how the script did", c->job, t->state,
			 *t->node ? " on " : "", t->node);
	else if (t->known && c->ready && strtol(t->restarts, NULL, 10) > 0)
		snprintf(why, 512, "job %s was put back to Slurm's queue (requeued) while it ran", c->job);
	else if (t->known && !strcmp(t->state, "PENDING") && is_hopeless(t->reason))
		snprintf(why, 512, "job %s would wait for ever: %s", c->job, t->reason);
	else
		return NULL;
	return why;
}

static void ask_when_due(struct client *c)
{
	int64_t now = clock_mono_ms();
	if (c->ended || now < c->ask_at)
		return;
	c->told = ask(c->job);
	c->ask_ms = c->ask_ms * 2 < ASK_MAX_MS ? c->ask_ms * 2 : ASK_MAX_MS;
	c->ask_at = clock_mono_ms() + c->ask_ms;
	char why[512];
	if (!lost(c, why))
		c->over_at = 0;
	else if (!c->over_at)
		c->over_at = clock_mono_ms();
}

/* Until the job has said how it ended and all it printed is passed on, or will never. */
static int follow(struct client *c)
{
	char why[512];
	for (;;) {
		bool news = false;
		struct pollfd out = {.fd = STDOUT_FILENO};
		look(c, &news);
		if (!relay(c, &news) || (poll(&out, 1, news ? 0 : (int)c->poll_ms) > 0 && (out.revents & POLLERR))) {
			slurm_touch(c->folder, "kill"); /* its worker is gone */
			return TROUBLE;
		}
		c->poll_ms = news ? POLL_MIN_MS : c->poll_ms * 2 < POLL_MAX_MS ? c->poll_ms * 2 : POLL_MAX_MS;
		int64_t now = clock_mono_ms();
		if (c->ended && c->next[0] >= c->end.pieces[0] && c->next[1] >= c->end.pieces[1])
			return c->end.state.ended ? c->end.state.exit_code : TROUBLE;
		if (c->ended && now > c->ended_at + PIECES_MS)
			return give_up(c, "what it printed did not all arrive");
		/* A job that was told to go answers itself. */
		if (!c->ready && (slurm_has(c->folder, "term") || slurm_has(c->folder, "kill")))
			return give_up(c, "it was stopped before its job began");
		ask_when_due(c);
		if (c->over_at && !c->ended && now > c->over_at + SETTLE_MS && lost(c, why)) {
			if (withdrawn(c))
				slurm_touch(c->folder, "withdrawn");
			return give_up(c, why);
		}
	}
}

/* What the job's node runs first. */
static void batch_script(const char *folder, const char *program, struct buf *b)
{
	const char *path = getenv("PATH");
	buf_adds(b, "#!/bin/sh\n");
	script_export(b, "PATH", path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
	script_export(b, "DGRID_FOLDER", folder);
	script_export(b, "DGRID_PROGRAM", program);
	buf_addf(b,
		 "\n[ -r \"$DGRID_FOLDER/spec\" ] || exit %d\n[ -x \"$DGRID_PROGRAM\" ] || exit %d\n"
		 "exec \"$DGRID_PROGRAM\" " SLURM_JOB_WORD " \"$DGRID_FOLDER\"\n",
		 SLURM_UNSEEN, SLURM_NO_PROGRAM);
}

/* An error does not tell whether Slurm has it all the same: but nobody will tell such a job to go. */
static int submit(struct client *c, char *const *sbatch, struct err *e)
{
	struct buf script = {0};
	struct proc_result res;
	batch_script(c->folder, c->program, &script);
	struct proc_spec spec = {.argv = (const char *const *)sbatch,
				 .input = script.data,
				 .input_len = script.len,
				 .timeout_ms = SUBMIT_MS};
	int rc = proc_run(&spec, &res, e);
	if (!rc) {
		char line[256];
		buf_first_line(&res.out, line, sizeof line);
		size_t n = strspn(line, "0123456789"); /* and perhaps ";CLUSTER" */
		snprintf(c->job, sizeof c->job, "%.*s", n < 31 ? (int)n : 31, line);
		buf_first_line(&res.err, line, sizeof line);
		if (res.end != PROC_EXITED || res.code || !c->job[0])
			rc = err_set(e, ERR_UNAVAILABLE, "sbatch took no job: %s",
				     line[0] ? line : "it did not answer in time");
		proc_result_clear(&res);
	}
	buf_clear(&script);
	return rc ? rc : write_of(c->folder, "job", c->job, strlen(c->job), e);
}

/* FOLDER PROGRAM SBATCH... -- WORDS... */
static int run(int argc, char **argv)
{
	struct client c = {.folder = argv[0], .program = argv[1], .ask_ms = ASK_MIN_MS / 2, .poll_ms = POLL_MIN_MS};
	struct buf words = {0};
	struct err e;
	int at = 2;
	while (at < argc && strcmp(argv[at], "--") != 0)
		at++;
	for (int i = at + 1; i < argc; i++)
		buf_add(&words, argv[i], strlen(argv[i]) + 1);
	argv[at] = NULL;
	int rc = file_mkdirs(c.folder, &e);
	if (!rc)
		rc = write_of(c.folder, "spec", words.data, words.len, &e);
	if (!rc)
		rc = submit(&c, argv + 2, &e);
	buf_clear(&words);
	if (rc)
		return give_up(&c, e.msg);
	c.ask_at = clock_mono_ms() + ASK_MIN_MS;
	return follow(&c);
}

static int tell_state(const char *folder)
{
	struct buf b = {0};
	struct slurm_end end = {.state.used = ACCOUNT_NONE};
	slurm_refresh(folder);
	if (!slurm_has(folder, "spec")) {
		fprintf(stderr, "No such job: '%s'\n", folder);
		return 1;
	}
	if (read_of(folder, "end", 4096, &b) || !b.len || slurm_end_read(b.data, b.len, &end)) {
		buf_reset(&b);
		if (read_of(folder, "trouble", 4096, &b) == 0)
			buf_first_line(&b, end.state.error, sizeof end.state.error);
		end.state.ran = slurm_has(folder, "began");
		end.state.withdrawn = slurm_has(folder, "withdrawn");
		buf_reset(&b);
		slurm_end_text(&end, &b);
	}
	bool whole = put(STDOUT_FILENO, b.data, b.len);
	buf_clear(&b);
	return whole ? 0 : 1;
}

static int signal_job(const char *folder, const char *signal)
{
	return slurm_touch(folder, !strcmp(signal, "KILL") ? "kill" : "term") && errno != EEXIST ? 1 : 0;
}

/* The job is made to end by its folder, for which no Slurm has to answer, and by Slurm; and is waited for. What has not
 * been told to go can't begin any more: who could tell it so is gone. */
static int remove_job(const char *folder)
{
	struct buf job = {0};
	struct err e;
	const char *name = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
	if (!slurm_has(folder, "spec") && !file_exists(folder))
		return 0;
	slurm_touch(folder, "kill");
	bool known = !read_of(folder, "job", 31, &job) && job.len, over = slurm_has(folder, "end");
	char *by_name = xasprintf("--name=%s", name);
	const char *cancel[] = {"scancel", known ? job.data : by_name, NULL};
	struct buf said = {0};
	bool told = over || !engine_ask_all(cancel, SLURM_MS / 3, &said, &e);
	int64_t until = clock_mono_ms() + REMOVE_MS, pause = POLL_MIN_MS, asked = 0;
	while (!over && slurm_has(folder, "go") && clock_mono_ms() < until) {
		proc_pause(pause);
		pause = pause * 2 < POLL_MAX_MS ? pause * 2 : POLL_MAX_MS;
		slurm_refresh(folder);
		over = slurm_has(folder, "end");
		if (!over && known && clock_mono_ms() > asked + ASK_MIN_MS) {
			over = ask(job.data).over;
			asked = clock_mono_ms();
		}
	}
	int rc = over || !slurm_has(folder, "go") ? file_remove_tree(folder, &e) : -1;
	if (rc)
		fprintf(stderr, "job %s of '%s' may still run%s\n", known ? job.data : "", name,
			told ? "" : ", and Slurm does not answer");
	buf_clear(&job);
	buf_clear(&said);
	free(by_name);
	return rc ? 1 : 0;
}

int slurm_asked(int argc, char **argv)
{
	if (argc < 3)
		return -1;
	if (!strcmp(argv[1], SLURM_RUN_WORD) && argc > 5)
		return run(argc - 2, argv + 2);
	if (!strcmp(argv[1], SLURM_STATE_WORD))
		return tell_state(argv[2]);
	if (!strcmp(argv[1], SLURM_SIGNAL_WORD) && argc == 4)
		return signal_job(argv[2], argv[3]);
	if (!strcmp(argv[1], SLURM_REMOVE_WORD))
		return remove_job(argv[2]);
	return -1;
}
