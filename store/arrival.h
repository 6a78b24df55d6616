/* arrival: which commit brought a task into the ledger: the newest one on the branch's first-parent line that adds it
 * to a folder while it stands in none before. A merge stands for what it merged; requeueing, healing and promotion move
 * a task that is there already. A shallow clone is deepened as far as it takes. arrival_find(&git, head, spec, "id",
 * &a, &err) -> arrival_clear
 */
#ifndef ARRIVAL_H
#define ARRIVAL_H
#include "git/git.h"
#include <stdint.h>

struct arrival {
	char commit[72], parent[72]; /* parent: the first one; "": the branch began with it */
	char *author, *committer;    /* "Name <email>" */
	int64_t at;		     /* when it was committed, UTC seconds */
};
/* head: the branch's newest commit in g's repository. spec: what to fetch when the history there does not reach back
 * far enough ("+refs/heads/main:refs/remotes/origin/main"); NULL: fetch nothing. ERR_NOENT: no commit brought it. */
int arrival_find(const struct git *g, const char *head, const char *spec, const char *id, struct arrival *out,
		 struct err *e);
/* Of n ids at once, each once, out[i] of ids[i]; commit "": no commit brought it. However many: the history is read
 * once.
 */
int arrival_find_all(const struct git *g, const char *head, const char *spec, const char *const *ids, size_t n,
		     struct arrival *out, struct err *e);
/* An author or committer as a task names him: in UTF-8, each byte that is none a '?', and of no more than its room. */
#define ARRIVAL_NAME 256
void arrival_name(const char *who, char out[ARRIVAL_NAME]);
void arrival_clear(struct arrival *a);
#endif
