/* engine_kind: what an engine is: a row of functions that each fills in a file of its own (container.c, bwrap.c,
 * slurm.c), and what they share. engine.h is for everybody else. A new engine is a file with a row, its place in enum
 * engine_kind and in engine.c's list. */
#ifndef ENGINE_KIND_H
#define ENGINE_KIND_H
#include "base/buf.h"
#include "sandbox/account.h"
#include "sandbox/device.h"
#include "sandbox/rootfs.h"
#include "sandbox/script.h"
#include <stdbool.h>
#include <stdint.h>
/* Root is exempt from the process limit, so a root worker's sandboxes run under unprivileged users of the host, each
 * under its own: what the kernel counts a user (inotify, message queues, keys) no task can take from another. */
#define ENGINE_USER 64000
#define ENGINE_USERS 1000
/* All of them are in it, and nobody else: what tasks are given is theirs to read. */
#define ENGINE_GROUP (ENGINE_USER + ENGINE_USERS)
enum engine_kind { ENGINE_DOCKER, ENGINE_PODMAN, ENGINE_BWRAP, ENGINE_SLURM, ENGINES };
struct cluster {		 /* what a worker knows of the one that its jobs go to; all borrowed */
	const char *folder;	 /* its own, that all nodes see, below which attempts have theirs */
	const char *options;	 /* for sbatch; "": none */
	const struct strs *gres; /* resources that Slurm counts */
	int64_t node_mb;	 /* memory of the largest node; 0: Slurm does not count it */
};
struct engine {
	enum engine_kind kind;
	char version[64];
	bool disable_userns; /* bwrap can forbid user namespaces inside, beside the filter of system calls */
	bool limits;	     /* memory, processes and processors are held to, not just watched (control groups) */
	const struct rootfs_list *roots; /* bwrap: the images that it has root files of; borrowed; NULL: none */
	const struct cluster *cluster;	 /* slurm; borrowed */
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
	const char
	    *secrets; /* the worker's folder that is seen as /run/secrets, which cannot be written to; NULL: none */
	const char *network;	      /* that its owner made, by the engine's name; NULL: it has none */
	const struct device *devices; /* that it may use */
	size_t n_devices;
	const char *workdir;	   /* the name of the input that it begins in a copy of; NULL: none */
	int64_t out_mb;		   /* what it may leave in out_dir, which bounds each file elsewhere too; 0: no limit */
	const struct strs *groups; /* bwrap: control groups that hold its limits; NULL: there are none */
	int64_t cpu_seconds;	   /* of processor time; engines hold each process to a second more; 0: no limit */
	const char *stdin_path;	   /* "NAME" or "NAME/PATH" of an input: its standard input; NULL: it has none */
	const char *id_file;	   /* where a container's id is to be written; NULL: nobody asks */
	int user; /* bwrap as root: the user id on this machine that it runs under, ENGINE_USERS of them */
	/* slurm: */
	int64_t seconds, grace_ms; /* how long it may run in all; between being told to end and being ended */
	const char *gres;	   /* "gpu:2,license:1"; NULL: none */
};
struct engine_build {		/* all borrowed */
	const char *tree;	/* an object id, by which the image is known to the engine */
	const char *dir, *file; /* the folder that is its context; its Dockerfile in there, whole path */
	const char *network;	/* of its commands, by the engine's name; NULL: none */
};
struct engine_state {
	bool ran;   /* the script was started at all */
	bool ended; /* and has ended: while this is false oom and exit_code say nothing */
	bool oom;
	int exit_code;	 /* as the engine reports it: 128+N for signal N */
	char error[256]; /* the engine's own error, "" if none */
	/* slurm: */
	bool over_cpu;	     /* it was ended at its limit of processor time */
	bool unenforced;     /* no control group of ours held it to its limits */
	bool withdrawn;	     /* somebody took it out of the cluster's queue, or its node died, before it ran */
	int64_t duration_ms; /* of the run itself */
	struct account used;
};

/* One engine's answers to engine.h's questions of the same names, which say what each is to do. NULL: nothing is to be
 * done, or there is none. */
struct engine_row {
	const char *name;
	bool images; /* runs a task's image; else scripts see this machine's own /usr */
	/* What is started is a client: the attempt goes on without it, and the engine is asked how it ended. Else the
	 * process is the sandbox, with control groups of ours (cgroup.h) and a report on its status pipe. */
	bool client;
	/* Its client may have to wait for a place, and tells on its status pipe when the script began ("began\n"), and
	 * now and then what it has used ("cpu MS\n"). Taken when it is asked for by name alone. */
	bool cluster;
	const char *get_it, *enforce_it; /* words: how to have it; how to have it hold tasks to their limits */
	int (*probe)(struct engine *out, struct err *e);
	int (*image)(const struct engine *g, const char *image, char digest[96], struct err *e);
	int (*image_exact)(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e);
	/* What was built from a tree: its id, and how many MB it has. ERR_NOENT: nothing is here. */
	int (*built)(const struct engine *g, const char *tree, char id[96], int64_t *mb, struct err *e);
	void (*build_argv)(const struct engine *g, const struct engine_build *b, struct strs *argv);
	int (*base)(const struct engine *g, const char *image, struct err *e);
	int (*drop_built)(const struct engine *g, const char *tree, struct err *e);
	int (*network)(const struct engine *g, const char *name, struct err *e);
	void (*start_argv)(const struct engine *g, const struct engine_run *r, struct strs *argv);
	void (*kill_argv)(const struct engine *g, const char *name, const char *signal, struct strs *argv);
	void (*remove_argv)(const struct engine *g, const char *name, struct strs *argv);
	void (*state_argv)(const struct engine *g, const char *name, struct strs *argv);
	int (*parse_state)(const char *text, size_t len, struct engine_state *out);
	int (*remove_leftovers)(const struct engine *g, const char *instance, struct err *e);
	void (*own_argv)(const struct engine *g, const char *dir, const char *image, struct strs *argv);
	void (*lacks)(struct buf *why); /* what of this process makes scripts have less than elsewhere */
};
extern const struct engine_row engine_docker, engine_podman, engine_bwrap, engine_slurm;

/* Adds words to an argv: ENGINE_ADD(argv, "a", "b"). */
void engine_add(struct strs *argv, const char *const *words);
#define ENGINE_ADD(argv, ...) engine_add(argv, (const char *const[]){__VA_ARGS__, NULL})
#define ENGINE_PROBE_MS 10000
/* Runs argv; 0 and its output in out when it exits with 0, else -1 with its first error line. */
int engine_ask_all(const char *const *argv, int64_t timeout_ms, struct buf *out, struct err *e);
/* The same for the first line alone. */
int engine_ask(const char *const *argv, int64_t timeout_ms, char *line, size_t room, struct err *e);
int engine_shm_mb(const struct engine_run *r); /* of /dev/shm */
/* MB of the largest file that it may write, as large as the largest place for it. 0: no limit. */
int64_t engine_file_mb(const struct engine_run *r);
#endif
