/* How many may run at a time: the setting, what binds a task, and what counts. */
#include "schema/limit.h"
#include "test.h"
#include <stdlib.h>

static struct grid_config config_of(const char *concurrency)
{
	struct grid_config c;
	struct problems p = {0};
	struct buf text = {0};
	config_defaults(&c);
	buf_addf(&text, "{\"concurrency\": %s}", concurrency);
	config_parse(&c, text.data, text.len, &p);
	CHECK(!p.n, concurrency);
	problems_clear(&p);
	buf_clear(&text);
	return c;
}

static struct json *doc(const char *text)
{
	struct json_error je;
	struct json *j = json_parse(text, strlen(text), &je);
	CHECK(j != NULL, text);
	return j;
}

static void settings(void)
{
	static const char *const bad[] = {"[]",
					  "{\"a b\": 1}",
					  "{\"\": 1}",
					  "{\"label:\": 1}",
					  "{\"label:a b\": 1}",
					  "{\"submitter:\": 1}",
					  "{\"group:a\": 1}",
					  "{\"a\": -1}",
					  "{\"a\": 1.5}",
					  "{\"a\": 100001}",
					  "{\"a\": \"1\"}",
					  "{\"submitter:a\\nb\": 1}",
					  "{\"a\\u0000\": 1}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct grid_config c;
		struct problems p = {0};
		struct buf text = {0};
		config_defaults(&c);
		buf_addf(&text, "{\"concurrency\": %s}", bad[i]);
		config_parse(&c, text.data, text.len, &p);
		CHECK(p.n == 1 && strstr(p.text.data, "concurrency") && strstr(p.text.data, "expected"), bad[i]);
		problems_clear(&p);
		buf_clear(&text);
		config_clear(&c);
	}
	struct grid_config c =
	    config_of("{\"a\": 0, \"label:gpu\": 100000, \"submitter:Ann B. <x>\": 2, \"submitter:*\": 1}");
	CHECK(c.n_concurrency == 4 && c.concurrency[3].most == 1, "all four");
	config_clear(&c);
}

/* The limits of a task, "a=1 label:gpu=2". */
static void binds(const char *concurrency, const char *task, const char *expected)
{
	struct grid_config c = config_of(concurrency);
	struct json *j = doc(task), *brief = limit_brief(j, NULL);
	for (int k = 0; k < 2; k++) {
		struct limit l;
		struct buf said = {0};
		char name[LIMIT_NAME];
		for (size_t i = 0; limit_at(&c, k ? brief : j, i, &l); i++)
			buf_addf(&said, "%s%s=%lld", i ? " " : "", limit_name(&l, name), (long long)l.most);
		CHECK(!strcmp(said.data ? said.data : "", expected), said.data ? said.data : expected);
		buf_clear(&said);
	}
	json_free(j);
	json_free(brief);
	config_clear(&c);
}

static void what_binds(void)
{
	binds("{}", "{}", "");
	binds("{}", "{\"concurrency_group\": \"a\"}", "a=1");
	binds("{\"a\": 3}", "{\"concurrency_group\": \"a\"}", "a=3");
	binds("{\"a\": 0}", "{\"concurrency_group\": \"a\"}", "a=0");
	binds("{\"a\": 3}", "{\"concurrency_group\": \"a\", \"max_running\": 2}", "a=2");
	binds("{\"a\": 3}", "{\"concurrency_group\": \"a\", \"max_running\": 9}", "a=3");
	binds("{\"b\": 3}", "{\"concurrency_group\": \"a\", \"max_running\": 9}", "a=9");
	binds("{\"label:x\": 1, \"label:z\": 2}", "{\"labels\": [\"x\", \"y\", \"z\"]}", "label:x=1 label:z=2");
	binds("{\"submitter:*\": 4, \"submitter:ann\": 2}", "{\"submitted_by\": \"ann\"}", "submitter:ann=2");
	binds("{\"submitter:*\": 4, \"submitter:ann\": 2}", "{\"submitted_by\": \"bob\"}", "submitter:bob=4");
	binds("{\"submitter:*\": 4}", "{\"submitted_by\": \"bob\", \"claim\": {\"signed_by\": \"ann\"}}",
	      "submitter:ann=4");
	binds("{\"submitter:*\": 4}", "{}", "submitter:(nobody)=4");
	binds("{\"submitter:bob\": 4}", "{\"submitted_by\": \"ann\"}", "");
	binds("{\"g\": 2, \"label:x\": 1, \"submitter:*\": 5}",
	      "{\"concurrency_group\": \"g\", \"labels\": [\"x\"], \"submitted_by\": \"ann\"}",
	      "g=2 label:x=1 submitter:ann=5");
	/* A stranger's document. */
	binds("{\"submitter:*\": 4}", "{\"concurrency_group\": 7, \"labels\": {\"a\": 1}, \"submitted_by\": []}",
	      "submitter:(nobody)=4");
}

static void room(void)
{
	struct grid_config c = config_of("{\"g\": 2, \"label:x\": 1}");
	struct json *running[] = {doc("{\"concurrency_group\": \"g\"}"), doc("{\"labels\": [\"x\"]}"),
				  doc("{\"concurrency_group\": \"g\"}")};
	struct json *group = doc("{\"concurrency_group\": \"g\"}"), *label = doc("{\"labels\": [\"x\"]}"),
		    *none = doc("{}");
	const struct json *const *v = (const struct json *const *)running;
	struct limit full;
	char name[LIMIT_NAME];
	CHECK(limit_room(&c, group, v, 0, NULL), "nothing runs");
	CHECK(limit_room(&c, group, v, 2, NULL), "one of two");
	CHECK(!limit_room(&c, group, v, 3, &full) && !strcmp(limit_name(&full, name), "g"), "two of two");
	CHECK(!limit_room(&c, label, v, 2, &full) && full.kind == LIMIT_LABEL, "one of one");
	CHECK(limit_room(&c, none, v, 3, NULL), "what is under no limit");
	for (size_t i = 0; i < 3; i++)
		json_free(running[i]);
	json_free(group);
	json_free(label);
	json_free(none);
	config_clear(&c);
}

int main(void)
{
	settings();
	what_binds();
	room();
	return test_end("test_limit");
}
