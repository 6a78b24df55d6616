/* spent: what a run used and what ended it, as its result says: in numbers, and in words for people. */
#ifndef SPENT_H
#define SPENT_H
#include "json.h"

struct spent { /* -1: the result does not say */
	int64_t user_ms, system_ms, cpu_ms, peak_kb, read_bytes, written_bytes;
};
struct spent spent_of(const struct json *result); /* may be NULL. Whatever stands there, sums of a million are sums */
char *spent_words(const struct json *result);	  /* "" when it does not say; the caller's */
/* Of a result, a point or the story of an attempt. NULL: it ended by itself, with its exit code, or does not say. */
const char *spent_end(const struct json *of);
#endif
