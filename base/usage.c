#include "base/usage.h"
#include "base/text.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

#define WIDTH 80
#define FIRST_LONG 256 /* getopt's values of long options; below are letters */

const struct usage_option usage_common[] = {
    {'R', "--repo", "URL", "@folders", "the grid's repository: whatever git takes, a folder too"},
    {'C', "-C", "CLONE", "@folders", "a clone of it; without either the one you stand in, or $DGRID_REPO_URL"},
    {'b', "--branch", "NAME", NULL, "the branch that holds the grid; default main"},
    {'h', "-h, --help", NULL, NULL, "this text"},
    {0}};

/* What is true of every verb that needs so much of a grid. */
static const struct {
	enum usage_needs from;
	struct usage_note note;
} exits[] = {{USAGE_NOTHING, {"64", "wrong usage: an option, a value, or a setting in the environment"}},
	     {USAGE_READS, {"66", "no such task, file or revision, or the branch is not a grid"}},
	     {USAGE_READS, {"69", "the remote, or its branch, cannot be read"}},
	     {USAGE_NOTHING, {"74", "its output could not be written"}},
	     {USAGE_WRITES, {"75", "lost the race to other writers too often: try again"}},
	     {USAGE_WRITES, {"77", "the host declined the push"}}},
  variables[] = {
      {USAGE_READS, {"DGRID_REPO_URL", "the repository, when no option says it"}},
      {USAGE_READS, {"DGRID_BRANCH", "the branch, when --branch does not say it"}},
      {USAGE_READS, {"GIT_TOKEN", "a token for the host; reaches git by GIT_ASKPASS only"}},
      {USAGE_READS, {"GIT_TOKEN_USER", "the user it belongs to; default x-access-token"}},
      {USAGE_WRITES, {"GIT_USER_NAME, GIT_USER_EMAIL", "who commits; default: git's own user.name and user.email"}},
      {USAGE_READS, {"LOG_LEVEL, LOG_FILE", "error, warn, info or debug; a file instead of stderr"}},
};
#define N(list) (sizeof(list) / sizeof *(list))

/* ---- the command line ---- */

const char *usage_name(const struct usage_option *o, char *letter)
{
	bool both = o->name[1] != '-' && o->name[2] == ',', alone = o->name[1] != '-' && !o->name[2];
	*letter = both || alone ? o->name[1] : 0;
	return both ? o->name + 4 : o->name;
}

const struct usage_option *usage_option_at(const struct verb *v, size_t i)
{
	for (const struct usage_option *o = v->options; o && o->name; o++, i--)
		if (!i)
			return o;
	return v->shared ? v->shared(i) : NULL;
}

static void begin(struct usage_scan *s)
{
	const struct usage_option *o;
	size_t at = 0;
	s->letters[at++] = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; (o = usage_option_at(s->verb, i)); i++) {
		char letter;
		const char *name = usage_name(o, &letter);
		int takes = !o->arg ? no_argument : *o->arg == '[' ? optional_argument : required_argument;
		if (i == USAGE_OPTIONS_MAX)
			abort();
		s->longs[i] = (struct option){name + 2, takes, NULL, FIRST_LONG + (int)i};
		if (letter)
			s->letters[at++] = letter;
		if (letter && takes == required_argument)
			s->letters[at++] = ':';
	}
	s->rest = 1;
	optind = 0; /* forgets where an earlier scan stopped, in every libc */
	opterr = 0;
}

static const struct usage_option *found(const struct usage_scan *s, int value)
{
	const struct usage_option *o;
	char letter;
	if (value >= FIRST_LONG)
		return usage_option_at(s->verb, (size_t)(value - FIRST_LONG));
	for (size_t i = 0; value && (o = usage_option_at(s->verb, i)); i++)
		if (usage_name(o, &letter) && letter == value)
			return o;
	return NULL;
}

/* The option that was meant, if it looks like a typing mistake; NULL: none. */
static const char *near(const struct usage_scan *s, const char *typed)
{
	const struct usage_option *o;
	const char *best = NULL;
	char *name = xstrndup(typed, strcspn(typed, "=")), letter;
	size_t least = 3;
	for (size_t i = 0; (o = usage_option_at(s->verb, i)); i++)
		best = text_nearer(name, usage_name(o, &letter), best, &least);
	free(name);
	return best;
}

int usage_next(struct usage_scan *s, struct err *e)
{
	char letter;
	if (!s->rest)
		begin(s);
	int got = getopt_long(s->argc, s->argv, s->letters, s->longs, NULL);
	const char *before = s->value;
	s->value = got == -1 ? NULL : optarg;
	s->rest = optind;
	if (got == -1) {
		const char *last = s->argv[optind - 1];
		s->dashes = optind > 1 && !strcmp(last, "--") && last != before;
		return 0;
	}
	const struct usage_option *o = found(s, got == ':' || got == '?' ? optopt : got);
	if (got == ':' && o)
		return err_set(e, ERR_USAGE, "%s needs a value: dgrid %s %s %s (see: dgrid %s --help)",
			       usage_name(o, &letter), s->verb->name, usage_name(o, &letter), o->arg, s->verb->name);
	if (got == '?' && o)
		return err_set(e, ERR_USAGE, "%s takes no value (see: dgrid %s --help)", usage_name(o, &letter),
			       s->verb->name);
	if (!o && optopt)
		return err_set(e, ERR_USAGE, "unknown option '-%c' (see: dgrid %s --help)", optopt, s->verb->name);
	const char *meant = o ? NULL : near(s, s->argv[optind - 1]);
	if (!o)
		return err_set(e, ERR_USAGE, "unknown option '%.200s'%s%s%s (see: dgrid %s --help)",
			       s->argv[optind - 1], meant ? "; did you mean " : "", meant ? meant : "",
			       meant ? "?" : "", s->verb->name);
	bool path = o->value && (!strcmp(o->value, "@files") || !strcmp(o->value, "@folders"));
	size_t len = s->value && !path ? strlen(s->value) : 0, valid = utf8_valid(s->value, len);
	if (valid < len)
		return err_set(e, ERR_USAGE, "%s: byte %zu of its value is not UTF-8", usage_name(o, &letter),
			       valid + 1);
	s->option = o;
	return o->key;
}

