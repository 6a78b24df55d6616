/* git: every git argument list. Inherited GIT_* of a repository are scrubbed; a token reaches git through GIT_ASKPASS
 * (this very program, see git_askpass) and never through an argument, a URL, a config file or a log. */
#ifndef GIT_H
#define GIT_H
#include "base/buf.h"
#include "base/proc.h"
#include "git/command.h"

/* Runs `git -C dir ARGS...` (args NULL-terminated). 0 when git exits with 0; else -1 with git's own first lines,
 * redacted; ERR_NO when it exits with 1 and says nothing, as commands do that were asked quietly whether something is
 * so. out may be NULL; it gets the whole output, or it is an error. */
int git_run(const struct git *g, struct buf *out, struct err *e, const char *const *args);
/* The same for what may take hours, such as a whole history over a slow line. */
int git_run_long(const struct git *g, struct err *e, const char *const *args);
/* The same with input on its stdin, output dropped. */
int git_run_input(const struct git *g, const char *input, size_t len, struct err *e, const char *const *args);
/* For commands with -z: on_record gets each NUL-terminated record as it comes. Memory: the largest record. */
int git_records(const struct git *g, const char *const *args, void (*on_record)(void *ctx, const char *record),
		void *ctx, struct err *e);
/* The same in the background: on_end gets the raw result from the event loop. NULL with e filled when not started. */
struct proc *git_start(const struct git *g, const char *const *args, void *ctx,
		       void (*on_end)(void *ctx, const struct proc_result *res), struct err *e);
/* The same with input on its stdin. */
struct proc *git_start_input(const struct git *g, const char *input, size_t len, const char *const *args, void *ctx,
			     void (*on_end)(void *ctx, const struct proc_result *res), struct err *e);
/* In the background, for as long as it takes, its output to on_output; feed: its stdin stays open, see proc_feed. NULL
 * with e filled when not started. */
struct proc *git_stream(const struct git *g, const char *const *args, bool feed, void *ctx,
			void (*on_output)(void *ctx, enum proc_stream s, const char *bytes, size_t len),
			void (*on_end)(void *ctx, const struct proc_result *res), struct err *e);
/* Clones the tip of branch (shallow), without checking it out. An empty repository gives an empty clone on that branch.
 */
int git_clone(const struct git *g, const char *url, const char *branch, struct err *e);
/* A shallow bare clone of the branch alone, for readers. */
int git_clone_bare(const struct git *g, const char *url, const char *branch, struct err *e);
/* Streams objects of a type ("blob", "tree") through one `cat-file --batch`: on_blob gets each in the order asked for,
 * NULL for what is missing, of another type, or larger than max. Memory: the largest one. */
int git_cat(const struct git *g, const char *type, char *const *oids, size_t n, size_t max,
	    void (*on_blob)(void *ctx, size_t i, const char *bytes, size_t len), void *ctx, struct err *e);
/* Makes the (still empty) clone anew with the other object format: an empty repository tells its own only when it is
 * pushed to ("hash algorithm" in the push's error). */
int git_init_sha256(const struct git *g, const char *url, const char *branch, struct err *e);
enum push_outcome { PUSH_LANDED, PUSH_RACED, PUSH_DECLINED, PUSH_UNKNOWN };
/* What `git push --porcelain` said, of one ref or of several with --atomic: landed, refused, or nothing that tells.
 * What a refusal means is told by the branch and not by the server's words, see push.h; PUSH_RACED comes from there. */
enum push_outcome git_push_outcome(const struct proc_result *res, struct err *e);
/* What it said of one ref (its name at the remote) of several that were pushed without --atomic: each has a fate of its
 * own. PUSH_RACED: git itself refused, for the ref there has what is not here. PUSH_UNKNOWN also where it said nothing
 * of that ref. */
enum push_outcome git_push_outcome_of(const struct proc_result *res, const char *ref, struct err *e);
/* Pushes as args say, and tells of that ref. */
enum push_outcome git_push_ref(const struct git *g, const char *const *args, const char *ref, struct err *e);
/* The same of several, in what. False: all landed, and what is not filled. e: of the last that did not. */
bool git_push_refs(const struct git *g, const char *const *args, char *const *refs, size_t n, enum push_outcome *what,
		   struct err *e);
/* Pushes as args say, with --atomic, and tells of all; of: what was said of that one ref, PUSH_UNKNOWN too where it was
 * refused for another's sake. */
enum push_outcome git_push_all(const struct git *g, const char *const *args, const char *ref, enum push_outcome *of,
			       struct err *e);
/* Pushes HEAD to branch, unforced. whole: send no deltas against what the remote has; to find their bases costs more
 * than they save where nothing goes over a wire. e is filled for all but PUSH_LANDED. PUSH_UNKNOWN: it may have landed
 * or not. */
enum push_outcome git_push(const struct git *g, const char *branch, bool whole, struct err *e);
/* The same with an argument list of one's own, which has --porcelain. */
enum push_outcome git_push_with(const struct git *g, const char *const *args, struct err *e);
/* Object id of branch at the remote into out; "" when there is none. */
int git_remote_head(const struct git *g, const char *branch, char out[72], struct err *e);
/* The commit that rev stands for, "" when there is none. -1 with e filled: that could not be found out. */
int git_find(const struct git *g, const char *rev, char out[72], struct err *e);
/* What somebody calls rev, where the branch of that name is meant and no tag: "main~3" is refs/heads/main~3. The
 * caller's. */
char *git_rev_of(const char *branch, const char *rev);
/* The commit that rev stands for, "" when there is none here (then false). What could be an option is no revision. */
bool git_resolve(const struct git *g, const char *rev, char out[72]);
bool git_no_object(const char *oid); /* the zeros that git gives for a ref that is not there */
#endif
