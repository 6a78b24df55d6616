/* A stranger's text made harmless and counted in columns; tables that fit; a stream's places in its text. */
#include "base/table.h"
#include "base/text.h"
#include "store/tails.h"
#include "test.h"
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

static int clean(const char *s, int max, const char *want)
{
	struct buf b = {0};
	int used = text_clean(&b, s, SIZE_MAX, max);
	CHECK(!strcmp(b.data, want), want);
	CHECK(used == text_columns(b.data), "what it says it took is what there is");
	CHECK(used <= max, "never more than asked for");
	buf_clear(&b);
	return used;
}

static void text(void)
{
	CHECK(clean("plain", 10, "plain") == 5, "five columns");
	clean("a\033[2Jb\nc\tde", 40, "a [2Jb c de");
	clean("\302\233x\302\205y\342\200\256z\342\200\250w", 40, " x y z w");
	clean("\377\300\200\342\202", 40, "     ");
	CHECK(clean("\346\274\242\345\255\227", 40, "\346\274\242\345\255\227") == 4, "two wide characters");
	CHECK(clean("\342\234\205\342\235\214\360\237\237\242", 40, "\342\234\205\342\235\214\360\237\237\242") == 6,
	      "three emoji");
	CHECK(clean("\342\206\222\342\234\223", 40, "\342\206\222\342\234\223") == 2, "an arrow and a tick are narrow");
	CHECK(clean("\340\270\201\340\270\264", 40, "\340\270\201\340\270\264") == 1, "a Thai vowel stands above");
	CHECK(clean("e\314\201", 40, "e\314\201") == 1, "a combining one takes no column");
	clean("\346\274\242\345\255\227\346\274\242", 5, "\346\274\242..");
	clean("\346\274\242\345\255\227", 4, "\346\274\242\345\255\227");
	clean("abcdef", 6, "abcdef");
	clean("abcdefg", 6, "abcd..");
	clean("abc", 2, "..");
	clean("abc", 1, ".");
	clean("abc", 0, "");
	struct buf b = {0};
	text_markdown(&b, "a|`<b>\n@x", false);
	CHECK(!strcmp(b.data, "<code>a&#124;&#96;&#60;b&#62; &#64;x</code>"), b.data);
	buf_reset(&b);
	text_output(&b, "l1\n\tl2\033[m\302\233", 11);
	CHECK(!strcmp(b.data, "l1\n\tl2\357\277\275[m\357\277\275"), b.data);
	buf_clear(&b);
}

static void streamed(const char *s, size_t len, bool colour, const char *want)
{
	struct buf b = {0};
	text_stream(&b, s, len, colour);
	CHECK(b.len == strlen(want) && !memcmp(b.data ? b.data : "", want, b.len), b.data ? b.data : "");
	buf_clear(&b);
}
#define STREAMED(s, colour, want) streamed(s, sizeof(s) - 1, colour, want)

/* What a script prints: colours stay, and nothing else that a terminal acts on. */
static void stream(void)
{
	STREAMED("plain\n\ttext\r\n", true, "plain\n\ttext\n");
	STREAMED("a\033[1;31mred\033[0mb\n", true, "a\033[1;31mred\033[0mb\n");
	STREAMED("a\033[38:5:8mx\033[m\n", true, "a\033[38:5:8mx\033[m\n");
	STREAMED("a\033[31mred\n", true, "a\033[31mred\n\033[0m");
	STREAMED("a\033[1;31mred\033[0mb\n", false, "aredb\n");
	STREAMED("\033[2J\033[10;1Hx\033[?25l\033[Ky", true, "xy");
	STREAMED("\033]0;title\007\033c\302\233m\377", true, "\uFFFD]0;title\uFFFD\uFFFDc\uFFFDm\uFFFD");
	STREAMED("\033[31", true, "\uFFFD[31");
	STREAMED("1%\r50%\r100%\nend", true, "100%\nend");
	STREAMED("1%\r\033[32m50%\r100%\r\n", true, "\033[32m100%\n\033[0m");
	STREAMED("\r50%\r60%", true, "\r\033[K60%");
	STREAMED("10%\r20%\r", true, "20%\r");
	STREAMED("", true, "");
}

