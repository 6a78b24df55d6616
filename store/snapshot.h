/* snapshot: the grid as one commit shows it, for readers. Read with ls-tree and cat-file --batch from a tree-ish, never
 * from a work tree: of a folder on this machine in place, of any other remote from a cached bare repository under
 * $XDG_CACHE_HOME/dgrid.
 *   snapshot_open(&s, url, branch, NULL, &err) -> snapshot_load(&s, 1u << TASK_QUEUE, &err) -> s.tasks ...
 * -> snapshot_close (also after an error)
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H
#include "schema/node.h"
#include "schema/task.h"
#include "store/heartbeat.h"
#include "store/told.h"

struct snapshot_task {
	char *id; /* the file's name without .json */
	enum task_state state;
	char oid[72];
	bool regular;	  /* a regular file: links and the like are never read */
	struct json *doc; /* NULL: not loaded, or no valid JSON */
};
enum node_state { NODE_ACTIVE, NODE_PAUSED, NODE_DRAINING, NODE_SILENT, NODE_LEFT };
struct snapshot_node {
	char *id;
	char oid[72];
	struct json *file;	  /* nodes/ID.json */
	const struct json *beat;  /* its heartbeat, NULL: none */
	bool unread;		  /* it has one that cannot be read */
	struct node_view view;	  /* of the newest of the two */
	const struct json *drain; /* what a person has told, see order.h; NULL: it is not drained */
	enum node_state state;	  /* SILENT: no sign of life for too long; DRAINING: also that */
};
struct snapshot {
	struct git git;
	char *url, *branch;
	char commit[72];
	int64_t committed_at, now; /* UTC seconds; now is committed_at for a snapshot of the past */
	bool past, cached;
	struct grid_config config; /* as far as grid.json is valid */
	struct problems config_problems;
	struct snapshot_task *tasks; /* by state, then by id */
	size_t n_tasks, count[TASK_N_STATES];
	struct snapshot_node *nodes; /* by id */
	size_t n_nodes;
	struct beats beats;
	struct told told;
	struct json
	    *archive; /* tasks/archive.json: totals of what was moved to the archive branch; NULL: nothing was */
};
/* at: NULL for the branch's head, else a revision or a date (RFC 3339, a day for its beginning in UTC, or anything git
 * takes as a date). */
int snapshot_open(struct snapshot *s, const char *url, const char *branch, const char *at, struct err *e);
/* Only which tasks and nodes there are, without documents, and of a remote only what is at hand: its cache, which is
 * brought up to date when nobody tried within the last fresh_ms, and for patience_ms at most. For who cannot wait. */
int snapshot_glance(struct snapshot *s, const char *url, const char *branch, int64_t fresh_ms, int64_t patience_ms,
		    struct err *e);
int snapshot_load(struct snapshot *s, unsigned states, struct err *e); /* states: bits 1u << TASK_... */
/* The same of these alone: which are their indexes in s->tasks. */
int snapshot_load_these(struct snapshot *s, const size_t *which, size_t n, struct err *e);
struct snapshot_task *snapshot_find(const struct snapshot *s, const char *id); /* NULL: not on the branch */
/* The bytes of one file of the commit; ERR_NOENT when it is not there. */
int snapshot_file(const struct snapshot *s, const char *path, struct buf *out, struct err *e);
/* A task that was moved to the archive branch, and its path there. NULL with e filled: ERR_NOENT when it is not there.
 */
struct json *snapshot_archived(const struct snapshot *s, const char *id, char path[128], struct err *e);
/* Many of them at once, as they were at the snapshot's time (q's own is not looked at); see archive.h. */
struct archive_query;
struct archive_found;
int snapshot_archive_look(const struct snapshot *s, const struct archive_query *q,
			  void (*on_found)(void *ctx, const struct archive_found *f), void *ctx, struct err *e);
/* The paths (YYYY/MM/DD/ID.json) of what was in the archive at the snapshot's time. */
int snapshot_archive(const struct snapshot *s, void (*on_path)(void *ctx, const char *path), void *ctx, struct err *e);
/* Judges everything as of another time (UTC seconds). */
void snapshot_set_now(struct snapshot *s, int64_t now);
/* Reads the documents of n tasks (which: their indexes in s->tasks) one after the other and keeps none: on_doc gets
 * each, NULL for what is no valid JSON; it is freed after. */
int snapshot_stream(const struct snapshot *s, const size_t *which, size_t n,
		    void (*on_doc)(void *ctx, size_t index, const struct json *doc), void *ctx, struct err *e);
/* A repository that has the history since a time (UTC seconds), as far as it can be had: the one at hand, or for a
 * remote a cache of commits and trees alone, fetched to that date. shallow: its oldest commits may have had parents.
 * The caller frees dir, name and email of g, also after an error. */
int snapshot_history(const struct snapshot *s, int64_t since, struct git *g, bool *shallow, struct err *e);
/* A number of tasks/archive.json, 0 to 2^53: other hands may write it. */
int64_t snapshot_total(const struct snapshot *s, const char *name);
void snapshot_close(struct snapshot *s);
const char *node_state_name(enum node_state s);
/* How many points of a running task are done, as its node's beat says. -1: that says nothing of it. */
int64_t snapshot_points_done(const struct snapshot *s, const char *id, const struct json *doc);
/* The task's document without the schema; e names file, line and column when there is none. */
int snapshot_doc(struct snapshot *s, struct snapshot_task *t, struct err *e);
#endif
