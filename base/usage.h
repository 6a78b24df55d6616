/* usage: what a verb is called with, as data. One table parses its command line, prints its --help, and is what shells
 * complete from; the manual and docs/REFERENCE.md are held against it by tests, so none of them can say something else.
 *   struct usage_scan s = {.verb = &verb_wait, .argc = argc, .argv = argv};
 *   while ((key = usage_next(&s, e)) > 0) switch (key) { case 't': ... s.value ... }
 *   if (key < 0) return -1;      // e says what is wrong
 *   argv[s.rest] ...             // the operands; options may stand among them, after -- nothing is an option
 */
#ifndef USAGE_H
#define USAGE_H
#include "base/buf.h"
#include <getopt.h>
#include <stdbool.h>

struct context; /* commands.h */

#define USAGE_OPTIONS_MAX 64 /* of one verb */

/* What an option's value, or an operand, can be: words between spaces; or "@tasks", "@tasks:STATE,STATE", "@nodes",
 * "@verbs", "@files", "@folders". NULL: nothing that could be offered. */
struct usage_option {
	int key;	   /* what usage_next returns, above 0 and the verb's own */
	const char *name;  /* "--json", or with a short form "-f, --follow" */
	const char *arg;   /* what its value is called; "[SECONDS]" when it can be left out; NULL: it takes none */
	const char *value; /* what it can be, see above */
	const char *text;  /* what it does and what holds without it */
};
struct usage_note { /* a command and what it is for, an exit code or a variable and what it means */
	const char *name, *text;
};
/* How much of a grid a verb needs; what follows from that (--repo, GIT_TOKEN, 69 ...) is said once, in usage.c. */
enum usage_needs { USAGE_NOTHING, USAGE_READS, USAGE_WRITES };
#define USAGE_ENGINES "auto docker podman bwrap slurm"
/* Rows that many verbs have. */
#define USAGE_JSON                                                                                                     \
	{                                                                                                              \
		'j', "--json", NULL, NULL, "print one JSON document (\"schema\": 1) instead of text"                   \
	}
#define USAGE_AT                                                                                                       \
	{                                                                                                              \
		't', "--at", "REV|DATE", NULL,                                                                         \
		    "the grid as it was at a commit (main~3) or time (2026-11-23, \"2 hours ago\")"                    \
	}
/* Lists end with {0}; a list may be NULL. */
struct verb {
	const char *name;
	const char *args;    /* the line of usage after the name */
	const char *summary; /* for the list of verbs: half a line */
	const char *about;   /* paragraphs, an empty line between them */
	enum usage_needs needs;
	const struct usage_option *options;
	const struct usage_option *(*shared)(size_t i); /* more of them, which other verbs have too; NULL: none */
	const char *operands;				/* what they can be, as with an option's value */
	const struct usage_note *examples, *environment;
	const struct usage_note *exits; /* by number; "" for a common one that this verb never ends with */
	int (*run)(const struct context *ctx, int argc, char **argv, struct err *e);
};
/* A verb's options, its own first; NULL after the last. */
const struct usage_option *usage_option_at(const struct verb *v, size_t i);
extern const struct usage_option usage_common[]; /* of every verb that needs a grid; the last, --help, of all */

struct usage_scan {
	const struct verb *verb;
	int argc;
	char **argv;
	/* set by usage_next */
	const struct usage_option *option; /* which it is */
	const char *value;		   /* its value; NULL: none was given */
	int rest;			   /* after the last option: the index of the first operand */
	bool dashes;			   /* after the last option: a -- ended them, it stands before rest */
	struct option longs[USAGE_OPTIONS_MAX + 1];
	char letters[2 * USAGE_OPTIONS_MAX + 2];
};
/* An option's key; 0: no more; -1: e filled (ERR_USAGE). What is no name of a file is UTF-8. */
int usage_next(struct usage_scan *s, struct err *e);

/* Operands given twice count once: takes the later ones out of argv and argc. How many are left. */
int usage_distinct(struct usage_scan *s);
/* After the options: at most so many operands, else ERR_USAGE. */
int usage_operands(const struct usage_scan *s, int most, struct err *e);
/* The long name of an option, "--follow" of "-f, --follow"; *letter is its short form or 0. */
const char *usage_name(const struct usage_option *o, char *letter);
/* The --help of a verb, lines of at most 80 columns. */
void usage_print(const struct verb *v, struct buf *out);
#endif
