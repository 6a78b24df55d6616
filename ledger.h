/* ledger: the branch as a compare-and-swap store of task files. Never sees an engine.
 *   ledger_open -> (ledger_sync -> read the folders under l.git.dir) -> ledger_commit(changes) -> ... -> ledger_close
 * A change is a move of one task with an edit; it is re-evaluated against every new head until it lands or is no longer
 * legal, so a rejected push never loses a result and never repeats a claim that somebody else won.
 */
#ifndef LEDGER_H
#define LEDGER_H
#include "base/file.h"
#include "git/folder.h"
#include "git/push.h"
#include "git/shown.h"
#include "schema/keys.h"
#include "schema/task.h"

struct ledger_change;
/* What an edit may see of the commit that is being made: its first n changes, those in it so far with applied. */
struct ledger_draft {
	const struct ledger_change *c;
	const bool *applied;
	size_t n;
};
struct ledger {
	struct git git;
	char *url, *branch;
	char *spec;			       /* the branch, as fetch brings it */
	char head[72];			       /* remote head last seen, "" for none */
	char made[72];			       /* the commit last made, pushed or not */
	const char *const *also;	       /* refs to fetch with the branch, NULL-terminated; NULL: none */
	unsigned pushes, rejected;	       /* rejected: lost races */
	bool refused;			       /* the last push: by a remote whose branch had not moved */
	int tries;			       /* races to run before ERR_RETRY; ledger_open sets 60 */
	int64_t push_ms;		       /* how long the last push took, from fetch to answer */
	struct folder folder;		       /* a remote in a folder on this machine; folder.ref NULL: another */
	bool dirty;			       /* the work tree may hold files that git does not know */
	bool temporary;			       /* ledger_close removes the clone */
	bool fresh;			       /* it was made just now, and the first ledger_sync fetches nothing */
	char *sign_key, *sign_public, *no_key; /* see ledger_sign_with */
	struct ledger_draft draft;	       /* n 0: none is being made */
	struct push_beside *beside;	       /* goes with a commit in which a change brings it; NULL: nothing */
	char trouble[300];		       /* why a change was refused last */
	enum keys_role signs_as;	       /* what the key must be enrolled as; KEYS_ANY at first */
	bool signed_only;		       /* require_signed_nodes, as the last valid grid.json had it */
};
/* dir NULL: a temporary clone. An existing clone in dir is reused. */
int ledger_open(struct ledger *l, const char *url, const char *branch, const char *dir, const char *name,
		const char *email, struct err *e);
void ledger_close(struct ledger *l);
/* Commits are signed with key (a file) from now on; public_half: its "TYPE BASE64". Both NULL: they are not, and why is
 * what ledger_commit tells where the grid takes signed ones only. All are copied. */
void ledger_sign_with(struct ledger *l, const char *key, const char *public_half, const char *why);
/* May who commit what nodes write, on top of the head? 0: yes; ERR_PERM: who is a retired node, or the grid's
 * require_signed_nodes is set, and there is no key that is enrolled for him. ledger_commit asks it itself. */
int ledger_may_sign(struct ledger *l, const char *who, struct err *e);
int ledger_sync(struct ledger *l, struct err *e); /* fetch; the work tree becomes the remote head */
/* Cheap: asks for the remote head only, and of a local folder only after its refs changed. */
int ledger_moved(struct ledger *l, bool *moved, struct err *e);
/* A remote in a folder can be locked against others on this machine for one exchange (fetch to push), so that they
 * queue up instead of colliding. Only a courtesy: safety is the push itself. False: another holds it, try again soon.
 * True: go on, locked or not (another remote, or no right to write there). */
bool ledger_lock(struct ledger *l);
void ledger_unlock(struct ledger *l);
/* Housekeeping, when the clone has gathered too much: packs it, or makes it anew. Only when no commit is under way. */
void ledger_tidy(struct ledger *l);
int ledger_config(struct ledger *l, struct grid_config *c, struct err *e); /* c gets defaults + grid.json of the head */

/* What is asked of the work tree may fail for reasons of this machine (too many open files, a disk's error): then the
 * answer is -1, or NULL, with a class that is neither ERR_NOENT nor ERR_DATA, and says nothing of the ledger. Ids (file
 * names without .json) in a state's folder, sorted. */
int ledger_ids(struct ledger *l, enum task_state s, struct strs *out, struct err *e);
bool ledger_answered(const struct err *e); /* it is not there, or no file or text as it should be: that is an answer */
/* Bytes of a task file; ERR_DATA for what is no regular file or too large. */
int ledger_read(struct ledger *l, enum task_state s, const char *id, struct buf *out, struct err *e);
struct file_stamp ledger_stamp(const struct ledger *l, enum task_state s, const char *id);
/* What the branch itself has there, asked of Git's objects: before a verdict that cannot be taken back. */
int ledger_shown(struct ledger *l, enum task_state s, const char *id, struct shown *out, struct err *e);
/* 1: bytes (NULL: nothing) are what the branch has there; 0: they are not, the work tree is damaged, and is made anew;
 * -1: it cannot be told. */
int ledger_true(struct ledger *l, enum task_state s, const char *id, const struct buf *bytes, struct err *e);
/* Parsed without the schema; NULL with e filled. */
struct json *ledger_doc(struct ledger *l, enum task_state s, const char *id, struct err *e);
#define LEDGER_NOWHERE (-1)
#define LEDGER_UNKNOWN (-2)
int ledger_find(struct ledger *l, const char *id, struct err *e); /* the state that id is in, or one of these */
/* 1: also in another folder than that of s; 0: no; -1 */
int ledger_elsewhere(struct ledger *l, enum task_state s, const char *id, struct err *e);

enum change_verdict { CHANGE_APPLY, CHANGE_DROP };
/* REFUSED: it is legal, but cannot be put into a commit here and now; the ledger's `trouble` says why (of the last
 * one). That is its own trouble: the others land without it. DROPPED: by what the branch itself shows it is not legal.
 */
enum change_outcome { CHANGE_PENDING, CHANGE_LANDED, CHANGE_DROPPED, CHANGE_REFUSED };
struct ledger_change {
	const char *id;
	enum task_state from, to;
	bool create;	  /* no source: the id must be nowhere yet */
	const char *path; /* not a task, but this file becomes text; then all changes land, or none */
	const char *text; /* non-NULL: the new content whole; NULL: edit() makes it from the current document */
	/* May also choose another folder to go to. Of one that is created: may it be, at this head? doc is NULL. */
	enum change_verdict (*edit)(void *ctx, struct json *doc, enum task_state *to);
	void *ctx;
	const char *verb; /* for the commit message: claim, finish, ... */
	const char *note; /* a line for it, below; NULL: none */
	bool brings;	  /* the ledger's beside */
	enum change_outcome outcome;
};
/* Lands all changes that are legal in one commit and push, with the file extra_path (NULL: none) set to extra_text.
 * 0: every change is landed, dropped or refused. -1: what is pending did not land (ERR_RETRY: races lost; ERR_PERM: the
 * remote says no), or may have (any other class: remote trouble; after the next ledger_sync look for your nonce).
 * Whether it was refused by a remote whose branch did not move: refused. who goes first in the commit message. */
int ledger_commit(struct ledger *l, const char *who, struct ledger_change *c, size_t n, const char *extra_path,
		  const char *extra_text, struct err *e);
#endif
