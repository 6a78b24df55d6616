/* rule: the table of what an audit holds every commit to, and the words in which a commit is told to the judges
 * (rules_*.c). Nothing here knows git: who replays a history (replay.c) or a push makes the commits, and so may a test.
 *   rules.h judges; this is what the judges share.
 */
#ifndef RULE_H
#define RULE_H
#include "audit/fields.h"
#include "audit/world.h"
#include "schema/periodic.h"
#include "store/arrival.h"
#include "store/trust.h"

enum rule_id {
	RULE_PLACE_ONE,
	RULE_PLACE_MOVE,
	RULE_PLACE_PATH,
	RULE_FILE_MODE,
	RULE_FILE_JSON,
	RULE_DOC_FIELDS,
	RULE_COMMIT_FORM,
	RULE_COMMIT_TIME,
	RULE_TASK_FIELDS,
	RULE_TASK_SIGNED,
	RULE_SECRET_SIGNED,
	RULE_NETWORK_ALLOWED,
	RULE_CLAIM_NODE,
	RULE_CLAIM_NONCE,
	RULE_CLAIM_ATTEMPT,
	RULE_CLAIM_TIME,
	RULE_CLAIM_TASK,
	RULE_CLAIM_LIMITS,
	RULE_CLAIM_RENEWAL,
	RULE_CLAIM_DRAINED,
	RULE_CLAIM_PAUSED,
	RULE_NEEDS_KNOWN,
	RULE_NEEDS_CLAIM,
	RULE_NEEDS_SKIP,
	RULE_NEEDS_KEPT,
	RULE_INPUT_PINNED,
	RULE_CHECKPOINT_PINNED,
	RULE_GROUP_LIMIT,
	RULE_RESULT_CLAIM,
	RULE_RESULT_TIME,
	RULE_RESULT_PARTS,
	RULE_RESULT_POINTS,
	RULE_RESULT_TASK,
	RULE_RESULT_FOLDER,
	RULE_RESULT_FROZEN,
	RULE_OUT_FORM,
	RULE_OUT_FALSE,
	RULE_ATTEMPTS_GROW,
	RULE_ATTEMPTS_RETRY,
	RULE_ORPHAN_EVIDENCE,
	RULE_CANCEL_NOTE,
	RULE_PROMOTE_MERGED,
	RULE_ARCHIVE_LOST,
	RULE_ARCHIVE_FROZEN,
	RULE_ARCHIVE_DAY,
	RULE_ARCHIVE_TOTALS,
	RULE_NODE_FILE,
	RULE_NODE_SCOPE,
	RULE_NODE_RETIRED,
	RULE_ORDER_BY,
	RULE_NODE_ROOM,
	RULE_BUILD_ORDER,
	RULE_SCHEDULE_FIRE,
	RULE_SIGNED_COMMIT,
	RULE_SIGNED_KEY,
	RULE_VOTE_NODE,
	RULE_VOTE_COMMITMENT,
	RULE_VOTE_QUORUM,
	RULE_HISTORY_REWRITTEN,
	RULE_HISTORY_ASIDE,
	/* From here on: what a human should look at, and no violation. */
	RULE_NOTICES,
	NOTICE_BEGIN = RULE_NOTICES,
	NOTICE_MERGE,
	NOTICE_SETTINGS,
	NOTICE_SIGNERS,
	NOTICE_KEYS,
	NOTICE_SCHEDULE,
	NOTICE_WORKFLOW,
	NOTICE_OUTSIDE,
	NOTICE_REMOVED,
	NOTICE_EDITED,
	NOTICE_REUSED,
	NOTICE_WORD,
	RULE_N
};
struct rule {
	const char *id, *says;
};
const struct rule *rule_at(enum rule_id r);
int rule_find(const char *id); /* -1: there is none of that name */

