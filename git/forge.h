/* forge: pages of a repository on a host that is known (GitHub, GitLab, Bitbucket, Forgejo and Gitea by their names).
 */
#ifndef FORGE_H
#define FORGE_H
#include <stdbool.h>

struct forge {		  /* "" for both: the host is not known */
	char home[512];	  /* https://host/owner/name */
	char commit[528]; /* what a commit's id is added to */
	char file[528];	  /* what BRANCH/PATH is added to */
	char tree[528];	  /* what COMMIT/PATH of a folder is added to */
	char create[800]; /* where a new file is made, after forge_create; "": it cannot be linked to */
	int kind;	  /* which program the host runs, forge.c's own */
};
/* url: as git takes it. User names, passwords and ports in it are left out; nothing but plain letters of a path is
 * taken over, so that what comes out can stand in a page as it is. */
void forge_of(struct forge *f, const char *url);
/* Fills create: the host's page for a new file FOLDER/NAME on that branch, with that text where the host takes one. */
void forge_create(struct forge *f, const char *branch, const char *folder, const char *name, const char *text);
#endif
