/* dockerfile: what a build would have the engine itself fetch, which does so in the node's own network whatever network
 * the build's commands have: ADD of an address, images of any registry, a frontend. Only files are let through in which
 * all readers (Docker's builders, BuildKit, Buildah) find the same instructions, and none of those.
 *   dockerfile_of(dir, &config, &path, &bases, &e), or dockerfile_check where the text is at hand
 */
#ifndef DOCKERFILE_H
#define DOCKERFILE_H
#include "schema/config.h"

#define DOCKERFILE_MAX ((size_t)256 << 10)

/* Images are those of the settings that are not themselves to be built, and earlier stages. ERR_DATA: "NAME:LINE: ...".
 * bases, unless NULL, gets the images of the settings that stages begin with: they may have instructions of their own.
 * The lines of a heredoc are read as instructions too, as readers that know none do. */
int dockerfile_check(const char *name, const char *text, size_t len, const struct grid_config *c, struct strs *bases,
		     struct err *e);
/* The file that dir is built by: Dockerfile, else Containerfile, and no link, which could name any file of this
 * machine. It is checked. path is the caller's, NULL after an error. ERR_NOENT: there is neither. */
int dockerfile_of(const char *dir, const struct grid_config *c, char **path, struct strs *bases, struct err *e);
#endif
