#include "base/log.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"error", "warn", "info", "debug"};
static enum log_level max_level = LOG_INFO;
static FILE *log_file;

int log_level_parse(const char *name, enum log_level *out)
{
	for (int i = 0; i < 4; i++)
		if (!strcmp(name, names[i])) {
			*out = (enum log_level)i;
			return 0;
		}
	return -1;
}

int log_init(enum log_level level, const char *file)
{
	max_level = level;
	if (file) {
		log_file = fopen(file, "ae");
		if (!log_file)
			return -1;
		setvbuf(log_file, NULL, _IOLBF, 0);
	}
	return 0;
}

void log_at(enum log_level level, const char *module, const char *fmt, ...)
{
	char line[2048], when[32];
	if (level > max_level)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	struct buf clean = {0};
	text_clean(&clean, line, sizeof line, (int)sizeof line); /* a host's words may be in it */
	const char *said = clean.data ? clean.data : "";
	clock_format(clock_now(), when);
	fprintf(stderr, "%s %s %s: %s\n", when, names[level], module, said);
	if (log_file)
		fprintf(log_file, "%s %s %s: %s\n", when, names[level], module, said);
	buf_clear(&clean);
}
