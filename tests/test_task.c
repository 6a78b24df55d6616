/* The schema of tasks and of grid.json: every field, its bounds, and that all problems are told at once, with places.
 */
#include "schema/input.h"
#include "schema/task.h"
#include "test.h"
#include <stdlib.h>

static size_t problems(const char *text, struct buf *said)
{
	struct grid_config c;
	struct problems p = {0};
	struct task t;
	config_defaults(&c);
	if (!task_parse(&t, text, strlen(text), "t", &c, true, &p))
		task_clear(&t);
	config_clear(&c);
	if (said)
		buf_adds(said, p.text.data ? p.text.data : "");
	size_t n = p.n;
	problems_clear(&p);
	return n;
}

static void with_member(const char *member, bool valid)
{
	char *text = xasprintf("{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10%s%s}",
			       *member ? ", " : "", member);
	CHECK((problems(text, NULL) == 0) == valid, member);
	free(text);
}

#define OID "0123456789abcdef0123456789abcdef01234567"

static void inputs(void)
{
	static const char *const good[] = {
	    "{}", "{\"a\": {\"tree\": \"" OID "\"}}",
	    "{\"data.csv\": {\"tree\": \"" OID "\", \"path\": \"a-b.c\", \"files\": 1, \"bytes\": 67108864, "
	    "\"from\": \"main:x\"}}",
	    "{\"a\": {\"tree\": \"" OID "\", \"files\": 5000}, \"b\": {\"tree\": \"" OID "\", \"files\": 5000}}"};
	static const char *const bad[] = {"[]",
					  "{\"a\": \"" OID "\"}",
					  "{\"a\": {}}",
					  "{\"a\": {\"tree\": \"main\"}}",
					  "{\"a\": {\"tree\": \"0123456789ABCDEF0123456789abcdef01234567\"}}",
					  "{\"a\": {\"tree\": 5}}",
					  "{\".a\": {\"tree\": \"" OID "\"}}",
					  "{\"a/b\": {\"tree\": \"" OID "\"}}",
					  "{\"\": {\"tree\": \"" OID "\"}}",
					  "{\"a\\u0000\": {\"tree\": \"" OID "\"}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"path\": \"\"}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"path\": \"/etc\"}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"path\": \"a\\\",source=/,\\\"readonly\"}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"path\": \"x/\"}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"bytes\": -1}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"bytes\": 67108865}}",
					  "{\"a\": {\"tree\": \"" OID
					  "\", \"bytes\": 9223372036854775807}, \"b\": {\"tree\": \"" OID
					  "\", \"bytes\": 9223372036854775807}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"files\": 10001}}",
					  "{\"a\": {\"tree\": \"" OID "\", \"url\": \"https://example.org\"}}"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char *member = xasprintf("\"inputs\": %s", good[i]);
		with_member(member, true);
		free(member);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *member = xasprintf("\"inputs\": %s", bad[i]);
		with_member(member, false);
		free(member);
	}
	struct buf all = {0};
	for (int i = 0; i < INPUTS_MAX + 1; i++) {
		buf_addf(&all, "%s\"i%d\": {\"tree\": \"" OID "\"}", i ? ", " : "\"inputs\": {", i);
		if (i < INPUTS_MAX - 1)
			continue;
		char *member = xasprintf("%s}", all.data);
		with_member(member, i < INPUTS_MAX);
		free(member);
	}
	buf_clear(&all);
	with_member("\"inputs\": {\"a\": {\"tree\": \"" OID "\"}}, \"workdir\": \"a\"", true);
	with_member("\"workdir\": \"a\", \"inputs\": {\"a\": {\"tree\": \"" OID "\"}}", true);
	with_member("\"inputs\": {\"a\": {\"tree\": \"" OID "\"}}, \"workdir\": \"b\"", false);
	with_member("\"workdir\": \"a\"", false);
	static const char *const reads[] = {"a", "a/b", "a/b/..c"}, *const not [] = {"b",    "a/",    "a//b",
										     "a/..", "a/./b", "../a",
										     "/a",   "",      "ab"};
	for (size_t i = 0; i < sizeof reads / sizeof *reads + sizeof not / sizeof *not ; i++) {
		bool fine = i < sizeof reads / sizeof *reads;
		char *text = xasprintf("\"inputs\": {\"a\": {\"tree\": \"" OID "\"}}, \"stdin\": \"%s\"",
				       fine ? reads[i] : not [i - sizeof reads / sizeof *reads]);
		with_member(text, fine);
		free(text);
	}
	struct buf said = {0};
	problems(
	    "{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10,\n \"inputs\": {\"a\": {\"tree\": 5}}}",
	    &said);
	CHECK(said.data && strstr(said.data, "2:27: inputs: not valid (\"a\": expected \"tree\", an object id"),
	      said.data);
	buf_clear(&said);
}

