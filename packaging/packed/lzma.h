/* lzma: unpacks an .lzma stream (what `xz --format=lzma` writes), for programs that carry their code packed. It is here
 * because the smallest library for it, liblzma, is several times as large as what it would save. Nothing is allocated.
 * Source: the LZMA specification by Igor Pavlov, in the public domain (lzma-specification.txt of the LZMA SDK). */
#ifndef LZMA_H
#define LZMA_H
#include <stddef.h>

enum lzma_end {
	LZMA_WHOLE, /* out is full, and so says the stream */
	LZMA_UNFIT, /* not such a stream, or with lc + lp over 4, which are larger tables than there are here */
	LZMA_BROKEN /* it refers to what was never written, or is longer or shorter than what it says or out is */
};

/* Unpacks in[0..in_len) into out[0..out_len), which must be its exact length. Whatever in is, nothing outside the two
 * is touched. Not for two threads at once: the tables are static. */
enum lzma_end lzma_unpack(const unsigned char *in, size_t in_len, unsigned char *out, size_t out_len);
#endif
