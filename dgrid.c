/* dgrid: main, the verb table, exit codes. */
#include "git.h"
#include "log.h"
#include "sig.h"
#include "verbs.h"
#include "version.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cmd_version(const struct context *ctx, int argc, char **argv, struct err *e)
{
	(void)ctx;
	(void)argc;
	(void)argv;
	(void)e;
	puts("dgrid " DGRID_VERSION);
	return 0;
}

static const struct verb verbs[] = {
    {"init", "[REPO]", "make a repository into a grid", "dgrid init /srv/grid.git", cmd_init},
    {"submit",
     "FILE... | [--id ID] [--timeout N] [--priority N] [--image I] [--label L] [--description D] [--unapproved] "
     "[--wait] (--script FILE | -- CMD)",
     "validate and queue tasks; --wait follows to the end", "dgrid submit --id hello --wait -- 'echo hello'",
     cmd_submit},
    {"validate", "FILE...", "say all that is wrong in task files", "dgrid validate tasks/queue/*.json", cmd_validate},
    {"worker",
     "[--node-id ID] [--slots N] [--labels A,B] [--engine auto|docker|podman|bwrap] [--once] [--work-dir DIR] "
     "[--poll-ms N]",
     "run tasks: the node", "dgrid worker --slots 4", cmd_worker},
    {"status", "[--json]", "the grid at a glance", "dgrid status", cmd_status},
    {"nodes", "[--json]", "the registered nodes", "dgrid nodes", cmd_nodes},
    {"show", "[--json] ID", "a task as the ledger has it (always JSON)", "dgrid show hello", cmd_show},
    {"logs", "ID", "a task's output: stdout to stdout, stderr to stderr", "dgrid logs hello", cmd_logs},
    {"wait", "[--timeout SECONDS] ID...", "wait for tasks to end; 0 when all succeeded", "dgrid wait hello", cmd_wait},
    {"cancel", "ID...", "cancel queued or running tasks", "dgrid cancel hello", cmd_cancel},
    {"retry", "ID...", "queue finished tasks again", "dgrid retry hello", cmd_retry},
    {"version", "", "print the version", "dgrid version", cmd_version},
    {0}};

static void help(FILE *to)
{
	fputs("usage: dgrid [--repo URL] [--branch NAME] VERB [ARGUMENTS]\n\n"
	      "A distributed task grid in a Git repository. URL is whatever git takes, a folder too\n"
	      "(default: $DGRID_REPO_URL). `dgrid VERB --help` says more.\n\n",
	      to);
	for (const struct verb *v = verbs; v->name; v++)
		fprintf(to, "  %-9s %s\n", v->name, v->summary);
	fputs(
	    "  help      this text\n\n"
	    "exit codes: 0 done, 1 the answer is no (a task failed), 3 cancelled, 64 usage, 65 invalid task or JSON,\n"
	    "66 no such task or file, 69 remote or engine unavailable, 70 bug, 75 try again, 77 not permitted,\n"
	    "128+N ended by signal N\n",
	    to);
}

static int fail(const struct err *e)
{
	if (e->msg[0]) {
		struct err said = *e;
		git_redact(said.msg);
		fprintf(stderr, "dgrid: %s\n", said.msg);
	}
	return e->class ? (int)e->class : ERR_BUG;
}

int main(int argc, char **argv)
{
	if (git_askpass(argc, argv))
		return 0;
	struct err e = {0};
	const char *name = getenv("GIT_USER_NAME"), *email = getenv("GIT_USER_EMAIL"), *level = getenv("LOG_LEVEL"),
		   *file = getenv("LOG_FILE");
	struct context ctx = {.url = getenv("DGRID_REPO_URL"),
			      .branch = "main",
			      .name = name && *name ? name : "dgrid",
			      .email = email && *email ? email : "dgrid@localhost"};
	enum log_level max = LOG_INFO;
	if (level && log_level_parse(level, &max)) {
		err_set(&e, ERR_USAGE, "LOG_LEVEL: expected error, warn, info or debug, found '%s'", level);
		return fail(&e);
	}
	if (log_init(max, file && *file ? file : NULL)) {
		err_set(&e, ERR_USAGE, "LOG_FILE: cannot append to '%s': %s", file, strerror(errno));
		return fail(&e);
	}
	sig_init();
	int i = 1;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			help(stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--version")) {
			argv[i] = (char *)"version";
			break;
		}
		const char **to = !strcmp(argv[i], "--repo") || !strcmp(argv[i], "-C") ? &ctx.url
				  : !strcmp(argv[i], "--branch")		       ? &ctx.branch
										       : NULL;
		if (!to || i + 1 == argc) {
			err_set(&e, ERR_USAGE, to ? "%s needs a value" : "unknown option '%s' (see: dgrid help)",
				argv[i]);
			return fail(&e);
		}
		*to = argv[++i];
	}
	if (i >= argc) {
		help(stderr);
		return ERR_USAGE;
	}
	if (!strcmp(argv[i], "help")) {
		help(stdout);
		return 0;
	}
	for (const struct verb *v = verbs; v->name; v++) {
		if (strcmp(argv[i], v->name) != 0)
			continue;
		for (int k = i + 1; k < argc && strcmp(argv[k], "--") != 0; k++)
			if (!strcmp(argv[k], "--help") || !strcmp(argv[k], "-h")) {
				printf("usage: dgrid %s %s\n\n%s\n\nexample:\n  %s\n", v->name, v->args, v->summary,
				       v->example);
				return 0;
			}
		return v->run(&ctx, argc - i, argv + i, &e) ? fail(&e) : 0;
	}
	err_set(&e, ERR_USAGE, "unknown verb '%s' (see: dgrid help)", argv[i]);
	return fail(&e);
}
