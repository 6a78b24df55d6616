/* What attempts hand on: which checkpoint the next is given, and the copy of a folder that is being written to. */
#include "base/file.h"
#include "base/treecopy.h"
#include "schema/checkpoint.h"
#include "store/places.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define A "\"tree\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"ref\":\"refs/dgrid/out/2026-11-29/n1/1\""
#define B "\"tree\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"ref\":\"refs/dgrid/ck/0/b\",\"files\":1"
#define C "\"tree\":\"cccccccccccccccccccccccccccccccccccccccc\",\"ref\":\"refs/dgrid/ck/0/c\""
#define ON "\"checkpoint\":true,"
static const struct row {
	const char *what, *doc, *next; /* next: the first digit of the tree; "": none */
} rows[] = {
    {"nothing yet", "{\"checkpoint\":true}", ""},
    {"not asked for", "{\"attempts\":[{\"outcome\":\"released\",\"out\":{" A "}}]}", ""},
    {"what it left", "{" ON "\"attempts\":[{\"outcome\":\"released\",\"saved\":{" B "},\"out\":{" A "}}]}", "a"},
    {"what it saved", "{" ON "\"attempts\":[{\"outcome\":\"lost\",\"checkpoint\":{" C "},\"saved\":{" B "}}]}", "b"},
    {"what it began from", "{" ON "\"attempts\":[{\"outcome\":\"lost\",\"checkpoint\":{" C "}}]}", "c"},
    {"the last attempt's", "{" ON "\"attempts\":[{\"outcome\":\"lost\",\"saved\":{" B "}},{\"outcome\":\"lost\"}]}",
     ""},
    {"files that were declined",
     "{" ON "\"attempts\":[{\"outcome\":\"timeout\",\"saved\":{" B "},\"out_error\":\"x\"}]}", "b"},
    {"no word of a ref", "{" ON "\"attempts\":[{\"outcome\":\"released\",\"out\":{\"tree\":\"a\"}}]}", ""},
    {"the result's", "{" ON "\"result\":{\"status\":\"timeout\",\"out\":{" A "}},\"attempts\":[{\"saved\":{" B "}}]}",
     "a"},
    {"without the result's", "{" ON "\"result\":{\"status\":\"lost\"},\"attempts\":[{\"saved\":{" B "}}]}", "b"},
    {"after a success",
     "{" ON "\"result\":{\"status\":\"success\",\"out\":{" A "}},\"attempts\":[{\"saved\":{" B "}}]}", ""},
    {"a person's word", "{" ON "\"attempts\":[{\"saved\":{" B "}},{\"outcome\":\"retried\",\"checkpoint\":{" C "}}]}",
     "c"},
    {"a person's wish", "{" ON "\"attempts\":[{\"saved\":{" B "}},{\"outcome\":\"retried\"}]}", ""},
    {"no list", "{" ON "\"attempts\":{\"a\":1}}", ""},
};

static void choosing(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct json_error je;
		struct json *doc = json_parse(rows[i].doc, strlen(rows[i].doc), &je), *next = checkpoint_next(doc);
		const char *tree = json_str(next, "tree");
		CHECK(doc && (tree ? tree[0] : 0) == rows[i].next[0], rows[i].what);
		CHECK(!next || json_get(next, "files") == NULL, "only tree and ref");
		json_free(next);
		json_free(doc);
	}
}

static void names(void)
{
	struct place_checkpoint p = {.nonce = "0123456789abcdef0123456789abcdef",
				     .tree = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
				back;
	char ref[PLACE_MAX];
	for (int heads = 0; heads < 2; heads++) {
		place_checkpoint_name(ref, &p, heads);
		CHECK(place_checkpoint_parse(ref, &back) && !strcmp(back.nonce, p.nonce) && !strcmp(back.tree, p.tree),
		      ref);
	}
	ref[strlen(ref) - 1] = 0;
	CHECK(!place_checkpoint_parse(ref, &back), "no whole id");
	CHECK(!place_checkpoint_parse("refs/dgrid/ck/0123456789abcdef0123456789abcdef", &back), "no tree");
	CHECK(!place_checkpoint_parse("refs/dgrid/in/0123456789abcdef0123456789abcdef/a", &back), "another kind");
}

static void put(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct err e;
	CHECK(!file_write(path, text, strlen(text), &e), name);
	free(path);
}

static bool has(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct buf b = {0};
	struct err e;
	bool same = !file_read(path, 1 << 20, &b, &e) && b.len == strlen(text) && !memcmp(b.data, text, b.len);
	buf_clear(&b);
	free(path);
	return same;
}

static void copying(void)
{
	char root[] = "/tmp/dgrid-test-XXXXXX";
	struct err e = {0};
	struct tree_limits limits = {.entries = 6, .bytes = 1 << 20};
	CHECK(mkdtemp(root), "a folder");
	char *from = xasprintf("%s/from", root), *sub = xasprintf("%s/from/sub", root), *to = xasprintf("%s/to", root),
	     *link = xasprintf("%s/from/link", root), *run = xasprintf("%s/from/sub/run", root);
	CHECK(!mkdir(from, 0755) && !mkdir(sub, 0755) && !symlink("/etc/passwd", link), "its folders");
	put(from, "a", "one\n");
	put(sub, "run", "#!/bin/sh\n");
	CHECK(!chmod(run, 0755), "mode");
	CHECK(!treecopy(from, to, &limits, &e), e.msg);
	CHECK(has(to, "a", "one\n") && has(to, "sub/run", "#!/bin/sh\n") && !has(to, "link", ""), "copied");
	free(run);
	run = xasprintf("%s/to/sub/run", root);
	CHECK(!access(run, X_OK), "executable");
	CHECK(treecopy(from, to, &limits, &e) && e.class == ERR_UNAVAILABLE, "not over what is there");
	CHECK(!file_remove_tree(to, &e), e.msg);
	limits.bytes = 5;
	CHECK(treecopy(from, to, &limits, &e) && e.class == ERR_DATA, "too many bytes");
	limits = (struct tree_limits){.entries = 2, .bytes = 1 << 20};
	CHECK(treecopy(from, to, &limits, &e) && e.class == ERR_DATA, "too many files");
	CHECK(!file_remove_tree(root, &e), e.msg);
	free(from);
	free(sub);
	free(to);
	free(link);
	free(run);
}

int main(void)
{
	choosing();
	names();
	copying();
	return test_end("test_checkpoint");
}
