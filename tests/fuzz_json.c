/* What parses must be written as something that parses, and a task parser must survive anything. */
#include "json.h"
#include "schema/task.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_error e;
	struct problems p = {0};
	struct grid_config c;
	struct task t;
	struct json *j = json_parse((const char *)data, size, &e);
	if (j) {
		struct buf b = {0};
		json_write(&b, j, 2);
		struct json *again = json_parse(b.data, b.len, &e);
		if (!again)
			abort();
		json_free(again);
		json_free(j);
		buf_clear(&b);
	}
	config_defaults(&c);
	if (!task_parse(&t, (const char *)data, size, NULL, &c, true, &p))
		task_clear(&t);
	config_clear(&c);
	problems_clear(&p);
	return 0;
}
