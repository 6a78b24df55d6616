/* Points: which are valid, what indexes they have, and when a result's points are sound. */
#include "audit/rerun.h"
#include "base/sha256.h"
#include "schema/points.h"
#include "schema/result.h"
#include "schema/task.h"
#include "schema/vote.h"
#include "test.h"
#include <stdlib.h>

static struct json *parse(const char *text)
{
	struct json_error je;
	struct json *j = json_parse(text, strlen(text), &je);
	CHECK(j != NULL, text);
	return j;
}

/* What task_parse says of a task with these members; "": it is valid. */
static void valid(const char *members, const char *says)
{
	struct grid_config c;
	struct task t;
	struct problems p = {.file = "t"};
	char *text = xasprintf("{\"task_id\": \"t\", \"script\": \"true\", \"timeout_seconds\": 10, %s}", members);
	config_defaults(&c);
	int rc = task_parse(&t, text, strlen(text), "t", &c, true, &p);
	CHECK((rc == 0) == !*says, text);
	CHECK(!*says || (p.text.data && strstr(p.text.data, says)), p.text.data ? p.text.data : text);
	task_clear(&t);
	problems_clear(&p);
	config_clear(&c);
	free(text);
}

static void schema(void)
{
	valid("\"points\": 1", "");
	valid("\"points\": 256, \"first_point\": 999999999", "");
	valid("\"share_sandbox\": true, \"points\": [{}]", "");
	valid("\"points\": [{\"A\": \"\"}, {\"B\": \"x\"}, {\"DGRID_POINT\": \"7\"}, {\"DGRID_POINT\": \"9\"}]", "");
	valid("\"points\": 0", "expected a whole number from 1 to 256");
	valid("\"points\": 257", "expected a whole number from 1 to 256");
	valid("\"points\": 1.5", "expected a whole number");
	valid("\"points\": []", "an empty array");
	valid("\"points\": \"3\"", "expected a whole number");
	valid("\"points\": [1]", "point 0: number");
	valid("\"points\": [{\"A\": 1}]", "expected a string without NUL");
	valid("\"points\": [{\"A\": \"a\\u0000\"}]", "expected a string without NUL");
	valid("\"points\": [{\"1A\": \"\"}]", "is no variable name");
	valid("\"points\": [{\"DGRID_POINT\": \"x\"}]", "DGRID_POINT of point 0");
	valid("\"points\": [{\"DGRID_POINT\": \"07\"}]", "DGRID_POINT of point 0");
	valid("\"points\": [{}, {}, {\"DGRID_POINT\": \"1\"}]", "DGRID_POINT of point 2");
	valid("\"points\": 2, \"first_point\": -1", "first_point");
	valid("\"first_point\": 1", "without \"points\"");
	valid("\"share_sandbox\": true", "without \"points\"");
	valid("\"points\": 2, \"share_sandbox\": 1", "share_sandbox");
	struct buf many = {0};
	for (int i = 0; i <= POINT_VARIABLES; i++)
		buf_addf(&many, "%s\"V%d\": \"\"", i ? ", " : "\"points\": [{", i);
	buf_adds(&many, "}]");
	valid(many.data, "more than 256 variables");
	buf_reset(&many);
	buf_adds(&many, "\"points\": [{}");
	for (int i = 1; i < POINTS_MAX; i++)
		buf_adds(&many, ", {}");
	char *full = xasprintf("%s]", many.data), *over = xasprintf("%s, {}]", many.data);
	valid(full, "");
	valid(over, "more than 256 points");
	buf_clear(&many);
	free(full);
	free(over);
	char *wide = xcalloc(POINT_BYTES + 1, 1);
	memset(wide, 'x', POINT_BYTES);
	full = xasprintf("\"points\": [{\"A\": \"%.*s\"}]", POINT_BYTES - 3, wide);
	over = xasprintf("\"points\": [{\"A\": \"%s\"}]", wide);
	valid(full, "");
	valid(over, "expected at most 32000");
	for (int i = 0; i < 9; i++)
		buf_addf(&many, "%s{\"A\": \"%.*s\"}", i ? ", " : "\"points\": [", POINT_BYTES - 3, wide);
	buf_adds(&many, "]");
	valid(many.data, "more than 262144 bytes together");
	buf_clear(&many);
	free(full);
	free(over);
	free(wide);
}

