/* Base64, DSSE's encoding and envelope, and the comparison of statements. */
#include "test.h"
#include "base/base64.h"
#include "schema/dsse.h"
#include "schema/provenance.h"
#include <stdlib.h>

static void code(const char *plain, const char *coded)
{
	struct buf b = {0};
	uint8_t out[64];
	base64_add(&b, plain, strlen(plain));
	CHECK(!strcmp(b.data, coded), b.data);
	CHECK(!*plain || (base64_decode(coded, strlen(coded), false, out) == (long)strlen(plain) &&
			  !memcmp(out, plain, strlen(plain))),
	      coded);
	buf_clear(&b);
}

/* RFC 4648, section 10. */
static void test_base64(void)
{
	static const char *const bad[] = {"", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm-_", "Zm 9"};
	uint8_t out[64];
	code("", "");
	code("f", "Zg==");
	code("fo", "Zm8=");
	code("foo", "Zm9v");
	code("foob", "Zm9vYg==");
	code("fooba", "Zm9vYmE=");
	code("foobar", "Zm9vYmFy");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(base64_decode(bad[i], strlen(bad[i]), false, out) < 0, bad[i]);
	CHECK(base64_decode("-_-_", 4, true, out) == 3 && out[0] == 0xfb && out[2] == 0xbf, "the other alphabet");
	CHECK(base64_decode("+/+/", 4, true, out) == 3 && out[0] == 0xfb, "either alphabet");
	CHECK(base64_decode("Zm\0v", 4, true, out) < 0, "NUL");
}

#define ARMOR "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\nAAAA\n-----END SSH SIGNATURE-----\n"

static void test_dsse(void)
{
	struct buf b = {0}, payload = {0}, armor = {0};
	char why[240];
	/* https://github.com/secure-systems-lab/dsse/blob/master/protocol.md#test-vectors */
	dsse_pae(&b, "http://example.com/HelloWorld", "hello world", 11);
	CHECK(!strcmp(b.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world"), b.data);
	struct json *j = dsse_make("http://example.com/HelloWorld", "hello world", 11, "SHA256:x", ARMOR);
	CHECK(j && !strcmp(json_str(j, "payload"), "aGVsbG8gd29ybGQ="), "payload");
	CHECK(dsse_read(j, "http://example.com/HelloWorld", &payload, why), why);
	CHECK(payload.len == 11 && !memcmp(payload.data, "hello world", 11), "payload");
	CHECK(!dsse_read(j, "text/plain", &payload, why) && strstr(why, "payloadType"), why);
	const struct json *one = json_get(j, "signatures")->child;
	CHECK(!strcmp(json_str(one, "sig"), "U1NIU0lHAAAA") && !strcmp(json_str(one, "keyid"), "SHA256:x"), "sig");
	CHECK(dsse_armor(one, &armor) && strstr(armor.data, "\nU1NIU0lHAAAA\n-----END"), armor.data);
	CHECK(!dsse_make("t", "", 0, "", "no armor"), "no armor");
	json_free(j);
	buf_clear(&b);
	buf_clear(&payload);
	buf_clear(&armor);
}

static void on_difference(void *ctx, const char *path, const struct json *found, const struct json *expected)
{
	buf_addf(ctx, "%s%s%s;", found ? "" : "-", expected ? "" : "+", path);
}

static void compare(const char *found, size_t len, const char *expected, const char *says)
{
	struct json_error je;
	struct buf b = {0};
	struct json *x = json_parse(found, len, &je), *y = json_parse(expected, strlen(expected), &je);
	buf_add(&b, "", 0);
	provenance_compare(x, y, &b, on_difference);
	CHECK(x && y && !strcmp(b.data, says), b.data);
	json_free(x);
	json_free(y);
	buf_clear(&b);
}
#define COMPARE(found, expected, says) compare(found, strlen(found), expected, says)

static void test_compare(void)
{
	COMPARE("{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1}", "");
	COMPARE("{\"a\":1}", "{\"a\":1.0}", "a;");
	COMPARE("{\"a\":\"1\"}", "{\"a\":1}", "a;");
	COMPARE("{\"a\":true}", "{\"a\":false}", "a;");
	COMPARE("{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,3,4]}}", "a.b[1];-a.b[2];");
	COMPARE("{\"a\":[1,2]}", "{\"a\":[1]}", "+a[1];");
	COMPARE("{\"a\":null}", "{}", "+a;");
	COMPARE("{}", "{\"a\":null}", "-a;");
	COMPARE("{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\"}", "a;");
	COMPARE("{\"a\":1,\"a\\u0000b\":2}", "{\"a\":1}", "+a;"); /* a name that hides behind another */
}

int main(void)
{
	test_base64();
	test_dsse();
	test_compare();
	return test_end("test_attest");
}
