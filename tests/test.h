/* What the unit tests share: CHECK counts, test_end prints the count that tests/unit.sh looks for. */
#ifndef TEST_H
#define TEST_H
#include <stdio.h>
#include <string.h>

static int passed, failed;
#define CHECK(ok, what)                                                                                                \
	do {                                                                                                           \
		if (ok)                                                                                                \
			passed++;                                                                                      \
		else {                                                                                                 \
			failed++;                                                                                      \
			printf("%s:%d: %s\n", __FILE__, __LINE__, what);                                               \
		}                                                                                                      \
	} while (0)

static inline int test_end(const char *name)
{
	printf("%s: %d passed, %d failed\n", name, passed, failed);
	return failed != 0;
}
#endif