static void schema(void)
{
	static const char *const good[] = {
	    "",
	    "\"image\": \"alpine:3.20\"",
	    "\"env\": {\"A_1\": \"x\", \"b\": \"\"}",
	    "\"cpus\": 0.01",
	    "\"cpus\": 1",
	    "\"memory_mb\": 4",
	    "\"memory_mb\": 512",
	    "\"pids\": 3",
	    "\"pids\": 64",
	    "\"cpu_seconds\": 1",
	    "\"cpu_seconds\": 300",
	    "\"priority\": 0",
	    "\"priority\": 9",
	    "\"max_attempts\": 1",
	    "\"max_attempts\": 10",
	    "\"labels\": []",
	    "\"labels\": [\"gpu\", \"x-1\"]",
	    "\"retry_on_failure\": true",
	    "\"checkpoint\": true, \"replicas\": 1",
	    "\"checkpoint\": false, \"replicas\": 3, \"points\": 2",
	    "\"replicas\": 1",
	    "\"replicas\": 9",
	    "\"replicas\": 3, \"quorum\": 2",
	    "\"quorum\": 3, \"replicas\": 3",
	    "\"replicas\": 1, \"quorum\": 1, \"retry_on_failure\": true",
	    "\"replicas\": 3, \"retry_on_failure\": false",
	    "\"group\": \"sweep-1_a\"",
	    "\"description\": \"\"",
	    "\"submitted_by\": \"me\"",
	    "\"created_at\": \"2026-01-01T00:00:00Z\"",
	    "\"created_at\": \"2026-01-01T00:00:00.125+02:00\"",
	    "\"created_at\": \"2026-01-01T00:00:00\"",
	    "\"metadata\": {\"any\": [null, 1e400, {}]}",
	    "\"concurrency_group\": \"deploy-db\"",
	    "\"max_running\": 3, \"concurrency_group\": \"g\"",
	    "\"concurrency_group\": \"g\", \"supersede\": true",
	    "\"start_after\": \"2026-01-01T00:00:00Z\"",
	    "\"deadline\": \"2026-01-01T00:00:00Z\"",
	    "\"start_after\": \"2026-01-01T00:00:00Z\", \"deadline\": \"2026-01-01T00:00:01Z\"",
	    "\"x-mine\": [1]",
	    NULL};
	static const char *const bad[] = {
	    "\"image\": \"evil:1\"",
	    "\"image\": 3",
	    "\"env\": []",
	    "\"env\": {\"1A\": \"x\"}",
	    "\"env\": {\"A=B\": \"x\"}",
	    "\"env\": {\"A\": 1}",
	    "\"env\": {\"A\": \"x\\u0000y\"}",
	    "\"cpus\": 0",
	    "\"cpus\": 1.01",
	    "\"cpus\": \"1\"",
	    "\"cpus\": 1e999",
	    "\"memory_mb\": 3",
	    "\"memory_mb\": 513",
	    "\"memory_mb\": 64.5",
	    "\"memory_mb\": 99999999999999999999",
	    "\"pids\": 2",
	    "\"pids\": 65",
	    "\"cpu_seconds\": 0",
	    "\"cpu_seconds\": 301",
	    "\"stdin\": \"a\"",
	    "\"priority\": -1",
	    "\"priority\": 10",
	    "\"priority\": null",
	    "\"max_attempts\": 0",
	    "\"max_attempts\": 11",
	    "\"group\": \"\"",
	    "\"group\": \"a b\"",
	    "\"group\": [\"a\"]",
	    "\"concurrency_group\": \"a b\"",
	    "\"concurrency_group\": \"label:gpu\"",
	    "\"concurrency_group\": 1",
	    "\"max_running\": 3",
	    "\"concurrency_group\": \"g\", \"max_running\": 0",
	    "\"concurrency_group\": \"g\", \"max_running\": 100001",
	    "\"supersede\": true",
	    "\"concurrency_group\": \"g\", \"supersede\": 1",
	    "\"start_after\": \"tomorrow\"",
	    "\"deadline\": 5",
	    "\"start_after\": \"2026-01-01T00:00:00Z\", \"deadline\": \"2026-01-01T00:00:00Z\"",
	    "\"labels\": \"gpu\"",
	    "\"labels\": [1]",
	    "\"labels\": [\"a b\"]",
	    "\"retry_on_failure\": 1",
	    "\"checkpoint\": 1",
	    "\"checkpoint\": true, \"replicas\": 3",
	    "\"checkpoint\": true, \"points\": 2",
	    "\"checkpoint\": true, \"out_mb\": 0",
	    "\"replicas\": 0",
	    "\"replicas\": 10",
	    "\"replicas\": \"3\"",
	    "\"quorum\": 2",
	    "\"replicas\": 3, \"quorum\": 1",
	    "\"replicas\": 4, \"quorum\": 2",
	    "\"replicas\": 3, \"quorum\": 4",
	    "\"replicas\": 3, \"quorum\": 2.5",
	    "\"replicas\": 3, \"retry_on_failure\": true",
	    "\"description\": 1",
	    "\"created_at\": null",
	    "\"created_at\": 1767225600",
	    "\"created_at\": \"\"",
	    "\"created_at\": \"yesterday\"",
	    "\"created_at\": \"2026-01-01\"",
	    "\"created_at\": \"2026-13-01T00:00:00Z\"",
	    "\"created_at\": \"2026-01-01T00:00:00Z\\u0000\"",
	    "\"claim\": {}",
	    "\"result\": {}",
	    "\"attempts\": []",
	    "\"cancel\": {}",
	    "\"approved_by\": {}",
	    "\"not_before\": \"2026-01-01T00:00:00Z\"",
	    "\"X-mine\": 1",
	    "\"prioritty\": 1",
	    NULL};
	for (int i = 0; good[i]; i++)
		with_member(good[i], true);
	for (int i = 0; bad[i]; i++)
		with_member(bad[i], false);
	static const char *const whole[] = {"",
					    "[]",
					    "{}",
					    "{\"task_id\": \"t\", \"script\": \"\", \"timeout_seconds\": 10}",
					    "{\"task_id\": \"t\", \"script\": \"a\\u0000b\", \"timeout_seconds\": 10}",
					    "{\"task_id\": \"t\", \"script\": \"x\", \"timeout_seconds\": 9}",
					    "{\"task_id\": \"t\", \"script\": \"x\", \"timeout_seconds\": 301}",
					    "{\"task_id\": \"t\", \"script\": \"x\", \"timeout_seconds\": 10.0}",
					    "{\"task_id\": \"u\", \"script\": \"x\", \"timeout_seconds\": 10}",
					    "{\"task_id\": \"t/../u\", \"script\": \"x\", \"timeout_seconds\": 10}",
					    NULL};
	for (int i = 0; whole[i]; i++)
		CHECK(problems(whole[i], NULL) > 0, whole[i]);
	struct buf said = {0};
	size_t n = 0;
	CHECK(problems("{\"task_id\": \"a b\",\n \"timeout_seconds\": 9999,\n \"scirpt\": 1}", &said) == 4,
	      "all at once");
	CHECK(strstr(said.data, "1:13: task_id") && strstr(said.data, "2:21: timeout_seconds") &&
		  strstr(said.data, "3:2: scirpt") && strstr(said.data, "script: missing"),
	      said.data);
	buf_clear(&said);
	/* A name with a NUL in it is another name. */
	CHECK(problems("{\"task_id\": \"t\", \"script\": \"x\", \"script\\u0000\": 1, \"timeout_seconds\": 10}",
		       &said) == 1 &&
		  strstr(said.data, "unknown field"),
	      said.data);
	buf_clear(&said);
	CHECK(problems("{\"task_id\": \"t\", \"script\": \"x\", \"tiemout_seconds\": 10}", &said) == 2 &&
		  strstr(said.data, "1:33: tiemout_seconds: unknown field (expected \"timeout_seconds\"?") &&
		  strstr(said.data, "1:1: timeout_seconds: missing"),
	      said.data);
	buf_clear(&said);
	for (const struct task_field *f; (f = task_field_at(n)); n++) {
		char *member = xasprintf("\"%s\": {\"y\": []}", f->name);
		struct buf b = {0};
		char *text = xasprintf("{%s}", member);
		problems(text, &b);
		CHECK(!strstr(b.data, "unknown field"), f->name);
		CHECK(!!strstr(b.data, "only dgrid writes") == !f->dflt, f->name);
		buf_clear(&b);
		free(text);
		free(member);
	}
	CHECK(n > 20, "all fields were tried");
}

