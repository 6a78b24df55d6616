/* What Slurm says of a cluster and of jobs, what it is asked, and what worker and job write for each other. */
#include "base/file.h"
#include "sandbox/engine.h"
#include "sandbox/slurm.h"
#include "test.h"
#include <stdlib.h>
#include <unistd.h>

static int64_t gres(const struct slurm_room *r, const char *name)
{
	for (size_t i = 0; i < r->n_gres; i++)
		if (!strcmp(r->gres[i].name, name))
			return r->gres[i].n;
	return -1;
}

static void room(void)
{
	static const char sinfo[] = "cpu*|a1|mixed|64|256000|gpu:a100:4(S:0-1),license:2|40/24/0/64|(null)\n"
				    "long|a1|mixed|64|256000|gpu:a100:4(S:0-1),license:2|40/24/0/64|(null)\n"
				    "cpu*|a2|idle|32|128000|gpu:1(S:0,1),nic|0/32/0/32|(null)\n"
				    "cpu*|a3|idle~|32|128000|(null)|0/32/0/32|(null)\n"
				    "cpu*|a4|idle*|32|128000|gpu:8|0/0/32/32|(null)\n"
				    "cpu*|a5|drained|32|128000|gpu:8|0/0/32/32|(null)\n"
				    "cpu*|a6|mixed$|32|128000|gpu:8|0/32/0/32|(null)\n"
				    "cpu*|a7|down\n"
				    "old|b1|allocated|8|1|(null)|8/0/0/8|(null)\n";
	struct slurm_room r;
	struct err e;
	CHECK(!slurm_room_read(sinfo, "", NULL, NULL, &r, &e) && r.nodes == 3 && r.cpus == 128 && r.idle == 88 &&
		  r.memory_mb == 512000 && r.node_cpus == 64 && r.node_mb == 256000,
	      "what is up in the default partition");
	CHECK(gres(&r, "gpu") == 5 && gres(&r, "license") == 2 && gres(&r, "nic") == 1 && r.n_gres == 3, "gres");
	slurm_room_clear(&r);
	CHECK(!slurm_room_read(sinfo, "--account=x --partition=long,cpu", NULL, NULL, &r, &e) && r.nodes == 3 &&
		  r.cpus == 128,
	      "a node of two partitions is one");
	slurm_room_clear(&r);
	CHECK(!slurm_room_read(sinfo, "--partition=old", NULL, NULL, &r, &e) && r.nodes == 1 && r.memory_mb == 0 &&
		  r.idle == 0,
	      "memory that nobody counts");
	slurm_room_clear(&r);
	CHECK(slurm_room_read(sinfo, "--partition=cp", NULL, NULL, &r, &e) && e.class == ERR_USAGE &&
		  strstr(e.msg, "'cp'"),
	      "no such partition");
	CHECK(slurm_room_read("old|b1|idle|8|1|(null)|0/8/0/8|(null)\n", "", NULL, NULL, &r, &e) &&
		  strstr(e.msg, "no default partition"),
	      "no default");
	CHECK(slurm_room_read("", "", NULL, NULL, &r, &e), "no word is no room");
}

