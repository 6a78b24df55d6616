/* dgrid: main, what stands before the verb, exit codes. */
#include "base/log.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/text.h"
#include "base/treecopy.h"
#include "git/git.h"
#include "sandbox/enter.h"
#include "sandbox/rootfs.h"
#include "sandbox/slurm.h"
#include "store/bring.h"
#include "store/depot.h"
#include "verbs/verbs.h"
#include "worker/job.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An error may quote a stranger. Its lines are kept, but no control character, and nothing that a build service's log
 * takes for a command. */
static void print_harmless(const char *text)
{
	struct buf b = {0};
	text_output(&b, text, strlen(text));
	bool start = true;
	for (char *p = b.data; p && *p; p++) {
		if ((start && p[0] == ':' && p[1] == ':') || !strncmp(p, "##[", 3))
			*p = '?';
		start = *p == '\n' || (start && *p == ' ');
	}
	fprintf(stderr, "dgrid: %s\n", b.data ? b.data : "");
	buf_clear(&b);
}

/* Is stdout a pipe that nobody reads any more? */
static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* What could not be printed, an exit code has to say. A reader who left needs no words, as everywhere. */
static int end_output(int code)
{
	bool lost = ferror(stdout), left = reader_left();
	errno = 0;
	lost = fflush(stdout) || lost;
	int why = errno;
	if (close(STDOUT_FILENO) && errno != EBADF && !lost) {
		lost = true;
		why = errno;
	}
	if (!lost)
		return code;
	if (!left)
		fprintf(stderr, "dgrid: cannot write all output: %s\n",
			why ? strerror(why) : "an earlier write failed");
	return code ? code : left ? 128 + SIGPIPE : ERR_OUTPUT;
}

static int fail(const struct err *e)
{
	if (e->msg[0]) {
		struct err said = *e;
		git_redact(said.msg);
		fflush(stdout); /* first what it sums up */
		print_harmless(said.msg);
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

/* By its short name, as refs/heads/NAME too. */
static const char *branch_of(const char *given)
{
	return !strncmp(given, "refs/heads/", 11) ? given + 11 : given;
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
			ctx->branch = branch_of(argv[i]);
			continue;
		}
		ctx->dir = argv[i];
		free(*found);
		*found = repo ? absolute_repo(argv[i]) : find_repo(argv[i]);
		if (!*found)
			return err_set(e, ERR_NOENT,
				       "-C: '%s' is no Git repository, or has several remotes and none called origin "
				       "(give --repo URL)",
				       argv[i]);
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

static bool asks_for_help(int argc, char **argv)
{
	for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++)
		if (!strcmp(argv[k], "--help") || !strcmp(argv[k], "-h"))
			return true;
	return false;
}

static bool interrupted(void)
{
	return sig_stops() > 0;
}

/* Whatever git or the remote does, a verb ends when it is told to. */
static int run_promptly(const struct verb *v, struct context *ctx, int argc, char **argv, struct err *e)
{
	/* These two have something to clear away, and ask for themselves. */
	if (v == &verb_worker || v == &verb_rerun)
		return v->run(ctx, argc, argv, e);
	proc_give_up_when(interrupted);
	int rc = v->run(ctx, argc, argv, e);
	proc_give_up_when(NULL);
	if (rc && interrupted() && (int)e->class < 128) {
		e->class = (enum err_class)(128 + sig_last_stop());
		err_wrap(e, "interrupted");
	}
	return rc;
}

static int run_verb(const struct verb *v, struct context *ctx, int argc, char **argv, struct err *e)
{
	if (asks_for_help(argc, argv)) {
		verb_help_print(v);
		return 0;
	}
	if (v->needs == USAGE_NOTHING) /* not a word to git either: a container's engine asks for health all the time */
		return v->run(ctx, argc, argv, e);
	/* The worker tells them together with its own. */
	if (ctx->complaints[0] && v != &verb_worker)
		return err_set(e, ERR_USAGE, "%.*s", (int)strcspn(ctx->complaints, "\n"), ctx->complaints);
	git_settle(ctx->url ? ctx->url : getenv("DGRID_REPO_URL"));
	char *usual = ctx->url ? NULL : usual_repo();
	ctx->url = ctx->url ? ctx->url : usual;
	bring_token(ctx->url);
	int rc = run_promptly(v, ctx, argc, argv, e);
	free(usual);
	return rc;
}

int main(int argc, char **argv)
{
	int code;
	if (git_askpass(argc, argv, &code))
		return code;
	int entered = enter_asked(argc, argv);
	if (entered >= 0)
		return entered;
	int looked = rootfs_asked(argc, argv);
	if (looked >= 0)
		return looked;
	struct err e = {0};
	struct buf complaints = {0};
	const char *name = getenv("GIT_USER_NAME"), *email = getenv("GIT_USER_EMAIL"), *branch = getenv("DGRID_BRANCH");
	struct context ctx = {.dir = ".",
			      .branch = branch && *branch ? branch_of(branch) : "main",
			      .name = name && *name ? name : "dgrid",
			      .email = email && *email ? email : "dgrid@localhost"};
	char *found = NULL;
	int rc = -1;
	if (proc_begin(&e))
		return fail(&e);
	open_log(&complaints);
	sig_init();
	int job = slurm_asked(argc, argv);
	if (job < 0)
		job = job_asked(argc, argv);
	if (job >= 0) {
		buf_clear(&complaints);
		return job;
	}
	if (bring_asked(argc, argv)) {
		proc_give_up_when(interrupted);
		return end_output(bring_main(argc, argv, &e) ? fail(&e) : 0);
	}
	if (depot_asked(argc, argv)) {
		proc_give_up_when(interrupted);
		return end_output(depot_main(argv, &e) ? fail(&e) : 0);
	}
	if (treecopy_asked(argc, argv))
		return end_output(treecopy_main(argv, &e) ? fail(&e) : 0);
	int i = global_options(&ctx, argc, argv, &found, &e);
	if (i < 0)
		goto out;
	if (!i) {
		verb_list_print(stderr);
		free(found);
		buf_clear(&complaints);
		return ERR_USAGE;
	}
	int n = late_options(&ctx, argc - i, argv + i, &found, &e);
	if (n < 0)
		goto out;
	ctx.url = found;
	ctx.complaints = complaints.data ? complaints.data : "";
	const struct verb *v = verb_find(argv[i]);
	if (v)
		rc = run_verb(v, &ctx, n, argv + i, &e);
	else
		verb_unknown(argv[i], &e);
out:
	free(found);
	buf_clear(&complaints);
	return end_output(rc ? fail(&e) : 0);
}