static struct json *parse(const char *text)
{
	struct json_error e;
	struct json *j = json_parse(text, strlen(text), &e);
	CHECK(j, text);
	return j;
}

static void life(void)
{
	struct json *doc = parse("{\"task_id\":\"t\",\"metadata\":{\"n\":1e400},\"max_attempts\":2}");
	task_set_claim(doc, "n1", "nonce1", 70);
	CHECK(!strcmp(task_claim_nonce(doc), "nonce1"), "the claim's nonce");
	CHECK(json_int(json_get(doc, "claim"), "attempt", 0) == 1, "first attempt");
	CHECK(task_lease_until(doc) > 0, "a lease");
	task_end_claim(doc, "released", "worker stopped", NULL);
	CHECK(!task_claim_nonce(doc) && task_attempts_used(doc) == 0, "a release costs no attempt");
	task_set_claim(doc, "n2", "nonce2", 70);
	CHECK(json_int(json_get(doc, "claim"), "attempt", 0) == 1, "still the first attempt");
	struct json *result = parse("{\"exit_code\":4,\"stderr\":\"oops\"}");
	task_end_claim(doc, "failed", NULL, result);
	json_free(result);
	CHECK(task_attempts_used(doc) == 1 && task_max_attempts(doc) == 2, "a failure costs one");
	const struct json *last = json_get(doc, "attempts")->child->next;
	CHECK(json_int(last, "exit_code", 0) == 4 && !strcmp(json_str(last, "stderr_tail"), "oops"), "its story");
	task_set_claim(doc, "n3", "nonce3", 70);
	task_set_verdict(doc, "lost", "silence");
	CHECK(task_attempts_used(doc) == 2, "lost costs one");
	CHECK(!strcmp(json_str(json_get(doc, "result"), "status"), "lost"), "its verdict");
	task_retried(doc, "me");
	CHECK(task_attempts_used(doc) == 0, "the count starts again");
	char *text = task_text(doc);
	CHECK(strstr(text, "1e400"), "what is not understood is kept untouched");
	free(text);
	json_free(doc);
}

