/* For tests/json_differ.py: reads documents, each after its length as four bytes (big end first), and prints a line for
 * each: "LINE:COL" of what is wrong, or "ok", and then whether a task may carry it as metadata ("ok task") and is
 * written back as it was. */
#include "schema/task.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_again(const struct json *j)
{
	struct buf once = {0}, twice = {0};
	struct json_error e;
	json_write(&once, j, 2);
	struct json *again = json_parse(once.data, once.len, &e);
	if (again)
		json_write(&twice, again, 2);
	bool same = again && once.len == twice.len && !memcmp(once.data, twice.data, once.len);
	json_free(again);
	buf_clear(&once);
	buf_clear(&twice);
	return same;
}

static void judge(const char *text, size_t len, const struct grid_config *c)
{
	static const char head[] = "{\"task_id\": \"t\", \"script\": \"x\", \"timeout_seconds\": 10, \"metadata\": ";
	struct json_error e;
	struct json *j = json_parse(text, len, &e);
	if (!j) {
		printf("%u:%u\n", e.line, e.col);
		return;
	}
	struct buf b = {0};
	struct problems p = {0};
	struct task t;
	buf_adds(&b, head);
	buf_add(&b, text, len);
	buf_adds(&b, "}");
	bool fits = !task_parse(&t, b.data, b.len, "t", c, true, &p);
	if (fits)
		task_clear(&t);
	printf("ok%s%s\n", fits ? " task" : "", same_again(j) ? "" : " changed");
	json_free(j);
	problems_clear(&p);
	buf_clear(&b);
}

int main(void)
{
	struct grid_config c;
	unsigned char n[4];
	char *text = xcalloc(1 << 20, 1);
	config_defaults(&c);
	while (fread(n, 1, 4, stdin) == 4) {
		size_t len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
		if (len > 1 << 20 || fread(text, 1, len, stdin) != len)
			return 1;
		judge(text, len, &c);
	}
	config_clear(&c);
	free(text);
	return 0;
}
