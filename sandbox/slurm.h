/* slurm: an engine that is a whole cluster. Each attempt is a job of Slurm's, in which this program runs once more and
 * makes a bubblewrap sandbox (job.h). Worker and job speak by files in a folder of the attempt's own, on a file system
 * that both see; Slurm is asked for what no file says, and no answer from it is none.
 *
 *   spec   what is to be run, before the job is handed in       ready  the job is there; who finds it, is a second run
 *   go     whoever handed it in is still there                  began  the script may have been started
 *   o.N, e.N  a piece of stdout, of stderr; its reader removes it   cpu    ms of processor time so far, if asked for
 *   term, kill  the script is to be ended                       end    how it ended: the last word
 *   job    Slurm's number of it                                 trouble  why its end will never be known
 */
#ifndef SLURM_H
#define SLURM_H
#include "sandbox/account.h"
#include "sandbox/engine_kind.h"

/* What the cluster's usable nodes have, of the partitions that jobs go to. */
struct slurm_room {
	int64_t nodes, cpus, idle, memory_mb, node_cpus, node_mb; /* idle: processors; node_: of the largest node;
								     memory 0: Slurm does not count it */
	struct slurm_gres {
		char *name;
		int64_t n;
	} * gres;
	size_t n_gres;
};
/* options: as slurm_options takes them; "": none. ERR_UNAVAILABLE: Slurm does not answer; ERR_USAGE: there is no such
 * partition, or no such node in it. */
int slurm_room(const char *options, struct slurm_room *out, struct err *e);
/* listed, excluded: the nodes of --nodelist and --exclude, a line each; NULL: the option is not there. */
int slurm_room_read(const char *sinfo, const char *options, const char *listed, const char *excluded,
		    struct slurm_room *out, struct err *e);
const char *slurm_unheeded(const char *options); /* which of them may keep jobs from nodes that are counted; "": none */
void slurm_room_clear(struct slurm_room *r);
/* "--partition=cpu --account=x": only words that say where and for whom jobs run. */
int slurm_options(const char *text, struct err *e);

/* "Key=Value" of a line of `scontrol show job --oneliner`, up to the next blank; "" where there is none. */
void slurm_field(const char *line, const char *key, char out[128]);
/* Of a JobState: will it not run any more? */
bool slurm_over(const char *state);

/* ---- the attempt's folder ---- */

struct slurm_spec { /* of a file spec; all in run borrow from it */
	struct engine_run run;
	struct buf text;
	struct strs env, each;
	struct engine_input *inputs;
	struct script_turns turns;
};
void slurm_words(const struct engine_run *r, struct strs *words);
int slurm_spec_read(const char *folder, struct slurm_spec *s, struct err *e);
void slurm_spec_clear(struct slurm_spec *s);

struct slurm_end {
	struct engine_state state;
	uint64_t pieces[2]; /* of stdout and stderr */
};
void slurm_end_text(const struct slurm_end *end, struct buf *out);
int slurm_end_read(const char *text, size_t len, struct slurm_end *out); /* -1: not understood */

char *slurm_file(const char *folder, const char *name);
char *slurm_piece(const char *folder, bool of_stderr, uint64_t n);
bool slurm_has(const char *folder, const char *name);
int slurm_touch(const char *folder, const char *name); /* -1, errno EEXIST: it was there */
void slurm_refresh(const char *folder); /* a network's file system may show what was, until somebody lists it */

/* In main: was this process started to hand in a job, to tell of one, to signal or to remove one? Then it does that:
 * its exit code. Else -1. */
int slurm_asked(int argc, char **argv);
#define SLURM_RUN_WORD "slurm-run" /* FOLDER PROGRAM SBATCH... -- WORDS... */
#define SLURM_STATE_WORD "slurm-state"
#define SLURM_SIGNAL_WORD "slurm-signal"
#define SLURM_REMOVE_WORD "slurm-remove"
#define SLURM_JOB_WORD "slurm-job"
#define SLURM_UNSEEN 41 /* exit codes of a job that could not even begin: its node does not see the folder, */
#define SLURM_NO_PROGRAM 42
#endif
