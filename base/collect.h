/* collect: head and tail of a stream in bounded memory, how long it was, and its hash.
 *   collector_init(&c, limit) -> collector_add ... -> collector_end(&c, &kept, hash), which clears it
 */
#ifndef COLLECT_H
#define COLLECT_H
#include "base/buf.h"
#include "base/sha256.h"
#include <stdbool.h>

struct collector { /* head fills first, then the tail is a ring */
	struct buf head;
	char *ring;
	size_t half, at;
	uint64_t total;
	struct sha256 sum;
};
void collector_init(struct collector *c, size_t limit); /* bytes kept */
void collector_add(struct collector *c, const char *bytes, size_t len);
/* Head, a mark where something was left out, tail: added to out. True: something was. */
bool collector_end(struct collector *c, struct buf *out, uint8_t hash[32]);
void collector_clear(struct collector *c);
/* The last bytes, at most max, where UTF-8 characters begin and end. Returns how many bytes the stream had up to their
 * end. */
uint64_t collector_tail(const struct collector *c, size_t max, struct buf *out);
#endif
