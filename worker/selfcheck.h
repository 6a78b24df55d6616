/* selfcheck: is this node fit to claim? Disk, engine and image trouble are the node's, not the tasks': while there is
 * some, no claims are made; the checks come again at growing intervals until it is mended.
 */
#ifndef SELFCHECK_H
#define SELFCHECK_H
#include "sandbox/engine.h"
#include "store/filestore.h"
#include "store/trust.h"
#include "worker/trial.h"

#define SELFCHECK_LIMITS                                                                                               \
	"limits: memory, processes and processors are not enforced here, and the grid's require_limits asks for it "   \
	"(see: "                                                                                                       \
	"dgrid doctor)"

struct selfcheck_image {
	char *name, *pins, *build; /* pins, build: of the settings when it was looked for; NULL: none */
	char digest[96];
	char ref[320];	      /* what the engine calls a pinned one by; "": by its name */
	int64_t looked_at;    /* monotonic */
	int64_t failed_until; /* likewise; 0: it is there */
	int64_t wait_ms;      /* so long until it is looked for again */
	char why[256];	      /* was told last; "": nothing was */
};
struct selfcheck {	  /* starts as {0} */
	bool signatures;  /* the caller's to set: this grid's tasks are signed, so they must be checked */
	bool suspect;	  /* something could not be started: can anything be? */
	bool limits;	  /* likewise: this grid takes only nodes that hold tasks to their limits */
	char barred[256]; /* the caller's too: why this node may not speak to the grid at all; "": it may */
	char blamed[256]; /* likewise: tasks fail here that succeed elsewhere, see probation.h; "": they do not */
	const struct filestore *store; /* likewise: where what tasks leave goes */
	bool end_told;		       /* likewise: what ends the trouble that there is now is in the log already */
	char trouble[256];	       /* "" when fit */
	char tight[256];	       /* what little room on the disk keeps from it, although it is fit; "": nothing */
	int64_t unstored;	       /* monotonic: since then nothing could be stored; 0: all could */
	int64_t check_at, wait_ms;     /* monotonic; 0: no check is due */
	struct selfcheck_image *images;
	size_t n_images;
	struct json *told; /* see fit.h, of those that were asked for; NULL: none was */
	bool news;	   /* one of them is missing or another since; the caller's to clear */
};
/* Notes trouble and when to check again. Returns true when it is news (it is logged then). */
bool selfcheck_pause(struct selfcheck *s, const char *why);
/* Cheap: pauses when dir's file system is nearly full. True when it is. */
bool selfcheck_disk(struct selfcheck *s, const char *dir);
/* Cheap: has dir's file system room for what a task may leave there, and for the copy that is stored? What it has none
 * for stands in `tight`, which is the caller's to clear. */
bool selfcheck_room(struct selfcheck *s, const char *dir, int64_t out_mb);
/* What a task left could not be stored: pauses until the store takes something again. */
void selfcheck_unstored(struct selfcheck *s, const char *id, const char *why);
/* The whole check, engine (whose limits are told anew) and images included: one of the grid's has to be here, which is
 * pulled when it is missing; of a suspect engine a trial is run. True when trouble just ended. */
bool selfcheck_run(struct selfcheck *s, struct engine *g, const struct grid_config *c, const char *dir);
/* The image, with its digest; it is pulled when it is missing. NULL when it cannot be had, or is not the one that the
 * settings pin (looked for again after 5 s, then less and less often, down to once a minute). Waits, serving the event
 * loop. */
const struct selfcheck_image *selfcheck_image(struct selfcheck *s, const struct engine *g, const struct grid_config *c,
					      const char *image);
/* When an image that cannot be had is looked for again; monotonic, 0: it is there, or was never looked for. */
int64_t selfcheck_again_at(const struct selfcheck *s, const char *image);
/* The same as it was when it was last looked for; does not wait. NULL: it cannot be had, or was never looked for. */
const struct selfcheck_image *selfcheck_known(const struct selfcheck *s, const struct grid_config *c,
					      const char *image);
/* Is an image with that digest ("": not known) the one that the settings mean, as far as they say? */
bool selfcheck_means(const struct selfcheck *s, const struct grid_config *c, const char *image, const char *digest);
void selfcheck_look_again(struct selfcheck *s, const char *image); /* it may be here now */
void selfcheck_clear(struct selfcheck *s);
#endif
