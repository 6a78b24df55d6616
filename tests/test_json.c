/* RFC 8259, strictly: what is accepted, what is rejected and where, and that nothing changes on the way through. */
#include "json.h"
#include "test.h"

static const char *const valid[] = {"{}",
				    "[]",
				    "0",
				    "-0",
				    "1",
				    "-1",
				    "10",
				    "0.5",
				    "-0.5e+10",
				    "1E9",
				    "1e-9",
				    "123456789012345678901234567890",
				    "true",
				    "false",
				    "null",
				    "\"\"",
				    "\"a\"",
				    " [ 1 , 2 ] ",
				    "\t\r\n{\"a\":1}\n",
				    "\"\\u0041\"",
				    "\"\\ud83d\\ude00\"",
				    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
				    "\"\\u0000\"",
				    "\"\x7f\"",
				    "\"\xc3\xbc\"",
				    "\"\xe2\x82\xac\"",
				    "\"\xf0\x9f\x98\x80\"",
				    "{\"a\":{\"b\":[1,{\"c\":null}]}}",
				    "[[[[[]]]]]",
				    "{\"\":0}",
				    "[\"\xef\xbf\xbf\"]"};

static const struct {
	const char *text;
	unsigned line, col;
} invalid[] = {{"", 1, 1},
	       {" ", 1, 2},
	       {"{", 1, 2},
	       {"[", 1, 2},
	       {"}", 1, 1},
	       {"{\"a\":1,}", 1, 8},
	       {"[1,]", 1, 4},
	       {"[,1]", 1, 2},
	       {"[1 2]", 1, 4},
	       {"{}{}", 1, 3},
	       {"{\"a\" 1}", 1, 6},
	       {"{a:1}", 1, 2},
	       {"{'a':1}", 1, 2},
	       {"{1:1}", 1, 2},
	       {"01", 1, 2},
	       {"-", 1, 2},
	       {"+1", 1, 1},
	       {".5", 1, 1},
	       {"1.", 1, 3},
	       {"1e", 1, 3},
	       {"1e+", 1, 4},
	       {"0x10", 1, 2},
	       {"NaN", 1, 1},
	       {"Infinity", 1, 1},
	       {"-Infinity", 1, 2},
	       {"True", 1, 1},
	       {"nul", 1, 1},
	       {"nulll", 1, 5},
	       {"\"", 1, 2},
	       {"\"a", 1, 3},
	       {"\"\n\"", 1, 2},
	       {"\"\t\"", 1, 2},
	       {"\"\x01\"", 1, 2},
	       {"\"\\x\"", 1, 2},
	       {"\"\\u12\"", 1, 2},
	       {"\"\\u12g4\"", 1, 2},
	       {"\"\\", 1, 2},
	       {"\"\\ud800\"", 1, 2},
	       {"\"\\udc00\"", 1, 2},
	       {"\"\\ud800\\u0041\"", 1, 2},
	       {"\"\xff\"", 1, 2},
	       {"\"\xc0\x80\"", 1, 2},
	       {"\"\xe0\x80\x80\"", 1, 2},
	       {"\"\xed\xa0\x80\"", 1, 2},
	       {"\"\xf4\x90\x80\x80\"", 1, 2},
	       {"\"\xc3\"", 1, 2},
	       {"\xef\xbb\xbf{}", 1, 1},
	       {"// c\n1", 1, 1},
	       {"/* c */1", 1, 1},
	       {"[1]x", 1, 4},
	       {"{\n  \"a\": 1,\n  \"b\" 2\n}", 3, 7},
	       {"[\n1\n2\n]", 3, 1},
	       {"{\"a\":1,\n \"a\":2}", 2, 2},
	       {"{\"a\":1,\"\\u0061\":2}", 1, 8},
	       {"[\"a\",\n\t\"b]", 2, 5},
	       {"{\"a\":}", 1, 6},
	       {"[}", 1, 2},
	       {"{]", 1, 2},
	       {"[1", 1, 3},
	       {"{\"a\"", 1, 5},
	       {"{\"a\":1", 1, 7},
	       /* every place in which each kind of thing can be wrong */
	       {"\t\r\n x", 2, 2},
	       {"\xc2\xa0", 1, 1},
	       {"\f1", 1, 1},
	       {"1\v", 1, 2},
	       {"-a", 1, 2},
	       {"--1", 1, 2},
	       {"- 1", 1, 2},
	       {"-01", 1, 3},
	       {"00", 1, 2},
	       {"1.e1", 1, 3},
	       {"1.5.5", 1, 4},
	       {"1e1.5", 1, 4},
	       {"1ee1", 1, 3},
	       {"1e-", 1, 4},
	       {"1_0", 1, 2},
	       {"[1e]", 1, 4},
	       {"[-]", 1, 3},
	       {"fals", 1, 1},
	       {"falsey", 1, 6},
	       {"nan", 1, 1},
	       {"[tru]", 1, 2},
	       {"undefined", 1, 1},
	       {"'a'", 1, 1},
	       {"\"a\\\"", 1, 5},
	       {"\"\\u\"", 1, 2},
	       {"\"\\u 123\"", 1, 2},
	       {"\"\\u+123\"", 1, 2},
	       {"\"\\U0041\"", 1, 2},
	       {"\"ab\\a\"", 1, 4},
	       {"\"\\ud83d\"", 1, 2},
	       {"\"\\ud83d\\n\"", 1, 2},
	       {"\"\\ud83d\\ud83d\"", 1, 2},
	       {"\"\\ud83d\\u00\"", 1, 2},
	       {"\"\\ude00\\ud83d\"", 1, 2},
	       {"\"\\u0041\\udfff\"", 1, 8},
	       {"\"a\x1f\"", 1, 3},
	       {"\"a\x80\"", 1, 3},
	       {"\"\xe2\x82\"", 1, 2},
	       {"\"\xf0\x80\x80\x80\"", 1, 2},
	       {"\"\xf5\x80\x80\x80\"", 1, 2},
	       {"\"\xc3\xbc\xff\"", 1, 4},
	       {"{\"\xff\":1}", 1, 3},
	       {"{\"a\\x\":1}", 1, 4},
	       {"\xff", 1, 1},
	       {"[1]\xff", 1, 4},
	       {"[1\xef\xbb\xbf]", 1, 3},
	       {"{,}", 1, 2},
	       {"{\"a\":1,,}", 1, 8},
	       {"{\"a\":1 \"b\":2}", 1, 8},
	       {"{\"a\"}", 1, 5},
	       {"{\"a\",1}", 1, 5},
	       {"{\"a\":1]", 1, 7},
	       {"{null:1}", 1, 2},
	       {"{[]:1}", 1, 2},
	       {"[1}", 1, 3},
	       {"[1,,2]", 1, 4},
	       {"[\"a\":1]", 1, 5},
	       {"[[],{},]", 1, 8},
	       {"]", 1, 1},
	       {",", 1, 1},
	       {":", 1, 1},
	       {"1 2", 1, 3},
	       {"{} \n[]", 2, 1},
	       {"null,", 1, 5},
	       {"[\n  {\n    \"a\": [1,\n      2,\n      oops\n", 5, 7},
	       {"{\"\":1,\"\":2}", 1, 7},
	       {"[{\"a\":1},\n {\"b\":{\"c\":1,\"d\":2,\"c\":3}}]", 2, 20},
	       {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 1, 19}};