static void wrapped(void)
{
	struct buf b = {0};
	text_wrap(&b, "one two three\n\033[31mfour\033[0m five\naverylongword x\n", 10);
	CHECK(!strcmp(b.data, "one two\n  three\n\033[31mfour\033[0m five\naverylongword\n  x\n"), b.data);
	buf_reset(&b);
	text_wrap(&b, "one two three\n", 0);
	CHECK(!strcmp(b.data, "one two three\n"), b.data);
	buf_clear(&b);
}

static void fitted(void)
{
	CHECK(text_fit("abcdef", 6, 4) == 4, "as many as there is room for");
	CHECK(text_fit("abc", 3, 4) == 3 && text_fit("", 0, 4) == 0, "all of them");
	CHECK(text_fit("\346\274\242\345\255\227", 6, 3) == 3, "no half of a wide one");
	CHECK(text_fit("\346\274\242", 3, 1) == 3, "one at least");
	CHECK(text_fit("e\314\201x", 4, 1) == 3, "what stands above it goes along");
}

static void table(void)
{
	static const struct column columns[] = {
	    {.title = "A", .max = 20, .min = 3}, {.title = "N", .right = true}, {.title = "LAST", .max = 8, .min = 4}};
	struct table t = {.columns = columns, .n = 3};
	struct buf b = {0};
	table_cell(&t, "abcdefgh", PAINT_GREEN);
	table_cell(&t, "7", PAINT_NONE);
	table_cell(&t, "0123456789", PAINT_NONE);
	table_note(&t, "and more");
	table_text(&t, 0, false, &b);
	CHECK(!strcmp(b.data, "A         N  LAST\nabcdefgh  7  012345..\nand more\n"), b.data);
	buf_reset(&b);
	table_text(&t, 40, false, &b);
	CHECK(strstr(b.data, "0123456789\n"), "on a terminal the last column takes what is there");
	buf_reset(&b);
	table_text(&t, 15, false, &b);
	CHECK(!strcmp(b.data, "A       N  LAST\nabcd..  7  01..\nand more\n"), b.data);
	buf_reset(&b);
	table_text(&t, 0, true, &b);
	CHECK(strstr(b.data, "\033[32mabcdefgh\033[0m  7"), "colour around the text, not the gap");
	table_clear(&t);
	buf_clear(&b);
}

static void places(void)
{
	/* Printed were six bytes; the one that was no UTF-8 became three. */
	const char *shown = "a\357\277\275b\303\244c";
	size_t len = strlen(shown);
	CHECK(tails_at(shown, len, 6, 0) == 0 && tails_at(shown, len, 6, 1) == 1, "before the replaced byte");
	CHECK(tails_at(shown, len, 6, 2) == 4 && tails_at(shown, len, 6, 3) == 5, "after it");
	CHECK(tails_at(shown, len, 6, 5) == 7 && tails_at(shown, len, 6, 6) == len, "to the end");
	CHECK(tails_at(shown, len, 8, 4) == 4, "printed as U+FFFD by the task itself");
	CHECK(tails_at(shown, len, 6, 1000) == len && tails_at("", 0, 5, 3) == 0, "never beyond");
}

static bool found(const char *json, struct tail *t)
{
	struct json_error je;
	struct json *doc = json_parse(json, strlen(json), &je);
	bool ok = tails_find(doc, "aa", false, t);
	json_free(doc);
	return ok;
}

static void tails(void)
{
	struct tail t;
#define ONE(from, bytes)                                                                                               \
	"{\"tasks\":[7,{\"nonce\":\"bb\"},{\"nonce\":\"aa\",\"stdout\":\"xyz\",\"stdout_from\":" from                  \
	",\"stdout_bytes\":" bytes "}]}"
	CHECK(found(ONE("10", "13"), &t) && t.from == 10 && t.end == 13 && t.len == 3, "found by its nonce");
	CHECK(!found(ONE("10", "14"), &t), "more bytes than text");
	CHECK(!found(ONE("10", "9"), &t) && !found(ONE("-1", "1"), &t), "an end before the beginning");
	CHECK(!found(ONE("\"x\"", "1e3"), &t) && !found("[]", &t) && !found("{\"tasks\":{}}", &t), "of other types");
	CHECK(!found(ONE("-9223372036854775808", "9223372036854775807"), &t), "absurd numbers");
}

int main(void)
{
	text();
	stream();
	wrapped();
	fitted();
	table();
	places();
	tails();
	return test_end("test_text");
}
