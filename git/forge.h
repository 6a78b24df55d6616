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
};
/* url: as git takes it. User names, passwords and ports in it are left out; nothing but plain letters of a path is
 * taken over, so that what comes out can stand in a page as it is. */
void forge_of(struct forge *f, const char *url);
#endif
