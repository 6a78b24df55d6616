/* signatures: the form of the signatures that a task carries. Whether one counts is trust.h's question. */
#ifndef SIGNATURES_H
#define SIGNATURES_H
#include "json.h"

#define TASK_SIGNATURES_MAX 8
#define TASK_SIGNATURE_MAX 4096 /* bytes */

/* Is `signatures` an array of objects with `signature` (armored) and at most `key`? NULL: yes; else what is wrong, with
 * the value that is in *at. */
const char *task_signatures_wrong(const struct json *signatures, const struct json **at);
size_t task_signatures(const struct json *doc); /* how many there are */
bool task_armored(const char *text);		/* looks like an SSH signature */
#endif
