/* runner: one attempt -> one result. Never sees git. All callbacks come from the event loop (proc.h).
 *   a = attempt_start(&spec, &err);  ... loop_step ... ; spec.on_done(ctx, result) is called exactly once, then a is
 * gone.
 */
#ifndef RUNNER_H
#define RUNNER_H
#include "base/tree.h"
#include "sandbox/account.h"
#include "sandbox/engine.h"
enum attempt_status { ATT_SUCCESS, ATT_FAILED, ATT_TIMEOUT, ATT_OOM, ATT_CANCELLED, ATT_ENGINE };
/* ATT_ENGINE: the engine failed, the script did not run (or its end is unknown): the claim is given back. */
const char *attempt_status_name(enum attempt_status s); /* "success" ... "engine" */
/* What ended it. No engine tells a script that a signal ended from one that exits with 128 and the signal's number. */
enum attempt_end {
	END_UNKNOWN,
	END_EXIT,
	END_EXIT_OR_SIGNAL,
	END_TIME,
	END_CPU,
	END_MEMORY,
	END_OUT,
	END_CANCEL,
	END_KINDS
};
static inline enum attempt_end attempt_end_of_code(int exit_code)
{
	return exit_code > 128 && exit_code <= 192 ? END_EXIT_OR_SIGNAL : END_EXIT;
}
struct attempt_result {
	enum attempt_status status;
	int exit_code; /* -1: none (never started, or killed by us) */
	int signal;    /* 0: none; exit_code 128+N is reported as signal N too */
	enum attempt_end end;
	struct account used;
	char reason[96];		 /* which limit it failed at, though it ended by itself; "" for none known */
	int64_t started_at, finished_at; /* UTC seconds */
	int64_t duration_ms;
	struct buf out, err;	       /* head, marker, tail; raw bytes */
	uint64_t out_bytes, err_bytes; /* what the script printed in all */
	bool out_truncated, err_truncated;
	uint8_t out_sha256[32], err_sha256[32]; /* of all that was printed, also of what is not kept */
	bool unenforced;			/* no control group held it to its limits */
	char message[256];			/* ATT_ENGINE: what the engine said */
	enum tree_over over; /* its outputs passed a limit while it ran, and it was ended: ATT_FAILED */
	bool unstarted;	     /* ATT_ENGINE: the script was not started at all */
	bool placeless;	     /* ATT_ENGINE: a cluster had no place for it in time, or somebody took it from its queue */
};
struct attempt_spec {
	const struct engine *engine;
	struct engine_run run;	      /* strings are copied */
	bool limited;		      /* not without the limits that engine->limits promises */
	int64_t timeout_ms, grace_ms; /* grace between SIGTERM and SIGKILL */
	int64_t queue_ms;	      /* how long a cluster may let it wait; 0: as long as is usual */
	size_t output_limit;	      /* bytes a stream */
	const char *id_dir;	      /* the worker's folder for files of the runner's own; NULL: there is none */
	struct tree_limits out;	      /* of run.out_dir, where there is one; bytes 0: somebody else looks at it */
	bool quiet;		      /* nothing that the script printed is told in a message */
	const char *all_out; /* the folder that these limits are of, where out_dir is one of several in it; or NULL */
	void *ctx;
	void (*on_output)(void *ctx, bool of_stderr, const char *bytes, size_t len); /* NULL: nobody wants to see it */
	void (*on_done)(void *ctx, struct attempt_result *r);			     /* r is freed after the call */
};
struct attempt;
struct attempt *attempt_start(const struct attempt_spec *spec, struct err *e);
/* The last bytes, at most max, that it printed so far on one stream, where UTF-8 characters begin and end. Returns how
 * many bytes the stream had up to their end. */
uint64_t attempt_tail(const struct attempt *a, bool of_stderr, size_t max, struct buf *out);
uint64_t attempt_printed(const struct attempt *a); /* bytes so far, on both streams */
/* Its deadline is so far away from now, and its limit of processor time counts from now. */
void attempt_more_time(struct attempt *a, int64_t ms);
void attempt_cancel(struct attempt *a);		/* TERM, grace, KILL; ends as ATT_CANCELLED */
void attempt_end_now(struct attempt *a);	/* the same without grace */
bool attempt_queued(const struct attempt *a);	/* it waits for a place in a cluster */
int64_t attempt_began(const struct attempt *a); /* when it did, in a cluster after its wait; monotonic ms */
int64_t attempt_cpu_ms(struct attempt *a);	/* of processor time so far, as far as it can be told */
#endif
