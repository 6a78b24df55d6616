/* completions: scripts for shells, which ask this verb what could come next. So they know every verb, option and value
 * of the program that is installed, and tasks and nodes of the grid. */
#include "base/asset.h"
#include "verbs/verbs.h"
#include <stdlib.h>
#include <string.h>

#define FRESH_MS 10000	 /* how old what a remote's cache says may be */
#define PATIENCE_MS 1000 /* somebody has pressed a key */

static const struct {
	const char *shell, *asset;
} scripts[] = {{"bash", "completions/dgrid.bash"}, {"zsh", "completions/_dgrid"}, {"fish", "completions/dgrid.fish"}};

/* ---- what could come next ---- */

struct asking {
	char *url; /* as the words so far say, NULL: they do not */
	const char *branch;
	const struct verb *verb;
	const struct usage_option *option; /* whose value is to come, NULL: none */
	char **words;			   /* the last is the one to complete */
	int n, first;			   /* first: the first operand, 0: none yet */
	bool dashes;			   /* after -- */
};

static void offer(const char *prefix, const char *before, const char *word, const char *about)
{
	if (strncmp(word, prefix, strlen(prefix)) != 0)
		return;
	/* Half a line is enough: what holds without it is in the manual. */
	size_t n = strcspn(about, ";:(");
	while (n && about[n - 1] == ' ')
		n--;
	printf("%s%s\t%.*s\n", before, word, (int)n, about);
}

static bool is_given(const struct asking *a, const char *id)
{
	for (int i = a->first; i && i < a->n - 1; i++)
		if (!strcmp(a->words[i], id))
			return true;
	return false;
}

/* states: "queue,failed", "" for all. */
static void offer_names(struct asking *a, const char *prefix, const char *before, bool nodes, const char *states)
{
	struct snapshot s = {0};
	struct err e;
	if (!a->url)
		a->url = usual_repo();
	if (!a->url)
		return;
	bring_token(a->url);
	int rc = snapshot_glance(&s, a->url, a->branch, FRESH_MS, PATIENCE_MS, &e);
	for (size_t i = 0; !rc && nodes && i < s.n_nodes; i++)
		offer(prefix, before, s.nodes[i].id, "node");
	for (size_t i = 0; !rc && !nodes && i < s.n_tasks; i++) {
		const char *state = task_state_name(s.tasks[i].state), *at = strstr(states, state);
		bool asked = at && (at == states || at[-1] == ',') && strchr(",", at[strlen(state)]);
		if ((!*states || asked) && !is_given(a, s.tasks[i].id))
			offer(prefix, before, s.tasks[i].id, state);
	}
	snapshot_close(&s);
}

/* kind: as in usage.h. before: what stands before the value in the same word. */
static void offer_values(struct asking *a, const char *kind, const char *prefix, const char *before)
{
	if (!kind)
		return;
	if (!strcmp(kind, "@files") || !strcmp(kind, "@folders"))
		printf(":%s\n", kind + 1);
	else if (!strcmp(kind, "@verbs"))
		for (const struct verb *const *v = verbs; *v; v++)
			offer(prefix, before, (*v)->name, (*v)->summary);
	else if (!strcmp(kind, "@nodes"))
		offer_names(a, prefix, before, true, "");
	else if (!strncmp(kind, "@tasks", 6))
		offer_names(a, prefix, before, false, kind[6] ? kind + 7 : "");
	else
		for (const char *p = kind; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
			char *word = xstrndup(p, strcspn(p, " "));
			offer(prefix, before, word, "");
			free(word);
		}
}

static bool is_named(const struct usage_option *o, const char *word, size_t n)
{
	char letter;
	const char *name = usage_name(o, &letter);
	return (strlen(name) == n && !strncmp(name, word, n)) ||
	       (letter && n == 2 && word[0] == '-' && word[1] == letter);
}

static const struct usage_option *common(const char *word, size_t n)
{
	const struct usage_option *o = usage_common;
	while (o->name && !is_named(o, word, n))
		o++;
	return o->name ? o : NULL;
}

static const struct usage_option *find_option(const struct asking *a, const char *word)
{
	size_t n = strcspn(word, "=");
	const struct usage_option *own;
	for (size_t i = 0; a->verb && (own = usage_option_at(a->verb, i)); i++)
		if (is_named(own, word, n))
			return own;
	return common(word, n);
}

static void offer_option(const struct usage_option *o, const char *prefix)
{
	char letter, brief[3] = "";
	const char *name = usage_name(o, &letter);
	snprintf(brief, sizeof brief, "-%c", letter);
	offer(prefix, "", name, o->text);
	if (letter && strcmp(brief, name) != 0)
		offer(prefix, "", brief, o->text);
}

