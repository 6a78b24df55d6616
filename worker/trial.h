/* trial: which engine can really run a task here? That one answers is not enough: it may have no way to the grid's
 * image, or no right to start what it has. So a script is run in it, as a task would be.
 */
#ifndef TRIAL_H
#define TRIAL_H
#include "sandbox/engine.h"
#include "schema/config.h"

#define TRIAL_ENGINES ENGINES

/* The image of that name; where pins (of config_pins) are not NULL, one of these digests. It is pulled when it is
 * missing; but one that is built from a tree (of config_build) is here or not. digest: see engine_image, and after a
 * failure that of the one that is here in its place, if it is known; ref: what the engine calls one by that is pinned
 * or built, "": its name. Serves the event loop. */
int trial_find(const struct engine *g, const char *name, const char *pins, const char *build, char digest[96],
	       char ref[320], struct err *e);
/* The first image of the grid that is to be had, by what the engine calls it; the caller's. NULL: none is, and e says
 * why the usual one is not. */
char *trial_image(const struct engine *g, const struct grid_config *c, struct err *e);
/* Runs a script that does nothing in a sandbox of the grid's ceilings and that image, which is there already. 0: it
 * ran; -1: e says what came instead; ERR_RETRY: a cluster had no place for it. Serves the event loop. */
int trial_run(const struct engine *g, const struct grid_config *c, const char *image, struct err *e);

struct trial { /* of one engine */
	bool answers;
	bool has_image, ran; /* as far as trial_choose tried: an image of the grid is there; a script ran in it */
	struct engine engine;
	char why[1100]; /* "": nothing is wrong, or nobody looked */
};
bool trial_ask(enum engine_kind k, struct trial *t); /* only whether it answers */
/* What --engine auto takes, by its place in t (by enum engine_kind): of Docker and Podman the first that can run a task
 * (the grid's image is pulled if need be, else another of its images), else the first that answers, with the reason in
 * its why. bubblewrap, which runs no image, is taken where neither answers, never in place of one whose image cannot be
 * had just now: scripts would see another world, and their results stay. One engine alone is taken as it is. -1: none
 * answers. first: what engine_pick("auto") found, so that it and those before it are not asked again; NULL: all are. */
int trial_choose(const struct grid_config *c, const struct engine *first, struct trial t[TRIAL_ENGINES]);
#endif
