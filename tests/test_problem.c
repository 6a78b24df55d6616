/* Problems: one list, and nothing a stranger writes that could break a line, a log, an annotation or a terminal. */
#include "base/problem.h"
#include "test.h"
#include <stdlib.h>

static void shown(const char *s, size_t len, bool name, const char *expected)
{
	struct buf b = {0};
	problem_escape(&b, s, len, 300, name);
	if (strcmp(b.data, expected) != 0)
		printf("found: %s\n", b.data);
	CHECK(!strcmp(b.data, expected), expected);
	buf_clear(&b);
}

static void annotated(const char *file, const char *field, const char *message, const char *expected)
{
	struct problems p = {.file = file};
	struct buf b = {0};
	problem_in(&p, 3, 7, field, "%s", message);
	problems_annotate(&p, &b);
	if (strcmp(b.data, expected) != 0)
		printf("found: %s\n", b.data);
	CHECK(!strcmp(b.data, expected), expected);
	buf_clear(&b);
	problems_clear(&p);
}

#define SHOWN(s, name, expected) shown(s, sizeof s - 1, name, expected)

int main(void)
{
	SHOWN("", true, "");
	SHOWN("plain.json", true, "plain.json");
	SHOWN("a\nb\r\x1b[2J\x7f", true, "a\\x0Ab\\x0D\\x1B[2J\\x7F");
	SHOWN("a\0b", true, "a\\x00b");
	SHOWN("a\\nb", true, "a\\\\nb");
	SHOWN("a\\nb", false, "a\\nb");
	SHOWN("x';echo pwned;'.json", true, "x';echo pwned;'.json");
	SHOWN("\xff\xc3(\xed\xa0\x80\xc0\x80", true, "\\xFF\\xC3(\\xED\\xA0\\x80\\xC0\\x80");
	SHOWN("\xc2\x9b"
	      "31m",
	      true, "\\u{009B}31m");
	SHOWN("\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf\xe2\x81\xa6", true, "\\u{202E}\\u{2028}\\u{FEFF}\\u{2066}");
	SHOWN("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", true, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
	SHOWN("::error::x", true, "\\x3A:error\\x3A:x");
	SHOWN("a:b:::c", true, "a:b\\x3A\\x3A:c");
	SHOWN("##[add-mask]x ###[y", true, "\\x23#[add-mask]x #\\x23#[y");
	char longest[5000];
	memset(longest, 'n', sizeof longest);
	struct buf b = {0};
	problem_escape(&b, longest, sizeof longest, 300, true);
	CHECK(b.len < 330 && strstr(b.data, "... (5000 bytes)"), "a long name is cut");
	buf_clear(&b);
	annotated("x.json", "script", "missing", "::error file=x.json,line=3,col=7::script: missing\n");
	annotated("a:b,c%0A.json", NULL, "100%\r\n::error::two",
		  "::error file=a%3Ab%2Cc%250A.json,line=3,col=7::100%25\\x0D\\x0A\\x3A:error\\x3A:two\n");
	annotated("x\n::add-mask::y", "f\n::g", "m",
		  "::error file=x\\x0A\\x3A%3Aadd-mask\\x3A%3Ay,line=3,col=7::f\\x0A\\x3A:g: m\n");
	struct problems p = {0};
	problem_at(&p, 1, 2, "one");
	p.file = "f";
	problem_in(&p, 3, 4, "x", "two %d", 2);
	CHECK(p.n == 2 && !strcmp(p.text.data, "1:2: one\nf:3:4: x: two 2\n"), p.text.data);
	CHECK(!strcmp(p.v[1].file, "f") && !strcmp(p.v[1].field, "x") && !strcmp(p.v[0].field, ""), "the list");
	problems_clear(&p);
	CHECK(!p.n && !p.text.data, "cleared");
	for (int i = 0; i < 100000; i++)
		problem_in(&p, 1, 1, "x", "one of many");
	CHECK(p.n == 100000 && p.told == PROBLEMS_TOLD_MAX + 1 && p.text.len < 40000, "all count, some are told");
	CHECK(strstr(p.text.data, "\n1:1: and more, which are not told\n"), "that there are more is told");
	problems_clear(&p);
	return test_end("test_problem");
}