static void offer_options(const struct asking *a, const char *prefix)
{
	const struct usage_option *o;
	for (size_t i = 0; a->verb && (o = usage_option_at(a->verb, i)); i++)
		offer_option(o, prefix);
	for (o = usage_common; o->name; o++)
		if (!a->verb || a->verb->needs != USAGE_NOTHING || o->key == 'h')
			offer_option(o, prefix);
}

/* --repo, -C and --branch say which grid's tasks are meant. */
static void take_common(struct asking *a, const struct usage_option *o, const char *value)
{
	if (o->key == 'b')
		a->branch = value;
	if (o->key != 'R' && o->key != 'C')
		return;
	free(a->url);
	a->url = o->key == 'R' ? absolute_repo(value) : find_repo(value);
}

/* False when there is no such verb: then nothing can be said. */
static bool read_words(struct asking *a)
{
	for (int i = 0; i < a->n - 1; i++) {
		const char *w = a->words[i];
		const struct usage_option *o = w[0] == '-' && !a->dashes ? find_option(a, w) : NULL;
		if (!a->dashes && !strcmp(w, "--"))
			a->dashes = true;
		else if (o && o->arg && *o->arg != '[' && !strchr(w, '=')) {
			if (++i == a->n - 1)
				a->option = o;
			else if (common(o->name, strlen(o->name)) == o)
				take_common(a, o, a->words[i]);
		} else if (a->dashes || w[0] != '-') {
			if (!a->verb)
				a->verb = verb_find(w);
			else if (!a->first)
				a->first = i;
			if (!a->verb)
				return false;
		}
	}
	return true;
}

static void answer(const struct context *ctx, char **words, int n)
{
	struct asking a = {.url = ctx->url ? xstrdup(ctx->url) : NULL, .branch = ctx->branch, .words = words, .n = n};
	const char *word = n ? words[n - 1] : "", *equals = strchr(word, '=');
	bool known = read_words(&a);
	const struct usage_option *o = !a.dashes && word[0] == '-' && equals ? find_option(&a, word) : NULL;
	bool more = a.verb && (!a.first || strstr(a.verb->args, "..."));
	if (a.option)
		offer_values(&a, a.option->value, word, "");
	else if (o) {
		char *before = xstrndup(word, (size_t)(equals + 1 - word));
		offer_values(&a, o->value, equals + 1, before);
		free(before);
	} else if (!a.dashes && word[0] == '-')
		offer_options(&a, word);
	else if (!a.verb && known)
		offer_values(&a, "@verbs", word, "");
	else if (more)
		offer_values(&a, a.verb->operands, word, "");
	free(a.url);
}

static int cmd_completions(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_completions, .argc = argc, .argv = argv};
	bool asked = false;
	int key;
	while ((key = usage_next(&s, e)) > 0)
		asked = true;
	if (key < 0)
		return -1;
	if (asked) {
		answer(ctx, argv + s.rest, argc - s.rest);
		return 0;
	}
	if (usage_operands(&s, 1, e))
		return -1;
	for (size_t i = 0; s.rest < argc && i < sizeof scripts / sizeof *scripts; i++)
		if (!strcmp(argv[s.rest], scripts[i].shell)) {
			const struct asset *a = asset_find(scripts[i].asset);
			if (!a)
				return err_set(e, ERR_BUG, "the program does not carry '%s'", scripts[i].asset);
			fputs(a->bytes, stdout);
			return 0;
		}
	return err_set(e, ERR_USAGE, "completions: expected bash, zsh or fish, found '%.200s'",
		       s.rest < argc ? argv[s.rest] : "");
}

const struct verb verb_completions = {
    .name = "completions",
    .args = "bash|zsh|fish | --answer -- WORDS",
    .summary = "print a script that completes verbs, options, tasks and nodes in your shell",
    .about = "Prints the completion script for a shell. The script asks the installed dgrid for candidates, so it "
	     "knows the verbs and options of that version, and it offers tasks by state: to cancel those that have not "
	     "ended, to retry those that have. Of a remote it knows only what has been read before (dgrid status fills "
	     "the cache); a completion takes at most a second.",
    .needs = USAGE_NOTHING,
    .options =
	(const struct usage_option[]){
	    {'a', "--answer", NULL, NULL,
	     "what the scripts call: given the words after dgrid, the last of them incomplete, print one candidate per "
	     "line, a tab and its description; :files or :folders asks for those"},
	    {0}},
    .operands = "bash zsh fish",
    .examples = (const struct usage_note[]){{"source <(dgrid completions bash)", "in ~/.bashrc"},
					    {"dgrid completions zsh >~/.zfunc/_dgrid",
					     "with ~/.zfunc in fpath before compinit"},
					    {"dgrid completions fish >~/.config/fish/completions/dgrid.fish", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .environment =
	(const struct usage_note[]){{"DGRID_REPO_URL", "the grid whose tasks are offered, when the words do not "
						       "say another"},
				    {0}},
    .run = cmd_completions,
};
