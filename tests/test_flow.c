/* A file that holds a whole pipeline. */
#include "schema/flow.h"
#include "test.h"
#include <stdlib.h>

static const struct row {
	const char *what, *text;
	const char *said; /* the first line of what is wrong; "": the tasks as they are made, below */
	const char *made;
} rows[] = {
    {"names become ids", "{\"tasks\":[{\"name\":\"a\"},{\"name\":\"b\",\"needs\":[\"a\",\"else\"],\"after\":[\"a\"]}]}",
     "",
     "{\"task_id\":\"g-a\",\"group\":\"g\"} "
     "{\"needs\":[\"g-a\",\"else\"],\"after\":[\"g-a\"],\"task_id\":\"g-b\",\"group\":\"g\"} "},
    {"its own group", "{\"group\":\"x\",\"tasks\":[{\"name\":\"a\",\"group\":\"y\"}]}", "",
     "{\"group\":\"y\",\"task_id\":\"x-a\"} "},
    {"defaults",
     "{\"defaults\":{\"cpus\":1,\"env\":{\"A\":\"1\",\"B\":\"2\"}},\"tasks\":[{\"name\":\"a\",\"cpus\":2,\"env\":{"
     "\"B\":\"3\"}}]}",
     "", "{\"cpus\":2,\"env\":{\"A\":\"1\",\"B\":\"3\"},\"task_id\":\"g-a\",\"group\":\"g\"} "},
    {"inputs of tasks",
     "{\"tasks\":[{\"name\":\"a\"},{\"name\":\"b\",\"inputs\":{\"x\":{\"task\":\"a\"},\"y\":{\"task\":\"z\"}}}]}", "",
     "{\"task_id\":\"g-a\",\"group\":\"g\"} "
     "{\"inputs\":{\"x\":{\"task\":\"g-a\"},\"y\":{\"task\":\"z\"}},\"task_id\":\"g-b\",\"group\":\"g\"} "},
    {"an unknown member", "{\"jobs\":1,\"tasks\":[{\"name\":\"a\"}]}", "f:1:2: jobs: unknown field of a flow", ""},
    {"no tasks", "{\"tasks\":[]}", "f:1:10: tasks: empty (expected an array of tasks)", ""},
    {"no array", "{\"tasks\":{}}", "f:1:10: tasks: object (expected an array of tasks)", ""},
    {"no name", "{\"tasks\":[{\"script\":\"x\"}]}", "f:1:11: name: missing", ""},
    {"no good name", "{\"tasks\":[{\"name\":\"a b\"}]}", "f:1:19: name: not valid", ""},
    {"a name twice", "{\"tasks\":[{\"name\":\"a\"},\n{\"name\":\"a\"}]}", "f:2:9: name: \"a\" is there twice", ""},
    {"an id", "{\"tasks\":[{\"name\":\"a\",\"task_id\":\"b\"}]}", "f:1:23: task_id: not in a flow", ""},
    {"a group that is none", "{\"group\":\"a/b\",\"tasks\":[{\"name\":\"a\"}]}", "f:1:10: group: not valid", ""},
    {"defaults that are none", "{\"defaults\":[],\"tasks\":[{\"name\":\"a\"}]}", "f:1:13: defaults: array", ""},
    {"a name for all", "{\"defaults\":{\"cpus\":1,\"name\":\"q\"},\"tasks\":[{\"name\":\"a\"}]}",
     "f:1:23: name: not in defaults", ""},
    {"an id for all", "{\"defaults\":{\"task_id\":\"q\"},\"tasks\":[{\"name\":\"a\"}]}",
     "f:1:14: task_id: not in defaults", ""},
    {"a task that is none", "{\"tasks\":[7]}", "f:1:11: tasks: number (expected an object)", ""},
    {"a circle", "{\"tasks\":[{\"name\":\"a\",\"needs\":[\"b\"]},{\"name\":\"b\",\"after\":[\"a\"]}]}",
     "f:1:32: needs: it waits for itself: g-a needs g-b, g-b needs g-a", ""},
    {"too long together",
     "{\"tasks\":[{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}",
     "f:1:19: name: \"g-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is longer than an id", ""},
};

int main(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct json_error je;
		struct problems p = {.file = "f"};
		struct flow flow;
		struct buf made = {0};
		struct json *doc = json_parse(rows[i].text, strlen(rows[i].text), &je);
		CHECK(flow_is(doc), "a flow");
		flow_expand(doc, "g", &flow, &p);
		flow_judge_circle(&flow, &p);
		for (size_t k = 0; k < flow.n && !p.n; k++) {
			json_write(&made, flow.v[k].doc, 0);
			buf_adds(&made, " ");
		}
		const char *said = p.text.data ? p.text.data : "", *is = made.data ? made.data : "";
		bool as_told = *rows[i].said ? !strncmp(said, rows[i].said, strlen(rows[i].said)) : !*said;
		CHECK(as_told && !strcmp(is, rows[i].made), rows[i].what);
		if (!as_told || strcmp(is, rows[i].made) != 0)
			printf("%s%s\n", said, is);
		flow_clear(&flow);
		problems_clear(&p);
		buf_clear(&made);
		json_free(doc);
	}
	return test_end("test_flow");
}
