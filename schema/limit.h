/* limit: how many tasks may run at a time: of a concurrency group, with a label, of a submitter. The settings say it
 * ("concurrency"), and a task by its own words. Documents alone are asked, so a worker before its claim, the audit
 * after it, and whoever tells why a task waits come to the same answer. for (size_t i = 0; limit_at(&config, task, i,
 * &l); i++) if (limit_count(&l, running, n) >= l.most) ... it waits
 */
#ifndef LIMIT_H
#define LIMIT_H
#include "schema/config.h"

#define LIMIT_NAME 136 /* room for a limit's name */

enum limit_kind { LIMIT_GROUP, LIMIT_LABEL, LIMIT_SUBMITTER };
struct limit {
	enum limit_kind kind;
	const char *of; /* the group, label or submitter; borrowed from the task */
	int64_t most;
};
/* The ith limit that a task is under, claimed or not; false: there are no more. */
bool limit_at(const struct grid_config *c, const struct json *task, size_t i, struct limit *out);
bool limit_counts(const struct limit *l, const struct json *task); /* does it take a place while it runs? */
/* How many of the n documents do; the first of them into *first (may be NULL), an index. */
size_t limit_count(const struct limit *l, const struct json *const *running, size_t n, size_t *first);
/* May it run beside them? false: full (may be NULL) is the limit that is reached. */
bool limit_room(const struct grid_config *c, const struct json *task, const struct json *const *running, size_t n,
		struct limit *full);
const char *limit_name(const struct limit *l, char out[LIMIT_NAME]); /* "deploy-db", "label:gpu", "submitter:ann" */
/* Who signed the task, as its claim says; else who it says has submitted it, "" for nobody. */
const char *limit_submitter(const struct json *task);
/* What limits and fit.h ask of a document, in one of its own: the caller's. signer: who signed it, "" or NULL: as its
 * claim says. */
struct json *limit_brief(const struct json *task, const char *signer);
/* Do a task's members agree that say with whom and when it runs? What does not goes to p. */
void limit_judge(const struct json *doc, struct problems *p);
#endif
