/* Children and the event loop: every way to end, bounded output, timers, nesting, and that no descriptor leaks. */
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "test.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct proc_result run(const char *script, struct proc_spec spec)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct proc_result res;
	struct err e;
	spec.argv = argv;
	CHECK(!proc_run(&spec, &res, &e), script);
	return res;
}

static void ends(void)
{
	struct proc_result r = run("echo out; echo err >&2; exit 7", (struct proc_spec){0});
	CHECK(r.end == PROC_EXITED && r.code == 7, "exit code");
	CHECK(!strcmp(r.out.data, "out\n") && !strcmp(r.err.data, "err\n"), "both streams");
	proc_result_clear(&r);
	r = run("kill -9 $$", (struct proc_spec){0});
	CHECK(r.end == PROC_SIGNALLED && r.code == SIGKILL, "signal");
	proc_result_clear(&r);
	int64_t began = clock_mono_ms();
	r = run("trap : TERM; echo before; while :; do sleep 100; done", (struct proc_spec){.timeout_ms = 2000});
	CHECK(r.end == PROC_TIMED_OUT && clock_mono_ms() - began < 20000, "timeout of one that ignores SIGTERM");
	CHECK(r.out.data && !strcmp(r.out.data, "before\n"), "what it printed is kept");
	proc_result_clear(&r);
	r = run("cat", (struct proc_spec){.input = "hello", .input_len = 5});
	CHECK(r.out.data && !strcmp(r.out.data, "hello"), "input");
	proc_result_clear(&r);
	r = run("read x || echo end", (struct proc_spec){0});
	CHECK(r.out.data && !strcmp(r.out.data, "end\n"), "stdin is empty otherwise");
	proc_result_clear(&r);
	r = run("head -c 100000 /dev/zero", (struct proc_spec){.cap = 1000});
	CHECK(r.out.len == 1000 && r.out_cut && r.end == PROC_EXITED, "a flood is cut, not blocked");
	proc_result_clear(&r);
	began = clock_mono_ms();
	r = run("sleep 30 & echo $!", (struct proc_spec){0});
	CHECK(clock_mono_ms() - began < 20000, "a child left behind with our pipes is not waited for");
	pid_t left = r.out.data ? (pid_t)strtol(r.out.data, NULL, 10) : 0;
	CHECK(left > 1 && !kill(left, SIGKILL), "it is left alone");
	proc_result_clear(&r);
	const char *env[] = {"NEW=1", "HOME", NULL};
	setenv("HOME", "/nowhere", 1);
	r = run("echo ${NEW-unset} ${HOME-unset}", (struct proc_spec){.env = env});
	CHECK(r.out.data && !strcmp(r.out.data, "1 unset\n"), "environment set and unset");
	proc_result_clear(&r);
	const char *missing[] = {"no-such-program-anywhere", NULL};
	struct proc_spec spec = {.argv = missing};
	struct err e;
	CHECK(proc_run(&spec, &r, &e) == -1 && e.class == ERR_UNAVAILABLE && strstr(e.msg, "no-such-program"),
	      "a missing program is named");
}

struct seen {
	int ended, fired;
	size_t bytes;
};

static void on_output(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	(void)s;
	(void)bytes;
	((struct seen *)ctx)->bytes += len;
}

static void on_end(void *ctx, const struct proc_result *res)
{
	((struct seen *)ctx)->ended += res->end == PROC_EXITED;
}

static void fire(void *ctx)
{
	((struct seen *)ctx)->fired++;
}

static void loop(void)
{
	struct seen s = {0};
	struct err e;
	const char *argv[] = {"sh", "-c", "head -c 300000 /dev/zero", NULL};
	struct proc_spec spec = {.argv = argv, .ctx = &s, .on_output = on_output, .on_end = on_end};
	for (int i = 0; i < 5; i++)
		CHECK(proc_start(&spec, &e), "started");
	loop_after(10, fire, &s);
	struct loop_timer *never = loop_after(20, fire, &s);
	loop_timer_stop(never);
	/* A synchronous child meanwhile: the others are served. */
	struct proc_result r = run("sleep 0.2; echo done", (struct proc_spec){0});
	CHECK(r.out.data && !strcmp(r.out.data, "done\n"), "nested");
	proc_result_clear(&r);
	int64_t until = clock_mono_ms() + 20000;
	while (s.ended < 5 && clock_mono_ms() < until)
		loop_step(1000);
	CHECK(s.ended == 5 && s.bytes == 5 * 300000, "all ended, all bytes seen");
	CHECK(s.fired == 1, "one timer fired, the stopped one did not");
}

