/* dsse: a signed envelope around a text (https://github.com/secure-systems-lab/dsse, protocol and JSON envelope). Here
 * a signature is one of OpenSSH's (PROTOCOL.sshsig), its bytes without their armor, and keyid its key's fingerprint.
 *   dsse_pae(&signed, type, text, len) -> armor by ssh-keygen -> j = dsse_make(type, text, len, print, armor)
 *   dsse_read(j, type, &payload, &at, why) -> dsse_armor(signature, &armor)
 */
#ifndef DSSE_H
#define DSSE_H
#include "json.h"

#define DSSE_SIGNATURES_MAX 8

/* What is signed: "DSSEv1 LEN TYPE LEN TEXT". */
void dsse_pae(struct buf *out, const char *type, const char *text, size_t len);
/* The envelope, the caller's. NULL: armor is none. */
struct json *dsse_make(const char *type, const char *text, size_t len, const char *keyid, const char *armor);
/* Is it an envelope of that type? Then payload is its text. Else false: why says what is wrong, and with which field.
 */
bool dsse_read(const struct json *envelope, const char *type, struct buf *payload, char why[240]);
/* Of one of its signatures as ssh-keygen reads it. False: it is no base64. */
bool dsse_armor(const struct json *signature, struct buf *armor);
#endif
