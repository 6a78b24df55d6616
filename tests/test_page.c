/* What makes pages safe: the hash of a policy, strangers' text, links to known hosts. */
#include "base/file.h"
#include "base/markup.h"
#include "base/sha256.h"
#include "git/forge.h"
#include "site/site.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int hash_is(const void *bytes, size_t len, const char *hex)
{
	uint8_t h[32], streamed[32];
	char text[SHA256_HEX];
	struct sha256 s;
	sha256(bytes, len, h);
	sha256_hex(h, text);
	if (strcmp(text, hex) != 0)
		return 0;
	/* The same in pieces of every size up to a block and more. */
	for (size_t piece = 1; piece <= 131; piece++) {
		sha256_init(&s);
		for (size_t at = 0; at < len && at < 5000; at += piece) {
			size_t n = len - at < piece ? len - at : piece;
			sha256_add(&s, (const char *)bytes + at, at + n > 5000 ? 5000 - at : n);
		}
		if (len > 5000)
			sha256_add(&s, (const char *)bytes + 5000, len - 5000);
		sha256_end(&s, streamed);
		if (memcmp(h, streamed, 32) != 0)
			return 0;
	}
	return 1;
}

/* The vectors of FIPS 180-4's examples, and every length around a block. */
static void hashes(void)
{
	CHECK(hash_is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "the empty text");
	CHECK(hash_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "abc");
	const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	CHECK(hash_is(two, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"), "two blocks");
	char *million = malloc(1000000);
	memset(million, 'a', 1000000);
	CHECK(hash_is(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
	      "a million a");
	CHECK(hash_is(million, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"), "55");
	CHECK(hash_is(million, 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"), "56");
	CHECK(hash_is(million, 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"), "63");
	CHECK(hash_is(million, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"), "64");
	CHECK(hash_is(million, 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"), "65");
	free(million);
	struct buf b = {0};
	sha256_csp(&b, "abc", 3);
	CHECK(!strcmp(b.data, "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='"), "as a policy writes it");
	buf_clear(&b);
}

static int html_is(const char *in, size_t len, const char *out)
{
	struct buf b = {0};
	markup_html(&b, in, len);
	int same = !strcmp(b.data ? b.data : "", out);
	buf_clear(&b);
	return same;
}

static int json_is(const char *in, size_t len, const char *out)
{
	struct buf b = {0};
	markup_json(&b, in, len);
	int same = !strcmp(b.data, out);
	buf_clear(&b);
	return same;
}
#define HTML(in, out) html_is(in, sizeof(in) - 1, out)
#define JSON(in, out) json_is(in, sizeof(in) - 1, out)

static void texts(void)
{
	CHECK(HTML("plain", "plain") && HTML("", ""), "plain");
	CHECK(HTML("<a b=\"c\" d='e'>&amp;", "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;"), "markup");
	CHECK(HTML("\033[31m\r\n\t\001\177", "\u241b[31m\u240d\n\t\u2401\u2421"), "control characters show");
	CHECK(HTML("a\000b", "a\u2400b"), "NUL");
	CHECK(HTML("\302\233x", "\uFFFDx"), "C1");
	CHECK(HTML("\xE2\x80\xAE\xE2\x80\xA8\xEF\xBF\xBE", "\uFFFD\uFFFD\uFFFD"), "direction, line, no character");
	CHECK(HTML("\xff\xc0\xafx\xed\xa0\x80", "\uFFFD\uFFFD\uFFFDx\uFFFD\uFFFD\uFFFD"), "no UTF-8");
	CHECK(HTML("\xE2\x82", "\uFFFD\uFFFD") && HTML("\xF0\x9F", "\uFFFD\uFFFD"), "cut in two");
	CHECK(HTML("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8C\x8A", "\u00e9\u20ac\U0001F30A"), "other letters stay");
	CHECK(JSON("a\"b\\c\n</script>&", "\"a\\u0022b\\u005cc\\u000a\\u003c/script\\u003e\\u0026\""),
	      "JSON in a script");
	CHECK(JSON("\xE2\x80\xA8\x1b", "\"\uFFFD\u241b\""), "JSON, lines and escapes");
	CHECK(markup_cut("abc", 3, 5) == 3 && markup_cut("abc", 3, 2) == 2, "cut");
	CHECK(markup_cut("a\xE2\x82\xAC", 4, 3) == 1 && markup_cut("a\xE2\x82\xAC", 4, 4) == 4,
	      "never inside a character");
}

static int leads_to(const char *url, const char *commit)
{
	struct forge f;
	forge_of(&f, url);
	return !strcmp(f.commit, commit);
}

static void forges(void)
{
	struct forge f;
	forge_of(&f, "https://github.com/o/r.git");
	CHECK(!strcmp(f.home, "https://github.com/o/r") && !strcmp(f.file, "https://github.com/o/r/blob/"),
	      "home and files");
	forge_create(&f, "main", "tasks/unapproved", "x.json", "{\"a\": 1}\n");
	CHECK(!strcmp(f.create,
		      "https://github.com/o/r/new/main?filename=tasks/unapproved/x.json&value=%7B%22a%22%3A%201%7D%0A"),
	      "a new file with its text");
	forge_create(&f, "a?b", "t", "x.json", "");
	CHECK(!f.create[0], "a branch that cannot stand in an address");
	forge_of(&f, "https://gitlab.com/g/s/r");
	forge_create(&f, "main", "t", "x.json", "text");
	CHECK(!strcmp(f.create, "https://gitlab.com/g/s/r/-/new/main?file_name=t/x.json"), "GitLab takes a name");
	forge_of(&f, "https://codeberg.org/o/r");
	forge_create(&f, "grid/main", "t", "x.json", "a b");
	CHECK(!strcmp(f.create, "https://codeberg.org/o/r/_new/grid/main/t/?filename=x.json&value=a%20b"), "Forgejo");
	forge_of(&f, "https://bitbucket.org/o/r");
	forge_create(&f, "main", "t", "x.json", "");
	CHECK(!f.create[0], "Bitbucket has no such page");
	CHECK(leads_to("https://github.com/o/r.git", "https://github.com/o/r/commit/"), "https");
	CHECK(leads_to("https://ada:secret@github.com:443/o/r/", "https://github.com/o/r/commit/"),
	      "with a password and a port");
	CHECK(leads_to("git@github.com:o/r.git", "https://github.com/o/r/commit/"), "as scp has it");
	CHECK(leads_to("ssh://git@gitlab.com:22/g/s/r.git", "https://gitlab.com/g/s/r/-/commit/"), "groups");
	CHECK(leads_to("https://gitlab.example.org/g/r", "https://gitlab.example.org/g/r/-/commit/"),
	      "a GitLab of one's own");
	CHECK(leads_to("https://codeberg.org/o/r", "https://codeberg.org/o/r/commit/"), "Codeberg");
	CHECK(leads_to("https://bitbucket.org/o/r", "https://bitbucket.org/o/r/commits/"), "Bitbucket");
	static const char *const none[] = {"/srv/grid.git",
					   "./x",
					   "file:///srv/github.com/o/r",
					   "https://example.org/o/r",
					   "https://github.com",
					   "https://github.com/o",
					   "https://github.com.evil.org/o/r",
					   "javascript://github.com/o/r",
					   "https://github.com/o/r\"onclick=\"x",
					   "https://github.com/o/../r",
					   "https://github.com/<script>/r",
					   "https://github.com@evil.org/o/r",
					   "https:github.com/o/r",
					   ""};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		CHECK(leads_to(none[i], ""), none[i]);
}

static int holds(const char *dir, const char *name, const char *text)
{
	struct buf b = {0};
	struct err e;
	char *path = xasprintf("%s/%s", dir, name);
	int same =
	    !file_read(path, 1 << 20, &b, &e) && b.len == strlen(text) && !memcmp(b.data ? b.data : "", text, b.len);
	buf_clear(&b);
	free(path);
	return same;
}

static void add(struct site *s, const char *name, const char *text)
{
	struct buf b = {0};
	buf_adds(&b, text);
	site_add(s, name, &b);
}

/* What does not fit into memory is written all the same. */
static void sites(void)
{
	char dir[] = "/tmp/dgrid-test-site.XXXXXX";
	struct err e;
	if (!mkdtemp(dir)) {
		CHECK(0, "mkdtemp");
		return;
	}
	for (int round = 0; round < 2; round++) {
		struct site s = {.memory_max = 10};
		add(&s, "t/b.html", "a page that does not fit");
		add(&s, "index.html", "fits");
		add(&s, "t/a.html", "another one that does not");
		add(&s, "empty.js", "");
		CHECK(s.v[0].spilled && !s.v[1].spilled && s.v[2].spilled, "beyond the memory, into a file");
		CHECK(!site_write(&s, dir, &e), "written");
		CHECK(s.written == (round ? 0 : 4) && s.same == (round ? 4 : 0), "the second time all is as it was");
		site_clear(&s);
		CHECK(holds(dir, "t/b.html", "a page that does not fit") &&
			  holds(dir, "t/a.html", "another one that does not") && holds(dir, "index.html", "fits") &&
			  holds(dir, "empty.js", ""),
		      "whole");
	}
	CHECK(!file_remove_tree(dir, &e), "removed");
}

int main(void)
{
	hashes();
	texts();
	forges();
	sites();
	return test_end("test_page");
}
