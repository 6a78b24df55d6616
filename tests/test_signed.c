/* Keys of nodes and signatures of commits, as bytes: what counts as a key, and what of a commit was signed. */
#include "schema/keys.h"
#include "store/signed.h"
#include "test.h"
#include <stdlib.h>

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3CU+"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKJIacUQAK7jTd8XwIROPiOWrK6trOg4RzCLThFCJ4z"

static void good(const char *text, size_t n, const char *comment)
{
	struct keys k;
	struct problems p = {.file = "f"};
	CHECK(!keys_parse(&k, text, strlen(text), &p), p.n ? p.text.data : text);
	CHECK(k.n == n, text);
	CHECK(n == 0 || !strcmp(k.v[k.n - 1].comment, comment), text);
	keys_clear(&k);
	problems_clear(&p);
}

static void bad(const char *text, const char *says)
{
	struct keys k;
	struct problems p = {.file = "f"};
	CHECK(keys_parse(&k, text, strlen(text), &p), text);
	CHECK(k.n == 0, text);
	CHECK(p.n && strstr(p.text.data, says), p.n ? p.text.data : "no problem");
	problems_clear(&p);
}

static void test_keys(void)
{
	struct keys k;
	good(KEY, 1, "");
	good(KEY "\n", 1, "");
	good(KEY " ann@example.org\r\n", 1, "ann@example.org");
	good("# old\n\n" KEY " a key of two\n" OTHER " its  heir\n", 2, "its  heir");
	CHECK(!keys_parse(&k, KEY, strlen(KEY), NULL), "no list of problems");
	/* as ssh-keygen -l has it */
	CHECK(!strcmp(k.v[0].print, "SHA256:nr2RQb8kwQiAif7y3oVQP1uv9JHgbxJdwT977wyiZ0w"), k.v[0].print);
	CHECK(keys_find(&k, KEY) && !keys_find(&k, OTHER), "found by its text");
	keys_clear(&k);
	bad("", "f:1:1: no key");
	bad("# nothing\n", "f:1:1: no key");
	bad("n1 " KEY, "f:1:1: expected a public key");
	bad(KEY "\ncert-authority " OTHER, "f:2:1: expected a public key");
	bad("namespaces=\"git\" " KEY, "f:1:1: expected a public key");
	bad("ssh-ed25519", "f:1:13: the key's body is not base64");
	bad("ssh-ed25519 AAAA", "f:1:13: the key's body is not of the type");
	bad("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3CU+", "not of the type");
	bad("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3A==", "wrong length");
	bad("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3CU", "not base64");
	bad(KEY " a\tb", "control character");
	bad("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "f:1:1: this is a private key");
	struct buf many = {0};
	for (int i = 0; i <= KEYS_MAX; i++)
		buf_addf(&many, KEY " %d\n", i);
	bad(many.data, "f:17:13: more keys");
	buf_clear(&many);
}

static void split(const char *raw, int expected, const char *payload, const char *signature)
{
	struct buf p = {0}, s = {0};
	CHECK(signed_split(raw, strlen(raw), &p, &s) == expected, raw);
	CHECK(!strcmp(p.data, payload), p.data);
	CHECK(!strcmp(s.data, signature), s.data);
	buf_clear(&p);
	buf_clear(&s);
}

static void test_split(void)
{
	split("tree 1\nauthor a\n\nm\ngpgsig no\n", 0, "tree 1\nauthor a\n\nm\ngpgsig no\n", "");
	split("tree 1\ngpgsig -----BEGIN\n AA\n -----END\n\nm\n", 1, "tree 1\n\nm\n", "-----BEGIN\nAA\n-----END\n");
	split("tree 1\nmergetag object\n tag\ngpgsig X\n Y\nencoding u\n\nm", 1,
	      "tree 1\nmergetag object\n tag\nencoding u\n\nm", "X\nY\n");
	split("tree 1\ngpgsig-sha256 X\n Y\n\nm", 1, "tree 1\n\nm", "X\nY\n");
	split("tree 1\ngpgsig-of-mine X\n Y\n\nm", 0, "tree 1\n\nm", "");
	split("tree 1\ngpgsig X\ngpgsig Y\n\nm", -1, "tree 1\n\nm", "X\nY\n");
	split("tree 1\ngpgsig X\ngpgsig-sha256 Y\n\nm", -1, "tree 1\n\nm", "X\nY\n");
	split("tree 1\n", 0, "tree 1\n", "");
	split("", 0, "", "");
}

int main(void)
{
	test_keys();
	test_split();
	return test_end("test_signed");
}
