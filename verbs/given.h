/* given: the options that say which files a task is given and how it uses them, for all verbs that make one.
 *   GIVEN_OPTIONS among a verb's options; struct given g = {0};
 *   while ((key = usage_next(&s, e)) > 0) if (!given_take(&g, key, s.value)) switch (key) ...
 *   given_over(&g, &said) for what a script says at its head -> given_check(&g, e) -> sending_make with its members
 *   -> given_clear(&g), also after an error
 */
#ifndef GIVEN_H
#define GIVEN_H
#include "verbs/sending.h"

enum { GIVEN_INPUT = 1001, GIVEN_CHECKOUT, GIVEN_DIRTY, GIVEN_WORKDIR, GIVEN_STDIN };
#define GIVEN_ARGS "[--input [NAME=]SOURCE]... [--checkout[=REV] [--dirty]] [--workdir NAME] [--stdin NAME|FILE] "
/* clang-format off */
#define GIVEN_OPTIONS                                                                                                  \
	{GIVEN_INPUT, "--input", "SOURCE", "@files",                                                                   \
	 "a file or folder that the script sees in /in under its own name, or as NAME: a local path, REV:PATH in the grid's repository, or task:ID[:PATH] for what a task left in /out; stored once, pinned by its id; may be repeated"},                                                               \
	{GIVEN_CHECKOUT, "--checkout", "[REV]", NULL,                                                                  \
	 "the tree of the Git repository you are in, as committed at REV or HEAD: the script sees it in /in/src and starts in a writable copy. Without REV, uncommitted changes to tracked files are an error: --checkout=HEAD sends the commit anyway, --dirty includes the changes"},              \
	{GIVEN_DIRTY, "--dirty", NULL, NULL,                                                                           \
	 "with --checkout, without REV: include uncommitted changes to tracked files"},                 \
	{GIVEN_WORKDIR, "--workdir", "NAME", NULL,                                                                     \
	 "the script starts in a writable copy of this input, in /tmp; default: src with --checkout"},    \
	{GIVEN_STDIN, "--stdin", "FILE", "@files",                                                                     \
	 "its standard input: an input that is a file, NAME/PATH of a file in one, or a local file, which becomes the input stdin; - reads standard input"}
/* clang-format on */

struct given {		     /* starts as {0} */
	struct strs sources; /* of --input */
	struct sending_tree checkout;
	struct sending_use use;
	char *own; /* a folder with what was our own standard input, until given_clear; NULL: none */
};
bool given_take(struct given *g, int key, const char *value); /* false: it is none of these options */
bool given_any(const struct given *g);
/* What said asks for, and g does not. */
void given_over(struct given *g, const struct given *said);
/* After all of them: do they go together? reader: an option that has read standard input, NULL: none has. Reads it for
 * --stdin -. */
int given_check(struct given *g, const char *reader, struct err *e);
void given_clear(struct given *g);
#endif
