/* sha256: FIPS 180-4, for what results say of scripts and outputs, and for what a page's Content-Security-Policy says
 * of its own scripts and styles. A stream: struct sha256 s; sha256_init(&s); sha256_add(&s, ...) ...; sha256_end(&s,
 * out). */
#ifndef SHA256_H
#define SHA256_H
#include "base/buf.h"
#include <stdint.h>

struct sha256 {
	uint32_t h[8];
	uint64_t total;	   /* bytes so far */
	uint8_t begun[64]; /* the first total % 64 bytes of a block that is not whole yet */
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t len);
void sha256_end(const struct sha256 *s, uint8_t out[32]); /* s may take more afterwards */

#define SHA256_HEX 65
void sha256_hex(const uint8_t hash[32], char out[SHA256_HEX]);
void sha256(const void *bytes, size_t len, uint8_t out[32]);
/* Appends 'sha256-BASE64' with its quotes, as a policy names an inline script or style. */
void sha256_csp(struct buf *out, const void *bytes, size_t len);
#endif