/* What a child is asked while it runs, and answers that wait until somebody reads on. */
static void feeding(void)
{
	struct seen s = {0};
	struct err e;
	const char *argv[] = {"cat", NULL};
	char block[100000];
	struct proc_spec spec = {.argv = argv, .feed = true, .ctx = &s, .on_output = on_output, .on_end = on_end};
	struct proc *p = proc_start(&spec, &e);
	CHECK(p, "started");
	int64_t until = clock_mono_ms() + 20000;
	memset(block, 'x', sizeof block);
	proc_feed(p, "hello", 5);
	while (s.bytes < 5 && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.bytes == 5 && !s.ended, "the answer comes, and stdin stays open");
	proc_hold(p, true);
	for (int i = 0; i < 5; i++)
		proc_feed(p, block, sizeof block);
	for (int i = 0; i < 20; i++)
		loop_step(5);
	CHECK(s.bytes == 5, "held, nothing is read");
	proc_hold(p, false);
	while (s.bytes < 5 + 5 * sizeof block && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.bytes == 5 + 5 * sizeof block && !s.ended, "then all of it comes");
	proc_feed(p, "end", 3);
	proc_feed_end(p);
	while (!s.ended && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.ended && s.bytes == 8 + 5 * sizeof block, "and the last, before it ends");
	/* It may end while it is held, and longer ago than a pipe is waited for: what is in it is not lost. */
	s = (struct seen){0};
	const char *quick[] = {"head", "-c", "50000", "/dev/zero", NULL};
	spec = (struct proc_spec){.argv = quick, .ctx = &s, .on_output = on_output, .on_end = on_end};
	p = proc_start(&spec, &e);
	proc_hold(p, true);
	int64_t lingered = clock_mono_ms() + 1300;
	while (clock_mono_ms() < lingered)
		loop_step(100);
	CHECK(!s.bytes && !s.ended, "held beyond its end");
	proc_hold(p, false);
	while (!s.ended && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.ended && s.bytes == 50000, "all bytes are there");
}

static void on_both(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	(void)bytes;
	((struct seen *)ctx)->bytes += s == PROC_OUT ? len : 0;
	((struct seen *)ctx)->fired += s == PROC_ERR;
}

/* A child with a large pipe has said all of it before anybody reads. */
static size_t late_bytes;
static bool late_ended;

static void late_take(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	(void)ctx, (void)s, (void)bytes;
	late_bytes += len;
}

static void late_end(void *ctx, const struct proc_result *res)
{
	(void)ctx, (void)res;
	late_ended = true;
}

/* We are kept from the loop, as by SIGSTOP or a machine under load, when a child has ended with its pipe full. */
static void late(void)
{
#ifdef F_SETPIPE_SZ
	const char *argv[] = {"head", "-c", "600000", "/dev/zero", NULL};
	struct proc_spec spec = {.argv = argv, .wide = true, .on_output = late_take, .on_end = late_end};
	struct err e;
	siginfo_t info;
	struct proc *p = proc_start(&spec, &e);
	CHECK(p && !waitid(P_PID, (id_t)proc_pid(p), &info, WEXITED | WNOWAIT), "it ends without our reading it");
	loop_step(0);
	for (int64_t until = clock_mono_ms() + 1500; clock_mono_ms() < until;)
		;
	for (int64_t until = clock_mono_ms() + 20000; !late_ended && clock_mono_ms() < until;)
		loop_step(100);
	CHECK(late_ended && late_bytes == 600000, "all that it had written arrives");
#endif
}

static void wide(void)
{
#ifdef F_SETPIPE_SZ
	struct seen s = {0};
	struct err e;
	const char *argv[] = {"sh", "-c", "head -c 300000 /dev/zero; echo done >&2", NULL};
	struct proc_spec spec = {.argv = argv, .wide = true, .ctx = &s, .on_output = on_both, .on_end = on_end};
	struct proc *p = proc_start(&spec, &e);
	CHECK(p, "started");
	int64_t until = clock_mono_ms() + 20000;
	proc_hold(p, true);
	while (!s.fired && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.fired && !s.bytes, "it went on while its output was held");
	proc_hold(p, false);
	while (!s.ended && clock_mono_ms() < until)
		loop_step(100);
	CHECK(s.ended && s.bytes == 300000, "and all of that comes");
#endif
}

/* Whoever started us may have blocked SIGCHLD. Comes first: the loop looks after it when it begins. */
static void deaf(void)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int64_t began = clock_mono_ms();
	struct proc_result r = run("echo out; exit 3", (struct proc_spec){0});
	CHECK(r.end == PROC_EXITED && r.code == 3 && clock_mono_ms() - began < 20000, "an end is heard");
	proc_result_clear(&r);
	sigprocmask(SIG_UNBLOCK, &child, NULL); /* the rest is not about that */
}

