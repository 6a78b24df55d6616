/* changeset: the files that one commit is to change, and the commit made of them.
 *   struct changeset s = {0}; write or edit files in the work tree, and say so:
 *   changeset_wrote(&s, "tasks/queue/a.json"), changeset_moves(&s, "tasks/queue/a.json", "tasks/in_progress/") ...
 *   changeset_commit(...) -> changeset_clear(&s)
 * Paths are relative to the work tree. However many there are: none of git's argument lists grows with them.
 */
#ifndef CHANGESET_H
#define CHANGESET_H
#include "git/git.h"

struct changeset {
	struct changeset_move {
		char *folder;
		struct strs from;
	} * moves; /* one for each folder that something goes to */
	size_t n_moves;
	struct strs written, removed;
	struct strs all; /* every path that may change, sorted by changeset_commit */
};
/* The file was written there, and goes into the commit as it stands. */
void changeset_wrote(struct changeset *s, const char *path);
/* The file at from, edited or not, moves to the folder (with a slash at its end) under its own name. */
void changeset_moves(struct changeset *s, const char *from, const char *folder);
/* The file, or the folder with all in it, was removed there; it may have been written again. */
void changeset_removed(struct changeset *s, const char *path);
/* Moves what is to be moved, and commits on top of HEAD, which becomes the new commit; its id goes into made.
 * ERR_RETRY: it would have changed something else than was said, as when the clone's disk went away under a checkout.
 * Then the next checkout looks at every file anew. */
int changeset_commit(const struct git *g, struct changeset *s, const char *message, char made[72], struct err *e);
void changeset_clear(struct changeset *s);
#endif