static void config_bounds(void)
{
	static const char *const good[] = {"{}",
					   "{\"schema\": 1}",
					   "{\"poll_seconds\": 1}",
					   "{\"pushes_per_minute\": null}",
					   "{\"images\": [\"a\", \"b\"]}",
					   "{\"promote\": \"workers\"}",
					   "{\"promote\": \"workflow\", \"max_files_per_request\": 20}",
					   "{\"x-y\": 1}",
					   "{\"replicas\": 3}",
					   "{\"quorum\": 3, \"replicas\": 5}",
					   "{\"replicas\": 3, \"quorum\": null}",
					   NULL};
	static const char *const bad[] = {"",
					  "[]",
					  "{\"schema\": 2}",
					  "{\"poll_seconds\": 0}",
					  "{\"poll_seconds\": null}",
					  "{\"images\": []}",
					  "{\"images\": [\"-v\"]}",
					  "{\"max_cpus\": 0}",
					  "{\"default_cpus\": 2}",
					  "{\"default_memory_mb\": 600}",
					  "{\"default_memory_mb\": 3}",
					  "{\"replicas\": 0}",
					  "{\"replicas\": 10}",
					  "{\"quorum\": 2}",
					  "{\"replicas\": 4, \"quorum\": 2}",
					  "{\"replicas\": 3, \"quorum\": 4}",
					  "{\"branch\": \"-x\"}",
					  "{\"pol\": 1}",
					  "{\"promote\": \"worker\"}",
					  "{\"promote\": null}",
					  "{\"max_files_per_request\": 0}",
					  "{\"poll_seconds\\u0000\": 1}",
					  "{\"min_timeout_seconds\": 20, \"max_timeout_seconds\": 10}",
					  NULL};
	for (int k = 0; k < 2; k++)
		for (const char *const *t = k ? bad : good; *t; t++) {
			struct grid_config c;
			struct problems p = {0};
			config_defaults(&c);
			config_parse(&c, *t, strlen(*t), &p);
			CHECK((p.n > 0) == k, *t);
			config_clear(&c);
			problems_clear(&p);
		}
}