/* One path as a commit changes it against its first parent. */
enum rule_kind {
	RULE_TASK,     /* tasks/STATE/ID.json: state and id are filled */
	RULE_NODE,     /* nodes/ID.json: id is filled */
	RULE_KEY,      /* nodes/keys/..., nodes/people/... */
	RULE_DRAIN,    /* nodes/drain/ID.json: id is the node's */
	RULE_RETIRED,  /* nodes/retired/ID.json: likewise */
	RULE_PAUSED,   /* tasks/paused.json */
	RULE_SETTINGS, /* grid.json */
	RULE_SCHEDULE, /* schedules/NAME.json: id is its name */
	RULE_SIGNERS,  /* allowed_signers */
	RULE_TOTALS,   /* tasks/archive.json */
	RULE_KEEP,     /* .gitkeep and README of the folders */
	RULE_WORKFLOW,
	RULE_OUTSIDE,
	RULE_BAD_PATH /* below tasks/ or nodes/, or like them, and nothing that belongs there */
};
struct rule_text { /* of a blob; bytes NULL: there is none, it was not asked for, or it is too large for its kind */
	const char *bytes;
	size_t len;
	struct json **doc; /* where it is kept once it is parsed, NULL until then; whoever owns the bytes frees it */
};
/* NULL: there is none, or it is no JSON. */
const struct json *rule_doc(const struct rule_text *t);
struct rule_change {
	char *path;
	enum rule_kind kind;
	enum task_state state;
	char id[65];
	char status;		     /* 'A', 'D', 'M', 'T' */
	unsigned old_mode, new_mode; /* as git has them (0100644); 0: none */
	char old_oid[72], new_oid[72];
	struct rule_text old, new;
};
/* Fills kind, state and id by path. */
void rule_change_classify(struct rule_change *ch);

enum rule_signature { RULE_NOT_ASKED, RULE_GOOD, RULE_UNSIGNED, RULE_BAD, RULE_OTHER_KEY };
struct rule_commit {
	char id[72], parent[72]; /* parent: the first one; "": none */
	unsigned n_parents;
	char *others;		  /* its other parents, by blanks; NULL: none */
	char *author, *committer; /* "Name <email>" */
	char *encoding;		  /* that its header names; NULL: none, so UTF-8 */
	char *subject;
	int64_t at; /* committer's time, UTC seconds */
	struct rule_change *changes;
	size_t n;
	char *odd; /* a name in a folder's tree that reads otherwise, and why: "tasks/queue/x: ..."; NULL: none */
	enum rule_signature signature; /* NOT_ASKED: nobody has to sign it */
	char signed_by[65];	       /* whose key it is by those of the parent; "": nobody's */
	bool signed_person;	       /* and it is a person's */
	char *signature_why;	       /* NULL: nothing to add */
	/* Of a commit that archives: its counterpart on the branch archive, and whether that branch was looked at. */
	const struct rule_commit *archive;
	bool archive_seen;
	/* What rule_who makes of the subject. */
	char who[128]; /* WHO of "WHO: VERB ID", else the author's name */
	bool ours;     /* the subject is as dgrid writes it */
	bool node;     /* who is a node of the grid, and dgrid made the commit */
};
void rule_who(struct rule_commit *c, const struct world *w);

struct rules {
	struct world world;
	int64_t now;   /* UTC seconds; 0: the history is of any age, its own times are all there is */
	int64_t clock; /* what time it is for who judges: no commit is of later; UTC seconds, 0: not known */
	void *ctx;
	void (*tell)(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text);
	/* Which commit brought a task that stood there when the replay began. 1: found, 0: none did, -1: it cannot be
	 * told. NULL: never asked. */
	int (*arrival)(void *ctx, const struct rule_commit *c, const char *id, struct arrival *out);
	/* Was the task signed by somebody who counts, as of the commit's parent? 0: v is the verdict, -1: it cannot be
	 * told. NULL: never asked. */
	int (*trusted)(void *ctx, const struct rule_commit *c, const char *id, const struct json *doc,
		       struct trust_verdict *v);
	/* Is one of the task's signatures one of its text: by who counts, where allowed_signers says who does, else by
	 * whatever key? 1, 0, -1: it cannot be told. NULL: never asked. */
	int (*genuine)(void *ctx, const struct rule_commit *c, const char *id, const struct json *doc);
	/* Does that path stand in the archive's parent? 1, 0, -1: it cannot be told. NULL: never asked. */
	int (*archived)(void *ctx, const struct rule_commit *archive, const char *path);
	bool grows; /* what comes now stands on what was here: its commits are made as they are pushed */
	/* A tree that a new task of somebody's is to be given. NULL: nobody asks. */
	void (*given)(void *ctx, const char *tree);
	/* Has another parent of this merge a commit of its own that changes what only nodes and people of the grid
	 * change (claims, results, node files, the archive's totals)? The newest such into id. 1, 0, -1: it cannot be
	 * told. NULL: never asked. */
	int (*aside)(void *ctx, const struct rule_commit *c, char id[72]);
	/* Since when those schedules are as they are in the commit's parent, n of them, as origin_find has it. 0: since
	 * is filled, -1: it cannot be told. NULL: never asked. */
	int (*origins)(void *ctx, const struct rule_commit *c, const char *const *names, size_t n, int64_t *since);
	/* Has rules_remember called for tasks that stood there when the replay began and that it has not seen since: n
	 * that have ended, by ids, or, ids NULL, all that have not. NULL: never asked. */
	void (*before)(void *ctx, const char *const *ids, size_t n);
	bool asked_waiting; /* for all that have not */
	/* Adds the settings from before the replay began that held at that time or later (world_past_add). NULL: never
	 * asked. */
	void (*older_settings)(void *ctx, int64_t since);
	int64_t asked_since; /* what it was asked for; 0: nothing yet */
};
void rule_tell(const struct rules *r, enum rule_id rule, const struct rule_commit *c, const char *path, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));

