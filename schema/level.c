#include "schema/level.h"
#include <string.h>

int64_t level_of_task(const struct json *doc)
{
	/* Since 0.1.0; its nodes call a task with any of them invalid. */
	static const char *const second[] = {
	    "schema",	 "cpu_seconds", "stdin",     "out_mb",	    "inputs",	     "workdir",		  "needs",
	    "after",	 "group",	"points",    "first_point", "share_sandbox", "concurrency_group", "max_running",
	    "supersede", "start_after", "deadline",  "schedule",    "secrets",	     "network",		  "output",
	    "disk_mb",	 "resources",	"checkpoint"};
	int64_t says = json_int(doc, "schema", 1);
	for (size_t i = 0; i < sizeof second / sizeof *second; i++)
		if (json_get(doc, second[i]) && says < 2)
			says = 2;
	return says;
}

int64_t level_of_node(const struct json *node_doc)
{
	return json_int(node_doc, "task_level", 1);
}

bool level_newer(const struct json *doc, int64_t *says)
{
	*says = json_int(doc, "schema", 1);
	return *says > TASK_LEVEL;
}
