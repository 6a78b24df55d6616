/* consent: what a task asks for that a node's owner has to allow: a network by name, secrets by name. Such a task has
 * to be signed, whatever the settings say, and nothing is kept of what a task with secrets prints but its length and
 * hash.
 */
#ifndef CONSENT_H
#define CONSENT_H
#include "schema/config.h"

#define CONSENT_SECRETS_MAX 16

bool consent_asked(const struct json *task);
/* Is it to be signed: because of that, or because all tasks of the grid are? */
bool consent_signed(const struct grid_config *c, const struct json *task);
bool consent_digest(const struct json *task);		      /* of its output the length and hash alone are kept */
bool consent_has(const struct json *names, const char *name); /* an array of strings, and that is one of them */
/* Does such a node offer all that the task asks for? networks, secrets: arrays of names, as in its file; NULL: it says
 * none. what gets what it lacks: "the secret db-password". */
bool consent_offered(const struct json *networks, const struct json *secrets, const struct json *task, char what[100]);
/* Is m a list of secrets' names? False: at is where it is not, why says what is wrong. */
bool consent_secrets_valid(const struct json *m, const struct json **at, char why[160]);
#endif