/* One task's way through one commit. */
struct rule_move {
	struct rules *rules;
	const struct rule_commit *c;
	const char *id, *path;		    /* path: where it stands now, or stood last */
	int from, to;			    /* enum task_state; -1: none */
	const struct rule_change *out, *in; /* where it left and where it came; the same of an edit in place */
	const struct json *old, *new;	    /* NULL: none, or nothing that can be read */
	const struct json *claim;	    /* of old */
};
#define rule_say(m, rule, ...) rule_tell((m)->rules, rule, (m)->c, (m)->path, __VA_ARGS__)

/* Members of one object, found by name in any order: starts as {.object = o}, rule_index_clear frees. */
struct rule_index {
	const struct json *object, *next; /* next: mostly they are asked for in their own order */
	const struct json **sorted;
	size_t n;
};
const struct json *rule_index_find(struct rule_index *x, const struct json *like); /* NULL: none has its name */
void rule_index_clear(struct rule_index *x);
bool rule_same(const struct json *a, const struct json *b); /* the same value, members in any order; NULL: absent */
bool rule_text_is(const struct json *object, const char *name, const char *text); /* a string, and that one */
/* How far a time may be off that two machines, or a document and its commit, tell: seconds. */
int64_t rule_tolerance(const struct rules *r);
/* How far a node's commit may be dated before the newest: each of two clocks is off, and a push takes its time. */
int64_t rule_behind(const struct rules *r);
/* How far a commit may be dated beyond the clock of who judges: seconds. */
int64_t rule_ahead(const struct rules *r);
const char *rule_done_to(const struct rule_change *ch); /* "added", "changed", "removed" */
/* Is m a member that only dgrid writes? */
bool rule_dgrids(const struct json *m);
/* Tells when the member differs between old and new. True: it is the same, or absent in both. */
bool rule_kept(const struct rule_move *m, const char *name, enum rule_id rule);
/* attempts must be the old ones and one more, which is returned; NULL: they are not, and that is told. */
const struct json *rule_one_attempt(const struct rule_move *m);
/* Tells when the member is there and not about the commit's time. */
bool rule_now(const struct rule_move *m, enum rule_id rule, const struct json *of, const char *name);
/* Is who a name that can be held against the document, not just any author's? */
bool rule_named(const struct rule_commit *c);
bool rule_own(const struct rule_move *m); /* the commit is that of the claim's node */
/* Tells of a member that dgrid does not write, or not so. False: there is one. */
bool rule_fields(const struct rule_move *m, enum field_doc kind, const struct json *doc);
/* The nth of the settings that held at a time (UTC seconds), or later: 0 is those of now. NULL: no more. */
const struct grid_config *rule_config(struct rules *r, size_t n, int64_t since);
/* The same of those that a node may have known then. */
const struct grid_config *rule_settings(const struct rule_move *m, size_t n, int64_t at);
/* Did require_limits hold by all of them? */
bool rule_limits_required(const struct rule_move *m, int64_t at);
/* The note of a cancel, as the new document has it: must be there, made by a person under that name, or as old has it.
 */
void rule_cancel_note(const struct rule_move *m);
#endif
