/* The table of verbs; help and version. */
#include "base/text.h"
#include "base/version.h"
#include "verbs/verbs.h"
#include <string.h>

const struct verb *const verbs[] = {&verb_init,	     &verb_submit,	&verb_validate, &verb_promote, &verb_approve,
				    &verb_enroll,    &verb_config,	&verb_worker,	&verb_status,  &verb_watch,
				    &verb_nodes,     &verb_image,	&verb_show,	&verb_logs,    &verb_why,
				    &verb_limits,    &verb_graph,	&verb_notify,	&verb_rerun,   &verb_files,
				    &verb_get,	     &verb_keep,	&verb_metrics,	&verb_usage,   &verb_wait,
				    &verb_cancel,    &verb_retry,	&verb_schedule, &verb_pause,   &verb_resume,
				    &verb_drain,     &verb_undrain,	&verb_retire,	&verb_heal,    &verb_maintain,
				    &verb_dashboard, &verb_audit,	&verb_attest,	&verb_hook,    &verb_doctor,
				    &verb_health,    &verb_completions, &verb_version,	&verb_help,    NULL};

const struct verb *verb_find(const char *name)
{
	const struct verb *const *v = verbs;
	while (*v && strcmp(name, (*v)->name) != 0)
		v++;
	return *v;
}

/* What other programs call it. */
static const char *const others[][2] = {
    {"ls", "status"},	   {"list", "status"},	 {"ps", "status"},    {"top", "watch"},	   {"run", "submit"},
    {"add", "submit"},	   {"push", "submit"},	 {"queue", "submit"}, {"rm", "cancel"},	   {"kill", "cancel"},
    {"stop", "cancel"},	   {"delete", "cancel"}, {"log", "logs"},     {"cat", "logs"},	   {"tail", "logs -f"},
    {"output", "logs"},	   {"info", "show"},	 {"get", "show"},     {"inspect", "show"}, {"describe", "show"},
    {"restart", "retry"},  {"node", "nodes"},	 {"images", "image"}, {"start", "worker"}, {"agent", "worker"},
    {"check", "validate"}, {"verify", "audit"}};

int verb_unknown(const char *name, struct err *e)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(name, others[i][0]))
			return err_set(e, ERR_USAGE, "unknown verb '%s': did you mean dgrid %s? (see: dgrid help)",
				       name, others[i][1]);
	const char *near = NULL;
	size_t best = strlen(name) < 4 ? 2 : 3;
	for (const struct verb *const *v = verbs; *v; v++)
		near = text_nearer(name, (*v)->name, near, &best);
	if (near)
		return err_set(e, ERR_USAGE, "unknown verb '%.200s': did you mean %s? (see: dgrid help)", name, near);
	return err_set(e, ERR_USAGE, "unknown verb '%.200s' (see: dgrid help)", name);
}

void verb_list_print(FILE *to)
{
	fputs("usage: dgrid [--repo URL | -C CLONE] [--branch NAME] VERB [ARGUMENTS]\n\n"
	      "A distributed task grid in a Git repository. URL is whatever git takes, a folder too\n"
	      "(default: $DGRID_REPO_URL). `dgrid VERB --help` says more.\n\n",
	      to);
	for (const struct verb *const *v = verbs; *v; v++)
		fprintf(to, "  %-11s %s\n", (*v)->name, (*v)->summary);
	fputs("\nexit codes: 0 done, 1 the answer is no (a task failed), 3 cancelled, 64 usage, 65 invalid task or "
	      "JSON,\n"
	      "66 no such task or file, 69 remote or engine unavailable, 70 bug, 74 output not written, 75 try again, "
	      "77 not permitted,\n"
	      "128+N ended by signal N\n",
	      to);
}

void verb_help_print(const struct verb *v)
{
	struct buf b = {0};
	usage_print(v, &b);
	fputs(b.data, stdout);
	buf_clear(&b);
}

static int cmd_help(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_help, .argc = argc, .argv = argv};
	const struct verb *v = NULL;
	(void)ctx;
	if (usage_next(&s, e) || usage_operands(&s, 1, e))
		return -1;
	if (s.rest < argc && !(v = verb_find(argv[s.rest])))
		return verb_unknown(argv[s.rest], e);
	if (v)
		verb_help_print(v);
	else
		verb_list_print(stdout);
	return 0;
}

static int cmd_version(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_version, .argc = argc, .argv = argv};
	(void)ctx;
	if (usage_next(&s, e) || usage_operands(&s, 0, e))
		return -1;
	puts("dgrid " DGRID_VERSION);
	return 0;
}

const struct verb verb_help = {
    .name = "help",
    .args = "[VERB]",
    .summary = "this list and the exit codes, or all about one verb",
    .about = "Lists the verbs and the exit codes; with a verb it prints the same as dgrid VERB --help.",
    .operands = "@verbs",
    .examples = (const struct usage_note[]){{"dgrid help", ""}, {"dgrid help submit", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .run = cmd_help,
};
const struct verb verb_version = {
    .name = "version",
    .args = "",
    .summary = "print the version",
    .about = "Prints the name and the version of the program.",
    .examples = (const struct usage_note[]){{"dgrid version", ""}, {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .run = cmd_version,
};