int usage_distinct(struct usage_scan *s)
{
	int n = s->rest;
	for (int i = s->rest; i < s->argc; i++) {
		int k = s->rest;
		while (k < n && strcmp(s->argv[k], s->argv[i]) != 0)
			k++;
		if (k == n)
			s->argv[n++] = s->argv[i];
	}
	s->argc = n;
	return n - s->rest;
}

int usage_operands(const struct usage_scan *s, int most, struct err *e)
{
	if (s->argc - s->rest <= most)
		return 0;
	return err_set(e, ERR_USAGE, "unexpected '%.200s' (see: dgrid %s --help)", s->argv[s->rest + most],
		       s->verb->name);
}

/* ---- the text ---- */

/* Words of text from column `at` on, each line but the first begun at column `from`. */
static void wrap(struct buf *out, const char *text, size_t from, size_t at)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n");
		if (p != text && at + 1 + n > WIDTH) {
			buf_addf(out, "\n%*s", (int)from, "");
			at = from;
		} else if (p != text && at > from) {
			buf_adds(out, " ");
			at++;
		}
		buf_add(out, p, n);
		at += n;
		p += n;
		if (p[0] == '\n' && p[1] == '\n') {
			buf_addf(out, "\n\n%*s", (int)from, "");
			at = from;
			p++;
		}
		p += *p != 0;
	}
	buf_adds(out, "\n");
}

/* "  name    text"; a name too long for its column has the text below it. */
static void row(struct buf *out, const char *name, size_t column, const char *text)
{
	size_t n = strlen(name) + 2;
	buf_addf(out, "  %s", name);
	if (n + 2 > column)
		buf_adds(out, "\n");
	buf_addf(out, "%*s", (int)(n + 2 > column ? column : column - n), "");
	wrap(out, text, column, column);
}

static void option_row(struct buf *out, const struct usage_option *o)
{
	bool may = o->arg && *o->arg == '[', is_long = strstr(o->name, "--") != NULL;
	char *name = !o->arg ? xstrdup(o->name)
		     : may   ? xasprintf("%s[=%s", o->name, o->arg + 1)
			     : xasprintf("%s %s", o->name, o->arg);
	char *aligned = is_long && o->name[1] == '-' ? xasprintf("    %s", name) : xstrdup(name);
	row(out, aligned, 26, o->text);
	free(name);
	free(aligned);
}

static void print_exits(const struct verb *v, struct buf *out)
{
	const struct usage_note *own = v->exits;
	size_t i = 0;
	buf_adds(out, "\nexit codes:\n");
	while (i < N(exits) || (own && own->name)) {
		bool mine = own && own->name,
		     all = i < N(exits) && (!mine || strcmp(exits[i].note.name, own->name) < 0);
		if (!all) {
			if (*own->text)
				row(out, own->name, 6, own->text);
			i += i < N(exits) && !strcmp(exits[i].note.name, own->name);
			own++;
		} else {
			if (v->needs >= exits[i].from)
				row(out, exits[i].note.name, 6, exits[i].note.text);
			i++;
		}
	}
}

static void print_environment(const struct verb *v, struct buf *out)
{
	const char *head = "\nenvironment:\n";
	for (const struct usage_note *own = v->environment; own && own->name; own++, head = "") {
		buf_adds(out, head);
		row(out, own->name, 20, own->text);
	}
	for (size_t i = 0; i < N(variables); i++)
		if (v->needs >= variables[i].from) {
			buf_adds(out, head);
			row(out, variables[i].note.name, 20, variables[i].note.text);
			head = "";
		}
}

void usage_print(const struct verb *v, struct buf *out)
{
	buf_addf(out, "usage: dgrid %s%s%s\n\n", v->name, *v->args ? " " : "", v->args);
	wrap(out, v->about, 0, 0);
	buf_adds(out, "\noptions:\n");
	const struct usage_option *own;
	for (size_t i = 0; (own = usage_option_at(v, i)); i++)
		option_row(out, own);
	for (const struct usage_option *o = usage_common; o->name; o++)
		if (v->needs > USAGE_NOTHING || o->key == 'h')
			option_row(out, o);
	buf_adds(out, "\nexamples:\n");
	for (const struct usage_note *x = v->examples; x && x->name; x++) {
		buf_adds(out, "  ");
		if (*x->text) {
			buf_adds(out, "# ");
			wrap(out, x->text, 4, 4);
			buf_adds(out, "  ");
		}
		buf_addf(out, "%s\n", x->name);
	}
	print_exits(v, out);
	print_environment(v, out);
}
