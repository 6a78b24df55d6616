/* proc: children and the one event loop. Only this file spawns (posix_spawnp: own process group, every signal at its
 * default and unblocked, every descriptor but 0-2 and the status pipe closed, no shell).
 *
 *   proc_begin(&err)              first of all in main: what whoever started us left open stays out of our children.
 *   proc_run(&spec, &res, &err)   waits, and meanwhile serves every other child and timer (so callbacks must never
 *                                 call proc_run themselves: they start children with proc_start).
 *   p = proc_start(&spec, &err)   runs in the background; spec.on_end is called once from the loop, then p is freed.
 *   loop_step(max_ms)             one turn: pipes, deadlines, timers, ended children, signals. A callback that calls
 * it, or proc_run, ends the program (assert).
 */
#ifndef PROC_H
#define PROC_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum proc_end { PROC_EXITED, PROC_SIGNALLED, PROC_TIMED_OUT, PROC_NOT_STARTED };
enum proc_stream { PROC_OUT, PROC_ERR, PROC_STATUS };

struct proc;
struct proc_result {
	enum proc_end end;
	int code;	       /* exit code (PROC_EXITED) or signal number (PROC_SIGNALLED) */
	struct buf out, err;   /* at most cap bytes; empty for a stream that on_output takes */
	bool out_cut, err_cut; /* more came than was kept */
	int64_t user_ms, system_ms, read_bytes, written_bytes; /* of it and all that it waited for (wait4) */
	long peak_kb; /* the most memory that one of its processes had (Linux); 0: not more than this one had,
		       * which a child begins with */
};
struct proc_spec {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *env;	 /* NULL-terminated "NAME=value" (set) or "NAME" (unset); NULL: inherit as is */
	bool clean_env;		 /* start from an empty environment instead of ours */
	const char *input;	 /* bytes for stdin; NULL: /dev/null */
	size_t input_len;
	bool feed;	    /* stdin stays open: more comes by proc_feed, until proc_feed_end */
	bool wide;	    /* its stdout gets a large pipe, where there is one: it works on while we are busy */
	size_t cap;	    /* bytes kept of each stream; 0: 1 MiB. The rest is read and dropped */
	int64_t timeout_ms; /* 0: none. Then SIGTERM to the group, after 2 s SIGKILL; end = PROC_TIMED_OUT */
	int64_t quiet_ms;   /* without timeout_ms: the same when it prints nothing for so long; 0: it may */
	bool status_pipe;   /* child gets a pipe as fd 3, seen as PROC_STATUS by on_output */
	void *ctx;
	void (*on_output)(void *ctx, enum proc_stream s, const char *bytes,
			  size_t len);				  /* NULL: collected in the result */
	void (*on_end)(void *ctx, const struct proc_result *res); /* proc_start only; res is freed after the call */
};

/* Opens 0-2 (/dev/null) where they are closed, so that nothing of ours gets these numbers, and marks every other
 * descriptor that we were started with close-on-exec. -1: no such descriptor can be had, or marked. */
int proc_begin(struct err *e);
/* 0 when the child was started and has ended, however it ended; -1 (ERR_UNAVAILABLE) when it was not started. */
int proc_run(const struct proc_spec *spec, struct proc_result *res, struct err *e);
/* While set, proc_run asks it ten times a second, and ends its child (SIGTERM) when it says true: for who has to answer
 * a key or a signal while a remote hangs. NULL: never. Returns what was asked before, to be set again. */
typedef bool proc_asked(void);
proc_asked *proc_give_up_when(proc_asked *asked);
bool proc_given_up(void);     /* what it says now: then nothing more should be begun, nor waited for */
void proc_pause(int64_t ms);  /* serves the loop for so long, or until proc_given_up */
int64_t proc_waited_ms(void); /* how long proc_run has waited for its child; 0: it does not */
struct proc *proc_start(const struct proc_spec *spec, struct err *e); /* copies what it needs of spec; NULL on error */
const char *proc_self(void);					      /* the path of this program */
/* The same for a child that is to begin at once: of a packed static program, the file in memory that it was unpacked
 * to. Only while this process lives. */
const char *proc_again(void);
pid_t proc_pid(const struct proc *p);
void proc_signal(struct proc *p, int sig); /* to the child's process group */
/* For a child with spec.feed, while it runs in the background. What is fed is kept until the child takes it. */
void proc_feed(struct proc *p, const void *bytes, size_t len);
void proc_feed_end(struct proc *p);
/* For who feeds more than should stand in memory: hungry is called from the loop whenever the child has taken all that
 * was fed, until proc_feed_end. It feeds or ends the feeding, nothing else. */
void proc_when_hungry(struct proc *p, void (*hungry)(void *ctx));
/* While held, what the child prints to stdout stays in its pipe: it waits until we read on. */
void proc_hold(struct proc *p, bool held);
/* Ends a child in the background with SIGTERM, and waits. Its on_end sets *p to NULL; NULL at once is fine. */
void proc_end_now(struct proc *const *p);
void proc_result_clear(struct proc_result *r);

struct loop_timer; /* owned by the loop until it fires or is stopped */
struct loop_timer *loop_after(int64_t ms, void (*fire)(void *ctx), void *ctx);
void loop_timer_stop(struct loop_timer *t); /* NULL is fine */
void loop_step(int64_t max_wait_ms);
#endif