static void depth(int n, bool ok)
{
	char text[300];
	struct json_error e;
	memset(text, '[', (size_t)n);
	memset(text + n, ']', (size_t)n);
	struct json *j = json_parse(text, 2 * (size_t)n, &e);
	CHECK(!!j == ok, "nesting limit");
	json_free(j);
}

/* Objects of every width, with all names different and with the first name again at the end. */
static void widths(void)
{
	for (unsigned n = 1; n <= 200; n++) {
		struct buf b = {0}, back = {0};
		struct json_error e;
		buf_adds(&b, "{");
		for (unsigned i = 0; i < n; i++)
			buf_addf(&b, "%s\"m%03u\":[%u,\"\\u00e4\\n%u\",null]", i ? "," : "", i, i, i);
		size_t col = b.len + 2;
		buf_adds(&b, "}");
		struct json *j = json_parse(b.data, b.len, &e), *again;
		json_write(&back, j, 0);
		again = json_parse(back.data, back.len, &e);
		CHECK(j && json_get(j, "m000") && again, "every width parses");
		json_free(j);
		json_free(again);
		b.data[b.len - 1] = ',';
		buf_adds(&b, "\"m000\":1}");
		j = json_parse(b.data, b.len, &e);
		CHECK(!j && e.line == 1 && e.col == col, "the second of a name is found");
		json_free(j);
		buf_clear(&b);
		buf_clear(&back);
	}
}

