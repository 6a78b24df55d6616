#include "sandbox/script.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"
#define BLANK " \t"
#define SCRIPT_FILE "/tmp/.script"

/* $1 is the script, the rest its interpreter, perhaps with one argument. */
static const char launcher[] = "printf %s \"$1\" >" SCRIPT_FILE " && shift && exec \"$@\" " SCRIPT_FILE;

/* $1 is the input's name, the rest what begins in its copy. No variable of the task's is touched, and whatever PATH it
 * has, cp and chmod are the system's. */
static const char copier[] =
    "(PATH=/usr/bin:/bin; cp -RP \"/in/$1/.\" \"" SCRIPT_WORK "/$1\" && chmod -R u+w \"" SCRIPT_WORK
    "/$1\") && cd \"" SCRIPT_WORK "/$1\" && shift || exit 125; exec \"$@\"";

/* $1 stands below /in, the rest is what reads it. */
static const char reader[] = "exec <\"/in/$1\" || exit 125; shift; exec \"$@\"";

/* Before it, in the text, stand how many words the script's own command has and the token, and $1 is what to do first.
 * The last words are that command; those before it, one a turn, set its variables. No name of sh's is used, for each
 * may be the task's, IFS too, so every word is quoted; what stands in the parentheses may leave by any way; and what
 * this sh says of that is nobody's output. */
static const char turner[] =
    "eval \"$1\"; shift; exec 3>&2 2>/dev/null; while [ \"$#\" -gt %zu ]; do "
    "(exec 2>&3 3>&-; eval \"$1\"; shift \"$(($# - %zu))\"; exec \"$@\"); set -- \"$?\" \"$@\"; "
    "printf '\\036dgrid-%s %%d\\n' \"$1\"; printf '\\036dgrid-%s %%d\\n' \"$1\" >&3; shift 2; done";

/* Of "#! PROGRAM ARGUMENT": where both stand, as the kernel cuts them; all after PROGRAM is one argument. */
struct interpreter {
	const char *program, *argument;
	size_t program_len, argument_len;
};

static bool find_interpreter(const char *script, struct interpreter *in)
{
	if (strncmp(script, "#!", 2) != 0)
		return false;
	const char *end = script + strcspn(script, "\n");
	in->program = script + 2 + strspn(script + 2, BLANK);
	in->program_len = strcspn(in->program, BLANK "\n");
	in->argument = in->program + in->program_len;
	in->argument += strspn(in->argument, BLANK);
	while (end > in->argument && strchr(BLANK, end[-1]))
		end--;
	in->argument_len = (size_t)(end - in->argument);
	return true;
}

void script_export(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "export %s=", name);
	text_quote(out, value);
	buf_adds(out, ";");
}

static void command_argv(const char *script, const char *input, struct strs *argv);

static void turns_argv(const char *script, const struct script_turns *turns, const char *input, struct strs *argv)
{
	struct strs command = {0};
	command_argv(script, input, &command);
	strs_add(argv, "/bin/sh");
	strs_add(argv, "-c");
	strs_add(argv, "--");
	strs_addf(argv, turner, command.n, command.n, turns->token, turns->token);
	strs_add(argv, "sh");
	strs_add(argv, turns->first);
	for (size_t i = 0; i < turns->each->n; i++)
		strs_add(argv, turns->each->v[i]);
	for (size_t i = 0; i < command.n; i++)
		strs_add(argv, command.v[i]);
	strs_clear(&command);
}

void script_argv(const char *script, const char *workdir, const struct script_turns *turns, const char *input,
		 struct strs *argv)
{
	const char *const copy[] = {"/bin/sh", "-c", "--", copier, "sh", workdir};
	for (size_t i = 0; workdir && i < sizeof copy / sizeof *copy; i++)
		strs_add(argv, copy[i]);
	if (turns)
		turns_argv(script, turns, input, argv);
	else
		command_argv(script, input, argv);
}

static void command_argv(const char *script, const char *input, struct strs *argv)
{
	struct interpreter in;
	const char *const read[] = {"/bin/sh", "-c", "--", reader, "sh", input};
	for (size_t i = 0; input && i < sizeof read / sizeof *read; i++)
		strs_add(argv, read[i]);
	strs_add(argv, "/bin/sh"); /* whatever PATH the task has */
	strs_add(argv, "-c");
	strs_add(argv, "--"); /* what follows is no option, whatever it begins with */
	if (!find_interpreter(script, &in)) {
		strs_add(argv, script);
		strs_add(argv, "sh"); /* as it calls itself in its messages */
		return;
	}
	strs_add(argv, launcher);
	strs_add(argv, "sh");
	strs_add(argv, script);
	strs_addf(argv, "%.*s", (int)in.program_len, in.program);
	if (in.argument_len)
		strs_addf(argv, "%.*s", (int)in.argument_len, in.argument);
}

/* Always true. */
__attribute__((format(printf, 2, 3))) static bool tell(char why[240], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, 240, fmt, ap);
	va_end(ap);
	return true;
}

bool script_wrong(const char *script, size_t len, char why[240])
{
	struct interpreter in;
	size_t line = 1;
	if (!strncmp(script, BYTE_ORDER_MARK, 3))
		return tell(why, "begins with a byte order mark (expected UTF-8 without one)");
	for (size_t i = 0; i < len; i++) {
		if (script[i] == '\r' && (i + 1 == len || script[i + 1] == '\n'))
			return tell(why,
				    "line %zu ends with a carriage return, which sh takes for a part of the command "
				    "(expected LF alone, as dos2unix makes it; printf '\\r' for one that is meant)",
				    line);
		line += script[i] == '\n';
	}
	if (find_interpreter(script, &in) && *in.program != '/')
		return tell(
		    why, "its #! line names \"%.*s\" (expected the path of a program, such as #!/usr/bin/env python3)",
		    in.program_len > 80 ? 80 : (int)in.program_len, in.program);
	return false;
}
