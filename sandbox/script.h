/* script: how the text of a script becomes a command inside a sandbox. Whatever has no #! line is run by sh; with one,
 * the program that it names runs it, from a file, as the kernel would (so /tmp need not allow programs to be started).
 */
#ifndef SCRIPT_H
#define SCRIPT_H
#include "base/buf.h"
#include <stdbool.h>

/* Adds the words that run it. workdir: the input that it begins in a copy of, which it may write to (SCRIPT_WORK/NAME);
 * NULL: none. */
#define SCRIPT_WORK "/tmp"
void script_argv(const char *script, const char *workdir, struct strs *argv);
/* Would it run as something else than its author sees: a byte order mark, carriage returns at the ends of lines, a #!
 * line without a program? True: why says where it is, and what is expected. */
bool script_wrong(const char *script, size_t len, char why[240]);
#endif
