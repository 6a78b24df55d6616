/* making: a task made of options. One table says what they are called and which member of a task each becomes, for all
 * verbs that make one (`.shared = making_option_at`).
 *   struct making m = {0};
 *   while ((key = usage_next(&s, e)) > 0)
 *           if (key == MAKING && making_take(&m, s.option, s.value, e)) ...
 *   making_script(file, words, n_words, &script, e) -> doc = making_task(&m, id, script.data, by)
 *   making_apply(&m, doc) for a task that there is -> making_clear(&m), also after an error
 */
#ifndef MAKING_H
#define MAKING_H
#include "base/usage.h"
#include "json.h"

#define MAKING 1000 /* the key of all its options */

struct making {
	struct json *members; /* what the options gave; NULL: none were */
	const char *first;    /* borrowed: the first of the ids that are made together; NULL: each by its own */
};
const struct usage_option *making_option_at(size_t i);
int making_take(struct making *m, const struct usage_option *o, const char *value, struct err *e);
/* Each option goes before the member that doc has; variables are added, and labels. */
void making_apply(const struct making *m, struct json *doc);
/* What over says goes before what m says. */
void making_over(struct making *m, const struct making *over);
/* A script: of the file (- is stdin), else of the words after --: one is a script, several are a command and its
 * arguments, which are quoted. */
int making_script(const char *file, char *const *words, int n_words, struct buf *script, struct err *e);
/* Who submits it, and when it was made, where it does not say. */
void making_by(struct json *doc, const char *by);
/* The document of a task with this script: what the options do not say is as usual. It is not judged yet. */
struct json *making_task(const struct making *m, const char *id, const char *script, const char *by);
void making_clear(struct making *m);
#endif
