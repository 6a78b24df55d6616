/* engine: all engine argument lists (docker, podman, bwrap), and what the engines say. Knows nothing of git or tasks.
 *   engine_pick("auto", &eng, &err) -> for each attempt: engine_start_argv, proc_start, ... engine_stop ...
 * engine_remove
 */
#ifndef ENGINE_H
#define ENGINE_H
#include "base/buf.h"
#include "sandbox/script.h"
#include <stdbool.h>
#include <stdint.h>
/* Root is exempt from the process limit, so a root worker's sandboxes run under unprivileged users of the host, each
 * under its own: what the kernel counts a user (inotify, message queues, keys) no task can take from another. */
#define ENGINE_USER 64000
#define ENGINE_USERS 1000
/* All of them are in it, and nobody else: what tasks are given is theirs to read. */
#define ENGINE_GROUP (ENGINE_USER + ENGINE_USERS)
enum engine_kind { ENGINE_DOCKER, ENGINE_PODMAN, ENGINE_BWRAP };
struct engine {
	enum engine_kind kind;
	char version[64];
	bool disable_userns; /* bwrap can forbid user namespaces inside, beside the filter of system calls */
	bool limits;	     /* memory, processes and processors are held to, not just watched (control groups) */
};
struct engine_run {				    /* all borrowed */
	const char *name;			    /* container name, unique an attempt */
	const char *node, *instance, *task, *nonce; /* labels; instance: the worker's process */
	const char *image, *script;
	const struct script_turns *turns; /* NULL: the script runs once */
	const char *const *env;		  /* NULL-terminated NAME=value */
	double cpus;
	int memory_mb, pids, tmp_mb;
	const char *out_dir; /* the worker's folder that the script sees as /out; NULL: there is none */
	int out_lost_mb;     /* out_dir NULL: an /out of that size which nobody sees afterwards; 0: none */
	const struct engine_input {
		const char *name, *path;
	} * inputs; /* path, of the worker's, is seen as /in/NAME, which cannot be written to */
	size_t n_inputs;
	const char *workdir;	   /* the name of the input that it begins in a copy of; NULL: none */
	int64_t out_mb;		   /* what it may leave in out_dir, which bounds each file elsewhere too; 0: no limit */
	const struct strs *groups; /* bwrap: control groups that hold its limits; NULL: there are none */
	int user; /* bwrap as root: the user id on this machine that it runs under, ENGINE_USERS of them */
};
const char *engine_name(enum engine_kind k);
int engine_probe(enum engine_kind k, struct engine *out, struct err *e); /* does it answer, and which version is it? */
/* want: auto, docker, podman, bwrap. Tries for real that it answers. ERR_UNAVAILABLE says which were tried and why each
 * failed. */
int engine_pick(const char *want, struct engine *out, struct err *e);
const char *engine_mend(enum engine_kind k, const char *said); /* what to do about one that does not answer */
/* Makes the image present (docker/podman: inspect, else pull; bwrap: nothing). digest (may be NULL) gets what names
 * this very image: the digest it has in a registry, else its id here; "" for bwrap. */
int engine_image(const struct engine *g, const char *image, char digest[96], struct err *e);
/* Makes the very image present that had this name and digest when a task ran; ref gets what engine_run calls it by.
 * ERR_UNAVAILABLE: it is not here and cannot be pulled, or there is none (bwrap). */
int engine_image_exact(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e);
void engine_start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv);
/* argv that signals the container's main process ("TERM", "KILL"); for bwrap empty: the runner signals pids itself. */
void engine_kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv);
void engine_remove_argv(const struct engine *g, const char *name, struct strs *argv);
/* argv whose stdout engine_parse_state reads, after the start command ended; empty for bwrap. */
void engine_state_argv(const struct engine *g, const char *name, struct strs *argv);
/* Removes every container that carries this node's label: what an earlier process of the node left running. bwrap
 * leaves nothing (its sandboxes die with their parent). Returns how many, -1 on error. */
int engine_remove_leftovers(const struct engine *g, const char *node, struct err *e);
struct engine_state {
	bool ran;   /* the script was started at all */
	bool ended; /* and has ended: while this is false oom and exit_code say nothing */
	bool oom;
	int exit_code;	 /* as the engine reports it: 128+N for signal N */
	char error[256]; /* the engine's own error, "" if none */
};
int engine_parse_state(const char *text, size_t len, struct engine_state *out); /* -1: not understood */

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
