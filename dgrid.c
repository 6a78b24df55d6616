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
    {"init", "[--ci github|gitlab|none] [--no-workflows] [--source URL] [--source-ref REF] [--bare] [--hook] [REPO]",
     "make a repository into a grid; --ci: whose workflows to write, else told by the host's name",
     "dgrid init /srv/grid.git", cmd_init},
    {"submit",
     "FILE... | [--id ID] [--timeout N] [--priority N] [--image I] [--label L] [--description D] [--unapproved] "
     "[--sign] [--key FILE] [--wait] (--script FILE | -- CMD)",
     "validate and queue tasks; --wait follows to the end", "dgrid submit --id hello --wait -- 'echo hello'",
     cmd_submit},
    {"validate", "[--json|--github] [--max-files N] (FILE... | --pr BASE..HEAD | --fields)",
     "say all that is wrong in task files, or in a pull request; change nothing", "dgrid validate tasks/queue/*.json",
     cmd_validate},
    {"promote", "[--dry-run] [--json] [ID...]",
     "move merged submissions from unapproved to the queue, noting who approved them", "dgrid promote --dry-run",
     cmd_promote},
    {"approve", "[--key FILE] [--yes] ID... | --print ID|FILE",
     "sign tasks that wait in unapproved and queue them; --print: the bytes that are signed",
     "dgrid approve --key ~/.ssh/id_ed25519 hello", cmd_approve},
    {"worker",
     "[--node-id ID] [--slots N] [--labels A,B] [--engine auto|docker|podman|bwrap] [--once] [--drain-after N] "
     "[--work-dir DIR] [--poll-ms N] [--max-cpus N] [--max-memory 512m] [--take-over]",
     "run tasks: the node", "dgrid worker --slots 4", cmd_worker},
    {"status", "[--json | --markdown | --watch [SECONDS]] [--all] [--limit N] [--at REV|DATE]",
     "the grid at a glance; --watch redraws it in place, --markdown is for job summaries", "dgrid status --watch",
     cmd_status},
    {"nodes", "[--json] [--at REV|DATE]", "the nodes: alive or not, busy slots, engine", "dgrid nodes", cmd_nodes},
    {"show", "[--json] [--at REV|DATE] ID", "all about one task; --json: as the ledger has it", "dgrid show hello",
     cmd_show},
    {"logs", "[-f | --follow] [--json] [--at REV|DATE] ID",
     "a task's output: stdout to stdout, stderr to stderr; -f follows it to its end", "dgrid logs -f hello", cmd_logs},
    {"why", "[--json] ID", "why a task is where it is, and what keeps it from running", "dgrid why hello", cmd_why},
    {"metrics", "[--json | --atom[=URL]] [--at REV|DATE]",
     "the grid's figures for Prometheus; --atom: a feed of its failures", "dgrid metrics >grid.prom", cmd_metrics},
    {"wait", "[--timeout SECONDS] ID...", "wait for tasks to end; 0 when all succeeded", "dgrid wait hello", cmd_wait},
    {"cancel", "ID...", "cancel queued or running tasks", "dgrid cancel hello", cmd_cancel},
    {"retry", "ID...", "queue finished tasks again", "dgrid retry hello", cmd_retry},
    {"heal", "[--dry-run] [--json]", "give orphaned claims (dead nodes, run-out leases) back to the queue",
     "dgrid heal --dry-run", cmd_heal},
    {"maintain", "[--dry-run] [--json]",
     "promote, heal, and move the oldest finished tasks beyond keep_finished to the branch archive", "dgrid maintain",
     cmd_maintain},
    {"dashboard", "-o DIR [--at REV|DATE] [--now TIME] [--title T] [--url URL]",
     "write the grid as a static site: charts, nodes, tasks, a page a task", "dgrid dashboard -o site", cmd_dashboard},
    {"audit", "[--json] [--since COMMIT|FILE] [--record] [--full] [--limit N] [COMMIT | A..B] | --rules",
     "replay the history and check every step of it; --record publishes how far it got and goes on from there",
     "dgrid audit", cmd_audit},
    {"hook", "pre-receive",
     "judge a push by the audit's rules; git calls it in a bare repository made with init --hook",
     "dgrid init --bare --hook /srv/grid.git", cmd_hook},
    {"doctor", "[--json] [--engine auto|docker|podman|bwrap]",
     "find what is wrong with git, engine, image, write access, clock; say how to mend it", "dgrid doctor", cmd_doctor},
    {"version", "", "print the version", "dgrid version", cmd_version},
    {0}};

