/* script: how the text of a script becomes a command inside a sandbox. Whatever has no #! line is run by sh; with one,
 * the program that it names runs it, from a file, as the kernel would (so /tmp need not allow programs to be started).
 */
#ifndef SCRIPT_H
#define SCRIPT_H
#include "base/buf.h"
#include <stdbool.h>

/* A script that runs several times in one sandbox, each time with variables of its own. After each end stands on stdout
 * and on stderr: SCRIPT_MARK, the token, a blank, the exit code, a line feed. */
#define SCRIPT_MARK "\036dgrid-"
struct script_turns {
	const struct strs *each; /* what sh evaluates before the script, one a turn: see script_export */
	const char *first;	 /* the same once, before all */
	const char *token;	 /* hexadecimal; what a script prints does not have it by accident */
};
/* Adds "export NAME='value'", as sh reads it, and a semicolon. */
void script_export(struct buf *out, const char *name, const char *value);

/* Adds the words that run it. workdir: the input that it begins in a copy of, which it may write to (SCRIPT_WORK/NAME);
 * NULL: none. turns: NULL: it runs once. input: what it reads as its standard input, below /in, from the start in each
 * turn; NULL: nothing. */
#define SCRIPT_WORK "/tmp"
void script_argv(const char *script, const char *workdir, const struct script_turns *turns, const char *input,
		 struct strs *argv);
/* Would it run as something else than its author sees: a byte order mark, carriage returns at the ends of lines, a #!
 * line without a program? True: why says where it is, and what is expected. */
bool script_wrong(const char *script, size_t len, char why[240]);
#endif
