/* heartbeat: one next beat, whoever asks for it, and never from within a beat. */
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "git/git.h"
#include "store/heartbeat.h"
#include "test.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct owner {
	struct heartbeat *h;
	int asked, said;
	int64_t wait_ms; /* what may answers */
	void (*within)(struct heartbeat *h);
} owner;

static struct json *say(void *ctx)
{
	(void)ctx;
	owner.said++;
	return json_new(JSON_OBJECT);
}

static int64_t may(void *ctx)
{
	(void)ctx;
	owner.asked++;
	if (owner.within)
		owner.within(owner.h);
	return owner.wait_ms;
}

static void loop_for(int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms; clock_mono_ms() < until;)
		loop_step(5);
}

static void loop_until(const int *count, int least)
{
	for (int64_t until = clock_mono_ms() + 20000; *count < least && clock_mono_ms() < until;)
		loop_step(5);
}

/* In a process of its own: does it end by an assertion? */
static bool aborts(void (*job)(const struct git *g), const struct git *g)
{
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		close(2); /* what the assertion prints is expected */
		job(g);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	/* A sanitizer turns SIGABRT into a report of its own only when it is told to. */
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void start(const struct git *g, void (*within)(struct heartbeat *h), int64_t wait_ms)
{
	owner = (struct owner){.wait_ms = wait_ms, .within = within};
	owner.h = heartbeat_start(g, "n1", say, may, &owner, 60000);
}

static void asks_within(const struct git *g)
{
	start(g, heartbeat_now, 50);
	loop_until(&owner.asked, 2);
	heartbeat_stop(owner.h, false, NULL); /* with two timers, the second fires on what is freed here */
	loop_for(200);
}

static void puts_off_within(const struct git *g)
{
	start(g, heartbeat_put_off, 50);
	loop_until(&owner.asked, 2);
}

static void waits_within_callback(struct heartbeat *h)
{
	(void)h;
	loop_step(0);
}

static void waits_within(const struct git *g)
{
	start(g, waits_within_callback, 50);
	loop_until(&owner.asked, 2);
}

/* However often it is asked for, a beat comes once. */
static void once(const struct git *g)
{
	start(g, NULL, 0);
	loop_until(&owner.said, 1);
	while (heartbeat_busy(owner.h))
		loop_step(50);
	int said = owner.said;
	for (int i = 0; i < 20; i++) {
		heartbeat_put_off(owner.h);
		heartbeat_now(owner.h);
	}
	loop_until(&owner.said, said + 1);
	while (heartbeat_busy(owner.h))
		loop_step(50);
	loop_for(100);
	CHECK(owner.said == said + 1, "asked for twenty times, beaten once");
	heartbeat_stop(owner.h, false, NULL);
	loop_for(100);
	CHECK(owner.said == said + 1, "none after its end");
}

static void git(const struct git *g, const char *const *args)
{
	struct err e = {0};
	CHECK(!git_run(g, NULL, &e, args), e.msg);
}

int main(void)
{
	struct err e;
	char *dir = file_temp_dir(&e), *remote = xasprintf("%s/origin.git", dir);
	struct git g = {.dir = dir, .name = "n", .email = "n@example.invalid"};
	git(&g, (const char *const[]){"init", "-q", NULL});
	git(&g, (const char *const[]){"init", "-q", "--bare", remote, NULL});
	git(&g, (const char *const[]){"remote", "add", "origin", remote, NULL});
	once(&g);
	CHECK(aborts(asks_within, &g), "may must not ask for a beat");
	CHECK(aborts(puts_off_within, &g), "nor put one off");
	CHECK(aborts(waits_within, &g), "a callback must not wait");
	file_remove_tree(dir, &e);
	free(remote);
	free(dir);
	return test_end("test_heartbeat");
}
