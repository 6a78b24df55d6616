#include "schema/dockerfile.h"
#include "base/file.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define BLANK " \t"
#define STAGES_MAX 200
#define HEREDOCS_MAX 1000
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define IMAGE_CHARS LETTERS DIGITS "._-/:@"

struct reading {
	const char *file;
	int at, line; /* the line that is read; the first one of its instruction */
	const struct grid_config *config;
	struct strs stages; /* their names, "" for none */
	struct strs ends;   /* of heredocs, in their order: '-' where tabs may stand before it, or ' ', and the word */
	size_t ended;
	bool inside;  /* one: what is read is text, to readers that know heredocs */
	bool began;   /* a FROM was there */
	bool onbuild; /* what is judged is run by another Dockerfile, which has stages of its own */
	struct buf whole;
	struct strs *bases; /* or NULL */
	struct err *e;
};

static int __attribute__((format(printf, 3, 4))) refuse(const struct reading *r, int line, const char *fmt, ...)
{
	char why[600];
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	return err_set(r->e, ERR_DATA, "%s:%d: %s", r->file, line, why);
}

static bool printable(char c)
{
	return c > ' ' && c < 127;
}

/* Readers differ in what they take for a blank. */
static const char *skip(const char *p)
{
	while (*p && !printable(*p))
		p++;
	return p;
}

static bool plain(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!printable(word[i]))
			return false;
	return true;
}

static bool is(const char *word, size_t n, const char *name)
{
	return strlen(name) == n && !strncasecmp(word, name, n);
}

static bool has_any(const char *word, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (strchr(set, word[i]))
			return true;
	return false;
}

/* ---- images ---- */

/* NULL: the engine may have it. */
static const char *image_wrong(const struct reading *r, const char *image)
{
	for (int i = 0; r->config->images[i] && strspn(image, IMAGE_CHARS) == strlen(image); i++)
		if (!strcmp(r->config->images[i], image))
			return r->config->builds[i]
				   ? "is itself to be built (expected an image that nodes have or pull)"
				   : NULL;
	return "is neither an earlier stage nor an image of grid.json (expected one of them)";
}

/* Among the first n stages. */
static bool stage_known(const struct reading *r, const char *name, size_t n, bool numbers)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (len && !strcmp(r->stages.v[i], name)) /* Podman tells upper case from lower */
			return true;
	bool number = numbers && len && len < 5 && strspn(name, DIGITS) == len && (name[0] != '0' || len == 1);
	return number && strtoul(name, NULL, 10) < n;
}

static int judge_from_flag(struct reading *r, const char *value, size_t len)
{
	char *name = xstrndup(value, len);
	size_t earlier = r->onbuild || !r->stages.n ? 0 : r->stages.n - 1;
	const char *why = stage_known(r, name, earlier, true) ? NULL : image_wrong(r, name);
	int rc = why ? refuse(r, r->line, "from=%.200s: it %s", name, why) : 0;
	free(name);
	return rc;
}

/* ---- flags ---- */

static int judge_mount(struct reading *r, const char *value, size_t len)
{
	if (has_any(value, len, "$"))
		return refuse(r, r->line, "--mount with a '$' (expected it written out)");
	for (size_t at = 0, n; at < len; at += n + 1) {
		const char *part = value + at, *comma = memchr(part, ',', len - at);
		n = comma ? (size_t)(comma - part) : len - at;
		if (n >= 5 && !strncasecmp(part, "from=", 5) && judge_from_flag(r, part + 5, n - 5))
			return -1;
		if (n >= 5 && !strncasecmp(part, "type=", 5) && !is(part, n, "type=bind") &&
		    !is(part, n, "type=cache") && !is(part, n, "type=tmpfs") && !is(part, n, "type=secret") &&
		    !is(part, n, "type=ssh"))
			return refuse(r, r->line, "--mount of type %.*s (expected bind, cache, tmpfs, secret or ssh)",
				      n < 65 ? (int)n - 5 : 60, part + 5);
	}
	return 0;
}

