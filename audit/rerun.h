/* rerun: does a task do the same when it is run again? Two results are compared; nothing is run here. What a result
 * says is "reproducible", "differs" (and in what), or it cannot be told (and why).
 */
#ifndef RERUN_H
#define RERUN_H
#include "json.h"

enum rerun_verdict { RERUN_SAME, RERUN_DIFFERS, RERUN_CANNOT };
const char *rerun_verdict_name(enum rerun_verdict v); /* "reproducible", "differs", "cannot" */

/* Why a task cannot be run again: it has not, or there is nothing to compare with. The caller's; NULL: it can. */
char *rerun_refusal(const struct json *doc, const char *state);
/* The result's own script hash, against the script that stands in the file now. True: another one. */
bool rerun_script_changed(const struct json *doc);
/* recorded, now: members "result" of a task. differences (an array) gets {"what", "recorded", "rerun"} for each that
 * differs, of a stream also "line": the first line that does (absent: it lies in what was not kept). why: for
 * RERUN_CANNOT. */
enum rerun_verdict rerun_compare(const struct json *recorded, const struct json *now, struct json *differences,
				 char why[256]);
/* How the run behind a result ended: of a disputed one, that of the node whose output stands there. */
const char *rerun_status(const struct json *result);
#endif
