/* Pointers of Git LFS: what is one, to the byte, and what only looks like it. */
#include "store/pointer.h"
#include "test.h"
#include <stdlib.h>

#define HEAD "version https://git-lfs.github.com/spec/v1\n"
#define OID "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"

static void none(const char *text, const char *what)
{
	struct pointer p;
	CHECK(!pointer_of(text, strlen(text), &p), what);
}

int main(void)
{
	struct pointer p, q;
	char text[POINTER_TEXT];
	const char *spec = HEAD OID "size 12345\n";
	CHECK(pointer_of(spec, strlen(spec), &p) && p.size == 12345 && !strncmp(p.oid, "4d7a2146", 8),
	      "as the spec has it");
	CHECK(pointer_text(&p, text) == strlen(spec) && !strcmp(text, spec), "and back, to the byte");
	p.size = 999999999999999999;
	size_t n = pointer_text(&p, text);
	CHECK(pointer_of(text, n, &q) && q.size == p.size && !strcmp(p.oid, q.oid), "the largest");
	CHECK(pointer_of(HEAD OID "size 0\n", strlen(HEAD OID "size 0\n"), &q) && q.size == 0, "an empty file's");
	none("", "nothing");
	none(HEAD, "its head alone");
	none(HEAD OID, "without a size");
	none(HEAD OID "size \n", "an empty size");
	none(HEAD OID "size 12345", "cut");
	none(HEAD OID "size 12345\n\n", "a line more");
	none(HEAD OID "size 12345\nx y\n", "a member more");
	none(HEAD OID "size -1\n", "less than nothing");
	none(HEAD OID "size +1\n", "a sign");
	none(HEAD OID "size 0x10\n", "another base");
	none(HEAD OID "size 012\n", "a zero before");
	none(HEAD OID "size 1000000000000000000\n", "more than any file has");
	none(HEAD OID "size 99999999999999999999999999\n", "more than can be counted");
	none(HEAD "ext-0-x sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n" OID "size 1\n",
	     "an extension: its file is another");
	none("version https://hawser.github.com/spec/v1\n" OID "size 1\n", "another version");
	none(HEAD "oid sha256:4D7A214614AB2935C943F9E0FF69D22EADBB8F32B1258DAAA5E2CA24D17E2393\nsize 1\n",
	     "upper case");
	none(HEAD "oid sha256:4d7a\nsize 1\n", "a short id");
	CHECK(!pointer_of(HEAD OID "size 1\0\n", strlen(HEAD OID) + 8, &q), "a NUL");
	char *large = xcalloc(1, POINTER_MAX + 2);
	memset(large, '1', POINTER_MAX + 1);
	memcpy(large, HEAD OID "size ", strlen(HEAD OID "size "));
	large[POINTER_MAX] = '\n';
	none(large, "as long as no pointer is");
	free(large);
	return test_end("test_pointer");
}
