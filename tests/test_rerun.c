/* Two results compared. */
#include "audit/rerun.h"
#include "test.h"
#include <stdlib.h>

static struct json *parse(const char *text)
{
	struct json_error e;
	struct json *j = json_parse(text, strlen(text), &e);
	CHECK(j, text);
	return j;
}

static void compare(const char *recorded, const char *now, enum rerun_verdict expected, const char *differences)
{
	struct json *a = parse(recorded), *b = parse(now), *list = json_new(JSON_ARRAY);
	struct buf said = {0};
	char why[256];
	enum rerun_verdict v = rerun_compare(a, b, list, why);
	json_write(&said, list, 0);
	CHECK(v == expected, recorded);
	CHECK((why[0] != 0) == (v == RERUN_CANNOT), why);
	CHECK(!strcmp(said.data, differences), said.data);
	buf_clear(&said);
	json_free(a);
	json_free(b);
	json_free(list);
}

static void refuse(const char *doc, const char *state, const char *says)
{
	struct json *j = parse(doc);
	char *why = rerun_refusal(j, state);
	CHECK(says ? why && strstr(why, says) : !why, why ? why : "no reason");
	free(why);
	json_free(j);
}

#define NOW                                                                                                            \
	"{\"status\":\"success\",\"exit_code\":0,\"signal\":null,\"stdout\":\"a\\nb\\n\",\"stdout_sha256\":\"x\","     \
	"\"stderr\":\"\",\"stderr_sha256\":\"e\"}"

int main(void)
{
	compare(NOW, NOW, RERUN_SAME, "[]");
	compare("{\"status\":\"disputed\",\"quorum\":{\"status\":\"success\"},\"exit_code\":0,\"stdout_sha256\":\"x\","
		"\"stderr_sha256\":\"e\"}",
		NOW, RERUN_SAME, "[]");
	compare(
	    "{\"status\":\"failed\",\"exit_code\":3,\"signal\":9,\"stdout\":\"a\\nc\\n\",\"stdout_sha256\":\"y\","
	    "\"stderr_sha256\":\"e\"}",
	    NOW, RERUN_DIFFERS,
	    "[{\"what\":\"status\",\"recorded\":\"failed\",\"rerun\":\"success\"},"
	    "{\"what\":\"exit_code\",\"recorded\":3,\"rerun\":0},{\"what\":\"signal\",\"recorded\":9,\"rerun\":null},"
	    "{\"what\":\"stdout\",\"recorded\":\"c\",\"rerun\":\"b\",\"line\":2}]");
	/* It had ended where the other goes on. */
	compare("{\"status\":\"success\",\"exit_code\":0,\"stdout\":\"a\\n\",\"stdout_sha256\":\"y\",\"stderr_sha256\":"
		"\"e\"}",
		NOW, RERUN_DIFFERS, "[{\"what\":\"stdout\",\"recorded\":null,\"rerun\":\"b\",\"line\":2}]");
	/* What was kept is the same, what was not is not. */
	compare("{\"status\":\"success\",\"exit_code\":0,\"stdout\":\"a\\nb\\n\",\"stdout_sha256\":\"y\","
		"\"stderr_sha256\":\"e\"}",
		NOW, RERUN_DIFFERS, "[{\"what\":\"stdout\",\"recorded\":null,\"rerun\":null}]");
	/* Without hashes: by the text, when it is whole. */
	compare("{\"status\":\"success\",\"exit_code\":0,\"stdout\":\"a\\nb\\n\",\"stderr\":\"\"}", NOW, RERUN_SAME,
		"[]");
	compare("{\"status\":\"success\",\"exit_code\":0,\"stdout\":\"a\\nb\\n\",\"stderr\":\"?\"}", NOW, RERUN_DIFFERS,
		"[{\"what\":\"stderr\",\"recorded\":\"?\",\"rerun\":null,\"line\":1}]");
	compare("{\"status\":\"success\",\"exit_code\":0,\"stdout\":\"a\\nb\\n\",\"stdout_truncated\":true,\"stderr\":"
		"\"\"}",
		NOW, RERUN_CANNOT, "[]");
	compare("{\"status\":\"success\",\"exit_code\":0}", NOW, RERUN_CANNOT, "[]");
	compare("{\"status\":\"success\",\"exit_code\":\"0\",\"stdout\":[],\"stderr\":1}", NOW, RERUN_DIFFERS,
		"[{\"what\":\"exit_code\",\"recorded\":\"0\",\"rerun\":0}]");

	refuse("{\"script\":\"x\",\"result\":{\"status\":\"oom\"}}", "failed", NULL);
	refuse("{\"script\":\"x\",\"result\":{\"status\":\"disputed\",\"quorum\":{\"status\":\"failed\"}}}", "failed",
	       NULL);
	refuse("{\"script\":\"x\",\"result\":{\"status\":\"lost\"}}", "failed", "'lost'");
	refuse("{\"script\":\"x\",\"result\":{\"status\":\"disputed\"}}", "failed", "'disputed'");
	refuse("{\"script\":\"x\",\"result\":{}}", "failed", "'?'");
	refuse("{\"result\":{\"status\":\"success\"}}", "completed", "no script");
	refuse("{\"script\":\"x\"}", "queue", "it is in queue");

	struct json *doc = parse("{\"script\":\"echo hi\",\"result\":{\"script_sha256\":"
				 "\"56a79f3b115448072387c2480044bfa2cf8f90e4f5fddd8c943b4e051b81f80b\"}}");
	CHECK(!rerun_script_changed(doc), "the script that ran");
	json_set(doc, "script", json_new_str("echo ho"));
	CHECK(rerun_script_changed(doc), "another script");
	json_free(doc);
	return test_end("test_rerun");
}
