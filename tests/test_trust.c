/* trust_text: the bytes that are signed. */
#include "store/trust.h"
#include "test.h"
#include <stdlib.h>

static void same(const char *json, const char *expected)
{
	struct json_error je;
	struct json *doc = json_parse(json, strlen(json), &je);
	CHECK(doc, json);
	char *text = doc ? trust_text(doc) : NULL;
	CHECK(text && !strcmp(text, expected), text ? text : "no text");
	free(text);
	json_free(doc);
}

int main(void)
{
	same("{}", "{}");
	same(" { \"b\" : 1 , \"a\" : [ 2 , { \"d\" : null , \"c\" : true } ] } ",
	     "{\"a\":[2,{\"c\":true,\"d\":null}],\"b\":1}");
	same("{\"B\":1,\"a\":2,\"A\":3,\"ab\":4,\"\":5}", "{\"\":5,\"A\":3,\"B\":1,\"a\":2,\"ab\":4}");
	same("{\"n\":[1.50,1e3,-0,12345678901234567890]}", "{\"n\":[1.50,1e3,-0,12345678901234567890]}");
	same("{\"s\":\"\\u00e9\\/\\\"\\\\\\n\\u0001\\ud83d\\ude00\"}",
	     "{\"s\":\"\xc3\xa9/\\\"\\\\\\n\\u0001\xf0\x9f\x98\x80\"}");
	same("{\"task_id\":\"a\",\"claim\":{},\"attempts\":[],\"result\":{},\"cancel\":{},\"not_before\":\"\","
	     "\"approved_by\":{},\"signatures\":[],\"x-mine\":{\"claim\":1}}",
	     "{\"task_id\":\"a\",\"x-mine\":{\"claim\":1}}");
	same("[1]", "[1]");
	return test_end("test_trust");
}