/* All points together have their own limit; one point alone has that of any task. */
static void together(void)
{
	static const struct {
		const char *members;
		bool valid;
	} tasks[] = {{"\"timeout_seconds\": 10, \"points\": 10", true},
		     {"\"timeout_seconds\": 10, \"points\": 11", false},
		     {"\"timeout_seconds\": 60, \"points\": [{}, {}]", false},
		     {"\"timeout_seconds\": 300, \"points\": 1", true},
		     {"\"timeout_seconds\": 300", true}};
	for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
		struct grid_config c;
		struct task t;
		struct problems p = {0};
		char *text = xasprintf("{\"task_id\": \"t\", \"script\": \"true\", %s}", tasks[i].members);
		config_defaults(&c);
		CHECK(c.max_points_seconds == 3600, "the default");
		c.max_points_seconds = 100;
		CHECK(!task_parse(&t, text, strlen(text), "t", &c, false, &p) == tasks[i].valid, text);
		CHECK(tasks[i].valid || strstr(p.text.data, "s each (expected at most 100 s together"), text);
		task_clear(&t);
		problems_clear(&p);
		config_clear(&c);
		free(text);
	}
}

static void indexes(void)
{
	struct point all[POINTS_MAX];
	struct json *doc = parse("{\"points\": 3, \"first_point\": 40}");
	CHECK(points_of(doc, all) == 3 && all[0].index == 40 && all[2].index == 42 && !all[0].vars, "a number");
	CHECK(points_seconds(doc, 10) == 30, "seconds");
	json_free(doc);
	doc = parse("{\"points\": [{\"A\": \"1\"}, {\"DGRID_POINT\": \"9\"}, {}], \"first_point\": 2}");
	CHECK(points_of(doc, all) == 3 && all[0].index == 2 && all[1].index == 9 && all[2].index == 10, "objects");
	CHECK(all[0].vars && !strcmp(json_str(all[0].vars, "A"), "1"), "variables");
	json_free(doc);
	doc = parse("{\"points\": \"x\"}");
	CHECK(!points_count(doc) && points_seconds(doc, 10) == 10, "none");
	json_free(doc);
}

/* ---- results ---- */

#define HASH "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"	   /* of "hi\n" */
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* of no bytes */
#define HI "\"stdout\": \"hi\\n\", \"stdout_bytes\": 3, \"stdout_truncated\": false, \"stdout_sha256\": \"" HASH "\""
#define GOOD(n) "{\"point\": " n ", \"status\": \"success\", \"exit_code\": 0, \"signal\": null, \"duration_ms\": 5}"
#define SAYS(n)                                                                                                        \
	"{\"point\": " n ", \"status\": \"success\", \"exit_code\": 0, \"signal\": null, \"duration_ms\": 5, " HI "}"
#define BAD(n) "{\"point\": " n ", \"status\": \"failed\", \"exit_code\": 3, \"signal\": null, \"duration_ms\": 5}"
#define LATE(n, ms)                                                                                                    \
	"{\"point\": " n ", \"status\": \"timeout\", \"exit_code\": null, \"signal\": null, \"duration_ms\": " ms "}"
#define GONE(n)                                                                                                        \
	"{\"point\": " n ", \"status\": \"cancelled\", \"exit_code\": null, \"signal\": null, \"duration_ms\": 5}"
#define SKIPPED(n) "{\"point\": " n ", \"status\": \"skipped\"}"

static void sound(const char *status, const char *members, const char *points, const char *says)
{
	struct json *task = parse("{\"points\": 3, \"first_point\": 4, \"timeout_seconds\": 10}");
	char *text = xasprintf("{\"duration_ms\": 20000, %s, \"points\": [%s]}", members, points), why[200] = "";
	struct json *result = parse(text);
	bool is = result_points_sound(task, result, status, why);
	CHECK(is == !*says, text);
	CHECK(strstr(why, says), why);
	json_free(task);
	json_free(result);
	free(text);
}

