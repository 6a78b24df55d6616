#include "base/collect.h"
#include <stdlib.h>
#include <string.h>

void collector_init(struct collector *c, size_t limit)
{
	*c = (struct collector){.half = limit / 2};
	c->ring = xcalloc(1, c->half);
	sha256_init(&c->sum);
}

void collector_clear(struct collector *c)
{
	buf_clear(&c->head);
	free(c->ring);
	*c = (struct collector){0};
}

void collector_add(struct collector *c, const char *bytes, size_t len)
{
	c->total += len;
	sha256_add(&c->sum, bytes, len);
	if (c->head.len < c->half) {
		size_t n = c->half - c->head.len < len ? c->half - c->head.len : len;
		buf_add(&c->head, bytes, n);
		bytes += n;
		len -= n;
	}
	if (len > c->half) { /* only the end can survive */
		c->at = (c->at + (len - c->half)) % c->half;
		bytes += len - c->half;
		len = c->half;
	}
	while (len) {
		size_t n = c->half - c->at < len ? c->half - c->at : len;
		memcpy(c->ring + c->at, bytes, n);
		c->at = (c->at + n) % c->half;
		bytes += n;
		len -= n;
	}
}

bool collector_end(struct collector *c, struct buf *out, uint8_t hash[32])
{
	uint64_t after = c->total - c->head.len;
	bool cut = after > c->half;
	buf_add(out, c->head.data ? c->head.data : "", c->head.len);
	if (cut) {
		buf_addf(out, "\n[... %llu bytes left out ...]\n", (unsigned long long)(after - c->half));
		buf_add(out, c->ring + c->at, c->half - c->at);
		buf_add(out, c->ring, c->at);
	} else
		buf_add(out, c->ring, (size_t)after);
	sha256_end(&c->sum, hash);
	collector_clear(c);
	return cut;
}

/* Bytes at the end of a character that has begun but not ended. */
static size_t unfinished(const char *bytes, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char c = (unsigned char)bytes[len - n];
		if ((c & 0xC0) == 0x80)
			continue;
		size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
		return whole > n ? n : 0;
	}
	return 0;
}

uint64_t collector_tail(const struct collector *c, size_t max, struct buf *out)
{
	uint64_t after = c->total - c->head.len, end = c->total;
	struct buf kept = {0}; /* what comes last, without a gap */
	buf_add(&kept, "", 0);
	if (after > c->half) {
		buf_add(&kept, c->ring + c->at, c->half - c->at);
		buf_add(&kept, c->ring, c->at);
	} else {
		buf_add(&kept, c->head.data ? c->head.data : "", c->head.len);
		buf_add(&kept, c->ring, (size_t)after);
	}
	size_t cut = unfinished(kept.data, kept.len), len = kept.len - cut, from = len > max ? len - max : 0;
	end -= cut;
	/* The rest of a character whose beginning is gone. */
	for (int i = 0; i < 3 && end - (len - from) > 0 && from < len && (kept.data[from] & 0xC0) == 0x80; i++)
		from++;
	buf_add(out, kept.data + from, len - from);
	buf_clear(&kept);
	return end;
}
