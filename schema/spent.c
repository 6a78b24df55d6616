#include "schema/spent.h"
#include <stdlib.h>
#include <string.h>

#define MOST (INT64_MAX >> 20) /* a stranger may write any number */

static int64_t number(const struct json *of, const char *name)
{
	int64_t n = json_int(of, name, -1);
	return n < -1 ? -1 : n < MOST ? n : MOST;
}

struct spent spent_of(const struct json *result)
{
	const struct json *u = json_get(result, "usage");
	struct spent s = {.user_ms = number(u, "cpu_user_ms"),
			  .system_ms = number(u, "cpu_system_ms"),
			  .cpu_ms = -1,
			  .peak_kb = number(u, "peak_memory_kb"),
			  .read_bytes = number(u, "read_bytes"),
			  .written_bytes = number(u, "written_bytes")};
	if (s.user_ms >= 0 && s.system_ms >= 0)
		s.cpu_ms = s.user_ms + s.system_ms;
	return s;
}

char *spent_words(const struct json *result)
{
	struct spent s = spent_of(result);
	const char *by = json_str(json_get(result, "usage"), "by");
	struct buf b = {0};
	if (s.cpu_ms >= 0)
		buf_addf(&b, "%.2f s of processor time (%.2f of them system)", (double)s.cpu_ms / 1000,
			 (double)s.system_ms / 1000);
	if (s.peak_kb >= 0)
		buf_addf(&b, "%s%.1f MB of memory at most", b.len ? ", " : "", (double)s.peak_kb / 1024);
	if (s.read_bytes > 0 || s.written_bytes > 0)
		buf_addf(&b, "%s%.1f MB read, %.1f MB written", b.len ? ", " : "", (double)s.read_bytes / 1048576,
			 (double)s.written_bytes / 1048576);
	if (b.len && by && !strcmp(by, "samples"))
		buf_adds(&b, ", as last seen");
	return b.data ? b.data : xstrdup("");
}

const char *spent_end(const struct json *of)
{
	static const struct {
		const char *by, *words;
	} all[] = {{"exit_or_signal", "a signal, or an exit with its number: engines tell both alike"},
		   {"limit:time", "its time limit (timeout_seconds; the grid allows up to max_timeout_seconds)"},
		   {"limit:cpu", "its processor time limit (cpu_seconds)"},
		   {"limit:memory", "its memory limit (memory_mb; the grid allows up to max_memory_mb)"},
		   {"limit:out", "its limits for /out (out_mb; the grid allows up to max_out_mb and max_out_files)"},
		   {"cancel", "dgrid cancel"}};
	const char *by = json_str(of, "ended_by");
	for (size_t i = 0; by && i < sizeof all / sizeof *all; i++)
		if (!strcmp(by, all[i].by))
			return all[i].words;
	return NULL;
}