/* What was parsed has its texts in its own memory, what is built has not: they mix. */
static void mixed(void)
{
	struct json_error e;
	struct buf b = {0};
	static const char doc[] = "{\"a\":\"text\",\"b\":[1,\"two\"],\"c\":{\"d\":1}}";
	struct json *j = json_parse(doc, sizeof doc - 1, &e), *inner = json_parse("\"inner\"", 7, &e);
	CHECK(j && inner, "parsed");
	json_set(j, "b", json_parse("[\"parsed\"]", 10, &e)); /* one that was parsed for another */
	json_set(j, "a", json_new_str("built"));
	json_set(j, "new", inner);
	json_set(j, "c", json_copy(json_get(j, "b")));
	json_append(j->child->next, json_parse("2.5", 3, &e));
	json_remove(j, "a");
	json_write(&b, j, 0);
	CHECK(!strcmp(b.data, "{\"b\":[\"parsed\",2.5],\"c\":[\"parsed\"],\"new\":\"inner\"}"), b.data);
	json_free(j);
	buf_clear(&b);
}

int main(void)
{
	struct json_error e;
	struct buf b = {0};
	for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
		struct json *j = json_parse(valid[i], strlen(valid[i]), &e);
		CHECK(j, valid[i]);
		if (j) {
			buf_reset(&b);
			json_write(&b, j, 2);
			struct json *k = json_parse(b.data, b.len, &e);
			CHECK(k, "what was written parses");
			struct buf twice = {0};
			json_write(&twice, k, 2);
			CHECK(twice.len == b.len && !memcmp(twice.data, b.data, b.len), "writing is stable");
			buf_clear(&twice);
			json_free(k);
		}
		json_free(j);
	}
	for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
		struct json *j = json_parse(invalid[i].text, strlen(invalid[i].text), &e);
		CHECK(!j, invalid[i].text);
		if (!j && (e.line != invalid[i].line || e.col != invalid[i].col))
			printf("at %u:%u, expected %u:%u\n", e.line, e.col, invalid[i].line, invalid[i].col);
		CHECK(j || (e.line == invalid[i].line && e.col == invalid[i].col), invalid[i].text);
		json_free(j);
	}
	struct json *nul = json_parse("1\0", 2, &e);
	CHECK(!nul && e.line == 1 && e.col == 2, "a NUL after the document");
	json_free(nul);
	depth(64, true);
	depth(65, false);
	widths();
	mixed();
	static const char doc[] = "{\"n\":12345678901234567890,\"s\":\"a\\u0000b\",\"i\":-7,\"f\":1.5}";
	struct json *j = json_parse(doc, sizeof doc - 1, &e);
	CHECK(json_get(j, "s")->len == 3, "NUL inside a string");
	CHECK(json_int(j, "i", 0) == -7, "integer");
	CHECK(json_int(j, "n", 42) == 42, "too large is not wrapped");
	CHECK(json_int(j, "f", 42) == 42, "a fraction is no integer");
	json_set(j, "i", json_new_int(8));
	json_remove(j, "f");
	struct json *copy = json_copy(j);
	buf_reset(&b);
	json_write(&b, copy, 0);
	CHECK(!strcmp(b.data, "{\"n\":12345678901234567890,\"s\":\"a\\u0000b\",\"i\":8}"), b.data);
	json_free(copy);
	json_free(j);
	j = json_new_strn("a\xff\xc3", 3);
	CHECK(!strcmp(j->text, "a\xef\xbf\xbd\xef\xbf\xbd"), "invalid UTF-8 becomes U+FFFD");
	json_free(j);
	buf_clear(&b);
	return test_end("test_json");
}