static void results(void)
{
#define OK "\"exit_code\": 0, \"signal\": null, \"points_failed\": 0"
#define NO(code, n) "\"exit_code\": " code ", \"signal\": null, \"points_failed\": " n
	sound("success", OK, GOOD("4") "," SAYS("5") "," GOOD("6"), "");
	sound("failed", NO("3", "2"), GOOD("4") "," BAD("5") "," LATE("6", "10004"), "");
	sound("failed", NO("null", "2"), LATE("4", "10004") "," BAD("5") "," GOOD("6"), "");
	sound("cancelled", NO("null", "2"), GOOD("4") "," GONE("5") "," SKIPPED("6"), "");
	sound("failed", NO("null", "1") ", \"reason\": \"too much in /out\"", GOOD("4") "," GOOD("5") "," BAD("6"), "");
	/* ---- */
	sound("success", OK, GOOD("4") "," SAYS("5"), "1 of its 3 points have no entry");
	sound("success", OK, GOOD("4") "," SAYS("6") "," GOOD("5"), "entry 1");
	sound("success", OK, GOOD("4") "," SAYS("5") "," GOOD("6") "," GOOD("7"), "entry 3");
	sound("success", OK, GOOD("0") "," GOOD("1") "," GOOD("2"), "entry 0");
	sound("success", OK, GOOD("4") "," BAD("5") "," GOOD("6"), "points_failed is not 1");
	sound("success", NO("0", "1"), GOOD("4") "," BAD("5") "," GOOD("6"), "success with 1 points");
	sound("failed", NO("1", "1"), GOOD("4") "," BAD("5") "," GOOD("6"), "exit_code is not that of the first");
	sound("failed", NO("3", "0"), GOOD("4") "," GOOD("5") "," GOOD("6"), "all points are a success");
	sound("timeout", NO("3", "1"), GOOD("4") "," BAD("5") "," GOOD("6"), "ended as timeout");
	sound("failed", NO("3", "2"), BAD("4") "," GOOD("5") "," SKIPPED("6"), "nobody cancelled");
	sound("cancelled", NO("null", "1"), GOOD("4") "," SKIPPED("5") "," GOOD("6"), "ran after one");
	sound("failed", NO("null", "1"), GOOD("4") "," LATE("5", "20") "," GOOD("6"), "a timeout after 20 ms");
	sound("failed", NO("null", "3"), LATE("4", "10001") "," LATE("5", "10001") "," LATE("6", "10001"),
	      "took 30003 ms");
	sound("failed", NO("null", "1"), GOOD("4") ",{\"point\": 5, \"status\": \"lost\"}," GOOD("6"),
	      "does not say how");
	sound("success", OK, GOOD("4") "," GOOD("5") ",{\"point\": 6, \"status\": \"success\"}", "does not say how");
	sound("success", OK,
	      GOOD("4") "," GOOD("5") ",{\"point\": 6, \"status\": \"success\", \"exit_code\": 1, \"signal\": null, "
				      "\"duration_ms\": 1}",
	      "success with exit code 1");
	sound("success", OK,
	      GOOD("4") "," GOOD("5") ",{\"point\": 6, \"status\": \"success\", \"exit_code\": 0, \"signal\": null, "
				      "\"duration_ms\": 1, \"stdout\": \"ha\\n\", \"stdout_bytes\": 3, "
				      "\"stdout_truncated\": false, \"stdout_sha256\": \"" HASH "\"}",
	      "is not what stdout_sha256");
	static const char *const lone[] = {"\"stdout\": \"hi\\n\"", "\"stdout_bytes\": 3",
					   "\"stderr_truncated\": false",
					   "\"stderr\": \"hi\\n\", \"stderr_bytes\": 3, \"stderr_truncated\": false"};
	for (size_t i = 0; i < sizeof lone / sizeof *lone; i++) {
		char *points =
		    xasprintf("%.*s, %s},%s,%s", (int)strlen(GOOD("4")) - 1, GOOD("4"), lone[i], GOOD("5"), GOOD("6"));
		sound("success", OK, points, "does not say what it printed on std");
		free(points);
	}
	sound("success", OK,
	      GOOD("4") "," GOOD("5") ",{\"point\": 6, \"status\": \"success\", \"exit_code\": 0, \"signal\": null, "
				      "\"duration_ms\": 1, \"stdout\": \"\", \"stdout_bytes\": 0, "
				      "\"stdout_truncated\": false, \"stdout_sha256\": \"" NOTHING "\"}",
	      "printed nothing");
	struct json *none = parse("{}"), *result = parse("{\"points\": []}");
	char why[200];
	CHECK(!result_points_sound(none, result, "success", why), "points of a task without");
	CHECK(result_points_sound(none, none, "success", why), "no points");
	json_free(none);
	json_free(result);
}