static int judge_flag(struct reading *r, const char *flags, const char *flag, size_t len)
{
	size_t n = strcspn(flag, "= \t"), skipped = n < len ? n + 1 : len;
	const char *value = flag + skipped;
	char *name = xasprintf(" %.*s ", (int)n, flag);
	int rc = 0;
	if (!plain(flag, len) || has_any(flag, len, "\"'\\"))
		rc = refuse(r, r->line, "a flag with quotes, '\\' or other than ASCII (expected plain text)");
	else if (!n || !strstr(flags, name))
		rc = refuse(r, r->line, "the flag --%.*s is not known here (expected one of:%s)", n < 60 ? (int)n : 60,
			    flag, flags);
	else if (!strcmp(name, " from "))
		rc = judge_from_flag(r, value, len - skipped);
	else if (!strcmp(name, " mount "))
		rc = judge_mount(r, value, len - skipped);
	else if (!strcmp(name, " network ") && !is(value, len - skipped, "none") &&
		 !is(value, len - skipped, "default"))
		rc =
		    refuse(r, r->line, "--network of a command (expected none or default: the node's owner gives one)");
	free(name);
	return rc;
}

/* All that stand before the words of an instruction, which *text is set to. */
static int judge_flags(struct reading *r, const char *flags, const char **text)
{
	const char *p = skip(*text);
	while (p[0] == '-' && p[1] == '-') {
		size_t n = strcspn(p, BLANK);
		if (judge_flag(r, flags, p + 2, n - 2))
			return -1;
		p = skip(p + n);
	}
	*text = p;
	return 0;
}

/* Notes where they end. There a reader that knows none has to begin a line too, so a '\\' or '#' in the word will not
 * do; nor may it come about by what BuildKit puts in place of a variable. */
static int judge_heredocs(struct reading *r, const char *text)
{
	for (const char *p = strchr(text, '<'); p; p = strchr(p, '<')) {
		size_t less = strspn(p, "<"), n = strcspn(p += less, BLANK), tabs = *p == '-';
		const char *word = p + tabs;
		size_t len = n - tabs;
		if (*p == '$' || *p == '}')
			return refuse(r, r->line, "'<%c' (expected a blank behind '<')", *p);
		if (less != 2 || !n)
			continue;
		if (len > 2 && strchr("\"'", *word) && word[len - 1] == *word) {
			word++;
			len -= 2;
		}
		if (!len || strspn(word, LETTERS DIGITS "_") < len)
			return refuse(
			    r, r->line,
			    "'<<' before other than a plain word (expected <<EOF, say, and a blank behind it)");
		if (r->ends.n == HEREDOCS_MAX)
			return refuse(r, r->line, "more than %d heredocs", HEREDOCS_MAX);
		if (!r->inside)
			strs_addf(&r->ends, "%c%.*s", tabs ? '-' : ' ', (int)len, word);
	}
	return 0;
}

static void end_heredoc(struct reading *r, const char *line, size_t n)
{
	r->inside = r->ended < r->ends.n;
	const char *end = r->inside ? r->ends.v[r->ended] : "";
	for (; *end == '-' && n && *line == '\t'; n--)
		line++;
	r->ended += r->inside && strlen(end + 1) == n && !strncmp(line, end + 1, n);
}

/* ---- instructions ---- */

static int judge_add(struct reading *r, const char *text)
{
	struct buf bare = {0};
	if (judge_heredocs(r, text) || judge_flags(r, " from chown chmod link exclude ", &text))
		return -1;
	for (const char *p = text; *p; p++)
		if (*p != '"' && *p != '\'')
			buf_add(&bare, p, 1);
	bool fetches = strpbrk(text, "\\$@") != NULL;
	for (const char *p = bare.data; p && *p && !fetches; p++)
		fetches = !strncmp(p, "://", 3) || !strncasecmp(p, "github.com/", 11);
	buf_clear(&bare);
	return fetches ? refuse(r, r->line,
				"ADD of what is not in the folder (expected a file of it, named without "
				"'\\', '$' and '@'; a build fetches nothing)")
		       : 0;
}

static int judge_copy(struct reading *r, const char *text)
{
	return judge_heredocs(r, text) || judge_flags(r, " from chown chmod link parents exclude ", &text) ? -1 : 0;
}

static int judge_run(struct reading *r, const char *text)
{
	return judge_heredocs(r, text) || judge_flags(r, " mount network ", &text) ? -1 : 0;
}

