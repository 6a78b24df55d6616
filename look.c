#include "look.h"
#include "clock.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LIMIT 20

int look_options(struct look *o, int argc, char **argv, int operands, struct err *e)
{
	static const struct option options[] = {
	    {"json", 0, 0, 'j'}, {"all", 0, 0, 'a'}, {"at", 1, 0, 't'}, {"limit", 1, 0, 'l'}, {0}};
	int opt;
	*o = (struct look){.limit = DEFAULT_LIMIT};
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'j':
			o->json = true;
			break;
		case 'a':
			o->all = true;
			break;
		case 't':
			o->at = optarg;
			break;
		case 'l':
			if (parse_number("--limit", optarg, 0, 1000000, &o->limit, e))
				return -1;
			break;
		default:
			return err_set(e, ERR_USAGE, "unknown option or missing value '%s' (see: dgrid %s --help)",
				       argv[optind - 1], argv[0]);
		}
	o->operands = argv + optind;
	o->n_operands = argc - optind;
	if (o->n_operands < operands)
		return err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (o->n_operands > operands)
		return err_set(e, ERR_USAGE, "unexpected '%s' (see: dgrid %s --help)", o->operands[operands], argv[0]);
	return 0;
}

const char *look_span(int64_t seconds, char out[24])
{
	long long s = seconds < 0 ? 0 : (long long)seconds;
	if (s < 120)
		snprintf(out, 24, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h", s / 3600);
	else
		snprintf(out, 24, "%lld d", s / 86400);
	return out;
}

int64_t look_time(const struct json *object, const char *name)
{
	int64_t t;
	const char *text = json_str(object, name);
	return text && !clock_parse(text, &t) ? t : 0;
}

static bool colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

void look_cell(const char *text, int width, int paint)
{
	static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[33m", "\033[2m"};
	bool on = paint != PAINT_NONE && colour();
	size_t n = strlen(text), max = (size_t)width;
	if (on)
		fputs(codes[paint], stdout);
	put_clean(text, max);
	if (on)
		fputs("\033[0m", stdout);
	printf("%*s", (int)(n < max ? max - n : 0) + 2, "");
}

int look_paint(const char *status)
{
	if (!strcmp(status, "success"))
		return PAINT_GREEN;
	if (!strcmp(status, "running"))
		return PAINT_YELLOW;
	return strcmp(status, "-") != 0 ? PAINT_RED : PAINT_NONE;
}

void look_copy(struct json *to, const struct json *from, const char *name)
{
	if (json_get(from, name))
		json_set(to, name, json_copy(json_get(from, name)));
}