/* A file has an end: streams are cut until they fit, and stay sound. */
static void room(void)
{
	static const char *const of[] = {"a", "\\u0001", "\xC3\xA4", "\xEF\xBF\xBD", "\xF0\x9F\x98\x80!"};
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		struct buf text = {0};
		buf_adds(&text, "{\"stdout\": \"");
		for (int k = 0; k < 20000; k++)
			buf_adds(&text, of[i]);
		buf_adds(&text, "\"}");
		struct json *r = parse(text.data);
		const struct json *all = json_get(r, "stdout");
		int64_t bytes = (int64_t)all->len;
		char why[200] = "", hex[SHA256_HEX];
		uint8_t hash[32];
		sha256(all->text, all->len, hash);
		sha256_hex(hash, hex);
		json_set(r, "stdout_bytes", json_new_int(bytes));
		json_set(r, "stdout_truncated", json_new_bool(false));
		json_set(r, "stdout_sha256", json_new_str(hex));
		CHECK(result_fit(r, 1 << 20) && !json_get(r, "stdout_truncated")->boolean, "it fits as it is");
		/* A node that ended it may not have seen the last of what it printed; of a script's own end it has. */
		static const char *const ends[] = {"success", "failed", "timeout", "cancelled", "oom"};
		json_set(r, "stdout_truncated", json_new_bool(true));
		for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
			json_set(r, "status", json_new_str(ends[k]));
			CHECK(result_stream_sound(r, "stdout", false, why) == (k > 1), ends[k]);
		}
		json_set(r, "stdout_bytes", json_new_int(bytes + 1));
		CHECK(!result_stream_sound(r, "stdout", false, why), "a byte that is nowhere");
		json_remove(r, "status");
		json_set(r, "stdout_bytes", json_new_int(bytes));
		json_set(r, "stdout_truncated", json_new_bool(false));
		static const size_t sizes[] = {9000, 3000, 1000};
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) { /* what was cut is cut again */
			struct buf now = {0};
			CHECK(result_fit(r, sizes[k]), of[i]);
			json_write(&now, r, 2);
			CHECK(now.len <= sizes[k] && now.len > sizes[k] / 4, now.data);
			CHECK(json_get(r, "stdout_truncated")->boolean && result_stream_sound(r, "stdout", false, why),
			      why);
			CHECK(json_int(r, "stdout_bytes", 0) == bytes && !strcmp(json_str(r, "stdout_sha256"), hex),
			      "kept");
			struct json *again = parse(now.data);
			CHECK(again != NULL, "valid UTF-8");
			json_free(again);
			buf_clear(&now);
		}
		CHECK(!result_fit(r, 100), "too little for anything");
		json_free(r);
		buf_clear(&text);
	}
	struct json *r = parse("{\"points\": [" SAYS("4") "," GOOD("5") "]}");
	CHECK(!result_fit(r, 200) && !strcmp(json_str(json_get(r, "points")->child, "stdout"), "hi\n"),
	      "short ones stay");
	json_free(r);
}