static int judge_from(struct reading *r, const char *text)
{
	const char *word[3], *why;
	size_t n[3], words = 0, len = strlen(text);
	if (strspn(text, IMAGE_CHARS "=" BLANK) < len)
		return refuse(r, r->line,
			      "FROM with quotes, '$' or the like (expected FROM IMAGE, or FROM IMAGE AS NAME, "
			      "written out)");
	if (r->inside)
		return refuse(r, r->line,
			      "FROM in the text of <<%s, which not all readers know (expected it behind that)",
			      r->ends.v[r->ended < r->ends.n ? r->ended : r->ends.n - 1] + 1);
	if (r->stages.n == STAGES_MAX)
		return refuse(r, r->line, "more than %d stages", STAGES_MAX);
	if (judge_flags(r, " platform ", &text))
		return -1;
	for (const char *p = text; *p; p = skip(p + n[words++])) {
		if (words == 3)
			return refuse(r, r->line,
				      "FROM with too many words (expected FROM IMAGE, or FROM IMAGE AS NAME)");
		word[words] = p;
		n[words] = strcspn(p, BLANK);
	}
	bool like = false, named = words == 3 && is(word[1], n[1], "AS");
	if (!named && words != 1)
		return refuse(r, r->line, "FROM without its words (expected FROM IMAGE, or FROM IMAGE AS NAME)");
	if (named && (strspn(word[2], LETTERS DIGITS "._-") < n[2] || !strchr(LETTERS, word[2][0])))
		return refuse(r, r->line, "'%.*s' is no name of a stage (expected a letter, then A-Z a-z 0-9 . _ -)",
			      n[2] < 60 ? (int)n[2] : 60, word[2]);
	char *image = xstrndup(word[0], n[0]), *name = named ? xstrndup(word[2], n[2]) : xstrdup("");
	for (size_t i = 0; i < r->stages.n && *name; i++)
		like = like || (!strcasecmp(r->stages.v[i], name) && strcmp(r->stages.v[i], name) != 0);
	why = !strcmp(image, "scratch") || stage_known(r, image, r->stages.n, false) ? NULL : image_wrong(r, image);
	strs_add(&r->stages, name);
	if (r->bases && !image_wrong(r, image) && !strs_has(r->bases, image))
		strs_add(r->bases, image);
	int rc = why	? refuse(r, r->line, "FROM %.200s: it %s", image, why)
		 : like ? refuse(r, r->line, "a stage %.100s beside one that differs in case alone", name)
			: 0;
	free(image);
	free(name);
	return rc;
}

static const struct instruction {
	const char *name;
	int (*judge)(struct reading *r, const char *text); /* NULL: it fetches nothing */
} instructions[] = {{"ADD", judge_add},	   {"ARG", NULL},	 {"CMD", NULL},	       {"COPY", judge_copy},
		    {"ENTRYPOINT", NULL},  {"ENV", NULL},	 {"EXPOSE", NULL},     {"FROM", judge_from},
		    {"HEALTHCHECK", NULL}, {"LABEL", NULL},	 {"MAINTAINER", NULL}, {"RUN", judge_run},
		    {"SHELL", NULL},	   {"STOPSIGNAL", NULL}, {"USER", NULL},       {"VOLUME", NULL},
		    {"WORKDIR", NULL}};

static int judge(struct reading *r, const char *text)
{
	const struct instruction *found = NULL;
	const char *word = skip(text);
	size_t n = strcspn(word, BLANK);
	for (r->onbuild = false; is(word, n, "ONBUILD"); r->onbuild = true) {
		word = skip(word + n);
		n = strcspn(word, BLANK);
	}
	if (!n && !r->onbuild)
		return 0;
	if (!plain(word, n))
		return refuse(r, r->line, "a line that begins with other than ASCII (expected an instruction)");
	for (size_t i = 0; i < sizeof instructions / sizeof *instructions && !found; i++)
		found = is(word, n, instructions[i].name) ? &instructions[i] : NULL;
	bool from = found && found->judge == judge_from;
	if (r->onbuild && (!found || from))
		return refuse(r, r->line, "ONBUILD of %s (expected an instruction but FROM)",
			      from ? "FROM" : "what is no instruction");
	/* What stands at the top can be the name of a frontend, in other forms than a comment. */
	if (!r->began && !from && !(found && is(word, n, "ARG")))
		return refuse(r, r->line, "'%.*s' before the first FROM (expected FROM or ARG)", n < 60 ? (int)n : 60,
			      word);
	if (!found && !r->inside)
		return refuse(r, r->line, "'%.*s' is no instruction (expected one)", n < 60 ? (int)n : 60, word);
	r->began = r->began || from;
	return found && found->judge ? found->judge(r, word + n) : 0;
}

