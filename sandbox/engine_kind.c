#include "sandbox/engine_kind.h"
#include "base/proc.h"
#include <stdio.h>
#include <string.h>

#define SHM_MB 64 /* Docker's; less where the task may have less memory */

int engine_ask_all(const char *const *argv, int64_t timeout_ms, struct buf *out, struct err *e)
{
	static const char *const env[] = {"GIT_TOKEN", NULL};
	struct proc_spec spec = {.argv = argv, .env = env, .timeout_ms = timeout_ms};
	struct proc_result res;
	if (proc_run(&spec, &res, e))
		return -1;
	int rc = 0;
	const char *said = res.err.data ? res.err.data : "";
	if (res.end == PROC_TIMED_OUT)
		rc = err_set(e, ERR_UNAVAILABLE, "%s does not answer within %lld s", argv[0],
			     (long long)timeout_ms / 1000);
	else if (res.end != PROC_EXITED || res.code)
		rc = err_set(e, ERR_UNAVAILABLE, "%s: %.*s", argv[0], (int)strcspn(said, "\n"), said);
	else
		buf_adds(out, res.out.data ? res.out.data : "");
	proc_result_clear(&res);
	return rc;
}

int engine_ask(const char *const *argv, int64_t timeout_ms, char *line, size_t room, struct err *e)
{
	struct buf out = {0};
	int rc = engine_ask_all(argv, timeout_ms, &out, e);
	if (!rc)
		snprintf(line, room, "%.*s", (int)strcspn(out.data, "\n"), out.data);
	buf_clear(&out);
	return rc;
}

void engine_add(struct strs *argv, const char *const *words)
{
	for (; *words; words++)
		strs_add(argv, *words);
}

int engine_shm_mb(const struct engine_run *r)
{
	return r->memory_mb < SHM_MB ? r->memory_mb : SHM_MB;
}

int64_t engine_file_mb(const struct engine_run *r)
{
	int64_t in_memory = r->tmp_mb > engine_shm_mb(r) ? r->tmp_mb : engine_shm_mb(r);
	return !r->out_mb ? 0 : r->out_mb > in_memory ? r->out_mb : in_memory;
}