static void help(FILE *to)
{
	fputs("usage: dgrid [--repo URL | -C CLONE] [--branch NAME] VERB [ARGUMENTS]\n\n"
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

/* An error may quote a stranger. Its lines are kept, but no control character, and nothing that a build service's log
 * takes for a command. */
static void make_harmless(char *text)
{
	bool start = true;
	for (char *p = text; *p; p++) {
		if ((start && p[0] == ':' && p[1] == ':') || !strncmp(p, "##[", 3) ||
		    ((unsigned char)*p < 32 && *p != '\n') || *p == 127)
			*p = '?';
		if ((unsigned char)p[0] == 0xC2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0)
			p[0] = p[1] = '?';
		start = *p == '\n' || (start && *p == ' ');
	}
}

static int fail(const struct err *e)
{
	if (e->msg[0]) {
		struct err said = *e;
		git_redact(said.msg);
		make_harmless(said.msg);
		fflush(stdout); /* first what it sums up */
		fprintf(stderr, "dgrid: %s\n", said.msg);
	}
	return e->class ? (int)e->class : ERR_BUG;
}

/* LOG_LEVEL and LOG_FILE; what is wrong with them is added to complaints. */
static void open_log(struct buf *complaints)
{
	const char *level = getenv("LOG_LEVEL"), *file = getenv("LOG_FILE");
	enum log_level max = LOG_INFO;
	if (level && *level && log_level_parse(level, &max))
		buf_addf(complaints, "LOG_LEVEL: expected error, warn, info or debug, found '%s'\n", level);
	if (log_init(max, file && *file ? file : NULL))
		buf_addf(complaints, "LOG_FILE: cannot append to '%s': %s\n", file, strerror(errno));
}

/* The options before the verb. Returns the verb's index, 0 when there is none, -1 with e filled. */
static int global_options(struct context *ctx, int argc, char **argv, char **found, struct err *e)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			argv[i] = (char *)"help";
		if (!strcmp(argv[i], "--version"))
			argv[i] = (char *)"version";
		if (argv[i][0] != '-')
			break;
		bool repo = !strcmp(argv[i], "--repo"), dir = !strcmp(argv[i], "-C"),
		     branch = !strcmp(argv[i], "--branch");
		if (!repo && !dir && !branch)
			return err_set(e, ERR_USAGE, "unknown option '%s' (see: dgrid help)", argv[i]);
		if (++i == argc)
			return err_set(e, ERR_USAGE, "%s needs a value", argv[i - 1]);
		if (branch) {
			ctx->branch = argv[i];
			continue;
		}
		ctx->dir = argv[i];
		free(*found);
		*found = repo ? absolute_repo(argv[i]) : find_repo(argv[i]);
		if (!*found)
			return err_set(e, ERR_NOENT, "-C: '%s' is no Git repository", argv[i]);
	}
	return i < argc ? i : 0;
}

/* --repo, --branch and -C may also follow the verb. Takes them out of argv; returns the new argc, -1 with e filled. */
static int late_options(struct context *ctx, int argc, char **argv, char **found, struct err *e)
{
	int kept = 1;
	for (int k = 1; k < argc; k++) {
		if (!strcmp(argv[k], "--")) {
			while (k < argc)
				argv[kept++] = argv[k++];
			break;
		}
		if (strcmp(argv[k], "--repo") != 0 && strcmp(argv[k], "--branch") != 0 && strcmp(argv[k], "-C") != 0) {
			argv[kept++] = argv[k];
			continue;
		}
		char *pair[] = {argv[0], argv[k], k + 1 < argc ? argv[k + 1] : NULL, NULL};
		if (global_options(ctx, pair[2] ? 3 : 2, pair, found, e) < 0)
			return -1;
		k++;
	}
	argv[kept] = NULL;
	return kept;
}

static int run_verb(const struct verb *v, const struct context *ctx, int argc, char **argv, struct err *e)
{
	for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++)
		if (!strcmp(argv[k], "--help") || !strcmp(argv[k], "-h")) {
			printf("usage: dgrid %s %s\n\n%s\n\nexample:\n  %s\n", v->name, v->args, v->summary,
			       v->example);
			return 0;
		}
	/* The worker tells them together with its own. */
	if (ctx->complaints[0] && strcmp(v->name, "worker") != 0)
		return err_set(e, ERR_USAGE, "%.*s", (int)strcspn(ctx->complaints, "\n"), ctx->complaints);
	return v->run(ctx, argc, argv, e);
}

int main(int argc, char **argv)
{
	if (git_askpass(argc, argv))
		return 0;
	struct err e = {0};
	struct buf complaints = {0};
	const char *name = getenv("GIT_USER_NAME"), *email = getenv("GIT_USER_EMAIL"), *url = getenv("DGRID_REPO_URL"),
		   *branch = getenv("DGRID_BRANCH");
	struct context ctx = {.dir = ".",
			      .branch = branch && *branch ? branch : "main",
			      .name = name && *name ? name : "dgrid",
			      .email = email && *email ? email : "dgrid@localhost"};
	char *found = NULL;
	int rc = -1;
	open_log(&complaints);
	sig_init();
	int i = global_options(&ctx, argc, argv, &found, &e);
	if (i < 0)
		goto out;
	if (!i || !strcmp(argv[i], "help")) {
		help(i ? stdout : stderr);
		free(found);
		buf_clear(&complaints);
		return i ? 0 : ERR_USAGE;
	}
	int n = late_options(&ctx, argc - i, argv + i, &found, &e);
	if (n < 0)
		goto out;
	if (!found)
		found = url && *url ? absolute_repo(url) : find_repo(NULL);
	ctx.url = found;
	ctx.complaints = complaints.data ? complaints.data : "";
	const struct verb *v = verbs;
	while (v->name && strcmp(argv[i], v->name) != 0)
		v++;
	if (v->name)
		rc = run_verb(v, &ctx, n, argv + i, &e);
	else
		err_set(&e, ERR_USAGE, "unknown verb '%s' (see: dgrid help)", argv[i]);
out:
	free(found);
	buf_clear(&complaints);
	return rc ? fail(&e) : 0;
}