static void descriptors(void)
{
	int before = dup(0);
	close(before);
	for (int i = 0; i < 100; i++) {
		struct proc_result r = run("true", (struct proc_spec){0});
		proc_result_clear(&r);
	}
	int after = dup(0);
	close(after);
	CHECK(after == before, "a hundred children leave no descriptor open");
	if (!file_exists("/proc/self/fd"))
		return;
	/* What we inherited ourselves goes on; the pipes of another child must not. */
	struct proc_result alone = run("ls /proc/self/fd | wc -l", (struct proc_spec){0});
	struct seen s = {0};
	struct err e;
	const char *argv[] = {"sleep", "0.5", NULL};
	struct proc_spec spec = {.argv = argv, .ctx = &s, .on_end = on_end};
	CHECK(proc_start(&spec, &e), "started");
	struct proc_result beside = run("ls /proc/self/fd | wc -l", (struct proc_spec){0});
	CHECK(!strcmp(alone.out.data, beside.out.data), "a child does not get another child's pipes");
	while (!s.ended)
		loop_step(1000);
	proc_result_clear(&alone);
	proc_result_clear(&beside);
}

/* Where descriptors run out a child is not started: never is it given our own stdin or stdout in place of its own. */
static void no_descriptors(void)
{
	int pair[2], own = dup(0), started = 0, refused = 0;
	struct rlimit usual, few;
	CHECK(!pipe(pair) && write(pair[1], "ours\n", 5) == 5 && dup2(pair[0], 0) == 0, "a stdin of our own");
	close(pair[0]);
	close(pair[1]);
	getrlimit(RLIMIT_NOFILE, &usual);
	int next = dup(0);
	close(next);
	for (int i = 0; i < 10; i++) {
		const char *argv[] = {"cat", NULL};
		struct proc_spec spec = {.argv = argv};
		struct proc_result r;
		struct err e;
		few = usual;
		few.rlim_cur = (rlim_t)(next + i);
		setrlimit(RLIMIT_NOFILE, &few);
		bool runs = !proc_run(&spec, &r, &e);
		setrlimit(RLIMIT_NOFILE, &usual);
		started += runs;
		refused += !runs;
		CHECK(!runs || !r.out.len, "a child does not read our stdin");
		CHECK(runs || e.class == ERR_UNAVAILABLE, "the reason is told");
		proc_result_clear(&r);
	}
	CHECK(started && refused, "with few descriptors it is refused, with enough it runs");
	dup2(own, 0);
	close(own);
}

/* What whoever started us left open, ignored or blocked does not reach a child. */
static void inherited(void)
{
	struct err e;
	int low = open("/", O_RDONLY), high = fcntl(low, F_DUPFD, 200);
	CHECK(low > 2 && high >= 200 && !proc_begin(&e), "begun");
	struct proc_result r =
	    run("for n in 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo $n; done; test -e /dev/fd/200 && "
		"echo 200; echo looked",
		(struct proc_spec){0});
	CHECK(r.out.data && !strcmp(r.out.data, "looked\n"), "no descriptor but its own three");
	proc_result_clear(&r);
	close(low);
	close(high);
	int in = dup(0);
	close(0);
	CHECK(!proc_begin(&e) && fcntl(0, F_GETFD) >= 0, "a closed stdin is opened");
	dup2(in, 0);
	close(in);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	r = run(
	    "for s in QUIT USR1 XFSZ; do sh -c \"kill -$s \\$\\$; echo $s is ignored\"; done 2>/dev/null; echo done",
	    (struct proc_spec){0});
	CHECK(r.out.data && !strcmp(r.out.data, "done\n"), "no signal is ignored");
	proc_result_clear(&r);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

static void again(void *ctx)
{
	struct seen *s = ctx;
	s->fired++;
	if (!s->ended)
		loop_after(0, again, ctx);
}

/* A timer that is due again at once does not keep a child's output and end from being seen. */
static void fair(void)
{
	struct seen s = {0};
	struct err e;
	const char *argv[] = {"echo", "hello", NULL};
	struct proc_spec spec = {.argv = argv, .ctx = &s, .on_output = on_output, .on_end = on_end};
	CHECK(proc_start(&spec, &e), "started");
	loop_after(0, again, &s);
	alarm(60); /* it would hang */
	int64_t until = clock_mono_ms() + 20000;
	while (!s.ended && clock_mono_ms() < until)
		loop_step(1000);
	CHECK(s.ended && s.bytes == 6 && s.fired > 1, "the child ended while the timer fired");
	for (int before = -1; before != s.fired; loop_step(0))
		before = s.fired; /* until the last one is gone, for it knows s */
	alarm(0);
}

int main(void)
{
	deaf();
	inherited();
	no_descriptors();
	fair();
	ends();
	loop();
	feeding();
	wide();
	late();
	descriptors();
	return test_end("test_proc");
}