/* Words that keep jobs from some of the nodes keep those out of the offer. */
static void narrowed(void)
{
	static const char sinfo[] = "cpu*|a1|idle|1|100|gpu:1|0/1/0/1|big,x86\n"
				    "cpu*|a2|idle|2|200|(null)|0/2/0/2|x86\n"
				    "cpu*|a10|idle|4|400|(null)|0/4/0/4|(null)\n"
				    "cpu*|a3|down|8|800|(null)|0/0/8/8|arm\n";
	static const struct {
		const char *options, *listed, *excluded;
		int64_t cpus, most; /* cpus -1: an error */
	} rows[] = {{"", NULL, NULL, 7, 4},
		    {"--nodelist=a[1-2]", "a1\na2\n", NULL, 3, 2},
		    {"--exclude=a10", NULL, "a10\n", 3, 2},
		    {"--exclude=a1,b1", NULL, "a1\nb1\n", 6, 4},
		    {"--nodelist=x --exclude=y", "a1\na10\n", "a10\n", 1, 1},
		    {"--constraint=x86", NULL, NULL, 3, 2},
		    {"--constraint=x86&big", NULL, NULL, 1, 1},
		    {"--constraint=arm|big", NULL, NULL, 1, 1},
		    {"--constraint=x8", NULL, NULL, -1, 0},
		    {"--constraint=arm", NULL, NULL, 0, 0},
		    {"--constraint=[x86|arm]", NULL, NULL, 7, 4},
		    {"--constraint=big --constraint=x86 --exclude=z", NULL, "a1\n", 2, 2},
		    {"--nodelist=b1", "b1\n", NULL, -1, 0}};
	static const struct {
		const char *options, *word;
	} unheeded[] = {{"--partition=a --constraint=a&b-c.d --exclude=x --qos=y", ""},
			{"--constraint=a*2", "--constraint"},
			{"--constraint=a,b", "--constraint"},
			{"--constraint=!a", "--constraint"},
			{"--constraint=a&b|c", "--constraint"},
			{"--reservation=r", "--reservation"}};
	struct slurm_room r;
	struct err e;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int rc = slurm_room_read(sinfo, rows[i].options, rows[i].listed, rows[i].excluded, &r, &e);
		CHECK(rows[i].cpus < 0 ? rc && e.class == ERR_USAGE && strstr(e.msg, "no node")
				       : !rc && r.cpus == rows[i].cpus && r.node_cpus == rows[i].most,
		      rows[i].options);
		slurm_room_clear(&r);
	}
	for (size_t i = 0; i < sizeof unheeded / sizeof *unheeded; i++)
		CHECK(!strcmp(slurm_unheeded(unheeded[i].options), unheeded[i].word), unheeded[i].options);
}

static void options(void)
{
	static const char *const wrong[] = {"--partition",   "--partition=", "-p cpu",	     "cpu",
					    "--requeue",     "--output=/x",  "--partitio=x", "--partition=a --mem=1",
					    "--wrap=reboot", "--job-name=x", "--=x"};
	struct err e;
	CHECK(!slurm_options("", &e) && !slurm_options("  --partition=a,b   --qos=high ", &e), "where and for whom");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK(slurm_options(wrong[i], &e) && e.class == ERR_USAGE, wrong[i]);
}

static void jobs(void)
{
	static const char line[] = "JobId=12 JobName=dgrid-JobState=FAILED UserId=x(1) JobState=NODE_FAIL Reason=None "
				   "ExitCode=41:0 Restarts=1 NodeList= \n";
	char v[128];
	slurm_field(line, "JobState", v);
	CHECK(!strcmp(v, "NODE_FAIL") && slurm_over(v), "not what a name says");
	slurm_field(line, "ExitCode", v);
	CHECK(!strcmp(v, "41:0"), "a code");
	slurm_field(line, "NodeList", v);
	CHECK(!*v, "an empty one");
	slurm_field(line, "List", v);
	CHECK(!*v, "a part of a key is none");
	CHECK(!slurm_over("PENDING") && !slurm_over("COMPLETING") && !slurm_over("SUSPENDED") && !slurm_over("") &&
		  !slurm_over("a word of a later version"),
	      "what may still run");
}

static bool has(const struct strs *argv, const char *word)
{
	return strs_has(argv, word);
}