/* ---- lines ---- */

/* "# syntax = ...", "# escape = ...", in any spelling and at any place. */
static bool is_directive(const char *p, const char *end)
{
	static const char *const names[] = {"syntax", "escape"};
	while (p < end && !printable(*p))
		p++;
	for (size_t i = 0; i < 2; i++)
		if (end - p > 6 && !strncasecmp(p, names[i], 6)) {
			for (p += 6; p < end && !printable(*p);)
				p++;
			return p < end && *p == '=';
		}
	return false;
}

/* One line of n bytes; goes_on: it continues an instruction, and: the next one does. */
static int take_line(struct reading *r, const char *line, size_t n, bool *goes_on)
{
	size_t first = 0, last = n, other = 0;
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127)
			return refuse(r, r->at, "a control character (expected text in lines)");
	while (first < n && !printable(line[first]))
		other += (unsigned char)line[first++] >= 128;
	while (last > first && !printable(line[last - 1]))
		last--;
	bool empty = first == n, comment = !empty && line[first] == '#';
	if (comment && is_directive(line + first + 1, line + n))
		return refuse(r, r->at,
			      "a comment that is a directive, syntax or escape (expected none: a build fetches "
			      "no frontend)");
	if (other && (comment || (empty && *goes_on)))
		return refuse(r, r->at, "what may be a blank and is not ASCII (expected spaces)");
	if (comment || empty)
		return 0;
	*goes_on = line[last - 1] == '\\';
	if (*goes_on && last - first > 1 && line[last - 2] == '\\')
		return refuse(r, r->at, "a line that ends in two backslashes (expected one, or none: readers differ)");
	for (size_t i = last; i < n && *goes_on; i++)
		if ((unsigned char)line[i] >= 128)
			return refuse(r, r->at, "what may be a blank and is not ASCII (expected spaces)");
	buf_add(&r->whole, line, *goes_on ? last - 1 : n);
	return 0;
}

int dockerfile_check(const char *name, const char *text, size_t len, const struct grid_config *c, struct strs *bases,
		     struct err *e)
{
	struct reading r = {.file = name, .config = c, .bases = bases, .e = e};
	bool goes_on = false;
	int rc = 0;
	for (size_t at = 0, n; at < len && !rc; at += n + 1) {
		const char *line = text + at, *end = memchr(line, '\n', len - at);
		n = end ? (size_t)(end - line) : len - at;
		r.at++;
		r.line = goes_on ? r.line : r.at;
		size_t own = end && n && line[n - 1] == '\r' ? n - 1 : n;
		end_heredoc(&r, line, own);
		rc = take_line(&r, line, own, &goes_on);
		if (!rc && r.whole.len && (!goes_on || at + n + 1 >= len)) {
			rc = judge(&r, r.whole.data);
			buf_reset(&r.whole);
		}
	}
	if (!rc && !r.began)
		rc = err_set(e, ERR_DATA, "%s:%d: there is no FROM (expected one)", name, r.at);
	strs_clear(&r.stages);
	strs_clear(&r.ends);
	buf_clear(&r.whole);
	return rc;
}

int dockerfile_of(const char *dir, const struct grid_config *c, char **path, struct strs *bases, struct err *e)
{
	static const char *const names[] = {"Dockerfile", "Containerfile"};
	*path = NULL;
	for (size_t i = 0; i < 2; i++) {
		struct stat st;
		struct buf text = {0};
		char *file = xasprintf("%s/%s", dir, names[i]);
		if (lstat(file, &st) || !S_ISREG(st.st_mode)) {
			free(file);
			continue;
		}
		int rc = file_read(file, DOCKERFILE_MAX, &text, e);
		if (!rc)
			rc = dockerfile_check(names[i], text.data ? text.data : "", text.len, c, bases, e);
		buf_clear(&text);
		if (!rc)
			*path = file;
		else
			free(file);
		return rc;
	}
	return err_set(e, ERR_NOENT, "there is neither a Dockerfile nor a Containerfile (expected one, and no link)");
}