/* A task outlives the settings that it was checked by: a worker reads them anew while it runs. */
static void outlives(void)
{
	static const char text[] = "{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10}";
	struct grid_config c;
	struct problems p = {0};
	struct task t;
	config_defaults(&c);
	CHECK(!task_parse(&t, text, strlen(text), "t", &c, true, &p), "valid");
	char *image = xstrdup(c.images[0]);
	memset(c.images[0], 'x', strlen(c.images[0]));
	config_clear(&c);
	CHECK(!strcmp(t.image, image), t.image);
	free(image);
	task_clear(&t);
	problems_clear(&p);
}

/* What is submitted has an end; what dgrid wrote, or took when it had another, is read. */
static void sizes(void)
{
	struct grid_config c;
	struct problems p = {0};
	struct task t;
	config_defaults(&c);
	char *wide = xasprintf("%0*d", TASK_SUBMIT_MAX - 100, 0), /* fits with what else is there, and not with more */
	    *fits =
		xasprintf("{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10, \"x-a\": \"%s\"}", wide),
	     *over = xasprintf("{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10, \"x-a\": \"%s\", "
			       "\"x-b\": \"0123456789012345678901234567890123456789\"}",
			       wide);
	struct buf said = {0};
	CHECK(!problems(fits, &said), said.data);
	CHECK(problems(over, &said) == 1 &&
		  strstr(said.data, "bytes as dgrid writes it (expected at most 262144 in a submission)"),
	      said.data);
	CHECK(!task_parse(&t, over, strlen(over), "t", &c, false, &p), "in a queue");
	task_clear(&t);
	problems_clear(&p);
	buf_clear(&said);
	config_clear(&c);
	free(wide);
	free(fits);
	free(over);
}

int main(void)
{
	outlives();
	sizes();
	schema();
	inputs();
	life();
	config_bounds();
	CHECK(task_id_valid("a-Z_9") && !task_id_valid("") && !task_id_valid("a b") && !task_id_valid("../x") &&
		  !task_id_valid("12345678901234567890123456789012345678901234567890123456789012345"),
	      "task ids");
	return test_end("test_task");
}
