/* engine: all engine argument lists (docker, podman, bwrap, slurm), and what the engines say. Knows nothing of git or
 * tasks. engine_pick("auto", &eng, &err) -> for each attempt: engine_start_argv, proc_start, ... engine_stop ...
 * engine_remove
 */
#ifndef ENGINE_H
#define ENGINE_H
#include "sandbox/engine_kind.h"

const char *engine_name(enum engine_kind k);
bool engine_images(enum engine_kind k); /* it runs images; else a script sees this machine's own /usr */
/* The same of one image: bwrap runs those that it has root files of (g->roots). */
bool engine_runs_image(const struct engine *g, const char *image);
/* What engine_start_argv starts is the engine's client, which does not end with the script for sure: engine_state_argv
 * asks. Else it is the sandbox. */
bool engine_client(const struct engine *g);
bool engine_cluster(enum engine_kind k);	    /* its attempts are jobs, which may wait before they begin */
bool engine_foreign(const struct engine *g);	    /* sandboxes run under other users of this machine than we do */
const char *engine_enforce(const struct engine *g); /* what to do where it holds nothing to its limits */
void engine_lacks(const struct engine *g, struct buf *why); /* what scripts have less of here than elsewhere, or "" */
int engine_probe(enum engine_kind k, struct engine *out, struct err *e); /* does it answer, and which version is it? */
/* want: auto, docker, podman, bwrap, slurm (which auto never takes). Tries for real that it answers. ERR_UNAVAILABLE
 * says which were tried and why each failed. */
int engine_pick(const char *want, struct engine *out, struct err *e);
const char *engine_mend(enum engine_kind k, const char *said); /* what to do about one that does not answer */
/* Makes the image present (docker/podman: inspect, else pull; bwrap: looks at its root files). digest (may be NULL)
 * gets what names this very image: the digest it has in a registry, else its id here; bwrap: that of the root files, ""
 * where it has none. */
int engine_image(const struct engine *g, const char *image, char digest[96], struct err *e);
/* Makes the very image present that had this name and digest when a task ran; ref gets what engine_run calls it by.
 * ERR_UNAVAILABLE: it is not here and cannot be pulled, or there is none (bwrap). */
int engine_image_exact(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e);
/* The image that was built here from a tree: id is its digest, mb how much it has. Nothing is pulled. ERR_NOENT: it is
 * not here. ERR_UNAVAILABLE: the engine does not answer, or builds no images. */
int engine_built(const struct engine *g, const char *tree, char id[96], int64_t *mb, struct err *e);
bool engine_builds(const struct engine *g); /* it can build images: the next three are only for such */
/* Makes an image present that a build stands on. ERR_DATA: it has instructions of its own for builds (ONBUILD), in
 * which the engine may be told to fetch something. ERR_UNAVAILABLE: whether it has cannot be told. */
int engine_base(const struct engine *g, const char *image, struct err *e);
void engine_build_argv(const struct engine *g, const struct engine_build *b, struct strs *argv);
int engine_drop_built(const struct engine *g, const char *tree, struct err *e);
/* Is there a network of that name that somebody made? ERR_NOENT: there is none; ERR_USAGE: the engine gives none of
 * them.
 */
int engine_network(const struct engine *g, const char *name, struct err *e);
void engine_start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv);
/* argv that signals the container's main process ("TERM", "KILL"); for bwrap empty: the runner signals pids itself. */
void engine_kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv);
void engine_remove_argv(const struct engine *g, const char *name, struct strs *argv);
/* argv whose stdout engine_parse_state reads, after the start command ended; empty for bwrap. */
void engine_state_argv(const struct engine *g, const char *name, struct strs *argv);
/* Removes every container that carries this node's label: what an earlier process of the node left running. bwrap
 * leaves nothing (its sandboxes die with their parent). Returns how many, -1 on error. */
int engine_remove_leftovers(const struct engine *g, const char *node, struct err *e);
int engine_parse_state(const struct engine *g, const char *text, size_t len,
		       struct engine_state *out); /* -1: not understood */

/* Makes a new, empty folder that may be an engine_run's out_dir: only whoever runs in a sandbox may write to it. */
int engine_make_out(const struct engine *g, const char *dir, struct err *e);
/* The same in a folder that engine_make_out made, which is then all that several runs leave. */
int engine_make_out_of(const struct engine *g, const char *all, const char *dir, struct err *e);
/* Makes the folder below which the folders of inputs are to be: none but sandboxes and this worker go through it. */
int engine_make_in(const struct engine *g, const char *dir, struct err *e);
/* The last step before it is started: the out_dir becomes the run's user's. */
int engine_give_out(const struct engine *g, const struct engine_run *r, struct err *e);
/* Is that what an engine says that does not see this machine's folders: it runs elsewhere, or we are in a container? */
bool engine_sees_nothing(const char *said);
/* argv that gives all that stands in an out_dir back to this process' user; empty where it is his already. image: of
 * the task. */
void engine_own_argv(const struct engine *g, const char *dir, const char *image, struct strs *argv);
#endif
