/* witness: a second repository that keeps how far audits of a grid came, so that who rewrites the grid's history, and
 * its own record (checkpoint.h) with it, is found by whoever asks the witness. On refs/dgrid/witness/NAME (hosts that
 * take branches only: refs/heads/dgrid-witness/NAME) each record is a commit without files upon the one before, its
 * message the checkpoint as JSON: pushes are never forced, so nothing that it ever saw goes away unless that repository
 * itself is rewritten.
 *   witness_read(url, name, &w, &err) -> witness_missing(&git, head, w.seen..., ) -> witness_add(&w, &c, &err)
 *   -> witness_close
 */
#ifndef WITNESS_H
#define WITNESS_H
#include "store/checkpoint.h"

struct witness {
	char *url, *name;
	struct git git;	      /* a temporary repository with the records */
	char newest[72];      /* commit of the last record; "": there is none */
	struct checkpoint *v; /* newest first */
	size_t n;
};
bool witness_name_valid(const char *name); /* 1-64 of A-Z a-z 0-9 . _ -, no dot first or last */
/* What a grid is called after its URL: its last part, without ".git". False: that is no name. */
bool witness_name_of(const char *url, char name[65]);
/* witness_close also after an error. */
int witness_read(const char *url, const char *name, struct witness *w, struct err *e);
void witness_close(struct witness *w);
/* Of all it saw, what is on that first-parent line of g's no more: how many commits, and the newest record that says so
 * (NULL: none is missing). archive: of the archive's commits; head "": there is no such line. */
int witness_missing(const struct witness *w, const struct git *g, const char *head, bool archive,
		    const struct checkpoint **newest, size_t *n, struct err *e);
/* One record more. ERR_RETRY: another came first. */
int witness_add(struct witness *w, const struct checkpoint *c, struct err *e);
#endif
