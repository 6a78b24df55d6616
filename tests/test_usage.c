/* usage: the parser, and what must be true of every verb's table. */
#include "test.h"
#include "verbs/verbs.h"
#include <ctype.h>
#include <stdlib.h>

static const struct verb trial = {.name = "trial",
				  .args = "",
				  .about = "",
				  .options = (const struct usage_option[]){{'j', "--json", NULL, NULL, "j"},
									   {'t', "--time", "N", NULL, "t"},
									   {'w', "--watch", "[N]", NULL, "w"},
									   {'o', "-o, --output", "DIR", NULL, "o"},
									   {'f', "-f, --follow", NULL, NULL, "f"},
									   {0}}};

/* What the parser makes of words between spaces: "j t=5 | a b", or its error. */
static void parsed(const char *line, const char *expected)
{
	char *copy = xstrdup(line), *argv[32] = {(char *)"trial"}, *save = NULL;
	int argc = 1, key;
	struct buf b = {0};
	struct err e = {0};
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	struct usage_scan s = {.verb = &trial, .argc = argc, .argv = argv};
	while ((key = usage_next(&s, &e)) > 0)
		buf_addf(&b, "%c%s%s ", key, s.value ? "=" : "", s.value ? s.value : "");
	buf_adds(&b, "|");
	for (int i = s.rest; i < argc && !key; i++)
		buf_addf(&b, " %s", argv[i]);
	if (key < 0)
		CHECK(e.class == ERR_USAGE && !strncmp(e.msg, expected, strlen(expected)), e.msg);
	else
		CHECK(!strcmp(b.data, expected), b.data);
	buf_clear(&b);
	free(copy);
}

static void check_parser(void)
{
	parsed("", "|");
	parsed("a --json b --time 5 c", "j t=5 | a b c");
	parsed("--time=5 --watch --watch=3 -f", "t=5 w w=3 f |");
	parsed("-o x -oy --output z -fo w", "o=x o=y o=z f o=w |");
	parsed("--js --wa 3", "j w | 3"); /* an abbreviation that is not ambiguous */
	parsed("-- --json", "| --json");
	parsed("a -- -f", "| a -f");
	parsed("--time", "--time needs a value: dgrid trial --time N (see: dgrid trial --help)");
	parsed("a -o", "--output needs a value: dgrid trial --output DIR");
	parsed("--json=1", "--json takes no value (see: dgrid trial --help)");
	parsed("--jsno", "unknown option '--jsno'; did you mean --json? (see: dgrid trial --help)");
	parsed("-x", "unknown option '-x'");
	parsed("-fx", "unknown option '-x'");
	parsed("-j", "unknown option '-j'"); /* a key is not a short form */
	struct usage_scan none = {.verb = &verb_help, .argc = 2, .argv = (char *[]){"help", "--x", NULL}};
	struct err e = {0};
	CHECK(usage_next(&none, &e) == -1 && strstr(e.msg, "'--x' (see: dgrid help --help)"), e.msg);
}

/* Is this word part of a line of usage, as a whole? */
static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = line; (p = strstr(p, word)); p++) {
		bool starts = p == line || strchr(" [|(", p[-1]), ends = !isalnum((unsigned char)p[n]) && p[n] != '-';
		if (starts && ends)
			return true;
	}
	return false;
}

static bool in_table(const struct verb *v, const char *word, size_t n)
{
	const struct usage_option *o;
	for (size_t i = 0; (o = usage_option_at(v, i)); i++) {
		char letter;
		const char *name = usage_name(o, &letter);
		if ((strlen(name) == n && !strncmp(name, word, n)) || (letter && n == 2 && word[1] == letter))
			return true;
	}
	return false;
}

static bool value_known(const char *value)
{
	static const char *const kinds[] = {"@tasks", "@nodes", "@verbs", "@files", "@folders"};
	bool ok = !value || *value != '@' || !strncmp(value, "@tasks:", 7);
	for (size_t i = 0; !ok && i < sizeof kinds / sizeof *kinds; i++)
		ok = !strcmp(value, kinds[i]);
	char *copy = xstrdup(value && !strncmp(value, "@tasks:", 7) ? value + 7 : ""), *save = NULL;
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		bool state = false;
		for (int k = 0; k < TASK_N_STATES; k++)
			state = state || !strcmp(w, task_state_name((enum task_state)k));
		ok = ok && state;
	}
	free(copy);
	return ok;
}

static void check_notes(const struct verb *v, const struct usage_note *n)
{
	for (; n && n->name; n++)
		CHECK(*n->name && n->text, v->name);
}

static void check_verb(const struct verb *v)
{
	char what[200];
	const struct usage_option *o, *other;
	size_t i, own = 0;
	while (v->options && v->options[own].name)
		own++;
	for (i = 0; (o = usage_option_at(v, i)); i++) {
		char letter;
		const char *name = usage_name(o, &letter);
		snprintf(what, sizeof what, "%s %s", v->name, o->name);
		CHECK(!strncmp(name, "--", 2) && o->key > 0 && o->text && *o->text, what);
		/* -o alone is enough in the line of usage; --sign and the like stand there whole; those that verbs
		 * share do not */
		char brief[3] = {'-', letter, 0};
		CHECK(i >= own || has_word(v->args, name) || (letter && has_word(v->args, brief)), what);
		CHECK(value_known(o->value) && (!o->value || o->arg), what);
		for (size_t k = 0; k < i && (other = usage_option_at(v, k)); k++) {
			char its;
			CHECK(strcmp(usage_name(other, &its), name) != 0 && (!letter || its != letter), what);
			CHECK(other->key != o->key || k >= own, what);
		}
	}
	CHECK(i <= USAGE_OPTIONS_MAX, v->name);
	for (const char *p = v->args; (p = strchr(p, '-')); p += strspn(p, "-abcdefghijklmnopqrstuvwxyz")) {
		size_t n = strspn(p, "-abcdefghijklmnopqrstuvwxyz");
		if (p > v->args && !strchr(" [|(", p[-1])) /* within a word */
			continue;
		snprintf(what, sizeof what, "%s: %.*s has no row", v->name, (int)n, p);
		CHECK(n == 2 && p[1] == '-' ? true : in_table(v, p, n), what);
	}
	CHECK(v->summary && strlen(v->summary) < 110 && v->about && strlen(v->about) > 20, v->name);
	CHECK(v->examples && strstr(v->examples->name, v->name) && v->exits && v->run, v->name);
	CHECK(value_known(v->operands), v->name);
	check_notes(v, v->examples);
	check_notes(v, v->exits);
	for (const struct usage_note *n = v->exits; n[0].name && n[1].name; n++)
		CHECK(strtol(n[0].name, NULL, 10) < strtol(n[1].name, NULL, 10),
		      v->name); /* --help merges the common ones in */
	check_notes(v, v->environment);
	struct buf b = {0};
	usage_print(v, &b);
	const char *line = strchr(b.data, '\n');
	CHECK(!strncmp(b.data, "usage: dgrid ", 13) && line, v->name);
	for (; line && *line; line += 1 + strcspn(line + 1, "\n"))
		CHECK(strcspn(line + 1, "\n") <= 80, v->name);
	for (const char *p = b.data; *p; p++)
		if ((unsigned char)*p > 126)
			CHECK(false, "--help is plain ASCII");
	buf_clear(&b);
}

int main(void)
{
	check_parser();
	CHECK(verb_find("wait") == &verb_wait && !verb_find("") && !verb_find("wai"), "verbs are found by name");
	for (const struct verb *const *v = verbs; *v; v++)
		check_verb(*v);
	return test_end("test_usage");
}