/* What the worker hands over is what the job reads. */
static void handed_over(void)
{
	static const char *const env[] = {"A=b=c", "EMPTY=", "LINES=x\ny", NULL};
	const struct engine_input in[] = {{"data", "/w/in=1/data"}};
	struct strs each = {0}, gres_names = {0}, argv = {0};
	strs_add(&each, "export N='1';");
	strs_add(&each, "export N='2';");
	const struct script_turns turns = {.each = &each, .first = ":", .token = "ab"};
	const struct cluster c = {
	    .folder = "/w/jobs", .options = "--partition=a  --qos=b", .gres = &gres_names, .node_mb = 4096};
	const struct engine g = {.kind = ENGINE_SLURM, .cluster = &c};
	struct engine_run r = {.name = "dgrid-n-t-1",
			       .node = "n",
			       .instance = "i",
			       .task = "t",
			       .nonce = "0123",
			       .image = "a",
			       .script = "echo 'x'\n",
			       .turns = &turns,
			       .env = env,
			       .cpus = 1.5,
			       .memory_mb = 512,
			       .pids = 9,
			       .tmp_mb = 3,
			       .out_dir = "/w/out",
			       .inputs = in,
			       .n_inputs = 1,
			       .workdir = "data",
			       .out_mb = 5,
			       .cpu_seconds = 7,
			       .stdin_path = "data/f",
			       .seconds = 61,
			       .grace_ms = 10000,
			       .gres = "gpu:2"};
	engine_start_argv(&g, &r, &argv);
	CHECK(has(&argv, "--cpus-per-task=2") && has(&argv, "--mem=576M") && has(&argv, "--gres=gpu:2") &&
		  has(&argv, "--time=4") && has(&argv, "--no-requeue") && has(&argv, "--partition=a") &&
		  has(&argv, "--qos=b") && has(&argv, "--job-name=dgrid-n-t-1") && has(&argv, "/w/jobs/dgrid-n-t-1"),
	      "sbatch's words");
	strs_clear(&argv);
	r.memory_mb = 4096;
	engine_start_argv(&g, &r, &argv);
	CHECK(has(&argv, "--mem=4096M"), "all of a node");
	size_t at = 0;
	while (at < argv.n && strcmp(argv.v[at], "--") != 0)
		at++;
	struct buf text = {0};
	for (size_t i = at + 1; i < argv.n; i++)
		buf_add(&text, argv.v[i], strlen(argv.v[i]) + 1);
	struct err e;
	char *dir = file_temp_dir(&e), *path = slurm_file(dir, "spec");
	struct slurm_spec s;
	CHECK(!file_write(path, text.data, text.len, &e) && !slurm_spec_read(dir, &s, &e), e.msg);
	CHECK(!strcmp(s.run.script, r.script) && s.run.cpus == 1.5 && s.run.memory_mb == 4096 && s.run.pids == 9 &&
		  s.run.tmp_mb == 3 && s.run.out_mb == 5 && s.run.cpu_seconds == 7 && s.run.seconds == 61 &&
		  s.run.grace_ms == 10000 && !strcmp(s.run.out_dir, "/w/out") && !strcmp(s.run.workdir, "data") &&
		  !strcmp(s.run.stdin_path, "data/f") && !strcmp(s.run.nonce, "0123"),
	      "limits and texts");
	CHECK(s.env.n == 3 && !strcmp(s.run.env[0], env[0]) && !strcmp(s.run.env[1], env[1]) &&
		  !strcmp(s.run.env[2], env[2]) && s.run.n_inputs == 1 && !strcmp(s.run.inputs[0].name, "data") &&
		  !strcmp(s.run.inputs[0].path, in[0].path),
	      "environment and inputs");
	CHECK(s.run.turns && s.each.n == 2 && !strcmp(s.each.v[1], each.v[1]) && !strcmp(s.turns.token, "ab"), "turns");
	slurm_spec_clear(&s);
	CHECK(!file_write(path, "nonce=1\0later=x", 16, &e) && slurm_spec_read(dir, &s, &e) && e.class == ERR_DATA,
	      "another version's");
	slurm_spec_clear(&s);
	CHECK(!slurm_touch(dir, "ready") && slurm_touch(dir, "ready") && slurm_has(dir, "ready"), "one job alone");
	file_remove_tree(dir, &e);
	free(dir);
	free(path);
	buf_clear(&text);
	strs_clear(&argv);
	strs_clear(&each);
}

static void ends(void)
{
	struct slurm_end end = {.state = {.ran = true, .ended = true, .exit_code = 7, .duration_ms = 1234},
				.pieces = {3, 1}},
			 read;
	struct buf b = {0};
	end.state.used = ACCOUNT_NONE;
	end.state.used.by = "wait4";
	end.state.used.user_ms = 20;
	snprintf(end.state.error, sizeof end.state.error, "why it is so");
	slurm_end_text(&end, &b);
	CHECK(!slurm_end_read(b.data, b.len, &read) && read.state.ran && read.state.ended &&
		  read.state.exit_code == 7 && read.state.duration_ms == 1234 && read.pieces[0] == 3 &&
		  read.pieces[1] == 1 && !strcmp(read.state.used.by, "wait4") && read.state.used.user_ms == 20 &&
		  read.state.used.peak_kb == -1 && !strcmp(read.state.error, "why it is so"),
	      "an end");
	struct engine_state s;
	const struct engine g = {.kind = ENGINE_SLURM};
	for (size_t i = 0; i < b.len; i++)
		CHECK(engine_parse_state(&g, b.data, i, &s) || !b.data[i - 1] || b.data[i - 1] == '\n',
		      "half of one is none");
	CHECK(engine_parse_state(&g, "", 0, &s) && !s.ended, "nor is nothing");
	buf_clear(&b);
}

int main(void)
{
	room();
	narrowed();
	options();
	jobs();
	handed_over();
	ends();
	return test_end("test_slurm");
}
