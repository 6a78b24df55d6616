/* sha256: FIPS 180-4, for what a page's Content-Security-Policy says of its own scripts and styles. */
#ifndef SHA256_H
#define SHA256_H
#include "buf.h"
#include <stdint.h>

void sha256(const void *bytes, size_t len, uint8_t out[32]);
/* Appends 'sha256-BASE64' with its quotes, as a policy names an inline script or style. */
void sha256_csp(struct buf *out, const void *bytes, size_t len);
#endif