static void lines(void)
{
	struct json *r = parse("{\"points\": [" GOOD("4") "," BAD("5") "]}");
	char *line = result_line(r, true);
	CHECK(!strcmp(line, "1 of 2 points"), line);
	free(line);
	json_free(r);
	r = parse(
	    "{\"points\": [" GOOD("4") ", {\"point\": 5, \"status\": \"failed\", \"stderr\": \"a\\nbad luck\\n\"}]}");
	line = result_line(r, true);
	CHECK(!strcmp(line, "1 of 2 points; 5: bad luck"), line);
	free(line);
	json_free(r);
}

/* A commitment covers what each point found, and nothing else of it. */
static void commitments(void)
{
	static const char *const others[] = {GOOD("4") "," GOOD("5"), SAYS("4") "," GOOD("6"), SAYS("4") "," BAD("5"),
					     SAYS("4"), GOOD("4") "," SAYS("5")};
	char first[VOTE_COMMITMENT], now[VOTE_COMMITMENT];
	struct json *r =
	    parse("{\"status\": \"success\", \"exit_code\": 0, \"points\": [" SAYS("4") "," GOOD("5") "]}");
	CHECK(vote_commitment(r, "n1", "x", first) && vote_commitment_valid(first), "a commitment");
	json_free(r);
	r = parse("{\"status\": \"success\", \"exit_code\": 0, \"duration_ms\": 9, \"points\": [" SAYS(
	    "4") ", {\"point\": 5, "
		 "\"status\": \"success\", \"exit_code\": 0, \"signal\": null, \"duration_ms\": 77}]}");
	CHECK(vote_commitment(r, "n1", "x", now) && !strcmp(first, now), "how long it took is no finding");
	json_free(r);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char *text = xasprintf("{\"status\": \"success\", \"exit_code\": 0, \"points\": [%s]}", others[i]);
		r = parse(text);
		CHECK(vote_commitment(r, "n1", "x", now) && strcmp(first, now) != 0, text);
		json_free(r);
		free(text);
	}
	r = parse("{\"status\": \"success\", \"points\": []}");
	CHECK(!vote_commitment(r, "n1", "x", now), "no points");
	json_free(r);
}

static void again(const char *recorded, const char *now, const char *differences)
{
	char *a = xasprintf("{\"status\": \"success\", \"points\": [%s]}", recorded),
	     *b = xasprintf("{\"status\": \"success\", \"points\": [%s]}", now), why[256];
	struct json *x = parse(a), *y = parse(b), *list = json_new(JSON_ARRAY);
	struct buf said = {0};
	CHECK(rerun_compare(x, y, list, why) == (list->child ? RERUN_DIFFERS : RERUN_SAME), why);
	json_write(&said, list, 0);
	CHECK(!strcmp(said.data, differences), said.data);
	buf_clear(&said);
	json_free(x);
	json_free(y);
	json_free(list);
	free(a);
	free(b);
}

static void reruns(void)
{
	again(SAYS("4") "," GOOD("5"), SAYS("4") "," GOOD("5"), "[]");
	again(SAYS("4") "," GOOD("5"), SAYS("4") "," BAD("5"),
	      "[{\"what\":\"point 5: status\",\"recorded\":\"success\",\"rerun\":\"failed\"},"
	      "{\"what\":\"point 5: exit_code\",\"recorded\":0,\"rerun\":3}]");
	again(GOOD("4"), SAYS("4"), "[{\"what\":\"point 4: stdout\",\"recorded\":null,\"rerun\":null}]");
	again(GOOD("4") "," GOOD("5"), GOOD("4"),
	      "[{\"what\":\"point 5: status\",\"recorded\":\"success\",\"rerun\":null},"
	      "{\"what\":\"point 5: exit_code\",\"recorded\":0,\"rerun\":null}]");
}

int main(void)
{
	schema();
	together();
	indexes();
	results();
	room();
	lines();
	commitments();
	reruns();
	return test_end("test_points");
}
