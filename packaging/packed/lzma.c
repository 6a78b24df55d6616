#include "lzma.h"
#include <stdbool.h>
#include <stdint.h>

/* ---- the range coder: bits, each by its own probability of being 0, of 2048 */

static struct {
	const unsigned char *in, *end;
	uint32_t range, code;
	bool short_of; /* more was read than there is */
} coder;

static uint32_t next_byte(void)
{
	if (coder.in < coder.end)
		return *coder.in++;
	coder.short_of = true;
	return 0;
}

static void renew(void)
{
	if (coder.range < 1U << 24) {
		coder.range <<= 8;
		coder.code = coder.code << 8 | next_byte();
	}
}

static unsigned bit(uint16_t *zero)
{
	renew();
	uint32_t bound = (coder.range >> 11) * *zero;
	if (coder.code < bound) {
		coder.range = bound;
		*zero = (uint16_t)(*zero + ((2048 - *zero) >> 5));
		return 0;
	}
	coder.range -= bound;
	coder.code -= bound;
	*zero = (uint16_t)(*zero - (*zero >> 5));
	return 1;
}

static uint32_t even_bits(unsigned count)
{
	uint32_t value = 0;
	while (count--) {
		renew();
		coder.range >>= 1;
		unsigned one = coder.code >= coder.range;
		if (one)
			coder.code -= coder.range;
		value = value << 1 | one;
	}
	return value;
}

/* A number by a tree of probabilities, tree[1] its root: the highest bit first, or the lowest. */
static unsigned number(uint16_t *tree, unsigned bits)
{
	unsigned at = 1;
	for (unsigned i = 0; i < bits; i++)
		at = at << 1 | bit(&tree[at]);
	return at - (1U << bits);
}

static unsigned number_reversed(uint16_t *tree, unsigned bits)
{
	unsigned at = 1, value = 0;
	for (unsigned i = 0; i < bits; i++) {
		unsigned one = bit(&tree[at]);
		at = at << 1 | one;
		value |= one << i;
	}
	return value;
}

/* ---- the model: which probability counts where */

enum { STATES = 12, POSITIONS = 16, LITERALS = 0x300 << 4 };
enum { SHORTEST = 2, NEAR_SLOTS = 4, MODELLED_SLOTS = 14, ALIGNED_BITS = 4 };

struct lengths {
	uint16_t longer, longest;
	uint16_t low[POSITIONS][8], mid[POSITIONS][8], high[256];
};
struct model {
	uint16_t match[STATES][POSITIONS];
	uint16_t again[STATES], older[STATES], third[STATES], fourth[STATES]; /* one of the last four distances */
	uint16_t longer[STATES][POSITIONS];				      /* than a byte */
	uint16_t slot[4][64];						      /* of a distance, by the length */
	uint16_t distance[128 - MODELLED_SLOTS + 1];			      /* the lower bits of those below 128 */
	uint16_t aligned[1 << ALIGNED_BITS];				      /* the lowest bits of the others */
	struct lengths fresh, repeated;
	uint16_t literal[LITERALS];
};
static union {
	struct model p;
	uint16_t each[sizeof(struct model) / sizeof(uint16_t)];
} model;

static unsigned length(struct lengths *l, unsigned position)
{
	if (!bit(&l->longer))
		return SHORTEST + number(l->low[position], 3);
	if (!bit(&l->longest))
		return SHORTEST + 8 + number(l->mid[position], 3);
	return SHORTEST + 16 + number(l->high, 8);
}

/* How far back, less one; UINT32_MAX says that this is the end. */
static uint32_t distance(unsigned len)
{
	unsigned by_length = len - SHORTEST < 3 ? len - SHORTEST : 3;
	unsigned slot = number(model.p.slot[by_length], 6);
	if (slot < NEAR_SLOTS)
		return slot;
	unsigned bits = (slot >> 1) - 1;
	uint32_t base = (2U | (slot & 1)) << bits;
	if (slot < MODELLED_SLOTS)
		return base + number_reversed(model.p.distance + base - slot, bits);
	base += even_bits(bits - ALIGNED_BITS) << ALIGNED_BITS;
	return base + number_reversed(model.p.aligned, ALIGNED_BITS);
}

