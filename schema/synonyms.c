#include "schema/synonyms.h"
#include <stddef.h>
#include <string.h>

static const char *const others[][2] = {{"id", "task_id"},
					{"name", "task_id"},
					{"command", "script"},
					{"cmd", "script"},
					{"run", "script"},
					{"timeout", "timeout_seconds"},
					{"time_limit", "timeout_seconds"},
					{"mem", "memory_mb"},
					{"memory", "memory_mb"},
					{"memory_limit", "memory_mb"},
					{"ram", "memory_mb"},
					{"cpu", "cpus"},
					{"cores", "cpus"},
					{"processes", "pids"},
					{"max_pids", "pids"},
					{"environment", "env"},
					{"variables", "env"},
					{"container", "image"},
					{"docker_image", "image"},
					{"tags", "labels"},
					{"input", "inputs"},
					{"input_files", "inputs"},
					{"files", "inputs"},
					{"depends_on", "needs"},
					{"dependencies", "needs"},
					{"requires", "needs"},
					{"node_selector", "labels"},
					{"retries", "max_attempts"},
					{"retry", "retry_on_failure"},
					{"concurrency", "concurrency_group"},
					{"resource_group", "concurrency_group"},
					{"lock", "concurrency_group"},
					{"mutex", "concurrency_group"},
					{"begin", "start_after"},
					{"expires", "deadline"},
					{"expires_at", "deadline"},
					{"disk", "disk_mb"},
					{"storage", "disk_mb"},
					{"gres", "resources"},
					{"devices", "resources"}};

const char *synonym_of(const char *name)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(name, others[i][0]))
			return others[i][1];
	return NULL;
}