/* A byte; after a match the byte that would have continued it guides, until the two differ. */
static unsigned char literal(uint16_t *tree, bool guided, unsigned guide)
{
	unsigned at = 1;
	while (guided && at < 0x100) {
		unsigned expected = guide >> 7 & 1;
		guide <<= 1;
		unsigned one = bit(&tree[(1 + expected) << 8 | at]);
		at = at << 1 | one;
		guided = one == expected;
	}
	while (at < 0x100)
		at = at << 1 | bit(&tree[at]);
	return (unsigned char)at;
}

/* ---- the stream: a byte of properties, the size of the window, the length or all ones, then the coder's */

enum { HEADER = 13, CODER_START = 5 };

static uint64_t little_endian(const unsigned char *bytes, int count)
{
	uint64_t value = 0;
	while (count--)
		value = value << 8 | bytes[count];
	return value;
}

static void start(const unsigned char *in, size_t len)
{
	coder.in = in + 1; /* the first is always 0 */
	coder.end = in + len;
	coder.range = UINT32_MAX;
	coder.code = 0;
	coder.short_of = false;
	for (int i = 1; i < CODER_START; i++)
		coder.code = coder.code << 8 | next_byte();
	for (size_t i = 0; i < sizeof model.each / sizeof *model.each; i++)
		model.each[i] = 1024;
}

/* Moves the n-th of the last distances to the front. */
static void use(uint32_t last[4], unsigned n)
{
	uint32_t it = last[n];
	for (; n; n--)
		last[n] = last[n - 1];
	last[0] = it;
}

/* The match that begins here: its length, its distance in last[0]. */
static unsigned match(unsigned *state, unsigned position, uint32_t last[4])
{
	unsigned before = *state;
	bool after_literal = before < 7;
	if (!bit(&model.p.again[before])) {
		*state = after_literal ? 7 : 10;
		unsigned len = length(&model.p.fresh, position);
		use(last, 3);
		last[0] = distance(len);
		return len;
	}
	if (!bit(&model.p.older[before])) {
		if (!bit(&model.p.longer[before][position])) {
			*state = after_literal ? 9 : 11;
			return 1;
		}
	} else if (!bit(&model.p.third[before])) {
		use(last, 1);
	} else {
		use(last, bit(&model.p.fourth[before]) ? 3 : 2);
	}
	*state = after_literal ? 8 : 11;
	return length(&model.p.repeated, position);
}

enum lzma_end lzma_unpack(const unsigned char *in, size_t in_len, unsigned char *out, size_t out_len)
{
	if (in_len < HEADER + CODER_START || in[0] >= 9 * 5 * 5 || in[HEADER] != 0)
		return LZMA_UNFIT;
	unsigned lc = in[0] % 9, lp = in[0] / 9 % 5, pb = in[0] / 45;
	if (lc + lp > 4)
		return LZMA_UNFIT;
	uint64_t said = little_endian(in + 5, 8);
	bool marked = said == UINT64_MAX; /* a mark says where it ends */
	if (!marked && said != out_len)
		return LZMA_BROKEN;

	start(in + HEADER, in_len - HEADER);
	unsigned state = 0; /* what the last symbols were: below 7 the last was a literal */
	uint32_t last[4] = {0};
	size_t done = 0;
	while (marked || done < out_len) {
		unsigned position = (unsigned)(done & ((1U << pb) - 1));
		if (coder.short_of)
			return LZMA_BROKEN;
		if (bit(&model.p.match[state][position])) {
			unsigned len = match(&state, position, last);
			if (marked && last[0] == UINT32_MAX)
				break;
			if (last[0] >= done || len > out_len - done)
				return LZMA_BROKEN;
			for (; len; len--, done++)
				out[done] = out[done - last[0] - 1];
		} else if (done < out_len) {
			unsigned before = done ? out[done - 1] : 0;
			unsigned where = (unsigned)(done & ((1U << lp) - 1)) << lc | before >> (8 - lc);
			bool guided = state >= 7;
			out[done] =
			    literal(model.p.literal + 0x300 * where, guided, guided ? out[done - last[0] - 1] : 0);
			done++;
			state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
		} else {
			return LZMA_BROKEN;
		}
	}
	return done == out_len && !coder.short_of ? LZMA_WHOLE : LZMA_BROKEN;
}
